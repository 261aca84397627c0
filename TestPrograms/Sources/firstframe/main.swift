// Opens a window, presents one cleared frame, and prints the CLOCK_MONOTONIC nanoseconds at which the
// window shows its color. Whoever started the program knows when that was.

import CVulkan
import CXCB
import Workbench

let width: UInt16 = 256
let height: UInt16 = 256

guard let connection = xcb_connect(nil, nil), xcb_connection_has_error(connection) == 0 else {
  fail("no X display")
}
let screen = xcb_setup_roots_iterator(xcb_get_setup(connection)).data.pointee
let window = xcb_generate_id(connection)
_ = xcb_create_window(
  connection, 0, window, screen.root, 0, 0, width, height, 0,
  UInt16(XCB_WINDOW_CLASS_INPUT_OUTPUT.rawValue), screen.root_visual, 0, nil)
_ = xcb_map_window(connection, window)
_ = xcb_flush(connection)

let device = Device(
  instanceExtensions: ["VK_KHR_surface", "VK_KHR_xcb_surface"],
  deviceExtensions: ["VK_KHR_swapchain"])
var surfaceInfo = VkXcbSurfaceCreateInfoKHR()
surfaceInfo.sType = VK_STRUCTURE_TYPE_XCB_SURFACE_CREATE_INFO_KHR
surfaceInfo.connection = connection
surfaceInfo.window = window
var surface: VkSurfaceKHR?
check(
  vkCreateXcbSurfaceKHR(device.instance, &surfaceInfo, nil, &surface), "vkCreateXcbSurfaceKHR")
var supported: UInt32 = 0
check(
  vkGetPhysicalDeviceSurfaceSupportKHR(device.physical, device.family, surface, &supported),
  "vkGetPhysicalDeviceSurfaceSupportKHR")
if supported == 0 { fail("the queue family cannot present") }

var swapchainInfo = VkSwapchainCreateInfoKHR()
swapchainInfo.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR
swapchainInfo.surface = surface
swapchainInfo.minImageCount = 3
swapchainInfo.imageFormat = VK_FORMAT_B8G8R8A8_UNORM
swapchainInfo.imageColorSpace = VK_COLOR_SPACE_SRGB_NONLINEAR_KHR
swapchainInfo.imageExtent = VkExtent2D(width: UInt32(width), height: UInt32(height))
swapchainInfo.imageArrayLayers = 1
swapchainInfo.imageUsage = bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT)
swapchainInfo.preTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR
swapchainInfo.compositeAlpha = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
swapchainInfo.presentMode = VK_PRESENT_MODE_FIFO_KHR
var swapchain: VkSwapchainKHR?
check(
  vkCreateSwapchainKHR(device.handle, &swapchainInfo, nil, &swapchain), "vkCreateSwapchainKHR")
var count: UInt32 = 0
check(
  vkGetSwapchainImagesKHR(device.handle, swapchain, &count, nil), "vkGetSwapchainImagesKHR")
var images = [VkImage?](repeating: nil, count: Int(count))
check(
  vkGetSwapchainImagesKHR(device.handle, swapchain, &count, &images), "vkGetSwapchainImagesKHR")

var semaphoreInfo = VkSemaphoreCreateInfo()
semaphoreInfo.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
var acquired: VkSemaphore?
var drawn: VkSemaphore?
check(vkCreateSemaphore(device.handle, &semaphoreInfo, nil, &acquired), "vkCreateSemaphore")
check(vkCreateSemaphore(device.handle, &semaphoreInfo, nil, &drawn), "vkCreateSemaphore")
var index: UInt32 = 0
check(
  vkAcquireNextImageKHR(device.handle, swapchain, forever, acquired, nil, &index),
  "vkAcquireNextImageKHR")
let commands = Commands(device)
recordClear(commands, images[Int(index)])
submitAndPresent(commands)
waitUntilShown()
say("\(now())")
check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
vkDestroySemaphore(device.handle, acquired, nil)
vkDestroySemaphore(device.handle, drawn, nil)
vkDestroySwapchainKHR(device.handle, swapchain, nil)
vkDestroySurfaceKHR(device.instance, surface, nil)
device.destroy()
xcb_disconnect(connection)

/// Clears the image to pure green and leaves it as presentation wants it.
func recordClear(_ commands: Commands, _ image: VkImage?) {
  commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
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
    vkCmdPipelineBarrier(
      commands.handle, everything, everything, 0, 0, nil, 0, nil, 1, &barrier)
  }
  var color = VkClearColorValue()
  color.float32 = (0, 1, 0, 1)
  let layout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL
  transition(from: VK_IMAGE_LAYOUT_UNDEFINED, to: layout)
  vkCmdClearColorImage(commands.handle, image, layout, &color, 1, &range)
  transition(from: layout, to: VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)
  commands.end()
}

func submitAndPresent(_ commands: Commands) {
  var submit = VkSubmitInfo()
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
  submit.waitSemaphoreCount = 1
  submit.pWaitSemaphores = keep(acquired)
  submit.pWaitDstStageMask = keep(bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT))
  submit.commandBufferCount = 1
  submit.pCommandBuffers = keep(Optional(commands.handle))
  submit.signalSemaphoreCount = 1
  submit.pSignalSemaphores = keep(drawn)
  check(vkQueueSubmit(device.queue, 1, &submit, nil), "vkQueueSubmit")
  var present = VkPresentInfoKHR()
  present.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR
  present.waitSemaphoreCount = 1
  present.pWaitSemaphores = keep(drawn)
  present.swapchainCount = 1
  present.pSwapchains = keep(swapchain)
  present.pImageIndices = keep(index)
  check(vkQueuePresentKHR(device.queue, &present), "vkQueuePresentKHR")
}

/// Asks the X server for a pixel of the window until it is green.
func waitUntilShown() {
  let deadline = now() + 20_000_000_000
  while now() < deadline {
    let cookie = xcb_get_image(
      connection, UInt8(XCB_IMAGE_FORMAT_Z_PIXMAP.rawValue), window, 8, 8, 1, 1, .max)
    guard let reply = xcb_get_image_reply(connection, cookie, nil) else { continue }
    let isGreen = xcb_get_image_data(reply)[1] == 0xff
    free(reply)
    if isGreen { return }
  }
  fail("the window never showed the frame")
}
