internal import CPlatform
internal import CommandStream
internal import FrameStream
internal import GLWire
internal import Glibc
internal import Interim
internal import Ring
internal import Threads
internal import VulkanWire

/// What `--stats` says: the counters of every application process that was served, added up.
///
/// Threads: any.
final class StatisticsTable: @unchecked Sendable {
  private struct Live {
    let segment: Segment
    let nodes: [NodeConnection]
    var forwarder: Forwarder?
    var frames: FrameTable?
    var clock: FrameClock?
    var reader = FrameReader()
    var figures = FrameFigures()
  }

  private let lock = Lock()
  private var live: [ObjectIdentifier: Live] = [:]
  private var ended = StatisticsSnapshot()
  private var begun = 0
  /// Takes each frame that was shown, when somebody wants them one by one. Set before anything begins.
  var frameLog: FrameLog?

  func begin(_ session: AppSession, segment: Segment, nodes: [NodeConnection]) {
    lock.withLock {
      live[ObjectIdentifier(session)] = Live(segment: segment, nodes: nodes)
      begun += 1
    }
  }

  /// The frames come over a link, and so does what the application draws.
  func setForwarder(
    _ session: AppSession, _ forwarder: Forwarder, _ frames: FrameTable, _ clock: FrameClock?
  ) {
    lock.withLock {
      live[ObjectIdentifier(session)]?.forwarder = forwarder
      live[ObjectIdentifier(session)]?.frames = frames
      live[ObjectIdentifier(session)]?.clock = clock
    }
  }

  /// Looks at the frames that were shown since the last time: to be called several times a second, or some are missed.
  func readFrames() {
    lock.withLock {
      for session in live.keys { readFrames(session, isLast: false) }
    }
  }

  /// There was input: the next frame of each application answers it.
  func noteInput(_ time: UInt64) {
    lock.withLock {
      for one in live.values { one.segment.noteInput(time) }
    }
  }

  /// With the lock held.
  private func readFrames(_ session: ObjectIdentifier, isLast: Bool) {
    guard var one = live.removeValue(forKey: session) else { return }
    let missed = one.reader.read(one.segment, isLast: isLast) { stamps in
      one.figures.add(stamps)
      frameLog?.add(stamps)
    }
    one.figures.missed &+= missed
    live[session] = one
  }

  /// Takes the session's last figures; its segment is not looked at afterwards.
  func end(_ session: AppSession) {
    lock.withLock {
      readFrames(ObjectIdentifier(session), isLast: true)
      guard let last = live.removeValue(forKey: ObjectIdentifier(session)) else { return }
      add(last, to: &ended)
    }
  }

  /// How many application processes have connected.
  var connectionCount: Int { lock.withLock { begun } }

  var snapshot: StatisticsSnapshot {
    readFrames()
    return lock.withLock {
      var sum = ended
      for one in live.values { add(one, to: &sum) }
      return sum
    }
  }

  private func add(_ one: Live, to sum: inout StatisticsSnapshot) {
    sum.add(one.segment, one.nodes, one.forwarder, one.frames)
    sum.add(one.figures, one.clock?.estimate)
  }
}

/// Figures at one moment.
struct StatisticsSnapshot {
  private(set) var counters = [UInt64](repeating: 0, count: 32)
  private var roundTrips: [UInt32: UInt64] = [:]
  private var histograms = [[UInt64]](
    repeating: [UInt64](repeating: 0, count: Histogram.buckets), count: 4)
  private var nodes: [(NodeDescription, NodeStatistics)] = []
  private var up: UInt64 = 0
  private var down: UInt64 = 0
  private var uploads: UInt64 = 0
  private var stream = StreamTotals()
  private var journal: (objects: Int, bytes: Int)?
  private var frameTotals = FrameTotals()
  private var figures = FrameFigures()
  private var clock: ClockEstimate?
  private var firstPresent: UInt64 = 0
  private var latestPresent: UInt64 = 0

