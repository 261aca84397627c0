import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 6: what is bound where, and maps.

extension BufferBindings {
  /// The binding of a target; nil for a target that is none, and for the element array, which the
  /// vertex array object has.
  fileprivate func buffer(_ target: UInt32) -> UInt32? {
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
}
func note_glBindBufferBase(_ c: Context, _ target: UInt32, _ index: UInt32, _ buffer: UInt32) {
  c.pointee.shadow.pointee.buffers.bind(target, buffer)
}
func note_glBindBufferRange(
  _ c: Context, _ target: UInt32, _ index: UInt32, _ buffer: UInt32, _ offset: Int, _ size: Int
) {
  c.pointee.shadow.pointee.buffers.bind(target, buffer)
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
    if let index = mapIndex(c, buffer) { dropMap(c, index) }
  }
}

// MARK: Maps

private func boundBuffer(_ c: Context, _ target: UInt32) -> UInt32? {
  target == GL.ELEMENT_ARRAY_BUFFER
    ? c.pointee.shadow.pointee.elementBuffer : c.pointee.shadow.pointee.buffers.buffer(target)
}

private func mapIndex(_ c: Context, _ buffer: UInt32) -> Int? {
  let shadow = c.pointee.shadow
  var i = 0
  while i < shadow.pointee.mapCount {
    if shadow.pointee.maps[i].buffer == buffer { return i }
    i &+= 1
  }
  return nil
}

private func dropMap(_ c: Context, _ index: Int) {
  let shadow = c.pointee.shadow
  platform_free(shadow.pointee.maps[index].pointer)
  shadow.pointee.mapCount &-= 1
  shadow.pointee.maps[index] = shadow.pointee.maps[shadow.pointee.mapCount]
}

/// Has the node map a buffer, and gives the application memory with the same contents.
private func map(
  _ c: Context, _ target: UInt32, _ buffer: UInt32, isNamed: Bool, _ offset: Int, _ length: Int,
  _ access: UInt32, whole: Bool
) -> UnsafeMutableRawPointer? {
  let shadow = c.pointee.shadow
  guard mapIndex(c, buffer) == nil else {
    c.raise(GL.INVALID_OPERATION)
    return nil
  }
  guard shadow.pointee.mapCount < Shadow.mostMaps,
    let call = c.beginCall(ControlOpcode.glMap)
  else { return nil }
  let writer = call.writer
  writer.pointee.begin(ControlOpcode.glMap)
  writer.pointee.u32(call.ticket)
  writer.pointee.u32(0)
  writer.pointee.u32(target)
  writer.pointee.u32(isNamed ? buffer : 0)
  writer.pointee.u64(UInt64(bitPattern: Int64(offset)))
  writer.pointee.u64(UInt64(bitPattern: Int64(length)))
  writer.pointee.u32(access)
  writer.pointee.u32(whole ? 1 : 0)
  writer.pointee.end()
  guard var reply = c.endCall(call) else { return nil }
  defer { c.finishCall(call) }
  let isMapped = reply.u32("isMapped")
  let size = Int(truncatingIfNeeded: reply.u64("length"))
  guard isMapped != 0, size >= 0, size <= 1 << 32,
    let memory = platform_aligned_alloc(64, max(size, 1))
  else { return nil }
  platform_zero(memory, max(size, 1))
  reply.copyOut(memory, size)
  shadow.pointee.maps[shadow.pointee.mapCount] = BufferMap(
    buffer: buffer, pointer: memory, offset: offset, length: size, access: access)
  shadow.pointee.mapCount &+= 1
  return memory
}

private func accessBits(_ access: UInt32) -> UInt32 {
  switch access {
  case GL.READ_ONLY: GL.MAP_READ_BIT
  case GL.WRITE_ONLY: GL.MAP_WRITE_BIT
  default: GL.MAP_READ_BIT | GL.MAP_WRITE_BIT
  }
}

func hook_glMapBuffer(_ c: Context, _ target: UInt32, _ access: UInt32)
  -> UnsafeMutableRawPointer?
{
  guard access == GL.READ_ONLY || access == GL.WRITE_ONLY || access == GL.READ_WRITE,
    let buffer = boundBuffer(c, target)
  else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  guard buffer != 0 else {
    c.raise(GL.INVALID_OPERATION)
    return nil
  }
  return map(c, target, buffer, isNamed: false, 0, 0, accessBits(access), whole: true)
}
func hook_glMapNamedBuffer(_ c: Context, _ buffer: UInt32, _ access: UInt32)
  -> UnsafeMutableRawPointer?
{
  guard access == GL.READ_ONLY || access == GL.WRITE_ONLY || access == GL.READ_WRITE else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  return map(c, 0, buffer, isNamed: true, 0, 0, accessBits(access), whole: true)
}
func hook_glMapBufferRange(
  _ c: Context, _ target: UInt32, _ offset: Int, _ length: Int, _ access: UInt32
) -> UnsafeMutableRawPointer? {
  guard let buffer = boundBuffer(c, target) else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  guard buffer != 0 else {
    c.raise(GL.INVALID_OPERATION)
    return nil
  }
  return map(c, target, buffer, isNamed: false, offset, length, access, whole: false)
}
func hook_glMapNamedBufferRange(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ length: Int, _ access: UInt32
) -> UnsafeMutableRawPointer? {
  map(c, 0, buffer, isNamed: true, offset, length, access, whole: false)
}

