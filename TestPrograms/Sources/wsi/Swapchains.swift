import CVulkan
import Glibc
import Workbench

let systemExtension = isHeadless ? "VK_EXT_headless_surface" : "VK_KHR_xcb_surface"

/// The device, with everything of presentation that it offers.
let device = Device(
  instanceExtensions: ["VK_KHR_surface", "VK_KHR_get_surface_capabilities2", systemExtension],
  deviceExtensions: ["VK_KHR_swapchain"],
  optional: [
    "VK_EXT_surface_maintenance1", "VK_KHR_surface_protected_capabilities",
    "VK_EXT_swapchain_maintenance1", "VK_KHR_present_id", "VK_KHR_present_wait",
    "VK_KHR_incremental_present",
  ]
) { enabled in
  var chain: UnsafeMutableRawPointer?
  func add<S>(_ structure: S) { chain = UnsafeMutableRawPointer(mutating: keep(structure)) }
  if enabled.contains("VK_KHR_present_id") {
    var features = VkPhysicalDevicePresentIdFeaturesKHR()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRESENT_ID_FEATURES_KHR
    features.pNext = chain
    features.presentId = 1
    add(features)
  }
  if enabled.contains("VK_KHR_present_wait") {
    var features = VkPhysicalDevicePresentWaitFeaturesKHR()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRESENT_WAIT_FEATURES_KHR
    features.pNext = chain
    features.presentWait = 1
    add(features)
  }
  if enabled.contains("VK_EXT_swapchain_maintenance1") {
    var features = VkPhysicalDeviceSwapchainMaintenance1FeaturesEXT()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SWAPCHAIN_MAINTENANCE_1_FEATURES_EXT
    features.pNext = chain
    features.swapchainMaintenance1 = 1
    add(features)
  }
  return chain
}

/// Ends the program, with a status that says so, where an extension is not offered.
func need(_ names: String...) {
  for name in names where !device.extensions.contains(name) {
    say("skipped: no \(name)")
    exit(77)
  }
}

/// Ends the program unless something is as it has to be.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
  if !condition { fail(what()) }
}

func name(_ result: VkResult) -> String {
  switch result {
  case VK_SUCCESS: "VK_SUCCESS"
  case VK_NOT_READY: "VK_NOT_READY"
  case VK_TIMEOUT: "VK_TIMEOUT"
  case VK_INCOMPLETE: "VK_INCOMPLETE"
  case VK_SUBOPTIMAL_KHR: "VK_SUBOPTIMAL_KHR"
  case VK_ERROR_OUT_OF_DATE_KHR: "VK_ERROR_OUT_OF_DATE_KHR"
  case VK_ERROR_SURFACE_LOST_KHR: "VK_ERROR_SURFACE_LOST_KHR"
  case VK_ERROR_OUT_OF_HOST_MEMORY: "VK_ERROR_OUT_OF_HOST_MEMORY"
  case VK_ERROR_DEVICE_LOST: "VK_ERROR_DEVICE_LOST"
  default: "VkResult \(result.rawValue)"
  }
}

func makeSemaphore() -> VkSemaphore {
  var info = VkSemaphoreCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
  var semaphore: VkSemaphore?
  check(vkCreateSemaphore(device.handle, &info, nil, &semaphore), "vkCreateSemaphore")
  return device.own(semaphore, vkDestroySemaphore)
}

/// A colour as a clear and as the pixel that a window of 24 bits shows.
struct Color {
  let red: Float
  let green: Float
  let blue: Float

  static let red = Color(red: 1, green: 0, blue: 0)
  static let green = Color(red: 0, green: 1, blue: 0)
  static let blue = Color(red: 0, green: 0, blue: 1)
  static let white = Color(red: 1, green: 1, blue: 1)

  var pixel: UInt32 { UInt32(red) * 0xFF0000 | UInt32(green) * 0xFF00 | UInt32(blue) * 0xFF }
}

/// What a swapchain is made with beside the surface.
struct Wishes {
  var mode = VK_PRESENT_MODE_FIFO_KHR
  var images: UInt32 = 3
  var extent: VkExtent2D?
  var format = VK_FORMAT_B8G8R8A8_UNORM
  var flags: UInt32 = 0
  var chain: UnsafeRawPointer?
  var old: Swapchain?
}

final class Swapchain {
  let handle: VkSwapchainKHR
  let info: VkSwapchainCreateInfoKHR
  let images: [VkImage]

  convenience init(_ target: Target, _ wishes: Wishes = Wishes()) {
    var swapchain: VkSwapchainKHR?
    var info = Swapchain.info(target, wishes)
    check(vkCreateSwapchainKHR(device.handle, &info, nil, &swapchain), "vkCreateSwapchainKHR")
    self.init(swapchain!, info)
  }

  init(_ handle: VkSwapchainKHR, _ info: VkSwapchainCreateInfoKHR) {
    self.handle = handle
    self.info = info
    var count: UInt32 = 0
    check(
      vkGetSwapchainImagesKHR(device.handle, handle, &count, nil), "vkGetSwapchainImagesKHR")
    var images = [VkImage?](repeating: nil, count: Int(count))
    check(
      vkGetSwapchainImagesKHR(device.handle, handle, &count, &images), "vkGetSwapchainImagesKHR")
    self.images = images.map { $0! }
  }

