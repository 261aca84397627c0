import CVulkan
import Shaders
import Workbench

/// What `mix.comp` needs around it: two storage buffers and a pipeline.
struct Mixer {
  struct Push {
    var count: UInt32
    var seed: UInt32 = 0
    var first: UInt32 = 0
    var stride: UInt32 = 1
  }

  let device: Device
  let layout: PipelineLayout
  let set: VkDescriptorSet
  let pipeline: VkPipeline

  init(_ device: Device, _ source: Buffer, _ target: Buffer, rounds: UInt32 = 2) {
    self.device = device
    let storage = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
    layout = device.makeLayout(
      [[Binding(storage), Binding(storage)]], pushBytes: MemoryLayout<Push>.size)
    set = device.makeSets(layout)[0]
    device.write(set, 0, storage, source)
    device.write(set, 1, storage, target)
    pipeline = device.makeComputePipeline(Shader.mixCompute, layout, constant: rounds)
  }

  /// Binds everything and pushes; a dispatch may follow.
  func bind(_ commands: Commands, _ push: Push) {
    var push = push
    var set: VkDescriptorSet? = set
    vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
    vkCmdBindDescriptorSets(
      commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, layout.handle, 0, 1, &set, 0, nil)
    vkCmdPushConstants(
      commands.handle, layout.handle, bits(VK_SHADER_STAGE_ALL), 0,
      UInt32(MemoryLayout<Push>.size), &push)
  }

  func dispatch(_ commands: Commands, _ push: Push) {
    bind(commands, push)
    vkCmdDispatch(commands.handle, (push.count + 63) / 64, 1, 1)
    commands.barrier()
  }
}

/// Storage buffers through one memory path: direct and indirect dispatches, specialization constants,
/// push constants.
func computeMix(_ device: Device, _ path: MemoryPath) -> [UInt8] {
  let count = 5000
  let source = Buffer(device, size: count * 4, path: path)
  let target = Buffer(device, size: count * 4, path: path)
  let groups = Buffer(device, size: 16, path: path)
  source.write(pseudorandomWords(count, seed: 7))
  target.write([UInt32](repeating: 0xaaaa_aaaa, count: count))
  groups.write([UInt32(9), 1, 1])
  var result: [UInt8] = []
  for rounds in [UInt32(1), 5] {
    let mixer = Mixer(device, source, target, rounds: rounds)
    device.run { mixer.dispatch($0, Mixer.Push(count: UInt32(count), seed: rounds)) }
    result += target.read()
    device.run { commands in
      mixer.bind(commands, Mixer.Push(count: UInt32(count), seed: 99))
      vkCmdDispatchIndirect(commands.handle, groups.handle, 0)
      commands.barrier()
    }
    result += target.read(at: 100, count: 4000)
  }
  for buffer in [source, target, groups] { buffer.destroy() }
  return result
}

