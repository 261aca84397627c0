import CPlatform
import GLWire
import Ring
import Wire

/// Client memory that has come in front of a command, and that the command reads: a copy that lives
/// until the command has been replayed.
struct ClientMemory {
  private var start: UnsafeMutableRawPointer?
  private var capacity = 0
  private var used = 0
  /// Blocks that did not fit, and are given back with the rest.
  private var extra: [UnsafeMutableRawPointer] = []
  /// What the last `glMemory` has brought; nil when there was none.
  private(set) var block: UnsafeRawBufferPointer?
  /// Whether anything is held.
  private(set) var isUsed = false

  /// A copy of `bytes`; nil without memory.
  mutating func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
    isUsed = true
    let size = (bytes.count &+ 79) & ~15
    var place: UnsafeMutableRawPointer?
    if size <= capacity &- used, let start {
      place = start + used
      used &+= size
    } else if !isHolding {
      platform_free(start)
      capacity = max(size &* 2, 256 << 10)
      start = platform_aligned_alloc(64, capacity)
      if start == nil { capacity = 0 }
      place = start
      used = size
    } else if let block = platform_aligned_alloc(64, size) {
      extra.append(block)
      place = block
    }
    guard let place else { return nil }
    if let from = bytes.baseAddress { place.copyMemory(from: from, byteCount: bytes.count) }
    return place
  }

  private var isHolding: Bool { used > 0 }

  mutating func setBlock(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let place = keep(bytes) else { return false }
    block = UnsafeRawBufferPointer(start: place, count: bytes.count)
    return true
  }

  mutating func reset() {
    used = 0
    block = nil
    isUsed = false
    for block in extra { platform_free(block) }
    extra.removeAll(keepingCapacity: true)
  }

  mutating func free() {
    reset()
    platform_free(start)
    start = nil
    capacity = 0
  }
}

extension GLReplayContext {
  /// `glMemory`.
  mutating func takeMemory(_ f: inout ControlFields) {
    let count = f.u32(8, "byteCount")
    guard f.wrong == nil, Int(count) <= f.record.count &- 16 else { return f.fail("byteCount") }
    if !memory.setBlock(UnsafeRawBufferPointer(rebasing: f.record[16..<(16 &+ Int(count))])) {
      f.fail("byteCount")
    }
  }

  /// `glVertexData`: gives the driver the pointers of arrays in client memory.
  mutating func takeVertices(_ f: inout ControlFields) {
    let count = Int(f.u32(8, "arrayCount"))
    let arrayBuffer = f.u32(12, "arrayBuffer")
    let first = Int(f.u32(16, "first"))
    let byteCount = Int(f.u32(20, "byteCount"))
    guard f.wrong == nil, count <= 64, 24 &+ count &* 24 &+ byteCount <= f.record.count else {
      return f.fail("byteCount")
    }
    let start = 24 &+ count &* 24
    guard
      let bytes = memory.keep(
        UnsafeRawBufferPointer(rebasing: f.record[start..<(start &+ byteCount)]))
    else { return f.fail("byteCount") }
    gl.glBindBuffer?(GL.ARRAY_BUFFER, 0)
    for i in 0..<count {
      let at = 24 &+ i &* 24
      let stride = f.u32(at &+ 12, "stride")
      let offset = f.u32(at &+ 20, "offset")
      // Vertex `first` lies at `offset`; the driver counts from vertex 0.
      let pointer =
        UInt(bitPattern: bytes) &+ UInt(offset) &- UInt(first) &* UInt(stride)
      setArray(
        slot: f.u32(at, "slot"), size: Int32(bitPattern: f.u32(at &+ 4, "size")),
        type: f.u32(at &+ 8, "type"), stride: Int32(truncatingIfNeeded: stride),
        flags: f.u32(at &+ 16, "flags"), UnsafeRawPointer(bitPattern: pointer))
    }
    if arrayBuffer != 0 { gl.glBindBuffer?(GL.ARRAY_BUFFER, name(.buffer, arrayBuffer)) }
  }

  private mutating func setArray(
    slot: UInt32, size: Int32, type: UInt32, stride: Int32, flags: UInt32,
    _ pointer: UnsafeRawPointer?
  ) {
    switch slot {
    case 0..<32:
      if flags & ArrayFlag.integer != 0 {
        gl.glVertexAttribIPointer?(slot, size, type, stride, pointer)
      } else if flags & ArrayFlag.long != 0 {
        gl.glVertexAttribLPointer?(slot, size, type, stride, pointer)
      } else {
        gl.glVertexAttribPointer?(
          slot, size, type, flags & ArrayFlag.normalized != 0 ? 1 : 0, stride, pointer)
      }
    case 32: gl.glVertexPointer?(size, type, stride, pointer)
    case 33: gl.glNormalPointer?(type, stride, pointer)
    case 34: gl.glColorPointer?(size, type, stride, pointer)
    case 35: gl.glSecondaryColorPointer?(size, type, stride, pointer)
    case 36: gl.glFogCoordPointer?(type, stride, pointer)
    case 37: gl.glIndexPointer?(type, stride, pointer)
    case 38: gl.glEdgeFlagPointer?(stride, pointer)
    case 40..<64:
      guard let activate = gl.glClientActiveTexture else {
        gl.glTexCoordPointer?(size, type, stride, pointer)
        return
      }
      let active = driverValue(GL.CLIENT_ACTIVE_TEXTURE)
      activate(GL.TEXTURE0 &+ slot &- 40)
      gl.glTexCoordPointer?(size, type, stride, pointer)
      activate(active)
    default: break
    }
  }

