import CPlatform
import Ring

/// How an acquire ended.
public enum AcquireResult: Sendable {
  /// The image, free of the node and the window system.
  case image(UInt32)
  case timeout
  /// The swapchain shows nothing any more.
  case outOfDate
  case surfaceLost
  /// The connection is lost.
  case lost
}

/// How a wait for a present ended.
public enum PresentWaitResult: Sendable {
  /// The frame was shown, or one that was presented after it took its place.
  case shown
  case timeout
  /// The swapchain was replaced before anything was presented under that id.
  case outOfDate
  case surfaceLost
  /// The connection is lost.
  case lost
}

/// Shows the frames of one swapchain in its window: a queue of presents, and a thread that takes
/// them in order, waits until each has arrived in its frame buffer, and shows it when its present
/// mode says so.
///
/// ```
///            acquire            present            frame arrived, shown
///   free ───────────► acquired ─────────► queued ──────────────────────► free
///    ▲    release       │                          └► held (Wayland) ──►
///    └──────────────────┘
/// ```
///
/// A plain value around memory that `stop` gives back. Thread-safety: `acquire`, `present` and
/// `giveBack` as Vulkan says for a swapchain (one thread at a time); `waitForPresent` from any number
/// of threads beside them.
public struct Presenter: @unchecked Sendable {
  /// One presented image on its way.
  struct Present {
    var image: UInt32
    var slot: UInt32
    var value: UInt64
    var number: UInt64
    var times: PresentTimes
    var mode: PresentMode
    /// What `waitForPresent` knows it by; 0 when nobody waits for it.
    var id: UInt64
  }

  /// Where frames are shown.
  enum Backend {
    case x11(X11Presenter)
    case wayland(WaylandPresenter)
    case headless
  }

  struct State {
    let connection: Connection
    let frames: FrameBuffers
    /// Draws figures into copies of the frames, which are shown in their place; nil: the frames are.
    let hud: PresenterHUD?
    let backend: Backend
    /// What lies behind the window shows through where pixels have little alpha.
    let showsAlpha: Bool
    var pacing: Pacing
    let lock: Lock
    /// Readable: look at the queue.
    let wake: Int32
    /// How frames are shown that do not say it themselves: as the one before. Guarded by `lock`.
    var mode: PresentMode
    /// Bit i: the application has acquired image i, and neither presented nor given it back. Guarded
    /// by `lock`.
    var acquired: UInt64 = 0
    /// The greatest id that was presented. Guarded by `lock`.
    var presentedID: UInt64 = 0
    /// The greatest id of a frame that was shown, or whose turn another took; only grows.
    var shownID: UInt64 = 0
    /// Presents in order; as many places as images. Guarded by `lock`.
    let queue: UnsafeMutablePointer<Present>
    var queueHead = 0
    var queueCount = 0
    /// Images that may be acquired, the one that has been free longest first. Guarded by `lock`.
    let free: UnsafeMutablePointer<UInt32>
    var freeHead = 0
    var freeCount = 0
    /// The frame that was shown last, when its picture may still become better, and how often it has been shown
    /// anew for that. Presenter thread.
    var refined: (present: Present, count: UInt64, until: UInt64)? = nil
    /// When the last frame was shown. Presenter thread.
    var lastShown: UInt64 = 0
    /// The presenter thread sleeps on `wake`.
    var sleeps: UInt32 = 0
    /// Readable: something has changed for the thread that listens.
    let progress: Int32
    /// 1: a thread of the application waits, and listens to the compositor meanwhile.
    var listens: UInt32 = 0
    /// Presents that were neither shown nor dropped yet.
    var unshown: UInt32 = 0
    /// Threads that wait until nothing is: frames are shown at once.
    var settling: UInt32 = 0
    /// `PresentStatus`; never becomes better.
    var status: UInt32 = 0
    /// 1: replaced; frames are shown at once.
    var isRetired: UInt32 = 0
    /// `Present.number` of the newest frame. Guarded by `lock`.
    var newest: UInt64 = 0
    /// Frames up to this number are not shown any more.
    var outgrown: UInt64 = 0
    /// Where interim pictures come from; nil when there are none.
    var board: InterimBoard? = nil
    /// The time that what was shown last was meant for: an interim picture of an earlier one is late. Presenter
    /// thread.
    var latestTime: UInt64 = 0
    /// `stopping`: the thread shall end after what is queued; `stopped`: it has.
    var stop: UInt32 = 0
  }

  let state: UnsafeMutablePointer<State>

  /// The X11 window that frames are shown in; 0 for another window system's.
  public var x11Window: UInt32 {
    if case .x11(let x11) = state.pointee.backend { return x11.window }
    return 0
  }