/// Every kind of descriptor a compute shader reads, written by an update template and by plain writes,
/// with a dynamic offset.
func gatherDescriptors(_ device: Device) -> [UInt8] {
  let imageUsage = bits(
    VK_IMAGE_USAGE_STORAGE_BIT, VK_IMAGE_USAGE_SAMPLED_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT)
  let pictures = (0..<3).map { index in
    let image = Image(device, width: 64, height: 64, usage: imageUsage)
    image.write(pseudorandomWords(64 * 64, seed: UInt32(index + 1)))
    return image
  }
  let target = Image(
    device, width: 64, height: 64, format: VK_FORMAT_R32_UINT,
    usage: bits(VK_IMAGE_USAGE_STORAGE_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT))
  device.run { target.transition($0, to: VK_IMAGE_LAYOUT_GENERAL) }
  let words = Buffer(
    device, size: 1024, usage: bits(VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT))
  words.write(pseudorandomWords(256, seed: 77))
  let scales = Buffer(device, size: 1024)
  for index in 0..<4 {
    scales.write([UInt32(index + 2), UInt32(index * 7), 0, 0], at: index * 256)
  }

  var viewInfo = VkBufferViewCreateInfo()
  viewInfo.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO
  viewInfo.buffer = words.handle
  viewInfo.format = VK_FORMAT_R32_UINT
  viewInfo.range = wholeSize
  var view: VkBufferView?
  check(vkCreateBufferView(device.handle, &viewInfo, nil, &view), "vkCreateBufferView")
  var samplerInfo = VkSamplerCreateInfo()
  samplerInfo.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO
  var sampler: VkSampler?
  check(vkCreateSampler(device.handle, &samplerInfo, nil, &sampler), "vkCreateSampler")

  let layout = device.makeLayout(
    [
      [
        Binding(VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, count: 2),
        Binding(VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER),
        Binding(VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC),
        Binding(VK_DESCRIPTOR_TYPE_SAMPLER),
        Binding(VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE),
      ],
      [Binding(VK_DESCRIPTOR_TYPE_STORAGE_IMAGE)],
    ], pushBytes: 0)
  let sets = device.makeSets(layout)
  func info(_ image: Image) -> VkDescriptorImageInfo {
    VkDescriptorImageInfo(
      sampler: nil, imageView: image.view, imageLayout: VK_IMAGE_LAYOUT_GENERAL)
  }
  updateByTemplate(
    device, sets[0], layout.sets[0], pictures: [info(pictures[0]), info(pictures[1])])
  device.write(
    sets[0], 1, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
    texels: [device.own(view, vkDestroyBufferView)])
  device.write(
    sets[0], 2, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
    buffers: [VkDescriptorBufferInfo(buffer: scales.handle, offset: 0, range: 16)])
  device.write(
    sets[0], 3, VK_DESCRIPTOR_TYPE_SAMPLER,
    images: [
      VkDescriptorImageInfo(
        sampler: device.own(sampler, vkDestroySampler), imageView: nil,
        imageLayout: VK_IMAGE_LAYOUT_UNDEFINED)
    ])
  device.write(sets[0], 4, VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, images: [info(pictures[2])])
  device.write(sets[1], 0, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, images: [info(target)])
  let pipeline = device.makeComputePipeline(Shader.gatherCompute, layout)

  var result: [UInt8] = []
  for index in 0..<4 {
    device.run { commands in
      var handles = sets.map(Optional.init)
      var offset = UInt32(index * 256)
      target.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
      vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
      vkCmdBindDescriptorSets(
        commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, layout.handle, 0, 2, &handles, 1, &offset)
      vkCmdDispatch(commands.handle, 8, 8, 1)
      commands.barrier()
    }
    result += target.read()
  }
  return result
}

private func updateByTemplate(
  _ device: Device, _ set: VkDescriptorSet, _ layout: VkDescriptorSetLayout,
  pictures: [VkDescriptorImageInfo]
) {
  let entries = (0..<2).map { index in
    VkDescriptorUpdateTemplateEntry(
      dstBinding: 0, dstArrayElement: UInt32(index), descriptorCount: 1,
      descriptorType: VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
      offset: index * MemoryLayout<VkDescriptorImageInfo>.stride, stride: 0)
  }
  var info = VkDescriptorUpdateTemplateCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO
  info.descriptorUpdateEntryCount = 2
  info.pDescriptorUpdateEntries = keep(entries)
  info.templateType = VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET
  info.descriptorSetLayout = layout
  var template: VkDescriptorUpdateTemplate?
  check(
    vkCreateDescriptorUpdateTemplate(device.handle, &info, nil, &template),
    "vkCreateDescriptorUpdateTemplate")
  vkUpdateDescriptorSetWithTemplate(device.handle, set, template, keep(pictures))
  vkDestroyDescriptorUpdateTemplate(device.handle, template, nil)
}

/// Device addresses in push constants and in memory. Empty where the device has none.
func followAddresses(_ device: Device) -> [UInt8] {
  guard device.features12.bufferDeviceAddress != 0 else { return [] }
  struct Push {
    var links: UInt64
    var target: UInt64
    var count: UInt32
  }
  let usage = bits(
    VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT)
  let buffers = (0..<3).map { _ in Buffer(device, size: 4096, usage: usage) }
  buffers[0].write(pseudorandomWords(1024, seed: 5))
  buffers[1].write([buffers[0].address])
  let layout = device.makeLayout([], pushBytes: 24)
  let pipeline = device.makeComputePipeline(Shader.addressCompute, layout)
  buffers[2].write([UInt32](repeating: 0, count: 1024))
  device.run { commands in
    var push = Push(links: buffers[1].address, target: buffers[2].address, count: 1000)
    vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
    vkCmdPushConstants(
      commands.handle, layout.handle, bits(VK_SHADER_STAGE_ALL), 0, 20, &push)
    vkCmdDispatch(commands.handle, 16, 1, 1)
    commands.barrier()
  }
  return buffers[2].read()
}
