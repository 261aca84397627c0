import CPlatform
import CX11

private typealias Display = OpaquePointer
private typealias Config = OpaquePointer
private typealias GLXContext = OpaquePointer
private typealias Vendor = GLXVendorExports.Vendor

/// The functions of GLX's extensions, which libGLX does not know by itself: it gives applications these
/// stubs, and each finds the vendor of what it is called for, whoever that is, and calls its function.
/// What is whose is noted when it is made. A stub that finds nobody does nothing, and answers 0.
enum GLXDispatch: Int {
  case bindTexImageEXT
  case chooseFBConfigSGIX
  case copySubBufferMESA
  case createContextWithConfigSGIX
  case createGLXPbufferSGIX
  case createGLXPixmapWithConfigSGIX
  case destroyGLXPbufferSGIX
  case getContextIDEXT
  case getCurrentDisplayEXT
  case getCurrentReadDrawableSGI
  case getFBConfigAttribSGIX
  case getFBConfigFromVisualSGIX
  case getMscRateOML
  case getScreenDriver
  case getSelectedEventSGIX
  case getSwapIntervalMESA
  case getSyncValuesOML
  case getVideoSyncSGI
  case getVisualFromFBConfigSGIX
  case makeCurrentReadSGI
  case queryContextInfoEXT
  case queryCurrentRendererIntegerMESA
  case queryCurrentRendererStringMESA
  case queryGLXPbufferSGIX
  case queryRendererIntegerMESA
  case queryRendererStringMESA
  case releaseTexImageEXT
  case selectEventSGIX
  case swapBuffersMscOML
  case swapIntervalEXT
  case swapIntervalMESA
  case swapIntervalSGI
  case waitForMscOML
  case waitForSbcOML
  case waitVideoSyncSGI

  /// In the order of the cases.
  private static var names: StaticString {
    """
    glXBindTexImageEXT\0\
    glXChooseFBConfigSGIX\0\
    glXCopySubBufferMESA\0\
    glXCreateContextWithConfigSGIX\0\
    glXCreateGLXPbufferSGIX\0\
    glXCreateGLXPixmapWithConfigSGIX\0\
    glXDestroyGLXPbufferSGIX\0\
    glXGetContextIDEXT\0\
    glXGetCurrentDisplayEXT\0\
    glXGetCurrentReadDrawableSGI\0\
    glXGetFBConfigAttribSGIX\0\
    glXGetFBConfigFromVisualSGIX\0\
    glXGetMscRateOML\0\
    glXGetScreenDriver\0\
    glXGetSelectedEventSGIX\0\
    glXGetSwapIntervalMESA\0\
    glXGetSyncValuesOML\0\
    glXGetVideoSyncSGI\0\
    glXGetVisualFromFBConfigSGIX\0\
    glXMakeCurrentReadSGI\0\
    glXQueryContextInfoEXT\0\
    glXQueryCurrentRendererIntegerMESA\0\
    glXQueryCurrentRendererStringMESA\0\
    glXQueryGLXPbufferSGIX\0\
    glXQueryRendererIntegerMESA\0\
    glXQueryRendererStringMESA\0\
    glXReleaseTexImageEXT\0\
    glXSelectEventSGIX\0\
    glXSwapBuffersMscOML\0\
    glXSwapIntervalEXT\0\
    glXSwapIntervalMESA\0\
    glXSwapIntervalSGI\0\
    glXWaitForMscOML\0\
    glXWaitForSbcOML\0\
    glXWaitVideoSyncSGI\0
    """
  }

  /// libGLX's side; nil unless it has loaded us.
  nonisolated(unsafe) static var exports: UnsafePointer<GLXVendorExports>? = nil
  /// Where libGLX keeps each function's addresses; -1: it has not said. Written under its lock, before
  /// anybody has the stub.
  nonisolated(unsafe) private static var indices = InlineArray<35, Int32>(repeating: -1)

  init?(named name: UnsafePointer<CChar>?) {
    guard let name, let index = position(of: name, in: GLXDispatch.names) else { return nil }
    self.init(rawValue: index)
  }

  func setIndex(_ index: Int32) { GLXDispatch.indices[rawValue] = index }

