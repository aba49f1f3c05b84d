import CVulkan
import LumosTensor
import Synchronization

/// An open device: its handle, its functions and what bounds its use. Everything that holds a Vulkan object holds the
/// context, so that the device is destroyed last.
final class DeviceContext: @unchecked Sendable {
  let instance: VulkanInstance
  let description: DeviceDescription
  let handle: VkDevice
  let vk: DeviceFunctions
  let queue: VkQueue
  let queueFamily: UInt32
  /// Valid bits of a timestamp on the queue; 0 where it has none.
  let timestampBits: Int
  /// A queue that copies while the other computes; nil where the device has only one.
  let transferQueue: VkQueue?
  /// Family of the queue that copies, which may be that of the other.
  let transferFamily: UInt32
  /// Valid bits of a timestamp on the queue that copies.
  let transferTimestampBits: Int
  let memoryTypes: MemoryTypes
  /// Live memory of all sessions on the device.
  let ledger = MemoryLedger()
  /// Live staging memory, which the device keeps for transfers.
  let stagingLedger = MemoryLedger()
  private let probe: DeviceProbe
  private let faults: FaultPlan?
  private let lost = Atomic<Bool>(false)
  private let abandoned = Atomic<Bool>(false)

  init(
    _ instance: VulkanInstance, _ description: DeviceDescription, stagesAllTransfers: Bool, faults: FaultPlan? = nil
  ) throws {
    let physicalDevices = try instance.physicalDevices()
    guard description.index < physicalDevices.count else {
      throw LumosError(.noDevice, "the device has disappeared", at: description.name)
    }
    let physical = physicalDevices[description.index]
    let families = try QueueFamilies(instance, physical, description.name)
    let probe = try DeviceProbe(instance, physical)
    let handle = try Self.makeDevice(instance, physical, probe, description, families)
    let getDeviceProcAddr = instance.functions.getDeviceProcAddr
    let vk = try DeviceFunctions(FunctionSource(description.name) { getDeviceProcAddr(handle, $0) })
    var queue: VkQueue?
    vk.getDeviceQueue(handle, families.compute, 0, &queue)
    guard let queue else {
      vk.destroyDevice(handle, nil)
      throw LumosError(.noDevice, "the driver gives no compute queue", at: description.name)
    }
    self.instance = instance
    self.description = description
    self.handle = handle
    self.vk = vk
    self.queue = queue
    self.probe = probe
    self.faults = faults
    queueFamily = families.compute
    timestampBits = families.timestampBits
    transferFamily = families.transfer
    transferTimestampBits = families.transferTimestampBits
    var transferQueue: VkQueue?
    if families.hasTransferQueue {
      vk.getDeviceQueue(handle, families.transfer, families.transferIndex, &transferQueue)
    }
    self.transferQueue = transferQueue
    memoryTypes = MemoryTypes(instance, physical, hidesDeviceMemory: stagesAllTransfers)
  }

  deinit {
    if isAbandoned {
      // The driver may still be at work, and an instance must not go before its devices.
      _ = Unmanaged.passRetained(instance)
      return
    }
    vk.destroyDevice(handle, nil)
  }

  /// For messages.
  var name: String { description.name }

  /// Whether the device can do no more work: the driver has given it up, or we have. Objects of a lost device are
  /// destroyed as ever, as Vulkan allows and the memory of a device opened anew needs.
  var isLost: Bool { lost.load(ordering: .acquiring) }

  /// Whether work was left running (a wait timed out). Objects that the device may still use are then leaked rather
  /// than destroyed: the process is about to give up on this device.
  var isAbandoned: Bool { abandoned.load(ordering: .acquiring) }

  /// Marks the device as given up with work still running.
  func abandon() {
    abandoned.store(true, ordering: .releasing)
    lost.store(true, ordering: .releasing)
  }

  /// The result of the call at `point` that is about to be made, if a test wants it to fail.
  func fault(_ point: FaultPlan.Point, _ result: VkResult) -> VkResult? {
    guard let faults, faults.strikes(point) else { return nil }
    return result
  }

  /// The heaps with today's budgets.
  var heaps: [DeviceDescription.MemoryHeap] { probe.heaps() }

  /// Throws for a failed call; a lost device is remembered and its fault described where the driver can.
  func check(_ result: VkResult, _ call: String) throws {
    guard result == VK_ERROR_DEVICE_LOST else { return try LumosVulkan.check(result, call, at: name) }
    lost.store(true, ordering: .releasing)
    throw LumosError.deviceLost(in: call, at: name, fault: faultText)
  }

