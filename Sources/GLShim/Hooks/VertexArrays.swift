import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6 (compatibility), 10.3: vertex arrays. A pointer with a buffer bound is an offset, and
// travels as one; without, it is remembered, and what lies there travels with each draw.

private func isClientPointer(_ c: Context) -> Bool {
  c.pointee.shadow.pointee.buffers.array == 0 && c.pointee.shadow.pointee.vertexArray == 0
}

/// Whether elements of an array may have so many components (OpenGL 4.6 compatibility, table 10.3).
private func isSize(_ size: Int32, of slot: Int) -> Bool {
  let isReversed = UInt32(bitPattern: size) == GL.BGRA
  switch slot {
  case ArraySlot.vertex: return size >= 2 && size <= 4
  case ArraySlot.color, ArraySlot.secondaryColor: return size >= 3 && size <= 4 || isReversed
  case ArraySlot.texCoord...: return size >= 1 && size <= 4
  case ..<ArraySlot.vertex: return size >= 1 && size <= 4 || isReversed
  default: return true
  }
}

private func setPointer(
  _ c: Context, _ slot: Int, _ size: Int32, _ type: UInt32, _ stride: Int32, _ flags: UInt32,
  _ pointer: UnsafeRawPointer?
) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.vertexArray == 0, slot >= 0, slot < ArraySlot.count, stride >= 0,
    isSize(size, of: slot)
  else { return }
  let array = shadow.pointee.arrays + slot
  array.pointee.pointer = pointer
  array.pointee.size = size
  array.pointee.type = type
  array.pointee.stride = stride
  array.pointee.flags = flags
  array.pointee.buffer = shadow.pointee.buffers.array
  let bit: UInt64 = 1 &<< UInt64(slot)
  if array.pointee.buffer == 0, array.pointee.elementSize > 0 {
    shadow.pointee.inMemory |= bit
  } else {
    shadow.pointee.inMemory &= ~bit
  }
}

/// The pointer that travels: NULL for client memory, which the node has not.
private func sent(_ c: Context, _ pointer: UnsafeRawPointer?) -> UnsafeRawPointer? {
  isClientPointer(c) ? nil : pointer
}

func hook_glVertexPointer(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.vertex, size, type, stride, 0, pointer)
  encode_glVertexPointer(c, c.writer, size, type, stride, sent(c, pointer))
}
func hook_glNormalPointer(
  _ c: Context, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.normal, 3, type, stride, 0, pointer)
  encode_glNormalPointer(c, c.writer, type, stride, sent(c, pointer))
}
func hook_glColorPointer(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.color, size, type, stride, 0, pointer)
  encode_glColorPointer(c, c.writer, size, type, stride, sent(c, pointer))
}
func hook_glSecondaryColorPointer(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.secondaryColor, size, type, stride, 0, pointer)
  encode_glSecondaryColorPointer(c, c.writer, size, type, stride, sent(c, pointer))
}
func hook_glFogCoordPointer(
  _ c: Context, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.fogCoord, 1, type, stride, 0, pointer)
  encode_glFogCoordPointer(c, c.writer, type, stride, sent(c, pointer))
}
func hook_glIndexPointer(
  _ c: Context, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  setPointer(c, ArraySlot.index, 1, type, stride, 0, pointer)
  encode_glIndexPointer(c, c.writer, type, stride, sent(c, pointer))
}
func hook_glEdgeFlagPointer(_ c: Context, _ stride: Int32, _ pointer: UnsafeRawPointer?) {
  setPointer(c, ArraySlot.edgeFlag, 1, GL.UNSIGNED_BYTE, stride, 0, pointer)
  encode_glEdgeFlagPointer(c, c.writer, stride, sent(c, pointer))
}
func hook_glTexCoordPointer(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  let unit = Int(c.pointee.shadow.pointee.clientActiveTexture)
  setPointer(c, ArraySlot.texCoord &+ unit, size, type, stride, 0, pointer)
  encode_glTexCoordPointer(c, c.writer, size, type, stride, sent(c, pointer))
}
func hook_glMultiTexCoordPointerEXT(
  _ c: Context, _ texunit: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  let unit = texunit &- GL.TEXTURE0
  if unit < 24 { setPointer(c, ArraySlot.texCoord &+ Int(unit), size, type, stride, 0, pointer) }
  encode_glMultiTexCoordPointerEXT(c, c.writer, texunit, size, type, stride, sent(c, pointer))
}
func hook_glVertexAttribPointer(
  _ c: Context, _ index: UInt32, _ size: Int32, _ type: UInt32, _ normalized: UInt8,
  _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  if index < 32 {
    setPointer(
      c, Int(index), size, type, stride, normalized == 0 ? 0 : ArrayFlag.normalized, pointer)
  }
  encode_glVertexAttribPointer(
    c, c.writer, index, size, type, normalized, stride, sent(c, pointer))
}
func hook_glVertexAttribIPointer(
  _ c: Context, _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  if index < 32 { setPointer(c, Int(index), size, type, stride, ArrayFlag.integer, pointer) }
  encode_glVertexAttribIPointer(c, c.writer, index, size, type, stride, sent(c, pointer))
}
func hook_glVertexAttribLPointer(
  _ c: Context, _ index: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  if index < 32 { setPointer(c, Int(index), size, type, stride, ArrayFlag.long, pointer) }
  encode_glVertexAttribLPointer(c, c.writer, index, size, type, stride, sent(c, pointer))
}

