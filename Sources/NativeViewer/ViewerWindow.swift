internal import CPlatform
internal import CX11
internal import Client
internal import FrameStream
internal import Glibc
internal import ViewStream

/// A window of this program's own on the X server, and what its user does in it. libxcb is opened when it is needed.
/// One thread at a time.
final class ViewerWindow {
  /// What has happened in the window.
  enum Event {
    case input(ViewEvent)
    /// Something of the picture has to be drawn again.
    case exposed
    case closed
  }

  private struct Library {
    let connect:
      @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> OpaquePointer?
    let disconnect: @convention(c) (OpaquePointer?) -> Void
    let hasError: @convention(c) (OpaquePointer?) -> Int32
    let flush: @convention(c) (OpaquePointer?) -> Int32
    let fileDescriptor: @convention(c) (OpaquePointer?) -> Int32
    let getSetup: @convention(c) (OpaquePointer?) -> UnsafePointer<xcb_setup_t>?
    let rootsIterator: @convention(c) (UnsafePointer<xcb_setup_t>?) -> xcb_screen_iterator_t
    let generateID: @convention(c) (OpaquePointer?) -> UInt32
    let createWindow:
      @convention(c) (
        OpaquePointer?, UInt8, UInt32, UInt32, Int16, Int16, UInt16, UInt16, UInt16, UInt16, UInt32,
        UInt32, UnsafeRawPointer?
      ) -> xcb_void_cookie_t
    let mapWindow: @convention(c) (OpaquePointer?, UInt32) -> xcb_void_cookie_t
    let configureWindow:
      @convention(c) (OpaquePointer?, UInt32, UInt16, UnsafeRawPointer?) -> xcb_void_cookie_t
    let changeProperty:
      @convention(c) (
        OpaquePointer?, UInt8, UInt32, UInt32, UInt32, UInt8, UInt32, UnsafeRawPointer?
      ) -> xcb_void_cookie_t
    let internAtom:
      @convention(c) (OpaquePointer?, UInt8, UInt16, UnsafePointer<CChar>?) ->
        xcb_intern_atom_cookie_t
    let internAtomReply:
      @convention(c) (
        OpaquePointer?, xcb_intern_atom_cookie_t,
        UnsafeMutablePointer<UnsafeMutablePointer<xcb_generic_error_t>?>?
      ) -> UnsafeMutablePointer<xcb_intern_atom_reply_t>?
    let poll: @convention(c) (OpaquePointer?) -> UnsafeMutablePointer<xcb_generic_event_t>?
  }

  private let library: Library
  private let connection: OpaquePointer
  private let window: UInt32
  private let protocols: UInt32
  private let deleteWindow: UInt32
  private var frames: FrameBuffers?
  private var painter: WindowPainter?
  private(set) var size = (width: 0, height: 0)
  private var isMapped = false
  /// An event that was read too early.
  private var ahead: UnsafeMutablePointer<xcb_generic_event_t>?
  private var pressed: Set<UInt8> = []
  /// Events that follow from one that was read.
  private var due: [Event] = []

  /// Nil, and why, without an X server.
  static func open() -> Result<ViewerWindow, ViewError> {
    guard let library = load() else {
      return .failure(ViewError("libxcb.so.1 cannot be opened; install libxcb1"))
    }
    guard let connection = library.connect(nil, nil) else {
      return .failure(ViewError("there is no memory for a connection to the X server"))
    }
    guard library.hasError(connection) == 0, let setup = library.getSetup(connection),
      let screen = library.rootsIterator(setup).data
    else {
      library.disconnect(connection)
      return .failure(
        ViewError(
          "there is no X server to show the window on; set DISPLAY, or open the node's page in a browser"
        ))
    }
    return .success(ViewerWindow(library, connection, screen.pointee))
  }

