internal import CPlatform
internal import CommandStream
internal import FrameStream
internal import Glibc
internal import MemoryFabric
internal import Recording
internal import Ring
internal import Threads
internal import Transport
internal import ViewStream
internal import Wire

/// One application process: its socket, its segment, and its nodes.
///
/// Threads: one for the application's socket (`run`), one for each node's link, and for a primary
/// node on another host the forwarder's. Whatever ends one of them marks the segment lost, which
/// wakes and ends the others.
final class AppSession: @unchecked Sendable {
  private static let helloTime: UInt64 = 5_000_000_000

  private let app: Link
  private let pool: NodePool
  private let statistics: StatisticsTable
  private let threads = RunningCount()
  private var segment: Segment?
  private var memory: MemoryTable?
  private var forwarder: Forwarder?
  /// What the primary node keeps from run to run.
  private var content: KnownContent?
  private let watchdog: Watchdog
  private let recordings: RecordingPlace?
  private var recorder: Recorder?
  private var nodes: [NodeConnection] = []
  private let frames = FrameTable()
  /// How frames shall travel; nil: as they are.
  private let frameSettings: FrameSettings?
  /// Whether interim pictures are made of frames that travel.
  private let makesInterim: Bool
  /// Whether the node is to say of frames what their draws say. Set before it is asked for frames.
  private var wantsGeometry = false
  private var frameReplies: FrameReplies?
  private var datagrams: DatagramReceiver?
  /// Of a primary node on another host.
  private var clock: FrameClock?
  private let takesInput: Bool
  private var injector: InputInjector?
  /// Of the thread that receives from the primary node.
  private var wasOperated = false
  /// X11 windows by their swapchains.
  private let windows = Guarded<[UInt64: UInt32]>([:])
  /// Of the thread that receives from the primary node.
  private var decoder = RunDecoder()
  private let isEnding = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private let wasLost = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private(set) var application = "an application"
  private(set) var process: Int32 = 0

  /// `nodePatience`: seconds that a node may be silent while the application waits; 0: any. `takesInput`: whether
  /// viewers of the node may operate the application.
  init(
    socket: Int32, pool: NodePool, statistics: StatisticsTable, recordings: RecordingPlace?,
    frames: FrameSettings?, makesInterim: Bool, nodePatience: Int, takesInput: Bool
  ) {
    self.takesInput = takesInput
    app = Link(descriptor: socket, peer: "the application")
    self.pool = pool
    self.statistics = statistics
    self.recordings = recordings
    frameSettings = frames
    self.makesInterim = makesInterim
    watchdog = Watchdog(patience: nodePatience)
    isEnding.initialize(to: 0)
    wasLost.initialize(to: 0)
  }

  deinit {
    decoder.free()
    isEnding.deallocate()
    wasLost.deallocate()
  }

  private var name: String { "\(application) (process \(process))" }

  /// Serves the application until it goes.
  func run() {
    do throws(LinkError) {
      guard try begin() else { return end() }
      while let message = try app.receive() { try handle(message) }
      Log.debug("\(name) has ended")
    } catch {
      // A killed application closes its socket in the middle of things; that is its business.
      if error.kind == .closed || error.kind == .system {
        Log.debug("\(name): \(error.message)")
      } else {
        Log.error("\(name): \(error.message)")
      }
    }
    end()
  }

  // MARK: Beginning

