import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, 8.4.1 and 18.2: the pixel store, which is the client's, and what is read back. Images
// come as rows one behind the other and are spread here; into a buffer the node writes itself, by the
// nine values that go with the request.

extension GL {
  /// Of GL_MESA_pack_invert, which has no command.
  static var PACK_INVERT_MESA: UInt32 { 0x8758 }
}

func hook_glPixelStorei(_ c: Context, _ pname: UInt32, _ param: Int32) {
  if c.isRefusedInBegin() { return }
  let shadow = c.pointee.shadow
  switch pname {
  case GL.UNPACK_SWAP_BYTES: shadow.pointee.unpack.swapBytes = param == 0 ? 0 : 1
  case GL.PACK_SWAP_BYTES: shadow.pointee.pack.swapBytes = param == 0 ? 0 : 1
  case GL.UNPACK_LSB_FIRST: shadow.pointee.unpack.lsbFirst = param == 0 ? 0 : 1
  case GL.PACK_LSB_FIRST: shadow.pointee.pack.lsbFirst = param == 0 ? 0 : 1
  case GL.UNPACK_ALIGNMENT, GL.PACK_ALIGNMENT:
    guard param == 1 || param == 2 || param == 4 || param == 8 else {
      return c.raise(GL.INVALID_VALUE)
    }
    if pname == GL.PACK_ALIGNMENT {
      shadow.pointee.pack.alignment = param
    } else {
      shadow.pointee.unpack.alignment = param
    }
  case GL.UNPACK_ROW_LENGTH, GL.UNPACK_IMAGE_HEIGHT, GL.UNPACK_SKIP_ROWS, GL.UNPACK_SKIP_PIXELS,
    GL.UNPACK_SKIP_IMAGES, GL.PACK_ROW_LENGTH, GL.PACK_IMAGE_HEIGHT, GL.PACK_SKIP_ROWS,
    GL.PACK_SKIP_PIXELS, GL.PACK_SKIP_IMAGES:
    guard param >= 0 else { return c.raise(GL.INVALID_VALUE) }
    switch pname {
    case GL.UNPACK_ROW_LENGTH: shadow.pointee.unpack.rowLength = param
    case GL.UNPACK_IMAGE_HEIGHT: shadow.pointee.unpack.imageHeight = param
    case GL.UNPACK_SKIP_ROWS: shadow.pointee.unpack.skipRows = param
    case GL.UNPACK_SKIP_PIXELS: shadow.pointee.unpack.skipPixels = param
    case GL.UNPACK_SKIP_IMAGES: shadow.pointee.unpack.skipImages = param
    case GL.PACK_ROW_LENGTH: shadow.pointee.pack.rowLength = param
    case GL.PACK_IMAGE_HEIGHT: shadow.pointee.pack.imageHeight = param
    case GL.PACK_SKIP_ROWS: shadow.pointee.pack.skipRows = param
    case GL.PACK_SKIP_PIXELS: shadow.pointee.pack.skipPixels = param
    default: shadow.pointee.pack.skipImages = param
    }
  case GL.PACK_INVERT_MESA where c.pointee.request.api == 0:
    shadow.pointee.pack.isInverted = param != 0
  case GL.UNPACK_COMPRESSED_BLOCK_WIDTH...GL.UNPACK_COMPRESSED_BLOCK_SIZE,
    GL.PACK_COMPRESSED_BLOCK_WIDTH...GL.PACK_COMPRESSED_BLOCK_SIZE:
    guard c.pointee.request.api == 0 else { return c.raise(GL.INVALID_ENUM) }
    guard param >= 0 else { return c.raise(GL.INVALID_VALUE) }
    switch pname {
    case GL.UNPACK_COMPRESSED_BLOCK_WIDTH: shadow.pointee.unpack.blocks.width = param
    case GL.UNPACK_COMPRESSED_BLOCK_HEIGHT: shadow.pointee.unpack.blocks.height = param
    case GL.UNPACK_COMPRESSED_BLOCK_DEPTH: shadow.pointee.unpack.blocks.depth = param
    case GL.UNPACK_COMPRESSED_BLOCK_SIZE: shadow.pointee.unpack.blocks.size = param
    case GL.PACK_COMPRESSED_BLOCK_WIDTH: shadow.pointee.pack.blocks.width = param
    case GL.PACK_COMPRESSED_BLOCK_HEIGHT: shadow.pointee.pack.blocks.height = param
    case GL.PACK_COMPRESSED_BLOCK_DEPTH: shadow.pointee.pack.blocks.depth = param
    default: shadow.pointee.pack.blocks.size = param
    }
  default: c.raise(GL.INVALID_ENUM)
  }
}

