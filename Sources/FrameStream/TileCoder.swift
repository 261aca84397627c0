internal import CPlatform
internal import CZstd
public import Wire

/// How one tile is coded within a lossless band.
enum TileMode: UInt8 {
  /// One pixel, of which all are.
  case solid = 0
  /// At most 16 different pixels: their count, they, and an index for each pixel in 1, 2 or 4 bits, each
  /// row from a new byte on.
  case palette = 1
  /// The pixels as they are: what repeats is left to Zstandard.
  case plain = 2
  /// Differences from the median predictor: planes of green, blue less green, red less green.
  case predicted = 3
  /// The same with a plane of alpha behind; otherwise alpha is the same everywhere, and one byte.
  case predictedAlpha = 4
}

/// Codes a band's tiles exactly.
///
/// ```
///  0  u32 headByteCount     u32 headCoded      of a Zstandard frame: modes, colours, indices, pixels
///  8  u32 planesByteCount   u32 planesCoded    of another: the differences
/// 16  headCoded bytes, planesCoded bytes
/// ```
/// Apart, since one is made of repetitions, and of the other only frequencies are worth coding.
///
/// One thread at a time.
public final class TileCoder {
  private let repeating: OpaquePointer?
  private let counting: OpaquePointer?
  private var head = ByteBuffer()
  private var planes = ByteBuffer()

  public init() {
    repeating = ZSTD_createCCtx()
    counting = ZSTD_createCCtx()
    if let repeating {
      _ = ZSTD_CCtx_setParameter(repeating, ZSTD_c_compressionLevel, 1)
      _ = ZSTD_CCtx_setParameter(repeating, ZSTD_c_checksumFlag, 0)
    }
    if let counting {
      // As good as no search, but the frequencies of literals coded in spite of it, which the library
      // lets go only by a parameter whose name is not final (ZSTD_c_literalCompressionMode).
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_compressionLevel, 1)
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_strategy, Int32(ZSTD_fast.rawValue))
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_targetLength, 64)
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_hashLog, 10)
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_experimentalParam5, 1)
      _ = ZSTD_CCtx_setParameter(counting, ZSTD_c_checksumFlag, 0)
    }
  }

  deinit {
    ZSTD_freeCCtx(repeating)
    ZSTD_freeCCtx(counting)
    head.free()
    planes.free()
  }

  /// Appends the coded tiles of `mask` to `out`; false without memory, when `out` has something that
  /// means nothing.
  public func encode(
    _ pixels: PixelRows, tiles: TileGrid, mask: TileMask, into out: inout ByteBuffer
  ) -> Bool {
    head.reset()
    planes.reset()
    mask.forEach { encode(pixels, tiles.tile($0)) }
    guard !head.hasFailed, !planes.hasFailed, let start = out.add(16) else { return false }
    start.put32(UInt32(head.count), 0)
    start.put32(UInt32(planes.count), 8)
    let place = out.count - 16
    let headCoded = compress(repeating, head.contents, &out)
    let planesCoded = compress(counting, planes.contents, &out)
    guard let headCoded, let planesCoded, let start = out.start.map({ $0 + place }) else {
      return false
    }
    start.put32(UInt32(headCoded), 4)
    start.put32(UInt32(planesCoded), 12)
    return true
  }

  private func compress(
    _ context: OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ out: inout ByteBuffer
  ) -> Int? {
    guard bytes.count > 0 else { return 0 }
    let bound = ZSTD_compressBound(bytes.count)
    let before = out.count
    guard let context, let room = out.add(bound) else { return nil }
    let coded = ZSTD_compress2(context, room, bound, bytes.baseAddress, bytes.count)
    guard ZSTD_isError(coded) == 0 else { return nil }
    out.truncate(before + coded)
    return coded
  }

  private func encode(_ pixels: PixelRows, _ tile: Tile) {
    var palette = Palette()
    let facts = TileFacts(pixels, tile, &palette)
    if palette.count == 1 {
      return encodeSolid(palette.colors[0])
    } else if palette.count <= Palette.limit {
      return encodeIndices(pixels, tile, palette)
    } else if facts.repeats {
      head.append8(TileMode.plain.rawValue)
      for y in tile.y..<tile.y + tile.height {
        head.append(UnsafeRawBufferPointer(start: pixels.row(y) + tile.x, count: tile.width * 4))
      }
    } else {
      encodePredicted(pixels, tile, alpha: facts.alpha)
    }
  }

  private func encodeSolid(_ pixel: UInt32) {
    head.append8(TileMode.solid.rawValue)
    head.add(4)?.put32(pixel, 0)
  }

  private func encodeIndices(_ pixels: PixelRows, _ tile: Tile, _ palette: Palette) {
    let bits = Palette.bits(palette.count)
    let rowBytes = (tile.width * bits + 7) / 8
    head.append8(TileMode.palette.rawValue)
    head.append8(UInt8(palette.count))
    for i in 0..<palette.count { head.add(4)?.put32(palette.colors[i], 0) }
    guard let room = head.add(rowBytes * tile.height) else { return }
    var out = room.assumingMemoryBound(to: UInt8.self)
    let perByte = 8 / bits
    for y in tile.y..<tile.y + tile.height {
      let row = pixels.row(y) + tile.x
      var x = 0
      // The pixel before is very often the same.
      var last = row[0]
      var index = palette.index(last)
      for byte in 0..<rowBytes {
        var value = 0
        for slot in 0..<min(perByte, tile.width - x) {
          let pixel = row[x]
          if pixel != last {
            last = pixel
            index = palette.index(pixel)
          }
          value |= index << (slot * bits)
          x += 1
        }
        out[byte] = UInt8(truncatingIfNeeded: value)
      }
      out += rowBytes
    }
  }

  private func encodePredicted(_ pixels: PixelRows, _ tile: Tile, alpha: UInt8?) {
    head.append8((alpha == nil ? TileMode.predictedAlpha : .predicted).rawValue)
    if let alpha { head.append8(alpha) }
    let size = tile.width * tile.height
    guard let room = planes.add(size * (alpha == nil ? 4 : 3)) else { return }
    var out = room.assumingMemoryBound(to: UInt8.self)
    for (shift, lessGreen) in TileCoder.components.prefix(alpha == nil ? 4 : 3) {
      for y in tile.y..<tile.y + tile.height {
        let above = y > tile.y ? UnsafePointer(pixels.row(y - 1) + tile.x) : nil
        PixelLoops.residual(
          out, pixels.row(y) + tile.x, above, tile.width, shift, isLessGreen: lessGreen)
        out += tile.width
      }
    }
  }

  /// Bit position of each plane's component, and whether green is taken from it.
  static let components: [(shift: UInt32, lessGreen: Bool)] = [
    (8, false), (0, true), (16, true), (24, false),
  ]
}