  /// False when the application was told that there is no node.
  private func begin() throws(LinkError) -> Bool {
    let user = platform_peer_uid(app.descriptor)
    guard user == Int64(platform_uid()) || user == 0 else {
      throw LinkError(.system, "a process of another user (\(user)) asked for a connection")
    }
    app.messageLimit = 4096
    let hello = try firstMessage()
    guard hello.type == MessageType.appHello, let descriptor = hello.descriptors.first else {
      close(hello.descriptors)
      throw LinkError(.notOmega, "a process connected and did not say hello")
    }
    close(Array(hello.descriptors.dropFirst()))
    let version = readHello(hello.payload)
    guard version == WireVersion.current else {
      _ = platform_close(descriptor)
      try welcome(
        status: 2, readers: 0,
        "the library speaks version \(version) of the wire format, the agent "
          + "\(WireVersion.current); install one release of both")
      return false
    }
    guard let segment = Segment.attach(descriptor) else {
      throw LinkError(.notOmega, "\(name) sent a descriptor that is no sealed segment")
    }
    self.segment = segment
    app.messageLimit = 64 << 10

    do throws(LinkError) {
      nodes = try pool.take(application: application, process: process)
    } catch {
      Log.error(error.message)
      try welcome(status: 1, readers: 0, error.message)
      return false
    }
    guard let primary = nodes.first else {
      try welcome(status: 1, readers: 0, "the agent has no node")
      return false
    }
    if takesInput {
      let link = primary.link
      injector = InputInjector(running: threads) { answer in
        try? link.send(MessageType.viewerAnswer, bytes: answer.bytes)
      }
    }
    if primary.isSameHost {
      try primary.link.send(
        MessageType.attachSegment, bytes: [], descriptors: [segment.descriptor])
    }
    statistics.begin(self, segment: segment, nodes: nodes)
    Log.info(
      "\(name) draws on \(primary.description.driver) of node \(primary.description.name)")

    // Readers: the agent for a node that cannot read the rings itself, else that node alone.
    let readers: UInt32 =
      primary.isSameHost ? 1 << RingHeader.nodeReader : 1 << RingHeader.agentReader
    let isWithInterim =
      makesInterim && !primary.isSameHost && frameSettings != nil
      && primary.abilities & NodeAbility.codedFrames != 0
    wantsGeometry = isWithInterim && !platform_is_switched_off("no_geometry")
    try welcome(status: 0, readers: readers, flags: isWithInterim ? WelcomeFlag.interim : 0, "")
    if !primary.isSameHost {
      try startFrames(primary)
      startRecording(primary)
      startForwarding(segment, primary)
    }
    for (index, node) in nodes.enumerated() {
      threads.enter()
      let started = startThread("omega-node") { [self] in
        receive(from: node, isPrimary: index == 0)
        threads.leave()
      }
      if !started {
        threads.leave()
        lose(LostReason.noMemory, "no thread for a node")
      }
    }
    startWatching(segment, primary)
    return true
  }

  private func startWatching(_ segment: Segment, _ primary: NodeConnection) {
    threads.enter()
    let started = startThread("omega-watch") { [self] in
      watchdog.run(
        node: primary.description.name, isWaiting: { segment.waiterCount > 0 },
        isOver: { [self] in platform_load32_seq(isEnding) != 0 || segment.lost != 0 }
      ) { [self] in lose(LostReason.nodeGone, $0) }
      threads.leave()
    }
    if !started {
      threads.leave()
      Log.warning("\(name): no thread to notice a node that hangs")
    }
  }

  /// Says how frames shall travel, before anything is drawn.
  private func startFrames(_ primary: NodeConnection) throws(LinkError) {
    guard var frameSettings, primary.abilities & NodeAbility.codedFrames != 0 else { return }
    let replies = FrameReplies(link: primary.link)
    guard replies.start(threads) else {
      return Log.warning("\(name): no thread to answer for frames; they travel as they are")
    }
    frameReplies = replies
    datagrams = DatagramReceiver(link: primary.link, frames: frames, running: threads) {
      [weak self] in
      self?.lose(LostReason.nodeGone, "node \(primary.description.name) sends \($0)")
    }
    frames.datagrams = datagrams
    frameSettings.takesDatagrams = datagrams != nil
    // The presenter hears of them by the frame's clock.
    frameSettings.takesRefinements = FrameClock.isOn
    frameSettings.wantsGeometry = wantsGeometry
    try primary.link.send(MessageType.frameSettings, bytes: frameSettings.bytes)
  }

  /// The application is not to suffer from a recording that cannot be made.
  private func startRecording(_ primary: NodeConnection) {
    guard let recordings else { return }
    do throws(RecordingError) {
      recorder = try Recorder(
        path: recordings.next(), application: application, node: primary.description,
        frames: frames, firstFrame: recordings.firstFrame)
    } catch {
      Log.error("\(name) is not recorded: \(error.message)")
    }
  }

