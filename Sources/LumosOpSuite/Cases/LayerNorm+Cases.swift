import LumosOps
import LumosTensor

extension LayerNorm: OpCases {
  public static var cases: [OpCase] {
    let op = LayerNorm(epsilon: 1e-6)
    var cases = OpCase.rowShapes.map { OpCase("plain \($0)", op, [.init($0)]) }
    for dtype: DType in [.f32, .f16, .bf16] {
      for shape: Shape in [[1, 1], [5, 67], [3, 2, 1536]] {
        let weight = OpCase.Input([shape[-1]], dtype)
        cases.append(OpCase("affine \(shape) \(dtype.rawValue)", op, [.init(shape), weight, weight], dtype: dtype))
      }
    }
    // A mean a thousand deviations from zero: E[x²] - E[x]² would have no digit left in float32.
    let far = OpCase.Fill.uniform(lower: 999, upper: 1001)
    cases.append(OpCase("mean 1000", op, [.init([9, 1536], .f32, far)]))
    cases.append(OpCase("mean 1000, 16384 wide", op, [.init([2, 16384], .f32, far)]))
    cases.append(OpCase("constant row", op, [.init([2, 97], .f32, .values([Float](repeating: 3, count: 194)))]))
    cases.append(OpCase("deviation below √ε", op, [.init([4, 1536], .f32, .normal(deviation: 1e-4))]))
    let tokens: Shape = [32760, 1536]
    cases.append(OpCase("transformer 480x832x81", op, [.init(tokens)], purpose: .benchmark))
    cases.append(
      OpCase("affine 480x832x81", op, [.init(tokens), .init([1536]), .init([1536])], purpose: .benchmark))
    return cases
  }
}
