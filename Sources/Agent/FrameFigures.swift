internal import Ring

/// The parts of frames' ways: sums, and histograms of 32 buckets an octave, which tell a percentile within 3 %.
struct FrameFigures {
  /// The part that ends at a `FrameMoment`; nil for the first, where none does.
  static func partName(_ moment: Int) -> String? {
    switch moment {
    case FrameMoment.presented: "application"
    case FrameMoment.submitted: "submit"
    case FrameMoment.started: "uplink"
    case FrameMoment.drawn: "render"
    case FrameMoment.firstBand: "encode_first"
    case FrameMoment.lastBand: "encode_rest"
    case FrameMoment.received: "downlink"
    case FrameMoment.decoded: "decode"
    case FrameMoment.shown: "show"
    default: nil
    }
  }

  static func momentName(_ moment: Int) -> String? {
    switch moment {
    case FrameMoment.input: "input"
    case FrameMoment.presented: "presented"
    case FrameMoment.submitted: "submitted"
    case FrameMoment.started: "node_start"
    case FrameMoment.drawn: "gpu_done"
    case FrameMoment.firstBand: "first_band"
    case FrameMoment.lastBand: "last_band"
    case FrameMoment.received: "received"
    case FrameMoment.decoded: "decoded"
    case FrameMoment.shown: "shown"
    default: nil
    }
  }

  /// Figures of one length of time.
  struct Length {
    private(set) var count: UInt64 = 0
    private(set) var sum: UInt64 = 0
    private var buckets: [UInt32: UInt64] = [:]

    private static let bits = 5

    mutating func add(_ nanoseconds: UInt64) {
      count &+= 1
      sum &+= nanoseconds
      buckets[Length.bucket(nanoseconds), default: 0] &+= 1
    }

    mutating func add(_ other: Length) {
      count &+= other.count
      sum &+= other.sum
      for (bucket, amount) in other.buckets { buckets[bucket, default: 0] &+= amount }
    }

    private static func bucket(_ value: UInt64) -> UInt32 {
      guard value >= 1 << UInt64(bits + 1) else { return UInt32(value) }
      let octave = 63 - value.leadingZeroBitCount
      return UInt32(octave) << UInt32(bits)
        | UInt32(truncatingIfNeeded: value >> UInt64(octave - bits)) & (1 << UInt32(bits) - 1)
    }

    /// The middle of a bucket.
    private static func value(_ bucket: UInt32) -> Double {
      guard bucket >= 1 << UInt32(bits + 1) else { return Double(bucket) }
      let (octave, rest) = (Int(bucket >> UInt32(bits)), bucket & (1 << UInt32(bits) - 1))
      return (Double(1 << bits) + Double(rest) + 0.5) * Double(UInt64(1) << UInt64(octave - bits))
    }

    /// Milliseconds that so much of all is below; nil without any.
    func percentile(_ part: Double) -> Double? {
      guard count > 0 else { return nil }
      let wanted = max(1, UInt64((Double(count) * part).rounded(.up)))
      var seen: UInt64 = 0
      for (bucket, amount) in buckets.sorted(by: { $0.key < $1.key }) {
        seen &+= amount
        if seen >= wanted { return Length.value(bucket) / 1e6 }
      }
      return nil
    }
  }

  private(set) var frames: UInt64 = 0
  /// Frames that were shown and not looked at in time.
  var missed: UInt64 = 0
  private(set) var whole = Length()
  /// From input, of the frames that answered some.
  private(set) var fromInput = Length()
  private(set) var parts = [Length](repeating: Length(), count: FrameMoment.count)
  private(set) var last: FrameStamps?

  /// Takes a frame whose stamps are in order.
  mutating func add(_ stamps: FrameStamps) {
    let (presented, shown) = (stamps[FrameMoment.presented], stamps[FrameMoment.shown])
    guard presented != 0, shown >= presented else { return }
    frames &+= 1
    whole.add(shown &- presented)
    if stamps[FrameMoment.input] != 0 { fromInput.add(shown &- stamps.beginning) }
    for moment in 1..<FrameMoment.count {
      if let part = stamps.part(endingAt: moment) { parts[moment].add(part) }
    }
    last = stamps
  }

  mutating func add(_ other: FrameFigures) {
    frames &+= other.frames
    missed &+= other.missed
    whole.add(other.whole)
    fromInput.add(other.fromInput)
    for moment in parts.indices { parts[moment].add(other.parts[moment]) }
    last = other.last ?? last
  }

  /// The object of `--stats`. Means are over all frames, so that those of the parts from the present on have the mean of
  /// the whole as their sum.
  func write(to json: inout JSONText, clock: ClockEstimate?) {
    guard frames > 0 else { return }
    json.begin("{", "frame_clock")
    json.field("frames", frames)
    if missed > 0 { json.field("missed", missed) }
    if let clock {
      json.field("clock_offset_ms", Double(clock.offset) / 1e6)
      json.field("clock_uncertainty_ms", Double(clock.uncertainty) / 1e6)
    }
    write("present_to_shown", whole, of: frames, to: &json)
    if fromInput.count > 0 { write("input_to_shown", fromInput, of: fromInput.count, to: &json) }
    json.begin("{", "parts")
    for (moment, part) in parts.enumerated() where part.count > 0 {
      guard let name = FrameFigures.partName(moment) else { continue }
      let isFromInput = moment == FrameMoment.presented
      write(name, part, of: isFromInput ? part.count : frames, to: &json)
    }
    json.end("}")
    if let last { last.write(to: &json, name: "last") }
    json.end("}")
  }

  private func write(_ name: String, _ length: Length, of count: UInt64, to json: inout JSONText) {
    json.begin("{", name)
    if length.count != frames { json.field("frames", length.count) }
    json.field("mean", Double(length.sum) / Double(count) / 1e6)
    json.field("p50", length.percentile(0.5))
    json.field("p95", length.percentile(0.95))
    json.field("p99", length.percentile(0.99))
    json.end("}")
  }
}

extension FrameStamps {
  /// The moments in nanoseconds of CLOCK_MONOTONIC, those that are known.
  func write(to json: inout JSONText, name: String? = nil) {
    json.begin("{", name)
    json.field("frame", number)
    for moment in 0..<FrameMoment.count where self[moment] != 0 {
      if let name = FrameFigures.momentName(moment) { json.field(name, self[moment]) }
    }
    if uncertainty != 0 { json.field("uncertainty", uncertainty) }
    json.end("}")
  }
}

/// Reads the stamps of the frames that an application process has shown.
struct FrameReader {
  private var next: UInt64 = 0

  /// Calls `body` with each frame since the last call; how many there were that are gone. `isLast`: nobody writes any more.
  mutating func read(_ segment: Segment, isLast: Bool, _ body: (FrameStamps) -> Void) -> UInt64 {
    let end = segment.shownCount
    var missed: UInt64 = 0
    if end < next { next = end }
    if end &- next > FrameStampLayout.shownCount {
      missed = end &- next &- FrameStampLayout.shownCount
      next = end &- FrameStampLayout.shownCount
    }
    while next < end {
      if let stamps = segment.shown(next) {
        body(stamps)
      } else if !isLast && end &- next < 64 {
        // It is being written.
        return missed
      } else {
        missed &+= 1
      }
      next &+= 1
    }
    return missed
  }
}
