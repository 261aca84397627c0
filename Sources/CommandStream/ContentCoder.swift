internal import CPlatform
internal import Ring
internal import VulkanWire
internal import Wire

// Large parts of records that are the same from run to run: shaders, pipeline caches, uploads. A node
// keeps them on its disk and says, early in a session, which it has; those go as their digests.

/// What the node has said that it holds, for one session. Threads: any.
public final class KnownContent: @unchecked Sendable {
  /// An entry as the node announces it.
  public struct Entry: Sendable {
    public var quick: UInt64
    public var byteCount: Int
    public var digest: Digest

    public init(quick: UInt64, byteCount: Int, digest: Digest) {
      self.quick = quick
      self.byteCount = byteCount
      self.digest = digest
    }
  }

  /// An announcement is `contentHeld`: u64 quick hash, u32 byteCount, u32 reserved, 32 bytes of digest
  /// each.
  public static let entrySize = 48
  /// More than these a node cannot announce.
  public static let mostEntries = 16 << 10

  private let lock = UnsafeMutableRawPointer.allocate(byteCount: platform_lock_size, alignment: 16)
  private var entries: [UInt64: Entry] = [:]
  private var used: UInt64 = 0

  public init() { platform_lock_init(lock) }
  deinit { lock.deallocate() }

  /// Takes an announcement; false when it makes no sense.
  public func add(announcement: UnsafeRawBufferPointer) -> Bool {
    guard announcement.count % KnownContent.entrySize == 0 else { return false }
    guard let start = announcement.baseAddress else { return true }
    platform_lock(lock)
    defer { platform_unlock(lock) }
    for at in stride(from: 0, to: announcement.count, by: KnownContent.entrySize) {
      guard entries.count < KnownContent.mostEntries else { return false }
      let p = start + at
      entries[p.get64(0)] = Entry(
        quick: p.get64(0), byteCount: Int(p.get32(8)), digest: Digest(at: p + 16))
    }
    return true
  }

  /// The announcement of some entries.
  public static func announcement(_ entries: [Entry]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: entries.count * entrySize)
    bytes.withUnsafeMutableBytes { room in
      guard let start = room.baseAddress else { return }
      for (i, entry) in entries.enumerated() {
        let p = start + i * entrySize
        p.put64(entry.quick, 0)
        p.put32(UInt32(entry.byteCount), 8)
        entry.digest.store(at: p + 16)
      }
    }
    return bytes
  }

  /// An entry for bytes, as a node makes it.
  public static func entry(_ bytes: UnsafeRawBufferPointer) -> Entry {
    Entry(quick: quickHash(bytes), byteCount: bytes.count, digest: Digest(of: bytes))
  }

  /// The digest of `bytes` when the node holds them.
  func digest(of bytes: UnsafeRawBufferPointer) -> Digest? {
    let quick = quickHash(bytes)
    platform_lock(lock)
    let entry = entries[quick]
    platform_unlock(lock)
    // The node is not trusted with what the quick hash promises: the digest says whose bytes they are.
    guard let entry, entry.byteCount == bytes.count, Digest(of: bytes) == entry.digest else {
      return nil
    }
    return entry.digest
  }

  var isEmpty: Bool {
    platform_lock(lock)
    defer { platform_unlock(lock) }
    return entries.isEmpty
  }
}

/// Where a node's session has such parts.
public protocol ContentKeeper: AnyObject {
  /// The bytes with this digest, which was announced; valid as long as the session.
  func bytes(_ digest: Digest) -> UnsafeRawBufferPointer?
  /// Bytes that are probably sent again some day. Copies them.
  func keep(_ bytes: UnsafeRawBufferPointer)
}

