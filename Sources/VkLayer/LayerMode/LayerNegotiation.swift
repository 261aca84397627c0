import CPlatform
import CVulkan
import Client

// The layer's door. `Negotiation.swift` has the driver's.

@c(vkNegotiateLoaderLayerInterfaceVersion)
public func negotiateLayerInterface(
  _ pVersionStruct: UnsafeMutablePointer<VkNegotiateLayerInterface>?
) -> VkResult {
  guard let pVersionStruct, pVersionStruct.pointee.sType == LAYER_NEGOTIATE_INTERFACE_STRUCT,
    pVersionStruct.pointee.loaderLayerInterfaceVersion >= 2
  else { return VK_ERROR_INITIALIZATION_FAILED }
  pVersionStruct.pointee.loaderLayerInterfaceVersion = 2
  pVersionStruct.pointee.pfnGetInstanceProcAddr = layer_vkGetInstanceProcAddr
  pVersionStruct.pointee.pfnGetDeviceProcAddr = layer_vkGetDeviceProcAddr
  pVersionStruct.pointee.pfnGetPhysicalDeviceProcAddr = layer_vkGetPhysicalDeviceProcAddr
  return VK_SUCCESS
}

/// The instance commands that the layer has a part in.
private func instanceFunction(_ name: UnsafePointer<CChar>) -> PFN_vkVoidFunction? {
  if equal(name, "vkGetInstanceProcAddr") {
    return unsafeBitCast(
      layer_vkGetInstanceProcAddr as PFN_vkGetInstanceProcAddr, to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkCreateInstance") {
    return unsafeBitCast(
      layer_vkCreateInstance as PFN_vkCreateInstance, to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkDestroyInstance") {
    return unsafeBitCast(
      layer_vkDestroyInstance as PFN_vkDestroyInstance, to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkEnumeratePhysicalDevices") {
    return unsafeBitCast(
      layer_vkEnumeratePhysicalDevices as PFN_vkEnumeratePhysicalDevices,
      to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkEnumeratePhysicalDeviceGroups")
    || equal(name, "vkEnumeratePhysicalDeviceGroupsKHR")
  {
    return unsafeBitCast(
      layer_vkEnumeratePhysicalDeviceGroups as PFN_vkEnumeratePhysicalDeviceGroups,
      to: PFN_vkVoidFunction.self)
  }
  if equal(name, "vkGetDeviceProcAddr") {
    return unsafeBitCast(
      layer_vkGetDeviceProcAddr as PFN_vkGetDeviceProcAddr, to: PFN_vkVoidFunction.self)
  }
  return nil
}

/// Our physical-device commands, then the rest of the chain's: device commands of the local driver
/// stay its own, ours are reached through vkGetDeviceProcAddr.
func layer_vkGetInstanceProcAddr(_ instance: VkInstance?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName else { return nil }
  if let own = instanceFunction(pName) { return own }
  guard let known = LayerRegistry.instance(of: instance) else { return nil }
  if let own = layer_vkGetPhysicalDeviceProcAddr(instance, pName) { return own }
  if let own = surfaceFunction(pName, known.pointee.dispatch) { return own }
  return known.pointee.getInstanceProcAddr(instance, pName)
}

/// Every physical-device command, known to the local driver or not: one that slipped through
/// would meet a device of ours in a driver that cannot know it.
func layer_vkGetPhysicalDeviceProcAddr(_ instance: VkInstance?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName else { return nil }
  if let index = entryIndex(named: pName) { return layerFunction(index) }
  return strangerFunction(pName)
}
