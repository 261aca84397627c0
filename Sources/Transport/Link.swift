internal import CPlatform
internal import Glibc

/// One received message. `payload` is valid until the next `receive` on the same link.
public struct Message {
  public let type: UInt32
  public let payload: UnsafeRawBufferPointer
  /// Descriptors that came with it. The receiver owns them.
  public let descriptors: [Int32]
}

/// A duplex stream of messages, `u32 type, u32 byteCount, payload`, over a connected socket:
/// plain on a unix socket, sealed on TCP (`Handshake`, `RecordCipher`).
///
/// Threads: any may `send` and `close`; one at a time may `receive`. Errors are final: after one,
/// the link is good for nothing but `close`.
public final class Link: @unchecked Sendable {
  /// No message is larger, in bytes of payload.
  public static let largestMessage = 64 << 20
  /// How long a peer may take over the handshake, in nanoseconds.
  public static let handshakeTime: UInt64 = 5_000_000_000

  /// The other end, for messages.
  public let peer: String
  /// True when the link is encrypted and authenticated.
  public let isSealed: Bool
  /// The largest payload that `receive` takes. The receiver lowers it while the peer has not yet
  /// said who it is.
  public var messageLimit = Link.largestMessage

  /// What datagrams to the same peer are sealed with; nil on a plain link.
  public let datagramSecret: DatagramSecret?

  /// For `poll`. A sealed link may hold a decrypted message although nothing is readable: receive
  /// until `hasBuffered` is false before waiting.
  public let descriptor: Int32

  private let stream: ByteStream
  private let sendLock: UnsafeMutableRawPointer
  private var sealer: RecordCipher?
  private var opener: RecordCipher?
  /// Sealed links: parts of a message on their way into one record. Under `sendLock`.
  private var staging: UnsafeMutableRawPointer?
  private var incoming = ReceiveBuffer()
  private var payload = GrowableBytes()
  private var bytesSent: UInt64 = 0
  private var bytesReceived: UInt64 = 0

  // MARK: Making

  /// A plain link over a connected unix socket; takes the descriptor over.
  public init(descriptor: Int32, peer: String) {
    self.descriptor = descriptor
    self.peer = peer
    stream = ByteStream(descriptor: descriptor, peer: peer)
    isSealed = false
    datagramSecret = nil
    sendLock = Link.makeLock()
  }

  init(descriptor: Int32, peer: String, keys: consuming Handshake.Keys) {
    self.descriptor = descriptor
    self.peer = peer
    stream = ByteStream(descriptor: descriptor, peer: peer)
    isSealed = true
    datagramSecret = keys.datagrams
    sendLock = Link.makeLock()
    sealer = consume keys.send
    opener = consume keys.receive
    staging = platform_malloc(RecordCipher.largestRecord)
  }

  deinit {
    _ = platform_close(descriptor)
    platform_free(sendLock)
    platform_free(staging)
    incoming.free()
    payload.free()
  }

  private static func makeLock() -> UnsafeMutableRawPointer {
    let lock = UnsafeMutableRawPointer.allocate(byteCount: platform_lock_size, alignment: 16)
    platform_lock_init(lock)
    return lock
  }

  /// Connects to a node, and on TCP agrees on keys. At most `handshakeTime`.
  public static func connect(_ address: Address, token: Token?) throws(LinkError) -> Link {
    try connect(address, token: token, versions: Handshake.Versions(), time: handshakeTime)
  }

  static func connect(
    _ address: Address, token: Token?, versions: Handshake.Versions, time: UInt64
  ) throws(LinkError) -> Link {
    try Token.require(token, for: address)
    let deadline = platform_now() &+ time
    let descriptor = try address.connectSocket(deadline: deadline)
    let peer = address.description
    guard case .tcp = address else { return Link(descriptor: descriptor, peer: peer) }
    do throws(LinkError) {
      let keys = try Handshake.asClient(
        ByteStream(descriptor: descriptor, peer: peer), token: token, versions: versions,
        deadline: deadline)
      return Link(descriptor: descriptor, peer: peer, keys: keys)
    } catch {
      _ = platform_close(descriptor)
      throw error
    }
  }

  /// The node's side of `connect` on a TCP connection that was accepted; takes the descriptor over
  /// in any case.
  public static func accept(
    tcp descriptor: Int32, peer: String, token: Token?
  ) throws(LinkError) -> Link {
    try accept(
      tcp: descriptor, peer: peer, token: token, versions: Handshake.Versions(),
      time: handshakeTime)
  }

