internal import CPlatform
internal import CZstd
internal import Wire

/// The other end of `TileCoder`. What it reads comes from a peer: it is bounded by the band's size and
/// checked before it is used. One thread at a time.
public final class TileDecoder {
  private let context = ZSTD_createDCtx()
  private var head = ByteBuffer()
  private var planes = ByteBuffer()

  public init() {}

  deinit {
    ZSTD_freeDCtx(context)
    head.free()
    planes.free()
  }

  /// Writes the tiles of `mask` to their places. When it throws, some of them may have been written.
  public func decode(
    _ bytes: UnsafeRawBufferPointer, tiles: TileGrid, mask: TileMask, into pixels: PixelRows
  ) throws(BandError) {
    guard bytes.count >= 16 else { throw BandError("lossless band: it is cut off") }
    func word(_ offset: Int) -> Int {
      Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    let (headCoded, planesCoded) = (word(4), word(12))
    guard headCoded + planesCoded == bytes.count - 16 else {
      throw BandError("lossless band: its parts are not as long as it says")
    }
    // No tile is more than 4 bytes a pixel, a mode and 16 colours.
    let most = mask.count * (TileGrid.side * TileGrid.side * 4 + 80)
    try expand(
      UnsafeRawBufferPointer(rebasing: bytes[16..<16 + headCoded]), word(0), most, &head)
    try expand(
      UnsafeRawBufferPointer(rebasing: bytes[(16 + headCoded)...]), word(8), most, &planes)
    var reader = TileReader(head: head.contents, planes: planes.contents)
    var isWhole = true
    mask.forEach { index in
      isWhole = isWhole && reader.read(tiles.tile(index), into: pixels)
    }
    guard isWhole, reader.isAtEnd else {
      throw BandError("lossless band: its tiles are not what the mask says")
    }
  }

  private func expand(
    _ coded: UnsafeRawBufferPointer, _ count: Int, _ most: Int, _ out: inout ByteBuffer
  ) throws(BandError) {
    out.reset()
    guard count > 0 || coded.count == 0 else {
      throw BandError("lossless band: a part is coded and empty")
    }
    guard count > 0 else { return }
    guard count <= most else {
      throw BandError("lossless band: \(count) bytes are more than its tiles can have (\(most))")
    }
    guard let context, let room = out.add(count) else {
      throw BandError("lossless band: there is no memory for it")
    }
    let decoded = ZSTD_decompressDCtx(context, room, count, coded.baseAddress, coded.count)
    guard ZSTD_isError(decoded) == 0, decoded == count else {
      throw BandError("lossless band: a part is damaged")
    }
  }
}

/// Takes tiles from the two expanded parts.
private struct TileReader {
  var head: UnsafeRawBufferPointer
  var planes: UnsafeRawBufferPointer
  var headAt = 0
  var planesAt = 0

  init(head: UnsafeRawBufferPointer, planes: UnsafeRawBufferPointer) {
    self.head = head
    self.planes = planes
  }

  var isAtEnd: Bool { headAt == head.count && planesAt == planes.count }

  private mutating func take(_ count: Int) -> UnsafeRawPointer? {
    guard count <= head.count - headAt, let start = head.baseAddress else { return nil }
    defer { headAt += count }
    return start + headAt
  }

  private mutating func byte() -> UInt8? { take(1)?.load(as: UInt8.self) }

  private mutating func pixel() -> UInt32? { take(4)?.loadUnaligned(as: UInt32.self) }

  /// False when the parts have not what the tile needs.
  mutating func read(_ tile: Tile, into pixels: PixelRows) -> Bool {
    guard let mode = byte().flatMap({ TileMode(rawValue: $0) }) else { return false }
    switch mode {
    case .solid:
      guard let value = pixel() else { return false }
      for y in tile.y..<tile.y + tile.height {
        (pixels.row(y) + tile.x).update(repeating: value, count: tile.width)
      }
      return true
    case .palette: return readIndices(tile, pixels)
    case .plain:
      for y in tile.y..<tile.y + tile.height {
        guard let from = take(tile.width * 4) else { return false }
        platform_copy(pixels.row(y) + tile.x, from, tile.width * 4)
      }
      return true
    case .predicted:
      guard let alpha = byte() else { return false }
      return readPlanes(tile, alpha, pixels)
    case .predictedAlpha: return readPlanes(tile, nil, pixels)
    }
  }

  private mutating func readIndices(_ tile: Tile, _ pixels: PixelRows) -> Bool {
    guard let count = byte().map(Int.init), count > 0, count <= Palette.limit else { return false }
    // Of 16, so that no index of 4 bits leaves it.
    var colors = [16 of UInt32](repeating: 0)
    for i in 0..<count {
      guard let color = pixel() else { return false }
      colors[i] = color
    }
    let bits = Palette.bits(count)
    let perByte = 8 / bits
    let rowBytes = (tile.width * bits + 7) / 8
    guard let indices = take(rowBytes * tile.height) else { return false }
    let bytes = indices.assumingMemoryBound(to: UInt8.self)
    let low = (1 << bits) - 1
    for y in 0..<tile.height {
      let row = pixels.row(tile.y + y) + tile.x
      let from = bytes + y * rowBytes
      for x in 0..<tile.width {
        row[x] = colors[Int(from[x / perByte]) >> (x % perByte * bits) & low]
      }
    }
    return true
  }

  /// Each plane in turn adds its component to the pixels.
  private mutating func readPlanes(_ tile: Tile, _ alpha: UInt8?, _ pixels: PixelRows) -> Bool {
    let planeCount = alpha == nil ? 4 : 3
    let size = tile.width * tile.height
    guard planeCount * size <= planes.count - planesAt, let start = planes.baseAddress else {
      return false
    }
    var from = (start + planesAt).assumingMemoryBound(to: UInt8.self)
    planesAt += planeCount * size
    let background = UInt32(alpha ?? 0) << 24
    for y in tile.y..<tile.y + tile.height {
      (pixels.row(y) + tile.x).update(repeating: background, count: tile.width)
    }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * TileGrid.side) { rows in
      guard let memory = rows.baseAddress else { return }
      for (shift, lessGreen) in TileCoder.components.prefix(planeCount) {
        var (here, above) = (memory, memory + TileGrid.side)
        for y in 0..<tile.height {
          TileReader.restore(here, from, y > 0 ? above : nil, tile.width)
          let row = pixels.row(tile.y + y) + tile.x
          for x in 0..<tile.width {
            let green = lessGreen ? row[x] >> 8 & 255 : 0
            row[x] |= ((UInt32(here[x]) &+ green) & 255) &<< shift
          }
          swap(&here, &above)
          from += tile.width
        }
      }
    }
    return true
  }

  /// One row of a component from its differences: the inverse of `PixelLoops.residual`.
  private static func restore(
    _ out: UnsafeMutablePointer<UInt8>, _ differences: UnsafePointer<UInt8>,
    _ above: UnsafePointer<UInt8>?, _ count: Int
  ) {
    var left: Int32 = 0
    var corner: Int32 = 0
    guard let above else {
      for x in 0..<count {
        left = (left &+ Int32(differences[x])) & 255
        out[x] = UInt8(truncatingIfNeeded: left)
      }
      return
    }
    for x in 0..<count {
      let top = Int32(above[x])
      let plane = left &+ top &- corner
      let low = min(left, top)
      let high = max(left, top)
      left = (min(max(plane, low), high) &+ Int32(differences[x])) & 255
      out[x] = UInt8(truncatingIfNeeded: left)
      corner = top
    }
  }
}
