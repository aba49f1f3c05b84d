// The one module that includes vulkan.h: two of them break Swift's importer. No prototypes: the loader is opened at
// run time and every entry point is fetched from it.
#pragma once
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

// Debian 12's headers (1.3.239) end before the matrix extensions. Their structures are declared here under names of our
// own, so that the Swift side is the same whatever headers it is built with. Layouts: Vulkan specification 1.4.

#define LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FEATURES 1000506000u
#define LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES 1000506001u
#define LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_2_FEATURES 1000593000u
#define LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES 1000593001u
#define LUMOSX_STRUCTURE_TYPE_COOPERATIVE_MATRIX_2_PROPERTIES 1000593002u
#define LUMOSX_STRUCTURE_TYPE_BFLOAT16_FEATURES 1000141000u

// VkPhysicalDeviceCooperativeMatrixFeaturesKHR
typedef struct {
  uint32_t sType;
  void *pNext;
  VkBool32 cooperativeMatrix;
  VkBool32 cooperativeMatrixRobustBufferAccess;
} LumosXCooperativeMatrixFeatures;

// VkCooperativeMatrixPropertiesKHR; types are VkComponentTypeKHR, scope is VkScopeKHR
typedef struct {
  uint32_t sType;
  void *pNext;
  uint32_t m, n, k;
  uint32_t aType, bType, cType, resultType;
  VkBool32 saturatingAccumulation;
  uint32_t scope;
} LumosXCooperativeMatrixProperties;

// vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR
typedef VkResult(VKAPI_PTR *LumosXGetCooperativeMatrixProperties)(
    VkPhysicalDevice physicalDevice, uint32_t *count, LumosXCooperativeMatrixProperties *properties);

// VkPhysicalDeviceCooperativeMatrix2FeaturesNV
typedef struct {
  uint32_t sType;
  void *pNext;
  VkBool32 workgroupScope;
  VkBool32 flexibleDimensions;
  VkBool32 reductions;
  VkBool32 conversions;
  VkBool32 perElementOperations;
  VkBool32 tensorAddressing;
  VkBool32 blockLoads;
} LumosXCooperativeMatrix2Features;

// VkPhysicalDeviceCooperativeMatrix2PropertiesNV
typedef struct {
  uint32_t sType;
  void *pNext;
  uint32_t workgroupScopeMaxWorkgroupSize;
  uint32_t flexibleDimensionsMaxDimension;
  uint32_t workgroupScopeReservedSharedMemory;
} LumosXCooperativeMatrix2Properties;

// VkCooperativeMatrixFlexibleDimensionsPropertiesNV; types are VkComponentTypeKHR, scope is VkScopeKHR
typedef struct {
  uint32_t sType;
  void *pNext;
  uint32_t mGranularity, nGranularity, kGranularity;
  uint32_t aType, bType, cType, resultType;
  VkBool32 saturatingAccumulation;
  uint32_t scope;
  uint32_t workgroupInvocations;
} LumosXFlexibleDimensionsProperties;

// vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV
typedef VkResult(VKAPI_PTR *LumosXGetFlexibleDimensionsProperties)(
    VkPhysicalDevice physicalDevice, uint32_t *count, LumosXFlexibleDimensionsProperties *properties);

// VkPhysicalDeviceShaderBfloat16FeaturesKHR
typedef struct {
  uint32_t sType;
  void *pNext;
  VkBool32 type;
  VkBool32 dotProduct;
  VkBool32 cooperativeMatrix;
} LumosXBFloat16Features;
