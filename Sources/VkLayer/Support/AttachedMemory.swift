import CPlatform
import Client
import PageTracker
import Ring
import Wire

/// An allocation that is mapped into this process and shared with the agent.
struct AttachedMemory {
  var id: UInt64
  var base: UnsafeMutableRawPointer
  /// Bytes, a multiple of the page size.
  var size: Int
  /// Whether one scan of the device's window finds its written pages too.
  var isScannedTogether: Bool
}

/// The attached allocations of a device, in the order of their addresses. Plain old data that owns its memory; used
/// under the lock of the device's channel.
struct AttachedMemories {
  private(set) var list: UnsafeMutablePointer<AttachedMemory>?
  private(set) var count: Int
  private var capacity: Int

  init() {
    list = nil
    count = 0
    capacity = 0
  }

  mutating func insert(_ memory: AttachedMemory) -> Bool {
    if count == capacity {
      let wanted = max(32, capacity &* 2)
      guard let raw = platform_realloc(list, wanted &* MemoryLayout<AttachedMemory>.stride) else {
        return false
      }
      list = raw.bindMemory(to: AttachedMemory.self, capacity: wanted)
      capacity = wanted
    }
    guard let list else { return false }
    var i = count
    while i > 0, list[i &- 1].base > memory.base {
      (list + i).initialize(to: list[i &- 1])
      i &-= 1
    }
    (list + i).initialize(to: memory)
    count &+= 1
    return true
  }

  mutating func remove(_ id: UInt64) {
    guard let list else { return }
    var i = 0
    while i < count {
      if list[i].id == id {
        count &-= 1
        while i < count {
          list[i] = list[i &+ 1]
          i &+= 1
        }
        return
      }
      i &+= 1
    }
  }

  mutating func free() {
    platform_free(list)
    list = nil
    count = 0
    capacity = 0
  }
}

/// Writes a `memoryPages` record for every attached allocation of which pages were written since
/// the last time. Under the channel's lock, directly before the record that lets the GPU see them:
/// no other submit can come between a page's report and its use.
///
/// All that is attached is scanned, whether the submit can reach it or not: the kernel looks at
/// 300 pages a microsecond, and to know what a submit can reach would cost every bind of every
/// descriptor set more than that (`docs/decisions/0006`).
func collectWrittenPages(
  _ device: UnsafeMutablePointer<DeviceObject>, into writer: UnsafeMutablePointer<Writer>
) {
  let count = device.pointee.attached.count
  guard count > 0, let list = device.pointee.attached.list else { return }
  let tracker = device.pointee.connection.tracker
  let segment = device.pointee.connection.segment
  let start = platform_now()
  var records = PageRecords(writer)
  var first = 0
  while first < count {
    guard list[first].isScannedTogether else {
      records.collect(tracker, id: list[first].id, list[first].base, list[first].size)
      first &+= 1
      continue
    }
    var end = first &+ 1
    while end < count, list[end].isScannedTogether { end &+= 1 }
    records.collect(tracker, list + first, end &- first)
    first = end
  }
  records.end()
  let duration = platform_now() &- start
  segment.count(Counter.dirtyPages, records.byteCount / UInt64(PageTracker.pageSize))
  segment.count(Counter.pageScans, 1)
  segment.count(Counter.pageScanNanoseconds, duration)
  segment.record(Histogram.pageScan, nanoseconds: duration)
}

/// Writes `memoryPages` records: one for each allocation that has written pages.
struct PageRecords {
  private let writer: UnsafeMutablePointer<Writer>
  /// Runs of the record that is being written; 0 when none is.
  private var runs: UInt32 = 0
  private var open: UInt64 = 0
  /// Bytes of the pages written down so far.
  private(set) var byteCount: UInt64 = 0

  init(_ writer: UnsafeMutablePointer<Writer>) { self.writer = writer }

  /// The written pages of one allocation.
  mutating func collect(
    _ tracker: PageTracker, id: UInt64, _ base: UnsafeMutableRawPointer, _ size: Int
  ) {
    tracker.forEachWrittenRun(base, size) { add(id, $0, $1) }
  }

  /// The written pages of `count` allocations that are scanned together, in the order of their
  /// addresses; there are some.
  mutating func collect(
    _ tracker: PageTracker, _ list: UnsafeMutablePointer<AttachedMemory>, _ count: Int
  ) {
    let base = list[0].base
    let last = list[count &- 1]
    var current = 0
    tracker.forEachWrittenRun(base, last.base + last.size - base, isOneMapping: false) {
      var offset = $0
      let end = $0 &+ $1
      // Neighbours may be written in one run.
      while offset < end, current < count {
        let memory = list[current]
        let start = memory.base - base
        guard offset < start &+ memory.size else {
          current &+= 1
          continue
        }
        guard end > start else { return }
        let from = max(offset, start)
        let to = min(end, start &+ memory.size)
        add(memory.id, from &- start, to &- from)
        offset = to
      }
    }
  }

  private mutating func add(_ id: UInt64, _ offset: Int, _ count: Int) {
    if runs == 0 || open != id {
      end()
      open = id
      writer.pointee.begin(ControlOpcode.memoryPages)
      writer.pointee.u64(id)
      writer.pointee.u32(0)
      writer.pointee.u32(0)
    }
    writer.pointee.u64(UInt64(offset))
    writer.pointee.u64(UInt64(count))
    runs &+= 1
    byteCount &+= UInt64(count)
  }

  /// Finishes the record that is being written. At the end, whatever was collected.
  mutating func end() {
    guard runs > 0 else { return }
    writer.pointee.patch(16, runs)
    writer.pointee.end()
    runs = 0
  }
}
