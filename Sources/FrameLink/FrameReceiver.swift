internal import CPlatform

/// A unit that has arrived whole.
public struct ReceivedUnit {
  public let band: Int
  public let frame: UInt32
  /// Valid during the call that hands the unit over.
  public let bytes: UnsafeRawBufferPointer
  /// For `FrameReceiver.refuse`.
  public let repair: UInt8
}

/// What a receiver hands over, in the order of each band.
public enum ReceiverEvent {
  case unit(ReceivedUnit)
  /// A unit of the band is missing in front of the next.
  case gap(band: Int)
}

/// The receiving end of a frame link: packets in, whole units out, and what is to be told the sender.
///
/// A unit is whole when any k shards of each of its groups have come, in any order. Units of a band come
/// out in order. One that cannot complete any more is *declared* lost, and the sender is told at once:
/// as soon as packets have arrived that were sent behind all of its shards (by as much as the path has
/// lately been seen to reorder), or, at the end of a burst, after a silence that is long for this path.
/// It is given up only when a later unit of its band is complete; until then it may still come.
///
/// It does no input or output, and takes the time from its caller: nanoseconds of any clock that never
/// goes back. One thread at a time. Packets may hold anything: what is wrong with them is counted.
public final class FrameReceiver {
  public struct Statistics: Equatable, Sendable {
    public var packets = 0
    public var duplicatePackets = 0
    /// Came when nobody could tell any more whether they were duplicates.
    public var oldPackets = 0
    public var malformedPackets = 0
    /// Shards that contradict others of their unit.
    public var inconsistentShards = 0
    /// Shards of units that are complete or given up.
    public var lateShards = 0
    /// Shards that there was no memory for.
    public var refusedShards = 0
    public var units = 0
    /// Units and data shards that parity has made good.
    public var repairedUnits = 0
    public var repairedShards = 0
    public var declaredLosses = 0
    /// Units that were declared lost and came all the same.
    public var mistakenLosses = 0
    public var gaps = 0
    /// The largest distance by which a packet was overtaken lately.
    public var reordering = 0

    public init() {}
  }

  public private(set) var statistics = Statistics()

  private let settings: LinkSettings
  private var arrivals = ArrivalLog()
  private var bands = (0..<LinkSettings.bands).map { _ in BandReassembly() }
  private var memoryInUse = 0

  private var newestFrame: UInt32?
  /// The packet by which `newestFrame` became known.
  private var newestFrameNumber: UInt64 = 0
  private var lastArrival: UInt64 = 0
  private var lastFrameSeen: UInt32 = 0
  private var gapMean = 0.0
  private var gapDeviation = 0.0
  private var reorderedAt: UInt64 = 0
  /// Units that are passed by and neither complete nor declared lost.
  private var hasPassed = false
  /// Units were declared lost since `releaseAbandoned`.
  private var hasLost = false

  private var isUrgent = false
  /// Feedbacks that are to repeat news of a loss soon, since they may be lost too.
  private var repeats = 0
  private var hasNews = false
  private var newsCount = 0
  private var lastFeedback: UInt64 = 0
  /// The highest numbers when the last feedbacks were made, the oldest first.
  private var covered: [UInt64] = []

  /// A feedback is due this long after the last when something has come.
  static let feedbackInterval: UInt64 = 10_000_000
  /// Or at once when this many packets have.
  static let feedbackPackets = 128
  /// News of a loss is told twice, this long apart.
  static let repeatInterval: UInt64 = 4_000_000
  /// While a loss is not repaired the sender is reminded this often.
  static let reminderInterval: UInt64 = 40_000_000
  /// A silence in which nothing is declared lost, and one in which everything is.
  static let silence: ClosedRange<UInt64> = 3_000_000...25_000_000
  /// Reordering that has not been seen for this long is forgotten.
  static let reorderingMemory: UInt64 = 60_000_000_000
  static let mostReordering = 64

  public init(_ settings: LinkSettings = LinkSettings()) { self.settings = settings }

  deinit { for band in bands { band.releaseAll() } }

  /// Packets that are missing for good.
  public var lostPackets: Int { Int(arrivals.lostCount) }