  private init(_ library: Library, _ connection: OpaquePointer, _ screen: xcb_screen_t) {
    self.library = library
    self.connection = connection
    func atom(_ name: String) -> UInt32 {
      let cookie = library.internAtom(connection, 0, UInt16(name.utf8.count), name)
      guard let reply = library.internAtomReply(connection, cookie, nil) else { return 0 }
      defer { free(reply) }
      return reply.pointee.atom
    }
    protocols = atom("WM_PROTOCOLS")
    deleteWindow = atom("WM_DELETE_WINDOW")
    window = library.generateID(connection)
    let mask =
      XCB_EVENT_MASK_KEY_PRESS.rawValue | XCB_EVENT_MASK_KEY_RELEASE.rawValue
      | XCB_EVENT_MASK_BUTTON_PRESS.rawValue | XCB_EVENT_MASK_BUTTON_RELEASE.rawValue
      | XCB_EVENT_MASK_POINTER_MOTION.rawValue | XCB_EVENT_MASK_EXPOSURE.rawValue
      | XCB_EVENT_MASK_FOCUS_CHANGE.rawValue
    var values: [UInt32] = [screen.black_pixel, mask]
    _ = library.createWindow(
      connection, 0, window, screen.root, 0, 0, 640, 480, 0,
      UInt16(XCB_WINDOW_CLASS_INPUT_OUTPUT.rawValue), screen.root_visual,
      XCB_CW_BACK_PIXEL.rawValue | XCB_CW_EVENT_MASK.rawValue, &values)
    var close = deleteWindow
    _ = library.changeProperty(
      connection, 0, window, protocols, XCB_ATOM_ATOM.rawValue, 32, 1, &close)
    setTitle("Omega")
    _ = library.flush(connection)
  }

  deinit {
    painter?.finish()
    frames?.free()
    free(ahead)
    library.disconnect(connection)
  }

  private static func load() -> Library? {
    guard let xcb = platform_open_library("libxcb.so.1"),
      let connect = platform_symbol(xcb, "xcb_connect"),
      let disconnect = platform_symbol(xcb, "xcb_disconnect"),
      let hasError = platform_symbol(xcb, "xcb_connection_has_error"),
      let flush = platform_symbol(xcb, "xcb_flush"),
      let fileDescriptor = platform_symbol(xcb, "xcb_get_file_descriptor"),
      let getSetup = platform_symbol(xcb, "xcb_get_setup"),
      let rootsIterator = platform_symbol(xcb, "xcb_setup_roots_iterator"),
      let generateID = platform_symbol(xcb, "xcb_generate_id"),
      let createWindow = platform_symbol(xcb, "xcb_create_window"),
      let mapWindow = platform_symbol(xcb, "xcb_map_window"),
      let configureWindow = platform_symbol(xcb, "xcb_configure_window"),
      let changeProperty = platform_symbol(xcb, "xcb_change_property"),
      let internAtom = platform_symbol(xcb, "xcb_intern_atom"),
      let internAtomReply = platform_symbol(xcb, "xcb_intern_atom_reply"),
      let poll = platform_symbol(xcb, "xcb_poll_for_event")
    else { return nil }
    return Library(
      connect: function(connect), disconnect: function(disconnect), hasError: function(hasError),
      flush: function(flush), fileDescriptor: function(fileDescriptor),
      getSetup: function(getSetup), rootsIterator: function(rootsIterator),
      generateID: function(generateID), createWindow: function(createWindow),
      mapWindow: function(mapWindow), configureWindow: function(configureWindow),
      changeProperty: function(changeProperty), internAtom: function(internAtom),
      internAtomReply: function(internAtomReply), poll: function(poll))
  }

  /// A symbol as the function that its context says it is.
  private static func function<Function>(_ symbol: UnsafeMutableRawPointer) -> Function {
    unsafeBitCast(symbol, to: Function.self)
  }

  /// Readable when something has happened.
  var descriptor: Int32 { library.fileDescriptor(connection) }
  var isGone: Bool { library.hasError(connection) != 0 }

  func setTitle(_ title: String) {
    let bytes = Array(title.utf8)
    _ = library.changeProperty(
      connection, 0, window, XCB_ATOM_WM_NAME.rawValue, XCB_ATOM_STRING.rawValue, 8,
      UInt32(bytes.count), bytes)
    _ = library.flush(connection)
  }

  // MARK: Pictures

  /// Shows a picture of a size; false without memory, or when the window is gone.
  func show(_ picture: PixelRows, width: Int, height: Int) -> Bool {
    if size != (width, height) {
      guard prepare(width, height) else { return false }
    }
    guard let frames else { return false }
    for y in 0..<height {
      platform_copy(
        frames.frame(0) + y * frames.stride, picture.start + y * picture.stride, width * 4)
    }
    return paint()
  }

  /// Shows what was shown last again.
  @discardableResult
  func paint() -> Bool {
    guard let painter else { return true }
    return painter.show(0) != .surfaceLost
  }

