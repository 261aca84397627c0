internal import CZstd

/// What the command stream says of a frame beyond its pixels: how deep they lie, and what its draws were given to
/// project themselves by (`frameGeometry`, behind the end of its frame).
///
/// ```
///  0   u64 swapchain       8   u32 imageIndex
/// 12   u32 version         1
/// 16   u32 columns        20   u32 rows      of samples of depth
/// 24   u32 step            pixels from one sample to the next, in both directions
/// 28   f32 low, f32 high   depth of the values 0 and 65534
/// 36   f32 background      depth of the value 65535: where nothing was drawn
/// 40   u32 drawCount
/// 44   u32 byteCount       of what follows before it was compressed
/// 48   Zstandard:
///      columns × rows bytes: the upper halves of what each value is more than those to the left and above say,
///      as many lower halves;
///      draws: u64 identity, u64 group, u32 blockCount, u32 0, then for each block u32 byteCount, its bytes
/// ```
///
/// Depth along a flat surface is linear across the picture, so that most of the differences are nothing.
public struct FrameGeometry: Equatable, Sendable {
  /// What a draw was given: push constants and uniform blocks.
  public struct Draw: Equatable, Sendable {
    /// The same for the same draw of another frame.
    public var identity: UInt64
    /// The same for draws that read their constants in the same way.
    public var group: UInt64
    public var blocks: [[UInt8]]

    public init(identity: UInt64, group: UInt64, blocks: [[UInt8]]) {
      self.identity = identity
      self.group = group
      self.blocks = blocks
    }
  }

  public static let headBytes = 48
  public static let version: UInt32 = 1
  public static let mostSamples = 1 << 22
  public static let mostDraws = 16
  public static let mostBlocks = 8
  public static let mostBlockBytes = 4096
  /// The value of a sample where nothing was drawn.
  public static let nothing = UInt16.max

  public var swapchain: UInt64
  public var image: UInt32
  public var columns: Int
  public var rows: Int
  public var step: Int
  public var low: Float
  public var high: Float
  public var background: Float
  /// Row by row.
  public var values: [UInt16]
  public var draws: [Draw]

  public init(
    swapchain: UInt64, image: UInt32, columns: Int, rows: Int, step: Int, low: Float, high: Float,
    background: Float, values: [UInt16], draws: [Draw]
  ) {
    self.swapchain = swapchain
    self.image = image
    self.columns = columns
    self.rows = rows
    self.step = step
    self.low = low
    self.high = high
    self.background = background
    self.values = values
    self.draws = draws
  }

  /// The depth that a value stands for.
  public func depth(_ value: UInt16) -> Float {
    value == Self.nothing ? background : low + Float(value) / 65534 * (high - low)
  }

  // MARK: Coding

  private static func predicted(
    _ values: UnsafeBufferPointer<UInt16>, _ at: Int, _ x: Int, _ y: Int, _ columns: Int
  ) -> UInt16 {
    if x == 0 { return y == 0 ? 0 : values[at - columns] }
    if y == 0 { return values[at - 1] }
    return values[at - 1] &+ values[at - columns] &- values[at - columns - 1]
  }

  /// Nil without memory, or when it is none that could be decoded.
  public var bytes: [UInt8]? {
    let count = columns * rows
    guard Self.isSensible(columns, rows, step), values.count == count,
      draws.count <= Self.mostDraws
    else { return nil }
    var plain = [UInt8](repeating: 0, count: 2 * count)
    values.withUnsafeBufferPointer { values in
      for y in 0..<rows {
        for x in 0..<columns {
          let at = y * columns + x
          let difference = values[at] &- Self.predicted(values, at, x, y, columns)
          // Small ones of either sign have no upper half.
          let folded = difference &<< 1 ^ (difference &>> 15 == 1 ? .max : 0)
          plain[at] = UInt8(truncatingIfNeeded: folded >> 8)
          plain[count + at] = UInt8(truncatingIfNeeded: folded)
        }
      }
    }
    for draw in draws {
      guard draw.blocks.count <= Self.mostBlocks else { return nil }
      plain.add(draw.identity)
      plain.add(draw.group)
      plain.add(UInt32(draw.blocks.count), 0)
      for block in draw.blocks {
        guard block.count <= Self.mostBlockBytes else { return nil }
        plain.add(UInt32(block.count))
        plain += block
      }
    }
    var out: [UInt8] = []
    out.add(swapchain)
    out.add(image, Self.version, UInt32(columns), UInt32(rows), UInt32(step))
    out.add(low.bitPattern, high.bitPattern, background.bitPattern)
    out.add(UInt32(draws.count), UInt32(plain.count))
    let bound = ZSTD_compressBound(plain.count)
    let coded = [UInt8](unsafeUninitializedCapacity: bound) { room, used in
      let size = ZSTD_compress(room.baseAddress, bound, plain, plain.count, 1)
      used = ZSTD_isError(size) == 0 ? size : 0
    }
    guard !coded.isEmpty else { return nil }
    return out + coded
  }

