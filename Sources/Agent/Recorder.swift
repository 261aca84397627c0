internal import CPlatform
internal import CVulkan
public import Recording
internal import Ring
internal import Threads
internal import VulkanWire
internal import Wire

/// Writes what one application process does, and what it is told, to a file (`docs/recording.md`).
///
/// Everything that the application is told is noted before it is told: so whatever it does because
/// of it stands later in the file, and a replay that waits at the same places does what the
/// application did.
///
/// Threads: any. A thread of its own compresses and writes. A file that cannot be written any more
/// ends the recording and nothing else.
final class Recorder: @unchecked Sendable {
  let path: String

  private let application: String
  private let frames: FrameTable
  private let lock = Lock()
  private let changed = Word()
  private let threads = RunningCount()
  private let writer: RecordingWriter
  /// Entries of the chunk that is being filled.
  private var open = HeapWriter(capacity: RecordingFormat.chunkSize)
  private var openFrames: [UInt64] = []
  private var waiting: [Chunk] = []
  private var waitingBytes = 0
  private var state = StreamState()
  private var frameCount: UInt64 = 0
  /// Number of the first frame; what comes before goes to the journal alone.
  private let firstFrame: UInt64
  private var journal: StateJournal?
  /// The state is being written; channels wait.
  private var isBeginning = false
  /// What has come of the snapshot that was asked for.
  private var snapshot = Snapshot()
  /// Nothing is taken any more.
  private var isOver = false
  private var isFinishing = false
  private var hasFailed = false

  private struct Chunk {
    var entries: HeapWriter
    let frames: [UInt64]
  }

  private struct Snapshot {
    var number: UInt64 = 0
    var isDone = false
    var failure = ""
    var hasBytes = false
  }

  /// How long a node may take to say what is in its memory, in nanoseconds.
  private static let snapshotTime: UInt64 = 120_000_000_000

  /// Bytes that may wait for the disk before the application does.
  private static let bound = 256 << 20
  /// What a killed agent may lose, in nanoseconds.
  private static let interval: UInt64 = 1_000_000_000

  /// Begins the file. `frames` has the frame buffers that the node's frames are written to.
  init(
    path: String, application: String, node: NodeDescription, frames: FrameTable,
    firstFrame: UInt64
  ) throws(RecordingError) {
    self.path = path
    self.application = application
    self.frames = frames
    self.firstFrame = firstFrame
    journal = firstFrame > 1 ? StateJournal() : nil
    writer = try RecordingWriter(
      path: path,
      header: RecordingHeader(
        wireVersion: WireVersion.current, opcodeCount: Opcode.last + 1,
        driverUUID: node.driverUUID, driverVersion: node.driverVersion, driver: node.driver,
        application: application, firstFrame: firstFrame))
    threads.enter()
    let started = startThread("omega-record") { [self] in
      writeChunks()
      threads.leave()
    }
    guard started else {
      threads.leave()
      throw RecordingError(.system, "no thread to write the recording '\(path)'")
    }
  }

  deinit {
    open.free()
    for var chunk in waiting { chunk.entries.free() }
  }

  // MARK: What happens

  /// The application's records, whole and in inline form, on their way to the node. Waits while the
  /// disk is far behind.
  func records(channel: UInt32, _ records: UnsafeRawBufferPointer) {
    waitForDisk(orBeginning: true)
    lock.withLock {
      guard !isOver else { return }
      if channel == 0, usesOpenGL(records) {
        return fail("the program uses OpenGL, which recordings do not hold")
      }
      if let wrong = state.observe(records) { return fail("\(path): \(wrong)") }
      if journal != nil {
        journal?.note(channel: channel, records)
        if let obstacle = journal?.obstacle {
          fail("it cannot begin at a later frame: \(obstacle)")
        }
        return
      }
      entry(EntryKind.records) {
        $0.u32(channel)
        $0.u32(0)
        $0.bytes(records.baseAddress, records.count)
      }
      closeChunk(whenFull: true)
    }
  }

  /// Whether a context of OpenGL begins in these records.
  private func usesOpenGL(_ records: UnsafeRawBufferPointer) -> Bool {
    var offset = 0
    while records.count - offset >= 8 {
      let fields = Fields(bytes: UnsafeRawBufferPointer(rebasing: records[offset...]))
      if fields.u32(0) == ControlOpcode.openContext { return true }
      let size = Int(fields.u32(4))
      guard size >= 8, size <= records.count - offset else { return false }
      offset += size
    }
    return false
  }

  /// Waits while the disk is far behind, and while the recording begins.
  private func waitForDisk(orBeginning: Bool = false) {
    while true {
      let seen = changed.load()
      let mayGo = lock.withLock {
        isOver || waitingBytes < Recorder.bound && !(orBeginning && isBeginning)
      }
      if mayGo { return }
      changed.wait(while: seen, nanoseconds: 100_000_000)
    }
  }

