import LumosGraph
import LumosOps
import LumosTensor

/// A graph planned, uploaded and recorded. See `Executable`.
public final class VulkanExecutable: Executable {
  /// What is run. The first runs may cut it anew, for the device's real speed.
  public private(set) var plan: VulkanPlan
  /// Times of the last run; nil before the first.
  public private(set) var lastTiming: RunTiming?

  private let session: VulkanSession
  private let inputs: [String: DeviceTensor]
  private var given: Set<String> = []
  /// What commands refer to besides the session's arena, by identity.
  private let buffers: [BufferID: Allocation]
  private var operands: SmallOperands
  /// The graph after the passes, and what bounds its plan: to cut it anew.
  private let graph: Graph
  private var limits: VulkanPlan.Limits
  /// Runs that may still cut it anew. On some devices the first takes longer than others, since kernels are compiled.
  private var correctionsLeft = 3
  /// The plan in recorded form, and the generations of the session's memory for which it was recorded: addresses are
  /// part of it.
  private var recorded: (recording: Recording, generations: [Int])?

  /// - Throws: `LumosError` if the graph cannot be planned or the device lacks memory; whatever the weights' source
  ///   throws.
  init(_ graph: Graph, _ session: VulkanSession) throws {
    self.session = session
    let backend = session.backend
    let graph = backend.recorder.span(.plan, "passes") {
      backend.passes.apply(to: backend.precision.apply(to: graph), tiling: backend.tiling)
    }
    let transfers = session.device.transfers
    var limits = backend.limits
    if limits.correctsRates { limits.rates = session.device.speed.start(limits.rates) }
    self.graph = graph
    self.limits = limits
    let plan = try Self.plan(graph, limits, session)
    self.plan = plan

    var buffers: [BufferID: Allocation] = [:]
    var inputs: [String: DeviceTensor] = [:]
    for value in graph.values {
      switch value.source {
      case .input(let name):
        inputs[name] = try DeviceTensor(value.type, "input \(name)", in: session.pool)
        buffers[.input(name)] = inputs[name]?.allocation
      case .weight(let name, let layout):
        // What only removed nodes read is not part of the plan, and costs neither memory nor time.
        guard plan.buffers[.weight(name, layout)] != nil else { continue }
        buffers[.weight(name, layout)] = try session.weight(name, layout, value.type).allocation
      case .constant(let tensor):
        guard plan.buffers[.constant(value.id.index)] != nil else { continue }
        let constant = try DeviceTensor(value.type, "constant \(value.id.index)", in: session.pool)
        try transfers.upload(tensor, to: constant)
        buffers[.constant(value.id.index)] = constant.allocation
      case .state, .node: break
      }
    }
    for (name, type) in plan.states.sorted(by: { $0.key < $1.key }) {
      buffers[.state(name)] = try session.state(name, type).allocation
    }
    for name in plan.states.keys.sorted() {
      guard let byteCount = plan.buffers[.snapshot(name)] else { continue }
      buffers[.snapshot(name)] = try session.pool.allocate(byteCount, "snapshot of state \(name)")
    }
    session.arena.reserve(plan.arenaSegments)
    session.slots.reserve(plan.slots)
    self.buffers = buffers
    self.inputs = inputs
    operands = try SmallOperands(plan.commands, session.device, session.pool)
    session.recordMemory()
  }

  private static func plan(
    _ graph: Graph, _ limits: VulkanPlan.Limits, _ session: VulkanSession
  ) throws -> VulkanPlan {
    let plan = try session.recorder.span(.plan, "plan") {
      try VulkanPlan(graph, limits, residency: session.residency)
    }
    if session.device.options.checked {
      let violations = HazardChecker.violations(plan.commands, barriers: plan.barriers)
      if let first = violations.first {
        throw LumosError(.internalDefect, "the plan has \(violations.count) hazards, first \(first)")
      }
      let misreadings = LoadChecker.violations(plan.commands, submissions: plan.submissions, loads: plan.loads)
      if let first = misreadings.first {
        throw LumosError(.internalDefect, "the plan has \(misreadings.count) misreadings of weights, first \(first)")
      }
    }
    return plan
  }

  /// Cuts the plan anew if a run has shown that the device's speed asks for other slices or submissions. Where values lie
  /// does not depend on that.
  private func learn(from timing: RunTiming) throws {
    guard limits.correctsRates, !session.backend.timesCommands, correctionsLeft > 0,
      let rates = plan.rates(measuredBy: timing, from: limits.rates)
    else { return }
    correctionsLeft -= 1
    session.device.speed.note(rates)
    limits.rates = rates
    guard plan.isCutBadly(limits) else { return }
    plan = try Self.plan(graph, limits, session)
    recorded = nil
    operands = try SmallOperands(plan.commands, session.device, session.pool)
  }

