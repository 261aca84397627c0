/// What a path takes: from when packets were sent, when they arrived, and how many did not.
///
/// The path is thought of as one queue in front of a link of `capacity`. Three observations move it:
///
/// * **Trains.** The packets of a frame leave at a pace that is known. When they arrive at a slower one, the
///   link has spread them, and their pace is its capacity; when they do not, it has at least the pace that
///   they left at. Now and then a frame leaves at twice the capacity that is known, which costs no more
///   than that frame's own bytes for a moment in the queue, and finds a link that has grown.
/// * **Delay.** A queue that stands, so that even the first packets of a frame wait, and does not fall, says
///   that the capacity is what arrives, and that it has been exceeded.
/// * **Loss** without a queue, far beyond what the path loses at all times, says the same of a link
///   that drops what it does not take.
///
/// Between observations the queue is computed: what was sent since, less what the link has taken since.
/// While there is one, the rate is lowered so that it goes.
struct RateControl {
  /// A packet that has arrived.
  struct Arrival {
    var number: UInt64
    /// Nanoseconds of the sender's clock.
    var sentAt: UInt64
    /// Nanoseconds of the receiver's clock; it has another zero.
    var receivedAt: Int64
    /// Bytes on the wire of all packets up to this one.
    var sum: UInt64
    var bytes: Int
    /// Packets of one frame that left at one pace, and that pace in bits a second.
    var train: UInt32
    var pace: Double
  }

  /// The share of the capacity that is used.
  static let use = 0.95
  /// A queue of this many nanoseconds is none.
  static let noQueue: Int64 = 2_500_000
  /// One that stands, at least.
  static let standing: Int64 = 5_000_000
  /// What a clock that jumps, or lies, can make of one at most.
  static let mostQueue: Int64 = 10_000_000_000
  /// A train has this many packets at least.
  static let trainPackets = 5
  static let probeInterval: ClosedRange<UInt64> = 200_000_000...5_000_000_000
  /// Loss beyond that of all times that says that the capacity is exceeded.
  static let excessLoss = 0.10
  static let mostUsualLoss = 0.15

  private let settings: LinkSettings
  /// Bits a second on the wire that the path is known to take.
  private(set) var capacity: Double
  private(set) var isDraining = false

  // Delay.
  /// The smallest difference of the clocks' readings in this ten seconds and the last.
  private var base = (current: Int64.max, previous: Int64.max, since: UInt64(0))
  /// The packets of late, with how long each has waited.
  private var recent: [(arrival: Arrival, queue: Int64)] = []
  private var lastQueue: Int64 = 0
  private var queueBefore: (at: UInt64, queue: Int64) = (0, 0)
  private var drainingSince: UInt64 = 0
  private var drainBegan: Int64 = 0
  private var newest: Arrival?
  private var sumSent: UInt64 = 0

  // Trains.
  private var train: (id: UInt32, first: Arrival, last: Arrival, count: Int, bytes: Int)?
  private var lastTrain: UInt64 = 0
  private var nextProbe: UInt64
  private var probeInterval = RateControl.probeInterval.lowerBound
  private var raisedAt: UInt64 = 0

  // Loss.
  private var window = (since: UInt64(0), received: 0, lost: 0)
  /// The share that the path loses at any rate.
  private var usualLoss = 0.0
  private var lastFeedback: UInt64
  private var lastGrowth: UInt64
  private var silenceShare = 1.0

  init(_ settings: LinkSettings, now: UInt64) {
    self.settings = settings
    capacity =
      Double(
        min(
          max(settings.firstBitsPerSecond, settings.leastBitsPerSecond), settings.mostBitsPerSecond)
      ) / RateControl.use
    nextProbe = now
    lastFeedback = now
    lastGrowth = now
  }

  // MARK: What is to be sent

  /// Bits a second on the wire that are to be made from now on.
  func rate(now: UInt64) -> Double {
    let excess = Double(queue(now: now)) / 100_000_000
    let share = isDraining ? max(0.3, 1 - excess) : RateControl.use
    let most = Double(settings.mostBitsPerSecond)
    return min(max(capacity * share * silenceShare, Double(settings.leastBitsPerSecond)), most)
  }

