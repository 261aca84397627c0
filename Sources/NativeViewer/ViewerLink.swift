internal import CPlatform
internal import Glibc
internal import Transport
internal import ViewStream

/// A viewer's connection to a node's page server. Nothing but the handshake waits. One thread at a time.
final class ViewerLink {
  enum Failure: Error {
    /// Worth trying again.
    case away(String)
    /// The node does not want this viewer.
    case refused(String)
  }

  let descriptor: Int32
  private var reader = WebSocketReader(limit: ViewerLink.largestMessage, isMasked: false)
  private var output: [UInt8] = []
  private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
  /// What the node has said last before it closed.
  private var reason = "the node has closed the connection"

  /// A unit of a band is never larger.
  private static let largestMessage = 64 << 20
  private static let handshakeTime: UInt64 = 5_000_000_000

  /// Connects and agrees to speak WebSocket.
  init(_ address: Address) throws(Failure) {
    let deadline = platform_now() &+ ViewerLink.handshakeTime
    do throws(LinkError) {
      descriptor = try address.connectSocket(deadline: deadline)
    } catch {
      throw .away(error.message)
    }
    var random = SystemRandomNumberGenerator()
    let key = WebSocketKey(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
    let request =
      "GET \(ViewProtocol.path) HTTP/1.1\r\nHost: \(address)\r\nUpgrade: websocket\r\n"
      + "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(key.text)\r\n\r\n"
    output = Array(request.utf8)
    try flush(deadline: deadline)
    var head: [UInt8] = []
    while true {
      if let end = ViewerLink.endOfHead(head) {
        try take(head: Array(head[..<end]), key, address)
        let rest = Array(head[end...])
        rest.withUnsafeBytes { reader.append($0) }
        break
      }
      guard head.count < HTTPRequest.largestHead else {
        throw .refused("\(address) is no page server")
      }
      guard platform_now() < deadline else { throw .away("\(address) does not answer") }
      guard platform_poll(descriptor, Int32(POLLIN), 100) != 0 else { continue }
      let count = recv(descriptor, room.baseAddress, room.count, 0)
      guard count > 0 else { throw .away(reason) }
      head += room[..<count]
    }
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }

  deinit {
    _ = platform_close(descriptor)
    room.deallocate()
  }

  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    var index = 3
    while index < bytes.count {
      if bytes[index - 3...index].elementsEqual([13, 10, 13, 10]) { return index + 1 }
      index += 1
    }
    return nil
  }

  private func take(head: [UInt8], _ key: WebSocketKey, _ address: Address) throws(Failure) {
    let lines = String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline)
    let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    guard status == 101 else {
      let why = status == 503 ? "as many viewers as it takes look on already" : "status \(status)"
      throw status == 503 ? .away("\(address): \(why)") : .refused("\(address) refuses: \(why)")
    }
    let accept = lines.dropFirst().first { $0.lowercased().hasPrefix("sec-websocket-accept:") }
    guard accept?.split(separator: " ").last.map(String.init) == key.accept else {
      throw .refused("\(address) is no page server")
    }
  }

  /// Sends a message, or what of it the node takes now.
  func send(_ request: ViewRequest) {
    var random = SystemRandomNumberGenerator()
    output += WebSocket.frame(
      .binary, request.bytes, mask: .random(in: 0...UInt32.max, using: &random))
    flush()
  }

  var hasOutput: Bool { !output.isEmpty }

  func flush() {
    while !output.isEmpty {
      let count = output.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      output.removeFirst(count)
    }
  }

  private func flush(deadline: UInt64) throws(Failure) {
    while !output.isEmpty {
      guard platform_now() < deadline else { throw .away("the node does not answer") }
      guard platform_poll(descriptor, Int32(POLLOUT), 100) != 0 else { continue }
      let before = output.count
      flush()
      if output.count == before { throw .away(reason) }
    }
  }

  /// Reads what has come, and calls `body` with each message.
  func receive(_ body: (ViewReply, UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure)
  {
    let count = recv(descriptor, room.baseAddress, room.count, 0)
    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { throw .away(reason) }
    if count > 0 { reader.append(UnsafeRawBufferPointer(rebasing: room[..<count])) }
    while true {
      var event: WebSocketReader.Event?
      do throws(WebSocketReader.Failure) { event = try reader.next() } catch {
        throw .away("the node sends \(error.text)")
      }
      switch event {
      case nil: return
      case .close: throw .away(reason)
      case .ping(let payload):
        var random = SystemRandomNumberGenerator()
        output += WebSocket.frame(.pong, payload, mask: .random(in: 0...UInt32.max, using: &random))
        flush()
      case .pong: continue
      case .message(_, let bytes):
        var failure: Failure?
        bytes.withUnsafeBytes { bytes in
          do throws(ViewError) {
            let reply = try ViewReply(bytes)
            if case .notice(0, let text) = reply { reason = text }
            do throws(Failure) { try body(reply, bytes) } catch { failure = error }
          } catch {
            failure = .away("the node sends \(error.description)")
          }
        }
        if let failure { throw failure }
      }
    }
  }
}
