import CVulkan
import VulkanWire
import Wire

// What commands may write: `note_vkX` of those that `Rules/writes.txt` calls noted, and `noteImage` of those
// that write one image.

private func key(_ handle: OpaquePointer?) -> UInt64 { UInt64(UInt(bitPattern: handle)) }

extension DeviceState {
  /// A buffer or an image that the GPU may write.
  func written(_ handle: OpaquePointer?) -> ResourceState? { resources[key(handle)] }

  fileprivate func attachment(_ view: VkImageView?) -> ResourceState? { imageViews[key(view)] }
}

private struct Notes {
  let device: DeviceState
  let writes: CommandWrites

  init?(_ c: UnsafeMutablePointer<ReplayContext>) {
    guard let device = c.pointee.device, let writes = c.pointee.writes else { return nil }
    self.device = device
    self.writes = writes
  }

  func buffer(_ handle: VkBuffer?, _ offset: VkDeviceSize, _ size: VkDeviceSize) {
    writes.add(device.written(handle), ByteRange(offset: offset, size: size))
  }
  func image(_ handle: VkImage?) { writes.add(device.written(handle)) }
  func view(_ handle: VkImageView?) { writes.add(device.attachment(handle)) }
}

func note_vkBeginCommandBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkBeginCommandBuffer
) {
  c.pointee.writes?.reset()
  let bit = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT.rawValue
  c.pointee.scene?.reset(continues: (a.pBeginInfo?.pointee.flags ?? 0) & bit != 0)
}

func note_vkCmdExecuteCommands(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdExecuteCommands
) {
  guard let notes = Notes(c) else { return }
  for i in 0..<Int(a.commandBufferCount) {
    if let secondary = notes.device.commandWrites[key(a.pCommandBuffers?[i])] {
      notes.writes.add(secondary)
    } else {
      notes.writes.addEverything()
    }
    if let scene = c.pointee.scene, let observer = notes.device.scene {
      scene.add(observer.commands(recording: a.pCommandBuffers?[i]))
    }
  }
}

// MARK: Transfers

func note_vkCmdCopyBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdCopyBuffer
) {
  guard let notes = Notes(c) else { return }
  for i in 0..<Int(a.regionCount) {
    guard let region = a.pRegions?[i] else { continue }
    notes.buffer(a.dstBuffer, region.dstOffset, region.size)
  }
}

func note_vkCmdCopyBuffer2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdCopyBuffer2
) {
  guard let notes = Notes(c), let info = a.pCopyBufferInfo?.pointee else { return }
  for i in 0..<Int(info.regionCount) {
    guard let region = info.pRegions?[i] else { continue }
    notes.buffer(info.dstBuffer, region.dstOffset, region.size)
  }
}

func note_vkCmdUpdateBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdUpdateBuffer
) {
  Notes(c)?.buffer(a.dstBuffer, a.dstOffset, a.dataSize)
}

func note_vkCmdFillBuffer(_ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdFillBuffer) {
  Notes(c)?.buffer(a.dstBuffer, a.dstOffset, a.size)
}

func note_vkCmdCopyQueryPoolResults(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdCopyQueryPoolResults
) {
  // The last result needs no whole stride; a result has at most 12 statistics and availability.
  let (bytes, overflow) = a.stride.multipliedReportingOverflow(by: UInt64(a.queryCount))
  Notes(c)?.buffer(a.dstBuffer, a.dstOffset, overflow ? .max : max(bytes, a.stride) &+ 128)
}

func note_vkCmdCopyImageToBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdCopyImageToBuffer
) {
  guard let notes = Notes(c) else { return }
  for i in 0..<Int(a.regionCount) {
    guard let r = a.pRegions?[i] else { continue }
    notes.buffer(
      a.dstBuffer, r.bufferOffset,
      imageBytes(r.bufferRowLength, r.bufferImageHeight, r.imageExtent, r.imageSubresource))
  }
}

func note_vkCmdCopyImageToBuffer2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdCopyImageToBuffer2
) {
  guard let notes = Notes(c), let info = a.pCopyImageToBufferInfo?.pointee else { return }
  for i in 0..<Int(info.regionCount) {
    guard let r = info.pRegions?[i] else { continue }
    notes.buffer(
      info.dstBuffer, r.bufferOffset,
      imageBytes(r.bufferRowLength, r.bufferImageHeight, r.imageExtent, r.imageSubresource))
  }
}

