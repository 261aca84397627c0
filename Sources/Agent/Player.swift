internal import CPlatform
internal import Glibc
internal import Recording
internal import Ring
internal import Threads
public import Transport
internal import VulkanWire
internal import Wire

/// What became of a recording that was played.
public struct PlayOutcome: Sendable {
  public var application = ""
  public var driver = ""
  /// Frames that the node has drawn.
  public var frames: UInt64 = 0
  /// From the first frame to the last; 0 with fewer than two.
  public var seconds = 0.0
  public var comparedFrames = 0
  public var comparedMemories = 0
  /// What was not as it was recorded, a sentence each.
  public var differences: [String] = []
  /// The recording was cut off: it was played to where it ends.
  public var isCutOff = false
}

/// Plays a recording on a node, as fast as the node goes: where the application was told something,
/// the player waits until the node has said it.
///
/// A recording is no more trusted than an application: what makes no sense ends the replay with an
/// error. The node checks the records themselves.
public final class Player: @unchecked Sendable {
  /// What to do beside playing.
  public struct Options: Sendable {
    /// Compares frames, and memory that the GPU has written, with the recorded ones.
    public var verify = false
    /// Writes each frame to this directory as `frame-000001.ppm`.
    public var dumpFrames: String?

    public init() {}
  }

  private let reader: RecordingReader
  private let options: Options
  private let node: NodeConnection
  private let lock = Lock()
  private let changed = Word()
  private let threads = RunningCount()

  // With the lock held.
  private var state: StreamState
  private var slots: [UInt32: UInt64] = [:]
  private var replies: [UInt32: [Answer]] = [:]
  private var buffers: [UInt64: FrameMemory] = [:]
  private var checksums: [UInt64: UInt64] = [:]
  private var failure: String?
  private var firstFrame: UInt64 = 0
  private var latestFrame: UInt64 = 0
  private var frameCount: UInt64 = 0
  private var isEnding = false
  /// Since when this thread waits for the node (0: it does not), and for what.
  private var blocked: (since: UInt64, isSending: Bool) = (0, false)
  /// Since when the node says that it has nothing to do; 0: it has.
  private var idleSince: UInt64 = 0

  private var outcome = PlayOutcome()

  private struct Answer {
    let opcode: UInt32
    let checksum: UInt64
    /// The beginning of its body.
    let words: (UInt32, UInt32)

    /// As an address.
    var address: UInt64 { UInt64(words.1) << 32 | UInt64(words.0) }
  }

  /// After so long, a node that has nothing to do will not say what the recording waits for.
  private static let patience: UInt64 = 5_000_000_000
  /// The same while records are on their way to it, which may take long.
  private static let sendPatience: UInt64 = 60_000_000_000
  private static let mostDifferences = 20

  private init(_ reader: RecordingReader, _ node: NodeConnection, _ options: Options) {
    self.reader = reader
    self.node = node
    self.options = options
    state = StreamState(frameCount: reader.header.firstFrame &- 1)
  }

  /// Plays a file on the first of `nodes`. Fails with a sentence.
  public static func play(
    _ path: String, on nodes: NodePlaces, _ options: Options
  ) throws(LinkError) -> PlayOutcome {
    let reader: RecordingReader
    do throws(RecordingError) { reader = try RecordingReader(path: path) } catch {
      throw LinkError(.system, error.message)
    }
    let header = reader.header
    guard header.wireVersion == WireVersion.current else {
      throw LinkError(
        .version,
        "'\(path)' was recorded with version \(header.wireVersion) of the wire format, and this "
          + "omega has version \(WireVersion.current); use the release that recorded it")
    }
    if header.opcodeCount > Opcode.last + 1 {
      Log.warning("'\(path)' was recorded by a newer release, which knows more commands")
    }
    let pool = NodePool(nodes, streams: true, isPlain: true)
    let connections = try pool.take(application: header.application, process: platform_pid())
    defer { for node in connections { node.end(nanoseconds: 500_000_000) } }
    guard let node = connections.first else { throw LinkError(.system, "there is no node") }
    tellOtherDriver(header, node.description)
    return try Player(reader, node, options).run()
  }

  private static func tellOtherDriver(_ header: RecordingHeader, _ node: NodeDescription) {
    guard header.hasDriverUUID, node.driverUUID.contains(where: { $0 != 0 }) else { return }
    if header.driverUUID != node.driverUUID {
      Log.warning(
        "the recording was made on '\(header.driver)', and node \(node.name) draws with another "
          + "driver, '\(node.driver)': frames may differ, and what that driver lacks fails")
    } else if header.driverVersion != node.driverVersion {
      Log.warning(
        "node \(node.name) has another version of the driver '\(node.driver)' than the recording "
          + "was made on: frames may differ")
    }
  }

  // MARK: Playing

