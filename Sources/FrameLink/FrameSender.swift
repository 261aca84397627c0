internal import CPlatform

/// The sending end of a frame link: units in, packets out, each when its time has come.
///
/// A unit is cut into shards and followed by parity, as much as the losses that the receiver reports ask for
/// (`LossModel`). Packets leave at the pace that the path is known to take (`RateControl`). Where
/// losses come in bursts, the bands of a frame take turns, so that a burst takes a little of each.
///
/// It does no input or output, and takes the time from its caller: nanoseconds of a clock that never goes
/// back. One thread at a time.
public final class FrameSender {
  public struct Statistics: Equatable, Sendable {
    public var units = 0
    public var unitBytes = 0
    public var packets = 0
    /// Bytes on the wire, and those of them that are parity.
    public var wireBytes = 0
    public var parityBytes = 0
    public var feedbacks = 0
    public var malformedFeedbacks = 0
    public var summaries = 0
    public var lossNotices = 0
    /// Units that were too large, or that there was no room for.
    public var refusedUnits = 0

    public init() {}
  }

  public private(set) var statistics = Statistics()

  private let settings: LinkSettings
  private var control: RateControl
  private var losses = LossModel()

  private var queue: [QueuedUnit] = []
  private var queuedBytes = 0
  /// The band whose turn it was.
  private var lastBand = -1
  private var bands = (0..<LinkSettings.bands).map { _ in BandNumbers() }
  private var frame: UInt32 = 0
  private var frameBands: UInt32 = 0
  private var previousBands: UInt32 = 0

  private var nextNumber: UInt64 = 0
  private var sent = [SentPacket](repeating: SentPacket(), count: FrameSender.memory)
  private var sumSent: UInt64 = 0
  private var nextSend: UInt64 = 0
  private var pacedFrame: UInt32?
  private var train: UInt32 = 0
  private var pace = 0.0

  private var highestArrived: UInt64?
  private var lastSent: UInt64 = 0
  private var summaryDelay = FrameSender.firstSummary
  /// Nanoseconds from sending a packet until its feedback, smoothed; nil before the first.
  public private(set) var roundTrip: UInt64?
  private var receiverClock: (low: UInt32, time: Int64) = (0, 0)
  private var counts: (received: UInt32, lost: UInt32, runs: UInt32) = (0, 0, 0)
  /// Bytes on the wire for each byte of a unit, lately.
  private var overhead = 1.3
  /// How much more the encoder is asked for than it is to make, since encoders do not fill their rate.
  private var correction = 1.0
  private var account = (since: UInt64(0), at: UInt64(0), allowed: 0.0, made: 0.0)

  /// Packets whose sending is remembered, a power of two.
  static let memory = 16384
  /// How far packets may leave ahead of their time, so that several leave in one call.
  static let batch: UInt64 = 1_000_000
  /// How long after the last packet a summary follows, first.
  static let firstSummary: UInt64 = 25_000_000
  static let lastSummary: UInt64 = 400_000_000

  public init(_ settings: LinkSettings = LinkSettings(), now: UInt64) {
    self.settings = settings
    control = RateControl(settings, now: now)
    pace = control.capacity
    nextSend = now
  }

  deinit { for unit in queue { platform_free(unit.memory) } }

  // MARK: Units

