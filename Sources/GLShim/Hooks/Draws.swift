import CPlatform
import GLWire
import Ring
import Wire

// Draws. Vertices and indices in client memory travel in front of the draw that reads them.

/// Sends vertices [first, first + count) of every array in client memory, and of those that advance by
/// instance, those that `instances` from `baseInstance` on read. False when that is more than there can
/// be, and nothing may be drawn.
private func sendArrays(
  _ c: Context, first: Int, count: Int, instances: Int = 1, baseInstance: Int = 0
) -> Bool {
  var left = c.pointee.shadow.pointee.clientArrays
  guard left != 0, count > 0, first >= 0 else { return true }
  let arrays = c.pointee.shadow.pointee.arrays
  while left != 0 {
    let slot = left.trailingZeroBitCount
    let array = arrays[slot]
    let step = array.step
    var (from, number) = (first, count)
    if array.divisor > 0 {
      from = baseInstance
      number = (instances &- 1) / Int(array.divisor) &+ 1
    }
    // Arrays that are interleaved with this one go with it.
    var together: UInt64 = 0
    var low = UInt(bitPattern: array.pointer)
    var high = low &+ UInt(array.elementSize)
    var others = left
    while others != 0 {
      let other = others.trailingZeroBitCount
      others &= others &- 1
      let start = UInt(bitPattern: arrays[other].pointer)
      guard arrays[other].step == step, arrays[other].divisor == array.divisor else { continue }
      let end = start &+ UInt(arrays[other].elementSize)
      guard max(high, end) &- min(low, start) <= UInt(step) else { continue }
      (low, high) = (min(low, start), max(high, end))
      together |= 1 &<< UInt64(other)
    }
    if together == 0 { together = 1 &<< UInt64(slot) }
    left &= ~together
    guard low != 0 else { continue }
    let byteCount = glProduct(number &- 1, step) &+ Int(high &- low)
    // Indices that lead nowhere are the program's mistake, and must not cost it its node.
    guard byteCount <= SegmentLayout.largestRecord / 2 else { return false }
    let source = UnsafeRawPointer(bitPattern: low &+ UInt(bitPattern: from &* step))
    let writer = c.writer
    writer.pointee.begin(ControlOpcode.glVertexData)
    writer.pointee.u32(UInt32(together.nonzeroBitCount))
    writer.pointee.u32(c.pointee.shadow.pointee.buffers.array)
    writer.pointee.u32(UInt32(truncatingIfNeeded: from))
    writer.pointee.u32(UInt32(clamping: byteCount))
    while together != 0 {
      let one = together.trailingZeroBitCount
      together &= together &- 1
      writer.pointee.u32(UInt32(one))
      writer.pointee.i32(arrays[one].size)
      writer.pointee.u32(arrays[one].type)
      writer.pointee.u32(UInt32(truncatingIfNeeded: step))
      writer.pointee.u32(arrays[one].flags)
      writer.pointee.u32(
        UInt32(truncatingIfNeeded: UInt(bitPattern: arrays[one].pointer) &- low))
    }
    writer.pointee.bytes(source, byteCount)
    writer.pointee.end()
  }
  return true
}

/// The smallest and the largest of some indices; nil when there are none.
private func range(
  _ c: Context, _ type: UInt32, _ indices: UnsafeRawPointer, _ count: Int
) -> (low: Int, high: Int)? {
  let restart = c.pointee.shadow.pointee.restart
  var (low, high) = (UInt32.max, UInt32(0))
  let fixed: UInt32 =
    type == GL.UNSIGNED_BYTE ? 0xFF : type == GL.UNSIGNED_SHORT ? 0xFFFF : 0xFFFF_FFFF
  let skipped =
    restart.isFixed ? fixed : restart.isEnabled ? restart.index : nil
  var i = 0
  var found = false
  while i < count {
    let index: UInt32
    switch type {
    case GL.UNSIGNED_BYTE: index = UInt32(indices.load(fromByteOffset: i, as: UInt8.self))
    case GL.UNSIGNED_SHORT:
      index = UInt32(indices.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self))
    default: index = indices.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)
    }
    i &+= 1
    if index == skipped { continue }
    found = true
    low = min(low, index)
    high = max(high, index)
  }
  return found ? (Int(low), Int(high)) : nil
}