  static func accept(
    tcp descriptor: Int32, peer: String, token: Token?, versions: Handshake.Versions, time: UInt64
  ) throws(LinkError) -> Link {
    do throws(LinkError) {
      let keys = try Handshake.asNode(
        ByteStream(descriptor: descriptor, peer: peer), token: token, versions: versions,
        deadline: platform_now() &+ time)
      return Link(descriptor: descriptor, peer: peer, keys: keys)
    } catch {
      _ = platform_close(descriptor)
      throw error
    }
  }

  /// Answers a TCP connection with "full", and closes it.
  public static func refuseFull(tcp descriptor: Int32, peer: String) {
    Handshake.refuseFull(ByteStream(descriptor: descriptor, peer: peer))
    _ = platform_close(descriptor)
  }

  /// This end of a TCP connection, as numbers; nil on a unix socket.
  public var localAddress: Address? { endAddress(getsockname) }
  /// The other end of a TCP connection, as numbers; nil on a unix socket.
  public var peerAddress: Address? { endAddress(getpeername) }

  private func endAddress(
    _ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> Address? {
    var end = SocketAddress()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    guard end.withPointer({ ask(descriptor, $0, &length) }) == 0 else { return nil }
    end.length = length
    guard end.family == AF_INET || end.family == AF_INET6 else { return nil }
    return end.numeric
  }

  /// Ends the link from any thread: a `receive` or `send` that waits comes back. The descriptor
  /// itself is closed when the last reference goes.
  public func close() { platform_shutdown(descriptor) }

  /// Bytes on the wire so far, seals included.
  public var sentByteCount: UInt64 {
    platform_lock(sendLock)
    defer { platform_unlock(sendLock) }
    return bytesSent
  }
  /// For the receiving thread.
  public var receivedByteCount: UInt64 { bytesReceived }

  // MARK: Sending

  /// Sends one message whose payload is `parts` in order, with up to 16 descriptors on a unix
  /// socket (they stay the caller's). Returns when the kernel has taken it all.
  public func send(
    _ type: UInt32, _ parts: [UnsafeRawBufferPointer], descriptors: [Int32] = []
  ) throws(LinkError) {
    var failure: LinkError?
    parts.withUnsafeBufferPointer { parts in
      do throws(LinkError) { try sendParts(type, parts, descriptors) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Sends one message.
  public func send(_ type: UInt32, _ payload: UnsafeRawBufferPointer) throws(LinkError) {
    var failure: LinkError?
    withUnsafePointer(to: payload) { part in
      do throws(LinkError) {
        try sendParts(type, UnsafeBufferPointer(start: part, count: 1), [])
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Sends one small message.
  public func send(
    _ type: UInt32, bytes: [UInt8], descriptors: [Int32] = []
  ) throws(LinkError) {
    var failure: LinkError?
    bytes.withUnsafeBytes { bytes in
      do throws(LinkError) { try send(type, [bytes], descriptors: descriptors) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private func sendParts(
    _ type: UInt32, _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, _ descriptors: [Int32]
  ) throws(LinkError) {
    var total = 0
    for part in parts { total += part.count }
    guard total <= Link.largestMessage else {
      throw LinkError(
        .tooLarge, "a message of \(total) bytes is larger than the limit of \(Link.largestMessage)")
    }
    var header = (type.littleEndian, UInt32(truncatingIfNeeded: total).littleEndian)
    platform_lock(sendLock)
    defer { platform_unlock(sendLock) }
    var failure: LinkError?
    withUnsafeBytes(of: &header) { header in
      do throws(LinkError) {
        if isSealed {
          try sendSealed(header, parts)
        } else {
          try sendPlain(header, parts, descriptors)
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func sendPlain(
    _ header: UnsafeRawBufferPointer, _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>,
    _ descriptors: [Int32]
  ) throws(LinkError) {
    var failure: LinkError?
    withUnsafeTemporaryAllocation(of: iovec.self, capacity: parts.count + 1) { vectors in
      vectors[0] = Link.vector(header)
      bytesSent &+= UInt64(header.count)
      for (index, part) in parts.enumerated() {
        vectors[index + 1] = Link.vector(part)
        bytesSent &+= UInt64(part.count)
      }
      do throws(LinkError) { try stream.write(vectors, descriptors: descriptors) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  private func sendSealed(
    _ header: UnsafeRawBufferPointer, _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>
  ) throws(LinkError) {
    guard let staging else { throw LinkError(.system, "out of memory for a record") }
    // A record begins with the header of a message and never holds parts of two.
    staging.copyMemory(from: header.baseAddress!, byteCount: header.count)
    var filled = header.count
    for part in parts {
      var offset = 0
      while offset < part.count {
        if filled == RecordCipher.largestRecord {
          try sendRecord(UnsafeRawBufferPointer(start: staging, count: filled))
          filled = 0
        }
        let step = min(part.count - offset, RecordCipher.largestRecord - filled)
        (staging + filled).copyMemory(from: part.baseAddress! + offset, byteCount: step)
        filled += step
        offset += step
      }
    }
    try sendRecord(UnsafeRawBufferPointer(start: staging, count: filled))
  }

  private func sendRecord(_ plaintext: UnsafeRawBufferPointer) throws(LinkError) {
    var length = UInt32(truncatingIfNeeded: plaintext.count).littleEndian
    bytesSent &+= UInt64(4 + plaintext.count + RecordCipher.tagSize)
    try sealer?.seal(plaintext) { sealed throws(LinkError) in
      var failure: LinkError?
      withUnsafeBytes(of: &length) { length in
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
          vectors[0] = Link.vector(length)
          vectors[1] = Link.vector(
            UnsafeRawBufferPointer(rebasing: sealed[RecordCipher.nonceSize...]))
          do throws(LinkError) { try stream.write(vectors, descriptors: []) } catch {
            failure = error
          }
        }
      }
      if let failure { throw failure }
    }
  }

  private static func vector(_ bytes: UnsafeRawBufferPointer) -> iovec {
    iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
  }

  // MARK: Receiving

  /// True when `receive` would find bytes that have already left the socket.
  public var hasBuffered: Bool { incoming.count > 0 }

  /// The next message; nil when the peer closed the connection between two messages. Waits.
  public func receive() throws(LinkError) -> Message? {
    isSealed ? try receiveSealed() : try receivePlain()
  }

  private func receivePlain() throws(LinkError) -> Message? {
    var descriptors: [Int32] = []
    do throws(LinkError) {
      var header: (UInt32, UInt32) = (0, 0)
      var started = true
      var failure: LinkError?
      withUnsafeMutableBytes(of: &header) { bytes in
        do throws(LinkError) { started = try fill(bytes, &descriptors, mayEnd: true) } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      guard started else { return nil }
      let count = try checkedSize(UInt32(littleEndian: header.1))
      let room = try payloadRoom(count)
      _ = try fill(room, &descriptors, mayEnd: false)
      bytesReceived &+= UInt64(8 + count)
      return Message(
        type: UInt32(littleEndian: header.0), payload: UnsafeRawBufferPointer(room),
        descriptors: descriptors)
    } catch {
      for descriptor in descriptors { _ = platform_close(descriptor) }
      throw error
    }
  }

  /// Reads exactly `room`. False when the stream ended before the first byte and `mayEnd`.
  private func fill(
    _ room: UnsafeMutableRawBufferPointer, _ descriptors: inout [Int32], mayEnd: Bool
  ) throws(LinkError) -> Bool {
    var filled = 0
    while filled < room.count {
      var count: Int32 = 0
      var failure: LinkError?
      var got: Int64 = 0
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: 16) { room16 in
        got = platform_receive_fds(
          descriptor, room.baseAddress! + filled, room.count - filled, room16.baseAddress!,
          Int32(16 - min(descriptors.count, 16)), &count, true)
        descriptors.append(contentsOf: room16[..<Int(max(count, 0))])
        if got < 0 { failure = .system("cannot read from \(peer)", Int32(-got)) }
      }
      if let failure { throw failure }
      if got == 0 {
        if mayEnd && filled == 0 { return false }
        throw LinkError(.closed, "\(peer) closed the connection in the middle of a message")
      }
      filled += Int(got)
    }
    return true
  }

  private func receiveSealed() throws(LinkError) -> Message? {
    guard let first = try openRecord() else { return nil }
    guard first.count >= 8 else {
      throw LinkError(.tampered, "\(peer) sent a record without a message header")
    }
    let type = UInt32(littleEndian: first.loadUnaligned(as: UInt32.self))
    let count = try checkedSize(
      UInt32(littleEndian: first.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    let room = try payloadRoom(count)
    var filled = 0
    var part = UnsafeRawBufferPointer(rebasing: first[8...])
    while true {
      guard part.count <= count - filled else {
        throw LinkError(.tampered, "\(peer) sent more bytes than its message header says")
      }
      if part.count > 0 {
        (room.baseAddress! + filled).copyMemory(from: part.baseAddress!, byteCount: part.count)
        filled += part.count
      }
      if filled == count { break }
      guard let next = try openRecord(), next.count > 0 else {
        throw LinkError(.closed, "\(peer) closed the connection in the middle of a message")
      }
      part = next
    }
    return Message(type: type, payload: UnsafeRawBufferPointer(room), descriptors: [])
  }

  /// The next record's plaintext, valid until the next call; nil at the end of the stream.
  private func openRecord() throws(LinkError) -> UnsafeRawBufferPointer? {
    guard try incoming.fill(stream, 4) else { return nil }
    let length = Int(
      UInt32(littleEndian: incoming.bytes.loadUnaligned(as: UInt32.self)))
    guard length <= RecordCipher.largestRecord else {
      throw LinkError(
        .tooLarge,
        "\(peer) sent a record of \(length) bytes, and \(RecordCipher.largestRecord) are allowed")
    }
    let size = 4 + length + RecordCipher.tagSize
    guard try incoming.fill(stream, size) else {
      throw LinkError(.closed, "\(peer) closed the connection in the middle of a record")
    }
    bytesReceived &+= UInt64(size)
    // The buffer keeps room for a nonce before its first byte; the length field lies there too.
    let sealed = UnsafeMutableRawBufferPointer(
      start: incoming.start + 4 - RecordCipher.nonceSize,
      count: RecordCipher.nonceSize + length + RecordCipher.tagSize)
    let plaintext = incoming.plaintext
    try opener?.open(sealed, into: plaintext)
    incoming.consume(size)
    return UnsafeRawBufferPointer(start: plaintext, count: length)
  }

  private func checkedSize(_ count: UInt32) throws(LinkError) -> Int {
    guard Int(count) <= messageLimit else {
      throw LinkError(
        .tooLarge, "\(peer) sent a message of \(count) bytes, and \(messageLimit) are allowed")
    }
    return Int(count)
  }

  private func payloadRoom(_ count: Int) throws(LinkError) -> UnsafeMutableRawBufferPointer {
    guard let room = payload.room(count) else {
      throw LinkError(.system, "out of memory for a message of \(count) bytes from \(peer)")
    }
    return room
  }
}

/// Memory that grows to the largest message so far.
private struct GrowableBytes {
  private var start: UnsafeMutableRawPointer?
  private var capacity = 0

  mutating func room(_ count: Int) -> UnsafeMutableRawBufferPointer? {
    if start == nil || capacity < count {
      let size = max(count, 4096)
      platform_free(start)
      start = platform_aligned_alloc(16, size)
      capacity = start == nil ? 0 : size
    }
    guard let start else { return nil }
    return UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  mutating func free() {
    platform_free(start)
    start = nil
    capacity = 0
  }
}

/// What has been read from a sealed stream and not yet opened: at most a few records, so that many
/// small ones cost one system call.
private struct ReceiveBuffer {
  /// Room for a nonce before the first byte.
  private static let margin = 16
  private static let capacity = 2 * (RecordCipher.largestRecord + 4 + RecordCipher.tagSize)

  private let memory = UnsafeMutableRawPointer.allocate(
    byteCount: margin + capacity + RecordCipher.largestRecord, alignment: 16)
  private var first = 0
  private(set) var count = 0

  var start: UnsafeMutableRawPointer { memory + ReceiveBuffer.margin + first }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
  /// Room for one record's plaintext.
  var plaintext: UnsafeMutableRawPointer {
    memory + ReceiveBuffer.margin + ReceiveBuffer.capacity
  }

  /// Reads until at least `wanted` bytes are there. False when the stream ends before the first.
  mutating func fill(_ stream: ByteStream, _ wanted: Int) throws(LinkError) -> Bool {
    while count < wanted {
      if first > 0 && first + wanted > ReceiveBuffer.capacity {
        (memory + ReceiveBuffer.margin).copyMemory(from: start, byteCount: count)
        first = 0
      }
      let got = platform_read(
        stream.descriptor, start + count, ReceiveBuffer.capacity - first - count)
      if got == 0 {
        guard count == 0 else {
          throw LinkError(.closed, "\(stream.peer) closed the connection in the middle of a record")
        }
        return false
      }
      guard got > 0 else { throw .system("cannot read from \(stream.peer)", Int32(-got)) }
      count += Int(got)
    }
    return true
  }

  mutating func consume(_ size: Int) {
    first += size
    count -= size
    if count == 0 { first = 0 }
  }

  func free() { memory.deallocate() }
}
