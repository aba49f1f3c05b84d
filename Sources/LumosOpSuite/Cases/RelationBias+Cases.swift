import LumosOps
import LumosTensor

extension RelationBias: OpCases {
  /// `images` maps of `cells` cells against `keys` text keys.
  private static func make(
    _ name: String, images: Int, cells: Int, keys: Int, heads: Int, size: Int, _ dtype: DType = .f32,
    purpose: OpCase.Purpose = .parity
  ) -> OpCase {
    let width = heads * size
    return OpCase(
      "\(name), \(images) x \(cells) x \(keys), \(heads) x \(size)" + (dtype == .f32 ? "" : ", keys \(dtype.rawValue)"),
      RelationBias(heads: heads, scale: 1 / Float(size).squareRoot(), ratio: 0.5),
      [
        .init([images * cells, width]), .init([keys, width], dtype),
        .init([images, keys], .f32, .uniform(lower: -1, upper: 1)),
      ], dtype: dtype, purpose: purpose)
  }

  public static var cases: [OpCase] {
    [
      make("one of each", images: 1, cells: 1, keys: 1, heads: 1, size: 1),
      make("primes", images: 3, cells: 2, keys: 37, heads: 3, size: 12),
      make("one tile", images: 2, cells: 16, keys: 32, heads: 2, size: 16),
      make("tails of one", images: 3, cells: 11, keys: 65, heads: 2, size: 17),
      make("wide head", images: 1, cells: 28, keys: 113, heads: 1, size: 128),
      make("primes", images: 3, cells: 2, keys: 37, heads: 3, size: 12, .f16),
      make("tails of one", images: 3, cells: 11, keys: 65, heads: 2, size: 17, .bf16),
      make("no keys", images: 2, cells: 3, keys: 0, heads: 2, size: 16),
      make("480x832, 7 conditions", images: 7, cells: 28, keys: 512, heads: 12, size: 128, purpose: .benchmark),
    ]
  }
}
