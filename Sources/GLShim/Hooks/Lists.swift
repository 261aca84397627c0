import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6 (compatibility), chapter 21: display lists, feedback and selection, evaluators.

func hook_glGenLists(_ c: Context, _ range: Int32) -> UInt32 {
  guard range >= 0 else {
    c.raise(GL.INVALID_VALUE)
    return 0
  }
  guard range > 0 else { return 0 }
  let share = c.pointee.share
  share.pointee.lock.lock()
  let first = share.pointee.names[.list].pointee.takeRange(Int(range))
  share.pointee.lock.unlock()
  guard first != 0 else { return 0 }
  c.sendName(first)
  encode_glGenLists(c, c.writer, range)
  return first
}

func note_glNewList(_ c: Context, _ list: UInt32, _ mode: UInt32) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.listMode == 0, list != 0, !shadow.pointee.isInBegin,
    mode == GL.COMPILE || mode == GL.COMPILE_AND_EXECUTE
  else { return }
  c.useName(.list, list)
  c.settle()
  shadow.pointee.listMode = mode
  shadow.pointee.list = list
  shadow.pointee.listEffect = ListEffect()
}

func note_glEndList(_ c: Context) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.listMode != 0, !shadow.pointee.isInBegin else { return }
  c.settle()
  shadow.pointee.listEffect.addColor()
  shadow.pointee.listMode = 0
  let share = c.pointee.share
  share.pointee.lock.lock()
  share.pointee.lists.keep(shadow.pointee.list, shadow.pointee.listEffect)
  share.pointee.lock.unlock()
  shadow.pointee.listEffect = ListEffect()
}

/// What a list does to what is kept here; with the group's lock held. Lists call lists 64 deep at
/// the most, as drivers have it.
private func apply(_ c: Context, _ list: UInt32, depth: Int) {
  let shadow = c.pointee.shadow
  guard Int(list) < ListEffects.most else {
    shadow.pointee.matrices.forget()
    c.pointee.touched = StateGroup.all
    return
  }
  let effect = c.pointee.share.pointee.lists.effect(list)
  if effect.isTooLong {
    c.pointee.touched = StateGroup.all
    return shadow.pointee.matrices.forget()
  }
  guard let ops = effect.ops, effect.count > 0 else { return }
  var base: UInt32 = 0
  var i = 0
  while i < effect.count {
    let op = ops[i]
    if op == MatrixOp.call || op == MatrixOp.callFromBase {
      let list = op == MatrixOp.call ? ops[i &+ 1] : base &+ ops[i &+ 1]
      if depth < 64 { apply(c, list, depth: depth &+ 1) }
    } else if op == MatrixOp.takeBase {
      base = shadow.pointee.matrices.listBase
    } else if op == MatrixOp.bindTexture {
      bindTexture(c, target: ops[i &+ 1], ops[i &+ 2])
    } else if op == MatrixOp.nameTexture {
      nameTexture(c, ops[i &+ 1], ops[i &+ 2])
    } else if op == MatrixOp.forget {
      c.pointee.touched |= ops[i &+ 1]
    } else if op == MatrixOp.capability {
      setCapability(c, ops[i &+ 1], ops[i &+ 2] != 0)
    } else if op == MatrixOp.state {
      c.keep(ops[i &+ 1], Int32(bitPattern: ops[i &+ 2]))
    } else if op == MatrixOp.color {
      UnsafeRawPointer(ops + i + 1).withMemoryRebound(to: Float.self, capacity: 4) {
        c.pointee.shadow.pointee.color = ($0[0], $0[1], $0[2], $0[3])
      }
      c.pointee.touched &= ~StateGroup.color
    } else if op == MatrixOp.polygonMode {
      setPolygonMode(c, ops[i &+ 1], ops[i &+ 2])
    } else if op == MatrixOp.state4 {
      UnsafeRawPointer(ops + i + 2).withMemoryRebound(to: Int32.self, capacity: 4) {
        c.keep(ops[i &+ 1], $0[0], $0[1], $0[2], $0[3])
      }
    } else if op == MatrixOp.begin || op == MatrixOp.end {
      shadow.pointee.isInBegin = op == MatrixOp.begin
    } else {
      UnsafeRawPointer(ops + i + 1).withMemoryRebound(to: Float.self, capacity: 16) {
        shadow.pointee.matrices.apply(op, $0)
      }
    }
    i &+= 1 &+ MatrixOp.operandCount(op)
  }
}