  private func run() throws(LinkError) -> PlayOutcome {
    outcome.application = reader.header.application
    outcome.driver = node.description.driver
    threads.enter()
    guard
      startThread(
        "omega-replay",
        { [self] in
          receive()
          threads.leave()
        })
    else {
      threads.leave()
      throw LinkError(.system, "the system has no thread left for the replay")
    }
    defer {
      lock.withLock { isEnding = true }
      try? node.link.send(MessageType.goodbye, bytes: [])
      // What the node says last is not needed; a node that says nothing is left.
      if !threads.waitForZero(nanoseconds: 1_000_000_000) { node.link.close() }
      _ = threads.waitForZero(nanoseconds: 1_000_000_000)
    }
    while true {
      let entry: RecordingEntry?
      do throws(RecordingError) { entry = try reader.next() } catch {
        throw LinkError(.system, "\(error.message); \(position)")
      }
      guard let entry else { break }
      try play(entry)
    }
    outcome.isCutOff = reader.isCutOff
    // A recording that was cut off may have asked for more than it was told.
    lock.withLock {
      outcome.frames = frameCount
      if frameCount > 1 { outcome.seconds = Double(latestFrame - firstFrame) / 1e9 }
    }
    return outcome
  }

  private var position: String {
    let count = lock.withLock { frameCount }
    return count == 0 ? "no frame was drawn" : "\(count) frames were drawn before"
  }

  private func play(_ entry: RecordingEntry) throws(LinkError) {
    switch entry.kind {
    case EntryKind.records: try send(entry)
    case EntryKind.completions: try waitForCompletions(entry)
    case EntryKind.reply: try waitForReply(entry)
    case EntryKind.frame: try compareFrame(entry)
    case EntryKind.memory: compareMemory(entry)
    case EntryKind.beginning: lock.withLock { state.begin(frameCount: entry.u64(0)) }
    default: break
    }
  }

  private func send(_ entry: RecordingEntry) throws(LinkError) {
    guard entry.body.count >= 8, entry.body.count <= Link.largestMessage else {
      throw broken("records of \(entry.body.count) bytes")
    }
    let records = UnsafeRawBufferPointer(rebasing: entry.body[8...])
    var wrong: String?
    lock.withLock {
      wrong = state.observe(records) ?? failure
      buffers = buffers.filter { state.swapchains[$0.key] != nil }
      blocked = (platform_now(), true)
    }
    defer { lock.withLock { blocked = (0, false) } }
    if let wrong { throw broken(wrong) }
    do throws(LinkError) {
      try node.link.send(MessageType.records, entry.body)
    } catch {
      // The thread that receives knows better why the link is gone.
      _ = threads.waitForZero(nanoseconds: 1_000_000_000)
      throw lock.withLock { failure }.map { LinkError(.closed, $0) } ?? error
    }
  }

  private func waitForCompletions(_ entry: RecordingEntry) throws(LinkError) {
    for offset in stride(from: 0, to: entry.body.count & ~15, by: 16) {
      let slot = entry.u32(offset)
      let value = entry.u64(offset + 8)
      try wait { (slots[slot] ?? 0) >= value }
    }
  }

  private func waitForReply(_ entry: RecordingEntry) throws(LinkError) {
    let ticket = entry.u32(0)
    var answer: Answer?
    try wait {
      guard var all = replies[ticket], !all.isEmpty else { return false }
      answer = all.removeFirst()
      replies[ticket] = all
      return true
    }
    guard let answer else { return }
    guard answer.opcode == entry.u32(4) else {
      throw broken("an answer to \(name(entry.u32(4))) where \(name(answer.opcode)) is answered")
    }
    guard answer.checksum != entry.u64(16) else { return }
    // The program has put the address into its data, where nobody can find it again: the GPU would
    // follow it to somewhere else.
    if Player.givesAddress(answer.opcode) {
      throw broken(
        "\(name(answer.opcode)) gives \(hexadecimal(answer.address)), and gave "
          + "\(hexadecimal(entry.u64(24))) when it was recorded; a program that uses the addresses "
          + "of buffers can be replayed where its driver gives the same ones again")
    }
    // Whether the first word is a VkResult depends on the command. Nothing else that an answer can
    // begin with differs from what was recorded and looks like an error.
    let result = Int32(bitPattern: answer.words.0)
    if answer.words.0 != entry.u32(24), Player.isError(result) {
      differ(
        "\(name(answer.opcode)) gives the error \(result), and gave "
          + "\(Int32(bitPattern: entry.u32(24))) when it was recorded")
    }
  }

  private static func givesAddress(_ opcode: UInt32) -> Bool {
    opcode == Opcode.vkGetBufferDeviceAddress
      || opcode == Opcode.vkGetAccelerationStructureDeviceAddressKHR
  }

