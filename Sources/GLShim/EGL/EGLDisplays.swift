import CPlatform
import CX11
import Client
import GLWire

/// An EGLDisplay is the address of one of these. They are never freed, as EGL says: the same
/// platform and native display give the same one again.
struct EGLDisplayRecord {
  let platform: UInt32
  /// Display, xcb_connection_t, wl_display, or the device; nil for the platform's default.
  let native: OpaquePointer?
  /// -1: the default one.
  let screen: Int32
  /// The X server's connection that is presented over, or the wl_display that was connected to.
  var connection: OpaquePointer? = nil
  var isInitialized = false
  var configs: UnsafeMutablePointer<EGLConfigRecord>? = nil
  var configCount = 0
  var next: UnsafeMutablePointer<EGLDisplayRecord>? = nil
}

typealias EGLRecord = UnsafeMutablePointer<EGLDisplayRecord>

nonisolated(unsafe) private var displays: EGLRecord? = nil

extension UnsafeMutablePointer<EGLDisplayRecord> {
  /// The display of a platform; made when it is asked for first. Nil without memory.
  static func of(_ platform: UInt32, _ native: OpaquePointer?, screen: Int32) -> EGLRecord? {
    func find() -> EGLRecord? {
      var known = displays
      while let record = known {
        if record.pointee.platform == platform, record.pointee.native == native,
          record.pointee.screen == screen
        {
          return record
        }
        known = record.pointee.next
      }
      return nil
    }
    if let known = WindowLock.locked({ find() }) { return known }
    guard let raw = platform_malloc(MemoryLayout<EGLDisplayRecord>.stride) else { return nil }
    let record = raw.bindMemory(to: EGLDisplayRecord.self, capacity: 1)
    record.initialize(
      to: EGLDisplayRecord(platform: platform, native: native, screen: screen))
    let kept = WindowLock.locked { () -> EGLRecord in
      if let known = find() { return known }
      record.pointee.next = displays
      displays = record
      return record
    }
    if kept != record { platform_free(raw) }
    return kept
  }

  /// The display at an address that the application gave; nil with EGL_BAD_DISPLAY for any other.
  static func known(_ address: OpaquePointer?) -> EGLRecord? {
    let found = WindowLock.locked { () -> EGLRecord? in
      var known = displays
      while let record = known {
        if OpaquePointer(record) == address { return record }
        known = record.pointee.next
      }
      return nil
    }
    if found == nil { EGLThread.note(EGL.badDisplay) }
    return found
  }

  /// The same, and initialised.
  static func ready(_ address: OpaquePointer?) -> EGLRecord? {
    guard let record = known(address) else { return nil }
    guard record.pointee.isInitialized else {
      EGLThread.note(EGL.notInitialized)
      return nil
    }
    return record
  }

  /// The record as the interfaces' tables know it.
  var handle: OpaquePointer { OpaquePointer(self) }

  // MARK: Life

  /// Connects to the window system and makes the configs; false when it cannot be reached.
  func initialize() -> Bool {
    if pointee.isInitialized { return true }
    switch pointee.platform {
    case EGL.platformX11, EGL.platformXCB:
      guard let connection = connectX11() else { return false }
      pointee.connection = connection
    case EGL.platformWayland:
      guard let display = pointee.connection ?? pointee.native ?? connectWayland(),
        TargetWindow.wayland(display, nil).facts() != nil
      else { return false }
      pointee.connection = display
    default: break
    }
    if pointee.configs == nil {
      let stride = MemoryLayout<EGLConfigRecord>.stride
      guard let raw = platform_calloc(EGLConfigMaker.most, stride) else { return false }
      let configs = raw.bindMemory(to: EGLConfigRecord.self, capacity: EGLConfigMaker.most)
      pointee.configCount = EGLConfigMaker.make(self, configs)
      pointee.configs = configs
    }
    pointee.isInitialized = true
    return true
  }

  private func connectX11() -> OpaquePointer? {
    guard let native = pointee.native else {
      guard let name = platform_getenv("DISPLAY") else { return nil }
      return X11Server.connection(named: name)
    }
    // The application's own connection has locks of its own; an Xlib Display may have none.
    guard pointee.platform == EGL.platformX11 else { return native }
    if let xlib = XlibLibrary.open(), let name = xlib.pointee.displayString(native),
      let own = X11Server.connection(named: name)
    {
      return own
    }
    return xcbConnection(ofDisplay: native)
  }