  private func prepare(_ width: Int, _ height: Int) -> Bool {
    painter?.finish()
    frames?.free()
    painter = nil
    frames = FrameBuffers.make(imageCount: 1, width: width, height: height, layout: .bgra8)
    guard let frames else { return false }
    size = (width, height)
    var values = [UInt32(width), UInt32(height)]
    _ = library.configureWindow(
      connection, window,
      UInt16(XCB_CONFIG_WINDOW_WIDTH.rawValue | XCB_CONFIG_WINDOW_HEIGHT.rawValue), &values)
    if !isMapped { _ = library.mapWindow(connection, window) }
    isMapped = true
    _ = library.flush(connection)
    painter = WindowPainter(window: .x11(connection, window), frames: frames)
    return painter != nil
  }

  // MARK: Events

  /// The next thing that has happened; nil when there is nothing more.
  func next() -> Event? {
    if let first = due.popLast() { return first }
    while let raw = ahead ?? library.poll(connection) {
      ahead = nil
      defer { free(raw) }
      if let event = event(raw) { return event }
    }
    return nil
  }

  private func event(_ raw: UnsafeMutablePointer<xcb_generic_event_t>) -> Event? {
    func cast<Event>(_ pointer: UnsafeMutablePointer<xcb_generic_event_t>) -> Event {
      UnsafeRawPointer(pointer).load(as: Event.self)
    }
    switch Int32(raw.pointee.response_type & 0x7F) {
    case XCB_KEY_PRESS:
      let key: xcb_key_press_event_t = cast(raw)
      guard pressed.insert(key.detail).inserted else { return nil }
      return code(key.detail).map { .input(.key(code: $0, isPressed: true)) }
    case XCB_KEY_RELEASE:
      let key: xcb_key_press_event_t = cast(raw)
      // A key that repeats is released and pressed at the same time.
      ahead = library.poll(connection)
      if let ahead, Int32(ahead.pointee.response_type & 0x7F) == XCB_KEY_PRESS {
        let next: xcb_key_press_event_t = cast(ahead)
        if next.detail == key.detail, next.time == key.time { return nil }
      }
      guard pressed.remove(key.detail) != nil else { return nil }
      return code(key.detail).map { .input(.key(code: $0, isPressed: false)) }
    case XCB_MOTION_NOTIFY:
      let motion: xcb_motion_notify_event_t = cast(raw)
      let (x, y) = place(motion.event_x, motion.event_y)
      return .input(.motion(x: x, y: y))
    case XCB_BUTTON_PRESS: return button(cast(raw), isPressed: true)
    case XCB_BUTTON_RELEASE: return button(cast(raw), isPressed: false)
    case XCB_FOCUS_OUT:
      // The user looks elsewhere, and lets go there.
      due = pressed.compactMap { code($0).map { .input(.key(code: $0, isPressed: false)) } }
      pressed = []
      return due.popLast()
    case XCB_EXPOSE: return .exposed
    case XCB_CLIENT_MESSAGE:
      let message: xcb_client_message_event_t = cast(raw)
      return message.type == protocols && message.data.data32.0 == deleteWindow ? .closed : nil
    default: return nil
    }
  }

  /// X's codes are 8 more than Linux's, of the servers that there are.
  private func code(_ detail: UInt8) -> UInt16? {
    let code = UInt16(detail) &- 8
    return ViewEvent.keyCodes.contains(code) ? code : nil
  }

  private func place(_ x: Int16, _ y: Int16) -> (x: Int32, y: Int32) {
    (
      Int32(min(max(Int(x), 0), max(size.width - 1, 0))),
      Int32(min(max(Int(y), 0), max(size.height - 1, 0)))
    )
  }

  private func button(_ event: xcb_button_press_event_t, isPressed: Bool) -> Event? {
    let (x, y) = place(event.event_x, event.event_y)
    switch event.detail {
    case 4: return isPressed ? .input(.wheel(x: 0, y: -1)) : nil
    case 5: return isPressed ? .input(.wheel(x: 0, y: 1)) : nil
    case 6: return isPressed ? .input(.wheel(x: -1, y: 0)) : nil
    case 7: return isPressed ? .input(.wheel(x: 1, y: 0)) : nil
    case 1...3, 8, 9:
      return .input(.button(number: UInt16(event.detail), isPressed: isPressed, x: x, y: y))
    default: return nil
    }
  }
}
