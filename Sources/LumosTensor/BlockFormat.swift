/// How a block type of ggml stores neighbouring elements of a row: facts of the format, and what they mean in float32.
///
/// A block of 32 (`q8_0`, `q4_0`, `q5_0`) is a scale d in f16 and integers q; an element is d · q. A block of 256 (the
/// K types) is made of parts with scales of their own, which are integers in turn: in `q4_k` and `q5_k` an element is
/// (d · scale) · q - (m · minimum), with a scale and a minimum of 6 bits for 32 elements, in `q6_k` (d · scale) · q,
/// with a scale of 8 bits for 16.
///
/// Every product above is exact in float32 but the last of `q6_k`, so that a difference, or that product, rounds once and
/// all implementations agree to the last bit, whether they fuse multiplications with additions or not.
public struct BlockFormat: Sendable, Hashable {
  /// Elements of a block.
  public let elements: Int
  /// Bytes of a block.
  public let bytes: Int

  /// Elements that share a scale and a minimum in `q4_k` and `q5_k`.
  static let part = 32
  /// Elements that share a scale in `q6_k`.
  static let shortPart = 16

  /// Widens blocks of `dtype`, exactly. `out` has room for all their elements.
  public static func dequantize(
    _ bytes: UnsafeRawBufferPointer, _ dtype: DType, into out: UnsafeMutableBufferPointer<Float>
  ) {
    guard let format = dtype.block, let base = bytes.baseAddress, let target = out.baseAddress else { return }
    let count = bytes.count / format.bytes
    precondition(bytes.count % format.bytes == 0 && out.count >= count * format.elements, "\(bytes.count) bytes")
    func each(_ widen: (BlockBytes, UnsafeMutablePointer<Float>) -> Void) {
      for i in 0..<count { widen(BlockBytes(base: base + i * format.bytes), target + i * format.elements) }
    }
    switch dtype {
    case .q8_0:
      each { block, out in
        let scale = block.half(0)
        for i in 0..<32 { out[i] = scale * Float(block.signed(2 + i)) }
      }
    case .q4_0:
      each { block, out in
        let scale = block.half(0)
        // Low four bits are the first half of the block, high ones the second.
        for i in 0..<16 {
          let pair = Int(block[2 + i])
          out[i] = scale * Float(pair & 15 - 8)
          out[i + 16] = scale * Float(pair >> 4 - 8)
        }
      }
    case .q5_0:
      each { block, out in
        let scale = block.half(0)
        // Bit i of the word behind the scale is the fifth bit of element i.
        for i in 0..<32 {
          let four = Int(block[6 + i % 16]) >> (i / 16 * 4) & 15
          let fifth = Int(block[2 + i / 8]) >> (i % 8) & 1
          out[i] = scale * Float(four + fifth << 4 - 16)
        }
      }
    case .q4_K, .q5_K:
      let hasFifthBit = dtype == .q5_K
      each { block, out in
        let (scale, minimum) = (block.half(0), block.half(2))
        let quants = hasFifthBit ? 48 : 16
        for part in 0..<8 {
          let packed = block.scaleAndMinimum(part, at: 4)
          let (factor, offset) = (scale * Float(packed.scale), minimum * Float(packed.minimum))
          for i in 0..<Self.part {
            var q = Int(block[quants + part / 2 * 32 + i]) >> (part % 2 * 4) & 15
            if hasFifthBit { q += (Int(block[16 + i]) >> part & 1) << 4 }
            out[part * Self.part + i] = factor * Float(q) - offset
          }
        }
      }
    case .q6_K:
      each { block, out in
        let scale = block.half(208)
        for i in 0..<256 {
          let (half, inside) = (i / 128, i % 128)
          let four = Int(block[half * 64 + inside % 64]) >> (inside / 64 * 4) & 15
          let two = Int(block[128 + half * 32 + inside % 32]) >> (inside / 32 * 2) & 3
          out[i] = scale * Float(block.signed(192 + i / Self.shortPart)) * Float(four + two << 4 - 32)
        }
      }
    case .f64, .f32, .f16, .bf16, .i64, .i32, .u8, .f8e4m3: preconditionFailure("\(dtype.rawValue) has no blocks")
    }
  }
}

/// The bytes of one block.
private struct BlockBytes {
  let base: UnsafeRawPointer

  subscript(_ i: Int) -> UInt8 { base.load(fromByteOffset: i, as: UInt8.self) }
  func signed(_ i: Int) -> Int8 { base.load(fromByteOffset: i, as: Int8.self) }
  /// The f16 at byte `i`.
  func half(_ i: Int) -> Float { Float(Float16(bitPattern: UInt16(self[i]) | UInt16(self[i + 1]) << 8)) }

  /// Scale and minimum of a part, six bits each, of twelve bytes from `at` on: the first four bytes hold the scales of
  /// parts 0 to 3 and, in their upper two bits, the upper two of those of parts 4 to 7; the next four bytes the minima
  /// likewise; the last four the lower four bits of scale and minimum of parts 4 to 7.
  func scaleAndMinimum(_ part: Int, at: Int) -> (scale: UInt8, minimum: UInt8) {
    if part < 4 { return (self[at + part] & 63, self[at + 4 + part] & 63) }
    let low = self[at + 4 + part]
    return (low & 15 | (self[at + part - 4] & 0xc0) >> 2, low >> 4 | (self[at + part] & 0xc0) >> 2)
  }
}
