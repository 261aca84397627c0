import CPlatform
import CX11
import Client

/// What is known of a Display of the application's. Records are kept when their display is closed, for
/// the next one to the same server, so that configs of a closed display are still memory.
struct GLXDisplay {
  /// Nil while no display is open.
  var display: OpaquePointer?
  /// XDisplayString.
  var name: UnsafePointer<CChar>
  let xlib: UnsafePointer<XlibLibrary>
  /// Our own connection to the server; nil until it is needed.
  var connection: OpaquePointer? = nil
  var screenCount: Int32
  var screens: UnsafeMutablePointer<GLXScreen>
  /// The extension's numbers on this server, or numbers that no extension has.
  var majorOpcode: UInt8
  var firstEvent: Int32
  var firstError: UInt8
  var next: UnsafeMutablePointer<GLXDisplay>? = nil
}

struct GLXScreen {
  var configs: UnsafeMutablePointer<GLXConfig>
  var count: Int
  /// Of the visuals that stand for several configs, those that were chosen last: what a context that
  /// is made of such a visual means.
  var chosen: UnsafePointer<GLXConfig>? = nil
  var rootVisual: UInt
  var visualCount: Int
}

typealias DisplayRecord = UnsafeMutablePointer<GLXDisplay>

nonisolated(unsafe) private var displays: DisplayRecord? = nil

extension UnsafeMutablePointer<GLXDisplay> {
  /// The record of an open display, made at the first call that names it. Nil for NULL and without
  /// memory.
  static func of(_ display: OpaquePointer?) -> DisplayRecord? {
    guard let display else { return nil }
    if let known = find(display) { return known }
    guard let xlib = XlibLibrary.open(), let name = xlib.pointee.displayString(display) else {
      return nil
    }
    guard let made = reuse(display, name, xlib) ?? make(display, name, xlib) else { return nil }
    made.addHooks(display)
    return made
  }

  private static func find(_ display: OpaquePointer) -> DisplayRecord? {
    WindowLock.locked {
      var known = displays
      while let record = known {
        if record.pointee.display == display { return record }
        known = record.pointee.next
      }
      return nil
    }
  }

  /// The record of a closed display to the same server, if nothing has changed there.
  private static func reuse(
    _ display: OpaquePointer, _ name: UnsafePointer<CChar>, _ xlib: UnsafePointer<XlibLibrary>
  ) -> DisplayRecord? {
    let found = WindowLock.locked { () -> DisplayRecord? in
      var known = displays
      while let record = known {
        if record.pointee.display == nil, platform_string_compare(record.pointee.name, name) == 0 {
          record.pointee.display = display
          return record
        }
        known = record.pointee.next
      }
      return nil
    }
    guard let found else { return nil }
    var isSame = xlib.pointee.screenCount(display) == found.pointee.screenCount
    var screen: Int32 = 0
    while isSame, screen < found.pointee.screenCount {
      var count: Int32 = 0
      let visuals = visuals(xlib, display, screen, &count)
      _ = xlib.pointee.free(visuals)
      let root = xlib.pointee.visualID(xlib.pointee.defaultVisual(display, screen))
      let known = found.pointee.screens[Int(screen)]
      isSame = known.visualCount == Int(count) && known.rootVisual == root
      screen &+= 1
    }
    if !isSame {
      // Another server has come to be under this name.
      WindowLock.locked { found.pointee.display = nil }
      return nil
    }
    return found
  }

  private static func visuals(
    _ xlib: UnsafePointer<XlibLibrary>, _ display: OpaquePointer, _ screen: Int32,
    _ count: inout Int32
  ) -> UnsafeMutablePointer<XVisualInfo>? {
    var wanted = XVisualInfo()
    wanted.screen = screen
    return xlib.pointee.getVisualInfo(display, Int(VisualScreenMask), &wanted, &count)
  }

  private static func make(
    _ display: OpaquePointer, _ name: UnsafePointer<CChar>, _ xlib: UnsafePointer<XlibLibrary>
  ) -> DisplayRecord? {
    let screenCount = min(max(xlib.pointee.screenCount(display), 0), 64)
    let length = platform_string_length(name) &+ 1
    guard let raw = platform_malloc(MemoryLayout<GLXDisplay>.stride),
      let copy = platform_malloc(length),
      let list = platform_calloc(Int(screenCount) &+ 1, MemoryLayout<GLXScreen>.stride)
    else { return nil }
    platform_copy(copy, name, length)
    let screens = list.bindMemory(to: GLXScreen.self, capacity: Int(screenCount) &+ 1)
    var screen: Int32 = 0
    while screen < screenCount {
      guard makeScreen(screens + Int(screen), display, screen, xlib) else { return nil }
      screen &+= 1
    }
    var (major, event, error) = (Int32(0), Int32(0), Int32(0))
    if xlib.pointee.queryExtension(display, "GLX", &major, &event, &error) == 0 {
      // The server has none: the highest numbers that the protocol has room for.
      (major, event, error) = (255, 111, 242)
    }
    let record = raw.bindMemory(to: GLXDisplay.self, capacity: 1)
    record.initialize(
      to: GLXDisplay(
        display: display, name: UnsafeRawPointer(copy).assumingMemoryBound(to: CChar.self),
        xlib: xlib, screenCount: screenCount, screens: screens,
        majorOpcode: UInt8(truncatingIfNeeded: major), firstEvent: event,
        firstError: UInt8(truncatingIfNeeded: error)))
    return WindowLock.locked {
      record.pointee.next = displays
      displays = record
      return record
    }
  }

