import CVulkan

/// One binding of a set, visible to every stage.
public struct Binding: Sendable {
  public var type: VkDescriptorType
  public var count: UInt32

  public init(_ type: VkDescriptorType, count: UInt32 = 1) {
    self.type = type
    self.count = count
  }
}

/// The shape of a pipeline's resources: its sets, and push constants for every stage.
public struct PipelineLayout {
  public let handle: VkPipelineLayout
  public let sets: [VkDescriptorSetLayout]
  let bindings: [[Binding]]
}

extension Device {
  public func makeLayout(_ sets: [[Binding]], pushBytes: Int) -> PipelineLayout {
    let setLayouts = sets.map { bindings in
      let all = bindings.enumerated().map { index, binding in
        VkDescriptorSetLayoutBinding(
          binding: UInt32(index), descriptorType: binding.type, descriptorCount: binding.count,
          stageFlags: bits(VK_SHADER_STAGE_ALL), pImmutableSamplers: nil)
      }
      var info = VkDescriptorSetLayoutCreateInfo()
      info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO
      info.bindingCount = UInt32(all.count)
      info.pBindings = keep(all)
      var layout: VkDescriptorSetLayout?
      check(
        vkCreateDescriptorSetLayout(handle, &info, nil, &layout), "vkCreateDescriptorSetLayout")
      return own(layout, vkDestroyDescriptorSetLayout)
    }
    var info = VkPipelineLayoutCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO
    info.setLayoutCount = UInt32(setLayouts.count)
    info.pSetLayouts = keep(setLayouts.map(Optional.init))
    info.pushConstantRangeCount = pushBytes > 0 ? 1 : 0
    info.pPushConstantRanges = keep(
      VkPushConstantRange(
        stageFlags: bits(VK_SHADER_STAGE_ALL), offset: 0, size: UInt32(pushBytes)))
    var layout: VkPipelineLayout?
    check(vkCreatePipelineLayout(handle, &info, nil, &layout), "vkCreatePipelineLayout")
    return PipelineLayout(
      handle: own(layout, vkDestroyPipelineLayout), sets: setLayouts, bindings: sets)
  }

  /// One descriptor set for each set of the layout, from a pool that holds just these.
  public func makeSets(_ layout: PipelineLayout) -> [VkDescriptorSet] {
    let sizes = layout.bindings.joined().map {
      VkDescriptorPoolSize(type: $0.type, descriptorCount: $0.count)
    }
    var info = VkDescriptorPoolCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO
    info.maxSets = UInt32(layout.sets.count)
    info.poolSizeCount = UInt32(sizes.count)
    info.pPoolSizes = keep(sizes)
    var pool: VkDescriptorPool?
    check(vkCreateDescriptorPool(handle, &info, nil, &pool), "vkCreateDescriptorPool")
    var allocation = VkDescriptorSetAllocateInfo()
    allocation.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO
    allocation.descriptorPool = pool
    allocation.descriptorSetCount = UInt32(layout.sets.count)
    allocation.pSetLayouts = keep(layout.sets.map(Optional.init))
    var sets = [VkDescriptorSet?](repeating: nil, count: layout.sets.count)
    check(vkAllocateDescriptorSets(handle, &allocation, &sets), "vkAllocateDescriptorSets")
    _ = own(pool, vkDestroyDescriptorPool)
    return sets.map { $0! }
  }

  public func write(
    _ set: VkDescriptorSet, _ binding: UInt32, _ type: VkDescriptorType, _ b: Buffer
  ) {
    let info = VkDescriptorBufferInfo(buffer: b.handle, offset: 0, range: UInt64(b.size))
    write(set, binding, type, buffers: [info])
  }

  public func write(
    _ set: VkDescriptorSet, _ binding: UInt32, _ type: VkDescriptorType,
    buffers: [VkDescriptorBufferInfo]? = nil, images: [VkDescriptorImageInfo]? = nil,
    texels: [VkBufferView]? = nil
  ) {
    var write = VkWriteDescriptorSet()
    write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET
    write.dstSet = set
    write.dstBinding = binding
    write.descriptorType = type
    write.descriptorCount = UInt32(buffers?.count ?? images?.count ?? texels?.count ?? 0)
    write.pBufferInfo = buffers.map { keep($0) }
    write.pImageInfo = images.map { keep($0) }
    write.pTexelBufferView = texels.map { keep($0.map(Optional.init)) }
    vkUpdateDescriptorSets(handle, 1, &write, 0, nil)
  }

  public func makeModule(_ words: [UInt32]) -> VkShaderModule {
    var info = VkShaderModuleCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
    info.codeSize = words.count * 4
    var module: VkShaderModule?
    words.withUnsafeBufferPointer { words in
      info.pCode = words.baseAddress
      check(vkCreateShaderModule(handle, &info, nil, &module), "vkCreateShaderModule")
    }
    return module!
  }

