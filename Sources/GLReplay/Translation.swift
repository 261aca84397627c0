import GLWire

// What the driver answers about itself, in the client's terms: names of objects, and of the default
// framebuffer, which is an object here.

extension GLReplayContext {
  /// The kind of object that a value names; nil for what is no name.
  private static func kind(_ pname: UInt32) -> NameKind? {
    switch pname {
    case GL.TEXTURE_BINDING_1D, GL.TEXTURE_BINDING_2D, GL.TEXTURE_BINDING_3D,
      GL.TEXTURE_BINDING_1D_ARRAY, GL.TEXTURE_BINDING_2D_ARRAY, GL.TEXTURE_BINDING_RECTANGLE,
      GL.TEXTURE_BINDING_BUFFER, GL.TEXTURE_BINDING_CUBE_MAP, GL.TEXTURE_BINDING_CUBE_MAP_ARRAY,
      GL.TEXTURE_BINDING_2D_MULTISAMPLE, GL.TEXTURE_BINDING_2D_MULTISAMPLE_ARRAY,
      GL.IMAGE_BINDING_NAME:
      .texture
    case GL.ARRAY_BUFFER_BINDING, GL.ELEMENT_ARRAY_BUFFER_BINDING, GL.PIXEL_PACK_BUFFER_BINDING,
      GL.PIXEL_UNPACK_BUFFER_BINDING, GL.COPY_READ_BUFFER_BINDING, GL.COPY_WRITE_BUFFER_BINDING,
      GL.UNIFORM_BUFFER_BINDING, GL.TRANSFORM_FEEDBACK_BUFFER_BINDING,
      GL.DRAW_INDIRECT_BUFFER_BINDING, GL.DISPATCH_INDIRECT_BUFFER_BINDING,
      GL.SHADER_STORAGE_BUFFER_BINDING, GL.ATOMIC_COUNTER_BUFFER_BINDING,
      GL.QUERY_BUFFER_BINDING, GL.VERTEX_ARRAY_BUFFER_BINDING, GL.NORMAL_ARRAY_BUFFER_BINDING,
      GL.COLOR_ARRAY_BUFFER_BINDING, GL.INDEX_ARRAY_BUFFER_BINDING,
      GL.TEXTURE_COORD_ARRAY_BUFFER_BINDING, GL.EDGE_FLAG_ARRAY_BUFFER_BINDING,
      GL.SECONDARY_COLOR_ARRAY_BUFFER_BINDING, GL.FOG_COORD_ARRAY_BUFFER_BINDING,
      GL.VERTEX_ATTRIB_ARRAY_BUFFER_BINDING, GL.TEXTURE_BUFFER_DATA_STORE_BINDING,
      GL.VERTEX_BINDING_BUFFER, GL.PARAMETER_BUFFER_BINDING:
      .buffer
    case GL.RENDERBUFFER_BINDING: .renderbuffer
    case GL.CURRENT_PROGRAM, GL.ACTIVE_PROGRAM, GL.VERTEX_SHADER, GL.FRAGMENT_SHADER,
      GL.GEOMETRY_SHADER, GL.TESS_CONTROL_SHADER, GL.TESS_EVALUATION_SHADER, GL.COMPUTE_SHADER:
      .program
    case GL.SAMPLER_BINDING: .sampler
    case GL.VERTEX_ARRAY_BINDING: .vertexArray
    case GL.PROGRAM_PIPELINE_BINDING: .programPipeline
    case GL.TRANSFORM_FEEDBACK_BINDING: .transformFeedback
    case GL.CURRENT_QUERY: .query
    case GL.PROGRAM_BINDING_ARB: .arbProgram
    default: nil
    }
  }

  /// A value in the client's terms; nil where it is the driver's own.
  private mutating func translated(_ pname: UInt32, _ value: UInt32) -> UInt32? {
    if let kind = GLReplayContext.kind(pname) {
      return value == 0 ? nil : clientName(kind, value)
    }
    switch pname {
    case GL.DEBUG_LOGGED_MESSAGES: return messages?.logCount
    case GL.DEBUG_NEXT_LOGGED_MESSAGE_LENGTH: return messages?.nextLength
    case GL.DRAW_FRAMEBUFFER_BINDING: return drawsDefault ? 0 : clientName(.framebuffer, value)
    case GL.READ_FRAMEBUFFER_BINDING: return readsDefault ? 0 : clientName(.framebuffer, value)
    case GL.DRAW_BUFFER, GL.DRAW_BUFFER0: return drawsDefault ? defaultDrawBuffer : nil
    case GL.READ_BUFFER: return readsDefault ? defaultReadBuffer : nil
    case GL.DOUBLEBUFFER:
      return drawsDefault ? (surface.draw?.isDoubleBuffered == true ? 1 : 0) : nil
    case GL.LIST_BASE, GL.LIST_INDEX:
      return value == 0 && pname == GL.LIST_INDEX ? nil : value &- listBase
    default: return nil
    }
  }

