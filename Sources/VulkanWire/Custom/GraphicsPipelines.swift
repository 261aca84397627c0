// VkGraphicsPipelineCreateInfo: most of its pointers are ignored, and may be garbage, when a
// dynamic state, a stage, the rasteriser or the library subset says so.
//
// Body: u32 flags, u32 stageCount, array of stages, then each state as `u32 present` and the
// structure, then u64 layout, u64 renderPass, u32 subpass, u64 basePipelineHandle,
// i32 basePipelineIndex.

import CVulkan
import Wire

/// Whether a pipeline derives from another that is given by handle.
func isDerivative(_ flags: VkPipelineCreateFlags, _ index: Int32) -> Bool {
  flags & VK_PIPELINE_CREATE_DERIVATIVE_BIT.rawValue != 0 && index == -1
}

/// What of a graphics pipeline's create info is read.
private struct GraphicsPipelineUse {
  var stages: VkShaderStageFlags = 0
  var vertexInput: Bool = true
  var preRasterization: Bool = true
  var fragmentShader: Bool = true
  var fragmentOutput: Bool = true
  var dynamicVertexInput: Bool = false
  var dynamicViewports: Bool = false
  var dynamicScissors: Bool = false
  var discards: Bool = false

  init(_ s: UnsafePointer<VkGraphicsPipelineCreateInfo>) {
    let libraryType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_LIBRARY_CREATE_INFO_EXT
    if let library = chained(
      libraryType, of: s, as: VkGraphicsPipelineLibraryCreateInfoEXT.self)
    {
      let flags: UInt32 = library.pointee.flags
      vertexInput =
        flags & VK_GRAPHICS_PIPELINE_LIBRARY_VERTEX_INPUT_INTERFACE_BIT_EXT.rawValue != 0
      preRasterization =
        flags & VK_GRAPHICS_PIPELINE_LIBRARY_PRE_RASTERIZATION_SHADERS_BIT_EXT.rawValue != 0
      fragmentShader =
        flags & VK_GRAPHICS_PIPELINE_LIBRARY_FRAGMENT_SHADER_BIT_EXT.rawValue != 0
      fragmentOutput =
        flags & VK_GRAPHICS_PIPELINE_LIBRARY_FRAGMENT_OUTPUT_INTERFACE_BIT_EXT.rawValue != 0
    } else if let linked = chained(
      VK_STRUCTURE_TYPE_PIPELINE_LIBRARY_CREATE_INFO_KHR, of: s,
      as: VkPipelineLibraryCreateInfoKHR.self), linked.pointee.libraryCount != 0
    {
      // Everything comes from the libraries.
      vertexInput = false
      preRasterization = false
      fragmentShader = false
      fragmentOutput = false
    }
    if let list = s.pointee.pStages {
      for i: Int in 0..<Int(s.pointee.stageCount) { stages |= list[i].stage.rawValue }
    }
    var dynamicDiscard: Bool = false
    if let dynamic = s.pointee.pDynamicState, let list = dynamic.pointee.pDynamicStates {
      for i: Int in 0..<Int(dynamic.pointee.dynamicStateCount) {
        switch list[i] {
        case VK_DYNAMIC_STATE_VERTEX_INPUT_EXT: dynamicVertexInput = true
        case VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_VIEWPORT_WITH_COUNT:
          dynamicViewports = true
        case VK_DYNAMIC_STATE_SCISSOR, VK_DYNAMIC_STATE_SCISSOR_WITH_COUNT: dynamicScissors = true
        case VK_DYNAMIC_STATE_RASTERIZER_DISCARD_ENABLE: dynamicDiscard = true
        default: break
        }
      }
    }
    if preRasterization, !dynamicDiscard, let state = s.pointee.pRasterizationState {
      discards = state.pointee.rasterizerDiscardEnable != VK_FALSE
    }
  }

  var isMesh: Bool { stages & VK_SHADER_STAGE_MESH_BIT_EXT.rawValue != 0 }

  var tessellates: Bool {
    let control: UInt32 = VK_SHADER_STAGE_TESSELLATION_CONTROL_BIT.rawValue
    let evaluation: UInt32 = VK_SHADER_STAGE_TESSELLATION_EVALUATION_BIT.rawValue
    return stages & (control | evaluation) != 0
  }
}

func encodeBody_VkGraphicsPipelineCreateInfo(
  _ w: inout Writer, _ s: UnsafePointer<VkGraphicsPipelineCreateInfo>
) {
  let use = GraphicsPipelineUse(s)
  w.u32(s.pointee.flags)
  w.u32(s.pointee.stageCount)
  if let stages = s.pointee.pStages {
    w.u32(s.pointee.stageCount)
    for i: Int in 0..<Int(s.pointee.stageCount) {
      encode_VkPipelineShaderStageCreateInfo(&w, stages + i)
    }
  } else {
    w.u32(0)
  }
  optional(
    &w, use.vertexInput && !use.isMesh && !use.dynamicVertexInput, s.pointee.pVertexInputState,
    encode_VkPipelineVertexInputStateCreateInfo)
  optional(
    &w, use.vertexInput && !use.isMesh, s.pointee.pInputAssemblyState,
    encode_VkPipelineInputAssemblyStateCreateInfo)
  optional(
    &w, use.preRasterization && use.tessellates, s.pointee.pTessellationState,
    encode_VkPipelineTessellationStateCreateInfo)
  if use.preRasterization, !use.discards, let viewports = s.pointee.pViewportState {
    w.u32(1)
    encodeViewports(&w, viewports, use)
  } else {
    w.u32(0)
  }
  optional(
    &w, use.preRasterization, s.pointee.pRasterizationState,
    encode_VkPipelineRasterizationStateCreateInfo)
  optional(
    &w, (use.fragmentShader || use.fragmentOutput) && !use.discards,
    s.pointee.pMultisampleState, encode_VkPipelineMultisampleStateCreateInfo)
  optional(
    &w, use.fragmentShader && !use.discards, s.pointee.pDepthStencilState,
    encode_VkPipelineDepthStencilStateCreateInfo)
  optional(
    &w, use.fragmentOutput && !use.discards, s.pointee.pColorBlendState,
    encode_VkPipelineColorBlendStateCreateInfo)
  optional(&w, true, s.pointee.pDynamicState, encode_VkPipelineDynamicStateCreateInfo)
  guard let p = w.reserve(32) else { return }
  p.put64(handleID(s.pointee.layout), 0)
  p.put64(handleID(s.pointee.renderPass), 8)
  p.put32(s.pointee.subpass, 16)
  let derives: Bool = isDerivative(s.pointee.flags, s.pointee.basePipelineIndex)
  p.put64(derives ? handleID(s.pointee.basePipelineHandle) : 0, 20)
  p.put32(UInt32(bitPattern: s.pointee.basePipelineIndex), 28)
}

