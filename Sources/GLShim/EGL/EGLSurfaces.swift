import CPlatform
import Client
import GLWire
import Ring
import Wire

// EGL 1.5, 3.5 and 3.10: surfaces. An EGLSurface is the address of its drawable.

enum EGLSurfaceFlag {
  static var largest: UInt32 { 1 }
  static var preserved: UInt32 { 2 }
  static var sRGB: UInt32 { 4 }
  static var singleBuffer: UInt32 { 8 }
}

/// What a list of attributes says of a surface.
private struct EGLSurfaceWish {
  var flags: UInt32 = 0
  var width: Int32 = 0
  var height: Int32 = 0
  var isOpaque = false
  var textureFormat = EGL.noTexture
  var textureTarget = EGL.noTexture

  /// `attribute` gives the n-th pair. Nil with the error in `error`.
  init?(_ kind: DrawableKind, _ error: inout Int32, _ attribute: (Int) -> (Int, Int)?) {
    var i = 0
    while let (name, value) = attribute(i) {
      error = set(kind, Int32(truncatingIfNeeded: name), Int32(truncatingIfNeeded: value))
      guard error == EGL.success else { return nil }
      i &+= 1
    }
    let isTexture = textureFormat != EGL.noTexture
    error = isTexture == (textureTarget != EGL.noTexture) ? EGL.success : EGL.badMatch
    guard error == EGL.success else { return nil }
  }

  private mutating func set(_ kind: DrawableKind, _ name: Int32, _ value: Int32) -> Int32 {
    switch (name, kind) {
    case (EGL.glColorspace, _):
      guard value == EGL.sRGB || value == EGL.linear else { return EGL.badAttribute }
      if value == EGL.sRGB { flags |= EGLSurfaceFlag.sRGB }
    case (EGL.vgColorspace, _):
      guard value == EGL.sRGB || value == EGL.linear else { return EGL.badAttribute }
    case (EGL.vgAlphaFormat, _):
      guard value == EGL.alphaNonpre || value == EGL.alphaNonpre &+ 1 else {
        return EGL.badAttribute
      }
    case (EGL.renderBuffer, .window):
      guard value == EGL.backBuffer || value == EGL.singleBuffer else { return EGL.badAttribute }
      if value == EGL.singleBuffer { flags |= EGLSurfaceFlag.singleBuffer }
    case (EGL.postSubBufferSupported, .window): break
    case (EGL.presentOpaque, .window): isOpaque = value != 0
    case (EGL.width, .pbuffer):
      guard value >= 0 else { return EGL.badParameter }
      width = value
    case (EGL.height, .pbuffer):
      guard value >= 0 else { return EGL.badParameter }
      height = value
    case (EGL.largestPbuffer, .pbuffer): if value != 0 { flags |= EGLSurfaceFlag.largest }
    case (EGL.textureFormat, .pbuffer):
      guard value >= EGL.noTexture, value <= EGL.textureRGBA else { return EGL.badAttribute }
      textureFormat = value
    case (EGL.textureTarget, .pbuffer):
      guard value == EGL.noTexture || value == EGL.texture2D else { return EGL.badAttribute }
      textureTarget = value
    case (EGL.mipmapTexture, .pbuffer): break
    default: return EGL.badAttribute
    }
    return EGL.success
  }
}

/// The n-th pair of a list of EGLints.
private func pair(_ list: UnsafePointer<Int32>?, _ i: Int) -> (Int, Int)? {
  guard let list, list[2 &* i] != EGL.none else { return nil }
  return (Int(list[2 &* i]), Int(list[2 &* i &+ 1]))
}

/// The n-th pair of a list of EGLAttribs.
private func pair(_ list: UnsafePointer<Int>?, _ i: Int) -> (Int, Int)? {
  guard let list, list[2 &* i] != Int(EGL.none) else { return nil }
  return (list[2 &* i], list[2 &* i &+ 1])
}

// MARK: Creation

