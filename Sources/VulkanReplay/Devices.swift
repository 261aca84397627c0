import CPlatform
import CVulkan
import Ring

/// How the node makes a device out of what the client asks for: with robust buffer access, since a
/// shader's own indices pass no decoder, and with the extensions that bringing frames out needs.
enum DeviceMaker {
  /// Makes the device. The answer's result is the driver's; `device` is set when it is VK_SUCCESS.
  /// The structures of `info`'s chain are the decoder's own, so they may be changed.
  static func make(
    session: ReplaySession, instance: InstanceState, physicalDevice: VkPhysicalDevice,
    info: VkDeviceCreateInfo, _ device: inout DeviceState?
  ) -> VkResult {
    let functions = instance.functions
    let available = extensions(functions, physicalDevice)
    var names: [UnsafePointer<CChar>?] = []
    var enabled: Set<String> = []
    for i in 0..<Int(info.enabledExtensionCount) {
      guard let name = info.ppEnabledExtensionNames?[i] else { continue }
      let text = String(cString: name)
      guard available.contains(text) else {
        session.sink.log(1, "vkCreateDevice: the node's driver has no extension \(text)")
        return VK_ERROR_EXTENSION_NOT_PRESENT
      }
      if enabled.insert(text).inserted { names.append(name) }
    }
    let own: [StaticString] = ["VK_KHR_swapchain", "VK_EXT_external_memory_host"]
    for name in own where available.contains(name.description) {
      if enabled.insert(name.description).inserted { names.append(cString(name)) }
    }

    var supported = VkPhysicalDeviceFeatures()
    functions.getFeatures(physicalDevice, &supported)
    var features = info.pEnabledFeatures?.pointee ?? VkPhysicalDeviceFeatures()
    features.robustBufferAccess = supported.robustBufferAccess
    var hasFeatures2 = false
    for entry in StructureChain(info.pNext) {
      let features2 = entry.structure(
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, as: VkPhysicalDeviceFeatures2.self)
      guard let features2 else { continue }
      features2.pointee.features.robustBufferAccess = supported.robustBufferAccess
      hasFeatures2 = true
    }

    var handle: VkDevice?
    let result = withUnsafePointer(to: &features) { features in
      names.withUnsafeBufferPointer { names in
        var copy = info
        copy.enabledLayerCount = 0
        copy.ppEnabledLayerNames = nil
        copy.enabledExtensionCount = UInt32(names.count)
        copy.ppEnabledExtensionNames = names.baseAddress
        copy.pEnabledFeatures = hasFeatures2 ? nil : features
        return functions.createDevice(physicalDevice, &copy, nil, &handle)
      }
    }
    guard result == VK_SUCCESS, let handle else { return result }
    do throws(ReplayError) {
      let deviceFunctions = try DeviceFunctions(functions.getDeviceProcAddr, handle)
      let dispatch = UnsafeMutablePointer<DriverDispatch>.allocate(capacity: 1)
      dispatch.initialize(to: session.dispatch.pointee)
      device = DeviceState(
        handle: handle, physicalDevice: physicalDevice, functions: deviceFunctions,
        dispatch: dispatch, memoryTypes: memoryTypes(instance, physicalDevice),
        apiVersion: apiVersion(functions, physicalDevice),
        hostImportAlignment: enabled.contains("VK_EXT_external_memory_host")
          && deviceFunctions.getMemoryHostPointerProperties != nil
          ? importAlignment(functions, physicalDevice) : 0,
        hasPresentLayout: enabled.contains("VK_KHR_swapchain"),
        queriesAtOnce: queriesAtOnce(info.pNext),
        readsQueriesAlone: readsQueriesAlone(session, physicalDevice),
        shaderGroups: enabled.contains("VK_KHR_ray_tracing_pipeline")
          ? shaderGroups(functions, physicalDevice) : nil,
        queueCounts: queueCounts(info))
      if session.sink.mayWantGeometry { device?.scene = SceneObserver() }
      return VK_SUCCESS
    } catch {
      session.sink.log(0, "vkCreateDevice: \(error.message)")
      return VK_ERROR_INITIALIZATION_FAILED
    }
  }

  private static func queueCounts(_ info: VkDeviceCreateInfo) -> [UInt32: UInt32] {
    var counts: [UInt32: UInt32] = [:]
    for i in 0..<Int(info.queueCreateInfoCount) {
      guard let queue = info.pQueueCreateInfos?[i] else { continue }
      counts[queue.queueFamilyIndex] = max(counts[queue.queueFamilyIndex] ?? 0, queue.queueCount)
    }
    return counts
  }

  /// Whether reading the results of queries waits for the whole device: see `QueryGate`.
  private static func readsQueriesAlone(
    _ session: ReplaySession, _ physicalDevice: VkPhysicalDevice
  ) -> Bool {
    guard let get = session.dispatch.pointee.vkGetPhysicalDeviceProperties2 else { return false }
    var driver = VkPhysicalDeviceDriverProperties()
    driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES
    withUnsafeMutablePointer(to: &driver) { driver in
      var properties = VkPhysicalDeviceProperties2()
      properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
      properties.pNext = UnsafeMutableRawPointer(driver)
      get(physicalDevice, &properties)
    }
    return driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE
  }

