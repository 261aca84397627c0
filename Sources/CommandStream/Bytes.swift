internal import CPlatform
internal import Wire

/// What a coder writes to.
typealias Bytes = ByteBuffer

extension ByteBuffer {
  /// Memory that an empty buffer of a coder holds on to; one that was larger for once gives it back.
  static let kept = 32 << 20

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
    truncate(count - (9 - used))
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
