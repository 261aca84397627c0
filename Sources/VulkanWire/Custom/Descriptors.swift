// Descriptor writes. Which of the three arrays of a VkWriteDescriptorSet is used, and which member
// of a VkDescriptorImageInfo, depends on descriptorType; the others may hold garbage.
//
// Body: u64 dstSet, u32 dstBinding, u32 dstArrayElement, u32 descriptorCount, u32 descriptorType,
// then one array (`u32 count`, elements) of
//   images    u64 sampler, u64 imageView, u32 imageLayout
//   buffers   u64 buffer, u64 offset, u64 range
//   texels    u64 bufferView
// or an empty one for the types whose data stand in the chain.

public import CVulkan
public import Wire

/// What a descriptor of a type is made of.
enum DescriptorForm {
  case image(sampler: Bool, view: Bool)
  case buffer
  case texel
  case chained

  init(_ type: VkDescriptorType) {
    switch type {
    case VK_DESCRIPTOR_TYPE_SAMPLER: self = .image(sampler: true, view: false)
    case VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER: self = .image(sampler: true, view: true)
    case VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
      VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT:
      self = .image(sampler: false, view: true)
    case VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER:
      self = .texel
    case VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
      VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC:
      self = .buffer
    default: self = .chained
    }
  }
}

/// Whether bindings of the type may have immutable samplers.
func usesSampler(_ type: VkDescriptorType) -> Bool {
  type == VK_DESCRIPTOR_TYPE_SAMPLER || type == VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER
}

// MARK: Encoding

/// `count` descriptors of a type, `stride` bytes apart.
private func encodeDescriptors(
  _ w: inout Writer, _ type: VkDescriptorType, _ count: UInt32, _ source: UnsafeRawPointer?,
  stride: Int
) {
  guard let source, count != 0 else { return w.u32(0) }
  let n = Int(count)
  switch DescriptorForm(type) {
  case .image(let hasSampler, let hasView):
    w.u32(count)
    guard n <= 0x0400_0000, let p = w.reserve(n &* 20) else { return w.fail() }
    for i: Int in 0..<n {
      let from: UnsafeRawPointer = source + i &* stride
      let to: UnsafeMutableRawPointer = p + i &* 20
      to.put64(hasSampler ? from.get64(0) : 0, 0)
      to.put64(hasView ? from.get64(8) : 0, 8)
      to.put32(hasView ? from.get32(16) : 0, 16)
    }
  case .buffer:
    if stride == 24 { return w.array(source, n, stride: 24) }
    w.u32(count)
    guard n <= 0x0400_0000, let p = w.reserve(n &* 24) else { return w.fail() }
    for i: Int in 0..<n { p.put(source, i &* stride, 24, i &* 24) }
  case .texel:
    if stride == 8 { return w.array(source, n, stride: 8) }
    w.u32(count)
    guard n <= 0x0400_0000, let p = w.reserve(n &* 8) else { return w.fail() }
    for i: Int in 0..<n { p.put(source, i &* stride, 8, i &* 8) }
  case .chained:
    w.u32(0)
  }
}

private func encodeBody(
  _ w: inout Writer, _ s: UnsafePointer<VkWriteDescriptorSet>, dstSet: UInt64
) {
  guard let p = w.reserve(24) else { return }
  p.put64(dstSet, 0)
  p.put(s, 24, 16, 8)  // dstBinding … descriptorType
  let type: VkDescriptorType = s.pointee.descriptorType
  let count: UInt32 = s.pointee.descriptorCount
  switch DescriptorForm(type) {
  case .image: encodeDescriptors(&w, type, count, s.pointee.pImageInfo, stride: 24)
  case .buffer: encodeDescriptors(&w, type, count, s.pointee.pBufferInfo, stride: 24)
  case .texel: encodeDescriptors(&w, type, count, s.pointee.pTexelBufferView, stride: 8)
  case .chained: w.u32(0)
  }
}

func encodeBody_VkWriteDescriptorSet(
  _ w: inout Writer, _ s: UnsafePointer<VkWriteDescriptorSet>
) {
  encodeBody(&w, s, dstSet: handleID(s.pointee.dstSet))
}

// MARK: Decoding

