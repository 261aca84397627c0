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

  fileprivate func endMap(_ c: Context) {
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
  if object.pointee.twin != nil { object.pointee.isWrittenByGPU = true }
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

// MARK: Maps

private func boundBuffer(_ c: Context, _ target: UInt32) -> UInt32? {
  target == GL.ELEMENT_ARRAY_BUFFER
    ? c.pointee.shadow.pointee.elementBuffer : c.pointee.shadow.pointee.buffers.buffer(target)
}

extension UnsafeMutablePointer<ContextState> {
  /// What is known of a buffer; nil for 0 and for one that nothing is known of.
  fileprivate func knownBuffer(_ name: UInt32) -> Buffer? {
    let shadow = pointee.shadow
    if let last = shadow.pointee.lastBuffer, last.pointee.name == name { return last }
    guard name != 0 else { return nil }
    let share = pointee.share
    share.pointee.lock.lock()
    let object = share.pointee.buffers.find(name)
    share.pointee.lock.unlock()
    if object != nil { shadow.pointee.lastBuffer = object }
    return object
  }

  /// The same, and new when it is not known; nil without memory.
  fileprivate func buffer(_ name: UInt32) -> Buffer? {
    if let known = knownBuffer(name) { return known }
    let share = pointee.share
    share.pointee.lock.lock()
    let object = share.pointee.buffers.reach(name)
    share.pointee.lock.unlock()
    if object != nil { pointee.shadow.pointee.lastBuffer = object }
    return object
  }

  /// Reads a range of a buffer from the node, when everything before has been done, in parts that
  /// fit a reply. False when the connection is lost.
  fileprivate func readBuffer(
    _ name: UInt32, _ offset: Int, _ count: Int, _ body: (Int, UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    var done = 0
    while done < count {
      let part = min(count &- done, largestPart)
      guard let call = beginCall(ControlOpcode.glReadBuffer) else { return false }
      let writer = call.writer
      writer.pointee.begin(ControlOpcode.glReadBuffer)
      writer.pointee.u32(call.ticket)
      writer.pointee.u32(0)
      writer.pointee.u32(name)
      writer.pointee.u32(UInt32(part))
      writer.pointee.u64(UInt64(offset &+ done))
      writer.pointee.end()
      guard var reply = endCall(call) else { return false }
      let (bytes, size) = reply.array(minimumBytes: 0, field: "glReadBuffer.bytes")
      body(offset &+ done, UnsafeRawBufferPointer(start: bytes, count: min(size, part)))
      finishCall(call)
      done &+= part
    }
    return true
  }
}

/// Whether a map is one that the node cannot refuse (OpenGL 4.6, 6.3), so that nobody need wait for
/// what it says.
private func isAllowed(
  _ object: Buffer, _ offset: Int, _ length: Int, _ access: UInt32
) -> Bool {
  let reads = access & GL.MAP_READ_BIT != 0
  let writes = access & GL.MAP_WRITE_BIT != 0
  let all =
    GL.MAP_READ_BIT | GL.MAP_WRITE_BIT | GL.MAP_INVALIDATE_RANGE_BIT
    | GL.MAP_INVALIDATE_BUFFER_BIT | GL.MAP_FLUSH_EXPLICIT_BIT | GL.MAP_UNSYNCHRONIZED_BIT
    | GL.MAP_PERSISTENT_BIT | GL.MAP_COHERENT_BIT
  let notForReading =
    GL.MAP_INVALIDATE_RANGE_BIT | GL.MAP_INVALIDATE_BUFFER_BIT | GL.MAP_UNSYNCHRONIZED_BIT
  let stored =
    GL.MAP_READ_BIT | GL.MAP_WRITE_BIT | GL.MAP_PERSISTENT_BIT | GL.MAP_COHERENT_BIT
  return object.pointee.map.pointer == nil && offset >= 0 && length > 0
    && object.pointee.size >= 0 && offset <= object.pointee.size
    && length <= object.pointee.size &- offset && access & ~all == 0 && (reads || writes)
    && !(reads && access & notForReading != 0)
    && (writes || access & GL.MAP_FLUSH_EXPLICIT_BIT == 0)
    && access & stored & ~object.pointee.allowed == 0
    && (access & GL.MAP_COHERENT_BIT == 0 || access & GL.MAP_PERSISTENT_BIT != 0)
}

private func sendMap(
  _ writer: UnsafeMutablePointer<Writer>, ticket: UInt32, _ target: UInt32, _ buffer: UInt32,
  _ offset: Int, _ length: Int, _ access: UInt32, whole: Bool
) {
  writer.pointee.begin(ControlOpcode.glMap)
  writer.pointee.u32(ticket)
  writer.pointee.u32(0)
  writer.pointee.u32(target)
  writer.pointee.u32(buffer)
  writer.pointee.u64(UInt64(bitPattern: Int64(offset)))
  writer.pointee.u64(UInt64(bitPattern: Int64(length)))
  writer.pointee.u32(access)
  writer.pointee.u32(whole ? 1 : 0)
  writer.pointee.end()
}

/// Maps a buffer: at once, in its copy, or as the node says.
private func map(
  _ c: Context, _ target: UInt32, _ buffer: UInt32, isNamed: Bool, _ offset: Int, _ length: Int,
  _ access: UInt32, whole: Bool
) -> UnsafeMutableRawPointer? {
  guard let object = c.buffer(buffer) else {
    c.raise(GL.OUT_OF_MEMORY)
    return nil
  }
  let length = whole ? object.pointee.size : length
  guard isAllowed(object, offset, length, access) else {
    return askForMap(c, object, target, isNamed: isNamed, offset, length, access, whole: whole)
  }
  guard prepareCopy(c, object, offset, length, access), let copy = object.pointee.copy else {
    return nil
  }
  sendMap(
    c.writer, ticket: UInt32.max, target, isNamed ? buffer : 0, offset, length, access, whole: whole
  )
  object.pointee.map = BufferMap(
    pointer: copy + offset, offset: offset, length: length, access: access)
  if access & GL.MAP_PERSISTENT_BIT != 0 {
    let share = c.pointee.share
    share.pointee.lock.lock()
    share.pointee.buffers.addPersistent(object)
    share.pointee.lock.unlock()
  }
  return copy + offset
}

/// Makes the copy hold what the application may see, or what goes back to the node around that which
/// it writes.
private func prepareCopy(
  _ c: Context, _ object: Buffer, _ offset: Int, _ length: Int, _ access: UInt32
) -> Bool {
  let share = c.pointee.share
  let isPersistent = access & GL.MAP_PERSISTENT_BIT != 0
  if object.pointee.isTexture, share.pointee.buffers.bindsImages {
    object.pointee.isWrittenByGPU = true
    object.pointee.contents = .onNode
  }
  guard object.makeCopy(isTracked: isPersistent, share.pointee.tracker) else {
    c.raise(GL.OUT_OF_MEMORY)
    return false
  }
  let discards = access & (GL.MAP_INVALIDATE_RANGE_BIT | GL.MAP_INVALIDATE_BUFFER_BIT) != 0
  switch object.pointee.contents {
  case .copied: return true
  case .undefined:
    object.pointee.contents = .copied
    return true
  case .onNode: break
  }
  if discards, !isPersistent {
    let isWhole = offset == 0 && length == object.pointee.size
    if isWhole || access & GL.MAP_INVALIDATE_BUFFER_BIT != 0, !object.pointee.isWrittenByGPU {
      object.pointee.contents = .copied
    }
    return true
  }
  // Of a small part of a large buffer the part alone.
  let size = object.pointee.size
  let takesAll = isPersistent || size <= 256 << 10 || length > size / 2
  let (first, count) = takesAll ? (0, size) : (offset, length)
  let isRead = c.readBuffer(object.pointee.name, first, count) { at, bytes in
    guard let copy = object.pointee.copy, let from = bytes.baseAddress else { return }
    platform_copy(copy + at, from, bytes.count)
    if let twin = object.pointee.twin { platform_copy(twin + at, from, bytes.count) }
  }
  if takesAll, !object.pointee.isWrittenByGPU { object.pointee.contents = .copied }
  return isRead
}

/// Has the node map a buffer, and say what it thinks of it.
private func askForMap(
  _ c: Context, _ object: Buffer, _ target: UInt32, isNamed: Bool, _ offset: Int, _ length: Int,
  _ access: UInt32, whole: Bool
) -> UnsafeMutableRawPointer? {
  guard let call = c.beginCall(ControlOpcode.glMap) else { return nil }
  sendMap(
    call.writer, ticket: call.ticket, target, isNamed ? object.pointee.name : 0, offset, length,
    access, whole: whole)
  guard var reply = c.endCall(call) else { return nil }
  defer { c.finishCall(call) }
  let isMapped = reply.u32("isMapped")
  let size = Int(truncatingIfNeeded: reply.u64("length"))
  guard isMapped != 0, object.pointee.map.pointer == nil, size >= 0, size <= 1 << 32,
    let memory = platform_aligned_alloc(64, max(size, 1))
  else { return nil }
  platform_zero(memory, max(size, 1))
  reply.copyOut(memory, size)
  object.pointee.loose = memory
  object.pointee.contents = .onNode
  object.pointee.map = BufferMap(
    pointer: memory, offset: offset, length: size, access: access & ~GL.MAP_PERSISTENT_BIT)
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
  // GL_OES_mapbuffer: writing alone.
  guard c.pointee.request.api == 0 || access == GL.WRITE_ONLY else {
    c.raise(GL.INVALID_ENUM)
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

/// Sends [offset, offset + count) of a map in records of a few MiB, of which the last does what
/// `mode` says.
private func sendRange(
  _ c: Context, _ object: Buffer, _ target: UInt32, isNamed: Bool, _ offset: Int, _ count: Int,
  _ mode: UInt32
) {
  let part = 4 << 20
  let writer = c.writer
  var done = 0
  repeat {
    let size = min(count &- done, part)
    let isLast = done &+ size >= count
    writer.pointee.begin(ControlOpcode.glUnmap)
    writer.pointee.u32(target)
    writer.pointee.u32(isNamed ? object.pointee.name : 0)
    writer.pointee.u32(size > 0 ? 1 : 0)
    writer.pointee.u32(isLast || mode == UnmapMode.flush ? mode : UnmapMode.write)
    if size > 0, let start = object.pointee.map.pointer {
      writer.pointee.u64(UInt64(offset &+ done))
      writer.pointee.u64(UInt64(size))
      writer.pointee.bytes(start + (offset &+ done), size)
      if (size &+ 3) & 4 != 0 { writer.pointee.u32(0) }
    }
    writer.pointee.end()
    done &+= size
  } while done < count
}

private func unmap(_ c: Context, _ target: UInt32, _ buffer: UInt32, isNamed: Bool) -> UInt8 {
  guard let object = c.knownBuffer(buffer), object.pointee.map.pointer != nil else {
    c.raise(GL.INVALID_OPERATION)
    return 0
  }
  let map = object.pointee.map
  if map.has(GL.MAP_PERSISTENT_BIT) {
    // What was written until now.
    c.flush()
    sendRange(c, object, target, isNamed: isNamed, 0, 0, UnmapMode.end)
  } else {
    let writes = map.has(GL.MAP_WRITE_BIT) && !map.has(GL.MAP_FLUSH_EXPLICIT_BIT)
    sendRange(c, object, target, isNamed: isNamed, 0, writes ? map.length : 0, UnmapMode.end)
  }
  object.endMap(c)
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
  guard offset >= 0, length >= 0 else { return c.raise(GL.INVALID_VALUE) }
  guard let object = c.knownBuffer(buffer), object.pointee.map.pointer != nil,
    object.pointee.map.has(GL.MAP_FLUSH_EXPLICIT_BIT)
  else { return c.raise(GL.INVALID_OPERATION) }
  guard offset <= object.pointee.map.length, length <= object.pointee.map.length &- offset else {
    return c.raise(GL.INVALID_VALUE)
  }
  sendRange(c, object, target, isNamed: isNamed, offset, length, UnmapMode.flush)
  if let copy = object.pointee.copy, let twin = object.pointee.twin {
    let start = object.pointee.map.offset &+ offset
    platform_copy(twin + start, copy + start, length)
  }
}

func hook_glFlushMappedBufferRange(_ c: Context, _ target: UInt32, _ offset: Int, _ length: Int) {
  guard let buffer = boundBuffer(c, target) else { return c.raise(GL.INVALID_ENUM) }
  guard buffer != 0 else { return c.raise(GL.INVALID_OPERATION) }
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
  params?.pointee = c.knownBuffer(buffer)?.pointee.map.pointer
}
func hook_glGetNamedBufferPointerv(
  _ c: Context, _ buffer: UInt32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  guard pname == GL.BUFFER_MAP_POINTER else { return c.raise(GL.INVALID_ENUM) }
  params?.pointee = c.knownBuffer(buffer)?.pointee.map.pointer
}

/// Whether the application may read what the GPU writes without a command.
func readsMaps(_ c: Context) -> Bool {
  let share = c.pointee.share
  guard share.pointee.buffers.persistent != nil else { return false }
  share.pointee.lock.lock()
  defer { share.pointee.lock.unlock() }
  var known = share.pointee.buffers.persistent
  while let object = known {
    if object.pointee.map.has(GL.MAP_READ_BIT) { return true }
    known = object.pointee.nextPersistent
  }
  return false
}

/// After the application has waited for the GPU: what that has written to buffers which are mapped
/// persistently for reading is brought here (OpenGL 4.6, 6.3.2).
func refreshMaps(_ c: Context) {
  guard c.pointee.share.pointee.buffers.persistent != nil else { return }
  let share = c.pointee.share
  share.pointee.lock.lock()
  var known = share.pointee.buffers.persistent
  share.pointee.lock.unlock()
  while let object = known {
    known = object.pointee.nextPersistent
    guard object.pointee.isWrittenByGPU, object.pointee.map.has(GL.MAP_READ_BIT) else { continue }
    let map = object.pointee.map
    guard
      c.readBuffer(
        object.pointee.name, map.offset, map.length, { object.takeWrites($0, $1) })
    else { return }
  }
}

// MARK: Contents, in parts that fit a reply

private var largestPart: Int { 8 << 20 }

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
