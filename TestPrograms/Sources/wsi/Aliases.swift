import CVulkan
import Workbench

/// Images that are made for a swapchain and bound to its memory show what is drawn to them.
func bindToSwapchain() {
  let target = Target()
  let swapchain = Swapchain(target)
  let aliases = swapchain.images.map { _ in makeAlias(swapchain) }
  // Requirements may be asked for at any time.
  var needs = VkMemoryRequirements()
  vkGetImageMemoryRequirements(device.handle, aliases[0], &needs)
  expect(needs.size > 0 && needs.memoryTypeBits != 0, "an alias has no memory requirements")
  // Together with ordinary images, in an order that is not the swapchain's.
  var infos: [VkBindImageMemoryInfo] = []
  var ordinary: [VkImage] = []
  for index in aliases.indices.reversed() {
    infos.append(bind(aliases[index], swapchain, index))
    ordinary.append(makeImage(swapchain, nil))
    infos.append(bind(ordinary[ordinary.count - 1], device.allocate(needs, .staged)))
  }
  check(
    vkBindImageMemory2(device.handle, UInt32(infos.count), infos), "vkBindImageMemory2")
  for image in ordinary { vkDestroyImage(device.handle, image, nil) }
  for round in 0..<6 {
    let index = Int(swapchain.acquireReady())
    let color: Color = round % 2 == 0 ? .green : .blue
    clear([aliases[index]], color)
    let result = present([(swapchain, UInt32(index))]).result
    expect(result == VK_SUCCESS, "present returned \(name(result))")
    target.waitForPixel(8, 8, color.pixel)
  }
  // Another alias of an image that is aliased already, gone before it was bound or after.
  let second = makeAlias(swapchain)
  vkDestroyImage(device.handle, makeAlias(swapchain), nil)
  var last = bind(second, swapchain, 0)
  check(vkBindImageMemory2(device.handle, 1, &last), "vkBindImageMemory2")
  vkDestroyImage(device.handle, second, nil)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  for alias in aliases.dropLast() { vkDestroyImage(device.handle, alias, nil) }
  swapchain.destroy()
  vkDestroyImage(device.handle, aliases[aliases.count - 1], nil)
  // What comes after is in order.
  let after = Swapchain(target)
  expect(show(after, .red) == VK_SUCCESS, "present failed")
  target.waitForPixel(8, 8, Color.red.pixel)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  after.destroy()
  target.destroy()
}

private func makeAlias(_ swapchain: Swapchain) -> VkImage {
  var chain = VkImageSwapchainCreateInfoKHR()
  chain.sType = VK_STRUCTURE_TYPE_IMAGE_SWAPCHAIN_CREATE_INFO_KHR
  chain.swapchain = swapchain.handle
  return makeImage(swapchain, UnsafeRawPointer(keep(chain)))
}

/// An image like those of a swapchain.
private func makeImage(_ swapchain: Swapchain, _ chain: UnsafeRawPointer?) -> VkImage {
  var info = VkImageCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO
  info.pNext = chain
  info.imageType = VK_IMAGE_TYPE_2D
  info.format = swapchain.info.imageFormat
  info.extent = VkExtent3D(
    width: swapchain.info.imageExtent.width, height: swapchain.info.imageExtent.height, depth: 1)
  info.mipLevels = 1
  info.arrayLayers = 1
  info.samples = VK_SAMPLE_COUNT_1_BIT
  info.tiling = VK_IMAGE_TILING_OPTIMAL
  info.usage = swapchain.info.imageUsage
  var image: VkImage?
  check(vkCreateImage(device.handle, &info, nil, &image), "vkCreateImage")
  return image!
}

private func bind(_ image: VkImage, _ memory: VkDeviceMemory) -> VkBindImageMemoryInfo {
  var info = VkBindImageMemoryInfo()
  info.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO
  info.image = image
  info.memory = memory
  return info
}

private func bind(_ image: VkImage, _ swapchain: Swapchain, _ index: Int) -> VkBindImageMemoryInfo {
  var chain = VkBindImageMemorySwapchainInfoKHR()
  chain.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR
  chain.swapchain = swapchain.handle
  chain.imageIndex = UInt32(index)
  var info = VkBindImageMemoryInfo()
  info.sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO
  info.pNext = UnsafeRawPointer(keep(chain))
  info.image = image
  return info
}
