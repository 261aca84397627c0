// VK_EXT_multi_draw: the elements lie `stride` bytes apart in the application's memory. They travel
// close to each other; the node's stride is their size.

public import CVulkan
public import Wire

/// Elements of `size` bytes, `stride` apart: `u32 count`, then the elements.
private func encodeStrided(
  _ w: inout Writer, _ source: UnsafeRawPointer?, _ count: UInt32, _ stride: UInt32, size: Int
) {
  guard let source, count != 0 else { return w.u32(0) }
  let n = Int(count)
  if Int(stride) == size || n == 1 { return w.array(source, n, stride: size) }
  w.u32(count)
  guard n <= 0x0400_0000, let p = w.reserve(n &* size) else { return w.fail() }
  for i: Int in 0..<n { p.put(source, i &* Int(stride), size, i &* size) }
}

/// Encodes `vkCmdDrawMultiEXT`, header included.
public func encode_vkCmdDrawMultiEXT(
  _ w: inout Writer, _ drawCount: UInt32, _ pVertexInfo: UnsafePointer<VkMultiDrawInfoEXT>?,
  _ instanceCount: UInt32, _ firstInstance: UInt32, _ stride: UInt32
) {
  w.begin(Opcode.vkCmdDrawMultiEXT)
  w.u32(instanceCount)
  w.u32(firstInstance)
  encodeStrided(&w, pVertexInfo, drawCount, stride, size: 8)
  w.end()
}

/// The arguments of `vkCmdDrawMultiEXT`, ready for a driver. Valid until the arena is reset.
public struct Args_vkCmdDrawMultiEXT {
  public var drawCount: UInt32 = 0
  public var pVertexInfo: UnsafePointer<VkMultiDrawInfoEXT>? = nil
  public var instanceCount: UInt32 = 0
  public var firstInstance: UInt32 = 0
  public var stride: UInt32 = 8
  public init() {}
}

/// Decodes the body of `vkCmdDrawMultiEXT`. Look at the reader's `failure` before use.
public func decode_vkCmdDrawMultiEXT(_ r: inout Reader) -> Args_vkCmdDrawMultiEXT {
  var a = Args_vkCmdDrawMultiEXT()
  a.instanceCount = r.u32("vkCmdDrawMultiEXT.instanceCount")
  a.firstInstance = r.u32("vkCmdDrawMultiEXT.firstInstance")
  var found: Int = 0
  a.pVertexInfo = typed(r.array(8, "vkCmdDrawMultiEXT.pVertexInfo", &found))
  a.drawCount = UInt32(truncatingIfNeeded: found)
  return a
}

/// Encodes `vkCmdDrawMultiIndexedEXT`, header included.
public func encode_vkCmdDrawMultiIndexedEXT(
  _ w: inout Writer, _ drawCount: UInt32,
  _ pIndexInfo: UnsafePointer<VkMultiDrawIndexedInfoEXT>?, _ instanceCount: UInt32,
  _ firstInstance: UInt32, _ stride: UInt32, _ pVertexOffset: UnsafePointer<Int32>?
) {
  w.begin(Opcode.vkCmdDrawMultiIndexedEXT)
  w.u32(instanceCount)
  w.u32(firstInstance)
  if let pVertexOffset {
    w.u32(1)
    w.i32(pVertexOffset.pointee)
  } else {
    w.u32(0)
  }
  encodeStrided(&w, pIndexInfo, drawCount, stride, size: 12)
  w.end()
}

/// The arguments of `vkCmdDrawMultiIndexedEXT`, ready for a driver. Valid until the arena is reset.
public struct Args_vkCmdDrawMultiIndexedEXT {
  public var drawCount: UInt32 = 0
  public var pIndexInfo: UnsafePointer<VkMultiDrawIndexedInfoEXT>? = nil
  public var instanceCount: UInt32 = 0
  public var firstInstance: UInt32 = 0
  public var stride: UInt32 = 12
  public var pVertexOffset: UnsafePointer<Int32>? = nil
  public init() {}
}

/// Decodes the body of `vkCmdDrawMultiIndexedEXT`. Look at the reader's `failure` before use.
public func decode_vkCmdDrawMultiIndexedEXT(
  _ r: inout Reader
) -> Args_vkCmdDrawMultiIndexedEXT {
  var a = Args_vkCmdDrawMultiIndexedEXT()
  a.instanceCount = r.u32("vkCmdDrawMultiIndexedEXT.instanceCount")
  a.firstInstance = r.u32("vkCmdDrawMultiIndexedEXT.firstInstance")
  let field: StaticString = "vkCmdDrawMultiIndexedEXT.pVertexOffset"
  if r.presence(field), let offset = r.room(1, 4, field) {
    offset.put32(r.u32(field), 0)
    a.pVertexOffset = typed(offset)
  }
  var found: Int = 0
  a.pIndexInfo = typed(r.array(12, "vkCmdDrawMultiIndexedEXT.pIndexInfo", &found))
  a.drawCount = UInt32(truncatingIfNeeded: found)
  return a
}
