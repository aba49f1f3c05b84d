import CVulkan
import LumosTensor

/// A query pool of timestamps.
final class Timestamps {
  private let context: DeviceContext
  private let pool: VkQueryPool
  private let count: Int

  init(_ context: DeviceContext, count: Int) throws {
    self.context = context
    self.count = count
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
    return ticks.map { Double(($0 &- ticks[0]) & mask) * period }
  }
}
