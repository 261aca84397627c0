import CPlatform
import CX11
import Client
import GLWire

// GLX 1.4, 3.3.4 to 3.3.6: drawables. A GLXWindow is the window itself; pixmaps and pbuffers have ids
// of our own connection, which no other client of the server is given.

nonisolated(unsafe) private var fallbackID: UInt32 = 0

extension UnsafeMutablePointer<GLXDisplay> {
  /// An id that names nothing else on the server.
  private func makeID() -> UInt {
    if let connection = X11Server.connection(named: pointee.name),
      let functions = X11Server.functions()
    {
      let id = functions.pointee.generateID(connection)
      if id != UInt32.max { return UInt(id) }
    }
    return WindowLock.locked {
      fallbackID &+= 1
      return 0xFD00_0000 | UInt(fallbackID)
    }
  }

  /// What the server has under an id: the application's requests are done first.
  private func geometry(_ id: UInt) -> (width: UInt32, height: UInt32, depth: UInt8)? {
    guard let display = pointee.display, let connection = xcb() else { return nil }
    _ = pointee.xlib.pointee.sync(display, 0)
    return X11Server.geometry(connection, UInt32(truncatingIfNeeded: id))
  }

  /// A drawable by the name that the application gave: one that it made, or a window as it is. Nil
  /// after an error event.
  func drawable(_ name: UInt, for context: Context, _ opcode: UInt8) -> Drawable? {
    let wanted = context.pointee.binding.config?.assumingMemoryBound(to: GLXConfig.self)
    if let known = Drawable.find(.glx, pointee.display, name) {
      guard let wanted, let has = known.pointee.config?.assumingMemoryBound(to: GLXConfig.self)
      else { return known }
      // A window that was used with another config meanwhile: the same pixels, other buffers.
      guard wanted != has, known.pointee.kind == .window else {
        return isSimilar(wanted, has) ? known : mismatch(opcode, name)
      }
      guard isSimilar(wanted, has) else { return mismatch(opcode, name) }
      return known
    }
    guard let size = geometry(name) else {
      sendError(GLXError.drawable, opcode, resource: name)
      return nil
    }
    var config = wanted
    if config == nil, let connection = xcb(),
      let visual = X11Server.visual(connection, UInt32(truncatingIfNeeded: name))
    {
      config = self.config(visual: UInt(visual), screen: context.pointee.binding.screen)
    }
    guard let config, config.pointee.depthOfVisual == size.depth else {
      return mismatch(opcode, name)
    }
    return makeDrawable(.window, name, native: name, UnsafePointer(config), size.width, size.height)
      ?? noMemory(opcode)
  }

  private func isSimilar(_ a: UnsafePointer<GLXConfig>, _ b: UnsafePointer<GLXConfig>) -> Bool {
    a == b
      || a.pointee.red == b.pointee.red && a.pointee.green == b.pointee.green
        && a.pointee.blue == b.pointee.blue
        && a.pointee.depthOfVisual == b.pointee.depthOfVisual
  }

  private func mismatch(_ opcode: UInt8, _ name: UInt) -> Drawable? {
    sendCoreError(CoreError.match, opcode, resource: name)
    return nil
  }

  private func noMemory(_ opcode: UInt8) -> Drawable? {
    sendCoreError(CoreError.alloc, opcode)
    return nil
  }

  fileprivate func makeDrawable(
    _ kind: DrawableKind, _ name: UInt, native: UInt, _ config: UnsafePointer<GLXConfig>,
    _ width: UInt32, _ height: UInt32
  ) -> Drawable? {
    var request = config.pointee.request
    request.width = min(max(width, 1), 32768)
    request.height = min(max(height, 1), 32768)
    // What is drawn to a pixmap is there for X11 to see.
    if kind == .pixmap { request.flags &= ~DrawableFlag.doubleBuffered }
    let target: TargetWindow =
      kind == .pbuffer ? .headless : .x11(xcb(), UInt32(truncatingIfNeeded: native))
    guard
      let made = Drawable.make(
        kind, .glx, display: pointee.display, name: name, config: config, target: target,
        layout: config.pointee.layout, isOpaque: true, request: request)
    else { return nil }
    made.pointee.interval = GLXSwapControl.initialInterval()
    return made
  }

  // MARK: Windows