  /// Takes a unit to be sent: `write` fills in its `byteCount` bytes. Units of a band come in the order of
  /// their frames, and frames one after the other. False when it is larger than agreed, or too much waits
  /// already: then the encoder is to be told of a loss, since the receiver will not miss it.
  @discardableResult
  public func enqueue(
    band: Int, frame: UInt32, byteCount: Int, now: UInt64,
    _ write: (UnsafeMutableRawPointer) -> Void
  ) -> Bool {
    guard bands.indices.contains(band), byteCount <= settings.largestUnit,
      queuedBytes + byteCount <= settings.senderMemory,
      let split = UnitSplit.even(byteCount: byteCount, largest: settings.shardBytes),
      let memory = platform_malloc(byteCount)
    else {
      statistics.refusedUnits += 1
      return false
    }
    write(memory)
    if frame != self.frame {
      previousBands = frame == self.frame &+ 1 ? frameBands : 0
      self.frame = frame
      frameBands = 0
    }
    frameBands |= 1 << UInt32(band)
    // How far apart the shards of a group are on the link: groups of a unit take turns, and where there
    // are bursts bands do.
    // A repair that is lost in its turn costs another round trip.
    let isRepair = bands[band].repairs
    bands[band].repairs = false
    let turns = takesTurns ? max(queue.count, previousBands.nonzeroBitCount, 1) : 1
    let data = split.dataCount(0)
    let parity =
      settings.mostParity > 0
      ? max(
        losses.parity(
          dataCount: data, spacing: split.groups * turns,
          residual: settings.residualLoss * (isRepair ? 0.1 : 1),
          most: Int((Double(data) * settings.mostParity).rounded(.up))),
        settings.leastParity) : 0
    let unit = QueuedUnit(
      memory: memory, split: split, band: band, frame: frame, unit: bands[band].next,
      repair: bands[band].repair, isRepair: isRepair, previousBands: previousBands,
      parityCount: min(parity, ReedSolomon.mostShards - data))
    bands[band].next &+= 1
    bands[band].frame = frame
    if queue.isEmpty, nextSend < now {
      // There was nothing to send for a moment: what comes is another train.
      nextSend = now
      pacedFrame = nil
    }
    queue.append(unit)
    queuedBytes += unit.wireBytes(settings)
    statistics.units += 1
    statistics.unitBytes += byteCount
    let ratio = Double(unit.wireBytes(settings)) / Double(byteCount)
    // Small units say little of what a frame that fills the rate has around it.
    if split.shards > 2 { overhead += (ratio - overhead) / 16 }
    account.made += Double(unit.wireBytes(settings)) * 8
    return true
  }

  /// Hands over the bands whose pictures the receiver does not have, each with the first frame of which it
  /// lacks something: to be called before a frame is coded, so that its units repair what is told here.
  public func takeLosses(_ body: (_ band: Int, _ since: UInt32) -> Void) {
    for index in bands.indices {
      guard let since = bands[index].lossSince else { continue }
      bands[index].lossSince = nil
      bands[index].repair = bands[index].lossNumber
      bands[index].repairs = true
      body(index, since)
    }
  }

  /// Whether `takeLosses` has something to hand over.
  public var hasLosses: Bool { bands.contains { $0.lossSince != nil } }

  // MARK: Rates

  /// Bits a second that the encoder is to be set to: what the path takes, less parity and headers, and
  /// corrected by how far the encoder has kept to it. To be asked before each frame.
  public func mediaBitsPerSecond(now: UInt64) -> Int {
    let rate = control.rate(now: now)
    account.allowed += rate * Double(min(now &- account.at, 100_000_000)) / 1e9
    account.at = now
    if now &- account.since >= 250_000_000 {
      let filled = account.made / max(account.allowed, 1)
      // Less than that is an application with little to show, and no encoder that makes less.
      if !control.isDraining, filled > 0.6, filled < 1.5 {
        correction = min(max(correction * (1 + 0.3 * (1 / filled - 1)), 0.7), 1.35)
      }
      account = (now, now, 0, 0)
    }
    return Int(rate / overhead * correction)
  }

  /// Bits a second on the wire.
  public func wireBitsPerSecond(now: UInt64) -> Int { Int(control.rate(now: now)) }

  /// Bits a second that the path is thought to take.
  public var capacity: Double { control.capacity }

