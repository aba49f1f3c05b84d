// A Vulkan driver that accepts every command and runs nothing.
//
// It stands in for a device where only the host's part is of interest: how long it takes to record and to submit a
// plan of any size. Device memory is only counted, never there, so a plan of hundreds of gigabytes can be recorded;
// what the host maps is there. Submissions are done at once. The library is loader and driver in one: its only
// exported function is vkGetInstanceProcAddr.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

enum { HEAP_BYTES_LOG2 = 43, TICKS_PER_MARK = 1000000 };

// MARK: Objects. A dispatchable handle points to a place for the loader's table, which nobody fills here.

typedef struct {
  void *table;
} Dispatchable;

static Dispatchable instance, physicalDevice, device, queues[2];

typedef struct {
  VkDeviceSize size;
  void *mapped;
} Memory;

typedef struct {
  VkDeviceSize size;
  VkDeviceAddress address;
} Buffer;

typedef struct {
  uint64_t value;
} Semaphore;

typedef struct {
  uint32_t count;
} QueryPool;

// Objects without contents get the address of this.
static int nothing;

static VkDeviceAddress nextAddress = 1ull << 32;

// MARK: Instance

static VkResult enumerateInstanceVersion(uint32_t *version) {
  *version = VK_API_VERSION_1_3;
  return VK_SUCCESS;
}

static VkResult noLayers(uint32_t *count, VkLayerProperties *properties) {
  (void)properties;
  *count = 0;
  return VK_SUCCESS;
}

static VkResult noInstanceExtensions(const char *layer, uint32_t *count, VkExtensionProperties *properties) {
  (void)layer, (void)properties;
  *count = 0;
  return VK_SUCCESS;
}

static VkResult createInstance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *a, VkInstance *result) {
  (void)info, (void)a;
  *result = (VkInstance)&instance;
  return VK_SUCCESS;
}

static void destroyInstance(VkInstance i, const VkAllocationCallbacks *a) { (void)i, (void)a; }

static VkResult enumeratePhysicalDevices(VkInstance i, uint32_t *count, VkPhysicalDevice *devices) {
  (void)i;
  if (devices && *count > 0) devices[0] = (VkPhysicalDevice)&physicalDevice;
  *count = 1;
  return VK_SUCCESS;
}

static VkResult noDeviceExtensions(
    VkPhysicalDevice p, const char *layer, uint32_t *count, VkExtensionProperties *properties) {
  (void)p, (void)layer, (void)properties;
  *count = 0;
  return VK_SUCCESS;
}

// MARK: What the device is: a discrete card with much memory

static void getProperties(VkPhysicalDevice p, VkPhysicalDeviceProperties *properties) {
  (void)p;
  memset(properties, 0, sizeof *properties);
  properties->apiVersion = VK_API_VERSION_1_3;
  properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  strcpy(properties->deviceName, "Null device");
  VkPhysicalDeviceLimits *limits = &properties->limits;
  limits->maxComputeSharedMemorySize = 48 << 10;
  limits->maxComputeWorkGroupInvocations = 1024;
  for (int axis = 0; axis < 3; axis++) limits->maxComputeWorkGroupCount[axis] = 65535;
  limits->maxPushConstantsSize = 128;
  limits->maxMemoryAllocationCount = 1 << 30;
  limits->timestampPeriod = 1;
}

static void getProperties2(VkPhysicalDevice p, VkPhysicalDeviceProperties2 *properties) {
  getProperties(p, &properties->properties);
  for (VkBaseOutStructure *next = properties->pNext; next; next = next->pNext) {
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES) {
      VkPhysicalDeviceVulkan11Properties *v11 = (void *)next;
      v11->subgroupSize = 32;
      v11->maxMemoryAllocationSize = (4ull << 30) - (1 << 20);
      v11->deviceUUID[0] = 1;
    } else if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES) {
      strcpy(((VkPhysicalDeviceVulkan12Properties *)next)->driverName, "null");
    } else if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES) {
      VkPhysicalDeviceVulkan13Properties *v13 = (void *)next;
      v13->minSubgroupSize = v13->maxSubgroupSize = 32;
      v13->maxComputeWorkgroupSubgroups = 32;
      v13->maxBufferSize = 1ull << HEAP_BYTES_LOG2;
    }
  }
}

