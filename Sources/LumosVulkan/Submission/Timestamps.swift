import CVulkan
import LumosTensor

/// A query pool of timestamps.
final class Timestamps {
  private let context: DeviceContext
  private let pool: VkQueryPool
  private let count: Int
  private let bits: Int

  /// - Parameter bits: valid bits of a timestamp on the queue that takes them; those of the compute queue if nil.
  init(_ context: DeviceContext, count: Int, bits: Int? = nil) throws {
    self.context = context
    self.count = count
    self.bits = bits ?? context.timestampBits
    var create = VkQueryPoolCreateInfo.make {
      $0.queryType = VK_QUERY_TYPE_TIMESTAMP
      $0.queryCount = UInt32(count)
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

  /// Forgets all timestamps.
  func reset(_ buffer: VkCommandBuffer) { context.vk.cmdResetQueryPool(buffer, pool, 0, UInt32(count)) }

  /// Takes timestamp `index` when the device gets to this place.
  func begin(_ buffer: VkCommandBuffer, _ index: Int) {
    context.vk.cmdWriteTimestamp(buffer, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, pool, UInt32(index))
  }

  /// Takes timestamp `index` once everything before is done.
  func end(_ buffer: VkCommandBuffer, _ index: Int) {
    context.vk.cmdWriteTimestamp(buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, UInt32(index))
  }

  /// Seconds from the first timestamp to each one of the last run, which must be over.
  func seconds() throws -> [Double] {
    let ticks = try ticks()
    return ticks.map { context.seconds(from: ticks[0], to: $0, bits: bits) }
  }

  /// The timestamps of the last run, which must be over, as the device counts.
  func ticks() throws -> [UInt64] {
    var ticks = [UInt64](repeating: 0, count: count)
    let flags = VK_QUERY_RESULT_64_BIT.rawValue | VK_QUERY_RESULT_WAIT_BIT.rawValue
    let result = ticks.withUnsafeMutableBytes {
      context.vk.getQueryPoolResults(
        context.handle, pool, 0, UInt32(count), $0.count, $0.baseAddress, 8, VkQueryResultFlags(flags))
    }
    try context.check(result, "vkGetQueryPoolResults")
    return ticks
  }
}

extension DeviceContext {
  /// Seconds between two timestamps of counters of `bits` bits, which wrap where those are fewer than 64.
  func seconds(from start: UInt64, to end: UInt64, bits: Int) -> Double {
    let mask = bits >= 64 ? UInt64.max : (1 << UInt64(bits)) - 1
    return Double((end &- start) & mask) * Double(description.limits.timestampPeriod) * 1e-9
  }

  /// The same where `end` may be the earlier one: the shorter way around the counter's circle.
  func signedSeconds(from start: UInt64, to end: UInt64, bits: Int) -> Double {
    let (ahead, back) = (seconds(from: start, to: end, bits: bits), seconds(from: end, to: start, bits: bits))
    return ahead <= back ? ahead : -back
  }
}