// GL_EXT_vertex_array: how many vertices there are needs nobody to know.

func hook_glVertexPointerEXT(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ count: Int32,
  _ pointer: UnsafeRawPointer?
) {
  gl_VertexPointer(size, type, stride, pointer)
}
func hook_glNormalPointerEXT(
  _ c: Context, _ type: UInt32, _ stride: Int32, _ count: Int32, _ pointer: UnsafeRawPointer?
) {
  gl_NormalPointer(type, stride, pointer)
}
func hook_glColorPointerEXT(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ count: Int32,
  _ pointer: UnsafeRawPointer?
) {
  gl_ColorPointer(size, type, stride, pointer)
}
func hook_glIndexPointerEXT(
  _ c: Context, _ type: UInt32, _ stride: Int32, _ count: Int32, _ pointer: UnsafeRawPointer?
) {
  gl_IndexPointer(type, stride, pointer)
}
func hook_glTexCoordPointerEXT(
  _ c: Context, _ size: Int32, _ type: UInt32, _ stride: Int32, _ count: Int32,
  _ pointer: UnsafeRawPointer?
) {
  gl_TexCoordPointer(size, type, stride, pointer)
}
func hook_glEdgeFlagPointerEXT(
  _ c: Context, _ stride: Int32, _ count: Int32, _ pointer: UnsafePointer<UInt8>?
) {
  gl_EdgeFlagPointer(stride, pointer)
}

// MARK: What is enabled

private func slot(_ c: Context, _ array: UInt32) -> Int? {
  switch array {
  case GL.VERTEX_ARRAY: ArraySlot.vertex
  case GL.NORMAL_ARRAY: ArraySlot.normal
  case GL.COLOR_ARRAY: ArraySlot.color
  case GL.SECONDARY_COLOR_ARRAY: ArraySlot.secondaryColor
  case GL.FOG_COORD_ARRAY: ArraySlot.fogCoord
  case GL.INDEX_ARRAY: ArraySlot.index
  case GL.EDGE_FLAG_ARRAY: ArraySlot.edgeFlag
  case GL.TEXTURE_COORD_ARRAY:
    ArraySlot.texCoord &+ Int(c.pointee.shadow.pointee.clientActiveTexture)
  default: nil
  }
}

private func enable(_ c: Context, _ slot: Int?, _ isEnabled: Bool) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.vertexArray == 0, let slot, slot >= 0, slot < ArraySlot.count else { return }
  let bit: UInt64 = 1 &<< UInt64(slot)
  if isEnabled { shadow.pointee.enabled |= bit } else { shadow.pointee.enabled &= ~bit }
}