  /// Puts the first number at `place` into the client's terms.
  mutating func translate<Number>(
    _ place: UnsafeMutableRawPointer, _ type: Number.Type, _ pname: UInt32
  ) {
    if type == Int32.self || type == UInt32.self {
      let value = place.load(as: UInt32.self)
      if let new = translated(pname, value) { place.storeBytes(of: new, as: UInt32.self) }
    } else if type == Int64.self || type == UInt64.self {
      let value = place.loadUnaligned(as: UInt64.self)
      if let new = translated(pname, UInt32(truncatingIfNeeded: value)) {
        place.storeBytes(of: UInt64(new), as: UInt64.self)
      }
    } else if type == Float.self {
      let value = place.load(as: Float.self)
      guard value >= 0, value < 4_294_967_296 else { return }
      if let new = translated(pname, UInt32(value)) {
        place.storeBytes(of: Float(new), as: Float.self)
      }
    } else if type == Double.self {
      let value = place.loadUnaligned(as: Double.self)
      guard value >= 0, value < 4_294_967_296 else { return }
      if let new = translated(pname, UInt32(value)) {
        place.storeBytes(of: Double(new), as: Double.self)
      }
    } else if type == UInt8.self,
      pname == GL.DOUBLEBUFFER || pname == GL.DRAW_FRAMEBUFFER_BINDING
        || pname == GL.READ_FRAMEBUFFER_BINDING || pname == GL.DEBUG_LOGGED_MESSAGES
        || pname == GL.DEBUG_NEXT_LOGGED_MESSAGE_LENGTH
    {
      let value = place.load(as: UInt8.self)
      if let new = translated(pname, UInt32(value)) {
        place.storeBytes(of: new == 0 ? 0 : 1, as: UInt8.self)
      }
    }
  }
}

// MARK: Framebuffers

typealias GLContextPointer = UnsafeMutablePointer<GLReplayContext>

func doer_glBindFramebuffer(_ c: GLContextPointer, _ target: UInt32, _ framebuffer: UInt32) {
  // The generated handler has the driver's name; the client's stands in the record.
  c.pointee.bindFramebuffer(target, c.pointee.recordWord(12))
}
func doer_glBindFramebufferEXT(_ c: GLContextPointer, _ target: UInt32, _ framebuffer: UInt32) {
  c.pointee.bindFramebuffer(target, c.pointee.recordWord(12))
}
func doer_glDrawBuffer(_ c: GLContextPointer, _ buf: UInt32) { c.pointee.drawBuffer(buf) }
func doer_glDrawBuffers(_ c: GLContextPointer, _ n: Int32, _ bufs: UnsafePointer<UInt32>?) {
  c.pointee.drawBuffers(n, bufs, available: bufs == nil ? 0 : Int(max(n, 0)) * 4)
}
func doer_glClearBufferfv(
  _ c: GLContextPointer, _ buffer: UInt32, _ drawbuffer: Int32, _ value: UnsafePointer<Float>?
) {
  let call = c.pointee.gl.glClearBufferfv
  c.pointee.clearBuffers(buffer, drawbuffer) { call?(buffer, $0, value) }
}
func doer_glClearBufferiv(
  _ c: GLContextPointer, _ buffer: UInt32, _ drawbuffer: Int32, _ value: UnsafePointer<Int32>?
) {
  let call = c.pointee.gl.glClearBufferiv
  c.pointee.clearBuffers(buffer, drawbuffer) { call?(buffer, $0, value) }
}
func doer_glClearBufferuiv(
  _ c: GLContextPointer, _ buffer: UInt32, _ drawbuffer: Int32, _ value: UnsafePointer<UInt32>?
) {
  let call = c.pointee.gl.glClearBufferuiv
  c.pointee.clearBuffers(buffer, drawbuffer) { call?(buffer, $0, value) }
}
func doer_glReadBuffer(_ c: GLContextPointer, _ src: UInt32) { c.pointee.readBuffer(src) }

