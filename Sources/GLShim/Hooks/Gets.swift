import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 22: what is answered here, and what the node is asked for.

/// A value that the client keeps itself; nil for all others.
private func local(_ c: Context, _ pname: UInt32) -> Int64? {
  let shadow = c.pointee.shadow
  switch pname {
  case GL.UNPACK_SWAP_BYTES: return Int64(shadow.pointee.unpack.swapBytes)
  case GL.UNPACK_LSB_FIRST: return Int64(shadow.pointee.unpack.lsbFirst)
  case GL.UNPACK_ROW_LENGTH: return Int64(shadow.pointee.unpack.rowLength)
  case GL.UNPACK_IMAGE_HEIGHT: return Int64(shadow.pointee.unpack.imageHeight)
  case GL.UNPACK_SKIP_ROWS: return Int64(shadow.pointee.unpack.skipRows)
  case GL.UNPACK_SKIP_PIXELS: return Int64(shadow.pointee.unpack.skipPixels)
  case GL.UNPACK_SKIP_IMAGES: return Int64(shadow.pointee.unpack.skipImages)
  case GL.UNPACK_ALIGNMENT: return Int64(shadow.pointee.unpack.alignment)
  case GL.PACK_SWAP_BYTES: return Int64(shadow.pointee.pack.swapBytes)
  case GL.PACK_LSB_FIRST: return Int64(shadow.pointee.pack.lsbFirst)
  case GL.PACK_ROW_LENGTH: return Int64(shadow.pointee.pack.rowLength)
  case GL.PACK_IMAGE_HEIGHT: return Int64(shadow.pointee.pack.imageHeight)
  case GL.PACK_SKIP_ROWS: return Int64(shadow.pointee.pack.skipRows)
  case GL.PACK_SKIP_PIXELS: return Int64(shadow.pointee.pack.skipPixels)
  case GL.PACK_SKIP_IMAGES: return Int64(shadow.pointee.pack.skipImages)
  case GL.PACK_ALIGNMENT: return Int64(shadow.pointee.pack.alignment)
  case GL.CLIENT_ATTRIB_STACK_DEPTH: return Int64(shadow.pointee.stackDepth)
  case GL.ARRAY_BUFFER_BINDING: return Int64(shadow.pointee.buffers.array)
  case GL.ELEMENT_ARRAY_BUFFER_BINDING: return Int64(shadow.pointee.elementBuffer)
  case GL.PIXEL_PACK_BUFFER_BINDING: return Int64(shadow.pointee.buffers.pixelPack)
  case GL.PIXEL_UNPACK_BUFFER_BINDING: return Int64(shadow.pointee.buffers.pixelUnpack)
  case GL.VERTEX_ARRAY_BINDING: return Int64(shadow.pointee.vertexArray)
  case GL.CLIENT_ACTIVE_TEXTURE:
    return Int64(GL.TEXTURE0 &+ shadow.pointee.clientActiveTexture)
  case GL.NUM_EXTENSIONS: return Int64(c.pointee.binding.facts?.pointee.extensionCount ?? 0)
  case GL.FEEDBACK_BUFFER_SIZE: return Int64(shadow.pointee.feedbackSize)
  case GL.SELECTION_BUFFER_SIZE: return Int64(shadow.pointee.selectionSize)
  default: return nil
  }
}

/// An implementation constant, which the node told when the context was made.
private func constants(_ c: Context, _ pname: UInt32) -> UnsafeBufferPointer<Double>? {
  c.pointee.binding.facts?.pointee.numbers(of: pname)
}

private func rounded(_ value: Double) -> Int64 {
  guard value > -9.2e18 else { return Int64.min }
  guard value < 9.2e18 else { return Int64.max }
  return Int64(value < 0 ? value - 0.5 : value + 0.5)
}

/// Answers a get: with a value of ours, with an implementation constant, or with what the node says.
private func get<Number>(
  _ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Number>?, _ opcode: UInt32,
  _ own: (Int64) -> Number, _ constant: ((Double) -> Number)?, _ encode: (Call) -> Void
) {
  guard let data else { return }
  if let value = local(c, pname) {
    data.pointee = own(value)
  } else if let constant, let values = constants(c, pname) {
    var i = 0
    while i < values.count {
      data[i] = constant(values[i])
      i &+= 1
    }
  } else if let call = c.beginCall(opcode) {
    encode(call)
    guard var reply = c.endCall(call) else { return }
    reply.copyOut(data, Int.max)
    c.finishCall(call)
  }
}

func hook_glGetIntegerv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Int32>?) {
  get(
    c, pname, data, GLOpcode.glGetIntegerv, { Int32(clamping: $0) },
    { Int32(clamping: rounded($0)) },
    { encode_glGetIntegerv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetInteger64v(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Int64>?) {
  get(
    c, pname, data, GLOpcode.glGetInteger64v, { $0 }, rounded,
    { encode_glGetInteger64v(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetFloatv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Float>?) {
  get(
    c, pname, data, GLOpcode.glGetFloatv, { Float($0) }, { Float($0) },
    { encode_glGetFloatv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetDoublev(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Double>?) {
  get(
    c, pname, data, GLOpcode.glGetDoublev, { Double($0) }, { $0 },
    { encode_glGetDoublev(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetBooleanv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<UInt8>?) {
  get(
    c, pname, data, GLOpcode.glGetBooleanv, { $0 == 0 ? 0 : 1 }, { $0 == 0 ? 0 : 1 },
    { encode_glGetBooleanv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetFixedv(_ c: Context, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?) {
  get(
    c, pname, params, GLOpcode.glGetFixedv, { Int32(clamping: $0 &* 65536) }, nil,
    { encode_glGetFixedv(c, $0.writer, $0.ticket, pname) })
}

// MARK: Strings

func hook_glGetString(_ c: Context, _ name: UInt32) -> UnsafePointer<UInt8>? {
  let facts = c.pointee.binding.facts?.pointee
  let text: UnsafePointer<CChar>?
  switch name {
  case GL.VENDOR: text = facts?.vendor
  case GL.RENDERER: text = facts?.renderer
  case GL.VERSION: text = facts?.version
  case GL.SHADING_LANGUAGE_VERSION: text = facts?.shadingLanguageVersion
  case GL.EXTENSIONS: text = facts?.extensionString
  default: text = nil
  }
  guard let text else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  return UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
}

func hook_glGetStringi(_ c: Context, _ name: UInt32, _ index: UInt32) -> UnsafePointer<UInt8>? {
  guard name == GL.EXTENSIONS else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  guard let facts = c.pointee.binding.facts, Int(index) < facts.pointee.extensionCount else {
    c.raise(GL.INVALID_VALUE)
    return nil
  }
  let text = facts.pointee.extensions[Int(index)]
  return UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
}
