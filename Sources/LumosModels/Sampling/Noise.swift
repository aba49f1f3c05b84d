import LumosTensor

/// Normal noise that is the same on every machine, bit for bit.
///
/// Element e of the stream with seed s: the words of Philox 4x32-10 with key s and counter `(e / 4, low word first, 0,
/// 0)` are four uniform numbers; words 0 and 1 make elements 4k and 4k+1 of the block, words 2 and 3 elements 4k+2 and
/// 4k+3, by the Box-Muller transform: `√(-2 ln u) cos 2πv` and `√(-2 ln u) sin 2πv` with `u = (word + 1) / 2³²` and
/// `v = word / 2³²`, in float64 and then rounded to float32. Logarithm, sine and cosine are the polynomials below,
/// which use nothing but the operations that IEEE 754 rounds exactly (+ - · / √), in a fixed order.
public struct Noise: Sendable, Hashable {
  private let generator: Philox

  /// The stream of this seed.
  public init(seed: UInt64) { generator = Philox(seed: seed) }

  /// Elements `0 ..< count` of the stream.
  public func normals(count: Int) -> [Float] {
    Array(unsafeUninitializedCapacity: count) { out, initialized in
      for block in 0..<(count + 3) / 4 {
        let values = normals(block: UInt64(block))
        for lane in 0..<min(4, count - 4 * block) { out[4 * block + lane] = values[lane] }
      }
      initialized = count
    }
  }

  /// The first latent of a video, f32 channels last `[frames, height, width, channels]`.
  ///
  /// The stream runs in the published order `[channels, frames, height, width]`, so the numbers do not depend on how
  /// this engine stores latents.
  public func latent(frames: Int, height: Int, width: Int, channels: Int) -> Tensor {
    let positions = frames * height * width
    let stream = normals(count: channels * positions)
    return Tensor([frames, height, width, channels], .f32) { bytes in
      let out = bytes.bindMemory(to: Float.self)
      for channel in 0..<channels {
        for position in 0..<positions { out[position * channels + channel] = stream[channel * positions + position] }
      }
    }
  }

  /// Elements `4 block ..< 4 block + 4`.
  func normals(block: UInt64) -> SIMD4<Float> {
    let counter = SIMD4(UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), 0, 0)
    let words = generator.words(counter)
    let (a, b) = Noise.boxMuller(words[0], words[1])
    let (c, d) = Noise.boxMuller(words[2], words[3])
    return SIMD4(Float(a), Float(b), Float(c), Float(d))
  }

  private static func boxMuller(_ u: UInt32, _ v: UInt32) -> (Double, Double) {
    let radius = (-2 * logarithm(ofUniform: u)).squareRoot()
    let (sine, cosine) = sineCosine(ofTurns: v)
    return (radius * cosine, radius * sine)
  }

  /// ln((word + 1) / 2³²).
  static func logarithm(ofUniform word: UInt32) -> Double {
    // x = m · 2^e with m in [√½, √2), so that the series below converges fast and keeps its digits near x = 1.
    let value = Double(UInt64(word) + 1)
    var exponent = Double(value.exponent) - 32
    var mantissa = value.significand
    if mantissa >= 1.414_213_562_373_095_1 {
      mantissa *= 0.5
      exponent += 1
    }
    // ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …), |s| < 0.172; the first term left out is below 1e-18.
    let s = (mantissa - 1) / (mantissa + 1)
    let square = s * s
    var sum = 0.0
    for divisor in stride(from: 21.0, through: 1, by: -2) { sum = sum * square + 1 / divisor }
    return exponent * 0.693_147_180_559_945_3 + 2 * s * sum
  }

  /// sin 2πv and cos 2πv for v = word / 2³².
  static func sineCosine(ofTurns word: UInt32) -> (sine: Double, cosine: Double) {
    // The nearest quarter turn is split off in integers, exactly; the rest is within an eighth of a turn.
    let quarter = (word &+ 0x2000_0000) >> 30
    let rest = Int32(bitPattern: word &- quarter << 30)
    let angle = Double(rest) * (3.141_592_653_589_793 / 2_147_483_648)
    let square = angle * angle
    // Taylor series in Horner form: factor 1/((n-1) n) per pair of terms; the first terms left out are below 1e-18.
    var sine = 1.0
    for n in stride(from: 17.0, through: 3, by: -2) { sine = 1 - sine * square / ((n - 1) * n) }
    sine *= angle
    var cosine = 1.0
    for n in stride(from: 18.0, through: 2, by: -2) { cosine = 1 - cosine * square / ((n - 1) * n) }
    switch quarter {
    case 0: return (sine, cosine)
    case 1: return (cosine, -sine)
    case 2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }
}
