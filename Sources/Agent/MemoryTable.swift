internal import CPlatform
internal import MemoryFabric
internal import Ring
internal import Threads

/// The mapped allocations of an application whose nodes are on other hosts: where they lie in the
/// segment, and who has which of their pages (`SharedPages`).
///
/// Threads: any. Bytes from the application and bytes from the nodes meet under one lock, so that a
/// page is never compared while half of a readback has been written.
final class MemoryTable: @unchecked Sendable {
  private struct Allocation {
    let id: UInt64
    let segmentOffset: UInt64
    /// The segment's bytes, shared with the application.
    let bytes: UnsafeMutableRawPointer
    let pages: SharedPages

    func unmap() { _ = platform_unmap(bytes, pages.size) }
  }

  private let segment: Segment
  private let nodeCount: Int
  private let lock = Lock()
  private var byID: [UInt64: Allocation] = [:]
  /// All of them, in the order of their places.
  private var byPlace: [Allocation] = []
  /// The page that was read back last.
  private var lastPage: UInt64 = 0

  /// An application cannot make the agent map more than this many.
  private static let limit = 65_536

  init(segment: Segment, nodeCount: Int = 1) {
    self.segment = segment
    self.nodeCount = nodeCount
  }

  deinit {
    for allocation in byPlace { allocation.unmap() }
  }

  /// How many allocations begin at `place` or before it.
  private func index(after place: UInt64) -> Int {
    var low = 0
    var high = byPlace.count
    while low < high {
      let middle = (low + high) / 2
      if byPlace[middle].segmentOffset <= place { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// False when the place makes no sense or there is no memory.
  func attach(id: UInt64, segmentOffset: UInt64, size: UInt64) -> Bool {
    lock.withLock {
      guard byID[id] == nil, byID.count < MemoryTable.limit, size & 4095 == 0,
        let bytes = segment.mapMemory(offset: segmentOffset, size: size)
      else { return false }
      guard let pages = SharedPages(bytes: bytes, size: Int(size), nodeCount: nodeCount) else {
        _ = platform_unmap(bytes, Int(size))
        return false
      }
      let new = Allocation(id: id, segmentOffset: segmentOffset, bytes: bytes, pages: pages)
      byID[id] = new
      byPlace.insert(new, at: index(after: segmentOffset))
      return true
    }
  }

  func detach(id: UInt64) {
    lock.withLock {
      guard let known = byID.removeValue(forKey: id) else { return }
      byPlace.removeAll { $0.id == id }
      known.unmap()
    }
  }

  /// Takes over what the application has written to `[offset, offset + count)` of an allocation and
  /// calls `emit` for each run of bytes that differ, which every node is to have. False when the
  /// range makes no sense.
  func forEachDifference(
    id: UInt64, offset: UInt64, count: UInt64,
    _ emit: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    lock.withLock { byID[id]?.pages.publish(offset: offset, count: count, emit) ?? false }
  }

  /// Calls `emit` with what other nodes' GPUs have written that a node does not have, allocation by
  /// allocation: before the next queue operation that it is sent.
  func catchUp(
    node: Int,
    _ emit: (_ id: UInt64, _ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    guard nodeCount > 1 else { return }
    lock.withLock {
      for allocation in byPlace {
        allocation.pages.catchUp(node) { emit(allocation.id, $0, $1) }
      }
    }
  }

  /// Writes bytes that a node's GPU wrote. False when they belong to no allocation.
  func readback(
    from node: Int = 0, segmentOffset: UInt64, _ source: UnsafeRawBufferPointer
  ) -> Bool {
    lock.withLock {
      let index = index(after: segmentOffset)
      guard index > 0 else { return false }
      let allocation = byPlace[index - 1]
      guard source.count > 0 else { return true }
      guard
        allocation.pages.receive(
          from: node, offset: segmentOffset - allocation.segmentOffset, source)
      else { return false }
      // Runs come in the order of their places: most are of the page of the one before.
      let first = segmentOffset >> 12
      let end = (segmentOffset + UInt64(source.count) + 4095) >> 12
      let new = first == lastPage ? end - first - 1 : end - first
      lastPage = end - 1
      segment.count(Counter.readbackPages, new)
      return true
    }
  }
}
