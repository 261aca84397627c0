import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Physical Devices". Properties, features and formats are generated: one round trip each,
// then from the cache.

/// A connection offers at most this many physical devices.
private let physicalDeviceLimit = 16

/// Asks the node for its devices, once per instance.
private func enumerate(_ instance: UnsafeMutablePointer<InstanceObject>) -> VkResult {
  instance.pointee.lock.lock()
  defer { instance.pointee.lock.unlock() }
  guard !instance.pointee.enumerated, let connection = instance.pointee.connection else {
    return VK_SUCCESS
  }
  return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: physicalDeviceLimit) { room in
    guard let ids = room.baseAddress else { return VK_ERROR_OUT_OF_HOST_MEMORY }
    var i = 0
    while i < physicalDeviceLimit {
      ids[i] = ObjectTable.makeID(.physicalDevice, channel: 0)
      i &+= 1
    }
    var count = UInt32(physicalDeviceLimit)
    let handle = OpaquePointer(instance)
    guard let call = beginCall(instance: handle, opcode: Opcode.vkEnumeratePhysicalDevices) else {
      return VK_SUCCESS
    }
    encode_vkEnumeratePhysicalDevices(&call.writer.pointee, call.ticket, handle, &count, ids)
    guard var reply = connection.endCall(call) else { return VK_SUCCESS }
    let result = decodeReply_vkEnumeratePhysicalDevices(&reply, &count)
    connection.finishCall(call)
    let found = result.rawValue >= 0 ? min(Int(count), physicalDeviceLimit) : 0
    guard
      let raw = platform_calloc(
        physicalDeviceLimit, MemoryLayout<UnsafeMutablePointer<PhysicalDeviceObject>>.stride)
    else { return VK_ERROR_OUT_OF_HOST_MEMORY }
    let list = raw.bindMemory(
      to: UnsafeMutablePointer<PhysicalDeviceObject>.self, capacity: physicalDeviceLimit)
    var made = 0
    while made < found {
      let object = PhysicalDeviceObject(
        loaderWord: loaderMagic, id: ids[made], index: made, instance: instance,
        connection: connection,
        extensions: nil, extensionCount: 0, nodeHasSwapchain: false)
      guard let device = makeObject(object) else { break }
      (list + made).initialize(to: device)
      made &+= 1
    }
    forgetIDs(.physicalDevice, ids + made, physicalDeviceLimit &- made)
    instance.pointee.physicalDevices = list
    instance.pointee.physicalDeviceCount = made
    instance.pointee.enumerated = true
    return VK_SUCCESS
  }
}

func hook_vkEnumeratePhysicalDevices(
  _ instance: VkInstance?, _ pPhysicalDeviceCount: UnsafeMutablePointer<UInt32>?,
  _ pPhysicalDevices: UnsafeMutablePointer<VkPhysicalDevice?>?
) -> VkResult {
  guard let state = instanceState(of: instance), let pPhysicalDeviceCount else {
    return VK_ERROR_INITIALIZATION_FAILED
  }
  let result = enumerate(state)
  guard result == VK_SUCCESS else { return result }
  let count = state.pointee.physicalDeviceCount
  guard let pPhysicalDevices else {
    pPhysicalDeviceCount.pointee = UInt32(truncatingIfNeeded: count)
    return VK_SUCCESS
  }
  let wanted = min(Int(pPhysicalDeviceCount.pointee), count)
  var i = 0
  while i < wanted, let device = state.pointee.physicalDevices?[i] {
    pPhysicalDevices[i] = OpaquePointer(device)
    i &+= 1
  }
  pPhysicalDeviceCount.pointee = UInt32(truncatingIfNeeded: wanted)
  return wanted < count ? VK_INCOMPLETE : VK_SUCCESS
}

/// Every device is a group of its own.
func hook_vkEnumeratePhysicalDeviceGroups(
  _ instance: VkInstance?, _ pPhysicalDeviceGroupCount: UnsafeMutablePointer<UInt32>?,
  _ pPhysicalDeviceGroupProperties: UnsafeMutablePointer<VkPhysicalDeviceGroupProperties>?
) -> VkResult {
  guard let state = instanceState(of: instance), let pPhysicalDeviceGroupCount else {
    return VK_ERROR_INITIALIZATION_FAILED
  }
  let result = enumerate(state)
  guard result == VK_SUCCESS else { return result }
  let count = state.pointee.physicalDeviceCount
  guard let groups = pPhysicalDeviceGroupProperties else {
    pPhysicalDeviceGroupCount.pointee = UInt32(truncatingIfNeeded: count)
    return VK_SUCCESS
  }
  let wanted = min(Int(pPhysicalDeviceGroupCount.pointee), count)
  var i = 0
  while i < wanted, let device = state.pointee.physicalDevices?[i] {
    groups[i].physicalDeviceCount = 1
    groups[i].physicalDevices.0 = OpaquePointer(device)
    groups[i].subsetAllocation = VK_FALSE
    i &+= 1
  }
  pPhysicalDeviceGroupCount.pointee = UInt32(truncatingIfNeeded: wanted)
  return wanted < count ? VK_INCOMPLETE : VK_SUCCESS
}

