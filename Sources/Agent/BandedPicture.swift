internal import CPlatform
internal import FrameStream
internal import Threads

/// Makes the frames of one swapchain from bands that say what has changed since the frame before, in the
/// images' own buffers.
///
/// Each image's buffer still has the frame that it was last used for. What has changed since then, and not
/// by the frame that comes, is copied from the buffer of the frame before: nothing of a picture that moves
/// everywhere, and little of one that stands still.
///
/// One thread at a time, beside those that decode.
final class BandedPicture: @unchecked Sendable {
  /// What threads that decode have found of frames: each part belongs to the frame whose image it was decoded into.
  private struct Found {
    var shown: [(header: BandHeader, frame: UInt32)] = []
    var lost: [(header: BandHeader, frame: UInt32, error: BandError, isRefused: Bool)] = []
    var decodeTime: UInt64 = 0

    /// Takes out what belongs to a frame or to one before it.
    mutating func take(until frame: UInt32) -> Found {
      func isLater(_ other: UInt32) -> Bool { Int32(bitPattern: other &- frame) > 0 }
      let taken = Found(
        shown: shown.filter { !isLater($0.frame) }, lost: lost.filter { !isLater($0.frame) },
        decodeTime: decodeTime)
      shown.removeAll { !isLater($0.frame) }
      lost.removeAll { !isLater($0.frame) }
      decodeTime = 0
      return taken
    }
  }

  /// A unit that a datagram has brought, whose frame is not the next one, or was shown without it.
  private struct Held {
    let header: BandHeader
    let unit: [UInt8]
    let place: FramePlace
    let arrival: DatagramArrival
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
  private let found = Guarded(Found())
  private var hasComplained = false
  /// Units that wait for their frame, or for the next, each band's in order.
  private var held: [Held] = []
  private var heldBytes = 0
  /// The frame that was shown last.
  private var finished: UInt32 = 0
  /// For each band, the last frame of which the link has brought a unit.
  private var linkFrames = [UInt32](repeating: 0, count: BandLayout.mostBands)
  /// Bands of which a unit was refused since the last that was decoded, bits.
  private var refused: UInt32 = 0

  /// More units than are ever on their way; what exceeds them is refused.
  private static let mostHeld = 16 * BandLayout.mostBands
  private static let mostHeldBytes = 64 << 20

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
    try admit(band: header.band, until: header.frame, into: place.image, of: header.frame, buffer)
    linkFrames[header.band] = header.frame
    try decode(bytes, header, place, into: place.image, of: header.frame, nil, buffer)
  }

  /// Takes a unit that a datagram has brought: the bytes of `unit` from `start` on. One of the frame that is the next
  /// to be shown is decoded now; others wait for theirs, or, when theirs was shown without them, for the next one.
  func take(
    _ unit: [UInt8], from start: Int, _ place: FramePlace, _ arrival: DatagramArrival,
    _ buffer: Buffer
  ) throws(BandError) {
    let bytes = [UInt8](unit[start...])
    var header: BandHeader?
    var failure: BandError?
    bytes.withUnsafeBytes {
      do throws(BandError) { header = try BandUnit($0).header } catch { failure = error }
    }
    if let failure { throw failure }
    guard let header, header.band == arrival.band, header.frame == arrival.frame else {
      throw BandError("a band of another frame than its packets say")
    }
    guard held.count < BandedPicture.mostHeld,
      heldBytes + bytes.count <= BandedPicture.mostHeldBytes
    else { return refuse(arrival) }
    held.append(Held(header: header, unit: bytes, place: place, arrival: arrival))
    heldBytes += bytes.count
    try admitNext(buffer)
  }

  /// Units that come as datagrams from now on have nothing to do with those that came.
  func beginDatagrams() {
    crew.finish(self)
    found.withLock { $0 = Found() }
    held = []
    heldBytes = 0
    linkFrames = linkFrames.map { _ in 0 }
  }

  /// Decodes what waits for the next frame, when that is no picture that others are still made from.
  private func admitNext(_ buffer: Buffer) throws(BandError) {
    let next = finished &+ 1
    for band in Set(held.map(\.header.band)) {
      let own = held.first { $0.header.band == band && $0.header.frame == next }
      guard let own, Int(own.place.image) != newest else { continue }
      try admit(band: band, until: next, into: own.place.image, of: next, buffer)
    }
  }

