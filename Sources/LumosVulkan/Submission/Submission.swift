import CVulkan
import LumosTensor
import Synchronization

/// A queue of the device, and the timeline semaphore by which its work is awaited.
///
/// Every submission signals the next value of the timeline; submissions of all sessions share it and finish in order.
final class SubmissionQueue: @unchecked Sendable {
  private let context: DeviceContext
  private let queue: VkQueue
  fileprivate let timeline: VkSemaphore
  private let timeoutSeconds: Double
  private static let lostTimeoutSeconds: Double = 10
  /// Value of the last submission; the lock also serialises the queue, as Vulkan demands.
  private let last = Mutex<UInt64>(0)

  /// - Parameters:
  ///   - queue: the compute queue if nil. Nobody else may submit to it.
  ///   - timeoutSeconds: how long a wait may last without any submission finishing.
  init(_ context: DeviceContext, _ queue: VkQueue? = nil, timeoutSeconds: Double) throws {
    self.context = context
    self.queue = queue ?? context.queue
    self.timeoutSeconds = timeoutSeconds
    var created: VkSemaphore?
    try CArena.with { arena in
      let type = VkSemaphoreTypeCreateInfo.make { $0.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE }
      var create = VkSemaphoreCreateInfo.make { $0.pNext = UnsafeRawPointer(arena.pointer(type)) }
      try context.check(context.vk.createSemaphore(context.handle, &create, nil, &created), "vkCreateSemaphore")
    }
    guard let created else { throw LumosError(.internalDefect, "vkCreateSemaphore gave none", at: context.name) }
    timeline = created
  }

  deinit {
    if context.isAbandoned { return }
    context.vk.destroySemaphore(context.handle, timeline, nil)
  }

  /// A submission that another one has to wait for.
  struct Point {
    /// Where it was submitted.
    let queue: SubmissionQueue
    /// Its timeline value.
    let value: UInt64
  }

  /// The one place where work is submitted.
  /// - Parameter waits: what must be done before it begins; it then sees all that was written. Each has been submitted,
  ///   so that nothing waits for what never comes.
  /// - Returns: the timeline value that tells that it is done.
  func submit(_ commands: VkCommandBuffer, after waits: [Point] = []) throws -> UInt64 {
    try last.withLock { last in
      guard !context.isLost else { throw LumosError.deviceLost(in: "an earlier submission", at: context.name) }
      let value = last + 1
      try CArena.with { arena in
        let signal = VkTimelineSemaphoreSubmitInfo.make {
          $0.waitSemaphoreValueCount = UInt32(waits.count)
          $0.pWaitSemaphoreValues = UnsafePointer(arena.array(waits.map(\.value)))
          $0.signalSemaphoreValueCount = 1
          $0.pSignalSemaphoreValues = UnsafePointer(arena.pointer(value))
        }
        var submit = VkSubmitInfo.make {
          $0.pNext = UnsafeRawPointer(arena.pointer(signal))
          $0.waitSemaphoreCount = UInt32(waits.count)
          $0.pWaitSemaphores = UnsafePointer(arena.array(waits.map { Optional($0.queue.timeline) }))
          $0.pWaitDstStageMask = UnsafePointer(
            arena.array(waits.map { _ in VkPipelineStageFlags(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue) }))
          $0.commandBufferCount = 1
          $0.pCommandBuffers = UnsafePointer(arena.pointer(Optional(commands)))
          $0.signalSemaphoreCount = 1
          $0.pSignalSemaphores = UnsafePointer(arena.pointer(Optional(timeline)))
        }
        let result =
          context.fault(.deviceLoss, VK_ERROR_DEVICE_LOST)
          ?? context.fault(.submission, VK_ERROR_OUT_OF_HOST_MEMORY)
          ?? context.vk.queueSubmit(queue, 1, &submit, nil)
        try context.check(result, "vkQueueSubmit")
      }
      last = value
      return value
    }
  }

  /// Waits until the submission `value` is done. The host then sees what it wrote, if a barrier to the host ended it.
  /// - Throws: `LumosError(.tryAgain)` on a device loss or a timeout; the device is then given up.
  func wait(for value: UInt64) throws {
    // Vulkan promises that waits for a lost device end; not every driver need be that good.
    let timeoutSeconds = context.isLost ? min(timeoutSeconds, Self.lostTimeoutSeconds) : timeoutSeconds
    var result = VK_SUCCESS
    CArena.with { arena in
      var info = VkSemaphoreWaitInfo.make {
        $0.semaphoreCount = 1
        $0.pSemaphores = UnsafePointer(arena.pointer(Optional(timeline)))
        $0.pValues = UnsafePointer(arena.pointer(value))
      }
      result = context.vk.waitSemaphores(context.handle, &info, UInt64(timeoutSeconds * 1e9))
    }
    if result == VK_TIMEOUT {
      context.abandon()
      throw LumosError(
        .tryAgain, "the device has not finished within \(timeoutSeconds) s", at: context.name,
        advice: "look for a hang of the graphics driver in the kernel log (dmesg); on a slow device raise the timeout")
    }
    try context.check(result, "vkWaitSemaphores")
  }

