import CPlatform

/// Bump memory for decoded structures: 16-byte aligned, zeroed, bounded, given back all at once.
///
/// Plain old data; `free` ends it. Thread-safety: none.
public struct Arena {
  /// Header of a chunk; the room begins 16 bytes behind its start.
  @usableFromInline
  struct Chunk {
    var next: UnsafeMutablePointer<Chunk>?
    var size: Int
  }

  @usableFromInline var cursor: UnsafeMutableRawPointer?
  @usableFromInline var end: UnsafeMutableRawPointer?
  private var first: UnsafeMutablePointer<Chunk>?
  private var current: UnsafeMutablePointer<Chunk>?
  private var held: Int
  private let limit: Int

  /// Chunks that `reset` keeps, in bytes; what goes beyond is given back to the system.
  private static var kept: Int { 4 << 20 }
  private static var smallest: Int { 64 << 10 }

  /// An empty arena which never holds more than `limit` bytes.
  public init(limit: Int = 256 << 20) {
    self.cursor = nil
    self.end = nil
    self.first = nil
    self.current = nil
    self.held = 0
    self.limit = limit
  }

  /// `bytes` zeroed bytes, or nil when the limit is reached or the system has no memory.
  @inlinable
  public mutating func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
    guard let start = cursor, let end, bytes >= 0, end - start >= bytes else {
      return allocateSlowly(bytes)
    }
    // The room is a multiple of 16 bytes, so that rounding up never leaves it.
    cursor = start + ((bytes + 15) & ~15)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    return start
  }

  @inline(never)
  @usableFromInline
  mutating func allocateSlowly(_ bytes: Int) -> UnsafeMutableRawPointer? {
    guard bytes >= 0 && bytes <= limit else { return nil }
    // A chunk that an earlier round left behind, when it is large enough.
    while let next = current?.pointee.next {
      use(next)
      if let start = cursor, let end, end - start >= bytes { return allocate(bytes) }
    }
    let size: Int = max((bytes + 31) & ~15, min(Arena.smallest, limit))
    guard held + size <= limit + 32, let raw = platform_aligned_alloc(16, size) else { return nil }
    let chunk: UnsafeMutablePointer<Chunk> = raw.bindMemory(to: Chunk.self, capacity: 1)
    chunk.initialize(to: Chunk(next: nil, size: size))
    if let current { current.pointee.next = chunk } else { first = chunk }
    held += size
    use(chunk)
    return allocate(bytes)
  }

  private mutating func use(_ chunk: UnsafeMutablePointer<Chunk>) {
    current = chunk
    cursor = UnsafeMutableRawPointer(chunk) + 16
    end = UnsafeMutableRawPointer(chunk) + (chunk.pointee.size & ~15)
  }

  /// Makes everything allocated so far invalid; keeps up to 4 MiB for the next round.
  public mutating func reset() {
    guard let first else { return }
    var total: Int = 0
    var last: UnsafeMutablePointer<Chunk>? = nil
    var chunk: UnsafeMutablePointer<Chunk>? = first
    while let c = chunk, last == nil || total + c.pointee.size <= Arena.kept {
      total += c.pointee.size
      last = c
      chunk = c.pointee.next
    }
    last?.pointee.next = nil
    held = total
    release(from: chunk)
    use(first)
  }

  /// Gives all memory back; the arena is empty and usable again.
  public mutating func free() {
    release(from: first)
    first = nil
    current = nil
    cursor = nil
    end = nil
    held = 0
  }

  private func release(from start: UnsafeMutablePointer<Chunk>?) {
    var chunk: UnsafeMutablePointer<Chunk>? = start
    while let c = chunk {
      chunk = c.pointee.next
      platform_free(UnsafeMutableRawPointer(c))
    }
  }
}
