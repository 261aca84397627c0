import CPlatform
public import Ring
internal import Threads
import Wire

/// Frame buffers of a window of a client on this host; mapped as long as the object lives.
public protocol GLFrameMemory: AnyObject, Sendable {
  var base: UnsafeMutableRawPointer { get }
  var byteCount: Int { get }
}

/// Bounds on what one client may make the node hold.
public struct GLLimits: Sendable {
  /// Objects alive.
  public var objects: Int
  /// Bytes of one record.
  public var record: Int

  public init(objects: Int = 4 << 20, record: Int = SegmentLayout.largestRecord) {
    self.objects = objects
    self.record = record
  }
}

/// A frame in the node's own memory.
public struct GLFrame {
  /// What the client calls the frame buffers.
  public var id: UInt64
  public var imageIndex: UInt32
  public var width: Int
  public var height: Int
  /// Bytes from row to row.
  public var stride: Int
  public var bytesPerPixel: Int
  /// The Client room's `PixelLayout`.
  public var layout: UInt32
  /// What lies behind the window shows through where pixels have little alpha.
  public var showsAlpha: Bool
  public var bytes: UnsafeRawBufferPointer
}

/// Memory for frames on their way to a client elsewhere: what has been sent is used again.
final class GLFrameRooms: @unchecked Sendable {
  private let lock = Lock()
  private var free: [UnsafeMutableRawBufferPointer] = []

  /// Frames on their way are no more than a window has images.
  private static let mostFree = 3

  deinit { for room in free { platform_free(room.baseAddress) } }

  /// At least `count` bytes; nil when there is no memory.
  func take(_ count: Int) -> UnsafeMutableRawBufferPointer? {
    let known = lock.withLock { () -> UnsafeMutableRawBufferPointer? in
      guard let index = free.firstIndex(where: { $0.count == count }) else {
        // Windows have another size by now.
        for room in free { platform_free(room.baseAddress) }
        free = []
        return nil
      }
      return free.remove(at: index)
    }
    if let known { return known }
    guard let start = platform_aligned_alloc(16, count) else { return nil }
    return UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  func giveBack(_ room: UnsafeMutableRawBufferPointer) {
    let isKept = lock.withLock {
      guard free.count < GLFrameRooms.mostFree else { return false }
      free.append(room)
      return true
    }
    if !isKept { platform_free(room.baseAddress) }
  }
}

/// What the client's session does for its OpenGL: the way to the client, and the end of it all.
/// Called from all channels' threads.
public protocol GLSessionHost: AnyObject, Sendable {
  /// True once the session is over; nothing is replayed from then on.
  var isOver: Bool { get }
  var limits: GLLimits { get }
  /// The client's segment, when it is on this host.
  var segment: Segment? { get }
  /// Raises a slot, and wakes who waits for it.
  func complete(slot: UInt32, value: UInt64)
  /// Delivers the reply record of `ticket`; false when there is no such ticket or it is too large.
  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool
  /// Ends the session; `reason` is a `LostReason`. The first call counts.
  func lose(_ reason: UInt32, _ message: String)
  /// A line for the log. Levels: 0 error, 1 warning, 2 information, 3 debugging.
  func log(_ level: UInt32, _ message: String)
  /// The frame buffers of a client on this host; waits for their descriptor. Nil when there are none.
  func awaitFrames(_ id: UInt64) -> (any GLFrameMemory)?
  /// A client on this host has a frame. The caller completes it.
  func noteFrame(_ times: NodeFrameTimes)
  /// Brings a frame to a client elsewhere, and completes it, without the caller's waiting. `mayBeLeftOut`: it need not
  /// be sent when a newer one is there before. `done`: nobody looks at its bytes any more; from any thread.
  func deliverFrame(
    _ frame: GLFrame, _ times: NodeFrameTimes, mayBeLeftOut: Bool,
    done: @escaping @Sendable () -> Void)
  /// A frame is there, wherever it goes: for those who look on. When it `isKept`, its bytes stay where they are until
  /// `forgetFrames`; otherwise they are the caller's again at the return. Before `noteFrame` or `deliverFrame`.
  func showFrame(_ frame: GLFrame, isKept: Bool)
  /// Frame buffers are about to go.
  func forgetFrames(_ id: UInt64)
  func countContext()
  func countFrame()
  func countCommands(_ n: UInt64)
  /// The word where a channel says what it is in.
  func activityWord(channel: UInt32) -> UnsafeMutablePointer<UInt64>
}

extension GLSessionHost {
  // Most have nobody who looks on.
  public func showFrame(_ frame: GLFrame, isKept: Bool) {}
  public func forgetFrames(_ id: UInt64) {}
}

/// The OpenGL of one client on this node: its contexts, drawables and frames. Shared by the threads
/// of its channels. Costs nothing until the first context is asked for.
public final class GLSession: @unchecked Sendable {
  let host: any GLSessionHost
  let frameRooms = GLFrameRooms()
  /// The driver that contexts are made with, or why there is none.
  let driver: @Sendable () -> Result<EGLDriver, GLUnavailable>

