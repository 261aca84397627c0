import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// The layer's instance level: it stands aside when our driver is in the chain by itself, else it
// puts the nodes' devices before the local driver's.

/// The loader's structure in a creation chain that links to the next layer.
private func link(_ chain: UnsafeRawPointer?) -> UnsafeMutablePointer<VkLayerInstanceCreateInfo>? {
  var next = chain
  while let entry = next?.assumingMemoryBound(to: VkLayerInstanceCreateInfo.self) {
    if entry.pointee.sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO,
      entry.pointee.function == VK_LAYER_LINK_INFO
    {
      return UnsafeMutablePointer(mutating: entry)
    }
    next = entry.pointee.pNext
  }
  return nil
}

/// True while the chain below is being made: a second copy of this layer there stands aside.
nonisolated(unsafe) private var isCreating = false

func layer_vkCreateInstance(
  _ pCreateInfo: UnsafePointer<VkInstanceCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pInstance: UnsafeMutablePointer<VkInstance?>?
) -> VkResult {
  guard let pCreateInfo, let pInstance, let chain = link(pCreateInfo.pointee.pNext),
    let own = chain.pointee.u.pLayerInfo, let get = own.pointee.pfnNextGetInstanceProcAddr,
    let function = get(nil, text("vkCreateInstance")), LayerRegistry.prepare()
  else { return VK_ERROR_INITIALIZATION_FAILED }
  let create = unsafeBitCast(function, to: PFN_vkCreateInstance.self)
  chain.pointee.u.pLayerInfo = own.pointee.pNext
  let isOuter = !isCreating
  let driversBefore = driverInstancesMade
  isCreating = true
  let result = create(pCreateInfo, pAllocator, pInstance)
  if isOuter { isCreating = false }
  guard result == VK_SUCCESS, let handle = pInstance.pointee else { return result }
  let object = LayerInstance(
    dispatch: LayerInstanceDispatch(get, handle), handle: handle, word: dispatchWord(handle),
    getInstanceProcAddr: get, own: nil, next: nil)
  guard let instance = makeObject(object) else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  if isOuter && driversBefore == driverInstancesMade {
    instance.pointee.own = makeInstance(pCreateInfo, true)
    instance.pointee.own?.pointee.loaderWord = instance.pointee.word
  }
  LayerRegistry.add(instance)
  return VK_SUCCESS
}

func text(_ name: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}

func layer_vkDestroyInstance(
  _ instance: VkInstance?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let known = LayerRegistry.instance(of: instance) else { return }
  LayerRegistry.remove(known)
  if let own = known.pointee.own { hook_vkDestroyInstance(OpaquePointer(own), pAllocator) }
  known.pointee.dispatch.vkDestroyInstance?(instance, pAllocator)
  platform_free(known)
}

/// Our physical devices, with the loader's word in them.
private func ownDevices(_ instance: UnsafeMutablePointer<LayerInstance>) -> Int {
  guard let own = instance.pointee.own else { return 0 }
  var count: UInt32 = 0
  guard hook_vkEnumeratePhysicalDevices(OpaquePointer(own), &count, nil) == VK_SUCCESS else {
    return 0
  }
  var i = 0
  while i < own.pointee.physicalDeviceCount, let device = own.pointee.physicalDevices?[i] {
    device.pointee.loaderWord = instance.pointee.word
    i &+= 1
  }
  return own.pointee.physicalDeviceCount
}

func layer_vkEnumeratePhysicalDevices(
  _ instance: VkInstance?, _ pPhysicalDeviceCount: UnsafeMutablePointer<UInt32>?,
  _ pPhysicalDevices: UnsafeMutablePointer<VkPhysicalDevice?>?
) -> VkResult {
  guard let known = LayerRegistry.instance(of: instance), let pPhysicalDeviceCount,
    let enumerate = known.pointee.dispatch.vkEnumeratePhysicalDevices
  else { return VK_ERROR_INITIALIZATION_FAILED }
  let ours = ownDevices(known)
  var local: UInt32 = 0
  guard let pPhysicalDevices else {
    let result = enumerate(instance, &local, nil)
    pPhysicalDeviceCount.pointee = UInt32(truncatingIfNeeded: ours) &+ local
    return result
  }
  let room = Int(pPhysicalDeviceCount.pointee)
  let first = min(room, ours)
  var i = 0
  while i < first, let device = known.pointee.own?.pointee.physicalDevices?[i] {
    pPhysicalDevices[i] = OpaquePointer(device)
    i &+= 1
  }
  local = UInt32(truncatingIfNeeded: room &- first)
  // With no room left the local ones are only counted, to know whether all have been given.
  var result = VK_SUCCESS
  if local > 0 {
    result = enumerate(instance, &local, pPhysicalDevices + first)
  } else {
    var others: UInt32 = 0
    result = enumerate(instance, &others, nil)
    if result == VK_SUCCESS && others > 0 { result = VK_INCOMPLETE }
  }
  pPhysicalDeviceCount.pointee = UInt32(truncatingIfNeeded: first) &+ local
  return first < ours && result == VK_SUCCESS ? VK_INCOMPLETE : result
}

func layer_vkEnumeratePhysicalDeviceGroups(
  _ instance: VkInstance?, _ pPhysicalDeviceGroupCount: UnsafeMutablePointer<UInt32>?,
  _ pPhysicalDeviceGroupProperties: UnsafeMutablePointer<VkPhysicalDeviceGroupProperties>?
) -> VkResult {
  guard let known = LayerRegistry.instance(of: instance), let pPhysicalDeviceGroupCount,
    let enumerate = known.pointee.dispatch.vkEnumeratePhysicalDeviceGroups
  else { return VK_ERROR_INITIALIZATION_FAILED }
  let ours = ownDevices(known)
  var local: UInt32 = 0
  guard let groups = pPhysicalDeviceGroupProperties else {
    let result = enumerate(instance, &local, nil)
    pPhysicalDeviceGroupCount.pointee = UInt32(truncatingIfNeeded: ours) &+ local
    return result
  }
  let room = Int(pPhysicalDeviceGroupCount.pointee)
  var first = UInt32(truncatingIfNeeded: min(room, ours))
  if let own = known.pointee.own, first > 0 {
    _ = hook_vkEnumeratePhysicalDeviceGroups(OpaquePointer(own), &first, groups)
  }
  local = UInt32(truncatingIfNeeded: room) &- first
  var result = VK_SUCCESS
  if local > 0 {
    result = enumerate(instance, &local, groups + Int(first))
  } else {
    var others: UInt32 = 0
    result = enumerate(instance, &others, nil)
    if result == VK_SUCCESS && others > 0 { result = VK_INCOMPLETE }
  }
  pPhysicalDeviceGroupCount.pointee = first &+ local
  return Int(first) < ours && result == VK_SUCCESS ? VK_INCOMPLETE : result
}