static void getFeatures2(VkPhysicalDevice p, VkPhysicalDeviceFeatures2 *features) {
  (void)p;
  features->features.shaderInt64 = features->features.shaderInt16 = VK_TRUE;
  for (VkBaseOutStructure *next = features->pNext; next; next = next->pNext) {
    if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES) {
      ((VkPhysicalDeviceVulkan11Features *)next)->storageBuffer16BitAccess = VK_TRUE;
    } else if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES) {
      VkPhysicalDeviceVulkan12Features *v12 = (void *)next;
      v12->bufferDeviceAddress = v12->timelineSemaphore = v12->scalarBlockLayout = VK_TRUE;
      v12->shaderFloat16 = v12->vulkanMemoryModel = v12->vulkanMemoryModelDeviceScope = VK_TRUE;
    }
  }
}

// Heap 0 is the card's, heap 1 the host's.
static void getMemoryProperties2(VkPhysicalDevice p, VkPhysicalDeviceMemoryProperties2 *properties) {
  (void)p;
  VkPhysicalDeviceMemoryProperties *memory = &properties->memoryProperties;
  memset(memory, 0, sizeof *memory);
  memory->memoryHeapCount = memory->memoryTypeCount = 2;
  for (int heap = 0; heap < 2; heap++) {
    memory->memoryHeaps[heap].size = 1ull << HEAP_BYTES_LOG2;
    memory->memoryTypes[heap].heapIndex = heap;
  }
  memory->memoryHeaps[0].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
  memory->memoryTypes[0].propertyFlags = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  memory->memoryTypes[1].propertyFlags = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                                         VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
}

// A family that does everything, and one that only copies.
static void getQueueFamilyProperties(VkPhysicalDevice p, uint32_t *count, VkQueueFamilyProperties *families) {
  (void)p;
  for (uint32_t index = 0; families && index < *count && index < 2; index++) {
    memset(&families[index], 0, sizeof families[index]);
    families[index].queueCount = 1;
    families[index].timestampValidBits = 64;
    families[index].queueFlags = VK_QUEUE_TRANSFER_BIT;
  }
  if (families && *count > 0) families[0].queueFlags |= VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
  *count = 2;
}

// MARK: Device and queues

static VkResult createDevice(
    VkPhysicalDevice p, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *a, VkDevice *result) {
  (void)p, (void)info, (void)a;
  *result = (VkDevice)&device;
  return VK_SUCCESS;
}

static void destroyDevice(VkDevice d, const VkAllocationCallbacks *a) { (void)d, (void)a; }
static VkResult deviceWaitIdle(VkDevice d) {
  (void)d;
  return VK_SUCCESS;
}

static void getDeviceQueue(VkDevice d, uint32_t family, uint32_t index, VkQueue *queue) {
  (void)d, (void)index;
  *queue = (VkQueue)&queues[family & 1];
}

static VkResult queueSubmit(VkQueue q, uint32_t count, const VkSubmitInfo *submits, VkFence fence) {
  (void)q, (void)fence;
  for (uint32_t index = 0; index < count; index++) {
    const VkBaseInStructure *next = submits[index].pNext;
    while (next && next->sType != VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO) next = next->pNext;
    if (!next) continue;
    const VkTimelineSemaphoreSubmitInfo *values = (const void *)next;
    for (uint32_t i = 0; i < submits[index].signalSemaphoreCount && i < values->signalSemaphoreValueCount; i++) {
      ((Semaphore *)submits[index].pSignalSemaphores[i])->value = values->pSignalSemaphoreValues[i];
    }
  }
  return VK_SUCCESS;
}

// MARK: Memory

static VkResult allocateMemory(
    VkDevice d, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *a, VkDeviceMemory *result) {
  (void)d, (void)a;
  Memory *memory = calloc(1, sizeof *memory);
  if (!memory) return VK_ERROR_OUT_OF_HOST_MEMORY;
  memory->size = info->allocationSize;
  *result = (VkDeviceMemory)memory;
  return VK_SUCCESS;
}

static void freeMemory(VkDevice d, VkDeviceMemory handle, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  Memory *memory = (Memory *)handle;
  if (!memory) return;
  if (memory->mapped) munmap(memory->mapped, memory->size);
  free(memory);
}

