public import FrameStream

/// What `auto` decides from frame to frame: the coding that shows a frame soonest, exact as long as that
/// is in time.
///
/// Time is what coding, the link and decoding take, for as many tiles as have changed lately. What coding
/// takes is measured, so that it is longer on a machine whose processors are busy. Video comes when no
/// exact coding has been in time for a few frames, and goes when one has been again, by a good margin, for
/// longer; each attempt that failed makes the next one later.
public struct CodingChooser: Sendable {
  /// What a tile costs in one coding.
  private struct Cost {
    /// Nanoseconds of coding, on as many processors as there are, and of decoding.
    var time: Double
    var bytes: Double

    mutating func note(time: Double, bytes: Double) {
      self.time += 0.2 * (time - self.time)
      self.bytes += 0.2 * (bytes - self.bytes)
    }
  }

  public private(set) var coding: BandCoding
  /// The coding of video; nil when the client decodes none.
  private let video: BandCoding?
  private var raw = Cost(time: 6000, bytes: 16_400)
  /// Of smooth pictures, on two processors.
  private var lossless = Cost(time: 40_000, bytes: 4000)
  private var tiles = 0.0
  private var lateFrames = 0
  private var timelyFrames = 0
  private var framesOfVideo = 0
  private var framesOfExact = 0
  private var patience = CodingChooser.leastPatience

  /// Nanoseconds until a frame must be there.
  private static let budget = 16.67e6
  /// Frames that are late before video begins.
  private static let lateLimit = 5
  /// Frames that would have been in time before it ends.
  private static let leastPatience = 45
  private static let mostPatience = 1800

  public init(video: BandCoding?) {
    self.video = video
    coding = .lossless
  }

  /// Takes in what coding a frame came to. `time`: nanoseconds, coding and decoding.
  public mutating func note(_ coding: BandCoding, tiles count: Int, bytes: Int, time: UInt64) {
    tiles = max(Double(count), tiles * 0.9)
    guard count > 0 else { return }
    let each = (time: Double(time) / Double(count), bytes: Double(bytes) / Double(count))
    switch coding {
    case .raw: raw.note(time: each.time, bytes: each.bytes)
    case .lossless: lossless.note(time: each.time, bytes: each.bytes)
    case .h264, .hevc: break
    }
  }

  /// The coding of the next frame, over a link that takes so many bytes a second.
  public mutating func next(bytesPerSecond: Double) -> BandCoding {
    func time(_ cost: Cost) -> Double {
      tiles * (cost.time + cost.bytes * 1e9 / max(bytesPerSecond, 1))
    }
    let (asIs, packed) = (time(raw), time(lossless))
    let isVideo = !coding.isExact
    if isVideo {
      framesOfVideo += 1
    } else {
      framesOfExact += 1
      // Nearly as soon is no reason to change.
      if coding == .lossless, asIs * 1.3 < packed { coding = .raw }
      if coding == .raw, packed * 1.3 < asIs { coding = .lossless }
    }
    let soonest = min(asIs, packed)
    lateFrames = soonest > CodingChooser.budget ? lateFrames + 1 : 0
    timelyFrames = soonest < CodingChooser.budget * 0.6 ? timelyFrames + 1 : 0
    if let video, !isVideo, lateFrames >= CodingChooser.lateLimit {
      // It had just been left: for longer this time.
      patience =
        framesOfVideo > 0 && framesOfExact < 2 * CodingChooser.leastPatience
        ? min(patience * 2, CodingChooser.mostPatience) : CodingChooser.leastPatience
      coding = video
      framesOfVideo = 0
      timelyFrames = 0
    } else if isVideo, timelyFrames >= patience {
      coding = packed <= asIs ? .lossless : .raw
      framesOfExact = 0
      lateFrames = 0
    }
    return coding
  }
}
