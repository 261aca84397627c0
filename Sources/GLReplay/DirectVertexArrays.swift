import GLWire

// Doers of what changes arrays of a vertex array object that is named instead of bound (`VertexArrays.swift`).

func doer_glEnableVertexArrayAttrib(_ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32) {
  if index < 32 {
    c.pointee.didEnable(Int(index), of: c.pointee.vertexArrays.state(c.pointee.recordWord(8)))
  }
  c.pointee.gl.glEnableVertexArrayAttrib?(vaobj, index)
}
func doer_glVertexArrayBindingDivisor(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ divisor: UInt32
) {
  c.pointee.vertexArrays.hasDivisors = true
  c.pointee.gl.glVertexArrayBindingDivisor?(vaobj, index, divisor)
}
func doer_glVertexArrayVertexBuffer(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int,
  _ stride: Int32
) {
  c.pointee.bindVertexBuffer(c.pointee.vertexArrays.state(c.pointee.recordWord(8)), buffer)
  c.pointee.gl.glVertexArrayVertexBuffer?(vaobj, index, buffer, offset, stride)
}
func doer_glVertexArrayVertexBuffers(
  _ c: GLContextPointer, _ vaobj: UInt32, _ first: UInt32, _ count: Int32,
  _ buffers: UnsafePointer<UInt32>?, _ offsets: UnsafePointer<Int>?,
  _ strides: UnsafePointer<Int32>?
) {
  c.pointee.didUnbind(c.pointee.vertexArrays.state(c.pointee.recordWord(8)))
  c.pointee.gl.glVertexArrayVertexBuffers?(vaobj, first, count, buffers, offsets, strides)
}
func doer_glVertexArrayAttribBinding(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ binding: UInt32
) {
  c.pointee.didUnbind(c.pointee.vertexArrays.state(c.pointee.recordWord(8)))
  c.pointee.gl.glVertexArrayAttribBinding?(vaobj, index, binding)
}

// MARK: GL_EXT_direct_state_access

extension GLReplayContext {
  /// The object that the record's first name is.
  private mutating func namedArrays() -> UnsafeMutablePointer<VertexArrayState> {
    vertexArrays.state(recordWord(8))
  }

  /// An array of a named object has been given a buffer, or none.
  fileprivate mutating func didSetOffset(_ slot: Int?, _ buffer: UInt32) {
    guard buffer == 0, let slot else { return }
    let state = namedArrays()
    state.pointee.unchecked |= 1 << UInt64(slot) & state.pointee.used
  }

  fileprivate mutating func didEnableNamed(_ slot: Int?) {
    if let slot { didEnable(slot, of: namedArrays()) }
  }

  /// The texture coordinates of a unit, in the object that is bound.
  fileprivate mutating func didEnableTexture(_ unit: UInt32) {
    if let slot = textureSlot(unit) { didEnable(slot, of: vertexArrays.current) }
  }

  fileprivate mutating func didUnbindNamed() { didUnbind(namedArrays()) }

  /// The slot of a unit's texture coordinates; nil for a unit that has none.
  fileprivate mutating func textureSlot(_ unit: UInt32) -> Int? {
    unit < min(driverValue(GL.MAX_TEXTURE_COORDS), UInt32(ArraySlot.texCoordCount))
      ? ArraySlot.texCoord + Int(unit) : nil
  }
}

/// The slot of a generic attribute; nil for what is none.
private func attributeSlot(_ index: UInt32) -> Int? { index < 32 ? Int(index) : nil }

