import CPlatform
import GLWire
import Ring
import Wire

// Doers of what makes objects under names of the client's, of shaders, lists, evaluators, feedback,
// and of sync objects.

extension GLReplayContext {
  /// The word, or the two, that came in front of a command that makes an object: its name.
  fileprivate mutating func announced(_ byteCount: Int) -> UInt64 {
    guard let block = memory.block, block.count == byteCount, let start = block.baseAddress else {
      return 0
    }
    return byteCount == 8 ? start.get64(0) : UInt64(start.get32(0))
  }
}

func doer_glCreateShader(_ c: GLContextPointer, _ type: UInt32) {
  guard let name = c.pointee.gl.glCreateShader?(type), name != 0 else { return }
  c.pointee.insertName(.program, UInt32(truncatingIfNeeded: c.pointee.announced(4)), name)
}

func doer_glCreateProgram(_ c: GLContextPointer) {
  guard let name = c.pointee.gl.glCreateProgram?(), name != 0 else { return }
  c.pointee.insertName(.program, UInt32(truncatingIfNeeded: c.pointee.announced(4)), name)
}

func doer_glCreateShaderProgramv(
  _ c: GLContextPointer, _ type: UInt32, _ count: Int32,
  _ strings: UnsafePointer<UnsafePointer<CChar>?>?
) {
  guard strings != nil || count == 0,
    let name = c.pointee.gl.glCreateShaderProgramv?(type, count, strings), name != 0
  else { return }
  c.pointee.insertName(.program, UInt32(truncatingIfNeeded: c.pointee.announced(4)), name)
}

func doer_glShaderSource(
  _ c: GLContextPointer, _ shader: UInt32, _ count: Int32,
  _ string: UnsafePointer<UnsafePointer<CChar>?>?, _ length: UnsafePointer<Int32>?
) {
  guard let block = c.pointee.memory.block else { return }
  var text = block.baseAddress?.assumingMemoryBound(to: CChar.self)
  var size = Int32(clamping: block.count)
  c.pointee.gl.glShaderSource?(shader, 1, &text, &size)
}

// MARK: Lists

func doer_glGenLists(_ c: GLContextPointer, _ range: Int32) {
  // Empty lists, so that they exist. Where a list is being compiled, they come with their contents.
  guard let begin = c.pointee.gl.glNewList, let end = c.pointee.gl.glEndList, range > 0,
    range <= 1 << 20
  else { return }
  guard c.pointee.driverValue(GL.LIST_INDEX) == 0 else { return }
  let first = UInt32(truncatingIfNeeded: c.pointee.announced(4)) &+ c.pointee.listBase
  for i in 0..<UInt32(range) {
    begin(first &+ i, GL.COMPILE)
    end()
  }
}

func doer_glListBase(_ c: GLContextPointer, _ base: UInt32) {
  c.pointee.gl.glListBase?(c.pointee.recordWord(8) &+ c.pointee.listBase)
}

// MARK: Evaluators

/// The control points that came in front; nil when there are too few, which draws nothing.
private func points(
  _ c: GLContextPointer, _ size: Int, _ ustride: Int32, _ uorder: Int32, _ vstride: Int32,
  _ vorder: Int32
) -> (pointer: UnsafeRawPointer?, isThere: Bool) {
  guard let block = c.pointee.memory.block else { return (nil, false) }
  // The client sends nothing for what the driver refuses; any address will do.
  if block.count == 0 {
    return (
      block.baseAddress, ustride < 1 || uorder < 1 || vorder < 1 || uorder > 64 || vorder > 64
    )
  }
  guard uorder > 0, vorder > 0, ustride > 0, vstride >= 0 else { return (block.baseAddress, true) }
  let last = Int(uorder &- 1) &* Int(ustride) &+ Int(vorder &- 1) &* Int(vstride) &+ 1
  return (block.baseAddress, glProduct(last, size) <= block.count)
}