extension UnsafeMutablePointer<EGLDisplayRecord> {
  /// Makes a surface of a native window or pixmap, whose handle is the word `native`, or a pbuffer.
  fileprivate func makeSurface(
    _ kind: DrawableKind, _ config: OpaquePointer?, native: UInt,
    _ attribute: (Int) -> (Int, Int)?
  ) -> OpaquePointer? {
    // Without a window there is nothing that a config could fit.
    let bad = kind == .window ? EGL.badNativeWindow : EGL.badNativePixmap
    let hasWindows = pointee.connection != nil
    guard kind == .pbuffer || hasWindows && native != 0 else { return eglNothing(bad) }
    guard let config = self.config(config) else { return eglNothing(EGL.badConfig) }
    var error = EGL.success
    guard let wish = EGLSurfaceWish(kind, &error, attribute) else { return eglNothing(error) }
    let needed =
      switch kind {
      case .window: EGL.windowBit
      case .pixmap: EGL.pixmapBit
      case .pbuffer: EGL.pbufferBit
      }
    guard config.pointee.surfaceTypes & needed != 0 else { return eglNothing(EGL.badMatch) }
    var request = config.pointee.request
    if kind == .window, wish.flags & EGLSurfaceFlag.singleBuffer == 0 {
      request.flags |= DrawableFlag.doubleBuffered
    }
    if wish.flags & EGLSurfaceFlag.sRGB != 0 { request.flags |= DrawableFlag.sRGB }
    var target = TargetWindow.headless
    var wayland: UnsafeMutableRawPointer? = nil
    if kind == .pbuffer {
      var (width, height) = (wish.width, wish.height)
      if wish.flags & EGLSurfaceFlag.largest != 0 {
        let most = EGLConfigRecord.mostPbufferPixels
        (width, height) = (min(width, most), min(height, most))
      }
      guard width <= 16384, height <= 16384 else { return eglNothing(EGL.badAlloc) }
      // A surface without a pixel is drawn to as if it had one.
      request.width = UInt32(max(width, 1))
      request.height = UInt32(max(height, 1))
    } else if pointee.platform == EGL.platformWayland {
      guard let window = UnsafeMutableRawPointer(bitPattern: native),
        let known = WaylandEGLWindow(window), let surface = known.surface
      else { return eglNothing(EGL.badNativeWindow) }
      guard !known.isTaken else { return eglNothing(EGL.badAlloc) }
      target = .wayland(pointee.connection, surface)
      wayland = window
      request.width = known.size.width
      request.height = known.size.height
    } else {
      settleRequests()
      guard let connection = pointee.connection,
        let size = X11Server.geometry(connection, UInt32(truncatingIfNeeded: native))
      else { return eglNothing(bad) }
      guard size.depth == config.pointee.depthOfVisual || size.depth == 32 && kind == .window
      else { return eglNothing(EGL.badMatch) }
      target = .x11(connection, UInt32(truncatingIfNeeded: native))
      request.width = max(size.width, 1)
      request.height = max(size.height, 1)
      if kind == .window, Drawable.findWindow(.egl, target) != nil {
        return eglNothing(EGL.badAlloc)
      }
    }
    guard
      let made = Drawable.make(
        kind, .egl, display: handle, name: 0, config: config, target: target,
        layout: config.pointee.layout,
        isOpaque: config.pointee.alpha == 0 || wish.isOpaque, request: request)
    else { return eglNothing(EGL.badAlloc) }
    made.pointee.flags = wish.flags
    made.pointee.textureFormat = wish.textureFormat
    made.pointee.textureTarget = wish.textureTarget
    made.pointee.interval = GLXSwapControl.initialInterval()
    if let wayland {
      made.pointee.waylandWindow = wayland
      // What was swapped is committed when it has arrived, and what the application does to its window
      // next must not come before that: it acknowledges another size, or destroys the wl_surface.
      WaylandEGLWindow(wayland)?.take(
        made,
        resized: { _, owner in
          guard let owner else { return }
          let drawable = Drawable(OpaquePointer(owner))
          drawable.settle()
          // A frame that was begun keeps its size.
          if let context = currentContext(), context.pointee.binding.draw == drawable,
            !context.hasRecordsSinceSwap
          {
            drawable.tellSize(context)
          }
        },
        destroyed: { owner in
          guard let owner else { return }
          let drawable = Drawable(OpaquePointer(owner))
          drawable.settle()
          drawable.pointee.waylandWindow = nil
          drawable.pointee.isGone = true
        })
    }
    EGLThread.note(EGL.success)
    return OpaquePointer(made)
  }
}

/// A native handle behind a pointer, as the platform functions have it for X11.
private func native(_ record: EGLRecord, _ pointer: UnsafeMutableRawPointer?) -> UInt {
  guard let pointer else { return 0 }
  switch record.pointee.platform {
  case EGL.platformX11: return pointer.load(as: UInt.self)
  case EGL.platformXCB: return UInt(pointer.load(as: UInt32.self))
  default: return UInt(bitPattern: pointer)
  }
}

