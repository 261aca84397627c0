internal import CLZ4
internal import CPlatform
internal import CZstd

/// How the bytes of a block are packed; the numbers are the wire's.
public enum BlockCodec: UInt32, Sendable, CaseIterable {
  case raw = 0
  case lz4 = 1
  case zstd = 2
}

/// Chooses for each block what gets it to the other side soonest, from how well its bytes pack and
/// how fast the link is.
///
/// A sample of a block is packed with LZ4, which costs microseconds, and the three times are
/// compared: packing, sending, unpacking. So noise, or what somebody has packed before, is sent as
/// it is, and so is everything on a link that is faster than packing. Plain data.
public struct CodecChooser: Sendable {
  /// What the link takes, bytes a second.
  public private(set) var bytesPerSecond: Double

  /// Bytes a second of packing and unpacking together, on a core of 2020; what zstd at its first
  /// level packs better than LZ4.
  private static let lz4Speed = 420e6
  private static let zstdSpeed = 190e6
  private static let zstdAdvantage = 0.78
  private static let sampleSize = 8 << 10
  /// A block smaller than this is not worth a look.
  private static let smallest = 384

  public init(bytesPerSecond: Double) { self.bytesPerSecond = bytesPerSecond }

  /// Takes a measurement in: how long a send of `byteCount` bytes took. One that went into a
  /// socket's buffer at once says nothing of the link.
  public mutating func sent(_ byteCount: Int, nanoseconds: UInt64) {
    guard byteCount >= 64 << 10, nanoseconds >= 200_000 else { return }
    let now = Double(byteCount) * 1e9 / Double(nanoseconds)
    bytesPerSecond = bytesPerSecond * 0.75 + now * 0.25
  }

  /// The codec for a block. `room` is memory for a packed sample, `CodecChooser.roomSize` bytes.
  public func choose(_ block: UnsafeRawBufferPointer, room: UnsafeMutableRawPointer) -> BlockCodec {
    guard block.count >= CodecChooser.smallest, let start = block.baseAddress else { return .raw }
    let seconds = 1 / bytesPerSecond
    // Even if nothing were left of it, packing would take longer than sending.
    guard seconds > 1 / CodecChooser.lz4Speed else { return .raw }
    // From the middle: blocks begin with the places of their runs.
    let size = min(block.count, CodecChooser.sampleSize)
    let sample = start + (block.count &- size) / 2
    let packed = LZ4_compress_default(
      sample.assumingMemoryBound(to: CChar.self), room.assumingMemoryBound(to: CChar.self),
      Int32(size), Int32(CodecChooser.roomSize))
    guard packed > 0 else { return .raw }
    let ratio = Double(packed) / Double(size)
    let lz4 = 1 / CodecChooser.lz4Speed + ratio * seconds
    let zstd = 1 / CodecChooser.zstdSpeed + ratio * CodecChooser.zstdAdvantage * seconds
    // Nearly as good as raw is not good enough: the other side has work with it too.
    let raw = seconds * 0.94
    if min(lz4, zstd) >= raw || ratio > 0.94 { return .raw }
    return zstd < lz4 ? .zstd : .lz4
  }

  public static var roomSize: Int { sampleSize + 512 }
}

/// The packers themselves, with their working memory. Thread-safety: none.
struct Packer {
  private var compressor: OpaquePointer?
  private var decompressor: OpaquePointer?

  mutating func free() {
    if let compressor { ZSTD_freeCCtx(compressor) }
    if let decompressor { ZSTD_freeDCtx(decompressor) }
    compressor = nil
    decompressor = nil
  }

  /// Bytes of `source` packed into `room`; 0 when they do not fit, or it cannot be done.
  mutating func pack(
    _ codec: BlockCodec, _ source: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard let from = source.baseAddress, let to = room.baseAddress,
      source.count <= Int(Int32.max), room.count <= Int(Int32.max)
    else { return 0 }
    switch codec {
    case .raw: return 0
    case .lz4:
      return Int(
        LZ4_compress_default(
          from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self),
          Int32(source.count), Int32(room.count)))
    case .zstd:
      if compressor == nil { compressor = ZSTD_createCCtx() }
      guard let compressor else { return 0 }
      let size = ZSTD_compressCCtx(compressor, to, room.count, from, source.count, 1)
      return ZSTD_isError(size) != 0 ? 0 : size
    }
  }

  /// Fills `room` exactly; false when the bytes are not what that codec has written.
  mutating func unpack(
    _ codec: BlockCodec, _ source: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let from = source.baseAddress, let to = room.baseAddress,
      source.count <= Int(Int32.max), room.count <= Int(Int32.max)
    else { return false }
    switch codec {
    case .raw: return false
    case .lz4:
      return LZ4_decompress_safe(
        from.assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self),
        Int32(source.count), Int32(room.count)) == Int32(room.count)
    case .zstd:
      if decompressor == nil { decompressor = ZSTD_createDCtx() }
      guard let decompressor else { return false }
      let size = ZSTD_decompressDCtx(decompressor, to, room.count, from, source.count)
      return ZSTD_isError(size) == 0 && size == room.count
    }
  }
}
