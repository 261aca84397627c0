internal import CPlatform
internal import CommandStream
internal import MemoryFabric
internal import Ring
internal import Threads
internal import Transport
internal import Wire

/// Brings an application's records to a node that cannot read its rings: one thread for each
/// channel reads, turns references into the segment into their inline forms, and sends.
///
/// The application is not trusted: a record is copied, then checked, then used, and what makes no
/// sense ends this application's connection alone.
final class Forwarder: @unchecked Sendable {
  /// Bytes that are gathered before they are sent; an empty ring sends at once.
  private static let batch = 1 << 20
  /// Bytes of a run, on average, from which content that a node keeps may be among them.
  private static let keptRun = 1 << 10
  private static let journalLimit = 256 << 20
  /// Bytes of one command buffer that make one record; the rest makes further ones.
  private static let largestCommands: UInt64 = 32 << 20

  private let segment: Segment
  private let link: Link
  private let memory: MemoryTable
  /// How the records are coded; nil for a node that knows plain ones alone.
  private let coding: StreamChoices?
  private let content: KnownContent?
  private let clock: FrameClock?
  private let recorder: Recorder?
  private let running: RunningCount
  private let sendsMemoryBlocks: Bool
  private let lose: @Sendable (UInt32, String) -> Void
  private let lock = Lock()
  private var isOpen = [Bool](repeating: false, count: Int(SegmentLayout.channelCount))
  private let ending = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private var totals = Totals()

  /// What has been forwarded so far.
  struct Totals {
    var uploadBytes: UInt64 = 0
    var uploadRuns: UInt64 = 0
    var journalObjects = 0
    var journalBytes = 0
    var stream = StreamTotals()
  }

  /// `lose` ends the connection with a reason and a message; from any thread.
  init(
    segment: Segment, link: Link, memory: MemoryTable, recorder: Recorder?,
    coding: StreamChoices? = nil, content: KnownContent? = nil, clock: FrameClock? = nil,
    running: RunningCount,
    sendsMemoryBlocks: Bool,
    lose: @escaping @Sendable (UInt32, String) -> Void
  ) {
    self.segment = segment
    self.link = link
    self.memory = memory
    self.coding = coding
    self.content = content
    self.clock = clock
    self.recorder = recorder
    self.running = running
    self.sendsMemoryBlocks = sendsMemoryBlocks
    self.lose = lose
    ending.initialize(to: 0)
  }

  deinit { ending.deallocate() }

  var statistics: Totals { lock.withLock { totals } }

  /// Begins to read a channel. Does nothing when its number makes no sense or it is being read.
  func open(_ channel: UInt32) {
    guard channel < SegmentLayout.channelCount else {
      return lose(LostReason.protocolError, "openChannel: there is no channel \(channel)")
    }
    let mayStart = lock.withLock {
      defer { isOpen[Int(channel)] = true }
      return !isOpen[Int(channel)]
    }
    guard mayStart else {
      return lose(LostReason.protocolError, "openChannel: channel \(channel) is open already")
    }
    running.enter()
    let started = startThread("omega-forward") { [self] in
      var reader = ChannelForwarder(self, channel)
      reader.run()
      reader.free()
      running.leave()
    }
    if !started {
      running.leave()
      lose(LostReason.noMemory, "no thread for channel \(channel)")
    }
  }

  /// Asks the threads to end; they do so within a second, or at once when the segment is lost.
  func end() { platform_store32_seq(ending, 1) }

  /// One channel's reader.
  private struct ChannelForwarder {
    let owner: Forwarder
    let channel: UInt32
    private let ring: RingHeader
    private var out = HeapWriter(capacity: 64 << 10)
    private let copy: UnsafeMutableRawPointer
    /// A record from the arena.
    private var large = HeapWriter(capacity: 64)
    private var runs = RunEncoder()
    private var chooser: CodecChooser
    private var journal = Journal(limit: Forwarder.journalLimit)
    private var journalShare = (objects: 0, bytes: 0)
    private let encoder: StreamEncoder?
    /// What of the encoder's totals the owner knows.
    private var counted = StreamTotals()
    private var isClosed = false
    /// Presents among what is gathered.
    private var presents: [PresentedFrame] = []

