import LumosTensor

/// Reference images as the VAE encoder takes them (MODEL.md section 3).
public enum ConditionImage {
  /// `image` fitted into `height` x `width`, centred on white, as float32 `[1, height, width, 3]` in [-1, 1].
  ///
  /// The resize is Pillow 11.0's BICUBIC, bit for bit; values are `(u8/255 - 0.5)/0.5` with every operation in float32.
  public static func pixels(_ image: Image, height: Int, width: Int) -> Tensor {
    let canvas = fitted(image, height: height, width: width)
    let values = (0..<256).map { (Float($0) / 255 - 0.5) / 0.5 }
    return Tensor([1, height, width, 3], .f32) { bytes in
      let out = bytes.bindMemory(to: Float.self)
      canvas.pixels.withUnsafeBufferPointer { source in
        for i in 0..<source.count { out[i] = values[Int(source[i])] }
      }
    }
  }

  /// `image` scaled to touch the borders of `height` x `width` from inside, centred, white around it.
  public static func fitted(_ image: Image, height: Int, width: Int) -> Image {
    let ratio = min(Double(width) / Double(image.width), Double(height) / Double(image.height))
    // A side below one pixel is an error in Pillow; here it becomes one.
    let fittedWidth = max(Int(Double(image.width) * ratio), 1)
    let fittedHeight = max(Int(Double(image.height) * ratio), 1)
    let inner = BicubicResize.resized(image, width: fittedWidth, height: fittedHeight)
    if fittedWidth == width, fittedHeight == height { return inner }
    let (left, top) = ((width - fittedWidth) / 2, (height - fittedHeight) / 2)
    return Image(width: width, height: height) { out in
      out.update(repeating: 255)
      inner.pixels.withUnsafeBufferPointer { source in
        for y in 0..<fittedHeight {
          let to = ((top + y) * width + left) * 3
          for i in 0..<fittedWidth * 3 { out[to + i] = source[y * fittedWidth * 3 + i] }
        }
      }
    }
  }

  /// `[1, height, width, 3]` of `pixels` as `[3, height, width]`, the order of the published code.
  public static func channelsFirst(_ pixels: Tensor) -> Tensor {
    precondition(
      pixels.dtype == .f32 && pixels.shape.rank == 4 && pixels.shape[0] == 1 && pixels.shape[3] == 3,
      "condition pixels are f32[1, height, width, 3], not \(pixels.type)")
    let area = pixels.shape[1] * pixels.shape[2]
    return Tensor([3, pixels.shape[1], pixels.shape[2]], .f32) { bytes in
      let out = bytes.bindMemory(to: Float.self)
      pixels.withUnsafeBytes { raw in
        for i in 0..<area {
          for channel in 0..<3 {
            out[channel * area + i] = raw.loadUnaligned(fromByteOffset: (i * 3 + channel) * 4, as: Float.self)
          }
        }
      }
    }
  }
}
