import CVulkan

// Tables of entry points: one lookup each, when the loader, the instance or the device is opened. Device functions are
// fetched from the device itself, which spares the loader's trampoline in every call.

/// Functions that need no instance.
struct GlobalFunctions: Sendable {
  let enumerateInstanceVersion: PFN_vkEnumerateInstanceVersion
  let enumerateInstanceLayerProperties: PFN_vkEnumerateInstanceLayerProperties
  let enumerateInstanceExtensionProperties: PFN_vkEnumerateInstanceExtensionProperties
  let createInstance: PFN_vkCreateInstance

  init(_ load: FunctionSource) throws {
    enumerateInstanceVersion = try load("vkEnumerateInstanceVersion")
    enumerateInstanceLayerProperties = try load("vkEnumerateInstanceLayerProperties")
    enumerateInstanceExtensionProperties = try load("vkEnumerateInstanceExtensionProperties")
    createInstance = try load("vkCreateInstance")
  }
}

/// Functions of an instance (Vulkan 1.1).
struct InstanceFunctions: Sendable {
  let destroyInstance: PFN_vkDestroyInstance
  let enumeratePhysicalDevices: PFN_vkEnumeratePhysicalDevices
  let getPhysicalDeviceProperties: PFN_vkGetPhysicalDeviceProperties
  let getPhysicalDeviceProperties2: PFN_vkGetPhysicalDeviceProperties2
  let getPhysicalDeviceFeatures2: PFN_vkGetPhysicalDeviceFeatures2
  let getPhysicalDeviceMemoryProperties2: PFN_vkGetPhysicalDeviceMemoryProperties2
  let getPhysicalDeviceQueueFamilyProperties: PFN_vkGetPhysicalDeviceQueueFamilyProperties
  let enumerateDeviceExtensionProperties: PFN_vkEnumerateDeviceExtensionProperties
  let createDevice: PFN_vkCreateDevice
  let getDeviceProcAddr: PFN_vkGetDeviceProcAddr

  init(_ load: FunctionSource) throws {
    destroyInstance = try load("vkDestroyInstance")
    enumeratePhysicalDevices = try load("vkEnumeratePhysicalDevices")
    getPhysicalDeviceProperties = try load("vkGetPhysicalDeviceProperties")
    getPhysicalDeviceProperties2 = try load("vkGetPhysicalDeviceProperties2")
    getPhysicalDeviceFeatures2 = try load("vkGetPhysicalDeviceFeatures2")
    getPhysicalDeviceMemoryProperties2 = try load("vkGetPhysicalDeviceMemoryProperties2")
    getPhysicalDeviceQueueFamilyProperties = try load("vkGetPhysicalDeviceQueueFamilyProperties")
    enumerateDeviceExtensionProperties = try load("vkEnumerateDeviceExtensionProperties")
    createDevice = try load("vkCreateDevice")
    getDeviceProcAddr = try load("vkGetDeviceProcAddr")
  }
}

