// Vulkan headers with the window systems that Omega presents on.
#pragma once
// As CPlatform has it: modules that are read together must see the same libc.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define VK_USE_PLATFORM_XCB_KHR 1
#define VK_USE_PLATFORM_XLIB_KHR 1
#define VK_USE_PLATFORM_WAYLAND_KHR 1
#include <vulkan/vulkan.h>
#include <vulkan/vk_icd.h>
#include <vulkan/vk_layer.h>