func hook_vkEnumerateDeviceLayerProperties(
  _ physicalDevice: VkPhysicalDevice?, _ pPropertyCount: UnsafeMutablePointer<UInt32>?,
  _ pProperties: UnsafeMutablePointer<VkLayerProperties>?
) -> VkResult {
  pPropertyCount?.pointee = 0
  return VK_SUCCESS
}

// MARK: Features

func hook_vkGetPhysicalDeviceFeatures2(
  _ physicalDevice: VkPhysicalDevice?, _ pFeatures: UnsafeMutablePointer<VkPhysicalDeviceFeatures2>?
) {
  let opcode = Opcode.vkGetPhysicalDeviceFeatures2
  if var call = beginCached(physicalDevice: physicalDevice, opcode: opcode) {
    encode_vkGetPhysicalDeviceFeatures2(
      &call.writer.pointee, call.ticket, physicalDevice, pFeatures)
    if var reply = endCached(&call) { decodeReply_vkGetPhysicalDeviceFeatures2(&reply, pFeatures) }
    finishCall(&call)
  }
  adjustFeatures(pFeatures?.pointee.pNext)
}

/// Adds the features of extensions that are implemented on the client, which the node never hears of,
/// and takes those away that end at the client: host commands, which work on the application's own
/// memory, and handles of shader groups for another run, whose size the codec does not know.
private func adjustFeatures(_ chain: UnsafeMutableRawPointer?) {
  var next = chain
  while let entry = next?.assumingMemoryBound(to: VkBaseOutStructure.self) {
    let raw = UnsafeMutableRawPointer(entry)
    switch entry.pointee.sType {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRESENT_ID_FEATURES_KHR:
      raw.assumingMemoryBound(to: VkPhysicalDevicePresentIdFeaturesKHR.self)
        .pointee.presentId = VkBool32(VK_TRUE)
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PRESENT_WAIT_FEATURES_KHR:
      raw.assumingMemoryBound(to: VkPhysicalDevicePresentWaitFeaturesKHR.self)
        .pointee.presentWait = VkBool32(VK_TRUE)
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SWAPCHAIN_MAINTENANCE_1_FEATURES_EXT:
      raw.assumingMemoryBound(to: VkPhysicalDeviceSwapchainMaintenance1FeaturesEXT.self)
        .pointee.swapchainMaintenance1 = VkBool32(VK_TRUE)
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ACCELERATION_STRUCTURE_FEATURES_KHR:
      raw.assumingMemoryBound(to: VkPhysicalDeviceAccelerationStructureFeaturesKHR.self)
        .pointee.accelerationStructureHostCommands = VkBool32(VK_FALSE)
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_OPACITY_MICROMAP_FEATURES_EXT:
      raw.assumingMemoryBound(to: VkPhysicalDeviceOpacityMicromapFeaturesEXT.self)
        .pointee.micromapHostCommands = VkBool32(VK_FALSE)
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_RAY_TRACING_PIPELINE_FEATURES_KHR:
      let features = raw.assumingMemoryBound(
        to: VkPhysicalDeviceRayTracingPipelineFeaturesKHR.self)
      features.pointee.rayTracingPipelineShaderGroupHandleCaptureReplay = VkBool32(VK_FALSE)
      features.pointee.rayTracingPipelineShaderGroupHandleCaptureReplayMixed = VkBool32(VK_FALSE)
    default: break
    }
    next = entry.pointee.pNext.map { UnsafeMutableRawPointer($0) }
  }
}

// MARK: Extensions

/// An extension of this library's own.
struct OfferedExtension {
  let name: StaticString
  let specVersion: UInt32
}

/// The device extensions that are implemented on the client, whatever the node has.
private func localDeviceExtension(_ index: Int) -> OfferedExtension? {
  switch index {
  case 0: OfferedExtension(name: "VK_KHR_swapchain", specVersion: 70)
  case 1: OfferedExtension(name: "VK_KHR_swapchain_mutable_format", specVersion: 1)
  case 2: OfferedExtension(name: "VK_KHR_incremental_present", specVersion: 2)
  case 3: OfferedExtension(name: "VK_KHR_present_id", specVersion: 1)
  case 4: OfferedExtension(name: "VK_KHR_present_wait", specVersion: 1)
  case 5: OfferedExtension(name: "VK_EXT_swapchain_maintenance1", specVersion: 1)
  default: nil
  }
}

/// Whether an extension is implemented on the client.
func isLocalDeviceExtension(_ name: UnsafePointer<CChar>) -> Bool {
  var i = 0
  while let known = localDeviceExtension(i) {
    if equal(name, known.name) { return true }
    i &+= 1
  }
  return false
}

