internal import CPlatform
internal import FrameStream

/// What is known of one band of a stream: its encoders, what the client lacks of it, and how.
///
/// One thread at a time; the bands of a frame may be with different ones.
final class BandState {
  /// What is to be done with a band's picture.
  enum Plan {
    case nothing
    case exact(TileMask, isRefinement: Bool)
    case video(TileMask)
  }

  let band: Int
  let tiles: TileGrid
  private var settings: EncoderSettings
  private var ladder: EncoderLadder
  /// For tiles that are sent exactly though the coding is video.
  private let exact = LosslessBandEncoder()

  /// Tiles that the client has as video made them.
  private var inexact: TileMask
  /// Tiles that the client lacks, because what had them was lost or never sent.
  private var missing: TileMask
  /// Frames since each tile changed, up to 255.
  private var stillFor: [UInt8]
  private var needsIntra = true
  /// Bytes of a tile that is coded exactly, as it was lately: of those that have changed, most of them
  /// text, and of those that were video.
  private var changedTileBytes = BandState.firstTileBytes
  private var refinedTileBytes = 8000.0
  /// What recent frames have sent, for repairs.
  private var history = SentHistory()

  private(set) var bytesSent = 0

  init(_ band: Int, _ tiles: TileGrid, _ rungs: [EncoderLadder.Rung], _ settings: EncoderSettings) {
    self.band = band
    self.tiles = tiles
    self.settings = settings
    ladder = EncoderLadder(rungs, settings, width: tiles.width, rows: tiles.height)
    inexact = TileMask(tileCount: tiles.count)
    missing = TileMask(tileCount: tiles.count, full: true)
    stillFor = [UInt8](repeating: 0, count: tiles.count)
  }

  /// What a tile of text has; others teach their own.
  private static let firstTileBytes = 1000.0
  /// The largest part of a band that is coded exactly beside video.
  private static let mostExactShare = 3

  /// What the encoders of earlier codings have failed with.
  private var earlierFailures: [String] = []
  var failures: [String] { earlierFailures + ladder.failures }
  /// Whether every encoder of the coding has failed, so that the band is coded in another way.
  var hasFallen: Bool { ladder.encoder.map { $0.coding != settings.coding } ?? false }
  var hasMissing: Bool { !missing.isEmpty }
  /// Whether tiles wait to be sent exactly.
  var hasInexact: Bool { !inexact.isEmpty }

  func setRate(bitsPerSecond: Int) {
    settings.bitsPerSecond = bitsPerSecond
    ladder.setRate(bitsPerSecond: bitsPerSecond)
  }

  /// Codes what comes now in another way. What the client has stays, but for what must be exact now and
  /// is not.
  func setCoding(_ coding: BandCoding, _ rungs: [EncoderLadder.Rung]) {
    earlierFailures += ladder.failures
    settings.coding = coding
    ladder = EncoderLadder(rungs, settings, width: tiles.width, rows: tiles.height)
    needsIntra = true
    guard coding.isExact else { return }
    missing.formUnion(inexact)
    inexact = TileMask(tileCount: tiles.count)
  }

  /// Losses since then are still to be repaired.
  private var lossToRepair: UInt32?
  /// Losses since `since` were repaired by `frame`.
  private var repair: (since: UInt32, frame: UInt32)?

  /// The client has nothing of this band from frame `first` on (nil: at all). One that says so of a frame
  /// before it has seen the repair asks for nothing more, unless it `knowsRepairs`.
  func noteLoss(since first: UInt32?, knowsRepairs: Bool = false) {
    if let first {
      if !knowsRepairs, let repair, Int32(bitPattern: first &- repair.since) >= 0,
        Int32(bitPattern: first &- repair.frame) < 0
      {
        return
      }
      let known = lossToRepair ?? first
      lossToRepair = Int32(bitPattern: first &- known) < 0 ? first : known
    }
    let (lost, hadVideo) = history.since(first, tileCount: tiles.count)
    missing.formUnion(lost)
    if hadVideo { needsIntra = true }
  }

