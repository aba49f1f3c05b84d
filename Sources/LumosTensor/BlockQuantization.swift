/// Numbers into blocks.
///
/// `q8_0`, `q4_0` and `q5_0` round as ggml's reference does, bit for bit. The K types leave open how scales are found; here
/// some are tried, each improved by least squares, and the one with the least squared error is taken. Numbers that are
/// not finite count as zero, scales beyond f16 as its largest number.
extension BlockFormat {
  /// Quantises whole blocks into the bytes of as many blocks.
  public static func quantize(
    _ values: UnsafeBufferPointer<Float>, _ dtype: DType, into bytes: UnsafeMutableRawBufferPointer
  ) {
    guard let format = dtype.block, let base = bytes.baseAddress else { return }
    let count = values.count / format.elements
    precondition(values.count % format.elements == 0 && bytes.count >= count * format.bytes, "\(values.count) elements")
    for i in 0..<count {
      let from = i * format.elements
      let x = values[from..<from + format.elements].map { $0.isFinite ? $0 : 0 }
      let out = UnsafeMutableRawBufferPointer(start: base + i * format.bytes, count: format.bytes)
      out.initializeMemory(as: UInt8.self, repeating: 0)
      switch dtype {
      case .q8_0: eightBits(x, out)
      case .q4_0, .q5_0: signedBits(x, dtype == .q5_0, out)
      case .q4_K, .q5_K: parts(x, dtype == .q5_K, out)
      default: shortParts(x, out)
      }
    }
  }

  /// `q8_0`: the largest magnitude becomes 127.
  private static func eightBits(_ x: [Float], _ out: UnsafeMutableRawBufferPointer) {
    let scale = x.reduce(0) { max($0, abs($1)) } / 127
    let inverse = scale == 0 ? 0 : 1 / scale
    store(scale, at: 0, out)
    for i in 0..<32 { out[2 + i] = UInt8(bitPattern: Int8(bounded((x[i] * inverse).rounded(), -127...127))) }
  }

  /// `q4_0` and `q5_0`: the number of largest magnitude becomes the lowest integer, -8 or -16.
  private static func signedBits(_ x: [Float], _ hasFifthBit: Bool, _ out: UnsafeMutableRawBufferPointer) {
    let half: Float = hasFifthBit ? 16 : 8
    let extreme = x.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
    let scale = extreme / -half
    let inverse = scale == 0 ? 0 : 1 / scale
    store(scale, at: 0, out)
    for i in 0..<32 {
      let q = bounded(x[i] * inverse + (half + 0.5), 0...Int(2 * half - 1))
      out[(hasFifthBit ? 6 : 2) + i % 16] |= UInt8(q & 15) << (i / 16 * 4)
      if hasFifthBit { out[2 + i / 8] |= UInt8(q >> 4) << (i % 8) }
    }
  }

  /// `q4_K` and `q5_K`.
  private static func parts(_ x: [Float], _ hasFifthBit: Bool, _ out: UnsafeMutableRawBufferPointer) {
    let most = hasFifthBit ? 31 : 15
    let fits = (0..<8).map { fit(x[$0 * part..<($0 + 1) * part], most: most) }
    // The scales and minima become integers of six bits, the largest of each 63.
    let scale = rounded(fits.reduce(0) { max($0, $1.scale) } / 63)
    let minimum = rounded(fits.reduce(0) { max($0, $1.minimum) } / 63)
    store(scale, at: 0, out)
    store(minimum, at: 2, out)
    for (index, fit) in fits.enumerated() {
      let own = scale == 0 ? 0 : bounded((fit.scale / scale).rounded(), 0...63)
      let least = minimum == 0 ? 0 : bounded((fit.minimum / minimum).rounded(), 0...63)
      if index < 4 {
        out[4 + index] |= UInt8(own)
        out[8 + index] |= UInt8(least)
      } else {
        out[8 + index] |= UInt8(own & 15 | (least & 15) << 4)
        out[index] |= UInt8(own >> 4) << 6
        out[4 + index] |= UInt8(least >> 4) << 6
      }
      let (step, offset) = (scale * Float(own), minimum * Float(least))
      for i in 0..<part {
        let q = step == 0 ? 0 : bounded(((x[index * part + i] + offset) / step).rounded(), 0...most)
        out[(hasFifthBit ? 48 : 16) + index / 2 * 32 + i] |= UInt8(q & 15) << (index % 2 * 4)
        if hasFifthBit { out[16 + i] |= UInt8(q >> 4) << index }
      }
    }
  }

