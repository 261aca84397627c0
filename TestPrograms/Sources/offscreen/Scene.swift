import CVulkan
import Shaders
import Workbench

/// Textured, depth-tested, instanced quads: what `scene.vert` and `scene.frag` draw.
final class Scene {
  struct Push {
    var tint: SIMD4<Float>
    var shift: SIMD2<Float>
    var scale: Float
    var depth: Float
  }

  static let size = 192
  static let bindings = [
    Binding(VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER), Binding(VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER),
  ]

  let device: Device
  let layout: PipelineLayout
  let pipeline: VkPipeline
  let renderPass: VkRenderPass
  let framebuffer: VkFramebuffer
  let color: Image
  let depth: Image
  /// With samples: what the color attachment resolves to.
  let resolved: Image?
  let vertices: Buffer
  let indices: Buffer
  let view: Buffer
  let set: VkDescriptorSet

  init(
    _ device: Device, _ path: MemoryPath = .coherent,
    samples: VkSampleCountFlagBits = VK_SAMPLE_COUNT_1_BIT
  ) {
    self.device = device
    let size = Self.size
    let isMultisampled = samples != VK_SAMPLE_COUNT_1_BIT
    let readable = bits(
      VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT)
    color = Image(device, width: size, height: size, usage: readable, samples: samples)
    depth = Image(
      device, width: size, height: size, format: VK_FORMAT_D32_SFLOAT,
      usage: bits(
        VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT),
      samples: samples)
    resolved = isMultisampled ? Image(device, width: size, height: size, usage: readable) : nil
    renderPass = Self.makeRenderPass(device, samples)
    framebuffer = Self.makeFramebuffer(
      device, renderPass, [color, depth] + (resolved.map { [$0] } ?? []))
    layout = device.makeLayout([Self.bindings], pushBytes: MemoryLayout<Push>.size)
    var state = GraphicsState()
    state.attributes = Self.attributes
    state.stride = 20
    state.depth = true
    state.samples = samples
    state.renderPass = renderPass
    pipeline = device.makeGraphicsPipeline(
      vertex: Shader.sceneVertex, fragment: Shader.sceneFragment, layout, state)

    vertices = Buffer(device, size: 80, path: path)
    vertices.write(
      [
        -0.5, -0.5, 0.0, 0.0, 0.0, 0.5, -0.5, 0.1, 1.0, 0.0,
        0.5, 0.5, 0.0, 1.0, 1.0, -0.5, 0.5, 0.1, 0.0, 1.0,
      ] as [Float])
    indices = Buffer(device, size: 12, path: path)
    indices.write([0, 1, 2, 2, 3, 0] as [UInt16])
    view = Buffer(device, size: 80, path: path)
    set = device.makeSets(layout)[0]
    device.write(set, 0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, view)
    let texture = Self.makeTexture(device, path)
    device.write(
      set, 1, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
      images: [
        VkDescriptorImageInfo(
          sampler: Self.makeSampler(device), imageView: texture.view,
          imageLayout: VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL)
      ])
    turn(step: 0)
  }

  static var attributes: [VkVertexInputAttributeDescription] {
    [
      .init(location: 0, binding: 0, format: VK_FORMAT_R32G32B32_SFLOAT, offset: 0),
      .init(location: 1, binding: 0, format: VK_FORMAT_R32G32_SFLOAT, offset: 12),
    ]
  }

  /// Writes the uniform buffer; exact in binary, so that no library's sine decides a pixel.
  func turn(step: Int) {
    let skew = Float(step % 16) / 64
    view.write(
      [
        0.75, skew, 0, 0, -skew, 0.75, 0, 0, 0, 0, 0.25, 0, 0, 0, 0.25, 1,
        skew / 2, -skew / 2, 0, 0,
      ] as [Float])
  }