  /// Whether a unit of a frame, which has been sent, may still come: it is known and not declared lost, or nothing is
  /// known of it, no packet of a later frame has come, and no long silence has followed upon `since`, when the
  /// receiver heard by another way that the frame was sent.
  public func isUnderWay(band index: Int, frame: UInt32, since: UInt64, now: UInt64) -> Bool {
    guard bands.indices.contains(index) else { return false }
    let band = bands[index]
    guard Int32(bitPattern: frame &- band.deliveredFrame) > 0 else { return false }
    var unit = band.next
    while unit != band.end {
      let state = band.units[band.place(unit)]
      let ahead = state.frame.map { Int32(bitPattern: $0 &- frame) } ?? -1
      guard ahead <= 0 else { return false }
      // What is complete waits for those in front of it alone.
      if state.progress != .complete, !state.isLost { return true }
      if ahead == 0 { return false }
      unit &+= 1
    }
    if let newestFrame, Int32(bitPattern: newestFrame &- frame) > 0, statistics.reordering == 0 {
      return false
    }
    return now < max(since, lastArrival) &+ FrameReceiver.silence.upperBound
  }

  // MARK: In

  /// Takes a packet, `number` of its sender's, which has been authenticated. `handle` is called for what
  /// is complete by it.
  public func receive(
    _ packet: UnsafeRawBufferPointer, number: UInt64, now: UInt64,
    _ handle: (ReceiverEvent) -> Void
  ) {
    statistics.packets += 1
    switch arrivals.note(number, now) {
    case .duplicate:
      statistics.duplicatePackets += 1
      return
    case .old:
      statistics.oldPackets += 1
      return
    case .new(let behind):
      if behind > 0 {
        statistics.reordering = max(
          statistics.reordering, Int(min(behind, UInt64(FrameReceiver.mostReordering))))
        reorderedAt = now
      }
    }
    hasNews = true
    newsCount += 1
    if statistics.reordering > 0, now &- reorderedAt > FrameReceiver.reorderingMemory {
      statistics.reordering = 0
    }
    switch packet.first.flatMap(PacketKind.init(rawValue:)) {
    case .shard: takeShard(packet, number, now, handle)
    case .summary: takeSummary(packet, number)
    case .feedback, nil: statistics.malformedPackets += 1
    }
    lastArrival = now
    if hasPassed { declarePassed() }
    releaseAbandoned(handle)
  }

  private func takeShard(
    _ packet: UnsafeRawBufferPointer, _ number: UInt64, _ now: UInt64,
    _ handle: (ReceiverEvent) -> Void
  ) {
    guard let header = ShardHeader(packet), header.band < LinkSettings.bands,
      header.unitBytes <= settings.largestUnit, header.shardBytes > 0
    else {
      statistics.malformedPackets += 1
      return
    }
    measureGap(header.frame, now)
    let band = bands[header.band]
    // Of the units before the first repair it is known that they were none.
    let before = header.isRepair ? header.repair &- 1 : header.repair
    guard reveal(band, header.unit, header.repair, before: before, header.frame, number) else {
      statistics.lateShards += 1
      return
    }
    advance(to: header.frame, header.previousBands, number)
    let shard = UnsafeRawBufferPointer(rebasing: packet[ShardHeader.byteCount...])
    let place = band.place(header.unit)
    if band.units[place].progress == .unseen {
      let limit = settings.receiverMemory - memoryInUse
      switch band.units[place].begin(header, room: limit) {
      case .malformed:
        statistics.malformedPackets += 1
        return
      case .memory:
        statistics.refusedShards += 1
        return
      case nil:
        memoryInUse += band.units[place].memoryBytes
        if let newestFrame, Int32(bitPattern: header.frame &- newestFrame) < 0 {
          band.units[place].passedBy = band.units[place].passedBy ?? newestFrameNumber
          hasPassed = true
        }
      }
    }
    if band.units[place].progress == .complete {
      statistics.lateShards += 1
      return
    }
    switch band.units[place].add(header, shard) {
    case .duplicate: statistics.duplicatePackets += 1
    case .inconsistent: statistics.inconsistentShards += 1
    case .taken:
      if band.units[place].progress == .complete {
        if band.units[place].isLost { statistics.mistakenLosses += 1 }
        if band.units[place].repairedShards > 0 {
          statistics.repairedUnits += 1
          statistics.repairedShards += band.units[place].repairedShards
        }
        deliver(header.band, handle)
      } else if statistics.reordering == 0, !band.units[place].isLost,
        band.units[place].isBeyondRepair
      {
        declareLost(header.band, header.unit)
      }
    }
  }

