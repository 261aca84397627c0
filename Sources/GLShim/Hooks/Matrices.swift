import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6 (compatibility), 12.1.1: what commands do to the matrices that are kept here, and to the
// state that `StateCache` remembers.

extension UnsafeMutablePointer<ContextState> {
  /// Says how many matrices the driver's stacks hold.
  func setMatrixLimits() {
    func depth(_ pname: UInt32, _ least: Double) -> Int { Int(min(limit(pname) ?? least, 64)) }
    let shadow = pointee.shadow
    shadow.pointee.matrices.setLimit(GL.MODELVIEW, depth(GL.MAX_MODELVIEW_STACK_DEPTH, 32))
    shadow.pointee.matrices.setLimit(GL.PROJECTION, depth(GL.MAX_PROJECTION_STACK_DEPTH, 2))
    shadow.pointee.matrices.setLimit(GL.TEXTURE, depth(GL.MAX_TEXTURE_STACK_DEPTH, 2))
  }

  /// Does what a command does, now or when the list that is being compiled is called.
  fileprivate func matrix(_ op: UInt32, _ operands: UnsafePointer<Float>) {
    let shadow = pointee.shadow
    guard !shadow.pointee.isInBegin else { return }
    if shadow.pointee.listMode != 0 { shadow.pointee.listEffect.add(op, operands) }
    if shadow.pointee.listMode != GL.COMPILE { shadow.pointee.matrices.apply(op, operands) }
  }

  /// The same with operands that are a tuple of single-precision numbers, or a word.
  fileprivate func matrix<Operands>(_ op: UInt32, of operands: Operands) {
    withUnsafeBytes(of: operands) {
      guard let start = $0.baseAddress else { return }
      matrix(op, start.assumingMemoryBound(to: Float.self))
    }
  }

  /// Sixteen numbers of any type, which may be written row by row.
  fileprivate func matrix<Number>(
    _ op: UInt32, _ m: UnsafePointer<Number>?, isTransposed: Bool, _ convert: (Number) -> Float
  ) {
    guard let m else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) {
      guard let values = $0.baseAddress else { return }
      var i = 0
      while i < 16 {
        values[i] = convert(m[isTransposed ? (i & 3) &* 4 &+ i / 4 : i])
        i &+= 1
      }
      matrix(op, values)
    }
  }
}

/// GLfixed.
@inline(__always)
private func number(_ x: Int32) -> Float { Float(x) / 65536 }

func note_glMatrixMode(_ c: Context, _ mode: UInt32) {
  c.matrix(MatrixOp.mode, of: mode)
}
func note_glActiveTexture(_ c: Context, _ texture: UInt32) {
  c.matrix(MatrixOp.activeTexture, of: texture)
}
func note_glLoadIdentity(_ c: Context) {
  c.matrix(MatrixOp.identity, of: UInt32(0))
}
func note_glPushMatrix(_ c: Context) {
  c.matrix(MatrixOp.push, of: UInt32(0))
}
func note_glPopMatrix(_ c: Context) {
  c.matrix(MatrixOp.pop, of: UInt32(0))
}
func note_glPushAttrib(_ c: Context, _ mask: UInt32) {
  let shadow = c.pointee.shadow
  let depth = shadow.pointee.matrices.savedCount
  c.matrix(MatrixOp.pushAttributes, of: mask)
  guard shadow.pointee.matrices.savedCount > depth, shadow.pointee.state.isAsked,
    shadow.pointee.listMode != GL.COMPILE,
    let copy = shadow.pointee.matrices.roomForCopy(StateCache.copyBytes)
  else { return }
  c.settle()
  shadow.pointee.state.save(copy)
}
func note_glPopAttrib(_ c: Context) {
  let shadow = c.pointee.shadow
  if shadow.pointee.listMode != 0 { shadow.pointee.listEffect.addForget(StateGroup.all) }
  guard shadow.pointee.listMode != GL.COMPILE, !shadow.pointee.isInBegin else {
    return c.matrix(MatrixOp.popAttributes, of: UInt32(0))
  }
  c.settle()
  let pop = shadow.pointee.matrices.nextPop
  c.matrix(MatrixOp.popAttributes, of: UInt32(0))
  guard let pop else { return c.forget(StateGroup.all & ~StateGroup.storage) }
  c.forget(StateGroup.popped(pop.mask))
  if let copy = pop.copy { shadow.pointee.state.restore(copy, StateGroup.poppedWhole(pop.mask)) }
}

