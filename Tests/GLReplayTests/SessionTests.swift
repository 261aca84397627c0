import CPlatform
import GLWire
import Ring
import Testing
import Threads
import Wire

@testable import GLReplay

@Suite("Contexts of a client", .enabled(if: hasOpenGL))
struct SessionTests {
  let host = TestHost()
  let session: GLSession

  init() { session = GLSession(host: host) }

  @Test("say what they are when they are made")
  func description() throws {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create(version: (3, 3), profile: 1) == 0)
    let answer = try #require(host.answer(0))
    var position = 12
    func word() -> Int {
      defer { position += 4 }
      return answer.withUnsafeBytes {
        Int($0.loadUnaligned(fromByteOffset: position, as: UInt32.self))
      }
    }
    func text() -> String {
      let count = word()
      defer { position += (count + 3) & ~3 }
      return String(decoding: answer[position..<position + count], as: UTF8.self)
    }
    let (vendor, _, version, shading) = (text(), text(), text(), text())
    #expect(!vendor.isEmpty && !shading.isEmpty)
    #expect(version.first?.isNumber == true)
    let extensions = (0..<word()).map { _ in text() }
    #expect(extensions.contains { $0.hasPrefix("GL_") })
    var values: [Int: [Double]] = [:]
    for _ in 0..<word() {
      let name = word()
      let count = word()
      values[name] = (0..<count).map { _ in
        let low = UInt64(word())
        return Double(bitPattern: low | UInt64(word()) << 32)
      }
    }
    #expect(position <= answer.count && answer.count - position < 8)
    #expect((values[0x0D33]?.first ?? 0) >= 1024)
    #expect(values[0x0D3A]?.count == 2)
    #expect((values[0x821B]?.first ?? 0) >= 3)
    #expect(c.report() == 0)
  }

  @Test("are refused with EGL's error, and nothing else is the matter")
  func refused() {
    let c = TestChannel(session, host)
    #expect(c.create(version: (9, 9), profile: 1) != 0)
    #expect(host.loss == nil)
    c.send(0x1_0000) { _ in }
    #expect(host.loss == nil)
    c.channel.finish()
    let orphan = TestChannel(session, host, number: 2)
    #expect(orphan.create(share: GLID.make(GLID.context, 99)) == UInt32(EGL.badContext))
    orphan.channel.finish()
    let robust = TestChannel(session, host, number: 3)
    #expect(robust.create(resetStrategy: 0x31BF) == 0)
    robust.channel.finish()
    #expect(host.loss == nil)
  }

  @Test("share names when they say so, and keep them apart when they do not")
  func sharing() {
    let first = TestChannel(session, host, number: 1)
    #expect(first.create() == 0)
    let second = TestChannel(session, host, number: 2)
    #expect(second.create(share: first.id) == 0)
    let third = TestChannel(session, host, number: 3)
    #expect(third.create(isES: true, version: (3, 0)) == 0)
    let texture = third.context.pointee.name(.texture, 5)
    #expect(texture != 0)
    let vertexArray: UInt32 = 77
    third.context.pointee.insertName(.vertexArray, 5, vertexArray)
    // Each context lives on a thread of its own; here they take turns.
    let driver = { (c: TestChannel) in
      let driver = c.context.pointee.driver!
      #expect(driver.egl.makeCurrent(driver.handle))
    }
    driver(first)
    let own = first.context.pointee.name(.texture, 5)
    #expect(own != 0 && own != texture)
    driver(second)
    #expect(second.context.pointee.name(.texture, 5) == own)
    #expect(second.context.pointee.knownName(.vertexArray, 5) == 0)
    #expect(first.context.pointee.listBase == second.context.pointee.listBase)
    #expect(first.context.pointee.listBase != third.context.pointee.listBase)
    for c in [first, second, third] {
      driver(c)
      c.channel.finish()
    }
    #expect(host.loss == nil)
  }

  @Test("know generated names alone in a core profile")
  func coreNames() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create(version: (3, 3), profile: 1) == 0)
    let p = c.context
    #expect(p.pointee.name(.texture, 9) == GLReplayContext.neverGenerated)
    #expect(p.pointee.name(.texture, 0) == 0)
    p.pointee.insertName(.texture, 9, 3)
    #expect(p.pointee.name(.texture, 9) == 3)
    #expect(p.pointee.clientName(.texture, 3) == 9)
    p.pointee.insertName(.texture, 0xFFFF_0000, 4)
    #expect(p.pointee.name(.texture, 0xFFFF_0000) == 4)
    #expect(p.pointee.clientName(.texture, 4) == 0xFFFF_0000)
    #expect(p.pointee.removeName(.texture, 0xFFFF_0000) == 4)
    #expect(p.pointee.removeName(.texture, 9) == 3)
    #expect(p.pointee.removeName(.texture, 9) == 0)
    #expect(p.pointee.knownName(.texture, 9) == 0)
  }

  @Test("wait for each other's marks", .timeLimit(.minutes(1)))
  func order() {
    let session = session
    let done = Word()
    let started = platform_now()
    let waiter = runThread {
      session.wait(for: 5, of: 1, in: 2)
      done.bump()
    }
    while !session.isWaiting(channel: 2), platform_now() - started < 10_000_000_000 {
      platform_sleep(1_000_000)
    }
    session.pass(4, channel: 1)
    platform_sleep(20_000_000)
    #expect(done.load() == 0)
    session.pass(6, channel: 1)
    waiter.join()
    #expect(done.load() == 1)
    #expect(!session.isWaiting(channel: 2))
    // What has been passed is not waited for.
    session.wait(for: 6, of: 1, in: 2)
    // Neither is a channel that ends, nor any after the session.
    let second = runThread { session.wait(for: 9, of: 3, in: 2) }
    while !session.isWaiting(channel: 2), platform_now() - started < 10_000_000_000 {
      platform_sleep(1_000_000)
    }
    session.close(channel: 3)
    second.join()
    let third = runThread { session.wait(for: 9, of: 4, in: 2) }
    platform_sleep(20_000_000)
    host.lose(LostReason.protocolError, "the end")
    third.join()
  }

  @Test("see in one what was drawn in the other")
  func visibility() {
    let (session, host) = (session, host)
    let ready = Word()
    let first = runThread {
      let c = TestChannel(session, host, number: 1)
      _ = c.create()
      c.makeCurrent(1, windowRequest(8, 4))
      c.clear(0, 1, 0)
      ready.bump()
      c.mark(1)
      platform_sleep(100_000_000)
      c.channel.finish()
    }
    while ready.load() == 0 { platform_sleep(1_000_000) }
    let c = TestChannel(session, host, number: 2)
    _ = c.create(share: GLID.make(GLID.context, 1))
    c.after(1, 1)
    c.makeCurrent(1, windowRequest(8, 4))
    #expect(c.pixel(0, 0) == [0, 255, 0, 255])
    first.join()
    c.channel.finish()
    #expect(host.loss == nil)
  }

  @Test("survive control records that mean nothing", arguments: 0..<16)
  func garbage(_ seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func random() -> UInt32 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt32(truncatingIfNeeded: state >> 16)
    }
    func plausible(_ seed: UInt32) -> UInt32 {
      switch seed & 7 {
      case 0: 0
      case 1: random()
      case 2: UInt32.max
      case 3: UInt32(truncatingIfNeeded: GLID.drawable)
      case 4: UInt32(truncatingIfNeeded: GLID.frames)
      default: random() & 15
      }
    }
    for _ in 0..<40 {
      let host = TestHost()
      let session = GLSession(host: host)
      let c = TestChannel(session, host)
      if random() & 7 != 0 {
        _ = c.create()
        c.makeCurrent(1, windowRequest(8, 4))
        c.frames(1, width: 8, height: 4, stride: 40)
      }
      for _ in 0..<8 where host.loss == nil {
        // Not glAfter, which may rightly wait for ever.
        var opcode = 0x150 + random() % 12
        if opcode == ControlOpcode.glAfter { opcode = ControlOpcode.indirect }
        let words = random() % 30
        c.send(opcode) { w in
          for index in 0..<words {
            // Ids of the right kinds now and then.
            if index & 1 == 1, random() & 3 == 0 {
              w.u32(random() & 1 == 0 ? UInt32(GLID.drawable) : UInt32(GLID.frames))
            } else {
              w.u32(plausible(random()))
            }
          }
        }
      }
      c.channel.finish()
    }
  }

  @Test("end the session with a sentence for what cannot be a record")
  func malformed() {
    let c = TestChannel(session, host)
    defer { c.channel.finish() }
    #expect(c.create() == 0)
    c.send(0x1005) { _ in }
    #expect(host.loss == "command 0x1005: field opcode is wrong")
  }
}

/// A thread that can be waited for.
final class TestThread: @unchecked Sendable {
  fileprivate let ended = Word()
  func join() {
    while ended.load() == 0 { ended.wait(while: 0, nanoseconds: 100_000_000) }
  }
}

func runThread(_ body: @escaping @Sendable () -> Void) -> TestThread {
  final class Box {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }
  let thread = TestThread()
  let box = Unmanaged.passRetained(
    Box {
      body()
      thread.ended.bump()
    })
  _ = platform_thread_start(
    { argument in
      if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
      return nil
    }, box.toOpaque(), 1 << 20, "gl-test")
  return thread
}
