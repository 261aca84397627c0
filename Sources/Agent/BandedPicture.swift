internal import CPlatform
internal import FrameStream
internal import Synchronization

/// Makes the frames of one swapchain from bands that say what has changed since the frame before, in the
/// images' own buffers.
///
/// Each image's buffer still has the frame that it was last used for. What has changed since then, and not
/// by the frame that comes, is copied from the buffer of the frame before: nothing of a picture that moves
/// everywhere, and little of one that stands still.
///
/// One thread at a time, beside those that decode.
final class BandedPicture: @unchecked Sendable {
  /// What threads that decode have found of a frame.
  private struct Found {
    var shown: [BandHeader] = []
    var lost: [(header: BandHeader, error: BandError)] = []
    var decodeTime: UInt64 = 0
  }

  private let imageCount: Int
  private let crew: DecodingCrew
  private var size = (width: 0, height: 0)
  private var bands: [BandDecoder] = []
  /// For each image, the cells in which its buffer is older than the newest frame.
  private var stale: [CellMask] = []
  /// The image with the newest frame.
  private var newest: Int?
  /// Of the frame that comes.
  private let found = Mutex(Found())
  private var hasComplained = false

  init(imageCount: Int, crew: DecodingCrew) {
    self.imageCount = imageCount
    self.crew = crew
  }

  typealias Buffer = (_ image: Int) -> UnsafeMutableRawBufferPointer

  /// Decodes a unit into the buffer of its image, at the latest in `finish`. Throws when the unit cannot be
  /// of such a frame; one that is damaged is lost, and `finish` says so.
  func take(
    _ bytes: UnsafeRawBufferPointer, _ place: FramePlace, _ buffer: Buffer
  ) throws(BandError) {
    let header = try BandUnit(bytes).header
    let frame = buffer(Int(place.image))
    guard let start = frame.baseAddress,
      Self.fits(header.frameWidth, header.frameHeight, place, frame)
    else {
      throw BandError(
        "a band of a frame of \(header.frameWidth) x \(header.frameHeight) does not fit its buffer")
    }
    // Bands begin and end where cells do.
    let end = header.top + header.rows
    guard header.top % CellMask.cellHeight == 0,
      end % CellMask.cellHeight == 0 || end == header.frameHeight
    else { throw BandError("a band has the rows \(header.top) to \(end)") }
    prepare(header.frameWidth, header.frameHeight)
    nonisolated(unsafe) let decoder = bands[header.band]
    nonisolated(unsafe) let picture = PixelRows(
      start: start, stride: place.stride, order: place.order)
    let work: @Sendable (UnsafeRawBufferPointer) -> Void = { [self] bytes in
      let began = platform_now()
      var failure: BandError?
      do throws(BandError) {
        try decoder.decode(try BandUnit(bytes), into: picture)
      } catch { failure = error }
      found.withLock { found in
        if let failure { found.lost.append((header, failure)) } else { found.shown.append(header) }
        found.decodeTime &+= platform_now() &- began
      }
    }
    // Pixels as they are take no longer to put in their place than to hand over.
    if header.coding == .raw {
      crew.finish(self)
      work(bytes)
    } else if !crew.add(self, band: header.band, bytes, work: work) {
      throw BandError("there is no memory for a band")
    }
  }

  /// Waits until nobody decodes: the buffers may go.
  func settle() { crew.finish(self) }

  /// The frame has no more units: brings its buffer to what it shows. What the node is to hear.
  func finish(_ end: FrameEnd, _ buffer: Buffer) -> FrameFeedback {
    crew.finish(self)
    let taken = found.withLock { found in
      defer { found = Found() }
      return found
    }
    let image = Int(end.place.image)
    let frame = buffer(image)
    var decodeTime = taken.decodeTime
    if end.width == size.width, end.height == size.height, image < stale.count,
      Self.fits(end.width, end.height, end.place, frame)
    {
      let began = platform_now()
      for header in taken.shown {
        forEachTile(header) { cells in
          for other in stale.indices { stale[other].set(cells, other != image) }
        }
      }
      // Some of it may have been written.
      for (header, _) in taken.lost { forEachTile(header) { stale[image].set($0, true) } }
      if let newest, newest != image { copy(from: buffer(newest), to: frame, image, end.place) }
      newest = image
      decodeTime &+= platform_now() &- began
    }
    if let (header, error) = taken.lost.first, !hasComplained {
      Log.debug("a band of frame \(header.frame) is lost: \(error)")
      hasComplained = true
    }
    return FrameFeedback(
      swapchain: end.place.swapchain, frame: end.frame,
      lostBands: taken.lost.reduce(0) { $0 | 1 << UInt32($1.header.band) }, lostSince: end.frame,
      decodeTime: decodeTime)
  }

