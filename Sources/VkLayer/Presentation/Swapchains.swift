import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "WSI Swapchain". A swapchain is virtual: its images are ordinary ones of the node, whose
// pixels arrive in frame buffers that a presenter of this process shows.

/// What the client knows of a VkSwapchainKHR.
struct SwapchainObject {
  var id: UInt64
  var presenter: Presenter
  var imageCount: Int
  /// One of each image.
  var images: UnsafeMutablePointer<SwapchainImage>

  /// As many as a frame memfd is made for.
  static var mostImages: Int { 64 }
}

/// An image of a swapchain.
struct SwapchainImage {
  var id: UInt64
  /// Holds the generation of the last frame that has arrived in the image's frame buffer.
  var slot: UInt32
  /// Generation of the last frame that was presented.
  var generation: UInt64
}

/// The state behind a VkSwapchainKHR of ours; nil for anything else.
func swapchainState(_ swapchain: VkSwapchainKHR?) -> UnsafeMutablePointer<SwapchainObject>? {
  ObjectTable.state(of: handleID(swapchain), .swapchain)?
    .load(as: UnsafeMutablePointer<SwapchainObject>?.self)
}

// MARK: Creation

func hook_vkCreateSwapchainKHR(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkSwapchainCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSwapchain: UnsafeMutablePointer<VkSwapchainKHR?>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pCreateInfo, let pSwapchain else {
    return VK_ERROR_INITIALIZATION_FAILED
  }
  guard let window = SurfaceTable.window(of: info.pointee.surface) else {
    return VK_ERROR_SURFACE_LOST_KHR
  }
  guard state.pointee.connection.segment.lost == 0 else { return VK_ERROR_DEVICE_LOST }
  // The old one is retired whether or not there will be a new one.
  swapchainState(info.pointee.oldSwapchain)?.pointee.presenter.retire()
  guard let layout = pixelLayout(info.pointee.imageFormat),
    let mode = PresentMode(rawValue: UInt32(info.pointee.presentMode.rawValue))
  else {
    log(.error, "vkCreateSwapchainKHR: imageFormat or presentMode is none that the surface has")
    return VK_ERROR_INITIALIZATION_FAILED
  }
  var imageCount = max(1, Int(info.pointee.minImageCount))
  // Three to draw on while one waits and one is being read.
  if mode == .mailbox && window.system == .x11 { imageCount = max(5, imageCount) }
  guard imageCount <= SwapchainObject.mostImages,
    let frames = FrameBuffers.make(
      imageCount: imageCount, width: Int(info.pointee.imageExtent.width),
      height: Int(info.pointee.imageExtent.height), layout: layout)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  guard
    let presenter = Presenter.start(
      connection: state.pointee.connection, window: window, frames: frames, mode: mode,
      isOpaque: info.pointee.compositeAlpha != VK_COMPOSITE_ALPHA_PRE_MULTIPLIED_BIT_KHR)
  else { return VK_ERROR_SURFACE_LOST_KHR }
  guard let swapchain = makeSwapchain(device, state, info.pointee, presenter) else {
    presenter.stop()
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let result = announce(swapchain, device, state, info.pointee)
  guard result == VK_SUCCESS else {
    end(swapchain, state)
    return result
  }
  pSwapchain.pointee = handlePointer(swapchain.pointee.id)
  return VK_SUCCESS
}

/// The client's side: ids and slots. Nil, with nothing left behind, when there are none.
private func makeSwapchain(
  _ device: VkDevice?, _ state: UnsafeMutablePointer<DeviceObject>,
  _ info: VkSwapchainCreateInfoKHR, _ presenter: Presenter
) -> UnsafeMutablePointer<SwapchainObject>? {
  let count = presenter.frames.imageCount
  guard let raw = platform_calloc(count, MemoryLayout<SwapchainImage>.stride) else { return nil }
  let images = raw.bindMemory(to: SwapchainImage.self, capacity: count)
  guard
    let swapchain = makeObject(
      SwapchainObject(id: 0, presenter: presenter, imageCount: count, images: images))
  else {
    platform_free(raw)
    return nil
  }
  var complete = true
  var i = 0
  while i < count {
    images[i].id = makeID(.image, device: device)
    images[i].slot = state.pointee.connection.allocateSlot()
    if images[i].slot == ControlField.noSlot {
      complete = false
    } else {
      images[i].generation = platform_load64(
        state.pointee.connection.segment.slot(images[i].slot))
    }
    if let image = imageState(handlePointer(images[i].id)) {
      image.pointee.usage = info.imageUsage
      image.pointee.isPresentable = 1
    } else {
      complete = false
    }
    i &+= 1
  }
  swapchain.pointee.id = makeID(.swapchain, device: device)
  if complete, let cell = ObjectTable.state(of: swapchain.pointee.id, .swapchain) {
    cell.storeBytes(of: swapchain, as: UnsafeMutablePointer<SwapchainObject>?.self)
    return swapchain
  }
  forget(swapchain, state)
  return nil
}

/// The node's side: the frame buffers by the agent's socket, the images on the device's channel.
private func announce(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ device: VkDevice?,
  _ state: UnsafeMutablePointer<DeviceObject>, _ info: VkSwapchainCreateInfoKHR
) -> VkResult {
  let frames = swapchain.pointee.presenter.frames
  let count = swapchain.pointee.imageCount
  var message = (
    MessageType.appFrameBuffers, UInt32(24), swapchain.pointee.id, UInt64(frames.byteCount),
    UInt32(truncatingIfNeeded: count), UInt32(0)
  )
  var descriptor = frames.descriptor
  let sent = withUnsafeBytes(of: &message) { bytes in
    withUnsafePointer(to: &descriptor) { descriptor in
      state.pointee.connection.send(bytes, UnsafeBufferPointer(start: descriptor, count: 1))
    }
  }
  guard sent, let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  let families =
    info.imageSharingMode == VK_SHARING_MODE_CONCURRENT ? info.queueFamilyIndexCount : 0
  let formats = chained(VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO, in: info.pNext)?
    .assumingMemoryBound(to: VkImageFormatListCreateInfo.self)
  let formatCount = formats?.pointee.viewFormatCount ?? 0
  writer.pointee.begin(ControlOpcode.createSwapchain)
  writer.pointee.u64(swapchain.pointee.id)
  writer.pointee.u32(info.flags)
  writer.pointee.u32(info.imageFormat.rawValue)
  writer.pointee.u32(info.imageExtent.width)
  writer.pointee.u32(info.imageExtent.height)
  writer.pointee.u32(info.imageArrayLayers)
  writer.pointee.u32(info.imageUsage)
  writer.pointee.u32(info.imageSharingMode.rawValue)
  writer.pointee.u32(UInt32(truncatingIfNeeded: count))
  writer.pointee.u32(families)
  writer.pointee.u32(formatCount)
  writer.pointee.u32(UInt32(truncatingIfNeeded: frames.stride))
  writer.pointee.u32(0)
  writer.pointee.u64(UInt64(frames.frameBytes))
  var i = 0
  while i < count {
    writer.pointee.u64(swapchain.pointee.images[i].id)
    i &+= 1
  }
  writer.pointee.bytes(info.pQueueFamilyIndices, Int(families) &* 4)
  writer.pointee.bytes(formats?.pointee.pViewFormats, Int(formatCount) &* 4)
  writer.pointee.end()
  return endAsync(writer)
}

// MARK: End

func hook_vkDestroySwapchainKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let state = deviceState(of: device), let object = swapchainState(swapchain) else { return }
  end(object, state, device: device)
}