  public func makeStage(
    _ bit: VkShaderStageFlagBits, _ words: [UInt32], constant: UInt32? = nil
  ) -> VkPipelineShaderStageCreateInfo {
    var stage = VkPipelineShaderStageCreateInfo()
    stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO
    stage.stage = bit
    stage.module = makeModule(words)
    stage.pName = keep("main")
    if let constant {
      var info = VkSpecializationInfo()
      info.mapEntryCount = 1
      info.pMapEntries = keep(VkSpecializationMapEntry(constantID: 0, offset: 0, size: 4))
      info.dataSize = 4
      info.pData = UnsafeRawPointer(keep(constant))
      stage.pSpecializationInfo = keep(info)
    }
    return stage
  }

  public func makeComputePipeline(
    _ words: [UInt32], _ layout: PipelineLayout, constant: UInt32? = nil
  ) -> VkPipeline {
    var info = VkComputePipelineCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO
    info.stage = makeStage(VK_SHADER_STAGE_COMPUTE_BIT, words, constant: constant)
    info.layout = layout.handle
    info.basePipelineIndex = -1
    var pipeline: VkPipeline?
    check(
      vkCreateComputePipelines(handle, nil, 1, &info, nil, &pipeline), "vkCreateComputePipelines")
    vkDestroyShaderModule(handle, info.stage.module, nil)
    return own(pipeline, vkDestroyPipeline)
  }
}

/// A graphics pipeline with dynamic viewport and scissor; the rest is what the caller says.
public struct GraphicsState {
  public var attributes: [VkVertexInputAttributeDescription] = []
  public var stride: UInt32 = 0
  public var depth = false
  public var samples = VK_SAMPLE_COUNT_1_BIT
  public var renderPass: VkRenderPass?
  /// With no render pass: the formats for dynamic rendering.
  public var colorFormat = VK_FORMAT_R8G8B8A8_UNORM

  public init() {}
}

extension Device {
  public func makeGraphicsPipeline(
    vertex: [UInt32], fragment: [UInt32], _ layout: PipelineLayout, _ state: GraphicsState
  ) -> VkPipeline {
    var input = VkPipelineVertexInputStateCreateInfo()
    input.sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO
    if !state.attributes.isEmpty {
      input.vertexBindingDescriptionCount = 1
      input.pVertexBindingDescriptions = keep(
        VkVertexInputBindingDescription(
          binding: 0, stride: state.stride, inputRate: VK_VERTEX_INPUT_RATE_VERTEX))
      input.vertexAttributeDescriptionCount = UInt32(state.attributes.count)
      input.pVertexAttributeDescriptions = keep(state.attributes)
    }
    var assembly = VkPipelineInputAssemblyStateCreateInfo()
    assembly.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO
    assembly.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST
    var viewport = VkPipelineViewportStateCreateInfo()
    viewport.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO
    viewport.viewportCount = 1
    viewport.scissorCount = 1
    var raster = VkPipelineRasterizationStateCreateInfo()
    raster.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO
    raster.lineWidth = 1
    var samples = VkPipelineMultisampleStateCreateInfo()
    samples.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO
    samples.rasterizationSamples = state.samples
    var depth = VkPipelineDepthStencilStateCreateInfo()
    depth.sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO
    depth.depthTestEnable = state.depth ? 1 : 0
    depth.depthWriteEnable = depth.depthTestEnable
    depth.depthCompareOp = VK_COMPARE_OP_LESS
    var blendOne = VkPipelineColorBlendAttachmentState()
    blendOne.colorWriteMask = 0xf
    var blend = VkPipelineColorBlendStateCreateInfo()
    blend.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO
    blend.attachmentCount = 1
    blend.pAttachments = keep(blendOne)
    var dynamic = VkPipelineDynamicStateCreateInfo()
    dynamic.sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO
    dynamic.dynamicStateCount = 2
    dynamic.pDynamicStates = keep([VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR])
    var rendering = VkPipelineRenderingCreateInfo()
    rendering.sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO
    rendering.colorAttachmentCount = 1
    rendering.pColorAttachmentFormats = keep(state.colorFormat)
    rendering.depthAttachmentFormat = state.depth ? VK_FORMAT_D32_SFLOAT : VK_FORMAT_UNDEFINED

    let stages = [
      makeStage(VK_SHADER_STAGE_VERTEX_BIT, vertex),
      makeStage(VK_SHADER_STAGE_FRAGMENT_BIT, fragment),
    ]
    var info = VkGraphicsPipelineCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO
    if state.renderPass == nil { info.pNext = UnsafeRawPointer(keep(rendering)) }
    info.stageCount = 2
    info.pStages = keep(stages)
    info.pVertexInputState = keep(input)
    info.pInputAssemblyState = keep(assembly)
    info.pViewportState = keep(viewport)
    info.pRasterizationState = keep(raster)
    info.pMultisampleState = keep(samples)
    info.pDepthStencilState = keep(depth)
    info.pColorBlendState = keep(blend)
    info.pDynamicState = keep(dynamic)
    info.layout = layout.handle
    info.renderPass = state.renderPass
    info.basePipelineIndex = -1
    var pipeline: VkPipeline?
    check(
      vkCreateGraphicsPipelines(handle, nil, 1, &info, nil, &pipeline),
      "vkCreateGraphicsPipelines")
    for stage in stages { vkDestroyShaderModule(handle, stage.module, nil) }
    return own(pipeline, vkDestroyPipeline)
  }
}
