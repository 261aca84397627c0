/// Takes little-endian fields from bytes that somebody else has written. A read beyond their end gives zeros and
/// is remembered, so that one look at `isSound` behind the last field is enough.
struct FieldReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private(set) var isSound = true

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value {
    let size = MemoryLayout<Value>.size
    guard isSound, size <= remaining else {
      isSound = false
      return 0
    }
    defer { position += size }
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Value.self))
  }

  /// The next `count` bytes; none when there are fewer.
  mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
    guard isSound, count >= 0, count <= remaining else {
      isSound = false
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  mutating func rest() -> UnsafeRawBufferPointer { take(remaining) }
}

extension [UInt8] {
  /// Appends fields in little-endian order.
  mutating func add<each Value: FixedWidthInteger>(_ values: repeat each Value) {
    for value in repeat each values {
      Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
  }
}
