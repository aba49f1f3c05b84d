import CVulkan
import LumosTensor

/// How long a run took on the device.
public struct RunTiming: Sendable, Hashable {
  /// Seconds from the first command's start to the last one's end; nil if the queue has no timestamps.
  public var seconds: Double?
  /// Seconds of each command of the plan, where they were asked for.
  public var commandSeconds: [Double] = []
}

/// A plan in recorded form: command buffers that are submitted anew for every run.
final class Recording {
  private let device: VulkanDevice
  private let commands: CommandList
  private let timestamps: Timestamps?
  private let constants: Allocation?

  /// Records commands.
  /// - Parameters:
  ///   - pool: where the dispatches' constants are put.
  ///   - barriers: whether a barrier stands before each command.
  ///   - submissions: which commands go into one command buffer.
  ///   - timesCommands: whether every command is timed, which puts a barrier before each.
  ///   - resolve: where a range of the plan lies on the device. Empty ranges are never asked for.
  init(
    _ device: VulkanDevice, _ pipelines: Pipelines, _ pool: MemoryPool, _ plan: [PlannedDispatch], barriers: [Bool],
    submissions: [Range<Int>], timesCommands: Bool, resolve: (BufferRange) throws -> DeviceRange
  ) throws {
    let context = device.context
    self.device = device
    commands = try CommandList(context)
    timestamps = try context.timestampBits > 0 ? Timestamps(context, intervals: timesCommands ? plan.count : 1) : nil
    let tables = try Self.upload(plan, device, pool)
    constants = tables.allocation

    // An operand without bytes still needs an address that a kernel may form, though not read.
    let empty = try pool.allocate(MemoryPool.alignment, "the place of empty operands")
    self.empty = empty
    func place(_ range: BufferRange) throws -> DeviceRange { range.bytes.isEmpty ? empty.all : try resolve(range) }

    let recorded = try plan.map { command -> Command in
      switch command.work {
      case .copy(let from, let to): return .copy(try place(from), try place(to))
      case .kernel(let dispatch, let inputs, let outputs):
        let pipeline = try pipelines.pipeline(dispatch.kernel, specialization: dispatch.specialization)
        let table = tables.offsets[dispatch.constants].flatMap { offset in
          tables.allocation.map { $0.address + UInt64(offset) }
        }
        let push = PushData(
          dispatch.push, inputs: try inputs.map { try place($0).address },
          outputs: try outputs.map { try place($0).address },
          constants: table ?? 0)
        return .dispatch(pipeline, push, dispatch.grid)
      }
    }
    // Even a plan without commands is submitted, so that its timestamps and its end exist.
    let slices = submissions.isEmpty ? [0..<0] : submissions
    for (number, slice) in slices.enumerated() {
      try commands.record(number) { buffer in
        if number == 0 { timestamps?.begin(buffer) }
        for index in slice {
          if barriers[index] || timesCommands { context.barrier(buffer) }
          recorded[index].record(buffer, context, pipelines.layout)
          if timesCommands { timestamps?.mark(buffer, interval: index) }
        }
        guard number == slices.count - 1 else { return }
        context.barrier(buffer, toHost: true)
        if !timesCommands { timestamps?.mark(buffer, interval: 0) }
      }
    }
  }

  private let empty: Allocation

  /// Submits the command buffers and waits for the last.
  func run(timesCommands: Bool) throws -> RunTiming {
    try device.submissions.run(commands.buffers)
    guard let intervals = try timestamps?.seconds() else { return RunTiming(seconds: nil) }
    return RunTiming(seconds: intervals.reduce(0, +), commandSeconds: timesCommands ? intervals : [])
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

  /// Puts the distinct tables of all dispatches one behind the other, each aligned.
  private static func upload(
    _ plan: [PlannedDispatch], _ device: VulkanDevice, _ pool: MemoryPool
  ) throws -> (allocation: Allocation?, offsets: [[UInt32]: Int]) {
    var offsets: [[UInt32]: Int] = [:]
    var words: [UInt32] = []
    for case .kernel(let dispatch, _, _) in plan.map(\.work) where !dispatch.constants.isEmpty {
      guard offsets[dispatch.constants] == nil else { continue }
      offsets[dispatch.constants] = words.count * 4
      words += dispatch.constants
      words += [UInt32](repeating: 0, count: (4 - words.count % 4) % 4)
    }
    guard !words.isEmpty else { return (nil, [:]) }
    let allocation = try pool.allocate(words.count * 4, "the plan's constants")
    try words.withUnsafeBytes { try device.transfers.upload($0, to: allocation.all) }
    return (allocation, offsets)
  }
}

/// Push constants of a dispatch, with addresses filled in.
struct PushData {
  let bytes: [UInt8]

  init(_ words: [PushWord], inputs: [UInt64], outputs: [UInt64], constants: UInt64) {
    var bytes: [UInt8] = []
    func append<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    for word in words {
      switch word {
      case .input(let index, let offset): append(inputs[index] + UInt64(offset))
      case .output(let index, let offset): append(outputs[index] + UInt64(offset))
      case .constants: append(constants)
      case .null: append(UInt64(0))
      case .uint(let value): append(value)
      case .float(let value): append(value.bitPattern)
      }
    }
    self.bytes = bytes
  }
}

/// A query pool that measures intervals: from `begin` to the first mark, and from mark to mark.
final class Timestamps {
  private let context: DeviceContext
  private let pool: VkQueryPool
  private let count: Int

  init(_ context: DeviceContext, intervals: Int) throws {
    self.context = context
    count = intervals + 1
    var create = VkQueryPoolCreateInfo.make {
      $0.queryType = VK_QUERY_TYPE_TIMESTAMP
      $0.queryCount = UInt32(intervals + 1)
    }
    var created: VkQueryPool?
    try context.check(context.vk.createQueryPool(context.handle, &create, nil, &created), "vkCreateQueryPool")
    guard let created else { throw LumosError(.internalDefect, "vkCreateQueryPool gave none", at: context.name) }
    pool = created
  }

  deinit {
    if context.isAbandoned { return }
    context.vk.destroyQueryPool(context.handle, pool, nil)
  }

  /// Resets all marks and starts the first interval.
  func begin(_ buffer: VkCommandBuffer) {
    context.vk.cmdResetQueryPool(buffer, pool, 0, UInt32(count))
    context.vk.cmdWriteTimestamp(buffer, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, pool, 0)
  }

  /// Ends interval `index` once everything before is done, and starts the next.
  func mark(_ buffer: VkCommandBuffer, interval index: Int) {
    context.vk.cmdWriteTimestamp(buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, UInt32(index + 1))
  }

  /// Seconds of each interval of the last run, which must be over.
  func seconds() throws -> [Double] {
    var ticks = [UInt64](repeating: 0, count: count)
    let flags = VK_QUERY_RESULT_64_BIT.rawValue | VK_QUERY_RESULT_WAIT_BIT.rawValue
    let result = ticks.withUnsafeMutableBytes {
      context.vk.getQueryPoolResults(
        context.handle, pool, 0, UInt32(count), $0.count, $0.baseAddress, 8, VkQueryResultFlags(flags))
    }
    try context.check(result, "vkGetQueryPoolResults")
    // Counters of fewer than 64 bits wrap.
    let mask = context.timestampBits >= 64 ? UInt64.max : (1 << UInt64(context.timestampBits)) - 1
    let period = Double(context.description.limits.timestampPeriod) * 1e-9
    return zip(ticks, ticks.dropFirst()).map { Double(($1 &- $0) & mask) * period }
  }
}