func note_glEnableClientState(_ c: Context, _ array: UInt32) {
  enable(c, slot(c, array), true)
  setRestart(c, array, true)
}
func note_glDisableClientState(_ c: Context, _ array: UInt32) {
  enable(c, slot(c, array), false)
  setRestart(c, array, false)
}
/// Drivers of old enable arrays by glEnable too (GL_EXT_vertex_array).
func noteArrayCapability(_ c: Context, _ cap: UInt32, _ isEnabled: Bool) {
  guard cap >= GL.VERTEX_ARRAY, c.pointee.request.api == 0, c.hasFixedFunction else { return }
  c.pointee.touched |= StateGroup.color
  enable(c, slot(c, cap), isEnabled)
}
/// Enables or disables the texture coordinates of a unit.
private func enableIndexed(_ c: Context, _ array: UInt32, _ index: UInt32, _ isEnabled: Bool) {
  guard array == GL.TEXTURE_COORD_ARRAY, index < 24 else { return }
  enable(c, ArraySlot.texCoord &+ Int(index), isEnabled)
}
func note_glEnableClientStateiEXT(_ c: Context, _ array: UInt32, _ index: UInt32) {
  enableIndexed(c, array, index, true)
}
func note_glDisableClientStateiEXT(_ c: Context, _ array: UInt32, _ index: UInt32) {
  enableIndexed(c, array, index, false)
}
func note_glEnableClientStateIndexedEXT(_ c: Context, _ array: UInt32, _ index: UInt32) {
  enableIndexed(c, array, index, true)
}
func note_glDisableClientStateIndexedEXT(_ c: Context, _ array: UInt32, _ index: UInt32) {
  enableIndexed(c, array, index, false)
}
func note_glEnableVertexAttribArray(_ c: Context, _ index: UInt32) {
  if index < 32 { enable(c, Int(index), true) }
}
func note_glDisableVertexAttribArray(_ c: Context, _ index: UInt32) {
  if index < 32 { enable(c, Int(index), false) }
}
func note_glClientActiveTexture(_ c: Context, _ texture: UInt32) {
  let unit = texture &- GL.TEXTURE0
  if unit < 24 { c.pointee.shadow.pointee.clientActiveTexture = unit }
}
func note_glVertexAttribDivisor(_ c: Context, _ index: UInt32, _ divisor: UInt32) {
  guard index < 32, c.pointee.shadow.pointee.vertexArray == 0 else { return }
  c.pointee.shadow.pointee.arrays[Int(index)].divisor = divisor
}
func note_glBindVertexArray(_ c: Context, _ array: UInt32) {
  c.pointee.shadow.pointee.vertexArray = array
}
func note_glDeleteVertexArrays(_ c: Context, _ n: Int32, _ arrays: UnsafePointer<UInt32>?) {
  let shadow = c.pointee.shadow
  var i = 0
  while i < Int(n), let arrays {
    if arrays[i] != 0 {
      if arrays[i] == shadow.pointee.vertexArray { shadow.pointee.vertexArray = 0 }
      shadow.pointee.setElementBuffer(0, of: arrays[i])
    }
    i &+= 1
  }
}
func note_glVertexArrayElementBuffer(_ c: Context, _ array: UInt32, _ buffer: UInt32) {
  c.pointee.shadow.pointee.setElementBuffer(buffer, of: array)
}

/// Arrays of the default vertex array object that take a buffer by its own command are client memory no
/// longer.
func note_glBindVertexBuffer(
  _ c: Context, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ stride: Int32
) {
  guard index < 32, buffer != 0, c.pointee.shadow.pointee.vertexArray == 0 else { return }
  c.pointee.shadow.pointee.inMemory &= ~(1 &<< UInt64(index))
}
func note_glVertexAttribBinding(_ c: Context, _ index: UInt32, _ binding: UInt32) {
  guard index < 32, c.pointee.shadow.pointee.vertexArray == 0 else { return }
  let bits = c.pointee.shadow.pointee.inMemory
  if bits & (1 &<< UInt64(binding & 31)) == 0 {
    c.pointee.shadow.pointee.inMemory = bits & ~(1 &<< UInt64(index))
  }
}

// MARK: Attribute stack

func hook_glPushClientAttrib(_ c: Context, _ mask: UInt32) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.stackDepth < Shadow.deepest else { return c.raise(GL.STACK_OVERFLOW) }
  let entry = shadow.pointee.stack + shadow.pointee.stackDepth
  shadow.pointee.stackDepth &+= 1
  entry.pointee.mask = mask
  entry.pointee.pixelPack = shadow.pointee.buffers.pixelPack
  entry.pointee.pixelUnpack = shadow.pointee.buffers.pixelUnpack
  entry.pointee.pack = shadow.pointee.pack
  entry.pointee.unpack = shadow.pointee.unpack
  if mask & GL.CLIENT_VERTEX_ARRAY_BIT != 0 {
    entry.pointee.vertexArray = shadow.pointee.vertexArray
    // Arrays are saved of the object that is bound: here, of the default one.
    if shadow.pointee.vertexArray == 0 {
      let size = ArraySlot.count &* MemoryLayout<ClientArray>.stride
      if entry.pointee.arrays == nil {
        entry.pointee.arrays = platform_malloc(size)?.bindMemory(
          to: ClientArray.self, capacity: ArraySlot.count)
      }
      if let arrays = entry.pointee.arrays { platform_copy(arrays, shadow.pointee.arrays, size) }
      entry.pointee.enabled = shadow.pointee.enabled
      entry.pointee.inMemory = shadow.pointee.inMemory
    }
    entry.pointee.activeTexture = shadow.pointee.clientActiveTexture
    entry.pointee.arrayBuffer = shadow.pointee.buffers.array
    entry.pointee.elementBuffer = shadow.pointee.elementBuffer
    entry.pointee.restart = shadow.pointee.restart
  }
  // The pixel store is the client's alone.
  encode_glPushClientAttrib(c, c.writer, mask & GL.CLIENT_VERTEX_ARRAY_BIT)
}

