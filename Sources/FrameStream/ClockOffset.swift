/// What another host's clock is ahead of ours, and by how much that may be wrong.
///
/// No message arrives before it was sent. So each one that is told its time of sending at the one end and of arrival at
/// the other bounds the difference of the clocks, those of one direction from above, those of the other from
/// below; messages that waited for nothing bound it best. The truth lies between the bounds, which come as near to each other
/// as the fastest message of each direction lets them: half the shortest round trip each side of the middle. Nothing is
/// sent for it.
///
/// Clocks drift: a bound becomes weaker with its age, and is forgotten after 16 s.
public struct ClockOffset: Sendable {
  /// The tightest bounds of a stretch of time.
  private struct Span {
    var number: UInt64 = .max
    var lower = ClockOffset.none
    var upper = ClockOffset.none
  }

  private static let none = Int64.min
  /// Nanoseconds of a span.
  private static let spanTime: UInt64 = 1 << 30
  private static let spanCount: UInt64 = 16
  /// Two clocks drift apart by no more than 100 millionths.
  private static let drift = 10_000
  /// Beyond it an offset makes no sense.
  private static let largest: Int64 = 1 << 61

  private var spans = [Span](repeating: Span(), count: Int(ClockOffset.spanCount))

  public init() {}

  /// A message left here at `sent`, or later, and was there at `arrived` of the other clock, or earlier. Nanoseconds, as
  /// always here.
  public mutating func note(sent: UInt64, arrivedThere: UInt64) {
    note(now: sent, Int64(bitPattern: arrivedThere &- sent), isUpper: true)
  }

  /// A message left there at `sentThere` of the other clock, or later, and was here at `arrived`, or earlier.
  public mutating func note(sentThere: UInt64, arrived: UInt64) {
    note(now: arrived, Int64(bitPattern: sentThere &- arrived), isUpper: false)
  }

  private mutating func note(now: UInt64, _ bound: Int64, isUpper: Bool) {
    guard bound > -ClockOffset.largest, bound < ClockOffset.largest else { return }
    let number = now / ClockOffset.spanTime
    set(number, bound, isUpper)
    if let (lower, upper) = bounds(number), lower > upper {
      // One of the clocks was set, or its host has slept: what was known is of no use.
      spans = [Span](repeating: Span(), count: spans.count)
      set(number, bound, isUpper)
    }
  }

  private mutating func set(_ number: UInt64, _ bound: Int64, _ isUpper: Bool) {
    let index = Int(number % ClockOffset.spanCount)
    if spans[index].number != number {
      spans[index] = Span()
      spans[index].number = number
    }
    if isUpper {
      let known = spans[index].upper
      spans[index].upper = known == ClockOffset.none ? bound : min(known, bound)
    } else {
      spans[index].lower = max(spans[index].lower, bound)
    }
  }

  /// What the spans until this one say together; nil when they say nothing of one side.
  private func bounds(_ number: UInt64) -> (lower: Int64, upper: Int64)? {
    var lower = ClockOffset.none
    var upper = ClockOffset.none
    for span in spans where span.number <= number && number - span.number < ClockOffset.spanCount {
      let slack =
        Int64(number - span.number) * Int64(ClockOffset.spanTime) / Int64(ClockOffset.drift)
      if span.lower != ClockOffset.none { lower = max(lower, span.lower - slack) }
      if span.upper != ClockOffset.none {
        upper = upper == ClockOffset.none ? span.upper + slack : min(upper, span.upper + slack)
      }
    }
    guard lower != ClockOffset.none, upper != ClockOffset.none else { return nil }
    return (lower, upper)
  }

  /// The other clock less ours at `now`, and how far at most it is from that; nil before there was a message each way.
  public func estimate(now: UInt64) -> (offset: Int64, uncertainty: UInt64)? {
    guard let (lower, upper) = bounds(now / ClockOffset.spanTime), lower <= upper else {
      return nil
    }
    return (lower + (upper - lower) / 2, UInt64(upper - lower) / 2)
  }
}
