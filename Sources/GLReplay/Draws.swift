import GLWire

// Doers of draws: none reaches the driver before `mayDraw` has found buffers or vertices behind all that it reads
// (`VertexArrays.swift`).

/// What glArrayElement is going to read is looked at before: afterwards nothing can be asked.
func doer_glBegin(_ c: GLContextPointer, _ mode: UInt32) {
  guard c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glBegin?(mode)
}
func doer_glArrayElement(_ c: GLContextPointer, _ i: Int32) {
  guard c.pointee.mayDraw(.range(first: Int(i), count: 1)) else { return }
  c.pointee.gl.glArrayElement?(i)
}
func doer_glDrawArrays(_ c: GLContextPointer, _ mode: UInt32, _ first: Int32, _ count: Int32) {
  guard c.pointee.mayDraw(.range(first: Int(first), count: Int(count))) else { return }
  c.pointee.gl.glDrawArrays?(mode, first, count)
}
func doer_glDrawArraysInstanced(
  _ c: GLContextPointer, _ mode: UInt32, _ first: Int32, _ count: Int32, _ instances: Int32
) {
  guard
    c.pointee.mayDraw(.range(first: Int(first), count: Int(count)), instances: instances)
  else { return }
  c.pointee.gl.glDrawArraysInstanced?(mode, first, count, instances)
}
func doer_glDrawArraysInstancedBaseInstance(
  _ c: GLContextPointer, _ mode: UInt32, _ first: Int32, _ count: Int32, _ instances: Int32,
  _ baseInstance: UInt32
) {
  guard
    c.pointee.mayDraw(
      .range(first: Int(first), count: Int(count)), instances: instances,
      baseInstance: baseInstance)
  else { return }
  c.pointee.gl.glDrawArraysInstancedBaseInstance?(mode, first, count, instances, baseInstance)
}
func doer_glMultiDrawArrays(
  _ c: GLContextPointer, _ mode: UInt32, _ first: UnsafePointer<Int32>?,
  _ count: UnsafePointer<Int32>?, _ drawcount: Int32
) {
  func vertices() -> Vertices {
    var (low, high) = (Int.max, 0)
    for i in 0..<Int(max(drawcount, 0)) {
      guard let first, let count else { break }
      // One that is wrong keeps all of them from being drawn.
      guard first[i] >= 0, count[i] >= 0 else { return .range(first: 0, count: 0) }
      guard count[i] > 0 else { continue }
      low = min(low, Int(first[i]))
      high = max(high, Int(first[i]) + Int(count[i]))
    }
    return .range(first: min(low, high), count: high - min(low, high))
  }
  guard c.pointee.mayDraw(vertices()) else { return }
  c.pointee.gl.glMultiDrawArrays?(mode, first, count, drawcount)
}

// MARK: Indirect draws

extension GLReplayContext {
  /// What an indirect draw may read: client memory that has come in front and has `wanted` bytes, or the
  /// bound buffer. Without either a driver with fixed function would take the offset for an address.
  fileprivate mutating func indirect(
    _ offset: UnsafeRawPointer?, _ drawcount: Int32, _ stride: Int32, _ size: Int
  ) -> (pointer: UnsafeRawPointer?, isThere: Bool) {
    if let block = memory.block {
      let step = stride == 0 ? size : Int(stride)
      let wanted = glProduct(Int(drawcount) &- 1, step) &+ size
      return stride >= 0 && wanted <= block.count ? (block.baseAddress, true) : (nil, false)
    }
    if properties.isCore || properties.isES { return (offset, true) }
    return (offset, driverValue(GL.DRAW_INDIRECT_BUFFER_BINDING) != 0)
  }
}

