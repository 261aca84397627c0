import CVulkan

/// A 2D image with device-local memory and, unless it is only copied, a view of all of it.
public final class Image {
  public let handle: VkImage
  public let view: VkImageView?
  public let width: Int
  public let height: Int
  public let levels: Int
  public let aspect: UInt32
  /// To be set by whoever lets a render pass change it.
  public var layout = VK_IMAGE_LAYOUT_UNDEFINED
  private let memory: VkDeviceMemory
  private let device: Device

  public init(
    _ device: Device, width: Int, height: Int, format: VkFormat = VK_FORMAT_R8G8B8A8_UNORM,
    usage: UInt32, levels: Int = 1, samples: VkSampleCountFlagBits = VK_SAMPLE_COUNT_1_BIT
  ) {
    self.device = device
    self.width = width
    self.height = height
    self.levels = levels
    aspect =
      format == VK_FORMAT_D32_SFLOAT
      ? bits(VK_IMAGE_ASPECT_DEPTH_BIT) : bits(VK_IMAGE_ASPECT_COLOR_BIT)
    var info = VkImageCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO
    info.imageType = VK_IMAGE_TYPE_2D
    info.format = format
    info.extent = VkExtent3D(width: UInt32(width), height: UInt32(height), depth: 1)
    info.mipLevels = UInt32(levels)
    info.arrayLayers = 1
    info.samples = samples
    info.usage = usage
    var handle: VkImage?
    check(vkCreateImage(device.handle, &info, nil, &handle), "vkCreateImage")
    self.handle = device.own(handle, vkDestroyImage)
    var needs = VkMemoryRequirements()
    vkGetImageMemoryRequirements(device.handle, handle, &needs)
    memory = device.allocate(needs, .staged)
    check(vkBindImageMemory(device.handle, handle, memory, 0), "vkBindImageMemory")
    let copies = bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT)
    guard usage & ~copies != 0 else {
      view = nil
      return
    }
    view = device.makeView(self.handle, format, aspect: aspect, levels: levels)
  }

  /// Frees everything; the device must be done with it.
  public func destroy() {
    if let view { device.discard(view) }
    device.discard(handle)
    device.discard(memory)
  }

  /// Records a change of layout of all levels, ordered behind and before everything.
  public func transition(_ commands: Commands, to layout: VkImageLayout) {
    var barrier = VkImageMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
    barrier.srcAccessMask = bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
    barrier.dstAccessMask = barrier.srcAccessMask
    barrier.oldLayout = self.layout
    barrier.newLayout = layout
    barrier.srcQueueFamilyIndex = queueFamilyIgnored
    barrier.dstQueueFamilyIndex = queueFamilyIgnored
    barrier.image = handle
    barrier.subresourceRange = VkImageSubresourceRange(
      aspectMask: aspect, baseMipLevel: 0, levelCount: UInt32(levels), baseArrayLayer: 0,
      layerCount: 1)
    let everything = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
    vkCmdPipelineBarrier(
      commands.handle, everything, everything, 0, 0, nil, 0, nil, 1, &barrier)
    self.layout = layout
  }

  /// One level as the target or source of a copy.
  public func layers(level: Int = 0) -> VkImageSubresourceLayers {
    VkImageSubresourceLayers(
      aspectMask: aspect, mipLevel: UInt32(level), baseArrayLayer: 0, layerCount: 1)
  }

  /// The bytes of level 0, copied through a buffer; 4 bytes a texel.
  public func read(_ path: MemoryPath = .coherent) -> [UInt8] {
    let buffer = Buffer(device, size: width * height * 4, path: path)
    device.run { commands in
      transition(commands, to: VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)
      commands.copy(self, buffer)
    }
    defer { buffer.destroy() }
    return buffer.read()
  }

  /// Fills level 0 with 4-byte texels, leaving the image in the general layout.
  public func write(_ texels: [UInt32]) {
    let buffer = Buffer(device, size: texels.count * 4)
    buffer.write(texels)
    device.run { commands in
      transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
      commands.copy(buffer, self)
    }
    buffer.destroy()
  }
}

extension Image {
  /// Notes the layout that a render pass left the image in.
  public func leave(in layout: VkImageLayout) { self.layout = layout }
}

extension Device {
  /// A view of a 2D image.
  public func makeView(
    _ image: VkImage, _ format: VkFormat, aspect: UInt32 = bits(VK_IMAGE_ASPECT_COLOR_BIT),
    levels: Int = 1
  ) -> VkImageView {
    var info = VkImageViewCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO
    info.image = image
    info.viewType = VK_IMAGE_VIEW_TYPE_2D
    info.format = format
    info.subresourceRange = VkImageSubresourceRange(
      aspectMask: aspect, baseMipLevel: 0, levelCount: UInt32(levels), baseArrayLayer: 0,
      layerCount: 1)
    var view: VkImageView?
    check(vkCreateImageView(handle, &info, nil, &view), "vkCreateImageView")
    return own(view, vkDestroyImageView)
  }
}
