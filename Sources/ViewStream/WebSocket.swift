/// Frames of WebSocket connections (RFC 6455), without extensions.
public enum WebSocket {
  public enum Opcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10
  }

  /// Reasons to close (§7.4).
  public enum Close: UInt16, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    case unsupported = 1003
    case policy = 1008
    case tooLarge = 1009
  }

  /// Bytes in front of a payload that is not masked.
  public static func header(_ opcode: Opcode, count: Int) -> [UInt8] {
    var out: [UInt8] = [0x80 | opcode.rawValue]
    switch count {
    case ..<126: out.append(UInt8(count))
    case ..<65536: out += [126, UInt8(count >> 8), UInt8(count & 255)]
    default:
      out.append(127)
      out += (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
    }
    return out
  }

  /// A whole frame of a server.
  public static func frame(_ opcode: Opcode, _ payload: [UInt8]) -> [UInt8] {
    header(opcode, count: payload.count) + payload
  }

  /// A whole frame of a client.
  public static func frame(_ opcode: Opcode, _ payload: [UInt8], mask: UInt32) -> [UInt8] {
    var out = header(opcode, count: payload.count)
    out[1] |= 0x80
    let key = (0..<4).map { UInt8(truncatingIfNeeded: mask >> (8 * $0)) }
    out += key
    for (index, byte) in payload.enumerated() { out.append(byte ^ key[index & 3]) }
    return out
  }

  public static func close(_ reason: Close, _ text: String) -> [UInt8] {
    var payload: [UInt8] = [UInt8(reason.rawValue >> 8), UInt8(reason.rawValue & 255)]
    var rest = 123
    for character in text {
      let bytes = Array(character.utf8)
      rest -= bytes.count
      guard rest >= 0 else { break }
      payload += bytes
    }
    return frame(.close, payload)
  }
}

/// Takes the frames that a peer sends apart. Bytes in, messages out; no input or output of its own.
public struct WebSocketReader {
  public enum Event: Equatable, Sendable {
    case message(WebSocket.Opcode, [UInt8])
    case ping([UInt8])
    case pong
    case close
  }

  /// What is wrong with a peer's bytes, and the reason to close with.
  public struct Failure: Error, Equatable, Sendable {
    public let reason: WebSocket.Close
    public let text: String
  }

  /// Bytes of a message, all its parts together, at most.
  private let limit: Int
  /// Whether the peer is a client, whose payloads are masked.
  private let isMasked: Bool
  private var buffer: [UInt8] = []
  private var start = 0
  private var parts: [UInt8] = []
  private var opcode: WebSocket.Opcode?

  public init(limit: Int, isMasked: Bool) {
    self.limit = limit
    self.isMasked = isMasked
  }

  /// Bytes that have come and are not yet a message.
  public var pendingByteCount: Int { buffer.count - start + parts.count }

  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if start > 0 {
      buffer.removeFirst(start)
      start = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next event; nil when more bytes are needed.
  public mutating func next() throws(Failure) -> Event? {
    while true {
      guard let frame = try nextFrame() else { return nil }
      switch frame.opcode {
      case .close: return .close
      case .ping: return .ping(frame.payload)
      case .pong: return .pong
      case .continuation:
        guard opcode != nil else { throw failure("a part of no message") }
        guard parts.count + frame.payload.count <= limit else { throw tooLarge }
        parts += frame.payload
      case .text, .binary:
        guard opcode == nil else { throw failure("a message within another") }
        opcode = frame.opcode
        parts = frame.payload
      }
      guard frame.isLast, let whole = opcode else { continue }
      defer {
        opcode = nil
        parts = []
      }
      return .message(whole, parts)
    }
  }

  private func failure(_ text: String) -> Failure { Failure(reason: .protocolError, text: text) }
  private var tooLarge: Failure {
    Failure(reason: .tooLarge, text: "a message of more than \(limit) bytes")
  }

  private mutating func nextFrame() throws(Failure) -> (
    opcode: WebSocket.Opcode, isLast: Bool, payload: [UInt8]
  )? {
    let available = buffer.count - start
    guard available >= 2 else { return nil }
    let (first, second) = (buffer[start], buffer[start + 1])
    guard first & 0x70 == 0 else { throw failure("a frame of an extension that was not agreed on") }
    guard let opcode = WebSocket.Opcode(rawValue: first & 15) else {
      throw failure("a frame of no known kind (\(first & 15))")
    }
    guard (second & 0x80 != 0) == isMasked else {
      throw failure(isMasked ? "a frame that is not masked" : "a masked frame")
    }
    let isLast = first & 0x80 != 0
    var head = 2
    var count = Int(second & 127)
    if opcode.rawValue >= 8 {
      guard isLast, count < 126 else { throw failure("a control frame that is too long") }
    }
    if count >= 126 {
      let bytes = count == 126 ? 2 : 8
      head += bytes
      guard available >= head else { return nil }
      var value: UInt64 = 0
      for index in 0..<bytes { value = value << 8 | UInt64(buffer[start + 2 + index]) }
      guard value <= UInt64(limit) else { throw tooLarge }
      count = Int(value)
    }
    guard count <= limit else { throw tooLarge }
    let maskAt = start + head
    if isMasked { head += 4 }
    guard available >= head + count else { return nil }
    var payload = [UInt8](buffer[start + head..<start + head + count])
    if isMasked {
      for index in payload.indices { payload[index] ^= buffer[maskAt + (index & 3)] }
    }
    start += head + count
    if start == buffer.count {
      buffer.removeAll(keepingCapacity: true)
      start = 0
    }
    return (opcode, isLast, payload)
  }
}
