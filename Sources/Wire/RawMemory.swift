// Fields at constant offsets of raw memory. The names carry their width, so that generated code
// needs no overload resolution and compiles fast.

extension UnsafeMutableRawPointer {
  /// Stores 4 bytes at `offset`.
  @inlinable
  public func put32(_ value: UInt32, _ offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
  }

  /// Stores 8 bytes at `offset`; no alignment is asked for.
  @inlinable
  public func put64(_ value: UInt64, _ offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
  }

  /// Stores an address at `offset`.
  @inlinable
  public func putPointer(_ value: UnsafeMutableRawPointer?, _ offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UnsafeMutableRawPointer?.self)
  }

  /// Copies `count` bytes from `source + from` to `offset`.
  @inlinable
  public func put(_ source: UnsafeRawPointer, _ from: Int, _ count: Int, _ offset: Int) {
    (self + offset).copyMemory(from: source + from, byteCount: count)
  }
}

extension UnsafeRawPointer {
  /// The 4 bytes at `offset`; no alignment is asked for.
  @inlinable
  public func get32(_ offset: Int) -> UInt32 {
    loadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  /// The 8 bytes at `offset`; no alignment is asked for.
  @inlinable
  public func get64(_ offset: Int) -> UInt64 {
    loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
}