func doer_glDrawArraysIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ indirect: UnsafeRawPointer?
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, 1, 0, 16)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawArraysIndirect?(mode, pointer)
}
func doer_glDrawElementsIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, 1, 0, 20)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawElementsIndirect?(mode, type, pointer)
}
func doer_glMultiDrawArraysIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int32,
  _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, drawcount, stride, 16)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glMultiDrawArraysIndirect?(mode, pointer, drawcount, stride)
}
func doer_glMultiDrawElementsIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?,
  _ drawcount: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, drawcount, stride, 20)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glMultiDrawElementsIndirect?(mode, type, pointer, drawcount, stride)
}
func doer_glMultiDrawArraysIndirectCount(
  _ c: GLContextPointer, _ mode: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int,
  _ most: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, most, stride, 16)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glMultiDrawArraysIndirectCount?(mode, pointer, drawcount, most, stride)
}
func doer_glMultiDrawElementsIndirectCount(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?,
  _ drawcount: Int, _ most: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, most, stride, 20)
  guard isThere, c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glMultiDrawElementsIndirectCount?(mode, type, pointer, drawcount, most, stride)
}
func doer_glDrawTransformFeedback(_ c: GLContextPointer, _ mode: UInt32, _ id: UInt32) {
  guard c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawTransformFeedback?(mode, id)
}
func doer_glDrawTransformFeedbackInstanced(
  _ c: GLContextPointer, _ mode: UInt32, _ id: UInt32, _ instances: Int32
) {
  guard c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawTransformFeedbackInstanced?(mode, id, instances)
}
func doer_glDrawTransformFeedbackStream(
  _ c: GLContextPointer, _ mode: UInt32, _ id: UInt32, _ stream: UInt32
) {
  guard c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawTransformFeedbackStream?(mode, id, stream)
}
func doer_glDrawTransformFeedbackStreamInstanced(
  _ c: GLContextPointer, _ mode: UInt32, _ id: UInt32, _ stream: UInt32, _ instances: Int32
) {
  guard c.pointee.mayDraw(.unknown) else { return }
  c.pointee.gl.glDrawTransformFeedbackStreamInstanced?(mode, id, stream, instances)
}

/// Drivers cut offsets down to 32 bits, or add them to where a buffer lies.
private func isOffset(_ offset: UnsafeRawPointer?) -> Bool {
  UInt(bitPattern: offset) <= UInt(UInt32.max)
}

extension GLReplayContext {
  /// Where the indices of a draw lie: in what came in front of it, or in the bound buffer. Not there when there
  /// is neither, not enough, or when the draw would read vertices that are not there: nothing can be drawn.
  fileprivate mutating func indices(
    _ count: Int32, _ type: UInt32, _ offset: UnsafeRawPointer?, base: Int32 = 0,
    instances: Int32 = 1, baseInstance: UInt32 = 0
  ) -> (pointer: UnsafeRawPointer?, isThere: Bool) {
    // So few instances are an error, for which no index is read.
    guard instances >= 0 else { return (nil, true) }
    let size = glIndexSize(type)
    var pointer = offset
    let isInMemory = memory.block != nil
    if let block = memory.block {
      guard glProduct(Int(count), size) <= block.count else { return (nil, false) }
      pointer = block.baseAddress
    }
    // Without indices or with a wrong type the driver has an error to raise, and reads nothing.
    if count > 0, size > 0 {
      let isBound = driverValue(GL.ELEMENT_ARRAY_BUFFER_BINDING) != 0
      guard isBound != isInMemory, isInMemory || isOffset(offset) else { return (nil, false) }
    }
    let isThere = mayDraw(
      .indices(pointer, isOffset: !isInMemory, count: Int(count), type: type, base: Int(base)),
      instances: instances, baseInstance: baseInstance)
    return (pointer, isThere)
  }
}

func doer_glDrawElements(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  if isThere { c.pointee.gl.glDrawElements?(mode, count, type, pointer) }
}
func doer_glDrawElementsBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ basevertex: Int32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices, base: basevertex)
  if isThere { c.pointee.gl.glDrawElementsBaseVertex?(mode, count, type, pointer, basevertex) }
}
func doer_glDrawElementsInstanced(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices, instances: instances)
  if isThere { c.pointee.gl.glDrawElementsInstanced?(mode, count, type, pointer, instances) }
}
func doer_glDrawElementsInstancedBaseInstance(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ baseInstance: UInt32
) {
  let (pointer, isThere) = c.pointee.indices(
    count, type, indices, instances: instances, baseInstance: baseInstance)
  guard isThere else { return }
  c.pointee.gl.glDrawElementsInstancedBaseInstance?(
    mode, count, type, pointer, instances, baseInstance)
}
func doer_glDrawElementsInstancedBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ basevertex: Int32
) {
  let (pointer, isThere) = c.pointee.indices(
    count, type, indices, base: basevertex, instances: instances)
  guard isThere else { return }
  c.pointee.gl.glDrawElementsInstancedBaseVertex?(
    mode, count, type, pointer, instances, basevertex)
}
func doer_glDrawElementsInstancedBaseVertexBaseInstance(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ basevertex: Int32, _ baseInstance: UInt32
) {
  let (pointer, isThere) = c.pointee.indices(
    count, type, indices, base: basevertex, instances: instances, baseInstance: baseInstance)
  guard isThere else { return }
  c.pointee.gl.glDrawElementsInstancedBaseVertexBaseInstance?(
    mode, count, type, pointer, instances, basevertex, baseInstance)
}
func doer_glDrawRangeElements(
  _ c: GLContextPointer, _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32,
  _ type: UInt32, _ indices: UnsafeRawPointer?
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  if isThere { c.pointee.gl.glDrawRangeElements?(mode, start, end, count, type, pointer) }
}
func doer_glDrawRangeElementsBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ start: UInt32, _ end: UInt32, _ count: Int32,
  _ type: UInt32, _ indices: UnsafeRawPointer?, _ basevertex: Int32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices, base: basevertex)
  guard isThere else { return }
  c.pointee.gl.glDrawRangeElementsBaseVertex?(
    mode, start, end, count, type, pointer, basevertex)
}

