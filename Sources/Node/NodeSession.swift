import CPlatform
import CommandStream
import FrameStream
import Ring
internal import Threads
public import Transport
import ViewStream
public import VulkanReplay
import Wire

/// What a node process is told when it is started.
public struct NodeConfiguration: Sendable {
  /// The node's name in messages and statistics.
  public var name: String
  /// Manifest of the one driver to use (`--driver`); nil for what the loader finds.
  public var driverManifest: String?
  /// Puts the Khronos validation layer below the client and logs what it says (`--validate`).
  public var validate: Bool
  /// What one client may make the node hold.
  public var limits: ReplayLimits
  /// Where to keep what clients on other hosts send; nil for nowhere.
  public var cache: CacheConfiguration?
  /// Whether the process ends with the session, which frees everything at once.
  public var endsProcess: Bool
  /// Ports that frames may leave from as datagrams, one for each client; 0: any.
  public var datagramPorts: ClosedRange<UInt16> = 0...0
  /// Socket of the node's page server; nil: there are no viewers.
  public var viewerSocket: String?

  public init(
    name: String = "node", driverManifest: String? = nil, validate: Bool = false,
    limits: ReplayLimits = ReplayLimits(), cache: CacheConfiguration? = nil,
    endsProcess: Bool = true
  ) {
    self.name = name
    self.driverManifest = driverManifest
    self.validate = validate
    self.limits = limits
    self.cache = cache
    self.endsProcess = endsProcess
  }
}

/// Starts loading the driver beside what comes first (listening, the handshake). A process that
/// serves a client calls it as early as it can, before it starts any other thread.
public func preloadDriver(_ configuration: NodeConfiguration) {
  DriverLoader.shared.start(
    DriverConfiguration(
      manifest: configuration.driverManifest, validate: configuration.validate))
}

/// Serves the client behind `link` until it goes, and then ends the process (or returns, when the
/// configuration says so). A process serves one client.
///
/// Everything that the client makes lives in this process alone: when the link ends, for whatever
/// reason, the process does too, and the system frees it.
public func runNodeSession(link: Link, configuration: NodeConfiguration) -> Int32 {
  preloadDriver(configuration)
  let status = NodeSession(link: link, configuration: configuration).run()
  if configuration.endsProcess { platform_exit(status) }
  return status
}

/// Loads the driver once, on a thread of its own.
private final class DriverLoader: @unchecked Sendable {
  static let shared = DriverLoader()

  private let lock = Lock()
  private let done = Word()
  private var isStarted = false
  private var driver: Driver?
  private var failure = ""

  func start(_ configuration: DriverConfiguration) {
    let isFirst = lock.withLock {
      defer { isStarted = true }
      return !isStarted
    }
    guard isFirst else { return }
    Driver.prepareEnvironment(configuration)
    let started = startThread("omega-driver") { [self] in
      load(configuration)
    }
    if !started { load(configuration) }
  }

  private func load(_ configuration: DriverConfiguration) {
    do throws(ReplayError) {
      driver = try Driver(configuration)
    } catch {
      failure = error.message
    }
    done.store(1)
    done.wakeAll()
  }

  /// The driver, or nil and why there is none.
  func wait(_ why: inout String) -> Driver? {
    while done.load() == 0 { done.wait(while: 0, nanoseconds: UInt64.max) }
    why = failure
    return driver
  }
}

/// The conversation with one client's agent (`docs/architecture.md` §7).
private final class NodeSession {
  private let link: Link
  private let configuration: NodeConfiguration
  private var session: ReplaySession?
  private var channels: ChannelReader?
  private var statistics: StatisticsThread?
  private var cache: ContentCache?
  /// Of a client elsewhere.
  private var sink: LinkSink?
  private var viewers: ViewerFeed?
  private var arena = Arena(limit: 1 << 20)

  init(link: Link, configuration: NodeConfiguration) {
    self.link = link
    self.configuration = configuration
  }

  func run() -> Int32 {
    var status: Int32 = 0
    do throws(LinkError) {
      try converse()
    } catch {
      // A client that is gone is no error of the node's; anything else deserves a line.
      if error.kind != .closed && error.kind != .system {
        complain(error.message)
        status = 1
      }
    }
    sink?.stop()
    viewers?.stop()
    session?.end()
    statistics?.stop()
    if let cache {
      // Nobody waits for what is still to be written.
      link.close()
      cache.finish(nanoseconds: 5_000_000_000)
    }
    if !configuration.endsProcess {
      channels?.join()
      session?.stopQueues()
    }
    return status
  }

