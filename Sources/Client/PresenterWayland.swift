import CPlatform
import CWayland

/// What a surface asks about a Wayland display.
enum WaylandWindow {
  /// Nil when the display is broken or cannot show frames from memory.
  static func facts(_ display: OpaquePointer) -> WindowFacts? {
    guard let corner = WaylandCorner(display) else { return nil }
    defer { corner.finish() }
    var facts = WindowFacts(width: WindowFacts.undefined, height: WindowFacts.undefined)
    var number: UInt8 = 0
    while let layout = PixelLayout(rawValue: number) {
      if corner.layouts & (1 &<< UInt32(number)) != 0 { facts.add(layout) }
      number &+= 1
    }
    return facts
  }
}

/// Attaches frames to a wl_surface. All proxies live on an event queue of ours; only the presenter
/// thread dispatches it. The frame buffers are one wl_shm_pool, and stay with the compositor until
/// it releases them.
struct WaylandPresenter {
  /// What event handlers write; it stays where it is as long as there are proxies.
  struct Shared {
    /// Bit i: the compositor holds frame buffer i.
    var held: UInt64 = 0
    /// What the compositor answers when it wants the next frame; nil once it has.
    var callback: OpaquePointer? = nil
    var library: UnsafePointer<WaylandLibrary>
    var buffers: UnsafeMutablePointer<OpaquePointer?>
    var count: Int
  }

  private let corner: WaylandCorner
  private let surface: OpaquePointer
  private let pool: OpaquePointer
  private let shared: UnsafeMutablePointer<Shared>

  /// Nil when the compositor cannot take the frames.
  init?(_ window: TargetWindow, _ frames: FrameBuffers, isOpaque: Bool) {
    guard let display = window.connection, let target = window.surface,
      frames.byteCount <= Int(Int32.max), let corner = WaylandCorner(display)
    else { return nil }
    let library = corner.library
    guard let surface = library.pointee.createWrapper(target),
      let raw = platform_malloc(MemoryLayout<Shared>.stride),
      let list = platform_calloc(frames.imageCount, 8),
      let pool = library.pointee.send(
        corner.shm, WL_SHM_CREATE_POOL, making: library.pointee.shmPool, .newObject,
        .descriptor(frames.descriptor), .int(frames.byteCount))
    else {
      corner.finish()
      return nil
    }
    library.pointee.setQueue(surface, corner.queue)
    let buffers = list.bindMemory(to: OpaquePointer?.self, capacity: frames.imageCount)
    let shared = raw.bindMemory(to: Shared.self, capacity: 1)
    shared.initialize(
      to: Shared(
        library: library, buffers: buffers, count: frames.imageCount))
    var i = 0
    while i < frames.imageCount {
      buffers[i] = library.pointee.send(
        pool, WL_SHM_POOL_CREATE_BUFFER, making: library.pointee.buffer, .newObject,
        .int(i &* frames.frameBytes), .int(frames.width), .int(frames.height), .int(frames.stride),
        .uint(WaylandCorner.format(frames.layout, alpha: !isOpaque)))
      _ = library.pointee.addListener(
        buffers[i], WaylandListeners.buffer(library.pointee.listeners), shared)
      i &+= 1
    }
    self.corner = corner
    self.surface = surface
    self.pool = pool
    self.shared = shared
  }

  /// Becomes readable when the compositor has something to say.
  var fileDescriptor: Int32 { corner.library.pointee.fileDescriptor(corner.display) }

  /// Bit i: the compositor still reads frame buffer i.
  var held: UInt64 { shared.pointee.held }

  /// Whether the compositor has not asked for another frame yet.
  var frameIsPending: Bool { shared.pointee.callback != nil }

  /// Commits one frame; with `paced` the compositor is asked to say when it wants the next.
  func show(_ image: Int, paced: Bool) -> PresentStatus {
    let library = corner.library
    guard library.pointee.error(corner.display) == 0, image < shared.pointee.count else {
      return .surfaceLost
    }
    let everything = wl_argument.int(Int(Int32.max))
    _ = library.pointee.send(
      surface, WL_SURFACE_ATTACH, .object(shared.pointee.buffers[image]), .int(0), .int(0))
    _ = library.pointee.send(
      surface,
      library.pointee.version(surface) >= 4 ? WL_SURFACE_DAMAGE_BUFFER : WL_SURFACE_DAMAGE,
      .int(0), .int(0), everything, everything)
    if paced, shared.pointee.callback == nil,
      let callback = library.pointee.send(
        surface, WL_SURFACE_FRAME, making: library.pointee.callback, .newObject)
    {
      shared.pointee.callback = callback
      _ = library.pointee.addListener(
        callback, WaylandListeners.callback(library.pointee.listeners), shared)
    }
    shared.pointee.held |= 1 &<< UInt64(image)
    _ = library.pointee.send(surface, WL_SURFACE_COMMIT)
    _ = library.pointee.flush(corner.display)
    return .optimal
  }

  /// Takes in events, waiting for them (or for `wake` to become readable) at most `nanoseconds`.
  /// False when the display is broken.
  func dispatch(wake: Int32, nanoseconds: UInt64) -> Bool {
    let library = corner.library
    while library.pointee.prepareRead(corner.display, corner.queue) != 0 {
      guard library.pointee.dispatchPending(corner.display, corner.queue) >= 0 else { return false }
      // Something was dispatched: the caller looks before anybody sleeps.
      if nanoseconds > 0 { return true }
    }
    _ = library.pointee.flush(corner.display)
    let ready = platform_poll_either(fileDescriptor, wake, nanoseconds)
    if ready & 1 != 0 {
      guard library.pointee.readEvents(corner.display) == 0 else { return false }
    } else {
      library.pointee.cancelRead(corner.display)
    }
    return library.pointee.dispatchPending(corner.display, corner.queue) >= 0
  }

  func finish() {
    let library = corner.library
    if let callback = shared.pointee.callback { library.pointee.destroy(callback) }
    var i = 0
    while i < shared.pointee.count {
      if let buffer = shared.pointee.buffers[i] {
        _ = library.pointee.send(buffer, WL_BUFFER_DESTROY, destroying: true)
      }
      i &+= 1
    }
    _ = library.pointee.send(pool, WL_SHM_POOL_DESTROY, destroying: true)
    library.pointee.destroyWrapper(surface)
    _ = library.pointee.flush(corner.display)
    corner.finish()
    platform_free(shared.pointee.buffers)
    platform_free(shared)
  }
}
