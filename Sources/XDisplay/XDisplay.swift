internal import CPlatform
internal import CX11

/// A connection of our own to an X server: for input that comes or is made, and for pixels as they are seen. Not for windows,
/// which are the application's and shown by it. Nothing of X11 is linked.
///
/// Threads: one at a time.
public final class XDisplay {
  private let library: XLibrary
  private let connection: XLibrary.Connection
  /// The root window of the first screen.
  public let root: UInt32
  /// The major opcode of the input extension once `selectInput` has found it.
  private var inputOpcode: UInt8?

  /// Connects to the server that a name says (nil: `DISPLAY`); nil when there is none, or no libxcb.
  public init?(_ name: String? = nil) {
    guard let library = XLibrary.shared else { return nil }
    guard
      let connection = name.map({ library.connect($0, nil) }) ?? library.connect(nil, nil)
    else { return nil }
    guard library.hasError(connection) == 0, let setup = library.getSetup(connection),
      case let screens = library.rootsIterator(setup), screens.rem > 0, let screen = screens.data
    else {
      library.disconnect(connection)
      return nil
    }
    self.library = library
    self.connection = connection
    root = screen.pointee.root
  }

  deinit { library.disconnect(connection) }

  /// The connection is broken; nothing comes any more.
  public var isBroken: Bool { library.hasError(connection) != 0 }
  /// For poll.
  public var descriptor: Int32 { library.fileDescriptor(connection) }

  // MARK: Requests

  /// Sends a request whose bytes begin with its header, which xcb fills in: at least 4, a multiple of 4. With
  /// `wantsReply` waits for the answer; nil when there was an error.
  private func request(
    _ bytes: [UInt8], opcode: UInt8, of other: XExtension? = nil, wantsReply: Bool
  ) -> [UInt8]? {
    var copy = bytes
    let sequence = copy.withUnsafeMutableBytes { bytes -> UInt32 in
      // Two vectors before the first are xcb's own.
      withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { vectors in
        vectors.initialize(repeating: iovec())
        vectors[2] = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        var description = xcb_protocol_request_t(
          count: 1, ext: other?.pointer, opcode: opcode, isvoid: wantsReply ? 0 : 1)
        return library.sendRequest(
          connection, 1, vectors.baseAddress.map { $0 + 2 }, &description)
      }
    }
    guard wantsReply else {
      _ = library.flush(connection)
      return []
    }
    var error: XLibrary.Error?
    let reply = library.waitForReply(connection, sequence, &error)
    platform_free(error)
    guard let reply else { return nil }
    defer { platform_free(reply) }
    let extra = Int(reply.load(fromByteOffset: 4, as: UInt32.self)) * 4
    return Array(UnsafeRawBufferPointer(start: reply, count: 32 + extra))
  }

  private func has(_ other: XExtension) -> Bool {
    library.extensionData(connection, other.pointer)?.pointee.present == 1
  }

  // MARK: Windows

  /// The windows in a window, from back to front.
  public func children(of window: UInt32) -> [UInt32] {
    guard let reply = request([0, 0, 0, 0] + bytes(window), opcode: 15, wantsReply: true) else {
      return []
    }
    let count = Int(reply[16]) | Int(reply[17]) << 8
    return (0..<count).compactMap { index in
      let at = 32 + index * 4
      guard at + 4 <= reply.count else { return nil }
      return word(reply, at)
    }
  }

  /// A window's size, and whether it is on the screen; nil when it is gone.
  public func geometry(of window: UInt32) -> (width: Int, height: Int, isViewable: Bool)? {
    guard let reply = request([0, 0, 0, 0] + bytes(window), opcode: 14, wantsReply: true),
      let attributes = request([0, 0, 0, 0] + bytes(window), opcode: 3, wantsReply: true)
    else { return nil }
    return (
      Int(reply[16]) | Int(reply[17]) << 8, Int(reply[18]) | Int(reply[19]) << 8,
      attributes[26] == 2
    )
  }

  /// One pixel of a window as its visual has it; nil when it is gone, or not on the screen.
  public func pixel(of window: UInt32, x: Int, y: Int) -> UInt32? {
    // GetImage as a Z pixmap, all planes.
    var message: [UInt8] = [0, 2, 0, 0]
    message += bytes(window)
    message += bytes(UInt32(x & 0xFFFF) | UInt32(y & 0xFFFF) << 16)
    message += bytes(1 | 1 << 16)
    message += bytes(UInt32.max)
    guard let reply = request(message, opcode: 73, wantsReply: true), reply.count >= 36 else {
      return nil
    }
    return word(reply, 32)
  }

  /// Puts the pointer to a place in a window.
  public func warpPointer(to window: UInt32, x: Int, y: Int) {
    var message: [UInt8] = [0, 0, 0, 0]
    message += bytes(0) + bytes(window) + bytes(0) + bytes(0)
    message += bytes(UInt32(x & 0xFFFF) | UInt32(y & 0xFFFF) << 16)
    _ = request(message, opcode: 41, wantsReply: false)
  }

  // MARK: Input

  /// Whether `press` works.
  public var canPress: Bool { has(.testing) }

  /// Presses or lets go a button of the pointer, as if the user had. Returns when the server has it.
  public func press(button: UInt8, isDown: Bool) {
    // FakeInput: ButtonPress or ButtonRelease, now, where the pointer is.
    var message: [UInt8] = [0, 0, 0, 0, isDown ? 4 : 5, button, 0, 0]
    message += [UInt8](repeating: 0, count: 28)
    _ = request(message, opcode: 2, of: .testing, wantsReply: false)
    synchronize()
  }

  /// Waits until the server has done everything that it was asked.
  public func synchronize() { _ = request([0, 0, 0, 0], opcode: 43, wantsReply: true) }

  /// Asks to hear of all input: keys, buttons, motion, touch, whatever window it is for. False when the server has no
  /// such events.
  public func selectInput() -> Bool {
    guard has(.input), let data = library.extensionData(connection, XExtension.input.pointer)
    else { return false }
    // Raw events come to whoever asks, also while somebody has grabbed the device, from 2.1 on.
    guard
      let version = request(
        [0, 0, 0, 0, 2, 0, 2, 0], opcode: 47, of: .input, wantsReply: true),
      version[8] >= 2
    else { return false }
    let mask: UInt32 = (13...17).reduce(0) { $0 | 1 << $1 } | 1 << 22
    // One mask of one word, of all master devices.
    let message: [UInt8] =
      [0, 0, 0, 0] + bytes(root) + [1, 0, 0, 0] + [1, 0, 1, 0] + bytes(mask)
    _ = request(message, opcode: 46, of: .input, wantsReply: false)
    synchronize()
    inputOpcode = data.pointee.major_opcode
    return true
  }

  /// Takes what has come; whether there was input among it. What it was is not looked at.
  public func takeInput() -> Bool {
    var found = false
    while let event = library.pollForEvent(connection) {
      // A generic event says whose it is.
      let kind = event.pointee.response_type & 0x7F
      if kind == 35, event.pointee.pad0 == inputOpcode { found = true }
      platform_free(event)
    }
    return found
  }

  private func bytes(_ word: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
  }

  private func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32($1 * 8) }
  }
}