func hook_glPixelStoref(_ c: Context, _ pname: UInt32, _ param: Float) {
  switch pname {
  case GL.UNPACK_SWAP_BYTES, GL.PACK_SWAP_BYTES, GL.UNPACK_LSB_FIRST, GL.PACK_LSB_FIRST,
    GL.PACK_INVERT_MESA:
    hook_glPixelStorei(c, pname, param == 0 ? 0 : 1)
  default:
    // Rounded to the nearest integer.
    guard param > -2_147_483_648, param < 2_147_483_648 else { return c.raise(GL.INVALID_VALUE) }
    hook_glPixelStorei(c, pname, Int32(param < 0 ? param - 0.5 : param + 0.5))
  }
}

/// Tells how the next image that is read is packed: `u32 mode` (`ImageMode.packed`: rows one behind the
/// other in the reply; `.offset`: into the bound buffer), `u64 offset`, the values of the pixel store.
private func sendPack(_ c: Context, _ pixels: UnsafeMutableRawPointer?) {
  let shadow = c.pointee.shadow
  let writer = c.writer
  c.beginMemory(12 &+ PixelStore.byteCount)
  writer.pointee.u32(shadow.pointee.buffers.pixelPack != 0 ? ImageMode.offset : ImageMode.packed)
  writer.pointee.u64(UInt64(UInt(bitPattern: pixels)))
  if let p = writer.pointee.reserve(PixelStore.byteCount) {
    // Swapped bytes are the node's work.
    var store = shadow.pointee.buffers.pixelPack != 0 ? shadow.pointee.pack : .packed
    store.swapBytes = shadow.pointee.pack.swapBytes
    store.lsbFirst = shadow.pointee.pack.lsbFirst
    store.store(p)
  }
  writer.pointee.end()
}

/// Rows that fit a reply.
private func rowsPerReply(_ format: UInt32, _ type: UInt32, _ width: Int32) -> Int32 {
  let row = max(glImageBytes(format, type, Int(width), 1, 1), 1)
  return Int32(clamping: max((8 << 20) / row, 1))
}

private func readPixels(
  _ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32, _ format: UInt32,
  _ type: UInt32, _ pixels: UnsafeMutableRawPointer?, _ bufSize: Int32?
) {
  let shadow = c.pointee.shadow
  let store = shadow.pointee.pack
  let isBuffer = shadow.pointee.buffers.pixelPack != 0
  if isBuffer, store.isInverted {
    return withPackBuffer(c, pixels) {
      readPixels(c, x, y, width, height, format, type, $0, $1)
    }
  }
  if let bufSize, !isBuffer,
    store.span(2, format, type, Int(width), Int(height), 1).end > Int(max(bufSize, 0))
  {
    return c.raise(GL.INVALID_OPERATION)
  }
  let most = isBuffer ? Int32.max : rowsPerReply(format, type, width)
  var done: Int32 = 0
  repeat {
    let rows = height < 0 ? height : min(height &- done, most)
    sendPack(c, pixels)
    guard let call = c.beginCall(GLOpcode.glReadPixels) else { return }
    encode_glReadPixels(
      c, call.writer, call.ticket, x, y &+ done, width, rows, format, type)
    guard var reply = c.endCall(call) else { return }
    let (bytes, count) = reply.array(minimumBytes: 0, field: "reply")
    let wanted = glImageBytes(format, type, Int(width), Int(rows), 1)
    if let bytes, let pixels, !isBuffer, count >= wanted, wanted > 0 {
      var part = store
      part.skipRows &+= store.isInverted ? height &- done &- rows : done
      spreadRows(
        bytes, part, 2, format, type, Int(width), Int(rows), 1, to: pixels)
    }
    c.finishCall(call)
    done &+= max(rows, 1)
  } while done < height
}

