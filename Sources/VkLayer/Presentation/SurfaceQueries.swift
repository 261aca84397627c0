import CPlatform
import CVulkan
import Client

// Vulkan, "Surface Queries". The values are those of Mesa's window system integration for software
// drivers (22.3), whose windows, like ours, are filled from memory: an application that was tuned
// on Linux finds what it knows. All queue families can present: the node copies, it shows nothing.

/// What a window system lets a swapchain have. All present modes of a surface are compatible: how a
/// frame waits for its turn is decided when it is presented.
struct SurfaceRules {
  let minImageCount: UInt32
  private let presentModes: (VkPresentModeKHR, VkPresentModeKHR, VkPresentModeKHR, VkPresentModeKHR)
  private let presentModeCount: Int
  private let needsMailboxImages: Bool

  init(_ system: TargetWindow.System) {
    minImageCount = system == .wayland ? 4 : 3
    switch system {
    case .wayland:
      presentModes = (
        VK_PRESENT_MODE_MAILBOX_KHR, VK_PRESENT_MODE_FIFO_KHR, VK_PRESENT_MODE_FIFO_KHR,
        VK_PRESENT_MODE_FIFO_KHR
      )
      presentModeCount = 2
    case .x11, .headless:
      presentModes = (
        VK_PRESENT_MODE_IMMEDIATE_KHR, VK_PRESENT_MODE_MAILBOX_KHR, VK_PRESENT_MODE_FIFO_KHR,
        VK_PRESENT_MODE_FIFO_RELAXED_KHR
      )
      presentModeCount = 4
    }
    needsMailboxImages = system == .x11
  }

  /// Whether a mode shows the newest frame alone, and lets go of those before it.
  static func showsNewest(_ mode: VkPresentModeKHR) -> Bool {
    mode == VK_PRESENT_MODE_MAILBOX_KHR || mode == VK_PRESENT_MODE_IMMEDIATE_KHR
  }

  /// Present modes have numbers below this.
  static var mostModes: Int { 4 }

  /// How many images a swapchain of one mode has at least.
  func minImageCount(_ mode: VkPresentModeKHR) -> UInt32 {
    // Three to draw on while one waits and one is being read.
    needsMailboxImages && mode == VK_PRESENT_MODE_MAILBOX_KHR
      ? max(5, minImageCount) : minImageCount
  }

  /// The n-th present mode; nil behind the last.
  func presentMode(_ index: Int) -> VkPresentModeKHR? {
    guard index < presentModeCount else { return nil }
    return switch index {
    case 0: presentModes.0
    case 1: presentModes.1
    case 2: presentModes.2
    default: presentModes.3
    }
  }
}

/// The formats that Vulkan has for a layout of pixels, the n-th of all; nil behind the last.
private func surfaceFormat(_ index: Int) -> (format: VkFormat, layout: PixelLayout)? {
  switch index {
  case 0: (VK_FORMAT_B8G8R8A8_SRGB, .bgra8)
  case 1: (VK_FORMAT_B8G8R8A8_UNORM, .bgra8)
  case 2: (VK_FORMAT_R5G6B5_UNORM_PACK16, .bgr565)
  case 3: (VK_FORMAT_R8G8B8A8_SRGB, .rgba8)
  case 4: (VK_FORMAT_R8G8B8A8_UNORM, .rgba8)
  case 5: (VK_FORMAT_A2R10G10B10_UNORM_PACK32, .bgra10)
  case 6: (VK_FORMAT_A2B10G10R10_UNORM_PACK32, .rgba10)
  default: nil
  }
}

/// How the pixels of a format lie; nil for one that no surface has.
func pixelLayout(_ format: VkFormat) -> PixelLayout? {
  var index = 0
  while let known = surfaceFormat(index) {
    if known.format == format { return known.layout }
    index &+= 1
  }
  return nil
}

/// Fills an array as Vulkan's enumerations do; `element` gives the n-th value, nil behind the last.
func enumerate<Element>(
  _ count: UnsafeMutablePointer<UInt32>?, _ array: UnsafeMutablePointer<Element>?,
  _ write: (Int, UnsafeMutablePointer<Element>?) -> Bool
) -> VkResult {
  guard let count else { return VK_SUCCESS }
  let room = array == nil ? Int(UInt32.max) : Int(count.pointee)
  var written = 0
  while written < room, write(written, array.map { $0 + written }) { written &+= 1 }
  count.pointee = UInt32(truncatingIfNeeded: written)
  return written == room && write(written, nil) ? VK_INCOMPLETE : VK_SUCCESS
}

// MARK: Support

func hook_vkGetPhysicalDeviceXcbPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ connection: OpaquePointer?,
  _ visual_id: UInt32
) -> VkBool32 {
  guard let connection else { return VkBool32(VK_FALSE) }
  return TargetWindow.canPresent(x11: connection, visual: visual_id)
    ? VkBool32(VK_TRUE) : VkBool32(VK_FALSE)
}

func hook_vkGetPhysicalDeviceXlibPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ dpy: OpaquePointer?,
  _ visualID: UInt
) -> VkBool32 {
  hook_vkGetPhysicalDeviceXcbPresentationSupportKHR(
    physicalDevice, queueFamilyIndex, dpy.flatMap { xcbConnection(ofDisplay: $0) },
    UInt32(truncatingIfNeeded: visualID))
}

func hook_vkGetPhysicalDeviceWaylandPresentationSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ display: OpaquePointer?
) -> VkBool32 {
  guard let display, TargetWindow.wayland(display, nil).facts() != nil else {
    return VkBool32(VK_FALSE)
  }
  return VkBool32(VK_TRUE)
}

func hook_vkGetPhysicalDeviceSurfaceSupportKHR(
  _ physicalDevice: VkPhysicalDevice?, _ queueFamilyIndex: UInt32, _ surface: VkSurfaceKHR?,
  _ pSupported: UnsafeMutablePointer<VkBool32>?
) -> VkResult {
  // A window that is gone supports nothing, and that is no error.
  let facts = SurfaceTable.window(of: surface)?.facts()
  let isShowable = facts.map { $0.takes(.bgra8) || $0.takes(.bgra10) || $0.takes(.bgr565) }
  pSupported?.pointee = VkBool32(isShowable == true ? VK_TRUE : VK_FALSE)
  return VK_SUCCESS
}

// MARK: Capabilities

func hook_vkGetPhysicalDeviceSurfaceCapabilitiesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pSurfaceCapabilities: UnsafeMutablePointer<VkSurfaceCapabilitiesKHR>?
) -> VkResult {
  guard let window = SurfaceTable.window(of: surface), let facts = window.facts(pixels: false),
    let pSurfaceCapabilities
  else { return VK_ERROR_SURFACE_LOST_KHR }
  var capabilities = VkSurfaceCapabilitiesKHR()
  capabilities.minImageCount = SurfaceRules(window.system).minImageCount
  capabilities.maxImageCount = 0
  if facts.width == WindowFacts.undefined {
    capabilities.currentExtent = VkExtent2D(width: UInt32.max, height: UInt32.max)
    capabilities.minImageExtent = VkExtent2D(width: 1, height: 1)
    capabilities.maxImageExtent = mostPixels
  } else {
    let extent = VkExtent2D(
      width: UInt32(truncatingIfNeeded: facts.width),
      height: UInt32(truncatingIfNeeded: facts.height))
    capabilities.currentExtent = extent
    capabilities.minImageExtent = extent
    capabilities.maxImageExtent = extent
  }
  capabilities.maxImageArrayLayers = 1
  capabilities.supportedTransforms = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR.rawValue
  capabilities.currentTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR
  capabilities.supportedCompositeAlpha = compositeAlpha(window.system, facts)
  capabilities.supportedUsageFlags =
    VK_IMAGE_USAGE_TRANSFER_SRC_BIT.rawValue | VK_IMAGE_USAGE_TRANSFER_DST_BIT.rawValue
    | VK_IMAGE_USAGE_SAMPLED_BIT.rawValue | VK_IMAGE_USAGE_STORAGE_BIT.rawValue
    | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT.rawValue | VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT.rawValue
  pSurfaceCapabilities.pointee = capabilities
  return VK_SUCCESS
}

private func compositeAlpha(_ system: TargetWindow.System, _ facts: WindowFacts)
  -> VkCompositeAlphaFlagsKHR
{
  let opaque = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR.rawValue
  let premultiplied = VK_COMPOSITE_ALPHA_PRE_MULTIPLIED_BIT_KHR.rawValue
  let inherit = VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR.rawValue
  return switch system {
  case .x11: inherit | (facts.hasAlpha ? premultiplied : opaque)
  case .wayland: opaque | premultiplied
  case .headless: opaque | inherit
  }
}