  static func info(_ target: Target, _ wishes: Wishes) -> VkSwapchainCreateInfoKHR {
    var info = VkSwapchainCreateInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR
    info.pNext = wishes.chain
    info.flags = wishes.flags
    info.surface = target.surface
    info.minImageCount = wishes.images
    info.imageFormat = wishes.format
    info.imageColorSpace = VK_COLOR_SPACE_SRGB_NONLINEAR_KHR
    info.imageExtent =
      wishes.extent ?? VkExtent2D(width: target.width, height: target.height)
    info.imageArrayLayers = 1
    info.imageUsage = bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT)
    info.preTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR
    info.compositeAlpha = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
    info.presentMode = wishes.mode
    info.oldSwapchain = wishes.old?.handle
    return info
  }

  func destroy() { vkDestroySwapchainKHR(device.handle, handle, nil) }

  /// An image, with whatever is to be signalled.
  func acquire(
    timeout: UInt64 = forever, _ semaphore: VkSemaphore? = nil, _ fence: VkFence? = nil
  ) -> (result: VkResult, index: UInt32) {
    var index: UInt32 = .max
    let result = vkAcquireNextImageKHR(device.handle, handle, timeout, semaphore, fence, &index)
    return (result, index)
  }

  func acquire2(_ semaphore: VkSemaphore?, _ fence: VkFence?) -> (result: VkResult, index: UInt32) {
    var info = VkAcquireNextImageInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_ACQUIRE_NEXT_IMAGE_INFO_KHR
    info.swapchain = handle
    info.timeout = forever
    info.semaphore = semaphore
    info.fence = fence
    info.deviceMask = 1
    var index: UInt32 = .max
    let result = vkAcquireNextImage2KHR(device.handle, &info, &index)
    return (result, index)
  }

  /// An image that may be drawn to, or the end of the program.
  func acquireReady(_ semaphore: VkSemaphore? = nil) -> UInt32 {
    let fence = device.makeFence()
    let (result, index) = acquire(semaphore, fence)
    expect(
      result == VK_SUCCESS || result == VK_SUBOPTIMAL_KHR,
      "vkAcquireNextImageKHR returned \(name(result))")
    device.wait(fence)
    device.discard(fence)
    return index
  }
}

/// Clears images and leaves them as presentation wants them.
func clear(
  _ images: [VkImage], _ color: Color, waitingFor waits: [VkSemaphore] = [],
  signalling signals: [VkSemaphore] = [], chain: UnsafeRawPointer? = nil
) {
  let commands = Commands(device)
  commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
  for image in images { record(commands, image, color) }
  commands.end()
  var submit = VkSubmitInfo()
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
  submit.pNext = chain
  submit.waitSemaphoreCount = UInt32(waits.count)
  submit.pWaitSemaphores = keep(waits.map(Optional.init))
  submit.pWaitDstStageMask = keep(waits.map { _ in bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT) })
  submit.commandBufferCount = 1
  submit.pCommandBuffers = keep(Optional(commands.handle))
  submit.signalSemaphoreCount = UInt32(signals.count)
  submit.pSignalSemaphores = keep(signals.map(Optional.init))
  check(vkQueueSubmit(device.queue, 1, &submit, nil), "vkQueueSubmit")
}

private func record(_ commands: Commands, _ image: VkImage, _ color: Color) {
  var range = VkImageSubresourceRange(
    aspectMask: bits(VK_IMAGE_ASPECT_COLOR_BIT), baseMipLevel: 0, levelCount: 1,
    baseArrayLayer: 0, layerCount: 1)
  func transition(from: VkImageLayout, to: VkImageLayout) {
    var barrier = VkImageMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
    barrier.srcAccessMask = bits(VK_ACCESS_MEMORY_WRITE_BIT)
    barrier.dstAccessMask = bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
    barrier.oldLayout = from
    barrier.newLayout = to
    barrier.srcQueueFamilyIndex = queueFamilyIgnored
    barrier.dstQueueFamilyIndex = queueFamilyIgnored
    barrier.image = image
    barrier.subresourceRange = range
    let everything = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
    vkCmdPipelineBarrier(commands.handle, everything, everything, 0, 0, nil, 0, nil, 1, &barrier)
  }
  var value = VkClearColorValue()
  value.float32 = (color.red, color.green, color.blue, 1)
  transition(from: VK_IMAGE_LAYOUT_UNDEFINED, to: VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL)
  vkCmdClearColorImage(
    commands.handle, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &value, 1, &range)
  transition(
    from: VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, to: VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)
}

/// Presents one image of each swapchain: the call's result, and that of each swapchain.
func present(
  _ images: [(Swapchain, UInt32)], waitingFor waits: [VkSemaphore] = [],
  chain: UnsafeRawPointer? = nil
) -> (result: VkResult, each: [VkResult]) {
  var info = VkPresentInfoKHR()
  info.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR
  info.pNext = chain
  info.waitSemaphoreCount = UInt32(waits.count)
  info.pWaitSemaphores = keep(waits.map(Optional.init))
  info.swapchainCount = UInt32(images.count)
  info.pSwapchains = keep(images.map { Optional($0.0.handle) })
  info.pImageIndices = keep(images.map { $0.1 })
  var results = [VkResult](repeating: VkResult(rawValue: 99), count: images.count)
  let result = results.withUnsafeMutableBufferPointer { results in
    info.pResults = results.baseAddress
    return vkQueuePresentKHR(device.queue, &info)
  }
  return (result, results)
}

/// Clears one image and presents it.
func show(_ swapchain: Swapchain, _ color: Color, chain: UnsafeRawPointer? = nil) -> VkResult {
  let (acquired, drawn) = (makeSemaphore(), makeSemaphore())
  let index = swapchain.acquireReady(acquired)
  clear(
    [swapchain.images[Int(index)]], color, waitingFor: [acquired], signalling: [drawn])
  return present([(swapchain, index)], waitingFor: [drawn], chain: chain).result
}