static VkResult mapMemory(
    VkDevice d, VkDeviceMemory handle, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags, void **result) {
  (void)d, (void)size, (void)flags;
  Memory *memory = (Memory *)handle;
  if (!memory->mapped) {
    void *mapped =
        mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return VK_ERROR_MEMORY_MAP_FAILED;
    memory->mapped = mapped;
  }
  *result = (char *)memory->mapped + offset;
  return VK_SUCCESS;
}

static VkResult createBuffer(
    VkDevice d, const VkBufferCreateInfo *info, const VkAllocationCallbacks *a, VkBuffer *result) {
  (void)d, (void)a;
  Buffer *buffer = calloc(1, sizeof *buffer);
  if (!buffer) return VK_ERROR_OUT_OF_HOST_MEMORY;
  buffer->size = info->size;
  buffer->address = nextAddress;
  nextAddress += (info->size + 0xffff) & ~0xffffull;
  *result = (VkBuffer)buffer;
  return VK_SUCCESS;
}

static void destroyBuffer(VkDevice d, VkBuffer handle, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  free((Buffer *)handle);
}

static void getBufferMemoryRequirements(VkDevice d, VkBuffer handle, VkMemoryRequirements *requirements) {
  (void)d;
  requirements->size = (((Buffer *)handle)->size + 255) & ~255ull;
  requirements->alignment = 256;
  requirements->memoryTypeBits = 3;
}

static VkResult bindBufferMemory(VkDevice d, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset) {
  (void)d, (void)buffer, (void)memory, (void)offset;
  return VK_SUCCESS;
}

static VkDeviceAddress getBufferDeviceAddress(VkDevice d, const VkBufferDeviceAddressInfo *info) {
  (void)d;
  return ((Buffer *)info->buffer)->address;
}

// MARK: Kernels

// Shader modules, layouts, caches and command pools: nothing is kept of them.
static VkResult createNothing(VkDevice d, const void *info, const VkAllocationCallbacks *a, void **result) {
  (void)d, (void)info, (void)a;
  *result = &nothing;
  return VK_SUCCESS;
}

static VkResult getPipelineCacheData(VkDevice d, VkPipelineCache cache, size_t *size, void *data) {
  (void)d, (void)cache, (void)data;
  *size = 0;
  return VK_SUCCESS;
}

static VkResult createComputePipelines(
    VkDevice d, VkPipelineCache cache, uint32_t count, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *a, VkPipeline *results) {
  (void)d, (void)cache, (void)infos, (void)a;
  for (uint32_t index = 0; index < count; index++) results[index] = (VkPipeline)&nothing;
  return VK_SUCCESS;
}

static void destroyNothing(VkDevice d, void *handle, const VkAllocationCallbacks *a) {
  (void)d, (void)handle, (void)a;
}

// MARK: Commands

static VkResult allocateCommandBuffers(
    VkDevice d, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *results) {
  (void)d;
  for (uint32_t index = 0; index < info->commandBufferCount; index++) results[index] = (VkCommandBuffer)&nothing;
  return VK_SUCCESS;
}

static void freeCommandBuffers(VkDevice d, VkCommandPool pool, uint32_t count, const VkCommandBuffer *buffers) {
  (void)d, (void)pool, (void)count, (void)buffers;
}

static VkResult beginCommandBuffer(VkCommandBuffer b, const VkCommandBufferBeginInfo *info) {
  (void)b, (void)info;
  return VK_SUCCESS;
}

static VkResult endCommandBuffer(VkCommandBuffer b) {
  (void)b;
  return VK_SUCCESS;
}

static void cmdBindPipeline(VkCommandBuffer b, VkPipelineBindPoint point, VkPipeline pipeline) {
  (void)b, (void)point, (void)pipeline;
}

static void cmdPushConstants(
    VkCommandBuffer b, VkPipelineLayout layout, VkShaderStageFlags stages, uint32_t offset, uint32_t size,
    const void *values) {
  (void)b, (void)layout, (void)stages, (void)offset, (void)size, (void)values;
}

static void cmdDispatch(VkCommandBuffer b, uint32_t x, uint32_t y, uint32_t z) { (void)b, (void)x, (void)y, (void)z; }

static void cmdPipelineBarrier(
    VkCommandBuffer b, VkPipelineStageFlags before, VkPipelineStageFlags after, VkDependencyFlags flags,
    uint32_t memoryCount, const VkMemoryBarrier *memory, uint32_t bufferCount, const VkBufferMemoryBarrier *buffers,
    uint32_t imageCount, const VkImageMemoryBarrier *images) {
  (void)b, (void)before, (void)after, (void)flags, (void)memoryCount, (void)memory, (void)bufferCount, (void)buffers;
  (void)imageCount, (void)images;
}

