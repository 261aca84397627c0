import CPlatform
import CVulkan

/// How a node finds and checks its driver.
public struct DriverConfiguration: Sendable {
  /// Manifest of the one driver to use (`--driver`); nil for what the loader finds.
  public var manifest: String?
  /// Puts the Khronos validation layer below and logs what it says (`--validate`).
  public var validate: Bool

  public init(manifest: String? = nil, validate: Bool = false) {
    self.manifest = manifest
    self.validate = validate
  }
}

/// The node's Vulkan loader with its drivers: opened once per process, kept until it ends.
public final class Driver: @unchecked Sendable {
  let getInstanceProcAddr: PFN_vkGetInstanceProcAddr
  /// What the loader speaks.
  let loaderVersion: UInt32
  let validate: Bool
  /// Instance extensions that every instance of this node enables.
  private let extensions: [StaticString]
  /// An instance that keeps the drivers loaded, and warm, from start to end.
  private let warm: VkInstance
  /// Name of the first physical device, or why there is none.
  public let deviceName: String
  /// The driver of that device: VkPhysicalDeviceIDProperties.driverUUID, 16 bytes, zeros when it
  /// does not say; and VkPhysicalDeviceProperties.driverVersion.
  public let driverUUID: [UInt8]
  public let driverVersion: UInt32
  public let deviceCount: UInt32

  private static let validationLayer: StaticString = "VK_LAYER_KHRONOS_validation"
  /// Instance extensions that are enabled where the loader has them. The surface extension is there
  /// for VK_KHR_swapchain, which names the layout that presented images are in; no surface is made.
  private static let wanted: [StaticString] = [
    "VK_KHR_surface", "VK_KHR_get_physical_device_properties2",
    "VK_KHR_external_memory_capabilities", "VK_KHR_external_semaphore_capabilities",
    "VK_KHR_external_fence_capabilities", "VK_KHR_device_group_creation", "VK_EXT_debug_utils",
  ]

