import CPlatform
import CVulkan
import MemoryFabric
import Node
import Ring
import Testing
import Transport
import VulkanReplay
import VulkanWire
import Wire

/// How a test's client is joined to its node.
enum Joining: CaseIterable {
  /// The node reads the client's segment itself.
  case segment
  /// Records and results travel as messages.
  case messages
  /// The same, and what changes in memory in blocks of runs.
  case blocks
}

/// A client in the test's own process, with the node on a thread of the same process: encodes
/// records by hand, and keeps what the node sends.
final class TestClient {
  let joining: Joining
  let link: Link
  let segment: Segment
  let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
  private(set) var lostMessage: String?
  /// Payload of the latest heartbeat.
  private(set) var heartbeat: [UInt8] = []
  private var nextIndex: UInt32 = 1
  private var nextTicket: UInt32 = 0
  private(set) var replies: [UInt32: [UInt8]] = [:]
  private(set) var frame: [UInt8] = []
  private(set) var driver = ""

  init(_ joining: Joining, limits: ReplayLimits = ReplayLimits()) throws {
    self.joining = joining
    arena.initialize(to: Arena())
    var error: Int32 = 0
    segment = try #require(Segment.make(error: &error))
    var a: Int32 = 0
    var b: Int32 = 0
    try #require(platform_socketpair(&a, &b) == 0)
    link = Link(descriptor: a, peer: "the node")
    let other = Link(descriptor: b, peer: "the test")
    TestThread.start {
      _ = runNodeSession(
        link: other, configuration: NodeConfiguration(limits: limits, endsProcess: false))
      other.close()
    }
    RingHeader(segment: segment, channel: 0).initialise()
    RingHeader(segment: segment, channel: 0).setReaders(1 << RingHeader.nodeReader)
    try hello(version: WireVersion.current)
  }

  deinit {
    link.close()
    arena.pointee.free()
    arena.deallocate()
  }

  private func hello(version: UInt32) throws {
    var w = HeapWriter(capacity: 64)
    defer { w.free() }
    w.writer.u32(version)
    switch joining {
    case .segment: w.writer.u32(HelloFlag.sameHost)
    case .messages: w.writer.u32(0)
    case .blocks: w.writer.u32(HelloFlag.memoryBlocks)
    }
    w.writer.u32(Opcode.last + 1)
    w.writer.u32(UInt32(platform_pid()))
    w.writer.string("test")
    try link.send(MessageType.hello, w.bytes)
    let answer = try #require(try link.receive())
    try #require(answer.type == MessageType.helloReply)
    var r = Reader(answer.payload, arena: arena, handles: nil)
    #expect(r.u32("version") == WireVersion.current)
    #expect(r.u32("status") == 0)
    _ = r.string(optional: false, "name")
    driver = r.string(optional: false, "driver").map { String(cString: $0) } ?? ""
    _ = r.string(optional: false, "message")
    #expect(r.u32("features") & NodeAbility.memoryBlocks != 0)
    if joining == .segment {
      // The node closes what it received; the segment keeps its own.
      try link.send(MessageType.attachSegment, bytes: [], descriptors: [segment.descriptor])
    }
  }

  // MARK: Ids

  /// A new id, and for dispatchable kinds an object that holds it.
  func makeID(_ kind: HandleKind) -> UInt64 {
    defer { nextIndex += 1 }
    return HandleID.make(generation: 1, kind: kind, index: nextIndex)
  }

  func dispatchable(_ id: UInt64) -> OpaquePointer {
    let object = UnsafeMutablePointer<UInt64>.allocate(capacity: 2)
    object[0] = 0
    object[1] = id
    return OpaquePointer(object)
  }

  func handle(_ id: UInt64) -> OpaquePointer? { handlePointer(id) }

  // MARK: Records

  /// Sends the records that `body` encodes on a channel.
  func send(_ channel: UInt32, _ body: (inout Writer) -> Void) throws {
    var w = HeapWriter(capacity: 4096)
    defer { w.free() }
    body(&w.writer)
    try #require(!w.writer.failed)
    try send(channel, bytes: w.bytes)
  }

  func send(_ channel: UInt32, bytes: UnsafeRawBufferPointer) throws {
    switch joining {
    case .segment:
      let ring = RingHeader(segment: segment, channel: channel)
      try #require(ring.publish(bytes) == .done)
    case .messages, .blocks:
      var header = (channel, UInt32(0))
      try withUnsafeBytes(of: &header) { header in
        try link.send(MessageType.records, [header, bytes])
      }
    }
  }