  /// Decides on a frame whose changes are `changed`. `byteBudget`: what this band may add to the frame.
  func plan(changed: TileMask, byteBudget: Double) -> Plan {
    for index in 0..<tiles.count {
      stillFor[index] = changed[index] ? 0 : stillFor[index] &+ (stillFor[index] == 255 ? 0 : 1)
    }
    var wanted = changed
    wanted.formUnion(missing)
    let isVideo = !settings.coding.isExact
    if wanted.isEmpty {
      let still = refinable(Int(byteBudget / refinedTileBytes))
      return still.isEmpty ? .nothing : .exact(still, isRefinement: true)
    }
    if !isVideo { return .exact(wanted, isRefinement: false) }
    // What is cheap now is tried again some time after it was not.
    changedTileBytes = max(
      changedTileBytes * 0.995, min(changedTileBytes, BandState.firstTileBytes))
    let expected = Double(wanted.count) * changedTileBytes
    if settings.mixesExact, wanted.count * BandState.mostExactShare <= tiles.count,
      expected <= byteBudget
    {
      wanted.formUnion(refinable(Int((byteBudget - expected) / refinedTileBytes)))
      return .exact(wanted, isRefinement: false)
    }
    wanted.formUnion(inexact)
    return .video(wanted)
  }

  /// At most `count` still tiles of video, but at least one when there is any.
  private func refinable(_ count: Int) -> TileMask {
    var found = TileMask(tileCount: tiles.count)
    guard settings.refinesAfter > 0, !inexact.isEmpty else { return found }
    var left = max(count, 1)
    for index in 0..<tiles.count where inexact[index] && left > 0 {
      guard Int(stillFor[index]) >= min(settings.refinesAfter, 255) else { continue }
      found[index] = true
      left -= 1
    }
    return found
  }

  /// Codes the band's picture as planned. Throws when no encoder is left.
  func code(
    _ rows: PixelRows, _ plan: Plan, frame: UInt32
  ) throws(EncoderFailure) -> (coding: BandCoding, picture: CodedPicture, mask: TileMask)? {
    switch plan {
    case .nothing: return nil
    case .exact(let mask, let isRefinement) where !settings.coding.isExact:
      let picture = try exact.encode(rows, tiles: tiles, mask: mask, asIntra: true)
      let perTile = Double(picture.bytes.count) / Double(max(mask.count, 1))
      if isRefinement {
        refinedTileBytes += 0.25 * (perTile - refinedTileBytes)
      } else {
        changedTileBytes += 0.25 * (perTile - changedTileBytes)
      }
      return note(.lossless, picture, mask, frame)
    case .exact(let mask, _), .video(let mask):
      let (coding, picture) = try ladder.encode(rows, tiles: tiles, mask: mask, asIntra: needsIntra)
      return note(coding, picture, mask, frame)
    }
  }

  private func note(
    _ coding: BandCoding, _ picture: CodedPicture, _ mask: TileMask, _ frame: UInt32
  ) -> (BandCoding, CodedPicture, TileMask) {
    missing.subtract(mask)
    if let since = lossToRepair, missing.isEmpty {
      repair = (since, frame)
      lossToRepair = nil
    }
    if coding.isExact {
      inexact.subtract(mask)
    } else {
      inexact.formUnion(mask)
      needsIntra = false
    }
    bytesSent += picture.bytes.count
    history.add(frame, mask, isVideo: !coding.isExact)
    return (coding, picture, mask)
  }
}

/// Which tiles each of the last frames has sent of a band.
struct SentHistory {
  private var frames: [(frame: UInt32, mask: TileMask, isVideo: Bool)] = []
  /// More than any round trip has at any rate of frames.
  private static let length = 128

  mutating func add(_ frame: UInt32, _ mask: TileMask, isVideo: Bool) {
    if frames.count == SentHistory.length { frames.removeFirst() }
    frames.append((frame, mask, isVideo))
  }

  /// The tiles that frames from `first` on have sent, and whether there was video among them; all tiles
  /// when that is not known any more.
  func since(_ first: UInt32?, tileCount: Int) -> (mask: TileMask, hadVideo: Bool) {
    guard let first, let oldest = frames.first, Int32(bitPattern: first &- oldest.frame) >= 0
    else { return (TileMask(tileCount: tileCount, full: true), true) }
    var mask = TileMask(tileCount: tileCount)
    var hadVideo = false
    for entry in frames where Int32(bitPattern: entry.frame &- first) >= 0 {
      mask.formUnion(entry.mask)
      hadVideo = hadVideo || entry.isVideo
    }
    return (mask, hadVideo)
  }
}
