import CPlatform
import CX11

/// The functions of libxcb and its extensions that presenting needs, found when the first X11
/// surface is used: nothing of X11 is linked. Kept for the life of the process.
struct X11Library {
  typealias Connection = OpaquePointer
  typealias Error = UnsafeMutablePointer<xcb_generic_error_t>

  let getSetup: @convention(c) (Connection?) -> UnsafePointer<xcb_setup_t>?
  let rootsIterator: @convention(c) (UnsafePointer<xcb_setup_t>?) -> xcb_screen_iterator_t
  let screenNext: @convention(c) (UnsafeMutablePointer<xcb_screen_iterator_t>?) -> Void
  let depthsIterator: @convention(c) (UnsafePointer<xcb_screen_t>?) -> xcb_depth_iterator_t
  let depthNext: @convention(c) (UnsafeMutablePointer<xcb_depth_iterator_t>?) -> Void
  let visualsIterator: @convention(c) (UnsafePointer<xcb_depth_t>?) -> xcb_visualtype_iterator_t
  let visualNext: @convention(c) (UnsafeMutablePointer<xcb_visualtype_iterator_t>?) -> Void
  let hasError: @convention(c) (Connection?) -> Int32
  let fileDescriptor: @convention(c) (Connection?) -> Int32
  let generateID: @convention(c) (Connection?) -> UInt32
  let flush: @convention(c) (Connection?) -> Int32
  let maximumRequestLength: @convention(c) (Connection?) -> UInt32
  let extensionData:
    @convention(c) (Connection?, OpaquePointer?) -> UnsafePointer<
      xcb_query_extension_reply_t
    >?
  let requestCheck: @convention(c) (Connection?, xcb_void_cookie_t) -> Error?
  let discardReply: @convention(c) (Connection?, UInt32) -> Void
  let getGeometry: @convention(c) (Connection?, xcb_drawable_t) -> xcb_get_geometry_cookie_t
  let getGeometryReply:
    @convention(c) (Connection?, xcb_get_geometry_cookie_t, UnsafeMutablePointer<Error?>?) ->
      UnsafeMutablePointer<xcb_get_geometry_reply_t>?
  let getAttributes:
    @convention(c) (Connection?, xcb_window_t) -> xcb_get_window_attributes_cookie_t
  let getAttributesReply:
    @convention(c) (Connection?, xcb_get_window_attributes_cookie_t, UnsafeMutablePointer<Error?>?)
      -> UnsafeMutablePointer<xcb_get_window_attributes_reply_t>?
  let createGC:
    @convention(c) (Connection?, xcb_gcontext_t, xcb_drawable_t, UInt32, UnsafeRawPointer?) ->
      xcb_void_cookie_t
  let freeGC: @convention(c) (Connection?, xcb_gcontext_t) -> xcb_void_cookie_t
  let putImage:
    @convention(c) (
      Connection?, UInt8, xcb_drawable_t, xcb_gcontext_t, UInt16, UInt16, Int16, Int16, UInt8,
      UInt8, UInt32, UnsafePointer<UInt8>?
    ) -> xcb_void_cookie_t
  /// Nil without libxcb-shm.
  let shm: SharedMemory?
  /// Nil without libxcb-randr.
  let randr: Screens?

  struct SharedMemory {
    let id: OpaquePointer
    let queryVersion: @convention(c) (Connection?) -> xcb_shm_query_version_cookie_t
    let queryVersionReply:
      @convention(c) (Connection?, xcb_shm_query_version_cookie_t, UnsafeMutablePointer<Error?>?) ->
        UnsafeMutablePointer<xcb_shm_query_version_reply_t>?
    let attachDescriptor:
      @convention(c) (Connection?, xcb_shm_seg_t, Int32, UInt8) -> xcb_void_cookie_t
    let detach: @convention(c) (Connection?, xcb_shm_seg_t) -> xcb_void_cookie_t
    let putImage:
      @convention(c) (
        Connection?, xcb_drawable_t, xcb_gcontext_t, UInt16, UInt16, UInt16, UInt16, UInt16, UInt16,
        Int16, Int16, UInt8, UInt8, UInt8, xcb_shm_seg_t, UInt32
      ) -> xcb_void_cookie_t
  }

  struct Screens {
    let id: OpaquePointer
    let getInfo: @convention(c) (Connection?, xcb_window_t) -> xcb_randr_get_screen_info_cookie_t
    let getInfoReply:
      @convention(c) (
        Connection?, xcb_randr_get_screen_info_cookie_t, UnsafeMutablePointer<Error?>?
      ) -> UnsafeMutablePointer<xcb_randr_get_screen_info_reply_t>?
  }

  /// The library; nil, once said why, where there is none. Any thread.
  static func open() -> UnsafePointer<X11Library>? {
    ProcessLock.lock(platform_pid())
    defer { ProcessLock.unlock() }
    if let opened { return UnsafePointer(opened) }
    guard let loaded = load(), let raw = platform_malloc(MemoryLayout<X11Library>.stride) else {
      log(.error, "libxcb.so.1 cannot be opened; install libxcb1")
      return nil
    }
    let library = raw.bindMemory(to: X11Library.self, capacity: 1)
    library.initialize(to: loaded)
    opened = library
    return UnsafePointer(library)
  }

