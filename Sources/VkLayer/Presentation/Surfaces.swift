import CPlatform
import CVulkan
import Client
import Wire

// Vulkan, "WSI Surface": from the application's windows to VkSurfaceKHR handles. Nothing is asked
// of a window here; that is done when a device looks at it.

/// All surfaces of this process: what window stands behind a handle. As a driver the handle is the
/// address of its entry; as a layer it is the lower driver's, remembered on its way through.
///
/// Entries are used again and never freed, so that any value may be looked up. They are few, and
/// every operation is short: a word is the lock.
enum SurfaceTable {
  struct Entry {
    /// 0 while the entry is free.
    var handle: UInt64
    var window: TargetWindow
    var next: UnsafeMutablePointer<Entry>?
  }

  private static func locked<Result>(_ body: () -> Result) -> Result {
    while !platform_compare_exchange32(&surfacesLock, 0, 1) { platform_yield() }
    defer { platform_store32_seq(&surfacesLock, 0) }
    return body()
  }

  /// Remembers a window under `handle`; under a handle of our own when that is 0. The handle, or 0
  /// without memory.
  static func add(_ window: TargetWindow, handle: UInt64 = 0) -> UInt64 {
    locked {
      var free = surfaces
      while let entry = free, entry.pointee.handle != 0 { free = entry.pointee.next }
      if free == nil {
        free = makeObject(Entry(handle: 0, window: window, next: surfaces))
        surfaces = free ?? surfaces
      }
      guard let entry = free else { return 0 }
      entry.pointee.window = window
      entry.pointee.handle = handle != 0 ? handle : UInt64(UInt(bitPattern: entry))
      return entry.pointee.handle
    }
  }

  /// The window of a surface; nil for anything that is none.
  static func window(of surface: VkSurfaceKHR?) -> TargetWindow? {
    let handle = UInt64(UInt(bitPattern: surface))
    guard handle != 0 else { return nil }
    return locked {
      var known = surfaces
      while let entry = known, entry.pointee.handle != handle { known = entry.pointee.next }
      return known?.pointee.window
    }
  }

  static func remove(_ surface: VkSurfaceKHR?) {
    let handle = UInt64(UInt(bitPattern: surface))
    guard handle != 0 else { return }
    locked {
      var known = surfaces
      while let entry = known, entry.pointee.handle != handle { known = entry.pointee.next }
      known?.pointee.handle = 0
    }
  }
}

nonisolated(unsafe) private var surfaces: UnsafeMutablePointer<SurfaceTable.Entry>? = nil
nonisolated(unsafe) private var surfacesLock: UInt32 = 0

// MARK: Windows

func window(_ info: VkXcbSurfaceCreateInfoKHR) -> TargetWindow {
  .x11(info.connection, info.window)
}

/// Nil when libX11-xcb is missing.
func window(_ info: VkXlibSurfaceCreateInfoKHR) -> TargetWindow? {
  guard let display = info.dpy, let connection = xcbConnection(ofDisplay: display)
  else { return nil }
  return .x11(connection, UInt32(truncatingIfNeeded: info.window))
}

func window(_ info: VkWaylandSurfaceCreateInfoKHR) -> TargetWindow {
  .wayland(info.display, info.surface)
}

private func makeSurface(_ window: TargetWindow?, _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?)
  -> VkResult
{
  guard let window, let pSurface else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let handle = SurfaceTable.add(window)
  guard handle != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  pSurface.pointee = handlePointer(handle)
  return VK_SUCCESS
}

// MARK: The driver's commands

func hook_vkCreateXcbSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXcbSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { makeSurface(pCreateInfo.map { window($0.pointee) }, pSurface) }

func hook_vkCreateXlibSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkXlibSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { makeSurface(pCreateInfo.flatMap { window($0.pointee) }, pSurface) }

func hook_vkCreateWaylandSurfaceKHR(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkWaylandSurfaceCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { makeSurface(pCreateInfo.map { window($0.pointee) }, pSurface) }

func hook_vkCreateHeadlessSurfaceEXT(
  _ instance: VkInstance?, _ pCreateInfo: UnsafePointer<VkHeadlessSurfaceCreateInfoEXT>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSurface: UnsafeMutablePointer<VkSurfaceKHR?>?
) -> VkResult { makeSurface(.headless, pSurface) }

func hook_vkDestroySurfaceKHR(
  _ instance: VkInstance?, _ surface: VkSurfaceKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) { SurfaceTable.remove(surface) }
