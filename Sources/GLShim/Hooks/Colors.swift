import Client
import GLWire
import Wire

// OpenGL 4.6 (compatibility), 10.2.1: the current color. Programs that draw text in a window ask for it in
// every frame. What bytes and the other whole numbers become is each driver's own (2.3.5): they are asked for,
// but for unsigned bytes, of which all make the same.

/// The current color from now on; in a list that is being compiled, when it is called.
@inline(__always)
private func note(_ c: Context, _ red: Float, _ green: Float, _ blue: Float, _ alpha: Float) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.listMode == 0 else { return noteInList(c, (red, green, blue, alpha)) }
  shadow.pointee.color = (red, green, blue, alpha)
  c.pointee.touched &= ~StateGroup.color
}

@inline(never)
private func noteInList(_ c: Context, _ color: CurrentColor) {
  let shadow = c.pointee.shadow
  // What is current after the vertices of a list, drivers do not agree on.
  if shadow.pointee.isInBegin { c.pointee.touched |= StateGroup.color }
  if c.pointee.touched & StateGroup.color != 0 { c.settle() }
  if !shadow.pointee.isInBegin { shadow.pointee.listEffect.color = color }
  if shadow.pointee.listMode != GL.COMPILE { shadow.pointee.color = color }
}

@inline(__always)
private func number(_ byte: UInt8) -> Float { Float(byte) / 255 }

func note_glColor3f(_ c: Context, _ red: Float, _ green: Float, _ blue: Float) {
  note(c, red, green, blue, 1)
}
func note_glColor4f(_ c: Context, _ red: Float, _ green: Float, _ blue: Float, _ alpha: Float) {
  note(c, red, green, blue, alpha)
}
func note_glColor3fv(_ c: Context, _ v: UnsafePointer<Float>?) {
  if let v { note(c, v[0], v[1], v[2], 1) }
}
func note_glColor4fv(_ c: Context, _ v: UnsafePointer<Float>?) {
  if let v { note(c, v[0], v[1], v[2], v[3]) }
}
func note_glColor3d(_ c: Context, _ red: Double, _ green: Double, _ blue: Double) {
  note(c, Float(red), Float(green), Float(blue), 1)
}
func note_glColor4d(_ c: Context, _ red: Double, _ green: Double, _ blue: Double, _ alpha: Double) {
  note(c, Float(red), Float(green), Float(blue), Float(alpha))
}
func note_glColor3dv(_ c: Context, _ v: UnsafePointer<Double>?) {
  if let v { note(c, Float(v[0]), Float(v[1]), Float(v[2]), 1) }
}
func note_glColor4dv(_ c: Context, _ v: UnsafePointer<Double>?) {
  if let v { note(c, Float(v[0]), Float(v[1]), Float(v[2]), Float(v[3])) }
}
func note_glColor3ub(_ c: Context, _ red: UInt8, _ green: UInt8, _ blue: UInt8) {
  note(c, number(red), number(green), number(blue), 1)
}
func note_glColor4ub(_ c: Context, _ red: UInt8, _ green: UInt8, _ blue: UInt8, _ alpha: UInt8) {
  note(c, number(red), number(green), number(blue), number(alpha))
}
func note_glColor3ubv(_ c: Context, _ v: UnsafePointer<UInt8>?) {
  if let v { note(c, number(v[0]), number(v[1]), number(v[2]), 1) }
}
func note_glColor4ubv(_ c: Context, _ v: UnsafePointer<UInt8>?) {
  if let v { note(c, number(v[0]), number(v[1]), number(v[2]), number(v[3])) }
}

/// The current color, when it is known: drivers leave in it what they drew last of an array of colors.
func currentColor(_ c: Context) -> CurrentColor? {
  let shadow = c.pointee.shadow
  guard shadow.pointee.vertexArray == 0,
    shadow.pointee.enabled & (1 &<< UInt64(ArraySlot.color)) == 0
  else { return nil }
  c.settle()
  return shadow.pointee.color
}
