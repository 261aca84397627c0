import CVulkan
import Glibc
import Shaders
import Workbench

/// Every way a command buffer has to write a buffer that the host has mapped, each looked at as soon
/// as its fence says so.
func writeMappedBuffers(_ device: Device) -> [UInt8] {
  let size = 64 << 10
  let source = Buffer(device, size: size)
  let target = Buffer(device, size: size)
  source.write(pseudorandomWords(size / 4, seed: 51))
  target.write([UInt32](repeating: 0x5555_5555, count: size / 4))
  var result: [UInt8] = []
  func run(_ record: (Commands) -> Void) {
    device.run {
      record($0)
      $0.barrier()
    }
    result += bytes(of: [hash(target.read())])
  }

  // Transfers.
  run { commands in
    var regions = [
      VkBufferCopy(srcOffset: 5, dstOffset: 3, size: 11),
      VkBufferCopy(srcOffset: 70, dstOffset: UInt64(size - 70), size: 70),
    ]
    vkCmdCopyBuffer(commands.handle, source.handle, target.handle, 2, &regions)
  }
  run { vkCmdFillBuffer($0.handle, target.handle, 4096 - 8, 16, 0x1234_5678) }
  run { vkCmdFillBuffer($0.handle, target.handle, 60000, wholeSize, 0x8765_4321) }
  run { commands in
    pseudorandomWords(100, seed: 52).withUnsafeBytes {
      vkCmdUpdateBuffer(commands.handle, target.handle, 8192 - 100, 400, $0.baseAddress)
    }
  }
  let picture = Image(
    device, width: 20, height: 11,
    usage: bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT))
  picture.write(pseudorandomWords(220, seed: 53))
  run { commands in
    var region = VkBufferImageCopy()
    region.bufferOffset = 20000
    region.bufferRowLength = 33
    region.bufferImageHeight = 15
    region.imageSubresource = picture.layers()
    region.imageExtent = VkExtent3D(width: 20, height: 11, depth: 1)
    var regions = [region, region]
    regions[1].bufferOffset = 12
    regions[1].imageOffset = VkOffset3D(x: 7, y: 3, z: 0)
    regions[1].imageExtent = VkExtent3D(width: 2, height: 5, depth: 1)
    regions[1].bufferRowLength = 0
    vkCmdCopyImageToBuffer(
      commands.handle, picture.handle, picture.layout, target.handle, 2, &regions)
  }
  var queryInfo = VkQueryPoolCreateInfo()
  queryInfo.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
  queryInfo.queryType = VK_QUERY_TYPE_OCCLUSION
  queryInfo.queryCount = 3
  var pool: VkQueryPool?
  check(vkCreateQueryPool(device.handle, &queryInfo, nil, &pool), "vkCreateQueryPool")
  _ = device.own(pool, vkDestroyQueryPool)
  run { commands in
    vkCmdResetQueryPool(commands.handle, pool, 0, 3)
    vkCmdCopyQueryPoolResults(
      commands.handle, pool, 0, 3, target.handle, 30000, 40,
      bits(VK_QUERY_RESULT_WITH_AVAILABILITY_BIT, VK_QUERY_RESULT_PARTIAL_BIT))
  }

  // Shaders: a set, one whose descriptors were copied, dynamic offsets, secondary command buffers.
  let mixer = Mixer(device, source, target)
  let push = Mixer.Push(count: 700, seed: 3)
  run { mixer.dispatch($0, push) }
  let copied = device.makeSets(mixer.layout)[0]
  var copies = (0..<2).map { binding in
    var copy = VkCopyDescriptorSet()
    copy.sType = VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET
    copy.srcSet = mixer.set
    copy.srcBinding = UInt32(binding)
    copy.dstSet = copied
    copy.dstBinding = UInt32(binding)
    copy.descriptorCount = 1
    return copy
  }
  vkUpdateDescriptorSets(device.handle, 0, nil, 2, &copies)
  let dynamic = device.makeLayout(
    [
      [
        Binding(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC),
        Binding(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC),
      ]
    ], pushBytes: MemoryLayout<Mixer.Push>.size)
  let dynamicSet = device.makeSets(dynamic)[0]
  let part = 8192
  for (binding, buffer) in [source, target].enumerated() {
    device.write(
      dynamicSet, UInt32(binding), VK_DESCRIPTOR_TYPE_STORAGE_BUFFER_DYNAMIC,
      buffers: [VkDescriptorBufferInfo(buffer: buffer.handle, offset: 0, range: UInt64(part))])
  }
  let dynamicPipeline = device.makeComputePipeline(Shader.mixCompute, dynamic, constant: 2)
  func bind(
    _ commands: Commands, _ pipeline: VkPipeline, _ layout: PipelineLayout, _ set: VkDescriptorSet,
    offsets: [UInt32] = [], seed: UInt32
  ) {
    var push = Mixer.Push(count: 700, seed: seed)
    var set: VkDescriptorSet? = set
    vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
    vkCmdBindDescriptorSets(
      commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, layout.handle, 0, 1, &set,
      UInt32(offsets.count), offsets)
    vkCmdPushConstants(
      commands.handle, layout.handle, bits(VK_SHADER_STAGE_ALL), 0,
      UInt32(MemoryLayout<Mixer.Push>.size), &push)
    vkCmdDispatch(commands.handle, 11, 1, 1)
  }
  run { bind($0, mixer.pipeline, mixer.layout, copied, seed: 4) }
  run {
    bind(
      $0, dynamicPipeline, dynamic, dynamicSet, offsets: [0, UInt32(size - part)], seed: 5)
  }
  let secondary = Commands(device, level: VK_COMMAND_BUFFER_LEVEL_SECONDARY)
  var inheritance = VkCommandBufferInheritanceInfo()
  inheritance.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO
  secondary.begin(inheriting: inheritance)
  bind(secondary, mixer.pipeline, mixer.layout, mixer.set, seed: 6)
  secondary.end()
  run { commands in
    var handle: VkCommandBuffer? = secondary.handle
    vkCmdExecuteCommands(commands.handle, 1, &handle)
  }

  // One command buffer recorded twice and submitted three times, with the host in between.
  let again = Commands(device)
  let fence = device.makeFence()
  func submit() {
    device.submit(again, fence: fence)
    device.wait(fence)
    var handle: VkFence? = fence
    check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
    result += bytes(of: [hash(target.read())])
  }
  again.begin()
  vkCmdFillBuffer(again.handle, target.handle, 100, 8, 1)
  again.barrier()
  again.end()
  submit()
  target.write([UInt32(77), 78], at: 100)
  submit()
  check(vkResetCommandBuffer(again.handle, 0), "vkResetCommandBuffer")
  again.begin()
  vkCmdFillBuffer(again.handle, target.handle, 50000, 8, 2)
  again.barrier()
  again.end()
  target.write([UInt32(79), 80], at: 100)
  submit()

  // Mapped for the first time after the device has written.
  let late = Buffer(device, size: 10000, path: .flushed)
  device.run { commands in
    vkCmdFillBuffer(commands.handle, late.handle, 0, wholeSize, 0xabcd_ef01)
    commands.barrier()
  }
  result += late.read()
  late.destroy()
  return result + target.read()
}