@c(eglCreateWindowSurface)
public func eglCreateWindowSurface(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ window: UInt,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  EGLRecord.ready(dpy)?.makeSurface(.window, config, native: window) { pair(attributes, $0) }
}

@c(eglCreatePlatformWindowSurface)
public func eglCreatePlatformWindowSurface(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ window: UnsafeMutableRawPointer?,
  _ attributes: UnsafePointer<Int>?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  return record.makeSurface(.window, config, native: native(record, window)) {
    pair(attributes, $0)
  }
}

@c(eglCreatePlatformWindowSurfaceEXT)
public func eglCreatePlatformWindowSurfaceEXT(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ window: UnsafeMutableRawPointer?,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  return record.makeSurface(.window, config, native: native(record, window)) {
    pair(attributes, $0)
  }
}

@c(eglCreatePixmapSurface)
public func eglCreatePixmapSurface(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ pixmap: UInt,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  EGLRecord.ready(dpy)?.makeSurface(.pixmap, config, native: pixmap) { pair(attributes, $0) }
}

@c(eglCreatePlatformPixmapSurface)
public func eglCreatePlatformPixmapSurface(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ pixmap: UnsafeMutableRawPointer?,
  _ attributes: UnsafePointer<Int>?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  return record.makeSurface(.pixmap, config, native: native(record, pixmap)) {
    pair(attributes, $0)
  }
}

@c(eglCreatePlatformPixmapSurfaceEXT)
public func eglCreatePlatformPixmapSurfaceEXT(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ pixmap: UnsafeMutableRawPointer?,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  guard let record = EGLRecord.ready(dpy) else { return nil }
  return record.makeSurface(.pixmap, config, native: native(record, pixmap)) {
    pair(attributes, $0)
  }
}

@c(eglCreatePbufferSurface)
public func eglCreatePbufferSurface(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  EGLRecord.ready(dpy)?.makeSurface(.pbuffer, config, native: 0) { pair(attributes, $0) }
}

@c(eglCreatePbufferFromClientBuffer)
public func eglCreatePbufferFromClientBuffer(
  _ dpy: OpaquePointer?, _ type: UInt32, _ buffer: OpaquePointer?, _ config: OpaquePointer?,
  _ attributes: UnsafePointer<Int32>?
) -> OpaquePointer? {
  guard EGLRecord.ready(dpy) != nil else { return nil }
  // OpenVG's images are the only client buffers that there are.
  return eglNothing(EGL.badParameter)
}

extension UnsafeMutablePointer<EGLDisplayRecord> {
  /// A surface of this display; nil with EGL_BAD_SURFACE.
  func surface(_ address: OpaquePointer?) -> Drawable? {
    guard let drawable = Drawable.isKnown(.egl, address), drawable.pointee.display == handle else {
      return eglNothing(EGL.badSurface)
    }
    return drawable
  }
}

@c(eglDestroySurface)
public func eglDestroySurface(_ dpy: OpaquePointer?, _ surface: OpaquePointer?) -> UInt32 {
  guard let drawable = EGLRecord.ready(dpy)?.surface(surface) else { return 0 }
  drawable.destroy()
  return eglSuccess()
}

// MARK: Attributes

