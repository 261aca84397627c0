internal import CPlatform

/// One mapped allocation of an application whose nodes have memories of their own, as the agent
/// sees it: the application's bytes, the *twin*, what everybody is to have, and for each node that
/// lacks something the pages as that node has them.
///
/// ```
///  application ──publish──►  twin  ──runs──► every node
///  node k ──────receive───►  twin, application;  every other node is behind
///  node j ◄─────catchUp────  twin against the page that j has
/// ```
///
/// All is told in byte runs: whoever is told may be writing to other bytes of the page meanwhile.
/// Thread-safety: none; its owner has a lock.
public final class SharedPages {
  public let size: Int
  public private(set) var directory: PageDirectory
  /// The application's bytes. Not owned.
  private let bytes: UnsafeMutableRawPointer
  private let twin: UnsafeMutableRawPointer
  private let scratch: UnsafeMutableRawPointer
  /// By node: pages that it is behind with, as it has them.
  private var behind: [[Int: UnsafeMutableRawPointer]]

  private static var pageSize: Int { ByteDifference.pageSize }

  /// `size` is a multiple of the page size; everything is zero everywhere. Nil without memory.
  public init?(bytes: UnsafeMutableRawPointer, size: Int, nodeCount: Int) {
    guard size > 0, size & (SharedPages.pageSize &- 1) == 0,
      let directory = PageDirectory(pageCount: size / SharedPages.pageSize, nodeCount: nodeCount),
      let twin = platform_map_private(size)
    else { return nil }
    guard let scratch = platform_aligned_alloc(64, SharedPages.pageSize) else {
      _ = platform_unmap(twin, size)
      return nil
    }
    self.bytes = bytes
    self.size = size
    self.directory = directory
    self.twin = twin
    self.scratch = scratch
    behind = [[Int: UnsafeMutableRawPointer]](repeating: [:], count: nodeCount)
  }

  deinit {
    _ = platform_unmap(twin, size)
    platform_free(scratch)
    for pages in behind { for page in pages.values { platform_free(page) } }
  }

  /// Whether the range lies within the allocation.
  public func contains(_ offset: UInt64, _ count: UInt64) -> Bool {
    offset <= UInt64(size) && count <= UInt64(size) &- offset
  }

  private func pages(_ start: Int, _ end: Int) -> Range<Int> {
    start / SharedPages.pageSize..<(end &+ SharedPages.pageSize &- 1) / SharedPages.pageSize
  }

  /// Takes over what the application has written in `[offset, offset + count)`: `emit` is called
  /// with each run of bytes that differs, which all nodes are to be sent. False when the range lies
  /// outside.
  public func publish(
    offset: UInt64, count: UInt64,
    _ emit: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    guard contains(offset, count) else { return false }
    let start = Int(offset)
    ByteDifference.update(twin, from: bytes, start, start &+ Int(count), scratch: scratch) {
      at, run in
      let page = at / SharedPages.pageSize
      let someLack = behind.contains { !$0.isEmpty }
      directory.wrote(page, .client)
      emit(UInt64(at), run)
      // Everybody is told. One that lacks something else of the page goes on lacking that.
      for node in behind.indices {
        guard someLack, let old = behind[node][page] else {
          directory.received(page, .node(node))
          continue
        }
        copy(run, to: old, at & (SharedPages.pageSize &- 1))
      }
      directory.writtenBack(page)
    }
    return true
  }

  /// Takes over bytes that a node's GPU has written; the application has them at once. False, and
  /// nothing is done, when they lie outside, or there is no memory to remember what others lack.
  public func receive(from node: Int, offset: UInt64, _ run: UnsafeRawBufferPointer) -> Bool {
    guard contains(offset, UInt64(run.count)), behind.indices.contains(node) else { return false }
    guard run.count > 0 else { return true }
    let start = Int(offset)
    guard keepForOthers(than: node, pages(start, start &+ run.count)) else { return false }
    var done = 0
    while done < run.count {
      let at = start &+ done
      let inPage = at & (SharedPages.pageSize &- 1)
      let step = min(SharedPages.pageSize &- inPage, run.count &- done)
      let piece = UnsafeRawBufferPointer(rebasing: run[done..<done &+ step])
      let page = at / SharedPages.pageSize
      copy(piece, to: twin, at)
      copy(piece, to: bytes, at)
      if let own = behind[node][page] {
        // It still lacks what others wrote to the page before.
        copy(piece, to: own, inPage)
        directory.wrote(page, .client)
      } else {
        directory.wrote(page, .node(node))
      }
      directory.received(page, .client)
      directory.writtenBack(page)
      done &+= step
    }
    return true
  }

  /// Keeps the pages as the nodes have them that do not have what comes now.
  private func keepForOthers(than node: Int, _ pages: Range<Int>) -> Bool {
    for other in behind.indices where other != node {
      for page in pages where behind[other][page] == nil {
        guard let old = platform_malloc(SharedPages.pageSize) else { return false }
        old.copyMemory(from: twin + page &* SharedPages.pageSize, byteCount: SharedPages.pageSize)
        behind[other][page] = old
      }
    }
    return true
  }

  /// Calls `emit` with what a node lacks, in order; before it may read the memory again. It is sent
  /// that, and has everything then.
  public func catchUp(
    _ node: Int, _ emit: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    guard behind.indices.contains(node), !behind[node].isEmpty else { return }
    let pages = behind[node]
    behind[node] = [:]
    for (page, old) in pages.sorted(by: { $0.key < $1.key }) {
      let start = page &* SharedPages.pageSize
      ByteDifference.forEachRun(twin + start, old, SharedPages.pageSize) { at, count in
        emit(
          UInt64(start &+ at), UnsafeRawBufferPointer(start: twin + (start &+ at), count: count))
      }
      platform_free(old)
      directory.received(page, .node(node))
    }
  }

  /// Whether a node lacks anything.
  public func isBehind(_ node: Int) -> Bool {
    behind.indices.contains(node) && !behind[node].isEmpty
  }

  /// The newest contents of a part, for tests.
  public func contents(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: twin + range.lowerBound, count: range.count)
  }

  private func copy(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, _ offset: Int
  ) {
    guard let start = source.baseAddress else { return }
    (target + offset).copyMemory(from: start, byteCount: source.count)
  }
}
