import CPlatform
import CVulkan

// The doors of the library: what the loader looks up by name when a manifest names it as a driver.
// Everything else is reached by pointer. `LayerMode/LayerNegotiation.swift` has the layer's door.
// Next: Hooks/Instances.swift

/// The loader and the driver agree on a version. 5 is the highest here: the loader checks the
/// application's Vulkan version itself; 3 brings surfaces that the driver makes.
@c(vk_icdNegotiateLoaderICDInterfaceVersion)
public func negotiateICDInterface(_ pSupportedVersion: UnsafeMutablePointer<UInt32>?) -> VkResult {
  guard let pSupportedVersion, pSupportedVersion.pointee >= 2 else {
    return VK_ERROR_INCOMPATIBLE_DRIVER
  }
  pSupportedVersion.pointee = min(pSupportedVersion.pointee, 5)
  return VK_SUCCESS
}

@c(vk_icdGetInstanceProcAddr)
public func icdGetInstanceProcAddr(_ instance: VkInstance?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  hook_vkGetInstanceProcAddr(instance, pName)
}

/// Only physical-device commands, so that the loader need not guess what an unknown one takes.
@c(vk_icdGetPhysicalDeviceProcAddr)
public func icdGetPhysicalDeviceProcAddr(_ instance: VkInstance?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName, let index = entryIndex(named: pName),
    entryLevels[index] == EntryLevel.physicalDevice.rawValue
  else { return nil }
  return entryFunction(index)
}