    init(_ owner: Forwarder, _ channel: UInt32) {
      self.owner = owner
      self.channel = channel
      ring = RingHeader(segment: owner.segment, channel: channel)
      copy = .allocate(byteCount: SegmentLayout.largestInlineRecord, alignment: 64)
      encoder = owner.coding.map {
        StreamEncoder(channel: channel, choices: $0, known: owner.content)
      }
      // Where the whole stream is packed, and what repeats from message to message found, a block is
      // left as it is. Else a gigabit until it was measured.
      let isPacked = owner.coding?.compresses == true
      chooser = CodecChooser(bytesPerSecond: isPacked ? .infinity : 125e6)
      beginMessage()
    }

    mutating func free() {
      out.free()
      large.free()
      runs.free()
      copy.deallocate()
    }

    private var isOver: Bool {
      platform_load32_seq(owner.ending) != 0 || owner.segment.lost != 0
    }

    mutating func run() {
      var position: UInt64 = 0
      while !isOver && !isClosed {
        guard let run = ring.readable(at: position) else {
          fail("its ring makes no sense")
          return
        }
        guard run.count > 0, let start = run.baseAddress else {
          guard send() else { return }
          ring.waitForRecords(
            reader: RingHeader.agentReader, beyond: position, nanoseconds: 1_000_000_000)
          continue
        }
        let count = min(run.count, SegmentLayout.largestInlineRecord)
        platform_copy(copy, start, count)
        let used = forward(UnsafeRawBufferPointer(start: copy, count: count))
        guard used > 0 else { return }
        position &+= UInt64(used)
        ring.advance(reader: RingHeader.agentReader, to: position)
        if out.bytes.count >= Forwarder.batch {
          guard send() else { return }
        }
      }
      _ = send()
      owner.lock.withLock {
        owner.isOpen[Int(channel)] = false
        owner.totals.journalObjects -= journalShare.objects
        owner.totals.journalBytes -= journalShare.bytes
      }
    }

    /// Takes whole records off the front of `bytes`; the count of bytes taken, 0 after a failure.
    private mutating func forward(_ bytes: UnsafeRawBufferPointer) -> Int {
      var offset = 0
      while offset + 8 <= bytes.count && !isClosed {
        let opcode = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        let size = Int(bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
        guard size >= 8, size & 7 == 0,
          size <= SegmentLayout.largestInlineRecord || opcode == ControlOpcode.pad
        else {
          fail("a record of \(size) bytes")
          return 0
        }
        if opcode == ControlOpcode.pad {
          // Padding may reach beyond the part that was copied; it is the end of the ring.
          guard offset == 0 || offset + size <= bytes.count else { return offset }
          offset += size
          continue
        }
        guard size <= bytes.count - offset else { break }
        let record = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size])
        guard translate(opcode, record) else { return 0 }
        offset += size
      }
      if offset == 0 { fail("a record is not whole") }
      return offset
    }

    /// Puts one record into `out` in its inline form. False after a failure.
    private mutating func translate(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
      switch opcode {
      case ControlOpcode.indirect: return indirect(record)
      case ControlOpcode.commandBuffer: return commandBuffer(record)
      case ControlOpcode.memoryAttach, ControlOpcode.queryAttach:
        guard record.count >= 40,
          owner.memory.attach(
            id: u64(record, 8), segmentOffset: u64(record, 16), size: u64(record, 24))
        else {
          return fail(
            "memoryAttach or queryAttach: the place makes no sense, or there is no memory")
        }
        return append(record)
      case ControlOpcode.memoryPages: return memoryPages(record)
      case ControlOpcode.memoryDetach, ControlOpcode.queryDetach:
        guard record.count >= 16 else { return fail("memoryDetach is too short") }
        owner.memory.detach(id: u64(record, 8))
        return append(record)
      case ControlOpcode.openChannel:
        guard record.count >= 16, channel == 0 else { return fail("openChannel makes no sense") }
        guard append(record), send() else { return false }
        owner.open(u32(record, 8))
        return true
      case ControlOpcode.openContext:
        guard record.count >= 16, channel == 0 else { return fail("openContext makes no sense") }
        guard append(record), send() else { return false }
        owner.open(u32(record, 8))
        return true
      case ControlOpcode.closeChannel:
        isClosed = true
        return append(record)
      case ControlOpcode.present, ControlOpcode.glSwap:
        guard append(record) else { return false }
        if owner.clock != nil { presents += PresentedFrame.all(in: record) }
        return true
      default:
        note(opcode, record)
        return append(record)
      }
    }

