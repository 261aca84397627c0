import CPlatform

/// Encodes records into memory that belongs to whoever made the writer.
///
/// ```
///            record               cursor            limit
///              v                    v                 v
/// | … finished | header | fields …  |      room       |
/// ```
///
/// Plain old data, so that it can lie in raw memory beside an object's own state. Thread-safety:
/// none; one thread at a time.
///
/// There is no error to handle between `begin` and `end`: when memory runs out, `failed` is set,
/// every later call does nothing, and the unfinished record is taken back.
@frozen
public struct Writer {
  /// Where the next byte goes; a multiple of 4 from `record`.
  public var cursor: UnsafeMutableRawPointer
  /// End of the room.
  public var limit: UnsafeMutableRawPointer
  /// Start of the record that is being written.
  public var record: UnsafeMutableRawPointer
  /// No memory was left: nothing has been written since.
  public var failed: Bool
  /// For `grow`.
  public var owner: UnsafeMutableRawPointer?
  /// Makes room for `count` bytes more: moves the unfinished record [record, cursor) to a larger
  /// place and sets the three pointers. Returns false when it cannot.
  public var grow: @convention(c) (_ writer: UnsafeMutableRawPointer, _ count: Int) -> Bool

  /// A writer on `[start, start + capacity)`, 8-byte aligned.
  @inlinable
  public init(
    start: UnsafeMutableRawPointer, capacity: Int, owner: UnsafeMutableRawPointer?,
    grow: @escaping @convention(c) (_ writer: UnsafeMutableRawPointer, _ count: Int) -> Bool
  ) {
    self.cursor = start
    self.limit = start + capacity
    self.record = start
    self.failed = false
    self.owner = owner
    self.grow = grow
  }

  /// The next `count` bytes, uninitialised, which the caller fills; nil once the writer has failed.
  @inlinable
  public mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer? {
    let start: UnsafeMutableRawPointer = cursor
    guard _fastPath(limit - start >= count) else { return reserveSlowly(count) }
    cursor = start + count
    return start
  }

  /// Not inlined: the fast path stays free of calls.
  @inline(never)
  @usableFromInline
  mutating func reserveSlowly(_ count: Int) -> UnsafeMutableRawPointer? {
    if failed { return nil }
    // Nothing that is encoded is larger than a record can be.
    let grown =
      count >= 0 && count <= 0x7FFF_FFF0
      && withUnsafeMutablePointer(to: &self) { (w: UnsafeMutablePointer<Writer>) -> Bool in
        w.pointee.grow(UnsafeMutableRawPointer(w), count)
      }
    guard grown && limit - cursor >= count else {
      fail()
      return nil
    }
    let start: UnsafeMutableRawPointer = cursor
    cursor = start + count
    return start
  }

  /// Gives the unfinished record up; sticky.
  @inline(never)
  public mutating func fail() {
    failed = true
    cursor = record
    limit = record
  }

  // MARK: Records

  /// Starts a record. `end` finishes it.
  @inlinable
  public mutating func begin(_ opcode: UInt32) {
    record = cursor
    guard let p = reserve(8) else { return }
    p.put32(opcode, 0)
    p.put32(8, 4)
  }

  /// Finishes the record: pads it to a multiple of 8 bytes and writes its size.
  @inlinable
  public mutating func end() {
    if (cursor - record) & 4 != 0 {
      guard let p = reserve(4) else { return }
      p.put32(0, 0)
    }
    if failed { return }
    record.put32(UInt32(truncatingIfNeeded: cursor - record), 4)
  }

  /// A whole record of `size` bytes (a multiple of 8, header included) in one step; the caller
  /// fills everything behind the header. There is no `end`.
  ///
  /// Always inlined: as a call, vkCmdDraw's hook takes 5.0 ns and not 3.5 (`Benchmarks/encode`).
  @inlinable
  @inline(__always)
  public mutating func fixedRecord(_ opcode: UInt32, _ size: Int) -> UnsafeMutableRawPointer? {
    record = cursor
    guard let p = reserve(size) else { return nil }
    p.put32(opcode, 0)
    p.put32(UInt32(truncatingIfNeeded: size), 4)
    return p
  }

  // MARK: Fields

  @inlinable
  public mutating func u32(_ value: UInt32) {
    guard let p = reserve(4) else { return }
    p.put32(value, 0)
  }

  @inlinable
  public mutating func i32(_ value: Int32) { u32(UInt32(bitPattern: value)) }

  @inlinable
  public mutating func u64(_ value: UInt64) {
    guard let p = reserve(8) else { return }
    p.put64(value, 0)
  }

  /// `count` bytes, padded with zeros to a multiple of 4, without a count.
  @inlinable
  public mutating func bytes(_ source: UnsafeRawPointer?, _ count: Int) {
    guard count > 0, let source else { return }
    guard count <= 0x7FFF_FFF0 else { return fail() }
    let padded: Int = (count + 3) & ~3
    guard let p = reserve(padded) else { return }
    if padded != count { p.put32(0, padded - 4) }
    p.copyMemory(from: source, byteCount: count)
  }

