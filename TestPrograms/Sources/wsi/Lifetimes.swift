import CVulkan
import Glibc
import Workbench

/// A swapchain takes another one's place: what was acquired before may still be presented, nothing
/// more is acquired, and the new one has the window.
func replaceSwapchain() {
  let target = Target()
  var old = Swapchain(target)
  for round in 0..<6 {
    let held = old.acquireReady()
    clear([old.images[Int(held)]], .red)
    var wishes = Wishes()
    wishes.old = old
    let new = Swapchain(target, wishes)
    expect(
      old.acquire(timeout: 0).result == VK_ERROR_OUT_OF_DATE_KHR,
      "an image came from a swapchain that was replaced")
    if round % 2 == 0 {
      let result = present([(old, held)]).result
      expect(
        result == VK_SUCCESS || result == VK_ERROR_OUT_OF_DATE_KHR,
        "the old swapchain's present returned \(name(result))")
      // Both in one present, of which the old one may be out of date.
    }
    if round % 3 == 0 {
      check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
      old.destroy()
    }
    let result = show(new, .green)
    expect(result == VK_SUCCESS, "the new swapchain's present returned \(name(result))")
    target.waitForPixel(8, 8, Color.green.pixel)
    check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
    if round % 3 != 0 { old.destroy() }
    old = new
  }
  old.destroy()
  target.destroy()
}

/// The window changes its size between all calls; whoever follows it ends with a frame that fits.
func resizeWindow() {
  let target = Target()
  var swapchain = Swapchain(target)
  var wasSuboptimal = false
  var state: UInt32 = 1
  func random(_ below: UInt32) -> UInt32 {
    state = state &* 1_664_525 &+ 1_013_904_223
    return (state >> 8) % below
  }
  for round in 0..<60 {
    if round % 3 == 0 { target.resize(1 + random(300), 1 + random(300)) }
    let (acquired, drawn) = (makeSemaphore(), makeSemaphore())
    let (result, index) = swapchain.acquire(acquired)
    expect(
      [VK_SUCCESS, VK_SUBOPTIMAL_KHR, VK_ERROR_OUT_OF_DATE_KHR].contains(result),
      "acquire \(round) returned \(name(result))")
    if round % 3 == 1 { target.resize(1 + random(300), 1 + random(300)) }
    var last = result
    if result != VK_ERROR_OUT_OF_DATE_KHR {
      clear(
        [swapchain.images[Int(index)]], .red, waitingFor: [acquired], signalling: [drawn])
      last = present([(swapchain, index)], waitingFor: [drawn]).result
      expect(
        [VK_SUCCESS, VK_SUBOPTIMAL_KHR, VK_ERROR_OUT_OF_DATE_KHR].contains(last),
        "present \(round) returned \(name(last))")
    }
    if last != VK_SUCCESS {
      wasSuboptimal = true
      var wishes = Wishes()
      wishes.old = swapchain
      let new = Swapchain(target, wishes)
      check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
      swapchain.destroy()
      swapchain = new
    }
  }
  expect(wasSuboptimal || isHeadless, "nobody noticed that the window changed")
  target.resize(200, 120)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  swapchain = Swapchain(target)
  expect(show(swapchain, .green) == VK_SUCCESS, "a frame that fits is not presented well")
  target.waitForPixel(199, 119, Color.green.pixel)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}

/// The window is destroyed before its swapchain: an error, at the latest after a few presents, that
/// leaves another window's swapchain and the semaphores of a shared present alone.
func loseWindow() {
  let target = Target()
  let other = Target()
  let (swapchain, whole) = (Swapchain(target), Swapchain(other))
  expect(show(swapchain, .red) == VK_SUCCESS, "present failed")
  target.destroyWindow()
  var result = VK_SUCCESS
  for _ in 0..<20 where result != VK_ERROR_SURFACE_LOST_KHR {
    let drawn = makeSemaphore()
    let (acquired, index) = swapchain.acquire()
    if acquired == VK_ERROR_SURFACE_LOST_KHR {
      result = acquired
      break
    }
    let second = whole.acquireReady()
    clear(
      [swapchain.images[Int(index)], whole.images[Int(second)]], .blue, signalling: [drawn])
    let shown = present([(swapchain, index), (whole, second)], waitingFor: [drawn])
    expect(shown.each[1] == VK_SUCCESS, "the other window's present: \(name(shown.each[1]))")
    expect(
      shown.result == shown.each[0], "\(name(shown.result)) is not \(name(shown.each[0]))")
    // The semaphore was waited for, whatever the result.
    clear([], .red, signalling: [drawn])
    clear([], .red, waitingFor: [drawn])
    check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
    result = shown.each[0]
    usleep(5000)
  }
  expect(result == VK_ERROR_SURFACE_LOST_KHR, "the window is gone, and yet \(name(result))")
  // The loss may have been told by the first acquire, before anything was presented to the other.
  expect(show(whole, .blue) == VK_SUCCESS, "present to the other window failed")
  other.waitForPixel(8, 8, Color.blue.pixel)
  var found = VkSurfaceCapabilitiesKHR()
  let asked = vkGetPhysicalDeviceSurfaceCapabilitiesKHR(device.physical, target.surface, &found)
  say("capabilities of a window that is gone: \(name(asked))")
  swapchain.destroy()
  whole.destroy()
  target.destroy(withWindow: false)
  other.destroy()
}