    private mutating func indirect(_ record: UnsafeRawBufferPointer) -> Bool {
      guard record.count >= 24,
        u64(record, 16) <= UInt64(largestRecord),
        let source = owner.segment.controlRange(
          offset: u64(record, 8), size: u64(record, 16), lowest: SegmentLayout.arenaOffset),
        source.count >= 8, source.count & 7 == 0
      else { return fail("indirect: the record's place or size makes no sense") }
      large.reset()
      guard let place = large.writer.reserve(source.count) else {
        return fail("indirect: no memory for \(source.count) bytes")
      }
      platform_copy(place, source.baseAddress!, source.count)
      let opcode = place.load(as: UInt32.self)
      guard opcode != ControlOpcode.indirect, opcode != ControlOpcode.pad,
        place.load(fromByteOffset: 4, as: UInt32.self) == source.count
      else { return fail("indirect: the record's header does not match") }
      return translate(opcode, UnsafeRawBufferPointer(start: place, count: source.count))
    }

    /// The largest record that the node can be sent: coded records may be sent in parts.
    private var largestRecord: Int {
      encoder == nil ? Link.largestMessage - 8 : SegmentLayout.largestRecord
    }

    private mutating func commandBuffer(_ record: UnsafeRawBufferPointer) -> Bool {
      guard record.count >= 24 else { return fail("commandBuffer is too short") }
      let chunks = Int(u32(record, 16))
      guard chunks <= (record.count - 24) / 16 else { return fail("commandBuffer.chunkCount") }
      // Commands never straddle chunks, so that a long command buffer can be cut between two.
      var first = 0
      var total: UInt64 = 0
      for index in 0..<chunks {
        let count = u64(record, 24 + index * 16 + 8)
        guard count & 7 == 0, count <= UInt64(largestRecord - 24) else {
          return fail("commandBuffer: a chunk of \(count) bytes")
        }
        if total > 0, total + count > Forwarder.largestCommands {
          guard commands(record, first..<index, total) else { return false }
          first = index
          total = 0
        }
        total += count
      }
      return commands(record, first..<chunks, total)
    }

    /// The commands in some of a command buffer's chunks as one record.
    private mutating func commands(
      _ record: UnsafeRawBufferPointer, _ chunks: Range<Int>, _ total: UInt64
    ) -> Bool {
      let size = 24 + Int(total)
      guard makeRoom(size),
        let place = out.writer.fixedRecord(ControlOpcode.commandBufferInline, size)
      else { return fail("commandBuffer: no memory for \(total) bytes") }
      place.storeBytes(of: u64(record, 8), toByteOffset: 8, as: UInt64.self)
      place.storeBytes(of: total, toByteOffset: 16, as: UInt64.self)
      var next = place + 24
      for index in chunks {
        guard
          let source = owner.segment.controlRange(
            offset: u64(record, 24 + index * 16), size: u64(record, 24 + index * 16 + 8),
            lowest: SegmentLayout.arenaOffset)
        else { return fail("commandBuffer: a chunk lies outside the arena") }
        guard source.count > 0, let start = source.baseAddress else { continue }
        platform_copy(next, start, source.count)
        next += source.count
      }
      return true
    }

