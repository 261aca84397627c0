/// Where the ids lie in every record of one command: up to three of them at fixed offsets, and the
/// elements of one array. Offsets count from the start of the record.
public struct IDForm {
  public let fixedCount: Int
  /// Offsets of the single ids, ascending.
  public let fixed: (UInt16, UInt16, UInt16)
  /// Offset of the array's `u32 count`, behind the single ids; 0 when there is none.
  public let array: UInt16

  init(array: UInt16 = 0) { self.init(0, 0, 0, count: 0, array) }
  init(_ a: UInt16, array: UInt16 = 0) { self.init(a, 0, 0, count: 1, array) }
  init(_ a: UInt16, _ b: UInt16, array: UInt16 = 0) { self.init(a, b, 0, count: 2, array) }
  init(_ a: UInt16, _ b: UInt16, _ c: UInt16, array: UInt16 = 0) {
    self.init(a, b, c, count: 3, array)
  }

  private init(_ a: UInt16, _ b: UInt16, _ c: UInt16, count: Int, _ array: UInt16) {
    fixedCount = count
    fixed = (a, b, c)
    self.array = array
  }
}