  /// What the driver says about the fault behind a device loss (VK_EXT_device_fault).
  private var faultText: String? {
    guard description.features.deviceFault, let query = vk.getDeviceFaultInfoEXT else { return nil }
    var counts = VkDeviceFaultCountsEXT.make()
    guard query(handle, &counts, nil) == VK_SUCCESS else { return nil }
    return CArena.with { arena in
      let addresses = arena.array(
        [VkDeviceFaultAddressInfoEXT](repeating: VkDeviceFaultAddressInfoEXT(), count: Int(counts.addressInfoCount)))
      let vendors = arena.array(
        [VkDeviceFaultVendorInfoEXT](repeating: VkDeviceFaultVendorInfoEXT(), count: Int(counts.vendorInfoCount)))
      counts.vendorBinarySize = 0
      var info = VkDeviceFaultInfoEXT.make {
        $0.pAddressInfos = addresses
        $0.pVendorInfos = vendors
      }
      let result = query(handle, &counts, &info)
      guard result == VK_SUCCESS || result == VK_INCOMPLETE else { return nil }
      let places = (0..<Int(counts.addressInfoCount)).map {
        "address 0x\(String(addresses[$0].reportedAddress, radix: 16))"
      }
      let reasons = (0..<Int(counts.vendorInfoCount)).map { text(of: vendors[$0].description) }
      return ([text(of: info.description)] + places + reasons).filter { !$0.isEmpty }.joined(separator: ", ")
    }
  }

  /// Opens the device with the required features and those optional ones that it has and the engine can use.
  private static func makeDevice(
    _ instance: VulkanInstance, _ physical: VkPhysicalDevice, _ probe: DeviceProbe, _ description: DeviceDescription,
    _ families: QueueFamilies
  ) throws -> VkDevice {
    var device: VkDevice?
    try CArena.with { arena in
      guard let chain = probe.featureChain(arena) else {
        throw LumosError(.noDevice, "the device has no Vulkan 1.2", at: description.name)
      }
      let features = description.features
      func flag(_ condition: Bool) -> VkBool32 { condition ? 1 : 0 }
      chain.all.pointee.features.shaderInt64 = flag(features.shaderInt64)
      chain.all.pointee.features.shaderInt16 = flag(features.shaderInt16)
      chain.v11.pointee.storageBuffer16BitAccess = 1
      chain.v12.pointee.bufferDeviceAddress = 1
      chain.v12.pointee.timelineSemaphore = 1
      chain.v12.pointee.scalarBlockLayout = 1
      chain.v12.pointee.shaderFloat16 = flag(features.shaderFloat16)
      chain.v12.pointee.vulkanMemoryModel = flag(features.vulkanMemoryModel)
      chain.v12.pointee.vulkanMemoryModelDeviceScope = flag(features.vulkanMemoryModel)
      chain.v13?.pointee.subgroupSizeControl = flag(features.subgroupSizeControl)
      chain.v13?.pointee.computeFullSubgroups = flag(features.computeFullSubgroups)
      chain.matrix?.pointee.cooperativeMatrix = flag(features.cooperativeMatrix)
      if features.cooperativeMatrix2, let matrix2 = chain.matrix2 {
        matrix2.pointee.workgroupScope = 1
        matrix2.pointee.flexibleDimensions = 1
        matrix2.pointee.reductions = 1
        matrix2.pointee.conversions = 1
        matrix2.pointee.perElementOperations = 1
        matrix2.pointee.tensorAddressing = 1
        matrix2.pointee.blockLoads = 1
      }
      chain.bfloat16?.pointee.type = flag(features.bfloat16)
      chain.bfloat16?.pointee.cooperativeMatrix = flag(features.bfloat16CooperativeMatrix)
      chain.fault?.pointee.deviceFault = flag(features.deviceFault)

      let queues = families.counts.map { family, count in
        VkDeviceQueueCreateInfo.make {
          $0.queueFamilyIndex = family
          $0.queueCount = UInt32(count)
          $0.pQueuePriorities = UnsafePointer(arena.array([Float](repeating: 1, count: count)))
        }
      }
      let extensions = probe.usableExtensions
      var create = VkDeviceCreateInfo.make {
        $0.pNext = UnsafeRawPointer(chain.all)
        $0.queueCreateInfoCount = UInt32(queues.count)
        $0.pQueueCreateInfos = UnsafePointer(arena.array(queues))
        $0.enabledExtensionCount = UInt32(extensions.count)
        $0.ppEnabledExtensionNames = UnsafePointer(arena.strings(extensions))
      }
      try LumosVulkan.check(
        instance.functions.createDevice(physical, &create, nil, &device), "vkCreateDevice", at: description.name)
    }
    guard let device else { throw LumosError(.noDevice, "vkCreateDevice gave no device", at: description.name) }
    return device
  }
}
