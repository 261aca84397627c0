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
  case GL.UNPACK_COMPRESSED_BLOCK_WIDTH where c.pointee.request.api == 0:
    return Int64(shadow.pointee.unpack.blocks.width)
  case GL.UNPACK_COMPRESSED_BLOCK_HEIGHT where c.pointee.request.api == 0:
    return Int64(shadow.pointee.unpack.blocks.height)
  case GL.UNPACK_COMPRESSED_BLOCK_DEPTH where c.pointee.request.api == 0:
    return Int64(shadow.pointee.unpack.blocks.depth)
  case GL.UNPACK_COMPRESSED_BLOCK_SIZE where c.pointee.request.api == 0:
    return Int64(shadow.pointee.unpack.blocks.size)
  case GL.PACK_COMPRESSED_BLOCK_WIDTH where c.pointee.request.api == 0:
    return Int64(shadow.pointee.pack.blocks.width)
  case GL.PACK_COMPRESSED_BLOCK_HEIGHT where c.pointee.request.api == 0:
    return Int64(shadow.pointee.pack.blocks.height)
  case GL.PACK_COMPRESSED_BLOCK_DEPTH where c.pointee.request.api == 0:
    return Int64(shadow.pointee.pack.blocks.depth)
  case GL.PACK_COMPRESSED_BLOCK_SIZE where c.pointee.request.api == 0:
    return Int64(shadow.pointee.pack.blocks.size)
  case GL.PACK_INVERT_MESA where c.pointee.request.api == 0:
    return shadow.pointee.pack.isInverted ? 1 : 0
  case GL.CLIENT_ATTRIB_STACK_DEPTH: return Int64(shadow.pointee.stackDepth)
  case GL.ARRAY_BUFFER_BINDING: return Int64(shadow.pointee.buffers.array)
  case GL.ELEMENT_ARRAY_BUFFER_BINDING: return Int64(shadow.pointee.elementBuffer)
  case GL.PIXEL_PACK_BUFFER_BINDING: return Int64(shadow.pointee.buffers.pixelPack)
  case GL.PIXEL_UNPACK_BUFFER_BINDING: return Int64(shadow.pointee.buffers.pixelUnpack)
  case GL.VERTEX_ARRAY_BINDING: return Int64(shadow.pointee.vertexArray)
  case GL.CLIENT_ACTIVE_TEXTURE:
    return Int64(GL.TEXTURE0 &+ shadow.pointee.clientActiveTexture)
  case GL.MATRIX_MODE where c.hasFixedFunction:
    return shadow.pointee.matrices.knownMode.map { Int64($0) }
  case GL.ACTIVE_TEXTURE:
    return shadow.pointee.matrices.knownUnit.map { Int64(GL.TEXTURE0 &+ $0) }
  case GL.MODELVIEW_STACK_DEPTH where c.hasFixedFunction:
    return shadow.pointee.matrices.depth(GL.MODELVIEW).map { Int64($0) }
  case GL.PROJECTION_STACK_DEPTH where c.hasFixedFunction:
    return shadow.pointee.matrices.depth(GL.PROJECTION).map { Int64($0) }
  case GL.DOUBLEBUFFER where shadow.pointee.drawFramebuffer == 0 && c.pointee.request.api == 0:
    return c.pointee.binding.draw.map { Int64($0.pointee.request.flags & 1) }
  case GL.ACCUM_RED_BITS, GL.ACCUM_GREEN_BITS, GL.ACCUM_BLUE_BITS, GL.ACCUM_ALPHA_BITS:
    guard shadow.pointee.drawFramebuffer == 0, c.pointee.request.api == 0, c.hasFixedFunction,
      let draw = c.pointee.binding.draw
    else { return nil }
    return draw.pointee.request.flags & DrawableFlag.accumulation != 0 ? 16 : 0
  case GL.LIST_INDEX where c.pointee.request.api == 0 && c.hasFixedFunction:
    return Int64(shadow.pointee.listMode == 0 ? 0 : shadow.pointee.list)
  case GL.LIST_MODE where c.pointee.request.api == 0 && c.hasFixedFunction:
    return Int64(shadow.pointee.listMode)
  case GL.NUM_EXTENSIONS: return Int64(c.pointee.binding.facts?.pointee.extensionCount ?? 0)
  case GL.FEEDBACK_BUFFER_SIZE: return Int64(shadow.pointee.feedbackSize)
  case GL.SELECTION_BUFFER_SIZE: return Int64(shadow.pointee.selectionSize)
  default:
    return TexturePlace.of(binding: pname).flatMap { c.unitValue($0) }.map { Int64($0) }
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