private func sendRange(_ c: Context, _ map: BufferMap, _ offset: Int, _ count: Int) {
  c.writer.pointee.u64(UInt64(offset))
  c.writer.pointee.u64(UInt64(count))
  c.writer.pointee.bytes(map.pointer.map { UnsafeRawPointer($0 + offset) }, count)
  if (count &+ 3) & 4 != 0 { c.writer.pointee.u32(0) }
}

private func unmap(_ c: Context, _ target: UInt32, _ buffer: UInt32, isNamed: Bool) -> UInt8 {
  guard let index = mapIndex(c, buffer) else {
    c.raise(GL.INVALID_OPERATION)
    return 0
  }
  let map = c.pointee.shadow.pointee.maps[index]
  let writes =
    map.access & GL.MAP_WRITE_BIT != 0 && map.access & GL.MAP_FLUSH_EXPLICIT_BIT == 0
    && map.length > 0
  let writer = c.writer
  writer.pointee.begin(ControlOpcode.glUnmap)
  writer.pointee.u32(target)
  writer.pointee.u32(isNamed ? buffer : 0)
  writer.pointee.u32(writes ? 1 : 0)
  writer.pointee.u32(1)
  if writes { sendRange(c, map, 0, map.length) }
  writer.pointee.end()
  dropMap(c, index)
  return 1
}

func hook_glUnmapBuffer(_ c: Context, _ target: UInt32) -> UInt8 {
  guard let buffer = boundBuffer(c, target) else {
    c.raise(GL.INVALID_ENUM)
    return 0
  }
  return unmap(c, target, buffer, isNamed: false)
}
func hook_glUnmapNamedBuffer(_ c: Context, _ buffer: UInt32) -> UInt8 {
  unmap(c, 0, buffer, isNamed: true)
}

private func flushMap(
  _ c: Context, _ target: UInt32, _ buffer: UInt32, isNamed: Bool, _ offset: Int, _ length: Int
) {
  guard let index = mapIndex(c, buffer) else { return c.raise(GL.INVALID_OPERATION) }
  let map = c.pointee.shadow.pointee.maps[index]
  guard map.access & GL.MAP_FLUSH_EXPLICIT_BIT != 0 else { return c.raise(GL.INVALID_OPERATION) }
  guard offset >= 0, length >= 0, offset <= map.length, length <= map.length &- offset else {
    return c.raise(GL.INVALID_VALUE)
  }
  let writer = c.writer
  writer.pointee.begin(ControlOpcode.glUnmap)
  writer.pointee.u32(target)
  writer.pointee.u32(isNamed ? buffer : 0)
  writer.pointee.u32(1)
  // The buffer stays mapped.
  writer.pointee.u32(0)
  sendRange(c, map, offset, length)
  writer.pointee.end()
}

func hook_glFlushMappedBufferRange(_ c: Context, _ target: UInt32, _ offset: Int, _ length: Int) {
  guard let buffer = boundBuffer(c, target) else { return c.raise(GL.INVALID_ENUM) }
  flushMap(c, target, buffer, isNamed: false, offset, length)
}
func hook_glFlushMappedNamedBufferRange(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ length: Int
) {
  flushMap(c, 0, buffer, isNamed: true, offset, length)
}

func hook_glGetBufferPointerv(
  _ c: Context, _ target: UInt32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  guard pname == GL.BUFFER_MAP_POINTER, let buffer = boundBuffer(c, target) else {
    return c.raise(GL.INVALID_ENUM)
  }
  guard buffer != 0 else { return c.raise(GL.INVALID_OPERATION) }
  params?.pointee = mapIndex(c, buffer).flatMap { c.pointee.shadow.pointee.maps[$0].pointer }
}
func hook_glGetNamedBufferPointerv(
  _ c: Context, _ buffer: UInt32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  guard pname == GL.BUFFER_MAP_POINTER else { return c.raise(GL.INVALID_ENUM) }
  params?.pointee = mapIndex(c, buffer).flatMap { c.pointee.shadow.pointee.maps[$0].pointer }
}

// MARK: Contents, in parts that fit a reply

private var largestPart: Int { 8 << 20 }

func hook_glGetBufferSubData(
  _ c: Context, _ target: UInt32, _ offset: Int, _ size: Int, _ data: UnsafeMutableRawPointer?
) {
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
