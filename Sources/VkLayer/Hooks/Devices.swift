import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Devices and Queues".

func hook_vkCreateDevice(
  _ physicalDevice: VkPhysicalDevice?, _ pCreateInfo: UnsafePointer<VkDeviceCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, _ pDevice: UnsafeMutablePointer<VkDevice?>?
) -> VkResult {
  guard let physical = physicalDeviceState(of: physicalDevice), let pCreateInfo, let pDevice else {
    return VK_ERROR_INITIALIZATION_FAILED
  }
  let connection = physical.pointee.connection
  let extensions = loadExtensions(physical)
  guard extensions == VK_SUCCESS else { return extensions }
  guard areKnown(physical, pCreateInfo.pointee) else { return VK_ERROR_EXTENSION_NOT_PRESENT }
  guard let channel = connection.openChannel() else { return VK_ERROR_TOO_MANY_OBJECTS }
  let id = ObjectTable.makeID(.device, channel: channel.index)
  let result = createOnNode(physical, id, pCreateInfo.pointee)
  guard result == VK_SUCCESS else {
    ObjectTable.release(id)
    connection.accounts.leave(channel: channel.index) { false }
    channel.release()
    return result
  }
  guard let shapes = ShapeCache(off: !connection.switches.requirementCache),
    let privateData = PrivateData()
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let object = DeviceObject(
    loaderWord: loaderMagic, id: id, channel: channel, connection: connection,
    physicalDevice: physical, enabled: enabledFeatures(physical, pCreateInfo.pointee), queues: nil,
    attached: AttachedMemories(), window: MappingWindow.reserve(), operations: 0,
    heaps: memoryHeaps(physical), shapes: shapes, privateData: privateData, shadow: nil,
    shadowDestroy: nil)
  guard let device = makeObject(object) else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  connection.accounts.join(device, channel: channel.index)
  if let writer = connection.instanceChannel.begin() {
    writer.pointee.begin(ControlOpcode.openChannel)
    writer.pointee.u32(channel.index)
    writer.pointee.u32(0)
    writer.pointee.u64(id)
    writer.pointee.end()
    endAsync(writer)
  }
  connection.segment.count(Counter.devicesCreated, 1)
  pDevice.pointee = OpaquePointer(device)
  return VK_SUCCESS
}

/// Whether every extension that the application enables is one that was offered to it.
private func areKnown(
  _ physical: UnsafeMutablePointer<PhysicalDeviceObject>, _ createInfo: VkDeviceCreateInfo
) -> Bool {
  var i = 0
  while i < Int(createInfo.enabledExtensionCount) {
    guard let name = createInfo.ppEnabledExtensionNames?[i],
      isOffered(physical, name)
    else { return false }
    i &+= 1
  }
  return true
}

/// What the application may call on the device: the instance's extensions, the device's, and the
/// core commands up to what both the application and the driver speak.
private func enabledFeatures(
  _ physical: UnsafeMutablePointer<PhysicalDeviceObject>, _ createInfo: VkDeviceCreateInfo
) -> EnabledFeatures {
  var enabled = physical.pointee.instance.pointee.enabled
  var properties = VkPhysicalDeviceProperties()
  hook_vkGetPhysicalDeviceProperties(OpaquePointer(physical), &properties)
  enabled.minorVersion = min(enabled.minorVersion, (properties.apiVersion &>> 12) & 0x3FF)
  var i = 0
  while i < Int(createInfo.enabledExtensionCount) {
    if let name = createInfo.ppEnabledExtensionNames?[i] { enabled.enableDeviceExtension(name) }
    i &+= 1
  }
  return enabled
}

private func isOffered(
  _ physical: UnsafeMutablePointer<PhysicalDeviceObject>, _ name: UnsafePointer<CChar>
) -> Bool {
  guard let list = physical.pointee.extensions else { return false }
  var i = 0
  while i < physical.pointee.extensionCount {
    let offered = UnsafeRawPointer(list + i).assumingMemoryBound(to: CChar.self)
    if platform_string_compare(name, offered) == 0 { return true }
    i &+= 1
  }
  return false
}

private func createOnNode(
  _ physical: UnsafeMutablePointer<PhysicalDeviceObject>, _ id: UInt64,
  _ createInfo: VkDeviceCreateInfo
) -> VkResult {
  let count = Int(createInfo.enabledExtensionCount)
  return withUnsafeTemporaryAllocation(
    of: UnsafePointer<CChar>?.self, capacity: max(count, 1)
  ) { names in
    var kept = 0
    var i = 0
    while i < count {
      if let name = createInfo.ppEnabledExtensionNames?[i] {
        // PRESENT_SRC layouts are valid on the node only with its VK_KHR_swapchain.
        let travels =
          equal(name, "VK_KHR_swapchain")
          ? physical.pointee.nodeHasSwapchain : !isLocalDeviceExtension(name)
        if travels {
          names[kept] = name
          kept &+= 1
        }
      }
      i &+= 1
    }
    var sent = createInfo
    sent.enabledLayerCount = 0
    sent.ppEnabledLayerNames = nil
    sent.enabledExtensionCount = UInt32(truncatingIfNeeded: kept)
    sent.ppEnabledExtensionNames = UnsafePointer(names.baseAddress)
    let handle = OpaquePointer(physical)
    guard var call = beginCall(physicalDevice: handle, opcode: Opcode.vkCreateDevice) else {
      return VK_ERROR_DEVICE_LOST
    }
    encode_vkCreateDevice(&call.writer.pointee, call.ticket, handle, &sent, id)
    guard var reply = endCall(&call) else { return VK_ERROR_DEVICE_LOST }
    let result = decodeReply_vkCreateDevice(&reply)
    finishCall(&call)
    return result
  }
}

