import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "WSI Swapchain": images that the application makes itself for the memory of a swapchain
// (VkImageSwapchainCreateInfoKHR, VkBindImageMemorySwapchainInfoKHR). On the node there is one image
// for each of the swapchain's, and any number of names for it: an image that is made for a swapchain
// is a name of its first image until it is bound, and of the one that it is bound to from then on.
// So both have the same contents and layouts, which Vulkan promises for images so alike, and which no
// two images of a driver could be relied on to have.

/// The swapchain that an image is made for; nil for any other image.
func swapchain(ofNewImage info: VkImageCreateInfo) -> UnsafeMutablePointer<SwapchainObject>? {
  let chain = chained(VK_STRUCTURE_TYPE_IMAGE_SWAPCHAIN_CREATE_INFO_KHR, in: info.pNext)?
    .assumingMemoryBound(to: VkImageSwapchainCreateInfoKHR.self)
  return swapchainState(chain?.pointee.swapchain)
}

func makeImage(
  _ device: VkDevice?, for swapchain: UnsafeMutablePointer<SwapchainObject>, usage: UInt32,
  _ pImage: UnsafeMutablePointer<VkImage?>
) -> VkResult {
  let id = makeID(.image, device: device)
  guard let image = imageState(handlePointer(id)) else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  image.pointee.usage = usage
  image.pointee.isSwapchainName = 1
  let result = bind(device, id, swapchain.pointee.id, 0)
  guard result == VK_SUCCESS else {
    didDestroy(.image, id)
    return result
  }
  pImage.pointee = handlePointer(id)
  return VK_SUCCESS
}

private func bind(_ device: VkDevice?, _ image: UInt64, _ swapchain: UInt64, _ index: UInt32)
  -> VkResult
{
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  writer.pointee.begin(ControlOpcode.bindSwapchainImage)
  writer.pointee.u64(image)
  writer.pointee.u64(swapchain)
  writer.pointee.u32(index)
  writer.pointee.u32(0)
  writer.pointee.end()
  return endAsync(writer)
}

/// Ends an image that was made for a swapchain; false, with nothing done, for any other.
func destroySwapchainName(_ device: VkDevice?, _ image: VkImage) -> Bool {
  guard let state = imageState(image), state.pointee.isSwapchainName != 0 else { return false }
  if let writer = beginAsync(device: device) {
    writer.pointee.begin(ControlOpcode.forgetSwapchainImage)
    writer.pointee.u64(handleID(image))
    writer.pointee.end()
    endAsync(writer)
  }
  didDestroy(.image, handleID(image))
  return true
}

/// The swapchain's image whose memory an image is to be bound to; nil where it is ordinary memory.
private func swapchainMemory(_ info: VkBindImageMemoryInfo)
  -> (swapchain: UnsafeMutablePointer<SwapchainObject>, index: UInt32)?
{
  let chain = chained(VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_SWAPCHAIN_INFO_KHR, in: info.pNext)?
    .assumingMemoryBound(to: VkBindImageMemorySwapchainInfoKHR.self)
  guard let chain, let swapchain = swapchainState(chain.pointee.swapchain),
    chain.pointee.imageIndex < UInt32(truncatingIfNeeded: swapchain.pointee.imageCount)
  else { return nil }
  return (swapchain, chain.pointee.imageIndex)
}

/// Binds those of the images that get a swapchain's memory, and hands the others on, as they lie, to
/// `bindOrdinary`.
func bindImages(
  _ device: VkDevice?, _ infos: UnsafePointer<VkBindImageMemoryInfo>, _ count: Int,
  _ bindOrdinary: (UnsafePointer<VkBindImageMemoryInfo>, Int) -> VkResult
) -> VkResult {
  var ordinary = 0
  var i = 0
  while i < count {
    if let memory = swapchainMemory(infos[i]) {
      if ordinary > 0 {
        let result = bindOrdinary(infos + (i &- ordinary), ordinary)
        guard result == VK_SUCCESS else { return result }
        ordinary = 0
      }
      let result = bind(
        device, handleID(infos[i].image), memory.swapchain.pointee.id, memory.index)
      guard result == VK_SUCCESS else { return result }
    } else {
      ordinary &+= 1
    }
    i &+= 1
  }
  return ordinary > 0 ? bindOrdinary(infos + (count &- ordinary), ordinary) : VK_SUCCESS
}
