import LumosOps
import LumosTensor

extension ChannelAffine: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for shape: Shape in [[1], [1, 1], [3, 5, 7, 16], [11, 97], [1, 1025]] {
      for dtype: DType in [.f32, .f16, .bf16] {
        let weight = OpCase.Input([shape[-1]], dtype)
        cases.append(
          OpCase("\(shape) \(dtype.rawValue)", ChannelAffine(), [.init(shape), weight, weight], dtype: dtype))
      }
    }
    cases.append(
      OpCase(
        "latent 480x832x81", ChannelAffine(), [.init([21, 60, 104, 16]), .init([16]), .init([16])],
        purpose: .benchmark))
    return cases
  }
}
