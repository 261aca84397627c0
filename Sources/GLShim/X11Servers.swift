import CPlatform
import CX11
import Client

/// Connections of our own to the application's X servers, one for each display name: presenting and
/// asking for sizes must not meddle with an Xlib connection that may have no locks.
///
/// Kept for the life of the process; a child of fork makes its own.
struct X11Server {
  fileprivate struct Entry {
    var name: UnsafePointer<CChar>
    var connection: OpaquePointer
    var next: UnsafeMutablePointer<Entry>?
  }

  /// The functions of libxcb that are needed here.
  struct Functions {
    let connect:
      @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> OpaquePointer?
    let disconnect: @convention(c) (OpaquePointer?) -> Void
    let hasError: @convention(c) (OpaquePointer?) -> Int32
    let generateID: @convention(c) (OpaquePointer?) -> UInt32
    let getGeometry: @convention(c) (OpaquePointer?, UInt32) -> xcb_get_geometry_cookie_t
    let getGeometryReply:
      @convention(c) (
        OpaquePointer?, xcb_get_geometry_cookie_t,
        UnsafeMutablePointer<UnsafeMutablePointer<xcb_generic_error_t>?>?
      ) -> UnsafeMutablePointer<xcb_get_geometry_reply_t>?
    let getAttributes: @convention(c) (OpaquePointer?, UInt32) -> xcb_get_window_attributes_cookie_t
    let getAttributesReply:
      @convention(c) (
        OpaquePointer?, xcb_get_window_attributes_cookie_t,
        UnsafeMutablePointer<UnsafeMutablePointer<xcb_generic_error_t>?>?
      ) -> UnsafeMutablePointer<xcb_get_window_attributes_reply_t>?
    let getImage:
      @convention(c) (
        OpaquePointer?, UInt8, UInt32, Int16, Int16, UInt16, UInt16, UInt32
      ) -> xcb_get_image_cookie_t
    let getImageReply:
      @convention(c) (
        OpaquePointer?, xcb_get_image_cookie_t,
        UnsafeMutablePointer<UnsafeMutablePointer<xcb_generic_error_t>?>?
      ) -> UnsafeMutablePointer<xcb_get_image_reply_t>?
    let getImageData:
      @convention(c) (UnsafePointer<xcb_get_image_reply_t>?) -> UnsafeMutablePointer<UInt8>?
    let getImageDataLength: @convention(c) (UnsafePointer<xcb_get_image_reply_t>?) -> Int32
    let getSetup: @convention(c) (OpaquePointer?) -> UnsafePointer<xcb_setup_t>?
    let rootsIterator: @convention(c) (UnsafePointer<xcb_setup_t>?) -> xcb_screen_iterator_t
    let screenNext: @convention(c) (UnsafeMutablePointer<xcb_screen_iterator_t>?) -> Void
    let depthsIterator: @convention(c) (UnsafePointer<xcb_screen_t>?) -> xcb_depth_iterator_t
    let depthNext: @convention(c) (UnsafeMutablePointer<xcb_depth_iterator_t>?) -> Void
    let visualsIterator: @convention(c) (UnsafePointer<xcb_depth_t>?) -> xcb_visualtype_iterator_t
    let visualNext: @convention(c) (UnsafeMutablePointer<xcb_visualtype_iterator_t>?) -> Void
  }

  /// Found when the first window is used: nothing of X11 is linked. Nil without libxcb.
  static func functions() -> UnsafePointer<Functions>? {
    if let known = loaded { return UnsafePointer(known) }
    guard let xcb = platform_open_library("libxcb.so.1"),
      let connect = platform_symbol(xcb, "xcb_connect"),
      let disconnect = platform_symbol(xcb, "xcb_disconnect"),
      let hasError = platform_symbol(xcb, "xcb_connection_has_error"),
      let generateID = platform_symbol(xcb, "xcb_generate_id"),
      let getGeometry = platform_symbol(xcb, "xcb_get_geometry"),
      let getGeometryReply = platform_symbol(xcb, "xcb_get_geometry_reply"),
      let getAttributes = platform_symbol(xcb, "xcb_get_window_attributes"),
      let getAttributesReply = platform_symbol(xcb, "xcb_get_window_attributes_reply"),
      let getImage = platform_symbol(xcb, "xcb_get_image"),
      let getImageReply = platform_symbol(xcb, "xcb_get_image_reply"),
      let getImageData = platform_symbol(xcb, "xcb_get_image_data"),
      let getImageDataLength = platform_symbol(xcb, "xcb_get_image_data_length"),
      let getSetup = platform_symbol(xcb, "xcb_get_setup"),
      let rootsIterator = platform_symbol(xcb, "xcb_setup_roots_iterator"),
      let screenNext = platform_symbol(xcb, "xcb_screen_next"),
      let depthsIterator = platform_symbol(xcb, "xcb_screen_allowed_depths_iterator"),
      let depthNext = platform_symbol(xcb, "xcb_depth_next"),
      let visualsIterator = platform_symbol(xcb, "xcb_depth_visuals_iterator"),
      let visualNext = platform_symbol(xcb, "xcb_visualtype_next"),
      let raw = platform_malloc(MemoryLayout<Functions>.stride)
    else { return nil }
    let functions = raw.bindMemory(to: Functions.self, capacity: 1)
    functions.initialize(
      to: Functions(
        connect: function(connect), disconnect: function(disconnect), hasError: function(hasError),
        generateID: function(generateID), getGeometry: function(getGeometry),
        getGeometryReply: function(getGeometryReply), getAttributes: function(getAttributes),
        getAttributesReply: function(getAttributesReply), getImage: function(getImage),
        getImageReply: function(getImageReply), getImageData: function(getImageData),
        getImageDataLength: function(getImageDataLength), getSetup: function(getSetup),
        rootsIterator: function(rootsIterator), screenNext: function(screenNext),
        depthsIterator: function(depthsIterator), depthNext: function(depthNext),
        visualsIterator: function(visualsIterator), visualNext: function(visualNext)))
    return WindowLock.locked {
      if let known = loaded { return UnsafePointer(known) }
      loaded = functions
      return UnsafePointer(functions)
    }
  }

