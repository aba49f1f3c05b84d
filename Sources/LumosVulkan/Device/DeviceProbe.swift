import CVulkan

/// Asks a physical device what it is. Everything beyond Vulkan 1.0 is asked only of devices that know the question.
struct DeviceProbe {
  private let instance: VulkanInstance
  private let device: VkPhysicalDevice
  private let base: VkPhysicalDeviceProperties
  private let extensions: Set<String>

  init(_ instance: VulkanInstance, _ device: VkPhysicalDevice) throws {
    self.instance = instance
    self.device = device
    var properties = VkPhysicalDeviceProperties()
    instance.functions.getPhysicalDeviceProperties(device, &properties)
    base = properties
    let found = try enumerate("vkEnumerateDeviceExtensionProperties", filler: VkExtensionProperties()) {
      instance.functions.enumerateDeviceExtensionProperties(device, nil, $0, $1)
    }
    extensions = Set(found.map { text(of: $0.extensionName) })
  }

  private var version: APIVersion { APIVersion(base.apiVersion) }

  /// All devices of an instance.
  static func descriptions(_ instance: VulkanInstance) throws -> [DeviceDescription] {
    try instance.physicalDevices().enumerated().map { try DeviceProbe(instance, $1).description(index: $0) }
  }

  /// Optional extensions of the device that the engine can use.
  var usableExtensions: [String] {
    [
      Self.cooperativeMatrix, Self.cooperativeMatrix2, Self.bfloat16, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME,
      VK_EXT_DEVICE_FAULT_EXTENSION_NAME,
    ].filter(extensions.contains)
  }

  static let cooperativeMatrix = "VK_KHR_cooperative_matrix"
  static let cooperativeMatrix2 = "VK_NV_cooperative_matrix2"
  static let bfloat16 = "VK_KHR_shader_bfloat16"

  func description(index: Int) throws -> DeviceDescription {
    var result = DeviceDescription(
      index: index, name: "", vendor: "", vendorID: 0, deviceID: 0, kind: .other, driver: "", driverInfo: "",
      driverVersion: 0, apiVersion: version.description, uuid: "", heaps: heaps(), features: features(),
      limits: DeviceDescription.Limits(), matrixShapes: [])
    fillProperties(&result)
    if result.features.cooperativeMatrix { result.matrixShapes = try matrixShapes() }
    // Their kernels are SPIR-V 1.6.
    if result.features.cooperativeMatrix2, version >= APIVersion(1, 3) { result.flexibleShapes = try flexibleShapes() }
    result.unusableReason = DeviceDescription.missingRequirements(
      version: version, result.features, result.limits)
    return result
  }

  private func fillProperties(_ result: inout DeviceDescription) {
    CArena.with { arena in
      var chain: UnsafeMutableRawPointer?
      let is12 = version >= APIVersion(1, 2)
      let is13 = version >= APIVersion(1, 3)
      let matrix2 =
        is12 && extensions.contains(Self.cooperativeMatrix2)
        ? arena.chain(LumosXCooperativeMatrix2Properties.make(), onto: &chain) : nil
      let v11 = is12 ? arena.chain(VkPhysicalDeviceVulkan11Properties.make(), onto: &chain) : nil
      let v12 = is12 ? arena.chain(VkPhysicalDeviceVulkan12Properties.make(), onto: &chain) : nil
      let v13 = is13 ? arena.chain(VkPhysicalDeviceVulkan13Properties.make(), onto: &chain) : nil
      if is12 {
        let all = arena.chain(VkPhysicalDeviceProperties2.make(), onto: &chain)
        instance.functions.getPhysicalDeviceProperties2(device, all)
      }
      result.name = text(of: base.deviceName)
      result.vendorID = base.vendorID
      result.deviceID = base.deviceID
      result.vendor = Self.vendor(base.vendorID)
      result.driverVersion = base.driverVersion
      result.kind =
        switch base.deviceType {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: .discrete
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: .integrated
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: .virtual
        case VK_PHYSICAL_DEVICE_TYPE_CPU: .cpu
        default: .other
        }
      var limits = DeviceDescription.Limits()
      limits.sharedMemoryBytes = Int(base.limits.maxComputeSharedMemorySize)
      limits.maxWorkgroupInvocations = Int(base.limits.maxComputeWorkGroupInvocations)
      limits.maxWorkgroupCount = elements(of: base.limits.maxComputeWorkGroupCount, as: UInt32.self, count: 3)
        .map(Int.init)
      limits.pushConstantBytes = Int(base.limits.maxPushConstantsSize)
      limits.maxAllocationCount = Int(base.limits.maxMemoryAllocationCount)
      limits.timestampPeriod = base.limits.timestampPeriod
      // Before Vulkan 1.3 nothing bounds a buffer but the memory behind it.
      limits.maxAllocationBytes = Int(clamping: v11?.pointee.maxMemoryAllocationSize ?? 1 << 30)
      limits.maxBufferBytes = v13.map { Int(clamping: $0.pointee.maxBufferSize) } ?? limits.maxAllocationBytes
      if let v11 {
        limits.subgroupSize = Int(v11.pointee.subgroupSize)
        result.features.subgroupShuffle =
          v11.pointee.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT.rawValue != 0
          && v11.pointee.subgroupSupportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT.rawValue != 0
        result.uuid = elements(of: v11.pointee.deviceUUID, as: UInt8.self, count: 16).map(Self.hexadecimal).joined()
      }
      limits.minSubgroupSize = v13.map { Int($0.pointee.minSubgroupSize) } ?? limits.subgroupSize
      limits.maxSubgroupSize = v13.map { Int($0.pointee.maxSubgroupSize) } ?? limits.subgroupSize
      limits.maxWorkgroupSubgroups = v13.map { Int($0.pointee.maxComputeWorkgroupSubgroups) } ?? 1
      if let v12 {
        result.driver = text(of: v12.pointee.driverName)
        result.driverInfo = text(of: v12.pointee.driverInfo)
      }
      // The size can be required only of stages that the driver lists.
      if let v13 {
        let stages = v13.pointee.requiredSubgroupSizeStages
        if stages & VK_SHADER_STAGE_COMPUTE_BIT.rawValue == 0 { result.features.subgroupSizeControl = false }
      }
      limits.maxMatrixDimension = matrix2.map { Int($0.pointee.flexibleDimensionsMaxDimension) } ?? 0
      result.limits = limits
    }
  }

