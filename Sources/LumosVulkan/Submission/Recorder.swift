import CVulkan
import LumosTensor

/// How long a run took on the device.
public struct RunTiming: Sendable, Hashable {
  /// Seconds from the first command's start to the last one's end; nil if the queue has no timestamps.
  public var seconds: Double?
  /// Seconds that the host spent on submitting, waits not counted.
  public var hostSeconds = 0.0
  /// Seconds of each submission; empty if the queue has no timestamps.
  public var submissionSeconds: [Double] = []
  /// Seconds of each command of the plan, where they were asked for.
  public var commandSeconds: [Double] = []
  /// Seconds from the first command's start to each command's start, likewise.
  public var commandStarts: [Double] = []
  /// Copies of streamed weights, likewise.
  public var transfers: [Transfer] = []

  /// A copy of streamed weights.
  public struct Transfer: Sendable, Hashable {
    /// Which weights.
    public var label: String
    /// Their bytes.
    public var byteCount: Int
    /// Seconds from the first command's start; negative for what that waited for.
    public var start: Double
    /// How long it took.
    public var seconds: Double
  }
}

extension RunTiming {
  /// From the timestamps of a run with timed commands: one where a submission begins, then one behind each command.
  ///
  /// A device may look at the head of a submission while the one before is still at work. A command therefore begins
  /// when its predecessor is done, if that is later.
  init(marks: [Double], submissions: [Range<Int>]) {
    var end = 0.0
    for (number, commands) in submissions.enumerated() {
      end = max(end, marks[commands.lowerBound + number])
      let first = end
      for index in commands {
        let start = end
        end = max(start, marks[index + number + 1])
        commandStarts.append(start)
        commandSeconds.append(end - start)
      }
      submissionSeconds.append(end - first)
    }
    seconds = end
  }

  /// From the timestamps of a run whose commands are not timed: one where a submission begins and one where it ends.
  init(submissionMarks marks: [Double]) {
    let timed = RunTiming(marks: marks, submissions: (0..<marks.count / 2).map { $0..<$0 + 1 })
    seconds = timed.seconds
    submissionSeconds = timed.submissionSeconds
  }
}

/// A plan in recorded form: command buffers that are submitted anew for every run.
final class Recording {
  private let device: VulkanDevice
  private let commands: CommandList
  private let timestamps: Timestamps?
  private let operands: SmallOperands
  private let stream: WeightStream?
  private let submissions: [Range<Int>]
  private let timesCommands: Bool

  /// Records commands.
  /// - Parameters:
  ///   - operands: made for the same commands.
  ///   - barriers: whether a barrier stands before each command.
  ///   - submissions: which commands go into one command buffer.
  ///   - stream: brings what the commands read while they run.
  ///   - timesCommands: whether every command is timed, which puts a barrier before each.
  ///   - resolve: where a range of the plan lies on the device. Empty ranges are never asked for.
  init(
    _ device: VulkanDevice, _ pipelines: Pipelines, _ operands: SmallOperands, _ plan: [PlannedDispatch],
    barriers: [Bool], submissions: [Range<Int>], stream: WeightStream? = nil, timesCommands: Bool,
    resolve: (BufferRange) throws -> DeviceRange
  ) throws {
    let context = device.context
    self.device = device
    self.operands = operands
    self.stream = stream
    commands = try CommandList(context)
    self.timesCommands = timesCommands
    // Even a plan without commands is submitted, so that its timestamps and its end exist.
    let slices = submissions.isEmpty ? [0..<0] : submissions
    self.submissions = slices
    // A timestamp where a submission begins, and then one behind each command, or one where the submission ends.
    let marks = timesCommands ? plan.count + slices.count : 2 * slices.count
    timestamps = try context.timestampBits > 0 ? Timestamps(context, count: marks) : nil

    func place(_ range: BufferRange) throws -> DeviceRange {
      range.bytes.isEmpty ? operands.empty.all : try resolve(range)
    }

    let recorded = try plan.map { command -> Command in
      switch command.work {
      case .copy(let from, let to): return .copy(try place(from), try place(to))
      case .kernel(let dispatch, let inputs, let outputs, let scratch):
        let pipeline = try pipelines.pipeline(dispatch.kernel, specialization: dispatch.specialization)
        let push = PushData(
          dispatch.push, inputs: try inputs.map { try place($0).address },
          outputs: try outputs.map { try place($0).address },
          scratch: try dispatch.scratchRanges.isEmpty ? 0 : scratch.map { try place($0).address } ?? 0,
          constants: operands.address(of: dispatch.constants) ?? 0)
        return .dispatch(pipeline, push, dispatch.grid)
      }
    }
    for (number, slice) in slices.enumerated() {
      try commands.record(number) { buffer in
        if number == 0 { timestamps?.reset(buffer) }
        timestamps?.begin(buffer, timesCommands ? slice.lowerBound + number : 2 * number)
        for index in slice {
          if barriers[index] || timesCommands { context.barrier(buffer) }
          recorded[index].record(buffer, context, pipelines.layout)
          if timesCommands { timestamps?.end(buffer, index + number + 1) }
        }
        if number == slices.count - 1 { context.barrier(buffer, toHost: true) }
        if !timesCommands { timestamps?.end(buffer, 2 * number + 1) }
      }
    }
  }