  private static func makeScreen(
    _ place: UnsafeMutablePointer<GLXScreen>, _ display: OpaquePointer, _ screen: Int32,
    _ xlib: UnsafePointer<XlibLibrary>
  ) -> Bool {
    var count: Int32 = 0
    let visuals = visuals(xlib, display, screen, &count)
    defer { _ = xlib.pointee.free(visuals) }
    let stride = MemoryLayout<GLXConfig>.stride
    guard let raw = platform_calloc(GLXConfigMaker.most, stride) else { return false }
    let configs = raw.bindMemory(to: GLXConfig.self, capacity: GLXConfigMaker.most)
    let root = xlib.pointee.visualID(xlib.pointee.defaultVisual(display, screen))
    var made = 0
    if let visuals, count > 0 {
      made = GLXConfigMaker.make(
        configs, screen: screen, root: root, UnsafePointer(visuals), Int(count))
    }
    place.initialize(
      to: GLXScreen(configs: configs, count: made, rootVisual: root, visualCount: Int(count)))
    return true
  }

  /// Has Xlib tell us when the display is closed, and name our errors.
  private func addHooks(_ display: OpaquePointer) {
    guard let codes = pointee.xlib.pointee.addExtension(display) else { return }
    let number = codes.pointee.`extension`
    _ = pointee.xlib.pointee.setCloseDisplay(display, number) { display, _ in
      DisplayRecord.close(display)
      return 0
    }
    _ = pointee.xlib.pointee.setErrorString(display, number) { display, code, _, buffer, room in
      if let record = DisplayRecord.find(ofAny: display), let buffer {
        GLXErrorText.write(code &- Int32(record.pointee.firstError), buffer, Int(room))
      }
      return buffer
    }
  }

  fileprivate static func find(ofAny display: OpaquePointer?) -> DisplayRecord? {
    guard let display else { return nil }
    return find(display)
  }

  /// XCloseDisplay: its contexts and drawables are gone.
  private static func close(_ display: OpaquePointer?) {
    guard let display, let record = find(display) else { return }
    Context.destroyAll(.glx, display)
    Drawable.destroyAll(.glx, display)
    WindowLock.locked { record.pointee.display = nil }
  }

  // MARK: What it has

  /// Our own connection to the server, or where there can be none, the application's.
  func xcb() -> OpaquePointer? {
    if let known = X11Server.connection(named: pointee.name) { return known }
    return pointee.display.flatMap { xcbConnection(ofDisplay: $0) }
  }

  func screen(_ number: Int32) -> UnsafeMutablePointer<GLXScreen>? {
    guard number >= 0, number < pointee.screenCount else { return nil }
    return pointee.screens + Int(number)
  }

  /// The config at an address that the application gave; nil for any other address.
  func config(_ address: OpaquePointer?) -> UnsafePointer<GLXConfig>? {
    guard let address else { return nil }
    let place = UInt(bitPattern: address)
    var number: Int32 = 0
    while let screen = screen(number) {
      let start = UInt(bitPattern: screen.pointee.configs)
      let stride = UInt(MemoryLayout<GLXConfig>.stride)
      if place >= start, place < start &+ UInt(screen.pointee.count) &* stride,
        (place &- start) % stride == 0
      {
        return UnsafePointer(screen.pointee.configs + Int((place &- start) / stride))
      }
      number &+= 1
    }
    return nil
  }

  /// The config that a visual of a screen stands for.
  func config(visual: UInt, screen number: Int32) -> UnsafePointer<GLXConfig>? {
    guard let screen = screen(number) else { return nil }
    if let chosen = screen.pointee.chosen, UInt(chosen.pointee.visual) == visual { return chosen }
    var found: UnsafePointer<GLXConfig>? = nil
    var i = 0
    while i < screen.pointee.count {
      let config = screen.pointee.configs + i
      if UInt(config.pointee.visual) == visual {
        // Where it stands for several: double buffered, with the usual depth and stencil.
        if config.pointee.isDoubleBuffered, config.pointee.depth == 24, config.pointee.stencil == 8,
          config.pointee.samples == 0, config.pointee.accumulation == 0
        {
          return UnsafePointer(config)
        }
        if found == nil { found = UnsafePointer(config) }
      }
      i &+= 1
    }
    return found
  }

  /// The XVisualInfo of a visual, for the application to free.
  func visualInfo(_ visual: UInt, _ screen: Int32) -> UnsafeMutablePointer<XVisualInfo>? {
    var wanted = XVisualInfo()
    wanted.screen = screen
    wanted.visualid = visual
    var count: Int32 = 0
    return pointee.xlib.pointee.getVisualInfo(
      pointee.display, Int(VisualScreenMask | VisualIDMask), &wanted, &count)
  }
}
