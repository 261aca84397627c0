import CPlatform

/// Gives out ranges of a part of the shared segment: sizes are powers of two of a unit, so that a
/// range which comes back fits the next one of its size. What is given out is address space of a
/// sparse file; only touched pages exist.
///
/// The book-keeping lies in private memory, where no peer can change it. Thread-safety: a lock of
/// its own.
public struct RangeAllocator: @unchecked Sendable {
  /// Free ranges of one size.
  private struct FreeList {
    var offsets: UnsafeMutablePointer<UInt64>?
    var count: Int
    var capacity: Int
  }

  private struct State {
    var next: UInt64
    var lists: UnsafeMutablePointer<FreeList>
  }

  private static var classCount: Int { 32 }

  private let state: UnsafeMutablePointer<State>
  private let lock: Lock
  private let end: UInt64
  private let unitShift: UInt64

  /// Ranges of `[start, end)`, both multiples of `1 << unitShift`. Nil when there is no memory.
  public init?(start: UInt64, end: UInt64, unitShift: UInt64) {
    guard let lock = Lock() else { return nil }
    guard let raw = platform_calloc(1, MemoryLayout<State>.stride),
      let lists = platform_calloc(RangeAllocator.classCount, MemoryLayout<FreeList>.stride)
    else {
      lock.free()
      return nil
    }
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        next: start,
        lists: lists.bindMemory(to: FreeList.self, capacity: RangeAllocator.classCount)))
    self.lock = lock
    self.end = end
    self.unitShift = unitShift
  }

  /// The size class that holds `size` bytes; its ranges are `1 << (unitShift + class)` bytes.
  private func sizeClass(_ size: UInt64) -> Int {
    let units = (max(size, 1) &- 1) &>> unitShift
    return 64 &- units.leadingZeroBitCount
  }

  /// Bytes that a range for `size` bytes really has.
  public func roundedSize(_ size: UInt64) -> UInt64 {
    1 &<< (unitShift &+ UInt64(sizeClass(size)))
  }

  /// Offset of a range of at least `size` bytes, or nil when the part is full.
  public func allocate(_ size: UInt64) -> UInt64? {
    let sizeClass = sizeClass(size)
    guard sizeClass < RangeAllocator.classCount else { return nil }
    lock.lock()
    defer { lock.unlock() }
    let list = state.pointee.lists + sizeClass
    if list.pointee.count > 0, let offsets = list.pointee.offsets {
      list.pointee.count -= 1
      return offsets[list.pointee.count]
    }
    let bytes: UInt64 = 1 &<< (unitShift &+ UInt64(sizeClass))
    let offset = state.pointee.next
    guard bytes <= end &- offset else { return nil }
    state.pointee.next = offset &+ bytes
    return offset
  }

  /// Takes back what `allocate(size)` gave. Without memory to remember it, the range is lost.
  public func free(offset: UInt64, size: UInt64) {
    let sizeClass = sizeClass(size)
    guard sizeClass < RangeAllocator.classCount else { return }
    lock.lock()
    defer { lock.unlock() }
    let list = state.pointee.lists + sizeClass
    if list.pointee.count == list.pointee.capacity {
      let capacity = max(16, list.pointee.capacity &* 2)
      guard let raw = platform_realloc(list.pointee.offsets, capacity &* 8) else { return }
      list.pointee.offsets = raw.bindMemory(to: UInt64.self, capacity: capacity)
      list.pointee.capacity = capacity
    }
    list.pointee.offsets?[list.pointee.count] = offset
    list.pointee.count += 1
  }

  /// Ends the allocator itself; nothing that it gave out may be given back any more.
  func free() {
    var i = 0
    while i < RangeAllocator.classCount {
      platform_free(state.pointee.lists[i].offsets)
      i &+= 1
    }
    platform_free(state.pointee.lists)
    platform_free(state)
    lock.free()
  }
}