/// Records with such parts (`docs/wire-format.md`).
enum ContentRecord {
  static let opcode: UInt32 = 0x112
  static let plainSize = 8  // u32
  static let partCount = 12  // u32
  static let parts = 16
  /// A part: u32 kind, u32 byteCount; then its bytes, padded to 8, or its digest.
  enum Kind {
    static let literal: UInt32 = 0
    static let held: UInt32 = 1
    /// Bytes that the node is to keep.
    static let kept: UInt32 = 2
  }

  /// Parts that are smaller go along with what surrounds them.
  static let smallest = 4 << 10
  /// Uploads are cut where their place in the allocation is a multiple of this, so that the same
  /// contents is cut alike whatever changed beside it.
  static let piece: UInt64 = 64 << 10
}

/// The agent's end, for one channel.
struct ContentEncoder {
  private let known: KnownContent
  /// How often what lies at a place of an allocation was marked to be kept: what changes all the time
  /// is not worth a disk.
  private var marks: [UInt64: UInt8] = [:]
  private(set) var held: UInt64 = 0

  private static let mostMarks = 16
  private static let mostPlaces = 64 << 10

  init(_ known: KnownContent) { self.known = known }

  /// Appends `record` with its large parts set apart. False when it has none; nothing is appended then.
  mutating func encode(
    _ opcode: UInt32, _ record: UnsafeRawBufferPointer, _ out: inout Bytes
  ) -> Bool {
    guard record.count >= ContentRecord.smallest else { return false }
    var parts = Parts(record, out.count)
    switch opcode {
    case Opcode.vkCreateShaderModule, Opcode.vkCreatePipelineCache:
      // Behind the ids of the object and of its device.
      parts.begin(&out)
      add(UnsafeRawBufferPointer(rebasing: record[24...]), at: 24, mark: true, &parts, &out)
    case ControlOpcode.memoryDiff:
      parts.begin(&out)
      guard runs(record, &parts, &out) else {
        out.truncate(parts.start)
        return false
      }
    default: return false
    }
    guard parts.hasParts else {
      out.truncate(parts.start)
      return false
    }
    parts.end(&out)
    return true
  }

  /// The runs of a `memoryDiff`. False when the record is not what it should be.
  private mutating func runs(
    _ record: UnsafeRawBufferPointer, _ parts: inout Parts, _ out: inout Bytes
  ) -> Bool {
    guard let p = record.baseAddress else { return false }
    let memory = p.get64(8)
    var at = 24
    for _ in 0..<p.get32(16) {
      guard record.count - at >= 16 else { return false }
      let offset = p.get64(at)
      let count = p.get64(at + 8)
      at += 16
      guard count <= UInt64(record.count - at), offset <= UInt64.max - count else { return false }
      var done: UInt64 = 0
      while done < count {
        let place = offset + done
        let step = min(count - done, ContentRecord.piece - place % ContentRecord.piece)
        if step >= UInt64(ContentRecord.smallest) {
          let start = at + Int(done)
          add(
            UnsafeRawBufferPointer(rebasing: record[start..<start + Int(step)]), at: start,
            mark: shouldMark(mix(memory) ^ (place / ContentRecord.piece)), &parts, &out)
        }
        done += step
      }
      at += (Int(count) + 7) & ~7
      guard at <= record.count else { return false }
    }
    return true
  }

  private mutating func shouldMark(_ place: UInt64) -> Bool {
    guard marks.count < ContentEncoder.mostPlaces else { return false }
    let count = marks[place, default: 0]
    guard count < ContentEncoder.mostMarks else { return false }
    marks[place] = count + 1
    return true
  }

  private mutating func add(
    _ bytes: UnsafeRawBufferPointer, at place: Int, mark: Bool, _ parts: inout Parts,
    _ out: inout Bytes
  ) {
    if let digest = known.digest(of: bytes) {
      held += 1
      parts.held(digest, bytes.count, at: place, &out)
    } else if mark {
      parts.kept(bytes, at: place, &out)
    }
  }

  /// Writes the parts of one record.
  private struct Parts {
    let record: UnsafeRawBufferPointer
    let start: Int
    /// What of the record is written.
    private var written = 0
    private var count: UInt32 = 0
    private(set) var hasParts = false

