import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// The layer's devices: one of ours goes to the node and leaves a shadow with the local driver; one
// of the local driver's is made by it and never seen again.

/// The loader's structure in a creation chain that links to the next layer.
private func link(_ chain: UnsafeRawPointer?) -> UnsafeMutablePointer<VkLayerDeviceCreateInfo>? {
  var next = chain
  while let entry = next?.assumingMemoryBound(to: VkLayerDeviceCreateInfo.self) {
    if entry.pointee.sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO,
      entry.pointee.function == VK_LAYER_LINK_INFO
    {
      return UnsafeMutablePointer(mutating: entry)
    }
    next = entry.pointee.pNext
  }
  return nil
}

@c(omega_layer_vkCreateDevice)
func layer_vkCreateDevice(
  _ physicalDevice: VkPhysicalDevice?, _ pCreateInfo: UnsafePointer<VkDeviceCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, _ pDevice: UnsafeMutablePointer<VkDevice?>?
) -> VkResult {
  guard let pCreateInfo, let pDevice, let chain = link(pCreateInfo.pointee.pNext),
    let own = chain.pointee.u.pLayerInfo,
    let instance = LayerRegistry.instance(of: physicalDevice),
    let getInstance = own.pointee.pfnNextGetInstanceProcAddr,
    let getDevice = own.pointee.pfnNextGetDeviceProcAddr,
    let function = getInstance(instance.pointee.handle, text("vkCreateDevice"))
  else { return VK_ERROR_INITIALIZATION_FAILED }
  let create = unsafeBitCast(function, to: PFN_vkCreateDevice.self)
  chain.pointee.u.pLayerInfo = own.pointee.pNext
  let ours = isOmega(physicalDevice)
  let result =
    ours
    ? createShadow(instance, pCreateInfo.pointee.pNext, create, pAllocator, pDevice)
    : create(physicalDevice, pCreateInfo, pAllocator, pDevice)
  guard result == VK_SUCCESS, let lower = pDevice.pointee else { return result }
  let destroy = getDevice(lower, text("vkDestroyDevice"))
    .map { unsafeBitCast($0, to: PFN_vkDestroyDevice.self) }
  let object = LayerDevice(
    handle: lower, word: dispatchWord(lower), isOurs: ours, getDeviceProcAddr: getDevice,
    destroyDevice: destroy, next: nil)
  guard let device = makeObject(object) else {
    destroy?(lower, pAllocator)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  if ours {
    let made = hook_vkCreateDevice(physicalDevice, pCreateInfo, pAllocator, pDevice)
    guard made == VK_SUCCESS, let state = deviceState(of: pDevice.pointee) else {
      platform_free(device)
      destroy?(lower, pAllocator)
      return made
    }
    state.pointee.loaderWord = device.pointee.word
    state.pointee.shadow = lower
    state.pointee.shadowDestroy = destroy
    device.pointee.handle = pDevice.pointee
  }
  LayerRegistry.add(device)
  return VK_SUCCESS
}

/// Makes the smallest device that the local driver can make, through the rest of the chain.
private func createShadow(
  _ instance: UnsafeMutablePointer<LayerInstance>, _ chain: UnsafeRawPointer?,
  _ create: PFN_vkCreateDevice, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pDevice: UnsafeMutablePointer<VkDevice?>
) -> VkResult {
  var local: VkPhysicalDevice?
  var count: UInt32 = 1
  let found = instance.pointee.dispatch.vkEnumeratePhysicalDevices?(
    instance.pointee.handle, &count, &local)
  guard let found, found.rawValue >= 0, count == 1 else {
    log(.error, "the layer needs a local driver; use omega run, which needs none")
    return VK_ERROR_INITIALIZATION_FAILED
  }
  // Only the loader's own structures go down: features of ours may be unknown there. Copies, since
  // their pNext has to skip the rest.
  return withUnsafeTemporaryAllocation(of: VkLayerDeviceCreateInfo.self, capacity: 4) { links in
    var used = 0
    var next = chain
    while let entry = next?.assumingMemoryBound(to: VkLayerDeviceCreateInfo.self), used < 4 {
      if entry.pointee.sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO {
        links[used] = entry.pointee
        used &+= 1
      }
      next = entry.pointee.pNext
    }
    var i = 0
    while i < used, let base = links.baseAddress {
      links[i].pNext = i &+ 1 < used ? UnsafeRawPointer(base + i + 1) : nil
      i &+= 1
    }
    return withUnsafePointer(to: Float(1)) { priority in
      var queue = VkDeviceQueueCreateInfo()
      queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
      queue.queueCount = 1
      queue.pQueuePriorities = priority
      return withUnsafePointer(to: queue) { queues in
        var info = VkDeviceCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
        info.pNext = used > 0 ? UnsafeRawPointer(links.baseAddress) : nil
        info.queueCreateInfoCount = 1
        info.pQueueCreateInfos = queues
        return create(local, &info, pAllocator, pDevice)
      }
    }
  }
}

func layer_vkDestroyDevice(
  _ device: VkDevice?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let known = LayerRegistry.device(device) else { return }
  LayerRegistry.remove(known)
  if known.pointee.isOurs {
    hook_vkDestroyDevice(device, pAllocator)
  } else {
    known.pointee.destroyDevice?(device, pAllocator)
  }
  platform_free(known)
}

func layer_vkGetDeviceProcAddr(_ device: VkDevice?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName else { return nil }
  if equal(pName, "vkGetDeviceProcAddr") {
    return unsafeBitCast(
      layer_vkGetDeviceProcAddr as PFN_vkGetDeviceProcAddr, to: PFN_vkVoidFunction.self)
  }
  if equal(pName, "vkDestroyDevice") {
    return unsafeBitCast(layer_vkDestroyDevice as PFN_vkDestroyDevice, to: PFN_vkVoidFunction.self)
  }
  guard let known = LayerRegistry.device(device) else { return nil }
  return known.pointee.isOurs
    ? hook_vkGetDeviceProcAddr(device, pName) : known.pointee.getDeviceProcAddr?(device, pName)
}
