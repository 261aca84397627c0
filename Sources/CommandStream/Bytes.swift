internal import CPlatform
internal import Wire

/// Memory that grows at its end and is kept when emptied. Its owner calls `free`.
///
/// Running out of memory is sticky: nothing is added from then on, and `hasFailed` says so, so that
/// a coder asks once, at its end.
struct Bytes {
  private(set) var start: UnsafeMutableRawPointer?
  private(set) var count = 0
  private var capacity = 0
  private(set) var hasFailed = false

  /// Bytes that one buffer never exceeds: no record or message is larger.
  private static let limit = 1 << 30

  var contents: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// Memory that an empty buffer holds on to; one that was larger for once gives it back.
  private static let kept = 32 << 20

  mutating func reset() {
    if capacity > Bytes.kept {
      platform_free(start)
      start = nil
      capacity = 0
    }
    count = 0
    hasFailed = false
  }

  /// Makes the failure known of whoever adds to the buffer and cannot.
  mutating func fail() { hasFailed = true }

  /// Cuts what was added behind the first `length` bytes.
  mutating func truncate(_ length: Int) { count = min(count, max(length, 0)) }

  /// Room for `more` bytes at the end, which are part of the contents from now on; nil without
  /// memory. Valid until the next addition.
  mutating func add(_ more: Int) -> UnsafeMutableRawPointer? {
    guard !hasFailed, more >= 0, more <= Bytes.limit - count else {
      hasFailed = true
      return nil
    }
    if count + more > capacity {
      let wanted = max(capacity * 2, count + more, 4096)
      guard let larger = platform_realloc(start, wanted) else {
        hasFailed = true
        return nil
      }
      start = larger
      capacity = wanted
    }
    defer { count += more }
    return start.map { $0 + count }
  }

  mutating func append(_ source: UnsafeRawBufferPointer) {
    guard source.count > 0, let from = source.baseAddress, let to = add(source.count) else {
      return
    }
    platform_copy(to, from, source.count)
  }

  mutating func append32(_ value: UInt32) { add(4)?.put32(value, 0) }

  /// Seven bits a byte, the lowest first; the top bit says that more follow.
  mutating func appendVariable(_ value: UInt64) {
    guard let room = add(10) else { return }
    var rest = value
    var used = 0
    while rest >= 0x80 {
      room.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: used, as: UInt8.self)
      rest >>= 7
      used += 1
    }
    room.storeBytes(of: UInt8(rest), toByteOffset: used, as: UInt8.self)
    count -= 9 - used
  }

  /// Zeros up to a multiple of `alignment`, a power of two.
  mutating func pad(_ alignment: Int) {
    let more = -count & (alignment - 1)
    guard more > 0, let room = add(more) else { return }
    room.initializeMemory(as: UInt8.self, repeating: 0, count: more)
  }

  /// Exactly this contents in memory of its own, which the caller frees; nil when empty or without
  /// memory.
  static func copy(_ source: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
    guard source.count > 0, let from = source.baseAddress,
      let memory = platform_aligned_alloc(16, source.count)
    else { return nil }
    platform_copy(memory, from, source.count)
    return memory
  }

  /// Gives the memory back. The buffer must not be used again.
  func free() { platform_free(start) }
}

/// Reads the front of bytes that somebody else has written: checked, and never beyond their end.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  /// A number of at most 32 bits in seven bits a byte; nil when it is longer or cut off.
  mutating func variable() -> UInt32? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count && shift <= 28 {
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return UInt32(exactly: value) }
      shift += 7
    }
    return nil
  }

  mutating func take(_ count: Int) -> UnsafeRawPointer? {
    guard count >= 0, count <= remaining, let start = bytes.baseAddress else { return nil }
    defer { position += count }
    return start + position
  }
}
