import CPlatform
import Foundation
import Testing

@testable import Transport

@Suite("Addresses")
struct AddressTests {
  @Test("of every form are read and written back")
  func forms() throws {
    #expect(try Address("gpu1:4700") == .tcp(host: "gpu1", port: 4700))
    #expect(try Address("[::1]:4700") == .tcp(host: "::1", port: 4700))
    #expect(try Address("unix:/run/omega.sock") == .unix(path: "/run/omega.sock"))
    for text in ["gpu1:4700", "[::1]:4700", "unix:/run/omega.sock", "127.0.0.1:0"] {
      #expect(try Address(text).description == text)
    }
  }

  @Test(
    "that make no sense are refused",
    arguments: ["", "gpu1", "gpu1:", "gpu1:70000", ":4700", "::1:4700", "unix:", "gpu1:-1"])
  func nonsense(text: String) {
    #expect(throws: LinkError.self) { try Address(text) }
  }

  @Test("know what leaves the host")
  func locality() throws {
    #expect(try Address("127.0.0.1:1").isLocal)
    #expect(try Address("127.9.9.9:1").isLocal)
    #expect(try Address("[::1]:1").isLocal)
    #expect(try Address("unix:/x").isLocal)
    #expect(try !Address("192.0.2.1:1").isLocal)
    #expect(try !Address("0.0.0.0:1").isLocal)
    #expect(throws: LinkError.self) { try Token.require(nil, for: Address("192.0.2.1:1")) }
  }
}

@Suite("Tokens")
struct TokenTests {
  @Test("too short or too long are refused; space around them does not count")
  func sizes() throws {
    #expect(throws: LinkError.self) { try Token(Array("short".utf8)) }
    #expect(throws: LinkError.self) { try Token([UInt8](repeating: 65, count: 5000)) }
    let plain = try Token(Array("0123456789abcdef".utf8))
    let spaced = try Token(Array("  0123456789abcdef\n".utf8))
    #expect(plain.key == spaced.key)
  }

  @Test("in a file that others may read are refused")
  func fileMode() throws {
    let path = "/tmp/omega-token-\(platform_pid())"
    let descriptor = platform_open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
    defer {
      _ = platform_close(descriptor)
      unlink(path)
    }
    "0123456789abcdef\n".withCString { _ = platform_write(descriptor, $0, 17) }
    #expect(throws: Never.self) { try Token(file: path) }
    fchmod(descriptor, 0o644)
    #expect(throws: LinkError.self) { try Token(file: path) }
  }
}

/// Work on a thread of its own: what blocks must not hold one of the few that tasks share.
final class Background<Value: Sendable>: @unchecked Sendable {
  private let done = DispatchSemaphore(value: 0)
  private var result: Value?

  init(_ body: @escaping @Sendable () -> Value) {
    Thread.detachNewThread {
      self.result = body()
      self.done.signal()
    }
  }

  var value: Value {
    done.wait()
    done.signal()
    return result!
  }
}

/// A link and the raw socket of its other end, or two links.
enum Pair {
  static func sockets() -> (Int32, Int32) {
    var a: Int32 = 0
    var b: Int32 = 0
    platform_socketpair(&a, &b)
    return (a, b)
  }

  static func plain() -> (Link, Link) {
    let (a, b) = sockets()
    return (Link(descriptor: a, peer: "b"), Link(descriptor: b, peer: "a"))
  }

  /// The two ends' results of a handshake over a socket pair.
  static func shake(
    _ client: Token?, _ node: Token?, clientVersions: Handshake.Versions = .init(),
    nodeVersions: Handshake.Versions = .init(), time: UInt64 = 1_000_000_000
  ) -> (Result<Link, LinkError>, Result<Link, LinkError>) {
    let (a, b) = sockets()
    let nodeSide = Background { () -> Result<Link, LinkError> in
      do throws(LinkError) {
        return .success(
          try Link.accept(
            tcp: b, peer: "client", token: node, versions: nodeVersions, time: time))
      } catch { return .failure(error) }
    }
    let clientSide = Background { () -> Result<Link, LinkError> in
      do throws(LinkError) {
        let keys = try Handshake.asClient(
          ByteStream(descriptor: a, peer: "node"), token: client, versions: clientVersions,
          deadline: platform_now() + time)
        return .success(Link(descriptor: a, peer: "node", keys: keys))
      } catch {
        _ = platform_close(a)
        return .failure(error)
      }
    }
    return (clientSide.value, nodeSide.value)
  }
}

