public import FrameStream
internal import Wire

/// What is asked of the coding of frames.
public struct EncoderSettings: Equatable, Sendable {
  /// How much work goes into a video picture.
  public enum Effort: String, Sendable {
    /// x264's ultrafast: least time.
    case fastest
    /// superfast: nearly twice the time, a third of the bits less.
    case fast
  }

  public var coding = BandCoding.h264
  public var sampling = ChromaSampling.quarter420
  public var range = ColorRange.limited
  public var effort = Effort.fastest
  /// At most, for a whole frame's bands.
  public var bitsPerSecond = 20_000_000
  public var framesPerSecond = 60
  /// Constant rate factor of the software encoders, 0 to 51: the quality that is kept where the rate
  /// allows.
  public var quality = 23.0
  /// Frames in which every macroblock is coded once without a reference, so that damage heals by
  /// itself; 0 when only a request does that. Of the software encoder of H.264 and of nvenc.
  public var refreshPeriod = 0
  /// Slices of a band's picture: a client that gets a band in pieces decodes the first ones sooner.
  public var slices = 1
  /// Whether encoders in hardware are tried.
  public var usesHardware = true
  /// Whether a band of which little changes is coded exactly where that is cheap enough, though `coding`
  /// is video: text stays sharp, and the encoder has nothing to do.
  public var mixesExact = false
  /// Frames that a tile of video must have been still for until it is sent exactly; 0: never.
  public var refinesAfter = 10
  /// Bands of a frame; 0: as many as suit its size.
  public var bands = 0

  public init() {}
}

/// An encoder does not do what is asked of it. The next one on the ladder is tried.
public struct EncoderFailure: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A picture of one band as an encoder has made it.
public struct CodedPicture {
  /// Valid until the encoder's next picture.
  public var bytes: UnsafeRawBufferPointer
  /// Decodes without what came before.
  public var isIntra: Bool
  /// Mean quantiser, of video encoders that say it.
  public var quantizer: Double?

  public init(bytes: UnsafeRawBufferPointer, isIntra: Bool, quantizer: Double? = nil) {
    self.bytes = bytes
    self.isIntra = isIntra
    self.quantizer = quantizer
  }
}

/// Codes the pictures of one band, each when it is given: one picture in, one picture out.
///
/// One thread at a time; different encoders at once.
public protocol BandEncoder: AnyObject {
  var coding: BandCoding { get }
  /// For people: "libx264", "h264_nvenc", "zstd".
  var name: String { get }

  /// Codes the band, whose upper left pixel is the first of `rows`. Exact codings take the tiles of
  /// `mask`, video takes all. With `asIntra` the picture needs nothing before it.
  func encode(
    _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
  ) throws(EncoderFailure) -> CodedPicture

  /// Changes the rate from the next picture on, without an intra picture where the encoder can.
  func setRate(bitsPerSecond: Int) throws(EncoderFailure)
}

/// The changed tiles as they are.
public final class RawBandEncoder: BandEncoder {
  private var out = ByteBuffer()

  public init() {}
  deinit { out.free() }

  public var coding: BandCoding { .raw }
  public var name: String { "raw" }

  public func encode(
    _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
  ) throws(EncoderFailure) -> CodedPicture {
    out.reset()
    mask.forEach { index in
      let tile = tiles.tile(index)
      for y in tile.y..<tile.y + tile.height {
        out.append(
          UnsafeRawBufferPointer(
            start: rows.start + y * rows.stride + tile.x * 4, count: tile.width * 4))
      }
    }
    guard !out.hasFailed else { throw EncoderFailure("raw: there is no memory for a band") }
    return CodedPicture(bytes: out.contents, isIntra: true)
  }

  public func setRate(bitsPerSecond: Int) {}
}

/// The changed tiles exactly, compressed.
public final class LosslessBandEncoder: BandEncoder {
  private let coder = TileCoder()
  private var out = ByteBuffer()

  public init() {}
  deinit { out.free() }

  public var coding: BandCoding { .lossless }
  public var name: String { "zstd" }

  public func encode(
    _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
  ) throws(EncoderFailure) -> CodedPicture {
    out.reset()
    guard coder.encode(rows, tiles: tiles, mask: mask, into: &out) else {
      throw EncoderFailure("zstd: there is no memory for a band")
    }
    return CodedPicture(bytes: out.contents, isIntra: true)
  }

  public func setRate(bitsPerSecond: Int) {}
}
