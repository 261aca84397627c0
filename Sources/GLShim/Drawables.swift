import CPlatform
import Client
import GLWire
import Ring
import Wire

enum DrawableKind: UInt8 { case window, pixmap, pbuffer }

/// A window, pixmap or pbuffer that contexts draw to. Plain memory that lives until it is destroyed
/// and current nowhere. What is said to be guarded is guarded by `WindowLock`; the rest belongs to
/// the thread of the context that draws to it.
struct DrawableState {
  let id: UInt64
  let kind: DrawableKind
  let interface: WindowInterface
  /// Display, or the EGLDisplay's own record.
  let display: OpaquePointer?
  /// GLXDrawable; what EGL hands out is the drawable's address.
  let name: UInt
  /// The interface's config.
  let config: UnsafeRawPointer?
  /// Where frames are shown; `headless` for pbuffers.
  let target: TargetWindow
  let layout: PixelLayout
  /// What is below the window does not show through.
  let isOpaque: Bool
  /// What the default framebuffer has, and its size now.
  var request: DrawableRequest
  /// wl_egl_window; nil elsewhere.
  var waylandWindow: UnsafeMutableRawPointer? = nil
  /// The interface's flags: GLX_PRESERVED_CONTENTS, EGL's attributes.
  var flags: UInt32 = 0
  /// GLX_TEXTURE_FORMAT_EXT and GLX_TEXTURE_TARGET_EXT, or EGL's.
  var textureFormat: Int32 = 0x20D8
  var textureTarget: Int32 = 0
  /// The event mask of glXSelectEvent.
  var eventMask: UInt = 0
  /// Frames between two swaps; below 0: late ones do not wait.
  var interval: Int32 = 1
  /// The size is another one than the node was told last.
  var hasNewSize = false
  /// The channel of the context that drew last, when it is not current any more, and the mark behind
  /// what it has drawn: whoever draws next comes after that (GLX 1.4, 2.5).
  var lastChannel = UInt32.max
  var lastMark: UInt64 = 0
  /// The window was found not to be there any more.
  var isGone = false
  /// Swaps so far, and when the last one was.
  var swapCount: UInt64 = 0
  var lastSwap: UInt64 = 0
  /// What shows the frames; nil until the first.
  var frames: UnsafeMutablePointer<WindowFrames>? = nil
  /// Contexts that it is current in, once for drawing and once for reading. Guarded.
  var uses = 0
  /// Guarded.
  var isDestroyed = false
  /// All drawables of the process. Guarded.
  var next: Drawable? = nil
}

typealias Drawable = UnsafeMutablePointer<DrawableState>

nonisolated(unsafe) private var drawables: Drawable? = nil
nonisolated(unsafe) private var drawableCount: UInt32 = 0

extension UnsafeMutablePointer<DrawableState> {
  /// Takes a new drawable in; nil without memory.
  static func make(
    _ kind: DrawableKind, _ interface: WindowInterface, display: OpaquePointer?, name: UInt,
    config: UnsafeRawPointer?, target: TargetWindow, layout: PixelLayout, isOpaque: Bool,
    request: DrawableRequest
  ) -> Drawable? {
    sweep()
    guard let raw = platform_malloc(MemoryLayout<DrawableState>.stride) else { return nil }
    let drawable = raw.bindMemory(to: DrawableState.self, capacity: 1)
    WindowLock.locked {
      drawableCount &+= 1
      drawable.initialize(
        to: DrawableState(
          id: GLID.make(GLID.drawable, drawableCount), kind: kind, interface: interface,
          display: display, name: name, config: config, target: target, layout: layout,
          isOpaque: isOpaque, request: request))
      drawable.pointee.next = drawables
      drawables = drawable
    }
    return drawable
  }

  /// The drawable that an interface knows by this name.
  static func find(_ interface: WindowInterface, _ display: OpaquePointer?, _ name: UInt)
    -> Drawable?
  {
    WindowLock.locked {
      var known = drawables
      while let drawable = known {
        if drawable.pointee.name == name, drawable.pointee.display == display,
          drawable.pointee.interface == interface, !drawable.pointee.isDestroyed
        {
          return drawable
        }
        known = drawable.pointee.next
      }
      return nil
    }
  }

