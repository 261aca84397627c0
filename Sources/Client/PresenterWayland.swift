import CPlatform
import CWayland

/// What a surface asks about a Wayland display.
enum WaylandWindow {
  /// Nil when the display is broken or cannot show frames from memory. Without `pixels` the
  /// compositor is not asked, and which layouts it takes is left open.
  static func facts(_ display: OpaquePointer, pixels: Bool) -> WindowFacts? {
    var facts = WindowFacts(width: WindowFacts.undefined, height: WindowFacts.undefined)
    guard pixels else {
      return WaylandLibrary.open()?.pointee.error(display) == 0 ? facts : nil
    }
    guard let corner = WaylandCorner(display) else { return nil }
    defer { corner.finish() }
    var number: UInt8 = 0
    while let layout = PixelLayout(rawValue: number) {
      if corner.layouts & (1 &<< UInt32(number)) != 0 { facts.add(layout) }
      number &+= 1
    }
    return facts
  }
}

/// Attaches frames to a wl_surface. All proxies live on an event queue of ours. The frame buffers are
/// one wl_shm_pool, and stay with the compositor until it releases them.
///
/// A program may poll the display's socket with nothing but poll, and be told of what comes by nobody
/// else: a second thread that reads would leave it asleep for ever. So the presenter's thread sends,
/// and never reads; it dispatches what others have read (`takeEvents`). Threads of the application
/// read (`listen`), and only while they have to wait in a call of ours, as with any other driver.
struct WaylandPresenter {
  /// What event handlers write; it stays where it is as long as there are proxies.
  struct Shared {
    /// Guards what follows. Held while events are dispatched, so that one thread at a time does.
    let lock: Lock
    /// Bit i: the compositor holds frame buffer i.
    var held: UInt64 = 0
    /// Bit i: it has let go of frame buffer i, and nobody was told yet.
    var released: UInt64 = 0
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
    guard let surface = library.pointee.createWrapper(target), let lock = Lock(),
      let raw = platform_malloc(MemoryLayout<Shared>.stride),
      let list = platform_calloc(frames.bufferCount, 8),
      let pool = library.pointee.send(
        corner.shm, WL_SHM_CREATE_POOL, making: library.pointee.shmPool, .newObject,
        .descriptor(frames.descriptor), .int(frames.byteCount))
    else {
      corner.finish()
      return nil
    }
    library.pointee.setQueue(surface, corner.queue)
    let buffers = list.bindMemory(to: OpaquePointer?.self, capacity: frames.bufferCount)
    let shared = raw.bindMemory(to: Shared.self, capacity: 1)
    shared.initialize(
      to: Shared(
        lock: lock, library: library, buffers: buffers, count: frames.bufferCount))
    var i = 0
    while i < frames.bufferCount {
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

  /// Whether the compositor has not asked for another frame yet, as far as is known.
  var frameIsPending: Bool {
    shared.pointee.lock.lock()
    defer { shared.pointee.lock.unlock() }
    return shared.pointee.callback != nil
  }

  /// Commits one frame; with `paced` the compositor is asked to say when it wants the next.
  func show(_ image: Int, paced: Bool) -> PresentStatus {
    let library = corner.library
    guard library.pointee.error(corner.display) == 0, image < shared.pointee.count else {
      return .surfaceLost
    }
    let everything = wl_argument.int(Int(Int32.max))
    shared.pointee.lock.lock()
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
    shared.pointee.lock.unlock()
    _ = library.pointee.flush(corner.display)
    return .optimal
  }

  /// What the compositor has said.
  struct News {
    /// Bit i: frame buffer i may be written again.
    var released: UInt64
    /// It has asked for the next frame.
    var wantsFrame: Bool
  }

  /// Takes in the events that somebody has read, and tells what is new; nil when the display is
  /// broken. Never reads, never waits. Any thread.
  func takeEvents() -> News? {
    let library = corner.library
    shared.pointee.lock.lock()
    defer { shared.pointee.lock.unlock() }
    let wasPending = shared.pointee.callback != nil
    guard library.pointee.dispatchPending(corner.display, corner.queue) >= 0 else { return nil }
    let released = shared.pointee.released
    shared.pointee.released = 0
    return News(released: released, wantsFrame: wasPending && shared.pointee.callback == nil)
  }

  /// Reads the display's socket once it, or `wake`, is readable; waits at most `nanoseconds` for
  /// that. Returns at once when there are events to take in already. For threads of the application:
  /// whoever else reads cannot go on before this does. False when the display is broken.
  func listen(wake: Int32, nanoseconds: UInt64) -> Bool {
    let library = corner.library
    guard library.pointee.prepareRead(corner.display, corner.queue) == 0 else { return true }
    _ = library.pointee.flush(corner.display)
    let descriptor = library.pointee.fileDescriptor(corner.display)
    guard platform_poll_either(descriptor, wake, nanoseconds) & 1 != 0 else {
      library.pointee.cancelRead(corner.display)
      return true
    }
    return library.pointee.readEvents(corner.display) == 0
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
    shared.pointee.lock.free()
    platform_free(shared.pointee.buffers)
    platform_free(shared)
  }
}
