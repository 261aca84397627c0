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

  /// How many words of the selection buffer so many hit records are, negative: all, for it has
  /// overflowed. Programs are known to say that their buffers have more words than there are: what
  /// the driver has not written must not be written there either.
  fileprivate func selectedWords(_ hits: Int32) -> Int {
    guard hits >= 0, let selection else { return selectionSize }
    var end = 0
    for _ in 0..<hits {
      // The number of names, two depths, the names.
      guard end < selectionSize else { return selectionSize }
      let names = Int(selection[end])
      guard names <= selectionSize else { return selectionSize }
      end += 3 + names
    }
    return min(end, selectionSize)
  }

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
  case GL.SELECT: c.pointee.put(modes.selection, modes.selectedWords(result) * 4)
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

// MARK: What is attached to a program

/// Answers with as many names as there are, whatever room the client has.
private func answerAttached(
  _ c: GLContextPointer, _ opcode: UInt32, _ ticket: UInt32, _ maxCount: Int32,
  _ call: (Int32, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<UInt32>?) -> Void
) {
  let most = min(maxCount, 4096)
  guard let place = c.pointee.room(glProduct(Int(max(most, 0)), 4), "attached") else { return }
  let names = place.bindMemory(to: UInt32.self, capacity: Int(max(most, 0)))
  var count: Int32 = 0
  call(most, &count, names)
  c.pointee.beginReply(opcode)
  c.pointee.put(&count, 4)
  c.pointee.putNames(.program, place, Int(min(max(count, 0), max(most, 0))))
  c.pointee.endReply(ticket)
}

func doer_glGetAttachedShaders(
  _ c: GLContextPointer, _ ticket: UInt32, _ program: UInt32, _ maxCount: Int32
) {
  guard let call = c.pointee.gl.glGetAttachedShaders else {
    return c.pointee.missing(GLOpcode.glGetAttachedShaders, ticket)
  }
  answerAttached(c, GLOpcode.glGetAttachedShaders, ticket, maxCount) { call(program, $0, $1, $2) }
}

func doer_glGetAttachedObjectsARB(
  _ c: GLContextPointer, _ ticket: UInt32, _ containerObj: UInt32, _ maxCount: Int32
) {
  guard let call = c.pointee.gl.glGetAttachedObjectsARB else {
    return c.pointee.missing(GLOpcode.glGetAttachedObjectsARB, ticket)
  }
  answerAttached(c, GLOpcode.glGetAttachedObjectsARB, ticket, maxCount) {
    call(containerObj, $0, $1, $2)
  }
}

// MARK: Program binaries

/// The client may have more room than the binary needs: that much is answered.
func doer_glGetProgramBinary(
  _ c: GLContextPointer, _ ticket: UInt32, _ program: UInt32, _ bufSize: Int32
) {
  guard let call = c.pointee.gl.glGetProgramBinary, let get = c.pointee.gl.glGetProgramiv else {
    return c.pointee.missing(GLOpcode.glGetProgramBinary, ticket)
  }
  // Where this is an error the other one is the same.
  var wanted: Int32 = 0
  get(program, GL.PROGRAM_BINARY_LENGTH, &wanted)
  let room = min(bufSize, max(wanted, 0))
  guard let binary = c.pointee.room(Int(max(room, 0)), "glGetProgramBinary.binary") else { return }
  var length: Int32 = 0
  var format: UInt32 = 0
  call(program, room, &length, &format, binary)
  c.pointee.beginReply(GLOpcode.glGetProgramBinary)
  c.pointee.put(&length, 4)
  c.pointee.put(&format, 4)
  c.pointee.put(binary, Int(min(max(length, 0), max(room, 0))))
  c.pointee.endReply(ticket)
}

// MARK: Assembly programs

/// Replies with the whole text of the bound program, however long it is.
func doer_glGetProgramStringARB(
  _ c: GLContextPointer, _ ticket: UInt32, _ target: UInt32, _ pname: UInt32
) {
  guard let call = c.pointee.gl.glGetProgramStringARB, let get = c.pointee.gl.glGetProgramivARB
  else { return c.pointee.missing(GLOpcode.glGetProgramStringARB, ticket) }
  c.pointee.answerProgramString(GLOpcode.glGetProgramStringARB, ticket, pname) {
    get(target, GL.PROGRAM_LENGTH_ARB, $0)
  } string: {
    call(target, pname, $0)
  }
}
func doer_glGetNamedProgramStringEXT(
  _ c: GLContextPointer, _ ticket: UInt32, _ program: UInt32, _ target: UInt32, _ pname: UInt32
) {
  guard let call = c.pointee.gl.glGetNamedProgramStringEXT,
    let get = c.pointee.gl.glGetNamedProgramivEXT
  else { return c.pointee.missing(GLOpcode.glGetNamedProgramStringEXT, ticket) }
  c.pointee.answerProgramString(GLOpcode.glGetNamedProgramStringEXT, ticket, pname) {
    get(program, target, GL.PROGRAM_LENGTH_ARB, $0)
  } string: {
    call(program, target, pname, $0)
  }
}