  var devicesCreated: UInt64 { counters[Counter.devicesCreated] }
  /// Contexts of OpenGL, as the clients count them, or else the nodes.
  var contextsCreated: UInt64 {
    max(counters[Counter.contextsCreated], nodes.reduce(0) { $0 &+ $1.1.contexts })
  }

  mutating func add(
    _ segment: Segment, _ nodes: [NodeConnection], _ forwarder: Forwarder?, _ frames: FrameTable?
  ) {
    if let frames { frameTotals.add(frames.totals) }
    for index in 0..<counters.count {
      counters[index] &+= platform_load64_relaxed(segment.counter(index))
    }
    for index in 0..<Counter.commandCount {
      let opcode = Counter.command(at: index)
      guard let counter = segment.roundTripCounter(opcode) else { continue }
      let count = platform_load32_relaxed(counter)
      if count > 0 { roundTrips[opcode, default: 0] &+= UInt64(count) }
    }
    for histogram in 0..<histograms.count {
      for bucket in 0..<Histogram.buckets {
        histograms[histogram][bucket] &+= UInt64(
          platform_load32_relaxed(segment.histogramBucket(histogram, bucket)))
      }
    }
    let first = platform_load64_relaxed(segment.counter(Counter.firstPresentTime))
    let latest = platform_load64_relaxed(segment.counter(Counter.latestPresentTime))
    if first > 0 {
      firstPresent = firstPresent == 0 ? first : min(firstPresent, first)
      latestPresent = max(latestPresent, latest)
    }
    for node in nodes {
      self.nodes.append((node.description, node.statistics))
      up &+= node.link.sentByteCount
      down &+= node.link.receivedByteCount
    }
    if let totals = forwarder?.statistics {
      uploads &+= totals.uploadBytes
      stream += totals.stream
      journal = (
        (journal?.objects ?? 0) + totals.journalObjects, (journal?.bytes ?? 0) + totals.journalBytes
      )
    }
  }

  mutating func add(_ figures: FrameFigures, _ clock: ClockEstimate?) {
    self.figures.add(figures)
    self.clock = clock ?? self.clock
  }

  private func percentile(_ histogram: Int, _ part: Double) -> Double? {
    milliseconds(histograms[histogram], below: part)
  }