  private func converse() throws(LinkError) {
    // What comes before the client has said who it is, is short.
    link.messageLimit = 4096
    guard let hello = try link.receive() else { return }
    guard hello.type == MessageType.hello, let client = Hello(hello, &arena) else {
      throw LinkError(.notOmega, "\(link.peer) does not begin with a hello")
    }
    close(hello.descriptors)
    guard client.version == WireVersion.current else {
      let message =
        "the client speaks version \(client.version) of the wire format, "
        + "this node version \(WireVersion.current); install the same release on both"
      return try answer(status: 1, nil, message)
    }
    var why = ""
    guard let driver = DriverLoader.shared.wait(&why) else {
      return try answer(status: 2, nil, why)
    }
    try answer(status: 0, driver, "")
    link.messageLimit = Link.largestMessage
    if client.flags & HelloFlag.stayIdle != 0 {
      // Another node draws; this one is there, warm, until the link ends.
      while let message = try link.receive() { close(message.descriptors) }
      return
    }
    startViewers(client)
    if client.flags & HelloFlag.sameHost != 0 {
      guard let attach = try link.receive() else { return }
      guard attach.type == MessageType.attachSegment, let descriptor = attach.descriptors.first
      else {
        close(attach.descriptors)
        throw LinkError(.notOmega, "\(link.peer) sends no segment")
      }
      close(Array(attach.descriptors.dropFirst()))
      guard let segment = Segment.attach(descriptor) else {
        throw LinkError(.notOmega, "\(link.peer) sends a descriptor that is no sealed segment")
      }
      begin(driver, SharedSink(segment: segment, link: link, viewers: viewers), segment)
    } else {
      startCache()
      let takesBlocks = client.flags & HelloFlag.memoryBlocks != 0 && NodeSession.usesBlocks
      let sink = LinkSink(
        link: link, sendsBlocks: takesBlocks, datagramPorts: configuration.datagramPorts,
        viewers: viewers, sendsFrameTimes: client.flags & HelloFlag.frameTimes != 0)
      self.sink = sink
      begin(driver, sink, nil)
    }
    while let message = try link.receive() {
      guard handle(message) else { return }
    }
  }

  private func startViewers(_ client: Hello) {
    guard let path = configuration.viewerSocket else { return }
    let link = link
    let feed = ViewerFeed(
      path: path,
      application: FeedApplication(
        process: client.process, takesInput: client.flags & HelloFlag.viewerInput != 0,
        name: client.name)
    ) { try? link.send(MessageType.viewerInput, bytes: $0.bytes) }
    guard feed.start() else {
      return sendLog(link, 1, "there is no thread to show frames to viewers")
    }
    viewers = feed
  }

  private func startCache() {
    guard let configuration = configuration.cache else { return }
    let link = link
    cache = ContentCache(
      configuration,
      announce: { entries in
        try? link.send(MessageType.contentHeld, bytes: KnownContent.announcement(entries))
      },
      complain: { sendLog(link, 1, $0) })
    cache?.start()
  }

  private static let usesBlocks = !platform_is_switched_off("no_memory_blocks")

  private func begin(_ driver: Driver, _ sink: any CompletionSink, _ segment: Segment?) {
    let session = ReplaySession(
      driver: driver, sink: sink, segment: segment, limits: configuration.limits)
    let channels = ChannelReader(session: session, keeper: cache)
    self.session = session
    self.channels = channels
    session.openChannel = { channel, device in channels.open(channel, device: device) }
    session.openContext = { channel in channels.openContext(channel) }
    statistics = StatisticsThread(link: link, session: session)
    statistics?.start()
    if !channels.open(0, device: 0) {
      session.lose(LostReason.noMemory, "no thread for a channel")
    }
  }