extension GLReplayContext {
  /// Replies with the text of a program of GL_ARB_vertex_program.
  fileprivate mutating func answerProgramString(
    _ opcode: UInt32, _ ticket: UInt32, _ pname: UInt32,
    length: (UnsafeMutablePointer<Int32>) -> Void, string: (UnsafeMutableRawPointer) -> Void
  ) {
    var count: Int32 = 0
    beginQuiet()
    length(&count)
    endQuiet()
    let size = Int(max(count, 0))
    guard let room = room(size, "string") else { return }
    // A wrong `pname` is the driver's to refuse.
    string(room)
    beginReply(opcode)
    put(room, pname == GL.PROGRAM_STRING_ARB ? size : 0)
    endReply(ticket)
  }
}

/// A string of the driver's with an index, and its NUL.
func doer_glGetStringi(_ c: GLContextPointer, _ ticket: UInt32, _ name: UInt32, _ index: UInt32) {
  guard let call = c.pointee.gl.glGetStringi else {
    return c.pointee.missing(GLOpcode.glGetStringi, ticket)
  }
  let text = UnsafeRawPointer(call(name, index))?.assumingMemoryBound(to: CChar.self)
  c.pointee.beginReply(GLOpcode.glGetStringi)
  c.pointee.put(text, text.map { Int(platform_string_length($0)) + 1 } ?? 0)
  c.pointee.endReply(ticket)
}

// MARK: Names whose kind another argument says

extension GLReplayContext {
  /// The driver's name of what glCopyImageSubData copies.
  fileprivate mutating func imageName(_ target: UInt32, _ client: UInt32) -> UInt32 {
    // A name that nobody has used is no image: it must not become one here.
    let kind: NameKind = target == GL.RENDERBUFFER ? .renderbuffer : .texture
    let known = knownName(kind, client)
    return known != 0 || client == 0 ? known : GLReplayContext.neverGenerated
  }

  /// The driver's name of an object with a label (OpenGL 4.6, table 20.4); the client's own where
  /// there is no such kind, which the driver refuses.
  fileprivate mutating func labelled(_ identifier: UInt32, _ client: UInt32) -> UInt32 {
    let kind: NameKind
    switch identifier {
    case GL.BUFFER: kind = .buffer
    case GL.SHADER, GL.PROGRAM: kind = .program
    case GL.VERTEX_ARRAY: kind = .vertexArray
    case GL.QUERY: kind = .query
    case GL.PROGRAM_PIPELINE: kind = .programPipeline
    case GL.TRANSFORM_FEEDBACK: kind = .transformFeedback
    case GL.SAMPLER: kind = .sampler
    case GL.TEXTURE: kind = .texture
    case GL.RENDERBUFFER: kind = .renderbuffer
    case GL.FRAMEBUFFER: kind = .framebuffer
    case GL.DISPLAY_LIST: return client &+ listBase
    default: return client
    }
    let known = knownName(kind, client)
    return known != 0 ? known : client == 0 ? 0 : GLReplayContext.neverGenerated
  }
}

func doer_glCopyImageSubData(
  _ c: GLContextPointer, _ srcName: UInt32, _ srcTarget: UInt32, _ srcLevel: Int32,
  _ srcX: Int32, _ srcY: Int32, _ srcZ: Int32, _ dstName: UInt32, _ dstTarget: UInt32,
  _ dstLevel: Int32, _ dstX: Int32, _ dstY: Int32, _ dstZ: Int32, _ srcWidth: Int32,
  _ srcHeight: Int32, _ srcDepth: Int32
) {
  c.pointee.gl.glCopyImageSubData?(
    c.pointee.imageName(srcTarget, srcName), srcTarget, srcLevel, srcX, srcY, srcZ,
    c.pointee.imageName(dstTarget, dstName), dstTarget, dstLevel, dstX, dstY, dstZ, srcWidth,
    srcHeight, srcDepth)
}
func doer_glCopyImageSubDataNV(
  _ c: GLContextPointer, _ srcName: UInt32, _ srcTarget: UInt32, _ srcLevel: Int32,
  _ srcX: Int32, _ srcY: Int32, _ srcZ: Int32, _ dstName: UInt32, _ dstTarget: UInt32,
  _ dstLevel: Int32, _ dstX: Int32, _ dstY: Int32, _ dstZ: Int32, _ width: Int32,
  _ height: Int32, _ depth: Int32
) {
  c.pointee.gl.glCopyImageSubDataNV?(
    c.pointee.imageName(srcTarget, srcName), srcTarget, srcLevel, srcX, srcY, srcZ,
    c.pointee.imageName(dstTarget, dstName), dstTarget, dstLevel, dstX, dstY, dstZ, width, height,
    depth)
}

