import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Initialization": instances and what is asked before there is one.

/// Vulkan 1.3.239.
let headerVersion: UInt32 = (1 << 22) | (3 << 12) | 239

func hook_vkEnumerateInstanceVersion(_ pApiVersion: UnsafeMutablePointer<UInt32>?) -> VkResult {
  pApiVersion?.pointee = headerVersion
  return VK_SUCCESS
}

func hook_vkEnumerateInstanceLayerProperties(
  _ pPropertyCount: UnsafeMutablePointer<UInt32>?,
  _ pProperties: UnsafeMutablePointer<VkLayerProperties>?
) -> VkResult {
  pPropertyCount?.pointee = 0
  return VK_SUCCESS
}

func hook_vkEnumerateInstanceExtensionProperties(
  _ pLayerName: UnsafePointer<CChar>?, _ pPropertyCount: UnsafeMutablePointer<UInt32>?,
  _ pProperties: UnsafeMutablePointer<VkExtensionProperties>?
) -> VkResult {
  guard let pPropertyCount else { return VK_ERROR_INITIALIZATION_FAILED }
  guard pLayerName == nil else {
    pPropertyCount.pointee = 0
    return VK_SUCCESS
  }
  var count: UInt32 = 0
  while instanceExtension(count) != nil { count &+= 1 }
  guard let pProperties else {
    pPropertyCount.pointee = count
    return VK_SUCCESS
  }
  let wanted = min(pPropertyCount.pointee, count)
  var i: UInt32 = 0
  while i < wanted, let known = instanceExtension(i) {
    writeExtension(pProperties + Int(i), known.name, known.specVersion)
    i &+= 1
  }
  pPropertyCount.pointee = wanted
  return wanted < count ? VK_INCOMPLETE : VK_SUCCESS
}

/// The instance extensions of the driver, sorted by name.
private func instanceExtension(_ index: UInt32) -> OfferedExtension? {
  switch index {
  case 0: OfferedExtension(name: "VK_EXT_debug_report", specVersion: 10)
  case 1: OfferedExtension(name: "VK_EXT_debug_utils", specVersion: 2)
  case 2: OfferedExtension(name: "VK_EXT_headless_surface", specVersion: 1)
  case 3: OfferedExtension(name: "VK_EXT_surface_maintenance1", specVersion: 1)
  case 4: OfferedExtension(name: "VK_KHR_device_group_creation", specVersion: 1)
  case 5: OfferedExtension(name: "VK_KHR_external_fence_capabilities", specVersion: 1)
  case 6: OfferedExtension(name: "VK_KHR_external_memory_capabilities", specVersion: 1)
  case 7: OfferedExtension(name: "VK_KHR_external_semaphore_capabilities", specVersion: 1)
  case 8: OfferedExtension(name: "VK_KHR_get_physical_device_properties2", specVersion: 2)
  case 9: OfferedExtension(name: "VK_KHR_get_surface_capabilities2", specVersion: 1)
  case 10: OfferedExtension(name: "VK_KHR_surface", specVersion: 25)
  case 11: OfferedExtension(name: "VK_KHR_surface_protected_capabilities", specVersion: 1)
  case 12: OfferedExtension(name: "VK_KHR_wayland_surface", specVersion: 6)
  case 13: OfferedExtension(name: "VK_KHR_xcb_surface", specVersion: 6)
  case 14: OfferedExtension(name: "VK_KHR_xlib_surface", specVersion: 6)
  default: nil
  }
}

/// Whether an instance extension is one that the node's driver has to be told of: surfaces and
/// debugging stay on the client.
private func travels(_ name: UnsafePointer<CChar>) -> Bool {
  equal(name, "VK_KHR_get_physical_device_properties2")
    || equal(name, "VK_KHR_device_group_creation")
    || equal(name, "VK_KHR_external_fence_capabilities")
    || equal(name, "VK_KHR_external_memory_capabilities")
    || equal(name, "VK_KHR_external_semaphore_capabilities")
}

