import CPlatform
import CX11

/// Puts frames into an X11 window over the application's own connection. Every request is a checked
/// one: an error comes back to us, and never to the application's error handler.
struct X11Presenter {
  private let library: UnsafePointer<X11Library>
  private let connection: OpaquePointer
  let window: xcb_window_t
  private let frames: FrameBuffers
  /// Nil when frames are meant to have the window's size.
  private let placement: FramePlacement?
  let depth: UInt8
  private let context: xcb_gcontext_t
  /// The frame buffers as the server knows them; 0 when it cannot share memory with us.
  private let shared: xcb_shm_seg_t

  private static var zPixmap: UInt8 { UInt8(XCB_IMAGE_FORMAT_Z_PIXMAP.rawValue) }

  /// Nil when the window is gone.
  init?(_ window: TargetWindow, _ frames: FrameBuffers, _ placement: FramePlacement?) {
    guard let library = X11Library.open(), let connection = window.connection,
      let geometry = X11Window.geometry(library, connection, window.drawable)
    else { return nil }
    self.library = library
    self.connection = connection
    self.window = window.drawable
    self.frames = frames
    self.placement = placement
    depth = geometry.depth
    context = library.pointee.generateID(connection)
    let created = library.pointee.createGC(connection, context, window.drawable, 0, nil)
    guard X11Window.succeeded(library, connection, created) else { return nil }
    shared = X11Presenter.share(library, connection, frames)
  }

  /// Gives the server the frame buffers' memory; 0 where it cannot have it: another host, an old
  /// server, or MIT-SHM switched off.
  private static func share(
    _ library: UnsafePointer<X11Library>, _ connection: OpaquePointer, _ frames: FrameBuffers
  ) -> xcb_shm_seg_t {
    guard let shm = library.pointee.shm, library.pointee.serverHas(shm.id, connection),
      platform_is_unix_socket(library.pointee.fileDescriptor(connection)),
      let version = shm.queryVersionReply(connection, shm.queryVersion(connection), nil)
    else { return 0 }
    let (major, minor) = (version.pointee.major_version, version.pointee.minor_version)
    platform_free(version)
    guard major > 1 || (major == 1 && minor >= 2) else { return 0 }
    // The request takes its descriptor over.
    let descriptor = platform_duplicate(frames.descriptor)
    guard descriptor >= 0 else { return 0 }
    let segment = library.pointee.generateID(connection)
    let attached = shm.attachDescriptor(connection, segment, descriptor, 1)
    return X11Window.succeeded(library, connection, attached) ? segment : 0
  }

  /// Puts one frame, and returns once the server has read it.
  func show(_ image: Int) -> PresentStatus {
    var (x, y) = (Int16(0), Int16(0))
    if let placement {
      guard let size = X11Window.geometry(library, connection, window) else { return .surfaceLost }
      x = Int16(
        clamping: FramePlacement.offset(placement.x, frame: frames.width, window: size.width))
      y = Int16(
        clamping: FramePlacement.offset(placement.y, frame: frames.height, window: size.height))
    }
    let put: xcb_void_cookie_t
    if let shm = library.pointee.shm, shared != 0 {
      put = shm.putImage(
        connection, window, context, UInt16(frames.stride / frames.layout.bytesPerPixel),
        UInt16(frames.height), 0, 0, UInt16(frames.width), UInt16(frames.height), x, y, depth,
        X11Presenter.zPixmap, 0, shared, UInt32(truncatingIfNeeded: image &* frames.frameBytes))
    } else {
      put = putInSlices(image, x, y)
    }
    // The reply comes after the server has done the put. One round trip, two answers.
    let geometry = X11Window.geometry(library, connection, window)
    guard X11Window.succeeded(library, connection, put), let geometry else {
      return .surfaceLost
    }
    return placement != nil || geometry.width == frames.width && geometry.height == frames.height
      ? .optimal : .suboptimal
  }

  /// Sends a frame through the connection, in as many requests as its largest allows. The cookie is
  /// the last one's; if an earlier one fails, so does it.
  private func putInSlices(_ image: Int, _ x: Int16, _ y: Int16) -> xcb_void_cookie_t {
    let room = Int(library.pointee.maximumRequestLength(connection)) &* 4 &- 64
    let rows = max(1, min(frames.height, room / frames.stride))
    var row = 0
    var last = xcb_void_cookie_t(sequence: 0)
    while row < frames.height {
      let count = min(rows, frames.height &- row)
      let start = frames.frame(image) + row &* frames.stride
      if row > 0 { library.pointee.discardReply(connection, last.sequence) }
      last = library.pointee.putImage(
        connection, X11Presenter.zPixmap, window, context, UInt16(frames.width), UInt16(count), x,
        Int16(clamping: Int(y) &+ row), 0, depth, UInt32(count &* frames.stride),
        start.assumingMemoryBound(to: UInt8.self))
      row &+= count
    }
    return last
  }

  func finish() {
    guard library.pointee.hasError(connection) == 0 else { return }
    if let shm = library.pointee.shm, shared != 0 {
      discard(shm.detach(connection, shared))
    }
    discard(library.pointee.freeGC(connection, context))
    _ = library.pointee.flush(connection)
  }