/// With the group's lock held.
private func call(_ c: Context, _ op: UInt32, _ list: UInt32, base: UInt32) {
  let shadow = c.pointee.shadow
  if shadow.pointee.listMode != 0 {
    var operand = Float(bitPattern: list)
    shadow.pointee.listEffect.add(op, &operand)
  }
  if shadow.pointee.listMode != GL.COMPILE { apply(c, base &+ list, depth: 0) }
}

func note_glCallList(_ c: Context, _ list: UInt32) {
  let share = c.pointee.share
  share.pointee.lock.lock()
  call(c, MatrixOp.call, list, base: 0)
  share.pointee.lock.unlock()
}

func note_glCallLists(_ c: Context, _ n: Int32, _ type: UInt32, _ lists: UnsafeRawPointer?) {
  guard n > 0, let lists else { return }
  let share = c.pointee.share
  let shadow = c.pointee.shadow
  let base = shadow.pointee.matrices.listBase
  if shadow.pointee.listMode != 0 {
    var nothing: Float = 0
    shadow.pointee.listEffect.add(MatrixOp.takeBase, &nothing)
  }
  share.pointee.lock.lock()
  var i = 0
  while i < Int(n) {
    let offset: UInt32
    switch type {
    case GL.BYTE:
      offset = UInt32(bitPattern: Int32(lists.load(fromByteOffset: i, as: Int8.self)))
    case GL.UNSIGNED_BYTE: offset = UInt32(lists.load(fromByteOffset: i, as: UInt8.self))
    case GL.SHORT:
      offset = UInt32(
        bitPattern: Int32(lists.loadUnaligned(fromByteOffset: i &* 2, as: Int16.self)))
    case GL.UNSIGNED_SHORT:
      offset = UInt32(lists.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self))
    case GL.INT, GL.UNSIGNED_INT:
      offset = lists.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)
    case GL.FLOAT:
      let value = lists.loadUnaligned(fromByteOffset: i &* 4, as: Float.self)
      offset = value > -2e9 && value < 2e9 ? UInt32(bitPattern: Int32(value)) : 0
    case GL._2_BYTES, GL._3_BYTES, GL._4_BYTES:
      let size = type == GL._2_BYTES ? 2 : type == GL._3_BYTES ? 3 : 4
      var value: UInt32 = 0
      var k = 0
      while k < size {
        value = value &<< 8 | UInt32(lists.load(fromByteOffset: i &* size &+ k, as: UInt8.self))
        k &+= 1
      }
      offset = value
    default:
      share.pointee.lock.unlock()
      return
    }
    call(c, MatrixOp.callFromBase, offset, base: base)
    i &+= 1
  }
  share.pointee.lock.unlock()
}

func note_glDeleteLists(_ c: Context, _ list: UInt32, _ range: Int32) {
  let share = c.pointee.share
  share.pointee.lock.lock()
  var i: UInt32 = 0
  while i < UInt32(clamping: range), i < 4 << 20 {
    share.pointee.names[.list].pointee.release(list &+ i)
    share.pointee.lists.forget(list &+ i)
    i &+= 1
  }
  share.pointee.lock.unlock()
}

// MARK: Begin and End, between which nothing is answered

func note_glBegin(_ c: Context, _ mode: UInt32) {
  if mode <= GL.PATCHES, c.hasFixedFunction { setInBegin(c, MatrixOp.begin) }
}
func note_glEnd(_ c: Context) { setInBegin(c, MatrixOp.end) }

/// A list may begin or end what another one, or nobody, ends or has begun.
private func setInBegin(_ c: Context, _ op: UInt32) {
  let shadow = c.pointee.shadow
  if shadow.pointee.listMode != 0 { shadow.pointee.listEffect.addBeginOrEnd(op) }
  if shadow.pointee.listMode != GL.COMPILE { shadow.pointee.isInBegin = op == MatrixOp.begin }
}

extension UnsafeMutablePointer<ContextState> {
  /// Whether a command that is carried out here is one between Begin and End, which is an error.
  func isRefusedInBegin() -> Bool {
    guard pointee.shadow.pointee.isInBegin else { return false }
    raise(GL.INVALID_OPERATION)
    return true
  }
}

// MARK: Feedback and selection: the memory is the application's, and is written when the mode ends

func hook_glFeedbackBuffer(
  _ c: Context, _ size: Int32, _ type: UInt32, _ buffer: UnsafeMutablePointer<Float>?
) {
  if size >= 0 {
    c.pointee.shadow.pointee.feedback = buffer
    c.pointee.shadow.pointee.feedbackSize = Int(size)
  }
  encode_glFeedbackBuffer(c, c.writer, size, type)
}

