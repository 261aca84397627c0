/// Says how many interim pictures go between real ones, and when, so that a target rate is held: as many as
/// the measured rate asks for, also in fractions, and no more than there is time to make.
///
/// It does no I/O and knows no clock: times come in with the calls, in seconds of any clock.
public struct InterimPlanner: Sendable {
  /// Pictures a second that are to be shown.
  public var targetRate: Double {
    didSet { targetRate = Self.valid(targetRate) }
  }
  /// Interim pictures between two real ones, at most.
  public var most: Int
  /// The share of a gap that may be spent on making its pictures.
  public var workShare: Double

  private var last: Double?
  /// The last distances between real frames, the oldest first.
  private var gaps: [Double] = []
  /// Seconds that the making of a picture takes; 0 before one was made.
  public private(set) var cost: Double = 0
  /// Pictures that are owed, or too many, from rounding.
  private var carry: Double = 0
  private var pauses = 0
  /// Whether the real rate is below the target.
  public private(set) var isActive = false

  private static let remembered = 8
  /// Gaps this many times longer than usual are pauses of the application: a menu, a level that loads.
  private static let pause: Double = 4
  /// After so many of them one after the other that is the rate.
  private static let mostPauses = 3
  /// Shares of the target rate below which pictures are made, and above which no longer.
  private static let (on, off) = (0.92, 0.97)

  /// - Parameters:
  ///   - targetRate: from 1 to 1000.
  ///   - most: at least 0.
  ///   - workShare: from 0 to 1.
  public init(targetRate: Double, most: Int = 3, workShare: Double = 0.6) {
    self.targetRate = Self.valid(targetRate)
    self.most = max(0, most)
    self.workShare = min(1, max(0, workShare))
  }

  private static func valid(_ rate: Double) -> Double {
    rate.isFinite ? min(1000, max(1, rate)) : 60
  }

  /// Seconds between real frames: the median of the last few; nil before two have come.
  public var interval: Double? {
    gaps.isEmpty ? nil : gaps.sorted()[gaps.count / 2]
  }

  /// A real frame has come that is to be shown at this time. One that is not later than the last is
  /// not counted.
  public mutating func add(frameAt time: Double) {
    guard time.isFinite else { return }
    guard let before = last else {
      last = time
      return
    }
    guard time > before else { return }
    last = time
    let gap = time - before
    if let interval, gap > Self.pause * interval, gaps.count >= 3 {
      // After a pause what was owed is forgotten, and the rate is still what it was.
      carry = 0
      pauses += 1
      guard pauses >= Self.mostPauses else { return }
      gaps = []
    }
    pauses = 0
    gaps.append(gap)
    if gaps.count > Self.remembered { gaps.removeFirst() }
    guard let interval else { return }
    let rate = 1 / interval
    isActive = rate < targetRate * (isActive ? Self.off : Self.on)
    if !isActive { carry = 0 }
  }

  /// An interim picture took so long to make, in seconds.
  public mutating func add(cost seconds: Double) {
    guard seconds.isFinite, seconds >= 0 else { return }
    // Slow ones count soon, fast ones by and by. The first is all that is known.
    cost += cost == 0 ? seconds : (seconds - cost) / (seconds > cost ? 2 : 8)
  }

  /// Pictures are made in another way from now on, of which one takes so long, in seconds; 0: nobody knows.
  public mutating func replace(cost seconds: Double) {
    if seconds.isFinite, seconds >= 0 { cost = seconds }
  }

  /// Interim pictures between two real frames at the rate that there is now, rounded up: 0 when none are made, or
  /// there is not the time to.
  public var picturesAGap: Int {
    guard let interval else { return 0 }
    return min(wantedAGap, affordable(interval))
  }

  /// The same if there were all the time in the world.
  public var wantedAGap: Int {
    guard isActive, let interval else { return 0 }
    return min(most, Int(min(1000, max(1, (interval * targetRate - 1.05).rounded(.up)))))
  }

  private func affordable(_ gap: Double) -> Int {
    cost > 0 ? min(most, Int(min(1000, workShare * gap / cost))) : most
  }

  /// Times of the interim pictures between two real frames that are both there.
  public mutating func instants(from start: Double, to end: Double) -> [Double] {
    guard isActive, start.isFinite, end.isFinite, end > start else { return [] }
    let gap = end - start
    if let interval, gap > Self.pause * interval { return [] }
    return spread(start, gap)
  }

  /// Times of the interim pictures after the last real frame, until the next is expected.
  public mutating func instantsAhead() -> [Double] {
    guard isActive, let last, let interval else { return [] }
    return spread(last, interval)
  }

  /// Evenly through the gap; what rounding leaves is made up for in the next.
  private mutating func spread(_ start: Double, _ gap: Double) -> [Double] {
    let wanted = gap * targetRate - 1 + carry
    let count = max(0, min(affordable(gap), Int(min(1000, max(0, wanted + 0.5)))))
    carry = min(0.5, max(-0.5, wanted - Double(count)))
    guard count > 0 else { return [] }
    return (1...count).map { start + gap * Double($0) / Double(count + 1) }
  }
}