    private mutating func memoryPages(_ record: UnsafeRawBufferPointer) -> Bool {
      guard record.count >= 24 else { return fail("memoryPages is too short") }
      let id = u64(record, 8)
      let runs = Int(u32(record, 16))
      guard runs <= (record.count - 24) / 16 else { return fail("memoryPages.runCount") }
      for index in 0..<runs {
        let offset = u64(record, 24 + index * 16)
        let count = u64(record, 24 + index * 16 + 8)
        guard offset <= UInt64.max - count else { return fail("memoryPages: a run wraps around") }
        // Piece by piece, so that neither a record nor the lock is held for long.
        var done: UInt64 = 0
        while done < count {
          let step = min(count - done, 1 << 20)
          guard memoryDifferences(id, offset + done, step) else { return false }
          done += step
          if out.bytes.count >= Forwarder.batch {
            guard send() else { return false }
          }
        }
      }
      return true
    }

    private mutating func memoryDifferences(_ id: UInt64, _ offset: UInt64, _ count: UInt64)
      -> Bool
    {
      guard owner.sendsMemoryBlocks else { return plainDifferences(id, offset, count) }
      var bytes: UInt64 = 0
      var isWhole = true
      let known = owner.memory.forEachDifference(id: id, offset: offset, count: count) {
        first, run in
        bytes += UInt64(run.count)
        isWhole = runs.append(first, run) && isWhole
      }
      guard known else { return fail("memoryPages: a range that is not mapped") }
      let runCount = UInt64(runs.runCount)
      guard runCount > 0 else { return true }
      guard isWhole, makeRoom(runs.byteCount + 16 * Int(runCount) + 64) else {
        return fail("memoryPages: no memory")
      }
      // What the node may have kept from another run is looked for in whole runs.
      if owner.content != nil && runs.byteCount / Int(runCount) >= Forwarder.keptRun {
        putPlain(id)
      } else {
        putBlock(id)
      }
      guard !out.writer.failed else { return fail("memoryPages: no memory") }
      let counted = bytes
      owner.lock.withLock {
        owner.totals.uploadBytes += counted
        owner.totals.uploadRuns += runCount
      }
      return true
    }

    /// Writes the gathered runs as a block.
    private mutating func putBlock(_ id: UInt64) {
      out.writer.begin(ControlOpcode.memoryRuns)
      out.writer.u64(id)
      var block = runs
      if !block.finish(chooser, { appendPiece($0, to: &out.writer) }) { out.writer.failed = true }
      runs = block
      out.writer.end()
    }

    /// Writes the gathered runs one by one.
    private mutating func putPlain(_ id: UInt64) {
      out.writer.begin(ControlOpcode.memoryDiff)
      out.writer.u64(id)
      out.writer.u32(runs.runCount)
      out.writer.u32(0)
      var block = runs
      block.take { offset, run in
        out.writer.u64(offset)
        out.writer.u64(UInt64(run.count))
        appendPiece(run, to: &out.writer)
        if let padding = out.writer.reserve(-run.count & 7) {
          platform_zero(padding, -run.count & 7)
        }
      }
      runs = block
      out.writer.end()
    }

    /// For a node that does not know blocks.
    private mutating func plainDifferences(_ id: UInt64, _ offset: UInt64, _ count: UInt64)
      -> Bool
    {
      var runs: UInt32 = 0
      var bytes: UInt64 = 0
      out.writer.begin(ControlOpcode.memoryDiff)
      out.writer.u64(id)
      out.writer.u32(0)
      out.writer.u32(0)
      let known = owner.memory.forEachDifference(id: id, offset: offset, count: count) {
        first, run in
        runs += 1
        bytes += UInt64(run.count)
        out.writer.u64(first)
        out.writer.u64(UInt64(run.count))
        let padded = (run.count + 7) & ~7
        guard let place = out.writer.reserve(padded), let source = run.baseAddress else { return }
        place.storeBytes(of: 0, toByteOffset: padded - 8, as: UInt64.self)
        platform_copy(place, source, run.count)
      }
      guard known else { return fail("memoryPages: a range that is not mapped") }
      if runs == 0 {
        out.writer.cursor = out.writer.record
      } else {
        out.writer.patch(16, runs)
        out.writer.end()
      }
      guard !out.writer.failed else { return fail("memoryPages: no memory") }
      let counted = bytes
      let countedRuns = UInt64(runs)
      owner.lock.withLock {
        owner.totals.uploadBytes += counted
        owner.totals.uploadRuns += countedRuns
      }
      return true
    }

    // MARK: Sending