  /// The JSON object of `--stats`. Fields that do not apply are absent.
  func json(application: String) -> String {
    let frames = counters[Counter.framesPresented]
    let seconds =
      latestPresent > firstPresent ? Double(latestPresent - firstPresent) / 1e9 : 0
    let trips = counters[Counter.roundTrips]
    let steady = min(counters[Counter.steadyRoundTrips], trips)
    let recorded = counters[Counter.recordBytes] &+ counters[Counter.commandBufferBytes]
    // To another host: what the commands came to before compression.
    let isCoded = stream.coded > 0
    let commands = isCoded ? stream.coded &- stream.uploads : recorded
    var json = JSONText()
    json.begin("{")
    json.field("version", 1)
    json.field("app", application)
    json.field("api", contextsCreated > 0 ? "gl" : "vulkan")
    json.field("frames", frames)
    json.field("seconds", seconds)
    json.field("fps", seconds > 0 && frames > 1 ? Double(frames - 1) / seconds : 0)
    let replayed = nodes.reduce(0) { $0 &+ $1.1.commands }
    if replayed > 0 { json.field("calls", replayed) }
    json.begin("{", "round_trips")
    json.field("startup", trips - steady)
    json.field("steady", steady)
    json.field("steady_per_frame", frames > 60 ? Double(steady) / Double(frames - 60) : 0)
    json.begin("{", "by_command")
    for (opcode, count) in roundTrips.sorted(by: { $0.key < $1.key }) {
      let name = commandName(opcode) ?? glCommandName(opcode) ?? ControlOpcode.name(opcode)
      json.field(name.map { "\($0)" } ?? "\(opcode)", count)
    }
    json.end("}")
    json.end("}")
    json.begin("{", "bytes")
    json.field("up", up)
    json.field("down", down &+ frameTotals.datagrams.bytes)
    if frames > 0 { json.field("up_per_frame", Double(up) / Double(frames)) }
    json.field("commands", commands)
    json.field("recorded", recorded)
    if journal != nil { json.field("uploads", uploads) }
    if isCoded { json.field("before_compression", stream.coded) }
    json.end("}")
    if isCoded {
      json.begin("{", "blobs")
      json.field("sent", stream.blobsSent)
      json.field("deduplicated", stream.blobsKnown)
      json.field("delta", stream.blobsAsDifference)
      json.field("content", stream.contentHeld)
      json.end("}")
    }
    json.begin("{", "memory")
    json.field("tracked_bytes", counters[Counter.trackedBytes])
    json.field("dirty_pages", counters[Counter.dirtyPages])
    json.field("scan_ms_p50", percentile(Histogram.pageScan, 0.5))
    json.field("scan_ms_p99", percentile(Histogram.pageScan, 0.99))
    json.field("readback_pages", counters[Counter.readbackPages])
    json.end("}")
    json.begin("{", "latency_ms")
    json.field("submit_to_fence_p50", percentile(Histogram.submitToFence, 0.5))
    json.field("present_to_shown_p50", percentile(Histogram.presentToShown, 0.5))
    json.field("present_to_shown_p99", percentile(Histogram.presentToShown, 0.99))
    json.field("round_trip_p50", percentile(Histogram.roundTrip, 0.5))
    json.end("}")
    figures.write(to: &json, clock: clock)
    json.begin("{", "frames_out")
    json.field("codec", "\(frameTotals.coding ?? .raw)")
    json.field("encode_ms_p50", frameTotals.encodeMedian)
    json.field("first_byte_ms_p50", frameTotals.firstUnitMedian)
    json.field("dropped", counters[Counter.framesDropped])
    if frameTotals.leftOut > 0 { json.field("left_out", frameTotals.leftOut) }
    let interim = frameTotals.interim
    if interim.targetRate > 0 { json.field("interim", counters[Counter.interimShown]) }
    let datagrams = frameTotals.datagrams
    if datagrams.packets > 0 {
      json.field("packets", datagrams.packets)
      json.field("lost", datagrams.lost)
      json.field("repaired", datagrams.repaired)
    }
    json.end("}")
    if interim.targetRate > 0 { write(interim, to: &json) }
    if let journal {
      json.begin("{", "journal")
      json.field("objects", UInt64(max(journal.objects, 0)))
      json.field("bytes", UInt64(max(journal.bytes, 0)))
      json.end("}")
    }
    json.begin("[", "nodes")
    for (description, statistics) in nodes {
      json.begin("{")
      json.field("name", description.name)
      json.field("driver", description.driver)
      json.field("cpu_ms", Double(statistics.cpuNanoseconds) / 1e6)
      // A node that does not measure its GPU says nothing of it.
      if statistics.gpuNanoseconds > 0 {
        json.field("gpu_ms", Double(statistics.gpuNanoseconds) / 1e6)
      }
      json.end("}")
    }
    json.end("]")
    json.begin("{", "shard")
    json.field("mode", "off")
    json.end("}")
    json.end("}")
    return json.text + "\n"
  }
}

