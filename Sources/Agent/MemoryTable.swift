internal import CPlatform
internal import Ring

/// The mapped allocations of an application whose node is on another host: where they lie in the
/// segment, and their twins, the contents that the agent and the node last agreed on.
///
/// Threads: any. Bytes from the application and bytes from the node meet under one lock, so that a
/// page is never compared while half of a readback has been written.
final class MemoryTable: @unchecked Sendable {
  private struct Allocation {
    let id: UInt64
    let segmentOffset: UInt64
    let size: Int
    /// The segment's bytes, shared with the application.
    let bytes: UnsafeMutableRawPointer
    let twin: UnsafeMutableRawPointer

    func unmap() {
      _ = platform_unmap(bytes, size)
      _ = platform_unmap(twin, size)
    }
  }

  private let segment: Segment
  private let lock = Lock()
  private var byID: [UInt64: Int] = [:]
  private var allocations: [Allocation?] = []

  /// An application cannot make the agent map more than this many.
  private static let limit = 65_536

  init(segment: Segment) { self.segment = segment }

  deinit {
    for allocation in allocations { allocation?.unmap() }
  }

  /// False when the place makes no sense or there is no memory.
  func attach(id: UInt64, segmentOffset: UInt64, size: UInt64) -> Bool {
    lock.withLock {
      guard byID[id] == nil, byID.count < MemoryTable.limit, size & 4095 == 0,
        let bytes = segment.mapMemory(offset: segmentOffset, size: size)
      else { return false }
      guard let twin = platform_map_private(Int(size)) else {
        _ = platform_unmap(bytes, Int(size))
        return false
      }
      let new = Allocation(
        id: id, segmentOffset: segmentOffset, size: Int(size), bytes: bytes, twin: twin)
      if let free = allocations.firstIndex(where: { $0 == nil }) {
        allocations[free] = new
        byID[id] = free
      } else {
        byID[id] = allocations.count
        allocations.append(new)
      }
      return true
    }
  }

  func detach(id: UInt64) {
    lock.withLock {
      guard let index = byID.removeValue(forKey: id) else { return }
      allocations[index]?.unmap()
      allocations[index] = nil
    }
  }

  /// Compares `[offset, offset + count)` of an allocation with its twin, brings the twin up to date
  /// and calls `emit` for each run of bytes that differ. False when the range makes no sense.
  func forEachDifference(
    id: UInt64, offset: UInt64, count: UInt64,
    _ emit: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    lock.withLock {
      guard let index = byID[id], let allocation = allocations[index],
        offset <= UInt64(allocation.size), count <= UInt64(allocation.size) &- offset
      else { return false }
      ByteDifference.forEachRun(
        from: allocation.bytes, twin: allocation.twin, offset: Int(offset), count: Int(count), emit)
      return true
    }
  }

  /// Writes bytes that a node's GPU wrote. False when they belong to no allocation.
  func readback(segmentOffset: UInt64, _ source: UnsafeRawBufferPointer) -> Bool {
    lock.withLock {
      for case let allocation? in allocations where segmentOffset >= allocation.segmentOffset {
        let offset = segmentOffset &- allocation.segmentOffset
        guard offset <= UInt64(allocation.size),
          source.count <= allocation.size &- Int(offset)
        else { continue }
        guard let start = source.baseAddress else { return true }
        (allocation.bytes + Int(offset)).copyMemory(from: start, byteCount: source.count)
        (allocation.twin + Int(offset)).copyMemory(from: start, byteCount: source.count)
        return true
      }
      return false
    }
  }
}

/// Finding the bytes that changed.
enum ByteDifference {
  /// Pages are first copied, so that what is compared, kept and sent is one and the same although
  /// the application may go on writing.
  private static let pageSize = 4096

  /// Runs are exact to the byte: a byte beside them may have been written by the GPU.
  static func forEachRun(
    from bytes: UnsafeMutableRawPointer, twin: UnsafeMutableRawPointer, offset: Int, count: Int,
    _ emit: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    withUnsafeTemporaryAllocation(byteCount: pageSize, alignment: 16) { copy in
      var position = offset
      let end = offset + count
      while position < end {
        let size = min(pageSize, end - position)
        if platform_compare(bytes + position, twin + position, size) != 0 {
          let page = UnsafeRawBufferPointer(rebasing: copy[..<size])
          platform_copy(copy.baseAddress!, bytes + position, size)
          forEachRun(of: page, twin: twin + position) { first, run in
            emit(UInt64(position + first), run)
          }
          platform_copy(twin + position, copy.baseAddress!, size)
        }
        position += size
      }
    }
  }

  private static func forEachRun(
    of page: UnsafeRawBufferPointer, twin: UnsafeMutableRawPointer,
    _ emit: (_ first: Int, _ run: UnsafeRawBufferPointer) -> Void
  ) {
    let old = UnsafeRawBufferPointer(start: twin, count: page.count)
    var index = 0
    while index < page.count {
      // Equal words are skipped eight bytes at a time.
      while index & 7 == 0, index + 8 <= page.count,
        page.loadUnaligned(fromByteOffset: index, as: UInt64.self)
          == old.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      { index += 8 }
      guard index < page.count else { return }
      if page[index] == old[index] {
        index += 1
        continue
      }
      let first = index
      while index < page.count && page[index] != old[index] { index += 1 }
      emit(first, UnsafeRawBufferPointer(rebasing: page[first..<index]))
    }
  }
}
