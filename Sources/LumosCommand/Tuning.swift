import LumosFiles
import LumosOpSuite
import LumosOps
import LumosTensor
import LumosVulkan

/// Measures operations on a device, prints what they took and keeps the fastest choices: what `lumosx bench --tune` and
/// `lumosx-bench tune` do.
public struct TuningRun {
  private let device: VulkanDevice
  private let tuner: Tuner
  private let json: Bool

  /// - Parameters:
  ///   - runs: how often each choice is timed.
  ///   - json: one line of JSON for each operation in place of text.
  public init(_ device: VulkanDevice, runs: Int, json: Bool) {
    self.device = device
    tuner = Tuner(device, runs: runs)
    self.json = json
  }

  /// Measures all of `work`. What has been measured is kept, whatever happens to the rest.
  public func measure(_ work: [TuningWork]) throws {
    Reporting.note("\(work.count) operations on \(device.title)")
    var results: [Tuner.Result] = []
    let outcome = Result {
      for item in work {
        try Interruption.check()
        guard
          let result = try tuner.measure(
            item.checked.op, item.inputs(), timed: item.timed, for: item.original, agrees: item.agree)
        else {
          continue
        }
        results.append(result)
        report(result)
      }
    }
    if !results.isEmpty, let path = try tuner.save(results) { Reporting.note("kept in \(path)") }
    try outcome.get()
  }

  private func report(_ result: Tuner.Result) {
    let best = result.best
    if json {
      let choices = result.timings.map {
        JSONValue.Member($0.choice.description, $0.seconds.map { .number($0) } ?? .null)
      }
      let line: JSONValue = [
        "key": .string(result.key), "choice": best.map { .string($0.choice.description) } ?? .null,
        "seconds": best.map { .number($0.seconds) } ?? .null, "choices": .object(choices),
      ]
      Reporting.line(line.text())
      return
    }
    func milliseconds(_ seconds: Double?) -> String {
      seconds.map { "\(($0 * 1e6).rounded() / 1e3) ms" } ?? "wrong or refused"
    }
    Reporting.line(result.key)
    for timing in result.timings {
      let mark = timing.choice == best?.choice ? "*" : " "
      Reporting.line("  \(mark) \(timing.choice)  \(milliseconds(timing.seconds))")
    }
  }
}

/// An operation that can be made in several ways, with operands that stand for its own.
public struct TuningWork: Sendable {
  /// Where its measurement is kept.
  public let key: String
  /// The operation as it is used.
  public let original: Tuner.Evaluation
  /// What is timed in its place: fewer rows where there are very many.
  public let timed: Tuner.Evaluation
  /// What results are compared of: fewer still.
  public let checked: Tuner.Evaluation

  /// The different ones among operations with operands of these types, in their order.
  /// - Throws: `OpError` if operands do not fit their op.
  public static func all(
    _ operations: [(op: any OpDescriptor, inputs: [TensorType])], profile: DeviceProfile
  ) throws -> [TuningWork] {
    var known: Set<String> = []
    var found: [TuningWork] = []
    for (op, inputs) in operations {
      let original = Tuner.Evaluation(op, inputs)
      guard let lowering = op as? any VulkanLowering, let key = try original.tuningKey(),
        try original.choices(profile).count > 1, known.insert(key).inserted
      else { continue }
      found.append(
        TuningWork(
          key: key, original: original, timed: lowering.sample(inputs, rows: Tuner.mostRows),
          checked: lowering.sample(inputs, rows: Tuner.checkedRows)))
    }
    return found
  }

  /// Random operands.
  public func inputs() -> [Tensor] {
    OpCase(key, checked.op, checked.inputs.map { OpCase.Input($0.shape, $0.dtype) }).makeInputs()
  }

  /// Whether two results are the same within what the op allows: each may be the bound away from the exact one.
  public func agree(_ a: [Tensor], _ b: [Tensor]) -> Bool {
    let types = checked.inputs
    let bound = 4 * checked.op.errorBound(types, dtype: types.count > 1 ? types[1].dtype : .f32)
    return zip(a, b).allSatisfy { Comparison(actual: $0, expected: $1).verdict(bound: bound) == .pass }
  }
}