  /// The chain of feature structures for this device, of which a query fills or `vkCreateDevice` reads all members.
  struct FeatureChain {
    let all: UnsafeMutablePointer<VkPhysicalDeviceFeatures2>
    let v11: UnsafeMutablePointer<VkPhysicalDeviceVulkan11Features>
    let v12: UnsafeMutablePointer<VkPhysicalDeviceVulkan12Features>
    let v13: UnsafeMutablePointer<VkPhysicalDeviceVulkan13Features>?
    let matrix: UnsafeMutablePointer<LumosXCooperativeMatrixFeatures>?
    let matrix2: UnsafeMutablePointer<LumosXCooperativeMatrix2Features>?
    let bfloat16: UnsafeMutablePointer<LumosXBFloat16Features>?
    let fault: UnsafeMutablePointer<VkPhysicalDeviceFaultFeaturesEXT>?
  }

  /// Zeroed feature structures, chained; nil below Vulkan 1.2.
  func featureChain(_ arena: CArena) -> FeatureChain? {
    guard version >= APIVersion(1, 2) else { return nil }
    var chain: UnsafeMutableRawPointer?
    func link<T: VulkanStructure>(_ structure: T, if condition: Bool) -> UnsafeMutablePointer<T>? {
      condition ? arena.chain(structure, onto: &chain) : nil
    }
    let fault = link(
      VkPhysicalDeviceFaultFeaturesEXT.make(), if: extensions.contains(VK_EXT_DEVICE_FAULT_EXTENSION_NAME))
    let bfloat16 = link(LumosXBFloat16Features.make(), if: extensions.contains(Self.bfloat16))
    let matrix2 = link(LumosXCooperativeMatrix2Features.make(), if: extensions.contains(Self.cooperativeMatrix2))
    let matrix = link(LumosXCooperativeMatrixFeatures.make(), if: extensions.contains(Self.cooperativeMatrix))
    let v13 = link(VkPhysicalDeviceVulkan13Features.make(), if: version >= APIVersion(1, 3))
    let v12 = arena.chain(VkPhysicalDeviceVulkan12Features.make(), onto: &chain)
    let v11 = arena.chain(VkPhysicalDeviceVulkan11Features.make(), onto: &chain)
    let all = arena.chain(VkPhysicalDeviceFeatures2.make(), onto: &chain)
    return FeatureChain(
      all: all, v11: v11, v12: v12, v13: v13, matrix: matrix, matrix2: matrix2, bfloat16: bfloat16, fault: fault)
  }

  private func features() -> DeviceDescription.Features {
    CArena.with { arena in
      var result = DeviceDescription.Features()
      guard let chain = featureChain(arena) else { return result }
      instance.functions.getPhysicalDeviceFeatures2(device, chain.all)
      let v12 = chain.v12.pointee
      result.bufferDeviceAddress = v12.bufferDeviceAddress != 0
      result.storageBuffer16BitAccess = chain.v11.pointee.storageBuffer16BitAccess != 0
      result.timelineSemaphore = v12.timelineSemaphore != 0
      result.scalarBlockLayout = v12.scalarBlockLayout != 0
      result.shaderInt64 = chain.all.pointee.features.shaderInt64 != 0
      result.shaderInt16 = chain.all.pointee.features.shaderInt16 != 0
      result.shaderFloat16 = v12.shaderFloat16 != 0
      result.vulkanMemoryModel = v12.vulkanMemoryModel != 0 && v12.vulkanMemoryModelDeviceScope != 0
      result.subgroupSizeControl = chain.v13?.pointee.subgroupSizeControl == 1
      result.computeFullSubgroups = chain.v13?.pointee.computeFullSubgroups == 1
      result.cooperativeMatrix = chain.matrix?.pointee.cooperativeMatrix == 1
      result.cooperativeMatrix2 = chain.matrix2.map(Self.isComplete) ?? false
      result.bfloat16 = chain.bfloat16?.pointee.type == 1
      result.bfloat16CooperativeMatrix = chain.bfloat16?.pointee.cooperativeMatrix == 1
      result.memoryBudget = extensions.contains(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)
      result.deviceFault = chain.fault?.pointee.deviceFault == 1
      return result
    }
  }