  /// VkResults below zero: those of the core and those of extensions.
  private static func isError(_ result: Int32) -> Bool {
    (-64..<0).contains(result) || (-1_001_000_000 ... -1_000_000_000).contains(result)
  }

  private func compareFrame(_ entry: RecordingEntry) throws(LinkError) {
    let number = entry.u64(0)
    var found: UInt64?
    try wait {
      found = checksums.removeValue(forKey: number)
      return found != nil
    }
    guard options.verify, let found else { return }
    outcome.comparedFrames += 1
    if found != entry.u64(32) {
      differ(
        "frame \(number) (\(entry.u32(24)) x \(entry.u32(28))) is not as recorded: its checksum is "
          + "\(hexadecimal(found)), and was \(hexadecimal(entry.u64(32)))")
    }
  }

  private func compareMemory(_ entry: RecordingEntry) {
    let memory = entry.u64(0)
    let found = lock.withLock { state.contents(of: memory) }
    guard options.verify else { return }
    outcome.comparedMemories += 1
    if found?.checksum != entry.u64(16) {
      differ(
        "memory \(hexadecimal(memory)) (\(entry.u64(8)) bytes), after \(position), is not as "
          + "recorded")
    }
  }

  private func differ(_ sentence: String) {
    if outcome.differences.count < Player.mostDifferences { Log.error(sentence) }
    outcome.differences.append(sentence)
  }

  private func name(_ opcode: UInt32) -> String {
    commandName(opcode).map { "\($0)" } ?? "command \(opcode)"
  }

  private func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  private func broken(_ what: String) -> LinkError {
    LinkError(.notOmega, "the recording cannot be played: \(what); \(position)")
  }

  /// Waits until `condition`, which is asked with the lock held. Fails when the node does.
  private func wait(_ condition: () -> Bool) throws(LinkError) {
    var isWaiting = false
    defer { if isWaiting { lock.withLock { blocked = (0, false) } } }
    while true {
      let seen = changed.load()
      var failed: String?
      let isDone = lock.withLock {
        if condition() { return true }
        failed = failure
        if !isWaiting { blocked = (platform_now(), false) }
        return false
      }
      if isDone { return }
      isWaiting = true
      if let failed { throw LinkError(.closed, "\(failed); \(position)") }
      changed.wait(while: seen, nanoseconds: 1_000_000_000)
    }
  }

  // MARK: From the node

  private func receive() {
    var why: String?
    do throws(LinkError) {
      while let message = try node.link.receive() {
        for descriptor in message.descriptors { _ = platform_close(descriptor) }
        why = take(message)
        if why != nil { break }
      }
    } catch {
      why = error.message
    }
    let howItEnded = node.howItEnded()
    lock.withLock {
      guard !isEnding else { return }
      failure =
        failure ?? why ?? "node \(node.description.name) has gone\(howItEnded)"
    }
    changed.bump()
  }

  /// Takes one message; why it is the last one, or nil.
  private func take(_ message: Message) -> String? {
    let payload = message.payload
    let fields = Fields(bytes: payload)
    var wrong: String?
    lock.withLock {
      switch message.type {
      case MessageType.completions:
        for offset in stride(from: 0, to: payload.count & ~15, by: 16) {
          complete(slot: fields.u32(offset), value: fields.u64(offset + 8))
        }
      case MessageType.reply:
        guard payload.count >= 16, replies[fields.u32(0), default: []].count < 65_536 else {
          wrong = "an answer that is none"
          return
        }
        replies[fields.u32(0), default: []].append(
          Answer(
            opcode: fields.u32(8),
            checksum: Checksum.of(UnsafeRawBufferPointer(rebasing: payload[16...])),
            words: (fields.u32(16), fields.u32(20))))
      case MessageType.readback: wrong = readback(payload, fields)
      case MessageType.frame: wrong = frame(payload, fields)
      case MessageType.lost:
        wrong = "node \(node.description.name): \(NodeMessage.text(payload, at: 8))"
      case MessageType.heartbeat: heartbeat(fields)
      // What the node keeps from run to run is no news here: everything is sent as it is.
      case MessageType.statistics, MessageType.contentHeld: return
      case MessageType.log:
        let level = Log.Level(rawValue: Int(fields.u32(0))) ?? .debug
        Log.write(level) { "node \(node.description.name): \(NodeMessage.text(payload, at: 8))" }
        return
      default: wrong = "message \(message.type) makes no sense from a node"
      }
      if message.type != MessageType.heartbeat { idleSince = 0 }
    }
    changed.bump()
    return wrong
  }

