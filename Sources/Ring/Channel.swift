public import CPlatform

/// The header of a channel's ring, in the segment. One producer at a time (the client's channel
/// lock sees to that), up to `readerCount` readers, each with a tail of its own; room is free when
/// every active reader has passed it.
///
/// ```
/// +0     u64 head           bytes ever published
/// +64    u32 doorbell       bumped when sleeping readers are woken
/// +68    u32 sleepers       bit i: reader i sleeps
/// +128   u32 spaceDoorbell  bumped when a reader frees room a producer waits for
/// +132   u32 producerWaits
/// +192   reader i, 64 bytes apart: u64 tail, u32 active
/// +4096  data
/// ```
public struct RingHeader: @unchecked Sendable {
  public let segment: Segment
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable public static var readerCount: UInt32 { 4 }
  /// The agent's place among the readers.
  @inlinable public static var agentReader: UInt32 { 0 }
  /// The same-host node's place; further ones follow.
  @inlinable public static var nodeReader: UInt32 { 1 }

  /// `channel` must be below `SegmentLayout.channelCount`.
  @inlinable public init(segment: Segment, channel: UInt32) {
    self.segment = segment
    base =
      segment.base + SegmentLayout.channelsOffset + Int(channel) * SegmentLayout.channelStride
  }

  @inlinable var head: UnsafeMutablePointer<UInt64> { base.assumingMemoryBound(to: UInt64.self) }
  @inlinable var doorbell: UnsafeMutablePointer<UInt32> {
    (base + 64).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable var sleepers: UnsafeMutablePointer<UInt32> {
    (base + 68).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable var spaceDoorbell: UnsafeMutablePointer<UInt32> {
    (base + 128).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable var producerWaits: UnsafeMutablePointer<UInt32> {
    (base + 132).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable func tail(_ reader: UInt32) -> UnsafeMutablePointer<UInt64> {
    (base + 192 + Int(reader) * 64).assumingMemoryBound(to: UInt64.self)
  }
  @inlinable func active(_ reader: UInt32) -> UnsafeMutablePointer<UInt32> {
    (base + 192 + Int(reader) * 64 + 8).assumingMemoryBound(to: UInt32.self)
  }
  @inlinable var data: UnsafeMutableRawPointer { base + SegmentLayout.pageSize }

  /// Bytes ever published.
  @inlinable public var published: UInt64 { platform_load64_seq(head) }

  /// Bytes that every active reader has passed; what was published before may be used again.
  public var released: UInt64 {
    let end = platform_load64_seq(head)
    var lowest = end
    var reader: UInt32 = 0
    while reader < RingHeader.readerCount {
      if platform_load32(active(reader)) != 0 {
        let tail = platform_load64(tail(reader))
        // A tail ahead of the head is a lie; it frees nothing.
        if tail < lowest { lowest = tail }
      }
      reader += 1
    }
    return lowest
  }

  /// Sets an unused channel back to empty. Client, before anybody else knows of the channel.
  public func initialise() {
    platform_store64_seq(head, 0)
    var reader: UInt32 = 0
    while reader < RingHeader.readerCount {
      platform_store64_seq(tail(reader), 0)
      platform_store32_seq(active(reader), 0)
      reader += 1
    }
    platform_store32_seq(sleepers, 0)
    platform_store32_seq(producerWaits, 0)
  }

  /// Declares who reads: bit i for reader i. Client, when a channel is made; the agent says in its
  /// welcome which readers there are.
  public func setReaders(_ mask: UInt32) {
    var reader: UInt32 = 0
    while reader < RingHeader.readerCount {
      platform_store32_seq(active(reader), (mask >> reader) & 1)
      reader += 1
    }
  }

  /// Takes a reader out, so that the producer no longer waits for it.
  public func retire(reader: UInt32) {
    guard reader < RingHeader.readerCount else { return }
    platform_store32_seq(active(reader), 0)
    wakeProducer()
  }

  @inlinable func wakeProducer() {
    guard platform_load32_seq(producerWaits) != 0 else { return }
    platform_store32_seq(producerWaits, 0)
    _ = platform_add32(spaceDoorbell, 1)
    _ = platform_futex_wake(spaceDoorbell, Int32.max)
  }

  @inlinable func wakeReaders() {
    platform_fence()
    guard platform_load32_seq(sleepers) != 0, platform_exchange32(sleepers, 0) != 0 else {
      return
    }
    _ = platform_add32(doorbell, 1)
    _ = platform_futex_wake(doorbell, Int32.max)
  }

  func wakeEverybody() {
    _ = platform_add32(doorbell, 1)
    _ = platform_futex_wake(doorbell, Int32.max)
    _ = platform_add32(spaceDoorbell, 1)
    _ = platform_futex_wake(spaceDoorbell, Int32.max)
  }

  // MARK: Producer

  /// How a publish ended.
  public enum PublishResult: UInt8, Sendable { case done, full, tooLarge }

  /// Publishes whole records (`bytes` is a multiple of 8 and at most
  /// `SegmentLayout.largestInlineRecord`), contiguous in the ring, and wakes sleeping readers.
  /// Never waits: `.full` asks the caller to `waitForRoom` and come back.
  public func publish(_ bytes: UnsafeRawBufferPointer) -> PublishResult {
    let count = bytes.count
    guard count & 7 == 0, count <= SegmentLayout.largestInlineRecord else { return .tooLarge }
    guard count > 0, let start = bytes.baseAddress else { return .done }
    let capacity = SegmentLayout.channelCapacity
    var position = platform_load64_relaxed(head)
    let free = capacity &- Int(truncatingIfNeeded: position &- released)
    var offset = Int(truncatingIfNeeded: position) & (capacity - 1)
    let untilEnd = capacity &- offset
    let padding = count > untilEnd ? untilEnd : 0
    guard count &+ padding <= free else { return .full }
    if padding > 0 {
      (data + offset).storeBytes(of: ControlOpcode.pad, as: UInt32.self)
      (data + offset).storeBytes(
        of: UInt32(truncatingIfNeeded: padding), toByteOffset: 4, as: UInt32.self)
      position &+= UInt64(padding)
      offset = 0
    }
    platform_copy(data + offset, start, count)
    platform_store64_seq(head, position &+ UInt64(count))
    wakeReaders()
    return .done
  }

  /// Sleeps until a reader has freed room, the connection is lost, or `nanoseconds` have passed.
  public func waitForRoom(nanoseconds: UInt64, below position: UInt64) {
    let seen = platform_load32_seq(spaceDoorbell)
    platform_store32_seq(producerWaits, 1)
    platform_fence()
    guard released <= position, segment.lost == 0 else { return }
    _ = platform_futex_wait(spaceDoorbell, seen, nanoseconds)
  }

  // MARK: Reader

  /// The next run of published records for a reader at `position`, contiguous; empty when there is
  /// none. Padding is part of the run: its record says `ControlOpcode.pad`.
  /// Nil when the header makes no sense, which ends the connection.
  public func readable(at position: UInt64) -> UnsafeRawBufferPointer? {
    let end = platform_load64_seq(head)
    guard end >= position, end &- position <= UInt64(SegmentLayout.channelCapacity) else {
      return nil
    }
    let capacity = SegmentLayout.channelCapacity
    let offset = Int(truncatingIfNeeded: position) & (capacity - 1)
    let count = min(Int(truncatingIfNeeded: end &- position), capacity &- offset)
    return UnsafeRawBufferPointer(start: data + offset, count: count)
  }

  /// Says that a reader is done with everything before `position`.
  @inlinable public func advance(reader: UInt32, to position: UInt64) {
    platform_store64_seq(tail(reader), position)
    wakeProducer()
  }

  /// Sleeps until something is published beyond `position`, at most `nanoseconds`.
  public func waitForRecords(reader: UInt32, beyond position: UInt64, nanoseconds: UInt64) {
    let seen = platform_load32_seq(doorbell)
    _ = platform_or32(sleepers, 1 << reader)
    platform_fence()
    guard platform_load64_seq(head) == position, segment.lost == 0 else { return }
    _ = platform_futex_wait(doorbell, seen, nanoseconds)
  }
}
