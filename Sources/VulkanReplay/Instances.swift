import CPlatform
import CVulkan
import Ring

/// The driver's functions of an instance that this room itself calls.
struct InstanceFunctions {
  let destroyInstance: PFN_vkDestroyInstance
  let enumeratePhysicalDevices: PFN_vkEnumeratePhysicalDevices
  let getFeatures: PFN_vkGetPhysicalDeviceFeatures
  let getProperties: PFN_vkGetPhysicalDeviceProperties
  let getProperties2: PFN_vkGetPhysicalDeviceProperties2?
  let getMemoryProperties: PFN_vkGetPhysicalDeviceMemoryProperties
  let getQueueFamilyProperties: PFN_vkGetPhysicalDeviceQueueFamilyProperties
  let enumerateDeviceExtensions: PFN_vkEnumerateDeviceExtensionProperties
  let createDevice: PFN_vkCreateDevice
  let getDeviceProcAddr: PFN_vkGetDeviceProcAddr

  init(_ getProc: PFN_vkGetInstanceProcAddr, _ instance: VkInstance) throws(ReplayError) {
    func load<F>(_ name: StaticString, _ type: F.Type) throws(ReplayError) -> F {
      guard let function = getProc(instance, cString(name)) else {
        throw ReplayError(reason: LostReason.nodeGone, message: "the driver has no \(name)")
      }
      return unsafeBitCast(function, to: type)
    }
    destroyInstance = try load("vkDestroyInstance", PFN_vkDestroyInstance.self)
    enumeratePhysicalDevices = try load(
      "vkEnumeratePhysicalDevices", PFN_vkEnumeratePhysicalDevices.self)
    getFeatures = try load("vkGetPhysicalDeviceFeatures", PFN_vkGetPhysicalDeviceFeatures.self)
    getProperties = try load(
      "vkGetPhysicalDeviceProperties", PFN_vkGetPhysicalDeviceProperties.self)
    getProperties2 = getProc(instance, "vkGetPhysicalDeviceProperties2").map {
      unsafeBitCast($0, to: PFN_vkGetPhysicalDeviceProperties2.self)
    }
    getMemoryProperties = try load(
      "vkGetPhysicalDeviceMemoryProperties", PFN_vkGetPhysicalDeviceMemoryProperties.self)
    getQueueFamilyProperties = try load(
      "vkGetPhysicalDeviceQueueFamilyProperties", PFN_vkGetPhysicalDeviceQueueFamilyProperties.self)
    enumerateDeviceExtensions = try load(
      "vkEnumerateDeviceExtensionProperties", PFN_vkEnumerateDeviceExtensionProperties.self)
    createDevice = try load("vkCreateDevice", PFN_vkCreateDevice.self)
    getDeviceProcAddr = try load("vkGetDeviceProcAddr", PFN_vkGetDeviceProcAddr.self)
  }
}

/// A VkInstance of the client.
final class InstanceState {
  let handle: VkInstance
  let functions: InstanceFunctions
  /// Devices made from it and not destroyed yet.
  var deviceCount = 0
  /// Ids of its physical devices; enumerating again gives them further ones.
  var physicalDeviceIDs: [UInt64] = []

  init(handle: VkInstance, functions: InstanceFunctions) {
    self.handle = handle
    self.functions = functions
  }

  /// The place of a physical device in the driver's list.
  func index(of physicalDevice: VkPhysicalDevice) -> Int {
    var devices = [VkPhysicalDevice?](repeating: nil, count: 64)
    var count = UInt32(devices.count)
    _ = functions.enumeratePhysicalDevices(handle, &count, &devices)
    return devices.prefix(Int(count)).firstIndex(of: physicalDevice) ?? 0
  }
}