func hook_glReadPixels(
  _ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32, _ format: UInt32,
  _ type: UInt32, _ pixels: UnsafeMutableRawPointer?
) {
  readPixels(c, x, y, width, height, format, type, pixels, nil)
}
func hook_glReadnPixels(
  _ c: Context, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32, _ format: UInt32,
  _ type: UInt32, _ bufSize: Int32, _ data: UnsafeMutableRawPointer?
) {
  readPixels(c, x, y, width, height, format, type, data, bufSize)
}

/// Gives `body` memory that becomes what the buffer has that pixels are packed to, and its size: where the client has
/// to place them itself.
private func withPackBuffer(
  _ c: Context, _ offset: UnsafeMutableRawPointer?, _ body: (UnsafeMutableRawPointer, Int32) -> Void
) {
  c.withBuffer(
    GL.PIXEL_PACK_BUFFER, c.pointee.shadow.pointee.buffers.pixelPack, UnsafeRawPointer(offset),
    writes: true
  ) { body($0, Int32(clamping: $1)) }
}

/// Asks for an image whose size the node knows: the reply is `u32 width, height, depth` and an array of the
/// bytes. A compressed one (GL_NONE for both) comes as it is. What needs more than `room` bytes is an error.
private func readImage(
  _ c: Context, _ opcode: UInt32, _ dimensions: Int, _ format: UInt32, _ type: UInt32,
  _ pixels: UnsafeMutableRawPointer?, room: Int32? = nil, _ encode: (Call) -> Void
) {
  let store = c.pointee.shadow.pointee.pack
  let isCompressed = format == GL.NONE && type == GL.NONE
  let hasBlocks = isCompressed && store.blocks.isUsed
  if hasBlocks, !store.skipsBlocks(dimensions) { return c.raise(GL.INVALID_OPERATION) }
  if hasBlocks || !isCompressed && store.isInverted, c.pointee.shadow.pointee.buffers.pixelPack != 0
  {
    return withPackBuffer(c, pixels) {
      readImage(
        c, opcode, dimensions, format, type, $0, room: min(room ?? Int32.max, $1), encode)
    }
  }
  sendPack(c, pixels)
  guard let call = c.beginCall(opcode) else { return }
  encode(call)
  guard var reply = c.endCall(call) else { return }
  defer { c.finishCall(call) }
  let width = Int(reply.u32("reply"))
  let height = Int(reply.u32("reply"))
  let depth = Int(reply.u32("reply"))
  var (bytes, count) = reply.array(minimumBytes: 0, field: "reply")
  var held: UnsafeMutableRawPointer?
  defer { platform_free(held) }
  if bytes == nil, reply.remaining >= 8 {
    count = Int(clamping: reply.u64("reply"))
    held = fetchHeld(c, count)
    bytes = UnsafeRawPointer(held)
  }
  guard let bytes, let pixels, count > 0 else { return }
  let layout = hasBlocks ? store.blockLayout(dimensions, width, height, depth, count) : nil
  if let room {
    let end =
      isCompressed
      ? layout?.end ?? count : store.span(dimensions, format, type, width, height, depth).end
    guard end <= Int(room) else { return c.raise(GL.INVALID_OPERATION) }
  }
  if let layout {
    return layout.forEachRow { platform_copy(pixels + $0, bytes + $1, layout.row) }
  }
  if isCompressed { return platform_copy(pixels, bytes, count) }
  guard count >= glImageBytes(format, type, width, height, depth) else { return }
  spreadRows(
    bytes, store, dimensions, format, type, width, height, depth,
    to: pixels)
}

