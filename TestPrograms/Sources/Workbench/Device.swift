import CVulkan
import Glibc

/// The first physical device of the machine (WORKBENCH_DEVICE=1: the second), with a logical device that
/// has every feature of core Vulkan which the programs use and the device offers. Used from one thread,
/// except for its `let`s.
public final class Device: @unchecked Sendable {
  public let instance: VkInstance
  public let physical: VkPhysicalDevice
  public let handle: VkDevice
  public let family: UInt32
  /// The first of `queues`.
  public let queue: VkQueue
  /// As many as were asked for, or as the family has.
  public let queues: [VkQueue]
  public let properties: VkPhysicalDeviceProperties
  public let features: VkPhysicalDeviceFeatures
  public let features12: VkPhysicalDeviceVulkan12Features
  public let features13: VkPhysicalDeviceVulkan13Features
  /// Extensions that are enabled, of instance and device.
  public let extensions: Set<String>
  let memory: VkPhysicalDeviceMemoryProperties
  let pool: VkCommandPool
  private let ownsInstance: Bool
  private var owned: [(handle: OpaquePointer, destroy: Destroy)] = []

  /// Any `vkDestroy…` or `vkFree…` of a non-dispatchable object.
  public typealias Destroy = (
    VkDevice?, OpaquePointer?, UnsafePointer<VkAllocationCallbacks>?
  ) -> Void

  /// The extensions are those that the program cannot do without; `optional` ones of either kind are
  /// enabled where they are offered, and their features with them: `chain` makes the structures for
  /// those that are enabled. A device `beside` another shares its instance, and is destroyed first.
  public init(
    instanceExtensions: [String] = [], deviceExtensions: [String] = [], optional: [String] = [],
    queueCount: Int = 1, beside sibling: Device? = nil,
    chain: (Set<String>) -> UnsafeMutableRawPointer? = { _ in nil }
  ) {
    let instanceExtensions =
      instanceExtensions + (optional.isEmpty ? [] : Self.offered(nil).filter(optional.contains))
    instance = sibling?.instance ?? Self.makeInstance(instanceExtensions)
    ownsInstance = sibling == nil
    physical = Self.choosePhysicalDevice(instance)
    var properties = VkPhysicalDeviceProperties()
    vkGetPhysicalDeviceProperties(physical, &properties)
    self.properties = properties
    var memory = VkPhysicalDeviceMemoryProperties()
    vkGetPhysicalDeviceMemoryProperties(physical, &memory)
    self.memory = memory
    let (family, familyQueues) = Self.graphicsFamily(physical)
    self.family = family
    let count = min(queueCount, familyQueues)

    let offered = Self.features(physical)
    features = offered.core
    features12 = offered.v12
    features13 = offered.v13
    let deviceExtensions =
      deviceExtensions
      + (optional.isEmpty ? [] : Self.offered(physical).filter(optional.contains))
    extensions = Set(instanceExtensions + deviceExtensions)
    handle = Self.makeDevice(
      physical, family, count, deviceExtensions, offered.core, offered.v12, offered.v13,
      chain(extensions))
    var queues: [VkQueue] = []
    for index in 0..<count {
      var queue: VkQueue?
      vkGetDeviceQueue(handle, family, UInt32(index), &queue)
      queues.append(queue!)
    }
    self.queues = queues
    queue = queues[0]
    var poolInfo = VkCommandPoolCreateInfo()
    poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
    poolInfo.flags = bits(VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT)
    poolInfo.queueFamilyIndex = family
    var pool: VkCommandPool?
    check(vkCreateCommandPool(handle, &poolInfo, nil, &pool), "vkCreateCommandPool")
    self.pool = pool!
  }

  /// Takes an object that was just made, to destroy it at the next `discard`.
  public func own(_ object: OpaquePointer?, _ destroy: @escaping Destroy) -> OpaquePointer {
    owned.append((object!, destroy))
    return object!
  }

  /// Destroys one object; the device must be done with it.
  public func discard(_ object: OpaquePointer) {
    guard let index = owned.lastIndex(where: { $0.handle == object }) else { return }
    owned.remove(at: index).destroy(handle, object, nil)
  }

  /// Waits for the device and destroys every object that is left, the youngest first.
  public func discardAll() {
    check(vkDeviceWaitIdle(handle), "vkDeviceWaitIdle")
    for object in owned.reversed() { object.destroy(handle, object.handle, nil) }
    owned = []
  }

  /// Destroys everything.
  public func destroy() {
    discardAll()
    vkDestroyCommandPool(handle, pool, nil)
    vkDestroyDevice(handle, nil)
    if ownsInstance { vkDestroyInstance(instance, nil) }
  }

  /// A device-level function, as an engine fetches it: without the loader's trampoline.
  public func function<F>(_ name: String, as type: F.Type) -> F {
    guard let function = vkGetDeviceProcAddr(handle, name) else { fail("no \(name)") }
    return unsafeBitCast(function, to: F.self)
  }

  private static func makeInstance(_ extensions: [String]) -> VkInstance {
    var application = VkApplicationInfo()
    application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO
    application.pApplicationName = keep("workbench")
    application.apiVersion = 1 << 22 | 3 << 12
    var info = VkInstanceCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
    info.pApplicationInfo = keep(application)
    info.enabledExtensionCount = UInt32(extensions.count)
    info.ppEnabledExtensionNames = keep(extensions.map { Optional(keep($0)) })
    var instance: VkInstance?
    check(vkCreateInstance(&info, nil, &instance), "vkCreateInstance")
    return instance!
  }

