import CVulkan
import LumosTensor
import Synchronization

/// Device memory in use.
public struct MemoryUse: Sendable, Hashable {
  /// Vulkan allocations that exist.
  public var liveAllocations = 0
  /// Their bytes.
  public var liveBytes = 0
  /// The most bytes there have been at once.
  public var peakBytes = 0
}

/// Counts device memory, for itself and for the ledger that it is part of.
final class MemoryLedger: Sendable {
  private let parent: MemoryLedger?
  private let state = Mutex(MemoryUse())

  init(parent: MemoryLedger? = nil) { self.parent = parent }

  var use: MemoryUse { state.withLock { $0 } }

  func add(_ byteCount: Int) {
    state.withLock {
      $0.liveAllocations += 1
      $0.liveBytes += byteCount
      $0.peakBytes = max($0.peakBytes, $0.liveBytes)
    }
    parent?.add(byteCount)
  }

  func remove(_ byteCount: Int) {
    state.withLock {
      $0.liveAllocations -= 1
      $0.liveBytes -= byteCount
    }
    parent?.remove(byteCount)
  }
}

/// The memory types of a device, and which of them serves which purpose.
struct MemoryTypes: Sendable {
  struct MemoryType: Sendable {
    let index: Int
    let heap: Int
    let flags: UInt32

    func has(_ flag: VkMemoryPropertyFlagBits) -> Bool { flags & flag.rawValue != 0 }
    /// The host may write here without flushing.
    var isMappable: Bool {
      has(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) && has(VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
    }
  }

  /// Who uses the memory.
  enum Purpose: Sendable {
    /// Kernels; the host reaches it only where that costs nothing.
    case device
    /// The host, to pass data to and from the device.
    case staging
  }

  let all: [MemoryType]
  let heapBytes: [Int]
  private let hidesDeviceMemory: Bool

  init(_ instance: VulkanInstance, _ device: VkPhysicalDevice, hidesDeviceMemory: Bool) {
    var properties = VkPhysicalDeviceMemoryProperties2.make()
    instance.functions.getPhysicalDeviceMemoryProperties2(device, &properties)
    let memory = properties.memoryProperties
    let types = elements(of: memory.memoryTypes, as: VkMemoryType.self, count: Int(memory.memoryTypeCount))
    let heaps = elements(of: memory.memoryHeaps, as: VkMemoryHeap.self, count: Int(memory.memoryHeapCount))
    self.init(
      all: types.enumerated().map { MemoryType(index: $0, heap: Int($1.heapIndex), flags: $1.propertyFlags) },
      heapBytes: heaps.map { Int(clamping: $0.size) }, hidesDeviceMemory: hidesDeviceMemory)
  }

  init(all: [MemoryType], heapBytes: [Int], hidesDeviceMemory: Bool = false) {
    self.all = all
    self.heapBytes = heapBytes
    self.hidesDeviceMemory = hidesDeviceMemory
  }

  /// The type for a purpose among those that `allowed` (a bit per type) admits, or nil.
  ///
  /// Kernels get the largest device-local heap; where the host can map a type of that very heap (integrated GPUs,
  /// resizable BAR, software) that type is taken, but never a small window into device memory. Drivers list the faster of
  /// two types first. Staging wants cached memory, since the host also reads it.
  func type(for purpose: Purpose, allowed: UInt32) -> MemoryType? {
    let usable = all.filter { allowed >> UInt32($0.index) & 1 == 1 }
    switch purpose {
    case .device:
      let local = usable.filter { $0.has(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) }
      let largest = local.map { heapBytes[$0.heap] }.max() ?? 0
      let best = local.filter { heapBytes[$0.heap] == largest }
      return best.first(where: \.isMappable) ?? best.first ?? usable.first
    case .staging:
      let mappable = usable.filter(\.isMappable)
      return mappable.first { $0.has(VK_MEMORY_PROPERTY_HOST_CACHED_BIT) } ?? mappable.first
    }
  }

  /// Whether memory of `type` for `purpose` is mapped.
  func isMapped(_ type: MemoryType, for purpose: Purpose) -> Bool {
    purpose == .staging || (type.isMappable && !hidesDeviceMemory)
  }
}

/// One buffer with memory of its own, alive as long as it is referred to.
final class MemoryBlock: @unchecked Sendable {
  let context: DeviceContext
  let buffer: VkBuffer
  let byteCount: Int
  /// Device address of the first byte.
  let address: UInt64
  /// Where the host sees it, if it does.
  let mapped: UnsafeMutableRawPointer?
  /// Whether the host reads it at ordinary speed.
  let isHostCached: Bool
  private let memory: VkDeviceMemory
  private let ledger: MemoryLedger