/// A matrix or the current color, in single precision; 0 numbers when the node is to be asked.
private func floats(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Float>) -> Int {
  guard c.hasFixedFunction else { return 0 }
  if pname == GL.CURRENT_COLOR {
    guard let color = currentColor(c) else { return 0 }
    (data[0], data[1], data[2], data[3]) = color
    return 4
  }
  let matrices = c.pointee.shadow.pointee.matrices
  let (mode, isTransposed): (UInt32, Bool)
  switch pname {
  case GL.MODELVIEW_MATRIX: (mode, isTransposed) = (GL.MODELVIEW, false)
  case GL.PROJECTION_MATRIX: (mode, isTransposed) = (GL.PROJECTION, false)
  case GL.TEXTURE_MATRIX: (mode, isTransposed) = (GL.TEXTURE, false)
  case GL.TRANSPOSE_MODELVIEW_MATRIX: (mode, isTransposed) = (GL.MODELVIEW, true)
  case GL.TRANSPOSE_PROJECTION_MATRIX: (mode, isTransposed) = (GL.PROJECTION, true)
  // Mesa 22.3 has an answer of its own to GL_TRANSPOSE_TEXTURE_MATRIX: it is asked.
  default: return 0
  }
  guard let top = matrices.top(mode) else { return 0 }
  var i = 0
  while i < 16 {
    data[i] = isTransposed ? top[(i & 3) &* 4 &+ i / 4] : top[i]
    i &+= 1
  }
  return 16
}

/// Answers a get: with a value of ours, with an implementation constant, with what is remembered, or
/// with what the node says.
private func get<Number>(
  _ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Number>?, _ type: StateType,
  _ opcode: UInt32, _ own: (Int64) -> Number, _ constant: ((Double) -> Number)?,
  _ encode: (Call) -> Void
) {
  guard let data, !c.isRefusedInBegin() else { return }
  if let value = local(c, pname) {
    data.pointee = own(value)
    return
  }
  if let constant {
    if let values = constants(c, pname) {
      var i = 0
      while i < values.count {
        data[i] = constant(values[i])
        i &+= 1
      }
      return
    }
    if type == .float || type == .double {
      let isKnown = withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) { numbers in
        guard let start = numbers.baseAddress else { return false }
        let count = floats(c, pname, start)
        var i = 0
        while i < count {
          data[i] = constant(Double(start[i]))
          i &+= 1
        }
        return count > 0
      }
      if isKnown { return }
    }
  }
  if type != .integer,
    pname == GL.DRAW_FRAMEBUFFER_BINDING || pname == GL.READ_FRAMEBUFFER_BINDING
  {
    // The default framebuffer has a name on the node, which only a whole number can be told from.
    var name: Int32 = 0
    hook_glGetIntegerv(c, pname, &name)
    data.pointee = own(Int64(name))
    return
  }
  let shadow = c.pointee.shadow
  let isKept = StateGroup.of(pname) != 0
  if isKept {
    shadow.pointee.state.isAsked = true
    c.settle()
    if shadow.pointee.state.copy(pname, type, data) { return }
  }
  guard let call = c.beginCall(opcode) else { return }
  encode(call)
  guard var reply = c.endCall(call) else { return }
  let (bytes, size) = reply.array(minimumBytes: 0, field: "data")
  if let bytes, size > 0 {
    platform_copy(data, bytes, size)
    if isKept { shadow.pointee.state.keep(pname, type, bytes, size / type.size, isWhole: false) }
    if type == .integer, size == 4, let place = TexturePlace.of(binding: pname),
      let unit = shadow.pointee.matrices.knownUnit
    {
      shadow.pointee.units.set(unit, place, bytes.loadUnaligned(as: UInt32.self))
    }
  }
  c.finishCall(call)
}

