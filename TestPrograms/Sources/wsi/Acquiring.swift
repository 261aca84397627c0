import CVulkan
import Workbench

/// Acquires with a fence, a semaphore, both, by either command, over and over with the same objects.
func acquireEveryWay() {
  let target = Target()
  var wishes = Wishes()
  wishes.mode = isHeadless ? VK_PRESENT_MODE_FIFO_KHR : VK_PRESENT_MODE_IMMEDIATE_KHR
  let swapchain = Swapchain(target, wishes)
  let fence = device.makeFence()
  let drawn = makeSemaphore()
  let acquired = makeSemaphore()
  for round in 0..<24 {
    let (usesFence, usesSemaphore) = ([(true, false), (false, true), (true, true)][round % 3])
    let (result, index) =
      round % 2 == 0
      ? swapchain.acquire(usesSemaphore ? acquired : nil, usesFence ? fence : nil)
      : swapchain.acquire2(usesSemaphore ? acquired : nil, usesFence ? fence : nil)
    expect(result == VK_SUCCESS, "acquire \(round) returned \(name(result))")
    if usesFence {
      device.wait(fence)
      expect(
        vkGetFenceStatus(device.handle, fence) == VK_SUCCESS, "a fence lost its signal")
      var one: VkFence? = fence
      check(vkResetFences(device.handle, 1, &one), "vkResetFences")
      expect(
        vkGetFenceStatus(device.handle, fence) == VK_NOT_READY, "a fence was not reset")
      expect(
        vkWaitForFences(device.handle, 1, &one, 1, 1_000_000) == VK_TIMEOUT,
        "a wait for a fence that was reset did not end in time")
    }
    let image = swapchain.images[Int(index)]
    var waits = usesSemaphore ? [acquired] : []
    // A submit of its own for the wait, one with a chain, and the common case.
    switch round / 3 % 3 {
    case 0: break
    case 1:
      clear([], .red, waitingFor: waits)
      waits = []
    default:
      var group = VkDeviceGroupSubmitInfo()
      group.sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO
      group.waitSemaphoreCount = UInt32(waits.count)
      group.pWaitSemaphoreDeviceIndices = keep(waits.map { _ in UInt32(0) })
      group.commandBufferCount = 1
      group.pCommandBufferDeviceMasks = keep(UInt32(1))
      clear([], .red, waitingFor: waits, chain: UnsafeRawPointer(keep(group)))
      waits = []
    }
    clear([image], round == 23 ? .green : .red, waitingFor: waits, signalling: [drawn])
    let shown = present([(swapchain, index)], waitingFor: [drawn])
    expect(shown.result == VK_SUCCESS, "present \(round) returned \(name(shown.result))")
    check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  }
  target.waitForPixel(8, 8, Color.green.pixel)
  // An acquired image may be presented without a wait, and its semaphore waited for by the present.
  let (result, index) = swapchain.acquire(acquired)
  expect(result == VK_SUCCESS, "acquire returned \(name(result))")
  let shown = present([(swapchain, index)], waitingFor: [acquired])
  expect(shown.result == VK_SUCCESS, "present returned \(name(shown.result))")
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}

/// Acquires that cannot succeed end when they should.
func acquireInTime() {
  let target = Target()
  let swapchain = Swapchain(target)
  for _ in swapchain.images { _ = swapchain.acquireReady() }
  let fence = device.makeFence()
  for timeout in [0, 1, 5_000_000, 40_000_000] as [UInt64] {
    let start = now()
    let (result, _) = swapchain.acquire(timeout: timeout, nil, fence)
    let time = now() - start
    expect(
      result == (timeout == 0 ? VK_NOT_READY : VK_TIMEOUT),
      "an acquire of \(timeout) ns returned \(name(result))")
    expect(time >= timeout, "an acquire of \(timeout) ns ended after \(time)")
    expect(time < timeout + 500_000_000, "an acquire of \(timeout) ns ended after \(time)")
    expect(
      vkGetFenceStatus(device.handle, fence) == VK_NOT_READY, "a failed acquire signalled a fence")
  }
  // The one that is presented comes back, and it alone.
  clear([swapchain.images[1]], .green)
  expect(present([(swapchain, 1)]).result == VK_SUCCESS, "present failed")
  let (result, index) = swapchain.acquire()
  expect(result == VK_SUCCESS && index == 1, "acquire returned \(name(result)), image \(index)")
  expect(swapchain.acquire(timeout: 0).result == VK_NOT_READY, "an image came from nowhere")
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}
