import CPlatform
import Ring
public import Wire

/// A command that is waiting, or going to wait, for its reply.
public struct Call {
  /// Index of the reply area; goes into the record.
  public let ticket: UInt32
  /// Where the request is encoded.
  public let writer: UnsafeMutablePointer<Writer>
  let channel: Channel
  public var connection: Connection { channel.connection }
  let opcode: UInt32
  let frame: UnsafeMutablePointer<CallFrame>
}

/// One reply area's private side: where the request is encoded, the reply's copy and its decoded
/// structures. Made at first use, kept for the next call.
struct CallFrame {
  /// First, so that the frame's address is its writer's.
  var request: HeapWriter
  var reply: UnsafeMutableRawPointer?
  var replyCapacity: Int
  var arena: UnsafeMutablePointer<Arena>
}

/// The reply areas of a connection, given out one by one; at most 64 threads wait at a time, further
/// ones queue for a ticket.
struct CallFrames {
  private struct State {
    var freeMask: UInt64
    /// Raised at each release; what a thread without a ticket sleeps on.
    var releases: UInt32
  }

  private let lock: Lock
  private let state: UnsafeMutablePointer<State>
  private let frames: UnsafeMutablePointer<UnsafeMutablePointer<CallFrame>?>

  init?() {
    let count = Int(SegmentLayout.replyCount)
    guard let lock = Lock(), let raw = platform_calloc(1, MemoryLayout<State>.stride),
      let list = platform_malloc(count &* 8)
    else { return nil }
    self.lock = lock
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State(freeMask: UInt64.max, releases: 0))
    frames = list.bindMemory(
      to: UnsafeMutablePointer<CallFrame>?.self, capacity: count)
    frames.initialize(repeating: nil, count: count)
  }

  private var releases: UnsafeMutablePointer<UInt32> {
    (UnsafeMutableRawPointer(state) + 8).assumingMemoryBound(to: UInt32.self)
  }

  /// A ticket; nil when the connection is lost.
  func acquire(_ connection: Connection) -> UInt32? {
    while true {
      lock.lock()
      let mask = state.pointee.freeMask
      let seen = platform_load32(releases)
      if mask != 0 {
        let ticket = UInt32(truncatingIfNeeded: mask.trailingZeroBitCount)
        state.pointee.freeMask = mask & (mask &- 1)
        lock.unlock()
        return ticket
      }
      lock.unlock()
      guard connection.isAlive() else { return nil }
      _ = platform_futex_wait(releases, seen, Connection.heartbeat)
    }
  }

  func release(_ ticket: UInt32) {
    lock.lock()
    state.pointee.freeMask |= 1 &<< UInt64(ticket)
    platform_store32(releases, platform_load32(releases) &+ 1)
    lock.unlock()
    _ = platform_futex_wake(releases, 1)
  }

  /// The frame of a ticket that the caller holds; nil when there is no memory for it.
  func frame(_ ticket: UInt32) -> UnsafeMutablePointer<CallFrame>? {
    let place = frames + Int(ticket)
    if let frame = place.pointee { return frame }
    guard let raw = platform_malloc(MemoryLayout<CallFrame>.stride),
      let arena = platform_malloc(MemoryLayout<Arena>.stride)
    else { return nil }
    let frame = raw.bindMemory(to: CallFrame.self, capacity: 1)
    let decoded = arena.bindMemory(to: Arena.self, capacity: 1)
    decoded.initialize(to: Arena())
    frame.initialize(
      to: CallFrame(
        request: HeapWriter(capacity: 1024), reply: nil, replyCapacity: 0, arena: decoded))
    place.pointee = frame
    return frame
  }
}

extension Connection {
  /// Begins a command with a reply: takes a ticket and gives a writer for the request. Nil when the
  /// connection is lost. Every call that began ends with `endCall` (or `endCached`) and `finishCall`;
  /// the ticket of a lost connection is of no use any more and need not be given back.
  public func beginCall(_ channel: Channel, opcode: UInt32) -> Call? {
    guard segment.lost == 0, let ticket = calls.acquire(self) else { return nil }
    guard let frame = calls.frame(ticket) else {
      calls.release(ticket)
      return nil
    }
    frame.pointee.request.reset()
    frame.pointee.arena.pointee.reset()
    let writer = UnsafeMutableRawPointer(frame).assumingMemoryBound(to: Writer.self)
    return Call(
      ticket: ticket, writer: writer, channel: channel, opcode: opcode, frame: frame)
  }