/// Bytes that texels of an image take at most in a buffer: no format has more than 32 for one
/// (VK_FORMAT_R64G64B64A64), and a compressed block's extent is rounded up.
private func imageBytes(
  _ rowLength: UInt32, _ imageHeight: UInt32, _ extent: VkExtent3D,
  _ layers: VkImageSubresourceLayers
) -> VkDeviceSize {
  func up(_ n: UInt32) -> UInt64 { (UInt64(n) &+ 15) & ~15 }
  var bytes: UInt64 = 32
  for factor in [
    up(max(rowLength, extent.width)), up(max(imageHeight, extent.height)),
    UInt64(max(extent.depth, 1)), UInt64(max(layers.layerCount, 1)),
  ] {
    let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
    guard !overflow else { return .max }
    bytes = product
  }
  return bytes
}

/// Notes the image that a transfer writes.
func noteImage(_ c: UnsafeMutablePointer<ReplayContext>, _ image: VkImage?) {
  Notes(c)?.image(image)
}

// MARK: Barriers, which may change an image's layout and with it its bytes

private func note(
  _ c: UnsafeMutablePointer<ReplayContext>, _ count: UInt32,
  _ barriers: UnsafePointer<VkImageMemoryBarrier>?
) {
  guard count > 0, let notes = Notes(c) else { return }
  for i in 0..<Int(count) {
    guard let barrier = barriers?[i], barrier.oldLayout != barrier.newLayout else { continue }
    notes.image(barrier.image)
    c.pointee.scene?.note(barrier.image, barrier.newLayout)
  }
}

private func note(_ c: UnsafeMutablePointer<ReplayContext>, _ info: VkDependencyInfo) {
  guard info.imageMemoryBarrierCount > 0, let notes = Notes(c) else { return }
  for i in 0..<Int(info.imageMemoryBarrierCount) {
    guard let barrier = info.pImageMemoryBarriers?[i], barrier.oldLayout != barrier.newLayout
    else { continue }
    notes.image(barrier.image)
    c.pointee.scene?.note(barrier.image, barrier.newLayout)
  }
}

func note_vkCmdPipelineBarrier(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdPipelineBarrier
) {
  note(c, a.imageMemoryBarrierCount, a.pImageMemoryBarriers)
}
func note_vkCmdWaitEvents(_ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdWaitEvents) {
  note(c, a.imageMemoryBarrierCount, a.pImageMemoryBarriers)
}
func note_vkCmdPipelineBarrier2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdPipelineBarrier2
) {
  if let info = a.pDependencyInfo?.pointee { note(c, info) }
}
func note_vkCmdWaitEvents2(_ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdWaitEvents2) {
  for i in 0..<Int(a.eventCount) {
    if let info = a.pDependencyInfos?[i] { note(c, info) }
  }
}

// MARK: Attachments

private func noteRenderPass(
  _ c: UnsafeMutablePointer<ReplayContext>, _ begin: VkRenderPassBeginInfo?
) {
  guard let notes = Notes(c), let begin else { return }
  if let scene = c.pointee.scene { notes.device.scene?.begin(scene, begin) }
  for resource in notes.device.framebuffers[key(begin.framebuffer)] ?? [] {
    notes.writes.add(resource)
  }
  guard
    let attachments = chained(
      VK_STRUCTURE_TYPE_RENDER_PASS_ATTACHMENT_BEGIN_INFO, in: begin.pNext,
      as: VkRenderPassAttachmentBeginInfo.self
    )?.pointee
  else { return }
  for i in 0..<Int(attachments.attachmentCount) { notes.view(attachments.pAttachments?[i]) }
}

func note_vkCmdBeginRenderPass(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBeginRenderPass
) {
  noteRenderPass(c, a.pRenderPassBegin?.pointee)
}
func note_vkCmdBeginRenderPass2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBeginRenderPass2
) {
  noteRenderPass(c, a.pRenderPassBegin?.pointee)
}

func note_vkCmdBeginRendering(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBeginRendering
) {
  guard let notes = Notes(c), let info = a.pRenderingInfo?.pointee else { return }
  if let scene = c.pointee.scene { notes.device.scene?.begin(scene, info) }
  func note(_ attachment: VkRenderingAttachmentInfo?) {
    notes.view(attachment?.imageView)
    notes.view(attachment?.resolveImageView)
  }
  for i in 0..<Int(info.colorAttachmentCount) { note(info.pColorAttachments?[i]) }
  note(info.pDepthAttachment?.pointee)
  note(info.pStencilAttachment?.pointee)
}