/// The same of `count` indices in client memory or in the bound buffer, which stand there with the node.
private func range(
  _ c: Context, _ type: UInt32, _ indices: UnsafeRawPointer?, _ count: Int32
) -> (low: Int, high: Int)? {
  if c.pointee.shadow.pointee.elementBuffer == 0 {
    return indices.flatMap { range(c, type, $0, Int(count)) }
  }
  let bytes = glProduct(Int(count), glIndexSize(type))
  guard bytes <= largestArray, let copy = platform_calloc(1, bytes) else { return nil }
  defer { platform_free(copy) }
  readBuffer(c, c.pointee.shadow.pointee.elementBuffer, Int(bitPattern: indices), bytes, copy)
  return range(c, type, copy, Int(count))
}

/// Sends what an indexed draw reads from client memory. False when nothing may be drawn.
private func sendIndexed(
  _ c: Context, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  base: Int32 = 0, instances: Int32 = 1, baseInstance: UInt32 = 0
) -> Bool {
  let size = glIndexSize(type)
  guard count > 0, size > 0, instances > 0 else { return true }
  let isBound = c.pointee.shadow.pointee.elementBuffer != 0
  guard isBound || indices != nil else { return true }
  let bytes = glProduct(Int(count), size)
  let hasArrays = c.pointee.shadow.pointee.clientArrays != 0
  guard bytes <= largestArray || isBound && !hasArrays else { return false }
  if hasArrays, let (low, high) = range(c, type, indices, count) {
    guard
      sendArrays(
        c, first: low &+ Int(base), count: high &- low &+ 1, instances: Int(instances),
        baseInstance: Int(baseInstance))
    else { return false }
  }
  if !isBound { c.sendMemory(indices, bytes) }
  return true
}

func hook_glArrayElement(_ c: Context, _ i: Int32) {
  let shadow = c.pointee.shadow
  let isRestart =
    shadow.pointee.restart.isEnabled && UInt32(bitPattern: i) == shadow.pointee.restart.index
  if isRestart, shadow.pointee.clientArrays != 0 { return gl_PrimitiveRestartNV() }
  // Where all that is enabled lies in client memory it is as if the values themselves were said.
  if i >= 0, shadow.pointee.clientArrays != 0,
    shadow.pointee.clientArrays == shadow.pointee.enabled, c.hasFixedFunction
  {
    return sayElement(c, Int(i))
  }
  guard isRestart || sendArrays(c, first: Int(i), count: 1) else { return }
  encode_glArrayElement(c, c.writer, i)
}

func hook_glDrawArrays(_ c: Context, _ mode: UInt32, _ first: Int32, _ count: Int32) {
  guard sendArrays(c, first: Int(first), count: Int(count)) else { return }
  encode_glDrawArrays(c, c.writer, mode, first, count)
}

/// Lists have no instances (OpenGL 4.6 compatibility, 21.4.1): true, with the error, while one is being compiled.
private func isRefusedInList(_ c: Context) -> Bool {
  guard c.pointee.shadow.pointee.listMode != 0 else { return false }
  c.raise(GL.INVALID_OPERATION)
  return true
}

func hook_glDrawArraysInstanced(
  _ c: Context, _ mode: UInt32, _ first: Int32, _ count: Int32, _ instancecount: Int32
) {
  if isRefusedInList(c) { return }
  guard sendArrays(c, first: Int(first), count: Int(count), instances: Int(instancecount)) else {
    return
  }
  encode_glDrawArraysInstanced(c, c.writer, mode, first, count, instancecount)
}

func hook_glDrawArraysInstancedBaseInstance(
  _ c: Context, _ mode: UInt32, _ first: Int32, _ count: Int32, _ instancecount: Int32,
  _ baseinstance: UInt32
) {
  if isRefusedInList(c) { return }
  guard
    sendArrays(
      c, first: Int(first), count: Int(count), instances: Int(instancecount),
      baseInstance: Int(baseinstance))
  else { return }
  encode_glDrawArraysInstancedBaseInstance(
    c, c.writer, mode, first, count, instancecount, baseinstance)
}

/// One that is wrong keeps all of them from being drawn.
private func areCounts(_ count: UnsafePointer<Int32>, _ drawcount: Int32) -> Bool {
  guard drawcount >= 0 else { return false }
  var i = 0
  while i < Int(drawcount) {
    if count[i] < 0 { return false }
    i &+= 1
  }
  return true
}

/// The vertices that several draws read.
private struct VertexSpan {
  var low = Int.max
  /// One behind the last.
  var end = 0
  /// How many are read, those of each draw counted.
  var sum = 0