  /// Publishes the request and waits for its reply, whose body the reader then stands on. Nil when
  /// the connection is lost.
  public func endCall(_ call: Call) -> Reader? {
    let start = platform_now()
    guard sendCall(call), let reply = awaitReply(call) else { return nil }
    countRoundTrip(call.opcode, platform_now() &- start)
    return reply
  }

  /// Publishes the request and does not wait: `isAnswered` says when `awaitReply` does not wait either. False when the
  /// connection is lost.
  public func sendCall(_ call: Call) -> Bool {
    guard !call.frame.pointee.request.writer.failed else {
      lose(LostReason.noMemory, "the application has no memory left for a command")
      return false
    }
    platform_store32_seq(replyState(call), 0)
    return call.channel.publish(call.frame.pointee.request.bytes)
  }

  public func isAnswered(_ call: Call) -> Bool { platform_load32(replyState(call)) != 0 }

  /// Waits for the reply of a request that was sent. Nil when the connection is lost.
  public func awaitReply(_ call: Call) -> Reader? {
    let state = replyState(call)
    while !segment.waitStep(nanoseconds: Connection.heartbeat, { platform_load32(state) != 0 }) {
      guard isAlive() else { return nil }
    }
    return reply(call, call.frame)
  }

  private func replyState(_ call: Call) -> UnsafeMutablePointer<UInt32> {
    segment.replyArea(call.ticket).assumingMemoryBound(to: UInt32.self)
  }

  /// Copies the reply out of the shared area, then checks the copy.
  private func reply(_ call: Call, _ frame: UnsafeMutablePointer<CallFrame>) -> Reader? {
    let area = segment.replyArea(call.ticket)
    let count = Int(area.load(fromByteOffset: 4, as: UInt32.self))
    guard count >= 8, count <= SegmentLayout.replyAreaSize &- Segment.replyHeaderSize else {
      return loseMalformed()
    }
    if frame.pointee.replyCapacity < count {
      platform_free(frame.pointee.reply)
      frame.pointee.reply = platform_malloc(count)
      frame.pointee.replyCapacity = frame.pointee.reply == nil ? 0 : count
    }
    guard let copy = frame.pointee.reply else {
      lose(LostReason.noMemory, "the application has no memory left for a reply")
      return nil
    }
    platform_copy(copy, area + Segment.replyHeaderSize, count)
    let bytes = UnsafeRawBufferPointer(start: copy, count: count)
    guard isReply(bytes, to: call.opcode) else { return loseMalformed() }
    return reader(bytes, frame)
  }

  private func isReply(_ bytes: UnsafeRawBufferPointer, to opcode: UInt32) -> Bool {
    bytes.load(as: UInt32.self) == opcode
      && bytes.load(fromByteOffset: 4, as: UInt32.self) == UInt32(truncatingIfNeeded: bytes.count)
  }

  private func reader(
    _ record: UnsafeRawBufferPointer, _ frame: UnsafeMutablePointer<CallFrame>
  ) -> Reader {
    Reader(
      UnsafeRawBufferPointer(rebasing: record[8...]), arena: frame.pointee.arena, handles: nil)
  }

  private func loseMalformed() -> Reader? {
    lose(LostReason.protocolError, "a node sent a reply that is none")
    return nil
  }

  /// Gives the ticket back; the reply's structures are gone.
  public func finishCall(_ call: Call) { calls.release(call.ticket) }

  /// Like `endCall`, for a command whose reply never changes: the same request has been answered
  /// before, or its reply is kept for the next time.
  public func endCached(_ call: Call) -> Reader? {
    guard switches.replyCache else { return endCall(call) }
    let frame = call.frame
    let request = frame.pointee.request.bytes
    guard !frame.pointee.request.writer.failed, request.count >= 16 else { return endCall(call) }
    if let found = cache.find(request) {
      segment.count(Counter.cacheHits, 1)
      return reader(found, frame)
    }
    guard let answer = endCall(call) else { return nil }
    if let copy = frame.pointee.reply {
      let size = Int(copy.load(fromByteOffset: 4, as: UInt32.self))
      cache.insert(request, UnsafeRawBufferPointer(start: copy, count: size))
    }
    return answer
  }

  private func countRoundTrip(_ opcode: UInt32, _ nanoseconds: UInt64) {
    segment.count(Counter.roundTrips, 1)
    if platform_load64_relaxed(segment.counter(Counter.framesPresented)) >= 60 {
      segment.count(Counter.steadyRoundTrips, 1)
    }
    if let counter = segment.roundTripCounter(opcode) { _ = platform_add32(counter, 1) }
    segment.record(Histogram.roundTrip, nanoseconds: nanoseconds)
  }
}