func hook_vkGetPhysicalDeviceSurfaceCapabilities2KHR(
  _ physicalDevice: VkPhysicalDevice?,
  _ pSurfaceInfo: UnsafePointer<VkPhysicalDeviceSurfaceInfo2KHR>?,
  _ pSurfaceCapabilities: UnsafeMutablePointer<VkSurfaceCapabilities2KHR>?
) -> VkResult {
  guard let pSurfaceInfo, let out = pSurfaceCapabilities else { return VK_ERROR_SURFACE_LOST_KHR }
  let surface = pSurfaceInfo.pointee.surface
  let result = hook_vkGetPhysicalDeviceSurfaceCapabilitiesKHR(
    physicalDevice, surface, &out.pointee.surfaceCapabilities)
  guard result == VK_SUCCESS, let system = SurfaceTable.window(of: surface)?.system else {
    return result
  }
  let rules = SurfaceRules(system)
  let mode = chained(VK_STRUCTURE_TYPE_SURFACE_PRESENT_MODE_EXT, in: pSurfaceInfo.pointee.pNext)?
    .assumingMemoryBound(to: VkSurfacePresentModeEXT.self)
  if let mode {
    out.pointee.surfaceCapabilities.minImageCount = rules.minImageCount(mode.pointee.presentMode)
  }
  var next = out.pointee.pNext
  while let entry = next?.assumingMemoryBound(to: VkBaseOutStructure.self) {
    let raw = UnsafeMutableRawPointer(entry)
    switch entry.pointee.sType {
    case VK_STRUCTURE_TYPE_SURFACE_PROTECTED_CAPABILITIES_KHR:
      raw.assumingMemoryBound(to: VkSurfaceProtectedCapabilitiesKHR.self)
        .pointee.supportsProtected = VkBool32(VK_FALSE)
    case VK_STRUCTURE_TYPE_SURFACE_PRESENT_SCALING_CAPABILITIES_EXT:
      writeScaling(
        raw.assumingMemoryBound(to: VkSurfacePresentScalingCapabilitiesEXT.self), system,
        out.pointee.surfaceCapabilities)
    case VK_STRUCTURE_TYPE_SURFACE_PRESENT_MODE_COMPATIBILITY_EXT:
      writeCompatibility(
        raw.assumingMemoryBound(to: VkSurfacePresentModeCompatibilityEXT.self), rules,
        mode?.pointee.presentMode)
    default: break
    }
    next = entry.pointee.pNext.map { UnsafeMutableRawPointer($0) }
  }
  return VK_SUCCESS
}

/// X11 puts pixels wherever in a window, and never scales them. A Wayland surface has the size of
/// its frames, and without a window there is nothing to scale to.
private func writeScaling(
  _ out: UnsafeMutablePointer<VkSurfacePresentScalingCapabilitiesEXT>,
  _ system: TargetWindow.System, _ capabilities: VkSurfaceCapabilitiesKHR
) {
  let gravity =
    VK_PRESENT_GRAVITY_MIN_BIT_EXT.rawValue | VK_PRESENT_GRAVITY_MAX_BIT_EXT.rawValue
    | VK_PRESENT_GRAVITY_CENTERED_BIT_EXT.rawValue
  let canPlace = system == .x11
  out.pointee.supportedPresentScaling =
    canPlace ? VK_PRESENT_SCALING_ONE_TO_ONE_BIT_EXT.rawValue : 0
  out.pointee.supportedPresentGravityX = canPlace ? gravity : 0
  out.pointee.supportedPresentGravityY = canPlace ? gravity : 0
  out.pointee.minScaledImageExtent =
    canPlace ? VkExtent2D(width: 1, height: 1) : capabilities.minImageExtent
  out.pointee.maxScaledImageExtent =
    canPlace ? mostPixels : capabilities.maxImageExtent
}

/// Vulkan has no VK_INCOMPLETE here: the count says what was written. The mode that is asked about
/// comes first, so that it is among however few.
private func writeCompatibility(
  _ out: UnsafeMutablePointer<VkSurfacePresentModeCompatibilityEXT>, _ rules: SurfaceRules,
  _ asked: VkPresentModeKHR?
) {
  var first = 0
  while let mode = rules.presentMode(first), mode != asked { first &+= 1 }
  if rules.presentMode(first) == nil { first = 0 }
  _ = enumerate(&out.pointee.presentModeCount, out.pointee.pPresentModes) { index, place in
    let source = index == 0 ? first : index <= first ? index &- 1 : index
    guard let mode = rules.presentMode(source) else { return false }
    place?.pointee = mode
    return true
  }
}

/// The greatest extent of a swapchain's images.
private var mostPixels: VkExtent2D { VkExtent2D(width: 16384, height: 16384) }

// MARK: Formats and modes

