import CLibPNG
import LumosTensor

/// PNG through libpng: all colour types, depths and interlacing.
enum PNGDecoder {
  /// The image; transparency is composited over white. Throws `LumosError.badInput`.
  static func decode(_ bytes: [UInt8], name: String) throws -> Image {
    try checkHeader(bytes, name: name)
    return try bytes.withUnsafeBufferPointer { file in
      var header = LumosPNGHeader()
      var failure = LumosPNGFailure()
      guard
        let reader = lumos_png_reader_open(
          file.baseAddress, file.count, UInt32(ImageReader.maximumSide), &header, &failure)
      else { throw error(failure, name) }
      defer { lumos_png_reader_close(reader) }
      let (width, height, channels) = (Int(header.width), Int(header.height), Int(header.channels))
      let count = width * height * channels
      var pixels = try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        guard lumos_png_reader_pixels(reader, buffer.baseAddress, &failure) == 1 else { throw error(failure, name) }
        initialized = count
      }
      if channels == 4 { Transparency.compositeOverWhite(&pixels) }
      let image = Image(width: width, height: height, pixels: pixels)
      var exifSize = 0
      guard let exif = lumos_png_reader_exif(reader, &exifSize) else { return image }
      return Orientation(exif: UnsafeBufferPointer(start: exif, count: exifSize)).applied(to: image)
    }
  }

  /// Refuses sizes beyond the limits, and files that are too short for their size, before anything is allocated.
  private static func checkHeader(_ bytes: [UInt8], name: String) throws {
    // Signature 8, chunk length 4, "IHDR" 4, then width, height, depth, colour type.
    guard bytes.count >= 33 else {
      throw ImageReader.truncated(at: bytes.count, "the header is incomplete", name: name)
    }
    guard bytes[8..<16].elementsEqual([0, 0, 0, 13] + "IHDR".utf8) else {
      throw ImageReader.corrupt(at: "\(name), byte 8", "the first chunk is not a PNG header")
    }
    func number(at offset: Int) -> Int { bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
    let (width, height) = (number(at: 16), number(at: 20))
    try ImageReader.checkSize(width: width, height: height, name: name)
    let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][bytes[25]] ?? 1
    // Deflate shrinks at most 1032 times.
    let leastCount = (width * samples * Int(bytes[24]) + 7) / 8 * height / 1032
    guard bytes.count >= leastCount else {
      throw ImageReader.truncated(at: bytes.count, "too short for \(width) x \(height) pixels", name: name)
    }
  }

  private static func error(_ failure: LumosPNGFailure, _ name: String) -> LumosError {
    let place = failure.row >= 0 ? ", row \(failure.row)" : ""
    if failure.truncated != 0 {
      return ImageReader.truncated(at: Int(failure.offset), "the file ends too early", name: name + place)
    }
    return ImageReader.corrupt(at: "\(name)\(place), byte \(failure.offset)", failure.text)
  }
}

extension LumosPNGFailure {
  /// The message as a string.
  var text: String {
    withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// Straight alpha over white.
enum Transparency {
  /// Turns RGBA bytes into RGB bytes: `round((colour * alpha + 255 * (255 - alpha)) / 255)`, as Pillow composites.
  static func compositeOverWhite(_ pixels: inout [UInt8]) {
    let count = pixels.count / 4
    pixels.withUnsafeMutableBufferPointer { p in
      // In place: byte 3i + c is written after bytes 4i and beyond have been read.
      for i in 0..<count {
        let alpha = Int(p[4 * i + 3])
        let (red, green, blue) = (Int(p[4 * i]), Int(p[4 * i + 1]), Int(p[4 * i + 2]))
        let white = 255 * (255 - alpha) + 127
        p[3 * i] = UInt8((red * alpha + white) / 255)
        p[3 * i + 1] = UInt8((green * alpha + white) / 255)
        p[3 * i + 2] = UInt8((blue * alpha + white) / 255)
      }
    }
    pixels.removeLast(count)
  }
}
