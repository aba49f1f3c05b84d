import CVulkan
import LumosTensor
import Synchronization

/// The driver's cache of compiled pipelines, filled from a file at first and written back when it has grown.
final class PipelineCache: @unchecked Sendable {
  private let context: DeviceContext
  private let file: DeviceCacheFile?
  private let newPipelines = Atomic<Int>(0)
  let handle: VkPipelineCache

  init(_ context: DeviceContext, file: DeviceCacheFile?) throws {
    self.context = context
    self.file = file
    let data = file?.read() ?? []
    // A driver may refuse even data that it wrote itself; an empty cache always does.
    guard let created = try Self.make(context, data) ?? Self.make(context, []) else {
      throw LumosError(.internalDefect, "vkCreatePipelineCache gave no cache", at: context.name)
    }
    handle = created
  }

  deinit {
    if context.isAbandoned { return }
    if !context.isLost { save() }
    context.vk.destroyPipelineCache(context.handle, handle, nil)
  }

  /// A pipeline was compiled since the cache was last written.
  func noteNewPipeline() { newPipelines.add(1, ordering: .relaxed) }

  /// Writes the cache to its file if pipelines were added to it.
  func save() {
    guard let file, newPipelines.exchange(0, ordering: .relaxed) > 0 else { return }
    var size = 0
    guard context.vk.getPipelineCacheData(context.handle, handle, &size, nil) == VK_SUCCESS, size > 0 else { return }
    var data = [UInt8](repeating: 0, count: size)
    guard context.vk.getPipelineCacheData(context.handle, handle, &size, &data) == VK_SUCCESS else { return }
    file.write(Array(data.prefix(size)))
  }

  private static func make(_ context: DeviceContext, _ data: [UInt8]) throws -> VkPipelineCache? {
    var cache: VkPipelineCache?
    let result = data.withUnsafeBytes { bytes in
      var create = VkPipelineCacheCreateInfo.make {
        $0.initialDataSize = bytes.count
        $0.pInitialData = bytes.baseAddress
      }
      return context.vk.createPipelineCache(context.handle, &create, nil, &cache)
    }
    if result != VK_SUCCESS && !data.isEmpty { return nil }
    try context.check(result, "vkCreatePipelineCache")
    return cache
  }
}
