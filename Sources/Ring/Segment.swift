public import CPlatform

/// A mapped shared segment: the control part, and the descriptor through which mapped memory is
/// reached. A plain value; copies refer to the same mapping. Freed by `unmap()` alone.
///
/// Everything in it may be changed by the other side at any moment: a reader copies a value out
/// once and checks the copy.
public struct Segment: @unchecked Sendable {
  /// Start of the control part, `SegmentLayout.controlSize` bytes.
  public let base: UnsafeMutableRawPointer
  /// The memfd. Owned by the segment.
  public let descriptor: Int32

  @inlinable init(base: UnsafeMutableRawPointer, descriptor: Int32) {
    self.base = base
    self.descriptor = descriptor
  }

  /// Makes a new segment: a sealed, sparse memfd with an initialised header. Nil, with the errno
  /// in `error`, when the kernel refuses.
  public static func make(error: inout Int32) -> Segment? {
    let descriptor = platform_memfd("omega")
    guard descriptor >= 0 else {
      error = -descriptor
      return nil
    }
    var result = platform_resize(descriptor, SegmentLayout.totalSize)
    if result == 0 { result = platform_seal_size(descriptor) }
    guard result == 0,
      let base = platform_map_shared(descriptor, 0, SegmentLayout.controlSize)
    else {
      error = result == 0 ? ENOMEM : -result
      _ = platform_close(descriptor)
      return nil
    }
    let segment = Segment(base: base, descriptor: descriptor)
    base.storeBytes(
      of: SegmentLayout.version, toByteOffset: HeaderField.version, as: UInt32.self)
    base.storeBytes(
      of: UInt32(truncatingIfNeeded: platform_pid()), toByteOffset: HeaderField.clientProcess,
      as: UInt32.self)
    base.storeBytes(
      of: SegmentLayout.magic, toByteOffset: HeaderField.magic, as: UInt64.self)
    return segment
  }

  /// Maps a segment received from another process; takes the descriptor over in any case.
  /// Nil when it is not a segment of this version, not sealed, or cannot be mapped.
  public static func attach(_ descriptor: Int32) -> Segment? {
    guard platform_size_is_sealed(descriptor),
      platform_file_size(descriptor) == Int64(SegmentLayout.totalSize),
      let base = platform_map_shared(descriptor, 0, SegmentLayout.controlSize)
    else {
      _ = platform_close(descriptor)
      return nil
    }
    let segment = Segment(base: base, descriptor: descriptor)
    guard
      base.load(fromByteOffset: HeaderField.magic, as: UInt64.self)
        == SegmentLayout.magic,
      base.load(fromByteOffset: HeaderField.version, as: UInt32.self)
        == SegmentLayout.version
    else {
      segment.unmap()
      return nil
    }
    return segment
  }

  public func unmap() {
    _ = platform_unmap(base, SegmentLayout.controlSize)
    _ = platform_close(descriptor)
  }

  /// Maps a page-aligned range of the memory part; nil when it lies outside or cannot be mapped.
  public func mapMemory(offset: UInt64, size: UInt64) -> UnsafeMutableRawPointer? {
    guard SegmentLayout.isMemory(offset: offset, size: size) else { return nil }
    return platform_map_shared(descriptor, offset, Int(size))
  }

  /// The same at a place that the caller has reserved; false when it cannot be.
  public func mapMemory(offset: UInt64, size: UInt64, at place: UnsafeMutableRawPointer) -> Bool {
    guard SegmentLayout.isMemory(offset: offset, size: size) else { return false }
    return platform_map_shared_at(place, descriptor, offset, Int(size)) == 0
  }

  /// A range of the control part that the other side named; nil when it is not wholly inside
  /// `[lowest, controlSize)`.
  public func controlRange(offset: UInt64, size: UInt64, lowest: Int)
    -> UnsafeMutableRawBufferPointer?
  {
    let end = UInt64(SegmentLayout.controlSize)
    guard offset >= UInt64(lowest), offset <= end, size <= end &- offset else { return nil }
    return UnsafeMutableRawBufferPointer(start: base + Int(offset), count: Int(size))
  }

