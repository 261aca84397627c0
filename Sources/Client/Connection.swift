import CPlatform
public import PageTracker
public import Ring
import Wire

/// This process' link to its agent: the shared segment and everything that is given out of it.
///
/// Made at the first vkCreateInstance, kept for the life of the process; one that was lost is
/// replaced at the next vkCreateInstance. A plain value around memory that is never given back, so
/// that no thread can be left with a dead one. Thread-safety: any thread.
public struct Connection: @unchecked Sendable {
  struct State {
    var process: Int32
    var socket: Int32
    /// Which readers the rings have.
    var readers: UInt32
    /// `WelcomeFlag`s.
    var flags: UInt32
    var sendLock: Lock
    var openLock: Lock
    var channels: UnsafeMutablePointer<Channel?>
    var memory: RangeAllocator
    var slots: SlotAllocator
    /// 1 once the loss was told to the user.
    var lossReported: UInt32
  }

  private let state: UnsafeMutablePointer<State>
  public let segment: Segment
  public let switches: Switches
  public let tracker: PageTracker
  /// Ranges for command buffers and large records.
  public let arena: RangeAllocator
  /// What devices have allocated, together.
  public let accounts: MemoryAccounts
  let calls: CallFrames
  let cache: ReplyCache

  /// How long any wait sleeps before it looks whether the agent is still there: 100 ms.
  @inlinable public static var heartbeat: UInt64 { 100_000_000 }

  // MARK: One per process

  /// The living connection of this process, without opening one.
  public static var current: Connection? {
    guard let shared, shared.pointee.segment.lost == 0 else { return nil }
    return shared.pointee
  }

  /// The connection of this process, opened when there is none. Nil when there is no agent and none
  /// can be started, or when it has no node: a message has then said why.
  public static func open() -> Connection? {
    guard ObjectTable.prepareOnce() else { return nil }
    let process = platform_pid()
    ProcessLock.lock(process)
    defer { ProcessLock.unlock() }
    if let shared, shared.pointee.isAlive(), shared.pointee.state.pointee.process == process {
      return shared.pointee
    }
    // A failed attempt may have cost seconds: the next instances need not pay again.
    let now = platform_now()
    guard now >= nextAttempt else { return nil }
    guard let opened = connect(process) else {
      nextAttempt = platform_now() &+ 5_000_000_000
      return nil
    }
    if shared == nil, let raw = platform_malloc(MemoryLayout<Connection>.stride) {
      shared = raw.bindMemory(to: Connection.self, capacity: 1)
      shared?.initialize(to: opened)
    } else {
      shared?.pointee = opened
    }
    return opened
  }

  /// A connection on a segment without an agent, for tests and measurements: readers are those in
  /// `readerMask`.
  public static func detached(readerMask: UInt32) -> Connection? {
    var error: Int32 = 0
    guard ObjectTable.prepareOnce(), let segment = Segment.make(error: &error) else { return nil }
    return Connection(
      segment: segment, socket: -1, process: platform_pid(),
      welcome: AgentProcess.Welcome(readers: readerMask, flags: 0))
  }

  private static func connect(_ process: Int32) -> Connection? {
    guard let socket = AgentProcess.reach() else { return nil }
    var error: Int32 = 0
    guard let segment = Segment.make(error: &error) else {
      var line = LogLine(.error)
      line.text("no shared memory (")
      line.error(error)
      line.text("); memfd_create or 1 TiB of address space is forbidden here: see ulimit -v")
      line.send()
      _ = platform_close(socket)
      return nil
    }
    guard let welcome = AgentProcess.greet(socket, segment) else {
      segment.unmap()
      _ = platform_close(socket)
      return nil
    }
    return Connection(segment: segment, socket: socket, process: process, welcome: welcome)
  }