extension StatisticsSnapshot {
  private func write(_ interim: InterimTotals, to json: inout JSONText) {
    json.begin("{", "interim")
    json.field("target_fps", interim.targetRate)
    json.field("real_shown", counters[Counter.framesShown])
    json.field("shown", counters[Counter.interimShown])
    if interim.geometries > 0 { json.field("geometries", interim.geometries) }
    json.field("held", interim.pictures[InterimTier.hold.rawValue])
    json.field(
      "late", interim.late &+ interim.withdrawn &+ counters[Counter.interimDropped])
    json.field("make_ms_p50", interim.makingMedian)
    json.field("delay_ms", interim.delay * 1000)
    json.begin("{", "tiers")
    for tier in InterimTier.allCases where tier != .hold {
      let count = interim.pictures[tier.rawValue]
      guard count > 0 else { continue }
      json.begin("{", "\(tier)")
      json.field("made", count)
      json.field("confidence", interim.confidence[tier.rawValue] / Double(count))
      json.end("}")
    }
    json.end("}")
    if let latest = interim.latest {
      json.begin("{", "latest")
      json.field("tier", "\(latest.tier)")
      json.field("confidence", latest.confidence)
      json.field("share", latest.share)
      json.end("}")
    }
    json.end("}")
  }
}

/// Writes a statistics file every second, and once more at the end; and the frames that were shown, one by one.
final class StatisticsFile: @unchecked Sendable {
  private let path: String?
  private let application: String
  private let table: StatisticsTable
  private let lock = Lock()
  private var hasFailed = false

  /// `path`: nil for frames alone.
  init(path: String?, application: String, table: StatisticsTable) {
    self.path = path
    self.application = application
    self.table = table
  }

  func start() {
    let started = startThread("omega-stats") { [self] in
      while true {
        for _ in 0..<4 {
          platform_sleep(250_000_000)
          table.readFrames()
          table.frameLog?.write()
        }
        write()
      }
    }
    if !started { Log.warning("no thread for --stats; the file is written at exit only") }
  }

  /// Replaces the file in one step, so that a reader never sees a part of it.
  func write() {
    guard let path else {
      table.readFrames()
      table.frameLog?.write()
      return
    }
    let text = table.snapshot.json(application: application)
    table.frameLog?.write()
    lock.withLock {
      let temporary = "\(path).\(platform_pid())"
      let descriptor = platform_open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
      guard descriptor >= 0 else { return complain(-descriptor) }
      var written = 0
      let bytes = Array(text.utf8)
      while written < bytes.count {
        let count = bytes.withUnsafeBytes {
          platform_write(descriptor, $0.baseAddress! + written, bytes.count - written)
        }
        guard count > 0 else { break }
        written += Int(count)
      }
      _ = platform_close(descriptor)
      if written < bytes.count || rename(temporary, path) != 0 {
        complain(written < bytes.count ? ENOSPC : errno)
        unlink(temporary)
      }
    }
  }

  private func complain(_ code: Int32) {
    guard !hasFailed else { return }
    hasFailed = true
    Log.error("cannot write statistics to '\(path ?? "")': \(String(cString: strerror(code)))")
  }
}

/// A file with a line of JSON for each frame that was shown.
///
/// Threads: any.
final class FrameLog: @unchecked Sendable {
  private let path: String
  private let descriptor: Int32
  private let lock = Lock()
  private var lines = ""
  private var hasFailed = false

  /// Makes the file, or empties it; nil, and errno in `error`, when it cannot.
  init?(path: String, error: inout Int32) {
    self.path = path
    descriptor = platform_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else {
      error = -descriptor
      return nil
    }
  }

  deinit { _ = platform_close(descriptor) }

  func add(_ stamps: FrameStamps) {
    var json = JSONText()
    stamps.write(to: &json)
    lock.withLock { lines += json.text + "\n" }
  }

  /// Writes what was added.
  func write() {
    lock.withLock {
      guard !lines.isEmpty, !hasFailed else { return }
      lines.withUTF8 { bytes in
        var done = 0
        while done < bytes.count, let start = bytes.baseAddress {
          let count = platform_write(descriptor, start + done, bytes.count - done)
          guard count > 0 else {
            hasFailed = true
            Log.error("cannot write the times of frames to '\(path)'; is there room?")
            break
          }
          done += Int(count)
        }
      }
      lines = ""
    }
  }
}
