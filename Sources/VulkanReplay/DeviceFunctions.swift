import CVulkan

/// The driver's functions that this room itself calls, loaded once per device and never missing:
/// a device whose driver lacks one of them is not created.
struct DeviceFunctions {
  let destroyDevice: PFN_vkDestroyDevice
  let getDeviceQueue: PFN_vkGetDeviceQueue
  let queueSubmit: PFN_vkQueueSubmit
  let queueBindSparse: PFN_vkQueueBindSparse
  let deviceWaitIdle: PFN_vkDeviceWaitIdle
  let createFence: PFN_vkCreateFence
  let destroyFence: PFN_vkDestroyFence
  let resetFences: PFN_vkResetFences
  let waitForFences: PFN_vkWaitForFences
  let allocateMemory: PFN_vkAllocateMemory
  let freeMemory: PFN_vkFreeMemory
  let mapMemory: PFN_vkMapMemory
  let unmapMemory: PFN_vkUnmapMemory
  let flushMappedMemoryRanges: PFN_vkFlushMappedMemoryRanges
  let invalidateMappedMemoryRanges: PFN_vkInvalidateMappedMemoryRanges
  let getBufferMemoryRequirements: PFN_vkGetBufferMemoryRequirements
  let getImageMemoryRequirements: PFN_vkGetImageMemoryRequirements
  let bindBufferMemory: PFN_vkBindBufferMemory
  let bindImageMemory: PFN_vkBindImageMemory
  let createBuffer: PFN_vkCreateBuffer
  let destroyBuffer: PFN_vkDestroyBuffer
  let createImage: PFN_vkCreateImage
  let destroyImage: PFN_vkDestroyImage
  let createCommandPool: PFN_vkCreateCommandPool
  let destroyCommandPool: PFN_vkDestroyCommandPool
  let allocateCommandBuffers: PFN_vkAllocateCommandBuffers
  let beginCommandBuffer: PFN_vkBeginCommandBuffer
  let endCommandBuffer: PFN_vkEndCommandBuffer
  let cmdPipelineBarrier: PFN_vkCmdPipelineBarrier
  let cmdCopyBuffer: PFN_vkCmdCopyBuffer
  let cmdCopyImageToBuffer: PFN_vkCmdCopyImageToBuffer
  /// Of VK_KHR_synchronization2 or Vulkan 1.3, where the driver has it.
  let queueSubmit2: PFN_vkQueueSubmit2?
  /// Of VK_KHR_timeline_semaphore or Vulkan 1.2, where the driver has it.
  let waitSemaphores: PFN_vkWaitSemaphores?
  /// Of VK_EXT_external_memory_host, where the driver has it.
  let getMemoryHostPointerProperties: PFN_vkGetMemoryHostPointerPropertiesEXT?

  init(_ getProc: PFN_vkGetDeviceProcAddr, _ device: VkDevice) throws(ReplayError) {
    func find<F>(_ name: StaticString, _ type: F.Type) -> F? {
      getProc(device, cString(name)).map { unsafeBitCast($0, to: type) }
    }
    func load<F>(_ name: StaticString, _ type: F.Type) throws(ReplayError) -> F {
      guard let function = find(name, type) else {
        throw ReplayError(reason: 0, message: "the driver has no \(name)")
      }
      return function
    }
    destroyDevice = try load("vkDestroyDevice", PFN_vkDestroyDevice.self)
    getDeviceQueue = try load("vkGetDeviceQueue", PFN_vkGetDeviceQueue.self)
    queueSubmit = try load("vkQueueSubmit", PFN_vkQueueSubmit.self)
    queueBindSparse = try load("vkQueueBindSparse", PFN_vkQueueBindSparse.self)
    deviceWaitIdle = try load("vkDeviceWaitIdle", PFN_vkDeviceWaitIdle.self)
    createFence = try load("vkCreateFence", PFN_vkCreateFence.self)
    destroyFence = try load("vkDestroyFence", PFN_vkDestroyFence.self)
    resetFences = try load("vkResetFences", PFN_vkResetFences.self)
    waitForFences = try load("vkWaitForFences", PFN_vkWaitForFences.self)
    allocateMemory = try load("vkAllocateMemory", PFN_vkAllocateMemory.self)
    freeMemory = try load("vkFreeMemory", PFN_vkFreeMemory.self)
    unmapMemory = try load("vkUnmapMemory", PFN_vkUnmapMemory.self)
    cmdCopyBuffer = try load("vkCmdCopyBuffer", PFN_vkCmdCopyBuffer.self)
    mapMemory = try load("vkMapMemory", PFN_vkMapMemory.self)
    flushMappedMemoryRanges = try load(
      "vkFlushMappedMemoryRanges", PFN_vkFlushMappedMemoryRanges.self)
    invalidateMappedMemoryRanges = try load(
      "vkInvalidateMappedMemoryRanges", PFN_vkInvalidateMappedMemoryRanges.self)
    getBufferMemoryRequirements = try load(
      "vkGetBufferMemoryRequirements", PFN_vkGetBufferMemoryRequirements.self)
    getImageMemoryRequirements = try load(
      "vkGetImageMemoryRequirements", PFN_vkGetImageMemoryRequirements.self)
    bindBufferMemory = try load("vkBindBufferMemory", PFN_vkBindBufferMemory.self)
    bindImageMemory = try load("vkBindImageMemory", PFN_vkBindImageMemory.self)
    createBuffer = try load("vkCreateBuffer", PFN_vkCreateBuffer.self)
    destroyBuffer = try load("vkDestroyBuffer", PFN_vkDestroyBuffer.self)
    createImage = try load("vkCreateImage", PFN_vkCreateImage.self)
    destroyImage = try load("vkDestroyImage", PFN_vkDestroyImage.self)
    createCommandPool = try load("vkCreateCommandPool", PFN_vkCreateCommandPool.self)
    destroyCommandPool = try load("vkDestroyCommandPool", PFN_vkDestroyCommandPool.self)
    allocateCommandBuffers = try load(
      "vkAllocateCommandBuffers", PFN_vkAllocateCommandBuffers.self)
    beginCommandBuffer = try load("vkBeginCommandBuffer", PFN_vkBeginCommandBuffer.self)
    endCommandBuffer = try load("vkEndCommandBuffer", PFN_vkEndCommandBuffer.self)
    cmdPipelineBarrier = try load("vkCmdPipelineBarrier", PFN_vkCmdPipelineBarrier.self)
    cmdCopyImageToBuffer = try load("vkCmdCopyImageToBuffer", PFN_vkCmdCopyImageToBuffer.self)
    queueSubmit2 =
      find("vkQueueSubmit2", PFN_vkQueueSubmit2.self)
      ?? find("vkQueueSubmit2KHR", PFN_vkQueueSubmit2.self)
    waitSemaphores =
      find("vkWaitSemaphores", PFN_vkWaitSemaphores.self)
      ?? find("vkWaitSemaphoresKHR", PFN_vkWaitSemaphores.self)
    getMemoryHostPointerProperties = find(
      "vkGetMemoryHostPointerPropertiesEXT", PFN_vkGetMemoryHostPointerPropertiesEXT.self)
  }
}
