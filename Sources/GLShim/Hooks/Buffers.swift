import CPlatform
import Client
import GLWire
import PageTracker
import Ring
import Wire

// OpenGL 4.6, chapter 6: what is bound where, and maps.

extension BufferBindings {
  /// The binding of a target; nil for a target that is none, and for the element array, which the
  /// vertex array object has.
  func buffer(_ target: UInt32) -> UInt32? {
    switch target {
    case GL.ARRAY_BUFFER: array
    case GL.PIXEL_PACK_BUFFER: pixelPack
    case GL.PIXEL_UNPACK_BUFFER: pixelUnpack
    case GL.COPY_READ_BUFFER: copyRead
    case GL.COPY_WRITE_BUFFER: copyWrite
    case GL.UNIFORM_BUFFER: uniform
    case GL.TRANSFORM_FEEDBACK_BUFFER: transformFeedback
    case GL.TEXTURE_BUFFER: texture
    case GL.DRAW_INDIRECT_BUFFER: drawIndirect
    case GL.DISPATCH_INDIRECT_BUFFER: dispatchIndirect
    case GL.SHADER_STORAGE_BUFFER: shaderStorage
    case GL.ATOMIC_COUNTER_BUFFER: atomicCounter
    case GL.QUERY_BUFFER: query
    case GL.PARAMETER_BUFFER: parameter
    default: nil
    }
  }

  fileprivate mutating func bind(_ target: UInt32, _ buffer: UInt32) {
    switch target {
    case GL.ARRAY_BUFFER: array = buffer
    case GL.PIXEL_PACK_BUFFER: pixelPack = buffer
    case GL.PIXEL_UNPACK_BUFFER: pixelUnpack = buffer
    case GL.COPY_READ_BUFFER: copyRead = buffer
    case GL.COPY_WRITE_BUFFER: copyWrite = buffer
    case GL.UNIFORM_BUFFER: uniform = buffer
    case GL.TRANSFORM_FEEDBACK_BUFFER: transformFeedback = buffer
    case GL.TEXTURE_BUFFER: texture = buffer
    case GL.DRAW_INDIRECT_BUFFER: drawIndirect = buffer
    case GL.DISPATCH_INDIRECT_BUFFER: dispatchIndirect = buffer
    case GL.SHADER_STORAGE_BUFFER: shaderStorage = buffer
    case GL.ATOMIC_COUNTER_BUFFER: atomicCounter = buffer
    case GL.QUERY_BUFFER: query = buffer
    case GL.PARAMETER_BUFFER: parameter = buffer
    default: break
    }
  }

  fileprivate mutating func forget(_ buffer: UInt32) {
    withUnsafeMutableBytes(of: &self) { raw in
      var i = 0
      while i &+ 4 <= raw.count {
        if raw.load(fromByteOffset: i, as: UInt32.self) == buffer {
          raw.storeBytes(of: 0, toByteOffset: i, as: UInt32.self)
        }
        i &+= 4
      }
    }
  }
}

func note_glBindBuffer(_ c: Context, _ target: UInt32, _ buffer: UInt32) {
  let shadow = c.pointee.shadow
  if buffer != 0 { c.useName(.buffer, buffer) }
  if target == GL.ELEMENT_ARRAY_BUFFER {
    shadow.pointee.setElementBuffer(buffer, of: shadow.pointee.vertexArray)
  } else {
    shadow.pointee.buffers.bind(target, buffer)
  }
  if target == GL.PIXEL_PACK_BUFFER || target == GL.QUERY_BUFFER { noteWritten(c, buffer) }
}
func note_glBindBufferBase(_ c: Context, _ target: UInt32, _ index: UInt32, _ buffer: UInt32) {
  c.pointee.shadow.pointee.buffers.bind(target, buffer)
  noteWritable(c, target, buffer)
}
func note_glBindBufferRange(
  _ c: Context, _ target: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ size: Int
) {
  c.pointee.shadow.pointee.buffers.bind(target, buffer)
  noteWritable(c, target, buffer)
}
func note_glDeleteBuffers(_ c: Context, _ n: Int32, _ buffers: UnsafePointer<UInt32>?) {
  let shadow = c.pointee.shadow
  var i = 0
  while i < Int(n), let buffers {
    let buffer = buffers[i]
    i &+= 1
    guard buffer != 0 else { continue }
    shadow.pointee.buffers.forget(buffer)
    if shadow.pointee.elementBuffer == buffer {
      shadow.pointee.setElementBuffer(0, of: shadow.pointee.vertexArray)
    }
    c.knownBuffer(buffer)?.forget(c)
  }
}

