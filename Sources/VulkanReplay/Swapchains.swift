import CPlatform
import CVulkan
import Ring
internal import Threads
import Wire

/// What a `createSwapchain` record asks for, checked.
struct SwapchainRequest {
  var id: UInt64
  var flags: UInt32
  var format: VkFormat
  var extent: VkExtent2D
  var arrayLayers: UInt32
  var usage: VkImageUsageFlags
  var sharingMode: VkSharingMode
  var stride: Int
  var frameBytes: Int
  var showsAlpha: Bool
  /// A frame need not be sent when a newer one is there.
  var mayLeaveOut: Bool
  var imageIDs: [UInt64]
  var queueFamilies: [UInt32]
  var viewFormats: [VkFormat]

  static var mostImages: Int { 64 }

  /// Nil, with the field that is wrong, when the record makes no sense.
  init?(_ record: UnsafeRawBufferPointer, wrong: inout StaticString) {
    wrong = "record"
    guard let p = record.baseAddress, record.count >= SwapchainField.arrays else { return nil }
    id = p.get64(SwapchainField.swapchain)
    flags = p.get32(SwapchainField.flags)
    format = VkFormat(rawValue: p.get32(SwapchainField.format))
    extent = VkExtent2D(
      width: p.get32(SwapchainField.width), height: p.get32(SwapchainField.height))
    arrayLayers = p.get32(SwapchainField.arrayLayers)
    usage = p.get32(SwapchainField.usage)
    sharingMode = VkSharingMode(rawValue: p.get32(SwapchainField.sharingMode))
    stride = Int(p.get32(SwapchainField.stride))
    showsAlpha = p.get32(SwapchainField.showing) & SwapchainField.showsAlpha != 0
    mayLeaveOut = p.get32(SwapchainField.showing) & SwapchainField.mayLeaveOut != 0
    let bytes = p.get64(SwapchainField.frameBytes)
    let images = Int(p.get32(SwapchainField.imageCount))
    let families = Int(p.get32(SwapchainField.queueFamilyCount))
    let formats = Int(p.get32(SwapchainField.formatCount))
    wrong = "imageCount"
    guard images > 0, images <= SwapchainRequest.mostImages else { return nil }
    wrong = "queueFamilyCount"
    guard families <= 64 else { return nil }
    wrong = "formatCount"
    guard formats <= 256 else { return nil }
    wrong = "record"
    guard record.count >= SwapchainField.arrays + images * 8 + (families + formats) * 4 else {
      return nil
    }
    wrong = "width"
    guard extent.width > 0, extent.width <= 65536 else { return nil }
    wrong = "height"
    guard extent.height > 0, extent.height <= 65536 else { return nil }
    wrong = "arrayLayers"
    guard arrayLayers > 0, arrayLayers <= 2048 else { return nil }
    wrong = "format"
    let pixel = SwapchainRequest.bytesPerPixel(format)
    guard pixel > 0 else { return nil }
    wrong = "stride"
    guard stride >= Int(extent.width) * pixel, stride % pixel == 0, stride <= 1 << 22 else {
      return nil
    }
    wrong = "frameBytes"
    guard bytes >= UInt64(stride) * UInt64(extent.height), bytes <= 4 << 30 else { return nil }
    frameBytes = Int(bytes)
    imageIDs = (0..<images).map { p.get64(SwapchainField.arrays + $0 * 8) }
    let rest = SwapchainField.arrays + images * 8
    queueFamilies = (0..<families).map { p.get32(rest + $0 * 4) }
    viewFormats = (0..<formats).map {
      VkFormat(rawValue: p.get32(rest + families * 4 + $0 * 4))
    }
  }

  /// How frames are sent. Those that may not be left out are waited for, as for a display.
  var delivery: FrameDelivery { mayLeaveOut ? [.mayBeLeftOut, .returnsAtOnce] : [] }

