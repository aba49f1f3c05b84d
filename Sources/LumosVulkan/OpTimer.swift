import LumosOps
import LumosTensor

/// Times single ops, copies and kernels on a device, at sizes that fill it: for benchmarks.
///
/// Unlike `OpRunner` it looks at no result and puts no guards around operands, which are filled on the device. Where
/// the operands of an op are smaller than the caches may be, there are several sets of them that take turns, so that
/// every run reads what the caches no longer hold. Long ops are sliced and submitted in pieces as plans do; once the
/// first runs have shown how fast the device is, the slices are cut anew.
public struct OpTimer: Sendable {
  /// An operand and what it holds.
  public struct Operand: Sendable {
    /// Shape and type.
    public let type: TensorType
    /// Contents, of that type in any shape: repeated as often as the operand is longer, cut off where it is shorter.
    public let pattern: Tensor

    /// An operand that holds `pattern` again and again.
    /// - Precondition: the element types are equal, and the pattern has an element if the operand has.
    public init(_ type: TensorType, pattern: Tensor) {
      precondition(type.dtype == pattern.dtype && (pattern.count > 0 || type.shape.count == 0), "\(pattern.type)")
      self.type = type
      self.pattern = pattern
    }
  }

  /// How much is measured.
  public struct Options: Sendable {
    /// Runs that count.
    public var runs = 10
    /// Runs before them, which do not.
    public var warmUps = 2
    /// Seconds that those last at least, up to fifty of them: an idle card raises its clocks over some milliseconds.
    public var warmUpSeconds = 0.05
    /// Seconds after which runs end, though not before `leastRuns`.
    public var seconds = 20.0
    /// Runs that there are in any case.
    public var leastRuns = 3
    /// Bytes that the sets of operands have together at least; more than any cache holds.
    public var distinctBytes = 256 << 20
    /// Variant of the op; nil for the one that the rules choose.
    public var variant: String?
    /// Choices in place of the device's, by `VulkanLowering.tuningKey`; nil for those.
    public var tuning: TuningTable?
    /// Called between runs; what it throws ends them.
    public var check: @Sendable () throws -> Void = {}

    /// The defaults.
    public init() {}
  }

  /// What was measured.
  public struct Result: Sendable {
    /// Seconds of every run, by the device's clock, or by the host's where the device has none.
    public let seconds: [Double]
    /// Kernels of a run, in order; `copy` for a copy.
    public let kernels: [String]

    /// The middle one, or the mean of the two in the middle.
    public var medianSeconds: Double {
      let sorted = seconds.sorted()
      return sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
    /// The shortest.
    public var minSeconds: Double { seconds.min() ?? .nan }
    /// The longest.
    public var maxSeconds: Double { seconds.max() ?? .nan }
  }

  /// The device.
  public let device: VulkanDevice
  private static let mostSets = 16

  /// A timer on `device`.
  public init(_ device: VulkanDevice) { self.device = device }

  /// Times an op.
  /// - Throws: `OpError` if the operands do not fit the op; `LumosError` if it cannot be run, for instance for want of
  ///   memory; what `options.check` throws.
  public func time(
    _ op: any OpDescriptor, _ operands: [Operand], options: Options = Options()
  ) throws -> Result {
    let inputs = operands.map(\.type)
    let outputs = try op.outputTypes(inputs)
    return try measure(operands, outputs, flops: op.flops(inputs), options) { profile in
      var profile = profile
      if let variant = options.variant { profile.forcedVariants[op.name] = variant }
      if let tuning = options.tuning { profile.tuning = tuning }
      return try PlannedDispatch.lowering(
        op, label: op.name, inputs: Self.placed("input", inputs), outputs: Self.placed("output", outputs), profile)
    }
  }

  /// Times the device's own copy of an operand, of which it reads and writes each byte once.
  public func timeCopy(_ operand: Operand, options: Options = Options()) throws -> Result {
    try measure([operand], [operand.type], flops: 0, options) { _ in
      let (from, to) = (Self.placed("input", [operand.type])[0], Self.placed("output", [operand.type])[0])
      return [.copy("copy", from: from.range, to: to.range)]
    }
  }

  /// Times a kernel of the pack that belongs to no op.
  /// - Parameters:
  ///   - outputs: what it writes.
  ///   - flops: floating-point operations of a run.
  public func timeKernel(
    _ dispatch: Dispatch, _ operands: [Operand], outputs: [TensorType], flops: Int, options: Options = Options()
  ) throws -> Result {
    try measure(operands, outputs, flops: flops, options) { _ in
      let inputs = Self.placed("input", operands.map(\.type)).map(\.range)
      let results = Self.placed("output", outputs).map(\.range)
      return [
        PlannedDispatch(
          label: dispatch.kernel, work: .kernel(dispatch, inputs: inputs, outputs: results), reads: inputs,
          writes: results, op: dispatch.kernel, flops: flops)
      ]
    }
  }

  // MARK: - Measuring

  private static func placed(_ role: String, _ types: [TensorType]) -> [PlacedOperand] {
    types.enumerated().map { index, type in
      PlacedOperand(type: type, range: BufferRange(.operand("\(role) \(index)"), 0..<type.byteCount))
    }
  }