func hook_glPopClientAttrib(_ c: Context) {
  let shadow = c.pointee.shadow
  guard shadow.pointee.stackDepth > 0 else { return c.raise(GL.STACK_UNDERFLOW) }
  shadow.pointee.stackDepth &-= 1
  let entry = shadow.pointee.stack + shadow.pointee.stackDepth
  if entry.pointee.mask & GL.CLIENT_PIXEL_STORE_BIT != 0 {
    shadow.pointee.pack = entry.pointee.pack
    shadow.pointee.unpack = entry.pointee.unpack
    bindPixelBuffers(c, entry.pointee.pixelPack, entry.pointee.pixelUnpack)
  }
  let name = entry.pointee.vertexArray
  // An object that has been deleted is not made again (OpenGL 4.6, 10.3.1), and nothing is brought back for it.
  if entry.pointee.mask & GL.CLIENT_VERTEX_ARRAY_BIT != 0, name == 0 || c.isName(.vertexArray, name)
  {
    if name == 0, let arrays = entry.pointee.arrays {
      platform_copy(
        shadow.pointee.arrays, arrays, ArraySlot.count &* MemoryLayout<ClientArray>.stride)
      shadow.pointee.enabled = entry.pointee.enabled
      shadow.pointee.inMemory = entry.pointee.inMemory
    }
    shadow.pointee.clientActiveTexture = entry.pointee.activeTexture
    shadow.pointee.buffers.array = entry.pointee.arrayBuffer
    shadow.pointee.vertexArray = name
    shadow.pointee.setElementBuffer(entry.pointee.elementBuffer, of: name)
    shadow.pointee.restart = entry.pointee.restart
  }
  encode_glPopClientAttrib(c, c.writer)
}

/// Where pixels are packed to and unpacked from is part of the pixel store.
private func bindPixelBuffers(_ c: Context, _ pack: UInt32, _ unpack: UInt32) {
  let buffers = c.pointee.shadow.pointee.buffers
  if buffers.pixelPack != pack { gl_BindBuffer(GL.PIXEL_PACK_BUFFER, pack) }
  if buffers.pixelUnpack != unpack { gl_BindBuffer(GL.PIXEL_UNPACK_BUFFER, unpack) }
}

// GL_EXT_direct_state_access: what glPushClientAttrib saves, as it is in a new context.

func hook_glPushClientAttribDefaultEXT(_ c: Context, _ mask: UInt32) {
  gl_PushClientAttrib(mask)
  gl_ClientAttribDefaultEXT(mask)
}

func hook_glClientAttribDefaultEXT(_ c: Context, _ mask: UInt32) {
  let shadow = c.pointee.shadow
  if mask & GL.CLIENT_PIXEL_STORE_BIT != 0 {
    shadow.pointee.pack = PixelStore()
    shadow.pointee.unpack = PixelStore()
    bindPixelBuffers(c, 0, 0)
  }
  guard mask & GL.CLIENT_VERTEX_ARRAY_BIT != 0 else { return }
  shadow.pointee.clientActiveTexture = 0
  shadow.pointee.buffers.array = 0
  shadow.pointee.setElementBuffer(0, of: shadow.pointee.vertexArray)
  shadow.pointee.restart = PrimitiveRestart()
  if shadow.pointee.vertexArray == 0 {
    shadow.pointee.enabled = 0
    shadow.pointee.inMemory = 0
    var slot = 0
    while slot < ArraySlot.count {
      let divisor = shadow.pointee.arrays[slot].divisor
      shadow.pointee.arrays[slot] = ClientArray()
      shadow.pointee.arrays[slot].divisor = divisor
      slot &+= 1
    }
  }
  encode_glClientAttribDefaultEXT(c, c.writer, mask & GL.CLIENT_VERTEX_ARRAY_BIT)
}

