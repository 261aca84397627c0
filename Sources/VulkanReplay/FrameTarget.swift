import CPlatform
import CVulkan
import Ring

/// Where the pixels of one swapchain image go: a buffer over the client's own frame buffer, imported
/// as host memory, so that the copy on the GPU's queue is the only one; or, where the driver cannot
/// import it, a staging buffer whose bytes are copied once more.
struct FrameTarget {
  let buffer: VkBuffer
  /// Where the frame begins in `buffer`.
  let offset: Int
  private let memory: VkDeviceMemory
  /// The bytes of a staging buffer; nil when the buffer is the frame buffer itself.
  let staging: UnsafeRawPointer?
  /// The client's frame buffer, when it is on this host.
  private let shared: FrameBuffers?

  static func make(
    _ device: DeviceState, _ request: SwapchainRequest, _ index: Int, _ shared: FrameBuffers?
  ) throws(ReplayError) -> FrameTarget {
    if let shared, let imported = importing(device, request, index, shared) { return imported }
    return try staged(device, request, shared)
  }

  private static func makeBuffer(
    _ device: DeviceState, _ size: Int, imported: Bool
  ) -> VkBuffer? {
    var external = VkExternalMemoryBufferCreateInfo()
    external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO
    external.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT.rawValue
    return withUnsafePointer(to: &external) { external in
      var info = VkBufferCreateInfo()
      info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
      info.pNext = imported ? UnsafeRawPointer(external) : nil
      info.size = VkDeviceSize(size)
      info.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT.rawValue
      var buffer: VkBuffer?
      let result = device.functions.createBuffer(device.handle, &info, nil, &buffer)
      return result == VK_SUCCESS ? buffer : nil
    }
  }

  /// Nil when the driver cannot do it.
  private static func importing(
    _ device: DeviceState, _ request: SwapchainRequest, _ index: Int, _ shared: FrameBuffers
  ) -> FrameTarget? {
    let alignment = device.hostImportAlignment
    let start = shared.base + index * request.frameBytes
    guard alignment > 0, let getProperties = device.functions.getMemoryHostPointerProperties,
      Int(bitPattern: start) % alignment == 0, request.frameBytes % alignment == 0
    else { return nil }
    let type = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT
    var properties = VkMemoryHostPointerPropertiesEXT()
    properties.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT
    guard getProperties(device.handle, type, start, &properties) == VK_SUCCESS,
      let buffer = makeBuffer(device, request.frameBytes, imported: true)
    else { return nil }
    var requirements = VkMemoryRequirements()
    device.functions.getBufferMemoryRequirements(device.handle, buffer, &requirements)
    let coherent =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue
    let mask = requirements.memoryTypeBits & properties.memoryTypeBits
    var memory: VkDeviceMemory?
    if requirements.size <= request.frameBytes, let typeIndex = device.memoryType(mask, coherent),
      device.memoryTypes[Int(typeIndex)] & coherent == coherent
    {
      var host = VkImportMemoryHostPointerInfoEXT()
      host.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT
      host.handleType = type
      host.pHostPointer = start
      withUnsafePointer(to: &host) { host in
        var info = VkMemoryAllocateInfo()
        info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
        info.pNext = UnsafeRawPointer(host)
        info.allocationSize = VkDeviceSize(request.frameBytes)
        info.memoryTypeIndex = typeIndex
        _ = device.functions.allocateMemory(device.handle, &info, nil, &memory)
      }
    }
    guard let memory else {
      device.functions.destroyBuffer(device.handle, buffer, nil)
      return nil
    }
    guard device.functions.bindBufferMemory(device.handle, buffer, memory, 0) == VK_SUCCESS else {
      device.functions.destroyBuffer(device.handle, buffer, nil)
      device.functions.freeMemory(device.handle, memory, nil)
      return nil
    }
    return FrameTarget(buffer: buffer, offset: 0, memory: memory, staging: nil, shared: shared)
  }

