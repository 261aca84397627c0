import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapters 9 and 17: what the window system side has to know of framebuffers.

func note_glBindFramebuffer(_ c: Context, _ target: UInt32, _ framebuffer: UInt32) {
  c.useMadeUpName(.framebuffer, framebuffer)
  if target == GL.FRAMEBUFFER || target == GL.DRAW_FRAMEBUFFER {
    c.pointee.shadow.pointee.drawFramebuffer = framebuffer
    c.keep(GL.DRAW_FRAMEBUFFER_BINDING, Int32(bitPattern: framebuffer))
  }
  if target == GL.FRAMEBUFFER || target == GL.READ_FRAMEBUFFER {
    c.pointee.shadow.pointee.readFramebuffer = framebuffer
    c.keep(GL.READ_FRAMEBUFFER_BINDING, Int32(bitPattern: framebuffer))
  }
}

func note_glBindFramebufferEXT(_ c: Context, _ target: UInt32, _ framebuffer: UInt32) {
  note_glBindFramebuffer(c, target, framebuffer)
}

func note_glDeleteFramebuffers(
  _ c: Context, _ n: Int32, _ framebuffers: UnsafePointer<UInt32>?
) {
  guard let framebuffers else { return }
  let shadow = c.pointee.shadow
  var i = 0
  while i < Int(n) {
    let name = framebuffers[i]
    i &+= 1
    guard name != 0 else { continue }
    shadow.pointee.answers.forget(framebuffer: name)
    if shadow.pointee.drawFramebuffer == name { shadow.pointee.drawFramebuffer = 0 }
    if shadow.pointee.readFramebuffer == name { shadow.pointee.readFramebuffer = 0 }
  }
}

func note_glDrawBuffer(_ c: Context, _ buf: UInt32) {
  noteDrawBuffer(c, c.pointee.shadow.pointee.drawFramebuffer, buf)
}
func note_glFramebufferDrawBufferEXT(_ c: Context, _ framebuffer: UInt32, _ mode: UInt32) {
  noteDrawBuffer(c, framebuffer, mode)
}
func note_glFramebufferDrawBuffersEXT(
  _ c: Context, _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  noteDrawBuffers(c, framebuffer, n, bufs)
}
func note_glNamedFramebufferDrawBuffer(_ c: Context, _ framebuffer: UInt32, _ buf: UInt32) {
  noteDrawBuffer(c, framebuffer, buf)
}
func note_glNamedFramebufferDrawBuffers(
  _ c: Context, _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  noteDrawBuffers(c, framebuffer, n, bufs)
}

/// Whether a buffer is one that is shown without a swap.
private func isFront(_ buffer: UInt32) -> Bool {
  switch buffer {
  case GL.FRONT, GL.FRONT_LEFT, GL.FRONT_RIGHT, GL.LEFT, GL.RIGHT, GL.FRONT_AND_BACK: true
  default: false
  }
}

private func noteDrawBuffer(_ c: Context, _ framebuffer: UInt32, _ buffer: UInt32) {
  if framebuffer == 0 {
    c.pointee.binding.drawsToFront = isFront(buffer)
  } else {
    setDrawBuffers(c, framebuffer, nil)
  }
}

/// Draw buffers are set now, or when the list that is being compiled is called.
private func setDrawBuffers(_ c: Context, _ framebuffer: UInt32, _ what: (UInt32, UInt32, Int32)?) {
  guard c.pointee.shadow.pointee.listMode == 0 else {
    c.pointee.touched |= StateGroup.attachments
    return
  }
  c.settle()
  c.pointee.shadow.pointee.answers.attach(framebuffer, ObjectAnswers.drawBuffers, what)
}

/// Draw buffers of a framebuffer object that can be no error (OpenGL 4.6, 17.4.1).
private func noteDrawBuffers(
  _ c: Context, _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  guard framebuffer != 0 else {
    var i = 0
    var drawsToFront = false
    while let bufs, i < min(Int(n), 8) {
      if isFront(bufs[i]) { drawsToFront = true }
      i &+= 1
    }
    c.pointee.binding.drawsToFront = drawsToFront
    return
  }
  var (packed, seen): (UInt32, UInt32) = (0, 0)
  var isSure = n >= 0 && n <= 8 && bufs != nil
  var i = 0
  while isSure, let bufs, i < Int(n) {
    let color = bufs[i] &- GL.COLOR_ATTACHMENT0
    isSure = bufs[i] == GL.NONE || color < 8 && seen & (1 &<< color) == 0
    if bufs[i] != GL.NONE, isSure {
      seen |= 1 &<< color
      packed |= (color &+ 1) &<< UInt32(i &* 4)
    }
    i &+= 1
  }
  setDrawBuffers(c, framebuffer, isSure ? (packed, 0, n) : nil)
}

