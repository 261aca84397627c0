import CPlatform
import Testing

@testable import Ring

/// A segment that unmaps itself.
final class TestSegment {
  let segment: Segment
  init() throws {
    var error: Int32 = 0
    segment = try #require(Segment.make(error: &error))
  }
  deinit { segment.unmap() }
}

func record(_ opcode: UInt32, words: Int, fill: UInt64) -> [UInt64] {
  [UInt64(opcode) | UInt64((words + 1) * 8) << 32]
    + [UInt64](repeating: fill, count: words)
}

@Suite("Segment")
struct SegmentTests {
  @Test("regions do not overlap and hold what they promise")
  func layout() {
    typealias L = SegmentLayout
    #expect(
      L.countersOffset + Counter.histogramsOffset + Histogram.count * Histogram.buckets * 4
        <= L.slotsOffset)
    #expect(L.slotsOffset + Int(L.slotCount) * 8 <= L.repliesOffset)
    #expect(L.repliesOffset + Int(L.replyCount) * L.replyAreaSize <= L.channelsOffset)
    #expect(L.pageSize + L.channelCapacity <= L.channelStride)
    #expect(L.channelsOffset + Int(L.channelCount) * L.channelStride <= L.arenaOffset)
    #expect(L.arenaOffset + L.arenaSize <= L.controlSize)
    #expect(UInt64(L.controlSize) <= L.memoryOffset)
    #expect(HeaderField.lostMessage + 1024 <= L.pageSize)
  }

  @Test("attaches to its own kind and refuses everything else")
  func attach() throws {
    let made = try TestSegment()
    let again = try #require(Segment.attach(dup(made.segment.descriptor)))
    defer { again.unmap() }
    made.segment.complete(slot: 7, value: 41)
    #expect(again.slot(7).pointee == 41)

    let unsealed = platform_memfd("x")
    #expect(platform_resize(unsealed, SegmentLayout.totalSize) == 0)
    #expect(Segment.attach(unsealed) == nil)
    let blank = platform_memfd("x")
    #expect(platform_resize(blank, SegmentLayout.totalSize) == 0)
    #expect(platform_seal_size(blank) == 0)
    #expect(Segment.attach(blank) == nil)
    let small = platform_memfd("x")
    #expect(platform_resize(small, 4096) == 0)
    #expect(platform_seal_size(small) == 0)
    #expect(Segment.attach(small) == nil)
    #expect(Segment.attach(-1) == nil)
  }

  @Test("slots only grow, and numbers out of range are ignored")
  func slots() throws {
    let made = try TestSegment()
    made.segment.complete(slot: 3, value: 10)
    made.segment.complete(slot: 3, value: 4)
    #expect(made.segment.slot(3).pointee == 10)
    made.segment.complete(slot: SegmentLayout.slotCount, value: 1)
    made.segment.complete(slot: UInt32.max, value: 1)
  }

  @Test("a range that the other side names is checked without overflow")
  func ranges() throws {
    let segment = try TestSegment().segment
    let arena = UInt64(SegmentLayout.arenaOffset)
    #expect(
      segment.controlRange(offset: arena, size: 64, lowest: SegmentLayout.arenaOffset) != nil)
    for (offset, size): (UInt64, UInt64) in [
      (0, 64), (arena - 1, 8), (arena, UInt64.max), (UInt64.max, 1),
      (UInt64(SegmentLayout.controlSize), 1), (arena, UInt64(SegmentLayout.controlSize)),
    ] {
      #expect(
        segment.controlRange(offset: offset, size: size, lowest: SegmentLayout.arenaOffset) == nil)
    }
    for (offset, size): (UInt64, UInt64) in [
      (0, 4096), (SegmentLayout.memoryOffset + 1, 4096), (SegmentLayout.totalSize, 4096),
      (SegmentLayout.memoryOffset, UInt64.max), (UInt64.max & ~4095, 8192),
      (SegmentLayout.memoryOffset, 0),
    ] {
      #expect(segment.mapMemory(offset: offset, size: size) == nil)
    }
  }

  @Test("a loss wakes a waiting thread, and its first reason stays")
  func loss() throws {
    let made = try TestSegment()
    let segment = made.segment
    let done = Waiter()
    let thread = TestThread {
      while segment.lost == 0 { _ = segment.waitStep(nanoseconds: 5_000_000_000) { false } }
      done.finish()
    }
    platform_sleep(20_000_000)
    let start = platform_now()
    "node is gone".utf8.withContiguousStorageIfAvailable {
      segment.markLost(LostReason.nodeGone, UnsafeRawBufferPointer($0))
    }
    segment.markLost(LostReason.agentGone, UnsafeRawBufferPointer(start: nil, count: 0))
    thread.join()
    #expect(done.isFinished)
    #expect(platform_now() - start < 4_000_000_000)
    #expect(segment.lost == LostReason.nodeGone)
    #expect(
      String(cString: (segment.base + HeaderField.lostMessage).assumingMemoryBound(to: CChar.self))
        == "node is gone")
  }

  @Test("replies arrive whole, or are refused")
  func replies() throws {
    let made = try TestSegment()
    let bytes: [UInt64] = [1, 2, 3]
    let delivered = bytes.withUnsafeBytes { made.segment.deliverReply(ticket: 5, $0) }
    #expect(delivered)
    let area = made.segment.replyArea(5)
    #expect(area.load(as: UInt32.self) == 1)
    #expect(area.load(fromByteOffset: 4, as: UInt32.self) == 24)
    #expect(area.load(fromByteOffset: Segment.replyHeaderSize + 16, as: UInt64.self) == 3)
    #expect(
      !bytes.withUnsafeBytes { made.segment.deliverReply(ticket: SegmentLayout.replyCount, $0) })
    let huge = UnsafeRawBufferPointer(start: area, count: SegmentLayout.replyAreaSize)
    #expect(!made.segment.deliverReply(ticket: 5, huge))
  }

  @Test("histogram buckets are ordered and their bounds agree")
  func histogram() {
    var last = -1
    for value in [UInt64(0), 1, 3, 4, 5, 7, 8, 100, 1000, 4097, 1 << 20, 1 << 40, UInt64.max] {
      let bucket = Histogram.bucket(value)
      #expect(bucket >= last && bucket < Histogram.buckets)
      #expect(Histogram.lowerBound(bucket) <= value)
      last = bucket
    }
  }
}