/// The different pixels of a tile, while there are few.
struct Palette {
  static let limit = 16
  private(set) var count = 0
  private(set) var colors = [16 of UInt32](repeating: 0)

  /// Bits of an index.
  static func bits(_ count: Int) -> Int { count <= 2 ? 1 : count <= 4 ? 2 : 4 }

  /// Adds a pixel; `count` goes beyond `limit` when there is no room.
  mutating func add(_ pixel: UInt32) {
    for i in 0..<min(count, Palette.limit) where colors[i] == pixel { return }
    if count < Palette.limit { colors[count] = pixel }
    count += 1
  }

  /// Index of a pixel that was added.
  func index(_ pixel: UInt32) -> Int {
    for i in 0..<count where colors[i] == pixel { return i }
    return 0
  }
}

/// What decides how a tile is coded.
struct TileFacts {
  /// The alpha of every pixel; nil when it differs.
  let alpha: UInt8?
  /// Whether so many pixels are as the one beside or above them that what repeats says more than what
  /// differs.
  let repeats: Bool

  init(_ pixels: PixelRows, _ tile: Tile, _ palette: inout Palette) {
    let first = pixels.row(tile.y)[tile.x]
    var alphas: UInt32 = 0
    var same = 0
    palette.add(first)
    for y in tile.y..<tile.y + tile.height {
      let row = pixels.row(y) + tile.x
      let above = y > tile.y ? pixels.row(y - 1) + tile.x : row
      var last = first
      for x in 0..<tile.width {
        let pixel = row[x]
        alphas |= pixel ^ first
        if pixel == last || (y > tile.y && pixel == above[x]) {
          same += 1
        } else if palette.count <= Palette.limit {
          palette.add(pixel)
        }
        last = pixel
      }
    }
    alpha = alphas >> 24 == 0 ? UInt8(first >> 24) : nil
    repeats = same * 2 > tile.width * tile.height
  }
}

extension ByteBuffer {
  mutating func append8(_ value: UInt8) { add(1)?.storeBytes(of: value, as: UInt8.self) }
}
