import LumosOps
import LumosTensor

extension Linear: OpCases {
  public static var cases: [OpCase] { plainCases + epilogueCases + halfCases + longCases + blockCases }

  /// A case: x `[rows, depth]` of type `x`, result of type `result`, weight `[width, depth]`, and a table of six rows for a gate.
  private static func make(
    _ rows: Int, _ depth: Int, _ width: Int, x: DType = .f32, bias: DType?, _ dtype: DType,
    _ epilogue: Epilogue = .none, _ purpose: OpCase.Purpose = .parity, _ note: String = "",
    to result: DType = .f32
  ) -> OpCase {
    // Weights of deviation 1 / √depth keep the outputs near one, as those of a network do.
    let deviation = 1 / Float(depth).squareRoot()
    var inputs: [OpCase.Input] = [
      .init([rows, depth], x), .init([width, depth], dtype, .normal(deviation: deviation)),
    ]
    if let bias { inputs.append(.init([width], bias)) }
    var suffix = x == .f32 ? "" : ", x \(x.rawValue)"
    if result != .f32 { suffix += " to \(result.rawValue)" }
    if let bias { suffix += ", bias \(bias.rawValue)" }
    switch epilogue {
    case .none: break
    case .activation(let kind): suffix += ", \(kind.rawValue)"
    case .add:
      suffix += ", add"
      inputs.append(.init([rows, width]))
    case .gatedAdd(let row):
      suffix += ", gate \(row)"
      inputs += [.init([rows, width]), .init([6, width])]
    }
    return OpCase(
      "\(note)\(rows) x \(depth) x \(width), \(dtype.rawValue)\(suffix)", Linear(epilogue: epilogue, dtype: result),
      inputs, dtype: dtype, purpose: purpose)
  }

  /// Every epilogue in tiles and in rows; with and without bias, all edges, the table's first and last row.
  private static var epilogueCases: [OpCase] {
    var cases: [OpCase] = []
    let epilogues: [Epilogue] = [.activation(.silu), .activation(.geluTanh), .add, .gatedAdd(gateRow: 2)]
    for epilogue in epilogues {
      cases += [
        make(1, 1, 1, bias: nil, .f32, epilogue), make(3, 129, 7, bias: .f32, .f32, epilogue),
        make(4, 33, 13, bias: nil, .bf16, epilogue), make(65, 17, 129, bias: nil, .f32, epilogue),
        make(67, 131, 139, bias: .f32, .f32, epilogue), make(7, 13, 5, bias: .f16, .f16, epilogue),
        make(33, 3, 97, bias: .bf16, .bf16, epilogue),
      ]
    }
    for row in [0, 5] {
      cases += [
        make(9, 31, 35, bias: .f32, .f32, .gatedAdd(gateRow: row)),
        make(2, 31, 35, bias: .f32, .f32, .gatedAdd(gateRow: row)),
      ]
    }
    let activated = Linear(epilogue: .activation(.geluTanh))
    let gated = Linear(epilogue: .gatedAdd(gateRow: 1))
    cases += [
      OpCase(
        "geluTanh far from zero", activated,
        [.init([9, 3], .f32, .normal(deviation: 30)), .init([17, 3]), .init([17])]),
      OpCase(
        "leading axes [2, 3, 5, 7] x 11, gate 1", gated,
        [.init([2, 3, 5, 7]), .init([11, 7]), .init([11]), .init([2, 3, 5, 11]), .init([2, 11])]),
      // No inner axis: y is the bias alone.
      OpCase("0 inner, gate 1", gated, [.init([5, 0]), .init([3, 0]), .init([3]), .init([5, 3]), .init([2, 3])]),
    ]
    for dtype: DType in [.f32, .f16, .bf16] {
      cases += [
        make(
          32760, 1536, 8960, bias: .f32, dtype, .activation(.geluTanh), .benchmark,
          "feed forward in 480x832x81: "),
        make(
          32760, 8960, 1536, bias: .f32, dtype, .gatedAdd(gateRow: 5), .benchmark,
          "feed forward out 480x832x81: "),
        make(
          32760, 1536, 1536, bias: .f32, dtype, .add, .benchmark, "cross-attention projection 480x832x81: "),
      ]
    }
    return cases
  }

  /// x in half types: with weights of its own type, and of others, which round; in tiles and in rows, all edges.
  private static var halfCases: [OpCase] {
    var cases: [OpCase] = []
    for x: DType in [.f16, .bf16] {
      for dtype: DType in [.f32, .f16, .bf16] {
        cases += [
          make(3, 131, 7, x: x, bias: .f32, dtype), make(67, 131, 139, x: x, bias: dtype, dtype),
          make(65, 17, 129, x: x, bias: nil, dtype, .activation(.geluTanh)),
          make(4, 33, 13, x: x, bias: .f32, dtype, .gatedAdd(gateRow: 2)),
        ]
      }
      cases += [
        make(1, 1, 1, x: x, bias: nil, .f32), make(5, 1, 1, x: x, bias: .f32, .f32),
        make(64, 64, 128, x: x, bias: nil, x, .add), make(9, 31, 35, x: x, bias: .f32, .f32, .gatedAdd(gateRow: 5)),
        make(5, 8960, 33, x: x, bias: .f32, x),
        make(67, 131, 139, x: x, bias: .f32, x, to: x), make(3, 131, 7, x: x, bias: .f32, x, to: x),
        make(65, 17, 129, x: x, bias: nil, x, .activation(.geluTanh), to: x),
        make(4, 33, 13, x: x, bias: .f32, x, .activation(.silu), to: x), make(33, 64, 97, bias: .f32, .f32, to: x),
        OpCase(
          "leading axes [2, 3, 5, 7] of \(x.rawValue) x 11", Linear(),
          [.init([2, 3, 5, 7], x), .init([11, 7], x), .init([11])], dtype: x),
        // Beyond f16 and among its smallest numbers: weights that are made finite, weights that lose digits.
        OpCase(
          "weights at the ends of \(x.rawValue)", Linear(),
          [
            .init([5, 4], x, .values([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1])),
            .init(
              [2, 4], .f32, .values([70000, 0x1.8p-24, 1 + 0x1p-11, 1, -65519.99, 0x1p-26, 1 + 0x3p-11, -0x1p-9])),
          ]),
        make(
          32760, 1536, 8960, x: x, bias: .f32, x, .activation(.geluTanh), .benchmark,
          "feed forward in 480x832x81: ", to: x),
        make(
          32760, 8960, 1536, x: x, bias: .f32, x, .gatedAdd(gateRow: 5), .benchmark, "feed forward out 480x832x81: "),
        make(32760, 1536, 1536, x: x, bias: .f32, x, .add, .benchmark, "cross-attention projection 480x832x81: "),
      ]
    }
    return cases
  }

