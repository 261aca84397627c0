import CPlatform
import CWayland

/// A display's own corner for us: an event queue that only we dispatch, and wl_shm bound on it.
struct WaylandCorner {
  let library: UnsafePointer<WaylandLibrary>
  let display: OpaquePointer
  let queue: OpaquePointer
  let shm: OpaquePointer
  /// What the compositor's wl_shm takes, by `PixelLayout`; both with and without alpha.
  let layouts: UInt32

  /// What the handlers of a new corner write.
  struct Globals {
    var library: UnsafePointer<WaylandLibrary>
    var shm: OpaquePointer?
    var withAlpha: UInt32 = 0
    var opaque: UInt32 = 0
  }

  /// Nil when the display is broken or has no wl_shm. Two round trips.
  init?(_ display: OpaquePointer) {
    guard let library = WaylandLibrary.open(), library.pointee.error(display) == 0,
      let queue = library.pointee.createQueue(display)
    else { return nil }
    guard let wrapper = library.pointee.createWrapper(display) else {
      library.pointee.destroyQueue(queue)
      return nil
    }
    library.pointee.setQueue(wrapper, queue)
    let registry = library.pointee.send(
      wrapper, WL_DISPLAY_GET_REGISTRY, making: library.pointee.registry, .newObject)
    library.pointee.destroyWrapper(wrapper)
    guard let registry else {
      library.pointee.destroyQueue(queue)
      return nil
    }
    var globals = Globals(library: library, shm: nil)
    withUnsafeMutablePointer(to: &globals) { globals in
      let listeners = library.pointee.listeners
      _ = library.pointee.addListener(registry, WaylandListeners.registry(listeners), globals)
      _ = library.pointee.roundtrip(display, queue)
      guard let shm = globals.pointee.shm else { return }
      _ = library.pointee.addListener(shm, WaylandListeners.shm(listeners), globals)
      _ = library.pointee.roundtrip(display, queue)
      // The globals end here; what is still said of formats has nobody to hear it.
      library.pointee.setUserData(shm, nil)
    }
    library.pointee.destroy(registry)
    guard let shm = globals.shm else {
      library.pointee.destroyQueue(queue)
      return nil
    }
    self.library = library
    self.display = display
    self.queue = queue
    self.shm = shm
    layouts = globals.withAlpha & globals.opaque
  }

  func finish() {
    library.pointee.destroy(shm)
    library.pointee.destroyQueue(queue)
  }

  /// wl_shm's number for a layout, with or without alpha.
  static func format(_ layout: PixelLayout, alpha: Bool) -> UInt32 {
    switch layout {
    case .bgra8: alpha ? 0 : 1
    case .rgba8: alpha ? 0x3432_4241 : 0x3432_4258  // AB24, XB24
    case .bgra10: alpha ? 0x3033_5241 : 0x3033_5258  // AR30, XR30
    case .rgba10: alpha ? 0x3033_4241 : 0x3033_4258  // AB30, XB30
    case .bgr565: 0x3631_4752  // RG16
    }
  }
}

/// The handlers of events, in the order in which libwayland expects them.
struct WaylandListeners {
  typealias Data = UnsafeMutableRawPointer

  private let global:
    @convention(c) (Data?, OpaquePointer?, UInt32, UnsafePointer<CChar>?, UInt32) -> Void = {
      data, registry, name, interface, _ in
      guard let globals = data?.assumingMemoryBound(to: WaylandCorner.Globals.self),
        let registry, let interface, globals.pointee.shm == nil, equal(interface, "wl_shm")
      else { return }
      let shm = globals.pointee.library.pointee.shm
      globals.pointee.shm = globals.pointee.library.pointee.send(
        registry, WL_REGISTRY_BIND, making: shm, version: 1, .uint(name),
        .string(shm.pointee.name), .uint(1), .newObject)
    }

  private let globalRemove: @convention(c) (Data?, OpaquePointer?, UInt32) -> Void = { _, _, _ in }

  private let shmFormat: @convention(c) (Data?, OpaquePointer?, UInt32) -> Void = {
    data, _, format in
    guard let globals = data?.assumingMemoryBound(to: WaylandCorner.Globals.self) else { return }
    var number: UInt8 = 0
    while let layout = PixelLayout(rawValue: number) {
      let bit: UInt32 = 1 &<< UInt32(number)
      if format == WaylandCorner.format(layout, alpha: true) { globals.pointee.withAlpha |= bit }
      if format == WaylandCorner.format(layout, alpha: false) { globals.pointee.opaque |= bit }
      number &+= 1
    }
  }

  private let bufferRelease: @convention(c) (Data?, OpaquePointer?) -> Void = { data, buffer in
    guard let shared = data?.assumingMemoryBound(to: WaylandPresenter.Shared.self) else { return }
    var i = 0
    while i < shared.pointee.count {
      let bit: UInt64 = 1 &<< UInt64(i)
      if shared.pointee.buffers[i] == buffer, shared.pointee.held & bit != 0 {
        shared.pointee.held &= ~bit
        shared.pointee.released |= bit
      }
      i &+= 1
    }
  }

  private let callbackDone: @convention(c) (Data?, OpaquePointer?, UInt32) -> Void = {
    data, callback, _ in
    guard let shared = data?.assumingMemoryBound(to: WaylandPresenter.Shared.self) else { return }
    shared.pointee.library.pointee.destroy(callback)
    shared.pointee.callback = nil
  }

  static func registry(_ table: UnsafePointer<WaylandListeners>) -> UnsafeRawPointer {
    UnsafeRawPointer(table)
  }
  static func shm(_ table: UnsafePointer<WaylandListeners>) -> UnsafeRawPointer {
    UnsafeRawPointer(table) + 2 * MemoryLayout<UnsafeRawPointer>.stride
  }
  static func buffer(_ table: UnsafePointer<WaylandListeners>) -> UnsafeRawPointer {
    UnsafeRawPointer(table) + 3 * MemoryLayout<UnsafeRawPointer>.stride
  }
  static func callback(_ table: UnsafePointer<WaylandListeners>) -> UnsafeRawPointer {
    UnsafeRawPointer(table) + 4 * MemoryLayout<UnsafeRawPointer>.stride
  }
}
