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

/// Kernels older than 6.7 have no such tier; there is nothing to test then.
private let kernelTracker = PageTracker.open(allowWriteProtect: true)
private let hasTier = kernelTracker.tier == .writeProtect

@Suite struct WriteProtectTier {
  @Test(.enabled(if: hasTier)) func reportsFirstWritesAndNothingElse() throws {
    guard let m = Mapping(pages: 64, kernelTracker) else { throw Refused() }
    #expect(m.written().isEmpty)
    var sum = 0
    for page in 0..<64 { sum += Int((m.base + page * 4096).load(as: UInt8.self)) }
    #expect(sum == 0)
    #expect(m.written().isEmpty, "reading is not writing")
    m.write(page: 0)
    m.write(page: 63)
    #expect(m.written() == [0..<1, 63..<64])
  }

  @Test(.enabled(if: hasTier)) func armsAgainAfterEachReport() throws {
    guard let m = Mapping(pages: 8, kernelTracker) else { throw Refused() }
    for _ in 0..<3 {
      m.write(page: 5)
      m.write(page: 5)
      #expect(m.written() == [5..<6])
      #expect(m.written().isEmpty)
    }
  }

  @Test(.enabled(if: hasTier)) func joinsAdjacentPagesAndManyRuns() throws {
    guard let m = Mapping(pages: 2048, kernelTracker) else { throw Refused() }
    for page in 100..<140 { m.write(page: page) }
    #expect(m.written() == [100..<140])
    // More runs than one scan returns.
    for page in stride(from: 0, to: 2048, by: 2) { m.write(page: page) }
    #expect(m.written() == stride(from: 0, to: 2048, by: 2).map { $0..<$0 + 1 })
    for page in 0..<2048 { m.write(page: page) }
    #expect(m.written() == [0..<2048])
  }

  @Test(.enabled(if: hasTier)) func seesSystemCallsWriteIntoTheMemory() throws {
    guard let m = Mapping(pages: 4, kernelTracker) else { throw Refused() }
    let zero = platform_open("/dev/zero", O_RDONLY, 0)
    defer { _ = platform_close(zero) }
    #expect(platform_read(zero, m.base + 4096, 8192) == 8192)
    #expect(m.written() == [1..<3])
  }

  @Test(.enabled(if: hasTier)) func ignoresWritesThroughAnotherMapping() throws {
    guard let m = Mapping(pages: 4, kernelTracker) else { throw Refused() }
    m.write(page: 1)
    _ = m.written()
    let other = try #require(platform_map_shared(m.file, 0, m.size))
    defer { _ = platform_unmap(other, m.size) }
    (other + 4096 * 2).storeBytes(of: 9, as: UInt8.self)
    #expect((m.base + 4096 * 2).load(as: UInt8.self) == 9, "and yet it is seen at once")
    #expect(m.written().isEmpty)
  }

  @Test(.enabled(if: hasTier)) func losesNoWriteOfAnotherThread() throws {
    guard let m = Mapping(pages: 16, kernelTracker) else { throw Refused() }
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

  @Test(.enabled(if: hasTier)) func forgetsAnUnmappedRangeAndTakesItAgain() throws {
    for _ in 0..<4 {
      guard let m = Mapping(pages: 32, kernelTracker) else { throw Refused() }
      m.write(page: 3)
      #expect(m.written() == [3..<4])
    }
  }
}

@Suite struct CompareTier {
  @Test func reportsEverythingAlways() throws {
    let tracker = PageTracker.open(allowWriteProtect: false)
    #expect(tracker.tier == .compare)
    guard let m = Mapping(pages: 8, tracker) else { throw Refused() }
    #expect(m.written() == [0..<8])
    #expect(m.written() == [0..<8])
  }
}

private struct Refused: Error {}