/// Whether somebody asked for this driver: the launcher, a user who names its manifest, or one who
/// names nodes. A driver that is merely installed offers no device, so that a program that did not
/// ask sees the devices it always saw, and starts no agent.
private func isAskedFor() -> Bool {
  if Invitation.isThere { return true }
  let lists: [4 of StaticString] = [
    "VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT",
  ]
  for i in lists.indices {
    if Invitation.isIn(lists[i]) { return true }
  }
  return false
}

/// How many instances this driver has made: a layer in the same process sees by it that the driver
/// is there.
nonisolated(unsafe) var driverInstancesMade: UInt32 = 0

func hook_vkCreateInstance(
  _ pCreateInfo: UnsafePointer<VkInstanceCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pInstance: UnsafeMutablePointer<VkInstance?>?
) -> VkResult {
  guard let pCreateInfo, let pInstance, let instance = makeInstance(pCreateInfo, isAskedFor())
  else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  driverInstancesMade &+= 1
  pInstance.pointee = OpaquePointer(instance)
  return VK_SUCCESS
}

/// Makes an instance. Without agent or node it is one without physical devices: an instance that
/// fails would take every other driver's devices with it; so is one that does not want devices.
/// Nil without memory.
func makeInstance(_ pCreateInfo: UnsafePointer<VkInstanceCreateInfo>, _ wantsDevices: Bool)
  -> UnsafeMutablePointer<InstanceObject>?
{
  guard let lock = Lock() else { return nil }
  var connection = Invitation.isNodeProcess || !wantsDevices ? nil : Connection.open()
  let id = connection == nil ? 0 : ObjectTable.makeID(.instance, channel: 0)
  if let open = connection, !createOnNode(open, id, pCreateInfo.pointee) { connection = nil }
  let info = pCreateInfo.pointee
  var enabled = EnabledFeatures(apiVersion: info.pApplicationInfo?.pointee.apiVersion ?? 0)
  var i = 0
  while i < Int(info.enabledExtensionCount) {
    if let name = info.ppEnabledExtensionNames?[i] { enabled.enableInstanceExtension(name) }
    i &+= 1
  }
  return makeObject(
    InstanceObject(
      loaderWord: loaderMagic, id: id, connection: connection, lock: lock, enabled: enabled,
      enumerated: false, physicalDeviceCount: 0, physicalDevices: nil))
}

/// Makes the instance on the node; false when it cannot, which a message has then said.
private func createOnNode(
  _ connection: Connection, _ id: UInt64, _ createInfo: VkInstanceCreateInfo
) -> Bool {
  let count = Int(createInfo.enabledExtensionCount)
  return withUnsafeTemporaryAllocation(
    of: UnsafePointer<CChar>?.self, capacity: max(count, 1)
  ) { names in
    var kept = 0
    var i = 0
    while i < count {
      if let name = createInfo.ppEnabledExtensionNames?[i], travels(name) {
        names[kept] = name
        kept &+= 1
      }
      i &+= 1
    }
    var sent = createInfo
    // What hangs on an instance's chain (messengers, loader links) has its meaning here.
    sent.pNext = nil
    sent.enabledLayerCount = 0
    sent.ppEnabledLayerNames = nil
    sent.enabledExtensionCount = UInt32(truncatingIfNeeded: kept)
    sent.ppEnabledExtensionNames = UnsafePointer(names.baseAddress)
    guard
      let call = connection.beginCall(
        connection.instanceChannel, opcode: Opcode.vkCreateInstance)
    else { return false }
    encode_vkCreateInstance(&call.writer.pointee, call.ticket, &sent, id)
    guard var reply = connection.endCall(call) else { return false }
    let result = decodeReply_vkCreateInstance(&reply)
    connection.finishCall(call)
    if result == VK_SUCCESS { return true }
    var line = LogLine(.warning)
    line.text("the node's driver makes no instance (VkResult -")
    line.number(UInt64(result.rawValue.magnitude))
    line.text("); its devices are left out")
    line.send()
    return false
  }
}

