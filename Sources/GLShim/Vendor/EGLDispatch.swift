import CPlatform

private typealias Display = OpaquePointer
private typealias Object = OpaquePointer
private typealias Vendor = EGLVendorExports.Vendor

/// The functions of EGL's extensions that libEGL does not know by itself, as `GLXDispatch`: all of them
/// have a display or a device, which say whose they are.
enum EGLDispatch: Int {
  case clientWaitSyncKHR
  case createImageKHR
  case createSyncKHR
  case destroyImageKHR
  case destroySyncKHR
  case getDisplayDriverConfig
  case getDisplayDriverName
  case getSyncAttribKHR
  case postSubBufferNV
  case queryDeviceAttribEXT
  case queryDeviceStringEXT
  case signalSyncKHR
  case swapBuffersWithDamageEXT
  case swapBuffersWithDamageKHR
  case waitSyncKHR

  /// In the order of the cases.
  private static var names: StaticString {
    """
    eglClientWaitSyncKHR\0\
    eglCreateImageKHR\0\
    eglCreateSyncKHR\0\
    eglDestroyImageKHR\0\
    eglDestroySyncKHR\0\
    eglGetDisplayDriverConfig\0\
    eglGetDisplayDriverName\0\
    eglGetSyncAttribKHR\0\
    eglPostSubBufferNV\0\
    eglQueryDeviceAttribEXT\0\
    eglQueryDeviceStringEXT\0\
    eglSignalSyncKHR\0\
    eglSwapBuffersWithDamageEXT\0\
    eglSwapBuffersWithDamageKHR\0\
    eglWaitSyncKHR\0
    """
  }

  /// libEGL's side; nil unless it has loaded us.
  nonisolated(unsafe) static var exports: UnsafePointer<EGLVendorExports>? = nil
  /// Where libEGL keeps each function's addresses; -1: it has not said. Written under its lock, before
  /// anybody has the stub.
  nonisolated(unsafe) private static var indices = InlineArray<15, Int32>(repeating: -1)

  init?(named name: UnsafePointer<CChar>?) {
    guard let name, let index = position(of: name, in: EGLDispatch.names) else { return nil }
    self.init(rawValue: index)
  }

  func setIndex(_ index: Int32) { EGLDispatch.indices[rawValue] = index }

  /// The function of a display's vendor; nil, with EGL_BAD_DISPLAY, when nobody has it.
  private func function<Function>(_ display: Display?) -> Function? {
    guard let exports = EGLDispatch.exports else { return nil }
    exports.pointee.startThread()
    return function(of: exports.pointee.vendorOfDisplay(display), otherwise: EGL.badDisplay)
  }

  /// The function of a device's vendor; nil, with EGL_BAD_DEVICE_EXT, when nobody has it.
  private func function<Function>(device: Object?) -> Function? {
    guard let exports = EGLDispatch.exports else { return nil }
    exports.pointee.startThread()
    return function(of: exports.pointee.vendorOfDevice(device), otherwise: EGL.badDevice)
  }

  private func function<Function>(of vendor: Vendor?, otherwise error: Int32) -> Function? {
    guard let exports = EGLDispatch.exports else { return nil }
    let index = EGLDispatch.indices[rawValue]
    guard let vendor, index >= 0, exports.pointee.setLastVendor(vendor) != 0,
      let address = exports.pointee.fetchDispatchEntry(vendor, index)
    else {
      exports.pointee.setError(error)
      return nil
    }
    return unsafeBitCast(address, to: Function.self)
  }

  // MARK: Stubs

  private typealias Ints = UnsafePointer<Int32>
  private typealias OnObject = @convention(c) (Display?, Object?) -> UInt32
  private typealias Damage = @convention(c) (Display?, Object?, Ints?, Int32) -> UInt32

  /// What applications are given for the name.
  var stub: UnsafeMutableRawPointer? {
    switch self {
    case .createSyncKHR, .destroySyncKHR, .clientWaitSyncKHR, .waitSyncKHR, .signalSyncKHR,
      .getSyncAttribKHR:
      syncStub
    case .createImageKHR, .destroyImageKHR: imageStub
    case .swapBuffersWithDamageEXT, .swapBuffersWithDamageKHR, .postSubBufferNV: swapStub
    case .getDisplayDriverConfig, .getDisplayDriverName, .queryDeviceAttribEXT,
      .queryDeviceStringEXT:
      queryStub
    }
  }

