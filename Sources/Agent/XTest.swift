internal import CPlatform
internal import CX11
internal import Glibc

/// A connection to the X server that the application's windows are on, for events as if they came from its keyboard and
/// mouse (X11's XTEST extension). libxcb is opened when it is needed. One thread at a time.
final class XTest {
  private typealias Connection = OpaquePointer
  private typealias Error = UnsafeMutablePointer<xcb_generic_error_t>

  private struct Library {
    let connect:
      @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> OpaquePointer?
    let disconnect: @convention(c) (OpaquePointer?) -> Void
    let hasError: @convention(c) (OpaquePointer?) -> Int32
    let flush: @convention(c) (OpaquePointer?) -> Int32
    let getSetup: @convention(c) (OpaquePointer?) -> UnsafePointer<xcb_setup_t>?
    let poll: @convention(c) (OpaquePointer?) -> UnsafeMutablePointer<xcb_generic_event_t>?
    let sendRequest:
      @convention(c) (
        OpaquePointer?, Int32, UnsafeMutablePointer<iovec>?, UnsafePointer<xcb_protocol_request_t>?
      ) -> UInt32
    let waitForReply:
      @convention(c) (OpaquePointer?, UInt32, UnsafeMutablePointer<Error?>?) ->
        UnsafeMutableRawPointer?
    let extensionData:
      @convention(c) (OpaquePointer?, UnsafeMutablePointer<xcb_extension_t>?) -> UnsafePointer<
        xcb_query_extension_reply_t
      >?
  }

  private let library: Library
  private let connection: OpaquePointer
  private let name = strdup("XTEST")
  private let xtest: UnsafeMutablePointer<xcb_extension_t>
  /// Codes that the server's keyboards have.
  let keycodes: ClosedRange<UInt8>

  /// Nil, and why, where there is no X server, or none that takes such events.
  static func open() -> Result<XTest, InputRefusal> {
    guard let library = load() else {
      return .failure("the application's machine has no libxcb; install libxcb1 there")
    }
    guard let connection = library.connect(nil, nil) else {
      return .failure("the application's machine has no memory for a connection to its X server")
    }
    guard library.hasError(connection) == 0, let setup = library.getSetup(connection) else {
      library.disconnect(connection)
      return .failure(
        "there is no X server on the application's machine (DISPLAY) that would take the input")
    }
    let (least, most) = (setup.pointee.min_keycode, setup.pointee.max_keycode)
    let made = XTest(library, connection, keycodes: least...max(least, most))
    guard library.extensionData(connection, made.xtest)?.pointee.present == 1 else {
      return .failure("the X server of the application's machine has no XTEST; start it with it")
    }
    return .success(made)
  }

  private init(_ library: Library, _ connection: OpaquePointer, keycodes: ClosedRange<UInt8>) {
    self.library = library
    self.connection = connection
    self.keycodes = keycodes
    xtest = .allocate(capacity: 1)
    xtest.initialize(to: xcb_extension_t(name: UnsafePointer(name), global_id: 0))
  }

  deinit {
    library.disconnect(connection)
    xtest.deallocate()
    free(name)
  }

  private static func load() -> Library? {
    guard let xcb = platform_open_library("libxcb.so.1") else { return nil }
    guard let connect = platform_symbol(xcb, "xcb_connect"),
      let disconnect = platform_symbol(xcb, "xcb_disconnect"),
      let hasError = platform_symbol(xcb, "xcb_connection_has_error"),
      let flush = platform_symbol(xcb, "xcb_flush"),
      let getSetup = platform_symbol(xcb, "xcb_get_setup"),
      let poll = platform_symbol(xcb, "xcb_poll_for_event"),
      let sendRequest = platform_symbol(xcb, "xcb_send_request"),
      let waitForReply = platform_symbol(xcb, "xcb_wait_for_reply"),
      let extensionData = platform_symbol(xcb, "xcb_get_extension_data")
    else { return nil }
    return Library(
      connect: function(connect), disconnect: function(disconnect), hasError: function(hasError),
      flush: function(flush), getSetup: function(getSetup), poll: function(poll),
      sendRequest: function(sendRequest), waitForReply: function(waitForReply),
      extensionData: function(extensionData))
  }

  /// A symbol as the function that its context says it is.
  private static func function<Function>(_ symbol: UnsafeMutableRawPointer) -> Function {
    unsafeBitCast(symbol, to: Function.self)
  }

  // MARK: Requests

  /// Sends a request, of which libxcb writes the first byte, and the length.
  private func send(
    _ opcode: UInt8, _ bytes: [UInt8], hasReply: Bool = false,
    of extension: UnsafeMutablePointer<xcb_extension_t>? = nil
  ) -> UInt32 {
    var bytes = bytes
    return bytes.withUnsafeMutableBytes { bytes in
      withUnsafeTemporaryAllocation(of: iovec.self, capacity: 4) { parts in
        // libxcb uses the two in front.
        for index in parts.indices { parts[index] = iovec() }
        parts[2] = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        var request = xcb_protocol_request_t(
          count: 2, ext: `extension`, opcode: opcode, isvoid: hasReply ? 0 : 1)
        return library.sendRequest(connection, 0, parts.baseAddress! + 2, &request)
      }
    }
  }