// MARK: Interleaved arrays

/// OpenGL 4.6 (compatibility), table 10.5.
func hook_glInterleavedArrays(
  _ c: Context, _ format: UInt32, _ stride: Int32, _ pointer: UnsafeRawPointer?
) {
  guard stride >= 0 else { return c.raise(GL.INVALID_VALUE) }
  // Sizes of texture coordinates, colours, normals, vertices; offsets in bytes; the colours' type.
  var (st, sc, sn, sv) = (Int32(0), Int32(0), Int32(0), Int32(3))
  var (pc, pn, pv, s) = (0, 0, 0, 0)
  var colorType = GL.FLOAT
  let f = 4
  switch format {
  case GL.V2F: (sv, s) = (2, 2 &* f)
  case GL.V3F: s = 3 &* f
  case GL.C4UB_V2F: (sc, sv, colorType, pv, s) = (4, 2, GL.UNSIGNED_BYTE, 4, 4 &+ 2 &* f)
  case GL.C4UB_V3F: (sc, colorType, pv, s) = (4, GL.UNSIGNED_BYTE, 4, 4 &+ 3 &* f)
  case GL.C3F_V3F: (sc, pv, s) = (3, 3 &* f, 6 &* f)
  case GL.N3F_V3F: (sn, pv, s) = (3, 3 &* f, 6 &* f)
  case GL.C4F_N3F_V3F: (sc, sn, pn, pv, s) = (4, 3, 4 &* f, 7 &* f, 10 &* f)
  case GL.T2F_V3F: (st, pv, s) = (2, 2 &* f, 5 &* f)
  case GL.T4F_V4F: (st, sv, pv, s) = (4, 4, 4 &* f, 8 &* f)
  case GL.T2F_C4UB_V3F:
    (st, sc, colorType, pc, pv, s) = (2, 4, GL.UNSIGNED_BYTE, 2 &* f, 4 &+ 2 &* f, 4 &+ 5 &* f)
  case GL.T2F_C3F_V3F: (st, sc, pc, pv, s) = (2, 3, 2 &* f, 5 &* f, 8 &* f)
  case GL.T2F_N3F_V3F: (st, sn, pn, pv, s) = (2, 3, 2 &* f, 5 &* f, 8 &* f)
  case GL.T2F_C4F_N3F_V3F:
    (st, sc, sn, pc) = (2, 4, 3, 2 &* f)
    (pn, pv, s) = (6 &* f, 9 &* f, 12 &* f)
  case GL.T4F_C4F_N3F_V4F:
    (st, sc, sn, sv) = (4, 4, 3, 4)
    (pc, pn, pv, s) = (4 &* f, 8 &* f, 11 &* f, 15 &* f)
  default: return c.raise(GL.INVALID_ENUM)
  }
  let step = stride == 0 ? Int32(s) : stride
  func at(_ offset: Int) -> UnsafeRawPointer? {
    UnsafeRawPointer(bitPattern: UInt(bitPattern: pointer) &+ UInt(offset))
  }
  gl_DisableClientState(GL.EDGE_FLAG_ARRAY)
  gl_DisableClientState(GL.INDEX_ARRAY)
  gl_DisableClientState(GL.SECONDARY_COLOR_ARRAY)
  gl_DisableClientState(GL.FOG_COORD_ARRAY)
  if st > 0 {
    gl_EnableClientState(GL.TEXTURE_COORD_ARRAY)
    gl_TexCoordPointer(st, GL.FLOAT, step, pointer)
  } else {
    gl_DisableClientState(GL.TEXTURE_COORD_ARRAY)
  }
  if sc > 0 {
    gl_EnableClientState(GL.COLOR_ARRAY)
    gl_ColorPointer(sc, colorType, step, at(pc))
  } else {
    gl_DisableClientState(GL.COLOR_ARRAY)
  }
  if sn > 0 {
    gl_EnableClientState(GL.NORMAL_ARRAY)
    gl_NormalPointer(GL.FLOAT, step, at(pn))
  } else {
    gl_DisableClientState(GL.NORMAL_ARRAY)
  }
  gl_EnableClientState(GL.VERTEX_ARRAY)
  gl_VertexPointer(sv, GL.FLOAT, step, at(pv))
}

// MARK: Pointers that are asked for