func note_glListBase(_ c: Context, _ base: UInt32) {
  c.matrix(MatrixOp.listBase, of: base)
}
func note_glLoadMatrixf(_ c: Context, _ m: UnsafePointer<Float>?) {
  c.matrix(MatrixOp.load, m, isTransposed: false, { $0 })
}
func note_glLoadMatrixd(_ c: Context, _ m: UnsafePointer<Double>?) {
  c.matrix(MatrixOp.load, m, isTransposed: false, { Float($0) })
}
func note_glLoadMatrixx(_ c: Context, _ m: UnsafePointer<Int32>?) {
  c.matrix(MatrixOp.load, m, isTransposed: false, number)
}
func note_glLoadTransposeMatrixf(_ c: Context, _ m: UnsafePointer<Float>?) {
  c.matrix(MatrixOp.load, m, isTransposed: true, { $0 })
}
func note_glLoadTransposeMatrixd(_ c: Context, _ m: UnsafePointer<Double>?) {
  c.matrix(MatrixOp.load, m, isTransposed: true, { Float($0) })
}
func note_glMultMatrixf(_ c: Context, _ m: UnsafePointer<Float>?) {
  c.matrix(MatrixOp.multiply, m, isTransposed: false, { $0 })
}
func note_glMultMatrixd(_ c: Context, _ m: UnsafePointer<Double>?) {
  c.matrix(MatrixOp.multiply, m, isTransposed: false, { Float($0) })
}
func note_glMultMatrixx(_ c: Context, _ m: UnsafePointer<Int32>?) {
  c.matrix(MatrixOp.multiply, m, isTransposed: false, number)
}
func note_glMultTransposeMatrixf(_ c: Context, _ m: UnsafePointer<Float>?) {
  c.matrix(MatrixOp.multiply, m, isTransposed: true, { $0 })
}
func note_glMultTransposeMatrixd(_ c: Context, _ m: UnsafePointer<Double>?) {
  c.matrix(MatrixOp.multiply, m, isTransposed: true, { Float($0) })
}
func note_glTranslatef(_ c: Context, _ x: Float, _ y: Float, _ z: Float) {
  c.matrix(MatrixOp.translate, of: (x, y, z))
}
func note_glTranslated(_ c: Context, _ x: Double, _ y: Double, _ z: Double) {
  c.matrix(MatrixOp.translate, of: (Float(x), Float(y), Float(z)))
}
func note_glTranslatex(_ c: Context, _ x: Int32, _ y: Int32, _ z: Int32) {
  c.matrix(MatrixOp.translate, of: (number(x), number(y), number(z)))
}
func note_glScalef(_ c: Context, _ x: Float, _ y: Float, _ z: Float) {
  c.matrix(MatrixOp.scale, of: (x, y, z))
}
func note_glScaled(_ c: Context, _ x: Double, _ y: Double, _ z: Double) {
  c.matrix(MatrixOp.scale, of: (Float(x), Float(y), Float(z)))
}
func note_glScalex(_ c: Context, _ x: Int32, _ y: Int32, _ z: Int32) {
  c.matrix(MatrixOp.scale, of: (number(x), number(y), number(z)))
}
func note_glRotatef(_ c: Context, _ angle: Float, _ x: Float, _ y: Float, _ z: Float) {
  c.matrix(MatrixOp.rotate, of: (angle, x, y, z))
}
func note_glRotated(_ c: Context, _ angle: Double, _ x: Double, _ y: Double, _ z: Double) {
  c.matrix(MatrixOp.rotate, of: (Float(angle), Float(x), Float(y), Float(z)))
}
func note_glRotatex(_ c: Context, _ angle: Int32, _ x: Int32, _ y: Int32, _ z: Int32) {
  c.matrix(MatrixOp.rotate, of: (number(angle), number(x), number(y), number(z)))
}
func note_glOrtho(
  _ c: Context, _ l: Double, _ r: Double, _ b: Double, _ t: Double, _ n: Double, _ f: Double
) {
  c.matrix(MatrixOp.ortho, of: (Float(l), Float(r), Float(b), Float(t), Float(n), Float(f)))
}
func note_glOrthof(
  _ c: Context, _ l: Float, _ r: Float, _ b: Float, _ t: Float, _ n: Float, _ f: Float
) {
  c.matrix(MatrixOp.ortho, of: (l, r, b, t, n, f))
}
func note_glOrthox(
  _ c: Context, _ l: Int32, _ r: Int32, _ b: Int32, _ t: Int32, _ n: Int32, _ f: Int32
) {
  c.matrix(MatrixOp.ortho, of: (number(l), number(r), number(b), number(t), number(n), number(f)))
}
func note_glFrustum(
  _ c: Context, _ l: Double, _ r: Double, _ b: Double, _ t: Double, _ n: Double, _ f: Double
) {
  c.matrix(MatrixOp.frustum, of: (Float(l), Float(r), Float(b), Float(t), Float(n), Float(f)))
}
func note_glFrustumf(
  _ c: Context, _ l: Float, _ r: Float, _ b: Float, _ t: Float, _ n: Float, _ f: Float
) {
  c.matrix(MatrixOp.frustum, of: (l, r, b, t, n, f))
}
func note_glFrustumx(
  _ c: Context, _ l: Int32, _ r: Int32, _ b: Int32, _ t: Int32, _ n: Int32, _ f: Int32
) {
  c.matrix(MatrixOp.frustum, of: (number(l), number(r), number(b), number(t), number(n), number(f)))
}

