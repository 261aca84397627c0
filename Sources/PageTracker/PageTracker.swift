import CPlatform

/// How written pages are found, best first.
public enum TrackingTier: UInt8, Sendable {
  /// userfaultfd with asynchronous write protection, read by PAGEMAP_SCAN (Linux 6.7): the kernel
  /// keeps one bit a page; no signal, no thread, and system calls may write into the memory.
  case writeProtect
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
/// are not reported. A plain value around two descriptors; copies refer to the same ones.
/// Thread-safety: any thread, any number at once.
public struct PageTracker: Sendable {
  public let tier: TrackingTier
  private let userfault: Int32
  private let pagemap: Int32

  public static var pageSize: Int { 4096 }

  /// Opens the best tier that this kernel gives, `.compare` when `allowWriteProtect` is false.
  public static func open(allowWriteProtect: Bool) -> PageTracker {
    guard allowWriteProtect else { return PageTracker(comparing: ()) }
    let userfault = platform_uffd_open()
    guard userfault >= 0 else { return PageTracker(comparing: ()) }
    let pagemap = platform_open("/proc/self/pagemap", O_RDONLY, 0)
    guard pagemap >= 0 else {
      _ = platform_close(userfault)
      return PageTracker(comparing: ())
    }
    let tracker = PageTracker(userfault: userfault, pagemap: pagemap)
    // A kernel may know the features and not the scan (6.7 brought both, backports need not).
    guard tracker.probe() else {
      tracker.close()
      return PageTracker(comparing: ())
    }
    return tracker
  }

  private init(comparing: Void) {
    tier = .compare
    userfault = -1
    pagemap = -1
  }

  private init(userfault: Int32, pagemap: Int32) {
    tier = .writeProtect
    self.userfault = userfault
    self.pagemap = pagemap
  }

  /// Closes the descriptors: nothing is tracked any more.
  public func close() {
    if userfault >= 0 { _ = platform_close(userfault) }
    if pagemap >= 0 { _ = platform_close(pagemap) }
  }

  /// One page through the whole cycle.
  private func probe() -> Bool {
    let file = platform_memfd("omega-probe")
    guard file >= 0 else { return false }
    defer { _ = platform_close(file) }
    guard platform_resize(file, UInt64(PageTracker.pageSize)) == 0,
      let page = platform_map_shared(file, 0, PageTracker.pageSize)
    else { return false }
    defer { _ = platform_unmap(page, PageTracker.pageSize) }
    guard track(page, PageTracker.pageSize) else { return false }
    page.storeBytes(of: 1, as: UInt8.self)
    var found = 0
    let complete = forEachWrittenRun(page, PageTracker.pageSize) { _, count in found &+= count }
    untrack(page, PageTracker.pageSize)
    return complete && found == PageTracker.pageSize
  }

  /// Begins to track a shared mapping; `start` and `size` are multiples of the page size. False
  /// when the kernel refuses (then `forEachWrittenRun` reports everything).
  @discardableResult
  public func track(_ start: UnsafeMutableRawPointer, _ size: Int) -> Bool {
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
    guard tier == .writeProtect else { return }
    _ = platform_uffd_unregister(userfault, start, size)
  }

  /// Calls `body` with every run of pages written since the last report, in rising order, as
  /// `offset` from `start` and `byteCount`, both multiples of the page size; adjacent pages are one
  /// run. Re-arms what it reports. False when the kernel could not say: `body` has then been
  /// called for everything that was left, which is always safe.
  @discardableResult
  public func forEachWrittenRun(
    _ start: UnsafeMutableRawPointer, _ size: Int, _ body: (_ offset: Int, _ byteCount: Int) -> Void
  ) -> Bool {
    guard size > 0 else { return true }
    guard tier == .writeProtect else {
      body(0, size)
      return true
    }
    let first = UInt64(UInt(bitPattern: start))
    let end = first &+ UInt64(size)
    return withUnsafeTemporaryAllocation(of: platform_page_region.self, capacity: 128) { regions in
      guard let list = regions.baseAddress else { return false }
      var position = first
      // The run that the next region may continue.
      var pendingStart: UInt64 = 0
      var pendingEnd: UInt64 = 0
      var complete = true
      while position < end {
        var walked = position
        let count = platform_scan_written(pagemap, position, end, list, regions.count, &walked)
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
