import CPlatform

/// The synchronous tier: the kernel stops a thread at its first write to a page, and a thread of
/// ours notes the page and lets it go on.
///
/// ```
/// write ──► fault ──► [ note the page, unprotect ] ──► the write happens
/// report ──────────►  [ take the note, protect   ]
/// ```
///
/// Each bracket is one step under the lock. So a page that may be written is always noted, and a
/// report takes the note only together with the right to write: a write that comes after it faults
/// again. Whoever reads the page after the report sees every write before.
///
/// A plain value around memory that the thread frees when it ends.
struct FaultThread: @unchecked Sendable {
  /// A mapping and a bit for each of its pages that was written.
  private struct Tracked {
    var start: UInt
    var size: UInt
    var bits: UnsafeMutablePointer<UInt64>
  }

  private struct State {
    var userfault: Int32
    /// An eventfd that ends the thread.
    var stop: Int32
    var isStarted: Bool
    var lock: UnsafeMutableRawPointer
    /// In the order of their addresses.
    var list: UnsafeMutablePointer<Tracked>?
    var count: Int
    var capacity: Int
  }

  private let state: UnsafeMutablePointer<State>
  private static var pageShift: UInt { 12 }

  /// Takes `userfault` over; nil when there is no memory or no descriptor.
  init?(userfault: Int32) {
    let stop = platform_event()
    guard stop >= 0, let raw = platform_calloc(1, MemoryLayout<State>.stride),
      let lock = platform_malloc(platform_lock_size)
    else {
      if stop >= 0 { _ = platform_close(stop) }
      _ = platform_close(userfault)
      return nil
    }
    platform_lock_init(lock)
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        userfault: userfault, stop: stop, isStarted: false, lock: lock, list: nil, count: 0,
        capacity: 0))
  }

  private func lock() { platform_lock(state.pointee.lock) }
  private func unlock() { platform_unlock(state.pointee.lock) }

  /// Ends the thread, which frees everything. In a child of fork there is no thread to end.
  func close(isOwner: Bool) {
    guard isOwner else { return }
    lock()
    let isStarted = state.pointee.isStarted
    unlock()
    if isStarted {
      platform_event_set(state.pointee.stop)
    } else {
      free()
    }
  }

  private func free() {
    _ = platform_close(state.pointee.userfault)
    _ = platform_close(state.pointee.stop)
    var i = 0
    while i < state.pointee.count {
      platform_free(state.pointee.list?[i].bits)
      i &+= 1
    }
    platform_free(state.pointee.list)
    platform_free(state.pointee.lock)
    platform_free(state)
  }

  // MARK: Mappings

  /// Begins to track; starts the thread with the first mapping.
  func track(_ start: UnsafeMutableRawPointer, _ size: Int) -> Bool {
    let words = (size >> Int(FaultThread.pageShift) &+ 63) / 64
    guard size > 0, let raw = platform_calloc(words, 8) else { return false }
    let bits = raw.bindMemory(to: UInt64.self, capacity: words)
    lock()
    defer { unlock() }
    guard startThread(),
      insert(Tracked(start: UInt(bitPattern: start), size: UInt(size), bits: bits))
    else {
      platform_free(bits)
      return false
    }
    let userfault = state.pointee.userfault
    if platform_uffd_register(userfault, start, size) == 0 {
      if platform_uffd_protect(userfault, start, size) == 0 { return true }
      _ = platform_uffd_unregister(userfault, start, size)
    }
    remove(UInt(bitPattern: start))
    return false
  }

  func untrack(_ start: UnsafeMutableRawPointer, _ size: Int) {
    lock()
    defer { unlock() }
    // Whoever waits for a page of it is woken by this.
    _ = platform_uffd_unregister(state.pointee.userfault, start, size)
    remove(UInt(bitPattern: start))
  }

  private func insert(_ new: Tracked) -> Bool {
    if state.pointee.count == state.pointee.capacity {
      let wanted = max(32, state.pointee.capacity &* 2)
      guard
        let raw = platform_realloc(state.pointee.list, wanted &* MemoryLayout<Tracked>.stride)
      else { return false }
      state.pointee.list = raw.bindMemory(to: Tracked.self, capacity: wanted)
      state.pointee.capacity = wanted
    }
    guard let list = state.pointee.list else { return false }
    var i = state.pointee.count
    while i > 0, list[i &- 1].start > new.start {
      (list + i).initialize(to: list[i &- 1])
      i &-= 1
    }
    (list + i).initialize(to: new)
    state.pointee.count &+= 1
    return true
  }

  private func remove(_ start: UInt) {
    let i = index(after: start) &- 1
    guard i >= 0, let list = state.pointee.list, list[i].start == start else { return }
    platform_free(list[i].bits)
    state.pointee.count &-= 1
    var j = i
    while j < state.pointee.count {
      list[j] = list[j &+ 1]
      j &+= 1
    }
  }

  /// How many mappings begin at `address` or before it.
  private func index(after address: UInt) -> Int {
    guard let list = state.pointee.list else { return 0 }
    var low = 0
    var high = state.pointee.count
    while low < high {
      let middle = (low &+ high) / 2
      if list[middle].start <= address { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  // MARK: The thread

  private func startThread() -> Bool {
    if state.pointee.isStarted { return true }
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
      guard let raw else { return nil }
      FaultThread(running: raw).run()
      return nil
    }
    guard platform_thread_start(body, state, 256 << 10, "omega-pages") == 0 else { return false }
    state.pointee.isStarted = true
    return true
  }

  private init(running raw: UnsafeMutableRawPointer) {
    state = raw.assumingMemoryBound(to: State.self)
  }

  private func run() {
    let userfault = state.pointee.userfault
    let stop = state.pointee.stop
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 32) { addresses in
      guard let list = addresses.baseAddress else { return }
      while true {
        let count = platform_uffd_faults(userfault, stop, list, addresses.count)
        guard count > 0 else { return }
        lock()
        var i = 0
        while i < Int(count) {
          release(UInt(list[i]))
          i &+= 1
        }
        unlock()
      }
    }
    // Closing the descriptor wakes everybody, and protects nothing any more.
    free()
  }

  /// Notes the page at `address` and lets it be written. With the lock held.
  private func release(_ address: UInt) {
    let page = address & ~((1 << FaultThread.pageShift) &- 1)
    let i = index(after: page) &- 1
    if i >= 0, let tracked = state.pointee.list?[i], page &- tracked.start < tracked.size {
      let bit = (page &- tracked.start) >> FaultThread.pageShift
      tracked.bits[Int(bit / 64)] |= 1 << UInt64(bit % 64)
    }
    platform_uffd_release(state.pointee.userfault, UInt64(page), 1 << Int(FaultThread.pageShift))
  }

  // MARK: Reports

  /// As `PageTracker.forEachWrittenRun`. `body` runs under the lock: it must not write into memory
  /// that is tracked.
  func forEachWrittenRun(
    _ start: UnsafeMutableRawPointer, _ size: Int, isOneMapping: Bool,
    _ body: (_ offset: Int, _ byteCount: Int) -> Void
  ) -> Bool {
    let first = UInt(bitPattern: start)
    let end = first &+ UInt(size)
    lock()
    defer { unlock() }
    var i = max(0, index(after: first) &- 1)
    var isKnown = false
    while i < state.pointee.count, let tracked = state.pointee.list?[i], tracked.start < end {
      if tracked.start &+ tracked.size > first {
        isKnown = true
        report(
          tracked, from: max(first, tracked.start), to: min(end, tracked.start &+ tracked.size)
        ) {
          body(Int($0 &- first), Int($1))
        }
      }
      i &+= 1
    }
    if isOneMapping && !isKnown {
      body(0, size)
      return false
    }
    return true
  }

  private func report(
    _ tracked: Tracked, from first: UInt, to end: UInt,
    _ body: (_ address: UInt, _ byteCount: UInt) -> Void
  ) {
    var page = (first &- tracked.start) >> FaultThread.pageShift
    let last = (end &- tracked.start) >> FaultThread.pageShift
    while page < last {
      let word = tracked.bits[Int(page / 64)] >> UInt64(page % 64)
      guard word != 0 else {
        page = (page | 63) &+ 1
        continue
      }
      page &+= UInt(word.trailingZeroBitCount)
      guard page < last else { return }
      var stop = page
      while stop < last, tracked.bits[Int(stop / 64)] >> UInt64(stop % 64) & 1 != 0 {
        tracked.bits[Int(stop / 64)] &= ~(1 << UInt64(stop % 64))
        stop &+= 1
      }
      let address = tracked.start &+ page << FaultThread.pageShift
      let count = (stop &- page) << FaultThread.pageShift
      if let start = UnsafeMutableRawPointer(bitPattern: address),
        platform_uffd_protect(state.pointee.userfault, start, Int(count)) != 0
      {
        // What stays writable is written without a fault: it is reported again and again.
        note(tracked, page, stop)
      }
      body(address, count)
      page = stop
    }
  }

  private func note(_ tracked: Tracked, _ first: UInt, _ end: UInt) {
    var page = first
    while page < end {
      tracked.bits[Int(page / 64)] |= 1 << UInt64(page % 64)
      page &+= 1
    }
  }
}