  /// Binds and draws a few instanced quads; inside a render pass.
  func draw(_ commands: Commands, quads: Range<Int> = 0..<4) {
    bind(commands)
    for index in quads {
      push(commands, index)
      vkCmdDrawIndexed(commands.handle, 6, 12, 0, 0, 0)
    }
  }

  func push(_ commands: Commands, _ index: Int) {
    let part = Float(index)
    var push = Push(
      tint: [1, 1 - part / 8, 0.5 + part / 16, 1], shift: [part / 16, -part / 32],
      scale: 0.75 - part / 8, depth: 0.5 - part / 4)
    vkCmdPushConstants(
      commands.handle, layout.handle, bits(VK_SHADER_STAGE_ALL), 0,
      UInt32(MemoryLayout<Push>.size), &push)
  }

  func bind(_ commands: Commands, pipeline: VkPipeline? = nil) {
    let handle = commands.handle
    var viewport = VkViewport(
      x: 0, y: 0, width: Float(Self.size), height: Float(Self.size), minDepth: 0, maxDepth: 1)
    var scissor = area
    var set: VkDescriptorSet? = set
    var buffer: VkBuffer? = vertices.handle
    var offset: UInt64 = 0
    vkCmdBindPipeline(handle, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline ?? self.pipeline)
    vkCmdSetViewport(handle, 0, 1, &viewport)
    vkCmdSetScissor(handle, 0, 1, &scissor)
    vkCmdBindDescriptorSets(
      handle, VK_PIPELINE_BIND_POINT_GRAPHICS, layout.handle, 0, 1, &set, 0, nil)
    vkCmdBindVertexBuffers(handle, 0, 1, &buffer, &offset)
    vkCmdBindIndexBuffer(handle, indices.handle, 0, VK_INDEX_TYPE_UINT16)
  }

  func beginPass(_ commands: Commands, _ contents: VkSubpassContents = VK_SUBPASS_CONTENTS_INLINE) {
    var info = VkRenderPassBeginInfo()
    info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO
    info.renderPass = renderPass
    info.framebuffer = framebuffer
    info.renderArea = area
    info.clearValueCount = resolved == nil ? 2 : 3
    info.pClearValues = keep(Self.clearValues)
    vkCmdBeginRenderPass(commands.handle, &info, contents)
  }

  /// Ends the pass; its final layouts are those that copies read.
  func endPass(_ commands: Commands) {
    vkCmdEndRenderPass(commands.handle)
    commands.barrier()
  }

  var area: VkRect2D {
    VkRect2D(
      offset: VkOffset2D(x: 0, y: 0),
      extent: VkExtent2D(width: UInt32(Self.size), height: UInt32(Self.size)))
  }

  static var clearValues: [VkClearValue] {
    var color = VkClearValue()
    color.color.float32 = (0.125, 0.25, 0.375, 1)
    var depth = VkClearValue()
    depth.depthStencil = VkClearDepthStencilValue(depth: 1, stencil: 0)
    return [color, depth, color]
  }

  /// Color and, with one sample, depth.
  func result(_ path: MemoryPath = .coherent) -> [UInt8] {
    if let resolved { return resolved.read(path) }
    return color.read(path) + depth.read(path)
  }

  /// A checkered texture with a chain of levels made by blits.
  private static func makeTexture(_ device: Device, _ path: MemoryPath) -> Image {
    let size = 64
    let levels = 4
    let image = Image(
      device, width: size, height: size,
      usage: bits(
        VK_IMAGE_USAGE_SAMPLED_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
        VK_IMAGE_USAGE_TRANSFER_DST_BIT), levels: levels)
    let staging = Buffer(device, size: size * size * 4, path: path)
    let noise = pseudorandomWords(size * size, seed: 11)
    staging.write(
      (0..<size * size).map { index in
        let isDark = (index / size / 8 + index % size / 8) % 2 == 0
        return (noise[index] & 0x1f1f1f) + (isDark ? 0xff40_2010 : 0xffc0_d0e0)
      })
    device.run { commands in
      image.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
      commands.copy(staging, image)
      for level in 1..<levels {
        let from = Int32(size >> (level - 1))
        let to = Int32(size >> level)
        var blit = VkImageBlit()
        blit.srcSubresource = image.layers(level: level - 1)
        blit.srcOffsets.1 = VkOffset3D(x: from, y: from, z: 1)
        blit.dstSubresource = image.layers(level: level)
        blit.dstOffsets.1 = VkOffset3D(x: to, y: to, z: 1)
        vkCmdBlitImage(
          commands.handle, image.handle, VK_IMAGE_LAYOUT_GENERAL, image.handle,
          VK_IMAGE_LAYOUT_GENERAL, 1, &blit, VK_FILTER_LINEAR)
        commands.barrier()
      }
      image.transition(commands, to: VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL)
    }
    staging.destroy()
    return image
  }