  /// How the pixels of a frame lie.
  var shape: FrameShape {
    FrameShape(
      width: Int(extent.width), height: Int(extent.height), stride: stride,
      bytesPerPixel: SwapchainRequest.bytesPerPixel(format),
      pixel: SwapchainRequest.pixel(format), showsAlpha: showsAlpha)
  }

  private static func pixel(_ format: VkFormat) -> FrameShape.Pixel {
    switch format {
    case VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_B8G8R8A8_SRGB: .bgra8
    case VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_A8B8G8R8_UNORM_PACK32,
      VK_FORMAT_A8B8G8R8_SRGB_PACK32:
      .rgba8
    default: .other
    }
  }

  /// Bytes of a pixel of a format that windows have; 0 for any other.
  static func bytesPerPixel(_ format: VkFormat) -> Int {
    switch format {
    case VK_FORMAT_R5G6B5_UNORM_PACK16, VK_FORMAT_B5G6R5_UNORM_PACK16,
      VK_FORMAT_A1R5G5B5_UNORM_PACK16, VK_FORMAT_R5G5B5A1_UNORM_PACK16,
      VK_FORMAT_B5G5R5A1_UNORM_PACK16, VK_FORMAT_R4G4B4A4_UNORM_PACK16,
      VK_FORMAT_B4G4R4A4_UNORM_PACK16:
      2
    case VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_B8G8R8A8_UNORM,
      VK_FORMAT_B8G8R8A8_SRGB, VK_FORMAT_A8B8G8R8_UNORM_PACK32, VK_FORMAT_A8B8G8R8_SRGB_PACK32,
      VK_FORMAT_A2B10G10R10_UNORM_PACK32, VK_FORMAT_A2R10G10B10_UNORM_PACK32,
      VK_FORMAT_B10G11R11_UFLOAT_PACK32:
      4
    case VK_FORMAT_R16G16B16A16_SFLOAT, VK_FORMAT_R16G16B16A16_UNORM: 8
    default: 0
    }
  }
}

/// The images of a client's virtual swapchain: ordinary images of the driver, and for each a place
/// that its pixels are copied to when it is presented.
final class SwapchainState: @unchecked Sendable {
  let request: SwapchainRequest
  private(set) var images: [VkImage] = []
  /// Ids that the client has given the images beside those it made the swapchain with.
  var names: Set<UInt64> = []
  private var memory: [VkDeviceMemory] = []
  /// Size and type of each.
  private var memoryShapes: [(size: Int, type: Int)] = []
  private var frames: [FrameTarget] = []
  private var pools: [UInt32: VkCommandPool] = [:]
  /// The copy of image i on queue family f, recorded once.
  private var copies: [UInt64: VkCommandBuffer] = [:]
  /// Where the depth that belongs to image i goes, and the copies there.
  private var depths: [Int: FrameTarget] = [:]
  private var depthCopies: [DepthCopy: VkCommandBuffer] = [:]
  private static let mostDepthCopies = 64

  private struct DepthCopy: Hashable {
    let depth: UInt64
    let layout: UInt32
    let index: Int
    let family: UInt32
  }
  /// Frames on their way.
  let pending = Word()

  private unowned let session: ReplaySession
  /// Driver memory that the client's limit was charged for.
  private var booked: [(heap: Int, size: UInt64)] = []

  private init(_ request: SwapchainRequest, _ session: ReplaySession) {
    self.request = request
    self.session = session
  }

  // MARK: Images

  static func make(
    _ device: DeviceState, _ request: SwapchainRequest, _ session: ReplaySession
  ) throws(ReplayError) -> SwapchainState {
    let swapchain = SwapchainState(request, session)
    do throws(ReplayError) {
      for _ in request.imageIDs { try swapchain.addImage(device) }
    } catch {
      swapchain.destroy(device, destroyImages: true)
      throw error
    }
    return swapchain
  }

