import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Command Buffers". vkCmd* are generated: each writes one record at the command buffer's
// own cursor. Here a recording begins, ends and goes.

// MARK: Pools

private func poolState(_ pool: VkCommandPool?) -> UnsafeMutablePointer<CommandPoolState>? {
  ObjectTable.state(of: handleID(pool), .commandPool)?
    .assumingMemoryBound(to: CommandPoolState.self)
}

func hook_vkCreateCommandPool(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkCommandPoolCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pCommandPool: UnsafeMutablePointer<VkCommandPool?>?
) -> VkResult {
  let id = makeID(.commandPool, device: device)
  guard id != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateCommandPool(&writer.pointee, device, pCreateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pCommandPool?.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyCommandPool(
  _ device: VkDevice?, _ commandPool: VkCommandPool?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let commandPool else { return }
  if let writer = beginAsync(device: device) {
    encode_vkDestroyCommandPool(&writer.pointee, device, commandPool)
    endAsync(writer)
  }
  var commandBuffer = poolState(commandPool)?.pointee.first
  while let known = commandBuffer {
    commandBuffer = known.pointee.next
    end(known)
  }
  didDestroy(.commandPool, handleID(commandPool))
}

func hook_vkResetCommandPool(
  _ device: VkDevice?, _ commandPool: VkCommandPool?, _ flags: VkCommandPoolResetFlags
) -> VkResult {
  var commandBuffer = poolState(commandPool)?.pointee.first
  while let known = commandBuffer {
    dropRecording(known)
    commandBuffer = known.pointee.next
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkResetCommandPool(&writer.pointee, device, commandPool, flags)
  return endAsync(writer)
}

func hook_vkTrimCommandPool(
  _ device: VkDevice?, _ commandPool: VkCommandPool?, _ flags: VkCommandPoolTrimFlags
) {
  guard let writer = beginAsync(device: device) else { return }
  encode_vkTrimCommandPool(&writer.pointee, device, commandPool, flags)
  endAsync(writer)
}

// MARK: Command buffers

func hook_vkAllocateCommandBuffers(
  _ device: VkDevice?, _ pAllocateInfo: UnsafePointer<VkCommandBufferAllocateInfo>?,
  _ pCommandBuffers: UnsafeMutablePointer<VkCommandBuffer?>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pAllocateInfo?.pointee,
    let pCommandBuffers, let pool = poolState(info.commandPool)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let count = Int(info.commandBufferCount)
  return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(count, 1)) { ids in
    var made = 0
    while made < count {
      guard let commandBuffer = makeCommandBuffer(device, state, info.level, pool) else { break }
      ids[made] = commandBuffer.pointee.id
      pCommandBuffers[made] = OpaquePointer(commandBuffer)
      made &+= 1
    }
    guard made == count, let writer = beginAsync(device: device) else {
      // All or nothing, and NULL for all when nothing.
      var i = 0
      while i < count {
        if i < made, let known = commandBufferState(of: pCommandBuffers[i]) {
          unlink(known, pool)
          end(known)
        }
        pCommandBuffers[i] = nil
        i &+= 1
      }
      return state.pointee.connection.segment.lost != 0
        ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_HOST_MEMORY
    }
    encode_vkAllocateCommandBuffers(
      &writer.pointee, device, pAllocateInfo, UnsafePointer(ids.baseAddress))
    return endAsync(writer)
  }
}

private func makeCommandBuffer(
  _ device: VkDevice?, _ state: UnsafeMutablePointer<DeviceObject>, _ level: VkCommandBufferLevel,
  _ pool: UnsafeMutablePointer<CommandPoolState>
) -> UnsafeMutablePointer<CommandBufferObject>? {
  let id = makeID(.commandBuffer, device: device)
  guard id != 0 else { return nil }
  let nowhere = state.pointee.connection.segment.base
  let object = CommandBufferObject(
    // Layers look at word 0 before the loader has set it: it is the device's then.
    loaderWord: state.pointee.loaderWord, id: id,
    writer: Writer(start: nowhere, capacity: 0, owner: nil, grow: growRecording), device: state,
    previous: nil, next: pool.pointee.first, chunks: ChunkList(),
    isSecondary: level == VK_COMMAND_BUFFER_LEVEL_SECONDARY, isRecording: false)
  guard let commandBuffer = makeObject(object) else {
    didDestroy(.commandBuffer, id)
    return nil
  }
  commandBuffer.pointee.writer.owner = UnsafeMutableRawPointer(commandBuffer)
  pool.pointee.first?.pointee.previous = commandBuffer
  pool.pointee.first = commandBuffer
  return commandBuffer
}

private func unlink(
  _ commandBuffer: UnsafeMutablePointer<CommandBufferObject>,
  _ pool: UnsafeMutablePointer<CommandPoolState>
) {
  if let previous = commandBuffer.pointee.previous {
    previous.pointee.next = commandBuffer.pointee.next
  } else {
    pool.pointee.first = commandBuffer.pointee.next
  }
  commandBuffer.pointee.next?.pointee.previous = commandBuffer.pointee.previous
}

/// Frees a command buffer whose end has been published, or that was never published.
private func end(_ commandBuffer: UnsafeMutablePointer<CommandBufferObject>) {
  dropRecording(commandBuffer)
  commandBuffer.pointee.chunks.free()
  didDestroy(.commandBuffer, commandBuffer.pointee.id)
  platform_free(commandBuffer)
}

/// Forgets what was recorded since the last vkEndCommandBuffer.
private func dropRecording(_ commandBuffer: UnsafeMutablePointer<CommandBufferObject>) {
  commandBuffer.pointee.chunks.releaseUnpublished(
    commandBuffer.pointee.device.pointee.connection.arena)
  setRecording(commandBuffer, false)
  closeWriter(commandBuffer)
}

/// Notes that a recording begins or ends, here and in the device's count.
private func setRecording(
  _ commandBuffer: UnsafeMutablePointer<CommandBufferObject>, _ isRecording: Bool
) {
  guard commandBuffer.pointee.isRecording != isRecording else { return }
  commandBuffer.pointee.isRecording = isRecording
  _ = platform_add32(&commandBuffer.pointee.device.pointee.recording, isRecording ? 1 : UInt32.max)
}

/// Leaves no room, so that whatever is recorded next asks `growRecording`, which refuses.
private func closeWriter(_ commandBuffer: UnsafeMutablePointer<CommandBufferObject>) {
  let nowhere = commandBuffer.pointee.device.pointee.connection.segment.base
  commandBuffer.pointee.writer.cursor = nowhere
  commandBuffer.pointee.writer.limit = nowhere
  commandBuffer.pointee.writer.record = nowhere
  commandBuffer.pointee.writer.failed = false
}

func hook_vkFreeCommandBuffers(
  _ device: VkDevice?, _ commandPool: VkCommandPool?, _ commandBufferCount: UInt32,
  _ pCommandBuffers: UnsafePointer<VkCommandBuffer?>?
) {
  if let writer = beginAsync(device: device) {
    encode_vkFreeCommandBuffers(
      &writer.pointee, device, commandPool, commandBufferCount, pCommandBuffers)
    endAsync(writer)
  }
  guard let pool = poolState(commandPool) else { return }
  var i = 0
  while i < Int(commandBufferCount), let pCommandBuffers {
    if let known = commandBufferState(of: pCommandBuffers[i]) {
      unlink(known, pool)
      end(known)
    }
    i &+= 1
  }
}

// MARK: Recording

func hook_vkBeginCommandBuffer(
  _ commandBuffer: VkCommandBuffer?, _ pBeginInfo: UnsafePointer<VkCommandBufferBeginInfo>?
) -> VkResult {
  guard let state = commandBufferState(of: commandBuffer) else { return VK_ERROR_DEVICE_LOST }
  guard state.pointee.device.pointee.connection.segment.lost == 0 else {
    return VK_ERROR_DEVICE_LOST
  }
  dropRecording(state)
  setRecording(state, true)
  guard let begin = pBeginInfo?.pointee else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  var info = begin
  // A primary's pointer may be anything.
  if !state.pointee.isSecondary { info.pInheritanceInfo = nil }
  encode_vkBeginCommandBuffer(&state.pointee.writer, &info)
  return state.pointee.writer.failed ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_SUCCESS
}

/// Publishes the recording by reference: the readers take it out of the arena.
func hook_vkEndCommandBuffer(_ commandBuffer: VkCommandBuffer?) -> VkResult {
  guard let state = commandBufferState(of: commandBuffer), state.pointee.isRecording else {
    return VK_ERROR_DEVICE_LOST
  }
  encode_vkEndCommandBuffer(&state.pointee.writer)
  guard !state.pointee.writer.failed else {
    dropRecording(state)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  closeChunk(state, state.pointee.writer.cursor)
  setRecording(state, false)
  let device = state.pointee.device
  let channel = device.pointee.channel
  guard let writer = channel.begin() else {
    dropRecording(state)
    return VK_ERROR_DEVICE_LOST
  }
  let chunks = state.pointee.chunks
  writer.pointee.begin(ControlOpcode.commandBuffer)
  writer.pointee.u64(state.pointee.id)
  writer.pointee.u32(UInt32(truncatingIfNeeded: chunks.count))
  writer.pointee.u32(state.pointee.isSecondary ? ControlField.secondary : 0)
  var total: UInt64 = 0
  var i = 0
  while i < chunks.count, let chunk = chunks.chunks?[i] {
    writer.pointee.u64(chunk.offset)
    writer.pointee.u64(chunk.used)
    total &+= chunk.used
    i &+= 1
  }
  writer.pointee.end()
  _ = channel.flush()
  i = 0
  while i < chunks.count, let chunk = chunks.chunks?[i] {
    channel.retire(.arena, offset: chunk.offset, size: chunk.size)
    i &+= 1
  }
  state.pointee.chunks.removeAll()
  closeWriter(state)
  if device.pointee.retiredLayouts.count > 0,
    platform_load32_seq(&device.pointee.recording) == 0
  {
    device.pointee.retiredLayouts.flush(OpaquePointer(device), into: writer)
  }
  device.pointee.connection.segment.count(Counter.commandBufferBytes, total)
  return channel.end() ? VK_SUCCESS : VK_ERROR_DEVICE_LOST
}

func hook_vkResetCommandBuffer(
  _ commandBuffer: VkCommandBuffer?, _ flags: VkCommandBufferResetFlags
) -> VkResult {
  guard let state = commandBufferState(of: commandBuffer) else { return VK_ERROR_DEVICE_LOST }
  dropRecording(state)
  guard let writer = beginAsync(commandBuffer: commandBuffer) else { return VK_ERROR_DEVICE_LOST }
  encode_vkResetCommandBuffer(&writer.pointee, commandBuffer, flags)
  return endAsync(writer)
}