  /// Makes the process's environment one in which loaders give real drivers only: without
  /// Omega itself, and without layers that were meant for the application. Before any thread is
  /// started, as setenv(3) asks.
  public static func prepareEnvironment(_ configuration: DriverConfiguration) {
    platform_setenv("OMEGA_NODE_PROCESS", "1")
    platform_setenv("OMEGA_DISABLE", "1")
    platform_setenv("OMEGA_ENABLE", nil)
    platform_setenv("VK_INSTANCE_LAYERS", nil)
    platform_setenv("VK_LOADER_LAYERS_ENABLE", nil)
    // The application's own loader sorts the devices; here it would cost a look at the display.
    platform_setenv("NODEVICE_SELECT", "1")
    if let manifest = configuration.manifest {
      platform_setenv("VK_DRIVER_FILES", manifest)
      platform_setenv("VK_ICD_FILENAMES", manifest)
      platform_setenv("VK_ADD_DRIVER_FILES", nil)
    } else {
      for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"] {
        removeOwnManifests(name)
      }
    }
    removeOwnManifests("__EGL_VENDOR_LIBRARY_FILENAMES")
  }

  /// Takes Omega's own manifests out of a list of paths in the environment.
  private static func removeOwnManifests(_ variable: String) {
    guard let value = platform_getenv(variable) else { return }
    let all = String(cString: value).split(separator: ":")
    let rest = all.filter { path in
      let name = path.split(separator: "/").last ?? path
      return !name.hasPrefix("omega_icd") && !name.hasSuffix("_omega.json")
    }
    guard rest.count < all.count else { return }
    if rest.isEmpty {
      platform_setenv(variable, nil)
    } else {
      platform_setenv(variable, rest.joined(separator: ":"))
    }
  }

  /// The variable of the environment by which the loader finds no driver at all. It prefers the new name, even
  /// where that one is empty.
  private static var emptyList: String? {
    let names: [String] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]
    guard let name = names.first(where: { platform_getenv($0) != nil }) else { return nil }
    return platform_getenv(name)?.pointee == 0 ? name : nil
  }

  /// Opens the loader, loads the drivers and looks for a device. Takes tens of milliseconds.
  /// Throws a sentence with a remedy.
  public init(_ configuration: DriverConfiguration) throws(ReplayError) {
    guard let library = platform_open_library("libvulkan.so.1"),
      let symbol = platform_symbol(library, "vkGetInstanceProcAddr")
    else {
      throw ReplayError(
        reason: 0, message: "the Vulkan loader libvulkan.so.1 is missing; install libvulkan1")
    }
    let getProc = unsafeBitCast(symbol, to: PFN_vkGetInstanceProcAddr.self)
    getInstanceProcAddr = getProc
    guard
      let enumerateExtensions = getProc(nil, "vkEnumerateInstanceExtensionProperties").map({
        unsafeBitCast($0, to: PFN_vkEnumerateInstanceExtensionProperties.self)
      })
    else {
      throw ReplayError(reason: 0, message: "libvulkan.so.1 is no Vulkan loader")
    }
    var version: UInt32 = 1 << 22
    if let getVersion = getProc(nil, "vkEnumerateInstanceVersion") {
      _ = unsafeBitCast(getVersion, to: PFN_vkEnumerateInstanceVersion.self)(&version)
    }
    loaderVersion = version

    var count: UInt32 = 0
    _ = enumerateExtensions(nil, &count, nil)
    var properties = [VkExtensionProperties](repeating: VkExtensionProperties(), count: Int(count))
    _ = enumerateExtensions(nil, &count, &properties)
    let available = properties.prefix(Int(count))
    var enabled = Driver.wanted.filter { name in
      available.contains { extensionName($0) == name.description }
    }
    if configuration.validate && !Driver.hasValidationLayer(getProc) {
      throw ReplayError(
        reason: 0,
        message: "--validate needs VK_LAYER_KHRONOS_validation; install vulkan-validationlayers")
    }
    if configuration.validate
      && !enabled.contains(where: { $0.description == "VK_EXT_debug_utils" })
    {
      enabled.append("VK_EXT_debug_utils")
    }
    validate = configuration.validate
    extensions = enabled

    var instance: VkInstance?
    let result = Driver.makeInstance(
      getProc, version: version, application: nil, extensions: enabled, validate: false, &instance)
    guard result == VK_SUCCESS, let instance else {
      throw ReplayError(
        reason: 0,
        message: "the node has no usable Vulkan driver (vkCreateInstance: \(resultName(result))); "
          + (Driver.emptyList.map { "\($0) is empty, which hides every driver: unset it" }
            ?? "install mesa-vulkan-drivers") + ", or name one with --driver")
    }
    warm = instance
    var devices = [VkPhysicalDevice?](repeating: nil, count: 64)
    var deviceCount: UInt32 = 64
    let enumerate = getProc(instance, "vkEnumeratePhysicalDevices").map {
      unsafeBitCast($0, to: PFN_vkEnumeratePhysicalDevices.self)
    }
    let getProperties = getProc(instance, "vkGetPhysicalDeviceProperties").map {
      unsafeBitCast($0, to: PFN_vkGetPhysicalDeviceProperties.self)
    }
    let enumerated = enumerate?(instance, &deviceCount, &devices) ?? VK_ERROR_INITIALIZATION_FAILED
    guard enumerated == VK_SUCCESS || enumerated == VK_INCOMPLETE, deviceCount > 0 else {
      throw ReplayError(
        reason: 0,
        message: "the node's drivers have no device (vkEnumeratePhysicalDevices: "
          + "\(resultName(enumerated))); install mesa-vulkan-drivers or name one with --driver")
    }
    self.deviceCount = deviceCount
    var first = VkPhysicalDeviceProperties()
    getProperties?(devices[0], &first)
    deviceName = withUnsafeBytes(of: &first.deviceName) { boundedString($0) }
    driverVersion = first.driverVersion
    driverUUID = Driver.driverUUID(
      of: devices[0], first.apiVersion, getProc(instance, "vkGetPhysicalDeviceProperties2"))
  }

  private static func driverUUID(
    of device: VkPhysicalDevice?, _ version: UInt32, _ function: PFN_vkVoidFunction?
  ) -> [UInt8] {
    var identity = VkPhysicalDeviceIDProperties()
    // VkPhysicalDeviceIDProperties is of Vulkan 1.1.
    guard version >= 1 << 22 | 1 << 12, let function else {
      return [UInt8](repeating: 0, count: 16)
    }
    let getProperties2 = unsafeBitCast(function, to: PFN_vkGetPhysicalDeviceProperties2.self)
    identity.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES
    withUnsafeMutablePointer(to: &identity) { identity in
      var properties = VkPhysicalDeviceProperties2()
      properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
      properties.pNext = UnsafeMutableRawPointer(identity)
      getProperties2(device, &properties)
    }
    return withUnsafeBytes(of: &identity.driverUUID) { Array($0) }
  }

  private static func hasValidationLayer(_ getProc: PFN_vkGetInstanceProcAddr) -> Bool {
    guard
      let enumerate = getProc(nil, "vkEnumerateInstanceLayerProperties").map({
        unsafeBitCast($0, to: PFN_vkEnumerateInstanceLayerProperties.self)
      })
    else { return false }
    var count: UInt32 = 0
    _ = enumerate(&count, nil)
    var layers = [VkLayerProperties](repeating: VkLayerProperties(), count: Int(count))
    _ = enumerate(&count, &layers)
    return layers.prefix(Int(count)).contains { layer in
      var layer = layer
      return withUnsafeBytes(of: &layer.layerName) {
        boundedString($0) == validationLayer.description
      }
    }
  }

  /// Creates an instance for a client's application, with the node's own extensions and no layer
  /// but validation.
  func createInstance(
    application: UnsafePointer<VkApplicationInfo>?, _ instance: inout VkInstance?
  ) -> VkResult {
    Driver.makeInstance(
      getInstanceProcAddr, version: loaderVersion, application: application,
      extensions: extensions, validate: validate, &instance)
  }

  private static func makeInstance(
    _ getProc: PFN_vkGetInstanceProcAddr, version: UInt32,
    application: UnsafePointer<VkApplicationInfo>?, extensions: [StaticString], validate: Bool,
    _ instance: inout VkInstance?
  ) -> VkResult {
    guard
      let create = getProc(nil, "vkCreateInstance").map({
        unsafeBitCast($0, to: PFN_vkCreateInstance.self)
      })
    else { return VK_ERROR_INITIALIZATION_FAILED }
    // The application's name and engine choose a driver's workarounds, so they stay. The version is
    // raised to what the generated code calls.
    var info = application?.pointee ?? VkApplicationInfo()
    info.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO
    info.pNext = nil
    info.apiVersion = max(info.apiVersion, min(version, 3 << 12 | 1 << 22))
    let names: [UnsafePointer<CChar>?] = extensions.map { cString($0) }
    let layers: [UnsafePointer<CChar>?] = validate ? [cString(validationLayer)] : []
    var messenger = validationMessenger()
    return withUnsafePointer(to: &info) { info in
      names.withUnsafeBufferPointer { names in
        layers.withUnsafeBufferPointer { layers in
          withUnsafePointer(to: &messenger) { messenger in
            var createInfo = VkInstanceCreateInfo()
            createInfo.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
            createInfo.pNext = validate ? UnsafeRawPointer(messenger) : nil
            createInfo.pApplicationInfo = info
            createInfo.enabledExtensionCount = UInt32(names.count)
            createInfo.ppEnabledExtensionNames = names.baseAddress
            createInfo.enabledLayerCount = UInt32(layers.count)
            createInfo.ppEnabledLayerNames = layers.baseAddress
            return create(&createInfo, nil, &instance)
          }
        }
      }
    }
  }
}