  /// Submits the command buffers and waits for the last.
  /// - Parameter afterEach: hears between submissions how many are done; what it throws ends the run.
  func run(afterEach: (_ done: Int) throws -> Void = { _ in }) throws -> RunTiming {
    let hostSeconds = try { () throws -> Double in
      defer { stream?.finish() }
      try stream?.begin()
      return try device.submissions.run(commands.buffers, stream: stream, afterEach: afterEach)
    }()
    guard let timestamps else { return RunTiming(hostSeconds: hostSeconds) }
    let marks = try timestamps.seconds()
    var timing =
      timesCommands ? RunTiming(marks: marks, submissions: submissions) : RunTiming(submissionMarks: marks)
    timing.hostSeconds = hostSeconds
    if timesCommands, let stream { timing.transfers = try stream.executions(since: timestamps.ticks()[0]) }
    return timing
  }

  private enum Command {
    case dispatch(VkPipeline, PushData, Grid)
    case copy(DeviceRange, DeviceRange)

    func record(_ buffer: VkCommandBuffer, _ context: DeviceContext, _ layout: VkPipelineLayout) {
      switch self {
      case .copy(let from, let to): context.copy(buffer, from, to)
      case .dispatch(let pipeline, let push, let grid):
        context.vk.cmdBindPipeline(buffer, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
        push.bytes.withUnsafeBytes {
          guard $0.count > 0 else { return }
          context.vk.cmdPushConstants(
            buffer, layout, VK_SHADER_STAGE_COMPUTE_BIT.rawValue, 0, UInt32($0.count), $0.baseAddress)
        }
        context.vk.cmdDispatch(buffer, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z))
      }
    }
  }
}

/// What recorded commands need on the device besides the plan's buffers; outlives recordings of the same commands.
final class SmallOperands {
  /// An operand without bytes still needs an address that a kernel may form, though not read.
  let empty: Allocation
  private let tables: Allocation?
  private let offsets: [[UInt32]: Int]

  /// Puts the distinct tables of all dispatches one behind the other, each aligned.
  init(_ plan: [PlannedDispatch], _ device: VulkanDevice, _ pool: MemoryPool) throws {
    var offsets: [[UInt32]: Int] = [:]
    var words: [UInt32] = []
    for case .kernel(let dispatch, _, _, _) in plan.map(\.work) where !dispatch.constants.isEmpty {
      guard offsets[dispatch.constants] == nil else { continue }
      offsets[dispatch.constants] = words.count * 4
      words += dispatch.constants
      words += [UInt32](repeating: 0, count: (4 - words.count % 4) % 4)
    }
    self.offsets = offsets
    if words.isEmpty {
      tables = nil
    } else {
      let allocation = try pool.allocate(words.count * 4, "the plan's constants")
      try words.withUnsafeBytes { try device.transfers.upload($0, to: allocation.all) }
      tables = allocation
    }
    empty = try pool.allocate(MemoryPool.alignment, "the place of empty operands")
  }

  /// Device address of a dispatch's table; nil for an empty one.
  func address(of table: [UInt32]) -> UInt64? {
    guard let tables, let offset = offsets[table] else { return nil }
    return tables.address + UInt64(offset)
  }
}

/// Push constants of a dispatch, with addresses filled in.
struct PushData {
  let bytes: [UInt8]

  init(_ words: [PushWord], inputs: [UInt64], outputs: [UInt64], scratch: UInt64, constants: UInt64) {
    var bytes: [UInt8] = []
    func append<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    for word in words {
      switch word {
      case .input(let index, let offset): append(inputs[index] + UInt64(offset))
      case .output(let index, let offset): append(outputs[index] + UInt64(offset))
      case .scratchIn(let bytes), .scratchOut(let bytes): append(scratch + UInt64(bytes.lowerBound))
      case .constants: append(constants)
      case .null: append(UInt64(0))
      case .uint(let value): append(value)
      case .float(let value): append(value.bitPattern)
      }
    }
    self.bytes = bytes
  }
}