  /// Sends a request and waits for its reply, at least 32 bytes; nil after an error.
  private func ask(_ opcode: UInt8, _ bytes: [UInt8]) -> [UInt8]? {
    let sequence = send(opcode, bytes, hasReply: true)
    var error: Error?
    let reply = library.waitForReply(connection, sequence, &error)
    free(error)
    guard let reply else { return nil }
    defer { free(reply) }
    let more = Int(reply.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) * 4
    return [UInt8](UnsafeRawBufferPointer(start: reply, count: 32 + min(more, 1 << 16)))
  }

  private static func request(_ data: UInt8 = 0, _ words: UInt32...) -> [UInt8] {
    var out: [UInt8] = [0, data, 0, 0]
    for word in words { withUnsafeBytes(of: word) { out += $0 } }
    return out
  }

  private static func word(_ reply: [UInt8], _ offset: Int) -> UInt32 {
    reply.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  private static func short(_ reply: [UInt8], _ offset: Int) -> Int {
    Int(reply.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Int16.self) })
  }

  /// Calls `body` while the server listens to nobody else: what it is asked stays true until it is used. False when
  /// the server is gone.
  func exclusively(_ body: () -> Void) -> Bool {
    _ = send(36, XTest.request())
    body()
    _ = send(37, XTest.request())
    _ = library.flush(connection)
    // Errors of requests without a reply come as events.
    while let event = library.poll(connection) { free(event) }
    return library.hasError(connection) == 0
  }

  /// A window's root, and its size; nil when it is gone.
  func geometry(_ window: UInt32) -> (root: UInt32, width: Int, height: Int)? {
    guard let reply = ask(14, XTest.request(0, window)) else { return nil }
    return (
      XTest.word(reply, 8), Int(UInt16(truncatingIfNeeded: XTest.short(reply, 16))),
      Int(UInt16(truncatingIfNeeded: XTest.short(reply, 18)))
    )
  }

  /// Where a place of one window is in another, and that one's child there.
  func translate(
    _ x: Int, _ y: Int, from: UInt32, to: UInt32
  ) -> (child: UInt32, x: Int, y: Int)? {
    let place =
      UInt32(UInt16(truncatingIfNeeded: x)) | UInt32(UInt16(truncatingIfNeeded: y)) << 16
    guard let reply = ask(40, XTest.request(0, from, to, place)) else { return nil }
    return (XTest.word(reply, 8), XTest.short(reply, 12), XTest.short(reply, 14))
  }

  /// Where the pointer is on a root.
  func pointer(_ root: UInt32) -> (x: Int, y: Int)? {
    guard let reply = ask(38, XTest.request(0, root)), reply[1] == 1 else { return nil }
    return (XTest.short(reply, 16), XTest.short(reply, 18))
  }

  func parent(_ window: UInt32) -> UInt32? {
    ask(15, XTest.request(0, window)).map { XTest.word($0, 12) }
  }

  /// The window that keys go to; 0 and 1 are none and the one that the pointer is over.
  var focus: UInt32? { ask(43, XTest.request()).map { XTest.word($0, 8) } }

  /// Gives a window the keyboard; whoever looks at it next sees it, or an error of which it hears nothing.
  func setFocus(_ window: UInt32) { _ = send(42, XTest.request(1, window, 0)) }

  private lazy var stateAtom: UInt32 = {
    var bytes = XTest.request(1, 8)
    bytes += Array("WM_STATE".utf8)
    return ask(16, bytes).map { XTest.word($0, 8) } ?? 0
  }()

  /// Whether a window manager looks after a window.
  func isManaged(_ window: UInt32) -> Bool {
    guard stateAtom != 0, let reply = ask(20, XTest.request(0, window, stateAtom, 0, 0, 0)) else {
      return false
    }
    return XTest.word(reply, 8) != 0
  }

  enum Kind: UInt8 {
    case keyPress = 2
    case keyRelease = 3
    case buttonPress = 4
    case buttonRelease = 5
    case motion = 6
  }

  /// XTestFakeInput. The detail of a movement: 1 when it is relative.
  func fake(_ kind: Kind, _ detail: UInt8, root: UInt32 = 0, x: Int = 0, y: Int = 0) {
    var bytes = XTest.request(0, UInt32(kind.rawValue) | UInt32(detail) << 8, 0, root, 0, 0)
    let place =
      UInt32(UInt16(truncatingIfNeeded: x)) | UInt32(UInt16(truncatingIfNeeded: y)) << 16
    withUnsafeBytes(of: place) { bytes += $0 }
    bytes += [UInt8](repeating: 0, count: 8)
    _ = send(2, bytes, of: xtest)
  }
}

/// Why a viewer's input has no effect: a sentence for the viewer's user.
struct InputRefusal: Error, ExpressibleByStringInterpolation {
  let text: String
  init(stringLiteral text: String) { self.text = text }
}