  /// Where indices of a draw lie: in what came in front of it, or in the bound buffer. Nil when there
  /// is neither, or not enough: nothing can be drawn.
  mutating func indices(_ count: Int32, _ type: UInt32, _ offset: UnsafeRawPointer?)
    -> (pointer: UnsafeRawPointer?, isThere: Bool)
  {
    if let block = memory.block {
      let wanted = glProduct(Int(count), glIndexSize(type))
      return wanted <= block.count ? (block.baseAddress, true) : (nil, false)
    }
    // Without indices or with a wrong type the driver has an error to raise, and reads nothing.
    if count <= 0 || glIndexSize(type) == 0 { return (offset, true) }
    return (offset, driverValue(GL.ELEMENT_ARRAY_BUFFER_BINDING) != 0)
  }
}

// MARK: Draws

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
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  if isThere { c.pointee.gl.glDrawElementsBaseVertex?(mode, count, type, pointer, basevertex) }
}
func doer_glDrawElementsInstanced(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  if isThere { c.pointee.gl.glDrawElementsInstanced?(mode, count, type, pointer, instances) }
}
func doer_glDrawElementsInstancedBaseInstance(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ baseInstance: UInt32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  guard isThere else { return }
  c.pointee.gl.glDrawElementsInstancedBaseInstance?(
    mode, count, type, pointer, instances, baseInstance)
}
func doer_glDrawElementsInstancedBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ basevertex: Int32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  guard isThere else { return }
  c.pointee.gl.glDrawElementsInstancedBaseVertex?(
    mode, count, type, pointer, instances, basevertex)
}
func doer_glDrawElementsInstancedBaseVertexBaseInstance(
  _ c: GLContextPointer, _ mode: UInt32, _ count: Int32, _ type: UInt32,
  _ indices: UnsafeRawPointer?, _ instances: Int32, _ basevertex: Int32, _ baseInstance: UInt32
) {
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
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
  let (pointer, isThere) = c.pointee.indices(count, type, indices)
  guard isThere else { return }
  c.pointee.gl.glDrawRangeElementsBaseVertex?(
    mode, start, end, count, type, pointer, basevertex)
}

/// Offsets into the bound buffer, which came in front as an array of u64.
private func offsets(_ c: GLContextPointer, _ drawcount: Int32)
  -> UnsafePointer<UnsafeRawPointer?>?
{
  guard drawcount > 0, let block = c.pointee.memory.block, block.count >= Int(drawcount) * 8 else {
    return nil
  }
  guard c.pointee.driverValue(GL.ELEMENT_ARRAY_BUFFER_BINDING) != 0 else { return nil }
  return block.baseAddress?.assumingMemoryBound(to: UnsafeRawPointer?.self)
}

func doer_glMultiDrawElements(
  _ c: GLContextPointer, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32
) {
  let list = offsets(c, drawcount)
  guard list != nil || drawcount <= 0 else { return }
  c.pointee.gl.glMultiDrawElements?(mode, count, type, list, drawcount)
}
func doer_glMultiDrawElementsBaseVertex(
  _ c: GLContextPointer, _ mode: UInt32, _ count: UnsafePointer<Int32>?, _ type: UInt32,
  _ indices: UnsafePointer<UnsafeRawPointer?>?, _ drawcount: Int32,
  _ basevertex: UnsafePointer<Int32>?
) {
  let list = offsets(c, drawcount)
  guard list != nil || drawcount <= 0 else { return }
  c.pointee.gl.glMultiDrawElementsBaseVertex?(mode, count, type, list, drawcount, basevertex)
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
  if isThere { c.pointee.gl.glDrawArraysIndirect?(mode, pointer) }
}
func doer_glDrawElementsIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, 1, 0, 20)
  if isThere { c.pointee.gl.glDrawElementsIndirect?(mode, type, pointer) }
}
func doer_glMultiDrawArraysIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int32,
  _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, drawcount, stride, 16)
  if isThere { c.pointee.gl.glMultiDrawArraysIndirect?(mode, pointer, drawcount, stride) }
}
func doer_glMultiDrawElementsIndirect(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?,
  _ drawcount: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, drawcount, stride, 20)
  if isThere { c.pointee.gl.glMultiDrawElementsIndirect?(mode, type, pointer, drawcount, stride) }
}
func doer_glMultiDrawArraysIndirectCount(
  _ c: GLContextPointer, _ mode: UInt32, _ indirect: UnsafeRawPointer?, _ drawcount: Int,
  _ maxdrawcount: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, maxdrawcount, stride, 16)
  guard isThere else { return }
  c.pointee.gl.glMultiDrawArraysIndirectCount?(mode, pointer, drawcount, maxdrawcount, stride)
}
func doer_glMultiDrawElementsIndirectCount(
  _ c: GLContextPointer, _ mode: UInt32, _ type: UInt32, _ indirect: UnsafeRawPointer?,
  _ drawcount: Int, _ maxdrawcount: Int32, _ stride: Int32
) {
  let (pointer, isThere) = c.pointee.indirect(indirect, maxdrawcount, stride, 20)
  guard isThere else { return }
  c.pointee.gl.glMultiDrawElementsIndirectCount?(
    mode, type, pointer, drawcount, maxdrawcount, stride)
}