func doer_glMap1d(
  _ c: GLContextPointer, _ target: UInt32, _ u1: Double, _ u2: Double, _ stride: Int32,
  _ order: Int32, _ nothing: UnsafePointer<Double>?
) {
  let (p, isThere) = points(c, 8, stride, order, 0, 1)
  guard isThere else { return }
  c.pointee.gl.glMap1d?(target, u1, u2, stride, order, p?.assumingMemoryBound(to: Double.self))
}
func doer_glMap1f(
  _ c: GLContextPointer, _ target: UInt32, _ u1: Float, _ u2: Float, _ stride: Int32,
  _ order: Int32, _ nothing: UnsafePointer<Float>?
) {
  let (p, isThere) = points(c, 4, stride, order, 0, 1)
  guard isThere else { return }
  c.pointee.gl.glMap1f?(target, u1, u2, stride, order, p?.assumingMemoryBound(to: Float.self))
}
func doer_glMap2d(
  _ c: GLContextPointer, _ target: UInt32, _ u1: Double, _ u2: Double, _ ustride: Int32,
  _ uorder: Int32, _ v1: Double, _ v2: Double, _ vstride: Int32, _ vorder: Int32,
  _ nothing: UnsafePointer<Double>?
) {
  let (p, isThere) = points(c, 8, ustride, uorder, vstride, vorder)
  guard isThere else { return }
  c.pointee.gl.glMap2d?(
    target, u1, u2, ustride, uorder, v1, v2, vstride, vorder,
    p?.assumingMemoryBound(to: Double.self))
}
func doer_glMap2f(
  _ c: GLContextPointer, _ target: UInt32, _ u1: Float, _ u2: Float, _ ustride: Int32,
  _ uorder: Int32, _ v1: Float, _ v2: Float, _ vstride: Int32, _ vorder: Int32,
  _ nothing: UnsafePointer<Float>?
) {
  let (p, isThere) = points(c, 4, ustride, uorder, vstride, vorder)
  guard isThere else { return }
  c.pointee.gl.glMap2f?(
    target, u1, u2, ustride, uorder, v1, v2, vstride, vorder,
    p?.assumingMemoryBound(to: Float.self))
}

// MARK: Feedback and selection

/// What the driver fills while a mode lasts.
struct ModeBuffers {
  fileprivate var feedback: UnsafeMutablePointer<Float>?
  fileprivate var feedbackSize = 0
  fileprivate var selection: UnsafeMutablePointer<UInt32>?
  fileprivate var selectionSize = 0

  /// Values that one buffer has at most.
  static var most: Int32 { 4 << 20 }

  mutating func free() {
    feedback?.deallocate()
    selection?.deallocate()
    feedback = nil
    selection = nil
  }
}

func doer_glFeedbackBuffer(
  _ c: GLContextPointer, _ size: Int32, _ type: UInt32, _ nothing: UnsafeMutablePointer<Float>?
) {
  guard let call = c.pointee.gl.glFeedbackBuffer else { return }
  let mode = c.pointee.driverValue(GL.RENDER_MODE)
  guard size >= 0, size <= ModeBuffers.most, mode != GL.FEEDBACK else {
    call(size, type, c.pointee.modes.feedback)
    return
  }
  let room = UnsafeMutablePointer<Float>.allocate(capacity: Int(size) + 1)
  room.initialize(repeating: 0, count: Int(size) + 1)
  call(size, type, room)
  c.pointee.modes.feedback?.deallocate()
  c.pointee.modes.feedback = room
  c.pointee.modes.feedbackSize = Int(size)
}