func doer_glObjectLabel(
  _ c: GLContextPointer, _ identifier: UInt32, _ name: UInt32, _ length: Int32,
  _ label: UnsafePointer<CChar>?
) {
  c.pointee.gl.glObjectLabel?(identifier, c.pointee.labelled(identifier, name), length, label)
}

func doer_glGetObjectLabel(
  _ c: GLContextPointer, _ ticket: UInt32, _ identifier: UInt32, _ name: UInt32, _ bufSize: Int32
) {
  let size = Int(min(max(bufSize, 0), 64 << 10))
  var written: Int32 = 0
  guard let room = c.pointee.blobRoom(size + 1) else {
    return c.pointee.missing(GLOpcode.glGetObjectLabel)
  }
  platform_zero(room, size + 1)
  c.pointee.gl.glGetObjectLabel?(
    identifier, c.pointee.labelled(identifier, name), bufSize < 0 ? bufSize : Int32(size), &written,
    size > 0 ? room.assumingMemoryBound(to: CChar.self) : nil)
  c.pointee.beginReply(GLOpcode.glGetObjectLabel)
  c.pointee.put(&written, 4)
  c.pointee.put(room, size)
  c.pointee.endReply(ticket)
}

// MARK: Maps

extension GLReplayContext {
  /// Calls `body` with a target that a buffer is bound to: `target`, or for a buffer that is named, one
  /// of ours for as long as it takes.
  private mutating func withTarget(
    _ target: UInt32, _ buffer: UInt32, _ body: (inout GLReplayContext, UInt32) -> Void
  ) {
    guard buffer != 0 else { return body(&self, target) }
    let own = GL.ARRAY_BUFFER
    let bound = driverValue(GL.ARRAY_BUFFER_BINDING)
    gl.glBindBuffer?(own, name(.buffer, buffer))
    body(&self, own)
    gl.glBindBuffer?(own, bound)
  }

  private mutating func bufferValue(_ target: UInt32, _ pname: UInt32) -> Int {
    var value: Int32 = 0
    beginQuiet()
    gl.glGetBufferParameteriv?(target, pname, &value)
    endQuiet()
    return Int(value)
  }

