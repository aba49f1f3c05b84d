import LumosOps
import LumosTensor

/// When the inner axis of a matrix product is cut into parts that workgroups of their own sum up (split-K).
///
/// A result of few tiles leaves most of a device idle, however long the sums are that each tile waits for. Workgroups
/// then make the sums over parts of the inner axis and leave them in scratch memory, in float32; a second dispatch adds
/// them in their order and finishes the result. No atomic operations are involved, so every run gives the same result.
struct InnerParts {
  /// Inner indices below which a part is not worth its share of the traffic.
  let leastDepth: Int
  /// Multiply-adds in whose time the device writes an element of a part and reads it back, mostly through its caches.
  let elementCost: Double

  /// Numbers of parts to choose from.
  private static let all = [1, 2, 4, 8]
  /// Elements of a result beyond which it is not cut: 256 tiles of the largest size fill any device.
  private static let mostElements = 4 << 20

  /// Numbers of parts that a `rows` x `columns` result may be made in, with sums of length `inner`.
  static func counts(rows: Int, columns: Int, inner: Int, for kernel: InnerParts) -> [Int] {
    all.filter { $0 == 1 || (inner / $0 >= kernel.leastDepth && rows * columns <= mostElements) }
  }

  /// What making a result in parts costs beyond its multiply-adds, divided by `inner` as those of the tiles' models are.
  func cost(_ parts: Int, rows: Int, columns: Int, inner: Int) -> Double {
    parts > 1 ? elementCost * Double(parts * rows * columns) / Double(inner) : 0
  }

  /// Inner indices of each of `count` parts but the last, which may have fewer: whole steps of every kernel.
  static func depth(_ inner: Int, _ count: Int) -> Int {
    count == 1 ? inner : ceilingDivide(ceilingDivide(inner, count), MatrixTile.depth) * MatrixTile.depth
  }

  // MARK: - Names

  private static let separator = " in "

  /// `"64x128 in 4"`: a tile and the number of parts, where there are several.
  static func name(_ tile: String, _ parts: Int) -> String { parts == 1 ? tile : tile + separator + "\(parts)" }

  /// Tile and number of parts of such a name; no number of parts in what is none.
  static func parse(_ name: String) -> (tile: String, parts: Int) {
    let words = name.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    guard words.count == 2, let parts = Int(words[1]), all.contains(parts), parts > 1 else { return (name, 1) }
    return (words[0], parts)
  }

  /// Names of `tiles` for measurements of a product: each whole, and in parts where these are still few workgroups.
  /// `rows` is a bound that all products of one measurement share.
  func names(_ tiles: [(name: String, rows: Int, columns: Int)], rows: Int, columns: Int, inner: Int) -> [String] {
    let counts = Self.counts(rows: rows, columns: columns, inner: inner, for: self)
    return tiles.flatMap { tile in
      counts.filter { parts in
        parts == 1 || parts * ceilingDivide(rows, tile.rows) * ceilingDivide(columns, tile.columns) <= 512
      }.map { Self.name(tile.name, $0) }
    }
  }
}
