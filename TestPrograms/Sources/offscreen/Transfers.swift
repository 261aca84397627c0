import CVulkan
import Workbench

/// Copies, fills and updates of buffers on one memory path.
func transferBuffers(_ device: Device, _ path: MemoryPath) -> [UInt8] {
  let size = 16384
  let source = Buffer(device, size: size, path: path)
  let target = Buffer(device, size: size, path: path)
  source.write(pseudorandomWords(size / 4, seed: 3))
  target.write([UInt32](repeating: 0x0102_0304, count: size / 4))
  device.run { commands in
    var regions = [
      VkBufferCopy(srcOffset: 0, dstOffset: 8192, size: 1000),
      VkBufferCopy(srcOffset: 5001, dstOffset: 301, size: 4099),
      VkBufferCopy(srcOffset: 16383, dstOffset: 0, size: 1),
    ]
    vkCmdCopyBuffer(commands.handle, source.handle, target.handle, 3, &regions)
    commands.barrier()
    vkCmdFillBuffer(commands.handle, target.handle, 12000, 400, 0xfeed_beef)
    var words = pseudorandomWords(64, seed: 9)
    vkCmdUpdateBuffer(commands.handle, target.handle, 12800, 256, &words)
    commands.barrier()
    vkCmdFillBuffer(commands.handle, target.handle, 16000, wholeSize, 7)
    commands.barrier()
  }
  defer {
    source.destroy()
    target.destroy()
  }
  return target.read() + target.read(at: 8001, count: 333)
}

/// Clears, copies and blits of images, with both filters, mirrored and in part.
func transferImages(_ device: Device) -> [UInt8] {
  let usage = bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT)
  let source = Image(device, width: 96, height: 80, usage: usage)
  let target = Image(device, width: 128, height: 128, usage: usage)
  source.write(pseudorandomWords(96 * 80, seed: 21))
  var result: [UInt8] = []
  for filter in [VK_FILTER_NEAREST, VK_FILTER_LINEAR] {
    device.run { commands in
      target.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
      source.transition(commands, to: VK_IMAGE_LAYOUT_GENERAL)
      var color = VkClearColorValue()
      color.float32 = (0.5, 0.25, 0.125, 1)
      var range = VkImageSubresourceRange(
        aspectMask: target.aspect, baseMipLevel: 0, levelCount: 1, baseArrayLayer: 0,
        layerCount: 1)
      vkCmdClearColorImage(
        commands.handle, target.handle, VK_IMAGE_LAYOUT_GENERAL, &color, 1, &range)
      commands.barrier()
      var blit = VkImageBlit()
      blit.srcSubresource = source.layers()
      blit.srcOffsets = (VkOffset3D(x: 90, y: 3, z: 0), VkOffset3D(x: 10, y: 70, z: 1))
      blit.dstSubresource = target.layers()
      blit.dstOffsets = (VkOffset3D(x: 5, y: 4, z: 0), VkOffset3D(x: 120, y: 101, z: 1))
      vkCmdBlitImage(
        commands.handle, source.handle, VK_IMAGE_LAYOUT_GENERAL, target.handle,
        VK_IMAGE_LAYOUT_GENERAL, 1, &blit, filter)
      commands.barrier()
      var copy = VkImageCopy()
      copy.srcSubresource = source.layers()
      copy.srcOffset = VkOffset3D(x: 1, y: 2, z: 0)
      copy.dstSubresource = target.layers()
      copy.dstOffset = VkOffset3D(x: 60, y: 90, z: 0)
      copy.extent = VkExtent3D(width: 33, height: 30, depth: 1)
      vkCmdCopyImage(
        commands.handle, source.handle, VK_IMAGE_LAYOUT_GENERAL, target.handle,
        VK_IMAGE_LAYOUT_GENERAL, 1, &copy)
      commands.barrier()
    }
    result += target.read() + source.read()
  }
  return result
}