@c(eglQuerySurface)
public func eglQuerySurface(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ attribute: Int32,
  _ value: UnsafeMutablePointer<Int32>?
) -> UInt32 {
  guard let record = EGLRecord.ready(dpy), let drawable = record.surface(surface) else { return 0 }
  guard let value else { return eglFailure(EGL.badParameter) }
  let isPbuffer = drawable.pointee.kind == .pbuffer
  let isDouble = drawable.pointee.request.flags & DrawableFlag.doubleBuffered != 0
  let flags = drawable.pointee.flags
  let found: Int32
  switch attribute {
  case EGL.width, EGL.height:
    // As it is now; what is drawn to follows at the next frame.
    var size = (drawable.pointee.request.width, drawable.pointee.request.height)
    if drawable.pointee.target.system == .x11, let connection = record.pointee.connection {
      record.settleRequests()
      if let now = X11Server.geometry(connection, drawable.pointee.target.drawable) {
        size = (now.width, now.height)
      }
    } else if let window = WaylandEGLWindow(drawable.pointee.waylandWindow) {
      size = window.size
    }
    found = Int32(clamping: attribute == EGL.width ? size.0 : size.1)
  case EGL.configID:
    found = drawable.pointee.config?.assumingMemoryBound(to: EGLConfigRecord.self).pointee.id ?? 0
  case EGL.largestPbuffer, EGL.mipmapTexture, EGL.mipmapLevel, EGL.textureFormat,
    EGL.textureTarget:
    // Only pbuffers have them; what is asked of others stays as it is.
    guard isPbuffer else { return eglSuccess() }
    switch attribute {
    case EGL.largestPbuffer: found = flags & EGLSurfaceFlag.largest != 0 ? 1 : 0
    case EGL.textureFormat: found = drawable.pointee.textureFormat
    case EGL.textureTarget: found = drawable.pointee.textureTarget
    default: found = 0
    }
  case EGL.renderBuffer: found = isDouble || isPbuffer ? EGL.backBuffer : EGL.singleBuffer
  case EGL.vgColorspace: found = EGL.sRGB
  case EGL.vgAlphaFormat: found = EGL.alphaNonpre
  case EGL.glColorspace: found = flags & EGLSurfaceFlag.sRGB != 0 ? EGL.sRGB : EGL.linear
  case EGL.horizontalResolution, EGL.verticalResolution, EGL.pixelAspectRatio: found = -1
  case EGL.swapBehavior:
    found = flags & EGLSurfaceFlag.preserved != 0 ? EGL.bufferPreserved : EGL.bufferDestroyed
  case EGL.multisampleResolve: found = EGL.resolveDefault
  case EGL.bufferAge:
    guard let current = currentContext(), current.pointee.binding.draw == drawable else {
      return eglFailure(EGL.badSurface)
    }
    // What a swap leaves in the back buffer is not promised.
    found = 0
  case EGL.postSubBufferSupported: found = drawable.pointee.kind == .window ? 1 : 0
  case EGL.presentOpaque: found = drawable.pointee.isOpaque ? 1 : 0
  default: return eglFailure(EGL.badAttribute)
  }
  value.pointee = found
  return eglSuccess()
}

@c(eglSurfaceAttrib)
public func eglSurfaceAttrib(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ attribute: Int32, _ value: Int32
) -> UInt32 {
  guard let drawable = EGLRecord.ready(dpy)?.surface(surface) else { return 0 }
  switch attribute {
  case EGL.mipmapLevel: break
  case EGL.multisampleResolve:
    guard value == EGL.resolveDefault else {
      return eglFailure(value == EGL.resolveDefault &+ 1 ? EGL.badMatch : EGL.badParameter)
    }
  case EGL.swapBehavior:
    switch value {
    case EGL.bufferDestroyed: drawable.pointee.flags &= ~EGLSurfaceFlag.preserved
    case EGL.bufferPreserved:
      let config = drawable.pointee.config?.assumingMemoryBound(to: EGLConfigRecord.self)
      guard (config?.pointee.surfaceTypes ?? 0) & EGL.preservedBit != 0 else {
        return eglFailure(EGL.badMatch)
      }
      drawable.pointee.flags |= EGLSurfaceFlag.preserved
    default: return eglFailure(EGL.badParameter)
    }
  default: return eglFailure(EGL.badAttribute)
  }
  return eglSuccess()
}

extension UnsafeMutablePointer<EGLDisplayRecord> {
  /// A pbuffer that a texture may have, by its surface; nil after an error.
  fileprivate func texture(_ surface: OpaquePointer?, _ buffer: Int32) -> Drawable? {
    guard let drawable = self.surface(surface) else { return nil }
    guard buffer == EGL.backBuffer else { return eglNothing(EGL.badParameter) }
    guard drawable.pointee.kind == .pbuffer else { return eglNothing(EGL.badSurface) }
    guard drawable.pointee.textureFormat != EGL.noTexture else { return eglNothing(EGL.badMatch) }
    return drawable
  }
}

@c(eglBindTexImage)
public func eglBindTexImage(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ buffer: Int32
) -> UInt32 {
  guard let drawable = EGLRecord.ready(dpy)?.texture(surface, buffer) else { return 0 }
  // Without a context there is no texture.
  guard let context = currentContext() else { return eglSuccess() }
  context.pointee.touched |= StateGroup.storage
  context.comeAfter(drawable)
  context.writer.pointee.begin(ControlOpcode.glBindDrawable)
  context.writer.pointee.u64(drawable.pointee.id)
  context.writer.pointee.u32(GL.TEXTURE_2D)
  context.writer.pointee.u32(0)
  context.put(drawable)
  context.writer.pointee.end()
  return eglSuccess()
}

