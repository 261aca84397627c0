import CPlatform

/// How written pages are found, best first.
public enum TrackingTier: UInt8, Sendable {
  /// userfaultfd with asynchronous write protection, read by PAGEMAP_SCAN (Linux 6.7): the kernel
  /// keeps one bit a page; no signal, no thread, and system calls may write into the memory.
  case writeProtect
  /// userfaultfd with synchronous write protection (Linux 5.19, where the process may catch faults
  /// of the kernel too): a first write to a page waits for a thread of ours that notes it.
  case faultThread
  /// Every page counts as written; the reader of the pages compares them with what it has.
  case compare
}

/// Finds the pages of shared mappings that this process has written.
///
/// ```
/// track ──► all pages protected ──► a write: bit set ──► forEachWrittenRun: bit read, set again
/// ```
///
/// A report and its re-arming are one step in the kernel: a write is in this report or in the next
/// one, never in neither. Writes by other processes, or through another mapping of the same file,
/// are not reported, nor are those of a child of fork, which inherits the memory and nothing of the
/// tracking: there the tracker does nothing. A plain value around what its copies share.
/// Thread-safety: any thread, any number at once.
///
/// Soft-dirty bits (`/proc/self/clear_refs`) are no tier: they are read and cleared in two steps,
/// between which a write is lost, and they belong to the whole process (`docs/decisions/0006`).
public struct PageTracker: Sendable {
  public let tier: TrackingTier
  private let userfault: Int32
  private let pagemap: Int32
  private let faults: FaultThread?
  private let process: Int32

  public static var pageSize: Int { 4096 }
  /// Runs that the kernel gives at a time: as many as it gathers itself, 12 KiB of stack.
  private static var regionCount: Int { 512 }

  /// Opens the best tier that this kernel gives this process, at most `best`.
  public static func open(best: TrackingTier) -> PageTracker {
    switch best {
    case .writeProtect:
      if let tracker = openWriteProtect() { return tracker }
      return open(best: .faultThread)
    case .faultThread:
      if let tracker = openFaultThread() { return tracker }
      return open(best: .compare)
    case .compare:
      return PageTracker(tier: .compare, userfault: -1, pagemap: -1, faults: nil)
    }
  }

  private static func openWriteProtect() -> PageTracker? {
    let userfault = platform_uffd_open()
    guard userfault >= 0 else { return nil }
    let pagemap = platform_open("/proc/self/pagemap", O_RDONLY, 0)
    guard pagemap >= 0 else {
      _ = platform_close(userfault)
      return nil
    }
    // A kernel may know the features and not the scan (6.7 brought both, backports need not).
    return PageTracker(tier: .writeProtect, userfault: userfault, pagemap: pagemap, faults: nil)
      .probed()
  }

  private static func openFaultThread() -> PageTracker? {
    let userfault = platform_uffd_open_synchronous()
    guard userfault >= 0, let faults = FaultThread(userfault: userfault) else { return nil }
    return PageTracker(tier: .faultThread, userfault: -1, pagemap: -1, faults: faults).probed()
  }

  private init(tier: TrackingTier, userfault: Int32, pagemap: Int32, faults: FaultThread?) {
    self.tier = tier
    self.userfault = userfault
    self.pagemap = pagemap
    self.faults = faults
    process = platform_pid()
  }

  private var isOwner: Bool { platform_pid() == process }

  /// Ends it: nothing is tracked any more.
  public func close() {
    if userfault >= 0 { _ = platform_close(userfault) }
    if pagemap >= 0 { _ = platform_close(pagemap) }
    faults?.close(isOwner: isOwner)
  }

  private func probed() -> PageTracker? {
    if probe() { return self }
    close()
    return nil
  }

  /// One page through the whole cycle, written by the process and then by a system call.
  private func probe() -> Bool {
    let file = platform_memfd("omega-probe")
    guard file >= 0 else { return false }
    defer { _ = platform_close(file) }
    guard platform_resize(file, UInt64(PageTracker.pageSize)) == 0,
      let page = platform_map_shared(file, 0, PageTracker.pageSize)
    else { return false }
    defer { _ = platform_unmap(page, PageTracker.pageSize) }
    guard track(page, PageTracker.pageSize) else { return false }
    defer { untrack(page, PageTracker.pageSize) }
    page.storeBytes(of: 1, as: UInt8.self)
    return isReported(page) && platform_fills(page) && isReported(page)
  }