  /// A context that a channel has made.
  struct Context {
    let group: ShareGroup
    let resetStrategy: UInt32
  }

  /// What `glFrames` has said of frame buffers.
  struct Frames {
    var width: Int
    var height: Int
    var imageCount: Int
    var stride: Int
    var frameBytes: Int
    var layout: PixelFormat
    /// What lies behind the window shows through where pixels have little alpha.
    var showsAlpha: Bool
    /// Of a client on this host, once they were needed.
    var memory: (any GLFrameMemory)?
  }

  private struct DrawableKey: Hashable {
    let id: UInt64
    let workbench: ObjectIdentifier?
  }
  private struct ShareKey: Hashable {
    let resetStrategy: UInt32
    let isES: Bool
  }

  private let lock = Lock()
  private var contexts: [UInt64: Context] = [:]
  private var drawables: [DrawableKey: Drawable] = [:]
  private var frames: [UInt64: Frames] = [:]
  private var images: [UInt64: GLImage] = [:]
  private var shares: [ShareKey: DriverShare] = [:]
  private var groupCount: UInt32 = 0
  private let objects: UnsafeMutablePointer<UInt64>
  private var wasLogged = false
  private let lostHere: UnsafeMutablePointer<UInt32>

  // Marks of channels: what they have passed.
  private let marks: UnsafeMutablePointer<UInt64>
  private let closings: UnsafeMutablePointer<UInt32>
  private let markChanged = Word()
  private let waiting: UnsafeMutablePointer<UInt32>
  /// 1 for each channel that waits for another one's mark.
  private let waiters: UnsafeMutablePointer<UInt32>

  private static var channels: Int { Int(SegmentLayout.channelCount) }

  public convenience init(host: any GLSessionHost) {
    self.init(host: host, driver: { EGLDriver.shared })
  }

  /// With another driver than the machine's: for tests.
  init(
    host: any GLSessionHost, driver: @escaping @Sendable () -> Result<EGLDriver, GLUnavailable>
  ) {
    self.host = host
    self.driver = driver
    lostHere = .allocate(capacity: 1)
    lostHere.initialize(to: 0)
    objects = .allocate(capacity: 1)
    objects.initialize(to: 0)
    marks = .allocate(capacity: GLSession.channels)
    marks.initialize(repeating: 0, count: GLSession.channels)
    closings = .allocate(capacity: GLSession.channels)
    closings.initialize(repeating: 0, count: GLSession.channels)
    waiters = .allocate(capacity: GLSession.channels)
    waiters.initialize(repeating: 0, count: GLSession.channels)
    waiting = .allocate(capacity: 1)
    waiting.initialize(to: 0)
  }

  deinit {
    lostHere.deallocate()
    objects.deallocate()
    marks.deallocate()
    closings.deallocate()
    waiters.deallocate()
    waiting.deallocate()
  }

  var isOver: Bool { host.isOver }

  func lose(_ reason: UInt32, _ message: String) {
    _ = platform_exchange32(lostHere, 1)
    host.lose(reason, message)
  }

  /// Whether OpenGL has ended the session: one load, for the loop over records. What else ended it
  /// is seen between batches.
  @inline(__always)
  var isLost: Bool { platform_load32_relaxed(lostHere) != 0 }

  // MARK: Objects

  /// Counts an object; the session is over when there are too many.
  func countObject() {
    let count = platform_add64(objects, 1)
    guard count >= UInt64(host.limits.objects) else { return }
    lose(
      LostReason.noMemory,
      "the client has \(host.limits.objects) objects already, and this node allows no more "
        + "(--max-objects)")
  }

  func uncountObject() { _ = platform_add64(objects, UInt64.max) }

  // MARK: Contexts

  /// Contexts of the driver that share, for a client's that shares with none: one set for the
  /// session, but for what drivers keep apart.
  func share(_ egl: EGLDriver, isES: Bool, resetStrategy: UInt32) throws(GLUnavailable)
    -> DriverShare
  {
    let key = ShareKey(resetStrategy: resetStrategy, isES: isES)
    let made: Result<DriverShare, GLUnavailable> = lock.withLock {
      if let known = shares[key] { return .success(known) }
      do throws(GLUnavailable) {
        let new = try DriverShare(egl, isES: isES, resetStrategy: resetStrategy)
        shares[key] = new
        return .success(new)
      } catch { return .failure(error) }
    }
    return try made.get()
  }

  func context(_ id: UInt64) -> Context? { lock.withLock { contexts[id] } }

  /// False when the id is in use.
  func insertContext(_ id: UInt64, _ context: Context) -> Bool {
    let isNew = lock.withLock { () -> Bool in
      guard contexts[id] == nil else { return false }
      contexts[id] = context
      return true
    }
    if isNew { context.group.join() }
    return isNew
  }

  /// True when it was the last context of its group.
  func removeContext(_ id: UInt64) -> Bool {
    let context = lock.withLock { contexts.removeValue(forKey: id) }
    return context?.group.leave() ?? false
  }