  /// Whether the buffer that is bound to a target is mapped for reading alone.
  private mutating func isReadOnly(_ target: UInt32) -> Bool {
    if properties.isAtLeast(3, 0) {
      return UInt32(truncatingIfNeeded: bufferValue(target, GL.BUFFER_ACCESS_FLAGS))
        & GL.MAP_WRITE_BIT == 0
    }
    return UInt32(truncatingIfNeeded: bufferValue(target, GL.BUFFER_ACCESS)) == GL.READ_ONLY
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
    withTarget(target, buffer) { c, target in
      guard isWhole else {
        pointer = c.gl.glMapBufferRange?(target, offset, length, access) ?? nil
        return
      }
      length = c.bufferValue(target, GL.BUFFER_SIZE)
      let mode =
        access & GL.MAP_READ_BIT == 0
        ? GL.WRITE_ONLY : access & GL.MAP_WRITE_BIT == 0 ? GL.READ_ONLY : GL.READ_WRITE
      pointer =
        (c.gl.glMapBuffer?(target, mode) ?? c.gl.glMapBufferRange?(target, 0, length, access))
        ?? nil
    }
    guard ticket != UInt32.max else { return }
    let invalidates = GL.MAP_INVALIDATE_RANGE_BIT | GL.MAP_INVALIDATE_BUFFER_BIT
    reply.writer.begin(ControlOpcode.glMap)
    reply.writer.u32(pointer == nil ? 0 : 1)
    reply.writer.u64(UInt64(max(length, 0)))
    // What the application cannot see it need not get, unless it goes back with what it writes.
    let sends = pointer != nil && length > 0 && access & invalidates == 0
    if sends, length > 15 << 20 {
      reply.reset()
      return session.lose(
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
    let mode = f.u32(20, "mode")
    guard f.wrong == nil, runs <= 1024 else { return f.fail("runCount") }
    guard mode <= UnmapMode.write else { return f.fail("mode") }
    var copy = f
    withTarget(target, buffer) { c, target in
      var pointer: UnsafeMutableRawPointer?
      c.gl.glGetBufferPointerv?(target, GL.BUFFER_MAP_POINTER, &pointer)
      let length = c.bufferValue(target, GL.BUFFER_MAP_LENGTH)
      // A map that is for reading alone may lie where nothing can be written.
      if c.isReadOnly(target) { pointer = nil }
      c.writeRuns(&copy, Int(runs), pointer, length) { offset, count in
        if mode == UnmapMode.flush { c.gl.glFlushMappedBufferRange?(target, offset, count) }
      }
      if copy.wrong == nil, mode == UnmapMode.end { _ = c.gl.glUnmapBuffer?(target) }
    }
    f = copy
  }

  /// Copies the runs of a `glUnmap` into a mapping; whatever lies outside of it is left out.
  private func writeRuns(
    _ f: inout ControlFields, _ runs: Int, _ pointer: UnsafeMutableRawPointer?, _ length: Int,
    _ flush: (Int, Int) -> Void
  ) {
    var position = 24
    for _ in 0..<runs {
      let offset = Int(clamping: f.u64(position, "offset"))
      let count = Int(clamping: f.u64(position &+ 8, "byteCount"))
      guard f.wrong == nil, count <= f.record.count &- position &- 16,
        let start = f.record.baseAddress
      else { return f.fail("byteCount") }
      if let pointer, offset <= length, count <= length &- offset {
        (pointer + offset).copyMemory(from: start + position + 16, byteCount: count)
        flush(offset, count)
      }
      position &+= 16 &+ ((count &+ 7) & ~7)
    }
  }

  /// `glReadBuffer`.
  mutating func readBuffer(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let buffer = f.u32(16, "buffer")
    let count = Int(f.u32(20, "byteCount"))
    let offset = Int(clamping: f.u64(24, "offset"))
    guard f.wrong == nil else { return }
    guard buffer != 0 else { return f.fail("buffer") }
    guard count <= 8 << 20 else { return f.fail("byteCount") }
    reply.writer.begin(ControlOpcode.glReadBuffer)
    reply.writer.u32(UInt32(count))
    let padded = (count &+ 3) & ~3
    if let place = reply.writer.reserve(padded) {
      platform_zero(place, padded)
      withTarget(GL.ARRAY_BUFFER, buffer) { c, target in
        _ = c.readBuffer(target, offset, count, into: place)
      }
    }
    endReply(ticket)
  }

  /// Copies a range of the buffer that is bound to a target; false when it does not have it.
  mutating func readBuffer(
    _ target: UInt32, _ offset: Int, _ count: Int, into place: UnsafeMutableRawPointer
  ) -> Bool {
    let size = bufferValue(target, GL.BUFFER_SIZE)
    guard count > 0, offset >= 0, offset <= size, count <= size &- offset else { return false }
    if !properties.isES, let read = gl.glGetBufferSubData {
      read(target, offset, count, place)
    } else {
      readByMap(target, offset, count, into: place)
    }
    return true
  }

  /// The bytes of a buffer where there is no glGetBufferSubData: of a copy, since its own store need not
  /// be one that can be read.
  private mutating func readByMap(
    _ target: UInt32, _ offset: Int, _ count: Int, into place: UnsafeMutableRawPointer
  ) {
    guard let generate = gl.glGenBuffers, let copy = gl.glCopyBufferSubData,
      let map = gl.glMapBufferRange
    else { return }
    let bound = driverValue(GL.COPY_WRITE_BUFFER_BINDING)
    var room: UInt32 = 0
    generate(1, &room)
    gl.glBindBuffer?(GL.COPY_WRITE_BUFFER, room)
    gl.glBufferData?(GL.COPY_WRITE_BUFFER, count, nil, GL.STREAM_READ)
    copy(target, GL.COPY_WRITE_BUFFER, offset, 0, count)
    if let bytes = map(GL.COPY_WRITE_BUFFER, 0, count, GL.MAP_READ_BIT) {
      place.copyMemory(from: bytes, byteCount: count)
      _ = gl.glUnmapBuffer?(GL.COPY_WRITE_BUFFER)
    }
    gl.glBindBuffer?(GL.COPY_WRITE_BUFFER, bound)
    gl.glDeleteBuffers?(1, &room)
  }
}