let tokenA = try! Token(Array("a token that is long enough".utf8))
let tokenB = try! Token(Array("another one, also long enough".utf8))

func kind(_ result: Result<Link, LinkError>) -> LinkError.Kind? {
  if case .failure(let error) = result { return error.kind }
  return nil
}

@Suite("Messages")
struct MessageTests {
  static func links(sealed: Bool) throws -> (Link, Link) {
    guard sealed else { return Pair.plain() }
    let (client, node) = Pair.shake(tokenA, tokenA)
    return (try client.get(), try node.get())
  }

  @Test("of every size arrive whole and in order", arguments: [false, true])
  func sizes(sealed: Bool) throws {
    let (a, b) = try MessageTests.links(sealed: sealed)
    let record = RecordCipher.largestRecord
    let sizes = [0, 1, 7, 8, 4096, record - 9, record - 8, record - 7, 3 * record + 5, 9 << 20]
    let sender = Background {
      for (index, size) in sizes.enumerated() {
        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: size &* 31), count: size)
        bytes.withUnsafeBytes { bytes in
          let middle = size / 3
          try? a.send(
            UInt32(index),
            [
              UnsafeRawBufferPointer(rebasing: bytes[..<middle]),
              UnsafeRawBufferPointer(rebasing: bytes[middle...]),
            ])
        }
      }
      a.close()
    }
    for (index, size) in sizes.enumerated() {
      let message = try #require(try b.receive())
      #expect(message.type == UInt32(index))
      #expect(message.payload.count == size)
      #expect(message.payload.allSatisfy { $0 == UInt8(truncatingIfNeeded: size &* 31) })
    }
    #expect(try b.receive() == nil)
    sender.value
    #expect(a.sentByteCount == b.receivedByteCount || sealed)
  }

  @Test("beyond the limit are refused at both ends", arguments: [false, true])
  func oversize(sealed: Bool) throws {
    let (a, b) = try MessageTests.links(sealed: sealed)
    let big = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Link.largestMessage + 1, alignment: 8)
    defer { big.deallocate() }
    #expect(throws: LinkError.self) { try a.send(1, UnsafeRawBufferPointer(big)) }
    b.messageLimit = 16
    try a.send(1, bytes: [UInt8](repeating: 0, count: 17))
    #expect { try b.receive() } throws: { ($0 as? LinkError)?.kind == .tooLarge }
  }

  @Test("carry descriptors on unix sockets")
  func descriptors() throws {
    let (a, b) = Pair.plain()
    let file = platform_memfd("test")
    platform_resize(file, 12345)
    try a.send(5, bytes: [1, 2, 3], descriptors: [file, file])
    try a.send(6, bytes: [])
    let first = try #require(try b.receive())
    #expect(first.descriptors.count == 2)
    #expect(first.descriptors.allSatisfy { platform_file_size($0) == 12345 })
    for descriptor in first.descriptors + [file] { platform_close(descriptor) }
    #expect(try #require(try b.receive()).descriptors.isEmpty)
  }

  @Test("that end early are an error, not an end")
  func truncation() throws {
    let (a, b) = Pair.sockets()
    let link = Link(descriptor: b, peer: "a")
    let bytes: [UInt8] = [1, 0, 0, 0, 10, 0, 0, 0, 9]
    platform_send(a, bytes, bytes.count)
    platform_close(a)
    #expect { try link.receive() } throws: { ($0 as? LinkError)?.kind == .closed }
  }

  @Test("from many threads do not mix")
  func threads() throws {
    let (a, b) = try MessageTests.links(sealed: true)
    let senders = (UInt32(0)..<4).map { type in
      Background {
        for index in 0..<200 {
          let bytes = [UInt8](repeating: UInt8(type), count: index * 13)
          try? a.send(type, bytes: bytes)
        }
      }
    }
    var next = [Int](repeating: 0, count: 4)
    for _ in 0..<800 {
      let message = try #require(try b.receive())
      let type = Int(message.type)
      #expect(message.payload.count == next[type] * 13)
      #expect(message.payload.allSatisfy { $0 == UInt8(type) })
      next[type] += 1
    }
    #expect(next == [200, 200, 200, 200])
    for sender in senders { sender.value }
  }
}