  /// How long a unit that is enqueued now would wait, here and on the path, in nanoseconds: when it is more
  /// than a frame's time, a frame is better left out than coded.
  public func delay(now: UInt64) -> UInt64 {
    let here = Double(queuedBytes) * 8e9 / max(control.capacity, 1)
    return UInt64(here) &+ UInt64(control.queue(now: now))
  }

  /// Whether units wait to be sent.
  public var isQueueing: Bool { !queue.isEmpty }

  /// What is known of losses on the path: the share of packets, and the mean length of their runs.
  public var lossShare: Double { losses.share }
  public var lossBurst: Double { losses.burst }

  private var takesTurns: Bool { losses.burst > 1.3 }

  // MARK: Packets

  /// Writes the next packet into `room` of `packetBytes`, when its time has come: its number, and its bytes.
  /// To be called until it gives nil, and then again at `deadline`.
  public func nextPacket(
    now: UInt64, into room: UnsafeMutableRawBufferPointer
  ) -> (number: UInt64, byteCount: Int)? {
    guard room.count >= settings.packetBytes, let p = room.baseAddress else { return nil }
    guard let index = nextUnit() else { return nextSummary(now, p) }
    guard nextSend <= now &+ FrameSender.batch else { return nil }
    if queue[index].frame != pacedFrame {
      pacedFrame = queue[index].frame
      train &+= 1
      pace = control.beginTrain(now: now)
    }
    lastBand = queue[index].band
    let (count, isParity) = queue[index].writeShard(to: p)
    let wire = count + settings.overheadBytes
    queuedBytes -= wire
    if isParity { statistics.parityBytes += wire }
    if queue[index].isSent {
      platform_free(queue[index].memory)
      queue.remove(at: index)
    }
    // Late calls are made up for, but not by more than a few batches at once.
    let pause = UInt64(Double(wire) * 8e9 / max(pace, 1))
    nextSend = max(nextSend, now &- min(4 * FrameSender.batch, now)) &+ pause
    summaryDelay = FrameSender.firstSummary
    return note(now, count)
  }

  /// When `nextPacket` may have a packet; nil when there is none to be had before another call.
  public func deadline(now: UInt64) -> UInt64? {
    if !queue.isEmpty { return nextSend > now &+ FrameSender.batch ? nextSend : now }
    return awaitsArrival ? lastSent &+ summaryDelay : nil
  }

  private var awaitsArrival: Bool {
    nextNumber > 0 && (highestArrived.map { $0 &+ 1 < nextNumber } ?? true)
  }

  /// Of the oldest frame, the unit whose turn it is.
  private func nextUnit() -> Int? {
    guard let first = queue.first else { return nil }
    guard takesTurns else { return 0 }
    var best: Int?
    for (index, unit) in queue.enumerated() where unit.frame == first.frame {
      // The band behind the last one's, around.
      if unit.band > lastBand { return index }
      best = best ?? index
    }
    return best
  }

  private func nextSummary(
    _ now: UInt64, _ p: UnsafeMutableRawPointer
  ) -> (number: UInt64, byteCount: Int)? {
    guard awaitsArrival, now >= lastSent &+ summaryDelay else { return nil }
    let entries = bands.enumerated().compactMap { index, band in
      band.frame.map {
        SummaryEntry(band: index, repair: band.repair, unit: band.next &- 1, frame: $0)
      }
    }
    guard !entries.isEmpty,
      settings.packetBytes >= SummaryEntry.headerBytes + entries.count * SummaryEntry.byteCount
    else { return nil }
    summaryDelay = min(2 * summaryDelay, FrameSender.lastSummary)
    statistics.summaries += 1
    train &+= 1
    pacedFrame = nil
    return note(now, SummaryEntry.write(entries, to: p))
  }