  /// `q6_K`.
  private static func shortParts(_ x: [Float], _ out: UnsafeMutableRawBufferPointer) {
    let scales = (0..<16).map { symmetricScale(x[$0 * shortPart..<($0 + 1) * shortPart]) }
    let extreme = scales.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
    let scale = rounded(extreme / -128)
    store(scale, at: 208, out)
    for (index, own) in scales.enumerated() {
      let factor = scale == 0 ? 0 : bounded((own / scale).rounded(), -128...127)
      out[192 + index] = UInt8(bitPattern: Int8(factor))
      let step = scale * Float(factor)
      for i in index * shortPart..<(index + 1) * shortPart {
        let q = step == 0 ? 32 : bounded((x[i] / step).rounded(), -32...31) + 32
        let (half, inside) = (i / 128, i % 128)
        out[half * 64 + inside % 64] |= UInt8(q & 15) << (inside / 64 * 4)
        out[128 + half * 32 + inside % 32] |= UInt8(q >> 4) << (inside / 32 * 2)
      }
    }
  }

  /// Scale and minimum, neither negative, with which integers up to `most` are nearest to x = scale · q - minimum.
  private static func fit(_ x: ArraySlice<Float>, most: Int) -> (scale: Float, minimum: Float) {
    let (low, high) = x.reduce((Float(0), Float(0))) { (min($0.0, $1), max($0.1, $1)) }
    guard high > low else { return (0, -low) }
    var best = (scale: (high - low) / Float(most), minimum: -low)
    var least = Float.infinity
    // One more or less than the range asks for: outliers may be cut, or the last step given away.
    for widening in stride(from: Float(-1), through: 1, by: 0.25) {
      let inverse = (Float(most) + widening) / (high - low)
      var (sumQ, sumQQ, sumX, sumQX) = (Float(0), Float(0), Float(0), Float(0))
      var integers = [Float](repeating: 0, count: x.count)
      for (i, value) in x.enumerated() {
        let q = Float(bounded(((value - low) * inverse).rounded(), 0...most))
        integers[i] = q
        sumQ += q
        sumQQ += q * q
        sumX += value
        sumQX += q * value
      }
      let count = Float(x.count)
      let determinant = count * sumQQ - sumQ * sumQ
      guard determinant > 0 else { continue }
      var scale = (count * sumQX - sumQ * sumX) / determinant
      var minimum = (sumQ * sumQX - sumQQ * sumX) / determinant
      if minimum < 0 { (scale, minimum) = (sumQQ > 0 ? sumQX / sumQQ : 0, 0) }
      guard scale > 0, scale.isFinite, minimum.isFinite else { continue }
      var error: Float = 0
      for (i, value) in x.enumerated() {
        let difference = scale * integers[i] - minimum - value
        error += difference * difference
      }
      if error < least { (best, least) = ((scale, minimum), error) }
    }
    return best
  }

  /// The scale with which integers from -32 to 31 are nearest to x = scale · q.
  private static func symmetricScale(_ x: ArraySlice<Float>) -> Float {
    let extreme = x.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
    guard extreme != 0 else { return 0 }
    var best = extreme / -32
    var least = Float.infinity
    for widening in stride(from: Float(-1), through: 1, by: 0.25) {
      let inverse = (-32 + widening) / extreme
      var (sumQQ, sumQX) = (Float(0), Float(0))
      for value in x {
        let q = Float(bounded((value * inverse).rounded(), -32...31))
        sumQQ += q * q
        sumQX += q * value
      }
      guard sumQQ > 0 else { continue }
      let scale = sumQX / sumQQ
      guard scale != 0, scale.isFinite else { continue }
      var error: Float = 0
      for value in x {
        let q = Float(bounded((value / scale).rounded(), -32...31))
        error += (scale * q - value) * (scale * q - value)
      }
      if error < least { (best, least) = (scale, error) }
    }
    return best
  }

  /// The integer part of `value` within `range`; the lower end for what is no number.
  private static func bounded(_ value: Float, _ range: ClosedRange<Int>) -> Int {
    guard value > Float(range.lowerBound) else { return range.lowerBound }
    return value < Float(range.upperBound) ? Int(value) : range.upperBound
  }

  /// The nearest finite f16.
  private static func rounded(_ value: Float) -> Float { Float(half(value)) }

  private static func half(_ value: Float) -> Float16 {
    let greatest = Float16.greatestFiniteMagnitude
    return min(max(Float16(value), -greatest), greatest)
  }

  private static func store(_ value: Float, at byte: Int, _ out: UnsafeMutableRawBufferPointer) {
    let bits = half(value).bitPattern
    out[byte] = UInt8(bits & 255)
    out[byte + 1] = UInt8(bits >> 8)
  }
}
