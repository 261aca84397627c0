import CVulkan
import CXCB
import Glibc
import Workbench

/// The X display, or nil where the program shows nothing.
let connection: OpaquePointer? = isHeadless ? nil : connect()

func connect() -> OpaquePointer {
  guard let connection = xcb_connect(nil, nil), xcb_connection_has_error(connection) == 0 else {
    fail("no X display")
  }
  return connection
}

/// How many windows were made: none lies over another one and hides its pixels.
private var windowCount = 0

/// A window, or the lack of one, with its surface.
final class Target {
  let id: UInt32
  private(set) var surface: VkSurfaceKHR?
  private(set) var width: UInt32
  private(set) var height: UInt32

  init(_ width: UInt32 = 96, _ height: UInt32 = 64) {
    self.width = width
    self.height = height
    guard let connection else {
      id = 0
      var info = VkHeadlessSurfaceCreateInfoEXT()
      info.sType = VK_STRUCTURE_TYPE_HEADLESS_SURFACE_CREATE_INFO_EXT
      let create = instanceFunction(
        "vkCreateHeadlessSurfaceEXT", as: PFN_vkCreateHeadlessSurfaceEXT.self)
      check(create(device.instance, &info, nil, &surface), "vkCreateHeadlessSurfaceEXT")
      return
    }
    let screen = xcb_setup_roots_iterator(xcb_get_setup(connection)).data.pointee
    id = xcb_generate_id(connection)
    // A background of its own, so that what no frame covers is known.
    let values: [UInt32] = [0]
    let place = windowCount % 16
    windowCount += 1
    _ = xcb_create_window(
      connection, 0, id, screen.root, Int16(place % 4 * 150), Int16(place / 4 * 110), UInt16(width),
      UInt16(height), 0,
      UInt16(XCB_WINDOW_CLASS_INPUT_OUTPUT.rawValue), screen.root_visual,
      XCB_CW_BACK_PIXEL.rawValue, values)
    _ = xcb_map_window(connection, id)
    sync()
    var info = VkXcbSurfaceCreateInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_XCB_SURFACE_CREATE_INFO_KHR
    info.connection = connection
    info.window = id
    check(vkCreateXcbSurfaceKHR(device.instance, &info, nil, &surface), "vkCreateXcbSurfaceKHR")
  }

  func resize(_ width: UInt32, _ height: UInt32) {
    self.width = width
    self.height = height
    guard let connection else { return }
    let values = [width, height]
    _ = xcb_configure_window(
      connection, id, UInt16(XCB_CONFIG_WINDOW_WIDTH.rawValue | XCB_CONFIG_WINDOW_HEIGHT.rawValue),
      values)
    sync()
  }

  /// Destroys the window and leaves the surface without one.
  func destroyWindow() {
    guard let connection else { return }
    _ = xcb_destroy_window(connection, id)
    sync()
  }

  func destroy(withWindow: Bool = true) {
    vkDestroySurfaceKHR(device.instance, surface, nil)
    if withWindow { destroyWindow() }
  }

  /// Waits until the X server has done what it was asked for.
  private func sync() {
    free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), nil))
  }

  /// The first bytes of a pixel that the window shows.
  func pixel(_ x: Int, _ y: Int) -> UInt32 {
    let cookie = xcb_get_image(
      connection, UInt8(XCB_IMAGE_FORMAT_Z_PIXMAP.rawValue), id, Int16(x), Int16(y), 1, 1, .max)
    guard let reply = xcb_get_image_reply(connection, cookie, nil) else { fail("no pixel") }
    defer { free(reply) }
    let count = Int(xcb_get_image_data_length(reply))
    let bytes = UnsafeBufferPointer(start: xcb_get_image_data(reply), count: min(count, 4))
    return bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Waits until a pixel has a colour: what is presented is shown in its time.
  func waitForPixel(_ x: Int, _ y: Int, _ wanted: UInt32, mask: UInt32 = 0xFF_FFFF) {
    guard connection != nil else { return }
    let deadline = now() + 10_000_000_000
    var found: UInt32 = 0
    while now() < deadline {
      found = pixel(x, y) & mask
      if found == wanted & mask { return }
      usleep(2000)
    }
    fail("pixel \(x),\(y) is \(String(found, radix: 16)), not \(String(wanted, radix: 16))")
  }
}

/// An instance-level function that the loader does not export.
func instanceFunction<F>(_ name: String, as type: F.Type) -> F {
  guard let function = vkGetInstanceProcAddr(device.instance, name) else { fail("no \(name)") }
  return unsafeBitCast(function, to: F.self)
}