  private func note(_ now: UInt64, _ count: Int) -> (number: UInt64, byteCount: Int) {
    let number = nextNumber
    nextNumber += 1
    let wire = count + settings.overheadBytes
    sumSent &+= UInt64(wire)
    sent[Int(number % UInt64(FrameSender.memory))] = SentPacket(
      number: number, at: now, sum: sumSent, bytes: wire, train: train, pace: pace, isNew: true)
    lastSent = now
    control.noteSent(sum: sumSent)
    control.tick(
      now: now, awaitsFeedback: awaitsArrival && number > 0, roundTrip: roundTrip ?? 100_000_000)
    statistics.packets += 1
    statistics.wireBytes += wire
    return (number, count)
  }

  // MARK: Feedback

  /// Takes a packet from the receiver, which has been authenticated. False when it is malformed, or speaks
  /// of packets that were never sent.
  @discardableResult
  public func receive(_ packet: UnsafeRawBufferPointer, now: UInt64) -> Bool {
    guard packet.first == PacketKind.feedback.rawValue, let feedback = Feedback(packet),
      let highest = number(feedback.highest), feedback.notices.allSatisfy({ $0.band < bands.count })
    else {
      statistics.malformedFeedbacks += 1
      return false
    }
    statistics.feedbacks += 1
    takeNotices(feedback.notices)
    let received = Int32(bitPattern: feedback.receivedCount &- counts.received)
    let lost = Int32(bitPattern: feedback.lostCount &- counts.lost)
    let runs = Int32(bitPattern: feedback.lossRuns &- counts.runs)
    // One that was overtaken by the next says nothing new of losses.
    let isNewer = received >= 0 && lost >= 0 && runs >= 0
    if isNewer {
      counts = (feedback.receivedCount, feedback.lostCount, feedback.lossRuns)
      losses.add(received: Int(received), lost: Int(lost), runs: Int(runs))
    }
    if highestArrived.map({ highest > $0 }) ?? true {
      highestArrived = highest
      let at = sent[Int(highest % UInt64(FrameSender.memory))].at
      let age = UInt64(feedback.age) * 1000
      let time = now &- min(at, now)
      noteRoundTrip(time > age ? time - age : time)
    }
    control.take(
      arrivals(feedback, highest), received: isNewer ? Int(received) : 0,
      lost: isNewer ? Int(lost) : 0, now: now)
    return true
  }

  private func takeNotices(_ notices: [LossNotice]) {
    for notice in notices
    where Int8(bitPattern: notice.number &- bands[notice.band].lossNumber) > 0 {
      bands[notice.band].lossNumber = notice.number
      let known = bands[notice.band].lossSince
      bands[notice.band].lossSince =
        known.map { Int32(bitPattern: notice.since &- $0) < 0 ? notice.since : $0 }
        ?? notice.since
      statistics.lossNotices += 1
    }
  }

  /// The packets that this feedback is the first to speak of, in the order in which they were sent.
  private func arrivals(_ feedback: Feedback, _ highest: UInt64) -> [RateControl.Arrival] {
    var found: [RateControl.Arrival] = []
    let clock = receiverTime(feedback.receivedAt)
    var next = 0
    for (i, hasArrived) in feedback.arrived.enumerated() where hasArrived {
      guard next < feedback.earlier.count, UInt64(i) <= highest else { break }
      let earlier = feedback.earlier[next]
      next += 1
      let number = highest - UInt64(i)
      let place = Int(number % UInt64(FrameSender.memory))
      guard sent[place].number == number, sent[place].isNew else { continue }
      sent[place].isNew = false
      let packet = sent[place]
      found.append(
        RateControl.Arrival(
          number: number, sentAt: packet.at, receivedAt: (clock &- Int64(earlier)) &* 1000,
          sum: packet.sum, bytes: packet.bytes, train: packet.train, pace: packet.pace))
    }
    found.reverse()
    return found
  }

  /// The whole number of a packet of which the low 32 bits are known; nil when it was not sent, or too long
  /// ago.
  private func number(_ low: UInt32) -> UInt64? {
    guard nextNumber > 0 else { return nil }
    let back = UInt32(truncatingIfNeeded: nextNumber - 1) &- low
    guard UInt64(back) < min(nextNumber, UInt64(FrameSender.memory)) else { return nil }
    return nextNumber - 1 - UInt64(back)
  }