  private func startForwarding(_ segment: Segment, _ primary: NodeConnection) {
    let memory = MemoryTable(segment: segment)
    self.memory = memory
    clock = FrameClock(segment: segment)
    var choices = StreamSwitches.fromEnvironment.choices
    choices.hasLargeWindow = primary.abilities & NodeAbility.largeWindow != 0
    choices.repeats = primary.abilities & NodeAbility.repeats != 0
    let isCoded = primary.abilities & NodeAbility.codedRecords != 0 && !choices.isEmpty
    if primary.abilities & NodeAbility.content != 0 { content = KnownContent() }
    let forwarder = Forwarder(
      segment: segment, link: primary.link, memory: memory, recorder: recorder,
      coding: isCoded ? choices : nil, content: content, clock: clock, running: threads,
      // A recording is to be read without what may yet change: it has the plain form.
      sendsMemoryBlocks: primary.takesMemoryBlocks && recorder == nil
    ) { [weak self] reason, message in self?.lose(reason, message) }
    self.forwarder = forwarder
    statistics.setForwarder(self, forwarder, frames, clock)
    forwarder.open(0)
  }

  private func firstMessage() throws(LinkError) -> Message {
    let events = platform_poll(
      app.descriptor, Int32(POLLIN), Int32(AppSession.helloTime / 1_000_000))
    guard events != 0, let hello = try app.receive() else {
      throw LinkError(.closed, "a process connected and said nothing")
    }
    return hello
  }

  /// Takes the application's name and process; its version, or 0.
  private func readHello(_ payload: UnsafeRawBufferPointer) -> UInt32 {
    var arena = Arena(limit: 1 << 16)
    defer { arena.free() }
    return withUnsafeMutablePointer(to: &arena) { arena in
      var reader = Reader(payload, arena: arena, handles: nil)
      let version = reader.u32("appHello.version")
      let process = reader.u32("appHello.pid")
      let text = reader.string(optional: true, "appHello.name")
      guard reader.failure == nil else { return 0 }
      self.process = Int32(truncatingIfNeeded: process)
      if let text { application = String(String(cString: text).prefix(64)) }
      return version
    }
  }

  private func welcome(
    status: UInt32, readers: UInt32, flags: UInt32 = 0, _ message: String
  ) throws(LinkError) {
    var w = HeapWriter(capacity: 256)
    defer { w.free() }
    w.writer.u32(WireVersion.current)
    w.writer.u32(status)
    w.writer.u32(readers)
    w.writer.u32(flags)
    message.withCString { w.writer.string($0) }
    try app.send(MessageType.appWelcome, w.bytes)
  }

  // MARK: From the application

  private func handle(_ message: Message) throws(LinkError) {
    let payload = message.payload
    switch message.type {
    case MessageType.appFrameBuffers:
      guard payload.count >= 24, let descriptor = message.descriptors.first else { break }
      defer { close(message.descriptors) }
      guard let primary = nodes.first, let segment else { return }
      let swapchain = payload.loadUnaligned(as: UInt64.self)
      let window = payload.loadUnaligned(fromByteOffset: 20, as: UInt32.self)
      windows.withLock { $0[swapchain] = window }
      if primary.isSameHost {
        try primary.link.send(
          MessageType.frameBuffers, [payload], descriptors: [descriptor])
        return
      }
      guard frames.attach(payload, message.descriptors, ring: { segment.ring(always: false) })
      else {
        throw LinkError(.notOmega, "appFrameBuffers: the descriptor is no sealed frame memory")
      }
      return
    case MessageType.appSwapchainGone:
      guard payload.count >= 8, let primary = nodes.first else { break }
      let swapchain = payload.loadUnaligned(as: UInt64.self)
      datagrams?.forget(swapchain)
      windows.withLock { _ = $0.removeValue(forKey: swapchain) }
      if !primary.isSameHost { frames.detach(swapchain) }
      try primary.link.send(MessageType.swapchainGone, payload)
      return
    default: break
    }
    close(message.descriptors)
    throw LinkError(.notOmega, "message \(message.type) makes no sense from an application")
  }

  // MARK: From the nodes

  private func receive(from node: NodeConnection, isPrimary: Bool) {
    var why: String?
    do throws(LinkError) {
      while let message = try node.link.receive() {
        close(message.descriptors)
        if isPrimary { watchdog.heard() }
        why = take(message, from: node, isPrimary: isPrimary)
        if why != nil { break }
      }
    } catch {
      why = error.message
    }
    guard platform_load32_seq(isEnding) == 0 else { return }
    let message =
      "node \(node.description.name) is gone\(node.howItEnded())\(why.map { " (\($0))" } ?? "")"
    if isPrimary {
      lose(LostReason.nodeGone, message)
    } else {
      Log.warning("\(message); it was idle, the application goes on")
    }
  }

