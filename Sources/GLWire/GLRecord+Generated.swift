import Wire

// What generated code reads with.

extension GLRecord {
  /// Whether `count` bytes are there; a failure when they are not. `take32` and `take64` then read them
  /// without another look.
  @inlinable
  @inline(__always)
  public mutating func need(_ count: Int, _ command: StaticString) -> Bool {
    if _fastPath(end - cursor >= count) { return true }
    fail(command)
    return false
  }

  @inlinable
  @inline(__always)
  public mutating func take32() -> UInt32 {
    let value = cursor.get32(0)
    cursor += 4
    return value
  }

  @inlinable
  @inline(__always)
  public mutating func take64() -> UInt64 {
    let value = cursor.get64(0)
    cursor += 8
    return value
  }

  /// Steps over bytes that `need` has found.
  @inlinable
  @inline(__always)
  public mutating func skip(_ count: Int) { cursor += count }

  /// An array of which the command reads `bytes`; nil for NULL, which is a failure where it is not
  /// allowed and something would be read.
  @inlinable
  public mutating func array(_ bytes: Int, isOptional: Bool, _ field: StaticString)
    -> UnsafeRawPointer?
  {
    let (pointer, _) = array(minimumBytes: bytes, field: field)
    if pointer == nil, !isOptional, bytes > 0 { fail(field) }
    return pointer
  }

  /// A text of `length` bytes; with a negative length one that ends with its NUL.
  public mutating func text(_ length: Int32, isOptional: Bool, _ field: StaticString)
    -> UnsafeRawPointer?
  {
    length < 0
      ? string(isOptional: isOptional, field)
      : array(Int(length), isOptional: isOptional, field)
  }

  /// A string, which ends with its NUL.
  public mutating func string(isOptional: Bool, _ field: StaticString) -> UnsafeRawPointer? {
    let (pointer, count) = array(minimumBytes: 1, field: field)
    guard let pointer else {
      if !isOptional { fail(field) }
      return nil
    }
    guard pointer.load(fromByteOffset: count &- 1, as: UInt8.self) == 0 else {
      fail(field)
      return nil
    }
    return pointer
  }
}
