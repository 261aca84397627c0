internal import CPlatform
internal import Glibc
internal import ViewStream

/// One TCP connection from a browser or a native viewer: bytes in, whole requests and messages out, and a queue of
/// what is still to be sent. Belongs to the server's lock; never waits.
final class Connection {
  enum Event {
    case request(HTTPRequest)
    case message(WebSocket.Opcode, [UInt8])
    case pong
    /// Over, in order or not; what to log of it.
    case ended(String?)
  }

  let descriptor: Int32
  let peer: String
  let openedAt: UInt64
  private var head: [UInt8] = []
  private var reader: WebSocketReader?
  private var queue: [[UInt8]] = []
  /// Bytes of the queue's first that have been sent.
  private var sent = 0
  private(set) var queuedBytes = 0
  /// Closes when the queue is empty.
  private(set) var isClosing = false
  private(set) var isBroken = false
  /// When the peer last said something.
  private(set) var heardAt: UInt64

  init(descriptor: Int32, peer: String, now: UInt64) {
    self.descriptor = descriptor
    self.peer = peer
    openedAt = now
    heardAt = now
  }

  deinit { _ = platform_close(descriptor) }

  var isWebSocket: Bool { reader != nil }
  var hasOutput: Bool { !queue.isEmpty }

  // MARK: Output

  func send(_ bytes: [UInt8]) {
    guard !isClosing, !isBroken, !bytes.isEmpty else { return }
    queue.append(bytes)
    queuedBytes += bytes.count
  }

  /// Ends the connection once the queue is sent.
  func finish() { isClosing = true }

  /// Sends what the peer takes now. Returns when the kernel takes no more.
  func flush() {
    var index = 0
    defer {
      if index > 0 { queue.removeFirst(index) }
    }
    while index < queue.count, !isBroken {
      let count = queue[index].withUnsafeBytes { bytes in
        Glibc.send(
          descriptor, bytes.baseAddress! + sent, bytes.count - sent,
          Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      guard count > 0 else {
        if errno == EINTR { continue }
        if errno != EAGAIN { isBroken = true }
        return
      }
      sent += count
      queuedBytes -= count
      guard sent == queue[index].count else { continue }
      sent = 0
      index += 1
    }
  }

  // MARK: Input

  /// Speaks WebSocket from now on.
  func upgrade(limit: Int) {
    var reader = WebSocketReader(limit: limit, isMasked: true)
    head.withUnsafeBytes { reader.append($0) }
    head = []
    self.reader = reader
  }

  /// Reads what has come.
  func fill(_ room: UnsafeMutableRawBufferPointer, now: UInt64) {
    guard !isBroken, let start = room.baseAddress else { return }
    let count = recv(descriptor, start, room.count, Int32(MSG_DONTWAIT))
    guard count > 0 else {
      if count == 0 || (errno != EAGAIN && errno != EINTR) { isBroken = true }
      return
    }
    heardAt = now
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    if reader != nil { reader?.append(bytes) } else { head.append(contentsOf: bytes) }
  }

  /// The next thing that the peer has said whole; nil when there is none.
  func next() -> Event? {
    guard !isClosing else { return nil }
    guard reader != nil else { return nextRequest() }
    do throws(WebSocketReader.Failure) {
      while let event = try reader?.next() {
        switch event {
        case .message(let opcode, let payload): return .message(opcode, payload)
        case .ping(let payload):
          // No more than one answer waits, however many are asked for.
          if queuedBytes < 1 << 16 { send(WebSocket.frame(.pong, payload)) }
        case .pong: return .pong
        case .close:
          send(WebSocket.close(.normal, ""))
          return .ended(nil)
        }
      }
      return nil
    } catch {
      send(WebSocket.close(error.reason, error.text))
      return .ended(error.text)
    }
  }

  private func nextRequest() -> Event? {
    do throws(HTTPRequest.Failure) {
      guard let (request, count) = try HTTPRequest.read(head) else { return nil }
      head.removeFirst(count)
      return .request(request)
    } catch {
      send(HTTPResponse.error(error.status, error.text).bytes)
      return .ended(error.text)
    }
  }
}