// MARK: Shaders

func note_vkCmdBindDescriptorSets(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBindDescriptorSets
) {
  guard let notes = Notes(c) else { return }
  if let scene = c.pointee.scene { notes.device.scene?.bind(scene, a) }
  guard !notes.device.descriptorSets.isEmpty else { return }
  for i in 0..<Int(a.descriptorSetCount) {
    guard let set = notes.device.descriptorSets[key(a.pDescriptorSets?[i])] else { continue }
    notes.writes.add(set)
  }
}

func note_vkCmdPushDescriptorSetKHR(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdPushDescriptorSetKHR
) {
  guard let notes = Notes(c) else { return }
  for i in 0..<Int(a.descriptorWriteCount) {
    guard let write = a.pDescriptorWrites?[i] else { continue }
    if let scene = c.pointee.scene { notes.device.scene?.push(scene, write, set: a.set) }
    notes.device.forEachDescriptor(write) { access, _ in
      switch access {
      case .reads: break
      case .writes(let resource, let range): notes.writes.add(resource, range)
      case .unknown: notes.writes.addEverything()
      }
    }
  }
}

func note_vkCmdBindTransformFeedbackBuffersEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBindTransformFeedbackBuffersEXT
) {
  guard let notes = Notes(c) else { return }
  for i in 0..<Int(a.bindingCount) {
    notes.buffer(
      a.pBuffers?[i] ?? nil, a.pOffsets?[i] ?? 0, a.pSizes?[i] ?? VkDeviceSize.max)
  }
}

private func noteCounters(
  _ c: UnsafeMutablePointer<ReplayContext>, _ count: UInt32,
  _ buffers: UnsafePointer<VkBuffer?>?, _ offsets: UnsafePointer<VkDeviceSize>?
) {
  guard let notes = Notes(c), let buffers else { return }
  for i in 0..<Int(count) { notes.buffer(buffers[i], offsets?[i] ?? 0, 4) }
}

func note_vkCmdBeginTransformFeedbackEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBeginTransformFeedbackEXT
) {
  noteCounters(c, a.counterBufferCount, a.pCounterBuffers, a.pCounterBufferOffsets)
}
func note_vkCmdEndTransformFeedbackEXT(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdEndTransformFeedbackEXT
) {
  noteCounters(c, a.counterBufferCount, a.pCounterBuffers, a.pCounterBufferOffsets)
}

// MARK: Views and framebuffers, through which resources are named

func note_vkCreateImageView(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateImageView
) {
  guard let device = c.pointee.device, let view = a.pView?.pointee else { return }
  device.scene?.add(view: view, of: a.pCreateInfo?.pointee.image)
  let resource = device.written(a.pCreateInfo?.pointee.image)
  // A handle that was used before may still be there with what it named then.
  device.imageViews[key(view)] = resource?.bindings.isEmpty == false ? resource : nil
}

func note_vkDestroyImageView(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyImageView
) {
  c.pointee.device?.imageViews.removeValue(forKey: key(a.imageView))
  c.pointee.device?.scene?.remove(view: a.imageView)
}

func note_vkCreateBufferView(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateBufferView
) {
  guard let device = c.pointee.device, let view = a.pView?.pointee,
    let info = a.pCreateInfo?.pointee
  else { return }
  let resource = device.written(info.buffer)
  device.bufferViews[key(view)] =
    resource?.isWritable == true
    ? resource.map { ($0, ByteRange(offset: info.offset, size: info.range)) } : nil
}

func note_vkDestroyBufferView(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyBufferView
) {
  c.pointee.device?.bufferViews.removeValue(forKey: key(a.bufferView))
}

func note_vkCreateFramebuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateFramebuffer
) {
  guard let device = c.pointee.device, let framebuffer = a.pFramebuffer?.pointee,
    let info = a.pCreateInfo?.pointee
  else { return }
  device.scene?.add(framebuffer: framebuffer, info)
  var attachments: [ResourceState] = []
  if info.flags & VK_FRAMEBUFFER_CREATE_IMAGELESS_BIT.rawValue == 0 {
    for i in 0..<Int(info.attachmentCount) {
      if let resource = device.attachment(info.pAttachments?[i]) { attachments.append(resource) }
    }
  }
  device.framebuffers[key(framebuffer)] = attachments.isEmpty ? nil : attachments
}