  private init?(segment: Segment, socket: Int32, process: Int32, welcome: AgentProcess.Welcome) {
    let channelCount = Int(SegmentLayout.channelCount)
    guard let sendLock = Lock(), let openLock = Lock(),
      let arena = RangeAllocator(
        start: UInt64(SegmentLayout.arenaOffset),
        end: UInt64(SegmentLayout.arenaOffset + SegmentLayout.arenaSize), unitShift: 16),
      let memory = RangeAllocator(
        start: SegmentLayout.memoryOffset, end: SegmentLayout.totalSize, unitShift: 12),
      let slots = SlotAllocator(), let accounts = MemoryAccounts(), let calls = CallFrames(),
      let cache = ReplyCache(),
      let raw = platform_malloc(MemoryLayout<State>.stride),
      let list = platform_malloc(channelCount &* MemoryLayout<Channel?>.stride)
    else { return nil }
    let channels = list.bindMemory(to: Channel?.self, capacity: channelCount)
    channels.initialize(repeating: nil, count: channelCount)
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        process: process, socket: socket, readers: welcome.readers, flags: welcome.flags,
        sendLock: sendLock, openLock: openLock, channels: channels, memory: memory, slots: slots,
        lossReported: 0))
    self.segment = segment
    self.arena = arena
    self.accounts = accounts
    self.calls = calls
    self.cache = cache
    switches = Switches.fromEnvironment()
    tracker = PageTracker.open(best: switches.trackingTier)
    RingHeader(segment: segment, channel: 0).setReaders(welcome.readers)
    channels[0] = Channel(index: 0, connection: self)
    guard channels[0] != nil else { return nil }
  }

  /// Whether windows are to have buffers for interim pictures.
  public var wantsInterim: Bool { state.pointee.flags & WelcomeFlag.interim != 0 }

  // MARK: Life

  /// Whether the agent is there. Marks the connection lost when it is not. A system call.
  public func isAlive() -> Bool {
    guard segment.lost == 0 else {
      reportLoss()
      return false
    }
    guard state.pointee.socket >= 0, platform_peer_is_gone(state.pointee.socket) else {
      return true
    }
    lose(LostReason.agentGone, "the agent (omega run) has ended; start the application again")
    return false
  }

  /// Ends the connection and says why, once.
  public func lose(_ reason: UInt32, _ message: StaticString) {
    guard segment.lost == 0 else { return }
    segment.markLost(
      reason,
      UnsafeRawBufferPointer(start: message.utf8Start, count: message.utf8CodeUnitCount))
    reportLoss()
  }

  /// Says once why the connection was lost, in the words of whoever ended it.
  func reportLoss() {
    guard platform_exchange32(&state.pointee.lossReported, 1) == 0 else { return }
    let message = segment.base + HeaderField.lostMessage
    var count = 0
    while count < 1023, message.load(fromByteOffset: count, as: UInt8.self) != 0 { count &+= 1 }
    var line = LogLine(.error)
    line.text("the connection is lost: ")
    line.text(UnsafeRawBufferPointer(start: message, count: count))
    line.send()
  }

  /// Sends a message with descriptors to the agent; false when it is gone. `message` is whole, with
  /// its type and size.
  public func send(_ message: UnsafeRawBufferPointer, _ descriptors: UnsafeBufferPointer<Int32>)
    -> Bool
  {
    guard segment.lost == 0, state.pointee.socket >= 0 else { return false }
    state.pointee.sendLock.lock()
    defer { state.pointee.sendLock.unlock() }
    return AgentProcess.sendAll(state.pointee.socket, message, descriptors)
  }

  // MARK: Channels

  /// The instance-level channel.
  public var instanceChannel: Channel {
    // Made together with the connection.
    state.pointee.channels[0].unsafelyUnwrapped
  }

  /// A channel for a new device, empty; nil when all are in use. The caller announces it with
  /// `openChannel` on channel 0.
  public func openChannel() -> Channel? {
    state.pointee.openLock.lock()
    defer { state.pointee.openLock.unlock() }
    if let index = accounts.inheritedChannel, let channel = openChannel(index) { return channel }
    var index: UInt32 = 1
    while index < SegmentLayout.channelCount {
      if let channel = openChannel(index) { return channel }
      index += 1
    }
    return nil
  }

  /// With the lock held.
  private func openChannel(_ index: UInt32) -> Channel? {
    if state.pointee.channels[Int(index)] == nil {
      state.pointee.channels[Int(index)] = Channel(index: index, connection: self)
    }
    guard let channel = state.pointee.channels[Int(index)], channel.take() else { return nil }
    channel.ring.initialise()
    channel.ring.setReaders(state.pointee.readers)
    return channel
  }

  // MARK: Slots and ranges

  /// A free completion slot, or `ControlField.noSlot`. Its value is what its last owner left.
  public func allocateSlot() -> UInt32 { state.pointee.slots.allocate() }

  /// Takes a slot back; nothing may be going to complete it any more.
  public func releaseSlot(_ slot: UInt32) { state.pointee.slots.release(slot) }

  /// Offset in the segment for a mapped allocation of `size` bytes; nil when there is no room.
  public func allocateMemory(_ size: UInt64) -> UInt64? { state.pointee.memory.allocate(size) }

  /// Takes an offset back that no record has named.
  public func freeMemory(offset: UInt64, size: UInt64) {
    giveBack(.memory, offset: offset, size: size)
  }

  /// Makes a range free that no reader looks at any more.
  func giveBack(_ part: SegmentPart, offset: UInt64, size: UInt64) {
    switch part {
    case .arena:
      // Large ones would keep their pages for ever; small ones are wanted again at once.
      if size >= 4 << 20 { _ = platform_punch_hole(segment.descriptor, offset, size) }
      arena.free(offset: offset, size: size)
    case .memory:
      // The next owner must find zeros.
      _ = platform_punch_hole(segment.descriptor, offset, size)
      state.pointee.memory.free(offset: offset, size: size)
    }
  }
}

nonisolated(unsafe) private var shared: UnsafeMutablePointer<Connection>? = nil
nonisolated(unsafe) private var nextAttempt: UInt64 = 0

/// The one lock that exists before anything was made. It guards the making.
enum ProcessLock {
  static func lock(_ process: Int32) {
    // A child of fork inherits the lock as some thread of its parent held it; it has one thread.
    if platform_load32(&owner) != UInt32(bitPattern: process) {
      platform_store32(&owner, UInt32(bitPattern: process))
      platform_store32(&word, 0)
    }
    while !platform_compare_exchange32(&word, 0, 1) { platform_sleep(100_000) }
  }

  static func unlock() { platform_store32(&word, 0) }
}

nonisolated(unsafe) private var word: UInt32 = 0
nonisolated(unsafe) private var owner: UInt32 = 0
