import CPlatform
import CommandStream
import GLReplay
import Ring
internal import Threads
import VulkanReplay
import Wire

/// One ordered stream of records, in one vocabulary, replayed by one thread.
protocol RecordReplayer: AnyObject, Sendable {
  /// Number of the channel in the segment.
  var number: UInt32 { get }
  /// True after the channel's last record.
  var isClosed: Bool { get }
  /// Replays the whole records at the start of `bytes`; the count of bytes that they had.
  /// `arrived`: when the link brought them; 0 when they are read from a ring.
  func replay(_ bytes: UnsafeRawBufferPointer, arrived: UInt64) -> Int
  /// Whether `attend` is to be called again and again while no records come.
  var isAttending: Bool { get }
  /// Does what is to be done when no records come; less than a millisecond, on the channel's thread.
  /// True when it has slept meanwhile, and is to be called again at once.
  func attend() -> Bool
  /// Whether the GPU has nothing to do, and the client knows: then more records are likely at once,
  /// and nobody else needs the processor.
  var isGPUIdle: Bool { get }
  /// Ends what the channel holds; on its thread.
  func finish()
}

extension ReplayChannel: RecordReplayer {
  var isAttending: Bool { false }
  func attend() -> Bool { false }
  var isGPUIdle: Bool { false }
  func finish() {}
}

extension GLChannel: RecordReplayer {}

/// The threads that replay a client's channels, one for each. They read the rings of a client on
/// this host themselves; otherwise they take what the link has brought.
final class ChannelReader: @unchecked Sendable {
  private let session: ReplaySession
  private let openGL: GLSession
  /// What the node keeps of its clients' records; nil for nothing.
  private let keeper: (any ContentKeeper)?
  private let lock = Lock()
  /// Channels that have a thread.
  private var isOpen = [Bool](repeating: false, count: Int(SegmentLayout.channelCount))
  /// Bumped when a channel's thread ends.
  private let closed = Word()
  private let streams: [RecordStream]

  init(session: ReplaySession, keeper: (any ContentKeeper)? = nil) {
    self.session = session
    openGL = GLSession(host: GLHost(session))
    self.keeper = keeper
    streams = (0..<SegmentLayout.channelCount).map { _ in RecordStream() }
  }

  /// Starts the thread of a device's channel, or of channel 0. False when the number is wrong.
  func open(_ channel: UInt32, device: UInt64) -> Bool {
    open(channel) { [session] in
      ReplayChannel(number: channel, session: session, device: device)
    }
  }

  /// Starts the thread of an OpenGL context's channel. False when the number is wrong.
  func openContext(_ channel: UInt32) -> Bool {
    open(channel) { [openGL] in GLChannel(number: channel, session: openGL) }
  }

  /// Starts a channel's thread. The client may open a channel again right after it has closed it:
  /// waits up to 10 s for the last thread of it. False when the number is wrong.
  private func open(_ channel: UInt32, _ make: () -> any RecordReplayer) -> Bool {
    guard channel < SegmentLayout.channelCount else { return false }
    let deadline = platform_now() &+ 10_000_000_000
    while true {
      let seen = closed.load()
      let taken = lock.withLock {
        if isOpen[Int(channel)] { return false }
        isOpen[Int(channel)] = true
        return true
      }
      if taken { break }
      guard !session.isOver, platform_now() < deadline else { return false }
      closed.wait(while: seen, nanoseconds: 100_000_000)
    }
    let replay = make()
    let started = startThread("omega-channel") { [self] in
      if let segment = session.segment {
        readRing(segment, replay)
      } else {
        readStream(streams[Int(channel)], replay)
      }
      replay.finish()
      lock.withLock { isOpen[Int(channel)] = false }
      closed.bump()
    }
    if !started { lock.withLock { isOpen[Int(channel)] = false } }
    return started
  }

  /// Hands over records that came with the link, in order. Waits while the channel has enough.
  func deliver(channel: UInt32, _ records: UnsafeRawBufferPointer) {
    guard channel < SegmentLayout.channelCount, records.count & 7 == 0 else {
      return session.lose(
        LostReason.protocolError, "records: \(records.count) bytes for channel \(channel)")
    }
    if !append(channel, records, isCoded: false) {
      session.lose(LostReason.noMemory, "records: no memory for \(records.count) bytes")
    }
  }