  /// Sums that are long for so small a result: they are made in parts, the last of which is shorter; every epilogue, every
  /// type of bias.
  private static var longCases: [OpCase] {
    [
      make(37, 1031, 45, bias: .f32, .f32), make(9, 2083, 35, bias: .f16, .f16, .activation(.geluTanh)),
      make(70, 515, 9, bias: nil, .bf16, .add), make(33, 4099, 13, bias: .bf16, .f32, .gatedAdd(gateRow: 5)),
      make(37, 1031, 45, x: .f16, bias: .f32, .f16, .activation(.silu), to: .f16),
      make(20, 2048, 40, x: .bf16, bias: .bf16, .bf16, .gatedAdd(gateRow: 1)),
      make(61, 1536, 3072, x: .f16, bias: .f32, .f16, .none, .benchmark, "keys and values of a short text: "),
    ]
  }

  /// Weights in blocks: one block in a row and several, in tiles and in rows, edges of the result, factors of each type.
  private static var blockCases: [OpCase] {
    var cases: [OpCase] = []
    for dtype in DType.blocks {
      let block = dtype.block?.elements ?? 1
      cases += [
        make(1, block, 33, bias: nil, dtype), make(3, 5 * block, 7, bias: .f32, dtype),
        make(5, block, 1, bias: nil, dtype), make(67, 3 * block, 139, bias: .f32, dtype),
        make(9, 2 * block, 35, bias: .f32, dtype, .gatedAdd(gateRow: 2)),
      ]
      for x: DType in [.f16, .bf16] {
        cases += [
          make(3, 5 * block, 7, x: x, bias: .f32, dtype), make(67, 3 * block, 139, x: x, bias: .f32, dtype),
          make(65, block, 129, x: x, bias: nil, dtype, .activation(.geluTanh), to: x),
        ]
      }
    }
    for dtype: DType in [.q8_0, .q4_K] {
      for x: DType in [.f32, .f16] {
        cases += [
          make(
            32760, 1536, 8960, x: x, bias: .f32, dtype, .activation(.geluTanh), .benchmark,
            "feed forward in 480x832x81: "),
          make(32760, 5120, 5120, x: x, bias: .f32, dtype, .none, .benchmark, "14B attention projection 480x832x81: "),
        ]
      }
    }
    return cases
  }

  private static var plainCases: [OpCase] {
    var cases: [OpCase] = []
    func add(
      _ rows: Int, _ depth: Int, _ width: Int, bias: DType?, _ dtype: DType, _ purpose: OpCase.Purpose = .parity,
      _ note: String = ""
    ) {
      cases.append(make(rows, depth, width, bias: bias, dtype, .none, purpose, note))
    }

    // Up to four rows: the kernel without tiles; widths that are no multiple of four, sums shorter and longer than the
    // workgroup.
    for dtype: DType in [.f32, .f16, .bf16] {
      add(1, 1, 1, bias: nil, dtype)
      add(1, 1536, 257, bias: .f32, dtype)
      add(4, 129, 6, bias: dtype, dtype)
    }
    // Tiles: one element in each direction, primes, exact multiples, one more and one less.
    for dtype: DType in [.f32, .f16, .bf16] {
      add(5, 1, 1, bias: nil, dtype)
      add(7, 13, 5, bias: .f32, dtype)
      add(67, 131, 139, bias: dtype, dtype)
      add(64, 64, 128, bias: .f32, dtype)
      add(65, 17, 129, bias: nil, dtype)
    }
    add(33, 3, 97, bias: .f16, .f32)
    add(31, 5, 15, bias: .bf16, .f32)
    add(5, 8960, 33, bias: .f32, .f32)
    // Enough workgroups for the largest tile.
    add(2051, 5, 257, bias: .f32, .f32)
    cases.append(
      OpCase(
        "leading axes [2, 3, 5, 7] x 11", Linear(), [.init([2, 3, 5, 7]), .init([11, 7]), .init([11])]))

    for dtype: DType in [.f32, .f16, .bf16] {
      add(32760, 1536, 1536, bias: .f32, dtype, .benchmark, "attention projection 480x832x81: ")
      add(32760, 1536, 8960, bias: .f32, dtype, .benchmark, "feed forward in 480x832x81: ")
      add(32760, 8960, 1536, bias: .f32, dtype, .benchmark, "feed forward out 480x832x81: ")
    }
    add(512, 4096, 10240, bias: nil, .bf16, .benchmark, "UMT5 gate: ")
    add(1, 1536, 9216, bias: .f32, .f32, .benchmark, "time projection: ")
    return cases
  }
}