  private func takeSummary(_ packet: UnsafeRawBufferPointer, _ number: UInt64) {
    guard let entries = SummaryEntry.read(packet),
      entries.allSatisfy({ $0.band < LinkSettings.bands })
    else {
      statistics.malformedPackets += 1
      return
    }
    for entry in entries {
      let band = bands[entry.band]
      _ = reveal(
        band, entry.unit, entry.repair, before: entry.repair, entry.frame, number)
      band.pass(by: number)
    }
    hasPassed = true
  }

  /// Gaps between packets of one frame: how long a silence is an unusual one.
  private func measureGap(_ frame: UInt32, _ now: UInt64) {
    defer { lastFrameSeen = frame }
    guard frame == lastFrameSeen, lastArrival > 0, now >= lastArrival else { return }
    let gap = Double(min(now - lastArrival, FrameReceiver.silence.upperBound))
    gapDeviation += (abs(gap - gapMean) - gapDeviation) / 16
    gapMean += (gap - gapMean) / 16
  }

  private var unusualSilence: UInt64 {
    let range = FrameReceiver.silence
    return min(max(UInt64(2 * gapMean + 4 * gapDeviation), range.lowerBound), range.upperBound)
  }

  /// The first packet of a newer frame says that all of the frames before has been sent, and which bands
  /// the last of them had.
  private func advance(to frame: UInt32, _ previous: UInt32, _ number: UInt64) {
    guard let newest = newestFrame else {
      newestFrame = frame
      newestFrameNumber = number
      return
    }
    guard Int32(bitPattern: frame &- newest) > 0 else { return }
    newestFrame = frame
    newestFrameNumber = number
    hasPassed = true
    for (index, band) in bands.enumerated() {
      band.pass(by: number, before: frame)
      guard previous >> UInt32(index) & 1 != 0,
        Int32(bitPattern: frame &- 1 &- band.newestFrame) > 0
      else { continue }
      // It may be the repair of the last loss.
      let repair = band.lossNumber
      _ = reveal(band, band.end, repair, before: repair, frame &- 1, number)
      band.pass(by: number, before: frame)
    }
  }

  /// Makes a unit known, and those before it, of which none has a higher `repair` than `before`; false when
  /// it is behind what has been handed over.
  private func reveal(
    _ band: BandReassembly, _ unit: UInt16, _ repair: UInt8, before: UInt8, _ frame: UInt32,
    _ number: UInt64
  ) -> Bool {
    let ahead = Int(Int16(bitPattern: unit &- band.next))
    guard ahead >= 0 else { return false }
    guard Int16(bitPattern: unit &- band.end) >= 0 else { return true }
    if ahead >= BandReassembly.window {
      // What is so far behind is given up, to make room.
      memoryInUse -= band.skip(to: unit &- UInt16(BandReassembly.window - 1))
      band.mustReport = true
      noteLoss(band, repair: before)
    }
    band.pass(by: number)
    while band.end != unit {
      band.units[band.place(band.end)] = Reassembly(repair: before, frame: nil, passedBy: number)
      band.end &+= 1
      hasPassed = true
    }
    band.units[band.place(unit)] = Reassembly(repair: repair, frame: frame, passedBy: nil)
    band.end &+= 1
    band.newestFrame = frame
    return true
  }

  // MARK: Out