/// Swapchains come and go, presented to or not, and leave nothing behind.
func makeMany() {
  let target = Target()
  func cycle(_ count: Int) {
    for n in 0..<count {
      var wishes = Wishes()
      wishes.mode = modes(target)[n % modes(target).count]
      let swapchain = Swapchain(target, wishes)
      if n % 3 != 0 {
        let result = show(swapchain, .white)
        expect(result == VK_SUCCESS, "present returned \(name(result))")
      }
      if n % 3 == 1 { check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle") }
      device.discardAll()
      swapchain.destroy()
    }
  }
  cycle(6)
  let before = (count("/proc/self/fd"), count("/proc/self/task"), mappings())
  cycle(60)
  // A thread that has told that it is done may still be on its way out.
  let deadline = now() + 10_000_000_000
  while count("/proc/self/task") > before.1, now() < deadline { usleep(10_000) }
  let after = (count("/proc/self/fd"), count("/proc/self/task"), mappings())
  expect(after.0 <= before.0, "\(before.0) descriptors became \(after.0)")
  expect(after.1 <= before.1, "\(before.1) threads became \(after.1)")
  expect(after.2 <= before.2 + 4, "\(before.2) mappings became \(after.2)")
  target.destroy()
}

/// Devices come and go beside the program's own, each with a queue that works.
func makeDevices() {
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  for _ in 0..<6 {
    let other = Device()
    let buffer = Buffer(other, size: 64)
    other.run { vkCmdFillBuffer($0.handle, buffer.handle, 0, 64, 0x0403_0201) }
    expect(Array(buffer.read()[60...]) == [1, 2, 3, 4], "a device does not work")
    other.destroy()
  }
}

private func count(_ path: String) -> Int {
  guard let folder = opendir(path) else { fail("no \(path)") }
  defer { closedir(folder) }
  var found = 0
  while readdir(folder) != nil { found += 1 }
  return found
}

private func mappings() -> Int {
  guard let file = fopen("/proc/self/maps", "r") else { fail("no /proc/self/maps") }
  defer { fclose(file) }
  var lines = 0
  var byte = getc(file)
  while byte >= 0 {
    if byte == 10 { lines += 1 }
    byte = getc(file)
  }
  return lines
}

/// What the program's own allocator counts.
private nonisolated struct Allocations {
  var left = Int.max
  var alive = 0
  var made = 0
}

/// Swapchains in memory of the program's own, which has an end; everything comes back.
func useAllocators() {
  let target = Target()
  let counts = UnsafeMutablePointer<Allocations>.allocate(capacity: 1)
  counts.initialize(to: Allocations())
  var callbacks = VkAllocationCallbacks()
  callbacks.pUserData = UnsafeMutableRawPointer(counts)
  callbacks.pfnAllocation = { data, size, alignment, _ in
    let counts = data!.assumingMemoryBound(to: Allocations.self)
    guard counts.pointee.left > 0 else { return nil }
    counts.pointee.left -= 1
    counts.pointee.alive += 1
    counts.pointee.made += 1
    return aligned_alloc(max(alignment, 16), (size + 15) & ~15)
  }
  callbacks.pfnReallocation = { _, _, _, _, _ in nil }
  callbacks.pfnFree = { data, memory in
    guard let memory else { return }
    data!.assumingMemoryBound(to: Allocations.self).pointee.alive -= 1
    free(memory)
  }
  var info = Swapchain.info(target, Wishes())
  var succeeded = false
  for allowed in 0..<64 where !succeeded {
    counts.pointee = Allocations(left: allowed)
    var handle: VkSwapchainKHR?
    let result = vkCreateSwapchainKHR(device.handle, &info, &callbacks, &handle)
    if result == VK_SUCCESS {
      expect(counts.pointee.made > 0, "the allocator was not used")
      vkDestroySwapchainKHR(device.handle, handle, &callbacks)
      succeeded = true
    } else {
      expect(result == VK_ERROR_OUT_OF_HOST_MEMORY, "creation returned \(name(result))")
    }
    expect(counts.pointee.alive == 0, "\(counts.pointee.alive) allocations are left")
  }
  expect(succeeded, "no memory is enough")
  target.destroy()
}
