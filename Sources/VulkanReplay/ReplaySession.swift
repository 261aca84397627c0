import CPlatform
import CVulkan
public import Ring
internal import Threads
public import Wire

/// Bounds on what one client may make the node hold.
public struct ReplayLimits: Sendable {
  /// Driver memory in each heap, bytes. The client is shown heaps that are no larger, and keeps
  /// its own accounts by them.
  public var driverMemory: UInt64 = 64 << 30
  /// Objects alive.
  public var objects: Int = 4 << 20
  /// Bytes of one record.
  public var record: Int = SegmentLayout.largestRecord
  /// Memory of the structures decoded from one record, bytes.
  public var decodedRecord: Int = 256 << 20
  /// Operations of one queue that were given and are not finished. A client that gives more waits.
  public var pendingOperations: Int = 16 << 10
  /// How long a client waits that has given so many and of which none finishes, in nanoseconds.
  public var patience: UInt64 = 30_000_000_000

  /// Indices of ids, which a client uses again: room enough for those that wait for it.
  var idIndices: Int { max(objects, 64 << 10) * 2 }

  public init() {}
}

/// An error that ends a session before or instead of a driver's answer.
public struct ReplayError: Error {
  /// A `LostReason`.
  public var reason: UInt32
  public var message: String
}

/// One client on this node: its ids, its devices, and where its results go. Shared by the threads
/// of its channels and the completion threads of its queues.
public final class ReplaySession: @unchecked Sendable {
  public let driver: Driver
  public let sink: any CompletionSink
  /// The client's segment, when it is on this host.
  public let segment: Segment?
  public let limits: ReplayLimits
  public let handles: UnsafeMutablePointer<HandleTable>
  /// Functions of the instance; what channels without a device use.
  public let dispatch: UnsafeMutablePointer<DriverDispatch>
  let recorded = OpcodeSet.recorded()
  /// Makes pipelines beside the channels' threads.
  let compiler = PipelineCompiler(threads: Int(platform_processor_count()))
  /// Whether a queue operation is followed by a look at what it can have written alone.
  let usesWriteSets: Bool
  let activity = SessionActivity()
  let shaders = ShaderValidator()

  /// Guards the writing side of `handles`, and the tables below.
  private let lock = Lock()
  private var devices: [UInt64: DeviceState] = [:]
  private var frameBuffers: [UInt64: FrameBuffers] = [:]
  /// Bumped when `frameBuffers` grows; swapchains wait for theirs on it.
  private let frameBuffersArrived = Word()
  private let over = Word()
  let counters = SessionCounters()
  /// Instances by driver handle, and by the handles of their physical devices. Channel 0 alone.
  var instances: [UInt64: InstanceState] = [:]
  var owners: [UInt64: InstanceState] = [:]
  /// Booked driver memory by heap, those of all physical devices.
  private var allocated: [Int: UInt64] = [:]
  private var objectCount = 0

  /// Starts the thread of a channel that the client has opened; false when its number is wrong or
  /// in use. Set by whoever reads the channels, before the first record.
  public var openChannel: (_ channel: UInt32, _ device: UInt64) -> Bool = { _, _ in false }
  /// The same for the channel of an OpenGL context.
  public var openContext: (_ channel: UInt32) -> Bool = { _ in false }

  public init(
    driver: Driver, sink: any CompletionSink, segment: Segment?, limits: ReplayLimits = .init()
  ) {
    self.driver = driver
    self.sink = sink
    self.segment = segment
    self.limits = limits
    // The node reads its own environment: one that `omega run` starts has the application's.
    usesWriteSets = !platform_is_switched_off("no_write_sets")
    handles = .allocate(capacity: 1)
    handles.initialize(to: HandleTable(indexLimit: limits.idIndices))
    // The session keeps the compiler as long as anybody looks into its table.
    handles.pointee.missingContext = Unmanaged.passUnretained(compiler).toOpaque()
    handles.pointee.missing = { context, id in
      Unmanaged<PipelineCompiler>.fromOpaque(context).takeUnretainedValue().wait(for: id)
    }
    dispatch = .allocate(capacity: 1)
    dispatch.initialize(to: DriverDispatch())
  }

  // MARK: The end

  /// True once the session is over; nothing is replayed from then on.
  public var isOver: Bool { over.load() != 0 }

  /// Ends the session. The first reason is the one that the client is told.
  public func lose(_ reason: UInt32, _ message: String) {
    guard over.exchange(1) == 0 else { return }
    sink.lost(reason, message)
    frameBuffersArrived.bump()
  }

  /// Ends the session without telling anybody: the client is gone.
  public func end() {
    _ = over.exchange(1)
    frameBuffersArrived.bump()
  }

  /// Stops what still waits for the GPU; for a process that goes on after its client.
  public func stopQueues() {
    let all = lock.withLock { Array(devices.values) }
    for device in all { for queue in device.queues.values { queue.stop() } }
  }

  // MARK: Objects

  /// Takes in an object that a command has made. False, and the session is over, when its id makes
  /// no sense or the client has too many.
  func insert(_ id: UInt64, _ handle: UInt64, _ opcode: UInt32) -> Bool {
    var isFull = false
    let isTaken = lock.withLock {
      guard objectCount < limits.objects else {
        isFull = true
        return false
      }
      guard handles.pointee.insert(id, handle) else { return false }
      objectCount += 1
      return true
    }
    if isTaken { return true }
    if isFull {
      lose(
        LostReason.noMemory,
        "\(commandDescription(opcode)): the client has \(limits.objects) objects already, and this "
          + "node allows no more (--max-objects)")
    } else {
      lose(
        LostReason.protocolError,
        "\(commandDescription(opcode)): object id \(id) is in use or out of range")
    }
    return false
  }

