#pragma once
#define VK_USE_PLATFORM_XCB_KHR 1
#include <vulkan/vulkan.h>