@c(eglReleaseTexImage)
public func eglReleaseTexImage(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ buffer: Int32
) -> UInt32 {
  // What the texture has from now on is not said; the pixels stay.
  EGLRecord.ready(dpy)?.texture(surface, buffer) == nil ? 0 : eglSuccess()
}

// MARK: Frames

@c(eglSwapBuffers)
public func eglSwapBuffers(_ dpy: OpaquePointer?, _ surface: OpaquePointer?) -> UInt32 {
  guard let record = EGLRecord.ready(dpy), let drawable = record.surface(surface) else { return 0 }
  guard let context = currentEGLContext(), context.pointee.binding.draw == drawable else {
    return eglFailure(EGL.badSurface)
  }
  if drawable.pointee.swapCount == 0 { record.settleRequests() }
  drawable.swap(context)
  WaylandEGLWindow(drawable.pointee.waylandWindow)?.noteAttached(
    drawable.pointee.request.width, drawable.pointee.request.height)
  if context.pointee.connection.segment.lost != 0 { return eglFailure(0x300E) }
  return drawable.pointee.isGone && drawable.pointee.kind == .window
    ? eglFailure(EGL.badNativeWindow) : eglSuccess()
}

@c(eglSwapBuffersWithDamageKHR)
public func eglSwapBuffersWithDamageKHR(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ rectangles: UnsafePointer<Int32>?,
  _ count: Int32
) -> UInt32 {
  guard count >= 0, count == 0 || rectangles != nil else { return eglFailure(EGL.badParameter) }
  // What has changed is a hint that is not needed.
  return eglSwapBuffers(dpy, surface)
}

@c(eglSwapBuffersWithDamageEXT)
public func eglSwapBuffersWithDamageEXT(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ rectangles: UnsafePointer<Int32>?,
  _ count: Int32
) -> UInt32 { eglSwapBuffersWithDamageKHR(dpy, surface, rectangles, count) }

@c(eglPostSubBufferNV)
public func eglPostSubBufferNV(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ x: Int32, _ y: Int32, _ width: Int32,
  _ height: Int32
) -> UInt32 {
  guard x >= 0, y >= 0, width >= 0, height >= 0 else { return eglFailure(EGL.badParameter) }
  // The whole back buffer is a copy of the part as well, where nothing else was drawn.
  return eglSwapBuffers(dpy, surface)
}

@c(eglSwapInterval)
public func eglSwapInterval(_ dpy: OpaquePointer?, _ interval: Int32) -> UInt32 {
  guard EGLRecord.ready(dpy) != nil else { return 0 }
  guard let context = currentEGLContext() else { return eglFailure(EGL.badContext) }
  guard let drawable = context.pointee.binding.draw else { return eglFailure(EGL.badSurface) }
  drawable.pointee.interval = GLXSwapControl.allowed(min(max(interval, 0), 1000))
  return eglSuccess()
}

@c(eglCopyBuffers)
public func eglCopyBuffers(
  _ dpy: OpaquePointer?, _ surface: OpaquePointer?, _ pixmap: UInt
) -> UInt32 {
  guard let record = EGLRecord.ready(dpy), let drawable = record.surface(surface) else { return 0 }
  guard record.pointee.platform == EGL.platformX11 || record.pointee.platform == EGL.platformXCB,
    let connection = record.pointee.connection
  else { return eglFailure(EGL.badNativePixmap) }
  record.settleRequests()
  guard let size = X11Server.geometry(connection, UInt32(truncatingIfNeeded: pixmap)) else {
    return eglFailure(EGL.badNativePixmap)
  }
  let config = drawable.pointee.config?.assumingMemoryBound(to: EGLConfigRecord.self)
  guard size.depth == config?.pointee.depthOfVisual, size.width == drawable.pointee.request.width,
    size.height == drawable.pointee.request.height
  else { return eglFailure(EGL.badMatch) }
  guard let context = currentEGLContext(), context.pointee.binding.draw == drawable else {
    return eglFailure(EGL.badSurface)
  }
  guard
    let copy = Drawable.make(
      .pixmap, .egl, display: record.handle, name: 0, config: drawable.pointee.config,
      target: .x11(connection, UInt32(truncatingIfNeeded: pixmap)),
      layout: drawable.pointee.layout, isOpaque: true, request: drawable.pointee.request)
  else { return eglFailure(EGL.badAlloc) }
  copy.show(drawable, context)
  copy.destroy()
  return eglSuccess()
}