  /// False when the client has said goodbye.
  private func handle(_ message: Message) -> Bool {
    guard let session else { return false }
    let payload = message.payload
    switch message.type {
    case MessageType.records:
      guard session.segment == nil, payload.count >= 8, let start = payload.baseAddress else {
        break
      }
      channels?.deliver(
        channel: start.get32(0), UnsafeRawBufferPointer(rebasing: payload[8...]))
      return true
    case MessageType.codedRecords:
      guard session.segment == nil, payload.count >= 4, let start = payload.baseAddress else {
        break
      }
      channels?.deliver(
        channel: start.get32(0), coded: UnsafeRawBufferPointer(rebasing: payload[4...]))
      return true
    case MessageType.frameBuffers:
      guard payload.count >= 16, let start = payload.baseAddress,
        let descriptor = message.descriptors.first
      else { break }
      close(Array(message.descriptors.dropFirst()))
      if !session.attachFrameBuffers(
        swapchain: start.get64(0), descriptor: descriptor, byteCount: start.get64(8))
      {
        session.lose(
          LostReason.protocolError, "frameBuffers: the descriptor is no sealed frame memory")
      }
      return true
    case MessageType.swapchainGone:
      guard payload.count >= 8, let start = payload.baseAddress else { break }
      session.detachFrameBuffers(swapchain: start.get64(0))
      sink?.end(swapchain: start.get64(0))
      return true
    case MessageType.frameSettings:
      guard let sink, let settings = FrameSettings(payload) else { break }
      sink.code(settings)
      return true
    case MessageType.frameFeedback:
      guard let sink, sink.frames != nil, let feedback = FrameFeedback(payload) else { break }
      sink.take(feedback)
      return true
    case MessageType.viewerAnswer:
      guard let answer = ViewAnswer(payload) else { break }
      viewers?.answer(answer)
      return true
    case MessageType.goodbye: return false
    default: break
    }
    close(message.descriptors)
    session.lose(LostReason.protocolError, "message \(message.type) makes no sense here")
    return true
  }

  private func answer(status: UInt32, _ driver: Driver?, _ message: String) throws(LinkError) {
    var w = HeapWriter(capacity: 512)
    defer { w.free() }
    w.writer.u32(WireVersion.current)
    w.writer.u32(status)
    configuration.name.withCString { w.writer.string($0) }
    (driver?.deviceName ?? "").withCString { w.writer.string($0) }
    message.withCString { w.writer.string($0) }
    var abilities = NodeAbility.codedRecords | NodeAbility.largeWindow | NodeAbility.repeats
    if configuration.cache != nil { abilities |= NodeAbility.content }
    if NodeSession.usesBlocks { abilities |= NodeAbility.memoryBlocks }
    abilities |= NodeAbility.codedFrames
    w.writer.u32(abilities)
    if let driver {
      w.writer.u32(driver.driverVersion)
      driver.driverUUID.withUnsafeBytes { w.writer.bytes($0.baseAddress, $0.count) }
    }
    try link.send(MessageType.helloReply, w.bytes)
  }

  private func close(_ descriptors: [Int32]) {
    for descriptor in descriptors { _ = platform_close(descriptor) }
  }
}

/// The first message of a client.
private struct Hello {
  var version: UInt32
  var flags: UInt32
  /// Of the application; nothing depends on it.
  var process: UInt32 = 0
  var name = ""

  init?(_ message: Message, _ arena: inout Arena) {
    let parsed = withUnsafeMutablePointer(to: &arena) { arena -> Hello? in
      var reader = Reader(message.payload, arena: arena, handles: nil)
      var hello = Hello(version: reader.u32("version"), flags: reader.u32("flags"))
      guard reader.failure == nil else { return nil }
      _ = reader.u32("opcodes")
      let process = reader.u32("pid")
      let name = reader.string(optional: true, "name")
      guard reader.failure == nil else { return hello }
      hello.process = process
      hello.name = name.map { String(String(cString: $0).prefix(64)) } ?? ""
      return hello
    }
    arena.reset()
    guard let parsed else { return nil }
    self = parsed
  }

  private init(version: UInt32, flags: UInt32) {
    self.version = version
    self.flags = flags
  }
}

/// Writes one line to standard error.
func complain(_ message: String) {
  var line = "omega: error: \(message)\n"
  line.withUTF8 { bytes in
    guard let start = bytes.baseAddress else { return }
    platform_stderr(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), bytes.count)
  }
}