/// The index of a name among the first `count` of `known`, which are sorted by name; nil for a
/// stranger.
func knownIndex(
  _ name: UnsafePointer<CChar>, _ count: Int, _ known: (Int) -> KnownExtension?
) -> Int? {
  var low = 0
  var high = count
  while low < high {
    let middle = (low &+ high) / 2
    guard let candidate = known(middle) else { return nil }
    let text = UnsafeRawPointer(candidate.name.utf8Start).assumingMemoryBound(to: CChar.self)
    let order = platform_string_compare(name, text)
    if order == 0 { return middle }
    if order < 0 { high = middle } else { low = middle &+ 1 }
  }
  return nil
}

/// The spec version of an extension whose commands and structures travel; nil for any other.
private func knownVersion(_ name: UnsafePointer<CChar>) -> UInt32? {
  knownIndex(name, knownDeviceExtensionCount, knownDeviceExtension)
    .flatMap { knownDeviceExtension($0)?.specVersion }
}

/// Fills a structure of the caller.
func writeExtension(
  _ place: UnsafeMutablePointer<VkExtensionProperties>, _ name: StaticString, _ version: UInt32
) {
  let raw = UnsafeMutableRawPointer(place)
  platform_zero(raw, MemoryLayout<VkExtensionProperties>.stride)
  platform_copy(raw, name.utf8Start, min(name.utf8CodeUnitCount, 255))
  place.pointee.specVersion = version
}

private func nameOf(_ extensionProperties: UnsafeMutablePointer<VkExtensionProperties>)
  -> UnsafePointer<CChar>
{
  UnsafeRawPointer(extensionProperties).assumingMemoryBound(to: CChar.self)
}

/// Asks the node for its extensions once, and keeps those that travel and ours.
func loadExtensions(_ device: UnsafeMutablePointer<PhysicalDeviceObject>) -> VkResult {
  let instance = device.pointee.instance
  instance.pointee.lock.lock()
  defer { instance.pointee.lock.unlock() }
  guard device.pointee.extensions == nil else { return VK_SUCCESS }
  let capacity = 1024
  guard let raw = platform_calloc(capacity, MemoryLayout<VkExtensionProperties>.stride) else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let list = raw.bindMemory(to: VkExtensionProperties.self, capacity: capacity)
  let handle = OpaquePointer(device)
  // Room for ours behind the node's.
  var count = UInt32(capacity - 16)
  let opcode = Opcode.vkEnumerateDeviceExtensionProperties
  guard var call = beginCached(physicalDevice: handle, opcode: opcode) else {
    platform_free(list)
    return VK_ERROR_DEVICE_LOST
  }
  encode_vkEnumerateDeviceExtensionProperties(
    &call.writer.pointee, call.ticket, handle, nil, &count, list)
  guard var reply = endCached(&call) else {
    platform_free(list)
    return VK_ERROR_DEVICE_LOST
  }
  let result = decodeReply_vkEnumerateDeviceExtensionProperties(&reply, &count, list)
  finishCall(&call)
  guard result.rawValue >= 0 else {
    platform_free(list)
    return result
  }
  var kept = 0
  var i = 0
  while i < min(Int(count), capacity - 16) {
    let name = nameOf(list + i)
    // The last byte of a name is NUL whatever the node sent.
    (UnsafeMutableRawPointer(list + i) + 255).storeBytes(of: 0, as: UInt8.self)
    if equal(name, "VK_KHR_swapchain") { device.pointee.nodeHasSwapchain = true }
    if let version = knownVersion(name), !isLocalDeviceExtension(name) {
      list[kept] = list[i]
      list[kept].specVersion = min(list[i].specVersion, version)
      kept &+= 1
    }
    i &+= 1
  }
  i = 0
  while let known = localDeviceExtension(i) {
    writeExtension(list + kept, known.name, known.specVersion)
    kept &+= 1
    i &+= 1
  }
  device.pointee.extensionCount = kept
  device.pointee.extensions = list
  return VK_SUCCESS
}

func hook_vkEnumerateDeviceExtensionProperties(
  _ physicalDevice: VkPhysicalDevice?, _ pLayerName: UnsafePointer<CChar>?,
  _ pPropertyCount: UnsafeMutablePointer<UInt32>?,
  _ pProperties: UnsafeMutablePointer<VkExtensionProperties>?
) -> VkResult {
  guard let state = physicalDeviceState(of: physicalDevice), let pPropertyCount else {
    return VK_ERROR_INITIALIZATION_FAILED
  }
  guard pLayerName == nil else {
    pPropertyCount.pointee = 0
    return VK_SUCCESS
  }
  let result = loadExtensions(state)
  guard result == VK_SUCCESS, let known = state.pointee.extensions else {
    pPropertyCount.pointee = 0
    return result
  }
  let count = state.pointee.extensionCount
  guard let pProperties else {
    pPropertyCount.pointee = UInt32(truncatingIfNeeded: count)
    return VK_SUCCESS
  }
  let wanted = min(Int(pPropertyCount.pointee), count)
  var i = 0
  while i < wanted {
    pProperties[i] = known[i]
    i &+= 1
  }
  pPropertyCount.pointee = UInt32(truncatingIfNeeded: wanted)
  return wanted < count ? VK_INCOMPLETE : VK_SUCCESS
}