  /// Decodes what waits of a band (nil: of all), up to a frame, into an image that will show `shown`.
  private func admit(
    band: Int?, until last: UInt32, into image: UInt32, of shown: UInt32, _ buffer: Buffer
  ) throws(BandError) {
    guard !held.isEmpty else { return }
    let isDue = { (one: Held) -> Bool in
      (band == nil || one.header.band == band)
        && Int32(bitPattern: one.header.frame &- last) <= 0
    }
    let due = held.filter(isDue)
    held.removeAll(where: isDue)
    heldBytes -= due.reduce(0) { $0 + $1.unit.count }
    for one in due {
      let newer = linkFrames[one.header.band]
      guard newer == 0 || Int32(bitPattern: one.header.frame &- newer) > 0 else {
        // The link has brought what came after it.
        refuse(one.arrival)
        continue
      }
      var failure: BandError?
      one.unit.withUnsafeBytes {
        do throws(BandError) {
          try decode($0, one.header, one.place, into: image, of: shown, one.arrival, buffer)
        } catch { failure = error }
      }
      if let failure { throw failure }
    }
  }

  /// A unit is not decoded: what is made from its picture cannot be either.
  private func refuse(_ arrival: DatagramArrival) {
    refused |= 1 << UInt32(arrival.band)
    arrival.refuse(arrival.band, arrival.repair)
  }

  /// Decodes a unit into an image that will show the frame `shown`.
  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ header: BandHeader, _ place: FramePlace, into image: UInt32,
    of shown: UInt32, _ arrival: DatagramArrival?, _ buffer: Buffer
  ) throws(BandError) {
    let frame = buffer(Int(image))
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
    let bit: UInt32 = 1 << UInt32(header.band)
    let isBehindGap = arrival?.isBehindGap == true || refused & bit != 0
    refused &= ~bit
    let work: @Sendable (UnsafeRawBufferPointer) -> Void = { [self] bytes in
      let began = platform_now()
      var failure: BandError?
      if isBehindGap { decoder.noteLoss() }
      do throws(BandError) {
        try decoder.decode(try BandUnit(bytes), into: picture)
      } catch { failure = error }
      found.withLock { found in
        if let failure {
          found.lost.append((header, shown, failure, arrival != nil))
        } else {
          found.shown.append((header, shown))
        }
        found.decodeTime &+= platform_now() &- began
      }
      if failure != nil, let arrival { arrival.refuse(header.band, arrival.repair) }
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

  /// The frame has no more units: brings its buffer to what it shows. What the node is to hear. Throws when a
  /// unit that has waited cannot be of such a frame.
  func finish(_ end: FrameEnd, _ buffer: Buffer) throws(BandError) -> FrameFeedback {
    try admit(band: nil, until: end.frame, into: end.place.image, of: end.frame, buffer)
    crew.finish(self)
    let taken = found.withLock { $0.take(until: end.frame) }
    let image = Int(end.place.image)
    let frame = buffer(image)
    var decodeTime = taken.decodeTime
    if end.width == size.width, end.height == size.height, image < stale.count,
      Self.fits(end.width, end.height, end.place, frame)
    {
      let began = platform_now()
      for (header, _) in taken.shown {
        forEachTile(header) { cells in
          for other in stale.indices { stale[other].set(cells, other != image) }
        }
      }
      // Some of it may have been written.
      for (header, _, _, _) in taken.lost { forEachTile(header) { stale[image].set($0, true) } }
      if let newest, newest != image { copy(from: buffer(newest), to: frame, image, end.place) }
      newest = image
      decodeTime &+= platform_now() &- began
    }
    if let lost = taken.lost.first, !hasComplained {
      Log.debug("a band of frame \(lost.header.frame) is lost: \(lost.error)")
      hasComplained = true
    }
    finished = end.frame
    try admitNext(buffer)
    return FrameFeedback(
      swapchain: end.place.swapchain, frame: end.frame,
      // The sender of datagrams hears of its own.
      lostBands: taken.lost.reduce(0) { $1.isRefused ? $0 : $0 | 1 << UInt32($1.header.band) },
      lostSince: end.frame,
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
    held = []
    heldBytes = 0
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