  func openChannel(_ channel: UInt32, device: UInt64) throws {
    let ring = RingHeader(segment: segment, channel: channel)
    ring.initialise()
    ring.setReaders(1 << RingHeader.nodeReader)
    try send(0) { w in
      w.begin(ControlOpcode.openChannel)
      w.u32(channel)
      w.u32(0)
      w.u64(device)
      w.end()
    }
  }

  // MARK: Results

  func ticket() -> UInt32 {
    nextTicket = (nextTicket + 1) % SegmentLayout.replyCount
    replies[nextTicket] = nil
    if joining == .segment {
      segment.replyArea(nextTicket).storeBytes(of: 0, as: UInt32.self)
    }
    return nextTicket
  }

  /// The reply to a ticket, without its header.
  func reply(_ ticket: UInt32) throws -> [UInt8] {
    try wait {
      guard joining == .segment else { return replies[ticket] != nil }
      return platform_load32_seq(
        segment.replyArea(ticket).assumingMemoryBound(to: UInt32.self)) == 1
    }
    if joining != .segment { return Array(try #require(replies[ticket]).dropFirst(8)) }
    let area = segment.replyArea(ticket)
    let count = Int(area.load(fromByteOffset: 4, as: UInt32.self))
    return Array(
      UnsafeRawBufferPointer(start: area + Segment.replyHeaderSize + 8, count: count - 8))
  }

  /// Waits until a slot has reached a value.
  func awaitSlot(_ slot: UInt32, _ value: UInt64) throws {
    try wait { platform_load64_seq(segment.slot(slot)) >= value }
  }

  /// Waits until the node has given the session up, and returns what it said.
  func awaitLoss() throws -> String {
    try wait(mayBeLost: true) { lostMessage != nil }
    return lostMessage ?? ""
  }

  /// Waits for a heartbeat that is as wanted.
  func awaitHeartbeat(_ isWanted: ([UInt8]) -> Bool) throws {
    try wait { !heartbeat.isEmpty && isWanted(heartbeat) }
  }

  struct Timeout: Error {
    var lost: String?
  }

  private func wait(mayBeLost: Bool = false, _ isDone: () -> Bool) throws {
    let deadline = platform_now() + 10_000_000_000
    while !isDone() {
      try drain()
      if let lostMessage, !mayBeLost { throw Timeout(lost: lostMessage) }
      if platform_now() > deadline { throw Timeout(lost: lostMessage) }
      platform_sleep(200_000)
    }
  }

  /// Takes in what the node has sent.
  private func drain() throws {
    var one = pollfd(fd: link.descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&one, 1, 0) == 1, let message = try link.receive() {
      let p = message.payload.baseAddress
      switch message.type {
      case MessageType.completions:
        for i in 0..<message.payload.count / 16 {
          segment.complete(slot: p!.get32(i * 16), value: p!.get64(i * 16 + 8))
        }
      case MessageType.reply: replies[p!.get32(0)] = Array(message.payload.dropFirst(8))
      case MessageType.readback:
        #expect(joining == .messages)
        var at = 0
        while at < message.payload.count {
          let (offset, count) = (p!.get64(at), Int(p!.get32(at + 8)))
          let to = try #require(segment.mapMemory(offset: offset & ~4095, size: 8192))
          (to + Int(offset & 4095)).copyMemory(from: p! + at + 16, byteCount: count)
          _ = platform_unmap(to, 8192)
          at += 16 + (count + 7) & ~7
        }
      case MessageType.readbackRuns:
        #expect(joining == .blocks)
        var decoder = RunDecoder()
        defer { decoder.free() }
        var at = 0
        while at < message.payload.count {
          let block = UnsafeRawBufferPointer(rebasing: message.payload[at...])
          let size = decoder.forEachRun(block) { offset, run in
            guard let to = segment.mapMemory(offset: offset & ~4095, size: 8192) else {
              return false
            }
            (to + Int(offset & 4095)).copyMemory(from: run.baseAddress!, byteCount: run.count)
            _ = platform_unmap(to, 8192)
            return true
          }
          at += try #require(size)
        }
      case MessageType.frame:
        let offset = Int(p!.get64(16))
        let bytes = message.payload.dropFirst(24)
        if frame.count < offset + bytes.count {
          frame += [UInt8](repeating: 0, count: offset + bytes.count - frame.count)
        }
        frame.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      case MessageType.heartbeat: heartbeat = Array(message.payload)
      case MessageType.lost:
        var r = Reader(message.payload, arena: arena, handles: nil)
        _ = r.u64("reason")
        lostMessage = r.string(optional: false, "message").map { String(cString: $0) } ?? ""
      default: break
      }
    }
  }
}

/// A thread for the node.
enum TestThread {
  static func start(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let box = Unmanaged.passRetained(Box(body)).toOpaque()
    _ = platform_thread_start(
      { argument in
        Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, box, 4 << 20, "test-node")
  }
}