  /// A vendor's own function; nil when it has none.
  private func function<Function>(of vendor: Vendor?) -> Function? {
    let index = GLXDispatch.indices[rawValue]
    guard let vendor, index >= 0,
      let address = GLXDispatch.exports?.pointee.fetchDispatchEntry(vendor, index)
    else { return nil }
    return unsafeBitCast(address, to: Function.self)
  }

  // MARK: Whose is it?

  private static var current: Vendor? { exports?.pointee.vendorOfCurrentContext() }

  private static func vendor(_ display: Display?, screen: Int32) -> Vendor? {
    exports?.pointee.vendorOfScreen(display, screen)
  }

  private static func vendor(_ display: Display?, config: Config?) -> Vendor? {
    exports?.pointee.vendorOfConfig(display, config)
  }

  private static func vendor(_ display: Display?, drawable: UInt) -> Vendor? {
    exports?.pointee.vendorOfDrawable(display, drawable)
  }

  private static func vendor(context: GLXContext?) -> Vendor? {
    exports?.pointee.vendorOfContext(context)
  }

  // MARK: Stubs

  private typealias Ints = UnsafeMutablePointer<Int32>
  private typealias Words = UnsafeMutablePointer<UInt32>
  private typealias Longs = UnsafeMutablePointer<Int64>
  private typealias Text = UnsafePointer<CChar>
  private typealias Visual = UnsafeMutablePointer<XVisualInfo>
  private typealias Configs = UnsafeMutablePointer<Config?>

  /// What applications are given for the name.
  var stub: UnsafeMutableRawPointer? {
    switch self {
    case .bindTexImageEXT, .releaseTexImageEXT, .copySubBufferMESA: textureStub
    case .chooseFBConfigSGIX, .getFBConfigAttribSGIX, .getFBConfigFromVisualSGIX,
      .getVisualFromFBConfigSGIX:
      configStub
    case .createContextWithConfigSGIX, .getContextIDEXT, .queryContextInfoEXT, .makeCurrentReadSGI,
      .getCurrentDisplayEXT, .getCurrentReadDrawableSGI:
      contextStub
    case .createGLXPbufferSGIX, .createGLXPixmapWithConfigSGIX, .destroyGLXPbufferSGIX,
      .queryGLXPbufferSGIX, .selectEventSGIX, .getSelectedEventSGIX:
      drawableStub
    case .getScreenDriver, .queryRendererIntegerMESA, .queryRendererStringMESA,
      .queryCurrentRendererIntegerMESA, .queryCurrentRendererStringMESA:
      rendererStub
    case .getMscRateOML, .getSyncValuesOML, .swapBuffersMscOML, .waitForMscOML, .waitForSbcOML,
      .getVideoSyncSGI, .waitVideoSyncSGI:
      syncStub
    case .swapIntervalEXT, .swapIntervalMESA, .swapIntervalSGI, .getSwapIntervalMESA: intervalStub
    }
  }

  /// GLX_EXT_texture_from_pixmap, GLX_MESA_copy_sub_buffer.
  private var textureStub: UnsafeMutableRawPointer? {
    switch self {
    case .bindTexImageEXT:
      typealias Call = @convention(c) (Display?, UInt, Int32, UnsafePointer<Int32>?) -> Void
      return address(
        { display, name, buffer, attributes in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.bindTexImageEXT.function(of: vendor)
          call?(display, name, buffer, attributes)
        } as Call)
    case .releaseTexImageEXT:
      typealias Call = @convention(c) (Display?, UInt, Int32) -> Void
      return address(
        { display, name, buffer in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.releaseTexImageEXT.function(of: vendor)
          call?(display, name, buffer)
        } as Call)
    case .copySubBufferMESA:
      typealias Call = @convention(c) (Display?, UInt, Int32, Int32, Int32, Int32) -> Void
      return address(
        { display, name, x, y, width, height in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.copySubBufferMESA.function(of: vendor)
          call?(display, name, x, y, width, height)
        } as Call)
    default: return nil
    }
  }