  private static func isSensible(_ columns: Int, _ rows: Int, _ step: Int) -> Bool {
    let sides = 1...BandLayout.largestSide
    return sides.contains(columns) && sides.contains(rows) && columns * rows <= mostSamples
      && (1...64).contains(step)
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > Self.headBytes, bytes.word(12) == Self.version else { return nil }
    swapchain = bytes.long(0)
    image = bytes.word(8)
    columns = Int(bytes.word(16))
    rows = Int(bytes.word(20))
    step = Int(bytes.word(24))
    low = Float(bitPattern: bytes.word(28))
    high = Float(bitPattern: bytes.word(32))
    background = Float(bitPattern: bytes.word(36))
    let drawCount = Int(bytes.word(40))
    let plainCount = Int(bytes.word(44))
    guard Self.isSensible(columns, rows, step), drawCount <= Self.mostDraws,
      low.isFinite, high.isFinite, background.isFinite
    else { return nil }
    let count = columns * rows
    let most =
      2 * count + Self.mostDraws * (24 + Self.mostBlocks * (4 + Self.mostBlockBytes))
    guard plainCount >= 2 * count, plainCount <= most else { return nil }
    let coded = UnsafeRawBufferPointer(rebasing: bytes[Self.headBytes...])
    let plain = [UInt8](unsafeUninitializedCapacity: plainCount) { room, used in
      let size = ZSTD_decompress(room.baseAddress, plainCount, coded.baseAddress, coded.count)
      used = ZSTD_isError(size) == 0 ? size : 0
    }
    guard plain.count == plainCount else { return nil }
    let columns = columns
    let rows = rows
    values = [UInt16](unsafeUninitializedCapacity: count) { room, used in
      for y in 0..<rows {
        for x in 0..<columns {
          let at = y * columns + x
          let folded = UInt16(plain[at]) << 8 | UInt16(plain[count + at])
          let difference = folded &>> 1 ^ (folded & 1 == 1 ? .max : 0)
          room.initializeElement(
            at: at,
            to: difference
              &+ Self.predicted(UnsafeBufferPointer(room), at, x, y, columns))
        }
      }
      used = count
    }
    draws = []
    guard let found = plain.withUnsafeBytes({ Self.draws($0, from: 2 * count, drawCount) }) else {
      return nil
    }
    draws = found
  }

  private static func draws(
    _ bytes: UnsafeRawBufferPointer, from start: Int, _ count: Int
  ) -> [Draw]? {
    var at = start
    var draws: [Draw] = []
    for _ in 0..<count {
      guard bytes.count - at >= 24, bytes.word(at + 16) <= UInt32(mostBlocks) else { return nil }
      var draw = Draw(identity: bytes.long(at), group: bytes.long(at + 8), blocks: [])
      let blocks = bytes.word(at + 16)
      at += 24
      for _ in 0..<blocks {
        guard bytes.count - at >= 4 else { return nil }
        let size = Int(bytes.word(at))
        at += 4
        guard size <= mostBlockBytes, bytes.count - at >= size else { return nil }
        draw.blocks.append([UInt8](bytes[at..<at + size]))
        at += size
      }
      draws.append(draw)
    }
    return at == bytes.count ? draws : nil
  }
}