/// A program that knows of a new size of its window before we do says so here.
func note_glViewport(
  _ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32
) {
  noteViewport(c, x, y, width, height)
  guard c.pointee.shadow.pointee.drawFramebuffer == 0, x == 0, y == 0 else { return }
  let size = defaultFramebufferSize(c)
  guard size.width > 0, Int(size.width) != Int(width) || Int(size.height) != Int(height) else {
    return
  }
  viewportDiffers(c)
}

// MARK: Attachments

extension UnsafeMutablePointer<ContextState> {
  /// The framebuffer that is bound to a target; nil for what is no target.
  private func framebuffer(boundTo target: UInt32) -> UInt32? {
    switch target {
    case GL.FRAMEBUFFER, GL.DRAW_FRAMEBUFFER: pointee.shadow.pointee.drawFramebuffer
    case GL.READ_FRAMEBUFFER: pointee.shadow.pointee.readFramebuffer
    default: nil
    }
  }

  /// A command has attached something, or nothing; `what` is nil unless it has for sure.
  fileprivate func attach(
    _ target: UInt32, _ attachment: UInt32, _ what: (UInt32, UInt32, Int32)?
  ) {
    guard let framebuffer = framebuffer(boundTo: target), framebuffer != 0 else { return }
    settle()
    let shadow = pointee.shadow
    switch attachment {
    case GL.DEPTH_ATTACHMENT: shadow.pointee.answers.attach(framebuffer, 8, what)
    case GL.STENCIL_ATTACHMENT: shadow.pointee.answers.attach(framebuffer, 9, what)
    case GL.DEPTH_STENCIL_ATTACHMENT where pointee.request.api == 0 || pointee.request.major > 2:
      shadow.pointee.answers.attach(framebuffer, 8, what)
      shadow.pointee.answers.attach(framebuffer, 9, what)
    case GL.COLOR_ATTACHMENT0..<(GL.COLOR_ATTACHMENT0 + 8):
      let color = attachment &- GL.COLOR_ATTACHMENT0
      if Double(color) < limit(GL.MAX_COLOR_ATTACHMENTS) ?? 1 {
        shadow.pointee.answers.attach(framebuffer, Int(color), what)
      } else {
        shadow.pointee.answers.forget(framebuffer: framebuffer)
      }
    default: shadow.pointee.answers.forget(framebuffer: framebuffer)
    }
  }

  /// What is deleted is detached from the framebuffers that are bound (OpenGL 4.6, 5.1.2).
  func forgetBoundFramebuffers() {
    let shadow = pointee.shadow
    shadow.pointee.answers.forget(framebuffer: shadow.pointee.drawFramebuffer)
    shadow.pointee.answers.forget(framebuffer: shadow.pointee.readFramebuffer)
  }

  /// A value that the node has told when everything that it depends on was as it is now, or tells.
  func answer(
    _ kind: UInt32, _ name: UInt32, _ what: UInt32, _ detail: UInt32, state: UInt64,
    _ value: UnsafeMutablePointer<Int32>?, _ opcode: UInt32, _ encode: (Call) -> Void
  ) {
    let shadow = pointee.shadow
    if let value,
      let known = shadow.pointee.answers.answer(kind, name, what, detail, state: state)
    {
      value.pointee = known
      return
    }
    let size = askValues(self, opcode, value, encode)
    if size == 4, let value {
      shadow.pointee.answers.keep(kind, name, what, detail, state: state, value.pointee)
    }
  }

  /// What the framebuffer bound to a target is, and a number for all that answers about it depend on; nil when
  /// they are not to be remembered.
  fileprivate func dependencies(
    of target: UInt32
  ) -> (kind: UInt32, name: UInt32, state: UInt64)? {
    guard let framebuffer = framebuffer(boundTo: target), !pointee.shadow.pointee.isInBegin else {
      return nil
    }
    settle()
    guard framebuffer != 0 else {
      let drawable =
        target == GL.READ_FRAMEBUFFER ? pointee.binding.read : pointee.binding.draw
      return (ObjectAnswers.drawable, 0, drawable?.pointee.id ?? 0)
    }
    guard let state = pointee.shadow.pointee.answers.state(of: framebuffer) else { return nil }
    return (
      ObjectAnswers.framebuffer, framebuffer,
      ObjectAnswers.combine(state, age: pointee.share.pointee.imageAge())
    )
  }
}

