import LumosOps
import LumosTensor

extension Convert: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for dtype: DType in [.f16, .bf16] {
      for shape: Shape in [[1], [7, 5], [2, 3, 5, 67], [1025], [5, 2060], [3, 4], [0, 3]] {
        cases.append(OpCase("\(shape) to \(dtype.rawValue)", Convert(to: dtype), [.init(shape)], dtype: dtype))
      }
      cases.append(
        OpCase(
          "edges to \(dtype.rawValue)", Convert(to: dtype),
          [.init([edges.count], .f32, .values(edges))], dtype: dtype))
      cases.append(
        OpCase(
          "frame of 480x832x96 to \(dtype.rawValue)", Convert(to: dtype), [.init([1, 480, 832, 96])], dtype: dtype,
          purpose: .benchmark))
    }
    return cases
  }

  /// Where rounding changes its ways, in both types and with both signs: ties to even and their neighbours, the least
  /// normal and subnormal numbers, the largest finite ones and what lies beyond.
  private static var edges: [Float] {
    let powers: [Float] = [0x1p-149, 0x1p-126, 0x1p-30, 0x1p-26, 0x1p-25, 0x1p-24, 0x1p-15, 0x1p-14, 1, 2048, 0x1p127]
    let marks: [Float] = powers.flatMap { power in [1, 1.25, 1.5, 1.75].map { $0 * power } }
    let halfway: [Float] = [
      1 + 0x1p-11, 1 + 3 * 0x1p-11, 1 + 0x1p-8, 1 + 3 * 0x1p-8, 0x1.ffp-15, 0x1.ffep-15, 65504, 65519.996, 65520,
      65536, 1e9, 0x1.fep127, 0x1.fefffep127, 0x1.ffp127, .greatestFiniteMagnitude,
    ]
    return [0] + (marks + halfway).flatMap { [$0, $0.nextUp, $0.nextDown] }.filter(\.isFinite).flatMap { [$0, -$0] }
  }
}