  private static func load() -> X11Library? {
    guard let xcb = platform_open_library("libxcb.so.1"),
      let getSetup = platform_symbol(xcb, "xcb_get_setup"),
      let rootsIterator = platform_symbol(xcb, "xcb_setup_roots_iterator"),
      let screenNext = platform_symbol(xcb, "xcb_screen_next"),
      let depthsIterator = platform_symbol(xcb, "xcb_screen_allowed_depths_iterator"),
      let depthNext = platform_symbol(xcb, "xcb_depth_next"),
      let visualsIterator = platform_symbol(xcb, "xcb_depth_visuals_iterator"),
      let visualNext = platform_symbol(xcb, "xcb_visualtype_next"),
      let hasError = platform_symbol(xcb, "xcb_connection_has_error"),
      let fileDescriptor = platform_symbol(xcb, "xcb_get_file_descriptor"),
      let generateID = platform_symbol(xcb, "xcb_generate_id"),
      let flush = platform_symbol(xcb, "xcb_flush"),
      let maximumRequestLength = platform_symbol(xcb, "xcb_get_maximum_request_length"),
      let extensionData = platform_symbol(xcb, "xcb_get_extension_data"),
      let requestCheck = platform_symbol(xcb, "xcb_request_check"),
      let discardReply = platform_symbol(xcb, "xcb_discard_reply"),
      let getGeometry = platform_symbol(xcb, "xcb_get_geometry"),
      let getGeometryReply = platform_symbol(xcb, "xcb_get_geometry_reply"),
      let getAttributes = platform_symbol(xcb, "xcb_get_window_attributes"),
      let getAttributesReply = platform_symbol(xcb, "xcb_get_window_attributes_reply"),
      let createGC = platform_symbol(xcb, "xcb_create_gc_checked"),
      let freeGC = platform_symbol(xcb, "xcb_free_gc_checked"),
      let putImage = platform_symbol(xcb, "xcb_put_image_checked")
    else { return nil }
    return X11Library(
      getSetup: function(getSetup), rootsIterator: function(rootsIterator),
      screenNext: function(screenNext), depthsIterator: function(depthsIterator),
      depthNext: function(depthNext), visualsIterator: function(visualsIterator),
      visualNext: function(visualNext), hasError: function(hasError),
      fileDescriptor: function(fileDescriptor), generateID: function(generateID),
      flush: function(flush), maximumRequestLength: function(maximumRequestLength),
      extensionData: function(extensionData), requestCheck: function(requestCheck),
      discardReply: function(discardReply), getGeometry: function(getGeometry),
      getGeometryReply: function(getGeometryReply), getAttributes: function(getAttributes),
      getAttributesReply: function(getAttributesReply), createGC: function(createGC),
      freeGC: function(freeGC), putImage: function(putImage), shm: loadSharedMemory(),
      randr: loadScreens())
  }

  private static func loadSharedMemory() -> SharedMemory? {
    guard let shm = platform_open_library("libxcb-shm.so.0"),
      let id = platform_symbol(shm, "xcb_shm_id"),
      let queryVersion = platform_symbol(shm, "xcb_shm_query_version"),
      let queryVersionReply = platform_symbol(shm, "xcb_shm_query_version_reply"),
      let attachDescriptor = platform_symbol(shm, "xcb_shm_attach_fd_checked"),
      let detach = platform_symbol(shm, "xcb_shm_detach_checked"),
      let putImage = platform_symbol(shm, "xcb_shm_put_image_checked")
    else { return nil }
    return SharedMemory(
      id: OpaquePointer(id), queryVersion: function(queryVersion),
      queryVersionReply: function(queryVersionReply), attachDescriptor: function(attachDescriptor),
      detach: function(detach), putImage: function(putImage))
  }

  private static func loadScreens() -> Screens? {
    guard let randr = platform_open_library("libxcb-randr.so.0"),
      let id = platform_symbol(randr, "xcb_randr_id"),
      let getInfo = platform_symbol(randr, "xcb_randr_get_screen_info"),
      let getInfoReply = platform_symbol(randr, "xcb_randr_get_screen_info_reply")
    else { return nil }
    return Screens(
      id: OpaquePointer(id), getInfo: function(getInfo),
      getInfoReply: function(getInfoReply))
  }

  /// Whether the server has an extension. To send a request of one that it has not closes the
  /// application's connection.
  func serverHas(_ id: OpaquePointer, _ connection: Connection) -> Bool {
    extensionData(connection, id)?.pointee.present == 1
  }
}

/// A symbol as the function that its context says it is.
func function<Function>(_ symbol: UnsafeMutableRawPointer) -> Function {
  unsafeBitCast(symbol, to: Function.self)
}

nonisolated(unsafe) private var opened: UnsafeMutablePointer<X11Library>? = nil

/// `XGetXCBConnection`: the xcb connection under an Xlib display; nil when libX11-xcb is missing.
/// Any thread.
public func xcbConnection(ofDisplay display: OpaquePointer) -> OpaquePointer? {
  guard let library = platform_open_library("libX11-xcb.so.1"),
    let symbol = platform_symbol(library, "XGetXCBConnection")
  else {
    log(.error, "libX11-xcb.so.1 cannot be opened; install libx11-xcb1")
    return nil
  }
  let get: @convention(c) (OpaquePointer?) -> OpaquePointer? = function(symbol)
  return get(display)
}