  /// EGL_KHR_fence_sync, EGL_KHR_reusable_sync, EGL_KHR_wait_sync.
  private var syncStub: UnsafeMutableRawPointer? {
    switch self {
    case .createSyncKHR:
      typealias Call = @convention(c) (Display?, UInt32, Ints?) -> Object?
      return address(
        { display, type, attributes in
          let call: Call? = EGLDispatch.createSyncKHR.function(display)
          return call?(display, type, attributes) ?? nil
        } as Call)
    case .destroySyncKHR:
      return address(
        { display, sync in
          let call: OnObject? = EGLDispatch.destroySyncKHR.function(display)
          return call?(display, sync) ?? 0
        } as OnObject)
    case .clientWaitSyncKHR:
      typealias Call = @convention(c) (Display?, Object?, Int32, UInt64) -> Int32
      return address(
        { display, sync, flags, timeout in
          let call: Call? = EGLDispatch.clientWaitSyncKHR.function(display)
          return call?(display, sync, flags, timeout) ?? 0
        } as Call)
    case .waitSyncKHR:
      typealias Call = @convention(c) (Display?, Object?, Int32) -> Int32
      return address(
        { display, sync, flags in
          let call: Call? = EGLDispatch.waitSyncKHR.function(display)
          return call?(display, sync, flags) ?? 0
        } as Call)
    case .signalSyncKHR:
      typealias Call = @convention(c) (Display?, Object?, UInt32) -> UInt32
      return address(
        { display, sync, mode in
          let call: Call? = EGLDispatch.signalSyncKHR.function(display)
          return call?(display, sync, mode) ?? 0
        } as Call)
    case .getSyncAttribKHR:
      typealias Call =
        @convention(c) (Display?, Object?, Int32, UnsafeMutablePointer<Int32>?) ->
        UInt32
      return address(
        { display, sync, attribute, value in
          let call: Call? = EGLDispatch.getSyncAttribKHR.function(display)
          return call?(display, sync, attribute, value) ?? 0
        } as Call)
    default: return nil
    }
  }

  /// EGL_KHR_image_base.
  private var imageStub: UnsafeMutableRawPointer? {
    switch self {
    case .createImageKHR:
      typealias Call = @convention(c) (Display?, Object?, UInt32, Object?, Ints?) -> Object?
      return address(
        { display, context, target, buffer, attributes in
          let call: Call? = EGLDispatch.createImageKHR.function(display)
          return call?(display, context, target, buffer, attributes) ?? nil
        } as Call)
    case .destroyImageKHR:
      return address(
        { display, image in
          let call: OnObject? = EGLDispatch.destroyImageKHR.function(display)
          return call?(display, image) ?? 0
        } as OnObject)
    default: return nil
    }
  }

  /// EGL_EXT_swap_buffers_with_damage, EGL_KHR_swap_buffers_with_damage, EGL_NV_post_sub_buffer.
  private var swapStub: UnsafeMutableRawPointer? {
    switch self {
    case .swapBuffersWithDamageEXT:
      return address(
        { display, surface, rectangles, count in
          let call: Damage? = EGLDispatch.swapBuffersWithDamageEXT.function(display)
          return call?(display, surface, rectangles, count) ?? 0
        } as Damage)
    case .swapBuffersWithDamageKHR:
      return address(
        { display, surface, rectangles, count in
          let call: Damage? = EGLDispatch.swapBuffersWithDamageKHR.function(display)
          return call?(display, surface, rectangles, count) ?? 0
        } as Damage)
    case .postSubBufferNV:
      typealias Call = @convention(c) (Display?, Object?, Int32, Int32, Int32, Int32) -> UInt32
      return address(
        { display, surface, x, y, width, height in
          let call: Call? = EGLDispatch.postSubBufferNV.function(display)
          return call?(display, surface, x, y, width, height) ?? 0
        } as Call)
    default: return nil
    }
  }

  /// EGL_EXT_device_query, EGL_MESA_query_driver.
  private var queryStub: UnsafeMutableRawPointer? {
    switch self {
    case .getDisplayDriverConfig:
      typealias Call = @convention(c) (Display?) -> UnsafeMutablePointer<CChar>?
      return address(
        { display in
          let call: Call? = EGLDispatch.getDisplayDriverConfig.function(display)
          return call?(display) ?? nil
        } as Call)
    case .getDisplayDriverName:
      typealias Call = @convention(c) (Display?) -> UnsafePointer<CChar>?
      return address(
        { display in
          let call: Call? = EGLDispatch.getDisplayDriverName.function(display)
          return call?(display) ?? nil
        } as Call)
    case .queryDeviceAttribEXT:
      typealias Call = @convention(c) (Object?, Int32, UnsafeMutablePointer<Int>?) -> UInt32
      return address(
        { device, attribute, value in
          let call: Call? = EGLDispatch.queryDeviceAttribEXT.function(device: device)
          return call?(device, attribute, value) ?? 0
        } as Call)
    case .queryDeviceStringEXT:
      typealias Call = @convention(c) (Object?, Int32) -> UnsafePointer<CChar>?
      return address(
        { device, name in
          let call: Call? = EGLDispatch.queryDeviceStringEXT.function(device: device)
          return call?(device, name) ?? nil
        } as Call)
    default: return nil
    }
  }
}
