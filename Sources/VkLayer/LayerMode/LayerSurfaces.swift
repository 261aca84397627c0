import CVulkan
import Client
import Wire

// In layer mode surfaces are the loader's and the local driver's. They are made below, and their
// windows remembered on the way back, for the swapchains of our devices.

/// The surface commands that the layer has a part in, when what is below has them.
func surfaceFunction(
  _ name: UnsafePointer<CChar>, _ next: LayerInstanceDispatch
) -> PFN_vkVoidFunction? {
  if equal(name, "vkCreateXcbSurfaceKHR"), next.vkCreateXcbSurfaceKHR != nil {
    return unsafeBitCast(
      layer_vkCreateXcbSurfaceKHR as PFN_vkCreateXcbSurfaceKHR, to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkCreateXlibSurfaceKHR"), next.vkCreateXlibSurfaceKHR != nil {
    return unsafeBitCast(
      layer_vkCreateXlibSurfaceKHR as PFN_vkCreateXlibSurfaceKHR, to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkCreateWaylandSurfaceKHR"), next.vkCreateWaylandSurfaceKHR != nil {
    return unsafeBitCast(
      layer_vkCreateWaylandSurfaceKHR as PFN_vkCreateWaylandSurfaceKHR,
      to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkCreateHeadlessSurfaceEXT"), next.vkCreateHeadlessSurfaceEXT != nil {
    return unsafeBitCast(
      layer_vkCreateHeadlessSurfaceEXT as PFN_vkCreateHeadlessSurfaceEXT,
      to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkDestroySurfaceKHR"), next.vkDestroySurfaceKHR != nil {
    return unsafeBitCast(
      layer_vkDestroySurfaceKHR as PFN_vkDestroySurfaceKHR, to: PFN_vkVoidFunction.self)
  }
  return nil
}

/// Remembers the window of a surface that was made below. Without memory for it the surface works
/// on the local driver's devices alone.
private func remember(
  _ window: TargetWindow?, _ result: VkResult, _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult {
  if result == VK_SUCCESS, let window, let surface = pSurface?.pointee {
    _ = SurfaceTable.add(window, handle: handleID(surface))
  }
  return result
}

func layer_vkCreateXcbSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXcbSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult {
  guard let create = LayerRegistry.instance(of: instance)?.pointee.dispatch.vkCreateXcbSurfaceKHR
  else { return VK_ERROR_EXTENSION_NOT_PRESENT }
  let result = create(instance, pCreateInfo, pAllocator, pSurface)
  return remember(pCreateInfo.map { window($0.pointee) }, result, pSurface)
}

func layer_vkCreateXlibSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXlibSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult {
  guard let create = LayerRegistry.instance(of: instance)?.pointee.dispatch.vkCreateXlibSurfaceKHR
  else { return VK_ERROR_EXTENSION_NOT_PRESENT }
  let result = create(instance, pCreateInfo, pAllocator, pSurface)
  return remember(pCreateInfo.flatMap { window($0.pointee) }, result, pSurface)
}

func layer_vkCreateWaylandSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkWaylandSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult {
  guard
    let create = LayerRegistry.instance(of: instance)?.pointee.dispatch.vkCreateWaylandSurfaceKHR
  else { return VK_ERROR_EXTENSION_NOT_PRESENT }
  let result = create(instance, pCreateInfo, pAllocator, pSurface)
  return remember(pCreateInfo.map { window($0.pointee) }, result, pSurface)
}

func layer_vkCreateHeadlessSurfaceEXT(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkHeadlessSurfaceCreateInfoEXT>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult {
  guard
    let create = LayerRegistry.instance(of: instance)?.pointee.dispatch.vkCreateHeadlessSurfaceEXT
  else { return VK_ERROR_EXTENSION_NOT_PRESENT }
  return remember(.headless, create(instance, pCreateInfo, pAllocator, pSurface), pSurface)
}

func layer_vkDestroySurfaceKHR(
  _ instance: VkInstance?, _ surface: VkSurfaceKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  SurfaceTable.remove(surface)
  LayerRegistry.instance(of: instance)?.pointee.dispatch.vkDestroySurfaceKHR?(
    instance, surface, pAllocator)
}

/// VK_EXT_display_surface_counter is the local driver's, whose instance extensions the layer's
/// caller sees; our devices answer with the same capabilities and no counter.
func hook_vkGetPhysicalDeviceSurfaceCapabilities2EXT(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pSurfaceCapabilities: UnsafeMutablePointer<VkSurfaceCapabilities2EXT>?
) -> VkResult {
  guard let answer = pSurfaceCapabilities else { return VK_ERROR_INITIALIZATION_FAILED }
  var known = VkSurfaceCapabilitiesKHR()
  let result = hook_vkGetPhysicalDeviceSurfaceCapabilitiesKHR(physicalDevice, surface, &known)
  guard result == VK_SUCCESS else { return result }
  answer.pointee.minImageCount = known.minImageCount
  answer.pointee.maxImageCount = known.maxImageCount
  answer.pointee.currentExtent = known.currentExtent
  answer.pointee.minImageExtent = known.minImageExtent
  answer.pointee.maxImageExtent = known.maxImageExtent
  answer.pointee.maxImageArrayLayers = known.maxImageArrayLayers
  answer.pointee.supportedTransforms = known.supportedTransforms
  answer.pointee.currentTransform = known.currentTransform
  answer.pointee.supportedCompositeAlpha = known.supportedCompositeAlpha
  answer.pointee.supportedUsageFlags = known.supportedUsageFlags
  answer.pointee.supportedSurfaceCounters = 0
  return VK_SUCCESS
}
