import CPlatform
public import Ring
public import Wire

/// One ordered stream of records from this process: channel 0 for the instance level, one more for
/// every VkDevice.
///
/// ```
/// begin ──► lock, scratch writer ──► any number of records ──► end: published together, unlock
/// ```
///
/// What is published between one `begin` and its `end` is contiguous in the stream. A plain value
/// around memory that lives as long as the connection. Thread-safety: the lock.
public struct Channel: @unchecked Sendable {
  private struct State {
    /// First, so that the state's address is its writer's.
    var scratch: HeapWriter
    var lock: Lock
    var ring: RingHeader
    var connection: Connection
    var index: UInt32
    var retired: RetiredRanges
    /// Whether a device (or the instance level) owns the channel.
    var taken: Bool
  }

  private let state: UnsafeMutablePointer<State>

  init?(index: UInt32, connection: Connection) {
    guard let lock = Lock(),
      let raw = platform_malloc(MemoryLayout<State>.stride)
    else { return nil }
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        scratch: HeapWriter(capacity: Channel.scratchCapacity), lock: lock,
        ring: RingHeader(segment: connection.segment, channel: index), connection: connection,
        index: index, retired: RetiredRanges(), taken: false))
  }

  private static var scratchCapacity: Int { 64 << 10 }
  /// A scratch that had to grow beyond this is given back.
  private static var scratchLimit: Int { 4 << 20 }

  /// The channel whose writer this is: what `begin` gave.
  public init(writer: UnsafeMutablePointer<Writer>) {
    state = UnsafeMutableRawPointer(writer).assumingMemoryBound(to: State.self)
  }

  /// Number of the channel, below `SegmentLayout.channelCount`.
  public var index: UInt32 { state.pointee.index }
  public var connection: Connection { state.pointee.connection }
  public var ring: RingHeader { state.pointee.ring }

  /// Takes a free channel; false when it has an owner. Under the connection's lock.
  func take() -> Bool {
    guard !state.pointee.taken else { return false }
    state.pointee.taken = true
    return true
  }

  /// Gives the channel back after its `closeChannel` record was drained.
  public func release() { state.pointee.taken = false }

  // MARK: Records

  /// Locks the channel and gives its empty writer; nil, and no lock, once the connection is lost.
  public func begin() -> UnsafeMutablePointer<Writer>? {
    guard state.pointee.ring.segment.lost == 0 else {
      connection.reportLoss()
      return nil
    }
    state.pointee.lock.lock()
    return beginLocked()
  }

  private func beginLocked() -> UnsafeMutablePointer<Writer> {
    if state.pointee.scratch.bytes.count > Channel.scratchLimit {
      state.pointee.scratch.free()
      state.pointee.scratch = HeapWriter(capacity: Channel.scratchCapacity)
    } else {
      state.pointee.scratch.reset()
    }
    return writer
  }

  /// Publishes what was written since `begin` and unlocks. False when the connection is lost.
  public func end() -> Bool {
    let published = publishScratch()
    state.pointee.lock.unlock()
    return published
  }

  /// Publishes what was written since `begin` and stays locked, with an empty writer: for a caller
  /// that must know the position of its records. False when the connection is lost.
  public func flush() -> Bool {
    let published = publishScratch()
    _ = beginLocked()
    return published
  }

  /// Unlocks without publishing anything.
  public func abandon() { state.pointee.lock.unlock() }

  /// The writer of a channel on which `begin` was called by this thread.
  public var writer: UnsafeMutablePointer<Writer> {
    UnsafeMutableRawPointer(state).assumingMemoryBound(to: Writer.self)
  }

  /// Publishes finished records that were written elsewhere. False when the connection is lost.
  public func publish(_ records: UnsafeRawBufferPointer) -> Bool {
    guard state.pointee.ring.segment.lost == 0 else { return false }
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    return publishLocked(records)
  }

  private func publishScratch() -> Bool {
    guard !state.pointee.scratch.writer.failed else {
      connection.lose(LostReason.noMemory, "the application has no memory left for a command")
      return false
    }
    return publishLocked(state.pointee.scratch.bytes)
  }

  private func publishLocked(_ records: UnsafeRawBufferPointer) -> Bool {
    guard let start = records.baseAddress, records.count > 0 else {
      return state.pointee.ring.segment.lost == 0
    }
    reclaim()
    var first = 0
    var offset = 0
    var count: UInt64 = 0
    while offset < records.count {
      let size = Int(start.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
      guard size >= 8, size <= records.count &- offset else { break }
      if size > SegmentLayout.largestInlineRecord {
        guard put(start + first, offset &- first), putLarge(start + offset, size) else {
          return false
        }
        first = offset &+ size
      } else if offset &+ size &- first > SegmentLayout.largestInlineRecord {
        guard put(start + first, offset &- first) else { return false }
        first = offset
      }
      offset &+= size
      count &+= 1
    }
    guard put(start + first, offset &- first) else { return false }
    let segment = state.pointee.ring.segment
    segment.count(Counter.records, count)
    segment.count(Counter.recordBytes, UInt64(records.count))
    return connection.switches.asynchronous ? true : drainLocked()
  }

  private func put(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
    guard count > 0 else { return true }
    let ring = state.pointee.ring
    while true {
      let released = ring.released
      switch ring.publish(UnsafeRawBufferPointer(start: start, count: count)) {
      case .done: return true
      case .tooLarge: return false
      case .full:
        ring.waitForRoom(nanoseconds: Connection.heartbeat, below: released)
        guard connection.isAlive() else { return false }
      }
    }
  }

  /// A record beyond `largestInlineRecord` lies in the arena, and a reference on the ring.
  private func putLarge(_ record: UnsafeRawPointer, _ size: Int) -> Bool {
    guard size <= SegmentLayout.largestRecord,
      let offset = connection.arena.allocate(UInt64(size))
    else {
      connection.lose(LostReason.noMemory, "a command is larger than the shared arena has room for")
      return false
    }
    let ring = state.pointee.ring
    platform_copy(ring.segment.base + Int(offset), record, size)
    var reference: (UInt32, UInt32, UInt64, UInt64) = (
      ControlOpcode.indirect, 24, offset, UInt64(size)
    )
    let published = withUnsafeBytes(of: &reference) { bytes -> Bool in
      guard let start = bytes.baseAddress else { return false }
      return put(start, 24)
    }
    retire(.arena, offset: offset, size: UInt64(size))
    return published
  }

  // MARK: Ranges that readers may still look at

  /// Gives a range back as soon as every reader has passed what is published now. Call between
  /// `begin` and `end`, after the last record that refers to the range was flushed.
  public func retire(_ part: SegmentPart, offset: UInt64, size: UInt64) {
    let range = RetiredRange(
      position: state.pointee.ring.published, offset: offset, size: size, part: part)
    // Without memory to remember it, the range is lost; nothing else is.
    _ = state.pointee.retired.append(range)
  }

  private func reclaim() {
    guard let first = state.pointee.retired.first else { return }
    let released = state.pointee.ring.released
    guard first.position <= released else { return }
    while let range = state.pointee.retired.first, range.position <= released {
      connection.giveBack(range.part, offset: range.offset, size: range.size)
      state.pointee.retired.removeFirst()
    }
  }

  /// Waits until every reader has passed everything; false when the connection is lost.
  public func drain() -> Bool {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    let drained = drainLocked()
    reclaim()
    return drained
  }

  private func drainLocked() -> Bool {
    let ring = state.pointee.ring
    while true {
      guard ring.segment.lost == 0 else { return false }
      let released = ring.released
      if released == ring.published { return true }
      ring.waitForRoom(nanoseconds: Connection.heartbeat, below: released)
      guard connection.isAlive() else { return false }
    }
  }
}