  /// Starts to present. The frame buffers belong to the presenter from now on, also when it cannot
  /// be made: then nil, and the window is gone or there is no memory. With a `placement` frames may
  /// have another size than the window. `isWindow`: nobody reads the pixels again, and figures may be
  /// drawn over them.
  public static func start(
    connection: Connection, window: TargetWindow, frames: FrameBuffers, mode: PresentMode,
    isOpaque: Bool, placement: FramePlacement? = nil, isWindow: Bool = true
  ) -> Presenter? {
    let hasHUD = isWindow && window.system != .headless && PresenterHUD.isWanted
    let hud = hasHUD ? PresenterHUD.make(frames) : nil
    let shown = hud?.copies ?? frames
    let backend: Backend?
    switch window.system {
    case .x11: backend = X11Presenter(window, shown, placement).map { .x11($0) }
    case .wayland:
      backend = WaylandPresenter(window, shown, isOpaque: isOpaque).map { .wayland($0) }
    case .headless: backend = .headless
    }
    let count = frames.imageCount
    let showsAlpha: Bool
    switch backend {
    case .x11(let x11): showsAlpha = x11.depth > 24
    case .wayland: showsAlpha = !isOpaque
    case .headless, nil: showsAlpha = false
    }
    guard let backend else {
      hud?.free()
      frames.free()
      return nil
    }
    guard let lock = Lock(), let raw = platform_malloc(MemoryLayout<State>.stride),
      let queue = platform_malloc(count &* MemoryLayout<Present>.stride),
      let free = platform_malloc(count &* 4), case let wake = platform_event(), wake >= 0,
      case let progress = platform_event(), progress >= 0
    else {
      finish(backend)
      hud?.free()
      frames.free()
      return nil
    }
    let state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        connection: connection, frames: frames, hud: hud, backend: backend, showsAlpha: showsAlpha,
        pacing: Pacing(mode: mode, period: window.refreshPeriod()), lock: lock, wake: wake,
        mode: mode,
        queue: queue.bindMemory(to: Present.self, capacity: count),
        free: free.bindMemory(to: UInt32.self, capacity: count), progress: progress))
    if !showsAlpha { state.pointee.board = frames.board }
    let presenter = Presenter(state: state)
    var image = 0
    while image < count {
      presenter.release(UInt32(image))
      image &+= 1
    }
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
      guard let argument else { return nil }
      Presenter(state: argument.assumingMemoryBound(to: State.self)).run()
      return nil
    }
    guard platform_thread_start(body, state, 256 << 10, "omega-present") == 0 else {
      presenter.dispose()
      return nil
    }
    return presenter
  }

  public var frames: FrameBuffers { state.pointee.frames }

  /// Whether what lies behind the window shows through where pixels have little alpha.
  public var showsAlpha: Bool { state.pointee.showsAlpha }

  /// What the swapchain has come to.
  public var status: PresentStatus {
    PresentStatus(rawValue: platform_load32(&state.pointee.status)) ?? .surfaceLost
  }

  // MARK: The application's side

  /// Takes the image that has been free longest; waits for one at most `nanoseconds` (0: one look,
  /// UInt64.max: no limit). What is waited for: completions that were pushed, our own thread, and a
  /// compositor's word, which the calling thread reads.
  public func acquire(nanoseconds: UInt64) -> AcquireResult {
    let now = platform_now()
    let deadline = nanoseconds > UInt64.max &- now ? UInt64.max : now &+ nanoseconds
    let segment = state.pointee.connection.segment
    var hasListened = false
    takeEvents()
    while true {
      guard segment.lost == 0 else { return .lost }
      switch status {
      case .surfaceLost: return .surfaceLost
      case .outOfDate: return .outOfDate
      case .optimal, .suboptimal: break
      }
      if let image = takeFree() { return .image(image) }
      let time = platform_now()
      guard time < deadline || !hasListened else { return .timeout }
      hasListened = true
      let step = time < deadline ? min(Connection.heartbeat, deadline &- time) : 0
      let ended = waitStep(nanoseconds: step) {
        state.pointee.freeCount > 0 || status.rawValue >= PresentStatus.outOfDate.rawValue
      }
      guard ended || step < Connection.heartbeat || state.pointee.connection.isAlive() else {
        return .lost
      }
    }
  }

  private func takeFree() -> UInt32? {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    guard state.pointee.freeCount > 0 else { return nil }
    let image = state.pointee.free[state.pointee.freeHead]
    state.pointee.freeHead = (state.pointee.freeHead &+ 1) % frames.imageCount
    state.pointee.freeCount &-= 1
    state.pointee.acquired |= 1 &<< UInt64(image)
    return image
  }

  /// Ends the application's hold on an image; false when it has none. Under `lock`.
  private func endAcquisition(_ image: UInt32) -> Bool {
    let bit: UInt64 = image < 64 ? 1 &<< UInt64(image) : 0
    guard state.pointee.acquired & bit != 0 else { return false }
    state.pointee.acquired &= ~bit
    return true
  }

  /// Takes an acquired image back that is not to be presented, and says how the swapchain is. An
  /// image that is not acquired stays where it is.
  public func giveBack(image: UInt32) -> PresentStatus {
    state.pointee.lock.lock()
    let wasAcquired = endAcquisition(image)
    state.pointee.lock.unlock()
    if wasAcquired { release(image) }
    return status
  }

  /// Makes an image free for the next acquire, and wakes who waits for one.
  func release(_ image: UInt32) {
    state.pointee.lock.lock()
    if state.pointee.freeCount < frames.imageCount {
      let place = (state.pointee.freeHead &+ state.pointee.freeCount) % frames.imageCount
      state.pointee.free[place] = image
      state.pointee.freeCount &+= 1
    }
    state.pointee.lock.unlock()
    wakeWaiters()
  }

  /// Queues an acquired image to be shown once `slot` has reached `value`; as `mode` says, from now
  /// on, when there is one. Never waits. The status says how the swapchain is.
  ///
  /// Where the compositor owes an answer to the last frame, it is read before the new frame is
  /// queued, as drivers do that wait for it here: there are programs that never read themselves. Not
  /// after: what comes of the new frame is the program's to be woken by.
  ///
  /// `times`: when the application asked for it, and when the node was told.
  public func present(
    image: UInt32, slot: UInt32, value: UInt64, mode: PresentMode? = nil, id: UInt64 = 0,
    times: PresentTimes = .now
  ) -> PresentStatus {
    let segment = state.pointee.connection.segment
    takeEvents()
    if case .wayland(let wayland) = state.pointee.backend, wayland.frameIsPending {
      _ = waitStep(nanoseconds: 0) { false }
    }
    let now = platform_now()
    segment.count(Counter.framesPresented, 1)
    if platform_load64_relaxed(segment.counter(Counter.firstPresentTime)) == 0 {
      _ = platform_max64(segment.counter(Counter.firstPresentTime), now)
    }
    _ = platform_max64(segment.counter(Counter.latestPresentTime), now)
    let number = FrameDump.nextNumber()
    state.pointee.lock.lock()
    state.pointee.mode = mode ?? state.pointee.mode
    state.pointee.presentedID = max(id, state.pointee.presentedID)
    let present = Present(
      image: image, slot: slot, value: value, number: number, times: times,
      mode: state.pointee.mode, id: id)
    state.pointee.newest = number
    if endAcquisition(image), state.pointee.queueCount < frames.imageCount {
      let place = (state.pointee.queueHead &+ state.pointee.queueCount) % frames.imageCount
      state.pointee.queue[place] = present
      state.pointee.queueCount &+= 1
      _ = platform_add32(&state.pointee.unshown, 1)
    }
    state.pointee.lock.unlock()
    wakeThread()
    return status
  }

  private func wakeThread() {
    platform_fence()
    if platform_load32_seq(&state.pointee.sleeps) != 0 { platform_event_set(state.pointee.wake) }
    wakeWaiters()
  }

  /// Wakes the application's threads that wait for this presenter.
  func wakeWaiters() {
    // A fence is in it.
    state.pointee.connection.segment.ring(always: false)
    if platform_load32_seq(&state.pointee.listens) != 0 {
      platform_event_set(state.pointee.progress)
    }
  }

  /// One step of a wait of the application's, like `Segment.waitStep`. Where there is a compositor,
  /// one thread at a time listens to it instead of sleeping: what is waited for may be its word.
  private func waitStep(nanoseconds: UInt64, _ isDone: () -> Bool) -> Bool {
    let segment = state.pointee.connection.segment
    guard case .wayland(let wayland) = state.pointee.backend, status != .surfaceLost,
      platform_compare_exchange32(&state.pointee.listens, 0, 1)
    else { return segment.waitStep(nanoseconds: nanoseconds, isDone) }
    platform_fence()
    let isAwake = isDone() || wayland.listen(wake: state.pointee.progress, nanoseconds: nanoseconds)
    if !isAwake { worsen(.surfaceLost) }
    platform_event_clear(state.pointee.progress)
    takeEvents()
    platform_store32_seq(&state.pointee.listens, 0)
    // Another one may listen now.
    segment.ring(always: false)
    return isDone()
  }

  /// Takes in what a compositor has said and somebody has read: frees the images that it has let go
  /// of, and wakes our thread when it asks for a frame. Any thread.
  func takeEvents() {
    guard case .wayland(let wayland) = state.pointee.backend else { return }
    guard let news = wayland.takeEvents() else {
      worsen(.surfaceLost)
      wakeThread()
      return
    }
    var released = news.released
    while released != 0 {
      noteReleased(buffer: released.trailingZeroBitCount)
      released &= released &- 1
    }
    if news.wantsFrame { wakeThread() }
  }

  /// Waits until everything that was presented is with the window system, or will never be, and has
  /// it go there without waiting for refreshes; at most `nanoseconds`. Reads nothing.
  public func settle(nanoseconds: UInt64) {
    _ = platform_add32(&state.pointee.settling, 1)
    wakeThread()
    let segment = state.pointee.connection.segment
    let deadline = platform_now() &+ nanoseconds
    while platform_load32_seq(&state.pointee.unshown) != 0, segment.lost == 0,
      case let now = platform_now(), now < deadline
    {
      let step = min(Connection.heartbeat, deadline &- now)
      _ = segment.waitStep(nanoseconds: step) {
        platform_load32_seq(&state.pointee.unshown) == 0
      }
    }
    _ = platform_add32(&state.pointee.settling, UInt32.max)
  }

  /// Waits until a frame with this id, or a greater one, was shown; at most `nanoseconds` (0: one
  /// look, UInt64.max: no limit).
  public func waitForPresent(id: UInt64, nanoseconds: UInt64) -> PresentWaitResult {
    let now = platform_now()
    let deadline = nanoseconds > UInt64.max &- now ? UInt64.max : now &+ nanoseconds
    let segment = state.pointee.connection.segment
    takeEvents()
    while true {
      if isShown(id) { return .shown }
      guard segment.lost == 0 else { return .lost }
      guard status != .surfaceLost else { return .surfaceLost }
      // What a replaced swapchain has queued it still shows.
      guard !isRetired || isPresented(id) else { return .outOfDate }
      let time = platform_now()
      guard time < deadline else { return .timeout }
      let step = min(Connection.heartbeat, deadline &- time)
      let ended = waitStep(nanoseconds: step) {
        isShown(id) || status == .surfaceLost || (isRetired && !isPresented(id))
      }
      guard ended || step < Connection.heartbeat || state.pointee.connection.isAlive() else {
        return isShown(id) ? .shown : .lost
      }
    }
  }

  private func isShown(_ id: UInt64) -> Bool { platform_load64(&state.pointee.shownID) >= id }

  private func isPresented(_ id: UInt64) -> Bool {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    return state.pointee.presentedID >= id
  }

  /// The swapchain was replaced by another one: nothing can be acquired any more, what is queued is
  /// shown without waiting for refreshes.
  ///
  /// Not so on Wayland when the `successor` has another size: by then the application has agreed to
  /// that size with the compositor, which may end it for a frame of the old one (xdg_surface's
  /// ack_configure). Such frames have taken their turn, and are not shown.
  public func retire(successor: (width: Int, height: Int)? = nil) {
    if case .wayland = state.pointee.backend, let successor,
      successor.width != frames.width || successor.height != frames.height
    {
      state.pointee.lock.lock()
      _ = platform_max64(&state.pointee.outgrown, state.pointee.newest)
      state.pointee.lock.unlock()
    }
    platform_store32_seq(&state.pointee.isRetired, 1)
    worsen(.outOfDate)
    wakeThread()
  }

  func worsen(_ worse: PresentStatus) {
    var old = platform_load32(&state.pointee.status)
    while old < worse.rawValue {
      if platform_compare_exchange32(&state.pointee.status, old, worse.rawValue) { break }
      old = platform_load32(&state.pointee.status)
    }
  }

  /// Shows what is queued, without waiting for refreshes, ends the thread and gives everything
  /// back, the frame buffers included. The presenter must not be used any more.
  public func stop() {
    retire()
    platform_store32_seq(&state.pointee.stop, Presenter.stopping)
    platform_event_set(state.pointee.wake)
    while platform_load32_seq(&state.pointee.stop) != Presenter.stopped {
      _ = platform_futex_wait(&state.pointee.stop, Presenter.stopping, Connection.heartbeat)
    }
    dispose()
  }

  static var stopping: UInt32 { 1 }
  static var stopped: UInt32 { 2 }

  private func dispose() {
    Presenter.finish(state.pointee.backend)
    state.pointee.hud?.free()
    state.pointee.frames.free()
    _ = platform_close(state.pointee.wake)
    _ = platform_close(state.pointee.progress)
    state.pointee.lock.free()
    platform_free(state.pointee.queue)
    platform_free(state.pointee.free)
    platform_free(state)
  }

  private static func finish(_ backend: Backend) {
    switch backend {
    case .x11(let x11): x11.finish()
    case .wayland(let wayland): wayland.finish()
    case .headless: break
    }
  }
}
