import CVulkan
import Workbench

/// One present of several swapchains, with every structure that a core driver may find in its chain.
func presentSeveral() {
  let targets = (0..<3).map { _ in Target() }
  let swapchains = targets.map { Swapchain($0) }
  let colors: [Color] = [.red, .green, .blue]
  for round in 0..<4 {
    let acquired = swapchains.map { _ in makeSemaphore() }
    let drawn = makeSemaphore()
    let indices = zip(swapchains, acquired).map { $0.acquireReady($1) }
    for (n, swapchain) in swapchains.enumerated() {
      clear(
        [swapchain.images[Int(indices[n])]], colors[(n + round) % 3], waitingFor: [acquired[n]],
        signalling: n == 2 ? [drawn] : [])
    }
    var group = VkDeviceGroupPresentInfoKHR()
    group.sType = VK_STRUCTURE_TYPE_DEVICE_GROUP_PRESENT_INFO_KHR
    group.swapchainCount = 3
    group.pDeviceMasks = keep([1, 1, 1])
    group.mode = VK_DEVICE_GROUP_PRESENT_MODE_LOCAL_BIT_KHR
    var chain = UnsafeRawPointer(keep(group))
    if device.extensions.contains("VK_KHR_incremental_present") {
      let rectangle = VkRectLayerKHR(
        offset: VkOffset2D(x: 0, y: 0), extent: VkExtent2D(width: 1, height: 1), layer: 0)
      let region = VkPresentRegionKHR(rectangleCount: 1, pRectangles: keep(rectangle))
      var regions = VkPresentRegionsKHR()
      regions.sType = VK_STRUCTURE_TYPE_PRESENT_REGIONS_KHR
      regions.pNext = chain
      regions.swapchainCount = 3
      // Without rectangles everything has changed.
      let everything = VkPresentRegionKHR(rectangleCount: 0, pRectangles: nil)
      regions.pRegions = keep([round == 0 ? everything : region, everything, everything])
      chain = UnsafeRawPointer(keep(regions))
    }
    let shown = present(
      Array(zip(swapchains, indices)), waitingFor: [drawn], chain: round < 2 ? nil : chain)
    say("present: \(name(shown.result)) \(shown.each.map { name($0) })")
    // A hint that nearly nothing has changed may be taken: what is checked is whole.
    for (n, target) in targets.enumerated() where round < 2 || n != 0 {
      target.waitForPixel(50, 50, colors[(n + round) % 3].pixel)
    }
  }
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  for swapchain in swapchains { swapchain.destroy() }
  for target in targets { target.destroy() }
}

/// Sixteen windows at once, all presented by one command, again and again.
func presentTogether() {
  let targets = (0..<16).map { _ in Target(32, 32) }
  var wishes = Wishes()
  wishes.mode = VK_PRESENT_MODE_MAILBOX_KHR
  let swapchains = targets.map { Swapchain($0, wishes) }
  let drawn = makeSemaphore()
  for round in 0..<20 {
    let indices = swapchains.map { $0.acquireReady() }
    let images = zip(swapchains, indices).map { $0.images[Int($1)] }
    clear(images, round == 19 ? .blue : .white, signalling: [drawn])
    let shown = present(Array(zip(swapchains, indices)), waitingFor: [drawn])
    expect(shown.each.allSatisfy { $0 == VK_SUCCESS }, "round \(round): \(name(shown.result))")
  }
  for target in targets { target.waitForPixel(8, 8, Color.blue.pixel) }
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  for swapchain in swapchains { swapchain.destroy() }
  for target in targets { target.destroy() }
}

/// Frames come no faster than refreshes in FIFO, and without waiting in the others; no present waits.
func paceFrames() {
  let target = Target()
  for mode in modes(target) {
    var wishes = Wishes()
    wishes.mode = mode
    let swapchain = Swapchain(target, wishes)
    var slowest: UInt64 = 0
    _ = show(swapchain, .white)
    let frames: UInt64 = 40
    let start = now()
    for _ in 0..<frames {
      let index = swapchain.acquireReady()
      clear([swapchain.images[Int(index)]], .white)
      let before = now()
      let result = present([(swapchain, index)]).result
      slowest = max(slowest, now() - before)
      expect(result == VK_SUCCESS, "present returned \(name(result))")
    }
    let time = now() - start
    let isPaced = mode == VK_PRESENT_MODE_FIFO_KHR || mode == VK_PRESENT_MODE_FIFO_RELAXED_KHR
    // As many frames as there are images may be on their way; no display here is faster than 250 Hz.
    let least = isPaced ? (frames - UInt64(swapchain.images.count) - 1) * 4_000_000 : 0
    expect(time >= least, "mode \(mode.rawValue): \(frames) frames took \(time / 1000) us")
    expect(slowest < 200_000_000, "mode \(mode.rawValue): a present took \(slowest / 1000) us")
    check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
    swapchain.destroy()
    say("mode \(mode.rawValue): paced")
  }
  target.destroy()
}
