/// Decides when frames are shown, without a clock or a window of its own. Times are nanoseconds of
/// one monotonic clock. Refreshes are a grid that begins at the first frame: neither X11's core
/// protocol nor wl_shm tells the real one, and what counts is that frames come evenly.
public struct Pacing: Sendable {
  /// May change from frame to frame.
  public var mode: PresentMode
  /// Nanoseconds between two refreshes.
  public let period: UInt64
  /// The next refresh that no frame has taken; 0 before the first frame.
  private var next: UInt64 = 0

  /// A period out of reason (below 1 ms, above 1 s) becomes 60 Hz.
  public init(mode: PresentMode, period: UInt64) {
    self.mode = mode
    self.period = period >= 1_000_000 && period <= 1_000_000_000 ? period : 16_666_667
  }

  /// When a frame that is complete at `now` is to be shown; never before `now`.
  public mutating func timeToShow(now: UInt64) -> UInt64 {
    let time: UInt64
    switch mode {
    case .immediate:
      return now
    case _ where next == 0:
      time = now
    case .fifoRelaxed:
      time = max(now, next)
    case .fifo, .mailbox:
      let late = now > next ? now &- next : 0
      time = next &+ (late &+ period &- 1) / period &* period
    }
    next = time &+ period
    return time
  }

  /// Takes a refresh back that `timeToShow` gave to a frame that is not shown after all.
  public mutating func giveBack(_ time: UInt64) { next = time }
}
