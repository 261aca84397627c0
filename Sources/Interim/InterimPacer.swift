/// Says when real frames are shown that interim pictures are made between.
///
/// What lies between two pictures can be made when both are there, so the frames are shown late by as much as
/// makes the last of their interim pictures ready in time: with `n` pictures in a gap that is `n ÷ (n + 1)` of it and
/// the making of one. Where pictures are made from the past alone, and where none are, nothing is late.
///
/// It knows no clock: times are seconds of any one.
public struct InterimPacer: Sendable {
  /// How late frames are shown, in seconds.
  public private(set) var delay: Double = 0
  /// When the last frame was to be shown.
  private var last: Double?

  /// No frame is shown later than this, in seconds.
  public static let mostDelay = 0.1
  /// What the time of a picture's making varies by, in seconds.
  private static let margin = 0.003
  /// The share of its distance from an even beat by which a frame may be shown sooner or later.
  private static let correction = 0.25

  public init() {}

  /// When a frame is to be shown that is there now; nil: as it would be without interim pictures.
  ///
  /// - Parameters:
  ///   - now: the time of its coming.
  ///   - interval: seconds between frames; nil when no pictures are made.
  ///   - pictures: how many go between two frames, at most.
  ///   - cost: seconds that the making of one takes.
  public mutating func timeToShow(
    now: Double, interval: Double?, pictures: Int, cost: Double
  ) -> Double? {
    let wanted: Double
    if let interval, pictures > 0 {
      let share = Double(pictures) / Double(pictures + 1)
      wanted = min(Self.mostDelay, interval * share + cost + Self.margin)
    } else {
      wanted = 0
    }
    // Sooner by and by, so that no picture is skipped.
    delay = wanted > delay ? wanted : delay + (wanted - delay) / 8
    if wanted == 0, delay < 0.001 { delay = 0 }
    guard delay > 0, now.isFinite else {
      delay = 0
      last = nil
      return nil
    }
    let late = now + delay
    guard let last, let interval, late - last < 4 * interval else {
      self.last = late
      return late
    }
    // An even beat, unless frames come unevenly for long.
    let beat = last + interval
    let time = min(
      max(beat + (late - beat) * Self.correction, now, last), late + interval / 2)
    self.last = time
    return time
  }
}