  private static func makeSampler(_ device: Device) -> VkSampler {
    var info = VkSamplerCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO
    info.magFilter = VK_FILTER_LINEAR
    info.minFilter = VK_FILTER_LINEAR
    info.mipmapMode = VK_SAMPLER_MIPMAP_MODE_LINEAR
    info.maxLod = 4
    var sampler: VkSampler?
    check(vkCreateSampler(device.handle, &info, nil, &sampler), "vkCreateSampler")
    return device.own(sampler, vkDestroySampler)
  }

  private static func makeRenderPass(
    _ device: Device, _ samples: VkSampleCountFlagBits
  ) -> VkRenderPass {
    func attachment(
      _ format: VkFormat, _ samples: VkSampleCountFlagBits
    ) -> VkAttachmentDescription {
      var attachment = VkAttachmentDescription()
      attachment.format = format
      attachment.samples = samples
      attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
      attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
      attachment.stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE
      attachment.stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE
      attachment.finalLayout = VK_IMAGE_LAYOUT_GENERAL
      return attachment
    }
    let isMultisampled = samples != VK_SAMPLE_COUNT_1_BIT
    var attachments = [
      attachment(VK_FORMAT_R8G8B8A8_UNORM, samples), attachment(VK_FORMAT_D32_SFLOAT, samples),
    ]
    if isMultisampled {
      attachments.append(attachment(VK_FORMAT_R8G8B8A8_UNORM, VK_SAMPLE_COUNT_1_BIT))
    }
    var subpass = VkSubpassDescription()
    subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS
    subpass.colorAttachmentCount = 1
    subpass.pColorAttachments = keep(
      VkAttachmentReference(attachment: 0, layout: VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL))
    subpass.pDepthStencilAttachment = keep(
      VkAttachmentReference(
        attachment: 1, layout: VK_IMAGE_LAYOUT_DEPTH_STENCIL_ATTACHMENT_OPTIMAL))
    if isMultisampled {
      subpass.pResolveAttachments = keep(
        VkAttachmentReference(attachment: 2, layout: VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL))
    }
    var info = VkRenderPassCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO
    info.attachmentCount = UInt32(attachments.count)
    info.pAttachments = keep(attachments)
    info.subpassCount = 1
    info.pSubpasses = keep(subpass)
    var pass: VkRenderPass?
    check(vkCreateRenderPass(device.handle, &info, nil, &pass), "vkCreateRenderPass")
    return device.own(pass, vkDestroyRenderPass)
  }

  private static func makeFramebuffer(
    _ device: Device, _ pass: VkRenderPass, _ images: [Image]
  ) -> VkFramebuffer {
    var info = VkFramebufferCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO
    info.renderPass = pass
    info.attachmentCount = UInt32(images.count)
    info.pAttachments = keep(images.map(\.view))
    info.width = UInt32(size)
    info.height = UInt32(size)
    info.layers = 1
    var framebuffer: VkFramebuffer?
    check(vkCreateFramebuffer(device.handle, &info, nil, &framebuffer), "vkCreateFramebuffer")
    return device.own(framebuffer, vkDestroyFramebuffer)
  }
}
