import CPlatform
import CVulkan
import Client
import Ring
import Wire

// Vulkan, "Acquiring and presenting". Neither waits for the node: an image that can be acquired is
// free on the node as well, and a present is a record like any other.

// MARK: Acquire

func hook_vkAcquireNextImageKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?, _ timeout: UInt64,
  _ semaphore: VkSemaphore?, _ fence: VkFence?, _ pImageIndex: UnsafeMutablePointer<UInt32>?
) -> VkResult {
  guard let state = deviceState(of: device), let object = swapchainState(swapchain),
    let pImageIndex
  else { return VK_ERROR_SURFACE_LOST_KHR }
  switch object.pointee.presenter.acquire(nanoseconds: timeout) {
  case .image(let index):
    pImageIndex.pointee = index
    markSemaphoreAcquired(semaphore)
    if fence != nil { signalFenceLocally(fence, state.pointee.connection) }
    return object.pointee.presenter.status == .suboptimal ? VK_SUBOPTIMAL_KHR : VK_SUCCESS
  case .timeout: return timeout == 0 ? VK_NOT_READY : VK_TIMEOUT
  case .outOfDate: return VK_ERROR_OUT_OF_DATE_KHR
  case .surfaceLost: return VK_ERROR_SURFACE_LOST_KHR
  case .lost: return VK_ERROR_DEVICE_LOST
  }
}

func hook_vkAcquireNextImage2KHR(
  _ device: VkDevice?, _ pAcquireInfo: UnsafePointer<VkAcquireNextImageInfoKHR>?,
  _ pImageIndex: UnsafeMutablePointer<UInt32>?
) -> VkResult {
  guard let info = pAcquireInfo?.pointee else { return VK_ERROR_SURFACE_LOST_KHR }
  return hook_vkAcquireNextImageKHR(
    device, info.swapchain, info.timeout, info.semaphore, info.fence, pImageIndex)
}

/// Gives acquired images back unpresented. Their uses have ended, so the node need not be asked.
func hook_vkReleaseSwapchainImagesEXT(
  _ device: VkDevice?, _ pReleaseInfo: UnsafePointer<VkReleaseSwapchainImagesInfoEXT>?
) -> VkResult {
  guard let info = pReleaseInfo?.pointee, let object = swapchainState(info.swapchain) else {
    return VK_ERROR_SURFACE_LOST_KHR
  }
  var i = 0
  while i < Int(info.imageIndexCount), let index = info.pImageIndices?[i] {
    _ = object.pointee.presenter.giveBack(image: index)
    i &+= 1
  }
  return object.pointee.presenter.status == .surfaceLost ? VK_ERROR_SURFACE_LOST_KHR : VK_SUCCESS
}

// MARK: Present

/// What the chain of a VkPresentInfoKHR says of its n-th swapchain. Regions that have changed
/// (VK_KHR_incremental_present) are a hint that is not needed, and a device group has one device.
private struct PresentChain {
  private let fences: UnsafePointer<VkSwapchainPresentFenceInfoEXT>?
  private let modes: UnsafePointer<VkSwapchainPresentModeInfoEXT>?
  private let ids: UnsafePointer<VkPresentIdKHR>?

  init(_ chain: UnsafeRawPointer?) {
    fences = chained(VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_FENCE_INFO_EXT, in: chain)?
      .assumingMemoryBound(to: VkSwapchainPresentFenceInfoEXT.self)
    modes = chained(VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_MODE_INFO_EXT, in: chain)?
      .assumingMemoryBound(to: VkSwapchainPresentModeInfoEXT.self)
    ids = chained(VK_STRUCTURE_TYPE_PRESENT_ID_KHR, in: chain)?
      .assumingMemoryBound(to: VkPresentIdKHR.self)
  }

  /// Signalled when the present needs its semaphores no longer.
  func fence(_ i: Int) -> VkFence? {
    guard let fences, i < Int(fences.pointee.swapchainCount) else { return nil }
    return fences.pointee.pFences?[i]
  }

  /// The mode of this present and those that follow; nil: as before.
  func mode(_ i: Int) -> PresentMode? {
    guard let modes, i < Int(modes.pointee.swapchainCount) else { return nil }
    return modes.pointee.pPresentModes.flatMap { PresentMode(rawValue: $0[i].rawValue) }
  }

  /// 0: nobody waits for it.
  func id(_ i: Int) -> UInt64 {
    guard let ids, i < Int(ids.pointee.swapchainCount) else { return 0 }
    return ids.pointee.pPresentIds?[i] ?? 0
  }
}