func hook_glSelectBuffer(_ c: Context, _ size: Int32, _ buffer: UnsafeMutablePointer<UInt32>?) {
  if size >= 0 {
    c.pointee.shadow.pointee.selection = buffer
    c.pointee.shadow.pointee.selectionSize = Int(size)
  }
  encode_glSelectBuffer(c, c.writer, size)
}

func hook_glRenderMode(_ c: Context, _ mode: UInt32) -> Int32 {
  let shadow = c.pointee.shadow
  guard let call = c.beginCall(GLOpcode.glRenderMode) else { return 0 }
  encode_glRenderMode(c, call.writer, call.ticket, mode)
  guard var reply = c.endCall(call) else { return 0 }
  let result = reply.i32("result")
  // The mode that has ended, so that the bytes are put where they belong.
  switch reply.u32("mode") {
  case GL.FEEDBACK: reply.copyOut(shadow.pointee.feedback, shadow.pointee.feedbackSize &* 4)
  case GL.SELECT: reply.copyOut(shadow.pointee.selection, shadow.pointee.selectionSize &* 4)
  default: break
  }
  c.finishCall(call)
  return result
}

// MARK: Evaluators: the control points alone, in one piece

private func components(_ target: UInt32) -> Int {
  switch target {
  case GL.MAP1_VERTEX_3, GL.MAP2_VERTEX_3, GL.MAP1_NORMAL, GL.MAP2_NORMAL,
    GL.MAP1_TEXTURE_COORD_3, GL.MAP2_TEXTURE_COORD_3:
    3
  case GL.MAP1_VERTEX_4, GL.MAP2_VERTEX_4, GL.MAP1_COLOR_4, GL.MAP2_COLOR_4,
    GL.MAP1_TEXTURE_COORD_4, GL.MAP2_TEXTURE_COORD_4:
    4
  case GL.MAP1_TEXTURE_COORD_2, GL.MAP2_TEXTURE_COORD_2: 2
  case GL.MAP1_INDEX, GL.MAP2_INDEX, GL.MAP1_TEXTURE_COORD_1, GL.MAP2_TEXTURE_COORD_1: 1
  default: 0
  }
}

private func sendPoints(
  _ c: Context, _ points: UnsafeRawPointer?, _ size: Int, _ target: UInt32, _ ustride: Int32,
  _ uorder: Int32, _ vstride: Int32, _ vorder: Int32
) {
  // Orders and strides that make no sense are the driver's to refuse, which reads no point then.
  let n = components(target)
  let isRight =
    n > 0 && uorder > 0 && vorder > 0 && uorder <= 64 && vorder <= 64 && Int(ustride) >= n
    && (vorder == 1 || Int(vstride) >= n)
  let last =
    isRight ? Int(uorder &- 1) &* Int(ustride) &+ Int(vorder &- 1) &* Int(vstride) &+ n : 0
  c.sendMemory(points, glProduct(last, size))
}

func hook_glMap1d(
  _ c: Context, _ target: UInt32, _ u1: Double, _ u2: Double, _ stride: Int32, _ order: Int32,
  _ points: UnsafePointer<Double>?
) {
  sendPoints(c, points, 8, target, stride, order, 0, 1)
  encode_glMap1d(c, c.writer, target, u1, u2, stride, order)
}
func hook_glMap1f(
  _ c: Context, _ target: UInt32, _ u1: Float, _ u2: Float, _ stride: Int32, _ order: Int32,
  _ points: UnsafePointer<Float>?
) {
  sendPoints(c, points, 4, target, stride, order, 0, 1)
  encode_glMap1f(c, c.writer, target, u1, u2, stride, order)
}
func hook_glMap2d(
  _ c: Context, _ target: UInt32, _ u1: Double, _ u2: Double, _ ustride: Int32, _ uorder: Int32,
  _ v1: Double, _ v2: Double, _ vstride: Int32, _ vorder: Int32, _ points: UnsafePointer<Double>?
) {
  sendPoints(c, points, 8, target, ustride, uorder, vstride, vorder)
  encode_glMap2d(c, c.writer, target, u1, u2, ustride, uorder, v1, v2, vstride, vorder)
}
func hook_glMap2f(
  _ c: Context, _ target: UInt32, _ u1: Float, _ u2: Float, _ ustride: Int32, _ uorder: Int32,
  _ v1: Float, _ v2: Float, _ vstride: Int32, _ vorder: Int32, _ points: UnsafePointer<Float>?
) {
  sendPoints(c, points, 4, target, ustride, uorder, vstride, vorder)
  encode_glMap2f(c, c.writer, target, u1, u2, ustride, uorder, v1, v2, vstride, vorder)
}