  /// Whether an address is that of a living drawable.
  static func isKnown(_ interface: WindowInterface, _ address: OpaquePointer?) -> Drawable? {
    WindowLock.locked {
      var known = drawables
      while let drawable = known {
        if OpaquePointer(drawable) == address, drawable.pointee.interface == interface,
          !drawable.pointee.isDestroyed
        {
          return drawable
        }
        known = drawable.pointee.next
      }
      return nil
    }
  }

  /// Whether a window is some drawable already.
  static func findWindow(_ interface: WindowInterface, _ target: TargetWindow) -> Drawable? {
    WindowLock.locked {
      var known = drawables
      while let drawable = known {
        let other = drawable.pointee.target
        if drawable.pointee.interface == interface, drawable.pointee.kind == .window,
          other.system == target.system, other.connection == target.connection,
          other.drawable == target.drawable, other.surface == target.surface,
          !drawable.pointee.isDestroyed
        {
          return drawable
        }
        known = drawable.pointee.next
      }
      return nil
    }
  }

  func retain() {
    WindowLock.locked { pointee.uses &+= 1 }
  }

  /// Ends one use; the drawable may be gone after it.
  func release() {
    let isLast = WindowLock.locked { () -> Bool in
      pointee.uses &-= 1
      return pointee.uses == 0 && pointee.isDestroyed
    }
    if isLast { free() }
  }

  /// The application has no use for it any more: it goes when it is current nowhere.
  func destroy() {
    WaylandEGLWindow(pointee.waylandWindow)?.letGo()
    pointee.waylandWindow = nil
    let isLast = WindowLock.locked { () -> Bool in
      pointee.isDestroyed = true
      return pointee.uses == 0
    }
    if isLast { free() }
  }

  private func free() {
    WindowLock.locked {
      if drawables == self {
        drawables = pointee.next
      } else {
        var known = drawables
        while let drawable = known, drawable.pointee.next != self { known = drawable.pointee.next }
        known?.pointee.next = pointee.next
      }
    }
    dropFrames()
    // Not on a context's own channel, since none need be current: whichever is takes it.
    if let context = currentContext() {
      context.pointee.writer.begin(ControlOpcode.glDestroyDrawable)
      context.pointee.writer.u64(pointee.id)
      context.pointee.writer.end()
    }
    platform_free(self)
  }

  /// Destroys every drawable of a display that is closed.
  static func destroyAll(_ interface: WindowInterface, _ display: OpaquePointer?) {
    while let drawable = first(where: {
      $0.pointee.interface == interface && $0.pointee.display == display && !$0.pointee.isDestroyed
    }) { drawable.destroy() }
  }

  private static func first(where isWanted: (Drawable) -> Bool) -> Drawable? {
    WindowLock.locked {
      var known = drawables
      while let drawable = known {
        if isWanted(drawable) { return drawable }
        known = drawable.pointee.next
      }
      return nil
    }
  }

  /// Ends drawables whose windows the application has destroyed without a word to us: GLX lets it
  /// use a window as it is.
  private static func sweep() {
    while let drawable = first(where: {
      $0.pointee.interface == .glx && $0.pointee.kind == .window && $0.pointee.uses == 0
        && $0.pointee.isGone && !$0.pointee.isDestroyed
    }) { drawable.destroy() }
  }

  /// In a child of fork: what its parent drew to is its parent's.
  static func forgetAll() { drawables = nil }

  // MARK: Size

  /// Asks the window system how large the drawable is. False when it is gone.
  @discardableResult
  func refreshSize() -> Bool {
    let size: (width: UInt32, height: UInt32)
    switch pointee.target.system {
    case .x11:
      guard let connection = pointee.target.connection,
        let found = X11Server.geometry(connection, pointee.target.drawable)
      else {
        pointee.isGone = true
        return false
      }
      size = (found.width, found.height)
    case .wayland:
      guard let window = WaylandEGLWindow(pointee.waylandWindow) else {
        pointee.isGone = true
        return false
      }
      size = window.size
    case .headless: return true
    }
    let (width, height) = (min(max(size.width, 1), 32768), min(max(size.height, 1), 32768))
    if width != pointee.request.width || height != pointee.request.height {
      pointee.request.width = width
      pointee.request.height = height
      pointee.hasNewSize = true
    }
    return true
  }
}
