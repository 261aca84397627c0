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
  typealias Pointer = UnsafeMutableRawPointer
  guard let library = dlopen("libEGL.so.1", RTLD_NOW),
    let finder = dlsym(library, "eglGetProcAddress")
  else { fail("no libEGL.so.1") }
  let getProcAddress = unsafeBitCast(
    finder, to: (@convention(c) (UnsafePointer<CChar>) -> Pointer?).self)
  func function<Function>(_ name: String, as type: Function.Type) -> Function {
    guard let found = dlsym(library, name) ?? getProcAddress(name) else { fail("no \(name)") }
    return unsafeBitCast(found, to: type)
  }
  typealias Words = UnsafePointer<Int32>
  let getPlatformDisplay = function(
    "eglGetPlatformDisplay", as: (@convention(c) (UInt32, Pointer?, Pointer?) -> Pointer?).self)
  let initialize = function(
    "eglInitialize", as: (@convention(c) (Pointer?, Pointer?, Pointer?) -> UInt32).self)
  let bindAPI = function("eglBindAPI", as: (@convention(c) (UInt32) -> UInt32).self)
  let chooseConfig = function(
    "eglChooseConfig",
    as: (@convention(c) (
      Pointer?, Words, UnsafeMutablePointer<Pointer?>, Int32, UnsafeMutablePointer<Int32>
    ) -> UInt32).self)
  let getConfigAttribute = function(
    "eglGetConfigAttrib",
    as: (@convention(c) (Pointer?, Pointer?, Int32, UnsafeMutablePointer<Int32>) -> UInt32).self)
  let createContext = function(
    "eglCreateContext",
    as: (@convention(c) (Pointer?, Pointer?, Pointer?, Words?) -> Pointer?).self)
  let createSurface = function(
    "eglCreatePlatformWindowSurface",
    as: (@convention(c) (Pointer?, Pointer?, UnsafeRawPointer?, Pointer?) -> Pointer?).self)
  let makeCurrent = function(
    "eglMakeCurrent", as: (@convention(c) (Pointer?, Pointer?, Pointer?, Pointer?) -> UInt32).self)
  let swapInterval = function(
    "eglSwapInterval", as: (@convention(c) (Pointer?, Int32) -> UInt32).self)
  let swapBuffers = function(
    "eglSwapBuffers", as: (@convention(c) (Pointer?, Pointer?) -> UInt32).self)
  let clearColor = function(
    "glClearColor", as: (@convention(c) (Float, Float, Float, Float) -> Void).self)
  let clear = function("glClear", as: (@convention(c) (UInt32) -> Void).self)

  // EGL_PLATFORM_XCB_EXT, EGL_OPENGL_API
  let display = getPlatformDisplay(0x31DC, Pointer(window.connection), nil)
  guard initialize(display, nil, nil) == 1, bindAPI(0x30A2) == 1 else { fail("no EGL display") }
  // EGL_SURFACE_TYPE is EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE EGL_OPENGL_BIT.
  var configs = [Pointer?](repeating: nil, count: 256)
  var count: Int32 = 0
  guard
    chooseConfig(
      display, [0x3033, 4, 0x3040, 8, 0x3024, 8, 0x3038], &configs, Int32(configs.count), &count)
      == 1
  else { fail("no EGL configuration") }
  let screen = xcb_setup_roots_iterator(xcb_get_setup(window.connection)).data.pointee
  let fitting = configs.prefix(Int(count)).first {
    // EGL_NATIVE_VISUAL_ID
    var visual: Int32 = 0
    return getConfigAttribute(display, $0, 0x302E, &visual) == 1
      && UInt32(bitPattern: visual) == screen.root_visual
  }
  guard let config = fitting ?? nil, let context = createContext(display, config, nil, nil) else {
    fail("no OpenGL for the window's visual")
  }
  var handle = window.handle
  guard let surface = createSurface(display, config, &handle, nil),
    makeCurrent(display, surface, surface, context) == 1,
    swapInterval(display, mode == VK_PRESENT_MODE_FIFO_KHR ? 1 : 0) == 1
  else { fail("no surface for the window") }
  while takeEvents() {
    let level: Float = isWhite ? 1 : 0
    clearColor(level, level, level, 1)
    // GL_COLOR_BUFFER_BIT
    clear(0x4000)
    guard swapBuffers(display, surface) == 1 else { fail("eglSwapBuffers failed") }
  }
}
