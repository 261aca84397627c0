public import Wire

/// Decodes one record of OpenGL, checking everything: no bytes make it trap or read outside.
///
/// The first failure stays; every read after it gives zeros and empty arrays, so that generated code
/// checks once, before it calls the driver. Plain old data.
///
/// The bytes must not change while they are read: whoever shares them with their writer copies them
/// first. Arrays are not copied: what `array` returns lies in the record, at a multiple of 4.
public struct GLRecord {
  @usableFromInline var cursor: UnsafeRawPointer
  @usableFromInline let end: UnsafeRawPointer
  /// The first field that was wrong; nil while there is none.
  public private(set) var failure: StaticString? = nil

  /// A reader on what follows the header of a record, [start, start + count).
  @inlinable
  public init(start: UnsafeRawPointer, count: Int) {
    cursor = start
    end = start + max(count, 0)
  }

  /// Bytes that are left.
  @inlinable
  public var remaining: Int { end - cursor }

  /// Marks `field` as wrong, unless another was before it; every read gives zeros from here on.
  @inline(never)
  public mutating func fail(_ field: StaticString) {
    if failure == nil { failure = field }
    cursor = end
  }

  /// Steps over `count` bytes and returns them; nil (and a failure) when there are fewer.
  @inlinable
  public mutating func take(_ count: Int, _ field: StaticString = "arguments") -> UnsafeRawPointer?
  {
    let start: UnsafeRawPointer = cursor
    guard count >= 0, end - start >= count else {
      fail(field)
      return nil
    }
    cursor = start + count
    return start
  }

  @inlinable
  public mutating func u32(_ field: StaticString = "arguments") -> UInt32 {
    guard let p = take(4, field) else { return 0 }
    return p.get32(0)
  }

  @inlinable
  public mutating func i32(_ field: StaticString = "arguments") -> Int32 {
    Int32(bitPattern: u32(field))
  }

  @inlinable
  public mutating func f32(_ field: StaticString = "arguments") -> Float {
    Float(bitPattern: u32(field))
  }

  @inlinable
  public mutating func u64(_ field: StaticString = "arguments") -> UInt64 {
    guard let p = take(8, field) else { return 0 }
    return p.get64(0)
  }

  @inlinable
  public mutating func i64(_ field: StaticString = "arguments") -> Int64 {
    Int64(bitPattern: u64(field))
  }

  @inlinable
  public mutating func f64(_ field: StaticString = "arguments") -> Double {
    Double(bitPattern: u64(field))
  }

  /// An array that the command reads `minimumBytes` of at least: its bytes, in the record; nil and 0
  /// for NULL.
  @inlinable
  public mutating func array(
    minimumBytes: Int, field: StaticString
  ) -> (pointer: UnsafeRawPointer?, byteCount: Int) {
    let length: UInt32 = u32(field)
    if length == UInt32.max || failure != nil { return (nil, 0) }
    let count = Int(length)
    guard count >= minimumBytes, let p = take((count &+ 3) & ~3, field) else {
      fail(field)
      return (nil, 0)
    }
    return (p, count)
  }
}