@Suite("The handshake")
struct HandshakeTests {
  @Test("agrees with one token, and without any")
  func agrees() throws {
    for token in [tokenA, nil] {
      let (client, node) = Pair.shake(token, token)
      let (a, b) = (try client.get(), try node.get())
      try a.send(1, bytes: [1, 2, 3])
      try b.send(2, bytes: [4])
      #expect(try Array(#require(try b.receive()).payload) == [1, 2, 3])
      #expect(try Array(#require(try a.receive()).payload) == [4])
    }
  }

  @Test("tells both sides that the tokens differ")
  func wrongToken() {
    for (client, node) in [(tokenA, tokenB), (nil, tokenA), (tokenA, nil)] as [(Token?, Token?)] {
      let (a, b) = Pair.shake(client, node)
      #expect(kind(a) == .token)
      #expect(kind(b) == .token)
    }
  }

  @Test("tells both sides that the versions differ")
  func wrongVersion() {
    for (client, node) in [(2, 1), (1, 2)] as [(UInt16, UInt16)] {
      let (a, b) = Pair.shake(
        tokenA, tokenA, clientVersions: .init(lowest: client, highest: client),
        nodeVersions: .init(lowest: node, highest: node))
      #expect(kind(a) == .version)
      #expect(kind(b) == .version)
    }
    let (a, b) = Pair.shake(
      tokenA, tokenA, clientVersions: .init(lowest: 1, highest: 7),
      nodeVersions: .init(lowest: 3, highest: 5))
    #expect(kind(a) == nil)
    #expect(kind(b) == nil)
  }

  @Test("drops garbage")
  func garbage() {
    let (a, b) = Pair.sockets()
    let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    platform_send(a, bytes, bytes.count)
    #expect { try Link.accept(tcp: b, peer: "x", token: tokenA) } throws: {
      ($0 as? LinkError)?.kind == .notOmega
    }
    platform_close(a)
  }

  @Test("does not wait for a peer that trickles")
  func slowLoris() {
    let (a, b) = Pair.sockets()
    let trickle = Background {
      for byte in Handshake.magic + [1, 0, 1, 0, 0, 0, 0, 0] {
        withUnsafePointer(to: byte) { _ = platform_send(a, $0, 1) }
        platform_sleep(40_000_000)
      }
    }
    let began = platform_now()
    #expect {
      try Link.accept(tcp: b, peer: "x", token: tokenA, versions: .init(), time: 200_000_000)
    } throws: { ($0 as? LinkError)?.kind == .deadline }
    #expect(platform_now() - began < 1_000_000_000)
    trickle.value
    platform_close(a)
  }

  @Test("refuses any changed byte, on either side")
  func tampering() throws {
    // Bytes of a good run, client to node: 16 opening, 48 flight, 16 confirmation.
    for position in 0..<80 {
      let (a, b) = relayed(changing: position)
      #expect(a != nil || b != nil, "byte \(position) was changed unnoticed")
      #expect(b != nil, "the node took byte \(position), which was changed")
    }
  }

  /// Runs a handshake through a relay that flips a bit of byte `position` of the client's bytes.
  /// The kinds of failure at client and node.
  private func relayed(changing position: Int) -> (LinkError.Kind?, LinkError.Kind?) {
    let (clientEnd, relayClient) = Pair.sockets()
    let (relayNode, nodeEnd) = Pair.sockets()
    let up = Background {
      var seen = 0
      var buffer = [UInt8](repeating: 0, count: 256)
      while true {
        let got = Int(platform_read(relayClient, &buffer, 256))
        if got <= 0 { break }
        if (seen..<seen + got).contains(position) { buffer[position - seen] ^= 1 }
        seen += got
        if platform_send(relayNode, buffer, got) <= 0 { break }
      }
      platform_shutdown(relayNode)
    }
    let down = Background {
      var buffer = [UInt8](repeating: 0, count: 256)
      while true {
        let got = Int(platform_read(relayNode, &buffer, 256))
        if got <= 0 || platform_send(relayClient, buffer, got) <= 0 { break }
      }
      platform_shutdown(relayClient)
    }
    let node = Background { () -> LinkError.Kind? in
      do throws(LinkError) {
        _ = try Link.accept(
          tcp: nodeEnd, peer: "client", token: tokenA, versions: .init(), time: 500_000_000)
        return nil
      } catch { return error.kind }
    }
    let client = Background { () -> LinkError.Kind? in
      defer { platform_shutdown(clientEnd) }
      do throws(LinkError) {
        _ = try Handshake.asClient(
          ByteStream(descriptor: clientEnd, peer: "node"), token: tokenA,
          deadline: platform_now() + 500_000_000)
        // Wait for the node's verdict on the confirmation.
        _ = platform_poll(clientEnd, Int32(POLLIN), 200)
        return nil
      } catch { return error.kind }
    }
    let result = (client.value, node.value)
    platform_shutdown(relayClient)
    platform_shutdown(relayNode)
    _ = up.value
    _ = down.value
    for descriptor in [clientEnd, relayClient, relayNode] { platform_close(descriptor) }
    return result
  }
}