func note_glFramebufferTexture2D(
  _ c: Context, _ target: UInt32, _ attachment: UInt32, _ textarget: UInt32, _ texture: UInt32,
  _ level: Int32
) {
  guard texture != 0 else { return c.attach(target, attachment, (0, 0, 0)) }
  let isSure = level >= 0 && level < 12 && c.has(texture: texture, imageTarget: textarget)
  c.attach(target, attachment, isSure ? (texture, textarget, level) : nil)
}

func note_glFramebufferRenderbuffer(
  _ c: Context, _ target: UInt32, _ attachment: UInt32, _ renderbuffertarget: UInt32,
  _ renderbuffer: UInt32
) {
  guard renderbuffer != 0 else { return c.attach(target, attachment, (0, 0, 0)) }
  let isSure =
    renderbuffertarget == GL.RENDERBUFFER
    && c.pointee.share.pointee.renderbuffers[renderbuffer] != 0
  c.attach(target, attachment, isSure ? (renderbuffer, renderbuffertarget, 0) : nil)
}

func note_glBindRenderbuffer(_ c: Context, _ target: UInt32, _ renderbuffer: UInt32) {
  let share = c.pointee.share
  guard target == GL.RENDERBUFFER, renderbuffer != 0,
    share.pointee.renderbuffers[renderbuffer] == 0
  else { return }
  share.pointee.lock.lock()
  if c.pointee.request.api != 0 || c.hasFixedFunction
    || share.pointee.names[.renderbuffer].pointee.isUsed(Int(renderbuffer))
  {
    // A name that is used again is another renderbuffer, without an image.
    share.pointee.noteStorage()
    share.pointee.names[.renderbuffer].pointee.use(renderbuffer)
    _ = share.pointee.renderbuffers.claim(renderbuffer, 1)
  }
  share.pointee.lock.unlock()
}

func note_glDeleteRenderbuffers(
  _ c: Context, _ n: Int32, _ renderbuffers: UnsafePointer<UInt32>?
) {
  guard let renderbuffers else { return }
  let share = c.pointee.share
  share.pointee.lock.lock()
  var i = 0
  while i < Int(n) {
    share.pointee.renderbuffers.release(renderbuffers[i])
    i &+= 1
  }
  share.pointee.lock.unlock()
  c.forgetBoundFramebuffers()
}

func note_glDrawBuffers(_ c: Context, _ n: Int32, _ bufs: UnsafePointer<UInt32>?) {
  noteDrawBuffers(c, c.pointee.shadow.pointee.drawFramebuffer, n, bufs)
}

func hook_glCheckFramebufferStatus(_ c: Context, _ target: UInt32) -> UInt32 {
  func ask() -> UInt32 {
    askNumber(c, GLOpcode.glCheckFramebufferStatus) {
      encode_glCheckFramebufferStatus(c, $0.writer, $0.ticket, target)
    } ?? 0
  }
  guard let (kind, name, state) = c.dependencies(of: target) else { return ask() }
  let shadow = c.pointee.shadow
  if let known = shadow.pointee.answers.answer(kind, name, 0, 0, state: state) {
    return UInt32(bitPattern: known)
  }
  let status = ask()
  if status != 0 {
    shadow.pointee.answers.keep(kind, name, 0, 0, state: state, Int32(bitPattern: status))
  }
  return status
}

func hook_glGetFramebufferAttachmentParameteriv(
  _ c: Context, _ target: UInt32, _ attachment: UInt32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<Int32>?
) {
  func encode(_ call: Call) {
    encode_glGetFramebufferAttachmentParameteriv(
      c, call.writer, call.ticket, target, attachment, pname)
  }
  guard let (kind, name, state) = c.dependencies(of: target) else {
    askValues(c, GLOpcode.glGetFramebufferAttachmentParameteriv, params, encode)
    return
  }
  c.answer(
    kind, name, attachment, pname, state: state, params,
    GLOpcode.glGetFramebufferAttachmentParameteriv, encode)
}

/// 0 is the default framebuffer, which is none of the application's objects, whatever it is on the node.
func hook_glIsFramebuffer(_ c: Context, _ framebuffer: UInt32) -> UInt8 {
  guard framebuffer != 0 else {
    _ = c.isRefusedInBegin()
    return 0
  }
  guard let call = c.beginCall(GLOpcode.glIsFramebuffer) else { return 0 }
  encode_glIsFramebuffer(c, call.writer, call.ticket, framebuffer)
  guard var reply = c.endCall(call) else { return 0 }
  let result = reply.u32("result")
  c.finishCall(call)
  return result == 0 ? 0 : 1
}