func hook_vkQueuePresentKHR(
  _ queue: VkQueue?, _ pPresentInfo: UnsafePointer<VkPresentInfoKHR>?
) -> VkResult {
  guard let state = queueState(of: queue), let info = pPresentInfo?.pointee else {
    return VK_ERROR_DEVICE_LOST
  }
  var times = PresentTimes.now
  let chain = PresentChain(info.pNext)
  guard send(queue, state, info, chain, &times) == VK_SUCCESS else {
    var i = 0
    while i < Int(info.swapchainCount) {
      info.pResults?[i] = VK_ERROR_DEVICE_LOST
      i &+= 1
    }
    return VK_ERROR_DEVICE_LOST
  }
  var worst = VK_SUCCESS
  var i = 0
  while i < Int(info.swapchainCount) {
    let result = hand(info, chain, i, times)
    info.pResults?[i] = result
    // The first error counts, else the first thing to say.
    if result.rawValue < 0 ? worst.rawValue >= 0 : worst == VK_SUCCESS { worst = result }
    i &+= 1
  }
  return worst
}

/// The image of the n-th swapchain that is to be presented.
private func image(_ info: VkPresentInfoKHR, _ i: Int)
  -> (swapchain: UnsafeMutablePointer<SwapchainObject>, index: Int)?
{
  guard let swapchain = swapchainState(info.pSwapchains?[i]), let index = info.pImageIndices?[i],
    index < swapchain.pointee.imageCount
  else { return nil }
  return (swapchain, Int(index))
}

/// Tells the node: which semaphores to wait for, and which frames to bring. That is done whatever
/// has become of the windows: the waits and the fences are the queue's.
private func send(
  _ queue: VkQueue?, _ state: UnsafeMutablePointer<QueueObject>, _ info: VkPresentInfoKHR,
  _ chain: PresentChain, _ times: inout PresentTimes
) -> VkResult {
  guard let writer = beginAsync(queue: queue) else { return VK_ERROR_DEVICE_LOST }
  var announcement = Announcement(writer, state)
  var i = 0
  while i < Int(info.swapchainCount) {
    announcement.complete(chain.fence(i))
    i &+= 1
  }
  announcement.end()
  writer.pointee.begin(ControlOpcode.present)
  writer.pointee.u64(state.pointee.id)
  writer.pointee.u32(0)
  writer.pointee.u32(0)
  var waits: UInt32 = 0
  i = 0
  while i < Int(info.waitSemaphoreCount), let semaphore = info.pWaitSemaphores?[i] {
    // What an acquire signalled, the node never knew of.
    if !takeAcquired(semaphore) {
      writer.pointee.u64(handleID(semaphore))
      waits &+= 1
    }
    i &+= 1
  }
  var presents: UInt32 = 0
  i = 0
  while i < Int(info.swapchainCount) {
    if let (swapchain, index) = image(info, i) {
      let image = swapchain.pointee.images + index
      image.pointee.generation &+= 1
      writer.pointee.u64(swapchain.pointee.id)
      writer.pointee.u32(UInt32(truncatingIfNeeded: index))
      writer.pointee.u32(image.pointee.slot)
      writer.pointee.u64(image.pointee.generation)
      presents &+= 1
    }
    i &+= 1
  }
  writer.pointee.patch(16, waits)
  writer.pointee.patch(20, presents)
  writer.pointee.end()
  times.submitted = platform_now()
  return endAsync(writer)
}

/// Hands the n-th image to its presenter.
private func hand(
  _ info: VkPresentInfoKHR, _ chain: PresentChain, _ i: Int, _ times: PresentTimes
) -> VkResult {
  guard let (swapchain, index) = image(info, i) else { return VK_ERROR_SURFACE_LOST_KHR }
  let image = swapchain.pointee.images[index]
  let status = swapchain.pointee.presenter.present(
    image: UInt32(truncatingIfNeeded: index), slot: image.slot, value: image.generation,
    mode: chain.mode(i), id: chain.id(i), times: times)
  switch status {
  case .suboptimal: return VK_SUBOPTIMAL_KHR
  case .surfaceLost: return VK_ERROR_SURFACE_LOST_KHR
  // A replaced swapchain still shows what was acquired before.
  case .optimal, .outOfDate: return VK_SUCCESS
  }
}

// MARK: Wait

func hook_vkWaitForPresentKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?, _ presentId: UInt64, _ timeout: UInt64
) -> VkResult {
  guard let object = swapchainState(swapchain) else { return VK_ERROR_SURFACE_LOST_KHR }
  switch object.pointee.presenter.waitForPresent(id: presentId, nanoseconds: timeout) {
  case .shown: return VK_SUCCESS
  case .timeout: return VK_TIMEOUT
  case .outOfDate: return VK_ERROR_OUT_OF_DATE_KHR
  case .surfaceLost: return VK_ERROR_SURFACE_LOST_KHR
  case .lost: return VK_ERROR_DEVICE_LOST
  }
}
