import CPlatform
import CVulkan
import Client
import PageTracker
import Ring
import VulkanWire
import Wire

// Vulkan, "Memory Allocation": device memory, and its mapping into this process.

func hook_vkAllocateMemory(
  _ device: VkDevice?, _ pAllocateInfo: UnsafePointer<VkMemoryAllocateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pMemory: UnsafeMutablePointer<VkDeviceMemory?>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pAllocateInfo?.pointee, let pMemory else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let id = makeID(.deviceMemory, device: device)
  guard id != 0 else { return VK_ERROR_TOO_MANY_OBJECTS }
  guard takeMemory(state, info.allocationSize, type: info.memoryTypeIndex) else {
    didDestroy(.deviceMemory, id)
    return VK_ERROR_OUT_OF_DEVICE_MEMORY
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  if let memory = memoryState(handlePointer(id)) {
    memory.pointee.size = info.allocationSize
    memory.pointee.typeIndex = info.memoryTypeIndex
    memory.pointee.operationsBefore = state.pointee.operations
  }
  encode_vkAllocateMemory(&writer.pointee, device, pAllocateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pMemory.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkFreeMemory(
  _ device: VkDevice?, _ memory: VkDeviceMemory?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let memory, let state = deviceState(of: device), let known = memoryState(memory) else {
    return
  }
  let id = handleID(memory)
  let channel = state.pointee.channel
  guard let writer = channel.begin() else {
    detach(state, id, known)
    return didDestroy(.deviceMemory, id)
  }
  let offset = known.pointee.segmentOffset
  if offset != 0 {
    writer.pointee.begin(ControlOpcode.memoryDetach)
    writer.pointee.u64(id)
    writer.pointee.end()
  }
  encode_vkFreeMemory(&writer.pointee, device, memory)
  _ = channel.flush()
  giveMemoryBack(state, known.pointee.size, type: known.pointee.typeIndex)
  if offset != 0 {
    let size = UInt64(mappingSize(known.pointee.size))
    detach(state, id, known)
    channel.retire(.memory, offset: offset, size: size)
  }
  _ = channel.end()
  didDestroy(.deviceMemory, id)
}

/// Bytes of an allocation's mapping: whole pages.
private func mappingSize(_ size: UInt64) -> Int {
  let page = UInt64(PageTracker.pageSize)
  return Int(truncatingIfNeeded: (size &+ (page &- 1)) & ~(page &- 1))
}

/// Takes an allocation out of this process.
private func detach(
  _ device: UnsafeMutablePointer<DeviceObject>, _ id: UInt64,
  _ memory: UnsafeMutablePointer<MemoryState>
) {
  guard let base = memory.pointee.base else { return }
  device.pointee.attached.remove(id)
  unmap(device, base, mappingSize(memory.pointee.size))
  memory.pointee.base = nil
}

private func unmap(
  _ device: UnsafeMutablePointer<DeviceObject>, _ base: UnsafeMutableRawPointer, _ size: Int
) {
  device.pointee.connection.tracker.untrack(base, size)
  if let window = device.pointee.window, window.contains(base) {
    window.unmap(base, size: UInt64(size))
  } else {
    _ = platform_unmap(base, size)
  }
}

/// Maps a part of the segment, if it can be beside the device's other allocations.
private func map(
  _ device: UnsafeMutablePointer<DeviceObject>, offset: UInt64, size: Int
) -> UnsafeMutableRawPointer? {
  let segment = device.pointee.connection.segment
  return device.pointee.window?.map(segment, offset: offset, size: UInt64(size))
    ?? segment.mapMemory(offset: offset, size: UInt64(size))
}

/// Takes everything out of this process that the application has not freed, at the device's end.
func detachAll(_ device: UnsafeMutablePointer<DeviceObject>) {
  var i = 0
  while i < device.pointee.attached.count, let memory = device.pointee.attached.list?[i] {
    unmap(device, memory.base, memory.size)
    i &+= 1
  }
}

// MARK: Host access

func hook_vkMapMemory(
  _ device: VkDevice?, _ memory: VkDeviceMemory?, _ offset: VkDeviceSize, _ size: VkDeviceSize,
  _ flags: VkMemoryMapFlags, _ ppData: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> VkResult {
  guard let state = deviceState(of: device), let known = memoryState(memory), let ppData,
    offset < known.pointee.size
  else { return VK_ERROR_MEMORY_MAP_FAILED }
  if known.pointee.base == nil {
    let result = attach(device, state, handleID(memory), known)
    guard result == VK_SUCCESS else { return result }
  }
  ppData.pointee = known.pointee.base.map { $0 + Int(truncatingIfNeeded: offset) }
  return VK_SUCCESS
}

/// Gives an allocation its place in the segment, at its first map. Only when the GPU may have
/// written to it before does the node have to bring its contents first.
private func attach(
  _ device: VkDevice?, _ state: UnsafeMutablePointer<DeviceObject>, _ id: UInt64,
  _ memory: UnsafeMutablePointer<MemoryState>
) -> VkResult {
  let connection = state.pointee.connection
  let size = mappingSize(memory.pointee.size)
  guard connection.segment.lost == 0 else { return VK_ERROR_DEVICE_LOST }
  guard let offset = connection.allocateMemory(UInt64(size)) else {
    return VK_ERROR_MEMORY_MAP_FAILED
  }
  guard let base = map(state, offset: offset, size: size) else {
    connection.freeMemory(offset: offset, size: UInt64(size))
    return VK_ERROR_MEMORY_MAP_FAILED
  }
  let asks =
    !connection.switches.lazyAttach
    || (memory.pointee.gpuWritable != 0
      && state.pointee.operations != memory.pointee.operationsBefore)
  if asks {
    guard bringContents(device, state, id, offset, size) else {
      unmap(state, base, size)
      return VK_ERROR_DEVICE_LOST
    }
  }
  // Tracked from here on: what the node brought through its own mapping is not our writing.
  let isTracked = connection.tracker.track(base, size)
  guard let writer = beginAsync(device: device) else {
    unmap(state, base, size)
    return VK_ERROR_DEVICE_LOST
  }
  guard
    state.pointee.attached.insert(
      AttachedMemory(
        id: id, base: base, size: size,
        isScannedTogether: isTracked && connection.tracker.tier != .compare
          && state.pointee.window?.contains(base) == true))
  else {
    endAsync(writer)
    unmap(state, base, size)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  if !asks { encodeAttach(&writer.pointee, id, offset, size, ControlField.noTicket) }
  memory.pointee.segmentOffset = offset
  memory.pointee.base = base
  connection.segment.count(Counter.trackedBytes, UInt64(size))
  return endAsync(writer)
}

private func encodeAttach(
  _ writer: inout Writer, _ id: UInt64, _ offset: UInt64, _ size: Int, _ ticket: UInt32
) {
  writer.begin(ControlOpcode.memoryAttach)
  writer.u64(id)
  writer.u64(offset)
  writer.u64(UInt64(size))
  writer.u32(ticket)
  writer.u32(0)
  writer.end()
}

/// Attaches with a reply: the node has written the contents into the segment when it comes.
private func bringContents(
  _ device: VkDevice?, _ state: UnsafeMutablePointer<DeviceObject>, _ id: UInt64,
  _ offset: UInt64, _ size: Int
) -> Bool {
  guard var call = beginCall(device: device, opcode: ControlOpcode.memoryAttach) else {
    return false
  }
  encodeAttach(&call.writer.pointee, id, offset, size, call.ticket)
  guard endCall(&call) != nil else { return false }
  finishCall(&call)
  return true
}

/// The mapping stays: it is reached again by the next map, and its pages by every submit.
func hook_vkUnmapMemory(_ device: VkDevice?, _ memory: VkDeviceMemory?) {
  publishPages(device, memory)
}

func hook_vkFlushMappedMemoryRanges(
  _ device: VkDevice?, _ memoryRangeCount: UInt32,
  _ pMemoryRanges: UnsafePointer<VkMappedMemoryRange>?
) -> VkResult {
  var i = 0
  while i < Int(memoryRangeCount), let range = pMemoryRanges?[i] {
    guard publishPages(device, range.memory) else { return VK_ERROR_DEVICE_LOST }
    i &+= 1
  }
  return VK_SUCCESS
}

/// What a finished operation has written is there before the application can know that it is
/// finished.
func hook_vkInvalidateMappedMemoryRanges(
  _ device: VkDevice?, _ memoryRangeCount: UInt32,
  _ pMemoryRanges: UnsafePointer<VkMappedMemoryRange>?
) -> VkResult {
  guard let state = deviceState(of: device), state.pointee.connection.segment.lost == 0 else {
    return VK_ERROR_DEVICE_LOST
  }
  return VK_SUCCESS
}

/// Sends the written pages of one allocation ahead; false when the connection is lost.
@discardableResult
private func publishPages(_ device: VkDevice?, _ memory: VkDeviceMemory?) -> Bool {
  guard let state = deviceState(of: device), let known = memoryState(memory),
    let base = known.pointee.base, let writer = beginAsync(device: device)
  else { return deviceState(of: device)?.pointee.connection.segment.lost == 0 }
  var records = PageRecords(writer)
  records.collect(
    state.pointee.connection.tracker, id: handleID(memory), base,
    mappingSize(known.pointee.size))
  records.end()
  return endAsync(writer) == VK_SUCCESS
}