func hook_glGetIntegerv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Int32>?) {
  get(
    c, pname, data, .integer, GLOpcode.glGetIntegerv, { Int32(clamping: $0) },
    { Int32(clamping: rounded($0)) },
    { encode_glGetIntegerv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetInteger64v(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Int64>?) {
  get(
    c, pname, data, .integer64, GLOpcode.glGetInteger64v, { $0 }, rounded,
    { encode_glGetInteger64v(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetFloatv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Float>?) {
  get(
    c, pname, data, .float, GLOpcode.glGetFloatv, { Float($0) }, { Float($0) },
    { encode_glGetFloatv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetDoublev(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<Double>?) {
  get(
    c, pname, data, .double, GLOpcode.glGetDoublev, { Double($0) }, { $0 },
    { encode_glGetDoublev(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetBooleanv(_ c: Context, _ pname: UInt32, _ data: UnsafeMutablePointer<UInt8>?) {
  get(
    c, pname, data, .boolean, GLOpcode.glGetBooleanv, { $0 == 0 ? 0 : 1 },
    { $0 == 0 ? 0 : 1 },
    { encode_glGetBooleanv(c, $0.writer, $0.ticket, pname) })
}

func hook_glGetFixedv(_ c: Context, _ pname: UInt32, _ params: UnsafeMutablePointer<Int32>?) {
  get(
    c, pname, params, .fixed, GLOpcode.glGetFixedv, { Int32(clamping: $0 &* 65536) }, nil,
    { encode_glGetFixedv(c, $0.writer, $0.ticket, pname) })
}

/// Whether a context of any kind has a capability, so that setting it is no error.
private func isEverywhere(_ cap: UInt32) -> Bool {
  switch cap {
  case GL.BLEND, GL.DEPTH_TEST, GL.CULL_FACE, GL.SCISSOR_TEST, GL.STENCIL_TEST, GL.DITHER,
    GL.POLYGON_OFFSET_FILL, GL.SAMPLE_ALPHA_TO_COVERAGE, GL.SAMPLE_COVERAGE:
    true
  default: false
  }
}

/// Whether every context with fixed function has a capability.
private func isOld(_ cap: UInt32) -> Bool {
  switch cap {
  case GL.ALPHA_TEST, GL.LIGHTING, GL.FOG, GL.NORMALIZE, GL.COLOR_MATERIAL, GL.LINE_SMOOTH,
    GL.POINT_SMOOTH, GL.COLOR_LOGIC_OP, GL.TEXTURE_2D:
    true
  case GL.LIGHT0...(GL.LIGHT0 + 7): true
  default: false
  }
}

/// Whether a context is known to have a capability.
private func has(_ c: Context, _ cap: UInt32) -> Bool {
  if isEverywhere(cap) { return true }
  guard c.hasFixedFunction else { return false }
  switch cap {
  case GL.TEXTURE_GEN_S, GL.TEXTURE_GEN_T, GL.TEXTURE_GEN_R, GL.TEXTURE_GEN_Q:
    return c.pointee.request.api == 0
  default: return isOld(cap)
  }
}

func hook_glIsEnabled(_ c: Context, _ cap: UInt32) -> UInt8 {
  if c.isRefusedInBegin() { return 0 }
  let isKept = has(c, cap)
  let shadow = c.pointee.shadow
  if isKept {
    shadow.pointee.state.isAsked = true
    c.settle()
    var value: UInt8 = 0
    if shadow.pointee.state.copy(cap, .boolean, &value) { return value }
  }
  let asked = askNumber(c, GLOpcode.glIsEnabled) {
    encode_glIsEnabled(c, $0.writer, $0.ticket, cap)
  }
  guard let asked else { return 0 }
  let result = UInt8(truncatingIfNeeded: asked)
  if isKept { c.keep(cap, Int32(result)) }
  return result
}

/// A capability that a command has set; the others are as they were.
func noteCapability(_ c: Context, _ cap: UInt32, _ isOn: Bool) {
  guard !c.pointee.shadow.pointee.isInBegin else { return }
  guard has(c, cap) else {
    c.pointee.touched |= StateGroup.enable
    return
  }
  if c.records(MatrixOp.capability, of: (cap, isOn ? UInt32(1) : 0)) { setCapability(c, cap, isOn) }
}

/// The same where it is carried out.
func setCapability(_ c: Context, _ cap: UInt32, _ isOn: Bool) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.state.isAsked else {
    c.pointee.touched |= StateGroup.enable
    return
  }
  c.keep(cap, isOn ? 1 : 0)
}

// MARK: Strings

func hook_glGetString(_ c: Context, _ name: UInt32) -> UnsafePointer<UInt8>? {
  if c.isRefusedInBegin() { return nil }
  let facts = c.pointee.binding.facts?.pointee
  let text: UnsafePointer<CChar>?
  switch name {
  case GL.VENDOR: text = facts?.vendor
  case GL.RENDERER: text = facts?.renderer
  case GL.VERSION: text = facts?.version
  case GL.SHADING_LANGUAGE_VERSION:
    // Empty where there is none.
    text = facts?.shadingLanguageVersion.pointee == 0 ? nil : facts?.shadingLanguageVersion
  case GL.EXTENSIONS: text = facts?.extensionString
  default: text = nil
  }
  guard let text else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  return UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
}

/// A string that the node has given, which stays where it is as long as the context (OpenGL 4.6, 22.2).
struct KeptString {
  var next: UnsafeMutablePointer<KeptString>?
  let name: UInt32
  let index: UInt32

  /// The text behind it, with its NUL.
  static func text(_ kept: UnsafeMutablePointer<KeptString>) -> UnsafePointer<UInt8> {
    UnsafeRawPointer(kept + 1).assumingMemoryBound(to: UInt8.self)
  }
}

/// A string with an index that did not come with the context; nil, with the driver's error, when there is none.
private func askString(_ c: Context, _ name: UInt32, _ index: UInt32) -> UnsafePointer<UInt8>? {
  let shadow = c.pointee.shadow
  var known = shadow.pointee.strings
  while let one = known {
    if one.pointee.name == name, one.pointee.index == index { return KeptString.text(one) }
    known = one.pointee.next
  }
  guard let call = c.beginCall(GLOpcode.glGetStringi) else { return nil }
  encode_glGetStringi(c, call.writer, call.ticket, name, index)
  guard var reply = c.endCall(call) else { return nil }
  defer { c.finishCall(call) }
  let (bytes, count) = reply.array(minimumBytes: 0, field: "reply")
  guard let bytes, count > 0,
    let raw = platform_malloc(MemoryLayout<KeptString>.stride &+ count)
  else { return nil }
  let kept = raw.bindMemory(to: KeptString.self, capacity: 1)
  kept.initialize(to: KeptString(next: shadow.pointee.strings, name: name, index: index))
  let text = raw + MemoryLayout<KeptString>.stride
  platform_copy(text, bytes, count)
  text.storeBytes(of: 0, toByteOffset: count &- 1, as: UInt8.self)
  shadow.pointee.strings = kept
  return KeptString.text(kept)
}

func hook_glGetStringi(_ c: Context, _ name: UInt32, _ index: UInt32) -> UnsafePointer<UInt8>? {
  guard name == GL.EXTENSIONS else { return askString(c, name, index) }
  guard let facts = c.pointee.binding.facts, Int(index) < facts.pointee.extensionCount else {
    c.raise(GL.INVALID_VALUE)
    return nil
  }
  let text = facts.pointee.extensions[Int(index)]
  return UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
}