    init(_ record: UnsafeRawBufferPointer, _ start: Int) {
      self.record = record
      self.start = start
    }

    mutating func begin(_ out: inout Bytes) { _ = out.add(ContentRecord.parts) }

    mutating func held(_ digest: Digest, _ size: Int, at place: Int, _ out: inout Bytes) {
      literal(to: place, &out)
      head(ContentRecord.Kind.held, size, &out)
      if let room = out.add(Digest.size) { digest.store(at: room) }
      written = place + size
      hasParts = true
    }

    mutating func kept(_ bytes: UnsafeRawBufferPointer, at place: Int, _ out: inout Bytes) {
      literal(to: place, &out)
      head(ContentRecord.Kind.kept, bytes.count, &out)
      out.append(bytes)
      out.pad(8)
      written = place + bytes.count
      hasParts = true
    }

    mutating func end(_ out: inout Bytes) {
      literal(to: record.count, &out)
      guard !out.hasFailed, let p = out.start else { return }
      p.put32(ContentRecord.opcode, start)
      p.put32(UInt32(out.count - start), start + 4)
      p.put32(UInt32(record.count), start + ContentRecord.plainSize)
      p.put32(count, start + ContentRecord.partCount)
    }

    private mutating func literal(to end: Int, _ out: inout Bytes) {
      guard written < end else { return }
      head(ContentRecord.Kind.literal, end - written, &out)
      out.append(UnsafeRawBufferPointer(rebasing: record[written..<end]))
      out.pad(8)
      written = end
    }

    private mutating func head(_ kind: UInt32, _ size: Int, _ out: inout Bytes) {
      out.append32(kind)
      out.append32(UInt32(size))
      count += 1
    }
  }
}

/// The node's end.
enum ContentDecoder {
  /// Appends the record that `record` means. What is wrong, or nil.
  static func decode(
    _ record: UnsafeRawBufferPointer, _ keeper: (any ContentKeeper)?, _ out: inout Bytes
  ) -> StaticString? {
    guard record.count >= ContentRecord.parts, let p = record.baseAddress else {
      return "content: the record is too short"
    }
    let size = Int(p.get32(ContentRecord.plainSize))
    guard size >= 8, size & 7 == 0, size <= SegmentLayout.largestRecord else {
      return "content: the size of its record makes no sense"
    }
    guard let room = out.add(size) else { return "content: no memory" }
    var at = ContentRecord.parts
    var filled = 0
    for _ in 0..<p.get32(ContentRecord.partCount) {
      guard record.count - at >= 8 else { return "content: it is truncated" }
      let kind = p.get32(at)
      let count = Int(p.get32(at + 4))
      at += 8
      guard count <= size - filled else { return "content: its parts are too large" }
      var source: UnsafeRawBufferPointer
      if kind == ContentRecord.Kind.held {
        guard record.count - at >= Digest.size else { return "content: it is truncated" }
        guard let bytes = keeper?.bytes(Digest(at: p + at)), bytes.count == count else {
          return "content: it is not held"
        }
        source = bytes
        at += Digest.size
      } else {
        guard kind == ContentRecord.Kind.literal || kind == ContentRecord.Kind.kept,
          count <= record.count - at
        else { return "content: it is truncated" }
        source = UnsafeRawBufferPointer(start: p + at, count: count)
        if kind == ContentRecord.Kind.kept { keeper?.keep(source) }
        at += min((count + 7) & ~7, record.count - at)
      }
      if let from = source.baseAddress, count > 0 { platform_copy(room + filled, from, count) }
      filled += count
    }
    // A record of parts inside a record of parts would be no end.
    let start = UnsafeRawPointer(room)
    guard filled == size, Int(start.get32(4)) == size, start.get32(0) >> 4 != 0x11 else {
      return "content: its parts are no record"
    }
    return nil
  }
}