  /// An answer nobody waits for, and no error that reaches the application.
  private func discard(_ cookie: xcb_void_cookie_t) {
    library.pointee.discardReply(connection, cookie.sequence)
  }
}

/// What a surface asks about an X11 window.
enum X11Window {
  static func geometry(
    _ library: UnsafePointer<X11Library>, _ connection: OpaquePointer, _ window: xcb_window_t
  ) -> (width: Int, height: Int, depth: UInt8)? {
    guard library.pointee.hasError(connection) == 0 else { return nil }
    var error: X11Library.Error? = nil
    let cookie = library.pointee.getGeometry(connection, window)
    let reply = library.pointee.getGeometryReply(connection, cookie, &error)
    platform_free(error)
    guard let reply else { return nil }
    defer { platform_free(reply) }
    return (Int(reply.pointee.width), Int(reply.pointee.height), reply.pointee.depth)
  }

  static func succeeded(
    _ library: UnsafePointer<X11Library>, _ connection: OpaquePointer, _ cookie: xcb_void_cookie_t
  ) -> Bool {
    guard let error = library.pointee.requestCheck(connection, cookie) else {
      return library.pointee.hasError(connection) == 0
    }
    platform_free(error)
    return false
  }

  /// Size, pixels and alpha of a window; nil when it is gone.
  static func facts(_ connection: OpaquePointer, _ window: xcb_window_t) -> WindowFacts? {
    guard let library = X11Library.open(), library.pointee.hasError(connection) == 0 else {
      return nil
    }
    var error: X11Library.Error? = nil
    let cookie = library.pointee.getAttributes(connection, window)
    guard let size = geometry(library, connection, window) else {
      library.pointee.discardReply(connection, cookie.sequence)
      return nil
    }
    let attributes = library.pointee.getAttributesReply(connection, cookie, &error)
    platform_free(error)
    guard let attributes else { return nil }
    let visual = attributes.pointee.visual
    platform_free(attributes)
    var facts = WindowFacts(width: size.width, height: size.height)
    if let (layout, hasAlpha) = layout(library, connection, visual, depth: size.depth) {
      facts.add(layout)
      facts.hasAlpha = hasAlpha
    }
    return facts
  }

  /// How a visual's pixels lie; nil when frames cannot be shown with it as they are.
  static func layout(
    _ library: UnsafePointer<X11Library>, _ connection: OpaquePointer, _ visual: xcb_visualid_t,
    depth: UInt8?
  ) -> (layout: PixelLayout, hasAlpha: Bool)? {
    guard library.pointee.hasError(connection) == 0,
      let setup = library.pointee.getSetup(connection)
    else { return nil }
    var screens = library.pointee.rootsIterator(setup)
    while screens.rem > 0 {
      var depths = library.pointee.depthsIterator(screens.data)
      while depths.rem > 0 {
        var visuals = library.pointee.visualsIterator(depths.data)
        while visuals.rem > 0 {
          if visuals.data.pointee.visual_id == visual,
            depth == nil || depths.data.pointee.depth == depth
          {
            return layout(visuals.data.pointee, depth: depths.data.pointee.depth)
          }
          library.pointee.visualNext(&visuals)
        }
        library.pointee.depthNext(&depths)
      }
      library.pointee.screenNext(&screens)
    }
    return nil
  }

  private static func layout(_ visual: xcb_visualtype_t, depth: UInt8)
    -> (layout: PixelLayout, hasAlpha: Bool)?
  {
    // TrueColor or DirectColor.
    guard visual._class == 4 || visual._class == 5 else { return nil }
    switch (visual.red_mask, visual.green_mask, visual.blue_mask, depth) {
    case (0xFF0000, 0xFF00, 0xFF, 24): return (.bgra8, false)
    case (0xFF0000, 0xFF00, 0xFF, 32): return (.bgra8, true)
    case (0x3FF0_0000, 0xF_FC00, 0x3FF, 30): return (.bgra10, false)
    case (0xF800, 0x7E0, 0x1F, 16): return (.bgr565, false)
    default: return nil
    }
  }

  /// Whether frames can be shown in windows of a visual.
  static func canPresent(_ connection: OpaquePointer, _ visual: xcb_visualid_t) -> Bool {
    guard let library = X11Library.open() else { return false }
    return layout(library, connection, visual, depth: nil) != nil
  }

  /// Nanoseconds between two refreshes of the screen that a window is on, as RandR 1.1 tells the
  /// rate in whole hertz; 0 when it does not.
  static func refreshPeriod(_ connection: OpaquePointer, _ window: xcb_window_t) -> UInt64 {
    guard let library = X11Library.open(), let randr = library.pointee.randr,
      library.pointee.serverHas(randr.id, connection)
    else { return 0 }
    var error: X11Library.Error? = nil
    let reply = randr.getInfoReply(connection, randr.getInfo(connection, window), &error)
    platform_free(error)
    guard let reply else { return 0 }
    let rate = UInt64(reply.pointee.rate)
    platform_free(reply)
    return rate == 0 ? 0 : 1_000_000_000 / rate
  }
}
