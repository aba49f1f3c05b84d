import LumosOps
import LumosTensor

extension Embedding: OpCases {
  public static var cases: [OpCase] {
    var cases: [OpCase] = []
    for dtype: DType in [.f32, .f16, .bf16] {
      for (ids, rows, width) in [(1, 1, 1), (37, 13, 29), (5, 503, 64), (129, 7, 1), (0, 3, 8)] {
        cases.append(
          OpCase(
            "\(ids) of \(rows) x \(width), \(dtype.rawValue)", Embedding(),
            [.init([ids], .i32, .integers(below: rows)), .init([rows, width], dtype)], dtype: dtype))
      }
    }
    // A sixteenth of the text encoder's 256 384 rows: which rows are read does not change the cost.
    cases.append(
      OpCase(
        "text encoder", Embedding(),
        [.init([512], .i32, .integers(below: 16024)), .init([16024, 4096], .bf16)], dtype: .bf16,
        purpose: .benchmark))
    return cases
  }
}
