import LumosOpSuite
import LumosTensor

/// How one tensor compares with its golden.
public struct GoldenResult: Sendable {
  /// What was compared: `"block/bg1/out"`.
  public let name: String
  /// Squared error over squared golden; NaN if either holds numbers that are not finite.
  public let nmse: Double
  /// Largest difference.
  public let maxAbs: Double
  /// Where the largest difference is, in the golden's extents with channels last.
  public let worstIndex: [Int]
  /// Largest NMSE allowed; 0 where the tensor must be equal. With `mustDiffer` the smallest NMSE expected.
  public let bound: Double
  /// Whether a difference is expected: the golden shows a defect that this engine does not repeat.
  public let mustDiffer: Bool
  /// Whether the comparison came out as it must.
  public let pass: Bool
}

/// Precision of a backend's weights and matrix inputs; decides the bounds.
public enum GoldenPrecision: String, Sendable, Hashable, CaseIterable {
  /// Everything in float32.
  case float32
  /// Weights and matrix inputs in f16 or bf16, the rest in float32.
  case mixed
}

/// Largest NMSE per kind of golden (DESIGN.md section 7).
struct GoldenBounds {
  var block = 1e-10
  var transformer = 1e-10
  var textEncoder = 1e-10
  var vae = 1e-9
  var sampler = 1e-9

  /// - Parameter publishedGap: relative RMS distances of the published mixed precision from float32, by case, as the
  ///   manifest lists them.
  init(_ precision: GoldenPrecision, publishedGap: [String: Double] = [:]) {
    guard precision == .mixed else { return }
    // Twice the published mixed precision's own distance (MODEL.md section 14), squared: NMSE is a squared ratio.
    func bound(_ kind: String, standard: Double) -> Double {
      let gaps = publishedGap.filter { $0.key.hasPrefix(kind + "/") }.values
      let gap = 2 * (gaps.max() ?? standard)
      return gap * gap
    }
    transformer = bound("transformer", standard: 2.7e-3)
    block = transformer
    sampler = bound("sampler", standard: 5.7e-3)
    textEncoder = 4 * 1e-2 * 1e-2
    vae = transformer
  }
}

/// Collects results and hands each over as it comes.
struct GoldenRecorder {
  private(set) var results: [GoldenResult] = []
  let report: (GoldenResult) -> Void

  /// Compares a tensor with its golden.
  /// - Throws: `LumosError` if the golden has another shape than the computation gives.
  mutating func compare(_ name: String, _ actual: Tensor, _ expected: Tensor, bound: Double) throws {
    try add(name, actual, expected, bound: bound, mustDiffer: false)
  }

  /// Compares a tensor with a golden that it must not agree with.
  mutating func mustDiffer(_ name: String, _ actual: Tensor, _ expected: Tensor, atLeast bound: Double) throws {
    try add(name, actual, expected, bound: bound, mustDiffer: true)
  }

  /// Compares integers, which must be equal. A list that is too short or too long differs where it ends.
  mutating func exact(_ name: String, _ actual: [Int], _ expected: [Int]) throws {
    let count = max(actual.count, expected.count)
    func tensor(_ values: [Int]) -> Tensor {
      let missing = Array(repeating: Int32.min, count: count - values.count)
      return Tensor(values.map { Int32(clamping: $0) } + missing, [count])
    }
    try add(name, tensor(actual), tensor(expected), bound: 0, mustDiffer: false)
  }

  private mutating func add(
    _ name: String, _ actual: Tensor, _ expected: Tensor, bound: Double, mustDiffer: Bool
  ) throws {
    guard actual.shape == expected.shape else {
      throw LumosError(
        .badInput, "the golden has shape \(expected.shape), the computation gives \(actual.shape)", at: name,
        advice: "check the sizes in the manifest")
    }
    let comparison = Comparison(actual: actual, expected: expected)
    let pass = mustDiffer ? comparison.nmse >= bound : comparison.verdict(bound: bound) == .pass
    let result = GoldenResult(
      name: name, nmse: comparison.nmse, maxAbs: comparison.maxAbs, worstIndex: comparison.worstIndex, bound: bound,
      mustDiffer: mustDiffer, pass: pass)
    results.append(result)
    report(result)
  }
}

extension Tensor {
  /// The tensor without its leading axis, which the published code keeps for the batch and which must be 1.
  func withoutBatch(_ name: String) throws -> Tensor {
    guard shape.rank > 1, shape[0] == 1 else {
      throw LumosError(.badInput, "has shape \(shape), expected a batch of one", at: name)
    }
    return reshaped(Shape(Array(shape.dimensions.dropFirst())))
  }
}