// MARK: Matrices by their names (GL_EXT_direct_state_access)

/// Does to the matrices of `mode` what `body` does to those of the current one.
private func withMatrices(_ c: Context, _ mode: UInt32, _ body: () -> Void) {
  c.matrix(MatrixOp.select, of: mode)
  body()
  c.matrix(MatrixOp.reselect, of: UInt32(0))
}
func note_glMatrixLoadfEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Float>?) {
  withMatrices(c, mode) { note_glLoadMatrixf(c, m) }
}
func note_glMatrixLoaddEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Double>?) {
  withMatrices(c, mode) { note_glLoadMatrixd(c, m) }
}
func note_glMatrixMultfEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Float>?) {
  withMatrices(c, mode) { note_glMultMatrixf(c, m) }
}
func note_glMatrixMultdEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Double>?) {
  withMatrices(c, mode) { note_glMultMatrixd(c, m) }
}
func note_glMatrixLoadTransposefEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Float>?) {
  withMatrices(c, mode) { note_glLoadTransposeMatrixf(c, m) }
}
func note_glMatrixLoadTransposedEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Double>?) {
  withMatrices(c, mode) { note_glLoadTransposeMatrixd(c, m) }
}
func note_glMatrixMultTransposefEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Float>?) {
  withMatrices(c, mode) { note_glMultTransposeMatrixf(c, m) }
}
func note_glMatrixMultTransposedEXT(_ c: Context, _ mode: UInt32, _ m: UnsafePointer<Double>?) {
  withMatrices(c, mode) { note_glMultTransposeMatrixd(c, m) }
}
func note_glMatrixLoadIdentityEXT(_ c: Context, _ mode: UInt32) {
  withMatrices(c, mode) { note_glLoadIdentity(c) }
}
func note_glMatrixPushEXT(_ c: Context, _ mode: UInt32) {
  withMatrices(c, mode) { note_glPushMatrix(c) }
}
func note_glMatrixPopEXT(_ c: Context, _ mode: UInt32) {
  withMatrices(c, mode) { note_glPopMatrix(c) }
}
func note_glMatrixTranslatefEXT(_ c: Context, _ mode: UInt32, _ x: Float, _ y: Float, _ z: Float) {
  withMatrices(c, mode) { note_glTranslatef(c, x, y, z) }
}
func note_glMatrixScalefEXT(_ c: Context, _ mode: UInt32, _ x: Float, _ y: Float, _ z: Float) {
  withMatrices(c, mode) { note_glScalef(c, x, y, z) }
}
func note_glMatrixRotatefEXT(
  _ c: Context, _ mode: UInt32, _ angle: Float, _ x: Float, _ y: Float, _ z: Float
) {
  withMatrices(c, mode) { note_glRotatef(c, angle, x, y, z) }
}
func note_glMatrixTranslatedEXT(_ c: Context, _ mode: UInt32, _ x: Double, _ y: Double, _ z: Double)
{
  withMatrices(c, mode) { note_glTranslated(c, x, y, z) }
}
func note_glMatrixScaledEXT(_ c: Context, _ mode: UInt32, _ x: Double, _ y: Double, _ z: Double) {
  withMatrices(c, mode) { note_glScaled(c, x, y, z) }
}
func note_glMatrixRotatedEXT(
  _ c: Context, _ mode: UInt32, _ angle: Double, _ x: Double, _ y: Double, _ z: Double
) {
  withMatrices(c, mode) { note_glRotated(c, angle, x, y, z) }
}
func note_glMatrixOrthoEXT(
  _ c: Context, _ mode: UInt32, _ l: Double, _ r: Double, _ b: Double, _ t: Double, _ n: Double,
  _ f: Double
) {
  withMatrices(c, mode) { note_glOrtho(c, l, r, b, t, n, f) }
}
func note_glMatrixFrustumEXT(
  _ c: Context, _ mode: UInt32, _ l: Double, _ r: Double, _ b: Double, _ t: Double, _ n: Double,
  _ f: Double
) {
  withMatrices(c, mode) { note_glFrustum(c, l, r, b, t, n, f) }
}