private func memoryHeaps(
  _ physical: UnsafeMutablePointer<PhysicalDeviceObject>
) -> MemoryHeaps {
  var found = MemoryHeaps(device: physical.pointee.index)
  var properties = VkPhysicalDeviceMemoryProperties()
  hook_vkGetPhysicalDeviceMemoryProperties(OpaquePointer(physical), &properties)
  found.typeCount = min(properties.memoryTypeCount, 32)
  withUnsafeBytes(of: &properties.memoryTypes) { types in
    var i = 0
    while i < Int(found.typeCount) {
      found.heapOfType[i] =
        types.load(
          fromByteOffset: i &* MemoryLayout<VkMemoryType>.stride, as: VkMemoryType.self
        ).heapIndex
      i &+= 1
    }
  }
  withUnsafeBytes(of: &properties.memoryHeaps) { heaps in
    var i = 0
    while i < Int(min(properties.memoryHeapCount, 16)) {
      found.sizes[i] =
        heaps.load(
          fromByteOffset: i &* MemoryLayout<VkMemoryHeap>.stride, as: VkMemoryHeap.self
        ).size
      i &+= 1
    }
  }
  return found
}

func hook_vkDestroyDevice(
  _ device: VkDevice?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let device, let state = deviceState(of: device) else { return }
  let channel = state.pointee.channel
  state.pointee.connection.accounts.leave(channel: channel.index) { waitUntilRead(state) }
  if let writer = beginAsync(device: device) {
    state.pointee.retiredLayouts.flush(device, into: writer)
    encode_vkDestroyDevice(&writer.pointee, device)
    writer.pointee.begin(ControlOpcode.closeChannel)
    writer.pointee.end()
    endAsync(writer)
  }
  // The next owner of the channel and of its numbers begins where this one has ended.
  if channel.drain() { channel.release() }
  var queue = state.pointee.queues
  while let known = queue {
    queue = known.pointee.next
    state.pointee.connection.releaseSlot(known.pointee.slot)
    didDestroy(.queue, known.pointee.id)
    platform_free(known)
  }
  detachAll(state)
  state.pointee.attached.free()
  state.pointee.retiredLayouts.free()
  state.pointee.window?.release()
  state.pointee.shapes.free()
  state.pointee.privateData.free()
  didDestroy(.device, state.pointee.id)
  if let shadow = state.pointee.shadow { state.pointee.shadowDestroy?(shadow, pAllocator) }
  platform_free(state)
}

// MARK: Queues

func hook_vkGetDeviceQueue(
  _ device: VkDevice?, _ queueFamilyIndex: UInt32, _ queueIndex: UInt32,
  _ pQueue: UnsafeMutablePointer<VkQueue?>?
) {
  pQueue?.pointee = queue(device, queueFamilyIndex, queueIndex, 0)
}

func hook_vkGetDeviceQueue2(
  _ device: VkDevice?, _ pQueueInfo: UnsafePointer<VkDeviceQueueInfo2>?,
  _ pQueue: UnsafeMutablePointer<VkQueue?>?
) {
  guard let info = pQueueInfo?.pointee else { return }
  pQueue?.pointee = queue(device, info.queueFamilyIndex, info.queueIndex, info.flags)
}

/// The one handle of a queue, made at the first question.
private func queue(_ device: VkDevice?, _ family: UInt32, _ index: UInt32, _ flags: UInt32)
  -> VkQueue?
{
  guard let state = deviceState(of: device), let writer = beginAsync(device: device) else {
    return nil
  }
  defer { endAsync(writer) }
  var known = state.pointee.queues
  while let queue = known {
    if queue.pointee.family == family, queue.pointee.index == index,
      queue.pointee.flags == flags
    {
      return OpaquePointer(queue)
    }
    known = queue.pointee.next
  }
  let slot = state.pointee.connection.allocateSlot()
  guard slot != ControlField.noSlot else { return nil }
  let id = makeID(.queue, device: device)
  // Layers look at word 0 before the loader has set it: it is the device's then.
  let object = QueueObject(
    loaderWord: state.pointee.loaderWord, id: id, device: state, next: state.pointee.queues,
    family: family,
    index: index, flags: flags, slot: slot,
    sequence: platform_load64(state.pointee.connection.segment.slot(slot)))
  guard let queue = makeObject(object) else { return nil }
  if flags == 0 {
    encode_vkGetDeviceQueue(&writer.pointee, device, family, index, id)
  } else {
    var info = VkDeviceQueueInfo2()
    info.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2
    info.flags = flags
    info.queueFamilyIndex = family
    info.queueIndex = index
    encode_vkGetDeviceQueue2(&writer.pointee, device, &info, id)
  }
  state.pointee.queues = queue
  return OpaquePointer(queue)
}
