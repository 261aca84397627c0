internal import CPlatform
internal import FrameStream
internal import Ring
internal import Threads

/// Notes when the frames of an application were where, for a node that says so in its own clock's time
/// (`docs/frame-clock.md`).
///
/// Threads: any.
final class FrameClock: @unchecked Sendable {
  private let segment: Segment
  private let lock = Lock()
  private var offset = ClockOffset()
  /// For each slot, the present that was sent to the node last, and when.
  private var sent: [UInt32: (value: UInt64, time: UInt64)] = [:]
  /// For each swapchain, when its last frame had come and when it was decoded.
  private var arrived: [UInt64: (received: UInt64, decoded: UInt64)] = [:]
  private var latest: ClockEstimate?

  /// What is noted when nobody asks any more: windows come and go, and an application may say what it likes.
  private static let mostSlots = 4096
  private static let mostSwapchains = 256

  /// Nil when it is switched off.
  init?(segment: Segment) {
    guard FrameClock.isOn else { return nil }
    self.segment = segment
  }

  static let isOn = !platform_is_switched_off("no_frame_clock")

  /// What is known of the node's clock; nil before a frame has come.
  var estimate: ClockEstimate? { lock.withLock { latest } }

  /// These presents are about to be sent to the node.
  func willSend(_ presents: [PresentedFrame]) {
    let now = platform_now()
    lock.withLock {
      if sent.count > FrameClock.mostSlots { sent = [:] }
      for present in presents { sent[present.slot] = (present.value, now) }
    }
  }

  /// A frame's bytes had all come at `received`, and its pixels lie in its buffer now.
  func noteFrame(_ swapchain: UInt64, received: UInt64) {
    let now = platform_now()
    lock.withLock {
      if arrived.count > FrameClock.mostSwapchains { arrived = [:] }
      arrived[swapchain] = (received, now)
    }
  }

  /// Takes a `frameTimes` message, which follows its frame; what is wrong with it, or nil.
  func take(_ payload: UnsafeRawBufferPointer) -> String? {
    let now = platform_now()
    guard let times = NodeFrameTimes(payload) else { return "times of a frame that are too short" }
    guard !times.isRefined else {
      segment.noteRefined(slot: times.slot, value: times.value)
      return nil
    }
    let stamps = lock.withLock { () -> FrameStamps in
      let sending = sent.removeValue(forKey: times.slot)
      let submitted = sending?.value == times.value ? sending?.time : nil
      offset.note(sentThere: times.sent, arrived: now)
      if let submitted { offset.note(sent: submitted, arrivedThere: times.started) }
      let known = offset.estimate(now: now)
      if let known { latest = ClockEstimate(offset: known.offset, uncertainty: known.uncertainty) }
      let here = arrived.removeValue(forKey: times.swapchain) ?? (now, now)
      var stamps = FrameStamps()
      stamps.isLeftOut = times.isLeftOut
      stamps[FrameMoment.submitted] = submitted ?? 0
      stamps[FrameMoment.received] = here.received
      stamps[FrameMoment.decoded] = here.decoded
      guard let known, let submitted else { return stamps }
      stamps.uncertainty = known.uncertainty
      func set(_ moment: Int, _ there: UInt64) {
        guard there != 0 else { return }
        // Between what our own clock says, whatever the node does.
        let time = there &- UInt64(bitPattern: known.offset)
        stamps[moment] = max(submitted, min(time, here.received))
      }
      set(FrameMoment.started, times.started)
      set(FrameMoment.drawn, times.drawn)
      set(FrameMoment.firstBand, times.firstBand)
      set(FrameMoment.lastBand, times.lastBand)
      return stamps
    }
    segment.noteArrival(slot: times.slot, value: times.value, stamps)
    return nil
  }
}

/// The clock of a node, beside this host's.
struct ClockEstimate: Sendable {
  /// Nanoseconds that it is ahead.
  var offset: Int64
  /// Nanoseconds that this is wrong by at most.
  var uncertainty: UInt64
}

/// A present on its way to the node.
struct PresentedFrame: Equatable {
  let slot: UInt32
  let value: UInt64

  /// Those of a record; none when it is of another kind, or makes no sense: whoever replays it says so.
  static func all(in record: UnsafeRawBufferPointer) -> [PresentedFrame] {
    let fields = Fields(bytes: record)
    switch fields.u32(0) {
    case ControlOpcode.glSwap: return [PresentedFrame(slot: fields.u32(28), value: fields.u64(32))]
    case ControlOpcode.present:
      let (waits, presents) = (Int(fields.u32(16)), Int(fields.u32(20)))
      guard record.count >= 24, waits <= (record.count - 24) / 8,
        presents <= (record.count - 24 - waits * 8) / 24
      else { return [] }
      return (0..<presents).map { index in
        let place = 24 + waits * 8 + index * 24
        return PresentedFrame(slot: fields.u32(place + 12), value: fields.u64(place + 16))
      }
    default: return []
    }
  }
}
