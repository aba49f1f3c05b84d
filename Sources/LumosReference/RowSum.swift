import LumosTensor

/// Summation for the norms' references.
extension ReferenceScalar {
  /// `Σ term(i)` over `range`, by halves: the rounding error grows with the logarithm of the count, not with the count,
  /// so that the float32 reference is exact enough to hold a device against.
  static func sum(_ range: Range<Int>, _ term: (Int) -> Self) -> Self {
    if range.count <= 16 {
      var total: Self = 0
      for i in range { total += term(i) }
      return total
    }
    let middle = range.lowerBound + range.count / 2
    return sum(range.lowerBound..<middle, term) + sum(middle..<range.upperBound, term)
  }
}

/// The index ranges of the rows (innermost axis) of an array.
func rows(of shape: Shape) -> [Range<Int>] {
  let width = shape[-1]
  return width == 0 ? [] : (0..<shape.count / width).map { $0 * width..<($0 + 1) * width }
}