  fileprivate func createWindow(_ config: OpaquePointer?, _ window: UInt) -> UInt {
    guard let config = self.config(config) else {
      sendError(GLXError.fbConfig, GLXRequest.createWindow)
      return 0
    }
    guard config.pointee.drawableTypes & GLX.windowBit != 0 else {
      sendCoreError(CoreError.match, GLXRequest.createWindow)
      return 0
    }
    if let known = Drawable.find(.glx, pointee.display, window) {
      // Programs make several of one window, and expect them to be one.
      if known.pointee.config == UnsafeRawPointer(config) {
        known.pointee.flags |= GLXDrawableFlag.wasMade
        return window
      }
      known.destroy()
    }
    guard let size = geometry(window) else {
      sendCoreError(CoreError.window, GLXRequest.createWindow, resource: window)
      return 0
    }
    guard size.depth == config.pointee.depthOfVisual else {
      sendCoreError(CoreError.match, GLXRequest.createWindow, resource: window)
      return 0
    }
    guard
      let made = makeDrawable(.window, window, native: window, config, size.width, size.height)
    else {
      sendCoreError(CoreError.alloc, GLXRequest.createWindow)
      return 0
    }
    made.pointee.flags |= GLXDrawableFlag.wasMade
    return window
  }

  fileprivate func createPixmap(
    _ config: UnsafePointer<GLXConfig>, _ pixmap: UInt, _ list: UnsafePointer<Int32>?,
    _ opcode: UInt8
  ) -> UInt {
    guard config.pointee.drawableTypes & GLX.pixmapBit != 0 else {
      sendCoreError(CoreError.match, opcode)
      return 0
    }
    guard let size = geometry(pixmap) else {
      sendCoreError(CoreError.pixmap, opcode, resource: pixmap)
      return 0
    }
    guard
      let made = makeDrawable(.pixmap, makeID(), native: pixmap, config, size.width, size.height)
    else {
      sendCoreError(CoreError.alloc, opcode)
      return 0
    }
    var i = 0
    while let list, list[i] != 0 {
      switch list[i] {
      case GLX.textureFormat: made.pointee.textureFormat = list[i &+ 1]
      case GLX.textureTarget: made.pointee.textureTarget = list[i &+ 1]
      default: break
      }
      i &+= 2
    }
    return made.pointee.name
  }

  fileprivate func createPbuffer(
    _ config: OpaquePointer?, _ width: Int32, _ height: Int32, largest: Bool, preserved: Bool
  ) -> UInt {
    guard let config = self.config(config) else {
      sendError(GLXError.fbConfig, GLXRequest.createPbuffer)
      return 0
    }
    guard config.pointee.drawableTypes & GLX.pbufferBit != 0 else {
      sendCoreError(CoreError.match, GLXRequest.createPbuffer)
      return 0
    }
    var (width, height) = (max(width, 0), max(height, 0))
    if width > 16384 || height > 16384 {
      guard largest else {
        sendCoreError(CoreError.alloc, GLXRequest.createPbuffer)
        return 0
      }
      (width, height) = (min(width, 16384), min(height, 16384))
    }
    guard
      let made = makeDrawable(
        .pbuffer, makeID(), native: 0, config, UInt32(width), UInt32(height))
    else {
      sendCoreError(CoreError.alloc, GLXRequest.createPbuffer)
      return 0
    }
    if largest { made.pointee.flags |= GLXDrawableFlag.largest }
    if preserved { made.pointee.flags |= GLXDrawableFlag.preserved }
    return made.pointee.name
  }

  fileprivate func destroy(_ name: UInt, _ kind: DrawableKind, _ error: UInt8, _ opcode: UInt8) {
    guard let known = Drawable.find(.glx, pointee.display, name), known.pointee.kind == kind else {
      sendError(error, opcode, resource: name)
      return
    }
    // A GLXWindow goes with the window that it was made of.
    if kind == .window, geometry(name) == nil { sendError(error, opcode, resource: name) }
    known.destroy()
  }
}

/// Flags of a drawable of GLX.
enum GLXDrawableFlag {
  static var preserved: UInt32 { 1 }
  static var largest: UInt32 { 2 }
  /// By glXCreateWindow.
  static var wasMade: UInt32 { 4 }
}

// MARK: Entry points

@c(glXCreateWindow)
public func glXCreateWindow(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ window: UInt,
  _ attributes: UnsafePointer<Int32>?
) -> UInt { DisplayRecord.of(dpy)?.createWindow(config, window) ?? 0 }

@c(glXDestroyWindow)
public func glXDestroyWindow(_ dpy: OpaquePointer?, _ window: UInt) {
  DisplayRecord.of(dpy)?.destroy(window, .window, GLXError.window, GLXRequest.destroyWindow)
}

@c(glXCreatePixmap)
public func glXCreatePixmap(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ pixmap: UInt,
  _ attributes: UnsafePointer<Int32>?
) -> UInt {
  guard let record = DisplayRecord.of(dpy) else { return 0 }
  guard let config = record.config(config) else {
    record.sendError(GLXError.fbConfig, GLXRequest.createPixmap)
    return 0
  }
  return record.createPixmap(config, pixmap, attributes, GLXRequest.createPixmap)
}

@c(glXDestroyPixmap)
public func glXDestroyPixmap(_ dpy: OpaquePointer?, _ pixmap: UInt) {
  DisplayRecord.of(dpy)?.destroy(pixmap, .pixmap, GLXError.pixmap, GLXRequest.destroyPixmap)
}

