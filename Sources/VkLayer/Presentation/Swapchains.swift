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

/// What the chain of a VkSwapchainCreateInfoKHR asks for, beside formats.
private struct SwapchainChain {
  private let modes: UnsafePointer<VkSwapchainPresentModesCreateInfoEXT>?
  private let scaling: UnsafePointer<VkSwapchainPresentScalingCreateInfoEXT>?

  init(_ chain: UnsafeRawPointer?) {
    modes = chained(VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_MODES_CREATE_INFO_EXT, in: chain)?
      .assumingMemoryBound(to: VkSwapchainPresentModesCreateInfoEXT.self)
    scaling = chained(VK_STRUCTURE_TYPE_SWAPCHAIN_PRESENT_SCALING_CREATE_INFO_EXT, in: chain)?
      .assumingMemoryBound(to: VkSwapchainPresentScalingCreateInfoEXT.self)
  }

  /// Whether presents may ask for this mode.
  func names(_ mode: VkPresentModeKHR) -> Bool {
    guard let modes, let list = modes.pointee.pPresentModes else { return false }
    var i = 0
    while i < Int(modes.pointee.presentModeCount) {
      if list[i] == mode { return true }
      i &+= 1
    }
    return false
  }

  /// Where frames lie in windows of another size; nil when such windows are nothing to count on.
  var placement: FramePlacement? {
    guard let scaling = scaling?.pointee,
      scaling.scalingBehavior & VK_PRESENT_SCALING_ONE_TO_ONE_BIT_EXT.rawValue != 0
    else { return nil }
    return FramePlacement(
      x: anchor(scaling.presentGravityX), y: anchor(scaling.presentGravityY))
  }

