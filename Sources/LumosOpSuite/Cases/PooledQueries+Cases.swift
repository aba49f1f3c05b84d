import LumosOps
import LumosTensor

extension PooledQueries: OpCases {
  private static func make(
    _ name: String, _ cells: RelationCells, width: Int, _ dtype: DType = .f32, purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    OpCase(
      "\(name), \(cells.firstToken) + \(cells.images) x \(cells.height) x \(cells.width), width \(width)"
        + (dtype == .f32 ? "" : ", \(dtype.rawValue)"),
      PooledQueries(cells), [.init([cells.firstToken + cells.images * cells.area, width], dtype)], dtype: dtype,
      purpose: purpose)
  }

  public static var cases: [OpCase] {
    [
      make("one token", RelationCells(firstToken: 0, images: 1, height: 1, width: 1), width: 1),
      make("one cell", RelationCells(firstToken: 3, images: 2, height: 8, width: 8), width: 5),
      make("padded columns", RelationCells(firstToken: 11, images: 2, height: 6, width: 10), width: 48),
      make("padded twice", RelationCells(firstToken: 0, images: 3, height: 9, width: 13), width: 31),
      make("one row", RelationCells(firstToken: 7, images: 1, height: 1, width: 17), width: 129),
      make("cells of 4", RelationCells(firstToken: 2, images: 2, height: 5, width: 7, pool: 4), width: 16),
      make("padded columns", RelationCells(firstToken: 11, images: 2, height: 6, width: 10), width: 48, .f16),
      make("padded columns", RelationCells(firstToken: 11, images: 2, height: 6, width: 10), width: 47, .bf16),
      make("half a word", RelationCells(firstToken: 3, images: 2, height: 9, width: 13), width: 44, .f16),
      make("no images", RelationCells(firstToken: 5, images: 0, height: 6, width: 10), width: 16),
      make(
        "480x832x81, 7 conditions", RelationCells(firstToken: 32760, images: 7, height: 30, width: 52), width: 1536,
        purpose: .benchmark),
    ]
  }
}