  private func measure(
    _ operands: [Operand], _ outputs: [TensorType], flops: Int, _ options: Options,
    plan: (DeviceProfile) throws -> [PlannedDispatch]
  ) throws -> Result {
    var rates = DeviceRates.cautious(for: device.profile)
    var commands = try plan(profile(rates))
    guard !commands.isEmpty else { return Result(seconds: [], kernels: []) }
    let bytes = operands.reduce(0) { $0 + $1.type.byteCount } + outputs.reduce(0) { $0 + $1.byteCount }
    let room = max(1, device.description.availableBytes / 2 / max(bytes, 1))
    let count = min(max(1, (options.distinctBytes + bytes - 1) / max(bytes, 1)), Self.mostSets, room)
    // Slices do not change it.
    let scratch = commands.scratchByteCount
    var sets: [OperandSet] = []
    for index in 0..<count {
      try options.check()
      // One set's contents are copied from the one before.
      sets.append(try OperandSet(device, operands, outputs, scratch: scratch, like: index > 0 ? sets[0] : nil))
    }

    // Recordings hold addresses, not memory.
    defer { withExtendedLifetime(sets) {} }
    var recordings = try sets.map { try record(commands, $0, rates) }
    let warming = ContinuousClock.now
    for index in 0..<max(options.warmUps, 50) {
      if index >= max(options.warmUps, 1), warming.duration(to: .now) / .seconds(1) >= options.warmUpSeconds { break }
      try options.check()
      let seconds = try run(recordings[index % count])
      // The first run may have compiled kernels; only one that shows more speed than assumed counts.
      let measured = Double(flops) / seconds
      guard measured > 1.5 * rates.flopsPerSecond, measured.isFinite else { continue }
      rates.flopsPerSecond = measured
      let faster = try plan(profile(rates))
      if faster.count < commands.count {
        commands = faster
        recordings = try sets.map { try record(commands, $0, rates) }
        _ = try run(recordings[index % count])
      }
    }
    let start = ContinuousClock.now
    var times: [Double] = []
    for index in 0..<options.runs {
      try options.check()
      times.append(try run(recordings[index % count]))
      if times.count >= options.leastRuns, start.duration(to: .now) / .seconds(1) > options.seconds { break }
    }
    return Result(seconds: times, kernels: commands.map { $0.kernel ?? "copy" })
  }

  private func profile(_ rates: DeviceRates) -> DeviceProfile {
    var profile = device.profile
    profile.flopsPerDispatch = VulkanPlan.Limits.flopsPerDispatch(rates)
    return profile
  }

  private func run(_ recording: Recording) throws -> Double {
    let start = ContinuousClock.now
    let timing = try recording.run()
    return timing.seconds ?? start.duration(to: .now) / .seconds(1)
  }

  private func record(_ plan: [PlannedDispatch], _ set: OperandSet, _ rates: DeviceRates) throws -> Recording {
    // Two slices make a submission, as predicted.
    var submissions: [Range<Int>] = []
    for index in plan.indices {
      let flops = submissions.last.map { plan[$0].reduce(0) { $0 + $1.flops } } ?? 0
      if let last = submissions.last, rates.seconds(flops: flops + plan[index].flops, bytesMoved: 0) < 0.5 {
        submissions[submissions.count - 1] = last.lowerBound..<index + 1
      } else {
        submissions.append(index..<index + 1)
      }
    }
    return try Recording(
      device, device.pipelines, SmallOperands(plan, device, set.pool), plan, barriers: Hazards.barriers(for: plan),
      submissions: submissions, timesCommands: false, resolve: set.resolve)
  }
}

/// Memory for the operands of one run.
private final class OperandSet {
  let pool: MemoryPool
  private var places: [BufferID: Allocation] = [:]

  /// Allocates the operands and scratch memory, and fills the former.
  /// - Parameter other: a set of the same operands that is filled already.
  init(
    _ device: VulkanDevice, _ operands: [OpTimer.Operand], _ outputs: [TensorType], scratch: Int,
    like other: OperandSet?
  ) throws {
    pool = MemoryPool(device, checked: false)
    if scratch > 0 { places[PlannedDispatch.operandScratch] = try pool.allocate(scratch, "scratch memory") }
    for (index, type) in outputs.enumerated() where type.byteCount > 0 {
      places[.operand("output \(index)")] = try pool.allocate(type.byteCount, "output \(index)")
    }
    var copies: [PlannedDispatch] = []
    for (index, operand) in operands.enumerated() where operand.type.byteCount > 0 {
      let id = BufferID.operand("input \(index)")
      let allocation = try pool.allocate(operand.type.byteCount, "input \(index)")
      places[id] = allocation
      if other != nil {
        let bytes = 0..<operand.type.byteCount
        copies.append(.copy("set", from: BufferRange(.input("input \(index)"), bytes), to: BufferRange(id, bytes)))
        continue
      }
      // The pattern once from the host; from then on what is there doubles.
      let whole = min(operand.pattern.byteCount, operand.type.byteCount)
      try operand.pattern.withUnsafeBytes {
        try device.transfers.upload(UnsafeRawBufferPointer(rebasing: $0[..<whole]), to: allocation.all)
      }
      var filled = whole
      while filled < operand.type.byteCount {
        let next = min(filled, operand.type.byteCount - filled)
        copies.append(
          .copy("fill", from: BufferRange(id, 0..<next), to: BufferRange(id, filled..<filled + next)))
        filled += next
      }
    }
    guard !copies.isEmpty else { return }
    _ = try Recording(
      device, device.pipelines, SmallOperands(copies, device, pool), copies, barriers: Hazards.barriers(for: copies),
      submissions: copies.indices.map { $0..<$0 + 1 }, timesCommands: false
    ) { range in
      if case .input(let name) = range.buffer, let other {
        return try other.resolve(BufferRange(.operand(name), range.bytes))
      }
      return try self.resolve(range)
    }.run()
  }

  /// Where bytes of an operand lie.
  func resolve(_ range: BufferRange) throws -> DeviceRange {
    guard let allocation = places[range.buffer] else {
      throw LumosError(.internalDefect, "no operand \(range.buffer)")
    }
    return allocation.range(range.bytes)
  }
}