/// Functions of a device (Vulkan 1.2).
struct DeviceFunctions: Sendable {
  let destroyDevice: PFN_vkDestroyDevice
  let deviceWaitIdle: PFN_vkDeviceWaitIdle
  let getDeviceQueue: PFN_vkGetDeviceQueue
  let queueSubmit: PFN_vkQueueSubmit
  let allocateMemory: PFN_vkAllocateMemory
  let freeMemory: PFN_vkFreeMemory
  let mapMemory: PFN_vkMapMemory
  let createBuffer: PFN_vkCreateBuffer
  let destroyBuffer: PFN_vkDestroyBuffer
  let getBufferMemoryRequirements: PFN_vkGetBufferMemoryRequirements
  let bindBufferMemory: PFN_vkBindBufferMemory
  let getBufferDeviceAddress: PFN_vkGetBufferDeviceAddress
  let createShaderModule: PFN_vkCreateShaderModule
  let destroyShaderModule: PFN_vkDestroyShaderModule
  let createPipelineLayout: PFN_vkCreatePipelineLayout
  let destroyPipelineLayout: PFN_vkDestroyPipelineLayout
  let createPipelineCache: PFN_vkCreatePipelineCache
  let destroyPipelineCache: PFN_vkDestroyPipelineCache
  let getPipelineCacheData: PFN_vkGetPipelineCacheData
  let createComputePipelines: PFN_vkCreateComputePipelines
  let destroyPipeline: PFN_vkDestroyPipeline
  let createCommandPool: PFN_vkCreateCommandPool
  let destroyCommandPool: PFN_vkDestroyCommandPool
  let allocateCommandBuffers: PFN_vkAllocateCommandBuffers
  let freeCommandBuffers: PFN_vkFreeCommandBuffers
  let beginCommandBuffer: PFN_vkBeginCommandBuffer
  let endCommandBuffer: PFN_vkEndCommandBuffer
  let cmdBindPipeline: PFN_vkCmdBindPipeline
  let cmdPushConstants: PFN_vkCmdPushConstants
  let cmdDispatch: PFN_vkCmdDispatch
  let cmdPipelineBarrier: PFN_vkCmdPipelineBarrier
  let cmdCopyBuffer: PFN_vkCmdCopyBuffer
  let cmdFillBuffer: PFN_vkCmdFillBuffer
  let cmdResetQueryPool: PFN_vkCmdResetQueryPool
  let cmdWriteTimestamp: PFN_vkCmdWriteTimestamp
  let createQueryPool: PFN_vkCreateQueryPool
  let destroyQueryPool: PFN_vkDestroyQueryPool
  let getQueryPoolResults: PFN_vkGetQueryPoolResults
  let createSemaphore: PFN_vkCreateSemaphore
  let destroySemaphore: PFN_vkDestroySemaphore
  let waitSemaphores: PFN_vkWaitSemaphores
  let getSemaphoreCounterValue: PFN_vkGetSemaphoreCounterValue
  let getDeviceFaultInfoEXT: PFN_vkGetDeviceFaultInfoEXT?

  init(_ load: FunctionSource) throws {
    destroyDevice = try load("vkDestroyDevice")
    deviceWaitIdle = try load("vkDeviceWaitIdle")
    getDeviceQueue = try load("vkGetDeviceQueue")
    queueSubmit = try load("vkQueueSubmit")
    allocateMemory = try load("vkAllocateMemory")
    freeMemory = try load("vkFreeMemory")
    mapMemory = try load("vkMapMemory")
    createBuffer = try load("vkCreateBuffer")
    destroyBuffer = try load("vkDestroyBuffer")
    getBufferMemoryRequirements = try load("vkGetBufferMemoryRequirements")
    bindBufferMemory = try load("vkBindBufferMemory")
    getBufferDeviceAddress = try load("vkGetBufferDeviceAddress")
    createShaderModule = try load("vkCreateShaderModule")
    destroyShaderModule = try load("vkDestroyShaderModule")
    createPipelineLayout = try load("vkCreatePipelineLayout")
    destroyPipelineLayout = try load("vkDestroyPipelineLayout")
    createPipelineCache = try load("vkCreatePipelineCache")
    destroyPipelineCache = try load("vkDestroyPipelineCache")
    getPipelineCacheData = try load("vkGetPipelineCacheData")
    createComputePipelines = try load("vkCreateComputePipelines")
    destroyPipeline = try load("vkDestroyPipeline")
    createCommandPool = try load("vkCreateCommandPool")
    destroyCommandPool = try load("vkDestroyCommandPool")
    allocateCommandBuffers = try load("vkAllocateCommandBuffers")
    freeCommandBuffers = try load("vkFreeCommandBuffers")
    beginCommandBuffer = try load("vkBeginCommandBuffer")
    endCommandBuffer = try load("vkEndCommandBuffer")
    cmdBindPipeline = try load("vkCmdBindPipeline")
    cmdPushConstants = try load("vkCmdPushConstants")
    cmdDispatch = try load("vkCmdDispatch")
    cmdPipelineBarrier = try load("vkCmdPipelineBarrier")
    cmdCopyBuffer = try load("vkCmdCopyBuffer")
    cmdFillBuffer = try load("vkCmdFillBuffer")
    cmdResetQueryPool = try load("vkCmdResetQueryPool")
    cmdWriteTimestamp = try load("vkCmdWriteTimestamp")
    createQueryPool = try load("vkCreateQueryPool")
    destroyQueryPool = try load("vkDestroyQueryPool")
    getQueryPoolResults = try load("vkGetQueryPoolResults")
    createSemaphore = try load("vkCreateSemaphore")
    destroySemaphore = try load("vkDestroySemaphore")
    waitSemaphores = try load("vkWaitSemaphores")
    getSemaphoreCounterValue = try load("vkGetSemaphoreCounterValue")
    getDeviceFaultInfoEXT = load.optional("vkGetDeviceFaultInfoEXT")
  }
}
