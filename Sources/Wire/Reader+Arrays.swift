// Reads of a caller's memory, of ids that are being made, and of checked enumerants.

extension Reader {
  /// Copies the next `count` bytes (a multiple of 4) to `to`.
  @inlinable
  public mutating func copy(
    to: UnsafeMutableRawPointer, _ count: Int, _ field: StaticString
  ) {
    guard let p = take(count, field) else { return }
    to.copyMemory(from: p, byteCount: count)
  }

  /// Copies an array into a caller's memory, which has room for `capacity` elements.
  public mutating func copyArray(
    to: UnsafeMutableRawPointer?, _ capacity: Int, stride: Int, _ field: StaticString
  ) {
    guard let p = take(4, field) else { return }
    let n = Int(p.get32(0))
    guard n <= remaining / max(stride, 1), n <= capacity, to != nil || n == 0 else {
      fail(.count, field)
      return
    }
    guard let to, let source = take((n &* stride + 3) & ~3, field) else { return }
    to.copyMemory(from: source, byteCount: n &* stride)
  }

  /// Keeps the id of an object that is being made: never 0. The table has not seen it yet.
  public mutating func id(_ value: UInt64, _ field: StaticString) -> UnsafePointer<UInt64>? {
    guard value != 0 else {
      fail(.handle, field)
      return nil
    }
    guard let to = room(1, 8, field) else { return nil }
    to.put64(value, 0)
    return UnsafePointer(to.bindMemory(to: UInt64.self, capacity: 1))
  }

  /// The ids of objects that are being made.
  public mutating func idArray(
    _ field: StaticString, _ found: inout Int
  ) -> UnsafePointer<UInt64>? {
    found = 0
    guard let to = array(8, field, &found) else { return nil }
    let ids = to.bindMemory(to: UInt64.self, capacity: found)
    for i: Int in 0..<found where ids[i] == 0 {
      fail(.handle, field)
      found = 0
      return nil
    }
    return UnsafePointer(ids)
  }

  /// An array of enumerants, each of which `isKnown` must know.
  public mutating func checkedArray(
    _ isKnown: (UInt32) -> Bool, _ field: StaticString, _ found: inout Int
  ) -> UnsafeMutableRawPointer? {
    let to: UnsafeMutableRawPointer? = array(4, field, &found)
    guard let to else { return nil }
    for i: Int in 0..<found where !isKnown(UnsafeRawPointer(to).get32(i &* 4)) {
      fail(.enumerant, field)
      found = 0
      return nil
    }
    return to
  }
}