  /// GLX_SGIX_fbconfig.
  private var configStub: UnsafeMutableRawPointer? {
    switch self {
    case .chooseFBConfigSGIX:
      typealias Call = @convention(c) (Display?, Int32, Ints?, Ints?) -> Configs?
      return address(
        { display, screen, attributes, count in
          let vendor = GLXDispatch.vendor(display, screen: screen)
          let call: Call? = GLXDispatch.chooseFBConfigSGIX.function(of: vendor)
          var found: Int32 = 0
          let configs = call?(display, screen, attributes, &found)
          var i = 0
          while let configs, i < Int(found) {
            guard GLXDispatch.exports?.pointee.addConfig(display, configs[i], vendor) == 0 else {
              platform_free(configs)
              count?.pointee = 0
              return nil
            }
            i &+= 1
          }
          count?.pointee = found
          return configs
        } as Call)
    case .getFBConfigFromVisualSGIX:
      typealias Call = @convention(c) (Display?, Visual?) -> Config?
      return address(
        { display, visual in
          let vendor = visual.flatMap { GLXDispatch.vendor(display, screen: $0.pointee.screen) }
          let call: Call? = GLXDispatch.getFBConfigFromVisualSGIX.function(of: vendor)
          guard let config = call?(display, visual),
            GLXDispatch.exports?.pointee.addConfig(display, config, vendor) == 0
          else { return nil }
          return config
        } as Call)
    case .getFBConfigAttribSGIX:
      typealias Call = @convention(c) (Display?, Config?, Int32, Ints?) -> Int32
      return address(
        { display, config, attribute, value in
          let vendor = GLXDispatch.vendor(display, config: config)
          let call: Call? = GLXDispatch.getFBConfigAttribSGIX.function(of: vendor)
          return call?(display, config, attribute, value) ?? GLX.noExtension
        } as Call)
    case .getVisualFromFBConfigSGIX:
      typealias Call = @convention(c) (Display?, Config?) -> Visual?
      return address(
        { display, config in
          let vendor = GLXDispatch.vendor(display, config: config)
          let call: Call? = GLXDispatch.getVisualFromFBConfigSGIX.function(of: vendor)
          return call?(display, config) ?? nil
        } as Call)
    default: return nil
    }
  }

  /// GLX_SGIX_fbconfig, GLX_EXT_import_context, GLX_SGI_make_current_read.
  private var contextStub: UnsafeMutableRawPointer? {
    switch self {
    case .createContextWithConfigSGIX:
      typealias Call = @convention(c) (Display?, Config?, Int32, GLXContext?, Int32) -> GLXContext?
      return address(
        { display, config, type, share, direct in
          let vendor = GLXDispatch.vendor(display, config: config)
          let call: Call? = GLXDispatch.createContextWithConfigSGIX.function(of: vendor)
          guard let made = call?(display, config, type, share, direct),
            GLXDispatch.exports?.pointee.addContext(display, made, vendor) == 0
          else { return nil }
          return made
        } as Call)
    case .getContextIDEXT:
      typealias Call = @convention(c) (GLXContext?) -> UInt
      return address(
        { context in
          let vendor = GLXDispatch.vendor(context: context)
          let call: Call? = GLXDispatch.getContextIDEXT.function(of: vendor)
          return call?(context) ?? 0
        } as Call)
    case .queryContextInfoEXT:
      typealias Call = @convention(c) (Display?, GLXContext?, Int32, Ints?) -> Int32
      return address(
        { display, context, attribute, value in
          let vendor = GLXDispatch.vendor(context: context)
          let call: Call? = GLXDispatch.queryContextInfoEXT.function(of: vendor)
          return call?(display, context, attribute, value) ?? GLX.noExtension
        } as Call)
    case .makeCurrentReadSGI:
      // What is current is libGLX's own business, and this is another name of its function.
      return platform_opened_library("libGLX.so.0").flatMap {
        platform_symbol($0, "glXMakeContextCurrent")
      }
    case .getCurrentDisplayEXT:
      typealias Call = @convention(c) () -> Display?
      return address(
        {
          let call: Call? = GLXDispatch.getCurrentDisplayEXT.function(
            of: GLXDispatch.current)
          return call?() ?? nil
        } as Call)
    case .getCurrentReadDrawableSGI:
      typealias Call = @convention(c) () -> UInt
      return address(
        {
          let call: Call? = GLXDispatch.getCurrentReadDrawableSGI.function(
            of: GLXDispatch.current)
          return call?() ?? 0
        } as Call)
    default: return nil
    }
  }

