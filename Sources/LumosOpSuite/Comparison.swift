import LumosTensor

/// How far a tensor is from the one expected.
///
/// All sums are float64. Numbers that are not finite are found before any error is formed: a NaN compares false with
/// every bound, and would pass a check that is written the wrong way round.
public struct Comparison: Sendable, Hashable {
  /// `Σ (actual - expected)² / Σ expected²`; where all expected numbers are zero, `Σ actual²`.
  public let nmse: Double
  /// Largest `|actual - expected|`.
  public let maxAbs: Double
  /// Multi-index of the first number that is not finite, or else of the largest difference; empty for a scalar and for
  /// a tensor without elements.
  public let worstIndex: [Int]
  /// Multi-index of the first NaN in either tensor.
  public let firstNaN: [Int]?
  /// Multi-index of the first infinity in either tensor.
  public let firstInfinity: [Int]?

  /// Compares two tensors of one shape, of any types. O(elements).
  public init(actual: Tensor, expected: Tensor) {
    precondition(actual.shape == expected.shape, "cannot compare \(actual.type) with \(expected.type)")
    let (a, e) = (actual.doubles(), expected.doubles())
    var (error, norm, largest) = (0.0, 0.0, -1.0)
    var (worst, nan, infinity): (Int?, Int?, Int?)
    for i in a.indices {
      if !a[i].isFinite || !e[i].isFinite {
        if nan == nil && (a[i].isNaN || e[i].isNaN) { nan = i }
        if infinity == nil && (a[i].isInfinite || e[i].isInfinite) { infinity = i }
      }
      let difference = abs(a[i] - e[i])
      error += difference * difference
      norm += e[i] * e[i]
      if difference > largest { (largest, worst) = (difference, i) }
    }
    func index(_ flat: Int?) -> [Int]? { flat.map { Self.multiIndex($0, in: expected.shape) } }
    let isFinite = nan == nil && infinity == nil
    nmse = isFinite ? (norm > 0 ? error / norm : error) : .nan
    maxAbs = isFinite ? max(largest, 0) : .nan
    firstNaN = index(nan)
    firstInfinity = index(infinity)
    worstIndex = firstNaN ?? firstInfinity ?? index(worst) ?? []
  }

  /// What the comparison comes to. The first that applies: NaN, infinity, damaged guard bytes, error above the bound.
  public enum Verdict: Sendable, Hashable, CustomStringConvertible {
    /// Within the bound.
    case pass
    /// A NaN at this place.
    case notANumber([Int])
    /// An infinity at this place.
    case infinite([Int])
    /// Bytes outside the operands were written.
    case guardViolation(String)
    /// The error is too large.
    case exceeds(nmse: Double, bound: Double)

    public var description: String {
      switch self {
      case .pass: "pass"
      case .notANumber(let index): "NaN at \(index)"
      case .infinite(let index): "infinity at \(index)"
      case .guardViolation(let what): "wrote outside its operands: \(what)"
      case .exceeds(let nmse, let bound): "NMSE \(nmse) exceeds \(bound)"
      }
    }
  }

  /// The verdict under `bound`, the largest allowed NMSE. `guardViolations` describes guard bytes found changed.
  public func verdict(bound: Double, guardViolations: [String] = []) -> Verdict {
    if let firstNaN { return .notANumber(firstNaN) }
    if let firstInfinity { return .infinite(firstInfinity) }
    if let first = guardViolations.first { return .guardViolation(first) }
    return nmse <= bound ? .pass : .exceeds(nmse: nmse, bound: bound)
  }

  /// Index per axis of the element at `flat` in row-major order.
  static func multiIndex(_ flat: Int, in shape: Shape) -> [Int] {
    var rest = flat
    return shape.dimensions.reversed().map { extent in
      defer { rest /= extent }
      return rest % extent
    }.reversed()
  }
}