func doer_glVertexArrayVertexOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ size: Int32, _ type: UInt32,
  _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.vertex, buffer)
  c.pointee.gl.glVertexArrayVertexOffsetEXT?(vaobj, buffer, size, type, stride, offset)
}
func doer_glVertexArrayColorOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ size: Int32, _ type: UInt32,
  _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.color, buffer)
  c.pointee.gl.glVertexArrayColorOffsetEXT?(vaobj, buffer, size, type, stride, offset)
}
func doer_glVertexArrayEdgeFlagOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.edgeFlag, buffer)
  c.pointee.gl.glVertexArrayEdgeFlagOffsetEXT?(vaobj, buffer, stride, offset)
}
func doer_glVertexArrayIndexOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ type: UInt32, _ stride: Int32,
  _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.index, buffer)
  c.pointee.gl.glVertexArrayIndexOffsetEXT?(vaobj, buffer, type, stride, offset)
}
func doer_glVertexArrayNormalOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ type: UInt32, _ stride: Int32,
  _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.normal, buffer)
  c.pointee.gl.glVertexArrayNormalOffsetEXT?(vaobj, buffer, type, stride, offset)
}
func doer_glVertexArrayTexCoordOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ size: Int32, _ type: UInt32,
  _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(c.pointee.textureSlot(), buffer)
  c.pointee.gl.glVertexArrayTexCoordOffsetEXT?(vaobj, buffer, size, type, stride, offset)
}
func doer_glVertexArrayMultiTexCoordOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ texunit: UInt32, _ size: Int32,
  _ type: UInt32, _ stride: Int32, _ offset: Int
) {
  // Mesa 22.3 does not look at the unit.
  guard let slot = c.pointee.textureSlot(texunit &- GL.TEXTURE0) else {
    return c.pointee.raise(GL.INVALID_ENUM)
  }
  c.pointee.didSetOffset(slot, buffer)
  c.pointee.gl.glVertexArrayMultiTexCoordOffsetEXT?(
    vaobj, buffer, texunit, size, type, stride, offset)
}
func doer_glVertexArrayFogCoordOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ type: UInt32, _ stride: Int32,
  _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.fogCoord, buffer)
  c.pointee.gl.glVertexArrayFogCoordOffsetEXT?(vaobj, buffer, type, stride, offset)
}
func doer_glVertexArraySecondaryColorOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ size: Int32, _ type: UInt32,
  _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(ArraySlot.secondaryColor, buffer)
  c.pointee.gl.glVertexArraySecondaryColorOffsetEXT?(vaobj, buffer, size, type, stride, offset)
}
func doer_glVertexArrayVertexAttribOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ index: UInt32, _ size: Int32,
  _ type: UInt32, _ normalized: UInt8, _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(attributeSlot(index), buffer)
  c.pointee.gl.glVertexArrayVertexAttribOffsetEXT?(
    vaobj, buffer, index, size, type, normalized, stride, offset)
}
func doer_glVertexArrayVertexAttribIOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ index: UInt32, _ size: Int32,
  _ type: UInt32, _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(attributeSlot(index), buffer)
  c.pointee.gl.glVertexArrayVertexAttribIOffsetEXT?(
    vaobj, buffer, index, size, type, stride, offset)
}
func doer_glVertexArrayVertexAttribLOffsetEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ buffer: UInt32, _ index: UInt32, _ size: Int32,
  _ type: UInt32, _ stride: Int32, _ offset: Int
) {
  c.pointee.didSetOffset(attributeSlot(index), buffer)
  c.pointee.gl.glVertexArrayVertexAttribLOffsetEXT?(
    vaobj, buffer, index, size, type, stride, offset)
}
func doer_glEnableVertexArrayEXT(_ c: GLContextPointer, _ vaobj: UInt32, _ array: UInt32) {
  c.pointee.didEnableNamed(c.pointee.slot(array) ?? c.pointee.textureSlot(array &- GL.TEXTURE0))
  c.pointee.gl.glEnableVertexArrayEXT?(vaobj, array)
}
func doer_glEnableVertexArrayAttribEXT(_ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32) {
  c.pointee.didEnableNamed(attributeSlot(index))
  c.pointee.gl.glEnableVertexArrayAttribEXT?(vaobj, index)
}
func doer_glVertexArrayBindVertexBufferEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int,
  _ stride: Int32
) {
  if buffer == 0 { c.pointee.didUnbindNamed() }
  c.pointee.gl.glVertexArrayBindVertexBufferEXT?(vaobj, index, buffer, offset, stride)
}
func doer_glVertexArrayVertexAttribBindingEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ binding: UInt32
) {
  c.pointee.didUnbindNamed()
  c.pointee.gl.glVertexArrayVertexAttribBindingEXT?(vaobj, index, binding)
}
func doer_glVertexArrayVertexBindingDivisorEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ divisor: UInt32
) {
  c.pointee.vertexArrays.hasDivisors = true
  c.pointee.gl.glVertexArrayVertexBindingDivisorEXT?(vaobj, index, divisor)
}
func doer_glVertexArrayVertexAttribDivisorEXT(
  _ c: GLContextPointer, _ vaobj: UInt32, _ index: UInt32, _ divisor: UInt32
) {
  // It has the attribute read from the binding of its own number.
  c.pointee.didUnbindNamed()
  c.pointee.vertexArrays.hasDivisors = true
  c.pointee.gl.glVertexArrayVertexAttribDivisorEXT?(vaobj, index, divisor)
}
func doer_glMultiTexCoordPointerEXT(
  _ c: GLContextPointer, _ texunit: UInt32, _ size: Int32, _ type: UInt32, _ stride: Int32,
  _ pointer: UnsafeRawPointer?
) {
  guard let slot = c.pointee.textureSlot(texunit &- GL.TEXTURE0) else {
    return c.pointee.raise(GL.INVALID_ENUM)
  }
  c.pointee.didSetPointer(slot)
  c.pointee.gl.glMultiTexCoordPointerEXT?(texunit, size, type, stride, pointer)
}
func doer_glEnableClientStateiEXT(_ c: GLContextPointer, _ array: UInt32, _ index: UInt32) {
  c.pointee.didEnableTexture(index)
  c.pointee.gl.glEnableClientStateiEXT?(array, index)
}
func doer_glEnableClientStateIndexedEXT(_ c: GLContextPointer, _ array: UInt32, _ index: UInt32) {
  c.pointee.didEnableTexture(index)
  c.pointee.gl.glEnableClientStateIndexedEXT?(array, index)
}
func doer_glClientAttribDefaultEXT(_ c: GLContextPointer, _ mask: UInt32) {
  // The pixel store is set for each image.
  c.pointee.gl.glClientAttribDefaultEXT?(mask & GL.CLIENT_VERTEX_ARRAY_BIT)
  c.pointee.didUnbind(c.pointee.vertexArrays.current)
}