static void cmdCopyBuffer(VkCommandBuffer b, VkBuffer from, VkBuffer to, uint32_t count, const VkBufferCopy *regions) {
  (void)b, (void)from, (void)to, (void)count, (void)regions;
}

static void cmdFillBuffer(VkCommandBuffer b, VkBuffer to, VkDeviceSize offset, VkDeviceSize size, uint32_t word) {
  (void)b, (void)to, (void)offset, (void)size, (void)word;
}

// MARK: Timestamps (mark i comes i milliseconds after the first) and semaphores

static VkResult createQueryPool(
    VkDevice d, const VkQueryPoolCreateInfo *info, const VkAllocationCallbacks *a, VkQueryPool *result) {
  (void)d, (void)a;
  QueryPool *pool = calloc(1, sizeof *pool);
  if (!pool) return VK_ERROR_OUT_OF_HOST_MEMORY;
  pool->count = info->queryCount;
  *result = (VkQueryPool)pool;
  return VK_SUCCESS;
}

static void destroyQueryPool(VkDevice d, VkQueryPool pool, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  free((QueryPool *)pool);
}

static VkResult getQueryPoolResults(
    VkDevice d, VkQueryPool pool, uint32_t first, uint32_t count, size_t size, void *data, VkDeviceSize stride,
    VkQueryResultFlags flags) {
  (void)d, (void)pool, (void)flags;
  for (uint32_t index = 0; index < count && (index + 1) * stride <= size; index++) {
    *(uint64_t *)((char *)data + index * stride) = (uint64_t)(first + index) * TICKS_PER_MARK;
  }
  return VK_SUCCESS;
}

static void cmdResetQueryPool(VkCommandBuffer b, VkQueryPool pool, uint32_t first, uint32_t count) {
  (void)b, (void)pool, (void)first, (void)count;
}

static void cmdWriteTimestamp(VkCommandBuffer b, VkPipelineStageFlagBits stage, VkQueryPool pool, uint32_t index) {
  (void)b, (void)stage, (void)pool, (void)index;
}

static VkResult createSemaphore(
    VkDevice d, const VkSemaphoreCreateInfo *info, const VkAllocationCallbacks *a, VkSemaphore *result) {
  (void)d, (void)info, (void)a;
  Semaphore *semaphore = calloc(1, sizeof *semaphore);
  if (!semaphore) return VK_ERROR_OUT_OF_HOST_MEMORY;
  *result = (VkSemaphore)semaphore;
  return VK_SUCCESS;
}

static void destroySemaphore(VkDevice d, VkSemaphore semaphore, const VkAllocationCallbacks *a) {
  (void)d, (void)a;
  free((Semaphore *)semaphore);
}

static VkResult waitSemaphores(VkDevice d, const VkSemaphoreWaitInfo *info, uint64_t timeout) {
  (void)d, (void)timeout;
  for (uint32_t index = 0; index < info->semaphoreCount; index++) {
    if (((Semaphore *)info->pSemaphores[index])->value < info->pValues[index]) return VK_TIMEOUT;
  }
  return VK_SUCCESS;
}

static VkResult getSemaphoreCounterValue(VkDevice d, VkSemaphore semaphore, uint64_t *value) {
  (void)d;
  *value = ((Semaphore *)semaphore)->value;
  return VK_SUCCESS;
}

// MARK: The one exported function

typedef struct {
  const char *name;
  PFN_vkVoidFunction function;
} Entry;

static PFN_vkVoidFunction getDeviceProcAddr(VkDevice d, const char *name);

#define ENTRY(name, function) {name, (PFN_vkVoidFunction)function}

