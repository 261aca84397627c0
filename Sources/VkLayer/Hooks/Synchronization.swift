import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Synchronization and Cache Control". Fences live here alone; the values of timeline
// semaphores are pushed into slots. Looking at either is one load, waiting for either is a futex.

// MARK: Fences

func hook_vkCreateFence(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkFenceCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, _ pFence: UnsafeMutablePointer<VkFence?>?
) -> VkResult {
  guard let state = deviceState(of: device), let pCreateInfo, let pFence else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let connection = state.pointee.connection
  let slot = connection.allocateSlot()
  let id = makeID(.fence, device: device)
  guard slot != ControlField.noSlot, let fence = fenceState(handlePointer(id)) else {
    connection.releaseSlot(slot)
    didDestroy(.fence, id)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let before = platform_load64(connection.segment.slot(slot))
  fence.initialize(to: FenceState(slot: slot, submitted: before, reset: before))
  pFence.pointee = handlePointer(id)
  if pCreateInfo.pointee.flags & VK_FENCE_CREATE_SIGNALED_BIT.rawValue != 0 {
    signalFenceLocally(pFence.pointee, connection)
  }
  return VK_SUCCESS
}

func hook_vkDestroyFence(
  _ device: VkDevice?, _ fence: VkFence?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let state = deviceState(of: device), let known = fenceState(fence) else { return }
  state.pointee.connection.releaseSlot(known.pointee.slot)
  didDestroy(.fence, handleID(fence))
}

func hook_vkResetFences(
  _ device: VkDevice?, _ fenceCount: UInt32, _ pFences: UnsafePointer<VkFence?>?
) -> VkResult {
  var i = 0
  while i < Int(fenceCount), let pFences {
    if let fence = fenceState(pFences[i]) { fence.pointee.reset = fence.pointee.submitted }
    i &+= 1
  }
  return VK_SUCCESS
}

func hook_vkGetFenceStatus(_ device: VkDevice?, _ fence: VkFence?) -> VkResult {
  guard let state = deviceState(of: device), let known = fenceState(fence) else {
    return VK_ERROR_DEVICE_LOST
  }
  if isSignalled(known, state.pointee.connection) { return VK_SUCCESS }
  return state.pointee.connection.segment.lost == 0 ? VK_NOT_READY : VK_ERROR_DEVICE_LOST
}

func hook_vkWaitForFences(
  _ device: VkDevice?, _ fenceCount: UInt32, _ pFences: UnsafePointer<VkFence?>?,
  _ waitAll: VkBool32, _ timeout: UInt64
) -> VkResult {
  guard let state = deviceState(of: device), let pFences else { return VK_ERROR_DEVICE_LOST }
  let count = Int(fenceCount)
  return withUnsafeTemporaryAllocation(of: WaitTarget.self, capacity: max(count, 1)) { targets in
    var i = 0
    // Who waits for one fence that is not signalled yet sees how long its submit takes.
    var submittedAt: UInt64 = 0
    while i < count {
      guard let fence = fenceState(pFences[i]) else { return VK_ERROR_DEVICE_LOST }
      targets[i] = WaitTarget(slot: fence.pointee.slot, value: fence.pointee.reset &+ 1)
      if count == 1, !isSignalled(fence, state.pointee.connection) {
        submittedAt = fence.pointee.submittedAt
      }
      i &+= 1
    }
    let result = wait(state, targets, count, all: waitAll != VK_FALSE, timeout)
    if result == VK_SUCCESS, submittedAt != 0 {
      state.pointee.connection.segment.record(
        Histogram.submitToFence, nanoseconds: platform_now() &- submittedAt)
    }
    return result
  }
}

private func wait(
  _ device: UnsafeMutablePointer<DeviceObject>,
  _ targets: UnsafeMutableBufferPointer<WaitTarget>, _ count: Int, all: Bool, _ timeout: UInt64
) -> VkResult {
  let list = UnsafeBufferPointer(start: UnsafePointer(targets.baseAddress), count: count)
  switch device.pointee.connection.wait(list, all: all, nanoseconds: timeout) {
  case .done: return VK_SUCCESS
  case .timeout: return VK_TIMEOUT
  case .lost: return VK_ERROR_DEVICE_LOST
  }
}

// MARK: Semaphores

func hook_vkCreateSemaphore(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkSemaphoreCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSemaphore: UnsafeMutablePointer<VkSemaphore?>?
) -> VkResult {
  guard let state = deviceState(of: device), let pCreateInfo, let pSemaphore else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let connection = state.pointee.connection
  let id = makeID(.semaphore, device: device)
  guard let semaphore = semaphoreState(handlePointer(id)) else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  semaphore.pointee.slot = ControlField.noSlot
  if let initial = timelineInitialValue(pCreateInfo.pointee.pNext) {
    let slot = connection.allocateSlot()
    guard slot != ControlField.noSlot else {
      didDestroy(.semaphore, id)
      return VK_ERROR_OUT_OF_HOST_MEMORY
    }
    platform_store64_seq(connection.segment.slot(slot), initial)
    semaphore.pointee.slot = slot
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateSemaphore(&writer.pointee, device, pCreateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pSemaphore.pointee = handlePointer(id)
  return VK_SUCCESS
}

/// The initial value when the chain asks for a timeline, else nil.
private func timelineInitialValue(_ chain: UnsafeRawPointer?) -> UInt64? {
  guard
    let found = chained(VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, in: chain)?
      .assumingMemoryBound(to: VkSemaphoreTypeCreateInfo.self),
    found.pointee.semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE
  else { return nil }
  return found.pointee.initialValue
}

func hook_vkDestroySemaphore(
  _ device: VkDevice?, _ semaphore: VkSemaphore?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let semaphore, let state = deviceState(of: device) else { return }
  if let known = semaphoreState(semaphore), known.pointee.slot != ControlField.noSlot {
    state.pointee.connection.releaseSlot(known.pointee.slot)
  }
  if let writer = beginAsync(device: device) {
    encode_vkDestroySemaphore(&writer.pointee, device, semaphore)
    endAsync(writer)
  }
  didDestroy(.semaphore, handleID(semaphore))
}

func hook_vkGetSemaphoreCounterValue(
  _ device: VkDevice?, _ semaphore: VkSemaphore?, _ pValue: UnsafeMutablePointer<UInt64>?
) -> VkResult {
  guard let state = deviceState(of: device), let known = semaphoreState(semaphore),
    known.pointee.slot < SegmentLayout.slotCount, state.pointee.connection.segment.lost == 0
  else { return VK_ERROR_DEVICE_LOST }
  pValue?.pointee = platform_load64(state.pointee.connection.segment.slot(known.pointee.slot))
  return VK_SUCCESS
}

func hook_vkWaitSemaphores(
  _ device: VkDevice?, _ pWaitInfo: UnsafePointer<VkSemaphoreWaitInfo>?, _ timeout: UInt64
) -> VkResult {
  guard let state = deviceState(of: device), let info = pWaitInfo?.pointee,
    let semaphores = info.pSemaphores, let values = info.pValues
  else { return VK_ERROR_DEVICE_LOST }
  let count = Int(info.semaphoreCount)
  return withUnsafeTemporaryAllocation(of: WaitTarget.self, capacity: max(count, 1)) { targets in
    var i = 0
    while i < count {
      guard let semaphore = semaphoreState(semaphores[i]) else { return VK_ERROR_DEVICE_LOST }
      targets[i] = WaitTarget(slot: semaphore.pointee.slot, value: values[i])
      i &+= 1
    }
    let any = info.flags & VK_SEMAPHORE_WAIT_ANY_BIT.rawValue != 0
    return wait(state, targets, count, all: !any, timeout)
  }
}

/// Signals on the node, for the submits that wait there, and at once on the client.
func hook_vkSignalSemaphore(
  _ device: VkDevice?, _ pSignalInfo: UnsafePointer<VkSemaphoreSignalInfo>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pSignalInfo?.pointee,
    let writer = beginAsync(device: device)
  else { return VK_ERROR_DEVICE_LOST }
  collectWrittenPages(state, into: writer)
  encode_vkSignalSemaphore(&writer.pointee, device, pSignalInfo)
  let result = endAsync(writer)
  if let semaphore = semaphoreState(info.semaphore) {
    state.pointee.connection.segment.complete(slot: semaphore.pointee.slot, value: info.value)
  }
  return result
}

// MARK: Events

/// The host's writes before this are visible to what waits for the event.
func hook_vkSetEvent(_ device: VkDevice?, _ event: VkEvent?) -> VkResult {
  guard let state = deviceState(of: device), let writer = beginAsync(device: device) else {
    return VK_ERROR_DEVICE_LOST
  }
  collectWrittenPages(state, into: writer)
  encode_vkSetEvent(&writer.pointee, device, event)
  return endAsync(writer)
}

func hook_vkResetEvent(_ device: VkDevice?, _ event: VkEvent?) -> VkResult {
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkResetEvent(&writer.pointee, device, event)
  return endAsync(writer)
}

// MARK: Waiting for everything

func hook_vkQueueWaitIdle(_ queue: VkQueue?) -> VkResult {
  guard let state = queueState(of: queue) else { return VK_ERROR_DEVICE_LOST }
  return waitUntilIdle(state)
}

/// Everything that was submitted before has a sequence number up to the queue's present one.
private func waitUntilIdle(_ queue: UnsafeMutablePointer<QueueObject>) -> VkResult {
  let connection = queue.pointee.device.pointee.connection
  let result = connection.wait(
    slot: queue.pointee.slot, value: queue.pointee.sequence, nanoseconds: UInt64.max)
  return result == .done ? VK_SUCCESS : VK_ERROR_DEVICE_LOST
}

func hook_vkDeviceWaitIdle(_ device: VkDevice?) -> VkResult {
  guard let state = deviceState(of: device) else { return VK_ERROR_DEVICE_LOST }
  var queue = state.pointee.queues
  while let known = queue {
    let result = waitUntilIdle(known)
    guard result == VK_SUCCESS else { return result }
    queue = known.pointee.next
  }
  return state.pointee.connection.segment.lost == 0 ? VK_SUCCESS : VK_ERROR_DEVICE_LOST
}

// MARK: Chains

/// The structure of this type in a chain, or nil.
func chained(_ type: VkStructureType, in chain: UnsafeRawPointer?) -> UnsafeRawPointer? {
  var next = chain
  while let entry = next?.assumingMemoryBound(to: VkBaseInStructure.self) {
    if entry.pointee.sType == type { return UnsafeRawPointer(entry) }
    next = entry.pointee.pNext.map { UnsafeRawPointer($0) }
  }
  return nil
}
