/// How a frame is split into bands: horizontal strips from the top to the bottom, each coded, sent,
/// acknowledged and repaired by itself.
///
/// Edges lie at multiples of 16 rows, the macroblock of the video codecs, and the bands of one frame
/// are as equal as that allows, so that they take the same time.
public struct BandLayout: Equatable, Sendable {
  /// The most bands of a frame: a frame's bands are a mask of 32 bits on the wire.
  public static let mostBands = 32
  /// Rows and columns of a frame at most: what the video codecs and the wire can name.
  public static let largestSide = 16384

  public let width: Int
  public let height: Int
  /// `count + 1` rows: band k has the rows from `edges[k]` to before `edges[k + 1]`.
  public let edges: [Int]

  /// Bands of a frame; 0 for a frame without pixels.
  public var count: Int { edges.count - 1 }

  /// A frame of `width` x `height` pixels in about `bands` bands: fewer where a band would have less
  /// than 16 rows. Nil when a side is negative or larger than `largestSide`.
  public init?(width: Int, height: Int, bands: Int) {
    let sides = 0...BandLayout.largestSide
    guard sides.contains(width), sides.contains(height) else { return nil }
    self.width = width
    self.height = height
    let blocks = width == 0 ? 0 : (height + 15) / 16
    let count = min(max(bands, 1), blocks, BandLayout.mostBands)
    guard count > 0 else {
      edges = [0]
      return
    }
    edges = (0...count).map { min(height, $0 * blocks / count * 16) }
  }

  /// Rows of a band.
  public func rows(_ band: Int) -> Range<Int> { edges[band]..<edges[band + 1] }

  /// The tiles of a band.
  public func tiles(_ band: Int) -> TileGrid {
    TileGrid(width: width, height: edges[band + 1] - edges[band])
  }

  /// How many bands give the first byte soon at little cost: a seam costs about a hundredth of the
  /// bits, less the more rows lie between two, so that a band has about 256 rows. An encoder in
  /// hardware takes whole frames in less than the seams are worth, and gets half as many. More
  /// processors than bands are of no use with encoders of one thread each, so that they make more
  /// bands of large frames.
  public static func suitableCount(
    width: Int, height: Int, processors: Int, inHardware: Bool
  ) -> Int {
    let byRows = max(1, (height + 128) / 256)
    if inHardware { return min(mostBands, max(1, byRows / 2)) }
    // A band of a wide frame has more to do: rows of 4096 pixels and more are worth twice as many.
    let byWork = width >= 4096 && processors > byRows ? min(processors, 2 * byRows) : byRows
    return min(mostBands, byWork)
  }
}

/// The tiles of a band: squares of 64 pixels from its upper left corner, cut off at its edges.
public struct TileGrid: Equatable, Sendable {
  /// Pixels of a tile's side.
  public static let side = 64

  public let width: Int
  public let height: Int

  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  public var columns: Int { (width + TileGrid.side - 1) / TileGrid.side }
  public var rows: Int { (height + TileGrid.side - 1) / TileGrid.side }
  public var count: Int { columns * rows }

  /// Where a tile lies in the band.
  public func tile(_ index: Int) -> Tile {
    let x = index % columns * TileGrid.side
    let y = index / columns * TileGrid.side
    return Tile(
      x: x, y: y, width: min(TileGrid.side, width - x), height: min(TileGrid.side, height - y))
  }
}

/// A rectangle of pixels within a band.
public struct Tile: Equatable, Sendable {
  public let x: Int
  public let y: Int
  public let width: Int
  public let height: Int

  public init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}

/// A set of a band's tiles, one bit each, in the order of their rows.
public struct TileMask: Equatable, Sendable {
  public let tileCount: Int
  /// 64 tiles a word, the lowest bit first; bits beyond the last tile are 0.
  public private(set) var words: [UInt64]

  public init(tileCount: Int, full: Bool = false) {
    self.tileCount = tileCount
    words = [UInt64](repeating: full ? .max : 0, count: (tileCount + 63) / 64)
    trim()
  }

  /// The mask that `bytes` are, one bit a tile; nil when they are not as many as the tiles need.
  public init?(tileCount: Int, bytes: UnsafeRawBufferPointer) {
    guard bytes.count == TileMask.byteCount(tileCount) else { return nil }
    self.init(tileCount: tileCount)
    for (index, byte) in bytes.enumerated() where index / 8 < words.count {
      words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
    }
    trim()
  }

  /// Bytes of a mask on the wire, a multiple of 4.
  public static func byteCount(_ tileCount: Int) -> Int { (tileCount + 31) / 32 * 4 }

  public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
  public var isFull: Bool { count == tileCount }
  /// Tiles in the set.
  public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  public subscript(index: Int) -> Bool {
    get { words[index >> 6] >> UInt64(index & 63) & 1 != 0 }
    set {
      let bit: UInt64 = 1 << UInt64(index & 63)
      if newValue { words[index >> 6] |= bit } else { words[index >> 6] &= ~bit }
    }
  }

  public mutating func formUnion(_ other: TileMask) {
    for i in words.indices where i < other.words.count { words[i] |= other.words[i] }
  }

  public mutating func subtract(_ other: TileMask) {
    for i in words.indices where i < other.words.count { words[i] &= ~other.words[i] }
  }

  /// Calls `body` with each tile of the set, in order.
  public func forEach(_ body: (Int) -> Void) {
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        body(index * 64 + rest.trailingZeroBitCount)
        rest &= rest &- 1
      }
    }
  }

  /// Writes the mask to `byteCount` bytes.
  public func write(to bytes: UnsafeMutableRawPointer) {
    for index in 0..<TileMask.byteCount(tileCount) {
      let byte = UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(index % 8 * 8))
      bytes.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
  }

  private mutating func trim() {
    if tileCount & 63 != 0, !words.isEmpty {
      words[words.count - 1] &= (1 << UInt64(tileCount & 63)) - 1
    }
  }
}

/// The tiles of a mask as rectangles: those beside each other as one.
public struct TileRuns: Sequence, IteratorProtocol {
  private let grid: TileGrid
  private let mask: TileMask
  private var index = 0

  public init(_ grid: TileGrid, _ mask: TileMask) {
    self.grid = grid
    self.mask = mask
  }

  public mutating func next() -> Tile? {
    let count = Swift.min(grid.count, mask.tileCount)
    while index < count, !mask[index] { index += 1 }
    guard index < count else { return nil }
    let first = grid.tile(index)
    let end = Swift.min((index / grid.columns + 1) * grid.columns, count)
    while index < end, mask[index] { index += 1 }
    let last = grid.tile(index - 1)
    return Tile(
      x: first.x, y: first.y, width: last.x + last.width - first.x, height: first.height)
  }
}