func doer_glSelectBuffer(
  _ c: GLContextPointer, _ size: Int32, _ nothing: UnsafeMutablePointer<UInt32>?
) {
  guard let call = c.pointee.gl.glSelectBuffer else { return }
  let mode = c.pointee.driverValue(GL.RENDER_MODE)
  guard size >= 0, size <= ModeBuffers.most, mode != GL.SELECT else {
    call(size, c.pointee.modes.selection)
    return
  }
  let room = UnsafeMutablePointer<UInt32>.allocate(capacity: Int(size) + 1)
  room.initialize(repeating: 0, count: Int(size) + 1)
  call(size, room)
  c.pointee.modes.selection?.deallocate()
  c.pointee.modes.selection = room
  c.pointee.modes.selectionSize = Int(size)
}

/// Replies with the result, the mode that has ended, and what it has written.
func doer_glRenderMode(_ c: GLContextPointer, _ ticket: UInt32, _ mode: UInt32) {
  guard let call = c.pointee.gl.glRenderMode else {
    return c.pointee.missing(GLOpcode.glRenderMode, ticket)
  }
  let before = c.pointee.driverValue(GL.RENDER_MODE)
  let result = call(mode)
  c.pointee.beginReply(GLOpcode.glRenderMode)
  c.pointee.reply.writer.i32(result)
  c.pointee.reply.writer.u32(before)
  let modes = c.pointee.modes
  switch before {
  case GL.FEEDBACK:
    let count = result < 0 ? modes.feedbackSize : min(Int(result), modes.feedbackSize)
    c.pointee.put(modes.feedback, count * 4)
  case GL.SELECT: c.pointee.put(modes.selection, modes.selectionSize * 4)
  default: c.pointee.put(nil, 0)
  }
  c.pointee.endReply(ticket)
}

// MARK: Sync objects

func doer_glFenceSync(_ c: GLContextPointer, _ condition: UInt32, _ flags: UInt32) {
  let id = c.pointee.announced(8)
  guard id != 0 else { return }
  c.pointee.insertSync(id, c.pointee.gl.glFenceSync?(condition, flags) ?? nil)
}

func doer_glDeleteSync(_ c: GLContextPointer, _ sync: UnsafeMutableRawPointer?) {
  guard let driver = c.pointee.removeSync(c.pointee.announced(8)) else {
    // The driver refuses what it does not know; nothing of ours has this address.
    c.pointee.gl.glDeleteSync?(UnsafeMutableRawPointer(bitPattern: 8))
    return
  }
  c.pointee.gl.glDeleteSync?(driver)
}

func doer_glWaitSync(
  _ c: GLContextPointer, _ sync: UnsafeMutableRawPointer?, _ flags: UInt32, _ timeout: UInt64
) {
  c.pointee.gl.glWaitSync?(sync ?? UnsafeMutableRawPointer(bitPattern: 8), flags, timeout)
}

/// With the highest flag: whether there is such an object.
func doer_glClientWaitSync(
  _ c: GLContextPointer, _ ticket: UInt32, _ sync: UnsafeMutableRawPointer?, _ flags: UInt32,
  _ timeout: UInt64
) {
  guard let call = c.pointee.gl.glClientWaitSync else {
    return c.pointee.missing(GLOpcode.glClientWaitSync, ticket)
  }
  var result: UInt32
  if flags & 0x8000_0000 != 0 {
    result = sync == nil ? 0 : 1
  } else {
    // A session that ends must not be held up by a client's patience.
    var left = timeout
    repeat {
      let step = min(left, 100_000_000)
      result = call(sync ?? UnsafeMutableRawPointer(bitPattern: 8), flags, step)
      left &-= step
    } while result == GL.TIMEOUT_EXPIRED && left > 0 && !c.pointee.isOver
  }
  c.pointee.beginReply(GLOpcode.glClientWaitSync)
  c.pointee.reply.writer.u32(result)
  c.pointee.endReply(ticket)
}

// MARK: Maps

extension GLReplayContext {
  private mutating func bufferValue(_ target: UInt32, _ buffer: UInt32, _ pname: UInt32) -> Int64 {
    var value: Int32 = 0
    if buffer != 0 {
      gl.glGetNamedBufferParameteriv?(name(.buffer, buffer), pname, &value)
    } else {
      gl.glGetBufferParameteriv?(target, pname, &value)
    }
    return Int64(value)
  }