func note_vkDestroyFramebuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyFramebuffer
) {
  c.pointee.device?.framebuffers.removeValue(forKey: key(a.framebuffer))
  c.pointee.device?.scene?.remove(framebuffer: a.framebuffer)
}

func note_vkCreateRenderPass(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateRenderPass
) {
  guard let scene = c.pointee.device?.scene, let pass = a.pRenderPass?.pointee,
    let info = a.pCreateInfo?.pointee
  else { return }
  scene.add(renderPass: pass, info)
}

func note_vkCreateRenderPass2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateRenderPass2
) {
  guard let scene = c.pointee.device?.scene, let pass = a.pRenderPass?.pointee,
    let info = a.pCreateInfo?.pointee
  else { return }
  scene.add(renderPass: pass, info)
}

func note_vkDestroyRenderPass(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyRenderPass
) {
  c.pointee.device?.scene?.remove(renderPass: a.renderPass)
}

// MARK: Draws, for a client that wants to know of them

func note_vkCmdBindPipeline(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBindPipeline
) {
  guard a.pipelineBindPoint == VK_PIPELINE_BIND_POINT_GRAPHICS else { return }
  c.pointee.scene?.bind(pipeline: key(a.pipeline))
}

func note_vkCmdBindVertexBuffers(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdBindVertexBuffers
) {
  guard let scene = c.pointee.scene, a.firstBinding == 0, a.bindingCount > 0 else { return }
  scene.bind(vertices: key(a.pBuffers?[0]) &+ (a.pOffsets?[0] ?? 0))
}

func note_vkCmdPushConstants(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdPushConstants
) {
  guard let scene = c.pointee.scene, let values = a.pValues else { return }
  scene.push(Int(a.offset), UnsafeRawBufferPointer(start: values, count: Int(a.size)))
}

func note_vkCmdDraw(_ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdDraw) {
  c.pointee.noteShaders()
  c.pointee.scene?.draw(
    count: a.vertexCount, instances: a.instanceCount, first: UInt64(a.firstVertex))
}

func note_vkCmdDrawIndexed(_ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCmdDrawIndexed) {
  c.pointee.noteShaders()
  c.pointee.scene?.draw(
    count: a.indexCount, instances: a.instanceCount,
    first: UInt64(a.firstIndex) << 32 | UInt64(UInt32(bitPattern: a.vertexOffset)))
}

// MARK: Descriptor sets

/// What a shader may do through a descriptor.
private enum DescriptorAccess {
  case reads
  /// No resource: one that lies in no memory that is ever mapped.
  case writes(ResourceState?, ByteRange)
  case unknown
}

extension DeviceState {
  /// Calls `body` with each descriptor of an update and its index in it.
  fileprivate func forEachDescriptor(
    _ write: VkWriteDescriptorSet, _ body: (_ access: DescriptorAccess, _ index: UInt32) -> Void
  ) {
    for i in 0..<write.descriptorCount {
      body(access(write, Int(i)), i)
    }
  }

  private func access(_ write: VkWriteDescriptorSet, _ i: Int) -> DescriptorAccess {
    switch write.descriptorType {
    case VK_DESCRIPTOR_TYPE_STORAGE_BUFFER:
      guard let info = write.pBufferInfo?[i] else { return .reads }
      return .writes(written(info.buffer), ByteRange(offset: info.offset, size: info.range))
    case VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC:
      guard let info = write.pBufferInfo?[i] else { return .reads }
      // The offset that is added comes with the bind.
      return .writes(written(info.buffer), ByteRange(offset: info.offset, size: .max))
    case VK_DESCRIPTOR_TYPE_STORAGE_IMAGE:
      return .writes(attachment(write.pImageInfo?[i].imageView), .whole)
    case VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER:
      guard let view = write.pTexelBufferView?[i], let (resource, range) = bufferViews[key(view)]
      else { return .reads }
      return .writes(resource, range)
    case VK_DESCRIPTOR_TYPE_SAMPLER, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
      VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
      VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
      VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK,
      VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR:
      return .reads
    default:
      return .unknown
    }
  }