/// The n-th format of those that a window takes.
private func format(_ index: Int, of facts: WindowFacts) -> VkSurfaceFormatKHR? {
  var left = index
  var all = 0
  while let known = surfaceFormat(all) {
    if facts.takes(known.layout) {
      if left == 0 {
        return VkSurfaceFormatKHR(
          format: known.format, colorSpace: VK_COLOR_SPACE_SRGB_NONLINEAR_KHR)
      }
      left &-= 1
    }
    all &+= 1
  }
  return nil
}

func hook_vkGetPhysicalDeviceSurfaceFormatsKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pSurfaceFormatCount: UnsafeMutablePointer<UInt32>?,
  _ pSurfaceFormats: UnsafeMutablePointer<VkSurfaceFormatKHR>?
) -> VkResult {
  guard let facts = SurfaceTable.window(of: surface)?.facts() else {
    return VK_ERROR_SURFACE_LOST_KHR
  }
  return enumerate(pSurfaceFormatCount, pSurfaceFormats) { index, place in
    guard let format = format(index, of: facts) else { return false }
    place?.pointee = format
    return true
  }
}

func hook_vkGetPhysicalDeviceSurfaceFormats2KHR(
  _ physicalDevice: VkPhysicalDevice?,
  _ pSurfaceInfo: UnsafePointer<VkPhysicalDeviceSurfaceInfo2KHR>?,
  _ pSurfaceFormatCount: UnsafeMutablePointer<UInt32>?,
  _ pSurfaceFormats: UnsafeMutablePointer<VkSurfaceFormat2KHR>?
) -> VkResult {
  guard let facts = SurfaceTable.window(of: pSurfaceInfo?.pointee.surface)?.facts() else {
    return VK_ERROR_SURFACE_LOST_KHR
  }
  return enumerate(pSurfaceFormatCount, pSurfaceFormats) { index, place in
    guard let format = format(index, of: facts) else { return false }
    place?.pointee.surfaceFormat = format
    return true
  }
}

func hook_vkGetPhysicalDeviceSurfacePresentModesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pPresentModeCount: UnsafeMutablePointer<UInt32>?,
  _ pPresentModes: UnsafeMutablePointer<VkPresentModeKHR>?
) -> VkResult {
  guard let window = SurfaceTable.window(of: surface) else { return VK_ERROR_SURFACE_LOST_KHR }
  let rules = SurfaceRules(window.system)
  return enumerate(pPresentModeCount, pPresentModes) { index, place in
    guard let mode = rules.presentMode(index) else { return false }
    place?.pointee = mode
    return true
  }
}

func hook_vkGetPhysicalDevicePresentRectanglesKHR(
  _ physicalDevice: VkPhysicalDevice?, _ surface: VkSurfaceKHR?,
  _ pRectCount: UnsafeMutablePointer<UInt32>?, _ pRects: UnsafeMutablePointer<VkRect2D>?
) -> VkResult {
  guard let facts = SurfaceTable.window(of: surface)?.facts(pixels: false) else {
    return VK_ERROR_SURFACE_LOST_KHR
  }
  return enumerate(pRectCount, pRects) { index, place in
    guard index == 0 else { return false }
    // -1 is UInt32.max, Vulkan's word for "as the swapchain wants it".
    place?.pointee = VkRect2D(
      offset: VkOffset2D(x: 0, y: 0),
      extent: VkExtent2D(
        width: UInt32(truncatingIfNeeded: facts.width),
        height: UInt32(truncatingIfNeeded: facts.height)))
    return true
  }
}

// MARK: Device groups, which have one device

func hook_vkGetDeviceGroupPresentCapabilitiesKHR(
  _ device: VkDevice?,
  _ pDeviceGroupPresentCapabilities: UnsafeMutablePointer<VkDeviceGroupPresentCapabilitiesKHR>?
) -> VkResult {
  guard let out = pDeviceGroupPresentCapabilities else { return VK_SUCCESS }
  let masks = MemoryLayout.size(ofValue: out.pointee.presentMask)
  withUnsafeMutableBytes(of: &out.pointee.presentMask) { bytes in
    guard let start = bytes.baseAddress else { return }
    platform_zero(start, masks)
    start.storeBytes(of: 1, as: UInt32.self)
  }
  out.pointee.modes = VK_DEVICE_GROUP_PRESENT_MODE_LOCAL_BIT_KHR.rawValue
  return VK_SUCCESS
}

func hook_vkGetDeviceGroupSurfacePresentModesKHR(
  _ device: VkDevice?, _ surface: VkSurfaceKHR?,
  _ pModes: UnsafeMutablePointer<VkDeviceGroupPresentModeFlagsKHR>?
) -> VkResult {
  pModes?.pointee = VK_DEVICE_GROUP_PRESENT_MODE_LOCAL_BIT_KHR.rawValue
  return VK_SUCCESS
}
