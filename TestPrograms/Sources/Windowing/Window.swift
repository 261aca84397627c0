import CVulkan
import CXCB
import Workbench

/// A mapped X11 window that nothing but Vulkan draws to.
public final class Window {
  public static let instanceExtensions = ["VK_KHR_surface", "VK_KHR_xcb_surface"]
  public static let deviceExtensions = ["VK_KHR_swapchain"]

  public let connection: OpaquePointer
  public let handle: xcb_window_t
  public let width: Int
  public let height: Int

  /// `events`: what the window is told of, as X has it.
  public init(width: Int, height: Int, events: xcb_event_mask_t? = nil) {
    guard let connection = xcb_connect(nil, nil), xcb_connection_has_error(connection) == 0 else {
      fail("no X display")
    }
    self.connection = connection
    self.width = width
    self.height = height
    let screen = xcb_setup_roots_iterator(xcb_get_setup(connection)).data.pointee
    handle = xcb_generate_id(connection)
    var mask = events?.rawValue ?? 0
    _ = xcb_create_window(
      connection, 0, handle, screen.root, 0, 0, UInt16(width), UInt16(height), 0,
      UInt16(XCB_WINDOW_CLASS_INPUT_OUTPUT.rawValue), screen.root_visual,
      events == nil ? 0 : XCB_CW_EVENT_MASK.rawValue, &mask)
    _ = xcb_map_window(connection, handle)
    _ = xcb_flush(connection)
  }

  public func close() { xcb_disconnect(connection) }
}

/// A swapchain of three images over all of a window, with its surface. Its end comes before the
/// device's.
public final class Swapchain {
  public static let format = VK_FORMAT_B8G8R8A8_UNORM

  public let images: [VkImage]
  private let device: Device
  private let surface: VkSurfaceKHR
  private let handle: VkSwapchainKHR

  public init(_ device: Device, _ window: Window, usage: UInt32, mode: VkPresentModeKHR) {
    self.device = device
    surface = Self.makeSurface(device, window)
    var supported: UInt32 = 0
    check(
      vkGetPhysicalDeviceSurfaceSupportKHR(device.physical, device.family, surface, &supported),
      "vkGetPhysicalDeviceSurfaceSupportKHR")
    if supported == 0 { fail("the queue family cannot present") }
    var info = VkSwapchainCreateInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR
    info.surface = surface
    info.minImageCount = 3
    info.imageFormat = Self.format
    info.imageColorSpace = VK_COLOR_SPACE_SRGB_NONLINEAR_KHR
    info.imageExtent = VkExtent2D(width: UInt32(window.width), height: UInt32(window.height))
    info.imageArrayLayers = 1
    info.imageUsage = usage
    info.preTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR
    info.compositeAlpha = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR
    info.presentMode = mode
    var handle: VkSwapchainKHR?
    check(vkCreateSwapchainKHR(device.handle, &info, nil, &handle), "vkCreateSwapchainKHR")
    self.handle = handle!
    var count: UInt32 = 0
    check(
      vkGetSwapchainImagesKHR(device.handle, handle, &count, nil), "vkGetSwapchainImagesKHR")
    var images = [VkImage?](repeating: nil, count: Int(count))
    check(
      vkGetSwapchainImagesKHR(device.handle, handle, &count, &images), "vkGetSwapchainImagesKHR")
    self.images = images.map { $0! }
  }

  private static func makeSurface(_ device: Device, _ window: Window) -> VkSurfaceKHR {
    var info = VkXcbSurfaceCreateInfoKHR()
    info.sType = VK_STRUCTURE_TYPE_XCB_SURFACE_CREATE_INFO_KHR
    info.connection = window.connection
    info.window = window.handle
    var surface: VkSurfaceKHR?
    check(vkCreateXcbSurfaceKHR(device.instance, &info, nil, &surface), "vkCreateXcbSurfaceKHR")
    return surface!
  }