  private static func shaderGroups(
    _ functions: InstanceFunctions, _ physicalDevice: VkPhysicalDevice
  ) -> ShaderGroups? {
    guard let getProperties2 = functions.getProperties2 else { return nil }
    var pipelines = VkPhysicalDeviceRayTracingPipelinePropertiesKHR()
    pipelines.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_PROPERTIES_KHR
    withUnsafeMutablePointer(to: &pipelines) { pipelines in
      var properties = VkPhysicalDeviceProperties2()
      properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
      properties.pNext = UnsafeMutableRawPointer(pipelines)
      getProperties2(physicalDevice, &properties)
    }
    return ShaderGroups(
      handleSize: Int(pipelines.shaderGroupHandleSize),
      captureReplayHandleSize: Int(pipelines.shaderGroupHandleCaptureReplaySize))
  }

  /// A view mask has 32 bits; without the multiview feature there is one view.
  private static func queriesAtOnce(_ chain: UnsafeRawPointer?) -> Int {
    for entry in StructureChain(chain) {
      let multiview =
        entry.structure(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MULTIVIEW_FEATURES,
          as: VkPhysicalDeviceMultiviewFeatures.self)?.pointee.multiview
        ?? entry.structure(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
          as: VkPhysicalDeviceVulkan11Features.self)?.pointee.multiview
      if let multiview, multiview != VK_FALSE { return 32 }
    }
    return 1
  }

  private static func extensions(
    _ functions: InstanceFunctions, _ physicalDevice: VkPhysicalDevice
  ) -> Set<String> {
    var count: UInt32 = 0
    _ = functions.enumerateDeviceExtensions(physicalDevice, nil, &count, nil)
    var list = [VkExtensionProperties](repeating: VkExtensionProperties(), count: Int(count))
    _ = functions.enumerateDeviceExtensions(physicalDevice, nil, &count, &list)
    return Set(list.prefix(Int(count)).map(extensionName))
  }

  /// The memory types, each with the account of its heap: heaps of different physical devices have nothing to
  /// do with each other, and the client, too, tells them apart by the device's place in the driver's list.
  private static func memoryTypes(
    _ instance: InstanceState, _ physicalDevice: VkPhysicalDevice
  ) -> [(flags: VkMemoryPropertyFlags, heap: Int)] {
    var properties = VkPhysicalDeviceMemoryProperties()
    instance.functions.getMemoryProperties(physicalDevice, &properties)
    let count = Int(min(properties.memoryTypeCount, 32))
    let first = instance.index(of: physicalDevice) * heapsOfADevice
    return withUnsafeBytes(of: &properties.memoryTypes) { bytes in
      let types = bytes.bindMemory(to: VkMemoryType.self)
      return (0..<min(count, types.count)).map {
        (types[$0].propertyFlags, first + Int(types[$0].heapIndex))
      }
    }
  }

  /// VK_MAX_MEMORY_HEAPS
  private static var heapsOfADevice: Int { 16 }

  private static func apiVersion(
    _ functions: InstanceFunctions, _ physicalDevice: VkPhysicalDevice
  ) -> UInt32 {
    var properties = VkPhysicalDeviceProperties()
    functions.getProperties(physicalDevice, &properties)
    return properties.apiVersion
  }

  private static func importAlignment(
    _ functions: InstanceFunctions, _ physicalDevice: VkPhysicalDevice
  ) -> Int {
    guard let getProperties2 = functions.getProperties2 else { return 0 }
    var host = VkPhysicalDeviceExternalMemoryHostPropertiesEXT()
    host.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT
    return withUnsafeMutablePointer(to: &host) { host in
      var properties = VkPhysicalDeviceProperties2()
      properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
      properties.pNext = UnsafeMutableRawPointer(host)
      getProperties2(physicalDevice, &properties)
      return Int(truncatingIfNeeded: host.pointee.minImportedHostPointerAlignment)
    }
  }
}

extension DeviceState {
  /// The state of a queue of the driver's, made and started on first sight.
  func queue(
    _ handle: VkQueue, family: UInt32, session: ReplaySession
  ) throws(ReplayError) -> QueueState {
    let key = UInt64(UInt(bitPattern: handle))
    if let known = queues[key] { return known }
    let queue = QueueState(handle: handle, family: family, device: self, session: session)
    guard queue.start() else {
      throw ReplayError(reason: LostReason.noMemory, message: "no thread for a queue")
    }
    queues[key] = queue
    addCompleting(queue)
    return queue
  }

  /// Index of a memory type with `wanted` properties among those of `mask`, else of any of them.
  func memoryType(_ mask: UInt32, _ wanted: VkMemoryPropertyFlags) -> UInt32? {
    var fallback: UInt32?
    for (index, flags) in memoryTypes.enumerated() where mask & (1 << UInt32(index)) != 0 {
      if flags & wanted == wanted { return UInt32(index) }
      if fallback == nil { fallback = UInt32(index) }
    }
    return fallback
  }

  /// Frees everything of the node's own and destroys the device. The channel's last act with it.
  func destroy() {
    for queue in queues.values { queue.stop() }
    queryGate.waitForReaders()
    _ = functions.deviceWaitIdle(handle)
    for swapchain in swapchains.values { swapchain.destroy(self, destroyImages: true) }
    swapchains.removeAll()
    queues.removeAll()
    timelines.removeAll()
    destroyFences()
    functions.destroyDevice(handle, nil)
  }
}
