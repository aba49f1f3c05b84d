import LumosOps
import LumosTensor

extension Linear: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    func add(
      _ rows: Int, _ depth: Int, _ width: Int, bias: DType?, _ dtype: DType, _ purpose: OpCase.Purpose = .parity,
      _ note: String = ""
    ) {
      // Weights of deviation 1 / √depth keep the outputs near one, as those of a network do.
      let deviation = 1 / Float(depth).squareRoot()
      var inputs: [OpCase.Input] = [
        .init([rows, depth]), .init([width, depth], dtype, .normal(deviation: deviation)),
      ]
      if let bias { inputs.append(.init([width], bias)) }
      let suffix = bias.map { ", bias \($0.rawValue)" } ?? ""
      cases.append(
        OpCase(
          "\(note)\(rows) x \(depth) x \(width), \(dtype.rawValue)\(suffix)", Linear(), inputs, dtype: dtype,
          purpose: purpose))
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