  /// The next image to draw to, when the semaphore is signalled.
  public func acquire(_ semaphore: VkSemaphore) -> Int {
    var index: UInt32 = 0
    check(
      vkAcquireNextImageKHR(device.handle, handle, forever, semaphore, nil, &index),
      "vkAcquireNextImageKHR")
    return Int(index)
  }

  /// Presents an image when the semaphore is signalled.
  public func present(_ index: Int, after semaphore: VkSemaphore) {
    var semaphore: VkSemaphore? = semaphore
    var handle: VkSwapchainKHR? = handle
    var index = UInt32(index)
    withUnsafePointer(to: &semaphore) { semaphore in
      withUnsafePointer(to: &handle) { handle in
        withUnsafePointer(to: &index) { index in
          var info = VkPresentInfoKHR()
          info.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR
          info.waitSemaphoreCount = 1
          info.pWaitSemaphores = semaphore
          info.swapchainCount = 1
          info.pSwapchains = handle
          info.pImageIndices = index
          check(vkQueuePresentKHR(device.queue, &info), "vkQueuePresentKHR")
        }
      }
    }
  }

  /// Destroys swapchain and surface; the device must be done with them.
  public func destroy() {
    vkDestroySwapchainKHR(device.handle, handle, nil)
    vkDestroySurfaceKHR(device.instance, surface, nil)
  }
}

extension Device {
  /// Submits commands between an acquire and a present, without waiting.
  public func submit(
    _ commands: Commands, after acquired: VkSemaphore, signaling drawn: VkSemaphore,
    fence: VkFence? = nil
  ) {
    var stages = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
    var semaphores: (VkSemaphore?, VkSemaphore?) = (acquired, drawn)
    var handle: VkCommandBuffer? = commands.handle
    withUnsafePointer(to: &semaphores.0) { acquired in
      withUnsafePointer(to: &semaphores.1) { drawn in
        withUnsafePointer(to: &handle) { handle in
          withUnsafePointer(to: &stages) { stages in
            var info = VkSubmitInfo()
            info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
            info.waitSemaphoreCount = 1
            info.pWaitSemaphores = acquired
            info.pWaitDstStageMask = stages
            info.commandBufferCount = 1
            info.pCommandBuffers = handle
            info.signalSemaphoreCount = 1
            info.pSignalSemaphores = drawn
            check(vkQueueSubmit(queue, 1, &info, fence), "vkQueueSubmit")
          }
        }
      }
    }
  }
}

extension Commands {
  /// Records nothing but a clear of a swapchain's image, and leaves it as presentation wants it.
  public func recordClear(of image: VkImage, to color: (Float, Float, Float, Float)) {
    begin(bits(VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT))
    var range = VkImageSubresourceRange(
      aspectMask: bits(VK_IMAGE_ASPECT_COLOR_BIT), baseMipLevel: 0, levelCount: 1,
      baseArrayLayer: 0, layerCount: 1)
    func transition(from: VkImageLayout, to: VkImageLayout) {
      var barrier = VkImageMemoryBarrier()
      barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER
      barrier.srcAccessMask = bits(VK_ACCESS_MEMORY_WRITE_BIT)
      barrier.dstAccessMask = bits(VK_ACCESS_MEMORY_READ_BIT, VK_ACCESS_MEMORY_WRITE_BIT)
      barrier.oldLayout = from
      barrier.newLayout = to
      barrier.srcQueueFamilyIndex = queueFamilyIgnored
      barrier.dstQueueFamilyIndex = queueFamilyIgnored
      barrier.image = image
      barrier.subresourceRange = range
      let everything = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
      vkCmdPipelineBarrier(handle, everything, everything, 0, 0, nil, 0, nil, 1, &barrier)
    }
    var value = VkClearColorValue()
    value.float32 = color
    let layout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL
    transition(from: VK_IMAGE_LAYOUT_UNDEFINED, to: layout)
    vkCmdClearColorImage(handle, image, layout, &value, 1, &range)
    transition(from: layout, to: VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)
    end()
  }
}
