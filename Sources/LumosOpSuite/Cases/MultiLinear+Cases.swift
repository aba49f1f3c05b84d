import LumosOps
import LumosTensor

extension MultiLinear: OpCases {
  public static var cases: [OpCase] {
    // One dispatch takes up to three layers. In tiles: one element, primes, exact multiples, one more and one less.
    var cases: [OpCase] = []
    for dtype: DType in [.f32, .f16, .bf16] {
      cases += [
        make(3, [7], 13, 5, bias: .f32, dtype), make(2, [67], 131, 139, bias: dtype, dtype),
        make(3, [65], 17, 129, bias: nil, dtype),
      ]
    }
    cases += [
      make(1, [5], 1, 1, bias: nil, .f32), make(3, [64], 64, 128, bias: .f32, .f32),
      make(4, [33], 3, 97, bias: .f16, .f32), make(7, [9], 35, 17, bias: .bf16, .f32),
      make(2, [2, 3, 5], 7, 11, bias: .f32, .f32), make(3, [517], 5, 257, bias: nil, .f32),
      make(2, [5], 0, 3, bias: .f32, .f32),
    ]
    // Up to four rows: the kernel without tiles.
    for dtype: DType in [.f32, .f16, .bf16] {
      cases += [make(3, [1], 1536, 257, bias: .f32, dtype), make(5, [4], 129, 6, bias: dtype, dtype)]
    }
    cases += [make(1, [1], 1, 1, bias: nil, .f32), make(2, [3], 7, 10, bias: nil, .bf16)]

    // x in half types, with weights of its own type and of others, which round.
    for x: DType in [.f16, .bf16] {
      for dtype: DType in [.f32, .f16, .bf16] {
        cases += [
          make(3, [67], 131, 139, x: x, bias: .f32, dtype), make(2, [3], 129, 6, x: x, bias: dtype, dtype),
        ]
      }
      cases += [
        make(4, [33], 3, 97, x: x, bias: nil, .f32),
        make(3, [67], 131, 139, x: x, bias: .f32, x, to: [.f32, .f32, x]),
        make(5, [33], 35, 17, x: x, bias: nil, x, to: [x, .f32, .f16, .bf16, x]),
        make(2, [3], 129, 6, x: x, bias: .f32, x, to: [.f32, x]),
        make(
          3, [32760], 1536, 1536, x: x, bias: .f32, x, .benchmark, "query, key and value 480x832x81: ",
          to: [.f32, .f32, x]),
      ]
    }

    // Weights in blocks.
    for dtype in DType.blocks {
      let block = dtype.block?.elements ?? 1
      cases += [
        make(3, [67], 2 * block, 139, bias: .f32, dtype), make(4, [3], block, 6, bias: nil, dtype),
        make(2, [33], block, 35, x: .f16, bias: .f32, dtype, to: [.f32, .f16]),
      ]
    }

    for dtype: DType in [.f32, .f16, .bf16] {
      cases += [
        make(3, [32760], 1536, 1536, bias: .f32, dtype, .benchmark, "query, key and value 480x832x81: "),
        make(2, [512], 1536, 1536, bias: .f32, dtype, .benchmark, "text key and value: "),
      ]
    }
    return cases
  }

  /// A case: `count` layers, with results of types `results`, of x `[rows, depth]` of type `x` with weights `[width, depth]`.
  private static func make(
    _ count: Int, _ rows: [Int], _ depth: Int, _ width: Int, x: DType = .f32, bias: DType?, _ dtype: DType,
    _ purpose: OpCase.Purpose = .parity, _ note: String = "", to results: [DType]? = nil
  ) -> OpCase {
    // Weights of deviation 1 / √depth keep the outputs near one, as those of a network do.
    let deviation = 1 / Float(max(depth, 1)).squareRoot()
    let weight = OpCase.Input([width, depth], dtype, .normal(deviation: deviation))
    var inputs = [OpCase.Input(Shape(rows + [depth]), x)] + Array(repeating: weight, count: count)
    if let bias { inputs += Array(repeating: OpCase.Input([width], bias), count: count) }
    let suffix = (x == .f32 ? "" : ", x \(x.rawValue)") + (bias.map { ", bias \($0.rawValue)" } ?? "")
    let types = results.map { " to " + $0.map(\.rawValue).joined(separator: ", ") } ?? ""
    let rows = rows.map(String.init).joined(separator: " x ")
    return OpCase(
      "\(note)\(count) of \(rows) x \(depth) x \(width), \(dtype.rawValue)\(suffix)\(types)",
      MultiLinear(dtypes: results ?? Array(repeating: .f32, count: count)), inputs,
      dtype: dtype, purpose: purpose)
  }
}
