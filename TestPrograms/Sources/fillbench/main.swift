// Draws one triangle over everything with a heavy fragment shader, frame by frame, two on their way, and
// prints frames a second: what is left when the GPU is the bound. Offscreen, or presented to a window.
//
//   fillbench offscreen|present [FRAMES [SIZE [ROUNDS]]]
//
// SIZE is the width and height in pixels, ROUNDS is for the shader.

import CVulkan
import Shaders
import Windowing
import Workbench

let usage = "usage: fillbench offscreen|present [FRAMES [SIZE [ROUNDS]]]"
var arguments = CommandLine.arguments.dropFirst()
let kind = arguments.popFirst()
func number(or standard: Int) -> Int {
  guard let text = arguments.popFirst() else { return standard }
  guard let value = Int(text), value > 0 else { fail(usage) }
  return value
}
let frames = number(or: 100)
let size = number(or: 512)
let rounds = number(or: 60)
/// Frames that the host may be ahead.
let depth = 2
/// Frames before the clock starts.
let first = 20

struct Push {
  /// Covers everything: the corners are at -1 and 3.
  var place: SIMD4<Float> = [-1, -1, 4, 0]
  var turns = UInt32(rounds)
}

let seconds: Double
switch kind {
case "offscreen": seconds = drawOffscreen()
case "present": seconds = drawToWindow()
default: fail(usage)
}
say("fps \(Double(frames) / seconds)")

func drawOffscreen() -> Double {
  let device = Device()
  let passes = (0..<depth).map { _ in ColorPass(device, width: size, height: size) }
  let draw = Draw(device, passes[0].renderPass)
  let fences = (0..<depth).map { _ in device.makeFence(signaled: true) }
  var start = now()
  for frame in 0..<first + frames {
    if frame == first { start = now() }
    let turn = frame % depth
    device.wait(fences[turn])
    device.reset(fences[turn])
    let commands = draw.commands[turn]
    commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
    passes[turn].begin(commands)
    draw.record(commands)
    device.submit(commands, fence: fences[turn])
  }
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  let time = now() - start
  device.destroy()
  return Double(time) / 1e9
}

func drawToWindow() -> Double {
  let window = Window(width: size, height: size)
  let device = Device(
    instanceExtensions: Window.instanceExtensions, deviceExtensions: Window.deviceExtensions)
  let swapchain = Swapchain(
    device, window, usage: bits(VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT),
    mode: VK_PRESENT_MODE_IMMEDIATE_KHR)
  let pass = device.makeColorPass(Swapchain.format, leaves: VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)
  let framebuffers = swapchain.images.map {
    device.makeFramebuffer(pass, device.makeView($0, Swapchain.format), size, size)
  }
  let draw = Draw(device, pass)
  let fences = (0..<depth).map { _ in device.makeFence(signaled: true) }
  let acquired = (0..<depth).map { _ in device.makeSemaphore() }
  // By image: it is waited for until that image is acquired again.
  let drawn = swapchain.images.map { _ in device.makeSemaphore() }
  var start = now()
  for frame in 0..<first + frames {
    if frame == first { start = now() }
    let turn = frame % depth
    device.wait(fences[turn])
    device.reset(fences[turn])
    let image = swapchain.acquire(acquired[turn])
    let commands = draw.commands[turn]
    commands.begin(bits(VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT))
    commands.beginPass(pass, framebuffers[image], size, size)
    draw.record(commands)
    device.submit(
      commands, after: acquired[turn], signaling: drawn[image], fence: fences[turn])
    swapchain.present(image, after: drawn[image])
  }
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  let time = now() - start
  device.discardAll()
  swapchain.destroy()
  device.destroy()
  window.close()
  return Double(time) / 1e9
}

/// The pipeline and the command buffers of frames.
struct Draw {
  let layout: PipelineLayout
  let pipeline: VkPipeline
  let commands: [Commands]

  init(_ device: Device, _ pass: VkRenderPass) {
    layout = device.makeLayout([], pushBytes: MemoryLayout<Push>.size)
    var state = GraphicsState()
    state.renderPass = pass
    pipeline = device.makeGraphicsPipeline(
      vertex: Shader.flatVertex, fragment: Shader.heavyFragment, layout, state)
    commands = (0..<depth).map { _ in Commands(device) }
  }

  /// Draws inside a pass that has begun, and ends both.
  func record(_ commands: Commands) {
    var push = Push()
    vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline)
    vkCmdPushConstants(
      commands.handle, layout.handle, bits(VK_SHADER_STAGE_ALL), 0,
      UInt32(MemoryLayout<Push>.size), &push)
    vkCmdDraw(commands.handle, 3, 1, 0, 0)
    vkCmdEndRenderPass(commands.handle)
    commands.end()
  }
}