  /// The connection to the server of a display name; nil when none can be had. Connects at first.
  static func connection(named name: UnsafePointer<CChar>) -> OpaquePointer? {
    guard let functions = functions() else { return nil }
    if let known = find(name) {
      guard functions.pointee.hasError(known) != 0 else { return known }
    }
    guard let connection = functions.pointee.connect(name, nil) else { return nil }
    guard functions.pointee.hasError(connection) == 0 else {
      functions.pointee.disconnect(connection)
      return nil
    }
    let length = platform_string_length(name) &+ 1
    guard let raw = platform_malloc(MemoryLayout<Entry>.stride), let copy = platform_malloc(length)
    else {
      functions.pointee.disconnect(connection)
      return nil
    }
    platform_copy(copy, name, length)
    let entry = raw.bindMemory(to: Entry.self, capacity: 1)
    entry.initialize(
      to: Entry(
        name: UnsafeRawPointer(copy).assumingMemoryBound(to: CChar.self), connection: connection,
        next: nil))
    // Should two threads connect at once, one connection too many is kept.
    WindowLock.locked {
      entry.pointee.next = servers
      servers = entry
    }
    return connection
  }

  private static func find(_ name: UnsafePointer<CChar>) -> OpaquePointer? {
    WindowLock.locked {
      var known = servers
      while let entry = known {
        if platform_string_compare(entry.pointee.name, name) == 0 {
          return entry.pointee.connection
        }
        known = entry.pointee.next
      }
      return nil
    }
  }

  /// In a child of fork: the sockets are the parent's.
  static func forget() { servers = nil }

  /// Size and depth of a window or pixmap; nil when it is gone. A round trip.
  static func geometry(_ connection: OpaquePointer, _ drawable: UInt32)
    -> (width: UInt32, height: UInt32, depth: UInt8)?
  {
    guard let functions = functions(), functions.pointee.hasError(connection) == 0 else {
      return nil
    }
    var error: UnsafeMutablePointer<xcb_generic_error_t>? = nil
    let cookie = functions.pointee.getGeometry(connection, drawable)
    let reply = functions.pointee.getGeometryReply(connection, cookie, &error)
    platform_free(error)
    guard let reply else { return nil }
    defer { platform_free(reply) }
    return (UInt32(reply.pointee.width), UInt32(reply.pointee.height), reply.pointee.depth)
  }

  /// The visual of a window; nil when it is gone, or none. A round trip.
  static func visual(_ connection: OpaquePointer, _ window: UInt32) -> UInt32? {
    guard let functions = functions(), functions.pointee.hasError(connection) == 0 else {
      return nil
    }
    var error: UnsafeMutablePointer<xcb_generic_error_t>? = nil
    let cookie = functions.pointee.getAttributes(connection, window)
    let reply = functions.pointee.getAttributesReply(connection, cookie, &error)
    platform_free(error)
    guard let reply else { return nil }
    defer { platform_free(reply) }
    return reply.pointee.visual
  }
}

nonisolated(unsafe) private var servers: UnsafeMutablePointer<X11Server.Entry>? = nil
nonisolated(unsafe) private var loaded: UnsafeMutablePointer<X11Server.Functions>? = nil

/// A symbol as the function that its context says it is.
func function<Function>(_ symbol: UnsafeMutableRawPointer) -> Function {
  unsafeBitCast(symbol, to: Function.self)
}