/// Shows what is queued, then gives everything back; with a device the node is told.
private func end(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ state: UnsafeMutablePointer<DeviceObject>,
  device: VkDevice? = nil
) {
  swapchain.pointee.presenter.stop()
  if device != nil, let writer = beginAsync(device: device) {
    writer.pointee.begin(ControlOpcode.destroySwapchain)
    writer.pointee.u64(swapchain.pointee.id)
    writer.pointee.end()
    endAsync(writer)
  }
  var message = (MessageType.appSwapchainGone, UInt32(8), swapchain.pointee.id)
  withUnsafeBytes(of: &message) { bytes in
    _ = state.pointee.connection.send(bytes, UnsafeBufferPointer(start: nil, count: 0))
  }
  forget(swapchain, state)
}

private func forget(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ state: UnsafeMutablePointer<DeviceObject>
) {
  var i = 0
  while i < swapchain.pointee.imageCount {
    let image = swapchain.pointee.images[i]
    state.pointee.connection.releaseSlot(image.slot)
    didDestroy(.image, image.id)
    i &+= 1
  }
  didDestroy(.swapchain, swapchain.pointee.id)
  platform_free(swapchain.pointee.images)
  platform_free(swapchain)
}

// MARK: Images

func hook_vkGetSwapchainImagesKHR(
  _ device: VkDevice?, _ swapchain: VkSwapchainKHR?,
  _ pSwapchainImageCount: UnsafeMutablePointer<UInt32>?,
  _ pSwapchainImages: UnsafeMutablePointer<VkImage?>?
) -> VkResult {
  guard let object = swapchainState(swapchain) else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  return enumerate(pSwapchainImageCount, pSwapchainImages) { index, place in
    guard index < object.pointee.imageCount else { return false }
    place?.pointee = handlePointer(object.pointee.images[index].id)
    return true
  }
}
