import LumosOps
import LumosTensor

/// Measures on a device in which way an op is made fastest.
///
/// Every choice runs on the same random operands and must give the same result within the op's bound, or it is not
/// chosen: a driver that miscompiles a kernel costs speed, not pictures. Results pass through the host, so these operands
/// are best small; times are taken at full size, of operands that never leave the device (`OpTimer`).
public struct Tuner: Sendable {
  /// An op and the types of its inputs.
  public struct Evaluation: Sendable {
    /// The op.
    public let op: any OpDescriptor
    /// The types of its inputs.
    public let inputs: [TensorType]

    public init(_ op: any OpDescriptor, _ inputs: [TensorType]) {
      self.op = op
      self.inputs = inputs
    }

    /// Key of its measurement; nil where there is nothing to choose.
    /// - Throws: `OpError` if the inputs do not fit the op.
    public func tuningKey() throws -> String? { try (op as? any VulkanLowering)?.tuningKey(types()) }

    /// The ways in which a device can make it.
    /// - Throws: `OpError` if the inputs do not fit the op.
    public func choices(_ device: DeviceProfile) throws -> [KernelChoice] {
      try (op as? any VulkanLowering)?.choices(types(), device) ?? []
    }

    private func types() throws -> LoweredTypes { LoweredTypes(inputs: inputs, outputs: try op.outputTypes(inputs)) }
  }

  /// What was measured of one op.
  public struct Result: Sendable {
    /// The entry's key.
    public let key: String
    /// Every choice, in the order of the rules.
    public let timings: [Timing]
    /// The fastest; nil if none ran.
    public var best: TuningTable.Entry? {
      timings.compactMap { timing in
        timing.seconds.map { TuningTable.Entry(choice: timing.choice, seconds: $0) }
      }.min { $0.seconds < $1.seconds }
    }

    public init(key: String, timings: [Timing]) {
      self.key = key
      self.timings = timings
    }
  }

  /// What one choice took.
  public struct Timing: Sendable {
    /// The choice.
    public let choice: KernelChoice
    /// Median seconds; nil if it failed or its result was wrong.
    public let seconds: Double?

    public init(choice: KernelChoice, seconds: Double?) {
      self.choice = choice
      self.seconds = seconds
    }
  }

  /// Largest number of rows that are measured; more take proportionally longer.
  public static let mostRows = 8192
  /// Rows that suffice to see whether results are right: more than any tile has, and no multiple of one.
  public static let checkedRows = 300

  private let device: VulkanDevice
  private let runs: Int

  /// - Parameter runs: how often each choice is timed, after one run that is not; the median counts.
  public init(_ device: VulkanDevice, runs: Int = 5) {
    self.device = device
    self.runs = max(runs, 1)
  }

  /// Measures `op` on operands like `inputs`.
  /// - Parameters:
  ///   - timed: what times are of; nil for `op` of operands like `inputs`.
  ///   - original: for whose key the measurement is kept, where what is timed has fewer rows; nil for its own.
  ///   - agrees: whether two results of the op are the same within its bound.
  /// - Returns: nil for an op that is made in one way only.
  /// - Throws: `OpError` if the inputs do not fit the op; `LumosError` if the device is lost or has no room for them.
  public func measure(
    _ op: any OpDescriptor, _ inputs: [Tensor], timed: Evaluation? = nil, for original: Evaluation? = nil,
    agrees: (_ a: [Tensor], _ b: [Tensor]) -> Bool
  ) throws -> Result? {
    let checked = Evaluation(op, inputs.map(\.type))
    let timed = timed ?? checked
    guard let key = try timed.tuningKey(), let checkedKey = try checked.tuningKey() else { return nil }
    let choices = try timed.choices(device.profile)
    guard choices.count > 1 else { return nil }
    // As random as need be to keep the arithmetic busy.
    let operands = zip(timed.inputs, inputs).map { OpTimer.Operand($0, pattern: $1) }
    var expected: [Tensor]?
    var timings: [Timing] = []
    for choice in choices {
      var runner = OpRunner(device)
      runner.tuning.set(choice, seconds: 0, for: checkedKey)
      runner.forcedVariants[op.name] = choice.variant
      var options = OpTimer.Options()
      (options.runs, options.leastRuns, options.variant) = (runs, runs, choice.variant)
      var tuning = TuningTable()
      tuning.set(choice, seconds: 0, for: key)
      options.tuning = tuning
      do {
        let outputs = try runner.run(op, inputs).outputs
        // The first is the rules' own choice, which the parity tests hold against the reference.
        if let expected, !agrees(outputs, expected) {
          timings.append(Timing(choice: choice, seconds: nil))
          continue
        }
        expected = expected ?? outputs
        let seconds = try OpTimer(device).time(timed.op, operands, options: options).medianSeconds
        timings.append(Timing(choice: choice, seconds: seconds))
      } catch let error as LumosError where error.kind == .internalDefect {
        // A driver that refuses a kernel.
        timings.append(Timing(choice: choice, seconds: nil))
      }
    }
    return Result(key: try original?.tuningKey() ?? key, timings: timings)
  }

  /// The device's table on disk, with these results in place of older ones, for devices that are opened from now on.
  /// - Returns: where the table is; nil if there is no folder for it.
  /// - Throws: `LumosError(.cannotWrite)` if it cannot be written.
  public func save(_ results: [Result]) throws -> String? {
    guard let directory = device.options.cacheDirectory else { return nil }
    let file = DeviceCacheFile(directory: directory, device: device.description, kind: .tuning)
    var table = TuningTable(file)
    for result in results {
      if let best = result.best { table.set(best.choice, seconds: best.seconds, for: result.key) }
    }
    guard file.write(Array(table.text.utf8)) else {
      throw LumosError(
        .cannotWrite, "the table of measurements could not be written", at: file.path,
        advice: "make the folder writable, or set XDG_CACHE_HOME to one that is")
    }
    return file.path
  }
}