  @inlinable func word32(_ offset: Int) -> UnsafeMutablePointer<UInt32> {
    (base + offset).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable func word64(_ offset: Int) -> UnsafeMutablePointer<UInt64> {
    (base + offset).assumingMemoryBound(to: UInt64.self)
  }

  // MARK: Loss

  /// 0 while the connection lives, else a `LostReason`. One load.
  @inlinable public var lost: UInt32 { platform_load32_relaxed(word32(HeaderField.lost)) }

  /// Ends the connection for the client: every wait returns and every fallible call answers
  /// VK_ERROR_DEVICE_LOST. The first reason stays. `message` is at most 1,023 bytes.
  public func markLost(_ reason: UInt32, _ message: UnsafeRawBufferPointer) {
    guard platform_load32(word32(HeaderField.lost)) == 0 else { return }
    let count = min(message.count, 1023)
    if let start = message.baseAddress, count > 0 {
      platform_copy(base + HeaderField.lostMessage, start, count)
    }
    base.storeBytes(
      of: 0, toByteOffset: HeaderField.lostMessage + count, as: UInt8.self)
    _ = platform_compare_exchange32(word32(HeaderField.lost), 0, reason)
    ring(always: true)
    var channel: UInt32 = 0
    while channel < SegmentLayout.channelCount {
      RingHeader(segment: self, channel: channel).wakeEverybody()
      channel += 1
    }
  }

  // MARK: Completions

  /// Stores a completion: raises `slot` to `value` (values of a slot only grow) and wakes who
  /// waits. Slots out of range are ignored. Any process, any thread.
  public func complete(slot: UInt32, value: UInt64) {
    guard slot < SegmentLayout.slotCount else { return }
    _ = platform_max64(self.slot(slot), value)
    ring(always: false)
  }

  /// The slot's cell. `slot` must be below `SegmentLayout.slotCount`.
  @inlinable public func slot(_ slot: UInt32) -> UnsafeMutablePointer<UInt64> {
    word64(SegmentLayout.slotsOffset + Int(slot) * 8)
  }

  /// Wakes every waiting thread of the client, if there is one.
  public func ring(always: Bool) {
    platform_fence()
    guard always || platform_load32_seq(word32(HeaderField.waiters)) != 0 else { return }
    _ = platform_add32(word32(HeaderField.doorbell), 1)
    _ = platform_futex_wake(word32(HeaderField.doorbell), Int32.max)
  }

  /// One step of a wait: announces this thread, calls `isDone`, and sleeps at most `nanoseconds`
  /// when it says no. The caller loops, and looks at deadline, `lost` and the peer in between.
  /// Client only.
  @inlinable public func waitStep(
    nanoseconds: UInt64, _ isDone: () -> Bool
  ) -> Bool {
    if isDone() { return true }
    _ = platform_add32(word32(HeaderField.waiters), 1)
    let seen = platform_load32_seq(word32(HeaderField.doorbell))
    platform_fence()
    let done = isDone()
    if !done && lost == 0 {
      _ = platform_futex_wait(word32(HeaderField.doorbell), seen, nanoseconds)
    }
    _ = platform_add32(word32(HeaderField.waiters), UInt32.max)
    return done
  }

  /// Threads of the client that wait at this moment.
  public var waiterCount: UInt32 { platform_load32_seq(word32(HeaderField.waiters)) }

  // MARK: Replies

  /// Start of a reply area: `{u32 state, u32 byteCount}`, then the reply record at +64.
  /// `ticket` must be below `SegmentLayout.replyCount`.
  @inlinable public func replyArea(_ ticket: UInt32) -> UnsafeMutableRawPointer {
    base + SegmentLayout.repliesOffset + Int(ticket) * SegmentLayout.replyAreaSize
  }
  @inlinable public static var replyHeaderSize: Int { 64 }

  /// Node or agent: puts a reply where the client waits for it. A reply that is too large or whose
  /// ticket is out of range gives false, and the caller ends the connection.
  public func deliverReply(ticket: UInt32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard ticket < SegmentLayout.replyCount,
      bytes.count <= SegmentLayout.replyAreaSize - Segment.replyHeaderSize
    else { return false }
    let area = replyArea(ticket)
    if let start = bytes.baseAddress, bytes.count > 0 {
      platform_copy(area + Segment.replyHeaderSize, start, bytes.count)
    }
    area.storeBytes(
      of: UInt32(truncatingIfNeeded: bytes.count), toByteOffset: 4, as: UInt32.self)
    platform_store32_seq(area.assumingMemoryBound(to: UInt32.self), 1)
    ring(always: false)
    return true
  }

  // MARK: Counters

  @inlinable public func counter(_ index: Int) -> UnsafeMutablePointer<UInt64> {
    word64(SegmentLayout.countersOffset + index * 8)
  }
  @inlinable public func count(_ index: Int, _ amount: UInt64) {
    platform_add64_relaxed(counter(index), amount)
  }
  /// Round trips of one command; `opcode` is the wire's.
  @inlinable public func roundTripCounter(_ opcode: UInt32) -> UnsafeMutablePointer<UInt32>? {
    guard let index = Counter.index(ofCommand: opcode) else { return nil }
    return word32(
      SegmentLayout.countersOffset + Counter.roundTripsByCommandOffset + index * 4)
  }
  @inlinable public func histogramBucket(_ histogram: Int, _ bucket: Int)
    -> UnsafeMutablePointer<UInt32>
  {
    word32(
      SegmentLayout.countersOffset + Counter.histogramsOffset
        + (histogram * Histogram.buckets + bucket) * 4)
  }
  /// Adds one measurement to a histogram.
  @inlinable public func record(_ histogram: Int, nanoseconds: UInt64) {
    let bucket = histogramBucket(histogram, Histogram.bucket(nanoseconds))
    _ = platform_add32(bucket, 1)
  }
}