// MARK: Who writes

/// A buffer that the GPU may write from now on.
private func noteWritten(_ c: Context, _ buffer: UInt32) {
  guard buffer != 0, let object = c.buffer(buffer) else { return }
  object.pointee.isWrittenByGPU = true
  object.pointee.contents = .onNode
}

private func noteWritable(_ c: Context, _ target: UInt32, _ buffer: UInt32) {
  switch target {
  case GL.TRANSFORM_FEEDBACK_BUFFER, GL.SHADER_STORAGE_BUFFER, GL.ATOMIC_COUNTER_BUFFER:
    noteWritten(c, buffer)
  default: break
  }
}

func note_glBindBuffersBase(
  _ c: Context, _ target: UInt32, _ first: UInt32, _ count: Int32,
  _ buffers: UnsafePointer<UInt32>?
) {
  var i = 0
  while i < Int(count), let buffers {
    noteWritable(c, target, buffers[i])
    i &+= 1
  }
}
func note_glBindBuffersRange(
  _ c: Context, _ target: UInt32, _ first: UInt32, _ count: Int32,
  _ buffers: UnsafePointer<UInt32>?, _ offsets: UnsafePointer<Int>?, _ sizes: UnsafePointer<Int>?
) {
  note_glBindBuffersBase(c, target, first, count, buffers)
}
func note_glBindBufferOffsetEXT(
  _ c: Context, _ target: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int
) {
  note_glBindBufferBase(c, target, index, buffer)
}
func note_glTransformFeedbackBufferBase(
  _ c: Context, _ xfb: UInt32, _ index: UInt32, _ buffer: UInt32
) {
  noteWritten(c, buffer)
}
func note_glTransformFeedbackBufferRange(
  _ c: Context, _ xfb: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ size: Int
) {
  noteWritten(c, buffer)
}

/// The store of a texture is written by shaders once textures are bound as images.
private func noteTexture(_ c: Context, _ buffer: UInt32) {
  guard buffer != 0, let object = c.buffer(buffer) else { return }
  object.pointee.isTexture = true
}
func note_glTexBuffer(
  _ c: Context, _ target: UInt32, _ internalformat: UInt32, _ buffer: UInt32
) {
  noteTexture(c, buffer)
}
func note_glTexBufferRange(
  _ c: Context, _ target: UInt32, _ internalformat: UInt32, _ buffer: UInt32, _ offset: Int,
  _ size: Int
) {
  noteTexture(c, buffer)
}
func note_glTextureBuffer(
  _ c: Context, _ texture: UInt32, _ internalformat: UInt32, _ buffer: UInt32
) {
  noteTexture(c, buffer)
}
func note_glTextureBufferRange(
  _ c: Context, _ texture: UInt32, _ internalformat: UInt32, _ buffer: UInt32, _ offset: Int,
  _ size: Int
) {
  noteTexture(c, buffer)
}
func note_glTextureBufferEXT(
  _ c: Context, _ texture: UInt32, _ target: UInt32, _ internalformat: UInt32, _ buffer: UInt32
) {
  noteTexture(c, buffer)
}
func note_glTextureBufferRangeEXT(
  _ c: Context, _ texture: UInt32, _ target: UInt32, _ internalformat: UInt32, _ buffer: UInt32,
  _ offset: Int, _ size: Int
) {
  noteTexture(c, buffer)
}
func note_glMultiTexBufferEXT(
  _ c: Context, _ texunit: UInt32, _ target: UInt32, _ internalformat: UInt32, _ buffer: UInt32
) {
  noteTexture(c, buffer)
}
func note_glBindImageTexture(
  _ c: Context, _ unit: UInt32, _ texture: UInt32, _ level: Int32, _ layered: UInt8,
  _ layer: Int32, _ access: UInt32, _ format: UInt32
) {
  if access != GL.READ_ONLY { c.pointee.share.pointee.buffers.bindsImages = true }
}
func note_glBindImageTextures(
  _ c: Context, _ first: UInt32, _ count: Int32, _ textures: UnsafePointer<UInt32>?
) {
  c.pointee.share.pointee.buffers.bindsImages = true
}