static const Entry entries[] = {
    ENTRY("vkEnumerateInstanceVersion", enumerateInstanceVersion),
    ENTRY("vkEnumerateInstanceLayerProperties", noLayers),
    ENTRY("vkEnumerateInstanceExtensionProperties", noInstanceExtensions),
    ENTRY("vkCreateInstance", createInstance),
    ENTRY("vkDestroyInstance", destroyInstance),
    ENTRY("vkEnumeratePhysicalDevices", enumeratePhysicalDevices),
    ENTRY("vkGetPhysicalDeviceProperties", getProperties),
    ENTRY("vkGetPhysicalDeviceProperties2", getProperties2),
    ENTRY("vkGetPhysicalDeviceFeatures2", getFeatures2),
    ENTRY("vkGetPhysicalDeviceMemoryProperties2", getMemoryProperties2),
    ENTRY("vkGetPhysicalDeviceQueueFamilyProperties", getQueueFamilyProperties),
    ENTRY("vkEnumerateDeviceExtensionProperties", noDeviceExtensions),
    ENTRY("vkCreateDevice", createDevice),
    ENTRY("vkGetDeviceProcAddr", getDeviceProcAddr),
    ENTRY("vkDestroyDevice", destroyDevice),
    ENTRY("vkDeviceWaitIdle", deviceWaitIdle),
    ENTRY("vkGetDeviceQueue", getDeviceQueue),
    ENTRY("vkQueueSubmit", queueSubmit),
    ENTRY("vkAllocateMemory", allocateMemory),
    ENTRY("vkFreeMemory", freeMemory),
    ENTRY("vkMapMemory", mapMemory),
    ENTRY("vkCreateBuffer", createBuffer),
    ENTRY("vkDestroyBuffer", destroyBuffer),
    ENTRY("vkGetBufferMemoryRequirements", getBufferMemoryRequirements),
    ENTRY("vkBindBufferMemory", bindBufferMemory),
    ENTRY("vkGetBufferDeviceAddress", getBufferDeviceAddress),
    ENTRY("vkCreateShaderModule", createNothing),
    ENTRY("vkDestroyShaderModule", destroyNothing),
    ENTRY("vkCreatePipelineLayout", createNothing),
    ENTRY("vkDestroyPipelineLayout", destroyNothing),
    ENTRY("vkCreatePipelineCache", createNothing),
    ENTRY("vkDestroyPipelineCache", destroyNothing),
    ENTRY("vkGetPipelineCacheData", getPipelineCacheData),
    ENTRY("vkCreateComputePipelines", createComputePipelines),
    ENTRY("vkDestroyPipeline", destroyNothing),
    ENTRY("vkCreateCommandPool", createNothing),
    ENTRY("vkDestroyCommandPool", destroyNothing),
    ENTRY("vkAllocateCommandBuffers", allocateCommandBuffers),
    ENTRY("vkFreeCommandBuffers", freeCommandBuffers),
    ENTRY("vkBeginCommandBuffer", beginCommandBuffer),
    ENTRY("vkEndCommandBuffer", endCommandBuffer),
    ENTRY("vkCmdBindPipeline", cmdBindPipeline),
    ENTRY("vkCmdPushConstants", cmdPushConstants),
    ENTRY("vkCmdDispatch", cmdDispatch),
    ENTRY("vkCmdPipelineBarrier", cmdPipelineBarrier),
    ENTRY("vkCmdCopyBuffer", cmdCopyBuffer),
    ENTRY("vkCmdFillBuffer", cmdFillBuffer),
    ENTRY("vkCmdResetQueryPool", cmdResetQueryPool),
    ENTRY("vkCmdWriteTimestamp", cmdWriteTimestamp),
    ENTRY("vkCreateQueryPool", createQueryPool),
    ENTRY("vkDestroyQueryPool", destroyQueryPool),
    ENTRY("vkGetQueryPoolResults", getQueryPoolResults),
    ENTRY("vkCreateSemaphore", createSemaphore),
    ENTRY("vkDestroySemaphore", destroySemaphore),
    ENTRY("vkWaitSemaphores", waitSemaphores),
    ENTRY("vkGetSemaphoreCounterValue", getSemaphoreCounterValue),
};

EXPORT PFN_vkVoidFunction vkGetInstanceProcAddr(VkInstance i, const char *name) {
  (void)i;
  if (strcmp(name, "vkGetInstanceProcAddr") == 0) return (PFN_vkVoidFunction)vkGetInstanceProcAddr;
  for (size_t index = 0; index < sizeof entries / sizeof *entries; index++) {
    if (strcmp(entries[index].name, name) == 0) return entries[index].function;
  }
  return NULL;
}

static PFN_vkVoidFunction getDeviceProcAddr(VkDevice d, const char *name) {
  (void)d;
  return vkGetInstanceProcAddr(NULL, name);
}