  /// - Parameters:
  ///   - isShared: whether the queue that copies uses it as well as the one that computes.
  ///   - name: what it is for, for messages.
  /// - Throws: `LumosError(.tryAgain)` if the memory cannot be had.
  init(
    _ context: DeviceContext, _ ledger: MemoryLedger, byteCount: Int, purpose: MemoryTypes.Purpose,
    isShared: Bool = false, name: String
  ) throws {
    precondition(byteCount > 0, "an empty buffer for \(name)")
    let limits = context.description.limits
    guard byteCount <= min(limits.maxBufferBytes, limits.maxAllocationBytes) else {
      throw Self.outOfMemory(
        context, byteCount, name,
        "the device allows \(min(limits.maxBufferBytes, limits.maxAllocationBytes)) in one piece")
    }
    let vk = context.vk
    var create = VkBufferCreateInfo.make {
      $0.size = UInt64(byteCount)
      $0.usage =
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT.rawValue | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.rawValue
        | VK_BUFFER_USAGE_TRANSFER_SRC_BIT.rawValue | VK_BUFFER_USAGE_TRANSFER_DST_BIT.rawValue
    }
    var created: VkBuffer?
    // Queues of two families may use a buffer in turns without handing it over, which costs nothing for buffers.
    let families = [context.queueFamily, context.transferFamily]
    try families.withUnsafeBufferPointer { indices in
      if isShared && indices[0] != indices[1] {
        create.sharingMode = VK_SHARING_MODE_CONCURRENT
        create.queueFamilyIndexCount = 2
        create.pQueueFamilyIndices = indices.baseAddress
      }
      try Self.checkMemory(
        vk.createBuffer(context.handle, &create, nil, &created), "vkCreateBuffer", context, byteCount, name)
    }
    guard let buffer = created else { throw LumosError(.internalDefect, "vkCreateBuffer gave no buffer", at: name) }
    var memory: VkDeviceMemory?
    do {
      var requirements = VkMemoryRequirements()
      vk.getBufferMemoryRequirements(context.handle, buffer, &requirements)
      guard let type = context.memoryTypes.type(for: purpose, allowed: requirements.memoryTypeBits) else {
        throw LumosError(.noDevice, "the device has no memory type for \(name)", at: context.name)
      }
      guard requirements.size <= UInt64(context.memoryTypes.heapBytes[type.heap]) else {
        throw Self.outOfMemory(context, byteCount, name, nil)
      }
      let allocated = try Self.allocate(context, requirements.size, type, byteCount, name)
      memory = allocated
      try context.check(vk.bindBufferMemory(context.handle, buffer, allocated, 0), "vkBindBufferMemory")
      mapped =
        context.memoryTypes.isMapped(type, for: purpose) ? try Self.map(context, allocated, byteCount, name) : nil
      isHostCached = type.has(VK_MEMORY_PROPERTY_HOST_CACHED_BIT)
      self.memory = allocated
    } catch {
      if let memory { vk.freeMemory(context.handle, memory, nil) }
      vk.destroyBuffer(context.handle, buffer, nil)
      throw error
    }
    var info = VkBufferDeviceAddressInfo.make { $0.buffer = buffer }
    address = vk.getBufferDeviceAddress(context.handle, &info)
    self.context = context
    self.buffer = buffer
    self.byteCount = byteCount
    self.ledger = ledger
    ledger.add(byteCount)
  }

  deinit {
    ledger.remove(byteCount)
    if context.isAbandoned { return }
    context.vk.destroyBuffer(context.handle, buffer, nil)
    context.vk.freeMemory(context.handle, memory, nil)
  }

  /// The one place where device memory is allocated.
  private static func allocate(
    _ context: DeviceContext, _ size: VkDeviceSize, _ type: MemoryTypes.MemoryType, _ byteCount: Int, _ name: String
  ) throws -> VkDeviceMemory {
    var memory: VkDeviceMemory?
    try CArena.with { arena in
      let flags = VkMemoryAllocateFlagsInfo.make { $0.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT.rawValue }
      var allocate = VkMemoryAllocateInfo.make {
        $0.pNext = UnsafeRawPointer(arena.pointer(flags))
        $0.allocationSize = size
        $0.memoryTypeIndex = UInt32(type.index)
      }
      let result =
        context.fault(.allocation, VK_ERROR_OUT_OF_DEVICE_MEMORY)
        ?? context.vk.allocateMemory(context.handle, &allocate, nil, &memory)
      try checkMemory(result, "vkAllocateMemory", context, byteCount, name)
    }
    guard let memory else { throw LumosError(.internalDefect, "vkAllocateMemory gave no memory", at: name) }
    return memory
  }

  /// The one place where device memory is mapped. It stays mapped until it is freed.
  private static func map(
    _ context: DeviceContext, _ memory: VkDeviceMemory, _ byteCount: Int, _ name: String
  ) throws -> UnsafeMutableRawPointer {
    var pointer: UnsafeMutableRawPointer?
    let result =
      context.fault(.mapping, VK_ERROR_MEMORY_MAP_FAILED)
      ?? context.vk.mapMemory(context.handle, memory, 0, VkDeviceSize(VK_WHOLE_SIZE), 0, &pointer)
    try checkMemory(result, "vkMapMemory", context, byteCount, name)
    guard let pointer else { throw LumosError(.internalDefect, "vkMapMemory gave no pointer", at: name) }
    return pointer
  }

  private static func checkMemory(
    _ result: VkResult, _ call: String, _ context: DeviceContext, _ byteCount: Int, _ name: String
  ) throws {
    if result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY {
      throw outOfMemory(context, byteCount, name, nil)
    }
    if result == VK_ERROR_MEMORY_MAP_FAILED {
      throw outOfMemory(context, byteCount, name, "which the host cannot map")
    }
    try context.check(result, call)
  }

  private static func outOfMemory(
    _ context: DeviceContext, _ byteCount: Int, _ name: String, _ reason: String?
  ) -> LumosError {
    let heap = context.heaps.filter(\.isDeviceLocal).max { $0.byteCount < $1.byteCount }
    var facts = ["\(context.ledger.use.liveBytes) in use by this program"]
    if let heap {
      facts.append("\(heap.byteCount) on the device")
      if let budget = heap.budgetBytes { facts.append("budget \(budget)") }
    }
    return LumosError(
      .tryAgain,
      "out of device memory: \(name) asks for \(byteCount) bytes ("
        + ([reason].compactMap { $0 } + facts).joined(separator: ", ")
        + ")",
      at: context.name,
      advice: "close other programs that use the device, or ask for fewer frames or a smaller size")
  }
}
