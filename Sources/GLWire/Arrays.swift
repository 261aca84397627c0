/// How a vertex array in client memory is to be read; a bit each.
public enum ArrayFlag {
  @inlinable public static var normalized: UInt32 { 1 }
  /// By glVertexAttribIPointer.
  @inlinable public static var integer: UInt32 { 2 }
  /// By glVertexAttribLPointer.
  @inlinable public static var long: UInt32 { 4 }
}

/// Places of arrays in `glVertexData`: 0 to 31 generic attributes, then those of fixed function.
public enum ArraySlot {
  @inlinable public static var vertex: Int { 32 }
  @inlinable public static var normal: Int { 33 }
  @inlinable public static var color: Int { 34 }
  @inlinable public static var secondaryColor: Int { 35 }
  @inlinable public static var fogCoord: Int { 36 }
  @inlinable public static var index: Int { 37 }
  @inlinable public static var edgeFlag: Int { 38 }
  /// That of texture unit 0; the others' follow.
  @inlinable public static var texCoord: Int { 40 }
  @inlinable public static var texCoordCount: Int { 24 }
  @inlinable public static var count: Int { 64 }
}
