// Opens a window, presents one cleared frame, and prints the CLOCK_MONOTONIC nanoseconds at which the
// window shows its color. Whoever started the program knows when that was.

import CVulkan
import CXCB
import Windowing
import Workbench

let window = Window(width: 256, height: 256)
let device = Device(
  instanceExtensions: Window.instanceExtensions, deviceExtensions: Window.deviceExtensions)
let swapchain = Swapchain(
  device, window, usage: bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT), mode: VK_PRESENT_MODE_FIFO_KHR)
let acquired = device.makeSemaphore()
let drawn = device.makeSemaphore()
let index = swapchain.acquire(acquired)
let commands = Commands(device)
recordClear(commands, swapchain.images[index])
device.submit(commands, after: acquired, signaling: drawn)
swapchain.present(index, after: drawn)
waitUntilShown()
say("\(now())")
check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
swapchain.destroy()
device.destroy()
window.close()

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

/// Asks the X server for a pixel of the window until it is green.
func waitUntilShown() {
  let deadline = now() + 20_000_000_000
  while now() < deadline {
    let cookie = xcb_get_image(
      window.connection, UInt8(XCB_IMAGE_FORMAT_Z_PIXMAP.rawValue), window.handle, 8, 8, 1, 1, .max)
    guard let reply = xcb_get_image_reply(window.connection, cookie, nil) else { continue }
    let isGreen = xcb_get_image_data(reply)[1] == 0xff
    free(reply)
    if isGreen { return }
  }
  fail("the window never showed the frame")
}
