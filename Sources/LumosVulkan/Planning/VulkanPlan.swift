import LumosGraph
import LumosOps
import LumosTensor

/// What a graph becomes on a Vulkan device: commands in order, where their operands lie, barriers and submissions.
///
/// A plan is pure data. It is made from a graph and a device profile alone, so it can be looked at and checked without
/// weights and without a GPU.
public struct VulkanPlan: Sendable {
  /// What bounds a plan.
  public struct Limits: Sendable {
    /// What lowerings know of the device.
    public var profile: DeviceProfile
    /// Largest piece of the arena in bytes (`maxMemoryAllocationSize`, less red zones).
    public var segmentByteCount = 1 << 30
    /// Largest number of commands of a submission.
    public var commandsPerSubmission = 256
    /// Weights of fewer bytes stay on the device where others are streamed.
    public var leastStreamedBytes = WeightSegments.leastBytes
    /// Whether results take over the memory of operands that die, where their ops allow it.
    public var worksInPlace = true
    /// How fast the device is taken to be when work is cut. Cautious by default: a device that turns out faster loses
    /// little by short submissions, one that turns out slower is reset by its driver after long ones.
    public var rates: DeviceRates
    /// Whether the first runs of a graph correct `rates` by what they took, and the work is then cut anew. Results stay
    /// the same to the last bit: slices are whole tiles, whatever their number.
    public var correctsRates = true
    /// Predicted seconds that a dispatch may take where its op can be sliced.
    public var secondsPerDispatch = Self.secondsPerDispatch
    /// Predicted seconds after which a submission ends: desktop drivers reset a device that computes for seconds.
    public var secondsPerSubmission = 0.5

    /// A quarter of a second.
    public static let secondsPerDispatch = 0.25

    /// Limits for a device.
    public init(profile: DeviceProfile) {
      self.profile = profile
      rates = .cautious(for: profile)
    }

    /// Limits for an open device.
    public init(_ device: VulkanDevice) {
      self.init(device.description)
      profile = device.profile
    }

    /// Limits for a device as its driver describes it.
    public init(_ device: DeviceDescription) {
      self.init(profile: device.profile)
      let largest = min(device.limits.maxAllocationBytes, device.limits.maxBufferBytes)
      segmentByteCount = largest - 2 * MemoryPool.redZoneBytes - MemoryPool.alignment
    }

    /// Floating-point operations that take `seconds` at these rates.
    static func flopsPerDispatch(_ rates: DeviceRates, seconds: Double = Self.secondsPerDispatch) -> Int {
      // Int(_:) must not trap, however fast somebody says that the device is.
      Int(max(1, min(rates.flopsPerSecond * (seconds - rates.secondsPerDispatch), 1e18)))
    }

    /// The profile that lowerings get: slices of ops stay within `secondsPerDispatch`.
    var slicingProfile: DeviceProfile {
      var profile = profile
      if profile.flopsPerDispatch == nil {
        profile.flopsPerDispatch = Self.flopsPerDispatch(rates, seconds: secondsPerDispatch)
      }
      return profile
    }
  }

  /// Commands in running order, copies that update the states among them.
  public let commands: [PlannedDispatch]
  /// Whether a barrier stands before each command.
  public let barriers: [Bool]
  /// Commands of each submission.
  public let submissions: [Range<Int>]
  /// Weights that come while the plan runs, in the order in which they are needed.
  public let loads: [WeightLoad]
  /// Where intermediate values lie.
  public let memory: MemoryPlan
  /// Bytes of every buffer that the plan needs; empty ones are left out.
  public let buffers: [BufferID: Int]
  /// Where each fetchable output lies at the end of a run, and its type.
  public let outputs: [String: (range: BufferRange, type: TensorType)]
  /// Types of the states that the graph reads or updates.
  public let states: [String: TensorType]

  /// Number of kernel dispatches.
  public var dispatchCount: Int { commands.count { $0.kernel != nil } }
  /// Number of barriers.
  public var barrierCount: Int { barriers.count { $0 } }
  /// Bytes of the arena.
  public var arenaByteCount: Int { bytes { if case .arena = $0 { true } else { false } } }
  /// Bytes of the arena's segments, in their order.
  var arenaSegments: [Int] {
    var sizes: [Int] = []
    while let size = buffers[.arena(sizes.count)] { sizes.append(size) }
    return sizes
  }
  /// Bytes of the slots of streamed weights, if there are any.
  var slots: [Int] {
    (0..<2).compactMap { slot in loads.filter { $0.slot == slot }.map(\.slotByteCount).max() }
  }
  /// Bytes that come to the device in every run.
  public var streamedByteCount: Int { loads.reduce(0) { $0 + $1.byteCount } }
  /// Bytes of the weights that commands or outputs read and that stay on the device.
  public var weightByteCount: Int { bytes { if case .weight = $0 { true } else { false } } }

  /// Bytes of the states.
  public var stateByteCount: Int { bytes { if case .state = $0 { true } else { false } } }