  /// The receiver's clock in microseconds, without its wrapping every 71 minutes.
  private func receiverTime(_ low: UInt32) -> Int64 {
    let time = receiverClock.time &+ Int64(Int32(bitPattern: low &- receiverClock.low))
    receiverClock = (low, time)
    return time
  }

  private func noteRoundTrip(_ time: UInt64) {
    guard let known = roundTrip else {
      roundTrip = time
      return
    }
    roundTrip = known - known / 8 + time / 8
  }
}

/// What the sender keeps of a band.
private struct BandNumbers {
  /// The number of the next unit.
  var next: UInt16 = 0
  /// The frame of the last unit; nil before the first.
  var frame: UInt32?
  /// The last loss that the units from now on repair, and the last that is known.
  var repair: UInt8 = 0
  var lossNumber: UInt8 = 0
  /// The next unit is the first to repair it.
  var repairs = false
  /// The first frame that is lost, until it is handed over.
  var lossSince: UInt32?
}

private struct SentPacket {
  var number: UInt64 = .max
  var at: UInt64 = 0
  var sum: UInt64 = 0
  var bytes = 0
  var train: UInt32 = 0
  var pace = 0.0
  /// No feedback has spoken of its arrival.
  var isNew = false
}

/// A unit on its way out.
private struct QueuedUnit {
  let memory: UnsafeMutableRawPointer
  let split: UnitSplit
  let band: Int
  let frame: UInt32
  let unit: UInt16
  let repair: UInt8
  let isRepair: Bool
  let previousBands: UInt32
  let parityCount: Int
  /// Shards that have been written: first the data, then the parity, row by row.
  private var written = 0

  init(
    memory: UnsafeMutableRawPointer, split: UnitSplit, band: Int, frame: UInt32, unit: UInt16,
    repair: UInt8, isRepair: Bool, previousBands: UInt32, parityCount: Int
  ) {
    self.memory = memory
    self.split = split
    self.band = band
    self.frame = frame
    self.unit = unit
    self.repair = repair
    self.isRepair = isRepair
    self.previousBands = previousBands
    self.parityCount = parityCount
  }

  var isSent: Bool { written == split.shards + split.groups * parityCount }

  func wireBytes(_ settings: LinkSettings) -> Int {
    let parity = split.groups * parityCount
    return split.byteCount + parity * split.shardBytes
      + (split.shards + parity) * (ShardHeader.byteCount + settings.overheadBytes)
  }

  /// Writes the next packet; its bytes.
  mutating func writeShard(to p: UnsafeMutableRawPointer) -> (byteCount: Int, isParity: Bool) {
    let isParity = written >= split.shards
    let group: Int
    let index: Int
    let count: Int
    let body = p + ShardHeader.byteCount
    if isParity {
      let row = (written - split.shards) / split.groups
      group = (written - split.shards) % split.groups
      index = split.dataCount(group) + row
      count = split.shardBytes
      platform_zero(body, count)
      for column in 0..<split.dataCount(group) {
        let shard = split.shard(group: group, index: column)
        ReedSolomon.add(
          memory + split.offset(shard), count: split.count(shard), column: column, toParity: body,
          row: row)
      }
    } else {
      group = written % split.groups
      index = written / split.groups
      count = split.count(written)
      platform_copy(body, memory + split.offset(written), count)
    }
    ShardHeader(
      band: band, group: group, index: index, parityCount: parityCount, repair: repair, unit: unit,
      frame: frame, unitBytes: split.byteCount, shardBytes: split.shardBytes,
      isRepair: isRepair, previousBands: previousBands
    ).write(to: p)
    written += 1
    return (ShardHeader.byteCount + count, isParity)
  }
}
