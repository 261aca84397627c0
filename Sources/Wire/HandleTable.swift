import CPlatform

/// From ids to driver handles: an array of `{id, handle}` by the index of the id.
///
/// Grows by chunks that never move: any number of threads may look up beside the one that inserts
/// and removes. Plain old data that owns memory; `free` ends it.
public struct HandleTable {
  private static var chunkShift: Int { 12 }
  private static var chunkEntries: Int { 1 << chunkShift }

  /// One pointer per chunk, 0 where there is none yet.
  private let chunks: UnsafeMutablePointer<UInt64>?
  private let chunkCount: Int

  /// Told of an id that is not known: when its object is in the making, waits until it is made.
  public var missing: (@convention(c) (_ context: UnsafeMutableRawPointer, _ id: UInt64) -> Void)? =
    nil
  /// What `missing` is given.
  public var missingContext: UnsafeMutableRawPointer? = nil

  /// A table for indices below `indexLimit`, rounded up to a multiple of 4096. Without memory it
  /// is a table that takes nothing.
  public init(indexLimit: Int = 16 << 20) {
    let wanted: Int = (max(indexLimit, 1) + HandleTable.chunkEntries - 1) >> HandleTable.chunkShift
    let raw: UnsafeMutableRawPointer? = platform_calloc(wanted, 8)
    chunks = raw?.bindMemory(to: UInt64.self, capacity: wanted)
    chunkCount = raw == nil ? 0 : wanted
  }

  /// The two words of an entry: id, handle.
  private func entry(_ index: Int, create: Bool) -> UnsafeMutablePointer<UInt64>? {
    let chunk: Int = index >> HandleTable.chunkShift
    guard let chunks, chunk < chunkCount else { return nil }
    var base: UInt64 = platform_load64(chunks + chunk)
    if base == 0 {
      guard create, let raw = platform_calloc(HandleTable.chunkEntries, 16) else { return nil }
      base = UInt64(UInt(bitPattern: raw))
      platform_store64(chunks + chunk, base)
    }
    let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(truncatingIfNeeded: base))
    return words.map { $0 + 2 * (index & (HandleTable.chunkEntries - 1)) }
  }

  /// Remembers what `id` names. False when the id is 0, its index is out of bounds or in use, or
  /// there is no memory: the peer then broke the rules of ids.
  public func insert(_ id: UInt64, _ handle: UInt64) -> Bool {
    guard id != 0, HandleID.index(of: id) != 0,
      let e = entry(Int(HandleID.index(of: id)), create: true), e[0] == 0
    else { return false }
    e[1] = handle
    platform_store64(e, id)
    return true
  }

  /// The handle behind `id`, or nil when the id is not known as an object of this kind.
  public func lookup(_ id: UInt64, _ kind: HandleKind) -> UInt64? {
    guard id != 0, HandleID.kind(of: id) == kind,
      let e = entry(Int(HandleID.index(of: id)), create: false), platform_load64(e) == id
    else { return nil }
    return e[1]
  }

  /// The same, for an id that may name an object in the making, which is waited for.
  public func resolve(_ id: UInt64, _ kind: HandleKind) -> UInt64? {
    if let handle = lookup(id, kind) { return handle }
    guard let missing, let missingContext else { return nil }
    missing(missingContext, id)
    return lookup(id, kind)
  }

  /// Puts another handle behind a known id; false when the id is not known.
  public func replace(_ id: UInt64, _ handle: UInt64) -> Bool {
    guard id != 0, let e = entry(Int(HandleID.index(of: id)), create: false), e[0] == id else {
      return false
    }
    platform_store64(e + 1, handle)
    return true
  }

  /// Forgets `id`; false when it is not known.
  @discardableResult
  public func remove(_ id: UInt64) -> Bool {
    guard id != 0, let e = entry(Int(HandleID.index(of: id)), create: false), e[0] == id else {
      return false
    }
    platform_store64(e, 0)
    e[1] = 0
    return true
  }

  /// Calls `body` with every id and its handle, in order of index.
  public func forEach(_ body: (_ id: UInt64, _ handle: UInt64) -> Void) {
    guard let chunks else { return }
    for chunk: Int in 0..<chunkCount {
      let base: UInt64 = platform_load64(chunks + chunk)
      guard let words = UnsafeMutablePointer<UInt64>(bitPattern: UInt(truncatingIfNeeded: base))
      else { continue }
      for i: Int in 0..<HandleTable.chunkEntries where words[2 * i] != 0 {
        body(words[2 * i], words[2 * i + 1])
      }
    }
  }

  /// Gives the memory back. The table must not be used again.
  public func free() {
    guard let chunks else { return }
    for chunk: Int in 0..<chunkCount {
      platform_free(UnsafeMutableRawPointer(bitPattern: UInt(truncatingIfNeeded: chunks[chunk])))
    }
    platform_free(UnsafeMutableRawPointer(chunks))
  }
}