/// Every way to write a linear image that the host has mapped.
func writeMappedImages(_ device: Device) -> [UInt8] {
  var properties = VkFormatProperties()
  vkGetPhysicalDeviceFormatProperties(device.physical, VK_FORMAT_R8G8B8A8_UNORM, &properties)
  let needed = bits(
    VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT, VK_FORMAT_FEATURE_BLIT_DST_BIT,
    VK_FORMAT_FEATURE_TRANSFER_DST_BIT)
  guard properties.linearTilingFeatures & needed == needed else { return [] }
  let (width, height) = (40, 30)
  let target = LinearImage(
    device, width, height,
    usage: bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT, VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT))
  let source = Image(
    device, width: width, height: height,
    usage: bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT))
  source.write(pseudorandomWords(width * height, seed: 61))
  let texels = Buffer(device, size: width * height * 4)
  texels.write(pseudorandomWords(width * height, seed: 62))
  for row in 0..<height {
    for column in 0..<width { target.row(row)[column] = 0 }
  }
  var result: [UInt8] = []
  func run(_ record: (Commands) -> Void) {
    device.run {
      record($0)
      $0.barrier()
    }
    for row in 0..<height {
      result += bytes(of: Array(UnsafeBufferPointer(start: target.row(row), count: width)))
    }
  }
  let general = VK_IMAGE_LAYOUT_GENERAL
  let whole = VkImageSubresourceRange(
    aspectMask: 1, baseMipLevel: 0, levelCount: 1, baseArrayLayer: 0, layerCount: 1)
  run { target.transition($0, from: VK_IMAGE_LAYOUT_PREINITIALIZED) }
  run { commands in
    var color = VkClearColorValue()
    color.float32 = (0.25, 0.5, 0.75, 1)
    var range = whole
    vkCmdClearColorImage(commands.handle, target.handle, general, &color, 1, &range)
  }
  run { commands in
    var region = VkImageCopy()
    region.srcSubresource = LinearImage.layers
    region.dstSubresource = LinearImage.layers
    region.dstOffset = VkOffset3D(x: 4, y: 5, z: 0)
    region.extent = VkExtent3D(width: 9, height: 8, depth: 1)
    vkCmdCopyImage(
      commands.handle, source.handle, source.layout, target.handle, general, 1, &region)
  }
  run { commands in
    var region = VkBufferImageCopy()
    region.imageSubresource = LinearImage.layers
    region.imageOffset = VkOffset3D(x: 20, y: 0, z: 0)
    region.imageExtent = VkExtent3D(width: 20, height: 10, depth: 1)
    vkCmdCopyBufferToImage(commands.handle, texels.handle, target.handle, general, 1, &region)
  }
  run { commands in
    var region = VkImageBlit()
    region.srcSubresource = LinearImage.layers
    region.dstSubresource = LinearImage.layers
    region.srcOffsets.1 = VkOffset3D(x: 5, y: 5, z: 1)
    region.dstOffsets.0 = VkOffset3D(x: 10, y: 15, z: 0)
    region.dstOffsets.1 = VkOffset3D(x: 20, y: 25, z: 1)
    vkCmdBlitImage(
      commands.handle, source.handle, source.layout, target.handle, general, 1, &region,
      VK_FILTER_NEAREST)
  }
  var viewInfo = VkImageViewCreateInfo()
  viewInfo.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO
  viewInfo.image = target.handle
  viewInfo.viewType = VK_IMAGE_VIEW_TYPE_2D
  viewInfo.format = VK_FORMAT_R8G8B8A8_UNORM
  viewInfo.subresourceRange = whole
  var view: VkImageView?
  check(vkCreateImageView(device.handle, &viewInfo, nil, &view), "vkCreateImageView")
  _ = device.own(view, vkDestroyImageView)
  let area = VkRect2D(
    offset: VkOffset2D(x: 3, y: 2), extent: VkExtent2D(width: 30, height: 20))
  if device.features13.dynamicRendering != 0 {
    run { commands in
      var attachment = VkRenderingAttachmentInfo()
      attachment.sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO
      attachment.imageView = view
      attachment.imageLayout = general
      attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
      attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
      attachment.clearValue.color.float32 = (1, 0, 0.5, 0.25)
      var info = VkRenderingInfo()
      info.sType = VK_STRUCTURE_TYPE_RENDERING_INFO
      info.renderArea = area
      info.layerCount = 1
      info.colorAttachmentCount = 1
      info.pColorAttachments = keep(attachment)
      vkCmdBeginRendering(commands.handle, &info)
      vkCmdEndRendering(commands.handle)
    }
  }
  let pass = makeClearingPass(device)
  var framebufferInfo = VkFramebufferCreateInfo()
  framebufferInfo.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO
  framebufferInfo.renderPass = pass
  framebufferInfo.attachmentCount = 1
  framebufferInfo.pAttachments = keep(view)
  framebufferInfo.width = UInt32(width)
  framebufferInfo.height = UInt32(height)
  framebufferInfo.layers = 1
  var framebuffer: VkFramebuffer?
  check(
    vkCreateFramebuffer(device.handle, &framebufferInfo, nil, &framebuffer), "vkCreateFramebuffer")
  _ = device.own(framebuffer, vkDestroyFramebuffer)
  run { commands in
    var clear = VkClearValue()
    clear.color.float32 = (0, 1, 0, 1)
    var begin = VkRenderPassBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO
    begin.renderPass = pass
    begin.framebuffer = framebuffer
    begin.renderArea = VkRect2D(
      offset: VkOffset2D(x: 0, y: 0), extent: VkExtent2D(width: 7, height: 29))
    begin.clearValueCount = 1
    begin.pClearValues = keep(clear)
    vkCmdBeginRenderPass(commands.handle, &begin, VK_SUBPASS_CONTENTS_INLINE)
    vkCmdEndRenderPass(commands.handle)
  }
  return result
}