extension GLReplayContext {
  /// Where the indices of several draws lie, that came in front as one block: as offsets into the bound buffer, 8
  /// bytes each, or without a buffer as the indices themselves, one draw's behind the other's. Nil when there are
  /// too few of them, or the draws would read vertices that are not there; valid until `results` are reset.
  fileprivate mutating func indexLists(
    _ count: UnsafePointer<Int32>?, _ type: UInt32, _ drawcount: Int32,
    base: UnsafePointer<Int32>? = nil
  ) -> UnsafePointer<UnsafeRawPointer?>? {
    guard drawcount > 0, let count, let block = memory.block, let start = block.baseAddress else {
      return nil
    }
    let drawCount = Int(drawcount)
    let isBound = driverValue(GL.ELEMENT_ARRAY_BUFFER_BINDING) != 0
    let list: UnsafePointer<UnsafeRawPointer?>
    if isBound {
      guard block.count >= drawCount &* 8 else { return nil }
      list = UnsafePointer(start.assumingMemoryBound(to: UnsafeRawPointer?.self))
      for i in 0..<drawCount where !isOffset(list[i]) { return nil }
    } else {
      guard let room = results.take(drawCount &* 8) else { return nil }
      let places = room.bindMemory(to: UnsafeRawPointer?.self, capacity: drawCount)
      var used = 0
      for i in 0..<drawCount {
        let bytes = glProduct(Int(count[i]), glIndexSize(type))
        guard bytes <= block.count &- used else { return nil }
        places[i] = start + used
        used &+= bytes
      }
      list = UnsafePointer(places)
    }
    let isThere = mayDraw(
      .draws(
        list, isOffset: isBound, counts: count, type: type, bases: base, drawCount: drawCount))
    return isThere ? list : nil
  }

  /// Makes several draws at once. Where nothing may be read the driver gets one draw without vertices, for the
  /// errors that it has.
  fileprivate mutating func multiDraw(
    _ count: UnsafePointer<Int32>?, _ type: UInt32, _ drawcount: Int32,
    base: UnsafePointer<Int32>? = nil,
    _ call: (
      UnsafePointer<Int32>?, UnsafePointer<UnsafeRawPointer?>?, Int32, UnsafePointer<Int32>?
    ) -> Void
  ) {
    defer { results.reset() }
    guard drawcount > 0 else { return call(count, nil, drawcount, base) }
    var least: Int32 = 0
    for i in 0..<Int(drawcount) { least = min(least, count?[i] ?? 0) }
    if least == 0, let list = indexLists(count, type, drawcount, base: base) {
      return call(count, list, drawcount, base)
    }
    var nowhere: UnsafeRawPointer?
    var zero: Int32 = 0
    call(&least, &nowhere, 1, &zero)
  }
}

func doer_glMultiDrawElements(
  _ c: GLContextPointer, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32
) {
  let call = c.pointee.gl.glMultiDrawElements
  c.pointee.multiDraw(count, type, drawcount) { count, list, draws, _ in
    call?(mode, count, type, list, draws)
  }
}
func doer_glMultiDrawElementsBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32,
  _ basevertex: UnsafePointer<Int32>?
) {
  let call = c.pointee.gl.glMultiDrawElementsBaseVertex
  c.pointee.multiDraw(count, type, drawcount, base: basevertex) { count, list, draws, base in
    call?(mode, count, type, list, draws, base)
  }
}
