import CPlatform
import Client
import GLWire
import Ring
import Wire

// OpenGL 4.6, chapter 4 and 2.3.2: fences, flushes.

func hook_glFlush(_ c: Context) {
  encode_glFlush(c, c.writer)
  frontBufferFlush(c)
  c.flush()
}

/// A program that shows frames is held back by showing them; many call glFinish before every swap too,
/// and cannot see a difference: what they read, ask or do in other contexts waits by itself. So between
/// two swaps the first few that follow drawing only send what there is. Right after a swap it waits: the
/// window has the picture then. So it does for a program that shows nothing, that reads memory which the
/// GPU writes, or that wants it (`strict`).
func hook_glFinish(_ c: Context) {
  frontBufferFlush(c)
  let shadow = c.pointee.shadow
  shadow.pointee.queries.finishes &+= 1
  if currentErrorMode() != .strict, shadow.pointee.freeFinishes > 0, c.hasRecordsSinceSwap,
    !readsMaps(c)
  {
    shadow.pointee.freeFinishes &-= 1
    encode_glFlush(c, c.writer)
    c.flush()
    return
  }
  if let target = c.signal() {
    guard c.flush() else { return }
    waitEagerly(c, target)
  } else {
    c.waitUntilReplayed()
  }
  c.pointee.binding.draw?.waitUntilShown()
  refreshMaps(c)
}

/// How long a thread that waits for the GPU stays awake, nanoseconds.
private var eagerness: UInt64 { 500_000 }

/// Waits for the GPU. To be woken takes longer than many a frame, so for a while the thread only lets others have
/// the processor that want it: those that draw, if it is here that the node does.
private func waitEagerly(_ c: Context, _ target: WaitTarget) {
  let connection = c.pointee.connection
  let end = platform_now() &+ eagerness
  while !connection.isReached(target), platform_now() < end { platform_yield() }
  _ = connection.wait(slot: target.slot, value: target.value, nanoseconds: .max)
}

// MARK: Sync objects: the address that the application holds is the id

nonisolated(unsafe) private var nextSync: UInt64 = 0

func hook_glFenceSync(_ c: Context, _ condition: UInt32, _ flags: UInt32)
  -> UnsafeMutableRawPointer?
{
  if c.isRefusedInBegin() { return nil }
  guard condition == GL.SYNC_GPU_COMMANDS_COMPLETE else {
    c.raise(GL.INVALID_ENUM)
    return nil
  }
  guard flags == 0 else {
    c.raise(GL.INVALID_VALUE)
    return nil
  }
  let id = (platform_add64(&nextSync, 1) &+ 1) &* 16
  c.sendSync(id)
  encode_glFenceSync(c, c.writer, condition, flags)
  let target = c.signal() ?? WaitTarget(slot: ControlField.noSlot, value: 0)
  let share = c.pointee.share
  share.pointee.lock.lock()
  let isKept = share.pointee.syncs.insert(id, target)
  share.pointee.lock.unlock()
  guard isKept else {
    c.raise(GL.OUT_OF_MEMORY)
    return nil
  }
  return UnsafeMutableRawPointer(bitPattern: UInt(id))
}

extension UnsafeMutablePointer<ContextState> {
  /// What is known of a sync object; nil for what is none.
  fileprivate func sync(_ sync: UnsafeRawPointer?) -> SyncTable.Sync? {
    let share = pointee.share
    share.pointee.lock.lock()
    defer { share.pointee.lock.unlock() }
    return share.pointee.syncs.find(syncID(sync))
  }
}

func hook_glIsSync(_ c: Context, _ sync: UnsafeMutableRawPointer?) -> UInt8 {
  if c.isRefusedInBegin() { return 0 }
  return c.sync(sync) == nil ? 0 : 1
}

func hook_glDeleteSync(_ c: Context, _ sync: UnsafeMutableRawPointer?) {
  guard sync != nil, !c.isRefusedInBegin() else { return }
  guard c.sync(sync) != nil else { return c.raise(GL.INVALID_VALUE) }
  let share = c.pointee.share
  share.pointee.lock.lock()
  share.pointee.syncs.remove(syncID(sync))
  share.pointee.lock.unlock()
  c.sendSync(syncID(sync))
  encode_glDeleteSync(c, c.writer, sync)
}

