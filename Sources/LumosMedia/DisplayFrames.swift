import LumosTensor

/// Decoded video as display bytes (MODEL.md section 12).
public enum DisplayFrames {
  /// Frames of decoder output, float32 `[frames, height, width, 3]`.
  ///
  /// Values are clamped to [-1, 1] and become `(v + 1)/2 * 255` in float32, cut off (not rounded) to 8 bits, as the
  /// published code does. Throws `LumosError.internalDefect` at the first NaN, which only a broken decoder or
  /// checkpoint yields and which must not become a grey pixel in silence.
  public static func images(_ decoded: Tensor) throws -> [Image] {
    precondition(
      decoded.dtype == .f32 && decoded.shape.rank == 4 && decoded.shape[3] == 3,
      "decoded frames are f32[frames, height, width, 3], not \(decoded.type)")
    let (height, width) = (decoded.shape[1], decoded.shape[2])
    let count = height * width * 3
    return try (0..<decoded.shape[0]).map { frame in
      try Image(width: width, height: height) { out in
        try decoded.withUnsafeBytes { raw throws(LumosError) in
          for i in 0..<count {
            let value = raw.loadUnaligned(fromByteOffset: (frame * count + i) * 4, as: Float.self)
            guard !value.isNaN else {
              throw LumosError(
                .internalDefect, "the decoder produced NaN",
                at: "frame \(frame), row \(i / 3 / width), column \(i / 3 % width)",
                advice: "check the checkpoint, or run with the precision f32")
            }
            out[i] = UInt8((max(-1, min(1, value)) + 1) / 2 * 255)
          }
        }
      }
    }
  }
}
