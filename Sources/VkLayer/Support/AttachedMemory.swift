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
}

/// The attached allocations of a device, in no order. Plain old data that owns its memory; used
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

  mutating func append(_ memory: AttachedMemory) -> Bool {
    if count == capacity {
      let wanted = max(32, capacity &* 2)
      guard let raw = platform_realloc(list, wanted &* MemoryLayout<AttachedMemory>.stride) else {
        return false
      }
      list = raw.bindMemory(to: AttachedMemory.self, capacity: wanted)
      capacity = wanted
    }
    guard let list else { return false }
    (list + count).initialize(to: memory)
    count &+= 1
    return true
  }

  mutating func remove(_ id: UInt64) {
    guard let list else { return }
    var i = 0
    while i < count {
      if list[i].id == id {
        count &-= 1
        list[i] = list[count]
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
func collectWrittenPages(
  _ device: UnsafeMutablePointer<DeviceObject>, into writer: UnsafeMutablePointer<Writer>
) {
  let count = device.pointee.attached.count
  guard count > 0, let list = device.pointee.attached.list else { return }
  let segment = device.pointee.connection.segment
  let start = platform_now()
  var total: UInt64 = 0
  var i = 0
  while i < count {
    total &+= collectWrittenPages(device.pointee.connection.tracker, list[i], into: writer)
    i &+= 1
  }
  let duration = platform_now() &- start
  segment.count(Counter.dirtyPages, total / UInt64(PageTracker.pageSize))
  segment.count(Counter.pageScans, 1)
  segment.count(Counter.pageScanNanoseconds, duration)
  segment.record(Histogram.pageScan, nanoseconds: duration)
}

/// The same for one allocation. Returns the bytes of its written pages.
@discardableResult
func collectWrittenPages(
  _ tracker: PageTracker, _ memory: AttachedMemory, into writer: UnsafeMutablePointer<Writer>
) -> UInt64 {
  var runs: UInt32 = 0
  var total: UInt64 = 0
  tracker.forEachWrittenRun(memory.base, memory.size) { offset, byteCount in
    if runs == 0 {
      writer.pointee.begin(ControlOpcode.memoryPages)
      writer.pointee.u64(memory.id)
      writer.pointee.u32(0)
      writer.pointee.u32(0)
    }
    writer.pointee.u64(UInt64(offset))
    writer.pointee.u64(UInt64(byteCount))
    runs &+= 1
    total &+= UInt64(byteCount)
  }
  guard runs > 0 else { return 0 }
  writer.pointee.patch(16, runs)
  writer.pointee.end()
  return total
}

/// What has been allocated from each heap, so that an allocation which cannot fit fails at once
/// although the node is asked later. Under the channel's lock.
struct MemoryBudget {
  /// 16 heaps at most (VK_MAX_MEMORY_HEAPS), 32 types.
  var heapSizes: InlineArray<16, UInt64>
  var heapUsed: InlineArray<16, UInt64>
  var heapOfType: InlineArray<32, UInt32>
  var typeCount: UInt32

  init() {
    heapSizes = InlineArray(repeating: 0)
    heapUsed = InlineArray(repeating: 0)
    heapOfType = InlineArray(repeating: 0)
    typeCount = 0
  }

  private func heap(_ type: UInt32) -> Int? {
    guard type < typeCount, type < 32, heapOfType[Int(type)] < 16 else { return nil }
    return Int(heapOfType[Int(type)])
  }

  /// False when the heap of the type has no room for so much.
  mutating func take(_ size: UInt64, type: UInt32) -> Bool {
    guard let heap = heap(type) else { return true }
    guard size <= heapSizes[heap], heapUsed[heap] <= heapSizes[heap] &- size else { return false }
    heapUsed[heap] &+= size
    return true
  }

  mutating func giveBack(_ size: UInt64, type: UInt32) {
    guard let heap = heap(type) else { return }
    heapUsed[heap] = heapUsed[heap] > size ? heapUsed[heap] &- size : 0
  }
}
