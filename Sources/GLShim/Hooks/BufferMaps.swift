import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, 6.3: buffers in the application's memory (`BufferObjects.swift`).

func boundBuffer(_ c: Context, _ target: UInt32) -> UInt32? {
  target == GL.ELEMENT_ARRAY_BUFFER
    ? c.pointee.shadow.pointee.elementBuffer : c.pointee.shadow.pointee.buffers.buffer(target)
}

extension UnsafeMutablePointer<ContextState> {
  /// What is known of a buffer; nil for 0 and for one that nothing is known of.
  func knownBuffer(_ name: UInt32) -> Buffer? {
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
  func buffer(_ name: UInt32) -> Buffer? {
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
  func readBuffer(
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
    // What is written from now on goes in front of a batch: the buffer must not be made in that batch.
    c.flush()
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

// GL_EXT_direct_state_access

func hook_glMapNamedBufferEXT(_ c: Context, _ buffer: UInt32, _ access: UInt32)
  -> UnsafeMutableRawPointer?
{
  guard buffer != 0 else {
    c.raise(GL.INVALID_OPERATION)
    return nil
  }
  return hook_glMapNamedBuffer(c, buffer, access)
}
func hook_glMapNamedBufferRangeEXT(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ length: Int, _ access: UInt32
) -> UnsafeMutableRawPointer? {
  guard buffer != 0 else {
    c.raise(GL.INVALID_OPERATION)
    return nil
  }
  return hook_glMapNamedBufferRange(c, buffer, offset, length, access)
}
func hook_glUnmapNamedBufferEXT(_ c: Context, _ buffer: UInt32) -> UInt8 {
  hook_glUnmapNamedBuffer(c, buffer)
}
func hook_glFlushMappedNamedBufferRangeEXT(
  _ c: Context, _ buffer: UInt32, _ offset: Int, _ length: Int
) {
  hook_glFlushMappedNamedBufferRange(c, buffer, offset, length)
}
func hook_glGetNamedBufferPointervEXT(
  _ c: Context, _ buffer: UInt32, _ pname: UInt32,
  _ params: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) {
  hook_glGetNamedBufferPointerv(c, buffer, pname, params)
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
/// persistently for reading is brought here (OpenGL 4.6, 6.3.2). Of maps for writing alone, which some
/// programs read nevertheless, so is what copies and clears have written.
func refreshMaps(_ c: Context) {
  guard c.pointee.share.pointee.buffers.persistent != nil else { return }
  let share = c.pointee.share
  share.pointee.lock.lock()
  var known = share.pointee.buffers.persistent
  share.pointee.lock.unlock()
  while let object = known {
    known = object.pointee.nextPersistent
    guard object.pointee.isWrittenByGPU,
      object.pointee.isTransferred || object.pointee.map.has(GL.MAP_READ_BIT)
    else { continue }
    object.pointee.isTransferred = false
    let map = object.pointee.map
    guard
      c.readBuffer(
        object.pointee.name, map.offset, map.length, { object.takeWrites($0, $1) })
    else { return }
  }
}