  /// Whether a frame's rows lie within its buffer.
  private static func fits(
    _ width: Int, _ height: Int, _ place: FramePlace, _ frame: UnsafeMutableRawBufferPointer
  ) -> Bool {
    width > 0 && height > 0 && width <= BandLayout.largestSide && height <= BandLayout.largestSide
      && place.stride % 4 == 0 && place.stride >= width * 4
      && place.stride * (height - 1) + width * 4 <= frame.count
      && Int(bitPattern: frame.baseAddress) % 4 == 0
  }

  private func prepare(_ width: Int, _ height: Int) {
    guard (width, height) != size || bands.isEmpty else { return }
    crew.finish(self)
    found.withLock { $0 = Found() }
    size = (width, height)
    bands = (0..<BandLayout.mostBands).map { _ in BandDecoder() }
    stale = [CellMask](
      repeating: CellMask(width: width, height: height, full: true), count: imageCount)
    newest = nil
  }

  private func forEachTile(_ header: BandHeader, _ body: (CellMask.Cells) -> Void) {
    for run in TileRuns(header.tiles, header.mask) {
      body(
        CellMask.cells(
          x: run.x, y: header.top + run.y, width: run.width, height: run.height))
    }
  }

  private func copy(
    from source: UnsafeMutableRawBufferPointer, to target: UnsafeMutableRawBufferPointer,
    _ image: Int, _ place: FramePlace
  ) {
    guard let from = source.baseAddress, let to = target.baseAddress else { return }
    stale[image].forEachRun { x, y, width, height in
      for row in y..<y + height {
        let offset = row * place.stride + x * 4
        platform_copy(to + offset, from + offset, width * 4)
      }
    }
    stale[image] = CellMask(width: size.width, height: size.height)
  }
}

/// A set of a frame's cells of 64 x 16 pixels: the parts that tiles of any layout of bands are made of.
struct CellMask {
  static let cellWidth = 64
  static let cellHeight = 16

  /// Columns and rows of cells.
  struct Cells: Equatable {
    let columns: Range<Int>
    let rows: Range<Int>
  }

  let width: Int
  let height: Int
  private let columns: Int
  private var bits: [Bool]
  /// Cells that are in the set.
  private(set) var count = 0

  init(width: Int, height: Int, full: Bool = false) {
    self.width = width
    self.height = height
    columns = (width + CellMask.cellWidth - 1) / CellMask.cellWidth
    let rows = (height + CellMask.cellHeight - 1) / CellMask.cellHeight
    bits = [Bool](repeating: full, count: columns * rows)
    count = full ? bits.count : 0
  }

  /// The cells of a rectangle of pixels whose edges are those of cells.
  static func cells(x: Int, y: Int, width: Int, height: Int) -> Cells {
    Cells(
      columns: x / cellWidth..<(x + width + cellWidth - 1) / cellWidth,
      rows: y / cellHeight..<(y + height + cellHeight - 1) / cellHeight)
  }

  mutating func set(_ cells: Cells, _ value: Bool) {
    for row in cells.rows {
      for index in row * columns + cells.columns.lowerBound..<row * columns
        + cells.columns.upperBound where bits[index] != value
      {
        bits[index] = value
        count += value ? 1 : -1
      }
    }
  }

  /// Calls `body` with the rectangles of pixels that the set consists of, row by row.
  func forEachRun(_ body: (_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> Void) {
    guard count > 0, columns > 0 else { return }
    for row in 0..<bits.count / columns {
      let y = row * CellMask.cellHeight
      var column = 0
      while column < columns {
        guard bits[row * columns + column] else {
          column += 1
          continue
        }
        let first = column
        while column < columns, bits[row * columns + column] { column += 1 }
        let x = first * CellMask.cellWidth
        body(
          x, y, min(column * CellMask.cellWidth, width) - x, min(CellMask.cellHeight, height - y))
      }
    }
  }
}