// MARK: What commands set

/// Negative sizes are errors, and larger ones than the driver has are made smaller there.
func noteViewport(_ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32) {
  guard let most = c.pointee.binding.facts?.pointee.numbers(of: GL.MAX_VIEWPORT_DIMS),
    most.count >= 2, width >= 0, height >= 0, Double(width) <= most[0], Double(height) <= most[1],
    abs(x) <= 16384, abs(y) <= 16384
  else { return }
  c.remember(GL.VIEWPORT, x, y, width, height)
}

func note_glScissor(_ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32) {
  if width >= 0, height >= 0 { c.remember(GL.SCISSOR_BOX, x, y, width, height) }
}

/// OpenGL 4.6 (compatibility), 14.6.4.
func note_glPolygonMode(_ c: Context, _ face: UInt32, _ mode: UInt32) {
  if c.records(MatrixOp.polygonMode, of: (face, mode)) { setPolygonMode(c, face, mode) }
}

/// The same where it is carried out.
func setPolygonMode(_ c: Context, _ face: UInt32, _ mode: UInt32) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.state.isAsked else { return }
  c.settle()
  var modes = (Int32(0), Int32(0))
  let isKnown = shadow.pointee.state.copy(GL.POLYGON_MODE, .integer, &modes)
  let isPlain = mode == GL.POINT || mode == GL.LINE || mode == GL.FILL
  let value = Int32(bitPattern: mode)
  switch face {
  case GL.FRONT_AND_BACK where isPlain: modes = (value, value)
  // No error with fixed function alone.
  case GL.FRONT where isPlain && isKnown && c.hasFixedFunction: modes.0 = value
  case GL.BACK where isPlain && isKnown && c.hasFixedFunction: modes.1 = value
  default: return shadow.pointee.state.drop(GL.POLYGON_MODE)
  }
  shadow.pointee.state.keep(GL.POLYGON_MODE, .integer, &modes, 2, isWhole: true)
}