  /// The commands, recorded for arena and slots as they are now: at the first run, and again after they have grown.
  private func currentRecording() throws -> Recording {
    let device = session.device
    try session.arena.make()
    try session.slots.make()
    let generations = [session.arena.generation, session.slots.generation]
    if let recorded, recorded.generations == generations { return recorded.recording }
    recorded = nil
    session.recordMemory()
    let recording = try session.recorder.span(.record, "kernels and recording") {
      let isTimed = session.backend.timesCommands
      let stream =
        plan.loads.isEmpty
        ? nil
        : try WeightStream(
          device, plan.loads, from: session.source, through: session.weightStaging(),
          into: session.slots.views(plan.slots), isTimed: isTimed)
      return try Recording(
        device, device.pipelines, operands, plan.commands, barriers: plan.barriers, submissions: plan.submissions,
        stream: stream, timesCommands: isTimed, resolve: resolve)
    }
    device.pipelineCache.save()
    recorded = (recording, generations)
    return recording
  }

  public func run(_ given: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    try session.recorder.span(.run, "run") { try execute(given, fetch: fetch) }
  }

  private func execute(_ given: [String: Tensor], fetch: [String]) throws -> [String: Tensor] {
    let recorder = session.recorder
    for (name, tensor) in given {
      guard let input = inputs[name] else { throw BackendError.unknownName(name) }
      guard tensor.type == input.type else {
        throw BackendError.mismatch(name: name, expected: input.type, found: tensor.type)
      }
    }
    let known = self.given.union(given.keys)
    if let name = inputs.keys.sorted().first(where: { !known.contains($0) }) { throw BackendError.missingInput(name) }
    let fetched = try fetch.map { name in
      guard let output = plan.outputs[name] else { throw BackendError.unknownName(name) }
      return (name, output)
    }

    let transfers = session.device.transfers
    for (name, tensor) in given {
      guard let input = inputs[name] else { continue }
      try recorder.span(.upload, "input \(name)", bytes: tensor.type.byteCount) {
        try transfers.upload(tensor, to: input)
      }
      self.given.insert(name)
    }
    let recording = try currentRecording()
    let checked = session.device.options.checked
    let arena = checked ? try session.arena.views(plan.arenaSegments) + session.slots.views(plan.slots) : []
    for segment in arena {
      try transfers.fill(segment.all, with: RedZones.poisonPattern)
      try RedZones.mark(segment, transfers)
    }
    session.recordMemory()
    let count = plan.submissions.count
    session.noteDispatch()
    let timing = try recorder.span(.wait, "submit and wait") {
      try recording.run { done in
        try Task.checkCancellation()
        try session.onProgress?(done, count)
      }
    }
    lastTiming = timing
    if let recorder { record(timing, recorder) }
    if checked {
      try RedZones.verify(arena, transfers)
      try session.pool.verifyRedZones()
    }

    let results = try Dictionary(
      fetched.map { name, output in
        if output.range.bytes.isEmpty { return try (name, Tensor(output.type.shape, output.type.dtype)) }
        return try recorder.span(.download, "output \(name)", bytes: output.type.byteCount) {
          try (name, transfers.download(resolve(output.range), as: output.type))
        }
      }, uniquingKeysWith: { first, _ in first })
    try learn(from: timing)
    return results
  }

  /// What commands do, for profiles.
  private lazy var operations = plan.commands.map {
    Profile.Operation(
      op: $0.op, label: $0.label, kernel: $0.kernel ?? "copy", flops: $0.flops, bytes: $0.bytesMoved)
  }

  /// Tells when each command of the run that has just ended was at work, if the queue has timestamps.
  private func record(_ timing: RunTiming, _ recorder: ProfileRecorder) {
    let end = recorder.now
    guard timing.commandSeconds.count == operations.count else { return }
    var last = 0
    let offsets = zip(timing.commandStarts, timing.commandSeconds).map { start, seconds -> Range<Int> in
      let begin = max(Int((start * 1e9).rounded()), last)
      last = max(Int(((start + seconds) * 1e9).rounded()), begin)
      return begin..<last
    }
    let queue = Profile.Queue(device: session.backend.name, name: "compute queue")
    recorder.record(operations, offsets: offsets, endingAt: end, on: queue)
    let start = end - (offsets.last?.upperBound ?? 0)
    let transfers = timing.transfers.map { transfer -> (operation: Profile.Operation, time: Range<Int>) in
      let operation = Profile.Operation(
        op: "weights", label: transfer.label, kernel: "copy", flops: 0, bytes: transfer.byteCount)
      let first = max(start + Int((transfer.start * 1e9).rounded()), 0)
      return (operation, first..<first + Int((transfer.seconds * 1e9).rounded()))
    }
    if !transfers.isEmpty {
      recorder.record(transfers, on: Profile.Queue(device: session.backend.name, name: "transfer queue"))
    }
  }

  /// Where bytes of the plan lie.
  private func resolve(_ range: BufferRange) throws -> DeviceRange {
    let allocation: Allocation?
    switch range.buffer {
    case .arena(let segment): allocation = session.arena.segment(segment)
    case .segment(let segment):
      allocation = plan.loads.first { $0.segment == segment }.flatMap { session.slots.segment($0.slot) }
    default: allocation = buffers[range.buffer]
    }
    guard let allocation else {
      throw LumosError(.internalDefect, "the plan names a buffer that was not made: \(range.buffer)")
    }
    return allocation.range(range.bytes)
  }
}
