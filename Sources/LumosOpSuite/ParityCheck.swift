import LumosOps
import LumosTensor

/// The outcome of one case on one device: a row of `lumosx parity`, whose machine output has these keys.
public struct ParityResult: Sendable, Hashable, Encodable {
  /// The case's title: `"Linear: 7 x 13 x 5, bias, f16"`.
  public let name: String
  /// The device.
  public let device: String
  /// The type that the case varies: that of its weights.
  public let dtype: String
  /// The kernels that ran, joined by `+`.
  public let variant: String
  /// Of the output with the largest error; NaN if a number is not finite or nothing could be compared.
  public let nmse: Double
  /// Largest difference in that output.
  public let maxAbs: Double
  /// Where in that output.
  public let worstIndex: [Int]
  /// Largest allowed NMSE.
  public let bound: Double
  /// Whether the case holds.
  public let pass: Bool
  /// Why it does not hold, for people; nil if it does.
  public let failure: String?

  /// A row with these entries.
  public init(
    name: String, device: String, dtype: String, variant: String, nmse: Double, maxAbs: Double, worstIndex: [Int],
    bound: Double, pass: Bool, failure: String?
  ) {
    self.name = name
    self.device = device
    self.dtype = dtype
    self.variant = variant
    self.nmse = nmse
    self.maxAbs = maxAbs
    self.worstIndex = worstIndex
    self.bound = bound
    self.pass = pass
    self.failure = failure
  }

  private enum Key: String, CodingKey {
    case name, device, dtype, variant, nmse, maxAbs, worstIndex, bound, pass, failure
  }

  /// JSON has no NaN: errors that are not finite become null.
  public func encode(to encoder: any Encoder) throws {
    var row = encoder.container(keyedBy: Key.self)
    try row.encode(name, forKey: .name)
    try row.encode(device, forKey: .device)
    try row.encode(dtype, forKey: .dtype)
    try row.encode(variant, forKey: .variant)
    try row.encode(nmse.isFinite ? nmse : nil, forKey: .nmse)
    try row.encode(maxAbs.isFinite ? maxAbs : nil, forKey: .maxAbs)
    try row.encode(worstIndex, forKey: .worstIndex)
    try row.encode(bound, forKey: .bound)
    try row.encode(pass, forKey: .pass)
    try row.encodeIfPresent(failure, forKey: .failure)
  }
}

/// Runs a case on an implementation and holds it against the reference.
///
/// The one judge of the project: the parity tests, `lumosx parity` and the tests that feed it broken kernels all call
/// `run`. It knows neither the device nor the reference, which come as closures.
public enum ParityCheck {
  /// What an implementation made of a case's inputs.
  public struct Observation: Sendable {
    /// The outputs.
    public let outputs: [Tensor]
    /// Guard bytes found changed, one description each.
    public let guardViolations: [String]
    /// Kernels that ran, in order.
    public let kernels: [String]

    public init(outputs: [Tensor], guardViolations: [String] = [], kernels: [String] = []) {
      self.outputs = outputs
      self.guardViolations = guardViolations
      self.kernels = kernels
    }
  }

  /// Runs `opCase` through `implementation` and `reference`. Whatever either throws is a failed result.
  public static func run(
    _ opCase: OpCase, device: String, seed: UInt64 = 0,
    implementation: ([Tensor]) throws -> Observation, reference: ([Tensor]) throws -> [Tensor]
  ) -> ParityResult {
    run(
      opCase, device: device, seed: seed, ways: [()], implementation: { inputs, _ in try implementation(inputs) },
      reference: reference)
  }

  /// Runs `opCase` through an implementation in several ways, such as with operands on and off their alignment, and
  /// through the reference once. The result is that of the first way that fails, else that of the largest error.
  public static func run<Way>(
    _ opCase: OpCase, device: String, seed: UInt64 = 0, ways: [Way],
    implementation: ([Tensor], Way) throws -> Observation, reference: ([Tensor]) throws -> [Tensor]
  ) -> ParityResult {
    let inputs = opCase.makeInputs(seed: seed)
    do {
      let observed = try ways.map { try implementation(inputs, $0) }
      let expected = try reference(inputs)
      let results = observed.map { judge(opCase, device: device, $0, expected: expected) }
      guard let worst = results.first(where: { !$0.pass }) ?? results.max(by: { $0.nmse < $1.nmse }) else {
        return result(opCase, device, [], nil, failure: "nothing was run")
      }
      return worst
    } catch {
      return result(opCase, device, [], nil, failure: "\(error)")
    }
  }

  /// Judges outputs that exist already.
  static func judge(
    _ opCase: OpCase, device: String, _ observed: Observation, expected: [Tensor]
  ) -> ParityResult {
    guard observed.outputs.map(\.shape) == expected.map(\.shape) else {
      let shapes = "outputs \(observed.outputs.map(\.shape)), expected \(expected.map(\.shape))"
      return result(opCase, device, observed.kernels, nil, failure: shapes)
    }
    let bound = bound(of: opCase)
    let comparisons = zip(observed.outputs, expected).map { Comparison(actual: $0, expected: $1) }
    // The output shown is the first that fails, in the order of gravity, or else the one with the largest error.
    let verdicts = comparisons.map { $0.verdict(bound: bound, guardViolations: observed.guardViolations) }
    let shown =
      verdicts.indices.max { a, b in
        (gravity(verdicts[a]), comparisons[a].nmse, b) < (gravity(verdicts[b]), comparisons[b].nmse, a)
      } ?? 0
    guard verdicts.indices.contains(shown) else {
      return result(opCase, device, observed.kernels, nil, failure: "there are no outputs")
    }
    let failure = verdicts[shown] == .pass ? nil : verdicts[shown].description
    return result(opCase, device, observed.kernels, comparisons[shown], failure: failure)
  }

  private static func bound(of opCase: OpCase) -> Double {
    opCase.op.errorBound(opCase.inputs.map(\.type), dtype: opCase.dtype)
  }

  private static func gravity(_ verdict: Comparison.Verdict) -> Int {
    switch verdict {
    case .notANumber: 4
    case .infinite: 3
    case .guardViolation: 2
    case .exceeds: 1
    case .pass: 0
    }
  }

  private static func result(
    _ opCase: OpCase, _ device: String, _ kernels: [String], _ comparison: Comparison?, failure: String?
  ) -> ParityResult {
    ParityResult(
      name: opCase.title, device: device, dtype: opCase.dtype.rawValue, variant: kernels.joined(separator: "+"),
      nmse: comparison?.nmse ?? .nan, maxAbs: comparison?.maxAbs ?? .nan, worstIndex: comparison?.worstIndex ?? [],
      bound: bound(of: opCase), pass: failure == nil, failure: failure)
  }
}
