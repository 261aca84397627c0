import CVulkan
import Shaders
import Workbench

/// The scene with its vertices, indices, uniforms, texture and results on one memory path.
func drawScene(_ device: Device, _ path: MemoryPath) -> [UInt8] {
  let scene = Scene(device, path)
  device.run { commands in
    scene.beginPass(commands)
    scene.draw(commands)
    scene.endPass(commands)
  }
  return scene.resultAfterPass(path)
}

/// The scene at 4 samples, resolved by the pass.
func drawSceneMultisampled(_ device: Device) -> [UInt8] {
  let scene = Scene(device, samples: VK_SAMPLE_COUNT_4_BIT)
  device.run { commands in
    scene.beginPass(commands)
    scene.draw(commands)
    scene.endPass(commands)
  }
  return scene.resultAfterPass()
}

/// The scene recorded into two secondary command buffers, executed twice from primaries.
func drawSceneFromSecondaries(_ device: Device) -> [UInt8] {
  let scene = Scene(device)
  var inheritance = VkCommandBufferInheritanceInfo()
  inheritance.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO
  inheritance.renderPass = scene.renderPass
  inheritance.framebuffer = scene.framebuffer
  let secondaries = [0..<2, 2..<4].map { quads in
    let commands = Commands(device, level: VK_COMMAND_BUFFER_LEVEL_SECONDARY)
    commands.begin(
      bits(
        VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT,
        VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT), inheriting: inheritance)
    scene.draw(commands, quads: quads)
    commands.end()
    return commands
  }
  var result: [UInt8] = []
  for order in [[0, 1], [1], [1, 0]] {
    device.run { commands in
      var handles = order.map { Optional(secondaries[$0].handle) }
      scene.beginPass(commands, VK_SUBPASS_CONTENTS_SECONDARY_COMMAND_BUFFERS)
      vkCmdExecuteCommands(commands.handle, UInt32(handles.count), &handles)
      scene.endPass(commands)
    }
    result += scene.resultAfterPass()
  }
  return result
}

/// Indirect draws whose arguments and count a compute shader writes.
func drawSceneIndirectly(_ device: Device) -> [UInt8] {
  let scene = Scene(device)
  let source = Buffer(device, size: 16)
  source.write([UInt32(3), 0, 0, 0])
  let arguments = Buffer(device, size: 256, path: .staged)
  arguments.write([UInt32](repeating: 0, count: 64))
  let storage = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
  let layout = device.makeLayout([[Binding(storage), Binding(storage)]], pushBytes: 0)
  let set = device.makeSets(layout)[0]
  device.write(set, 0, storage, source)
  device.write(set, 1, storage, arguments)
  let pipeline = device.makeComputePipeline(Shader.argumentsCompute, layout)
  let canCount = device.features12.drawIndirectCount != 0
  let canDrawMany = device.features.multiDrawIndirect != 0
  device.run { commands in
    var set: VkDescriptorSet? = set
    vkCmdBindPipeline(commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
    vkCmdBindDescriptorSets(
      commands.handle, VK_PIPELINE_BIND_POINT_COMPUTE, layout.handle, 0, 1, &set, 0, nil)
    vkCmdDispatch(commands.handle, 4, 1, 1)
    commands.barrier()
    scene.beginPass(commands)
    scene.bind(commands)
    scene.push(commands, 0)
    if canCount {
      vkCmdDrawIndexedIndirectCount(
        commands.handle, arguments.handle, 16, arguments.handle, 0, 4, 20)
    }
    scene.push(commands, 1)
    vkCmdDrawIndexedIndirect(commands.handle, arguments.handle, 36, canDrawMany ? 3 : 1, 20)
    scene.endPass(commands)
  }
  return arguments.read(count: 96) + scene.resultAfterPass()
}

/// The scene through dynamic rendering, second barriers and second submits. Empty where the device
/// does not have them.
func drawSceneDynamically(_ device: Device) -> [UInt8] {
  guard device.features13.dynamicRendering != 0, device.features13.synchronization2 != 0 else {
    return []
  }
  let scene = Scene(device)
  var state = GraphicsState()
  state.attributes = Scene.attributes
  state.stride = 20
  state.depth = true
  let pipeline = device.makeGraphicsPipeline(
    vertex: Shader.sceneVertex, fragment: Shader.sceneFragment, scene.layout, state)
  let commands = Commands(device)
  commands.begin()
  scene.color.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
  scene.depth.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
  let attachments = [scene.color, scene.depth].enumerated().map { index, image in
    var attachment = VkRenderingAttachmentInfo()
    attachment.sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO
    attachment.imageView = image.view
    attachment.imageLayout = VK_IMAGE_LAYOUT_GENERAL
    attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
    attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
    attachment.clearValue = Scene.clearValues[index]
    return attachment
  }
  var rendering = VkRenderingInfo()
  rendering.sType = VK_STRUCTURE_TYPE_RENDERING_INFO
  rendering.renderArea = scene.area
  rendering.layerCount = 1
  rendering.colorAttachmentCount = 1
  rendering.pColorAttachments = keep(attachments[0])
  rendering.pDepthAttachment = keep(attachments[1])
  vkCmdBeginRendering(commands.handle, &rendering)
  scene.bind(commands, pipeline: pipeline)
  for index in 0..<4 {
    scene.push(commands, index)
    vkCmdDrawIndexed(commands.handle, 6, 12, 0, 0, 0)
  }
  vkCmdEndRendering(commands.handle)
  var barrier = VkMemoryBarrier2()
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2
  barrier.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT
  barrier.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
  barrier.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT
  var dependency = VkDependencyInfo()
  dependency.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO
  dependency.memoryBarrierCount = 1
  dependency.pMemoryBarriers = keep(barrier)
  vkCmdPipelineBarrier2(commands.handle, &dependency)
  commands.end()

  var commandInfo = VkCommandBufferSubmitInfo()
  commandInfo.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO
  commandInfo.commandBuffer = commands.handle
  var submit = VkSubmitInfo2()
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2
  submit.commandBufferInfoCount = 1
  submit.pCommandBufferInfos = keep(commandInfo)
  let fence = device.makeFence()
  check(vkQueueSubmit2(device.queue, 1, &submit, fence), "vkQueueSubmit2")
  device.wait(fence)
  return scene.result()
}

/// Fifty frames of one recorded command buffer, each with new uniforms written into mapped memory.
func drawFrames(_ device: Device) -> [UInt8] {
  let scene = Scene(device)
  let pixels = Buffer(device, size: Scene.size * Scene.size * 4)
  let commands = Commands(device)
  commands.begin()
  scene.beginPass(commands)
  scene.draw(commands)
  scene.endPass(commands)
  scene.color.leave(in: VK_IMAGE_LAYOUT_GENERAL)
  commands.copy(scene.color, pixels)
  commands.end()
  let fence = device.makeFence()
  var result: [UInt8] = []
  for step in 0..<50 {
    scene.turn(step: step)
    device.submit(commands, fence: fence)
    device.wait(fence)
    var handle: VkFence? = fence
    check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
    result += step % 10 == 9 ? pixels.read() : bytes(of: [hash(pixels.read())])
  }
  return result
}

extension Scene {
  /// The result of a pass that left its attachments in the general layout.
  func resultAfterPass(_ path: MemoryPath = .coherent) -> [UInt8] {
    for image in [color, depth, resolved] { image?.leave(in: VK_IMAGE_LAYOUT_GENERAL) }
    return result(path)
  }
}