  /// GLX_SGIX_pbuffer, GLX_SGIX_fbconfig.
  private var drawableStub: UnsafeMutableRawPointer? {
    switch self {
    case .createGLXPbufferSGIX:
      typealias Call = @convention(c) (Display?, Config?, UInt32, UInt32, Ints?) -> UInt
      return address(
        { display, config, width, height, attributes in
          let vendor = GLXDispatch.vendor(display, config: config)
          let call: Call? = GLXDispatch.createGLXPbufferSGIX.function(of: vendor)
          guard let made = call?(display, config, width, height, attributes), made != 0,
            GLXDispatch.exports?.pointee.addDrawable(display, made, vendor) == 0
          else { return 0 }
          return made
        } as Call)
    case .createGLXPixmapWithConfigSGIX:
      typealias Call = @convention(c) (Display?, Config?, UInt) -> UInt
      return address(
        { display, config, pixmap in
          let vendor = GLXDispatch.vendor(display, config: config)
          let call: Call? = GLXDispatch.createGLXPixmapWithConfigSGIX.function(of: vendor)
          guard let made = call?(display, config, pixmap), made != 0,
            GLXDispatch.exports?.pointee.addDrawable(display, made, vendor) == 0
          else { return 0 }
          return made
        } as Call)
    case .destroyGLXPbufferSGIX:
      typealias Call = @convention(c) (Display?, UInt) -> Void
      return address(
        { display, name in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.destroyGLXPbufferSGIX.function(of: vendor)
          GLXDispatch.exports?.pointee.removeDrawable(display, name)
          call?(display, name)
        } as Call)
    case .queryGLXPbufferSGIX:
      typealias Call = @convention(c) (Display?, UInt, Int32, Words?) -> Void
      return address(
        { display, name, attribute, value in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.queryGLXPbufferSGIX.function(of: vendor)
          call?(display, name, attribute, value)
        } as Call)
    case .selectEventSGIX:
      typealias Call = @convention(c) (Display?, UInt, UInt) -> Void
      return address(
        { display, name, mask in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.selectEventSGIX.function(of: vendor)
          call?(display, name, mask)
        } as Call)
    case .getSelectedEventSGIX:
      typealias Call = @convention(c) (Display?, UInt, UnsafeMutablePointer<UInt>?) -> Void
      return address(
        { display, name, mask in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.getSelectedEventSGIX.function(of: vendor)
          call?(display, name, mask)
        } as Call)
    default: return nil
    }
  }

  /// GLX_MESA_query_renderer, and what Mesa's tools ask a screen.
  private var rendererStub: UnsafeMutableRawPointer? {
    switch self {
    case .getScreenDriver:
      typealias Call = @convention(c) (Display?, Int32) -> Text?
      return address(
        { display, screen in
          let vendor = GLXDispatch.vendor(display, screen: screen)
          let call: Call? = GLXDispatch.getScreenDriver.function(of: vendor)
          return call?(display, screen) ?? nil
        } as Call)
    case .queryRendererIntegerMESA:
      typealias Call = @convention(c) (Display?, Int32, Int32, Int32, Words?) -> Int32
      return address(
        { display, screen, renderer, attribute, value in
          let vendor = GLXDispatch.vendor(display, screen: screen)
          let call: Call? = GLXDispatch.queryRendererIntegerMESA.function(of: vendor)
          return call?(display, screen, renderer, attribute, value) ?? 0
        } as Call)
    case .queryRendererStringMESA:
      typealias Call = @convention(c) (Display?, Int32, Int32, Int32) -> Text?
      return address(
        { display, screen, renderer, attribute in
          let vendor = GLXDispatch.vendor(display, screen: screen)
          let call: Call? = GLXDispatch.queryRendererStringMESA.function(of: vendor)
          return call?(display, screen, renderer, attribute) ?? nil
        } as Call)
    case .queryCurrentRendererIntegerMESA:
      typealias Call = @convention(c) (Int32, Words?) -> Int32
      return address(
        { attribute, value in
          let call: Call? = GLXDispatch.queryCurrentRendererIntegerMESA.function(
            of: GLXDispatch.current)
          return call?(attribute, value) ?? 0
        } as Call)
    case .queryCurrentRendererStringMESA:
      typealias Call = @convention(c) (Int32) -> Text?
      return address(
        { attribute in
          let call: Call? = GLXDispatch.queryCurrentRendererStringMESA.function(
            of: GLXDispatch.current)
          return call?(attribute) ?? nil
        } as Call)
    default: return nil
    }
  }