  mutating func add(first: Int, count: Int, reads: Int) {
    low = min(low, first)
    end = max(end, first &+ count)
    sum &+= reads
  }

  /// Sends them all. False where each draw is to have its own, in a command of its own, because they lie apart;
  /// not when that could be seen (gl_DrawID).
  func send(_ c: Context) -> Bool {
    if sum == 0 { return true }
    guard low >= 0, end &- low <= 2 &* sum &+ 256 || c.pointee.share.pointee.readsDrawNumber else {
      return false
    }
    return sendArrays(c, first: low, count: end &- low)
  }
}

func hook_glMultiDrawArrays(
  _ c: Context, _ mode: UInt32, _ first: UnsafePointer<Int32>?, _ count: UnsafePointer<Int32>?,
  _ drawcount: Int32
) {
  guard c.pointee.shadow.pointee.clientArrays != 0, let first, let count else {
    return encode_glMultiDrawArrays(c, c.writer, mode, first, count, drawcount)
  }
  guard areCounts(count, drawcount) else { return c.raise(GL.INVALID_VALUE) }
  var span = VertexSpan()
  var i = 0
  while i < Int(drawcount) {
    if count[i] > 0 {
      span.add(first: Int(first[i]), count: Int(count[i]), reads: Int(count[i]))
    }
    i &+= 1
  }
  if span.send(c) { return encode_glMultiDrawArrays(c, c.writer, mode, first, count, drawcount) }
  i = 0
  while i < Int(drawcount) {
    hook_glDrawArrays(c, mode, first[i], count[i])
    i &+= 1
  }
}

func hook_glDrawElements(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?
) {
  guard sendIndexed(c, count, type, indices) else { return }
  encode_glDrawElements(c, c.writer, mode, count, type, indices)
}

func hook_glDrawRangeElements(
  _ c: Context, _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?
) {
  guard sendIndexed(c, count, type, indices) else { return }
  encode_glDrawRangeElements(c, c.writer, mode, start, end, count, type, indices)
}

func hook_glDrawElementsBaseVertex(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  _ basevertex: Int32
) {
  guard sendIndexed(c, count, type, indices, base: basevertex) else { return }
  encode_glDrawElementsBaseVertex(c, c.writer, mode, count, type, indices, basevertex)
}

func hook_glDrawRangeElementsBaseVertex(
  _ c: Context, _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ basevertex: Int32
) {
  guard sendIndexed(c, count, type, indices, base: basevertex) else { return }
  encode_glDrawRangeElementsBaseVertex(
    c, c.writer, mode, start, end, count, type, indices, basevertex)
}

func hook_glDrawElementsInstanced(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  _ instancecount: Int32
) {
  if isRefusedInList(c) { return }
  guard sendIndexed(c, count, type, indices, instances: instancecount) else { return }
  encode_glDrawElementsInstanced(c, c.writer, mode, count, type, indices, instancecount)
}

func hook_glDrawElementsInstancedBaseVertex(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  _ instancecount: Int32, _ basevertex: Int32
) {
  if isRefusedInList(c) { return }
  guard sendIndexed(c, count, type, indices, base: basevertex, instances: instancecount) else {
    return
  }
  encode_glDrawElementsInstancedBaseVertex(
    c, c.writer, mode, count, type, indices, instancecount, basevertex)
}

func hook_glDrawElementsInstancedBaseInstance(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  _ instancecount: Int32, _ baseinstance: UInt32
) {
  if isRefusedInList(c) { return }
  guard sendIndexed(c, count, type, indices, instances: instancecount, baseInstance: baseinstance)
  else { return }
  encode_glDrawElementsInstancedBaseInstance(
    c, c.writer, mode, count, type, indices, instancecount, baseinstance)
}

func hook_glDrawElementsInstancedBaseVertexBaseInstance(
  _ c: Context, _ mode: UInt32, _ count: Int32, _ type: UInt32, _ indices: UnsafeRawPointer?,
  _ instancecount: Int32, _ basevertex: Int32, _ baseinstance: UInt32
) {
  if isRefusedInList(c) { return }
  guard
    sendIndexed(
      c, count, type, indices, base: basevertex, instances: instancecount,
      baseInstance: baseinstance)
  else { return }
  encode_glDrawElementsInstancedBaseVertexBaseInstance(
    c, c.writer, mode, count, type, indices, instancecount, basevertex, baseinstance)
}

