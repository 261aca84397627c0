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
  guard c.pointee.shadow.pointee.listMode == 0, list != 0,
    mode == GL.COMPILE || mode == GL.COMPILE_AND_EXECUTE
  else { return }
  c.useName(.list, list)
  c.pointee.shadow.pointee.listMode = mode
}
func note_glEndList(_ c: Context) { c.pointee.shadow.pointee.listMode = 0 }

func note_glDeleteLists(_ c: Context, _ list: UInt32, _ range: Int32) {
  let share = c.pointee.share
  share.pointee.lock.lock()
  var i: UInt32 = 0
  while i < UInt32(clamping: range), i < 4 << 20 {
    share.pointee.names[.list].pointee.release(list &+ i)
    i &+= 1
  }
  share.pointee.lock.unlock()
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