  /// The objects of one kind, with their driver handles, in the order of their indices.
  func objects(_ kind: HandleKind) -> [(id: UInt64, handle: UInt64)] {
    var found: [(id: UInt64, handle: UInt64)] = []
    lock.withLock {
      handles.pointee.forEach { id, handle in
        if HandleID.kind(of: id) == kind { found.append((id, handle)) }
      }
    }
    return found
  }

  /// Puts another driver handle behind a known id.
  func replace(_ id: UInt64, _ handle: UInt64) {
    lock.withLock { _ = handles.pointee.replace(id, handle) }
  }

  func isAlive(_ id: UInt64) -> Bool {
    handles.pointee.lookup(id, HandleID.kind(of: id)) != nil
  }

  func remove(_ id: UInt64) {
    guard id != 0 else { return }
    lock.withLock {
      if handles.pointee.remove(id) { objectCount -= 1 }
    }
  }

  func insertDevice(_ id: UInt64, _ device: DeviceState) {
    lock.withLock { devices[id] = device }
  }

  func device(_ id: UInt64) -> DeviceState? {
    lock.withLock { devices[id] }
  }

  func removeDevice(_ id: UInt64) -> DeviceState? {
    lock.withLock { devices.removeValue(forKey: id) }
  }

  /// Books driver memory; false when the client's limit does not allow it.
  func bookMemory(_ size: UInt64, heap: Int) -> Bool {
    lock.withLock {
      let before = allocated[heap] ?? 0
      guard before <= limits.driverMemory, size <= limits.driverMemory &- before else {
        return false
      }
      allocated[heap] = before &+ size
      return true
    }
  }

  func releaseMemory(_ size: UInt64, heap: Int) {
    lock.withLock {
      let before = allocated[heap] ?? 0
      allocated[heap] = before &- min(size, before)
    }
  }

  /// Bytes of driver memory that the client holds.
  public var driverMemory: UInt64 { lock.withLock { allocated.values.reduce(0, &+) } }

  // MARK: Frame buffers

  /// Maps the frame buffers that a client on this host has made for a swapchain; takes `descriptor`
  /// over. False when they are not what they should be.
  public func attachFrameBuffers(swapchain: UInt64, descriptor: Int32, byteCount: UInt64) -> Bool {
    defer { _ = platform_close(descriptor) }
    guard byteCount > 0, byteCount <= 16 << 30, platform_size_is_sealed(descriptor),
      platform_file_size(descriptor) >= Int64(byteCount),
      let base = platform_map_shared(descriptor, 0, Int(byteCount))
    else { return false }
    let mapped = FrameBuffers(base: base, byteCount: Int(byteCount))
    lock.withLock { frameBuffers[swapchain] = mapped }
    frameBuffersArrived.bump()
    return true
  }

  /// Forgets a swapchain's frame buffers; they are unmapped when its last frame is done.
  public func detachFrameBuffers(swapchain: UInt64) {
    _ = lock.withLock { frameBuffers.removeValue(forKey: swapchain) }
  }

  /// The frame buffers of a swapchain of a client on this host, whose descriptor travels beside the
  /// ring: waits for it up to 5 s.
  public func awaitFrameBuffers(swapchain: UInt64) -> FrameBuffers? {
    let deadline = platform_now() &+ 5_000_000_000
    while true {
      let seen = frameBuffersArrived.load()
      if let found = lock.withLock({ frameBuffers[swapchain] }) { return found }
      guard !isOver, platform_now() < deadline else { return nil }
      frameBuffersArrived.wait(while: seen, nanoseconds: 100_000_000)
    }
  }
}

/// A swapchain's mapped frame buffers; unmapped with the last reference.
public final class FrameBuffers: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int

  init(base: UnsafeMutableRawPointer, byteCount: Int) {
    self.base = base
    self.byteCount = byteCount
  }

  deinit { _ = platform_unmap(base, byteCount) }
}

/// What the session has done; any thread adds, any thread reads.
public final class SessionCounters: @unchecked Sendable {
  private let words: UnsafeMutablePointer<UInt64>

  init() {
    words = .allocate(capacity: 4)
    words.initialize(repeating: 0, count: 4)
  }

  deinit { words.deallocate() }

  public var commands: UInt64 { platform_load64_relaxed(words) }
  public var queueOperations: UInt64 { platform_load64_relaxed(words + 1) }
  public var frames: UInt64 { platform_load64_relaxed(words + 2) }
  public var contexts: UInt64 { platform_load64_relaxed(words + 3) }

  func addCommands(_ n: UInt64) { platform_add64_relaxed(words, n) }
  func addQueueOperation() { platform_add64_relaxed(words + 1, 1) }
  func addFrame() { platform_add64_relaxed(words + 2, 1) }
  func addContext() { platform_add64_relaxed(words + 3, 1) }
}

extension ReplaySession {
  /// Commands replayed so far, those in command buffers included.
  public var commandsReplayed: UInt64 { counters.commands }
  /// Queue operations replayed so far.
  public var queueOperations: UInt64 { counters.queueOperations }
  /// Frames delivered so far.
  public var framesDelivered: UInt64 { counters.frames }

  /// Contexts of OpenGL that were made.
  public var contextsMade: UInt64 { counters.contexts }

  public func countContext() { counters.addContext() }

  /// Counts what another vocabulary has replayed.
  public func count(commands: UInt64, frames: UInt64) {
    if commands > 0 { counters.addCommands(commands) }
    if frames > 0 { counters.addFrame() }
  }

  /// Where a channel says what it is in: its count of records << 32 | opcode, 0 between records. The
  /// word lives as long as the session.
  public func activityWord(ofChannel channel: UInt32) -> UnsafeMutablePointer<UInt64> {
    activity.word(ofChannel: channel)
  }
}
