internal import CPlatform
internal import Wire

/// How the pixels of a band travel.
public enum BandCoding: UInt8, Sendable, CaseIterable {
  /// The changed tiles' pixels, as they are.
  case raw = 0
  /// The changed tiles, exactly (`TileCoder`).
  case lossless = 1
  /// ITU-T H.264, one picture a unit, with start codes (Annex B).
  case h264 = 2
  /// ITU-T H.265, the same.
  case hevc = 3

  public var name: StaticString {
    switch self {
    case .raw: "raw"
    case .lossless: "lossless"
    case .h264: "h264"
    case .hevc: "hevc"
    }
  }

  public var isExact: Bool { self == .raw || self == .lossless }
}

/// What is said of a band's picture in front of it: a *unit* is this header and the coded picture.
///
/// ```
///  0   u32 frame                      counts up from 1; wraps
///  4   u8 band    u8 coding   u8 flags   u8 reserved
///  8   u16 frameWidth         u16 frameHeight
/// 12   u16 top                u16 rows          of the band within the frame
/// 16   u32 byteCount                  of what follows the mask
/// 20   mask: one bit for each tile of the band, to a multiple of 4 bytes
///      byteCount bytes of the coded picture
/// ```
///
/// The mask has the tiles that change by this unit. With `raw` and `lossless` the coded picture is of
/// these tiles alone; a video picture is of the whole band, of which the client shows these tiles, so
/// that others keep what it has of them, which may be better.
public struct BandHeader: Equatable, Sendable {
  public static let fixedByteCount = 20

  public struct Flags: OptionSet, Equatable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Decodes without what came before in this band.
    public static let intra = Flags(rawValue: 1)
    /// Video of full range; otherwise limited.
    public static let fullRange = Flags(rawValue: 2)
    /// Tiles that have not changed, exactly as they are now.
    public static let refinement = Flags(rawValue: 4)
    /// Pixels are in `PixelOrder.rgba`, of `raw` and `lossless`.
    public static let rgba = Flags(rawValue: 8)
  }

  public var frame: UInt32
  public var band: Int
  public var coding: BandCoding
  public var flags: Flags
  public var frameWidth: Int
  public var frameHeight: Int
  public var top: Int
  public var rows: Int
  public var mask: TileMask

  public init(
    frame: UInt32, band: Int, coding: BandCoding, flags: Flags, frameWidth: Int, frameHeight: Int,
    top: Int, rows: Int, mask: TileMask
  ) {
    self.frame = frame
    self.band = band
    self.coding = coding
    self.flags = flags
    self.frameWidth = frameWidth
    self.frameHeight = frameHeight
    self.top = top
    self.rows = rows
    self.mask = mask
  }

  public var tiles: TileGrid { TileGrid(width: frameWidth, height: rows) }
  public var byteCount: Int {
    BandHeader.fixedByteCount + TileMask.byteCount(mask.tileCount)
  }

  /// Writes `byteCount` bytes, for a picture of `pictureBytes`.
  public func write(to p: UnsafeMutableRawPointer, pictureBytes: Int) {
    p.put32(frame, 0)
    p.put32(UInt32(band & 255) | UInt32(coding.rawValue) << 8 | UInt32(flags.rawValue) << 16, 4)
    p.put32(UInt32(frameWidth & 0xFFFF) | UInt32(frameHeight & 0xFFFF) << 16, 8)
    p.put32(UInt32(top & 0xFFFF) | UInt32(rows & 0xFFFF) << 16, 12)
    p.put32(UInt32(truncatingIfNeeded: pictureBytes), 16)
    mask.write(to: p + BandHeader.fixedByteCount)
  }
}

/// Why bytes from a peer are no unit.
public struct BandError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A unit whose header has been read and checked. The bytes are the caller's.
public struct BandUnit {
  public let header: BandHeader
  /// The coded picture.
  public let picture: UnsafeRawBufferPointer

  /// Reads a unit that a peer has sent. The fields are consistent afterwards: the band lies within a
  /// frame of allowed size, the mask has the band's tiles and at least
  /// one, and the picture has as many bytes as it says.
  public init(_ bytes: UnsafeRawBufferPointer) throws(BandError) {
    guard bytes.count >= BandHeader.fixedByteCount else {
      throw BandError("band unit: \(bytes.count) bytes are less than a header")
    }
    func word(_ offset: Int) -> UInt32 {
      bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
    let kind = word(4)
    let size = word(8)
    let place = word(12)
    let band = Int(kind & 255)
    let (width, height) = (Int(size & 0xFFFF), Int(size >> 16))
    let (top, rows) = (Int(place & 0xFFFF), Int(place >> 16))
    guard let coding = BandCoding(rawValue: UInt8(kind >> 8 & 255)) else {
      throw BandError("band unit: coding (\(kind >> 8 & 255)) is none")
    }
    let sides = 1...BandLayout.largestSide
    guard sides.contains(width), sides.contains(height) else {
      throw BandError("band unit: a frame of \(width) x \(height) is out of range")
    }
    guard rows > 0, top + rows <= height else {
      throw BandError("band unit: rows \(top) to \(top + rows) leave the frame (\(height))")
    }
    guard band < BandLayout.mostBands else {
      throw BandError("band unit: band (\(band)) is not below \(BandLayout.mostBands)")
    }
    let tileCount = TileGrid(width: width, height: rows).count
    let maskBytes = TileMask.byteCount(tileCount)
    let pictureBytes = Int(word(16))
    guard maskBytes + pictureBytes == bytes.count - BandHeader.fixedByteCount,
      let mask = TileMask(
        tileCount: tileCount,
        bytes: UnsafeRawBufferPointer(
          rebasing: bytes[BandHeader.fixedByteCount..<BandHeader.fixedByteCount + maskBytes]))
    else {
      throw BandError(
        "band unit: byteCount (\(pictureBytes)) does not fit \(bytes.count) bytes")
    }
    guard !mask.isEmpty else { throw BandError("band unit: mask has no tile") }
    header = BandHeader(
      frame: word(0), band: band, coding: coding,
      flags: BandHeader.Flags(rawValue: UInt8(kind >> 16 & 255)), frameWidth: width,
      frameHeight: height, top: top, rows: rows, mask: mask)
    picture = UnsafeRawBufferPointer(
      rebasing: bytes[(BandHeader.fixedByteCount + maskBytes)...])
  }
}
