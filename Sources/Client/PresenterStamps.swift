import CPlatform
import Ring

/// When the application presented a frame, `platform_now`'s nanoseconds.
public struct PresentTimes: Sendable {
  /// It called.
  public var presented: UInt64
  /// The node was told, or the agent.
  public var submitted: UInt64

  public init(presented: UInt64, submitted: UInt64) {
    self.presented = presented
    self.submitted = submitted
  }

  public static var now: PresentTimes {
    let now = platform_now()
    return PresentTimes(presented: now, submitted: now)
  }
}

/// The frame's clock: `docs/frame-clock.md`.
extension Presenter {
  /// The stamps of a frame that has arrived; nil when they are switched off.
  func arrivalStamps(_ present: Present) -> FrameStamps? {
    let connection = state.pointee.connection
    guard connection.switches.frameClock else { return nil }
    var stamps =
      connection.segment.arrival(slot: present.slot, value: present.value) ?? FrameStamps()
    stamps.number = present.number
    stamps[FrameMoment.presented] = present.times.presented
    // The agent says when it sent it, where there is one in between.
    if stamps[FrameMoment.submitted] == 0 {
      stamps[FrameMoment.submitted] = present.times.submitted
    }
    stamps[FrameMoment.input] = connection.segment.takeInput(before: present.times.presented)
    return stamps
  }

  /// Keeps the stamps of a frame that was just shown.
  func noteShown(_ stamps: FrameStamps) {
    var ordered = stamps
    ordered.order()
    state.pointee.connection.segment.noteShown(ordered)
    state.pointee.hud?.note(ordered)
  }
}
