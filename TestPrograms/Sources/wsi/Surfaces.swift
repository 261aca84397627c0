import CVulkan
import Glibc
import Workbench

/// Prints everything that Vulkan says of a surface.
func querySurface() {
  let target = Target()
  var supported: UInt32 = 2
  check(
    vkGetPhysicalDeviceSurfaceSupportKHR(
      device.physical, device.family, target.surface, &supported),
    "vkGetPhysicalDeviceSurfaceSupportKHR")
  say("supported: \(supported)")
  for (width, height) in [(96, 64), (1, 1), (640, 480)] as [(UInt32, UInt32)] {
    target.resize(width, height)
    sayCapabilities(target)
  }
  for format in formats(target) {
    say("format: \(format.format.rawValue) \(format.colorSpace.rawValue)")
  }
  for mode in modes(target) { say("mode: \(mode.rawValue)") }
  var group = VkDeviceGroupPresentModeFlagsKHR(0)
  check(
    vkGetDeviceGroupSurfacePresentModesKHR(device.handle, target.surface, &group),
    "vkGetDeviceGroupSurfacePresentModesKHR")
  say("device group: \(group)")
  queryExtendedCapabilities(target)
  target.destroy()
}

private func sayCapabilities(_ target: Target) {
  var found = VkSurfaceCapabilitiesKHR()
  check(
    vkGetPhysicalDeviceSurfaceCapabilitiesKHR(device.physical, target.surface, &found),
    "vkGetPhysicalDeviceSurfaceCapabilitiesKHR")
  func text(_ extent: VkExtent2D) -> String { "\(extent.width) x \(extent.height)" }
  say(
    "capabilities: images \(found.minImageCount) to \(found.maxImageCount), extent "
      + "\(text(found.currentExtent)) in \(text(found.minImageExtent)) to "
      + "\(text(found.maxImageExtent)), layers \(found.maxImageArrayLayers), transforms "
      + "\(found.supportedTransforms) now \(found.currentTransform.rawValue), alpha "
      + "\(found.supportedCompositeAlpha), usage \(found.supportedUsageFlags)")
}

func formats(_ target: Target) -> [VkSurfaceFormatKHR] {
  var count: UInt32 = 0
  check(
    vkGetPhysicalDeviceSurfaceFormatsKHR(device.physical, target.surface, &count, nil),
    "vkGetPhysicalDeviceSurfaceFormatsKHR")
  var list = [VkSurfaceFormatKHR](repeating: .init(), count: Int(count))
  check(
    vkGetPhysicalDeviceSurfaceFormatsKHR(device.physical, target.surface, &count, &list),
    "vkGetPhysicalDeviceSurfaceFormatsKHR")
  return list
}

func modes(_ target: Target) -> [VkPresentModeKHR] {
  var count: UInt32 = 0
  check(
    vkGetPhysicalDeviceSurfacePresentModesKHR(device.physical, target.surface, &count, nil),
    "vkGetPhysicalDeviceSurfacePresentModesKHR")
  var list = [VkPresentModeKHR](repeating: .init(0), count: Int(count))
  check(
    vkGetPhysicalDeviceSurfacePresentModesKHR(device.physical, target.surface, &count, &list),
    "vkGetPhysicalDeviceSurfacePresentModesKHR")
  return list
}

/// The chain of vkGetPhysicalDeviceSurfaceCapabilities2KHR, where VK_EXT_surface_maintenance1 is.
private func queryExtendedCapabilities(_ target: Target) {
  guard device.extensions.contains("VK_EXT_surface_maintenance1") else { return }
  let query = instanceFunction(
    "vkGetPhysicalDeviceSurfaceCapabilities2KHR",
    as: PFN_vkGetPhysicalDeviceSurfaceCapabilities2KHR.self)
  for mode in modes(target) {
    var asked = VkSurfacePresentModeEXT()
    asked.sType = VK_STRUCTURE_TYPE_SURFACE_PRESENT_MODE_EXT
    asked.presentMode = mode
    var info = VkPhysicalDeviceSurfaceInfo2KHR()
    info.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SURFACE_INFO_2_KHR
    info.pNext = UnsafeRawPointer(keep(asked))
    info.surface = target.surface
    // First the count alone, then too little room, then enough.
    for room in [nil, 1, 8] as [UInt32?] {
      var list = [VkPresentModeKHR](repeating: VkPresentModeKHR(rawValue: 99), count: 8)
      list.withUnsafeMutableBufferPointer { list in
        var compatible = VkSurfacePresentModeCompatibilityEXT()
        compatible.sType = VK_STRUCTURE_TYPE_SURFACE_PRESENT_MODE_COMPATIBILITY_EXT
        compatible.presentModeCount = room ?? 0
        compatible.pPresentModes = room == nil ? nil : list.baseAddress
        let chained = UnsafeMutablePointer(mutating: keep(compatible))
        var found = VkSurfaceCapabilities2KHR()
        found.sType = VK_STRUCTURE_TYPE_SURFACE_CAPABILITIES_2_KHR
        found.pNext = UnsafeMutableRawPointer(chained)
        check(
          query(device.physical, &info, &found), "vkGetPhysicalDeviceSurfaceCapabilities2KHR")
        let count = Int(chained.pointee.presentModeCount)
        expect(count >= 1, "a mode is not compatible with itself")
        expect(count <= Int(room ?? 8), "\(count) modes where there is room for \(room ?? 0)")
        if room == 8 {
          expect(list[..<count].contains { $0 == mode }, "a mode is missing in its own list")
        }
        if let room {
          expect(
            list[Int(min(room, 7))...].allSatisfy { $0.rawValue == 99 || room == 8 }, "overrun")
        }
        let wanted: UInt32 = mode == VK_PRESENT_MODE_MAILBOX_KHR && !isHeadless ? 5 : 3
        expect(
          found.surfaceCapabilities.minImageCount == wanted,
          "mode \(mode.rawValue): at least \(found.surfaceCapabilities.minImageCount) images")
      }
    }
  }
}

/// In windows of 16 and of 30 bits: the formats, and what a frame of one colour looks like.
func showDeepColors() {
  let target = Target()
  for format in formats(target) { say("format: \(format.format.rawValue)") }
  guard let first = formats(target).first else { fail("no format") }
  var wishes = Wishes()
  wishes.format = first.format
  let swapchain = Swapchain(target, wishes)
  let wanted: UInt32
  let mask: UInt32
  switch first.format {
  case VK_FORMAT_R5G6B5_UNORM_PACK16: (wanted, mask) = (0xF81F, 0xFFFF)
  case VK_FORMAT_A2R10G10B10_UNORM_PACK32: (wanted, mask) = (0x3FF0_03FF, 0x3FFF_FFFF)
  case VK_FORMAT_A2B10G10R10_UNORM_PACK32: (wanted, mask) = (0x3FF0_03FF, 0x3FFF_FFFF)
  default: (wanted, mask) = (0xFF00FF, 0xFF_FFFF)
  }
  let result = show(swapchain, Color(red: 1, green: 0, blue: 1))
  say("present: \(name(result))")
  target.waitForPixel(8, 8, wanted, mask: mask)
  target.waitForPixel(95, 63, wanted, mask: mask)
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  swapchain.destroy()
  target.destroy()
}