  private static func isComplete(_ matrix2: UnsafeMutablePointer<LumosXCooperativeMatrix2Features>) -> Bool {
    let features = matrix2.pointee
    return [
      features.workgroupScope, features.flexibleDimensions, features.reductions, features.conversions,
      features.perElementOperations, features.tensorAddressing, features.blockLoads,
    ].allSatisfy { $0 != 0 }
  }

  /// The heaps, with budgets where the driver tells them.
  func heaps() -> [DeviceDescription.MemoryHeap] {
    guard version >= APIVersion(1, 1) else { return [] }
    return CArena.with { arena in
      var chain: UnsafeMutableRawPointer?
      let budget =
        extensions.contains(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)
        ? arena.chain(VkPhysicalDeviceMemoryBudgetPropertiesEXT.make(), onto: &chain) : nil
      let all = arena.chain(VkPhysicalDeviceMemoryProperties2.make(), onto: &chain)
      instance.functions.getPhysicalDeviceMemoryProperties2(device, all)
      let memory = all.pointee.memoryProperties
      let count = Int(memory.memoryHeapCount)
      let budgets = budget.map { elements(of: $0.pointee.heapBudget, as: UInt64.self, count: count) }
      let usages = budget.map { elements(of: $0.pointee.heapUsage, as: UInt64.self, count: count) }
      return elements(of: memory.memoryHeaps, as: VkMemoryHeap.self, count: count).enumerated().map { index, heap in
        DeviceDescription.MemoryHeap(
          byteCount: Int(clamping: heap.size),
          isDeviceLocal: heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT.rawValue != 0,
          budgetBytes: budgets.map { Int(clamping: $0[index]) }, usedBytes: usages.map { Int(clamping: $0[index]) })
      }
    }
  }

  private func matrixShapes() throws -> [DeviceDescription.MatrixShape] {
    let source = FunctionSource("") { instance.loader.getInstanceProcAddr(instance.handle, $0) }
    let query: LumosXGetCooperativeMatrixProperties? = source.optional(
      "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR")
    guard let query else { return [] }
    let found = try enumerate(
      "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR", filler: LumosXCooperativeMatrixProperties.make()
    ) { query(device, $0, $1) }
    return found.map {
      DeviceDescription.MatrixShape(
        m: Int($0.m), n: Int($0.n), k: Int($0.k), a: Self.component($0.aType), b: Self.component($0.bType),
        c: Self.component($0.cType), result: Self.component($0.resultType), scope: Self.scope($0.scope))
    }
  }

  private func flexibleShapes() throws -> [DeviceDescription.FlexibleShape] {
    let name = "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV"
    let source = FunctionSource("") { instance.loader.getInstanceProcAddr(instance.handle, $0) }
    let query: LumosXGetFlexibleDimensionsProperties? = source.optional(name)
    guard let query else { return [] }
    let found = try enumerate(name, filler: LumosXFlexibleDimensionsProperties.make()) { query(device, $0, $1) }
    return found.filter { $0.saturatingAccumulation == 0 }.map {
      DeviceDescription.FlexibleShape(
        steps: .init(
          m: Int($0.mGranularity), n: Int($0.nGranularity), k: Int($0.kGranularity), a: Self.component($0.aType),
          b: Self.component($0.bType), c: Self.component($0.cType), result: Self.component($0.resultType),
          scope: Self.scope($0.scope)),
        workgroupInvocations: Int($0.workgroupInvocations))
    }
  }

  /// VkComponentTypeKHR.
  private static func component(_ type: UInt32) -> String {
    let names = ["f16", "f32", "f64", "s8", "s16", "s32", "s64", "u8", "u16", "u32", "u64"]
    if type == 1_000_141_000 { return "bf16" }
    return Int(type) < names.count ? names[Int(type)] : "type \(type)"
  }

  /// VkScopeKHR.
  private static func scope(_ scope: UInt32) -> String {
    switch scope {
    case 1: "device"
    case 2: "workgroup"
    case 3: "subgroup"
    case 5: "queueFamily"
    default: "scope \(scope)"
    }
  }

  private static func vendor(_ id: UInt32) -> String {
    switch id {
    case 0x10de: "NVIDIA"
    case 0x1002, 0x1022: "AMD"
    case 0x8086: "Intel"
    case 0x13b5: "Arm"
    case 0x5143: "Qualcomm"
    case 0x1010: "Imagination"
    case 0x106b: "Apple"
    case 0x14e4: "Broadcom"
    case 0x1ae0: "Google"
    case 0x10005: "Mesa"
    default: "0x" + String(id, radix: 16)
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}