  private func addImage(_ device: DeviceState) throws(ReplayError) {
    let image = try createImage(device)
    images.append(image)
    var requirements = VkMemoryRequirements()
    device.functions.getImageMemoryRequirements(device.handle, image, &requirements)
    let type = SwapchainState.memoryType(requirements, device)
    let heap = Int(type) < device.memoryHeaps.count ? device.memoryHeaps[Int(type)] : 0
    guard session.bookMemory(requirements.size, heap: heap) else {
      throw ReplayError(
        reason: LostReason.noMemory,
        message: "swapchain \(request.id): more driver memory than the client may have")
    }
    booked.append((heap, requirements.size))
    var info = VkMemoryAllocateInfo()
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
    info.allocationSize = requirements.size
    info.memoryTypeIndex = type
    var allocation: VkDeviceMemory?
    try check(
      "vkAllocateMemory", device.functions.allocateMemory(device.handle, &info, nil, &allocation))
    guard let allocation else { return }
    memory.append(allocation)
    memoryShapes.append((Int(requirements.size), Int(info.memoryTypeIndex)))
    try check(
      "vkBindImageMemory", device.functions.bindImageMemory(device.handle, image, allocation, 0))
  }

  private func createImage(_ device: DeviceState) throws(ReplayError) -> VkImage {
    var image: VkImage?
    let result = request.viewFormats.withUnsafeBufferPointer { formats in
      request.queueFamilies.withUnsafeBufferPointer { families in
        var list = VkImageFormatListCreateInfo()
        list.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO
        list.viewFormatCount = UInt32(formats.count)
        list.pViewFormats = formats.baseAddress
        return withUnsafePointer(to: &list) { list in
          var info = VkImageCreateInfo()
          info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO
          info.pNext = formats.isEmpty ? nil : UnsafeRawPointer(list)
          info.flags = imageFlags
          info.imageType = VK_IMAGE_TYPE_2D
          info.format = request.format
          info.extent = VkExtent3D(
            width: request.extent.width, height: request.extent.height, depth: 1)
          info.mipLevels = 1
          info.arrayLayers = request.arrayLayers
          info.samples = VK_SAMPLE_COUNT_1_BIT
          info.tiling = VK_IMAGE_TILING_OPTIMAL
          info.usage = request.usage | VK_IMAGE_USAGE_TRANSFER_SRC_BIT.rawValue
          info.sharingMode = request.sharingMode
          info.queueFamilyIndexCount = UInt32(families.count)
          info.pQueueFamilyIndices = families.baseAddress
          info.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED
          return device.functions.createImage(device.handle, &info, nil, &image)
        }
      }
    }
    try check("vkCreateImage", result)
    guard let image else {
      throw ReplayError(reason: LostReason.noMemory, message: "createSwapchain: no image")
    }
    return image
  }

  /// Binds an image that has no memory yet to that of one of the swapchain's.
  func bind(
    _ image: VkImage?, toMemoryOf index: Int, _ device: DeviceState
  ) throws(ReplayError) {
    var wanted = VkMemoryRequirements()
    var there = VkMemoryRequirements()
    device.functions.getImageMemoryRequirements(device.handle, image, &wanted)
    device.functions.getImageMemoryRequirements(device.handle, images[index], &there)
    let type = SwapchainState.memoryType(there, device)
    guard wanted.size <= there.size, wanted.memoryTypeBits & (1 << type) != 0 else {
      throw ReplayError(
        reason: LostReason.protocolError,
        message: "swapchain \(request.id): an image that is not like those of the swapchain is to "
          + "be bound to their memory")
    }
    try check(
      "vkBindImageMemory",
      device.functions.bindImageMemory(device.handle, image, memory[index], 0))
  }

  private static func memoryType(_ requirements: VkMemoryRequirements, _ device: DeviceState)
    -> UInt32
  {
    device.memoryType(
      requirements.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT.rawValue) ?? 0
  }

  private var imageFlags: VkImageCreateFlags {
    var flags: VkImageCreateFlags = 0
    if request.flags & VK_SWAPCHAIN_CREATE_MUTABLE_FORMAT_BIT_KHR.rawValue != 0 {
      flags |=
        VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT.rawValue | VK_IMAGE_CREATE_EXTENDED_USAGE_BIT.rawValue
    }
    return flags
  }