  /// The payload of a `completions` message, before its slots are stored.
  func completions(_ payload: UnsafeRawBufferPointer) {
    let count = payload.count & ~15
    guard count > 0 else { return }
    lock.withLock {
      guard !isOver else { return }
      for offset in stride(from: 0, to: count, by: 16) {
        let slot = payload.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        let value = payload.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
        for frame in state.complete(slot: slot, value: value) where journal == nil { note(frame) }
      }
      guard journal == nil else { return }
      entry(EntryKind.completions) { $0.bytes(payload.baseAddress, count) }
      noteReadBack()
      closeChunk(whenFull: true)
    }
  }

  /// An answer, before it is delivered.
  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) {
    lock.withLock {
      guard !isOver else { return }
      guard record.count >= 8 else { return }
      let opcode = Fields(bytes: record).u32(0)
      let body = UnsafeRawBufferPointer(rebasing: record[8...])
      var w = HeapWriter(capacity: 128)
      defer { w.free() }
      w.writer.u32(ticket)
      w.writer.u32(opcode)
      w.writer.u32(UInt32(truncatingIfNeeded: body.count))
      w.writer.u32(0)
      w.writer.u64(Checksum.of(body))
      w.writer.bytes(body.baseAddress, min(body.count, EntryKind.replyBytes))
      if journal != nil {
        journal?.note(reply: Array(w.bytes), ticket: ticket)
        return
      }
      entry(EntryKind.reply) { $0.bytes(w.bytes.baseAddress, w.bytes.count) }
      closeChunk(whenFull: true)
    }
  }

  /// Bytes that the GPU has written, before the completions that announce them.
  func readback(segmentOffset: UInt64, _ bytes: UnsafeRawBufferPointer) {
    lock.withLock {
      guard !isOver else { return }
      state.readback(segmentOffset: segmentOffset, bytes)
    }
  }

  /// Writes what is left and ends the file.
  func finish(reason: UInt32) {
    lock.withLock {
      if !isOver {
        entry(EntryKind.end) {
          $0.u64(frameCount)
          $0.u32(reason)
          $0.u32(0)
        }
        closeChunk(whenFull: false)
      }
      isOver = true
      isFinishing = true
    }
    wake()
    // The disk decides how long it takes; whoever does not want to wait can kill the agent.
    while !threads.waitForZero(nanoseconds: 1_000_000_000) {}
    guard !hasFailed else { return }
    guard journal == nil else {
      return Log.error(
        "\(application) has ended after frame \(state.frameCount): '\(path)' was to begin with "
          + "frame \(firstFrame), and holds nothing")
    }
    Log.info(
      "\(application): \(frameCount) frames are recorded in '\(path)', \(writer.byteCount) bytes")
  }

  // MARK: Beginning in the middle

  /// Where in these records, which `records` has not yet been given, the recording begins: behind
  /// the present of the frame before its first one. Nil when it is not there.
  func beginning(in records: UnsafeRawBufferPointer) -> Int? {
    lock.withLock {
      guard journal != nil, !isOver, !isBeginning else { return nil }
      var count = state.frameCount
      var offset = 0
      while records.count - offset >= 8 {
        let fields = Fields(bytes: UnsafeRawBufferPointer(rebasing: records[offset...]))
        let size = Int(fields.u32(4))
        guard size >= 8, size <= records.count - offset else { return nil }
        offset += size
        if fields.u32(0) == ControlOpcode.present {
          count += UInt64(fields.u32(20))
          if count >= firstFrame - 1 { return offset }
        }
      }
      return nil
    }
  }

  /// Writes what is there as records, while every channel waits. On the thread of a channel, after
  /// everything up to `beginning` was sent; `send` sends records on a channel and is false when the
  /// link is gone. When the node is not idle in time, the next frame is as good.
  func begin(_ send: (_ channel: UInt32, _ records: UnsafeRawBufferPointer) -> Bool) {
    let devices = lock.withLock {
      isBeginning = true
      snapshot.hasBytes = false
      return journal?.devices.keys.sorted() ?? []
    }
    var why: String?
    for channel in devices where why == nil { why = takeSnapshot(channel, send) }
    lock.withLock {
      isBeginning = false
      guard let journal, !isOver else { return }
      if let why {
        // What has been written cannot be taken back.
        if snapshot.hasBytes { return fail("it cannot begin with frame \(firstFrame): \(why)") }
        return Log.debug("\(application): the recording begins later than asked: \(why)")
      }
      if !snapshot.hasBytes { writeJournal(journal) }
      writeMappedMemory(journal)
      writeSemaphores(journal)
      self.journal = nil
      frameCount = state.frameCount
      entry(EntryKind.beginning) { $0.u64(frameCount) }
      _ = state.takeReadBack()
      Log.info("\(application): the recording begins with frame \(frameCount + 1)")
    }
    wake()
  }

  /// Why there is none, or nil.
  private func takeSnapshot(
    _ channel: UInt32, _ send: (_ channel: UInt32, _ records: UnsafeRawBufferPointer) -> Bool
  ) -> String? {
    let number = lock.withLock {
      snapshot.number += 1
      snapshot.isDone = false
      return snapshot.number
    }
    var w = HeapWriter(capacity: 64)
    defer { w.free() }
    w.writer.begin(ControlOpcode.takeSnapshot)
    w.writer.u64(number)
    w.writer.end()
    guard send(channel, w.bytes) else { return "the node is gone" }
    let deadline = platform_now() &+ Recorder.snapshotTime
    while true {
      let seen = changed.load()
      let (isDone, failure) = lock.withLock { (snapshot.isDone, snapshot.failure) }
      if isDone { return failure.isEmpty ? nil : failure }
      guard platform_now() < deadline, !lock.withLock({ isOver }) else {
        return "the node does not say what is in its memory"
      }
      changed.wait(while: seen, nanoseconds: 100_000_000)
    }
  }

  /// The payload of a `snapshotBytes` message.
  func snapshotBytes(_ payload: UnsafeRawBufferPointer) {
    waitForDisk()
    lock.withLock {
      guard isBeginning, !isOver, let journal, payload.count > 24 else { return }
      if !snapshot.hasBytes { writeJournal(journal) }
      snapshot.hasBytes = true
      let fields = Fields(bytes: payload)
      let object = fields.u64(0)
      guard let channel = journal.channel(of: object) else { return }
      record(channel) { w in
        w.begin(ControlOpcode.restoreMemory)
        w.u64(object)
        w.u32(fields.u32(8))
        w.u32(0)
        w.u64(fields.u64(16))
        w.u64(UInt64(payload.count - 24))
        w.bytes(payload.baseAddress! + 24, payload.count - 24)
        w.end()
      }
    }
  }

  /// The payload of a `snapshotDone` message.
  func snapshotDone(_ payload: UnsafeRawBufferPointer) {
    lock.withLock {
      guard Fields(bytes: payload).u64(0) == snapshot.number else { return }
      snapshot.failure = NodeMessage.text(payload, at: 8)
      snapshot.isDone = true
    }
    wake()
  }

  private func writeJournal(_ journal: StateJournal) {
    journal.forEachKept { channel, bytes, reply in
      record(channel) { $0.bytes(bytes.baseAddress, bytes.count) }
      guard let reply else { return }
      reply.withUnsafeBytes { reply in
        entry(EntryKind.reply) { $0.bytes(reply.baseAddress, reply.count) }
      }
    }
  }

  /// Memory that the application has mapped, as both sides have agreed on it.
  private func writeMappedMemory(_ journal: StateJournal) {
    for memory in state.mapped {
      guard let channel = journal.channel(of: memory) else { continue }
      state.forEachPart(of: memory) { offset, bytes in
        record(channel) { w in
          w.begin(ControlOpcode.memoryDiff)
          w.u64(memory)
          w.u32(1)
          w.u32(0)
          w.u64(offset)
          w.u64(UInt64(bytes.count))
          w.bytes(bytes.baseAddress, bytes.count)
          w.end()
        }
      }
    }
  }

  private func writeSemaphores(_ journal: StateJournal) {
    for semaphore in journal.signalled {
      guard let channel = journal.channel(of: semaphore),
        let queue = journal.alive(.queue).first(where: { journal.channel(of: $0) == channel })
      else { continue }
      record(channel) { w in
        w.begin(ControlOpcode.signalSemaphores)
        w.u64(queue)
        w.u32(1)
        w.u32(0)
        w.u64(semaphore)
        w.end()
      }
    }
    for (semaphore, value) in journal.timelines {
      guard let channel = journal.channel(of: semaphore), let device = journal.devices[channel]
      else { continue }
      record(channel) { w in
        var object = (UInt64(0), device)
        withUnsafeMutablePointer(to: &object) { object in
          var info = VkSemaphoreSignalInfo()
          info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO
          info.semaphore = OpaquePointer(bitPattern: UInt(semaphore))
          info.value = value
          encode_vkSignalSemaphore(&w, OpaquePointer(object), &info)
        }
      }
    }
  }

  /// An entry of one record.
  private func record(_ channel: UInt32, _ body: (inout Writer) -> Void) {
    var w = HeapWriter(capacity: 4096)
    defer { w.free() }
    w.writer.u32(channel)
    w.writer.u32(0)
    body(&w.writer)
    guard !w.writer.failed else { return fail("no memory to record") }
    entry(EntryKind.records) { $0.bytes(w.bytes.baseAddress, w.bytes.count) }
    closeChunk(whenFull: true)
  }

  // MARK: Entries, with the lock held

  private func entry(_ kind: UInt32, _ body: (inout Writer) -> Void) {
    let start = open.bytes.count
    open.writer.begin(kind)
    body(&open.writer)
    open.writer.end()
    guard !open.writer.failed, open.bytes.count - start <= RecordingFormat.largestChunk / 2 else {
      return fail("no memory to record")
    }
  }

  private func note(_ frame: StreamState.PendingFrame) {
    frameCount = max(frameCount, frame.number)
    guard let swapchain = state.swapchains[frame.swapchain] else { return }
    let sum = frames.withFrame(frame.swapchain, frame.image) { swapchain.checksum($0) }
    // Nothing is there to be seen of a swapchain that the application has destroyed meanwhile.
    guard let sum else { return }
    entry(EntryKind.frame) {
      $0.u64(frame.number)
      $0.u64(frame.swapchain)
      $0.u32(UInt32(truncatingIfNeeded: frame.image))
      $0.u32(swapchain.format)
      $0.u32(UInt32(truncatingIfNeeded: swapchain.width))
      $0.u32(UInt32(truncatingIfNeeded: swapchain.height))
      $0.u64(sum)
    }
    openFrames.append(frame.number)
  }

  /// What the GPU wrote is compared when nothing is under way: how its bytes come in between is a
  /// matter of time.
  private func noteReadBack() {
    guard state.isQuiet else { return }
    for memory in state.takeReadBack() {
      guard let (count, sum) = state.contents(of: memory) else { continue }
      entry(EntryKind.memory) {
        $0.u64(memory)
        $0.u64(UInt64(count))
        $0.u64(sum)
      }
    }
  }

  private func closeChunk(whenFull: Bool) {
    guard !isOver, !open.writer.failed, open.bytes.count > 0 else { return }
    guard !whenFull || open.bytes.count >= RecordingFormat.chunkSize else { return }
    waiting.append(Chunk(entries: open, frames: openFrames))
    waitingBytes += open.bytes.count
    open = HeapWriter(capacity: RecordingFormat.chunkSize)
    openFrames = []
    wake()
  }

  private func fail(_ message: String) {
    guard !hasFailed else { return }
    hasFailed = true
    isOver = true
    Log.error(
      "\(application): \(message); the recording ends after frame \(frameCount), the application "
        + "goes on")
    wake()
  }

  private func wake() {
    changed.bump()
  }

  // MARK: The writing thread

  private func writeChunks() {
    while true {
      let seen = changed.load()
      var next: Chunk?
      var isLast = false
      lock.withLock {
        if !waiting.isEmpty {
          let chunk = waiting.removeFirst()
          waitingBytes -= chunk.entries.bytes.count
          next = chunk
        }
        isLast = isFinishing
      }
      guard var chunk = next else {
        if isLast { break }
        if !changed.wait(while: seen, nanoseconds: Recorder.interval) {
          lock.withLock { closeChunk(whenFull: false) }
        }
        continue
      }
      wake()
      write(chunk)
      chunk.entries.free()
    }
    guard lock.withLock({ !hasFailed }) else { return }
    do throws(RecordingError) { try writer.finish() } catch {
      lock.withLock { fail(error.message) }
    }
  }

  private func write(_ chunk: Chunk) {
    guard lock.withLock({ !hasFailed }) else { return }
    do throws(RecordingError) {
      try writer.write(chunk: chunk.entries.bytes, frames: chunk.frames)
    } catch {
      lock.withLock { fail(error.message) }
    }
  }
}

/// Where recordings go. One file for each application process that finds Omega's devices: the
/// first one's is named as the user says, the n-th one's has `.n` behind it.
public final class RecordingPlace: @unchecked Sendable {
  private let path: String
  /// Number of the first frame that is recorded, from 1.
  let firstFrame: UInt64
  private let lock = Lock()
  private var count = 0

  /// Makes the file, so that a place that cannot be written to is known now.
  public init(path: String, firstFrame: UInt64 = 1) throws(RecordingError) {
    self.path = path
    self.firstFrame = max(firstFrame, 1)
    let writer = try RecordingWriter(
      path: path,
      header: RecordingHeader(wireVersion: WireVersion.current, opcodeCount: Opcode.last + 1))
    _ = writer.byteCount
  }

  /// The file of the next process.
  func next() -> String {
    lock.withLock {
      count += 1
      return count == 1 ? path : "\(path).\(count)"
    }
  }
}