  private func bytes(where matches: (BufferID) -> Bool) -> Int {
    buffers.reduce(0) { matches($1.key) ? $0 + $1.value : $0 }
  }

  /// Plans a graph.
  /// - Parameter residency: where weights are.
  /// - Throws: `LumosError(.internalDefect)` if an op has no lowering, a dispatch exceeds the device's limits or a
  ///   state is used with two types; `LumosError(.tryAgain)` if a single value, or what a node reads of streamed
  ///   weights, is larger than the device allocates at once.
  public init(_ graph: Graph, _ limits: Limits, residency: Residency = .resident) throws {
    let segment = limits.segmentByteCount / MemoryPool.alignment * MemoryPool.alignment
    for node in graph.nodes {
      for value in node.outputs where graph[value].type.byteCount > segment {
        throw LumosError(
          .tryAgain, "a value of \(graph[value].type.byteCount) bytes is larger than the device allocates in one piece",
          at: node.label, advice: "ask for fewer frames or a smaller size")
      }
    }
    // Lowerings know no places, so they come first: what scratch memory they need is part of the arena.
    let profile = limits.slicingProfile
    let lowered = try graph.nodes.map { node in
      let types = LoweredTypes(
        inputs: node.inputs.enumerated().map { graph[$1].type.window(node.inputRows[$0]) },
        outputs: node.outputs.enumerated().map { graph[$1].type.window(node.outputRows[$0]) })
      return try PlannedDispatch.lowered(node.op, label: node.label, types, profile)
    }
    var scratch: [Int: Int] = [:]
    for (index, dispatches) in lowered.enumerated() where dispatches.scratchByteCount > 0 {
      scratch[index] = dispatches.scratchByteCount
    }
    if let (index, byteCount) = scratch.first(where: { $0.value > segment }) {
      throw LumosError(
        .tryAgain, "scratch memory of \(byteCount) bytes is larger than the device allocates in one piece",
        at: graph.nodes[index].label, advice: "ask for fewer frames or a smaller size")
    }
    let memory = MemoryPlan(
      graph: graph, alignment: MemoryPool.alignment, segmentByteCount: segment, inPlace: limits.worksInPlace,
      scratch: scratch)
    let states = try Self.stateTypes(graph)
    let streams = try Self.segments(graph, limits, residency, largest: segment)
    let updated = Set(graph.stateUpdates.map(\.state))

    func range(_ id: Graph.ValueID, rows: Range<Int>? = nil, at node: Int? = nil) -> BufferRange {
      let value = graph[id]
      let all = value.type.byteRange(rows)
      if let node, let place = streams?.place(of: value, at: node) {
        return BufferRange(.segment(place.segment), place.offset + all.lowerBound..<place.offset + all.upperBound)
      }
      switch value.source {
      case .input(let name): return BufferRange(.input(name), all)
      case .weight(let name, let layout): return BufferRange(.weight(name, layout), all)
      case .constant: return BufferRange(.constant(id.index), all)
      case .state(let name): return BufferRange(.state(name), all)
      case .node:
        // An empty value has no place; its range is empty wherever it begins.
        let offset = memory.offset(of: id) ?? 0
        let start = offset % segment
        return BufferRange(.arena(offset / segment), start + all.lowerBound..<start + all.upperBound)
      }
    }

    // Updates that need not wait for the end, by the node that they follow.
    var early: [Int: [Graph.StateUpdate]] = [:]
    var late: [Graph.StateUpdate] = []
    for (update, point) in zip(graph.stateUpdates, graph.updatePoints()) {
      if let point { early[point, default: []].append(update) } else { late.append(update) }
    }

    var commands: [PlannedDispatch] = []
    func update(_ update: Graph.StateUpdate, from place: BufferRange) {
      let buffer = BufferID.state(update.state)
      guard place.buffer != buffer, !place.bytes.isEmpty else { return }
      var (end, new) = (place.bytes.count, place.bytes)
      if update.appends {
        end = states[update.state]?.byteCount ?? 0
        if end == 0 { return }
        new = max(new.lowerBound, new.upperBound - end)..<new.upperBound
        // The older rows move up, no more of them at a time than leave: a copy must not overlap itself.
        for start in stride(from: 0, to: end - new.count, by: new.count) {
          let older = start + new.count..<min(start + 2 * new.count, end)
          commands.append(
            .copy(
              "state \(update.state), moving up", from: BufferRange(buffer, older),
              to: BufferRange(buffer, start..<start + older.count)))
        }
      }
      commands.append(
        .copy(
          "state \(update.state)", from: BufferRange(place.buffer, new), to: BufferRange(buffer, end - new.count..<end))
      )
    }
    for (index, node) in graph.nodes.enumerated() {
      func operand(_ id: Graph.ValueID, _ rows: Range<Int>?) -> PlacedOperand {
        PlacedOperand(type: graph[id].type.window(rows), range: range(id, rows: rows, at: index))
      }
      let offset = memory.scratchOffset(ofNode: index) ?? 0
      let start = offset % segment
      commands += try PlannedDispatch.placed(
        lowered[index], of: node.op, label: node.label,
        inputs: node.inputs.enumerated().map { operand($1, node.inputRows[$0]) },
        outputs: node.outputs.enumerated().map { operand($1, node.outputRows[$0]) },
        scratch: BufferRange(.arena(offset / segment), start..<start + (scratch[index] ?? 0)), profile)
      for new in early[index] ?? [] { update(new, from: range(new.value)) }
    }

    // All reads of a run see a state's old contents. Where those are read by the updates themselves, or fetched, they
    // are first copied aside.
    var snapshots: [String: BufferRange] = [:]
    func last(_ id: Graph.ValueID, besides target: String? = nil) -> BufferRange {
      let place = range(id)
      guard case .state(let name) = graph[id].source, updated.contains(name), name != target else { return place }
      let snapshot = BufferRange(.snapshot(name), place.bytes)
      if snapshots.updateValue(snapshot, forKey: name) == nil, !place.bytes.isEmpty {
        commands.append(.copy("state \(name), old contents", from: place, to: snapshot))
      }
      return snapshot
    }
    let outputs = Dictionary(
      graph.outputs.map { ($0.name, (range: last($0.value), type: graph[$0.value].type)) },
      uniquingKeysWith: { first, _ in first })
    let updates = late.map { (new: $0, from: last($0.value, besides: $0.state)) }
    for (new, from) in updates { update(new, from: from) }

    self.commands = commands
    barriers = Hazards.barriers(for: commands)
    let readers = streams?.readers(in: commands) ?? []
    submissions = Self.submissions(commands, limits, cuts: Set(readers.compactMap { $0?.lowerBound }))
    loads = streams?.loads(readers: readers, submissions: submissions) ?? []
    self.memory = memory
    self.outputs = outputs
    self.states = states
    buffers = Self.buffers(graph, memory, states, snapshots, streams, segment: segment)
  }