  /// The memory of an image, which must be one of `images`.
  func rawMemory(_ index: Int, _ device: DeviceState) -> RawMemory {
    RawMemory(device, memory[index], memoryShapes[index].size, memoryShapes[index].type)
  }

  // MARK: Presenting

  /// The command buffer that brings image `index` to its frame buffer, for a queue of `family`.
  func copy(
    _ index: Int, family: UInt32, device: DeviceState, session: ReplaySession
  ) throws(ReplayError) -> VkCommandBuffer {
    let key = UInt64(family) << 32 | UInt64(index)
    if let known = copies[key] { return known }
    if frames.isEmpty { try makeFrames(device, session) }
    let commands = try commandBuffer(family, device)
    try record(commands, index, device)
    copies[key] = commands
    return commands
  }

  private func commandBuffer(
    _ family: UInt32, _ device: DeviceState
  ) throws(ReplayError) -> VkCommandBuffer {
    let pool = try commandPool(family, device)
    var info = VkCommandBufferAllocateInfo()
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
    info.commandPool = pool
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
    info.commandBufferCount = 1
    var commands: VkCommandBuffer?
    try check(
      "vkAllocateCommandBuffers",
      device.functions.allocateCommandBuffers(device.handle, &info, &commands))
    guard let commands else {
      throw ReplayError(reason: LostReason.noMemory, message: "present: no command buffer")
    }
    return commands
  }

  /// The command buffer that brings a frame's depth to memory beside image `index`, and that memory; nil when there
  /// is none, which is no reason to end anything.
  func copy(
    _ scene: SubmittedScene, _ index: Int, family: UInt32, device: DeviceState
  ) -> (commands: VkCommandBuffer, target: FrameTarget)? {
    let bytes = scene.depth.width * scene.depth.height * 4
    guard bytes <= request.frameBytes else { return nil }
    let key = DepthCopy(
      depth: UInt64(UInt(bitPattern: scene.depth.image)), layout: scene.layout.rawValue,
      index: index, family: family)
    do throws(ReplayError) {
      let target: FrameTarget
      if let known = depths[index] {
        target = known
      } else {
        target = try FrameTarget.staged(device, request, nil)
        depths[index] = target
      }
      if let known = depthCopies[key] { return (known, target) }
      guard depthCopies.count < SwapchainState.mostDepthCopies else { return nil }
      let commands = try commandBuffer(family, device)
      try record(commands, scene, target, device)
      depthCopies[key] = commands
      return (commands, target)
    } catch {
      return nil
    }
  }

  /// Waits for copies of depth that have not finished, of which the client knows nothing.
  func settle(_ device: DeviceState) {
    guard !depthCopies.isEmpty else { return }
    for queue in device.queues.values where pending.load() != 0 { queue.drain() }
  }

  /// A depth attachment is going to be destroyed.
  func forget(depth image: VkImage?, _ device: DeviceState) {
    let key = UInt64(UInt(bitPattern: image))
    guard depthCopies.keys.contains(where: { $0.depth == key }) else { return }
    settle(device)
    depthCopies = depthCopies.filter { $0.key.depth != key }
  }