/// Sends what several indexed draws read from client memory in front of them: vertices, and offsets into the bound
/// buffer, 8 bytes each, or without a buffer the indices, those of one draw behind those of the other. False where
/// they are to be made one by one.
private func sendDraws(
  _ c: Context, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32,
  base: UnsafePointer<Int32>? = nil
) -> Bool {
  let isBound = c.pointee.shadow.pointee.elementBuffer != 0
  let hasArrays = c.pointee.shadow.pointee.clientArrays != 0
  let size = glIndexSize(type)
  // What is wrong is the node's to find, and nothing is read for it.
  guard drawcount > 0, size > 0, let count, let indices else { return true }
  if isBound, !hasArrays {
    c.sendMemory(indices, glProduct(Int(drawcount), 8))
    return true
  }
  guard areCounts(count, drawcount) else { return true }
  var bytes = 0
  var span = VertexSpan()
  var i = 0
  while i < Int(drawcount) {
    if count[i] > 0 {
      // Drivers make none of the draws then.
      guard isBound || indices[i] != nil else { return true }
      bytes = glSum(bytes, glProduct(Int(count[i]), size))
      if hasArrays, let (low, high) = range(c, type, indices[i], count[i]) {
        span.add(
          first: low &+ Int(base?[i] ?? 0), count: high &- low &+ 1, reads: Int(count[i]))
      }
    }
    i &+= 1
  }
  guard isBound || bytes <= largestArray, span.send(c) else { return false }
  if isBound {
    c.sendMemory(indices, glProduct(Int(drawcount), 8))
    return true
  }
  c.beginMemory(bytes)
  let padded = (bytes &+ 3) & ~3
  if padded > 0, var place = c.writer.pointee.reserve(padded) {
    place.put32(0, padded &- 4)
    i = 0
    while i < Int(drawcount) {
      let part = glProduct(Int(count[i]), size)
      if let source = indices[i], part > 0 { platform_copy(place, source, part) }
      place += part
      i &+= 1
    }
  }
  c.writer.pointee.end()
  return true
}

func hook_glMultiDrawElements(
  _ c: Context, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32
) {
  if sendDraws(c, count, type, indices, drawcount) {
    return encode_glMultiDrawElements(c, c.writer, mode, count, type, drawcount)
  }
  var i = 0
  while i < Int(drawcount), let count, let indices {
    hook_glDrawElements(c, mode, count[i], type, indices[i])
    i &+= 1
  }
}

func hook_glMultiDrawElementsBaseVertex(
  _ c: Context, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32,
  _ basevertex: UnsafePointer<Int32>?
) {
  if sendDraws(c, count, type, indices, drawcount, base: basevertex) {
    return encode_glMultiDrawElementsBaseVertex(
      c, c.writer, mode, count, type, drawcount, basevertex)
  }
  var i = 0
  while i < Int(drawcount), let count, let indices, let basevertex {
    hook_glDrawElementsBaseVertex(c, mode, count[i], type, indices[i], basevertex[i])
    i &+= 1
  }
}

// MARK: Indirect draws

/// Before an indirect draw of a context with fixed function, in which what to draw may lie in client
/// memory: sends it in front. Where vertices lie there too, all draws are made one by one, and the result
/// is true.
private func drewIndirect(
  _ c: Context, _ mode: UInt32, _ type: UInt32?, _ indirect: UnsafeRawPointer?, _ drawcount: Int32,
  _ stride: Int32
) -> Bool {
  let shadow = c.pointee.shadow
  guard c.pointee.request.api == 0, c.hasFixedFunction, drawcount > 0, stride >= 0, stride & 3 == 0
  else { return false }
  let isBound = shadow.pointee.buffers.drawIndirect != 0
  let hasArrays = shadow.pointee.clientArrays != 0
  let size = type == nil ? 16 : 20
  let step = stride == 0 ? size : Int(stride)
  let total = glProduct(Int(drawcount) &- 1, step) &+ size
  guard !isBound || hasArrays, total <= SegmentLayout.largestRecord / 2 else { return false }
  if !hasArrays {
    if let indirect { c.sendMemory(indirect, total) }
    return false
  }
  var copy: UnsafeMutableRawPointer?
  defer { platform_free(copy) }
  if isBound {
    copy = platform_malloc(total)
    guard let copy else { return false }
    gl_GetBufferSubData(GL.DRAW_INDIRECT_BUFFER, Int(bitPattern: indirect), total, copy)
  }
  guard let source = isBound ? UnsafeRawPointer(copy) : indirect else { return false }
  var i = 0
  while i < Int(drawcount) {
    let command = source + i &* step
    func word(_ index: Int) -> UInt32 {
      command.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
    }
    let (count, instances) = (Int32(bitPattern: word(0)), Int32(bitPattern: word(1)))
    if let type {
      let first = UnsafeRawPointer(bitPattern: UInt(word(2)) &* UInt(glIndexSize(type)))
      hook_glDrawElementsInstancedBaseVertexBaseInstance(
        c, mode, count, type, first, instances, Int32(bitPattern: word(3)), word(4))
    } else {
      hook_glDrawArraysInstancedBaseInstance(
        c, mode, Int32(bitPattern: word(2)), count, instances, word(3))
    }
    i &+= 1
  }
  return true
}

