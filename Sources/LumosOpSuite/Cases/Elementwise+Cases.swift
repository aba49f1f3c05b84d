import LumosOps
import LumosTensor

extension Elementwise: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for kind in Elementwise.Kind.allCases {
      for (a, b): (Shape, Shape) in [
        ([1], [1]), ([7, 13], [7, 13]), ([3, 6, 257], [1, 6, 257]), ([1031], [1]), ([11, 1028], [1028]),
      ] {
        for dtype: DType in [.f32, .f16, .bf16] {
          cases.append(
            OpCase(
              "\(kind) \(a) and \(b) \(dtype.rawValue)", Elementwise(kind), [.init(a), .init(b, dtype)],
              dtype: dtype))
        }
      }
    }
    for dtype: DType in [.f16, .bf16] {
      for (kind, a, b): (Elementwise.Kind, Shape, Shape) in [
        (.multiply, [7, 13], [7, 13]), (.multiply, [3, 6, 257], [1, 6, 257]), (.add, [1031], [1]),
        (.add, [5, 2060], [2060]),
      ] {
        cases.append(
          OpCase(
            "\(kind) \(a) and \(b) to \(dtype.rawValue)", Elementwise(kind, dtype: dtype), [.init(a), .init(b)],
            dtype: dtype))
      }
    }
    let tokens: Shape = [32760, 1536]
    cases.append(
      OpCase("residual 480x832x81", Elementwise(.add), [.init(tokens), .init(tokens)], purpose: .benchmark))
    return cases
  }
}
