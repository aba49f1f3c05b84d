import CVulkan

// The structures in use, each with its type.
extension VkApplicationInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_APPLICATION_INFO.rawValue }
}
extension VkInstanceCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO.rawValue }
}
extension VkValidationFeaturesEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT.rawValue }
}
extension VkDebugUtilsMessengerCreateInfoEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT.rawValue }
}
extension VkPhysicalDeviceProperties2: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2.rawValue }
}
extension VkPhysicalDeviceVulkan11Properties: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES.rawValue }
}
extension VkPhysicalDeviceVulkan12Properties: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES.rawValue }
}
extension VkPhysicalDeviceVulkan13Properties: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES.rawValue }
}
extension VkPhysicalDeviceFeatures2: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2.rawValue }
}
extension VkPhysicalDeviceVulkan11Features: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES.rawValue }
}
extension VkPhysicalDeviceVulkan12Features: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES.rawValue }
}
extension VkPhysicalDeviceVulkan13Features: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES.rawValue }
}
extension VkPhysicalDeviceMemoryProperties2: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2.rawValue }
}
extension VkPhysicalDeviceMemoryBudgetPropertiesEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT.rawValue }
}
extension VkPhysicalDeviceFaultFeaturesEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT.rawValue }
}
extension VkDeviceFaultCountsEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_DEVICE_FAULT_COUNTS_EXT.rawValue }
}
extension VkDeviceFaultInfoEXT: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_DEVICE_FAULT_INFO_EXT.rawValue }
}
extension VkDeviceQueueCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO.rawValue }
}
extension VkDeviceCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO.rawValue }
}
extension VkBufferCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO.rawValue }
}
extension VkMemoryAllocateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO.rawValue }
}
extension VkMemoryAllocateFlagsInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO.rawValue }
}
extension VkBufferDeviceAddressInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO.rawValue }
}
extension VkShaderModuleCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO.rawValue }
}
extension VkPipelineLayoutCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO.rawValue }
}
extension VkPipelineShaderStageCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO.rawValue }
}
extension VkPipelineShaderStageRequiredSubgroupSizeCreateInfo: VulkanStructure {
  static var structureType: UInt32 {
    VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO.rawValue
  }
}
extension VkComputePipelineCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO.rawValue }
}
extension VkPipelineCacheCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO.rawValue }
}
extension VkCommandPoolCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO.rawValue }
}
extension VkCommandBufferAllocateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO.rawValue }
}
extension VkCommandBufferBeginInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO.rawValue }
}
extension VkMemoryBarrier: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_MEMORY_BARRIER.rawValue }
}
extension VkQueryPoolCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO.rawValue }
}
extension VkSemaphoreCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO.rawValue }
}
extension VkSemaphoreTypeCreateInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO.rawValue }
}
extension VkSemaphoreWaitInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO.rawValue }
}
extension VkSubmitInfo: VulkanStructure { static var structureType: UInt32 { VK_STRUCTURE_TYPE_SUBMIT_INFO.rawValue } }
extension VkTimelineSemaphoreSubmitInfo: VulkanStructure {
  static var structureType: UInt32 { VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO.rawValue }
}
extension LumosXCooperativeMatrixFeatures: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FEATURES }
}
extension LumosXCooperativeMatrixProperties: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES }
}
extension LumosXCooperativeMatrix2Features: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_2_FEATURES }
}
extension LumosXCooperativeMatrix2Properties: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_2_PROPERTIES }
}
extension LumosXFlexibleDimensionsProperties: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES }
}
extension LumosXBFloat16Features: VulkanStructure {
  static var structureType: UInt32 { LUMOSX_STRUCTURE_TYPE_BFLOAT16_FEATURES }
}