func doer_glNamedFramebufferDrawBuffer(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ buf: UInt32
) {
  let isDefault = c.pointee.recordWord(8) == 0
  c.pointee.gl.glNamedFramebufferDrawBuffer?(
    framebuffer, isDefault ? c.pointee.attachment(buf) : buf)
}
func doer_glNamedFramebufferReadBuffer(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ src: UInt32
) {
  let isDefault = c.pointee.recordWord(8) == 0
  c.pointee.gl.glNamedFramebufferReadBuffer?(
    framebuffer, isDefault ? c.pointee.attachment(src) : src)
}
func doer_glNamedFramebufferDrawBuffers(
  _ c: GLContextPointer, _ framebuffer: UInt32, _ n: Int32, _ bufs: UnsafePointer<UInt32>?
) {
  guard c.pointee.recordWord(8) == 0, let bufs, n > 0 else {
    c.pointee.gl.glNamedFramebufferDrawBuffers?(framebuffer, n, bufs)
    return
  }
  let attachments = (0..<Int(n)).map { c.pointee.listed(bufs[$0]) }
  c.pointee.gl.glNamedFramebufferDrawBuffers?(framebuffer, n, attachments)
}

private func attachments(
  _ c: GLContextPointer, _ target: UInt32, _ count: Int32, _ list: UnsafePointer<UInt32>?
) -> [UInt32]? {
  let isDefault =
    target == GL.READ_FRAMEBUFFER ? c.pointee.readsDefault : c.pointee.drawsDefault
  guard isDefault, let list, count > 0 else { return nil }
  return (0..<Int(count)).map { c.pointee.part(list[$0]) }
}

extension GLReplayContext {
  /// The window's framebuffer has neither parameters nor attachments that could be set (OpenGL 4.6, 9.2.1 and
  /// 9.2.2); the object that stands for it has. False, with the error, where `target` means the former.
  mutating func mayAttach(to target: UInt32) -> Bool {
    let isDefault = target == GL.READ_FRAMEBUFFER ? readsDefault : drawsDefault
    if isDefault { raise(GL.INVALID_OPERATION) }
    return !isDefault
  }

  /// The same of the client's name of a framebuffer.
  mutating func mayAttach(toNamed framebuffer: UInt32) -> Bool {
    if framebuffer == 0 { raise(GL.INVALID_OPERATION) }
    return framebuffer != 0
  }
}

func doer_glInvalidateFramebuffer(
  _ c: GLContextPointer, _ target: UInt32, _ count: Int32, _ list: UnsafePointer<UInt32>?
) {
  guard let call = c.pointee.gl.glInvalidateFramebuffer else { return }
  if let own = attachments(c, target, count, list) {
    call(target, count, own)
  } else {
    call(target, count, list)
  }
}
func doer_glDiscardFramebufferEXT(
  _ c: GLContextPointer, _ target: UInt32, _ count: Int32, _ list: UnsafePointer<UInt32>?
) {
  guard let call = c.pointee.gl.glDiscardFramebufferEXT else { return }
  if let own = attachments(c, target, count, list) {
    call(target, count, own)
  } else {
    call(target, count, list)
  }
}
func doer_glInvalidateSubFramebuffer(
  _ c: GLContextPointer, _ target: UInt32, _ count: Int32, _ list: UnsafePointer<UInt32>?,
  _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32
) {
  guard let call = c.pointee.gl.glInvalidateSubFramebuffer else { return }
  if let own = attachments(c, target, count, list) {
    call(target, count, own, x, y, width, height)
  } else {
    call(target, count, list, x, y, width, height)
  }
}

/// What is attached: the default framebuffer's buffers by their own names.
func answerAttachment(
  _ c: GLContextPointer, _ opcode: UInt32, _ ticket: UInt32, isDefault: Bool,
  _ attachment: UInt32, _ pname: UInt32,
  _ call: (UInt32, UInt32, UnsafeMutablePointer<Int32>?) -> Void
) {
  let wanted = isDefault ? c.pointee.part(attachment) : attachment
  var type: Int32 = 0
  let isName = pname == GL.FRAMEBUFFER_ATTACHMENT_OBJECT_NAME
  if isName {
    c.pointee.quietly { _ in call(wanted, GL.FRAMEBUFFER_ATTACHMENT_OBJECT_TYPE, &type) }
  }
  // What stands for the default framebuffer's buffers has names, they have none (OpenGL 4.6, 9.2.3).
  if isDefault, isName, type != 0 {
    c.pointee.raise(GL.INVALID_ENUM)
    c.pointee.beginReply(opcode)
    c.pointee.put(nil, 0)
    return c.pointee.endReply(ticket)
  }
  let count = c.pointee.probe(4) {
    call(wanted, pname, $0?.assumingMemoryBound(to: Int32.self))
  }
  if count >= 4, let place = c.pointee.probed {
    let value = place.load(as: UInt32.self)
    if isDefault {
      if pname == GL.FRAMEBUFFER_ATTACHMENT_OBJECT_TYPE, value != 0 {
        place.storeBytes(of: GL.FRAMEBUFFER_DEFAULT, as: UInt32.self)
      }
    } else if isName, value != 0 {
      let kind: NameKind = UInt32(bitPattern: type) == GL.TEXTURE ? .texture : .renderbuffer
      place.storeBytes(of: c.pointee.clientName(kind, value), as: UInt32.self)
    }
  }
  c.pointee.beginReply(opcode)
  c.pointee.put(c.pointee.probed, count)
  c.pointee.endReply(ticket)
}