  private func isReported(_ page: UnsafeMutableRawPointer) -> Bool {
    var found = 0
    let complete = forEachWrittenRun(page, PageTracker.pageSize) { _, count in found &+= count }
    return complete && found == PageTracker.pageSize
  }

  /// Begins to track a shared mapping; `start` and `size` are multiples of the page size. False
  /// when the kernel refuses (then `forEachWrittenRun` reports everything).
  @discardableResult
  public func track(_ start: UnsafeMutableRawPointer, _ size: Int) -> Bool {
    guard isOwner else { return false }
    if let faults { return faults.track(start, size) }
    guard tier == .writeProtect else { return true }
    guard platform_uffd_register(userfault, start, size) == 0 else { return false }
    guard platform_uffd_protect(userfault, start, size) == 0 else {
      _ = platform_uffd_unregister(userfault, start, size)
      return false
    }
    return true
  }

  /// Ends tracking; before the mapping goes.
  public func untrack(_ start: UnsafeMutableRawPointer, _ size: Int) {
    guard isOwner else { return }
    if let faults { return faults.untrack(start, size) }
    guard tier == .writeProtect else { return }
    _ = platform_uffd_unregister(userfault, start, size)
  }

  /// Calls `body` with every run of pages written since the last report, in rising order, as
  /// `offset` from `start` and `byteCount`, both multiples of the page size; adjacent pages are one
  /// run. Re-arms what it reports. False when the kernel could not say: `body` has then been
  /// called for everything that was left, which is always safe.
  ///
  /// With `isOneMapping` the range was given to `track` as a whole; without, there may be memory in
  /// it that is not tracked, and that is passed over (never in tier `.compare`). `body` does not
  /// write into tracked memory.
  @discardableResult
  public func forEachWrittenRun(
    _ start: UnsafeMutableRawPointer, _ size: Int, isOneMapping: Bool = true,
    _ body: (_ offset: Int, _ byteCount: Int) -> Void
  ) -> Bool {
    guard size > 0, isOwner else { return true }
    if let faults {
      return faults.forEachWrittenRun(start, size, isOneMapping: isOneMapping, body)
    }
    guard tier == .writeProtect else {
      body(0, size)
      return true
    }
    let first = UInt64(UInt(bitPattern: start))
    let end = first &+ UInt64(size)
    return withUnsafeTemporaryAllocation(
      of: platform_page_region.self, capacity: PageTracker.regionCount
    ) {
      regions in
      guard let list = regions.baseAddress else { return false }
      var position = first
      // The run that the next region may continue.
      var pendingStart: UInt64 = 0
      var pendingEnd: UInt64 = 0
      var complete = true
      while position < end {
        var walked = position
        let count = platform_scan_written(
          pagemap, position, end, isOneMapping, list, regions.count, &walked)
        guard count >= 0 else {
          list[0] = platform_page_region(start: position, end: end, categories: 0)
          position = end
          complete = false
          appendRegions(list, 1, first, &pendingStart, &pendingEnd, body)
          break
        }
        appendRegions(list, Int(count), first, &pendingStart, &pendingEnd, body)
        // The scan stops early only when the list is full; it always gets on.
        guard walked > position else { break }
        position = walked
      }
      if pendingEnd > pendingStart {
        body(Int(truncatingIfNeeded: pendingStart &- first), Int(pendingEnd &- pendingStart))
      }
      return complete
    }
  }

  private func appendRegions(
    _ list: UnsafeMutablePointer<platform_page_region>, _ count: Int, _ first: UInt64,
    _ pendingStart: inout UInt64, _ pendingEnd: inout UInt64,
    _ body: (_ offset: Int, _ byteCount: Int) -> Void
  ) {
    var i = 0
    while i < count {
      let region = list[i]
      if region.start == pendingEnd && pendingEnd > pendingStart {
        pendingEnd = region.end
      } else {
        if pendingEnd > pendingStart {
          body(Int(truncatingIfNeeded: pendingStart &- first), Int(pendingEnd &- pendingStart))
        }
        pendingStart = region.start
        pendingEnd = region.end
      }
      i &+= 1
    }
  }
}