private func makeClearingPass(_ device: Device) -> VkRenderPass {
  var attachment = VkAttachmentDescription()
  attachment.format = VK_FORMAT_R8G8B8A8_UNORM
  attachment.samples = VK_SAMPLE_COUNT_1_BIT
  attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
  attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
  attachment.initialLayout = VK_IMAGE_LAYOUT_GENERAL
  attachment.finalLayout = VK_IMAGE_LAYOUT_GENERAL
  var subpass = VkSubpassDescription()
  subpass.colorAttachmentCount = 1
  subpass.pColorAttachments = keep(
    VkAttachmentReference(attachment: 0, layout: VK_IMAGE_LAYOUT_GENERAL))
  var info = VkRenderPassCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO
  info.attachmentCount = 1
  info.pAttachments = keep(attachment)
  info.subpassCount = 1
  info.pSubpasses = keep(subpass)
  var pass: VkRenderPass?
  check(vkCreateRenderPass(device.handle, &info, nil, &pass), "vkCreateRenderPass")
  return device.own(pass, vkDestroyRenderPass)
}

/// Eight threads write one mapped allocation, every fourth byte each its own, while submits copy what
/// the round before has left in another one.
func writeMapsInThreads(_ device: Device) -> [UInt8] {
  let size = 256 << 10
  let maps = (0..<2).map { _ in Buffer(device, size: size) }
  let target = Buffer(device, size: size)
  for map in maps { map.write([UInt32](repeating: 0, count: size / 4)) }
  var result: [UInt8] = []
  for round in 0..<12 {
    let map = maps[round % 2]
    let commands = Commands(device)
    commands.begin()
    commands.copy(maps[(round + 1) % 2], target, count: size)
    commands.end()
    let fence = device.makeFence()
    device.submit(commands, fence: fence)
    let threads = (0..<8).map { index in
      let share = Unmanaged.passRetained(
        Share(base: map.mapped!, size: size, index: index, round: round))
      var thread = pthread_t()
      let failed = pthread_create(
        &thread, nil,
        { argument in
          Unmanaged<Share>.fromOpaque(argument!).takeRetainedValue().write()
          return nil
        }, share.toOpaque())
      if failed != 0 { fail("pthread_create") }
      return thread
    }
    for thread in threads { pthread_join(thread, nil) }
    device.wait(fence)
    device.discard(fence)
    result += bytes(of: [hash(target.read())])
  }
  return result
}

