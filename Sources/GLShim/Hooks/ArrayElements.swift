import CPlatform
import GLWire
import Wire

// OpenGL 4.6 (compatibility), 10.3.4: glArrayElement, said with the commands that stand for its arrays. Between
// glBegin and glEnd no array can be sent.

/// Component `i` of an element, as a number; `isNormalized`: of whole numbers from -1 or 0 to 1.
private func component(
  _ element: UnsafeRawPointer, _ type: UInt32, _ i: Int, isNormalized: Bool
) -> Double {
  func whole(_ value: Int64, _ most: Double, isSigned: Bool) -> Double {
    guard isNormalized else { return Double(value) }
    // OpenGL 4.6, 2.3.5.
    return isSigned ? max(Double(value) / most, -1) : Double(value) / most
  }
  switch type {
  case GL.BYTE:
    return whole(
      Int64(element.load(fromByteOffset: i, as: Int8.self)), 127, isSigned: true)
  case GL.UNSIGNED_BYTE:
    return whole(
      Int64(element.load(fromByteOffset: i, as: UInt8.self)), 255, isSigned: false)
  case GL.SHORT:
    return whole(
      Int64(element.loadUnaligned(fromByteOffset: i &* 2, as: Int16.self)), 32767, isSigned: true)
  case GL.UNSIGNED_SHORT:
    return whole(
      Int64(element.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self)), 65535,
      isSigned: false)
  case GL.INT:
    return whole(
      Int64(element.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self)), 2_147_483_647,
      isSigned: true)
  case GL.UNSIGNED_INT:
    return whole(
      Int64(element.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)), 4_294_967_295,
      isSigned: false)
  case GL.FLOAT: return Double(element.loadUnaligned(fromByteOffset: i &* 4, as: Float.self))
  case GL.DOUBLE: return element.loadUnaligned(fromByteOffset: i &* 8, as: Double.self)
  default: return 0
  }
}

/// Says element `index` of every enabled array, the vertex last.
func sayElement(_ c: Context, _ index: Int) {
  let shadow = c.pointee.shadow
  var left = shadow.pointee.clientArrays
  // The generic attribute 0 is a vertex too, and goes before it where both are there.
  let vertices: UInt64 = 1 | 1 &<< UInt64(ArraySlot.vertex)
  var last = left & vertices
  left &= ~vertices
  while left != 0 {
    let slot = left.trailingZeroBitCount
    left &= left &- 1
    say(shadow.pointee.arrays[slot], slot, index)
  }
  if last & 1 != 0 { last = 1 }
  if last != 0 {
    say(shadow.pointee.arrays[last.trailingZeroBitCount], last.trailingZeroBitCount, index)
  }
}

private func say(_ array: ClientArray, _ slot: Int, _ index: Int) {
  guard let pointer = array.pointer else { return }
  let element = pointer + index &* array.step
  let isBGRA = array.size == Int32(bitPattern: GL.BGRA)
  let count = isBGRA ? 4 : Int(array.size)
  let isNormalized =
    slot < ArraySlot.vertex
    ? array.flags & ArrayFlag.normalized != 0
    : slot == ArraySlot.normal || slot == ArraySlot.color || slot == ArraySlot.secondaryColor
  func number(_ i: Int, _ none: Double) -> Double {
    guard i < count else { return none }
    let place = isBGRA && i != 1 && i < 3 ? 2 &- i : i
    return component(element, array.type, place, isNormalized: isNormalized)
  }
  if saySigned(array.type, slot, element, count) { return }
  let (x, y, z, w) = (number(0, 0), number(1, 0), number(2, 0), number(3, 1))
  let (fx, fy, fz, fw) = (Float(x), Float(y), Float(z), Float(w))
  switch slot {
  case ArraySlot.vertex: gl_Vertex4f(fx, fy, fz, fw)
  case ArraySlot.normal: gl_Normal3f(fx, fy, fz)
  case ArraySlot.color: gl_Color4f(fx, fy, fz, fw)
  case ArraySlot.secondaryColor: gl_SecondaryColor3f(fx, fy, fz)
  case ArraySlot.fogCoord: gl_FogCoordf(fx)
  case ArraySlot.index: gl_Indexf(fx)
  case ArraySlot.edgeFlag: gl_EdgeFlag(element.load(as: UInt8.self))
  case ArraySlot.texCoord...:
    gl_MultiTexCoord4f(
      GL.TEXTURE0 &+ UInt32(slot &- ArraySlot.texCoord), fx, fy, fz, fw)
  default:
    let attribute = UInt32(slot)
    if array.flags & ArrayFlag.integer != 0 {
      func word(_ i: Int, _ none: Int64) -> UInt32 {
        i < count ? UInt32(truncatingIfNeeded: Int64(number(i, 0))) : UInt32(none)
      }
      gl_VertexAttribI4ui(attribute, word(0, 0), word(1, 0), word(2, 0), word(3, 1))
    } else if array.flags & ArrayFlag.long != 0 {
      gl_VertexAttribL4d(attribute, x, y, z, w)
    } else {
      gl_VertexAttrib4f(attribute, fx, fy, fz, fw)
    }
  }
}

/// Colors and normals of whole numbers with a sign, which drivers make numbers of in two ways (OpenGL 4.2,
/// 2.3.4 and before): it is left to them. False for all others.
private func saySigned(
  _ type: UInt32, _ slot: Int, _ element: UnsafeRawPointer, _ count: Int
) -> Bool {
  switch type {
  case GL.BYTE:
    func at(_ i: Int) -> Int8 { element.load(fromByteOffset: i, as: Int8.self) }
    switch slot {
    case ArraySlot.color where count == 4: gl_Color4b(at(0), at(1), at(2), at(3))
    case ArraySlot.color: gl_Color3b(at(0), at(1), at(2))
    case ArraySlot.normal: gl_Normal3b(at(0), at(1), at(2))
    case ArraySlot.secondaryColor: gl_SecondaryColor3b(at(0), at(1), at(2))
    default: return false
    }
  case GL.SHORT:
    func at(_ i: Int) -> Int16 { element.loadUnaligned(fromByteOffset: i &* 2, as: Int16.self) }
    switch slot {
    case ArraySlot.color where count == 4: gl_Color4s(at(0), at(1), at(2), at(3))
    case ArraySlot.color: gl_Color3s(at(0), at(1), at(2))
    case ArraySlot.normal: gl_Normal3s(at(0), at(1), at(2))
    case ArraySlot.secondaryColor: gl_SecondaryColor3s(at(0), at(1), at(2))
    default: return false
    }
  case GL.INT:
    func at(_ i: Int) -> Int32 { element.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self) }
    switch slot {
    case ArraySlot.color where count == 4: gl_Color4i(at(0), at(1), at(2), at(3))
    case ArraySlot.color: gl_Color3i(at(0), at(1), at(2))
    case ArraySlot.normal: gl_Normal3i(at(0), at(1), at(2))
    case ArraySlot.secondaryColor: gl_SecondaryColor3i(at(0), at(1), at(2))
    default: return false
    }
  default: return false
  }
  return true
}
