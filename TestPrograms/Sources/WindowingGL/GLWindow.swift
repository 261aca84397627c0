import CXCB
import Glibc
import Windowing
import Workbench

/// A window that OpenGL draws to, by EGL, which it opens itself; current for the thread that makes it.
public final class GLWindow {
  private typealias Pointer = UnsafeMutableRawPointer
  private typealias Words = UnsafePointer<Int32>

  private let display: UnsafeMutableRawPointer?
  private let surface: UnsafeMutableRawPointer
  private let swapBuffers:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> UInt32
  private let clearColor: @convention(c) (Float, Float, Float, Float) -> Void
  private let clear: @convention(c) (UInt32) -> Void
  private let enable: @convention(c) (UInt32) -> Void
  private let setScissor: @convention(c) (Int32, Int32, Int32, Int32) -> Void

  /// `interval`: refreshes from swap to swap.
  public init(_ window: Window, interval: Int32) {
    guard let library = dlopen("libEGL.so.1", RTLD_NOW),
      let finder = dlsym(library, "eglGetProcAddress")
    else { fail("no libEGL.so.1") }
    let getProcAddress = unsafeBitCast(
      finder, to: (@convention(c) (UnsafePointer<CChar>) -> Pointer?).self)
    func function<Function>(_ name: String) -> Function {
      guard let found = dlsym(library, name) ?? getProcAddress(name) else { fail("no \(name)") }
      return unsafeBitCast(found, to: Function.self)
    }
    let getPlatformDisplay: @convention(c) (UInt32, Pointer?, Pointer?) -> Pointer? = function(
      "eglGetPlatformDisplay")
    let initialize: @convention(c) (Pointer?, Pointer?, Pointer?) -> UInt32 = function(
      "eglInitialize")
    let bindAPI: @convention(c) (UInt32) -> UInt32 = function("eglBindAPI")
    let chooseConfig:
      @convention(c) (
        Pointer?, Words, UnsafeMutablePointer<Pointer?>, Int32, UnsafeMutablePointer<Int32>
      ) -> UInt32 = function("eglChooseConfig")
    let getConfigAttribute:
      @convention(c) (Pointer?, Pointer?, Int32, UnsafeMutablePointer<Int32>) -> UInt32 = function(
        "eglGetConfigAttrib")
    let createContext: @convention(c) (Pointer?, Pointer?, Pointer?, Words?) -> Pointer? = function(
      "eglCreateContext")
    let createSurface:
      @convention(c) (Pointer?, Pointer?, UnsafeRawPointer?, Pointer?) -> Pointer? = function(
        "eglCreatePlatformWindowSurface")
    let makeCurrent: @convention(c) (Pointer?, Pointer?, Pointer?, Pointer?) -> UInt32 = function(
      "eglMakeCurrent")
    let swapInterval: @convention(c) (Pointer?, Int32) -> UInt32 = function("eglSwapInterval")
    swapBuffers = function("eglSwapBuffers")
    clearColor = function("glClearColor")
    clear = function("glClear")
    enable = function("glEnable")
    setScissor = function("glScissor")

    // EGL_PLATFORM_XCB_EXT, EGL_OPENGL_API
    display = getPlatformDisplay(0x31DC, Pointer(window.connection), nil)
    guard initialize(display, nil, nil) == 1, bindAPI(0x30A2) == 1 else { fail("no EGL display") }
    // EGL_SURFACE_TYPE is EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE EGL_OPENGL_BIT.
    let wanted: [Int32] = [0x3033, 4, 0x3040, 8, 0x3024, 8, 0x3038]
    var configs = [Pointer?](repeating: nil, count: 256)
    var count: Int32 = 0
    guard chooseConfig(display, wanted, &configs, Int32(configs.count), &count) == 1 else {
      fail("no EGL configuration")
    }
    let screen = xcb_setup_roots_iterator(xcb_get_setup(window.connection)).data.pointee
    let display = display
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
      makeCurrent(display, surface, surface, context) == 1, swapInterval(display, interval) == 1
    else { fail("no surface for the window") }
    self.surface = surface
  }

  /// Fills the window, or what `limit` has left of it.
  public func clear(to color: (Float, Float, Float, Float)) {
    clearColor(color.0, color.1, color.2, color.3)
    // GL_COLOR_BUFFER_BIT
    clear(0x4000)
  }

  /// Draws to this rectangle alone from now on, from the lower left corner.
  public func limit(x: Int, y: Int, width: Int, height: Int) {
    // GL_SCISSOR_TEST
    enable(0x0C11)
    setScissor(Int32(x), Int32(y), Int32(width), Int32(height))
  }

  public func swap() {
    if swapBuffers(display, surface) != 1 { fail("eglSwapBuffers failed") }
  }
}