@c(glXCreateGLXPixmap)
public func glXCreateGLXPixmap(
  _ dpy: OpaquePointer?, _ visual: UnsafeMutablePointer<XVisualInfo>?, _ pixmap: UInt
) -> UInt {
  guard let record = DisplayRecord.of(dpy) else { return 0 }
  guard let visual,
    let config = record.config(visual: visual.pointee.visualid, screen: visual.pointee.screen)
  else {
    record.sendCoreError(CoreError.match, GLXRequest.createGLXPixmap)
    return 0
  }
  return record.createPixmap(config, pixmap, nil, GLXRequest.createGLXPixmap)
}

@c(glXCreateGLXPixmapWithConfigSGIX)
public func glXCreateGLXPixmapWithConfigSGIX(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ pixmap: UInt
) -> UInt { glXCreatePixmap(dpy, config, pixmap, nil) }

@c(glXDestroyGLXPixmap)
public func glXDestroyGLXPixmap(_ dpy: OpaquePointer?, _ pixmap: UInt) {
  glXDestroyPixmap(dpy, pixmap)
}

@c(glXCreatePbuffer)
public func glXCreatePbuffer(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ attributes: UnsafePointer<Int32>?
) -> UInt {
  var (width, height) = (Int32(0), Int32(0))
  var (largest, preserved) = (false, true)
  var i = 0
  while let attributes, attributes[i] != 0 {
    let value = attributes[i &+ 1]
    switch attributes[i] {
    case GLX.pbufferWidth: width = value
    case GLX.pbufferHeight: height = value
    case GLX.largestPbuffer: largest = value != 0
    case GLX.preservedContents: preserved = value != 0
    default: break
    }
    i &+= 2
  }
  return DisplayRecord.of(dpy)?.createPbuffer(
    config, width, height, largest: largest, preserved: preserved) ?? 0
}

@c(glXCreateGLXPbufferSGIX)
public func glXCreateGLXPbufferSGIX(
  _ dpy: OpaquePointer?, _ config: OpaquePointer?, _ width: UInt32, _ height: UInt32,
  _ attributes: UnsafeMutablePointer<Int32>?
) -> UInt {
  DisplayRecord.of(dpy)?.createPbuffer(
    config, Int32(clamping: width), Int32(clamping: height), largest: false, preserved: true) ?? 0
}

@c(glXDestroyPbuffer)
public func glXDestroyPbuffer(_ dpy: OpaquePointer?, _ pbuffer: UInt) {
  DisplayRecord.of(dpy)?.destroy(pbuffer, .pbuffer, GLXError.pbuffer, GLXRequest.destroyPbuffer)
}

@c(glXDestroyGLXPbufferSGIX)
public func glXDestroyGLXPbufferSGIX(_ dpy: OpaquePointer?, _ pbuffer: UInt) {
  glXDestroyPbuffer(dpy, pbuffer)
}

@c(glXQueryDrawable)
public func glXQueryDrawable(
  _ dpy: OpaquePointer?, _ name: UInt, _ attribute: Int32, _ value: UnsafeMutablePointer<UInt32>?
) {
  guard let record = DisplayRecord.of(dpy) else { return }
  guard let drawable = Drawable.find(.glx, dpy, name) else {
    record.sendError(GLXError.drawable, GLXRequest.getDrawableAttributes, resource: name)
    return
  }
  let config = drawable.pointee.config?.assumingMemoryBound(to: GLXConfig.self)
  let found: UInt32
  switch attribute {
  case GLX.width, GLX.height:
    if drawable.pointee.kind == .window, let size = record.sizeNow(drawable) {
      found = attribute == GLX.width ? size.width : size.height
    } else {
      found =
        attribute == GLX.width ? drawable.pointee.request.width : drawable.pointee.request.height
    }
  case GLX.fbConfigID: found = config?.pointee.id ?? 0
  case GLX.visualID: found = config?.pointee.visual ?? 0
  case GLX.screen: found = UInt32(bitPattern: config?.pointee.screen ?? 0)
  case GLX.preservedContents: found = drawable.pointee.flags & GLXDrawableFlag.preserved
  case GLX.largestPbuffer:
    found = drawable.pointee.flags & GLXDrawableFlag.largest != 0 ? 1 : 0
  case GLX.eventMask: found = UInt32(truncatingIfNeeded: drawable.pointee.eventMask)
  case GLX.swapInterval: found = drawable.pointee.interval.magnitude
  case GLX.maxSwapInterval: found = 0x7FFF_FFFF
  case GLX.lateSwapsTear: found = drawable.pointee.interval < 0 ? 1 : 0
  // What a swap leaves in the back buffer is not promised.
  case GLX.backBufferAge: found = 0
  case GLX.textureFormat: found = UInt32(bitPattern: drawable.pointee.textureFormat)
  case GLX.textureTarget: found = UInt32(bitPattern: drawable.pointee.textureTarget)
  case GLX.mipmapTexture: found = 0
  // GLX_DRAWABLE_TYPE (GLX_EXT_get_drawable_type).
  case GLX.drawableType:
    switch drawable.pointee.kind {
    case .window: found = 1
    case .pixmap: found = 2
    case .pbuffer: found = 4
    }
  // GLX_STEREO_TREE_EXT and whatever is to come.
  default: found = 0
  }
  value?.pointee = found
}

