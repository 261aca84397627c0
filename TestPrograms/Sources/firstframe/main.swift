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
commands.recordClear(of: swapchain.images[index], to: (0, 1, 0, 1))
device.submit(commands, after: acquired, signaling: drawn)
swapchain.present(index, after: drawn)
waitUntilShown()
say("\(now())")
check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
swapchain.destroy()
device.destroy()
window.close()

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
