import GLWire
import Wire

// Doers of GL_EXT_direct_state_access: framebuffers, of which 0 is an object here, and programs.

extension GLReplayContext {
  /// The framebuffer that the record names first is one of the client's own. The window's has nothing that can be
  /// attached or set (OpenGL 4.6, 9.2).
  fileprivate mutating func isObject() -> Bool {
    if recordWord(8) != 0 { return true }
    raise(GL.INVALID_OPERATION)
    return false
  }
}

func doer_glNamedFramebufferTextureEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ texture: UInt32,
  _ level: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTextureEXT?(framebuffer, attachment, texture, level)
}
func doer_glNamedFramebufferTexture1DEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ textarget: UInt32,
  _ texture: UInt32, _ level: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTexture1DEXT?(framebuffer, attachment, textarget, texture, level)
}
func doer_glNamedFramebufferTexture2DEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ textarget: UInt32,
  _ texture: UInt32, _ level: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTexture2DEXT?(framebuffer, attachment, textarget, texture, level)
}
func doer_glNamedFramebufferTexture3DEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ textarget: UInt32,
  _ texture: UInt32, _ level: Int32, _ zoffset: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTexture3DEXT?(
    framebuffer, attachment, textarget, texture, level, zoffset)
}
func doer_glNamedFramebufferTextureLayerEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ texture: UInt32,
  _ level: Int32, _ layer: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTextureLayerEXT?(framebuffer, attachment, texture, level, layer)
}
func doer_glNamedFramebufferTextureFaceEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ texture: UInt32,
  _ level: Int32, _ face: UInt32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferTextureFaceEXT?(framebuffer, attachment, texture, level, face)
}
func doer_glNamedFramebufferRenderbufferEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ attachment: UInt32, _ target: UInt32,
  _ renderbuffer: UInt32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferRenderbufferEXT?(framebuffer, attachment, target, renderbuffer)
}
func doer_glNamedFramebufferParameteriEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ pname: UInt32, _ param: Int32
) {
  guard c.pointee.isObject() else { return }
  c.pointee.gl.glNamedFramebufferParameteriEXT?(framebuffer, pname, param)
}

func doer_glFramebufferDrawBufferEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ mode: UInt32
) {
  if c.pointee.recordWord(8) == 0 {
    c.pointee.withDefault(GL.DRAW_FRAMEBUFFER) { $0.drawBuffer(mode) }
  } else {
    c.pointee.gl.glFramebufferDrawBufferEXT?(framebuffer, mode)
  }
}
func doer_glFramebufferDrawBuffersEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  if c.pointee.recordWord(8) == 0 {
    let count = bufs == nil ? 0 : Int(max(n, 0))
    c.pointee.withDefault(GL.DRAW_FRAMEBUFFER) { $0.drawBuffers(n, bufs, available: count * 4) }
  } else {
    c.pointee.gl.glFramebufferDrawBuffersEXT?(framebuffer, n, bufs)
  }
}
func doer_glFramebufferReadBufferEXT(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ mode: UInt32
) {
  if c.pointee.recordWord(8) == 0 {
    c.pointee.withDefault(GL.READ_FRAMEBUFFER) { $0.readBuffer(mode) }
  } else {
    c.pointee.gl.glFramebufferReadBufferEXT?(framebuffer, mode)
  }
}

/// Of framebuffer 0 the answer is that of glGet while it is bound; of others it is their own.
func doer_glGetFramebufferParameterivEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ framebuffer: UInt32, _ pname: UInt32
) {
  let opcode = GLOpcode.glGetFramebufferParameterivEXT
  guard let call = c.pointee.gl.glGetFramebufferParameterivEXT else {
    return c.pointee.missing(opcode, ticket)
  }
  let count = c.pointee.probe(4) {
    call(framebuffer, pname, $0?.assumingMemoryBound(to: Int32.self))
  }
  if count >= 4, c.pointee.recordWord(16) == 0, let place = c.pointee.probed {
    switch pname {
    case GL.DRAW_BUFFER, GL.DRAW_BUFFER0:
      place.storeBytes(of: c.pointee.defaultDrawBuffer, as: UInt32.self)
    case GL.READ_BUFFER: place.storeBytes(of: c.pointee.defaultReadBuffer, as: UInt32.self)
    default: break
    }
  }
  c.pointee.beginReply(opcode)
  c.pointee.put(c.pointee.probed, count)
  c.pointee.endReply(ticket)
}

func doer_glGetNamedFramebufferAttachmentParameterivEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ framebuffer: UInt32, _ attachment: UInt32,
  _ pname: UInt32
) {
  let opcode = GLOpcode.glGetNamedFramebufferAttachmentParameterivEXT
  guard let call = c.pointee.gl.glGetNamedFramebufferAttachmentParameterivEXT else {
    return c.pointee.missing(opcode, ticket)
  }
  answerAttachment(
    c, opcode, ticket, isDefault: c.pointee.recordWord(16) == 0, attachment, pname
  ) { call(framebuffer, $0, $1, $2) }
}
