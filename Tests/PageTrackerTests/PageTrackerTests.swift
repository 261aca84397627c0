import CPlatform
import PageTracker
import Testing

/// A shared mapping of `pages` pages, tracked.
private struct Mapping: ~Copyable {
  let file: Int32
  let base: UnsafeMutableRawPointer
  let size: Int
  let tracker: PageTracker

  init?(pages: Int, _ tracker: PageTracker) {
    size = pages * PageTracker.pageSize
    file = platform_memfd("page-tracker-test")
    guard file >= 0, platform_resize(file, UInt64(size)) == 0,
      let base = platform_map_shared(file, 0, size), tracker.track(base, size)
    else { return nil }
    self.base = base
    self.tracker = tracker
  }

  deinit {
    tracker.untrack(base, size)
    _ = platform_unmap(base, size)
    _ = platform_close(file)
  }

  func write(page: Int) {
    (base + page * PageTracker.pageSize + 17).storeBytes(of: 7, as: UInt8.self)
  }

  /// The runs written since the last call, in pages.
  func written() -> [Range<Int>] {
    var runs: [Range<Int>] = []
    tracker.forEachWrittenRun(base, size) { offset, count in
      let first = offset / PageTracker.pageSize
      runs.append(first..<first + count / PageTracker.pageSize)
    }
    return runs
  }
}

/// Trackers of the tiers in which the kernel finds the pages; of those that this kernel gives to
/// this process.
private let kernelTrackers: [PageTracker] =
  [TrackingTier.writeProtect, .faultThread].map { PageTracker.open(best: $0) }
  .filter { $0.tier != .compare }
  .reduce(into: []) { known, new in
    if !known.contains(where: { $0.tier == new.tier }) { known.append(new) }
  }

@Suite struct KernelTiers {
  @Test(arguments: kernelTrackers) func reportsFirstWritesAndNothingElse(_ tracker: PageTracker)
    throws
  {
    guard let m = Mapping(pages: 64, tracker) else { throw Refused() }
    #expect(m.written().isEmpty)
    var sum = 0
    for page in 0..<64 { sum += Int((m.base + page * 4096).load(as: UInt8.self)) }
    #expect(sum == 0)
    #expect(m.written().isEmpty, "reading is not writing")
    m.write(page: 0)
    m.write(page: 63)
    #expect(m.written() == [0..<1, 63..<64])
  }

  @Test(arguments: kernelTrackers) func armsAgainAfterEachReport(_ tracker: PageTracker) throws {
    guard let m = Mapping(pages: 8, tracker) else { throw Refused() }
    for _ in 0..<3 {
      m.write(page: 5)
      m.write(page: 5)
      #expect(m.written() == [5..<6])
      #expect(m.written().isEmpty)
    }
  }

  @Test(arguments: kernelTrackers) func joinsAdjacentPagesAndManyRuns(_ tracker: PageTracker) throws
  {
    guard let m = Mapping(pages: 2048, tracker) else { throw Refused() }
    for page in 100..<140 { m.write(page: page) }
    #expect(m.written() == [100..<140])
    // More runs than one scan returns.
    for page in stride(from: 0, to: 2048, by: 2) { m.write(page: page) }
    #expect(m.written() == stride(from: 0, to: 2048, by: 2).map { $0..<$0 + 1 })
    for page in 0..<2048 { m.write(page: page) }
    #expect(m.written() == [0..<2048])
  }

  @Test(arguments: kernelTrackers) func seesSystemCallsWriteIntoTheMemory(_ tracker: PageTracker)
    throws
  {
    guard let m = Mapping(pages: 4, tracker) else { throw Refused() }
    let zero = platform_open("/dev/zero", O_RDONLY, 0)
    defer { _ = platform_close(zero) }
    #expect(platform_read(zero, m.base + 4096, 8192) == 8192)
    #expect(m.written() == [1..<3])
  }

  @Test(arguments: kernelTrackers) func ignoresWritesThroughAnotherMapping(_ tracker: PageTracker)
    throws
  {
    guard let m = Mapping(pages: 4, tracker) else { throw Refused() }
    m.write(page: 1)
    _ = m.written()
    let other = try #require(platform_map_shared(m.file, 0, m.size))
    defer { _ = platform_unmap(other, m.size) }
    (other + 4096 * 2).storeBytes(of: 9, as: UInt8.self)
    #expect((m.base + 4096 * 2).load(as: UInt8.self) == 9, "and yet it is seen at once")
    #expect(m.written().isEmpty)
  }

  @Test(arguments: kernelTrackers) func losesNoWriteOfAnotherThread(_ tracker: PageTracker) throws {
    guard let m = Mapping(pages: 16, tracker) else { throw Refused() }
    // Page 0 holds a counter that the thread raises; each value must follow a report.
    let base = m.base
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
      guard let raw else { return nil }
      let cells = raw.assumingMemoryBound(to: UInt64.self)
      for value: UInt64 in 1...20_000 {
        platform_store64(cells + Int(value % 16) * 512, value)
      }
      platform_store64(cells + 1, 1)
      return nil
    }
    #expect(platform_thread_start(body, base, 0, "writer") == 0)
    var copy = [UInt64](repeating: 0, count: 16)
    let cells = base.assumingMemoryBound(to: UInt64.self)
    var ended = false
    while true {
      let last = ended
      ended = platform_load64(cells + 1) == 1
      for run in m.written() {
        for page in run { copy[page] = platform_load64(cells + page * 512) }
      }
      if last { break }
    }
    for page in 0..<16 { #expect(copy[page] == platform_load64(cells + page * 512)) }
  }