  /// `glMap`.
  mutating func map(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let target = f.u32(16, "target")
    let buffer = f.u32(20, "buffer")
    let offset = Int(truncatingIfNeeded: f.u64(24, "offset"))
    var length = Int(truncatingIfNeeded: f.u64(32, "length"))
    let access = f.u32(40, "access")
    let isWhole = f.u32(44, "whole") != 0
    guard f.wrong == nil else { return }
    var pointer: UnsafeMutableRawPointer?
    if isWhole {
      length = Int(bufferValue(target, buffer, GL.BUFFER_SIZE))
      let mode =
        access & GL.MAP_READ_BIT == 0
        ? GL.WRITE_ONLY : access & GL.MAP_WRITE_BIT == 0 ? GL.READ_ONLY : GL.READ_WRITE
      pointer =
        buffer != 0
        ? gl.glMapNamedBuffer?(name(.buffer, buffer), mode) ?? nil
        : (gl.glMapBuffer?(target, mode) ?? gl.glMapBufferRange?(target, 0, length, access)) ?? nil
    } else if buffer != 0 {
      pointer = gl.glMapNamedBufferRange?(name(.buffer, buffer), offset, length, access) ?? nil
    } else {
      pointer = gl.glMapBufferRange?(target, offset, length, access) ?? nil
    }
    let invalidates = GL.MAP_INVALIDATE_RANGE_BIT | GL.MAP_INVALIDATE_BUFFER_BIT
    reply.writer.begin(ControlOpcode.glMap)
    reply.writer.u32(pointer == nil ? 0 : 1)
    reply.writer.u64(UInt64(max(length, 0)))
    // What the application cannot see it need not get, unless it goes back with what it writes.
    let sends = pointer != nil && length > 0 && access & invalidates == 0
    if sends, length > 15 << 20 {
      session.lose(
        LostReason.noMemory, "glMapBuffer: a map of \(length) bytes with its contents")
    }
    put(sends ? pointer : nil, sends ? length : 0)
    endReply(ticket)
  }

  /// `glUnmap`.
  mutating func unmap(_ f: inout ControlFields) {
    let target = f.u32(8, "target")
    let buffer = f.u32(12, "buffer")
    let runs = f.u32(16, "runCount")
    let ends = f.u32(20, "ends") != 0
    guard f.wrong == nil, runs <= 1024 else { return f.fail("runCount") }
    var pointer: UnsafeMutableRawPointer?
    let length = Int(bufferValue(target, buffer, GL.BUFFER_MAP_LENGTH))
    if buffer != 0 {
      gl.glGetNamedBufferPointerv?(name(.buffer, buffer), GL.BUFFER_MAP_POINTER, &pointer)
    } else {
      gl.glGetBufferPointerv?(target, GL.BUFFER_MAP_POINTER, &pointer)
    }
    var position = 24
    for _ in 0..<Int(runs) {
      let offset = Int(clamping: f.u64(position, "offset"))
      let count = Int(clamping: f.u64(position &+ 8, "byteCount"))
      guard f.wrong == nil, count <= f.record.count &- position &- 16,
        let start = f.record.baseAddress
      else { return f.fail("byteCount") }
      if let pointer, offset <= length, count <= length &- offset {
        (pointer + offset).copyMemory(from: start + position + 16, byteCount: count)
        if !ends {
          if buffer != 0 {
            gl.glFlushMappedNamedBufferRange?(name(.buffer, buffer), offset, count)
          } else {
            gl.glFlushMappedBufferRange?(target, offset, count)
          }
        }
      }
      position &+= 16 &+ ((count &+ 7) & ~7)
    }
    guard ends else { return }
    if buffer != 0 {
      _ = gl.glUnmapNamedBuffer?(name(.buffer, buffer))
    } else {
      _ = gl.glUnmapBuffer?(target)
    }
  }
}