/// A parameter of a framebuffer. The window's has none that can be set (OpenGL 4.6, 9.2.3).
private func answerParameter(
  _ c: GLContextPointer, _ opcode: UInt32, _ ticket: UInt32, isDefault: Bool,
  _ drawable: Drawable?, _ pname: UInt32, _ call: (UnsafeMutablePointer<Int32>?) -> Void
) {
  var count = 0
  switch pname {
  case GL.FRAMEBUFFER_DEFAULT_WIDTH, GL.FRAMEBUFFER_DEFAULT_HEIGHT,
    GL.FRAMEBUFFER_DEFAULT_LAYERS, GL.FRAMEBUFFER_DEFAULT_SAMPLES,
    GL.FRAMEBUFFER_DEFAULT_FIXED_SAMPLE_LOCATIONS:
    guard !isDefault else {
      c.pointee.raise(GL.INVALID_OPERATION)
      break
    }
    fallthrough
  default: count = c.pointee.probe(4) { call($0?.assumingMemoryBound(to: Int32.self)) }
  }
  if isDefault, count >= 4, pname == GL.DOUBLEBUFFER {
    c.pointee.probed?.storeBytes(of: drawable?.isDoubleBuffered == true ? 1 : 0, as: UInt32.self)
  }
  c.pointee.beginReply(opcode)
  c.pointee.put(count > 0 ? c.pointee.probed : nil, count)
  c.pointee.endReply(ticket)
}

func doer_glGetFramebufferParameteriv(
  _ c: GLContextPointer, _ ticket: UInt32, _ target: UInt32, _ pname: UInt32
) {
  let opcode = GLOpcode.glGetFramebufferParameteriv
  guard let call = c.pointee.gl.glGetFramebufferParameteriv else {
    return c.pointee.missing(opcode, ticket)
  }
  let reads = target == GL.READ_FRAMEBUFFER
  answerParameter(
    c, opcode, ticket, isDefault: reads ? c.pointee.readsDefault : c.pointee.drawsDefault,
    reads ? c.pointee.surface.read : c.pointee.surface.draw, pname
  ) { call(target, pname, $0) }
}

func doer_glGetNamedFramebufferParameteriv(
  _ c: GLContextPointer, _ ticket: UInt32, _ framebuffer: UInt32, _ pname: UInt32
) {
  let opcode = GLOpcode.glGetNamedFramebufferParameteriv
  guard let call = c.pointee.gl.glGetNamedFramebufferParameteriv else {
    return c.pointee.missing(opcode, ticket)
  }
  answerParameter(
    c, opcode, ticket, isDefault: c.pointee.recordWord(16) == 0, c.pointee.surface.draw, pname
  ) { call(framebuffer, pname, $0) }
}

func doer_glGetFramebufferAttachmentParameteriv(
  _ c: GLContextPointer, _ ticket: UInt32, _ target: UInt32, _ attachment: UInt32,
  _ pname: UInt32
) {
  let opcode = GLOpcode.glGetFramebufferAttachmentParameteriv
  guard let call = c.pointee.gl.glGetFramebufferAttachmentParameteriv else {
    return c.pointee.missing(opcode, ticket)
  }
  let isDefault =
    target == GL.READ_FRAMEBUFFER ? c.pointee.readsDefault : c.pointee.drawsDefault
  answerAttachment(c, opcode, ticket, isDefault: isDefault, attachment, pname) {
    call(target, $0, $1, $2)
  }
}
func doer_glGetNamedFramebufferAttachmentParameteriv(
  _ c: GLContextPointer, _ ticket: UInt32, _ framebuffer: UInt32, _ attachment: UInt32,
  _ pname: UInt32
) {
  let opcode = GLOpcode.glGetNamedFramebufferAttachmentParameteriv
  guard let call = c.pointee.gl.glGetNamedFramebufferAttachmentParameteriv else {
    return c.pointee.missing(opcode, ticket)
  }
  answerAttachment(
    c, opcode, ticket, isDefault: c.pointee.recordWord(16) == 0, attachment, pname
  ) { call(framebuffer, $0, $1, $2) }
}

extension GLReplayContext {
  /// A word of the record that is being replayed, at its offset behind the start of the header.
  mutating func recordWord(_ offset: Int) -> UInt32 {
    guard let start = record.baseAddress, offset &+ 4 <= record.count else { return 0 }
    return start.get32(offset)
  }
}