/// What the validation layer below has said so far, warnings and errors.
nonisolated(unsafe) private var validationMessageWord: UInt32 = 0

/// Number of warnings and errors that the validation layer below has given in this process.
public func validationMessageCount() -> UInt32 {
  withUnsafeMutablePointer(to: &validationMessageWord) { platform_load32($0) }
}

/// A messenger that writes validation messages to standard error, one line each.
func validationMessenger() -> VkDebugUtilsMessengerCreateInfoEXT {
  var info = VkDebugUtilsMessengerCreateInfoEXT()
  info.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT
  info.messageSeverity =
    VkDebugUtilsMessageSeverityFlagsEXT(
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT.rawValue)
    | VkDebugUtilsMessageSeverityFlagsEXT(VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT.rawValue)
  info.messageType = VkDebugUtilsMessageTypeFlagsEXT(
    VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT.rawValue)
  info.pfnUserCallback = { severity, _, data, _ in
    _ = withUnsafeMutablePointer(to: &validationMessageWord) { platform_add32($0, 1) }
    guard let message = data?.pointee.pMessage else { return VkBool32(VK_FALSE) }
    let isError = severity == VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT
    var line = "omega: \(isError ? "error" : "warning"): validation: \(String(cString: message))\n"
    line.withUTF8 { bytes in
      guard let start = bytes.baseAddress else { return }
      platform_stderr(
        UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return VkBool32(VK_FALSE)
  }
  return info
}

/// The C string of a literal.
func cString(_ literal: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The text of a fixed-size character array.
func boundedString(_ bytes: UnsafeRawBufferPointer) -> String {
  String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

func extensionName(_ properties: VkExtensionProperties) -> String {
  var properties = properties
  return withUnsafeBytes(of: &properties.extensionName) { boundedString($0) }
}
