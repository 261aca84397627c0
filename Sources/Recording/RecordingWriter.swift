internal import CPlatform
internal import CZstd
internal import Glibc
internal import Wire

/// Writes a recording: a header, chunks of entries as they come, and the index when it is finished.
/// A file that ends anywhere behind its header can be read up to its last whole chunk.
///
/// Threads: one at a time. After an error, only `close` makes sense.
public final class RecordingWriter {
  /// Bytes that have been written.
  public private(set) var byteCount: UInt64 = 0

  private let path: String
  private let descriptor: Int32
  private let compressor: OpaquePointer
  private var packed: UnsafeMutableRawPointer?
  private var packedCapacity = 0
  private var sequence: UInt64 = 0
  /// Pairs of a frame's number and the offset of the chunk that holds its entry.
  private var index: [(frame: UInt64, offset: UInt64)] = []

  /// zstd's fastest: a chunk must be packed in less time than a program takes to fill it.
  private static let level: Int32 = 1

  /// Makes the file, or empties it.
  public init(path: String, header: RecordingHeader) throws(RecordingError) {
    self.path = path
    descriptor = platform_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw RecordingWriter.cannotWrite(path, -descriptor) }
    guard let compressor = ZSTD_createCCtx() else {
      _ = platform_close(descriptor)
      throw RecordingWriter.cannotWrite(path, ENOMEM)
    }
    self.compressor = compressor
    _ = ZSTD_CCtx_setParameter(
      compressor, ZSTD_c_compressionLevel, RecordingWriter.level)
    try write(RecordingWriter.encode(header))
  }

  deinit {
    ZSTD_freeCCtx(compressor)
    platform_free(packed)
    _ = platform_close(descriptor)
  }

  /// Writes one chunk of whole entries. `frames` are the numbers of those whose entries are in it.
  public func write(
    chunk entries: UnsafeRawBufferPointer, frames: [UInt64]
  ) throws(RecordingError) {
    guard entries.count > 0 else { return }
    let offset = byteCount
    try write(chunk: entries, kind: RecordingFormat.ChunkKind.entries)
    for frame in frames { index.append((frame, offset)) }
  }

  /// Writes the index and the trailer, and sees to it that the file is on the disk.
  public func finish() throws(RecordingError) {
    let offset = byteCount
    var w = HeapWriter(capacity: 64 + index.count * 16)
    defer { w.free() }
    w.writer.u64(UInt64(index.count))
    for entry in index {
      w.writer.u64(entry.frame)
      w.writer.u64(entry.offset)
    }
    guard !w.writer.failed else { throw RecordingWriter.cannotWrite(path, ENOMEM) }
    // A recording of more frames than an index chunk holds goes without: it is a convenience.
    if w.bytes.count <= RecordingFormat.largestChunk {
      try write(chunk: w.bytes, kind: RecordingFormat.ChunkKind.index)
      var trailer = HeapWriter(capacity: RecordingFormat.trailerSize)
      defer { trailer.free() }
      trailer.writer.u64(offset)
      trailer.writer.u64(UInt64(index.count))
      trailer.writer.u64(Checksum.of(trailer.bytes))
      trailer.writer.u64(RecordingFormat.trailerMagic)
      try write(Array(trailer.bytes))
    }
    // Whether a full disk took everything shows here at the latest.
    if fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS {
      throw RecordingWriter.cannotWrite(path, errno)
    }
  }

  // MARK: Bytes

  private static func encode(_ header: RecordingHeader) -> [UInt8] {
    var w = HeapWriter(capacity: 512)
    defer { w.free() }
    w.writer.u64(RecordingFormat.magic)
    w.writer.u32(RecordingFormat.version)
    w.writer.u32(0)
    w.writer.u32(header.wireVersion)
    w.writer.u32(header.opcodeCount)
    w.writer.u32(header.driverVersion)
    w.writer.u32(0)
    header.driverUUID.withUnsafeBytes { w.writer.bytes($0.baseAddress, RecordingFormat.uuidSize) }
    w.writer.u64(header.firstFrame)
    w.writer.u64(0)
    for text in [header.driver, header.application] {
      String(text.prefix(1024)).withCString { w.writer.string($0) }
    }
    while w.bytes.count & 7 != 0 { w.writer.u32(0) }
    guard w.bytes.count > 0 else { return [] }
    w.writer.record = UnsafeMutableRawPointer(mutating: w.bytes.baseAddress!)
    w.writer.patch(12, UInt32(w.bytes.count + 8))
    w.writer.u64(Checksum.of(w.bytes))
    return Array(w.bytes)
  }

  private func write(chunk: UnsafeRawBufferPointer, kind: UInt32) throws(RecordingError) {
    guard chunk.count <= RecordingFormat.largestChunk else {
      throw RecordingError(
        .unreadable, "a part of \(chunk.count) bytes is too large for a recording")
    }
    let header = RecordingFormat.chunkHeaderSize
    let bound = ZSTD_compressBound(chunk.count)
    try reserve(header + bound + 8)
    guard let packed else { throw RecordingWriter.cannotWrite(path, ENOMEM) }
    let count = ZSTD_compress2(
      compressor, packed + header, bound, chunk.baseAddress, chunk.count)
    guard ZSTD_isError(count) == 0 else {
      throw RecordingError(
        .system, "cannot compress: \(String(cString: ZSTD_getErrorName(count)))")
    }
    packed.put32(RecordingFormat.chunkMagic, 0)
    packed.put32(kind, 4)
    packed.put32(UInt32(count), 8)
    packed.put32(UInt32(chunk.count), 12)
    packed.put64(sequence, 16)
    var sum = Checksum()
    sum.add(UnsafeRawBufferPointer(start: packed, count: 24))
    sum.add(UnsafeRawBufferPointer(start: packed + header, count: count))
    packed.put64(sum.value, 24)
    let padded = (count + 7) & ~7
    platform_zero(packed + header + count, padded - count)
    sequence += 1
    try write(UnsafeRawBufferPointer(start: packed, count: header + padded))
  }

  private func reserve(_ count: Int) throws(RecordingError) {
    guard packedCapacity < count else { return }
    platform_free(packed)
    packed = platform_aligned_alloc(16, count)
    packedCapacity = packed == nil ? 0 : count
    guard packed != nil else { throw RecordingWriter.cannotWrite(path, ENOMEM) }
  }

  private func write(_ bytes: [UInt8]) throws(RecordingError) {
    var failure: RecordingError?
    bytes.withUnsafeBytes { bytes in
      do throws(RecordingError) { try write(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws(RecordingError) {
    guard let start = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let written = platform_write(descriptor, start + done, bytes.count - done)
      guard written > 0 else {
        throw RecordingWriter.cannotWrite(path, written == 0 ? ENOSPC : Int32(-written))
      }
      done += Int(written)
    }
    byteCount += UInt64(bytes.count)
  }

  private static func cannotWrite(_ path: String, _ code: Int32) -> RecordingError {
    RecordingError(
      .system, "cannot write the recording '\(path)': \(String(cString: strerror(code)))")
  }
}
