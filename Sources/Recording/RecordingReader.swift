internal import CPlatform
internal import CZstd
internal import Glibc
internal import Wire

/// One entry of a recording. `body` is valid until the next one is read.
public struct RecordingEntry {
  /// An `EntryKind`, or a number that this release does not know.
  public let kind: UInt32
  public let body: UnsafeRawBufferPointer

  /// The 4 bytes at an offset of the body; 0 behind its end.
  public func u32(_ offset: Int) -> UInt32 {
    guard offset >= 0, offset <= body.count - 4 else { return 0 }
    return body.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  /// The 8 bytes at an offset of the body; 0 behind its end.
  public func u64(_ offset: Int) -> UInt64 {
    guard offset >= 0, offset <= body.count - 8 else { return 0 }
    return body.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
}

/// Reads a recording from its beginning to its end. The file is as untrusted as a network: nothing
/// of it is believed before it was checked.
///
/// Threads: one at a time.
public final class RecordingReader {
  public let header: RecordingHeader
  /// True once the file's end was met in the middle of something, or without an index: the
  /// recording was cut off there, and everything before it has been read.
  public private(set) var isCutOff = false
  /// Bytes read so far.
  public private(set) var byteCount: UInt64

  private let path: String
  private let descriptor: Int32
  private let decompressor: OpaquePointer
  private var packed = Room()
  private var chunk = Room()
  private var chunkCount = 0
  private var position = 0
  private var sequence: UInt64 = 0
  private var isAtEnd = false

  public init(path: String) throws(RecordingError) {
    self.path = path
    descriptor = platform_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else {
      throw RecordingError(
        .system, "cannot read '\(path)': \(String(cString: strerror(-descriptor)))")
    }
    do throws(RecordingError) {
      (header, byteCount) = try RecordingReader.readHeader(descriptor, path)
    } catch {
      _ = platform_close(descriptor)
      throw error
    }
    guard let decompressor = ZSTD_createDCtx() else {
      _ = platform_close(descriptor)
      throw RecordingError(.system, "no memory to read '\(path)'")
    }
    self.decompressor = decompressor
  }

  deinit {
    ZSTD_freeDCtx(decompressor)
    _ = platform_close(descriptor)
    packed.free()
    chunk.free()
  }

  /// The next entry; nil at the end.
  public func next() throws(RecordingError) -> RecordingEntry? {
    while position >= chunkCount {
      guard !isAtEnd, try readChunk() else { return nil }
    }
    let rest = chunkCount - position
    guard let start = chunk.start, rest >= 8 else { throw damaged("an entry is cut off") }
    let entry = UnsafeRawPointer(start + position)
    let count = Int(entry.get32(4))
    guard count >= 8, count & 7 == 0, count <= rest else {
      throw damaged("an entry of \(count) bytes")
    }
    position += count
    return RecordingEntry(
      kind: entry.get32(0), body: UnsafeRawBufferPointer(start: entry + 8, count: count - 8))
  }

  // MARK: Header

  private static func readHeader(
    _ descriptor: Int32, _ path: String
  ) throws(RecordingError) -> (RecordingHeader, UInt64) {
    let none = RecordingError(.unreadable, "'\(path)' is no recording of Omega's")
    var fixed = [UInt8](repeating: 0, count: RecordingFormat.headerSize)
    guard readAll(descriptor, &fixed, from: 0, path) == fixed.count else { throw none }
    guard word64(fixed, 0) == RecordingFormat.magic else { throw none }
    let version = word32(fixed, 8)
    guard version == RecordingFormat.version else {
      throw RecordingError(
        .unreadable,
        "'\(path)' is a recording of format \(version), and this omega reads format "
          + "\(RecordingFormat.version); use the release that recorded it")
    }
    let size = Int(word32(fixed, 12))
    let broken = RecordingError(
      .damaged, "'\(path)' is damaged: its header is not what was written; record it again")
    guard size & 7 == 0, size >= RecordingFormat.headerSize + 16,
      size <= RecordingFormat.largestHeader
    else { throw broken }
    var all = fixed + [UInt8](repeating: 0, count: size - fixed.count)
    guard readAll(descriptor, &all, from: fixed.count, path) == size else { throw broken }
    guard
      all.withUnsafeBytes({ Checksum.of(UnsafeRawBufferPointer(rebasing: $0[..<(size - 8)])) })
        == word64(all, size - 8)
    else { throw broken }
    var arena = Arena(limit: 1 << 20)
    defer { arena.free() }
    let texts = all.withUnsafeBytes { bytes in
      withUnsafeMutablePointer(to: &arena) { arena -> (String, String)? in
        var reader = Reader(
          UnsafeRawBufferPointer(rebasing: bytes[RecordingFormat.headerSize..<(size - 8)]),
          arena: arena, handles: nil)
        let driver = reader.string(optional: true, "recording.driver")
        let application = reader.string(optional: true, "recording.application")
        guard reader.failure == nil else { return nil }
        let text = { (s: UnsafePointer<CChar>?) in s.map { String(cString: $0) } ?? "" }
        return (text(driver), text(application))
      }
    }
    guard let texts else { throw broken }
    let header = RecordingHeader(
      wireVersion: word32(all, 16), opcodeCount: word32(all, 20),
      driverUUID: Array(all[32..<48]), driverVersion: word32(all, 24), driver: texts.0,
      application: texts.1, firstFrame: word64(all, 48))
    return (header, UInt64(size))
  }

  private static func word32(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  private static func word64(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
  }

  /// Fills `bytes` from `from` on; how far it got.
  private static func readAll(
    _ descriptor: Int32, _ bytes: inout [UInt8], from: Int, _ path: String
  ) -> Int {
    bytes.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return 0 }
      var done = from
      while done < bytes.count {
        let count = platform_read(descriptor, start + done, bytes.count - done)
        guard count > 0 else { break }
        done += Int(count)
      }
      return done
    }
  }

  // MARK: Chunks

  /// Reads `count` bytes; false when the file ends before. `what` they are.
  private func read(_ count: Int) throws(RecordingError) -> Bool {
    guard let start = packed.room(count) else { throw noMemory }
    var done = 0
    while done < count {
      let got = platform_read(descriptor, start + done, count - done)
      guard got >= 0 else {
        throw RecordingError(
          .system, "cannot read '\(path)': \(String(cString: strerror(Int32(-got))))")
      }
      guard got > 0 else { break }
      done += Int(got)
    }
    byteCount += UInt64(done)
    return done == count
  }

  /// False at the end of the entries.
  private func readChunk() throws(RecordingError) -> Bool {
    guard try read(RecordingFormat.chunkHeaderSize), let head = UnsafeRawPointer(packed.start)
    else {
      isCutOff = true
      isAtEnd = true
      return false
    }
    let kind = head.get32(4)
    let count = Int(head.get32(8))
    let unpacked = Int(head.get32(12))
    let sum = head.get64(24)
    guard head.get32(0) == RecordingFormat.chunkMagic,
      unpacked > 0, unpacked <= RecordingFormat.largestChunk,
      count > 0, count <= ZSTD_compressBound(RecordingFormat.largestChunk)
    else { throw damaged("there is no part of a recording") }
    guard head.get64(16) == sequence else { throw damaged("a part is missing before it") }
    var wanted = Checksum()
    wanted.add(UnsafeRawBufferPointer(start: head, count: 24))
    let padded = (count + 7) & ~7
    guard try read(padded), let bytes = packed.start else {
      isCutOff = true
      isAtEnd = true
      return false
    }
    wanted.add(UnsafeRawBufferPointer(start: bytes, count: count))
    guard wanted.value == sum else { throw damaged("its checksum is wrong") }
    sequence += 1
    guard kind != RecordingFormat.ChunkKind.index else {
      isAtEnd = true
      return false
    }
    position = 0
    chunkCount = 0
    // What a later release may put between: skipped.
    guard kind == RecordingFormat.ChunkKind.entries else { return true }
    guard let room = chunk.room(unpacked) else { throw noMemory }
    let result = ZSTD_decompressDCtx(decompressor, room, unpacked, bytes, count)
    guard ZSTD_isError(result) == 0, result == unpacked else {
      throw damaged("it cannot be unpacked")
    }
    chunkCount = unpacked
    return true
  }

  private func damaged(_ how: String) -> RecordingError {
    RecordingError(
      .damaged, "'\(path)' is damaged in part \(sequence), before byte \(byteCount): \(how)")
  }

  private var noMemory: RecordingError { RecordingError(.system, "no memory to read '\(path)'") }
}

/// Memory that is kept and grows.
private struct Room {
  private(set) var start: UnsafeMutableRawPointer?
  private var capacity = 0