  private func record(
    _ commands: VkCommandBuffer, _ scene: SubmittedScene, _ target: FrameTarget,
    _ device: DeviceState
  ) throws(ReplayError) {
    var begin = VkCommandBufferBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
    begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT.rawValue
    try check("vkBeginCommandBuffer", device.functions.beginCommandBuffer(commands, &begin))
    let allCommands = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
    let transfer = VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue
    let depth = VK_IMAGE_ASPECT_DEPTH_BIT.rawValue
    var barrier = VkImageMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
    barrier.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT.rawValue
    barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT.rawValue
    barrier.oldLayout = scene.layout
    barrier.newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL
    barrier.srcQueueFamilyIndex = ~0
    barrier.dstQueueFamilyIndex = ~0
    barrier.image = scene.depth.image
    barrier.subresourceRange = VkImageSubresourceRange(
      aspectMask: depth | (scene.depth.hasStencil ? VK_IMAGE_ASPECT_STENCIL_BIT.rawValue : 0),
      baseMipLevel: 0, levelCount: 1, baseArrayLayer: 0, layerCount: 1)
    device.functions.cmdPipelineBarrier(
      commands, allCommands, transfer, 0, 0, nil, 0, nil, 1, &barrier)
    var region = VkBufferImageCopy()
    region.imageSubresource = VkImageSubresourceLayers(
      aspectMask: depth, mipLevel: 0, baseArrayLayer: 0, layerCount: 1)
    region.imageExtent = VkExtent3D(
      width: UInt32(scene.depth.width), height: UInt32(scene.depth.height), depth: 1)
    device.functions.cmdCopyImageToBuffer(
      commands, scene.depth.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, target.buffer, 1, &region)
    let back = back(from: barrier)
    try finish(commands, target, back, device)
  }

  private func back(from barrier: VkImageMemoryBarrier) -> VkImageMemoryBarrier {
    var back = barrier
    back.srcAccessMask = 0
    back.dstAccessMask = 0
    back.oldLayout = barrier.newLayout
    back.newLayout = barrier.oldLayout
    return back
  }

  /// Makes what was copied visible to the host, and the image what it was.
  private func finish(
    _ commands: VkCommandBuffer, _ target: FrameTarget, _ back: VkImageMemoryBarrier,
    _ device: DeviceState
  ) throws(ReplayError) {
    var back = back
    var toHost = VkBufferMemoryBarrier()
    toHost.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER
    toHost.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT.rawValue
    toHost.dstAccessMask = VK_ACCESS_HOST_READ_BIT.rawValue
    toHost.srcQueueFamilyIndex = ~0
    toHost.dstQueueFamilyIndex = ~0
    toHost.buffer = target.buffer
    toHost.size = VkDeviceSize.max
    let allCommands = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
    device.functions.cmdPipelineBarrier(
      commands, VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue,
      VK_PIPELINE_STAGE_HOST_BIT.rawValue | allCommands, 0, 0, nil, 1, &toHost, 1, &back)
    try check("vkEndCommandBuffer", device.functions.endCommandBuffer(commands))
  }

  private func makeFrames(_ device: DeviceState, _ session: ReplaySession) throws(ReplayError) {
    var shared: FrameBuffers?
    if session.segment != nil {
      shared = session.awaitFrameBuffers(swapchain: request.id)
      guard let shared, shared.byteCount / request.frameBytes >= request.imageIDs.count else {
        throw ReplayError(
          reason: LostReason.protocolError,
          message: "present: swapchain \(request.id) has no frame buffers")
      }
    }
    for index in request.imageIDs.indices {
      frames.append(try FrameTarget.make(device, request, index, shared))
    }
    let staged = frames.contains { $0.staging != nil }
    session.sink.log(
      3,
      "swapchain \(request.id): \(request.imageIDs.count) images of \(request.extent.width) x "
        + "\(request.extent.height), brought out "
        + (staged ? "through staging memory" : "into the client's own memory"))
  }

  private func commandPool(
    _ family: UInt32, _ device: DeviceState
  ) throws(ReplayError) -> VkCommandPool {
    if let known = pools[family] { return known }
    var info = VkCommandPoolCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
    info.queueFamilyIndex = family
    var pool: VkCommandPool?
    try check(
      "vkCreateCommandPool", device.functions.createCommandPool(device.handle, &info, nil, &pool))
    guard let pool else {
      throw ReplayError(reason: LostReason.noMemory, message: "present: no command pool")
    }
    pools[family] = pool
    return pool
  }