func decodeBody_VkWriteDescriptorSet(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkWriteDescriptorSet>
) {
  let m = UnsafeMutableRawPointer(s)
  guard let p = r.take(24, "VkWriteDescriptorSet.dstSet") else { return }
  m.put64(
    r.resolve(p + 0, .descriptorSet, optional: true, "VkWriteDescriptorSet.dstSet"), 16)
  m.put(p, 8, 16, 24)  // dstBinding … descriptorType
  if !isKnown_VkDescriptorType(s.pointee.descriptorType.rawValue) {
    r.fail(.enumerant, "VkWriteDescriptorSet.descriptorType")
  }
  let count = Int(s.pointee.descriptorCount)
  var found: Int = 0
  switch DescriptorForm(s.pointee.descriptorType) {
  case .image:
    let field: StaticString = "VkWriteDescriptorSet.pImageInfo"
    found = r.count(20, field)
    guard let list = r.room(found, 24, field) else { break }
    for i: Int in 0..<found { decodeImageInfo(&r, list + i &* 24) }
    m.putPointer(list, 40)
  case .buffer:
    let field: StaticString = "VkWriteDescriptorSet.pBufferInfo"
    found = r.count(24, field)
    guard let list = r.room(found, 24, field) else { break }
    let infos = list.bindMemory(to: VkDescriptorBufferInfo.self, capacity: found)
    for i: Int in 0..<found { decode_VkDescriptorBufferInfo(&r, infos + i) }
    m.putPointer(list, 48)
  case .texel:
    m.putPointer(
      r.handleArray(
        .bufferView, optional: true, "VkWriteDescriptorSet.pTexelBufferView", &found), 56)
  case .chained:
    if r.u32("VkWriteDescriptorSet.descriptorCount") != 0 {
      r.fail(.count, "VkWriteDescriptorSet.descriptorCount")
    }
    return
  }
  if found != count { r.fail(.count, "VkWriteDescriptorSet.descriptorCount") }
}

private func decodeImageInfo(_ r: inout Reader, _ m: UnsafeMutableRawPointer) {
  guard let p = r.take(20, "VkDescriptorImageInfo.sampler") else { return }
  m.put64(sampler(&r, p), 0)
  m.put64(r.resolve(p + 8, .imageView, optional: true, "VkDescriptorImageInfo.imageView"), 8)
  m.put32(p.get32(16), 16)
  if !isKnown_VkImageLayout(p.get32(16)) {
    r.fail(.enumerant, "VkDescriptorImageInfo.imageLayout")
  }
}

/// A binding with immutable samplers ignores the sampler, which may then be garbage: what is no
/// sampler is null.
private func sampler(_ r: inout Reader, _ place: UnsafeRawPointer) -> UInt64 {
  guard let handles = r.handles else {
    r.note(place)
    return place.get64(0)
  }
  return handles.pointee.lookup(place.get64(0), .sampler) ?? 0
}

// MARK: Push descriptors

/// Encodes `vkCmdPushDescriptorSetKHR`, header included. dstSet of the writes is not read.
public func encode_vkCmdPushDescriptorSetKHR(
  _ w: inout Writer, _ pipelineBindPoint: VkPipelineBindPoint, _ layout: VkPipelineLayout?,
  _ set: UInt32, _ descriptorWriteCount: UInt32,
  _ pDescriptorWrites: UnsafePointer<VkWriteDescriptorSet>?
) {
  beginPush(&w, pipelineBindPoint, layout, set, descriptorWriteCount)
  if let writes = pDescriptorWrites {
    for i: Int in 0..<Int(descriptorWriteCount) {
      encodeChain(&w, writes + i, mayExtend_VkWriteDescriptorSet)
      encodeBody(&w, writes + i, dstSet: 0)
    }
  }
  w.end()
}

private func beginPush(
  _ w: inout Writer, _ pipelineBindPoint: VkPipelineBindPoint, _ layout: VkPipelineLayout?,
  _ set: UInt32, _ count: UInt32
) {
  w.begin(Opcode.vkCmdPushDescriptorSetKHR)
  guard let p = w.reserve(20) else { return }
  p.put32(pipelineBindPoint.rawValue, 0)
  p.put64(handleID(layout), 4)
  p.put32(set, 12)
  p.put32(count, 16)
}

/// The arguments of `vkCmdPushDescriptorSetKHR`, ready for a driver. Valid until the arena is reset.
public struct Args_vkCmdPushDescriptorSetKHR {
  public var pipelineBindPoint: VkPipelineBindPoint = VkPipelineBindPoint(rawValue: 0)
  public var layout: VkPipelineLayout? = nil
  public var set: UInt32 = 0
  public var descriptorWriteCount: UInt32 = 0
  public var pDescriptorWrites: UnsafePointer<VkWriteDescriptorSet>? = nil
  public init() {}
}

