import CPlatform
internal import Threads

/// What a name names. Programs and shaders share one space of names.
enum NameKind: UInt8, CaseIterable {
  // Shared by the contexts of a share group.
  case texture
  case buffer
  case renderbuffer
  case program
  case sampler
  /// Assembly programs (GL_ARB_vertex_program), which have names of their own.
  case arbProgram
  // A context's own.
  case framebuffer
  case query
  case vertexArray
  case transformFeedback
  case programPipeline

  var isShared: Bool { rawValue <= NameKind.arbProgram.rawValue }

  static var count: Int { 11 }
}

/// The client's names of one kind, and the driver's behind them.
///
/// A client's name may be any number. Small ones lie in pages of an array that never moves, so that a
/// look-up takes no lock: a page's address and an entry are one load each, whole by themselves. Large
/// ones lie in a dictionary. The contexts of a share group share tables; changes are made under the
/// lock.
final class NameTable: @unchecked Sendable {
  /// Names that lie in pages: 4 Mi, in pages of 4 Ki.
  private static var pageShift: UInt32 { 12 }
  private static var pageSize: Int { 1 << 12 }
  private static var pageCount: Int { 1 << 10 }

  private let pages: UnsafeMutablePointer<UInt64>
  private let lock = Lock()
  private var sparse: [UInt32: UInt32] = [:]
  /// The client's names of objects that are deleted, by the driver's: those that something still holds, a framebuffer or
  /// another context, are asked for by name. The latest few thousand.
  private var departed: [UInt32: UInt32] = [:]

  private static var mostDeparted: Int { 4096 }

  init() {
    pages = .allocate(capacity: NameTable.pageCount)
    pages.initialize(repeating: 0, count: NameTable.pageCount)
  }

  deinit {
    for page in 0..<NameTable.pageCount { NameTable.page(pages[page])?.deallocate() }
    pages.deallocate()
  }

  /// The pages, for look-ups that do not go through the object.
  var reader: NameReader { NameReader(pages: pages) }

  @inline(__always)
  fileprivate static func page(_ word: UInt64) -> UnsafeMutablePointer<UInt32>? {
    UnsafeMutablePointer<UInt32>(bitPattern: UInt(truncatingIfNeeded: word))
  }

  @inline(__always)
  fileprivate static func place(_ client: UInt32) -> (page: Int, entry: Int)? {
    let page = Int(client >> pageShift)
    guard page < pageCount else { return nil }
    return (page, Int(client) & (pageSize - 1))
  }

  /// The driver's name; 0 for a name that is unknown.
  func lookup(_ client: UInt32) -> UInt32 {
    NameTable.place(client) == nil
      ? lock.withLock { sparse[client] ?? 0 } : reader.lookup(client)
  }

  /// Enters a name; returns the driver's name that was behind it before, or 0.
  func insert(_ client: UInt32, _ driver: UInt32) -> UInt32 {
    lock.withLock { exchange(client, driver) }
  }

  /// Takes a name out; returns the driver's name that was behind it, or 0.
  func remove(_ client: UInt32) -> UInt32 {
    lock.withLock {
      let driver = exchange(client, 0)
      if driver != 0 {
        if departed.count >= NameTable.mostDeparted { departed.removeAll(keepingCapacity: true) }
        departed[driver] = client
      }
      return driver
    }
  }

  /// The driver's name of a name that may be unknown: then `make` gives one.
  func lookupOrInsert(_ client: UInt32, _ make: () -> UInt32) -> (name: UInt32, isNew: Bool) {
    lock.withLock {
      let known =
        NameTable.place(client) == nil ? sparse[client] ?? 0 : reader.lookup(client)
      if known != 0 { return (known, false) }
      let made = make()
      if made != 0 { _ = exchange(client, made) }
      return (made, made != 0)
    }
  }

  /// The client's name of a driver's; 0 for one that is unknown. Looks at all of them.
  func client(of driver: UInt32) -> UInt32 {
    guard driver != 0 else { return 0 }
    return lock.withLock {
      for index in 0..<NameTable.pageCount {
        guard let page = NameTable.page(pages[index]) else { continue }
        for entry in 0..<NameTable.pageSize where page[entry] == driver {
          return UInt32(truncatingIfNeeded: (index << 12) | entry)
        }
      }
      return sparse.first { $0.value == driver }?.key ?? departed[driver] ?? 0
    }
  }

  /// Every driver's name in the table.
  func all() -> [UInt32] {
    lock.withLock {
      var found = Array(sparse.values)
      for index in 0..<NameTable.pageCount {
        guard let page = NameTable.page(pages[index]) else { continue }
        for entry in 0..<NameTable.pageSize where page[entry] != 0 { found.append(page[entry]) }
      }
      return found
    }
  }

  /// With the lock held.
  private func exchange(_ client: UInt32, _ driver: UInt32) -> UInt32 {
    guard client != 0 else { return 0 }
    guard let (index, entry) = NameTable.place(client) else {
      let before = sparse[client] ?? 0
      sparse[client] = driver == 0 ? nil : driver
      return before
    }
    guard let page = NameTable.page(pages[index]) else {
      if driver != 0 { makePage(index)[entry] = driver }
      return 0
    }
    let before = page[entry]
    platform_store32(page + entry, driver)
    return before
  }

  private func makePage(_ index: Int) -> UnsafeMutablePointer<UInt32> {
    let page = UnsafeMutablePointer<UInt32>.allocate(capacity: NameTable.pageSize)
    page.initialize(repeating: 0, count: NameTable.pageSize)
    platform_store64(pages + index, UInt64(UInt(bitPattern: page)))
    return page
  }
}

/// Looks small names up, without a lock and without counting references.
struct NameReader {
  fileprivate let pages: UnsafeMutablePointer<UInt64>

  /// The driver's name; 0 for a name that is unknown or large.
  @inline(__always)
  func lookup(_ client: UInt32) -> UInt32 {
    guard let (index, entry) = NameTable.place(client),
      let page = NameTable.page(platform_load64(pages + index))
    else { return 0 }
    return platform_load32(page + entry)
  }
}