  @Test(arguments: kernelTrackers) func forgetsAnUnmappedRangeAndTakesItAgain(
    _ tracker: PageTracker
  ) throws {
    for _ in 0..<4 {
      guard let m = Mapping(pages: 32, tracker) else { throw Refused() }
      m.write(page: 3)
      #expect(m.written() == [3..<4])
    }
  }
}

extension KernelTiers {
  @Test(arguments: kernelTrackers) func scansManyMappingsAtOnce(_ tracker: PageTracker) throws {
    // Three mappings in one reserved range: tracked, not tracked, tracked; and a hole.
    let page = PageTracker.pageSize
    let file = platform_memfd("page-tracker-test")
    defer { _ = platform_close(file) }
    #expect(platform_resize(file, UInt64(64 * page)) == 0)
    let window = try #require(platform_reserve(64 * page))
    defer { _ = platform_unmap(window, 64 * page) }
    for first in [0, 16, 48] {
      #expect(
        platform_map_shared_at(window + first * page, file, UInt64(first * page), 8 * page) == 0)
    }
    #expect(tracker.track(window, 8 * page))
    #expect(tracker.track(window + 48 * page, 8 * page))
    for written in [7, 16, 17, 48, 55] {
      (window + written * page).storeBytes(of: 1, as: UInt8.self)
    }
    func report() -> [Range<Int>] {
      var runs: [Range<Int>] = []
      let complete = tracker.forEachWrittenRun(window, 64 * page, isOneMapping: false) {
        runs.append($0 / page..<($0 + $1) / page)
      }
      #expect(complete)
      return runs
    }
    #expect(report() == [7..<8, 48..<49, 55..<56])
    #expect(report().isEmpty)
    // A part of a mapping is asked for alone, and the rest is still there.
    (window + 1 * page).storeBytes(of: 1, as: UInt8.self)
    (window + 5 * page).storeBytes(of: 1, as: UInt8.self)
    var part: [Int] = []
    tracker.forEachWrittenRun(window, 4 * page) { offset, _ in part.append(offset / page) }
    #expect(part == [1])
    #expect(report() == [5..<6])
    tracker.untrack(window, 8 * page)
    #expect(platform_unmap_to_reserved(window, 8 * page) == 0)
    (window + 50 * page).storeBytes(of: 1, as: UInt8.self)
    #expect(report() == [50..<51])
    tracker.untrack(window + 48 * page, 8 * page)
  }

  @Test(arguments: kernelTrackers) func isUnmappedWithoutBeingAsked(_ tracker: PageTracker) throws {
    for round in 0..<3 {
      let size = 16 * PageTracker.pageSize
      let file = platform_memfd("page-tracker-test")
      #expect(platform_resize(file, UInt64(size)) == 0)
      let base = try #require(platform_map_shared(file, 0, size))
      #expect(tracker.track(base, size))
      base.storeBytes(of: UInt8(round), as: UInt8.self)
      #expect(platform_unmap(base, size) == 0)
      tracker.untrack(base, size)
      _ = platform_close(file)
    }
  }

  @Test(arguments: kernelTrackers) func leavesAChildOfForkAlone(_ tracker: PageTracker) throws {
    guard let m = Mapping(pages: 64, tracker) else { throw Refused() }
    m.write(page: 1)
    // The child writes protected pages, by itself and by a system call, and asks for tracking to
    // end: it neither waits for a thread that it does not have nor disturbs its parent.
    let status = platform_in_child(
      { raw in
        guard let raw else { return 1 }
        (raw + 2 * 4096).storeBytes(of: 5, as: UInt8.self)
        return platform_fills(raw + 3 * 4096) ? 0 : 2
      }, m.base)
    #expect(status == 0)
    m.write(page: 4)
    #expect(m.written() == [1..<2, 4..<5])
    #expect((m.base + 2 * 4096).load(as: UInt8.self) == 5)
  }

  @Test(arguments: kernelTrackers) func keepsUpWithManyThreads(_ tracker: PageTracker) throws {
    guard let m = Mapping(pages: 512, tracker) else { throw Refused() }
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
      guard let raw else { return nil }
      // Eight threads, each on pages of its own and on one that they share.
      let cells = raw.assumingMemoryBound(to: UInt32.self)
      let me = Int(platform_add32(cells, 1))
      for round: UInt32 in 1...20 {
        for page in 0..<63 { platform_store32(cells + (1 + me * 63 + page) * 1024, round) }
        _ = platform_add32(cells + 511 * 1024, 1)
      }
      _ = platform_add32(cells + 1, 1)
      return nil
    }
    for _ in 0..<8 { #expect(platform_thread_start(body, m.base, 0, "writer") == 0) }
    let cells = m.base.assumingMemoryBound(to: UInt32.self)
    var copy = [UInt32](repeating: 0, count: 512)
    var ended = false
    while true {
      let last = ended
      ended = platform_load32(cells + 1) == 8
      for run in m.written() {
        for page in run { copy[page] = platform_load32(cells + page * 1024) }
      }
      if last { break }
    }
    for page in 0..<512 { #expect(copy[page] == platform_load32(cells + page * 1024)) }
    #expect(copy[511] == 160)
  }

  @Test func opensNoTierAboveTheOneWanted() {
    for best in [TrackingTier.faultThread, .compare] {
      let tracker = PageTracker.open(best: best)
      #expect(tracker.tier.rawValue >= best.rawValue)
      tracker.close()
    }
  }
}

@Suite struct CompareTier {
  @Test func reportsEverythingAlways() throws {
    let tracker = PageTracker.open(best: .compare)
    #expect(tracker.tier == .compare)
    guard let m = Mapping(pages: 8, tracker) else { throw Refused() }
    #expect(m.written() == [0..<8])
    #expect(m.written() == [0..<8])
  }
}

private struct Refused: Error {}
