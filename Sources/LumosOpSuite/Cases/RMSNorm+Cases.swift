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
    cases += rotaryCases + halfCases
    for (name, shape): (String, Shape) in [("query 480x832x81", [32760, 1536]), ("text encoder", [512, 4096])] {
      cases.append(OpCase(name, op, [.init(shape), .init([shape[1]], .bf16)], dtype: .bf16, purpose: .benchmark))
    }
    cases.append(rotary("480x832x81", rows: 32760, heads: 12, size: 128, .bf16, purpose: .benchmark))
    cases.append(rotary("480x832x81", rows: 32760, heads: 12, size: 128, .bf16, to: .f16, purpose: .benchmark))
    return cases
  }

  /// The norm over a row of all heads, then pairs of channels turned.
  private static func rotary(
    _ name: String, rows: Int, heads: Int, size: Int, _ dtype: DType = .f32, _ fill: OpCase.Fill = .normal(),
    to result: DType = .f32, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    let table = OpCase.Input([rows, size / 2], .f32, .uniform(lower: -1, upper: 1))
    return OpCase(
      "rotary, \(name), \(rows) rows, \(heads) x \(size), \(dtype.rawValue)\(result == .f32 ? "" : " to \(result.rawValue)")",
      RMSNorm(epsilon: 1e-6, rotary: Rotary(heads: heads), dtype: result),
      [.init([rows, heads * size], .f32, fill), .init([heads * size], dtype), table, table], dtype: dtype,
      purpose: purpose)
  }

  /// With results in f16 and bf16.
  private static var halfCases: [OpCase] {
    [DType.f16, .bf16].flatMap { dtype in
      [[1, 2], [17, 7], [5, 63], [7, 100], [2, 3, 384], [3, 1536], [2, 8200], [0, 4]].map { (shape: Shape) in
        OpCase(
          "\(shape) to \(dtype.rawValue)", RMSNorm(epsilon: 1e-6, dtype: dtype), [.init(shape), .init([shape[-1]])],
          dtype: dtype)
      } + [
        rotary("primes", rows: 37, heads: 3, size: 14, to: dtype),
        rotary("odd pairs", rows: 37, heads: 4, size: 14, to: dtype),
        rotary("model's head", rows: 5, heads: 12, size: 128, .f16, to: dtype),
      ]
    }
  }

  private static var rotaryCases: [OpCase] {
    [
      rotary("one pair", rows: 1, heads: 1, size: 2), rotary("pairs of one head", rows: 17, heads: 1, size: 6),
      rotary("a pair to a head", rows: 19, heads: 5, size: 2), rotary("tail", rows: 43, heads: 5, size: 26),
      rotary("primes", rows: 37, heads: 3, size: 14), rotary("odd pairs", rows: 37, heads: 4, size: 14),
      rotary("no rows", rows: 0, heads: 2, size: 8),
      rotary("model's head", rows: 5, heads: 12, size: 128), rotary("wide", rows: 2, heads: 7, size: 2 * 1171),
      rotary("primes", rows: 37, heads: 3, size: 14, .f16),
      rotary("model's head", rows: 3, heads: 12, size: 128, .bf16),
      rotary("mean square near ε", rows: 3, heads: 2, size: 34, .f32, .normal(deviation: 1e-3)),
    ]
  }
}