  /// How long a packet that is sent now will wait on the path, in nanoseconds.
  func queue(now: UInt64) -> Int64 {
    guard let newest else { return 0 }
    let sent = Double(sumSent &- newest.sum) * 8e9 / max(capacity, 1)
    let since = Int64(clamping: now &- newest.sentAt)
    return max(lastQueue + Int64(min(sent, 1e12)) &- since, 0)
  }

  /// The pace of the frame that begins now, in bits a second.
  mutating func beginTrain(now: UInt64) -> Double {
    guard !isDraining, now >= nextProbe, silenceShare == 1,
      capacity < 4 * Double(settings.mostBitsPerSecond)
    else { return capacity }
    nextProbe = now &+ probeInterval
    return 2 * capacity
  }

  mutating func noteSent(sum: UInt64) { sumSent = sum }

  /// To be called now and then: without any feedback the rate falls.
  mutating func tick(now: UInt64, awaitsFeedback: Bool, roundTrip: UInt64) {
    guard awaitsFeedback else {
      lastFeedback = now
      return
    }
    let patience = max(4 * roundTrip, 250_000_000)
    guard now &- lastFeedback > patience else { return }
    lastFeedback = now
    silenceShare = max(silenceShare / 2, 1.0 / 64)
  }

  // MARK: What has been seen

  /// Takes what one feedback tells: packets in the order in which they were sent, and how many packets have
  /// come and not come since the last.
  mutating func take(
    _ arrivals: [Arrival], received: Int, lost: Int, now: UInt64
  ) {
    lastFeedback = now
    silenceShare = 1
    for arrival in arrivals { takeArrival(arrival) }
    judgeDelay(now)
    judgeLoss(received, lost, now)
    growWithoutTrains(now)
    capacity = min(
      max(capacity, Double(settings.leastBitsPerSecond)), 8 * Double(settings.mostBitsPerSecond))
  }

  private mutating func takeArrival(_ arrival: Arrival) {
    let difference = arrival.receivedAt &- Int64(bitPattern: arrival.sentAt)
    if arrival.sentAt &- base.since > 10_000_000_000 {
      base = (difference, base.current, arrival.sentAt)
    }
    base.current = min(base.current, difference)
    let queue = min(max(difference &- min(base.current, base.previous), 0), RateControl.mostQueue)
    recent.append((arrival, queue))
    if recent.count > 512 { recent.removeFirst(256) }
    if newest.map({ arrival.number > $0.number }) ?? true {
      newest = arrival
      lastQueue = queue
    }
    takeTrain(arrival)
  }

  // MARK: Trains

  private mutating func takeTrain(_ arrival: Arrival) {
    guard let known = train, known.id == arrival.train else {
      judgeTrain()
      train = (arrival.train, arrival, arrival, 1, 0)
      return
    }
    train?.last = arrival
    train?.count = known.count + 1
    train?.bytes = known.bytes + arrival.bytes
  }

  /// What the train that has ended says of the capacity.
  private mutating func judgeTrain() {
    guard let train, train.count >= RateControl.trainPackets else { return }
    // On a fast link all may come in the same microsecond; before each other they come where the path
    // reorders, and say nothing.
    let span = train.last.receivedAt &- train.first.receivedAt
    guard span >= 0, train.last.number > train.first.number else { return }
    // A caller that was late has sent it at less than its pace.
    let sent = Double(train.last.sum &- train.first.sum) * 8e9
    let sending = train.last.sentAt &- min(train.first.sentAt, train.last.sentAt)
    let pace = min(train.first.pace, sending > 0 ? sent / Double(sending) : .infinity)
    // What is missing may be what the link did not take.
    let seen = span > 0 ? min(Double(train.bytes) * 8e9 / Double(span), pace) : pace
    let isWhole = train.last.number &- train.first.number == UInt64(train.count - 1)
    lastTrain = train.last.sentAt
    guard !isDraining else { return }
    if seen > capacity * 1.02 {
      // Not spread: the link may have still more, which the next frame finds out.
      let isBound = seen > 0.9 * pace
      capacity = seen
      raisedAt = train.last.sentAt
      if isBound { nextProbe = min(nextProbe, train.last.sentAt) }
    } else if isWhole, seen < 0.9 * capacity, seen < 0.9 * pace {
      capacity += (seen - capacity) / 4
    }
  }