// MARK: Stores

/// A new mutable store (OpenGL 4.6, 6.2); a command that the node refuses changes nothing.
private func noteData(
  _ c: Context, _ buffer: UInt32?, _ size: Int, _ data: UnsafeRawPointer?, _ usage: UInt32
) {
  guard let buffer, buffer != 0, size >= 0, usage >= GL.STREAM_DRAW, usage <= GL.DYNAMIC_COPY,
    let object = c.buffer(buffer), !object.pointee.isImmutable
  else { return }
  object.pointee.map = BufferMap()
  object.pointee.size = size
  object.setContents(data)
}

/// A new immutable store.
private func noteStorage(
  _ c: Context, _ buffer: UInt32?, _ size: Int, _ data: UnsafeRawPointer?, _ flags: UInt32
) {
  guard let buffer, buffer != 0, size > 0, let object = c.buffer(buffer),
    !object.pointee.isImmutable
  else { return }
  object.pointee.map = BufferMap()
  object.pointee.size = size
  object.pointee.isImmutable = true
  object.pointee.allowed =
    flags
    & (GL.MAP_READ_BIT | GL.MAP_WRITE_BIT | GL.MAP_PERSISTENT_BIT | GL.MAP_COHERENT_BIT)
  object.setContents(data)
}

extension UnsafeMutablePointer<BufferObject> {
  /// What the store is made of; nil: anything.
  fileprivate func setContents(_ data: UnsafeRawPointer?) {
    guard let data else {
      pointee.contents = pointee.isWrittenByGPU ? .onNode : .undefined
      return
    }
    guard let copy = pointee.copy, pointee.copySize >= pointee.size else {
      pointee.contents = .onNode
      return
    }
    platform_copy(copy, data, pointee.size)
    if !pointee.isWrittenByGPU { pointee.contents = .copied }
  }

  /// Writes into the copy what a command writes into the buffer.
  fileprivate func write(_ offset: Int, _ size: Int, _ data: UnsafeRawPointer?) {
    guard offset >= 0, size > 0, pointee.size >= 0, offset <= pointee.size,
      size <= pointee.size &- offset
    else { return }
    guard let copy = pointee.copy, let data, pointee.copySize >= pointee.size else {
      pointee.contents = .onNode
      return
    }
    // A command on what is mapped is refused, unless the map is a persistent one.
    let map = pointee.map
    if map.pointer != nil, !map.has(GL.MAP_PERSISTENT_BIT), offset < map.offset &+ map.length,
      map.offset < offset &+ size
    {
      return
    }
    platform_copy(copy + offset, data, size)
    if let twin = pointee.twin { platform_copy(twin + offset, data, size) }
    if pointee.contents == .undefined { pointee.contents = .copied }
  }

  /// The buffer is deleted.
  fileprivate func forget(_ c: Context) {
    let tracker = c.pointee.share.pointee.tracker
    if pointee.map.pointer != nil { endMap(c) }
    dropCopy(tracker)
    pointee.size = -1
    pointee.allowed = GL.MAP_READ_BIT | GL.MAP_WRITE_BIT
    pointee.isImmutable = false
    pointee.contents = .undefined
    pointee.isWrittenByGPU = false
    pointee.isTexture = false
  }

