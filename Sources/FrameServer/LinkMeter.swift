/// What a link takes, from when frames were sent and when the client says that it has them.
///
/// The link has taken for a frame what lies between its first byte and its arrival, without the round trip
/// of what has hardly any bytes; or between the arrivals of the frame before and its own, if that is less.
/// Frames of few bytes say how long the round trip is.
public struct LinkMeter: Sendable {
  private struct Sent {
    var frame: UInt32
    var bytes: Int
    var began: UInt64
  }

  /// A gigabit until it was measured.
  public private(set) var bytesPerSecond = 125e6
  /// Nanoseconds from the first byte of a small frame until the client's word; nil before there was one.
  public private(set) var roundTrip: UInt64?

  private var underWay: [Sent] = []
  private var latestArrival: UInt64 = 0

  /// Frames that are remembered; more are never under way.
  private static let length = 64
  /// Bytes that take no time on any link on which video could be seen.
  private static let fewBytes = 4 << 10
  /// Bytes from which on their time is more than chance.
  private static let enoughBytes = 32 << 10
  /// The most that is believed, bytes a second.
  private static let fastest = 20e9

  public init() {}

  /// A frame of `bytes` was sent, from `began` on. Times are `platform_now`'s.
  public mutating func sent(_ frame: UInt32, bytes: Int, began: UInt64) {
    if underWay.count == LinkMeter.length { underWay.removeFirst() }
    underWay.append(Sent(frame: frame, bytes: bytes, began: began))
  }

  /// The client has a frame since `now`, and decoding it took `decodeTime` of its time. What the link and
  /// frames before it have delayed it by, beyond the round trip; nil for a frame that is not known.
  public mutating func arrived(_ frame: UInt32, now: UInt64, decodeTime: UInt64) -> UInt64? {
    guard let index = underWay.firstIndex(where: { $0.frame == frame }) else { return nil }
    // What has not been heard of came with it.
    let first = underWay[0].began
    let bytes = underWay[...index].reduce(0) { $0 + $1.bytes }
    let began = underWay[index].began
    underWay.removeSubrange(...index)
    let before = latestArrival
    latestArrival = now
    guard now > began else { return 0 }
    let total = (now - began) &- min(decodeTime, now - began)
    if bytes <= LinkMeter.fewBytes {
      // Round trips grow when the way changes, slowly here.
      let known = roundTrip ?? .max
      roundTrip = total < known ? total : known &+ (total &- known) / 64
    }
    let trip = min(roundTrip ?? 0, total)
    // Behind another frame the link was busy with that until it had arrived.
    let alone = (now - first) &- min(trip, now - first)
    let busy = min(alone, now &- min(before, now))
    let transfer = Double(max(1, busy &- min(busy, decodeTime)))
    if bytes >= LinkMeter.enoughBytes {
      let rate = min(Double(bytes) * 1e9 / transfer, LinkMeter.fastest)
      bytesPerSecond += 0.25 * (rate - bytesPerSecond)
    }
    return total - trip
  }
}

/// The rate of video that a link takes without a queue: down when frames wait, up as long as they do not.
public struct VideoRate: Sendable {
  /// Bits a second.
  public private(set) var bitsPerSecond: Int
  /// The most that it becomes.
  private let most: Int
  private var goodFrames = 0
  /// Frames until it may fall again: what was sent before is still to arrive.
  private var pause = 0

  /// Without a limit of the user's.
  public static let standardMost = 60_000_000
  private static let first = 20_000_000
  private static let least = 500_000

  /// `most`: of the user; 0 for none.
  public init(most: Int) {
    self.most = most > 0 ? max(most, VideoRate.least) : VideoRate.standardMost
    bitsPerSecond = min(VideoRate.first, self.most)
  }

  /// A frame has come `delay` nanoseconds later than it would have without others before it and without
  /// bytes of its own. `interval`: nanoseconds from frame to frame.
  public mutating func note(delay: UInt64, interval: UInt64) {
    if pause > 0 { pause -= 1 }
    if delay > interval {
      goodFrames = 0
      guard pause == 0 else { return }
      bitsPerSecond = max(bitsPerSecond * 4 / 5, min(VideoRate.least, most))
      pause = 8
    } else if delay < interval / 2 {
      goodFrames += 1
      guard goodFrames >= 15 else { return }
      goodFrames = 0
      bitsPerSecond = min(bitsPerSecond + bitsPerSecond / 10, most)
    }
  }
}