  /// Handles one message; what is wrong with it, or nil.
  private func take(_ message: Message, from node: NodeConnection, isPrimary: Bool) -> String? {
    guard let segment else { return nil }
    let payload = message.payload
    switch message.type {
    case MessageType.completions where isPrimary:
      recorder?.completions(payload)
      for offset in stride(from: 0, to: payload.count & ~15, by: 16) {
        segment.complete(
          slot: payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self),
          value: payload.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      }
    case MessageType.reply where isPrimary:
      if let recorder, payload.count >= 8 {
        recorder.reply(
          ticket: payload.loadUnaligned(as: UInt32.self),
          UnsafeRawBufferPointer(rebasing: payload[8...]))
      }
      guard payload.count >= 8,
        segment.deliverReply(
          ticket: payload.loadUnaligned(as: UInt32.self),
          UnsafeRawBufferPointer(rebasing: payload[8...]))
      else { return "a reply that does not fit" }
    case MessageType.readback where isPrimary: return readback(payload)
    case MessageType.readbackRuns where isPrimary: return readbackRuns(payload)
    case MessageType.frame where isPrimary:
      let now = platform_now()
      let wrong = frames.write(payload)
      if wrong == nil { clock?.noteFrame(payload.loadUnaligned(as: UInt64.self), received: now) }
      return wrong
    case MessageType.frameUnit where isPrimary && frameReplies != nil:
      return frames.decode(payload)
    case MessageType.frameEnd where isPrimary && frameReplies != nil:
      guard let end = FrameEnd(payload) else { return "the end of a frame that makes no sense" }
      datagrams?.wait(for: end)
      let now = platform_now()
      switch frames.finish(end) {
      case .success(let feedback):
        clock?.noteFrame(end.place.swapchain, received: now)
        frameReplies?.add(feedback)
      case .failure(let problem): return problem.text
      }
    case MessageType.frameTimes where isPrimary && clock != nil:
      return clock?.take(payload)
    case MessageType.frameGeometry where isPrimary && wantsGeometry:
      return frames.take(geometry: payload)
    case MessageType.frameDatagrams where isPrimary && datagrams != nil:
      guard let offer = DatagramOffer(payload), offer.port != 0 else {
        return "an offer of datagrams that makes no sense"
      }
      datagrams?.open(offer)
    case MessageType.viewerInput where isPrimary && takesInput:
      return operate(payload, from: node)
    case MessageType.contentHeld where isPrimary:
      guard content?.add(announcement: payload) != false else {
        return "an announcement that makes no sense"
      }
    case MessageType.lost:
      guard payload.count >= 8 else { return "a loss without a reason" }
      let reason = payload.loadUnaligned(as: UInt32.self)
      let text = NodeMessage.text(payload, at: 8)
      if isPrimary { lose(max(reason, 1), "node \(node.description.name): \(text)") }
    case MessageType.statistics:
      guard payload.count >= 48 else { return "statistics that are too short" }
      let word = { (index: Int) -> UInt64 in
        payload.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
      }
      node.statistics = NodeStatistics(
        cpuNanoseconds: word(0), gpuNanoseconds: word(1), commands: word(2),
        queueOperations: word(3), frames: word(4), driverMemory: word(5),
        // Older nodes do not say.
        contexts: payload.count >= 56 ? word(6) : 0)
    case MessageType.heartbeat:
      guard let heartbeat = Heartbeat(Fields(bytes: payload)) else {
        return "a heartbeat that is too short"
      }
      if isPrimary { watchdog.heard(heartbeat) }
    case MessageType.snapshotBytes: recorder?.snapshotBytes(payload)
    case MessageType.snapshotDone: recorder?.snapshotDone(payload)
    case MessageType.log:
      guard payload.count >= 8 else { return "a log line without a level" }
      let level = Log.Level(rawValue: Int(payload.loadUnaligned(as: UInt32.self))) ?? .debug
      Log.write(level) { "node \(node.description.name): \(NodeMessage.text(payload, at: 8))" }
    default:
      return "message \(message.type) makes no sense from a node"
    }
    return nil
  }

