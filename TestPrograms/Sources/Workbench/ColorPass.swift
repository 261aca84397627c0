import CVulkan

/// One image that is cleared and drawn to in a render pass of one subpass. What the pass leaves can be
/// copied from.
public final class ColorPass: @unchecked Sendable {
  public let image: Image
  public let renderPass: VkRenderPass
  private let framebuffer: VkFramebuffer

  public init(_ device: Device, width: Int, height: Int) {
    image = Image(
      device, width: width, height: height,
      usage: bits(VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT, VK_IMAGE_USAGE_TRANSFER_SRC_BIT))
    renderPass = device.makeColorPass(
      VK_FORMAT_R8G8B8A8_UNORM, leaves: VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)
    framebuffer = device.makeFramebuffer(renderPass, image.view!, width, height)
    image.layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL
  }

  /// Begins the pass with viewport and scissor over all of the image.
  public func begin(_ commands: Commands) {
    commands.beginPass(renderPass, framebuffer, image.width, image.height)
  }
}

extension Device {
  /// A render pass with one color attachment, cleared at its beginning.
  public func makeColorPass(_ format: VkFormat, leaves layout: VkImageLayout) -> VkRenderPass {
    var attachment = VkAttachmentDescription()
    attachment.format = format
    attachment.samples = VK_SAMPLE_COUNT_1_BIT
    attachment.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR
    attachment.storeOp = VK_ATTACHMENT_STORE_OP_STORE
    attachment.finalLayout = layout
    var subpass = VkSubpassDescription()
    subpass.colorAttachmentCount = 1
    subpass.pColorAttachments = keep(
      VkAttachmentReference(attachment: 0, layout: VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL))
    // What comes before (an acquire, an earlier pass) and behind (a copy) is ordered with the writes.
    let dependencies = [
      VkSubpassDependency(
        srcSubpass: .max, dstSubpass: 0,
        srcStageMask: bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT),
        dstStageMask: bits(VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT),
        srcAccessMask: bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT),
        dstAccessMask: bits(VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT), dependencyFlags: 0),
      VkSubpassDependency(
        srcSubpass: 0, dstSubpass: .max,
        srcStageMask: bits(VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT),
        dstStageMask: bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT),
        srcAccessMask: bits(VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT),
        dstAccessMask: bits(VK_ACCESS_MEMORY_READ_BIT), dependencyFlags: 0),
    ]
    var info = VkRenderPassCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO
    info.attachmentCount = 1
    info.pAttachments = keep(attachment)
    info.subpassCount = 1
    info.pSubpasses = keep(subpass)
    info.dependencyCount = 2
    info.pDependencies = keep(dependencies)
    var pass: VkRenderPass?
    check(vkCreateRenderPass(handle, &info, nil, &pass), "vkCreateRenderPass")
    return own(pass, vkDestroyRenderPass)
  }

  public func makeFramebuffer(
    _ pass: VkRenderPass, _ view: VkImageView, _ width: Int, _ height: Int
  ) -> VkFramebuffer {
    var info = VkFramebufferCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO
    info.renderPass = pass
    info.attachmentCount = 1
    info.pAttachments = keep(Optional(view))
    info.width = UInt32(width)
    info.height = UInt32(height)
    info.layers = 1
    var framebuffer: VkFramebuffer?
    check(vkCreateFramebuffer(handle, &info, nil, &framebuffer), "vkCreateFramebuffer")
    return own(framebuffer, vkDestroyFramebuffer)
  }
}

extension Commands {
  /// Begins a render pass with one attachment, cleared to zeros, with viewport and scissor over all of it.
  public func beginPass(
    _ pass: VkRenderPass, _ framebuffer: VkFramebuffer, _ width: Int, _ height: Int
  ) {
    var area = VkRect2D()
    area.extent = VkExtent2D(width: UInt32(width), height: UInt32(height))
    var viewport = VkViewport(
      x: 0, y: 0, width: Float(width), height: Float(height), minDepth: 0, maxDepth: 1)
    var clear = VkClearValue()
    var begin = VkRenderPassBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO
    begin.renderPass = pass
    begin.framebuffer = framebuffer
    begin.renderArea = area
    begin.clearValueCount = 1
    withUnsafePointer(to: &clear) { clear in
      begin.pClearValues = clear
      vkCmdBeginRenderPass(handle, &begin, VK_SUBPASS_CONTENTS_INLINE)
    }
    vkCmdSetViewport(handle, 0, 1, &viewport)
    vkCmdSetScissor(handle, 0, 1, &area)
  }
}