  private func connectWayland() -> OpaquePointer? {
    guard let library = platform_open_library("libwayland-client.so.0"),
      let symbol = platform_symbol(library, "wl_display_connect")
    else { return nil }
    let connect: @convention(c) (UnsafePointer<CChar>?) -> OpaquePointer? = function(symbol)
    return connect(nil)
  }

  /// What the application has sent to the X server must be done there before ours.
  func settleRequests() {
    guard pointee.platform == EGL.platformX11, let native = pointee.native,
      let xlib = XlibLibrary.open()
    else { return }
    _ = xlib.pointee.sync(native, 0)
  }

  /// eglTerminate: everything of the display goes as soon as it is not current.
  func terminate() {
    pointee.isInitialized = false
    Context.destroyAll(.egl, handle)
    Drawable.destroyAll(.egl, handle)
  }

  func config(_ address: OpaquePointer?) -> UnsafePointer<EGLConfigRecord>? {
    guard let address, let configs = pointee.configs else { return nil }
    let (place, start) = (UInt(bitPattern: address), UInt(bitPattern: configs))
    let stride = UInt(MemoryLayout<EGLConfigRecord>.stride)
    guard place >= start, place < start &+ UInt(pointee.configCount) &* stride,
      (place &- start) % stride == 0
    else { return nil }
    return UnsafePointer(configs + Int((place &- start) / stride))
  }
}

// MARK: Which platform

/// The only device of EGL_EXT_device_base: whatever node draws.
nonisolated(unsafe) private var deviceIdentity: UInt64 = 0

enum EGLDevice {
  /// Its EGLDeviceEXT.
  static var handle: OpaquePointer? {
    withUnsafeMutablePointer(to: &deviceIdentity) { OpaquePointer($0) }
  }
}

enum EGLPlatform {
  /// The platform that a native display of eglGetDisplay belongs to: what EGL_PLATFORM says, what its
  /// first word says, or X11.
  static func guess(_ native: OpaquePointer?) -> UInt32 {
    if let name = platform_getenv("EGL_PLATFORM") {
      if equal(name, "wayland") { return EGL.platformWayland }
      if equal(name, "x11") { return EGL.platformX11 }
      if equal(name, "surfaceless") { return EGL.platformSurfaceless }
      if equal(name, "device") { return EGL.platformDevice }
    }
    guard let native else {
      // Without a native display: what the session has.
      if platform_getenv("DISPLAY") == nil, platform_getenv("WAYLAND_DISPLAY") != nil {
        return EGL.platformWayland
      }
      return EGL.platformX11
    }
    // A wl_display is an object, whose first word names its interface.
    let first = UnsafeRawPointer(native).load(as: UnsafeRawPointer?.self)
    if let first, let library = platform_opened_library("libwayland-client.so.0"),
      let interface = platform_symbol(library, "wl_display_interface"),
      UnsafeRawPointer(interface) == first
    {
      return EGL.platformWayland
    }
    return EGL.platformX11
  }
}

// MARK: Entry points

@c(eglGetDisplay)
public func eglGetDisplay(_ native: OpaquePointer?) -> OpaquePointer? {
  guard let record = EGLRecord.of(EGLPlatform.guess(native), native, screen: -1) else {
    return eglNothing(EGL.badAlloc)
  }
  EGLThread.note(EGL.success)
  return record.handle
}

/// Of a list of EGLAttribs, which are words.
private func platformDisplay(
  _ platform: UInt32, _ native: OpaquePointer?, _ attribute: (Int) -> (Int, Int)?
) -> OpaquePointer? {
  var screen: Int32 = -1
  var i = 0
  while let (name, value) = attribute(i) {
    switch name {
    case EGL.platformX11Screen where platform == EGL.platformX11,
      EGL.platformXCBScreen where platform == EGL.platformXCB:
      screen = Int32(truncatingIfNeeded: value)
    // EGL_TRACK_REFERENCES_KHR: as if it were not there, since displays are not counted.
    case 0x3352: break
    default: return eglNothing(EGL.badAttribute)
    }
    i &+= 1
  }
  switch platform {
  case EGL.platformX11, EGL.platformXCB, EGL.platformWayland: break
  case EGL.platformSurfaceless:
    guard native == nil else { return eglNothing(EGL.badParameter) }
  case EGL.platformDevice:
    guard native == EGLDevice.handle else { return eglNothing(EGL.badDevice) }
  // Buffers of a local GPU (EGL_PLATFORM_GBM_KHR) are not what a node draws to.
  default: return eglNothing(EGL.badParameter)
  }
  guard let record = EGLRecord.of(platform, native, screen: screen) else {
    return eglNothing(EGL.badAlloc)
  }
  EGLThread.note(EGL.success)
  return record.handle
}

