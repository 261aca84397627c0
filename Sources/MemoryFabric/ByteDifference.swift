internal import CPlatform

/// Finds and applies what changed in memory that several parties write: byte runs, never whole
/// pages, because the application and the GPU may share a page and an unchanged byte may be just
/// now changing on the other side.
public enum ByteDifference {
  public static var pageSize: Int { 4096 }

  /// Brings `[start, end)` of `twin`, what both sides last agreed on, up to date with `source`, and
  /// calls `emit` with each maximal run of bytes that differed, in order.
  ///
  /// `source` may be written by others meanwhile: a page that differs is copied first, so that what
  /// is compared, kept and emitted is one and the same. A page that does not is only read, by
  /// memcmp: that is what most of a large range costs. `scratch` has room for a page.
  @inline(__always)
  public static func update(
    _ twin: UnsafeMutableRawPointer, from source: UnsafeRawPointer, _ start: Int, _ end: Int,
    scratch: UnsafeMutableRawPointer,
    _ emit: (_ offset: Int, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    var position = start
    while position < end {
      // To the end of a page, so that every step but the first is aligned.
      let step = min(pageSize &- position & (pageSize &- 1), end &- position)
      if differs(source + position, twin + position, step) {
        scratch.copyMemory(from: source + position, byteCount: step)
        forEachRun(scratch, twin + position, step) { at, count in
          (twin + position + at).copyMemory(from: scratch + at, byteCount: count)
          emit(position &+ at, UnsafeRawBufferPointer(start: scratch + at, count: count))
        }
      }
      position &+= step
    }
  }

  /// Whether `count` bytes differ anywhere.
  public static func differs(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
    platform_compare(a, b, count) != 0
  }

  /// Calls `body(offset, count)` for each maximal run of bytes in which `new` differs from `old`,
  /// in order. Both are `count` bytes long; neither needs an alignment. `new` and `old` must not
  /// change meanwhile, or a run may say that a byte differs which no longer does; `body` may write
  /// to what it was given.
  @inline(__always)
  public static func forEachRun(
    _ new: UnsafeRawPointer, _ old: UnsafeRawPointer, _ count: Int,
    _ body: (_ offset: Int, _ count: Int) -> Void
  ) {
    var position = nextDifference(new, old, from: 0, count)
    while position < count {
      let end = nextAgreement(new, old, from: position, count)
      body(position, end &- position)
      position = nextDifference(new, old, from: end, count)
    }
  }

  /// Offset of the first byte at or behind `start` that differs; `count` when there is none.
  public static func nextDifference(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, from start: Int, _ count: Int
  ) -> Int {
    var i = start
    // Four words a step, which the compiler makes vectors of.
    while count &- i >= 32 {
      let w0 = difference(a, b, i)
      let w1 = difference(a, b, i &+ 8)
      let w2 = difference(a, b, i &+ 16)
      let w3 = difference(a, b, i &+ 24)
      if (w0 | w1) | (w2 | w3) != 0 { break }
      i &+= 32
    }
    while count &- i >= 8 {
      let w = difference(a, b, i)
      if w != 0 { return i &+ w.trailingZeroBitCount / 8 }
      i &+= 8
    }
    while i < count {
      if byte(a, i) != byte(b, i) { return i }
      i &+= 1
    }
    return count
  }

  /// Offset of the first byte at or behind `start` that is equal; `count` when there is none.
  public static func nextAgreement(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, from start: Int, _ count: Int
  ) -> Int {
    var i = start
    while count &- i >= 8 {
      let w = difference(a, b, i)
      // The lowest zero byte of w, if there is one, has its high bit set here.
      let zeros = (w &- 0x0101_0101_0101_0101) & ~w & 0x8080_8080_8080_8080
      if zeros != 0 { return i &+ zeros.trailingZeroBitCount / 8 }
      i &+= 8
    }
    while i < count {
      if byte(a, i) == byte(b, i) { return i }
      i &+= 1
    }
    return count
  }

  /// Zeroes `count` bytes, reading first: memory that the system has not yet made stays unmade.
  public static func clear(_ memory: UnsafeMutableRawPointer, _ count: Int) {
    var offset = 0
    while offset < count {
      let step = min(pageSize, count &- offset)
      if !isZero(memory + offset, step) { platform_zero(memory + offset, step) }
      offset &+= step
    }
  }

  /// True when every byte is zero.
  public static func isZero(_ memory: UnsafeRawPointer, _ count: Int) -> Bool {
    var i = 0
    while count &- i >= 8 {
      if memory.loadUnaligned(fromByteOffset: i, as: UInt64.self) != 0 { return false }
      i &+= 8
    }
    while i < count {
      if byte(memory, i) != 0 { return false }
      i &+= 1
    }
    return true
  }

  @inline(__always)
  private static func difference(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ i: Int) -> UInt64 {
    a.loadUnaligned(fromByteOffset: i, as: UInt64.self)
      ^ b.loadUnaligned(fromByteOffset: i, as: UInt64.self)
  }

  @inline(__always)
  private static func byte(_ p: UnsafeRawPointer, _ i: Int) -> UInt8 {
    p.load(fromByteOffset: i, as: UInt8.self)
  }
}
