// The one module that includes vulkan.h: two of them break Swift's importer. No prototypes: the loader is opened at
// run time and every entry point is fetched from it.
#pragma once
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>
