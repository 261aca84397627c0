internal import CLibAV
internal import CPlatform

/// Turns the units of one band into pixels of a picture that the viewer keeps, whatever their coding.
///
/// Bands of one frame may be decoded by as many threads; one band by one at a time.
public final class BandDecoder {
  private let tiles = TileDecoder()
  private var video: VideoDecoder?
  private var videoCoding = BandCoding.h264
  /// The size that the video was begun with.
  private var videoSize = (width: 0, rows: 0)
  /// What the last picture of video was decoded from; nil when it needs one that needs none.
  private var hasReference = false

  public init() {}

  /// Decodes a unit into `picture`, the rows of the whole frame, which has the unit's frame size. Throws
  /// when it is damaged, or needs what has not come: then the band needs an intra unit.
  public func decode(_ unit: BandUnit, into picture: PixelRows) throws(BandError) {
    let header = unit.header
    var rows = picture.from(row: header.top)
    switch header.coding {
    case .raw, .lossless:
      let order: PixelOrder = header.flags.contains(.rgba) ? .rgba : .bgra
      // Decoded as they are, then reordered where the picture has another order.
      rows.order = order
      if header.coding == .raw {
        try BandDecoder.copy(unit, into: rows)
      } else {
        try tiles.decode(unit.picture, tiles: header.tiles, mask: header.mask, into: rows)
      }
      if order != picture.order { BandDecoder.exchange(header, rows) }
    case .h264, .hevc:
      try decodeVideo(unit, into: rows)
    }
  }

  /// Units are missing: what comes next and is not intra is refused.
  public func noteLoss() {
    hasReference = false
    video?.abandon()
  }

  private func decodeVideo(_ unit: BandUnit, into rows: PixelRows) throws(BandError) {
    let header = unit.header
    let isIntra = header.flags.contains(.intra)
    guard isIntra || hasReference else {
      throw BandError("video band: it needs a picture that has not come")
    }
    let size = (width: header.frameWidth, rows: header.rows)
    if video == nil || videoCoding != header.coding || (isIntra && size != videoSize) {
      video = try VideoDecoder(header.coding, width: size.width, rows: size.rows)
      videoCoding = header.coding
      videoSize = size
    }
    guard let video, size == videoSize else {
      throw BandError("video band: it has another size than the one before")
    }
    hasReference = false
    do {
      try video.feed(unit.picture)
      let frame = try video.finish()
      try BandDecoder.show(frame, header, rows)
      hasReference = true
    } catch {
      video.abandon()
      throw error
    }
  }

  private static func show(
    _ frame: AVFrame, _ header: BandHeader, _ rows: PixelRows
  ) throws(BandError) {
    let sampling: ChromaSampling
    switch AVPixelFormat(frame.format) {
    case AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P: sampling = .quarter420
    case AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUVJ444P: sampling = .full444
    default: throw BandError("video band: its samples (\(frame.format)) are of no known kind")
    }
    guard Int(frame.width) >= header.frameWidth, Int(frame.height) >= header.rows,
      let y = frame.data.0, let cb = frame.data.1, let cr = frame.data.2,
      frame.linesize.0 > 0, frame.linesize.1 > 0, frame.linesize.1 == frame.linesize.2
    else {
      throw BandError(
        "video band: a picture of \(frame.width) x \(frame.height) is less than its band")
    }
    let conversion = ColorConversion(range: header.flags.contains(.fullRange) ? .full : .limited)
    for rectangle in TileRuns(header.tiles, header.mask) {
      conversion.toPixels(
        y: y, yStride: Int(frame.linesize.0), cb: cb, cr: cr, chromaStride: Int(frame.linesize.1),
        sampling: sampling, rectangle: rectangle, into: rows)
    }
  }

  private static func copy(_ unit: BandUnit, into rows: PixelRows) throws(BandError) {
    let header = unit.header
    let grid = header.tiles
    var needed = 0
    header.mask.forEach { needed += grid.tile($0).width * grid.tile($0).height * 4 }
    guard needed == unit.picture.count, var from = unit.picture.baseAddress else {
      throw BandError("raw band: \(unit.picture.count) bytes are not its tiles' (\(needed))")
    }
    header.mask.forEach { index in
      let tile = grid.tile(index)
      for y in tile.y..<tile.y + tile.height {
        platform_copy(rows.row(y) + tile.x, from, tile.width * 4)
        from += tile.width * 4
      }
    }
  }

  /// Exchanges red and blue of the unit's tiles.
  private static func exchange(_ header: BandHeader, _ rows: PixelRows) {
    for rectangle in TileRuns(header.tiles, header.mask) {
      for y in rectangle.y..<rectangle.y + rectangle.height {
        let row = rows.row(y) + rectangle.x
        for x in 0..<rectangle.width {
          let p = row[x]
          row[x] = p & 0xFF00_FF00 | p >> 16 & 0xFF | (p & 0xFF) << 16
        }
      }
    }
  }
}