func hook_glGetVertexAttribPointerv(
  _ c: Context, _ index: UInt32, _ pname: UInt32,
  _ pointer: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  guard pname == GL.VERTEX_ATTRIB_ARRAY_POINTER else { return c.raise(GL.INVALID_ENUM) }
  guard index < 32, Double(index) < c.limit(GL.MAX_VERTEX_ATTRIBS) ?? 32 else {
    return c.raise(GL.INVALID_VALUE)
  }
  if c.pointee.shadow.pointee.vertexArray != 0 {
    // The offset of another object's array.
    return askForPointer(c, GLOpcode.glGetVertexAttribPointerv, pointer) {
      encode_glGetVertexAttribPointerv(c, $0.writer, $0.ticket, index, pname)
    }
  }
  pointer?.pointee = UnsafeMutableRawPointer(
    mutating: c.pointee.shadow.pointee.arrays[Int(index)].pointer)
}

func hook_glGetPointerv(
  _ c: Context, _ pname: UInt32, _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  if c.isRefusedInBegin() { return }
  let shadow = c.pointee.shadow
  let slot: Int
  switch pname {
  case GL.VERTEX_ARRAY_POINTER: slot = ArraySlot.vertex
  case GL.NORMAL_ARRAY_POINTER: slot = ArraySlot.normal
  case GL.COLOR_ARRAY_POINTER: slot = ArraySlot.color
  case GL.SECONDARY_COLOR_ARRAY_POINTER: slot = ArraySlot.secondaryColor
  case GL.FOG_COORD_ARRAY_POINTER: slot = ArraySlot.fogCoord
  case GL.INDEX_ARRAY_POINTER: slot = ArraySlot.index
  case GL.EDGE_FLAG_ARRAY_POINTER: slot = ArraySlot.edgeFlag
  case GL.TEXTURE_COORD_ARRAY_POINTER:
    slot = ArraySlot.texCoord &+ Int(shadow.pointee.clientActiveTexture)
  case GL.FEEDBACK_BUFFER_POINTER:
    params?.pointee = UnsafeMutableRawPointer(shadow.pointee.feedback)
    return
  case GL.SELECTION_BUFFER_POINTER:
    params?.pointee = UnsafeMutableRawPointer(shadow.pointee.selection)
    return
  case GL.DEBUG_CALLBACK_FUNCTION:
    params?.pointee = UnsafeMutableRawPointer(mutating: shadow.pointee.debug.callback)
    return
  case GL.DEBUG_CALLBACK_USER_PARAM:
    params?.pointee = UnsafeMutableRawPointer(mutating: shadow.pointee.debug.parameter)
    return
  default: return c.raise(GL.INVALID_ENUM)
  }
  if shadow.pointee.vertexArray != 0 {
    return askForPointer(c, GLOpcode.glGetPointerv, params) {
      encode_glGetPointerv(c, $0.writer, $0.ticket, pname)
    }
  }
  params?.pointee = UnsafeMutableRawPointer(mutating: shadow.pointee.arrays[slot].pointer)
}

/// A pointer that the node knows.
private func askForPointer(
  _ c: Context, _ opcode: UInt32, _ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ encode: (Call) -> Void
) {
  guard let call = c.beginCall(opcode) else { return }
  encode(call)
  guard var reply = c.endCall(call) else { return }
  reply.copyOut(place, 8)
  c.finishCall(call)
}

func hook_glGetPointeri_vEXT(
  _ c: Context, _ pname: UInt32, _ index: UInt32,
  _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  let shadow = c.pointee.shadow
  guard pname == GL.TEXTURE_COORD_ARRAY_POINTER else { return c.raise(GL.INVALID_ENUM) }
  let units = c.pointee.binding.facts?.pointee.numbers(of: GL.MAX_TEXTURE_COORDS)?.first ?? 8
  guard Double(index) < units, index < 24 else { return c.raise(GL.INVALID_VALUE) }
  if shadow.pointee.vertexArray != 0 {
    return gl_GetVertexArrayPointeri_vEXT(shadow.pointee.vertexArray, index, pname, params)
  }
  params?.pointee = UnsafeMutableRawPointer(
    mutating: shadow.pointee.arrays[ArraySlot.texCoord &+ Int(index)].pointer)
}
func hook_glGetPointerIndexedvEXT(
  _ c: Context, _ target: UInt32, _ index: UInt32,
  _ data: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  hook_glGetPointeri_vEXT(c, target, index, data)
}