/// An image that was too large for its reply; nil without memory, or without the node.
private func fetchHeld(_ c: Context, _ count: Int) -> UnsafeMutableRawPointer? {
  guard count > 0, count <= 2 << 30, let memory = platform_malloc(count) else {
    c.raise(GL.OUT_OF_MEMORY)
    return nil
  }
  var done = 0
  while done < count {
    let part = min(count &- done, largestPart)
    guard let call = c.beginCall(ControlOpcode.glReadHeld) else { break }
    call.writer.pointee.begin(ControlOpcode.glReadHeld)
    call.writer.pointee.u32(call.ticket)
    call.writer.pointee.u32(0)
    call.writer.pointee.u64(UInt64(done))
    call.writer.pointee.u32(UInt32(part))
    call.writer.pointee.u32(0)
    call.writer.pointee.end()
    guard var reply = c.endCall(call) else { break }
    let (bytes, size) = reply.array(minimumBytes: 0, field: "reply")
    let isWhole = size == part
    if let bytes, isWhole { platform_copy(memory + done, bytes, size) }
    c.finishCall(call)
    guard isWhole else { break }
    done &+= part
  }
  if done == count { return memory }
  platform_free(memory)
  return nil
}

private func dimensions(_ target: UInt32) -> Int {
  switch target {
  case GL.TEXTURE_3D, GL.TEXTURE_2D_ARRAY, GL.TEXTURE_CUBE_MAP_ARRAY: 3
  default: 2
  }
}

/// Dimensions of the images of a texture that is named. The faces of a cube map lie behind each other.
private func dimensions(_ c: Context, of texture: UInt32) -> Int {
  switch Int(c.pointee.share.pointee.textures[texture]) &- 1 {
  case TexturePlace.of(target: GL.TEXTURE_2D), TexturePlace.of(target: GL.TEXTURE_1D),
    TexturePlace.of(target: GL.TEXTURE_RECTANGLE), TexturePlace.of(target: GL.TEXTURE_1D_ARRAY):
    2
  default: 3
  }
}

func hook_glGetTexImage(
  _ c: Context, _ target: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32,
  _ pixels: UnsafeMutableRawPointer?
) {
  readImage(c, GLOpcode.glGetTexImage, dimensions(target), format, type, pixels) {
    encode_glGetTexImage(c, $0.writer, $0.ticket, target, level, format, type)
  }
}
func hook_glGetnTexImage(
  _ c: Context, _ target: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32,
  _ bufSize: Int32, _ pixels: UnsafeMutableRawPointer?
) {
  // Drivers have it, or glGetnTexImageARB, or neither: the size is looked at here.
  readImage(c, GLOpcode.glGetTexImage, dimensions(target), format, type, pixels, room: bufSize) {
    encode_glGetTexImage(c, $0.writer, $0.ticket, target, level, format, type)
  }
}
func hook_glGetTextureImage(
  _ c: Context, _ texture: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32,
  _ bufSize: Int32, _ pixels: UnsafeMutableRawPointer?
) {
  readImage(
    c, GLOpcode.glGetTextureImage, dimensions(c, of: texture), format, type, pixels, room: bufSize
  ) {
    encode_glGetTextureImage(c, $0.writer, $0.ticket, texture, level, format, type, bufSize)
  }
}
func hook_glGetTextureSubImage(
  _ c: Context, _ texture: UInt32, _ level: Int32, _ xoffset: Int32, _ yoffset: Int32,
  _ zoffset: Int32, _ width: Int32, _ height: Int32, _ depth: Int32, _ format: UInt32,
  _ type: UInt32, _ bufSize: Int32, _ pixels: UnsafeMutableRawPointer?
) {
  readImage(
    c, GLOpcode.glGetTextureSubImage, dimensions(c, of: texture), format, type, pixels,
    room: bufSize
  ) {
    encode_glGetTextureSubImage(
      c, $0.writer, $0.ticket, texture, level, xoffset, yoffset, zoffset, width, height, depth,
      format, type, bufSize)
  }
}
func hook_glGetCompressedTexImage(
  _ c: Context, _ target: UInt32, _ level: Int32, _ img: UnsafeMutableRawPointer?
) {
  readImage(c, GLOpcode.glGetCompressedTexImage, dimensions(target), GL.NONE, GL.NONE, img) {
    encode_glGetCompressedTexImage(c, $0.writer, $0.ticket, target, level)
  }
}
func hook_glGetnCompressedTexImage(
  _ c: Context, _ target: UInt32, _ lod: Int32, _ bufSize: Int32,
  _ pixels: UnsafeMutableRawPointer?
) {
  readImage(
    c, GLOpcode.glGetCompressedTexImage, dimensions(target), GL.NONE, GL.NONE, pixels,
    room: bufSize
  ) {
    encode_glGetCompressedTexImage(c, $0.writer, $0.ticket, target, lod)
  }
}
func hook_glGetCompressedTextureImage(
  _ c: Context, _ texture: UInt32, _ level: Int32, _ bufSize: Int32,
  _ pixels: UnsafeMutableRawPointer?
) {
  readImage(
    c, GLOpcode.glGetCompressedTextureImage, dimensions(c, of: texture), GL.NONE, GL.NONE, pixels,
    room: bufSize
  ) {
    encode_glGetCompressedTextureImage(c, $0.writer, $0.ticket, texture, level, bufSize)
  }
}
func hook_glGetCompressedTextureSubImage(
  _ c: Context, _ texture: UInt32, _ level: Int32, _ xoffset: Int32, _ yoffset: Int32,
  _ zoffset: Int32, _ width: Int32, _ height: Int32, _ depth: Int32, _ bufSize: Int32,
  _ pixels: UnsafeMutableRawPointer?
) {
  readImage(
    c, GLOpcode.glGetCompressedTextureSubImage, dimensions(c, of: texture), GL.NONE, GL.NONE,
    pixels, room: bufSize
  ) {
    encode_glGetCompressedTextureSubImage(
      c, $0.writer, $0.ticket, texture, level, xoffset, yoffset, zoffset, width, height, depth,
      bufSize)
  }
}
func hook_glGetPolygonStipple(_ c: Context, _ mask: UnsafeMutablePointer<UInt8>?) {
  readImage(c, GLOpcode.glGetPolygonStipple, 2, GL.COLOR_INDEX, GL.BITMAP, mask) {
    encode_glGetPolygonStipple(c, $0.writer, $0.ticket)
  }
}
func hook_glGetnPolygonStipple(
  _ c: Context, _ bufSize: Int32, _ pattern: UnsafeMutablePointer<UInt8>?
) {
  guard bufSize >= 128 || c.pointee.shadow.pointee.buffers.pixelPack != 0 else {
    return c.raise(GL.INVALID_OPERATION)
  }
  hook_glGetPolygonStipple(c, pattern)
}