  /// Names of the extensions that a physical device offers; nil: the instance.
  private static func offered(_ physical: VkPhysicalDevice?) -> [String] {
    func enumerate(
      _ count: UnsafeMutablePointer<UInt32>, _ list: UnsafeMutablePointer<VkExtensionProperties>?
    ) {
      check(
        physical == nil
          ? vkEnumerateInstanceExtensionProperties(nil, count, list)
          : vkEnumerateDeviceExtensionProperties(physical, nil, count, list),
        "vkEnumerate…ExtensionProperties")
    }
    var count: UInt32 = 0
    enumerate(&count, nil)
    var list = [VkExtensionProperties](repeating: .init(), count: Int(count))
    enumerate(&count, &list)
    return list.map { properties in
      withUnsafeBytes(of: properties.extensionName) { name in
        String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
  }

  private static func choosePhysicalDevice(_ instance: VkInstance) -> VkPhysicalDevice {
    var count: UInt32 = 0
    check(vkEnumeratePhysicalDevices(instance, &count, nil), "vkEnumeratePhysicalDevices")
    if count == 0 { fail("no physical device") }
    var devices = [VkPhysicalDevice?](repeating: nil, count: Int(count))
    check(vkEnumeratePhysicalDevices(instance, &count, &devices), "vkEnumeratePhysicalDevices")
    let index = getenv("WORKBENCH_DEVICE").flatMap { Int(String(cString: $0)) } ?? 0
    guard devices.indices.contains(index), let device = devices[index] else {
      fail("no physical device \(index) among \(count)")
    }
    return device
  }

  private static func graphicsFamily(
    _ physical: VkPhysicalDevice
  ) -> (family: UInt32, queueCount: Int) {
    var count: UInt32 = 0
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nil)
    var families = [VkQueueFamilyProperties](repeating: .init(), count: Int(count))
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, &families)
    let wanted = bits(VK_QUEUE_GRAPHICS_BIT, VK_QUEUE_COMPUTE_BIT)
    guard let index = families.firstIndex(where: { $0.queueFlags & wanted == wanted }) else {
      fail("no queue family with graphics and compute")
    }
    return (UInt32(index), Int(families[index].queueCount))
  }

  private static func features(
    _ physical: VkPhysicalDevice
  ) -> (
    core: VkPhysicalDeviceFeatures, v12: VkPhysicalDeviceVulkan12Features,
    v13: VkPhysicalDeviceVulkan13Features
  ) {
    var v13 = VkPhysicalDeviceVulkan13Features()
    v13.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES
    let kept13 = keep(v13)
    var v12 = VkPhysicalDeviceVulkan12Features()
    v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES
    v12.pNext = UnsafeMutableRawPointer(mutating: kept13)
    let kept12 = keep(v12)
    var features = VkPhysicalDeviceFeatures2()
    features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
    features.pNext = UnsafeMutableRawPointer(mutating: kept12)
    vkGetPhysicalDeviceFeatures2(physical, &features)
    v12 = kept12.pointee
    v12.pNext = nil
    v13 = kept13.pointee
    return (features.features, v12, v13)
  }

  private static func makeDevice(
    _ physical: VkPhysicalDevice, _ family: UInt32, _ queueCount: Int, _ extensions: [String],
    _ features: VkPhysicalDeviceFeatures, _ features12: VkPhysicalDeviceVulkan12Features,
    _ features13: VkPhysicalDeviceVulkan13Features, _ chain: UnsafeMutableRawPointer?
  ) -> VkDevice {
    var wanted13 = VkPhysicalDeviceVulkan13Features()
    wanted13.sType = features13.sType
    wanted13.pNext = chain
    wanted13.dynamicRendering = features13.dynamicRendering
    wanted13.synchronization2 = features13.synchronization2
    wanted13.maintenance4 = features13.maintenance4
    var wanted12 = VkPhysicalDeviceVulkan12Features()
    wanted12.sType = features12.sType
    wanted12.pNext = UnsafeMutableRawPointer(mutating: keep(wanted13))
    wanted12.timelineSemaphore = features12.timelineSemaphore
    wanted12.bufferDeviceAddress = features12.bufferDeviceAddress
    wanted12.hostQueryReset = features12.hostQueryReset
    wanted12.drawIndirectCount = features12.drawIndirectCount
    wanted12.imagelessFramebuffer = features12.imagelessFramebuffer
    var wanted = VkPhysicalDeviceFeatures2()
    wanted.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
    wanted.pNext = UnsafeMutableRawPointer(mutating: keep(wanted12))
    wanted.features.multiDrawIndirect = features.multiDrawIndirect
    wanted.features.drawIndirectFirstInstance = features.drawIndirectFirstInstance
    wanted.features.occlusionQueryPrecise = features.occlusionQueryPrecise
    wanted.features.pipelineStatisticsQuery = features.pipelineStatisticsQuery

    var queueInfo = VkDeviceQueueCreateInfo()
    queueInfo.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
    queueInfo.queueFamilyIndex = family
    queueInfo.queueCount = UInt32(queueCount)
    queueInfo.pQueuePriorities = keep([Float](repeating: 1, count: queueCount))
    var info = VkDeviceCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
    info.pNext = UnsafeRawPointer(keep(wanted))
    info.queueCreateInfoCount = 1
    info.pQueueCreateInfos = keep(queueInfo)
    info.enabledExtensionCount = UInt32(extensions.count)
    info.ppEnabledExtensionNames = keep(extensions.map { Optional(keep($0)) })
    var device: VkDevice?
    check(vkCreateDevice(physical, &info, nil, &device), "vkCreateDevice")
    return device!
  }
}
