import CVulkan
import Workbench

/// What the device says of resources and formats: requirements, layouts, limits of formats.
func askRequirements(_ device: Device) -> [UInt8] {
  var result: [UInt64] = []
  func add(_ needs: VkMemoryRequirements) {
    result += [needs.size, needs.alignment, UInt64(needs.memoryTypeBits)]
  }
  for size in [UInt64(1), 100, 4097, 1 << 20] {
    for usage in [
      bits(VK_BUFFER_USAGE_VERTEX_BUFFER_BIT), bits(VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT),
    ] {
      var info = VkBufferCreateInfo()
      info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
      info.size = size
      info.usage = usage
      var buffer: VkBuffer?
      check(vkCreateBuffer(device.handle, &info, nil, &buffer), "vkCreateBuffer")
      var needs = VkMemoryRequirements()
      vkGetBufferMemoryRequirements(device.handle, buffer, &needs)
      add(needs)
      var dedicated = VkMemoryDedicatedRequirements()
      dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS
      let kept = UnsafeMutablePointer(mutating: keep(dedicated))
      var needs2 = VkMemoryRequirements2()
      needs2.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2
      needs2.pNext = UnsafeMutableRawPointer(kept)
      var ask = VkBufferMemoryRequirementsInfo2()
      ask.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2
      ask.buffer = buffer
      vkGetBufferMemoryRequirements2(device.handle, &ask, &needs2)
      add(needs2.memoryRequirements)
      result += [
        UInt64(kept.pointee.prefersDedicatedAllocation),
        UInt64(kept.pointee.requiresDedicatedAllocation),
      ]
      vkDestroyBuffer(device.handle, buffer, nil)
    }
  }
  for format in [VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_D32_SFLOAT, VK_FORMAT_BC1_RGB_UNORM_BLOCK] {
    var properties = VkFormatProperties()
    vkGetPhysicalDeviceFormatProperties(device.physical, format, &properties)
    result += [
      UInt64(properties.linearTilingFeatures), UInt64(properties.optimalTilingFeatures),
      UInt64(properties.bufferFeatures),
    ]
    var limits = VkImageFormatProperties()
    let answer = vkGetPhysicalDeviceImageFormatProperties(
      device.physical, format, VK_IMAGE_TYPE_2D, VK_IMAGE_TILING_OPTIMAL,
      bits(VK_IMAGE_USAGE_SAMPLED_BIT), 0, &limits)
    result.append(UInt64(UInt32(bitPattern: answer.rawValue)))
    guard answer == VK_SUCCESS else { continue }
    result += [
      UInt64(limits.maxExtent.width), UInt64(limits.maxMipLevels), UInt64(limits.maxArrayLayers),
      UInt64(limits.sampleCounts), limits.maxResourceSize,
    ]
  }
  return bytes(of: result)
}

/// Linear images in host-visible memory: laid out as the device says, written and read by the host.
func mapLinearImages(_ device: Device) -> [UInt8] {
  let width = 37
  let height = 29
  let source = LinearImage(device, width, height, usage: bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT))
  let target = LinearImage(device, width, height, usage: bits(VK_IMAGE_USAGE_TRANSFER_DST_BIT))
  let texels = pseudorandomWords(width * height, seed: 91)
  for row in 0..<height {
    for column in 0..<width {
      source.row(row)[column] = texels[row * width + column]
    }
  }
  device.run { commands in
    source.transition(commands, from: VK_IMAGE_LAYOUT_PREINITIALIZED)
    target.transition(commands, from: VK_IMAGE_LAYOUT_UNDEFINED)
    var region = VkImageCopy()
    region.srcSubresource = LinearImage.layers
    region.dstSubresource = LinearImage.layers
    region.extent = VkExtent3D(width: UInt32(width), height: UInt32(height), depth: 1)
    vkCmdCopyImage(
      commands.handle, source.handle, VK_IMAGE_LAYOUT_GENERAL, target.handle,
      VK_IMAGE_LAYOUT_GENERAL, 1, &region)
    commands.barrier()
  }
  var result = bytes(of: [UInt64(source.pitch), UInt64(target.pitch)])
  for row in 0..<height {
    result += bytes(of: Array(UnsafeBufferPointer(start: target.row(row), count: width)))
  }
  return result
}

/// A linear image of 4-byte texels in coherent memory that stays mapped.
struct LinearImage {
  static let layers = VkImageSubresourceLayers(
    aspectMask: 1, mipLevel: 0, baseArrayLayer: 0, layerCount: 1)

  let handle: VkImage
  /// Bytes from row to row.
  let pitch: Int
  private let base: UnsafeMutableRawPointer

  init(_ device: Device, _ width: Int, _ height: Int, usage: UInt32) {
    var info = VkImageCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO
    info.imageType = VK_IMAGE_TYPE_2D
    info.format = VK_FORMAT_R8G8B8A8_UNORM
    info.extent = VkExtent3D(width: UInt32(width), height: UInt32(height), depth: 1)
    info.mipLevels = 1
    info.arrayLayers = 1
    info.samples = VK_SAMPLE_COUNT_1_BIT
    info.tiling = VK_IMAGE_TILING_LINEAR
    info.usage = usage
    info.initialLayout = VK_IMAGE_LAYOUT_PREINITIALIZED
    var image: VkImage?
    check(vkCreateImage(device.handle, &info, nil, &image), "vkCreateImage")
    handle = device.own(image, vkDestroyImage)
    var needs = VkMemoryRequirements()
    vkGetImageMemoryRequirements(device.handle, image, &needs)
    let memory = device.allocate(needs, .coherent)
    check(vkBindImageMemory(device.handle, image, memory, 0), "vkBindImageMemory")
    var part = VkImageSubresource(aspectMask: 1, mipLevel: 0, arrayLayer: 0)
    var layout = VkSubresourceLayout()
    vkGetImageSubresourceLayout(device.handle, image, &part, &layout)
    pitch = Int(layout.rowPitch)
    var mapped: UnsafeMutableRawPointer?
    check(vkMapMemory(device.handle, memory, 0, wholeSize, 0, &mapped), "vkMapMemory")
    base = mapped! + Int(layout.offset)
  }

  func row(_ index: Int) -> UnsafeMutablePointer<UInt32> {
    (base + index * pitch).assumingMemoryBound(to: UInt32.self)
  }

  func transition(_ commands: Commands, from layout: VkImageLayout) {
    var barrier = VkImageMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
    barrier.srcAccessMask = bits(VK_ACCESS_HOST_WRITE_BIT)
    barrier.dstAccessMask = bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
    barrier.oldLayout = layout
    barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL
    barrier.srcQueueFamilyIndex = queueFamilyIgnored
    barrier.dstQueueFamilyIndex = queueFamilyIgnored
    barrier.image = handle
    barrier.subresourceRange = VkImageSubresourceRange(
      aspectMask: 1, baseMipLevel: 0, levelCount: 1, baseArrayLayer: 0, layerCount: 1)
    vkCmdPipelineBarrier(
      commands.handle, bits(VK_PIPELINE_STAGE_HOST_BIT),
      bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT), 0, 0, nil, 0, nil, 1, &barrier)
  }
}