func hook_glDrawArraysIndirect(_ c: Context, _ mode: UInt32, _ indirect: UnsafeRawPointer?) {
  if drewIndirect(c, mode, nil, indirect, 1, 0) { return }
  encode_glDrawArraysIndirect(c, c.writer, mode, indirect)
}

func hook_glDrawElementsIndirect(
  _ c: Context, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?
) {
  if drewIndirect(c, mode, type, indirect, 1, 0) { return }
  encode_glDrawElementsIndirect(c, c.writer, mode, type, indirect)
}

func hook_glMultiDrawArraysIndirect(
  _ c: Context, _ mode: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int32, _ stride: Int32
) {
  if drewIndirect(c, mode, nil, indirect, drawcount, stride) { return }
  encode_glMultiDrawArraysIndirect(c, c.writer, mode, indirect, drawcount, stride)
}

func hook_glMultiDrawElementsIndirect(
  _ c: Context, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int32,
  _ stride: Int32
) {
  if drewIndirect(c, mode, type, indirect, drawcount, stride) { return }
  encode_glMultiDrawElementsIndirect(c, c.writer, mode, type, indirect, drawcount, stride)
}

// MARK: Primitive restart, which says which indices are none

func setRestart(_ c: Context, _ cap: UInt32, _ isEnabled: Bool) {
  switch cap {
  case GL.PRIMITIVE_RESTART, GL.PRIMITIVE_RESTART_NV:
    c.pointee.shadow.pointee.restart.isEnabled = isEnabled
  case GL.PRIMITIVE_RESTART_FIXED_INDEX: c.pointee.shadow.pointee.restart.isFixed = isEnabled
  default: break
  }
}
@inline(__always)
func note_glEnable(_ c: Context, _ cap: UInt32) {
  setRestart(c, cap, true)
  noteCapability(c, cap, true)
  noteArrayCapability(c, cap, true)
  noteDebugCapability(c, cap, true)
}
@inline(__always)
func note_glDisable(_ c: Context, _ cap: UInt32) {
  setRestart(c, cap, false)
  noteCapability(c, cap, false)
  noteArrayCapability(c, cap, false)
  noteDebugCapability(c, cap, false)
}
func note_glPrimitiveRestartIndexNV(_ c: Context, _ index: UInt32) {
  note_glPrimitiveRestartIndex(c, index)
}
func note_glPrimitiveRestartIndex(_ c: Context, _ index: UInt32) {
  c.pointee.shadow.pointee.restart.index = index
}

// MARK: GL_IBM_multimode_draw_arrays: modes lie `modestride` bytes apart

func hook_glMultiModeDrawArraysIBM(
  _ c: Context, _ mode: UnsafePointer<UInt32>?, _ first: UnsafePointer<Int32>?,
  _ count: UnsafePointer<Int32>?, _ primcount: Int32, _ modestride: Int32
) {
  guard let mode, let first, let count else { return }
  var i = 0
  while i < Int(primcount) {
    let place = UnsafeRawPointer(mode) + i &* Int(modestride)
    if count[i] > 0 {
      hook_glDrawArrays(c, place.loadUnaligned(as: UInt32.self), first[i], count[i])
    }
    i &+= 1
  }
}

func hook_glMultiModeDrawElementsIBM(
  _ c: Context, _ mode: UnsafePointer<UInt32>?, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ primcount: Int32, _ modestride: Int32
) {
  guard let mode, let indices, let count else { return }
  var i = 0
  while i < Int(primcount) {
    let place = UnsafeRawPointer(mode) + i &* Int(modestride)
    if count[i] > 0 {
      hook_glDrawElements(c, place.loadUnaligned(as: UInt32.self), count[i], type, indices[i])
    }
    i &+= 1
  }
}