  /// Hands on what a viewer has done.
  private func operate(_ payload: UnsafeRawBufferPointer, from node: NodeConnection) -> String? {
    var input: ViewInput?
    var failure: ViewError?
    do throws(ViewError) { input = try ViewInput(payload) } catch { failure = error }
    guard let input else { return failure?.description ?? "input that makes no sense" }
    if !wasOperated {
      wasOperated = true
      Log.warning(
        "\(name): viewers of node \(node.description.name) operate it (--viewer-input off refuses)")
    }
    let window = windows.withLock { $0[input.swapchain] ?? 0 }
    guard injector?.add(input, window: window) == false else { return nil }
    Log.warning("\(name): no thread for the input of viewers")
    return nil
  }

  private func readbackRuns(_ payload: UnsafeRawBufferPointer) -> String? {
    var offset = 0
    while offset < payload.count {
      let block = UnsafeRawBufferPointer(rebasing: payload[offset...])
      let size = decoder.forEachRun(block) { place, bytes in
        if memory?.readback(segmentOffset: place, bytes) == false {
          Log.debug("\(name): \(bytes.count) bytes read back for memory that is gone")
        }
        return true
      }
      guard let size else { return "a readback that makes no sense" }
      offset += size
    }
    return nil
  }

  private func readback(_ payload: UnsafeRawBufferPointer) -> String? {
    var offset = 0
    while offset + 16 <= payload.count {
      let place = payload.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let count = Int(payload.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
      offset += 16
      guard count <= payload.count - offset else { return "a readback that is cut off" }
      let bytes = UnsafeRawBufferPointer(rebasing: payload[offset..<offset + count])
      recorder?.readback(segmentOffset: place, bytes)
      // Memory may have been freed while its readback was on the way: then nobody looks at it.
      if memory?.readback(segmentOffset: place, bytes) == false {
        Log.debug("\(name): \(count) bytes read back for memory that is gone")
      }
      offset += (count + 7) & ~7
    }
    return nil
  }

  // MARK: End

  /// Ends the connection for the application. Any thread; the first reason stays.
  private func lose(_ reason: UInt32, _ message: String) {
    guard let segment, isFirstLoss() else { return }
    Log.error("\(name): \(message)")
    var text = message
    text.withUTF8 { segment.markLost(reason, UnsafeRawBufferPointer($0)) }
  }

  /// A node on this host marks the segment itself: whether it is marked does not tell whether the
  /// loss was reported.
  private func isFirstLoss() -> Bool {
    platform_load32_seq(isEnding) == 0 && platform_compare_exchange32(wasLost, 0, 1)
  }

  private func end() {
    platform_store32_seq(isEnding, 1)
    watchdog.wake()
    frameReplies?.stop()
    datagrams?.stop()
    injector?.end()
    app.close()
    // The application is gone; this wakes the threads that wait in its rings.
    segment?.markLost(LostReason.agentGone, UnsafeRawBufferPointer(start: nil, count: 0))
    forwarder?.end()
    for node in nodes {
      do throws(LinkError) { try node.link.send(MessageType.goodbye, bytes: []) } catch {
        Log.debug("node \(node.description.name): \(error.message)")
      }
    }
    // A node closes its end after its last statistics; one that does not is left.
    if !threads.waitForZero(nanoseconds: 500_000_000) {
      for node in nodes { node.link.close() }
    }
    for node in nodes { node.end(nanoseconds: 500_000_000) }
    _ = threads.waitForZero(nanoseconds: 2_000_000_000)
    recorder?.finish(
      reason: platform_load32_seq(wasLost) == 0
        ? EndReason.applicationEnded : EndReason.connectionLost)
    statistics.end(self)
    guard threads.isZero else {
      // A thread that is stuck still looks at the segment: leave it mapped.
      return Log.warning("\(name): a thread of its connection does not end")
    }
    frames.detachAll()
    memory = nil
    segment?.unmap()
    segment = nil
  }

  private func close(_ descriptors: [Int32]) {
    for descriptor in descriptors { _ = platform_close(descriptor) }
  }
}

enum NodeMessage {
  /// A wire string (`u32 byteCount`, bytes) in a payload; "" when it is none.
  static func text(_ payload: UnsafeRawBufferPointer, at offset: Int) -> String {
    guard offset + 4 <= payload.count else { return "" }
    let count = Int(payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    guard count <= payload.count - offset - 4 else { return "" }
    return String(decoding: payload[(offset + 4)..<(offset + 4 + count)], as: UTF8.self)
  }
}
