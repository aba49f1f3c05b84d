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
    cases += modulatedCases + halfCases
    let tokens: Shape = [32760, 1536]
    cases.append(OpCase("transformer 480x832x81", op, [.init(tokens)], purpose: .benchmark))
    cases.append(
      OpCase("affine 480x832x81", op, [.init(tokens), .init([1536]), .init([1536])], purpose: .benchmark))
    cases.append(
      OpCase(
        "modulated 480x832x81", LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 0, scaleRow: 1)),
        [.init(tokens), .init([6, 1536])], purpose: .benchmark))
    return cases
  }

  /// With results in f16 and bf16: plain, affine and modulated.
  private static var halfCases: [OpCase] {
    [DType.f16, .bf16].flatMap { dtype in
      [[1, 2], [17, 7], [7, 65], [7, 100], [2, 3, 384], [3, 1536], [0, 4]].flatMap { (shape: Shape) in
        let modulated = LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 3, scaleRow: 4), dtype: dtype)
        let weight = OpCase.Input([shape[-1]])
        return [
          OpCase(
            "plain \(shape) to \(dtype.rawValue)", LayerNorm(epsilon: 1e-6, dtype: dtype), [.init(shape)], dtype: dtype),
          OpCase(
            "affine \(shape) to \(dtype.rawValue)", LayerNorm(epsilon: 1e-6, dtype: dtype),
            [.init(shape), weight, weight], dtype: dtype),
          OpCase(
            "modulated \(shape) to \(dtype.rawValue)", modulated, [.init(shape), .init([6, shape[-1]])], dtype: dtype),
        ]
      }
    } + [
      OpCase(
        "modulated 480x832x81 to f16",
        LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: 0, scaleRow: 1), dtype: .f16),
        [.init([32760, 1536]), .init([6, 1536])], purpose: .benchmark)
    ]
  }

  /// Scale and shift behind the norm: rows from both ends of tables of several lengths, and one row for both.
  private static var modulatedCases: [OpCase] {
    func make(_ x: Shape, shift: Int, scale: Int, rows: Int, weights: DType? = nil) -> OpCase {
      let op = LayerNorm(epsilon: 1e-6, modulation: Modulate(shiftRow: shift, scaleRow: scale))
      let affine = weights.map { [OpCase.Input([x[-1]], $0), OpCase.Input([x[-1]], $0)] } ?? []
      let kind = weights.map { "affine \($0.rawValue)" } ?? "plain"
      return OpCase(
        "modulated \(kind) \(x), shift \(shift), scale \(scale) of \(rows)", op,
        [.init(x)] + affine + [.init([rows, x[-1]])], dtype: weights ?? .f32)
    }
    let shapes: [Shape] = [[3], [17, 7], [33, 8], [7, 65], [2, 3, 384], [3, 1023], [3, 1536], [1, 16384]]
    return shapes.map { make($0, shift: 0, scale: 1, rows: 6) } + [
      make([5, 129], shift: 5, scale: 0, rows: 6), make([5, 129], shift: 0, scale: 0, rows: 1),
      make([0, 5], shift: 1, scale: 0, rows: 2),
      make([5, 67], shift: 3, scale: 4, rows: 6, weights: .f32),
      make([5, 67], shift: 3, scale: 4, rows: 6, weights: .f16),
      make([3, 2, 1536], shift: 2, scale: 1, rows: 3, weights: .bf16),
    ]
  }
}