  /// How weights are streamed, or nil if all are resident.
  private static func segments(
    _ graph: Graph, _ limits: Limits, _ residency: Residency, largest: Int
  ) throws -> WeightSegments? {
    guard case .streamed(let slotBytes) = residency else { return nil }
    let streams = WeightSegments(
      graph, slotBytes: min(slotBytes, largest), leastBytes: limits.leastStreamedBytes)
    if let segment = streams.segments.first(where: { $0.byteCount > largest }) {
      throw LumosError(
        .tryAgain, "weights of \(segment.byteCount) bytes are larger than the device allocates in one piece",
        at: graph.nodes[segment.start].label)
    }
    return streams.segments.isEmpty ? nil : streams
  }

  private static func buffers(
    _ graph: Graph, _ memory: MemoryPlan, _ states: [String: TensorType], _ snapshots: [String: BufferRange],
    _ streams: WeightSegments?, segment: Int
  ) -> [BufferID: Int] {
    var buffers: [BufferID: Int] = [:]
    for start in stride(from: 0, to: memory.byteCount, by: segment) {
      buffers[.arena(start / segment)] = min(segment, memory.byteCount - start)
    }
    let used = graph.usedValues
    let streamed = streams?.streamedValues(of: graph) ?? []
    for value in graph.values where value.type.byteCount > 0 {
      switch value.source {
      case .weight, .constant: if !used.contains(value.id) || streamed.contains(value.id) { continue }
      case .input, .state, .node: break
      }
      switch value.source {
      case .input(let name): buffers[.input(name)] = value.type.byteCount
      case .weight(let name, let layout): buffers[.weight(name, layout)] = value.type.byteCount
      case .constant: buffers[.constant(value.id.index)] = value.type.byteCount
      case .state, .node: break
      }
    }
    for (name, type) in states where type.byteCount > 0 { buffers[.state(name)] = type.byteCount }
    for (name, range) in snapshots where !range.bytes.isEmpty { buffers[.snapshot(name)] = range.bytes.count }
    return buffers
  }

  /// A state that is only updated has the type of its new value.
  private static func stateTypes(_ graph: Graph) throws -> [String: TensorType] {
    var types = Dictionary(graph.states.map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
    for update in graph.stateUpdates where !update.appends {
      let type = graph[update.value].type
      if let known = types[update.state], known != type {
        throw LumosError(.internalDefect, "the state is \(known) and is to become \(type)", at: update.state)
      }
      types[update.state] = type
    }
    return types
  }

  /// Cuts the commands into submissions: before each command of `cuts`, and where one would become too long.
  static func submissions(
    _ commands: [PlannedDispatch], _ limits: Limits, cuts: Set<Int>
  ) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    var total = 0.0
    for (index, command) in commands.enumerated() {
      let seconds = limits.rates.seconds(of: command)
      let isFull =
        cuts.contains(index) || index - start >= limits.commandsPerSubmission
        || total + seconds > limits.secondsPerSubmission
      if isFull && index > start {
        ranges.append(start..<index)
        start = index
        total = 0
      }
      total += seconds
    }
    if start < commands.count { ranges.append(start..<commands.count) }
    return ranges
  }
}