/// The parts of the segment that are given out in ranges.
public enum SegmentPart: UInt32, Sendable {
  /// Command buffer chunks and large records.
  case arena
  /// Mapped device memory.
  case memory
}

struct RetiredRange {
  /// Ring position that every reader must have passed.
  var position: UInt64
  var offset: UInt64
  var size: UInt64
  var part: SegmentPart
}

/// A queue of ranges in the order of their positions. Plain old data that owns memory.
struct RetiredRanges {
  private var ranges: UnsafeMutablePointer<RetiredRange>? = nil
  private var head = 0
  private var count = 0
  private var capacity = 0

  var first: RetiredRange? {
    guard count > 0, let ranges else { return nil }
    return ranges[head]
  }

  mutating func removeFirst() {
    guard count > 0 else { return }
    head = (head &+ 1) & (capacity &- 1)
    count &-= 1
  }

  mutating func append(_ range: RetiredRange) -> Bool {
    if count == capacity {
      let wanted = max(64, capacity &* 2)
      guard let raw = platform_malloc(wanted &* MemoryLayout<RetiredRange>.stride) else {
        return false
      }
      let grown = raw.bindMemory(to: RetiredRange.self, capacity: wanted)
      var i = 0
      while i < count, let ranges {
        (grown + i).initialize(to: ranges[(head &+ i) & (capacity &- 1)])
        i &+= 1
      }
      platform_free(ranges)
      ranges = grown
      head = 0
      capacity = wanted
    }
    guard let ranges else { return false }
    (ranges + ((head &+ count) & (capacity &- 1))).initialize(to: range)
    count &+= 1
    return true
  }
}