// MARK: Pixel maps

/// Asks for a pixel map, which goes to the bound buffer, or to `values`, where `room` bytes are.
private func askPixelMap(
  _ c: Context, _ opcode: UInt32, _ values: UnsafeMutableRawPointer?, room: Int32,
  _ encode: (Call) -> Void
) {
  let isBuffer = c.pointee.shadow.pointee.buffers.pixelPack != 0
  if isBuffer { sendPack(c, values) }
  guard let call = c.beginCall(opcode) else { return }
  encode(call)
  guard var reply = c.endCall(call) else { return }
  let (bytes, count) = reply.array(minimumBytes: 0, field: "reply")
  if let bytes, let values, !isBuffer {
    if count > Int(room) {
      c.raise(GL.INVALID_OPERATION)
    } else {
      platform_copy(values, bytes, count)
    }
  }
  c.finishCall(call)
}
func hook_glGetPixelMapfv(_ c: Context, _ map: UInt32, _ values: UnsafeMutablePointer<Float>?) {
  hook_glGetnPixelMapfv(c, map, Int32.max, values)
}
func hook_glGetPixelMapuiv(_ c: Context, _ map: UInt32, _ values: UnsafeMutablePointer<UInt32>?) {
  hook_glGetnPixelMapuiv(c, map, Int32.max, values)
}
func hook_glGetPixelMapusv(_ c: Context, _ map: UInt32, _ values: UnsafeMutablePointer<UInt16>?) {
  hook_glGetnPixelMapusv(c, map, Int32.max, values)
}
func hook_glGetnPixelMapfv(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<Float>?
) {
  askPixelMap(c, GLOpcode.glGetPixelMapfv, values, room: bufSize) {
    encode_glGetPixelMapfv(c, $0.writer, $0.ticket, map)
  }
}
func hook_glGetnPixelMapuiv(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<UInt32>?
) {
  askPixelMap(c, GLOpcode.glGetPixelMapuiv, values, room: bufSize) {
    encode_glGetPixelMapuiv(c, $0.writer, $0.ticket, map)
  }
}
func hook_glGetnPixelMapusv(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<UInt16>?
) {
  askPixelMap(c, GLOpcode.glGetPixelMapusv, values, room: bufSize) {
    encode_glGetPixelMapusv(c, $0.writer, $0.ticket, map)
  }
}

