import CPlatform

/// Finds and applies what changed in memory that several parties write: byte runs, never whole
/// pages, because the application and the GPU may share a page and an unchanged byte may be just
/// now changing on the other side.
enum MemoryImage {
  static var pageSize: Int { 4096 }

  /// Calls `body(offset, count)` for each maximal run of bytes in which `new` differs from `old`,
  /// in order. Both are `count` bytes long; neither needs an alignment. `new` and `old` must not
  /// change meanwhile, or a run may say that a byte differs which no longer does.
  @inline(__always)
  static func forEachDifference(
    _ new: UnsafeRawPointer, _ old: UnsafeRawPointer, _ count: Int,
    _ body: (_ offset: Int, _ count: Int) -> Void
  ) {
    var position = nextDifference(new, old, from: 0, count)
    while position < count {
      let end = nextAgreement(new, old, from: position, count)
      body(position, end - position)
      position = nextDifference(new, old, from: end, count)
    }
  }

  /// Offset of the first byte at or behind `start` that differs; `count` when there is none.
  static func nextDifference(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, from start: Int, _ count: Int
  ) -> Int {
    var i = start
    // Four words a step: the loop that a large unchanged range spends its time in.
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
  static func nextAgreement(
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
  static func clear(_ memory: UnsafeMutableRawPointer, _ count: Int) {
    var offset = 0
    while offset < count {
      let step = min(pageSize, count &- offset)
      if !isZero(memory + offset, step) { (memory + offset).set(0, step) }
      offset &+= step
    }
  }

  /// True when every byte is zero.
  static func isZero(_ memory: UnsafeRawPointer, _ count: Int) -> Bool {
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

extension UnsafeMutableRawPointer {
  /// Sets `count` bytes to `value`.
  func set(_ value: UInt8, _ count: Int) {
    initializeMemory(as: UInt8.self, repeating: value, count: count)
  }
}