  func endMap(_ c: Context) {
    if pointee.map.has(GL.MAP_PERSISTENT_BIT) {
      let share = c.pointee.share
      share.pointee.lock.lock()
      share.pointee.buffers.removePersistent(self)
      share.pointee.lock.unlock()
    }
    pointee.map = BufferMap()
    platform_free(pointee.loose)
    pointee.loose = nil
  }
}

func note_glBufferData(
  _ c: Context, _ target: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ usage: UInt32
) {
  noteData(c, boundBuffer(c, target), size, data, usage)
}
func note_glNamedBufferData(
  _ c: Context, _ buffer: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ usage: UInt32
) {
  noteData(c, buffer, size, data, usage)
}
func note_glBufferStorage(
  _ c: Context, _ target: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ flags: UInt32
) {
  noteStorage(c, boundBuffer(c, target), size, data, flags)
}
func note_glNamedBufferStorage(
  _ c: Context, _ buffer: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ flags: UInt32
) {
  noteStorage(c, buffer, size, data, flags)
}

func note_glBufferSubData(
  _ c: Context, _ target: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeRawPointer?
) {
  guard let buffer = boundBuffer(c, target) else { return }
  c.knownBuffer(buffer)?.write(offset, size, data)
}
func note_glNamedBufferSubData(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeRawPointer?
) {
  c.knownBuffer(buffer)?.write(offset, size, data)
}

/// A command of the GPU that writes the buffer, this once.
private func noteTransfer(_ c: Context, _ buffer: UInt32?) {
  guard let buffer, let object = c.knownBuffer(buffer) else { return }
  object.pointee.contents = .onNode
  if object.pointee.twin != nil {
    object.pointee.isWrittenByGPU = true
    object.pointee.isTransferred = true
  }
}
func note_glCopyBufferSubData(
  _ c: Context, _ readTarget: UInt32, _ writeTarget: UInt32, _ readOffset: Int,
  _ writeOffset: Int, _ size: Int
) {
  noteTransfer(c, boundBuffer(c, writeTarget))
}
func note_glCopyNamedBufferSubData(
  _ c: Context, _ readBuffer: UInt32, _ writeBuffer: UInt32, _ readOffset: Int,
  _ writeOffset: Int, _ size: Int
) {
  noteTransfer(c, writeBuffer)
}
func note_glClearBufferData(
  _ c: Context, _ target: UInt32, _ internalformat: UInt32, _ format: UInt32, _ type: UInt32,
  _ data: UnsafeRawPointer?
) {
  noteTransfer(c, boundBuffer(c, target))
}
func note_glClearBufferSubData(
  _ c: Context, _ target: UInt32, _ internalformat: UInt32, _ offset: Int, _ size: Int,
  _ format: UInt32, _ type: UInt32, _ data: UnsafeRawPointer?
) {
  noteTransfer(c, boundBuffer(c, target))
}
func note_glClearNamedBufferData(
  _ c: Context, _ buffer: UInt32, _ internalformat: UInt32, _ format: UInt32, _ type: UInt32,
  _ data: UnsafeRawPointer?
) {
  noteTransfer(c, buffer)
}
func note_glClearNamedBufferSubData(
  _ c: Context, _ buffer: UInt32, _ internalformat: UInt32, _ offset: Int, _ size: Int,
  _ format: UInt32, _ type: UInt32, _ data: UnsafeRawPointer?
) {
  noteTransfer(c, buffer)
}

// GL_EXT_direct_state_access makes the objects that its commands name.

