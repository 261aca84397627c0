internal import CPlatform
internal import CZstd
internal import Wire

/// Compresses the messages of one channel as one Zstandard stream, so that what repeats from
/// message to message is found. A message that is not compressed is not part of the stream.
///
/// It pays when the bytes it saves would have taken longer on the link than saving them took; both
/// are measured all the time. Small messages are compressed in any case: there the link's latency
/// counts and not its speed, and measuring would cost more than it tells.
struct Compressor: ~Copyable {
  /// Window of the stream, as a power of two: what the other end must keep. It has room for several
  /// frames of a program that sends its vertices anew each time.
  static let windowLog: Int32 = 23
  /// Places that are remembered in the window, as a power of two: four times what the level would
  /// have, so that what lies some frames back is found, and still in a second level cache. Long
  /// distance matching finds little more, and takes a quarter of the time again.
  private static let hashLog: Int32 = 16
  /// The window of nodes that do not say `NodeAbility.largeWindow`.
  static let smallWindowLog: Int32 = 20
  /// Larger messages are compressed when it pays.
  static let small = 64 << 10

  /// Nil without memory, and after a failure: the stream is broken off then, for good.
  private var context: OpaquePointer?
  private var out = Bytes()
  /// Smoothed nanoseconds that a byte takes: of a processor to compress, and on the link.
  private var compressionCost = 0.0
  private var linkCost = 0.0
  /// Smoothed part of a large message that is saved.
  private var saved = 0.5
  /// Large messages to go until the next trial, and how many it will be the time after.
  private var waiting = 0
  private var patience = 1

  init(hasLargeWindow: Bool) {
    context = ZSTD_createCCtx()
    guard let context else { return }
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
    _ = ZSTD_CCtx_setParameter(
      context, ZSTD_c_windowLog, hasLargeWindow ? Compressor.windowLog : Compressor.smallWindowLog)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, Compressor.hashLog)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)
  }

  deinit {
    ZSTD_freeCCtx(context)
    out.free()
  }

  /// The next bytes of the stream, which mean `message`; nil when it had better go as it is. Valid
  /// until the next call.
  mutating func compress(_ message: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard let context, message.count >= 32 else { return nil }
    let isLarge = message.count > Compressor.small
    if isLarge && !pays() {
      waiting -= 1
      guard waiting <= 0 else { return nil }
      // It may have changed since; ask again, but ever less often.
      patience = min(patience * 2, 64)
      waiting = patience
    }
    let began = isLarge ? platform_thread_time() : 0
    out.reset(keeping: Bytes.kept)
    guard let room = out.add(ZSTD_compressBound(message.count) + 64) else { return nil }
    var input = ZSTD_inBuffer(src: message.baseAddress, size: message.count, pos: 0)
    var output = ZSTD_outBuffer(dst: room, size: out.count, pos: 0)
    // The room is enough for all of it, so that one call flushes everything.
    let left = ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush)
    guard ZSTD_isError(left) == 0, left == 0, input.pos == message.count else {
      ZSTD_freeCCtx(context)
      self.context = nil
      return nil
    }
    out.truncate(output.pos)
    if isLarge { learn(message.count, output.pos, platform_thread_time() &- began) }
    // Once in the stream it must be sent, even when nothing was saved.
    return out.contents
  }

  /// A message of `count` bytes took so long to send.
  mutating func noteSent(_ count: Int, nanoseconds: UInt64) {
    // Less than this a socket swallows whole, and says nothing of the link.
    guard count > Compressor.small else { return }
    linkCost = Compressor.smooth(linkCost, Double(nanoseconds) / Double(count))
  }

  /// Nanoseconds that a byte is taken to need on any link: a gigabit a second. Messages of a frame fit
  /// into a socket's buffers, so that sending them measures the link only when it is too slow already;
  /// and what is saved is there for others, and for the frames that come back.
  private static let leastLinkCost = 8.0

  private func pays() -> Bool {
    // Nothing is known yet.
    guard linkCost > 0, compressionCost > 0 else { return true }
    return saved * max(linkCost, Compressor.leastLinkCost) > compressionCost
  }

  private mutating func learn(_ before: Int, _ after: Int, _ nanoseconds: UInt64) {
    compressionCost = Compressor.smooth(compressionCost, Double(nanoseconds) / Double(before))
    saved = Compressor.smooth(saved, max(0, 1 - Double(after) / Double(before)))
    if pays() {
      patience = 1
      waiting = 0
    }
  }

  private static func smooth(_ old: Double, _ new: Double) -> Double {
    old == 0 ? new : old * 0.75 + new * 0.25
  }
}

/// The other end: bounded in what it keeps and in what it makes of a message.
struct Decompressor: ~Copyable {
  private let context: OpaquePointer?

  init() {
    context = ZSTD_createDCtx()
    guard let context else { return }
    _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Compressor.windowLog)
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Appends what `bytes` mean, which is exactly `count` bytes; false when it is not.
  mutating func decompress(
    _ bytes: UnsafeRawBufferPointer, _ count: Int, _ out: inout Bytes
  ) -> Bool {
    guard let context, let room = out.add(count) else { return false }
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    var output = ZSTD_outBuffer(dst: room, size: count, pos: 0)
    while input.pos < input.size || output.pos < output.size {
      let before = (input.pos, output.pos)
      let hint = ZSTD_decompressStream(context, &output, &input)
      guard ZSTD_isError(hint) == 0, before != (input.pos, output.pos) else { return false }
    }
    return true
  }
}