@c(eglGetPlatformDisplay)
public func eglGetPlatformDisplay(
  _ platform: UInt32, _ native: OpaquePointer?, _ attributes: UnsafePointer<Int>?
) -> OpaquePointer? {
  platformDisplay(platform, native) { i in
    guard let attributes, attributes[2 &* i] != Int(EGL.none) else { return nil }
    return (attributes[2 &* i], attributes[2 &* i &+ 1])
  }
}

@c(eglGetPlatformDisplayEXT)
public func eglGetPlatformDisplayEXT(
  _ platform: UInt32, _ native: OpaquePointer?, _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  platformDisplay(platform, native) { i in
    guard let attributes, attributes[2 &* i] != EGL.none else { return nil }
    return (Int(attributes[2 &* i]), Int(attributes[2 &* i &+ 1]))
  }
}

@c(eglInitialize)
public func eglInitialize(
  _ dpy: OpaquePointer?, _ major: UnsafeMutablePointer<Int32>?,
  _ minor: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let record = EGLRecord.known(dpy) else { return 0 }
  guard record.initialize() else { return eglFailure(EGL.notInitialized) }
  major?.pointee = 1
  minor?.pointee = 5
  return eglSuccess()
}

@c(eglTerminate)
public func eglTerminate(_ dpy: OpaquePointer?) -> UInt32 {
  guard let record = EGLRecord.known(dpy) else { return 0 }
  record.terminate()
  return eglSuccess()
}

@c(eglGetError)
public func eglGetError() -> Int32 { EGLThread.takeError() }

@c(eglBindAPI)
public func eglBindAPI(_ api: UInt32) -> UInt32 {
  guard api == EGL.openGLAPI || api == EGL.openGLESAPI else { return eglFailure(EGL.badParameter) }
  EGLThread.api = api
  return eglSuccess()
}

@c(eglQueryAPI)
public func eglQueryAPI() -> UInt32 { EGLThread.api }

@c(eglReleaseThread)
public func eglReleaseThread() -> UInt32 {
  if currentEGLContext() != nil { _ = makeCurrent(nil, draw: nil, read: nil) }
  EGLThread.forget()
  return 1
}

// MARK: Strings

private let clientExtensions: StaticString = """
  EGL_EXT_client_extensions \
  EGL_EXT_device_base \
  EGL_EXT_device_enumeration \
  EGL_EXT_device_query \
  EGL_EXT_platform_base \
  EGL_EXT_platform_device \
  EGL_EXT_platform_wayland \
  EGL_EXT_platform_x11 \
  EGL_EXT_platform_xcb \
  EGL_KHR_client_get_all_proc_addresses \
  EGL_KHR_platform_wayland \
  EGL_KHR_platform_x11 \
  EGL_MESA_platform_surfaceless\0
  """

private let displayExtensions: StaticString = """
  EGL_EXT_create_context_robustness \
  EGL_KHR_config_attribs \
  EGL_KHR_context_flush_control \
  EGL_KHR_create_context \
  EGL_KHR_create_context_no_error \
  EGL_KHR_fence_sync \
  EGL_KHR_get_all_proc_addresses \
  EGL_KHR_gl_colorspace \
  EGL_KHR_gl_renderbuffer_image \
  EGL_KHR_gl_texture_2D_image \
  EGL_KHR_gl_texture_3D_image \
  EGL_KHR_gl_texture_cubemap_image \
  EGL_KHR_image_base \
  EGL_KHR_no_config_context \
  EGL_KHR_reusable_sync \
  EGL_KHR_surfaceless_context \
  EGL_KHR_wait_sync \
  EGL_MESA_configless_context \
  EGL_MESA_query_driver\0
  """

/// Of displays that have windows.
private let windowExtensions: StaticString = """
  EGL_EXT_buffer_age \
  EGL_EXT_create_context_robustness \
  EGL_EXT_present_opaque \
  EGL_EXT_swap_buffers_with_damage \
  EGL_KHR_config_attribs \
  EGL_KHR_context_flush_control \
  EGL_KHR_create_context \
  EGL_KHR_create_context_no_error \
  EGL_KHR_fence_sync \
  EGL_KHR_get_all_proc_addresses \
  EGL_KHR_gl_colorspace \
  EGL_KHR_gl_renderbuffer_image \
  EGL_KHR_gl_texture_2D_image \
  EGL_KHR_gl_texture_3D_image \
  EGL_KHR_gl_texture_cubemap_image \
  EGL_KHR_image_base \
  EGL_KHR_no_config_context \
  EGL_KHR_reusable_sync \
  EGL_KHR_surfaceless_context \
  EGL_KHR_swap_buffers_with_damage \
  EGL_KHR_wait_sync \
  EGL_MESA_configless_context \
  EGL_MESA_query_driver \
  EGL_NV_post_sub_buffer\0
  """