  private func record(
    _ commands: VkCommandBuffer, _ index: Int, _ device: DeviceState
  ) throws(ReplayError) {
    var begin = VkCommandBufferBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
    begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT.rawValue
    try check("vkBeginCommandBuffer", device.functions.beginCommandBuffer(commands, &begin))
    let presented =
      device.hasPresentLayout ? VK_IMAGE_LAYOUT_PRESENT_SRC_KHR : VK_IMAGE_LAYOUT_GENERAL
    let allCommands = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
    let transfer = VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue

    var barrier = VkImageMemoryBarrier()
    barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
    barrier.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT.rawValue
    barrier.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT.rawValue
    barrier.oldLayout = presented
    barrier.newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL
    barrier.srcQueueFamilyIndex = ~0
    barrier.dstQueueFamilyIndex = ~0
    barrier.image = images[index]
    barrier.subresourceRange = VkImageSubresourceRange(
      aspectMask: VK_IMAGE_ASPECT_COLOR_BIT.rawValue, baseMipLevel: 0, levelCount: 1,
      baseArrayLayer: 0, layerCount: request.arrayLayers)
    device.functions.cmdPipelineBarrier(
      commands, allCommands, transfer, 0, 0, nil, 0, nil, 1, &barrier)

    let pixel = SwapchainRequest.bytesPerPixel(request.format)
    var region = VkBufferImageCopy()
    region.bufferOffset = VkDeviceSize(frames[index].offset)
    region.bufferRowLength = UInt32(request.stride / pixel)
    region.imageSubresource = VkImageSubresourceLayers(
      aspectMask: VK_IMAGE_ASPECT_COLOR_BIT.rawValue, mipLevel: 0, baseArrayLayer: 0,
      layerCount: 1)
    region.imageExtent = VkExtent3D(
      width: request.extent.width, height: request.extent.height, depth: 1)
    device.functions.cmdCopyImageToBuffer(
      commands, images[index], VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, frames[index].buffer, 1,
      &region)

    try finish(commands, frames[index], back(from: barrier), device)
  }

  /// What is left to do for a frame when its copy has finished.
  func pendingFrame(
    _ index: Int, device: DeviceState, completion: Completion, started: UInt64,
    scene: (SubmittedScene, FrameTarget)? = nil
  ) -> PendingFrame {
    pending.add(1)
    return PendingFrame(
      swapchain: self, index: index, target: frames[index], device: device,
      times: NodeFrameTimes(
        swapchain: request.id, slot: completion.slot, value: completion.value, started: started),
      scene: scene)
  }

  // MARK: The end

  /// Waits for frames on their way and frees everything. The images' ids are the caller's concern.
  func destroy(_ device: DeviceState, destroyImages: Bool) {
    for queue in device.queues.values where pending.load() != 0 { queue.drain() }
    // They may still be on their way to the client.
    while case let left = pending.load(), left != 0, !session.isOver {
      pending.wait(while: left, nanoseconds: 100_000_000)
    }
    session.sink.forget(swapchain: request.id)
    let f = device.functions
    for pool in pools.values { f.destroyCommandPool(device.handle, pool, nil) }
    for frame in frames { frame.destroy(device) }
    for depth in depths.values { depth.destroy(device) }
    if destroyImages { for image in images { f.destroyImage(device.handle, image, nil) } }
    for allocation in memory { f.freeMemory(device.handle, allocation, nil) }
    for one in booked { session.releaseMemory(one.size, heap: one.heap) }
    booked = []
    pools = [:]
    copies = [:]
    depthCopies = [:]
    depths = [:]
    frames = []
    images = []
    memory = []
  }

  private func check(_ command: StaticString, _ result: VkResult) throws(ReplayError) {
    guard result != VK_SUCCESS else { return }
    throw ReplayError(
      reason: result == VK_ERROR_DEVICE_LOST ? LostReason.deviceLost : LostReason.noMemory,
      message: "swapchain \(request.id): \(command) failed with \(resultName(result))")
  }
}

extension DeviceState {
  /// Whether an image belongs to a swapchain, under whatever name.
  func isPresentable(_ image: VkImage?) -> Bool {
    swapchains.values.contains { swapchain in swapchain.images.contains { $0 == image } }
  }
}