  /// The same for the payload of a `codedRecords` message, behind its channel.
  func deliver(channel: UInt32, coded: UnsafeRawBufferPointer) {
    guard channel < SegmentLayout.channelCount else {
      return session.lose(LostReason.protocolError, "codedRecords: there is no channel \(channel)")
    }
    if !append(channel, coded, isCoded: true) {
      session.lose(LostReason.noMemory, "codedRecords: no memory for \(coded.count) bytes")
    }
  }

  private func append(_ channel: UInt32, _ bytes: UnsafeRawBufferPointer, isCoded: Bool) -> Bool {
    // What a waiting context waits for may be behind these records on the link.
    streams[Int(channel)].append(bytes, isCoded: isCoded, session) { [openGL] in
      openGL.isWaiting(channel: channel)
    }
  }

  /// Waits for all threads to end. The session must be over.
  func join() {
    for stream in streams { stream.wake() }
    while true {
      let seen = closed.load()
      if lock.withLock({ !isOpen.contains(true) }) { return }
      closed.wait(while: seen, nanoseconds: 100_000_000)
    }
  }

  // MARK: Rings

  /// Bytes copied out of the ring at a time: few enough to stay in the cache between copying and
  /// decoding.
  private static var batch: Int { 64 << 10 }
  /// Looks at an empty ring before the thread sleeps. A wake-up costs the producer 2–5 µs; on a
  /// machine with few cores a longer spin takes the time from the producer itself.
  private static var spins: Int { 64 }

  private func readRing(_ segment: Segment, _ channel: any RecordReplayer) {
    let ring = RingHeader(segment: segment, channel: channel.number)
    let room = UnsafeMutableRawPointer.allocate(
      byteCount: SegmentLayout.largestInlineRecord, alignment: 64)
    defer { room.deallocate() }
    var position: UInt64 = 0
    while !session.isOver && !channel.isClosed {
      guard let run = ring.readable(at: position) else {
        return session.lose(
          LostReason.protocolError, "channel \(channel.number): its ring makes no sense")
      }
      guard run.count > 0, let start = run.baseAddress else {
        waitForRecords(ring, position, channel)
        continue
      }
      var count = min(run.count, ChannelReader.batch)
      room.copyMemory(from: start, byteCount: count)
      var used = channel.replay(UnsafeRawBufferPointer(start: room, count: count), arrived: 0)
      if used == 0 && run.count > count {
        // A record larger than a batch.
        count = min(run.count, SegmentLayout.largestInlineRecord)
        room.copyMemory(from: start, byteCount: count)
        used = channel.replay(UnsafeRawBufferPointer(start: room, count: count), arrived: 0)
      }
      guard used > 0 || session.isOver else {
        return session.lose(
          LostReason.protocolError, "channel \(channel.number): a record is not whole")
      }
      position &+= UInt64(used)
      ring.advance(reader: RingHeader.nodeReader, to: position)
    }
  }

  /// How long a thread sleeps at most that has something to attend to.
  private static var attention: UInt64 { 100_000 }
  /// How long it looks at the ring of a client that has waited for the GPU, nanoseconds: what a client
  /// does between two such waits is less, often, than waking this thread takes.
  private static var eagerness: UInt64 { 50_000 }

  private func waitForRecords(
    _ ring: RingHeader, _ position: UInt64, _ channel: any RecordReplayer
  ) {
    for _ in 0..<ChannelReader.spins {
      if ring.published != position { return }
      platform_pause()
    }
    if channel.isAttending, channel.attend() { return }
    if channel.isGPUIdle {
      let end = platform_now() &+ ChannelReader.eagerness
      while platform_now() < end {
        if ring.published != position { return }
        for _ in 0..<16 { platform_pause() }
      }
    }
    ring.waitForRecords(
      reader: RingHeader.nodeReader, beyond: position,
      nanoseconds: channel.isAttending ? ChannelReader.attention : 1_000_000_000)
  }

  // MARK: Streams