@Suite("Ring")
struct RingHeaderTests {
  @Test(
    "two readers see the same records in order across many wraps", arguments: [1, 3, 117, 9000])
  func wraps(words: Int) throws {
    let made = try TestSegment()
    let ring = RingHeader(segment: made.segment, channel: 2)
    ring.initialise()
    ring.setReaders(0b11)
    let total = (SegmentLayout.channelCapacity * 3) / ((words + 1) * 8)

    let readers = (0..<2).map { reader in
      TestThread {
        var position: UInt64 = 0
        var next: UInt64 = 0
        while next < UInt64(total) {
          guard let run = ring.readable(at: position) else {
            Issue.record("ring makes no sense")
            return
          }
          if run.isEmpty {
            ring.waitForRecords(
              reader: UInt32(reader), beyond: position, nanoseconds: 1_000_000_000)
            continue
          }
          var offset = 0
          while offset < run.count {
            let opcode = run.load(fromByteOffset: offset, as: UInt32.self)
            let size = Int(run.load(fromByteOffset: offset + 4, as: UInt32.self))
            if opcode != ControlOpcode.pad {
              if size != (words + 1) * 8
                || run.load(fromByteOffset: offset + 8, as: UInt64.self) != next
                || run.load(fromByteOffset: offset + size - 8, as: UInt64.self) != next
              {
                Issue.record("record \(next) is torn")
                return
              }
              next += 1
            }
            offset += size
          }
          position += UInt64(run.count)
          ring.advance(reader: UInt32(reader), to: position)
        }
      }
    }
    for i in 0..<total {
      let bytes = record(0x1000, words: words, fill: UInt64(i))
      while true {
        let before = ring.released
        let result = bytes.withUnsafeBytes { ring.publish($0) }
        if result == .done { break }
        #expect(result == .full)
        ring.waitForRoom(nanoseconds: 1_000_000_000, below: before)
      }
    }
    readers.forEach { $0.join() }
    #expect(ring.released == ring.published)
  }

  @Test("a reader that stops holds the producer, and retiring it lets go")
  func retire() throws {
    let made = try TestSegment()
    let ring = RingHeader(segment: made.segment, channel: 0)
    ring.initialise()
    ring.setReaders(0b11)
    let bytes = record(0x1000, words: 1023, fill: 1)
    var published = 0
    while bytes.withUnsafeBytes({ ring.publish($0) }) == .done { published += 1 }
    #expect(published == SegmentLayout.channelCapacity / 8192)
    ring.advance(reader: 0, to: ring.published)
    #expect(bytes.withUnsafeBytes { ring.publish($0) } == .full)
    ring.retire(reader: 1)
    #expect(bytes.withUnsafeBytes { ring.publish($0) } == .done)
  }

  @Test("records that are too large or not whole words are refused")
  func refusals() throws {
    let made = try TestSegment()
    let ring = RingHeader(segment: made.segment, channel: 1)
    ring.initialise()
    ring.setReaders(1)
    let bytes = [UInt8](repeating: 0, count: SegmentLayout.largestInlineRecord + 8)
    #expect(bytes.withUnsafeBytes { ring.publish($0) } == .tooLarge)
    #expect(
      bytes.withUnsafeBytes { ring.publish(UnsafeRawBufferPointer(rebasing: $0[0..<12])) }
        == .tooLarge)
  }

  @Test("a head that lies is noticed by the reader")
  func lies() throws {
    let made = try TestSegment()
    let ring = RingHeader(segment: made.segment, channel: 1)
    ring.initialise()
    ring.head.pointee = UInt64(SegmentLayout.channelCapacity) * 4
    #expect(ring.readable(at: 0) == nil)
    ring.head.pointee = 8
    #expect(ring.readable(at: 16) == nil)
  }
}

/// A joinable thread for tests.
final class TestThread: @unchecked Sendable {
  private let body: @Sendable () -> Void
  private let finished = Waiter()
  init(_ body: @escaping @Sendable () -> Void) {
    self.body = body
    let own = Unmanaged.passRetained(self).toOpaque()
    let result = platform_thread_start(
      { argument in
        let thread = Unmanaged<TestThread>.fromOpaque(argument!).takeRetainedValue()
        thread.body()
        thread.finished.finish()
        return nil
      }, own, 0, "test")
    #expect(result == 0)
  }
  func join() { finished.wait() }
}

final class Waiter: @unchecked Sendable {
  private let word: UnsafeMutablePointer<UInt32>
  init() {
    word = .allocate(capacity: 1)
    word.initialize(to: 0)
  }
  deinit { word.deallocate() }
  var isFinished: Bool { platform_load32(word) != 0 }
  func finish() {
    platform_store32_seq(word, 1)
    _ = platform_futex_wake(word, Int32.max)
  }
  func wait() {
    while platform_load32_seq(word) == 0 { _ = platform_futex_wait(word, 0, 1_000_000_000) }
  }
}