  fileprivate func update(_ write: VkWriteDescriptorSet) {
    scene?.update(write)
    let known = descriptorSets[key(write.dstSet)]
    if known == nil {
      switch write.descriptorType {
      // Most updates: nothing to note, and nothing to take back.
      case VK_DESCRIPTOR_TYPE_SAMPLER, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
        VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
        VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
        VK_DESCRIPTOR_TYPE_INPUT_ATTACHMENT, VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK:
        return
      default: break
      }
    }
    let set = known ?? DescriptorWrites()
    descriptorSets[key(write.dstSet)] = set
    if write.descriptorType == VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK { return }
    forEachDescriptor(write) { access, i in
      let element = write.dstArrayElement &+ i
      switch access {
      case .reads: set.clear(write.dstBinding, element)
      case .writes(let resource, let range): set.set(write.dstBinding, element, resource, range)
      case .unknown: set.addEverything()
      }
    }
  }

  /// A set that was just allocated has no descriptors, or may get them at any time.
  func noteDescriptorSet(_ set: VkDescriptorSet?, layout: VkDescriptorSetLayout?) {
    scene?.forget(set: key(set))
    if updatableLayouts.contains(key(layout)) {
      let writes = DescriptorWrites()
      writes.addEverything()
      descriptorSets[key(set)] = writes
    } else if !descriptorSets.isEmpty {
      descriptorSets.removeValue(forKey: key(set))
    }
  }
}

func note_vkUpdateDescriptorSets(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkUpdateDescriptorSets
) {
  guard let device = c.pointee.device else { return }
  for i in 0..<Int(a.descriptorWriteCount) {
    if let write = a.pDescriptorWrites?[i] { device.update(write) }
  }
  for i in 0..<Int(a.descriptorCopyCount) {
    guard let copy = a.pDescriptorCopies?[i],
      let source = device.descriptorSets[key(copy.srcSet)]
    else { continue }
    let set = device.descriptorSets[key(copy.dstSet)] ?? DescriptorWrites()
    device.descriptorSets[key(copy.dstSet)] = set
    set.copy(from: source)
  }
}

func note_vkCreateDescriptorSetLayout(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateDescriptorSetLayout
) {
  guard let device = c.pointee.device, let layout = a.pSetLayout?.pointee,
    let info = a.pCreateInfo?.pointee
  else { return }
  let bit = VK_DESCRIPTOR_SET_LAYOUT_CREATE_UPDATE_AFTER_BIND_POOL_BIT.rawValue
  if info.flags & bit != 0 {
    device.updatableLayouts.insert(key(layout))
  } else {
    device.updatableLayouts.remove(key(layout))
  }
}

func note_vkDestroyDescriptorSetLayout(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyDescriptorSetLayout
) {
  c.pointee.device?.updatableLayouts.remove(key(a.descriptorSetLayout))
}

// MARK: Device addresses

/// SpvCapabilityPhysicalStorageBufferAddresses, and the instruction that declares a capability.
private let addressCapability: UInt32 = 5347
private let opCapability: UInt32 = 17

func note_vkCreateShaderModule(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkCreateShaderModule
) {
  guard let device = c.pointee.device, !device.usesAddresses,
    let info = a.pCreateInfo?.pointee
  else { return }
  device.usesAddresses = mayUseAddresses(info)
}

/// Whether a shader may find a buffer by its address. Capabilities come before everything else.
private func mayUseAddresses(_ info: VkShaderModuleCreateInfo) -> Bool {
  guard let code = info.pCode, info.codeSize >= 20 else { return true }
  let count = Int(info.codeSize) / 4
  var i = 5
  while i < count, code[i] & 0xFFFF == opCapability {
    let length = Int(code[i] >> 16)
    guard length == 2, i &+ 1 < count else { return true }
    if code[i &+ 1] == addressCapability { return true }
    i &+= length
  }
  return false
}

/// Stages without a module bring their code in another way, which is not looked at.
func notePipelines<Arguments: PipelineArguments>(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Arguments
) {
  guard let device = c.pointee.device else { return }
  for i in 0..<Int(a.createInfoCount) {
    guard !device.usesAddresses, let info = a.pCreateInfos?[i] else { return }
    info.withStages { stages in
      guard let stages else { return }
      for j in 0..<Int(info.stageCount) where stages[j].module == nil {
        device.usesAddresses = true
      }
    }
  }
}