  private func readStream(_ stream: RecordStream, _ channel: any RecordReplayer) {
    let decoder = StreamDecoder(keeper: keeper)
    while !session.isOver && !channel.isClosed {
      while channel.isAttending && !session.isOver && !stream.hasBlock {
        if !channel.attend(), channel.isAttending {
          stream.wait(nanoseconds: ChannelReader.attention)
        }
      }
      guard let block = stream.take(session) else { return }
      if block.isCoded {
        decode(UnsafeRawBufferPointer(block.bytes), block.arrived, decoder, channel)
        block.free()
        continue
      }
      let used = channel.replay(UnsafeRawBufferPointer(block.bytes), arrived: block.arrived)
      if used < block.bytes.count && !session.isOver {
        guard channel.isClosed else {
          session.lose(
            LostReason.protocolError, "channel \(channel.number): a record is not whole")
          break
        }
        // What follows the last record is for the channel's next life.
        stream.putBack(block, from: used)
        return
      }
      block.free()
    }
  }
}

extension ChannelReader {
  /// Replays what a `codedRecords` message means. It ends with the channel's last record, when that
  /// is in it: the stream's state ends there too.
  private func decode(
    _ payload: UnsafeRawBufferPointer, _ arrived: UInt64, _ decoder: StreamDecoder,
    _ channel: any RecordReplayer
  ) {
    let wrong = decoder.decode(payload) { records in
      let used = channel.replay(records, arrived: arrived)
      if used < records.count && !session.isOver {
        session.lose(
          LostReason.protocolError,
          "channel \(channel.number): a record is not whole, or behind the last")
      }
      return used == records.count
    }
    if let wrong {
      session.lose(LostReason.protocolError, "channel \(channel.number): \(wrong)")
    }
  }
}

/// Records on their way from the link to a channel's thread: bounded, in order.
final class RecordStream: @unchecked Sendable {
  /// Bytes that may wait before the link is no longer read.
  private static var bound: Int { 64 << 20 }

  struct Block {
    let memory: UnsafeMutableRawPointer
    let bytes: UnsafeMutableRawBufferPointer
    /// The payload of a `codedRecords` message, and not records.
    let isCoded: Bool
    /// When the link brought them.
    let arrived: UInt64
    func free() { memory.deallocate() }
  }

  private let lock = Lock()
  private var blocks: [Block] = []
  private var byteCount = 0
  private let changed = Word()

  deinit { for block in blocks { block.free() } }

  /// Bytes that may wait when the bound does not count.
  private static var hardBound: Int { 1 << 30 }

  /// False when there is no memory. Waits while there is enough already, unless `mustTake` says that
  /// it may not.
  func append(
    _ records: UnsafeRawBufferPointer, isCoded: Bool, _ session: ReplaySession,
    mustTake: () -> Bool = { false }
  ) -> Bool {
    guard let source = records.baseAddress, records.count > 0 else { return true }
    let arrived = platform_now()
    while true {
      let seen = changed.load()
      let waiting = lock.withLock { byteCount }
      if waiting < RecordStream.bound || session.isOver { break }
      if mustTake() {
        guard waiting < RecordStream.hardBound else { return false }
        break
      }
      changed.wait(while: seen, nanoseconds: 100_000_000)
    }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: records.count, alignment: 16)
    memory.copyMemory(from: source, byteCount: records.count)
    let bytes = UnsafeMutableRawBufferPointer(start: memory, count: records.count)
    lock.withLock {
      blocks.append(Block(memory: memory, bytes: bytes, isCoded: isCoded, arrived: arrived))
      byteCount += records.count
    }
    wake()
    return true
  }

  /// Whether `take` would not wait.
  var hasBlock: Bool { lock.withLock { !blocks.isEmpty } }

  /// Waits for a block.
  func wait(nanoseconds: UInt64) {
    let seen = changed.load()
    if !hasBlock { changed.wait(while: seen, nanoseconds: nanoseconds) }
  }

  /// The next block; waits. Nil when the session is over.
  func take(_ session: ReplaySession) -> Block? {
    while true {
      let seen = changed.load()
      let block: Block? = lock.withLock {
        guard !blocks.isEmpty else { return nil }
        let first = blocks.removeFirst()
        byteCount -= first.bytes.count
        return first
      }
      if let block {
        wake()
        return block
      }
      if session.isOver { return nil }
      changed.wait(while: seen, nanoseconds: 1_000_000_000)
    }
  }

  func putBack(_ block: Block, from used: Int) {
    let rest = UnsafeMutableRawBufferPointer(rebasing: block.bytes[used...])
    lock.withLock {
      blocks.insert(
        Block(memory: block.memory, bytes: rest, isCoded: false, arrived: block.arrived), at: 0)
      byteCount += rest.count
    }
  }

  func wake() {
    changed.bump()
  }
}