  static func staged(
    _ device: DeviceState, _ request: SwapchainRequest, _ shared: FrameBuffers?
  ) throws(ReplayError) -> FrameTarget {
    let failed = ReplayError(
      reason: LostReason.noMemory,
      message: "present: no staging memory of \(request.frameBytes) bytes")
    guard let buffer = makeBuffer(device, request.frameBytes, imported: false) else { throw failed }
    var requirements = VkMemoryRequirements()
    device.functions.getBufferMemoryRequirements(device.handle, buffer, &requirements)
    let visible =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue
    let cached = visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT.rawValue
    var type = device.memoryType(requirements.memoryTypeBits, cached)
    if let found = type, device.memoryTypes[Int(found)] & visible != visible {
      type = device.memoryType(requirements.memoryTypeBits, visible)
    }
    var info = VkMemoryAllocateInfo()
    info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
    info.allocationSize = requirements.size
    info.memoryTypeIndex = type ?? 0
    var memory: VkDeviceMemory?
    var bytes: UnsafeMutableRawPointer?
    guard
      device.functions.allocateMemory(device.handle, &info, nil, &memory) == VK_SUCCESS,
      let memory,
      device.functions.bindBufferMemory(device.handle, buffer, memory, 0) == VK_SUCCESS,
      device.functions.mapMemory(device.handle, memory, 0, VkDeviceSize.max, 0, &bytes)
        == VK_SUCCESS
    else { throw failed }
    return FrameTarget(
      buffer: buffer, offset: 0, memory: memory, staging: bytes.map { UnsafeRawPointer($0) },
      shared: shared)
  }

  func destroy(_ device: DeviceState) {
    device.functions.destroyBuffer(device.handle, buffer, nil)
    device.functions.freeMemory(device.handle, memory, nil)
  }

  /// Shows a frame to those who look on, and brings it to the client with what is known of its geometry, or says that it
  /// is there. The completion thread, after the copy has finished. `done`: nobody looks at it here any more. True when
  /// the sink completes it.
  func deliver(
    _ session: ReplaySession, _ request: SwapchainRequest, _ index: Int,
    _ geometry: SceneGeometry?, _ times: NodeFrameTimes, done: @escaping @Sendable () -> Void
  ) -> Bool {
    let count = request.stride * Int(request.extent.height)
    let place = shared.map { $0.base + index * request.frameBytes }
    if let staging, let place { place.copyMemory(from: staging, byteCount: count) }
    guard let start = place.map({ UnsafeRawPointer($0) }) ?? staging else {
      return session.sink.frame(nil, times, [], done: done)
    }
    let frame = FramePixels(
      swapchain: request.id, imageIndex: UInt32(index), shape: request.shape,
      bytes: UnsafeRawBufferPointer(start: start, count: count), geometry: geometry)
    session.sink.show(frame, isKept: true)
    return place == nil
      ? session.sink.frame(frame, times, request.delivery, done: done)
      : session.sink.frame(nil, times, [], done: done)
  }
}

/// A frame whose copy is on a queue.
struct PendingFrame {
  let swapchain: SwapchainState
  let index: Int
  let target: FrameTarget
  let device: DeviceState
  let times: NodeFrameTimes
  /// The depth that is copied beside it, and where to.
  var scene: (SubmittedScene, FrameTarget)?

  /// `drawn`: when the GPU had finished it. What the caller is to complete; nil: the sink does.
  func deliver(_ session: ReplaySession, drawn: UInt64) -> Completion? {
    var times = times
    times.drawn = drawn
    let isCompleted = target.deliver(session, swapchain.request, index, geometry, times) {
      [swapchain] in
      swapchain.pending.subtract(1)
      swapchain.pending.wakeAll()
    }
    session.counters.addFrame()
    return isCompleted ? nil : Completion(slot: times.slot, value: times.value)
  }

  private var geometry: SceneGeometry? {
    guard let (scene, target) = scene, let start = target.staging,
      let format = scene.depth.sampleFormat
    else { return nil }
    let count = scene.depth.width * scene.depth.height
    let bytes = count * DepthImage.bytesPerSample(scene.depth.format)
    return SceneGeometry(
      depth: UnsafeRawBufferPointer(start: start, count: bytes), format: format,
      width: scene.depth.width, height: scene.depth.height, background: scene.background,
      draws: scene.draws)
  }
}
