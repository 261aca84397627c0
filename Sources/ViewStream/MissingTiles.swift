public import FrameStream

/// What one viewer lacks of a picture that others see whole: units of bands that it was not sent, because it was too
/// slow, or has only just come.
///
/// Pure: units pass by, and it says which of them the viewer can use.
public struct MissingTiles: Sendable {
  private struct Band: Sendable {
    /// Tiles in the band.
    let tileCount: Int
    var missing: TileMask
    /// Its decoder has not seen what the next picture of video is made from.
    var needsIntra = true
    /// The first frame that it lacks something of; nil: it never had anything.
    var since: UInt32?

    init(tileCount: Int) {
      self.tileCount = tileCount
      missing = TileMask(tileCount: tileCount, full: true)
    }
  }

  /// Of which units have passed by.
  private var bands: [Int: Band] = [:]
  /// Of the frames that they were of.
  private var size = (width: 0, height: 0)

  public init() {}

  /// Whether nothing has passed by yet.
  public var isNew: Bool { bands.isEmpty }

  /// Whether the viewer can use a unit. One that is not `wanted` is noted as missing, and so is one that it cannot
  /// decode.
  public mutating func takes(_ header: BandHeader, isWanted: Bool) -> Bool {
    if size.width != header.frameWidth || size.height != header.frameHeight {
      size = (header.frameWidth, header.frameHeight)
      bands = [:]
    }
    var band = bands[header.band] ?? Band(tileCount: header.mask.tileCount)
    if band.tileCount != header.mask.tileCount { band = Band(tileCount: header.mask.tileCount) }
    defer { bands[header.band] = band }
    let isVideo = !header.coding.isExact
    let isIntra = header.flags.contains(.intra)
    guard isWanted, !isVideo || isIntra || !band.needsIntra else {
      if band.missing.isEmpty { band.since = header.frame }
      band.missing.formUnion(header.mask)
      if isVideo { band.needsIntra = true }
      return false
    }
    band.missing.subtract(header.mask)
    if isVideo { band.needsIntra = false }
    return true
  }

  /// The viewer's decoder has failed at something of these bands, bits.
  public mutating func lose(bands lost: UInt32) {
    for (index, band) in bands where lost >> UInt32(index & 31) & 1 != 0 {
      bands[index] = Band(tileCount: band.tileCount)
    }
  }

  /// Bands of which tiles are missing, in order, and since which frame (nil: from the beginning).
  public var gaps: [(band: Int, since: UInt32?)] {
    bands.filter { !$0.value.missing.isEmpty }.map { ($0.key, $0.value.since) }
      .sorted { $0.band < $1.band }
  }
}
