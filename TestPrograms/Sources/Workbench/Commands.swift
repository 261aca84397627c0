import CVulkan

/// A command buffer being recorded. Used by one thread at a time, like its pool.
public final class Commands: @unchecked Sendable {
  public let handle: VkCommandBuffer

  public init(
    _ device: Device, pool: VkCommandPool? = nil,
    level: VkCommandBufferLevel = VK_COMMAND_BUFFER_LEVEL_PRIMARY
  ) {
    var info = VkCommandBufferAllocateInfo()
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
    info.commandPool = pool ?? device.pool
    info.level = level
    info.commandBufferCount = 1
    var handle: VkCommandBuffer?
    check(vkAllocateCommandBuffers(device.handle, &info, &handle), "vkAllocateCommandBuffers")
    self.handle = handle!
  }

  public func begin(_ flags: UInt32 = 0, inheriting: VkCommandBufferInheritanceInfo? = nil) {
    var info = VkCommandBufferBeginInfo()
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
    info.flags = flags
    if let inheriting { info.pInheritanceInfo = keep(inheriting) }
    check(vkBeginCommandBuffer(handle, &info), "vkBeginCommandBuffer")
  }

  public func end() { check(vkEndCommandBuffer(handle), "vkEndCommandBuffer") }

  /// Orders everything before against everything behind, the host included.
  public func barrier() {
    var barrier = VkMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
    barrier.srcAccessMask = bits(VK_ACCESS_MEMORY_WRITE_BIT, VK_ACCESS_HOST_WRITE_BIT)
    barrier.dstAccessMask = bits(
      VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT, VK_ACCESS_HOST_READ_BIT)
    let stages = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT)
    vkCmdPipelineBarrier(handle, stages, stages, 0, 1, &barrier, 0, nil, 0, nil)
  }

  public func copy(
    _ source: Buffer, _ target: Buffer, count: Int, from: Int = 0, to: Int = 0
  ) {
    var region = VkBufferCopy(
      srcOffset: UInt64(from), dstOffset: UInt64(to), size: UInt64(count))
    vkCmdCopyBuffer(handle, source.handle, target.handle, 1, &region)
    barrier()
  }

  /// Copies level 0 of an image, which must be in a layout that copies can read.
  public func copy(_ source: Image, _ target: Buffer, at offset: Int = 0) {
    var region = VkBufferImageCopy()
    region.bufferOffset = UInt64(offset)
    region.imageSubresource = source.layers()
    region.imageExtent = VkExtent3D(
      width: UInt32(source.width), height: UInt32(source.height), depth: 1)
    vkCmdCopyImageToBuffer(handle, source.handle, source.layout, target.handle, 1, &region)
    barrier()
  }

  /// Copies to level 0 of an image, which must be in a layout that copies can write.
  public func copy(_ source: Buffer, _ target: Image) {
    var region = VkBufferImageCopy()
    region.imageSubresource = target.layers()
    region.imageExtent = VkExtent3D(
      width: UInt32(target.width), height: UInt32(target.height), depth: 1)
    vkCmdCopyBufferToImage(handle, source.handle, target.handle, target.layout, 1, &region)
    barrier()
  }
}

extension Device {
  /// A pool of its own, for a thread.
  public func makePool() -> VkCommandPool {
    var info = VkCommandPoolCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
    info.queueFamilyIndex = family
    var pool: VkCommandPool?
    check(vkCreateCommandPool(handle, &info, nil, &pool), "vkCreateCommandPool")
    return own(pool, vkDestroyCommandPool)
  }

  public func makeFence(signaled: Bool = false) -> VkFence {
    var info = VkFenceCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO
    info.flags = signaled ? bits(VK_FENCE_CREATE_SIGNALED_BIT) : 0
    var fence: VkFence?
    check(vkCreateFence(handle, &info, nil, &fence), "vkCreateFence")
    return own(fence, vkDestroyFence)
  }

  public func reset(_ fence: VkFence) {
    var fence: VkFence? = fence
    check(vkResetFences(handle, 1, &fence), "vkResetFences")
  }

  /// A binary semaphore.
  public func makeSemaphore() -> VkSemaphore {
    var info = VkSemaphoreCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    var semaphore: VkSemaphore?
    check(vkCreateSemaphore(handle, &info, nil, &semaphore), "vkCreateSemaphore")
    return own(semaphore, vkDestroySemaphore)
  }

  /// Submits a batch without commands.
  public func submitNothing(fence: VkFence) {
    var info = VkSubmitInfo()
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
    check(vkQueueSubmit(queue, 1, &info, fence), "vkQueueSubmit")
  }

  /// Submits without waiting.
  public func submit(_ commands: Commands, fence: VkFence? = nil) {
    var info = VkSubmitInfo()
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
    info.commandBufferCount = 1
    var handle: VkCommandBuffer? = commands.handle
    withUnsafePointer(to: &handle) { handle in
      info.pCommandBuffers = handle
      check(vkQueueSubmit(queue, 1, &info, fence), "vkQueueSubmit")
    }
  }

  public func wait(_ fence: VkFence) {
    var fence: VkFence? = fence
    check(vkWaitForFences(handle, 1, &fence, 1, forever), "vkWaitForFences")
  }

  /// Records, submits and waits.
  public func run(_ record: (Commands) -> Void) {
    let commands = Commands(self)
    commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
    record(commands)
    commands.end()
    let fence = makeFence()
    submit(commands, fence: fence)
    wait(fence)
    discard(fence)
    var buffer: VkCommandBuffer? = commands.handle
    vkFreeCommandBuffers(handle, pool, 1, &buffer)
  }
}