func note_glDepthFunc(_ c: Context, _ f: UInt32) {
  if f >= GL.NEVER, f <= GL.ALWAYS { c.remember(GL.DEPTH_FUNC, Int32(f)) }
}

func note_glDepthMask(_ c: Context, _ flag: UInt8) {
  c.remember(GL.DEPTH_WRITEMASK, flag == 0 ? 0 : 1)
}

func note_glCullFace(_ c: Context, _ mode: UInt32) {
  if mode == GL.FRONT || mode == GL.BACK || mode == GL.FRONT_AND_BACK {
    c.remember(GL.CULL_FACE_MODE, Int32(mode))
  }
}

func note_glFrontFace(_ c: Context, _ mode: UInt32) {
  if mode == GL.CW || mode == GL.CCW { c.remember(GL.FRONT_FACE, Int32(mode)) }
}

private func isFactor(_ factor: UInt32) -> Bool {
  factor == GL.ZERO || factor == GL.ONE
    || factor >= GL.SRC_COLOR && factor <= GL.ONE_MINUS_DST_COLOR
    || factor >= GL.CONSTANT_COLOR && factor <= GL.ONE_MINUS_CONSTANT_ALPHA
}

/// The factors that every context takes for both sides.
private func noteBlend(
  _ c: Context, _ sourceColor: UInt32, _ color: UInt32, _ sourceAlpha: UInt32, _ alpha: UInt32
) {
  guard isFactor(sourceColor), isFactor(color), isFactor(sourceAlpha), isFactor(alpha) else {
    return
  }
  c.remember(GL.BLEND_SRC_RGB, Int32(sourceColor))
  c.remember(GL.BLEND_DST_RGB, Int32(color))
  c.remember(GL.BLEND_SRC_ALPHA, Int32(sourceAlpha))
  c.remember(GL.BLEND_DST_ALPHA, Int32(alpha))
  // The names of before the sides were apart.
  if c.hasFixedFunction {
    c.remember(GL.BLEND_SRC, Int32(sourceColor))
    c.remember(GL.BLEND_DST, Int32(color))
  }
}
func note_glBlendFunc(_ c: Context, _ sfactor: UInt32, _ dfactor: UInt32) {
  noteBlend(c, sfactor, dfactor, sfactor, dfactor)
}
func note_glBlendFuncSeparate(
  _ c: Context, _ sfactorRGB: UInt32, _ dfactorRGB: UInt32, _ sfactorAlpha: UInt32,
  _ dfactorAlpha: UInt32
) {
  noteBlend(c, sfactorRGB, dfactorRGB, sfactorAlpha, dfactorAlpha)
}

/// A program that can be used: one that is known to be linked, or none.
func note_glUseProgram(_ c: Context, _ program: UInt32) {
  // What it will be when a list is called is not known.
  guard c.pointee.shadow.pointee.state.isAsked, c.pointee.shadow.pointee.listMode == 0 else {
    return
  }
  guard program != 0 else { return c.remember(GL.CURRENT_PROGRAM, 0) }
  let share = c.pointee.share
  share.pointee.lock.lock()
  let known = share.pointee.reflections.answer(program)
  let isLinked =
    known.map { $0.kind == ReflectedKind.program && $0.value(GL.LINK_STATUS) == 1 } ?? false
  share.pointee.lock.unlock()
  if isLinked { c.remember(GL.CURRENT_PROGRAM, Int32(bitPattern: program)) }
}