  private func deliver(_ index: Int, _ handle: (ReceiverEvent) -> Void) {
    let band = bands[index]
    while band.next != band.end {
      let place = band.place(band.next)
      if band.units[place].progress == .complete {
        if band.mustReport {
          band.mustReport = false
          statistics.gaps += 1
          handle(.gap(band: index))
        }
        let unit = band.units[place]
        statistics.units += 1
        band.deliveredFrame = unit.frame ?? band.deliveredFrame
        if band.isOutstanding, Int8(bitPattern: unit.repair &- band.lossNumber) >= 0 {
          band.isOutstanding = false
        }
        handle(
          .unit(
            ReceivedUnit(
              band: index, frame: band.deliveredFrame, bytes: unit.bytes, repair: unit.repair)))
      } else {
        guard band.units[place].isLost, band.hasComplete else { return }
        band.mustReport = true
      }
      memoryInUse -= band.dropFirst()
    }
  }

  /// What was declared lost by this packet may stand before what is complete already.
  private func releaseAbandoned(_ handle: (ReceiverEvent) -> Void) {
    guard hasLost else { return }
    hasLost = false
    for (index, band) in bands.enumerated() where band.next != band.end {
      deliver(index, handle)
    }
  }

  /// The decoder could not use a unit: its band needs repair, unless that is under way.
  public func refuse(band: Int, repair: UInt8) {
    guard bands.indices.contains(band) else { return }
    noteLoss(bands[band], repair: repair)
  }

  // MARK: Losses

  private func declareLost(_ index: Int, _ unit: UInt16) {
    let band = bands[index]
    let place = band.place(unit)
    band.units[place].isLost = true
    hasLost = true
    statistics.declaredLosses += 1
    noteLoss(band, repair: band.units[place].repair)
  }

  /// `repair`: the last loss that the sender can have known of when it sent what is lost. When that was not
  /// the last one, what it sends for that one has this too.
  private func noteLoss(_ band: BandReassembly, repair: UInt8) {
    if band.isOutstanding {
      guard Int8(bitPattern: repair &- band.lossNumber) >= 0 else { return }
    } else {
      band.since = band.deliveredFrame &+ 1
    }
    band.isOutstanding = true
    band.lossNumber &+= 1
    isUrgent = true
    repeats = 1
  }

  /// Declares lost what was sent before packets that are there.
  private func declarePassed() {
    guard let highest = arrivals.highest else { return }
    hasPassed = false
    forEachOpen { index, unit, state in
      guard let passedBy = state.passedBy else { return }
      if highest >= passedBy &+ UInt64(statistics.reordering) {
        declareLost(index, unit)
      } else {
        hasPassed = true
      }
    }
  }

  /// Units that are neither complete nor declared lost.
  private func forEachOpen(_ body: (Int, UInt16, Reassembly) -> Void) {
    for (index, band) in bands.enumerated() where band.next != band.end {
      var unit = band.next
      while unit != band.end {
        let state = band.units[band.place(unit)]
        if state.progress != .complete, !state.isLost { body(index, unit, state) }
        unit &+= 1
      }
    }
  }

  private var hasOpen: Bool {
    bands.contains { band in
      var unit = band.next
      while unit != band.end {
        let state = band.units[band.place(unit)]
        if state.progress != .complete, !state.isLost { return true }
        unit &+= 1
      }
      return false
    }
  }

  /// To be called at `deadline`: what has not come after a silence is declared lost.
  public func tick(now: UInt64, _ handle: (ReceiverEvent) -> Void) {
    guard lastArrival > 0, now >= lastArrival &+ unusualSilence else { return }
    forEachOpen { index, unit, _ in declareLost(index, unit) }
    releaseAbandoned(handle)
  }

  /// When to call `tick` and `feedback` again, though nothing comes; nil when there is no need.
  public var deadline: UInt64? {
    var first: UInt64?
    func at(_ time: UInt64) { first = min(first ?? time, time) }
    if isUrgent || newsCount >= FrameReceiver.feedbackPackets {
      at(0)
    } else if repeats > 0 {
      at(lastFeedback &+ FrameReceiver.repeatInterval)
    } else if hasNews {
      at(lastFeedback &+ FrameReceiver.feedbackInterval)
    } else if bands.contains(where: \.isOutstanding) {
      at(lastFeedback &+ FrameReceiver.reminderInterval)
    }
    if hasOpen { at(lastArrival &+ unusualSilence) }
    return first
  }

  // MARK: Feedback

