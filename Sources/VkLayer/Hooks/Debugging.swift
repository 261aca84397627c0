import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// Vulkan, "Debugging". Messengers and callbacks are the loader's and the layers' above: this driver
// has no messages for them, and hands out handles that mean nothing else. Names and labels travel.

func hook_vkCreateDebugUtilsMessengerEXT(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkDebugUtilsMessengerCreateInfoEXT>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pMessenger: UnsafeMutablePointer<VkDebugUtilsMessengerEXT?>?
) -> VkResult {
  pMessenger?.pointee = localHandle(.debugUtilsMessenger, instance)
  return VK_SUCCESS
}

/// A handle that nothing stands behind; without a connection there are no ids, and any will do.
private func localHandle(_ kind: HandleKind, _ instance: VkInstance?) -> OpaquePointer? {
  let id = makeID(kind, instance: instance)
  return handlePointer(id == 0 ? HandleID.make(generation: 1, kind: kind, index: 0) : id)
}

func hook_vkDestroyDebugUtilsMessengerEXT(
  _ instance: VkInstance?, _ messenger: VkDebugUtilsMessengerEXT?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  didDestroy(.debugUtilsMessenger, handleID(messenger))
}

func hook_vkSubmitDebugUtilsMessageEXT(
  _ instance: VkInstance?, _ messageSeverity: VkDebugUtilsMessageSeverityFlagBitsEXT,
  _ messageTypes: VkDebugUtilsMessageTypeFlagsEXT,
  _ pCallbackData: UnsafePointer<VkDebugUtilsMessengerCallbackDataEXT>?
) {}

func hook_vkCreateDebugReportCallbackEXT(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkDebugReportCallbackCreateInfoEXT>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pCallback: UnsafeMutablePointer<VkDebugReportCallbackEXT?>?
) -> VkResult {
  pCallback?.pointee = localHandle(.debugReportCallback, instance)
  return VK_SUCCESS
}

func hook_vkDestroyDebugReportCallbackEXT(
  _ instance: VkInstance?, _ callback: VkDebugReportCallbackEXT?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  didDestroy(.debugReportCallback, handleID(callback))
}

func hook_vkDebugReportMessageEXT(
  _ instance: VkInstance?, _ flags: VkDebugReportFlagsEXT,
  _ objectType: VkDebugReportObjectTypeEXT, _ object: UInt64, _ location: Int,
  _ messageCode: Int32, _ pLayerPrefix: UnsafePointer<CChar>?, _ pMessage: UnsafePointer<CChar>?
) {}
