import CVulkan
import Glibc
import Workbench

// VK_KHR_present_id, VK_KHR_present_wait, VK_EXT_swapchain_maintenance1.

private func presentID(_ id: UInt64) -> UnsafeRawPointer {
  var info = VkPresentIdKHR()
  info.sType = VK_STRUCTURE_TYPE_PRESENT_ID_KHR
  info.swapchainCount = 1
  info.pPresentIds = keep(id)
  return UnsafeRawPointer(keep(info))
}

/// A wait for a present ends when its frame is in the window, and not before.
func waitForPresents() {
  need("VK_KHR_present_id", "VK_KHR_present_wait")
  let wait = device.function("vkWaitForPresentKHR", as: PFN_vkWaitForPresentKHR.self)
  let target = Target()
  for mode in modes(target) {
    var wishes = Wishes()
    wishes.mode = mode
    let swapchain = Swapchain(target, wishes)
    for timeout in [0, 30_000_000] as [UInt64] {
      let start = now()
      expect(
        wait(device.handle, swapchain.handle, 1, timeout) == VK_TIMEOUT, "nothing was presented")
      expect(now() - start >= timeout, "a wait of \(timeout) ns was too short")
      expect(now() - start < timeout + 500_000_000, "a wait of \(timeout) ns was too long")
    }
    for id in 1...12 as ClosedRange<UInt64> {
      let color: Color = id % 2 == 0 ? .green : .blue
      // Every third present has no id, and ids leave numbers out.
      let result = show(swapchain, color, chain: id % 3 == 0 ? nil : presentID(id * 10))
      expect(result == VK_SUCCESS, "present returned \(name(result))")
      guard id % 3 != 0 else { continue }
      check(wait(device.handle, swapchain.handle, id * 10 - 3, forever), "vkWaitForPresentKHR")
      check(wait(device.handle, swapchain.handle, id * 10, forever), "vkWaitForPresentKHR")
      if connection != nil {
        expect(target.pixel(8, 8) & 0xFF_FFFF == color.pixel, "a frame was announced too early")
      }
      expect(
        wait(device.handle, swapchain.handle, id * 10 + 1, 1_000_000) == VK_TIMEOUT,
        "a present that was not made has been shown")
    }
    check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
    swapchain.destroy()
  }
  if !isHeadless { loseWaitedWindow(wait, target) }
  target.destroy(withWindow: isHeadless)
}

/// A window that is destroyed ends the waits for its presents.
private func loseWaitedWindow(
  _ wait: @convention(c) (VkDevice?, VkSwapchainKHR?, UInt64, UInt64) -> VkResult, _ target: Target
) {
  let swapchain = Swapchain(target)
  target.destroyWindow()
  let result = show(swapchain, .red, chain: presentID(1))
  expect(
    result == VK_SUCCESS || result == VK_ERROR_SURFACE_LOST_KHR,
    "present returned \(name(result))")
  let waited = wait(device.handle, swapchain.handle, 1, 10_000_000_000)
  expect(waited == VK_ERROR_SURFACE_LOST_KHR, "the wait returned \(name(waited))")
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
}

/// The fence of a present: when it is signalled the semaphores may be destroyed.
func presentWithFences() {
  need("VK_EXT_swapchain_maintenance1")
  let targets = [Target(), Target()]
  let swapchains = targets.map { Swapchain($0) }
  var fences: [[VkFence]] = []
  for _ in 0..<10 {
    let made = swapchains.map { _ in device.makeFence() }
    let drawn = makeSemaphore()
    let indices = swapchains.map { $0.acquireReady() }
    clear(
      zip(swapchains, indices).map { $0.images[Int($1)] }, .green, signalling: [drawn])
    var info = VkSwapchainPresentFenceInfoEXT()
    info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_FENCE_INFO_EXT
    info.swapchainCount = 2
    info.pFences = keep(made.map(Optional.init))
    let shown = present(
      Array(zip(swapchains, indices)), waitingFor: [drawn], chain: UnsafeRawPointer(keep(info)))
    expect(shown.result == VK_SUCCESS, "present returned \(name(shown.result))")
    // In order: no fence is signalled before one of an earlier present.
    fences.append(made)
    var sawSignalled = false
    for pair in fences.reversed() {
      let isSignalled = vkGetFenceStatus(device.handle, pair[0]) == VK_SUCCESS
      expect(isSignalled || !sawSignalled, "fences are signalled out of order")
      sawSignalled = isSignalled
    }
    if fences.count % 3 == 0 {
      for fence in made { device.wait(fence) }
      device.discard(drawn)
    }
  }
  for pair in fences { for fence in pair { device.wait(fence) } }
  // All presents are over, and nothing else is waited for.
  for swapchain in swapchains { swapchain.destroy() }
  for target in targets { target.destroy() }
}

