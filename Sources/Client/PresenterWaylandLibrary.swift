import CPlatform
import CWayland

/// The functions of libwayland-client that presenting needs, found when the first Wayland surface
/// is used: nothing of Wayland is linked. Kept for the life of the process.
struct WaylandLibrary {
  typealias Interface = UnsafePointer<wl_interface>

  let marshal:
    @convention(c) (
      OpaquePointer?, UInt32, Interface?, UInt32, UInt32, UnsafeMutablePointer<wl_argument>?
    ) -> OpaquePointer?
  let addListener:
    @convention(c) (OpaquePointer?, UnsafeRawPointer?, UnsafeMutableRawPointer?) -> Int32
  let destroy: @convention(c) (OpaquePointer?) -> Void
  let createWrapper: @convention(c) (OpaquePointer?) -> OpaquePointer?
  let destroyWrapper: @convention(c) (OpaquePointer?) -> Void
  let setQueue: @convention(c) (OpaquePointer?, OpaquePointer?) -> Void
  let setUserData: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Void
  let version: @convention(c) (OpaquePointer?) -> UInt32
  let createQueue: @convention(c) (OpaquePointer?) -> OpaquePointer?
  let destroyQueue: @convention(c) (OpaquePointer?) -> Void
  let roundtrip: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32
  let prepareRead: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32
  let readEvents: @convention(c) (OpaquePointer?) -> Int32
  let cancelRead: @convention(c) (OpaquePointer?) -> Void
  let dispatchPending: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32
  let flush: @convention(c) (OpaquePointer?) -> Int32
  let fileDescriptor: @convention(c) (OpaquePointer?) -> Int32
  let error: @convention(c) (OpaquePointer?) -> Int32

  let registry: Interface
  let shm: Interface
  let shmPool: Interface
  let buffer: Interface
  let callback: Interface

  /// What libwayland calls; at one place for ever, since proxies refer to it.
  let listeners: UnsafePointer<WaylandListeners>

  /// The library; nil, once said why, where there is none. Any thread.
  static func open() -> UnsafePointer<WaylandLibrary>? {
    ProcessLock.lock(platform_pid())
    defer { ProcessLock.unlock() }
    if let opened { return UnsafePointer(opened) }
    guard let loaded = load(), let raw = platform_malloc(MemoryLayout<WaylandLibrary>.stride) else {
      log(
        .error,
        "libwayland-client.so.0 (1.20 or later) cannot be opened; install libwayland-client0")
      return nil
    }
    let library = raw.bindMemory(to: WaylandLibrary.self, capacity: 1)
    library.initialize(to: loaded)
    opened = library
    return UnsafePointer(library)
  }

  private static func load() -> WaylandLibrary? {
    guard let wayland = platform_open_library("libwayland-client.so.0"),
      let marshal = platform_symbol(wayland, "wl_proxy_marshal_array_flags"),
      let addListener = platform_symbol(wayland, "wl_proxy_add_listener"),
      let destroy = platform_symbol(wayland, "wl_proxy_destroy"),
      let createWrapper = platform_symbol(wayland, "wl_proxy_create_wrapper"),
      let destroyWrapper = platform_symbol(wayland, "wl_proxy_wrapper_destroy"),
      let setQueue = platform_symbol(wayland, "wl_proxy_set_queue"),
      let setUserData = platform_symbol(wayland, "wl_proxy_set_user_data"),
      let version = platform_symbol(wayland, "wl_proxy_get_version"),
      let createQueue = platform_symbol(wayland, "wl_display_create_queue"),
      let destroyQueue = platform_symbol(wayland, "wl_event_queue_destroy"),
      let roundtrip = platform_symbol(wayland, "wl_display_roundtrip_queue"),
      let prepareRead = platform_symbol(wayland, "wl_display_prepare_read_queue"),
      let readEvents = platform_symbol(wayland, "wl_display_read_events"),
      let cancelRead = platform_symbol(wayland, "wl_display_cancel_read"),
      let dispatchPending = platform_symbol(wayland, "wl_display_dispatch_queue_pending"),
      let flush = platform_symbol(wayland, "wl_display_flush"),
      let fileDescriptor = platform_symbol(wayland, "wl_display_get_fd"),
      let error = platform_symbol(wayland, "wl_display_get_error"),
      let registry = platform_symbol(wayland, "wl_registry_interface"),
      let shm = platform_symbol(wayland, "wl_shm_interface"),
      let shmPool = platform_symbol(wayland, "wl_shm_pool_interface"),
      let buffer = platform_symbol(wayland, "wl_buffer_interface"),
      let callback = platform_symbol(wayland, "wl_callback_interface")
    else { return nil }
    guard let raw = platform_malloc(MemoryLayout<WaylandListeners>.stride) else { return nil }
    let listeners = raw.bindMemory(to: WaylandListeners.self, capacity: 1)
    listeners.initialize(to: WaylandListeners())
    return WaylandLibrary(
      marshal: function(marshal), addListener: function(addListener), destroy: function(destroy),
      createWrapper: function(createWrapper), destroyWrapper: function(destroyWrapper),
      setQueue: function(setQueue), setUserData: function(setUserData),
      version: function(version), createQueue: function(createQueue),
      destroyQueue: function(destroyQueue), roundtrip: function(roundtrip),
      prepareRead: function(prepareRead), readEvents: function(readEvents),
      cancelRead: function(cancelRead), dispatchPending: function(dispatchPending),
      flush: function(flush), fileDescriptor: function(fileDescriptor), error: function(error),
      registry: interface(registry), shm: interface(shm), shmPool: interface(shmPool),
      buffer: interface(buffer), callback: interface(callback),
      listeners: UnsafePointer(listeners))
  }

  private static func interface(_ symbol: UnsafeMutableRawPointer) -> Interface {
    UnsafePointer(symbol.assumingMemoryBound(to: wl_interface.self))
  }

  /// Sends a request; with an interface it makes a new object of that version, whose place among
  /// the arguments is a `newObject`.
  func send(
    _ proxy: OpaquePointer, _ opcode: Int32, making made: Interface? = nil, version: UInt32 = 1,
    destroying: Bool = false, _ a: wl_argument = .none, _ b: wl_argument = .none,
    _ c: wl_argument = .none, _ d: wl_argument = .none, _ e: wl_argument = .none,
    _ f: wl_argument = .none
  ) -> OpaquePointer? {
    var arguments = (a, b, c, d, e, f)
    return withUnsafeMutablePointer(to: &arguments) { tuple in
      marshal(
        proxy, UInt32(opcode), made, version, destroying ? UInt32(WL_MARSHAL_FLAG_DESTROY) : 0,
        UnsafeMutableRawPointer(tuple).assumingMemoryBound(to: wl_argument.self))
    }
  }
}

nonisolated(unsafe) private var opened: UnsafeMutablePointer<WaylandLibrary>? = nil

extension wl_argument {
  static var none: wl_argument { wl_argument() }
  static var newObject: wl_argument { wl_argument(n: 0) }
  static func int(_ value: Int) -> wl_argument {
    wl_argument(i: Int32(truncatingIfNeeded: value))
  }
  static func uint(_ value: UInt32) -> wl_argument { wl_argument(u: value) }
  static func object(_ proxy: OpaquePointer?) -> wl_argument { wl_argument(o: proxy) }
  static func descriptor(_ descriptor: Int32) -> wl_argument { wl_argument(h: descriptor) }
  static func string(_ text: UnsafePointer<CChar>?) -> wl_argument { wl_argument(s: text) }
}
