// A window of one color, black or white, which changes with each button of the pointer that is pressed: for the
// time from input to pixel. Draws all the time, as a game does, until the window is closed.
//
//   flash vulkan|gl [fifo|mailbox|immediate] [SIZE]
//
// SIZE is the width and height in pixels.

import CVulkan
import CXCB
import Glibc
import Windowing
import WindowingGL
import Workbench

let usage = "usage: flash vulkan|gl [fifo|mailbox|immediate] [SIZE]"
var arguments = CommandLine.arguments.dropFirst()
let api = arguments.popFirst()
let mode: VkPresentModeKHR
switch arguments.popFirst() {
case "fifo", nil: mode = VK_PRESENT_MODE_FIFO_KHR
case "mailbox": mode = VK_PRESENT_MODE_MAILBOX_KHR
case "immediate": mode = VK_PRESENT_MODE_IMMEDIATE_KHR
default: fail(usage)
}
let size = arguments.popFirst().map { Int($0) ?? 0 } ?? 256
guard size > 0, arguments.isEmpty else { fail(usage) }

let window = Window(width: size, height: size, events: XCB_EVENT_MASK_BUTTON_PRESS)
var isWhite = false
switch api {
case "vulkan": drawWithVulkan()
case "gl": drawWithOpenGL()
default: fail(usage)
}

/// Takes what has come; false when the window is gone.
func takeEvents() -> Bool {
  while let event = xcb_poll_for_event(window.connection) {
    if event.pointee.response_type & 0x7F == UInt8(XCB_BUTTON_PRESS) { isWhite.toggle() }
    free(event)
  }
  return xcb_connection_has_error(window.connection) == 0
}

func drawWithVulkan() {
  let device = Device(
    instanceExtensions: Window.instanceExtensions, deviceExtensions: Window.deviceExtensions)
  let swapchain = Swapchain(
    device, window, usage: bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT), mode: mode)
  /// Frames that the host may be ahead.
  let depth = 2
  let clears = swapchain.images.map { image in
    [Float(0), 1].map { level in
      let commands = Commands(device)
      commands.recordClear(of: image, to: (level, level, level, 1))
      return commands
    }
  }
  let fences = (0..<depth).map { _ in device.makeFence(signaled: true) }
  let acquired = (0..<depth).map { _ in device.makeSemaphore() }
  let drawn = swapchain.images.map { _ in device.makeSemaphore() }
  var frame = 0
  while true {
    let turn = frame % depth
    frame += 1
    device.wait(fences[turn])
    device.reset(fences[turn])
    let image = swapchain.acquire(acquired[turn])
    // As late as can be.
    guard takeEvents() else { break }
    device.submit(
      clears[image][isWhite ? 1 : 0], after: acquired[turn], signaling: drawn[image],
      fence: fences[turn])
    swapchain.present(image, after: drawn[image])
  }
}

func drawWithOpenGL() {
  let surface = GLWindow(window, interval: mode == VK_PRESENT_MODE_FIFO_KHR ? 1 : 0)
  while takeEvents() {
    let level: Float = isWhite ? 1 : 0
    surface.clear(to: (level, level, level, 1))
    surface.swap()
  }
}