  /// Submissions that wait behind the one that the device is at: one keeps it busy while the host reacts, and work that
  /// is called off ends with the second.
  private static let ahead = 1

  /// Submits one command buffer after another and waits for each, so that the timeout is one of progress.
  /// - Parameters:
  ///   - stream: fetches what submissions read, and says what each has to wait for.
  ///   - afterEach: hears how many are done, while the device is at the next. What it throws is thrown once the device
  ///     has done what it was given; the rest is not submitted.
  /// - Returns: seconds that the host spent on submitting, waits not counted.
  @discardableResult
  func run(
    _ commands: [VkCommandBuffer], stream: WeightStream? = nil, afterEach: (_ done: Int) throws -> Void = { _ in }
  ) throws -> Double {
    var values: [UInt64] = []
    var done = 0
    var hostTime = Duration.zero
    func finishOne() throws {
      try wait(for: values[done])
      done += 1
      try afterEach(done)
    }
    do {
      for buffer in commands {
        if values.count - done > Self.ahead { try finishOne() }
        let waits = try stream?.prepare(values) ?? []
        let start = ContinuousClock.now
        values.append(try submit(buffer, after: waits))
        hostTime += start.duration(to: .now)
        try stream?.prefetch(values)
      }
      while done < values.count { try finishOne() }
      return hostTime / .seconds(1)
    } catch {
      // What was submitted before the failure still uses its buffers; it must be over before anybody frees them.
      if !context.isAbandoned, let value = values.last { try? wait(for: value) }
      throw error
    }
  }
}

/// Command buffers of one owner, from a pool of their own.
final class CommandList {
  private let context: DeviceContext
  private let pool: VkCommandPool
  private(set) var buffers: [VkCommandBuffer] = []

  /// - Parameter family: of the queues that get them; that of the compute queue if nil.
  init(_ context: DeviceContext, family: UInt32? = nil) throws {
    self.context = context
    var create = VkCommandPoolCreateInfo.make {
      $0.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.rawValue
      $0.queueFamilyIndex = family ?? context.queueFamily
    }
    var created: VkCommandPool?
    try context.check(context.vk.createCommandPool(context.handle, &create, nil, &created), "vkCreateCommandPool")
    guard let created else { throw LumosError(.internalDefect, "vkCreateCommandPool gave none", at: context.name) }
    pool = created
  }

  deinit {
    if context.isAbandoned { return }
    context.vk.destroyCommandPool(context.handle, pool, nil)
  }

  /// Records command buffer `index` (the next new one, or one that is no longer in use) with `body`.
  func record(_ index: Int, _ body: (VkCommandBuffer) -> Void) throws {
    if index == buffers.count {
      var allocate = VkCommandBufferAllocateInfo.make {
        $0.commandPool = pool
        $0.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
        $0.commandBufferCount = 1
      }
      var created: VkCommandBuffer?
      try context.check(
        context.vk.allocateCommandBuffers(context.handle, &allocate, &created), "vkAllocateCommandBuffers")
      guard let created else {
        throw LumosError(.internalDefect, "vkAllocateCommandBuffers gave none", at: context.name)
      }
      buffers.append(created)
    }
    let buffer = buffers[index]
    var begin = VkCommandBufferBeginInfo.make()
    try context.check(context.vk.beginCommandBuffer(buffer, &begin), "vkBeginCommandBuffer")
    body(buffer)
    try context.check(context.vk.endCommandBuffer(buffer), "vkEndCommandBuffer")
  }
}

extension DeviceContext {
  /// Everything before is done and visible to every dispatch, copy and, with `toHost`, host read that follows.
  func barrier(_ commands: VkCommandBuffer, toHost: Bool = false) {
    let work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue | VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue
    let reads = VK_ACCESS_SHADER_READ_BIT.rawValue | VK_ACCESS_TRANSFER_READ_BIT.rawValue
    let writes = VK_ACCESS_SHADER_WRITE_BIT.rawValue | VK_ACCESS_TRANSFER_WRITE_BIT.rawValue
    var memory = VkMemoryBarrier.make {
      $0.srcAccessMask = writes
      $0.dstAccessMask = reads | writes | (toHost ? VK_ACCESS_HOST_READ_BIT.rawValue : 0)
    }
    let after = work | (toHost ? VK_PIPELINE_STAGE_HOST_BIT.rawValue : 0)
    vk.cmdPipelineBarrier(commands, work, after, 0, 1, &memory, 0, nil, 0, nil)
  }

  /// Copies bytes of device memory.
  func copy(_ commands: VkCommandBuffer, _ from: DeviceRange, _ to: DeviceRange) {
    var region = VkBufferCopy(
      srcOffset: UInt64(from.offset), dstOffset: UInt64(to.offset), size: UInt64(from.byteCount))
    vk.cmdCopyBuffer(commands, from.block.buffer, to.block.buffer, 1, &region)
  }
}