  /// GLX_OML_sync_control, GLX_SGI_video_sync.
  private var syncStub: UnsafeMutableRawPointer? {
    switch self {
    case .getMscRateOML:
      typealias Call = @convention(c) (Display?, UInt, Ints?, Ints?) -> Int32
      return address(
        { display, name, numerator, denominator in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.getMscRateOML.function(of: vendor)
          return call?(display, name, numerator, denominator) ?? 0
        } as Call)
    case .getSyncValuesOML:
      typealias Call = @convention(c) (Display?, UInt, Longs?, Longs?, Longs?) -> Int32
      return address(
        { display, name, ust, msc, sbc in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.getSyncValuesOML.function(of: vendor)
          return call?(display, name, ust, msc, sbc) ?? 0
        } as Call)
    case .swapBuffersMscOML:
      typealias Call = @convention(c) (Display?, UInt, Int64, Int64, Int64) -> Int64
      return address(
        { display, name, target, divisor, remainder in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.swapBuffersMscOML.function(of: vendor)
          return call?(display, name, target, divisor, remainder) ?? 0
        } as Call)
    case .waitForMscOML:
      typealias Call =
        @convention(c) (
          Display?, UInt, Int64, Int64, Int64, Longs?, Longs?, Longs?
        ) -> Int32
      return address(
        { display, name, target, divisor, remainder, ust, msc, sbc in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.waitForMscOML.function(of: vendor)
          return call?(display, name, target, divisor, remainder, ust, msc, sbc) ?? 0
        } as Call)
    case .waitForSbcOML:
      typealias Call = @convention(c) (Display?, UInt, Int64, Longs?, Longs?, Longs?) -> Int32
      return address(
        { display, name, target, ust, msc, sbc in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.waitForSbcOML.function(of: vendor)
          return call?(display, name, target, ust, msc, sbc) ?? 0
        } as Call)
    case .getVideoSyncSGI:
      typealias Call = @convention(c) (Words?) -> Int32
      return address(
        { count in
          let call: Call? = GLXDispatch.getVideoSyncSGI.function(of: GLXDispatch.current)
          return call?(count) ?? GLX.badContextResult
        } as Call)
    case .waitVideoSyncSGI:
      typealias Call = @convention(c) (Int32, Int32, Words?) -> Int32
      return address(
        { divisor, remainder, count in
          let call: Call? = GLXDispatch.waitVideoSyncSGI.function(of: GLXDispatch.current)
          return call?(divisor, remainder, count) ?? GLX.badContextResult
        } as Call)
    default: return nil
    }
  }

  /// GLX_EXT_swap_control, GLX_MESA_swap_control, GLX_SGI_swap_control.
  private var intervalStub: UnsafeMutableRawPointer? {
    switch self {
    case .swapIntervalEXT:
      typealias Call = @convention(c) (Display?, UInt, Int32) -> Void
      return address(
        { display, name, interval in
          let vendor = GLXDispatch.vendor(display, drawable: name)
          let call: Call? = GLXDispatch.swapIntervalEXT.function(of: vendor)
          call?(display, name, interval)
        } as Call)
    case .swapIntervalMESA:
      typealias Call = @convention(c) (UInt32) -> Int32
      return address(
        { interval in
          let call: Call? = GLXDispatch.swapIntervalMESA.function(of: GLXDispatch.current)
          return call?(interval) ?? GLX.badContextResult
        } as Call)
    case .swapIntervalSGI:
      typealias Call = @convention(c) (Int32) -> Int32
      return address(
        { interval in
          let call: Call? = GLXDispatch.swapIntervalSGI.function(of: GLXDispatch.current)
          return call?(interval) ?? GLX.badContextResult
        } as Call)
    case .getSwapIntervalMESA:
      typealias Call = @convention(c) () -> Int32
      return address(
        {
          let call: Call? = GLXDispatch.getSwapIntervalMESA.function(
            of: GLXDispatch.current)
          return call?() ?? 0
        } as Call)
    default: return nil
    }
  }
}