    /// `records`: u32 channel, u32 reserved, then whole records.
    private mutating func beginMessage() {
      out.reset()
      out.writer.u32(channel)
      out.writer.u32(0)
    }

    /// Sends what is gathered. False when the link is gone.
    private mutating func send() -> Bool {
      guard !out.writer.failed else { return fail("no memory to gather records") }
      guard out.bytes.count > 8 else { return true }
      if !presents.isEmpty {
        owner.clock?.willSend(presents)
        presents.removeAll(keepingCapacity: true)
      }
      let records = UnsafeRawBufferPointer(rebasing: out.bytes[8...])
      var first = 0
      if let recorder = owner.recorder, let beginning = recorder.beginning(in: records) {
        guard send(UnsafeRawBufferPointer(rebasing: records[..<beginning])) else { return false }
        recorder.begin { sendPlain($0, $1) }
        first = beginning
      }
      guard send(UnsafeRawBufferPointer(rebasing: records[first...])) else { return false }
      beginMessage()
      return true
    }

    /// Sends whole records of this channel.
    private mutating func send(_ records: UnsafeRawBufferPointer) -> Bool {
      guard records.count > 0 else { return true }
      // Before the node can answer: the answer stands behind the question in a recording.
      owner.recorder?.records(channel: channel, records)
      if let encoder { return send(records, coded: encoder) }
      return sendPlain(channel, records)
    }

    private mutating func sendPlain(_ channel: UInt32, _ records: UnsafeRawBufferPointer) -> Bool {
      let start = platform_now()
      defer { chooser.sent(records.count, nanoseconds: platform_now() &- start) }
      let link = owner.link
      var header = (channel, UInt32(0))
      return withUnsafeBytes(of: &header) { header in
        do throws(LinkError) {
          try link.send(MessageType.records, [header, records])
          return true
        } catch {
          // The thread that receives knows better why the link is gone, and says so.
          return false
        }
      }
    }

    /// The same for a node that takes coded records.
    private mutating func send(
      _ records: UnsafeRawBufferPointer, coded encoder: StreamEncoder
    ) -> Bool {
      guard encoder.encode(records) else { return fail("no memory to code records") }
      let link = owner.link
      while let isSent = encoder.nextMessage({ header, bytes in
        do throws(LinkError) {
          try link.send(MessageType.codedRecords, [header, bytes])
          return true
        } catch { return false }
      }) {
        guard isSent else { return false }
      }
      let totals = encoder.totals
      owner.lock.withLock { owner.totals.stream += totals.since(counted) }
      counted = totals
      return true
    }

    /// Sends first when `count` bytes more would be too much for a message.
    private mutating func makeRoom(_ count: Int) -> Bool {
      guard out.bytes.count + count > Link.largestMessage else { return true }
      return send()
    }

    private mutating func append(_ record: UnsafeRawBufferPointer) -> Bool {
      guard makeRoom(record.count), let place = out.writer.reserve(record.count) else {
        return fail("no memory to gather records")
      }
      platform_copy(place, record.baseAddress!, record.count)
      return true
    }

    private mutating func note(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) {
      guard opcode >= 0x1000 else { return }
      let before = (journal.objectCount, journal.byteCount)
      journal.note(opcode, record)
      let after = (objects: journal.objectCount, bytes: journal.byteCount)
      guard before != (after.objects, after.bytes) else { return }
      owner.lock.withLock {
        owner.totals.journalObjects += after.objects - journalShare.objects
        owner.totals.journalBytes += after.bytes - journalShare.bytes
      }
      journalShare = after
    }

    @discardableResult
    private func fail(_ what: String) -> Bool {
      owner.lose(LostReason.protocolError, "channel \(channel): \(what)")
      return false
    }

    private func u32(_ record: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
      record.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
    private func u64(_ record: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
      record.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
  }
}

/// Appends a piece of a block as it is.
private func appendPiece(_ piece: UnsafeRawBufferPointer, to writer: inout Writer) {
  guard piece.count > 0, let start = piece.baseAddress, let place = writer.reserve(piece.count)
  else { return }
  platform_copy(place, start, piece.count)
}