/// One thread's bytes of a mapping.
private final class Share {
  let base: UnsafeMutableRawPointer
  let size: Int
  let index: Int
  let round: Int

  init(base: UnsafeMutableRawPointer, size: Int, index: Int, round: Int) {
    self.base = base
    self.size = size
    self.index = index
    self.round = round
  }

  func write() {
    for offset in stride(from: index, to: size, by: 8 * (1 + round % 5)) {
      base.storeBytes(
        of: UInt8(truncatingIfNeeded: offset &* 31 &+ round), toByteOffset: offset, as: UInt8.self)
    }
  }
}

/// Parts of one mapping flushed and invalidated by themselves, around writes of the device beside them.
func flushParts(_ device: Device) -> [UInt8] {
  let size = 64 << 10
  let buffer = Buffer(device, size: size, path: .flushed)
  let copy = Buffer(device, size: size)
  buffer.write([UInt32](repeating: 0, count: size / 4))
  var mapped: UnsafeMutableRawPointer?
  check(vkMapMemory(device.handle, buffer.memory, 4096, 40960, 0, &mapped), "vkMapMemory")
  let atom = Int(device.properties.limits.nonCoherentAtomSize)
  var result: [UInt8] = []
  for round in 0..<6 {
    // Two writes far apart, each flushed as one range of a call.
    let places = [round * 1024, 30000 / atom * atom + round * 512]
    for place in places {
      pseudorandomWords(32, seed: UInt32(place + 1)).withUnsafeBytes {
        (mapped! + place).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
      }
    }
    let ranges = places.map { place in
      var range = VkMappedMemoryRange()
      range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
      range.memory = buffer.memory
      range.offset = UInt64((4096 + place) / atom * atom)
      range.size = UInt64((128 + atom) / atom * atom)
      return range
    }
    check(vkFlushMappedMemoryRanges(device.handle, 2, ranges), "vkFlushMappedMemoryRanges")
    device.run { commands in
      commands.copy(buffer, copy, count: size)
      vkCmdFillBuffer(
        commands.handle, buffer.handle, UInt64(4096 + round * 1024 + 128), 64, UInt32(round))
      commands.barrier()
    }
    var whole = VkMappedMemoryRange()
    whole.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
    whole.memory = buffer.memory
    whole.offset = 4096
    whole.size = 40960
    check(
      vkInvalidateMappedMemoryRanges(device.handle, 1, &whole), "vkInvalidateMappedMemoryRanges")
    result += bytes(of: [
      hash(copy.read()), hash(Array(UnsafeRawBufferPointer(start: mapped!, count: 40960))),
    ])
  }
  vkUnmapMemory(device.handle, buffer.memory)
  return result + buffer.read()
}
