import CVulkan
import LumosTensor
import Synchronization

/// Compiled kernels, made when first asked for and kept by kernel and specialisation.
///
/// All share one layout: 128 bytes of push constants, no descriptors.
final class Pipelines: @unchecked Sendable {
  /// Bytes of push constants that every device has.
  static let pushConstantBytes = 128

  private struct Key: Hashable {
    let kernel: String
    let specialization: [UInt32]
  }

  private let context: DeviceContext
  private let cache: PipelineCache
  private let kernels: @Sendable (String) -> [UInt32]?
  private let made = Mutex<[Key: Handle]>([:])
  /// The layout of every pipeline.
  let layout: VkPipelineLayout

  /// A handle that the lock hands in and out.
  private struct Handle: @unchecked Sendable { let pipeline: VkPipeline }

  /// - Parameter kernels: SPIR-V by kernel name; nil for a kernel that does not exist.
  init(_ context: DeviceContext, _ cache: PipelineCache, kernels: @escaping @Sendable (String) -> [UInt32]?) throws {
    self.context = context
    self.cache = cache
    self.kernels = kernels
    var created: VkPipelineLayout?
    try CArena.with { arena in
      let push = VkPushConstantRange(
        stageFlags: VK_SHADER_STAGE_COMPUTE_BIT.rawValue, offset: 0, size: UInt32(Self.pushConstantBytes))
      var create = VkPipelineLayoutCreateInfo.make {
        $0.pushConstantRangeCount = 1
        $0.pPushConstantRanges = UnsafePointer(arena.pointer(push))
      }
      try context.check(
        context.vk.createPipelineLayout(context.handle, &create, nil, &created), "vkCreatePipelineLayout")
    }
    guard let created else { throw LumosError(.internalDefect, "vkCreatePipelineLayout gave none", at: context.name) }
    layout = created
  }

  deinit {
    if context.isAbandoned { return }
    for handle in made.withLock({ $0 }).values { context.vk.destroyPipeline(context.handle, handle.pipeline, nil) }
    context.vk.destroyPipelineLayout(context.handle, layout, nil)
  }

  /// The pipeline of `kernel` with specialisation constants 0, 1, 2 …
  /// - Throws: `LumosError(.internalDefect)` if the kernel pack has no such kernel or the driver refuses it.
  func pipeline(_ kernel: String, specialization: [UInt32] = []) throws -> VkPipeline {
    let key = Key(kernel: kernel, specialization: specialization)
    return try made.withLock { made in
      if let known = made[key] { return known }
      let handle = Handle(pipeline: try make(key))
      made[key] = handle
      return handle
    }.pipeline
  }

  private func make(_ key: Key) throws -> VkPipeline {
    guard let spirv = kernels(key.kernel) else {
      throw LumosError(.internalDefect, "the kernel pack has no kernel \(key.kernel)")
    }
    let module = try makeModule(spirv, key.kernel)
    defer { context.vk.destroyShaderModule(context.handle, module, nil) }
    var pipeline: VkPipeline?
    try CArena.with { arena in
      let entries = key.specialization.indices.map {
        VkSpecializationMapEntry(constantID: UInt32($0), offset: UInt32($0 * 4), size: 4)
      }
      let constants = VkSpecializationInfo(
        mapEntryCount: UInt32(entries.count), pMapEntries: UnsafePointer(arena.array(entries)),
        dataSize: entries.count * 4, pData: UnsafeRawPointer(arena.array(key.specialization)))
      var create = VkComputePipelineCreateInfo.make {
        $0.stage = .make {
          $0.pNext = subgroupSize(arena, Self.takesFullSubgroups(spirv))
          $0.flags = stageFlags(Self.takesFullSubgroups(spirv))
          $0.stage = VK_SHADER_STAGE_COMPUTE_BIT
          $0.module = module
          $0.pName = arena.string("main")
          $0.pSpecializationInfo = UnsafePointer(arena.pointer(constants))
        }
        $0.layout = layout
      }
      let result = context.vk.createComputePipelines(context.handle, cache.handle, 1, &create, nil, &pipeline)
      try context.check(result, "vkCreateComputePipelines (\(key.kernel))")
    }
    guard let pipeline else {
      throw LumosError(.internalDefect, "vkCreateComputePipelines gave no pipeline", at: key.kernel)
    }
    cache.noteNewPipeline()
    return pipeline
  }

  private func makeModule(_ spirv: [UInt32], _ kernel: String) throws -> VkShaderModule {
    var module: VkShaderModule?
    try spirv.withUnsafeBufferPointer { words in
      var create = VkShaderModuleCreateInfo.make {
        $0.codeSize = words.count * 4
        $0.pCode = words.baseAddress
      }
      try context.check(
        context.vk.createShaderModule(context.handle, &create, nil, &module), "vkCreateShaderModule (\(kernel))")
    }
    guard let module else { throw LumosError(.internalDefect, "vkCreateShaderModule gave none", at: kernel) }
    return module
  }

  /// On devices with several subgroup sizes (Intel, AMD) asks for the one that lowerings were told: for kernels that
  /// take full subgroups, and for others where every workgroup fits the number of subgroups that it implies.
  private func subgroupSize(_ arena: CArena, _ takesFullSubgroups: Bool) -> UnsafeRawPointer? {
    let limits = context.description.limits
    guard context.description.features.subgroupSizeControl, limits.minSubgroupSize < limits.maxSubgroupSize,
      takesFullSubgroups || limits.subgroupSize * limits.maxWorkgroupSubgroups >= limits.maxWorkgroupInvocations
    else { return nil }
    let required = VkPipelineShaderStageRequiredSubgroupSizeCreateInfo.make {
      $0.requiredSubgroupSize = UInt32(limits.subgroupSize)
    }
    return UnsafeRawPointer(arena.pointer(required))
  }

  /// Kernels whose subgroups hold matrices or exchange numbers take full ones.
  private func stageFlags(_ takesFullSubgroups: Bool) -> VkPipelineShaderStageCreateFlags {
    guard takesFullSubgroups, context.description.features.computeFullSubgroups else { return 0 }
    return VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT.rawValue
  }

  /// Whether a module declares the capability CooperativeMatrixKHR or GroupNonUniformShuffle. Capabilities come first in a
  /// module.
  static func takesFullSubgroups(_ spirv: [UInt32]) -> Bool {
    let (capability, cooperativeMatrix, shuffle): (UInt32, UInt32, UInt32) = (17, 6022, 65)
    var at = 5
    while at + 1 < spirv.count, spirv[at] == 2 << 16 | capability {
      if [cooperativeMatrix, shuffle].contains(spirv[at + 1]) { return true }
      at += 2
    }
    return false
  }
}