  /// Writes a feedback packet when one is due; its bytes, otherwise 0. `room`: `packetBytes` of the
  /// settings.
  public func feedback(now: UInt64, into room: UnsafeMutableRawBufferPointer) -> Int {
    guard let highest = arrivals.highest else { return 0 }
    let sinceLast = now &- lastFeedback
    let isDue =
      isUrgent || newsCount >= FrameReceiver.feedbackPackets
      || (repeats > 0 && sinceLast >= FrameReceiver.repeatInterval)
      || (hasNews && sinceLast >= FrameReceiver.feedbackInterval)
      || (sinceLast >= FrameReceiver.reminderInterval && bands.contains(where: \.isOutstanding))
    guard isDue, let arrived = arrivals.time(highest) else { return 0 }
    var feedback = Feedback()
    feedback.highest = UInt32(truncatingIfNeeded: highest)
    feedback.receivedAt = UInt32(truncatingIfNeeded: arrived / 1000)
    feedback.age = UInt32(clamping: (now &- arrived) / 1000)
    feedback.receivedCount = arrivals.receivedCount
    feedback.lostCount = arrivals.lostCount
    feedback.lossRuns = arrivals.lossRuns
    // What the three feedbacks before have covered again, since they may be lost.
    let oldest = covered.first ?? 0
    let span = Int(min(highest - min(oldest, highest) + 1, UInt64(Feedback.mostSpan)))
    feedback.arrived.reserveCapacity(span)
    for i in 0..<span {
      let time = arrivals.time(highest - UInt64(i))
      feedback.arrived.append(time != nil)
      if let time {
        let before = Int64(bitPattern: arrived / 1000 &- time / 1000)
        feedback.earlier.append(Int32(clamping: before))
      }
    }
    for (index, band) in bands.enumerated() where band.isOutstanding {
      feedback.notices.append(
        LossNotice(band: index, number: band.lossNumber, since: band.since))
    }
    covered.append(highest)
    if covered.count > 3 { covered.removeFirst() }
    if !isUrgent, repeats > 0 { repeats -= 1 }
    isUrgent = false
    hasNews = false
    newsCount = 0
    lastFeedback = now
    return feedback.write(to: room)
  }
}

/// The units of one band that are known and not yet handed over.
private final class BandReassembly {
  /// Units of a band that may be under way at a time.
  static let window = 16

  /// The unit to hand over next, and the one behind the last that is known.
  var next: UInt16 = 0
  var end: UInt16 = 0
  var units = (0..<window).map { _ in Reassembly(repair: 0, frame: nil, passedBy: nil) }
  /// The frame of the last unit that is known.
  var newestFrame: UInt32 = 0
  var deliveredFrame: UInt32 = 0
  /// A unit is missing in front of the next one that is handed over.
  var mustReport = false

  /// The band lacks frames from `since` on; `lossNumber` counts.
  var isOutstanding = false
  var lossNumber: UInt8 = 0
  var since: UInt32 = 0

  func place(_ unit: UInt16) -> Int { Int(unit) % BandReassembly.window }

  var hasComplete: Bool {
    var unit = next
    while unit != end {
      if units[place(unit)].progress == .complete { return true }
      unit &+= 1
    }
    return false
  }

  /// What is known of frames before `frame` (nil: everything) has been sent before packet `number`.
  func pass(by number: UInt64, before frame: UInt32? = nil) {
    var unit = next
    while unit != end {
      let state = units[place(unit)]
      let isBefore =
        if let frame, let own = state.frame { Int32(bitPattern: own &- frame) < 0 } else { true }
      if isBefore, state.passedBy == nil { units[place(unit)].passedBy = number }
      unit &+= 1
    }
  }

  /// Forgets the first unit; the bytes that it had.
  func dropFirst() -> Int {
    let bytes = units[place(next)].memoryBytes
    units[place(next)].release()
    units[place(next)] = Reassembly(repair: 0, frame: nil, passedBy: nil)
    next &+= 1
    return bytes
  }

  /// Forgets the units before `unit`, known or not; the bytes that they had.
  func skip(to unit: UInt16) -> Int {
    var bytes = 0
    while next != end, next != unit { bytes += dropFirst() }
    if next == end {
      next = unit
      end = unit
    }
    return bytes
  }

  func releaseAll() { for unit in units { unit.release() } }
}
