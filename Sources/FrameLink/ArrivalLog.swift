/// Which packets have arrived, and when; which are missing for good, and how they lie together.
struct ArrivalLog {
  /// Numbers that are remembered, a power of two.
  static let length = 2048
  /// A packet counts as lost when one has arrived that is this much newer.
  static let settling: UInt64 = 64

  private(set) var highest: UInt64?
  private(set) var receivedCount: UInt32 = 0
  private(set) var lostCount: UInt32 = 0
  private(set) var lossRuns: UInt32 = 0
  /// Arrival in nanoseconds for each number, 0 when it has not come.
  private var times = [UInt64](repeating: 0, count: ArrivalLog.length)
  /// Numbers below this have been counted as arrived or lost.
  private var settled: UInt64 = 0
  private var lastWasLost = false

  enum Verdict: Equatable {
    /// The packet is new; `behind` numbers higher than its own were there already at most.
    case new(behind: UInt64)
    case duplicate
    /// Too old to be told from a duplicate.
    case old
  }

  private static func place(_ number: UInt64) -> Int { Int(number % UInt64(length)) }

  func time(_ number: UInt64) -> UInt64? {
    guard let highest, number <= highest, highest - number < UInt64(ArrivalLog.length) else {
      return nil
    }
    let time = times[ArrivalLog.place(number)]
    return time == 0 ? nil : time
  }

  mutating func note(_ number: UInt64, _ now: UInt64) -> Verdict {
    if let highest, number <= highest {
      guard number >= settled, highest - number < UInt64(ArrivalLog.length) else { return .old }
      guard times[ArrivalLog.place(number)] == 0 else { return .duplicate }
      times[ArrivalLog.place(number)] = max(now, 1)
      receivedCount &+= 1
      return .new(behind: highest - number)
    }
    // Numbers from `first` on are forgotten when the ring turns over them: they are settled before.
    let first = highest.map { $0 &+ 1 } ?? 0
    if number >= ArrivalLog.settling { settle(before: number - ArrivalLog.settling) }
    if number - first >= UInt64(ArrivalLog.length) {
      for i in times.indices { times[i] = 0 }
    } else {
      var other = first
      while other < number {
        times[ArrivalLog.place(other)] = 0
        other += 1
      }
    }
    times[ArrivalLog.place(number)] = max(now, 1)
    highest = number
    receivedCount &+= 1
    return .new(behind: 0)
  }

  /// Counts what is missing among the numbers below `end`, none of which is above the highest but by a
  /// jump.
  private mutating func settle(before end: UInt64) {
    while settled < end {
      guard let highest, settled <= highest, highest - settled < UInt64(ArrivalLog.length) else {
        // A jump beyond everything that has come: one run.
        if !lastWasLost { lossRuns &+= 1 }
        lastWasLost = true
        lostCount &+= UInt32(truncatingIfNeeded: end - settled)
        settled = end
        return
      }
      let isLost = times[ArrivalLog.place(settled)] == 0
      if isLost {
        lostCount &+= 1
        if !lastWasLost { lossRuns &+= 1 }
      }
      lastWasLost = isLost
      settled += 1
    }
  }
}
