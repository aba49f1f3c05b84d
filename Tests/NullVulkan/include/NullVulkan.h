// A Vulkan driver that accepts every command and runs nothing: see NullVulkan.c. It is opened by its file name like a
// loader; nothing is called by name.
#pragma once
