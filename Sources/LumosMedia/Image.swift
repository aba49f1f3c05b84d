import LumosTensor

/// A picture of 8-bit sRGB pixels, row-major, three bytes a pixel: `[height, width, 3]`.
public struct Image: Sendable, Equatable {
  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// Red, green, blue of every pixel from the top left, `height * width * 3` bytes.
  public let pixels: [UInt8]

  /// An image over these bytes, `height * width * 3` of them; both sides are at least 1.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image of \(width) x \(height)")
    precondition(pixels.count == width * height * 3, "\(pixels.count) bytes for \(width) x \(height) RGB")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// An image that `initialize` fills; the bytes start undefined and must all be written.
  init(width: Int, height: Int, initialize: (UnsafeMutableBufferPointer<UInt8>) throws -> Void) rethrows {
    let count = width * height * 3
    let pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try initialize(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// An image of one colour.
  public init(width: Int, height: Int, red: UInt8, green: UInt8, blue: UInt8) {
    self.init(width: width, height: height) { out in
      for i in 0..<width * height {
        out[3 * i] = red
        out[3 * i + 1] = green
        out[3 * i + 2] = blue
      }
    }
  }

  /// The pixel in column `x` of row `y`.
  public subscript(x: Int, y: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
    precondition(x >= 0 && x < width && y >= 0 && y < height, "pixel (\(x), \(y)) of \(width) x \(height)")
    let at = (y * width + x) * 3
    return (pixels[at], pixels[at + 1], pixels[at + 2])
  }

  /// The pixels as `[height, width, 3]` u8.
  public var tensor: Tensor {
    Tensor([height, width, 3], .u8) { bytes in pixels.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }
}