  private func complete(slot: UInt32, value: UInt64) {
    slots[slot] = max(slots[slot] ?? 0, value)
    for frame in state.complete(slot: slot, value: value) {
      latestFrame = platform_now()
      if frameCount == 0 { firstFrame = latestFrame }
      frameCount += 1
      guard let swapchain = state.swapchains[frame.swapchain],
        let bytes = buffers[frame.swapchain]?.bytes(of: frame.image)
      else { continue }
      checksums[frame.number] = options.verify ? swapchain.checksum(bytes) : 0
      if let directory = options.dumpFrames {
        Picture.write(bytes, swapchain, to: "\(directory)/\(Picture.name(frame.number))")
      }
    }
  }

  private func readback(_ payload: UnsafeRawBufferPointer, _ fields: Fields) -> String? {
    guard options.verify else { return nil }
    var offset = 0
    while offset + 16 <= payload.count {
      let count = Int(fields.u32(offset + 8))
      guard count <= payload.count - offset - 16 else { return "a readback that is cut off" }
      state.readback(
        segmentOffset: fields.u64(offset),
        UnsafeRawBufferPointer(rebasing: payload[(offset + 16)..<(offset + 16 + count)]))
      offset += 16 + ((count + 7) & ~7)
    }
    return nil
  }

  private func frame(_ payload: UnsafeRawBufferPointer, _ fields: Fields) -> String? {
    guard payload.count >= 24 else { return "a frame that is too short" }
    let id = fields.u64(0)
    guard let swapchain = state.swapchains[id] else { return nil }
    if buffers[id] == nil { buffers[id] = FrameMemory(swapchain) }
    guard let memory = buffers[id] else { return "there is no memory for frames" }
    guard
      memory.write(
        image: Int(fields.u32(8)), offset: fields.u64(16),
        UnsafeRawBufferPointer(rebasing: payload[24...]))
    else { return "a frame that does not fit its buffer" }
    return nil
  }

  /// A node that has nothing to do while the recording waits for it never says what that waits for.
  private func heartbeat(_ fields: Fields) {
    let now = platform_now()
    guard Heartbeat.isIdle(fields) else {
      idleSince = 0
      return
    }
    if idleSince == 0 { idleSince = now }
    guard blocked.since > 0, failure == nil else { return }
    let patience = blocked.isSending ? Player.sendPatience : Player.patience
    guard now &- max(blocked.since, idleSince) > patience else { return }
    failure = "the recording waits for something that the node has no reason to say"
    node.link.close()
  }
}

/// The frame buffers of one swapchain that has no window.
private final class FrameMemory {
  private let memory: UnsafeMutableRawBufferPointer
  private let frameBytes: Int

  init?(_ swapchain: StreamState.Swapchain) {
    frameBytes = swapchain.frameBytes
    let count = swapchain.frameBytes * swapchain.imageCount
    guard let start = platform_map_private(count) else { return nil }
    memory = UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = memory.baseAddress { _ = platform_unmap(start, memory.count) }
  }

  func bytes(of image: Int) -> UnsafeRawBufferPointer? {
    guard image >= 0, image < memory.count / frameBytes else { return nil }
    return UnsafeRawBufferPointer(
      rebasing: memory[(image * frameBytes)..<((image + 1) * frameBytes)])
  }

  func write(image: Int, offset: UInt64, _ source: UnsafeRawBufferPointer) -> Bool {
    guard image >= 0, image < memory.count / frameBytes, offset <= UInt64(frameBytes),
      source.count <= frameBytes - Int(offset)
    else { return false }
    if let from = source.baseAddress, let to = memory.baseAddress {
      platform_copy(to + image * frameBytes + Int(offset), from, source.count)
    }
    return true
  }
}

/// Frames as files.
private enum Picture {
  static func name(_ number: UInt64) -> String {
    let digits = String(number)
    return "frame-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".ppm"
  }

  /// Writes a frame as P6; says so when it cannot.
  static func write(
    _ frame: UnsafeRawBufferPointer, _ swapchain: StreamState.Swapchain, to path: String
  ) {
    guard let layout = FrameFormat.layout(swapchain.format) else {
      return Log.warning("'\(path)' is not written: frames of this format have no picture")
    }
    var bytes = Array("P6\n\(swapchain.width) \(swapchain.height)\n255\n".utf8)
    let rowBytes = swapchain.width * 3
    bytes.reserveCapacity(bytes.count + rowBytes * swapchain.height)
    swapchain.forEachRow(frame) { row in
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: rowBytes))
      bytes.withUnsafeMutableBufferPointer { all in
        layout.convert(row.baseAddress!, swapchain.width, into: all.baseAddress! + start)
      }
    }
    let file = platform_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else {
      return Log.error("cannot write '\(path)': \(String(cString: strerror(-file)))")
    }
    defer { _ = platform_close(file) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        platform_write(file, $0.baseAddress! + done, bytes.count - done)
      }
      guard count > 0 else {
        return Log.error("cannot write '\(path)': \(String(cString: strerror(Int32(-count))))")
      }
      done += Int(count)
    }
  }
}