@c(eglQueryString)
public func eglQueryString(_ dpy: OpaquePointer?, _ name: Int32) -> UnsafePointer<CChar>? {
  if dpy == nil {
    EGLThread.note(EGL.success)
    switch name {
    case EGL.extensions: return staticText(clientExtensions)
    case EGL.version: return staticText("1.5\0")
    default: return eglNothing(EGL.badDisplay)
    }
  }
  guard let record = EGLRecord.ready(dpy) else { return nil }
  EGLThread.note(EGL.success)
  switch name {
  case EGL.vendor: return staticText("Omega\0")
  case EGL.version: return staticText("1.5\0")
  case EGL.clientAPIs: return staticText("OpenGL OpenGL_ES \0")
  case EGL.extensions:
    let hasWindows =
      record.pointee.platform != EGL.platformSurfaceless
      && record.pointee.platform != EGL.platformDevice
    return staticText(hasWindows ? windowExtensions : displayExtensions)
  default: return eglNothing(EGL.badParameter)
  }
}

@c(eglGetProcAddress)
public func eglGetProcAddress(_ name: UnsafePointer<CChar>?) -> UnsafeMutableRawPointer? {
  procAddress(name)
}

@c(eglGetDisplayDriverName)
public func eglGetDisplayDriverName(_ dpy: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard EGLRecord.ready(dpy) != nil else { return nil }
  EGLThread.note(EGL.success)
  return staticText("omega\0")
}

@c(eglGetDisplayDriverConfig)
public func eglGetDisplayDriverConfig(_ dpy: OpaquePointer?) -> UnsafeMutablePointer<CChar>? {
  guard EGLRecord.ready(dpy) != nil else { return nil }
  EGLThread.note(EGL.success)
  // The application frees it: a driver's options, of which there are none.
  return platform_calloc(1, 1)?.assumingMemoryBound(to: CChar.self)
}

// MARK: Devices

@c(eglQueryDevicesEXT)
public func eglQueryDevicesEXT(
  _ most: Int32, _ devices: UnsafeMutablePointer<OpaquePointer?>?,
  _ count: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let count, devices == nil || most > 0 else { return eglFailure(EGL.badParameter) }
  devices?.pointee = EGLDevice.handle
  count.pointee = 1
  return eglSuccess()
}

@c(eglQueryDeviceStringEXT)
public func eglQueryDeviceStringEXT(_ device: OpaquePointer?, _ name: Int32)
  -> UnsafePointer<CChar>?
{
  guard device == EGLDevice.handle else { return eglNothing(EGL.badDevice) }
  guard name == EGL.extensions else { return eglNothing(EGL.badParameter) }
  EGLThread.note(EGL.success)
  return staticText("EGL_MESA_device_software\0")
}

@c(eglQueryDeviceAttribEXT)
public func eglQueryDeviceAttribEXT(
  _ device: OpaquePointer?, _ attribute: Int32, _ value: UnsafeMutablePointer<Int>?
) -> UInt32 {
  guard device == EGLDevice.handle else { return eglFailure(EGL.badDevice) }
  return eglFailure(EGL.badAttribute)
}

@c(eglQueryDisplayAttribEXT)
public func eglQueryDisplayAttribEXT(
  _ dpy: OpaquePointer?, _ attribute: Int32, _ value: UnsafeMutablePointer<Int>?
) -> UInt32 {
  guard EGLRecord.ready(dpy) != nil else { return 0 }
  guard let value else { return eglFailure(EGL.badParameter) }
  guard attribute == EGL.deviceEXT else { return eglFailure(EGL.badAttribute) }
  value.pointee = Int(bitPattern: EGLDevice.handle)
  return eglSuccess()
}

@c(eglQueryDisplayAttribKHR)
public func eglQueryDisplayAttribKHR(
  _ dpy: OpaquePointer?, _ attribute: Int32, _ value: UnsafeMutablePointer<Int>?
) -> UInt32 { eglQueryDisplayAttribEXT(dpy, attribute, value) }