func hook_glWaitSync(
  _ c: Context, _ sync: UnsafeMutableRawPointer?, _ flags: UInt32, _ timeout: UInt64
) {
  if c.isRefusedInBegin() { return }
  guard c.sync(sync) != nil, flags == 0, timeout == UInt64.max else {
    return c.raise(GL.INVALID_VALUE)
  }
  encode_glWaitSync(c, c.writer, sync, flags, timeout)
}

func hook_glClientWaitSync(
  _ c: Context, _ sync: UnsafeMutableRawPointer?, _ flags: UInt32, _ timeout: UInt64
) -> UInt32 {
  if c.isRefusedInBegin() { return GL.WAIT_FAILED }
  guard let known = c.sync(sync), flags & ~GL.SYNC_FLUSH_COMMANDS_BIT == 0 else {
    c.raise(GL.INVALID_VALUE)
    return GL.WAIT_FAILED
  }
  let connection = c.pointee.connection
  let result: UInt32
  if known.target.slot == ControlField.noSlot {
    guard let call = c.beginCall(GLOpcode.glClientWaitSync) else { return GL.WAIT_FAILED }
    encode_glClientWaitSync(c, call.writer, call.ticket, sync, flags, timeout)
    guard var reply = c.endCall(call) else { return GL.WAIT_FAILED }
    result = reply.u32("result")
    c.finishCall(call)
  } else if connection.isReached(known.target) {
    result = GL.ALREADY_SIGNALED
  } else {
    // Whoever waits without having flushed would wait for ever.
    guard c.flush() else { return GL.WAIT_FAILED }
    switch connection.wait(
      slot: known.target.slot, value: known.target.value, nanoseconds: timeout)
    {
    // Who does not wait can only have found it signaled (OpenGL 4.6, 4.1.1).
    case .done: result = timeout == 0 ? GL.ALREADY_SIGNALED : GL.CONDITION_SATISFIED
    case .timeout: result = GL.TIMEOUT_EXPIRED
    case .lost: return GL.WAIT_FAILED
    }
  }
  if result == GL.ALREADY_SIGNALED || result == GL.CONDITION_SATISFIED { refreshMaps(c) }
  return result
}

func hook_glGetSynciv(
  _ c: Context, _ sync: UnsafeMutableRawPointer?, _ pname: UInt32, _ count: Int32,
  _ length: UnsafeMutablePointer<Int32>?, _ values: UnsafeMutablePointer<Int32>?
) {
  if c.isRefusedInBegin() { return }
  guard let known = c.sync(sync), count >= 0 else { return c.raise(GL.INVALID_VALUE) }
  let value: UInt32
  switch pname {
  case GL.OBJECT_TYPE: value = GL.SYNC_FENCE
  case GL.SYNC_CONDITION: value = GL.SYNC_GPU_COMMANDS_COMPLETE
  case GL.SYNC_FLAGS: value = 0
  case GL.SYNC_STATUS:
    if known.target.slot == ControlField.noSlot {
      return askSync(c, sync, pname, count, length, values)
    }
    // A program that looks again and again shall see it some time.
    if !c.pointee.connection.isReached(known.target) { c.flush() }
    let isSignaled = c.pointee.connection.isReached(known.target)
    if isSignaled { refreshMaps(c) }
    value = isSignaled ? GL.SIGNALED : GL.UNSIGNALED
  default: return c.raise(GL.INVALID_ENUM)
  }
  if count > 0 { values?.pointee = Int32(bitPattern: value) }
  length?.pointee = 1
}

/// The same of a fence that has no slot.
private func askSync(
  _ c: Context, _ sync: UnsafeMutableRawPointer?, _ pname: UInt32, _ count: Int32,
  _ length: UnsafeMutablePointer<Int32>?, _ values: UnsafeMutablePointer<Int32>?
) {
  guard let call = c.beginCall(GLOpcode.glGetSynciv) else { return }
  encode_glGetSynciv(c, call.writer, call.ticket, sync, pname, count)
  guard var reply = c.endCall(call) else { return }
  reply.copyOut(length, 4)
  let (bytes, size) = reply.array(minimumBytes: 0, field: "values")
  if let bytes, let values { platform_copy(values, bytes, min(size, Int(max(count, 0)) &* 4)) }
  let isSignaled = size >= 4 && bytes?.get32(0) == GL.SIGNALED
  c.finishCall(call)
  if isSignaled { refreshMaps(c) }
}