  func newGroup(_ share: DriverShare) -> ShareGroup {
    lock.withLock {
      defer { groupCount &+= 1 }
      return ShareGroup(number: groupCount, share: share)
    }
  }

  /// Says once why there is no OpenGL here.
  func logUnavailable(_ message: String) {
    let isFirst = lock.withLock { () -> Bool in
      defer { wasLogged = true }
      return !wasLogged
    }
    if isFirst { host.log(0, "OpenGL is not available: \(message)") }
  }

  // MARK: Drawables

  func drawable(_ id: UInt64, _ workbench: Workbench?) -> Drawable? {
    let key = DrawableKey(id: id, workbench: workbench.map { ObjectIdentifier($0) })
    return lock.withLock { drawables[key] }
  }

  func insertDrawable(_ drawable: Drawable) {
    let key = DrawableKey(id: drawable.id, workbench: ObjectIdentifier(drawable.workbench))
    let isNew = lock.withLock { drawables.updateValue(drawable, forKey: key) == nil }
    if isNew { countObject() }
  }

  func removeDrawable(_ id: UInt64) {
    // Drawables end outside of the lock.
    let gone = lock.withLock { () -> [Drawable] in
      let keys = drawables.keys.filter { $0.id == id }
      return keys.compactMap { drawables.removeValue(forKey: $0) }
    }
    for _ in gone { uncountObject() }
  }

  // MARK: Images

  /// By the number that stands for its address.
  func image(_ address: UnsafeMutableRawPointer?) -> GLImage? {
    lock.withLock { images[UInt64(UInt(bitPattern: address))] }
  }

  /// False when the number is in use.
  func insertImage(_ id: UInt64, _ image: GLImage) -> Bool {
    let isNew = lock.withLock { () -> Bool in
      guard images[id] == nil else { return false }
      images[id] = image
      return true
    }
    if isNew { countObject() }
    return isNew
  }

  func removeImage(_ id: UInt64) {
    // It ends outside of the lock.
    let gone = lock.withLock { images.removeValue(forKey: id) }
    if gone != nil { uncountObject() }
  }

  // MARK: Frames

  func setFrames(_ id: UInt64, _ description: Frames) {
    let isNew = lock.withLock { frames.updateValue(description, forKey: id) == nil }
    if isNew { countObject() }
  }

  func removeFrames(_ id: UInt64) {
    let gone = lock.withLock { frames.removeValue(forKey: id) }
    guard gone != nil else { return }
    host.forgetFrames(id)
    uncountObject()
  }

  /// Shows a frame that lies in frame buffers to those who look on, unless these have gone: `removeFrames` says so behind
  /// it.
  func showFrame(_ frame: GLFrame) {
    lock.withLock {
      guard frames[frame.id] != nil else { return }
      host.showFrame(frame, isKept: true)
    }
  }

  /// What is known of frame buffers; with their memory, for a client on this host.
  func frames(_ id: UInt64) -> Frames? {
    guard var found = lock.withLock({ frames[id] }) else { return nil }
    if host.segment != nil, found.memory == nil {
      guard let memory = host.awaitFrames(id) else { return nil }
      found.memory = memory
      lock.withLock { if frames[id] != nil { frames[id] = found } }
    }
    return found
  }

  // MARK: Order between channels

  /// Says that a channel has passed one of its marks.
  func pass(_ mark: UInt64, channel: UInt32) {
    guard channel < SegmentLayout.channelCount else { return }
    _ = platform_max64(marks + Int(channel), mark)
    wakeWaiting()
  }

  /// Says that a channel has ended: nobody waits for it any longer.
  func close(channel: UInt32) {
    guard channel < SegmentLayout.channelCount else { return }
    _ = platform_add32(closings + Int(channel), 1)
    wakeWaiting()
  }

  private func wakeWaiting() {
    platform_fence()
    if platform_load32_seq(waiting) != 0 { markChanged.bump() }
  }

  /// Waits until `channel` has passed a mark, has ended, or the session is over.
  func wait(for mark: UInt64, of channel: UInt32, in own: UInt32) {
    guard channel < SegmentLayout.channelCount, own < SegmentLayout.channelCount, channel != own
    else { return }
    let cell = marks + Int(channel)
    if platform_load64_seq(cell) >= mark { return }
    let closed = platform_load32_seq(closings + Int(channel))
    _ = platform_add32(waiting, 1)
    _ = platform_exchange32(waiters + Int(own), 1)
    while !isOver {
      let seen = markChanged.load()
      platform_fence()
      if platform_load64_seq(cell) >= mark { break }
      if platform_load32_seq(closings + Int(channel)) != closed { break }
      markChanged.wait(while: seen, nanoseconds: 100_000_000)
    }
    _ = platform_exchange32(waiters + Int(own), 0)
    _ = platform_add32(waiting, UInt32.max)
  }

  /// Whether a channel waits for what another one has to do first: then its records must not keep
  /// that one's from arriving.
  public func isWaiting(channel: UInt32) -> Bool {
    channel < SegmentLayout.channelCount && platform_load32_seq(waiters + Int(channel)) != 0
  }
}