extension UnsafeMutablePointer<GLXDisplay> {
  fileprivate func sizeNow(_ drawable: Drawable) -> (width: UInt32, height: UInt32)? {
    geometry(UInt(drawable.pointee.target.drawable)).map { ($0.width, $0.height) }
  }
}

@c(glXQueryGLXPbufferSGIX)
public func glXQueryGLXPbufferSGIX(
  _ dpy: OpaquePointer?, _ pbuffer: UInt, _ attribute: Int32, _ value: UnsafeMutablePointer<UInt32>?
) { glXQueryDrawable(dpy, pbuffer, attribute, value) }

@c(glXSelectEvent)
public func glXSelectEvent(_ dpy: OpaquePointer?, _ name: UInt, _ mask: UInt) {
  guard let record = DisplayRecord.of(dpy) else { return }
  guard let drawable = Drawable.find(.glx, dpy, name) else {
    record.sendError(GLXError.drawable, GLXRequest.changeDrawableAttributes, resource: name)
    return
  }
  // Pbuffers of ours are never clobbered.
  drawable.pointee.eventMask = mask
}

@c(glXSelectEventSGIX)
public func glXSelectEventSGIX(_ dpy: OpaquePointer?, _ name: UInt, _ mask: UInt) {
  glXSelectEvent(dpy, name, mask)
}

@c(glXGetSelectedEvent)
public func glXGetSelectedEvent(
  _ dpy: OpaquePointer?, _ name: UInt, _ mask: UnsafeMutablePointer<UInt>?
) {
  guard let record = DisplayRecord.of(dpy) else { return }
  guard let drawable = Drawable.find(.glx, dpy, name) else {
    record.sendError(GLXError.drawable, GLXRequest.getDrawableAttributes, resource: name)
    return
  }
  mask?.pointee = drawable.pointee.eventMask
}

@c(glXGetSelectedEventSGIX)
public func glXGetSelectedEventSGIX(
  _ dpy: OpaquePointer?, _ name: UInt, _ mask: UnsafeMutablePointer<UInt>?
) { glXGetSelectedEvent(dpy, name, mask) }

// MARK: Frames

@c(glXSwapBuffers)
public func glXSwapBuffers(_ dpy: OpaquePointer?, _ name: UInt) {
  if let context = currentGLXContext(), let drawable = context.pointee.binding.draw,
    drawable.pointee.name == name, drawable.pointee.display == dpy
  {
    drawable.settleRequests()
    drawable.swap(context)
    return
  }
  guard let record = DisplayRecord.of(dpy) else { return }
  // A drawable that is not current here has nothing that a swap of ours could show.
  guard Drawable.find(.glx, dpy, name) == nil else { return }
  if name == 0 { return }
  record.sendError(GLXError.drawable, GLXRequest.swapBuffers, resource: name)
}

extension UnsafeMutablePointer<DrawableState> {
  /// Sends the application's own requests on their way before a frame: what maps the window must not
  /// come after the first one.
  func settleRequests() {
    guard let display = pointee.display, let xlib = XlibLibrary.open() else { return }
    if pointee.swapCount == 0 {
      _ = xlib.pointee.sync(display, 0)
    } else {
      _ = xlib.pointee.flush(display)
    }
  }
}

@c(glXWaitGL)
public func glXWaitGL() {
  guard let context = currentGLXContext() else { return }
  frontBufferFlush(context, wait: true)
  context.waitUntilReplayed()
}

@c(glXWaitX)
public func glXWaitX() {
  guard let context = currentGLXContext(), let display = context.pointee.binding.display,
    let xlib = XlibLibrary.open()
  else { return }
  _ = xlib.pointee.sync(display, 0)
}

@c(glXCopySubBufferMESA)
public func glXCopySubBufferMESA(
  _ dpy: OpaquePointer?, _ name: UInt, _ x: Int32, _ y: Int32, _ width: Int32, _ height: Int32
) {
  // The whole back buffer is a copy of the part as well, where nothing else was drawn.
  guard let context = currentGLXContext(), let drawable = context.pointee.binding.draw,
    drawable.pointee.name == name
  else { return }
  drawable.settleRequests()
  drawable.swap(context)
}
