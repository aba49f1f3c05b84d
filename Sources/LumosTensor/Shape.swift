/// The extents of a tensor, outermost first; storage is row-major and dense.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// Extents, outermost first. Empty for a scalar.
  public let dimensions: [Int]

  /// A shape whose element count is known to fit in `Int`; sizes that come from a file go through `init(checking:)`.
  public init(_ dimensions: [Int]) {
    precondition(dimensions.allSatisfy { $0 >= 0 }, "negative extent in \(dimensions)")
    self.dimensions = dimensions
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// A shape from untrusted numbers, or nil if an extent is negative or the element count overflows `Int`.
  public init?(checking dimensions: [Int]) {
    guard dimensions.allSatisfy({ $0 >= 0 }) else { return nil }
    // A zero extent must not hide an overflow among the others, so the product skips zeros.
    var product = 1
    for extent in dimensions where extent != 0 {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      product = next
    }
    self.dimensions = dimensions
  }

  /// Number of extents.
  public var rank: Int { dimensions.count }
  /// Number of elements.
  public var count: Int { dimensions.reduce(1, *) }
  /// Extent `axis`; negative numbers count from the end (`-1` is the innermost).
  public subscript(axis: Int) -> Int { dimensions[axis < 0 ? dimensions.count + axis : axis] }
  /// Elements per index of the outermost axis (1 for a scalar).
  public var rowCount: Int { dimensions.dropFirst().reduce(1, *) }

  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