  /// Room for `count` bytes, 16-byte aligned; what was in it is lost. Nil when there is no memory.
  mutating func room(_ count: Int) -> UnsafeMutableRawPointer? {
    guard capacity < count else { return start }
    free()
    start = platform_aligned_alloc(16, max(count, 64 << 10))
    capacity = start == nil ? 0 : max(count, 64 << 10)
    return start
  }

  mutating func free() {
    platform_free(start)
    start = nil
    capacity = 0
  }
}

/// Where the frames of a finished recording are.
public struct RecordingIndex: Sendable {
  /// Number of a frame, and the offset of the part of the file that holds its entry; in the file's
  /// order.
  public let frames: [(number: UInt64, offset: UInt64)]

  /// Reads the index at a file's end; nil when there is none, or it is not whole.
  public init?(path: String) {
    let descriptor = platform_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { _ = platform_close(descriptor) }
    let size = platform_file_size(descriptor)
    let trailerSize = RecordingFormat.trailerSize
    guard size > Int64(trailerSize),
      let trailer = RecordingIndex.bytes(descriptor, size - Int64(trailerSize), trailerSize)
    else { return nil }
    let offset = Int64(truncatingIfNeeded: trailer.word(0))
    guard trailer.word(24) == RecordingFormat.trailerMagic,
      trailer.withUnsafeBytes({ Checksum.of(UnsafeRawBufferPointer(rebasing: $0[..<16])) })
        == trailer.word(16),
      offset >= 0, offset <= size - Int64(trailerSize + RecordingFormat.chunkHeaderSize),
      let head = RecordingIndex.bytes(descriptor, offset, RecordingFormat.chunkHeaderSize)
    else { return nil }
    let count = Int(UInt32(truncatingIfNeeded: head.word(8)))
    let unpacked = Int(head.word(8) >> 32)
    guard UInt32(truncatingIfNeeded: head.word(0)) == RecordingFormat.chunkMagic,
      UInt32(head.word(0) >> 32) == RecordingFormat.ChunkKind.index,
      unpacked >= 8, unpacked <= RecordingFormat.largestChunk,
      Int64(count) <= size - offset - Int64(RecordingFormat.chunkHeaderSize),
      let packed = RecordingIndex.bytes(
        descriptor, offset + Int64(RecordingFormat.chunkHeaderSize), count)
    else { return nil }
    var sum = Checksum()
    head.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<24])) }
    packed.withUnsafeBytes { sum.add($0) }
    guard sum.value == head.word(24) else { return nil }
    var content = [UInt8](repeating: 0, count: unpacked)
    let result = ZSTD_decompress(&content, unpacked, packed, count)
    guard ZSTD_isError(result) == 0, result == unpacked else { return nil }
    let entries = content.word(0)
    guard entries <= UInt64((unpacked - 8) / 16) else { return nil }
    frames = (0..<Int(entries)).map { (content.word(8 + $0 * 16), content.word(16 + $0 * 16)) }
  }

  private static func bytes(_ descriptor: Int32, _ offset: Int64, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset) + off_t(done))
      }
      guard got > 0 else { return nil }
      done += got
    }
    return bytes
  }
}

extension [UInt8] {
  /// The 8 bytes at `offset`, which must lie within.
  fileprivate func word(_ offset: Int) -> UInt64 {
    withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
  }
}