  /// A path on which frames are too short for trains: growth by a twelfth a second while there is no queue.
  private mutating func growWithoutTrains(_ now: UInt64) {
    defer { lastGrowth = now }
    guard !isDraining, now &- min(lastTrain, now) > 1_000_000_000, lastQueue < RateControl.noQueue
    else { return }
    capacity *= 1 + 0.08 * Double(now &- lastGrowth) / 1e9
  }

  // MARK: Delay

  /// The least that a packet of the last 25 ms has waited.
  private var standingQueue: Int64? {
    guard let last = recent.last?.arrival.sentAt else { return nil }
    var least = Int64.max
    for (arrival, queue) in recent.reversed() {
      guard last &- arrival.sentAt < 25_000_000 else { break }
      least = min(least, queue)
    }
    return least
  }

  /// Bits a second that have arrived of late, while there was a queue: the capacity, if more was sent in the
  /// same time. Nil when less was, so that it says nothing.
  private var deliveredRate: Double? {
    guard let last = recent.last?.arrival else { return nil }
    var first = last
    var count = 0
    for (arrival, queue) in recent.reversed() {
      guard queue > RateControl.noQueue, last.receivedAt &- arrival.receivedAt < 50_000_000 else {
        break
      }
      first = arrival
      count += 1
    }
    let span = last.receivedAt &- first.receivedAt
    let sending = Int64(clamping: last.sentAt &- min(first.sentAt, last.sentAt))
    guard span >= 8_000_000, count >= RateControl.trainPackets, sending < span - span / 16 else {
      return nil
    }
    return Double(last.sum &- first.sum) * 8e9 / Double(span)
  }

  private mutating func judgeDelay(_ now: UInt64) {
    guard let standing = standingQueue else { return }
    let falls = standing < queueBefore.queue &- 500_000
    if now &- queueBefore.at >= 40_000_000 { queueBefore = (now, standing) }
    if isDraining {
      if let seen = deliveredRate, standing > RateControl.standing {
        capacity = min(capacity, seen)
      }
      if standing < RateControl.noQueue || queue(now: now) == 0 && standing < RateControl.standing {
        isDraining = false
        nextProbe = now &+ probeInterval
      } else if now &- drainingSince > 600_000_000, standing > drainBegan / 2 {
        // It does not go though little is sent: the way itself has become longer.
        base = (base.current &+ standing, Int64.max, now)
        isDraining = false
      }
      return
    }
    guard standing > RateControl.standing, !falls else { return }
    if now &- raisedAt < 1_000_000_000 {
      // What a train has promised was not so.
      probeInterval = min(2 * probeInterval, RateControl.probeInterval.upperBound)
    } else {
      probeInterval = RateControl.probeInterval.lowerBound
    }
    isDraining = true
    drainingSince = now
    drainBegan = standing
    if let seen = deliveredRate { capacity = min(capacity, seen) }
  }

  // MARK: Loss

  private mutating func judgeLoss(_ received: Int, _ lost: Int, _ now: UInt64) {
    window.received += received
    window.lost += lost
    let count = window.received + window.lost
    guard count >= 50, now &- window.since >= 200_000_000 else { return }
    let share = Double(window.lost) / Double(count)
    window = (now, 0, 0)
    let isExcess = share > RateControl.excessLoss + 1.5 * usualLoss
    // What is gone when little is sent was not usual; what stays comes to be, up to a limit.
    let weight = share < usualLoss ? 0.3 : 0.03
    usualLoss += (min(share, RateControl.mostUsualLoss) - usualLoss) * weight
    guard isExcess else { return }
    capacity *= max(1 - share, 0.5)
    probeInterval = min(2 * probeInterval, RateControl.probeInterval.upperBound)
    nextProbe = now &+ probeInterval
  }
}