/// Every present in another mode.
func changeModes() {
  need("VK_EXT_swapchain_maintenance1")
  let target = Target()
  let all = modes(target)
  var created = VkSwapchainPresentModesCreateInfoEXT()
  created.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_MODES_CREATE_INFO_EXT
  created.presentModeCount = UInt32(all.count)
  created.pPresentModes = keep(all)
  var wishes = Wishes()
  wishes.chain = UnsafeRawPointer(keep(created))
  wishes.flags = bits(VK_SWAPCHAIN_CREATE_DEFERRED_MEMORY_ALLOCATION_BIT_EXT)
  let swapchain = Swapchain(target, wishes)
  expect(
    swapchain.images.count >= (isHeadless ? 3 : 5), "\(swapchain.images.count) images")
  for round in 0..<40 {
    var info = VkSwapchainPresentModeInfoEXT()
    info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_MODE_INFO_EXT
    info.swapchainCount = 1
    info.pPresentModes = keep(all[(round * 7 + round / 5) % all.count])
    let result = show(
      swapchain, round == 39 ? .blue : .white,
      chain: round % 4 == 3 ? nil : UnsafeRawPointer(keep(info)))
    expect(result == VK_SUCCESS, "present \(round) returned \(name(result))")
  }
  target.waitForPixel(8, 8, Color.blue.pixel)
  // FIFO again: now the frames are paced.
  var info = VkSwapchainPresentModeInfoEXT()
  info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_MODE_INFO_EXT
  info.swapchainCount = 1
  info.pPresentModes = keep(VK_PRESENT_MODE_FIFO_KHR)
  let start = now()
  for round in 0..<30 {
    _ = show(swapchain, .white, chain: round == 0 ? UnsafeRawPointer(keep(info)) : nil)
  }
  expect(now() - start >= 20 * 4_000_000, "30 frames took \((now() - start) / 1000) us")
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}

/// Acquired images that are given back unpresented can be acquired again.
func releaseImages() {
  need("VK_EXT_swapchain_maintenance1")
  let command = device.function(
    "vkReleaseSwapchainImagesEXT", as: PFN_vkReleaseSwapchainImagesEXT.self)
  func release(_ swapchain: Swapchain, _ indices: [UInt32]) -> VkResult {
    var info = VkReleaseSwapchainImagesInfoEXT()
    info.sType = VK_STRUCTURE_TYPE_RELEASE_SWAPCHAIN_IMAGES_INFO_EXT
    info.swapchain = swapchain.handle
    info.imageIndexCount = UInt32(indices.count)
    info.pImageIndices = keep(indices)
    return command(device.handle, &info)
  }
  let target = Target()
  var swapchain = Swapchain(target)
  for round in 0..<20 {
    let held = swapchain.images.map { _ in swapchain.acquireReady() }
    expect(Set(held).count == held.count, "an image was acquired twice: \(held)")
    expect(swapchain.acquire(timeout: 0).result == VK_NOT_READY, "one image too many")
    clear([swapchain.images[Int(held[round % held.count])]], .green)
    let result = present([(swapchain, held[round % held.count])]).result
    expect(result == VK_SUCCESS, "present returned \(name(result))")
    var others = held
    others.remove(at: round % held.count)
    check(release(swapchain, others.reversed()), "vkReleaseSwapchainImagesEXT")
  }
  target.waitForPixel(8, 8, Color.green.pixel)
  // A swapchain that was replaced takes images back as well.
  let held = swapchain.acquireReady()
  var wishes = Wishes()
  wishes.old = swapchain
  let new = Swapchain(target, wishes)
  check(release(swapchain, [held]), "vkReleaseSwapchainImagesEXT")
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  swapchain = new
  expect(show(swapchain, .blue) == VK_SUCCESS, "present failed")
  target.waitForPixel(8, 8, Color.blue.pixel)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}

/// Frames of another size than the window lie where they are told to.
func placeFrames() {
  need("VK_EXT_swapchain_maintenance1")
  if isHeadless {
    say("skipped: nothing to see")
    exit(77)
  }
  let gravities = [
    VK_PRESENT_GRAVITY_MIN_BIT_EXT, VK_PRESENT_GRAVITY_CENTERED_BIT_EXT,
    VK_PRESENT_GRAVITY_MAX_BIT_EXT,
  ]
  for x in 0..<3 {
    for y in 0..<3 {
      let target = Target(96, 64)
      var info = VkSwapchainPresentScalingCreateInfoEXT()
      info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_SCALING_CREATE_INFO_EXT
      info.scalingBehavior = bits(VK_PRESENT_SCALING_ONE_TO_ONE_BIT_EXT)
      info.presentGravityX = bits(gravities[x])
      info.presentGravityY = bits(gravities[y])
      var wishes = Wishes()
      wishes.chain = UnsafeRawPointer(keep(info))
      wishes.extent = VkExtent2D(width: 32, height: 32)
      let small = Swapchain(target, wishes)
      expect(show(small, .green) == VK_SUCCESS, "present failed")
      let (left, top) = (32 * x, 16 * y)
      for (dx, dy) in [(0, 0), (31, 0), (0, 31), (31, 31)] {
        target.waitForPixel(left + dx, top + dy, Color.green.pixel)
      }
      expect(
        left == 0 || target.pixel(left - 1, top) & 0xFF_FFFF == 0, "a frame is too far to the left")
      expect(
        top == 0 || target.pixel(left, top - 1) & 0xFF_FFFF == 0, "a frame is too far up")
      // The window grows away from it: it is still presented, and well.
      target.resize(200, 100)
      expect(show(small, .blue) == VK_SUCCESS, "present failed")
      target.waitForPixel(84 * x + 16, 34 * y + 16, Color.blue.pixel)
      expect(show(small, .blue) == VK_SUCCESS, "a frame of another size is not presented well")
      check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
      small.destroy()
      target.destroy()
    }
  }
}