// MARK: GL_ARB_robustness

func hook_glGetnPixelMapfvARB(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<Float>?
) {
  hook_glGetnPixelMapfv(c, map, bufSize, values)
}
func hook_glGetnPixelMapuivARB(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<UInt32>?
) {
  hook_glGetnPixelMapuiv(c, map, bufSize, values)
}
func hook_glGetnPixelMapusvARB(
  _ c: Context, _ map: UInt32, _ bufSize: Int32, _ values: UnsafeMutablePointer<UInt16>?
) {
  hook_glGetnPixelMapusv(c, map, bufSize, values)
}

func hook_glGetnTexImageARB(
  _ c: Context, _ target: UInt32, _ level: Int32, _ format: UInt32, _ type: UInt32,
  _ bufSize: Int32, _ img: UnsafeMutableRawPointer?
) {
  hook_glGetnTexImage(c, target, level, format, type, bufSize, img)
}
func hook_glGetnCompressedTexImageARB(
  _ c: Context, _ target: UInt32, _ lod: Int32, _ bufSize: Int32, _ img: UnsafeMutableRawPointer?
) {
  hook_glGetnCompressedTexImage(c, target, lod, bufSize, img)
}
func hook_glGetnPolygonStippleARB(
  _ c: Context, _ bufSize: Int32, _ pattern: UnsafeMutablePointer<UInt8>?
) {
  hook_glGetnPolygonStipple(c, bufSize, pattern)
}

// MARK: GL_EXT_direct_state_access

func hook_glGetTextureImageEXT(
  _ c: Context, _ texture: UInt32, _ target: UInt32, _ level: Int32, _ format: UInt32,
  _ type: UInt32, _ pixels: UnsafeMutableRawPointer?
) {
  guard c.takesTexture(texture, target, isCompiled: false) else {
    return c.raise(GL.INVALID_OPERATION)
  }
  readImage(c, GLOpcode.glGetTextureImageEXT, dimensions(target), format, type, pixels) {
    encode_glGetTextureImageEXT(c, $0.writer, $0.ticket, texture, target, level, format, type)
  }
}
func hook_glGetMultiTexImageEXT(
  _ c: Context, _ texunit: UInt32, _ target: UInt32, _ level: Int32, _ format: UInt32,
  _ type: UInt32, _ pixels: UnsafeMutableRawPointer?
) {
  readImage(c, GLOpcode.glGetMultiTexImageEXT, dimensions(target), format, type, pixels) {
    encode_glGetMultiTexImageEXT(c, $0.writer, $0.ticket, texunit, target, level, format, type)
  }
}
func hook_glGetCompressedTextureImageEXT(
  _ c: Context, _ texture: UInt32, _ target: UInt32, _ lod: Int32, _ img: UnsafeMutableRawPointer?
) {
  guard c.takesTexture(texture, target, isCompiled: false) else {
    return c.raise(GL.INVALID_OPERATION)
  }
  readImage(c, GLOpcode.glGetCompressedTextureImageEXT, dimensions(target), GL.NONE, GL.NONE, img) {
    encode_glGetCompressedTextureImageEXT(c, $0.writer, $0.ticket, texture, target, lod)
  }
}
func hook_glGetCompressedMultiTexImageEXT(
  _ c: Context, _ texunit: UInt32, _ target: UInt32, _ lod: Int32, _ img: UnsafeMutableRawPointer?
) {
  readImage(c, GLOpcode.glGetCompressedMultiTexImageEXT, dimensions(target), GL.NONE, GL.NONE, img)
  {
    encode_glGetCompressedMultiTexImageEXT(c, $0.writer, $0.ticket, texunit, target, lod)
  }
}
