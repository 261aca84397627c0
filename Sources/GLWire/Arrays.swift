/// How a vertex array in client memory is to be read; a bit each.
public enum ArrayFlag {
  @inlinable public static var normalized: UInt32 { 1 }
  /// By glVertexAttribIPointer.
  @inlinable public static var integer: UInt32 { 2 }
  /// By glVertexAttribLPointer.
  @inlinable public static var long: UInt32 { 4 }
}