@Suite("Records")
struct RecordTests {
  static func cipher() -> RecordCipher { RecordCipher(key: tokenA.key) }

  static func seal(_ cipher: inout RecordCipher, _ bytes: [UInt8]) throws -> [UInt8] {
    var sealed: [UInt8] = []
    try bytes.withUnsafeBytes { try cipher.seal($0) { sealed = Array($0) } }
    return sealed
  }

  static func open(_ cipher: inout RecordCipher, _ sealed: [UInt8]) throws -> [UInt8] {
    var sealed = sealed
    var plaintext = [UInt8](repeating: 0, count: max(sealed.count - 28, 0) + 1)
    try sealed.withUnsafeMutableBytes { sealed in
      try plaintext.withUnsafeMutableBytes { try cipher.open(sealed, into: $0.baseAddress!) }
    }
    return Array(plaintext.dropLast())
  }

  @Test("changed in any byte, repeated, cut or reordered do not open")
  func tamper() throws {
    var sealer = RecordTests.cipher()
    let first = try RecordTests.seal(&sealer, Array(0..<64))
    let second = try RecordTests.seal(&sealer, Array(64..<128))
    for position in 12..<first.count {
      var opener = RecordTests.cipher()
      var changed = first
      changed[position] ^= 0x80
      #expect(throws: LinkError.self) { try RecordTests.open(&opener, changed) }
    }
    for cut in 1...first.count - 12 {
      var opener = RecordTests.cipher()
      #expect(throws: LinkError.self) {
        try RecordTests.open(&opener, Array(first.dropLast(cut)))
      }
    }
    var opener = RecordTests.cipher()
    #expect(throws: LinkError.self) { try RecordTests.open(&opener, second) }
    #expect(try RecordTests.open(&opener, first) == Array(0..<64))
    #expect(throws: LinkError.self) { try RecordTests.open(&opener, first) }
    #expect(try RecordTests.open(&opener, second) == Array(64..<128))
  }

  @Test("go on across changes of key, by records and by bytes")
  func rekey() throws {
    var sealer = RecordTests.cipher()
    var opener = RecordTests.cipher()
    sealer.recordLimit = 3
    opener.recordLimit = 3
    sealer.byteLimit = 100
    opener.byteLimit = 100
    for index in 0..<20 {
      let bytes = [UInt8](repeating: UInt8(index), count: index * 7)
      let sealed = try RecordTests.seal(&sealer, bytes)
      #expect(try RecordTests.open(&opener, sealed) == bytes)
      #expect(sealer.generation == opener.generation)
    }
    #expect(sealer.generation > 8)
    // One that does not change its key no longer understands.
    var stale = RecordTests.cipher()
    #expect(throws: LinkError.self) {
      try RecordTests.open(&stale, RecordTests.seal(&sealer, [1]))
    }
  }

  @Test("report their speed")
  func speed() throws {
    var sealer = RecordTests.cipher()
    var opener = RecordTests.cipher()
    let bytes = [UInt8](repeating: 7, count: RecordCipher.largestRecord)
    var room = bytes
    var sealTime: UInt64 = 0
    var openTime: UInt64 = 0
    let rounds = 200
    for _ in 0..<rounds {
      let t0 = platform_now()
      var sealed = try RecordTests.seal(&sealer, bytes)
      let t1 = platform_now()
      try sealed.withUnsafeMutableBytes { sealed in
        try room.withUnsafeMutableBytes { try opener.open(sealed, into: $0.baseAddress!) }
      }
      let t2 = platform_now()
      sealTime += t1 - t0
      openTime += t2 - t1
    }
    let total = Double(rounds * bytes.count)
    print("sealing \(total / Double(sealTime)) GB/s, opening \(total / Double(openTime)) GB/s")
  }
}
