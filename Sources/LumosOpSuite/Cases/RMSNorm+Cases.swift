import LumosOps
import LumosTensor

extension RMSNorm: OpCases {
  public static var cases: [OpCase] {
    let op = RMSNorm(epsilon: 1e-6)
    var cases = OpCase.rowShapes.map { OpCase("\($0)", op, [.init($0), .init([$0[-1]])]) }
    for dtype: DType in [.f16, .bf16] {
      for shape: Shape in [[1, 1], [5, 67], [3, 2, 1536]] {
        cases.append(
          OpCase("\(shape) \(dtype.rawValue)", op, [.init(shape), .init([shape[-1]], dtype)], dtype: dtype))
      }
    }
    let small = OpCase.Input([3, 257], .f32, .normal(deviation: 1e-3))
    cases.append(OpCase("mean square near ε", op, [small, .init([257])]))
    cases.append(
      OpCase("zero row", op, [.init([2, 5], .f32, .values([0, 0, 0, 0, 0, 1, 2, 3, 4, 5])), .init([5])]))
    for (name, shape): (String, Shape) in [("query 480x832x81", [32760, 1536]), ("text encoder", [512, 4096])] {
      cases.append(OpCase(name, op, [.init(shape), .init([shape[1]], .bf16)], dtype: .bf16, purpose: .benchmark))
    }
    return cases
  }
}
