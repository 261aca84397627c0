import CVulkan

// Vulkan, "Window System Integration". No surface is supported, and every command says so.

func hook_vkCreateXcbSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXcbSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { VK_ERROR_EXTENSION_NOT_PRESENT }

func hook_vkCreateXlibSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXlibSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { VK_ERROR_EXTENSION_NOT_PRESENT }

func hook_vkCreateWaylandSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkWaylandSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { VK_ERROR_EXTENSION_NOT_PRESENT }

func hook_vkCreateHeadlessSurfaceEXT(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkHeadlessSurfaceCreateInfoEXT>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { VK_ERROR_EXTENSION_NOT_PRESENT }

func hook_vkDestroySurfaceKHR(
  _ instance: VkInstance?, _ surface: VkSurfaceKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {}

func hook_vkGetPhysicalDeviceXcbPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ connection: OpaquePointer?,
  _ visual_id: UInt32
) -> VkBool32 { VkBool32(VK_FALSE) }

func hook_vkGetPhysicalDeviceXlibPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ dpy: OpaquePointer?,
  _ visualID: UInt
) -> VkBool32 { VkBool32(VK_FALSE) }

func hook_vkGetPhysicalDeviceWaylandPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ display: OpaquePointer?
) -> VkBool32 { VkBool32(VK_FALSE) }

func hook_vkGetPhysicalDeviceSurfaceSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ surface: VkSurfaceKHR?,
  _ pSupported: UnsafeMutablePointer<VkBool32>?
) -> VkResult {
  pSupported?.pointee = VkBool32(VK_FALSE)
  return VK_SUCCESS
}

func hook_vkGetPhysicalDeviceSurfaceCapabilitiesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pSurfaceCapabilities: UnsafeMutablePointer<VkSurfaceCapabilitiesKHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetPhysicalDeviceSurfaceCapabilities2KHR(
  _ physicalDevice: VkPhysicalDevice?,
  _ pSurfaceInfo: UnsafePointer<VkPhysicalDeviceSurfaceInfo2KHR>?,
  _ pSurfaceCapabilities: UnsafeMutablePointer<VkSurfaceCapabilities2KHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetPhysicalDeviceSurfaceFormatsKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pSurfaceFormatCount: UnsafeMutablePointer<UInt32>?,
  _ pSurfaceFormats: UnsafeMutablePointer<VkSurfaceFormatKHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetPhysicalDeviceSurfaceFormats2KHR(
  _ physicalDevice: VkPhysicalDevice?,
  _ pSurfaceInfo: UnsafePointer<VkPhysicalDeviceSurfaceInfo2KHR>?,
  _ pSurfaceFormatCount: UnsafeMutablePointer<UInt32>?,
  _ pSurfaceFormats: UnsafeMutablePointer<VkSurfaceFormat2KHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetPhysicalDeviceSurfacePresentModesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pPresentModeCount: UnsafeMutablePointer<UInt32>?,
  _ pPresentModes: UnsafeMutablePointer<VkPresentModeKHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetPhysicalDevicePresentRectanglesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pRectCount: UnsafeMutablePointer<UInt32>?, _ pRects: UnsafeMutablePointer<VkRect2D>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkGetDeviceGroupPresentCapabilitiesKHR(
  _ device: VkDevice?,
  _ pDeviceGroupPresentCapabilities: UnsafeMutablePointer<VkDeviceGroupPresentCapabilitiesKHR>?
) -> VkResult { VK_ERROR_EXTENSION_NOT_PRESENT }

func hook_vkGetDeviceGroupSurfacePresentModesKHR(
  _ device: VkDevice?, _ surface: VkSurfaceKHR?,
  _ pModes: UnsafeMutablePointer<VkDeviceGroupPresentModeFlagsKHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkCreateSwapchainKHR(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkSwapchainCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSwapchain: UnsafeMutablePointer<VkSwapchainKHR?>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkDestroySwapchainKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {}

func hook_vkGetSwapchainImagesKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?,
  _ pSwapchainImageCount: UnsafeMutablePointer<UInt32>?,
  _ pSwapchainImages: UnsafeMutablePointer<VkImage?>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkAcquireNextImageKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?, _ timeout: UInt64,
  _ semaphore: VkSemaphore?, _ fence: VkFence?, _ pImageIndex: UnsafeMutablePointer<UInt32>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkAcquireNextImage2KHR(
  _ device: VkDevice?, _ pAcquireInfo: UnsafePointer<VkAcquireNextImageInfoKHR>?,
  _ pImageIndex: UnsafeMutablePointer<UInt32>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }

func hook_vkQueuePresentKHR(
  _ queue: VkQueue?, _ pPresentInfo: UnsafePointer<VkPresentInfoKHR>?
) -> VkResult { VK_ERROR_SURFACE_LOST_KHR }
