internal import CPlatform

/// The picture that units of bands make, on the side that shows it.
///
/// `prepare` and the change of size belong to one thread, during which no other call is made. Units of
/// different bands may be decoded by different threads at once, those of one band by one at a time.
public final class FrameDecoder {
  public let order: PixelOrder
  public private(set) var width = 0
  public private(set) var height = 0
  private var memory: UnsafeMutableRawPointer?
  private var byteCount = 0
  private var bands: [BandDecoder] = (0..<BandLayout.mostBands).map { _ in BandDecoder() }

  private let mostPixels: Int

  /// Pixels of the picture are in `order`. Frames of more than `mostPixels` are refused: a few bytes from a
  /// peer can fill as many.
  public init(
    order: PixelOrder = .bgra,
    mostPixels: Int = BandLayout.largestSide * BandLayout.largestSide
  ) {
    self.order = order
    self.mostPixels = mostPixels
  }

  deinit { releaseMemory() }

  /// The picture so far; nil before the first unit.
  public var picture: PixelRows? {
    memory.map { PixelRows(start: $0, stride: width * 4, order: order) }
  }

  /// Makes room for a unit's frame; true when its size is another than before, so that the picture is
  /// empty and every band begins anew.
  public func prepare(for header: BandHeader) throws(BandError) -> Bool {
    guard header.frameWidth != width || header.frameHeight != height else { return false }
    guard header.frameWidth * header.frameHeight <= mostPixels else {
      throw BandError(
        "band unit: a frame of \(header.frameWidth) x \(header.frameHeight) is larger than agreed "
          + "(\(mostPixels) pixels)")
    }
    releaseMemory()
    (width, height) = (0, 0)
    let wanted = header.frameWidth * header.frameHeight * 4
    guard wanted > 0, let memory = platform_map_private(wanted) else {
      throw BandError("there is no memory for \(header.frameWidth) x \(header.frameHeight) pixels")
    }
    self.memory = memory
    byteCount = wanted
    (width, height) = (header.frameWidth, header.frameHeight)
    bands = (0..<BandLayout.mostBands).map { _ in BandDecoder() }
    return true
  }

  /// Decodes a unit into the picture. When it throws, the band keeps what it has shown, and needs an intra
  /// unit if its coding is video.
  public func decode(_ unit: BandUnit) throws(BandError) {
    guard let picture, unit.header.frameWidth == width, unit.header.frameHeight == height else {
      throw BandError("band unit: its frame is of another size")
    }
    try bands[unit.header.band].decode(unit, into: picture)
  }

  /// Units of a band are missing: video that needs them is refused.
  public func noteLoss(band: Int) {
    if bands.indices.contains(band) { bands[band].noteLoss() }
  }

  private func releaseMemory() {
    if let memory { _ = platform_unmap(memory, byteCount) }
    memory = nil
  }
}