func hook_vkDestroyInstance(
  _ instance: VkInstance?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let instance, let state = instanceState(of: instance) else { return }
  if let writer = beginAsync(instance: instance) {
    encode_vkDestroyInstance(&writer.pointee, instance)
    endAsync(writer)
  }
  var i = 0
  while i < state.pointee.physicalDeviceCount, let device = state.pointee.physicalDevices?[i] {
    didDestroy(.physicalDevice, device.pointee.id)
    platform_free(device.pointee.extensions)
    platform_free(device)
    i &+= 1
  }
  platform_free(state.pointee.physicalDevices)
  didDestroy(.instance, state.pointee.id)
  state.pointee.lock.free()
  platform_free(state)
}

// MARK: Entry points

func hook_vkGetInstanceProcAddr(_ instance: VkInstance?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName, let index = entryIndex(named: pName) else { return nil }
  // Without an instance only the global commands have an address.
  guard instance != nil || entryLevels[index] == EntryLevel.global.rawValue else { return nil }
  return entryFunction(index)
}

func hook_vkGetDeviceProcAddr(_ device: VkDevice?, _ pName: UnsafePointer<CChar>?)
  -> PFN_vkVoidFunction?
{
  guard let pName, let index = entryIndex(named: pName),
    entryLevels[index] == EntryLevel.device.rawValue,
    let state = deviceState(of: device), state.pointee.enabled.provides(index)
  else { return nil }
  return entryFunction(index)
}

/// What an instance or a device was created with: commands of anything else have no address.
struct EnabledFeatures {
  /// Highest minor version of Vulkan 1 whose commands there are.
  var minorVersion: UInt32
  /// Bits by index of the known device extensions, then of the known instance extensions.
  private var deviceExtensions: [4 of UInt64]
  private var instanceExtensions: UInt64

  /// `apiVersion` as in VkApplicationInfo: 0 is 1.0.
  init(apiVersion: UInt32) {
    minorVersion = apiVersion == 0 ? 0 : (apiVersion &>> 12) & 0x3FF
    deviceExtensions = [0, 0, 0, 0]
    instanceExtensions = 0
  }

  mutating func enableInstanceExtension(_ name: UnsafePointer<CChar>) {
    if let index = knownIndex(name, knownInstanceExtensionCount, knownInstanceExtension),
      index < 64
    {
      instanceExtensions |= 1 &<< UInt64(index)
    }
  }

  mutating func enableDeviceExtension(_ name: UnsafePointer<CChar>) {
    if let index = knownIndex(name, knownDeviceExtensionCount, knownDeviceExtension), index < 256 {
      deviceExtensions[index &>> 6] |= 1 &<< UInt64(index & 63)
    }
  }

  /// Whether a device-level entry point belongs to the version or to an extension that is enabled.
  func provides(_ entry: Int) -> Bool {
    var i = Int(entryProviderStarts[entry])
    while i < Int(entryProviderStarts[entry &+ 1]) {
      let code = Int(entryProviders[i])
      let isEnabled =
        switch code &>> 8 {
        case 0: UInt32(code) <= minorVersion
        case 1: deviceExtensions[(code & 0xFF) &>> 6] &>> UInt64(code & 63) & 1 != 0
        default: instanceExtensions &>> UInt64(code & 63) & 1 != 0
        }
      if isEnabled { return true }
      i &+= 1
    }
    return false
  }
}

/// Whose command an entry is, as `entryLevels` has it.
enum EntryLevel: UInt8 { case global, instance, physicalDevice, device }

/// Row of a command in the generated tables, by binary search.
func entryIndex(named name: UnsafePointer<CChar>) -> Int? {
  let text = UnsafeRawPointer(entryNames.utf8Start).assumingMemoryBound(to: CChar.self)
  var low = 0
  var high = entryCount
  while low < high {
    let middle = (low &+ high) / 2
    let order = platform_string_compare(name, text + Int(entryNameOffsets[middle]))
    if order == 0 { return middle }
    if order < 0 { high = middle } else { low = middle &+ 1 }
  }
  return nil
}

/// The function of a command that this library implements, or nil.
func entryPoint(named name: UnsafePointer<CChar>) -> PFN_vkVoidFunction? {
  entryIndex(named: name).flatMap { entryFunction($0) }
}