  private func anchor(_ gravity: VkPresentGravityFlagsEXT) -> FramePlacement.Anchor {
    switch gravity {
    case VK_PRESENT_GRAVITY_MAX_BIT_EXT.rawValue: .end
    case VK_PRESENT_GRAVITY_CENTERED_BIT_EXT.rawValue: .center
    default: .start
    }
  }
}

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
  swapchainState(info.pointee.oldSwapchain)?.pointee.presenter.retire(
    successor: (Int(info.pointee.imageExtent.width), Int(info.pointee.imageExtent.height)))
  guard let layout = pixelLayout(info.pointee.imageFormat),
    let mode = PresentMode(rawValue: UInt32(info.pointee.presentMode.rawValue))
  else {
    log(.error, "vkCreateSwapchainKHR: imageFormat or presentMode is none that the surface has")
    return VK_ERROR_INITIALIZATION_FAILED
  }
  let chain = SwapchainChain(info.pointee.pNext)
  var imageCount = max(Int(info.pointee.minImageCount), 1)
  // What the mode needs, and every mode that it may be changed to.
  for other in 0..<UInt32(SurfaceRules.mostModes) {
    let other = VkPresentModeKHR(rawValue: other)
    if other == info.pointee.presentMode || chain.names(other) {
      imageCount = max(Int(SurfaceRules(window.system).minImageCount(other)), imageCount)
    }
  }
  guard imageCount <= SwapchainObject.mostImages,
    let swapchain = makeObject(imageCount, pAllocator)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  guard
    let frames = FrameBuffers.make(
      imageCount: imageCount, width: Int(info.pointee.imageExtent.width),
      height: Int(info.pointee.imageExtent.height), layout: layout,
      interim: state.pointee.connection.wantsInterim)
  else {
    free(swapchain, pAllocator)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  guard
    let presenter = Presenter.start(
      connection: state.pointee.connection, window: window, frames: frames, mode: mode,
      isOpaque: info.pointee.compositeAlpha != VK_COMPOSITE_ALPHA_PRE_MULTIPLIED_BIT_KHR,
      placement: chain.placement)
  else {
    free(swapchain, pAllocator)
    return VK_ERROR_SURFACE_LOST_KHR
  }
  swapchain.pointee.presenter = presenter
  guard takeNumbers(swapchain, device, state, info.pointee) else {
    presenter.stop()
    forget(swapchain, state, pAllocator)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let result = announce(swapchain, device, state, info.pointee)
  guard result == VK_SUCCESS else {
    end(swapchain, state, pAllocator)
    return result
  }
  pSwapchain.pointee = handlePointer(swapchain.pointee.id)
  return VK_SUCCESS
}

/// Whether every mode that the swapchain may have shows the newest frame alone.
private func wantsNewest(_ info: VkSwapchainCreateInfoKHR) -> Bool {
  guard !FrameDump.isOn else { return false }
  let chain = SwapchainChain(info.pNext)
  return SurfaceRules.showsNewest(info.presentMode)
    && !chain.names(VK_PRESENT_MODE_FIFO_KHR) && !chain.names(VK_PRESENT_MODE_FIFO_RELAXED_KHR)
}

/// The object and its images, zeroed, in one piece of the application's memory if it wants that.
private func makeObject(_ imageCount: Int, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?)
  -> UnsafeMutablePointer<SwapchainObject>?
{
  let head =
    (MemoryLayout<SwapchainObject>.stride &+ MemoryLayout<SwapchainImage>.alignment &- 1)
    & ~(MemoryLayout<SwapchainImage>.alignment &- 1)
  let size = head &+ imageCount &* MemoryLayout<SwapchainImage>.stride
  let raw: UnsafeMutableRawPointer?
  if let allocate = pAllocator?.pointee.pfnAllocation {
    raw = allocate(
      pAllocator?.pointee.pUserData, size, MemoryLayout<SwapchainObject>.alignment,
      VK_SYSTEM_ALLOCATION_SCOPE_OBJECT)
  } else {
    raw = platform_malloc(size)
  }
  guard let raw else { return nil }
  platform_zero(raw, size)
  let swapchain = raw.bindMemory(to: SwapchainObject.self, capacity: 1)
  swapchain.pointee.imageCount = imageCount
  swapchain.pointee.images = (raw + head).bindMemory(to: SwapchainImage.self, capacity: imageCount)
  return swapchain
}

private func free(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  if let free = pAllocator?.pointee.pfnFree {
    free(pAllocator?.pointee.pUserData, swapchain)
  } else {
    platform_free(swapchain)
  }
}

/// Takes ids and slots; false when there are not enough, and `forget` gives back what there was.
private func takeNumbers(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ device: VkDevice?,
  _ state: UnsafeMutablePointer<DeviceObject>, _ info: VkSwapchainCreateInfoKHR
) -> Bool {
  let images = swapchain.pointee.images
  var complete = true
  var i = 0
  while i < swapchain.pointee.imageCount {
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
  guard complete, let cell = ObjectTable.state(of: swapchain.pointee.id, .swapchain) else {
    return false
  }
  cell.storeBytes(of: swapchain, as: UnsafeMutablePointer<SwapchainObject>?.self)
  return true
}

/// The node's side: the frame buffers by the agent's socket, the images on the device's channel.
private func announce(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ device: VkDevice?,
  _ state: UnsafeMutablePointer<DeviceObject>, _ info: VkSwapchainCreateInfoKHR
) -> VkResult {
  let frames = swapchain.pointee.presenter.frames
  let count = swapchain.pointee.imageCount
  guard swapchain.pointee.presenter.announce(id: swapchain.pointee.id),
    let writer = beginAsync(device: device)
  else { return VK_ERROR_DEVICE_LOST }
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
  var showing = swapchain.pointee.presenter.showsAlpha ? SwapchainField.showsAlpha : 0
  if wantsNewest(info) { showing |= SwapchainField.mayLeaveOut }
  writer.pointee.u32(showing)
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
  end(object, state, pAllocator, device: device)
}

/// Shows what is queued, then gives everything back; with a device the node is told.
private func end(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ state: UnsafeMutablePointer<DeviceObject>,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, device: VkDevice? = nil
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
  forget(swapchain, state, pAllocator)
}

private func forget(
  _ swapchain: UnsafeMutablePointer<SwapchainObject>, _ state: UnsafeMutablePointer<DeviceObject>,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  var i = 0
  while i < swapchain.pointee.imageCount {
    let image = swapchain.pointee.images[i]
    state.pointee.connection.releaseSlot(image.slot)
    didDestroy(.image, image.id)
    i &+= 1
  }
  didDestroy(.swapchain, swapchain.pointee.id)
  free(swapchain, pAllocator)
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
