import CPlatform
import CX11
import Client

/// The functions of the application's own Xlib that GLX needs. Nothing is linked: an application
/// that calls GLX has a Display, and so an Xlib.
struct XlibLibrary {
  typealias Display = OpaquePointer

  let getVisualInfo:
    @convention(c) (
      Display?, Int, UnsafeMutablePointer<XVisualInfo>?, UnsafeMutablePointer<Int32>?
    ) -> UnsafeMutablePointer<XVisualInfo>?
  let free: @convention(c) (UnsafeMutableRawPointer?) -> Int32
  let displayString: @convention(c) (Display?) -> UnsafePointer<CChar>?
  let screenCount: @convention(c) (Display?) -> Int32
  let defaultScreen: @convention(c) (Display?) -> Int32
  let rootWindow: @convention(c) (Display?, Int32) -> UInt
  let defaultVisual: @convention(c) (Display?, Int32) -> UnsafeMutablePointer<Visual>?
  let visualID: @convention(c) (UnsafeMutablePointer<Visual>?) -> UInt
  let queryExtension:
    @convention(c) (
      Display?, UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?,
      UnsafeMutablePointer<Int32>?
    ) -> Int32
  let addExtension: @convention(c) (Display?) -> UnsafeMutablePointer<XExtCodes>?
  let setCloseDisplay:
    @convention(c) (
      Display?, Int32,
      (@convention(c) (Display?, UnsafeMutablePointer<XExtCodes>?) -> Int32)?
    ) -> UnsafeMutableRawPointer?
  let setErrorString:
    @convention(c) (
      Display?, Int32,
      (
        @convention(c) (
          Display?, Int32, UnsafeMutablePointer<XExtCodes>?, UnsafeMutablePointer<CChar>?, Int32
        ) -> UnsafeMutablePointer<CChar>?
      )?
    ) -> UnsafeMutableRawPointer?
  let nextRequest: @convention(c) (Display?) -> UInt
  let setErrorHandler: @convention(c) (ErrorHandler?) -> ErrorHandler?
  /// Where Xlib keeps the handler; nil where it does not export that.
  let errorHandler: UnsafePointer<ErrorHandler?>?
  let sync: @convention(c) (Display?, Int32) -> Int32
  let flush: @convention(c) (Display?) -> Int32

  typealias ErrorHandler =
    @convention(c) (Display?, UnsafeMutablePointer<XErrorEvent>?) -> Int32

  /// The library; nil, once said why, where there is none. Any thread.
  static func open() -> UnsafePointer<XlibLibrary>? {
    if let opened { return UnsafePointer(opened) }
    guard let loaded = load(), let raw = platform_malloc(MemoryLayout<XlibLibrary>.stride) else {
      log(.error, "the program's libX11 lacks functions that GLX needs; install libx11-6")
      return nil
    }
    let library = raw.bindMemory(to: XlibLibrary.self, capacity: 1)
    library.initialize(to: loaded)
    WindowLock.locked { if opened == nil { opened = library } }
    return opened.map { UnsafePointer($0) }
  }

  /// A function of the Xlib that the application uses, whichever way it came in.
  static func symbol(_ name: StaticString) -> UnsafeMutableRawPointer? {
    let name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    if let found = platform_global_symbol(name) { return found }
    guard
      let library = platform_opened_library("libX11.so.6") ?? platform_open_library("libX11.so.6")
    else { return nil }
    return platform_symbol(library, name)
  }

  private static func load() -> XlibLibrary? {
    guard let getVisualInfo = symbol("XGetVisualInfo"), let free = symbol("XFree"),
      let displayString = symbol("XDisplayString"), let screenCount = symbol("XScreenCount"),
      let defaultScreen = symbol("XDefaultScreen"), let rootWindow = symbol("XRootWindow"),
      let defaultVisual = symbol("XDefaultVisual"), let visualID = symbol("XVisualIDFromVisual"),
      let queryExtension = symbol("XQueryExtension"), let addExtension = symbol("XAddExtension"),
      let setCloseDisplay = symbol("XESetCloseDisplay"),
      let setErrorString = symbol("XESetErrorString"), let nextRequest = symbol("XNextRequest"),
      let setErrorHandler = symbol("XSetErrorHandler"), let sync = symbol("XSync"),
      let flush = symbol("XFlush")
    else { return nil }
    return XlibLibrary(
      getVisualInfo: function(getVisualInfo), free: function(free),
      displayString: function(displayString), screenCount: function(screenCount),
      defaultScreen: function(defaultScreen), rootWindow: function(rootWindow),
      defaultVisual: function(defaultVisual), visualID: function(visualID),
      queryExtension: function(queryExtension), addExtension: function(addExtension),
      setCloseDisplay: function(setCloseDisplay), setErrorString: function(setErrorString),
      nextRequest: function(nextRequest), setErrorHandler: function(setErrorHandler),
      errorHandler: symbol("_XErrorFunction").map {
        UnsafePointer($0.assumingMemoryBound(to: ErrorHandler?.self))
      },
      sync: function(sync), flush: function(flush))
  }
}

nonisolated(unsafe) private var opened: UnsafeMutablePointer<XlibLibrary>? = nil