/// Decodes the body of `vkCmdPushDescriptorSetKHR`. Look at the reader's `failure` before use.
public func decode_vkCmdPushDescriptorSetKHR(
  _ r: inout Reader
) -> Args_vkCmdPushDescriptorSetKHR {
  var a = Args_vkCmdPushDescriptorSetKHR()
  guard let p = r.take(16, "vkCmdPushDescriptorSetKHR.pipelineBindPoint") else { return a }
  a.pipelineBindPoint = VkPipelineBindPoint(rawValue: p.get32(0))
  if !isKnown_VkPipelineBindPoint(p.get32(0)) {
    r.fail(.enumerant, "vkCmdPushDescriptorSetKHR.pipelineBindPoint")
  }
  a.layout = handlePointer(
    r.resolve(
      p + 4, .pipelineLayout, optional: false, "vkCmdPushDescriptorSetKHR.layout"))
  a.set = p.get32(12)
  let field: StaticString = "vkCmdPushDescriptorSetKHR.pDescriptorWrites"
  let n: Int = r.count(32, field)
  guard let list = r.room(n, MemoryLayout<VkWriteDescriptorSet>.stride, field) else { return a }
  let writes = list.bindMemory(to: VkWriteDescriptorSet.self, capacity: n)
  for i: Int in 0..<n { decode_VkWriteDescriptorSet(&r, writes + i) }
  a.descriptorWriteCount = UInt32(truncatingIfNeeded: n)
  a.pDescriptorWrites = UnsafePointer(writes)
  return a
}

// MARK: Update templates

/// Encodes an update through a template as the `vkUpdateDescriptorSets` that it means: one write
/// for each entry. Templates exist on the client alone.
///
/// - Parameters:
///   - entries: as they were given to vkCreateDescriptorUpdateTemplate.
///   - pData: what the offsets of the entries count from.
public func encodeTemplateUpdate(
  _ w: inout Writer, _ device: VkDevice?, _ descriptorSet: VkDescriptorSet?,
  _ entries: UnsafePointer<VkDescriptorUpdateTemplateEntry>, _ entryCount: UInt32,
  _ pData: UnsafeRawPointer
) {
  w.begin(Opcode.vkUpdateDescriptorSets)
  guard let p = w.reserve(16) else { return }
  p.put64(wireID(of: device), 0)
  p.put32(entryCount, 8)  // descriptorWriteCount
  p.put32(entryCount, 12)  // elements of pDescriptorWrites
  for i: Int in 0..<Int(entryCount) {
    encodeEntry(&w, handleID(descriptorSet), entries + i, pData)
  }
  w.u32(0)  // descriptorCopyCount
  w.u32(0)  // elements of pDescriptorCopies
  w.end()
}

/// Encodes a push through a template as the `vkCmdPushDescriptorSetKHR` that it means.
public func encodeTemplatePush(
  _ w: inout Writer, _ pipelineBindPoint: VkPipelineBindPoint, _ layout: VkPipelineLayout?,
  _ set: UInt32, _ entries: UnsafePointer<VkDescriptorUpdateTemplateEntry>,
  _ entryCount: UInt32, _ pData: UnsafeRawPointer
) {
  beginPush(&w, pipelineBindPoint, layout, set, entryCount)
  for i: Int in 0..<Int(entryCount) { encodeEntry(&w, 0, entries + i, pData) }
  w.end()
}

/// One entry of a template as a VkWriteDescriptorSet with its chain.
private func encodeEntry(
  _ w: inout Writer, _ descriptorSet: UInt64,
  _ entry: UnsafePointer<VkDescriptorUpdateTemplateEntry>, _ pData: UnsafeRawPointer
) {
  let e: VkDescriptorUpdateTemplateEntry = entry.pointee
  let source: UnsafeRawPointer = pData + e.offset
  // Inline uniform blocks and acceleration structures lie in the chain of a plain write.
  switch e.descriptorType {
  case VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK:
    var block = VkWriteDescriptorSetInlineUniformBlock()
    block.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_INLINE_UNIFORM_BLOCK
    block.dataSize = e.descriptorCount
    block.pData = source
    encodeEntryChain(&w, &block)
  case VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR where e.stride == 8 || e.descriptorCount < 2:
    var list = VkWriteDescriptorSetAccelerationStructureKHR()
    list.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET_ACCELERATION_STRUCTURE_KHR
    list.accelerationStructureCount = e.descriptorCount
    list.pAccelerationStructures = source.assumingMemoryBound(
      to: VkAccelerationStructureKHR?.self)
    encodeEntryChain(&w, &list)
  default:
    w.u32(0)
  }
  guard let p = w.reserve(24) else { return }
  p.put64(descriptorSet, 0)
  p.put32(e.dstBinding, 8)
  p.put32(e.dstArrayElement, 12)
  p.put32(e.descriptorCount, 16)
  p.put32(e.descriptorType.rawValue, 20)
  encodeDescriptors(&w, e.descriptorType, e.descriptorCount, source, stride: e.stride)
}

private func encodeEntryChain(_ w: inout Writer, _ structure: UnsafeRawPointer) {
  var head = VkWriteDescriptorSet()
  head.pNext = structure
  withUnsafePointer(to: &head) { encodeChain(&w, $0, mayExtend_VkWriteDescriptorSet) }
}