private func optional<T>(
  _ w: inout Writer, _ used: Bool, _ s: UnsafePointer<T>?,
  _ encode: (inout Writer, UnsafePointer<T>) -> Void
) {
  guard used, let s else { return w.u32(0) }
  w.u32(1)
  encode(&w, s)
}

/// VkPipelineViewportStateCreateInfo, whose arrays are ignored when they are dynamic.
private func encodeViewports(
  _ w: inout Writer, _ s: UnsafePointer<VkPipelineViewportStateCreateInfo>,
  _ use: GraphicsPipelineUse
) {
  var copy: VkPipelineViewportStateCreateInfo = s.pointee
  if use.dynamicViewports { copy.pViewports = nil }
  if use.dynamicScissors { copy.pScissors = nil }
  withUnsafePointer(to: &copy) { encode_VkPipelineViewportStateCreateInfo(&w, $0) }
}

func decodeBody_VkGraphicsPipelineCreateInfo(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkGraphicsPipelineCreateInfo>
) {
  s.pointee.flags = r.u32("VkGraphicsPipelineCreateInfo.flags")
  s.pointee.stageCount = r.u32("VkGraphicsPipelineCreateInfo.stageCount")
  let found: Int = r.count(28, "VkGraphicsPipelineCreateInfo.pStages")
  let room: UnsafeMutableRawPointer? = r.room(
    found, MemoryLayout<VkPipelineShaderStageCreateInfo>.stride,
    "VkGraphicsPipelineCreateInfo.pStages")
  if let stages = room?.bindMemory(to: VkPipelineShaderStageCreateInfo.self, capacity: found) {
    for i: Int in 0..<found { decode_VkPipelineShaderStageCreateInfo(&r, stages + i) }
    s.pointee.pStages = UnsafePointer(stages)
  }
  if found != 0 && found != Int(s.pointee.stageCount) {
    r.fail(.count, "VkGraphicsPipelineCreateInfo.pStages")
  }
  if found == 0 { s.pointee.stageCount = 0 }
  s.pointee.pVertexInputState = optional(
    &r, decode_VkPipelineVertexInputStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pVertexInputState")
  s.pointee.pInputAssemblyState = optional(
    &r, decode_VkPipelineInputAssemblyStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pInputAssemblyState")
  s.pointee.pTessellationState = optional(
    &r, decode_VkPipelineTessellationStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pTessellationState")
  s.pointee.pViewportState = optional(
    &r, decode_VkPipelineViewportStateCreateInfo, "VkGraphicsPipelineCreateInfo.pViewportState")
  s.pointee.pRasterizationState = optional(
    &r, decode_VkPipelineRasterizationStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pRasterizationState")
  s.pointee.pMultisampleState = optional(
    &r, decode_VkPipelineMultisampleStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pMultisampleState")
  s.pointee.pDepthStencilState = optional(
    &r, decode_VkPipelineDepthStencilStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pDepthStencilState")
  s.pointee.pColorBlendState = optional(
    &r, decode_VkPipelineColorBlendStateCreateInfo,
    "VkGraphicsPipelineCreateInfo.pColorBlendState")
  s.pointee.pDynamicState = optional(
    &r, decode_VkPipelineDynamicStateCreateInfo, "VkGraphicsPipelineCreateInfo.pDynamicState")
  guard let p = r.take(32, "VkGraphicsPipelineCreateInfo.layout") else { return }
  s.pointee.layout = handlePointer(
    r.resolve(
      p + 0, .pipelineLayout, optional: true, "VkGraphicsPipelineCreateInfo.layout"))
  s.pointee.renderPass = handlePointer(
    r.resolve(
      p + 8, .renderPass, optional: true, "VkGraphicsPipelineCreateInfo.renderPass"))
  s.pointee.subpass = p.get32(16)
  s.pointee.basePipelineHandle = handlePointer(
    r.resolve(
      p + 20, .pipeline, optional: true, "VkGraphicsPipelineCreateInfo.basePipelineHandle"))
  s.pointee.basePipelineIndex = Int32(bitPattern: p.get32(28))
}

private func optional<T>(
  _ r: inout Reader, _ decode: (inout Reader, UnsafeMutablePointer<T>) -> Void,
  _ field: StaticString
) -> UnsafePointer<T>? {
  guard r.presence(field), let room = r.room(1, MemoryLayout<T>.stride, field) else { return nil }
  let s: UnsafeMutablePointer<T> = room.bindMemory(to: T.self, capacity: 1)
  decode(&r, s)
  return UnsafePointer(s)
}