func note_glNamedBufferDataEXT(
  _ c: Context, _ buffer: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ usage: UInt32
) {
  c.useName(.buffer, buffer)
  noteData(c, buffer, size, data, usage)
}
func note_glNamedBufferStorageEXT(
  _ c: Context, _ buffer: UInt32, _ size: Int, _ data: UnsafeRawPointer?, _ flags: UInt32
) {
  c.useName(.buffer, buffer)
  noteStorage(c, buffer, size, data, flags)
}
func note_glNamedBufferSubDataEXT(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeRawPointer?
) {
  note_glNamedBufferSubData(c, buffer, offset, size, data)
}
func note_glNamedCopyBufferSubDataEXT(
  _ c: Context, _ readBuffer: UInt32, _ writeBuffer: UInt32, _ readOffset: Int,
  _ writeOffset: Int, _ size: Int
) {
  noteTransfer(c, writeBuffer)
}
func note_glClearNamedBufferDataEXT(
  _ c: Context, _ buffer: UInt32, _ internalformat: UInt32, _ format: UInt32, _ type: UInt32,
  _ data: UnsafeRawPointer?
) {
  noteTransfer(c, buffer)
}
func note_glClearNamedBufferSubDataEXT(
  _ c: Context, _ buffer: UInt32, _ internalformat: UInt32, _ offset: Int, _ size: Int,
  _ format: UInt32, _ type: UInt32, _ data: UnsafeRawPointer?
) {
  noteTransfer(c, buffer)
}

// MARK: Contents, in parts that fit a reply

var largestPart: Int { 8 << 20 }

/// Answers with the copy when it has the bytes.
private func copyOut(
  _ c: Context, _ buffer: UInt32?, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer?
) -> Bool {
  guard let buffer, let data, let object = c.knownBuffer(buffer),
    object.pointee.contents == .copied, object.pointee.twin == nil,
    object.pointee.map.pointer == nil, let copy = object.pointee.copy, offset >= 0, size >= 0,
    offset <= object.pointee.size, size <= object.pointee.size &- offset,
    !object.pointee.isTexture || !c.pointee.share.pointee.buffers.bindsImages
  else { return false }
  platform_copy(data, copy + offset, size)
  return true
}

/// Copies a range of a buffer for the client's own use, where OpenGL ES has no glGetBufferSubData too. What the buffer
/// does not have, or cannot be read, is zero.
func readBuffer(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer
) {
  if copyOut(c, buffer, offset, size, data) { return }
  platform_zero(data, size)
  guard offset >= 0 else { return }
  _ = c.readBuffer(buffer, offset, size) { place, bytes in
    if let start = bytes.baseAddress { platform_copy(data + (place &- offset), start, bytes.count) }
  }
}

func hook_glGetBufferSubData(
  _ c: Context, _ target: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer?
) {
  if copyOut(c, boundBuffer(c, target), offset, size, data) { return }
  var done = 0
  repeat {
    let count = min(max(size, 0) &- done, largestPart)
    guard let call = c.beginCall(GLOpcode.glGetBufferSubData) else { return }
    encode_glGetBufferSubData(
      c, call.writer, call.ticket, target, offset &+ done, size < 0 ? size : count)
    guard var reply = c.endCall(call) else { return }
    reply.copyOut(data.map { $0 + done }, count)
    c.finishCall(call)
    done &+= count
  } while done < size
}
func hook_glGetNamedBufferSubData(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer?
) {
  if copyOut(c, buffer, offset, size, data) { return }
  var done = 0
  repeat {
    let count = min(max(size, 0) &- done, largestPart)
    guard let call = c.beginCall(GLOpcode.glGetNamedBufferSubData) else { return }
    encode_glGetNamedBufferSubData(
      c, call.writer, call.ticket, buffer, offset &+ done, size < 0 ? size : count)
    guard var reply = c.endCall(call) else { return }
    reply.copyOut(data.map { $0 + done }, count)
    c.finishCall(call)
    done &+= count
  } while done < size
}
func hook_glGetNamedBufferSubDataEXT(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer?
) {
  hook_glGetNamedBufferSubData(c, buffer, offset, size, data)
}