  /// An array of `count` elements whose memory is what travels: `u32 count`, then the bytes.
  /// A null pointer is an empty array.
  public mutating func array(_ source: UnsafeRawPointer?, _ count: Int, stride: Int) {
    guard let source, count > 0 else { return u32(0) }
    let (size, overflow) = count.multipliedReportingOverflow(by: stride)
    guard !overflow && size <= 0x7FFF_FFE0 else { return fail() }
    let padded: Int = (size &+ 3) & ~3
    guard let p = reserve(4 &+ padded) else { return }
    p.put32(UInt32(truncatingIfNeeded: count), 0)
    if padded != size { p.put32(0, padded) }
    (p + 4).copyMemory(from: source, byteCount: size)
  }

  /// An array of dispatchable handles of ours, as ids.
  public mutating func dispatchableArray(_ source: UnsafePointer<OpaquePointer?>?, _ count: Int) {
    guard let source, count > 0, count <= 0x0FFF_FFFF else { return u32(0) }
    u32(UInt32(truncatingIfNeeded: count))
    guard let p = reserve(count &* 8) else { return }
    for i: Int in 0..<count { p.put64(wireID(of: source[i]), i &* 8) }
  }

  /// A C string: `u32 byteCount` (0xFFFFFFFF for NULL), bytes, padding.
  public mutating func string(_ source: UnsafePointer<CChar>?) {
    guard let source else { return u32(UInt32.max) }
    var count: Int = 0
    while source[count] != 0 { count &+= 1 }
    guard count <= 0x7FFF_FFF0 else { return fail() }
    u32(UInt32(truncatingIfNeeded: count))
    bytes(UnsafeRawPointer(source), count)
  }

  /// An array of C strings: `u32 count`, then the strings.
  public mutating func stringArray(_ source: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int) {
    guard let source, count > 0, count <= 0x0FFF_FFFF else { return u32(0) }
    u32(UInt32(truncatingIfNeeded: count))
    for i: Int in 0..<count { string(source[i]) }
  }

  // MARK: Places that are written later

  /// Distance of the cursor from the start of the record: a place that stays right when the record
  /// moves.
  @inlinable
  public var offset: Int { cursor - record }

  /// Writes `value` over the 4 bytes at `offset` of the record, which were reserved before.
  @inlinable
  public mutating func patch(_ offset: Int, _ value: UInt32) {
    guard !failed else { return }
    record.put32(value, offset)
  }
}

/// A writer on memory of its own that grows by reallocation: for tests, replies and link messages.
/// The owner calls `free`. It must not move in memory between `begin` and `end`.
public struct HeapWriter {
  public var writer: Writer

  /// Starts with room for `capacity` bytes. When there is no memory, the writer has failed.
  public init(capacity: Int) {
    let size: Int = (max(capacity, 64) + 15) & ~15
    guard let start = platform_aligned_alloc(16, size) else {
      let nowhere = UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped
      writer = Writer(start: nowhere, capacity: 0, owner: nil, grow: heapGrow)
      writer.failed = true
      return
    }
    writer = Writer(start: start, capacity: size, owner: start, grow: heapGrow)
  }

  /// Forgets what was written and keeps the memory.
  public mutating func reset() {
    guard let start = writer.owner else { return }
    let end: UnsafeMutableRawPointer = start + heapCapacity(start)
    writer = Writer(start: start, capacity: end - start, owner: start, grow: heapGrow)
  }

  /// Everything that was written. Valid until the next write, `reset` or `free`.
  public var bytes: UnsafeRawBufferPointer {
    guard let start = writer.owner else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: UnsafeRawPointer(start), count: writer.cursor - start)
  }

  /// Gives the memory back. The writer has failed from then on.
  public mutating func free() {
    platform_free(writer.owner)
    writer.owner = nil
    writer.fail()
  }
}

private func heapCapacity(_ start: UnsafeMutableRawPointer) -> Int {
  Int(truncatingIfNeeded: platform_usable_size(start)) & ~7
}

private func heapGrow(_ raw: UnsafeMutableRawPointer, _ count: Int) -> Bool {
  let w: UnsafeMutablePointer<Writer> = raw.assumingMemoryBound(to: Writer.self)
  guard let old = w.pointee.owner else { return false }
  let used: Int = w.pointee.cursor - old
  let before: Int = w.pointee.record - old
  let size: Int = max(used &* 2, used &+ count &+ 64)
  guard let new = platform_realloc(old, size) else { return false }
  w.pointee.owner = new
  w.pointee.record = new + before
  w.pointee.cursor = new + used
  w.pointee.limit = new + size
  return true
}
