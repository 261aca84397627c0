internal import CPlatform
internal import Ring
internal import Wire

/// What is done to a stream of records before it leaves the host; each can be turned off.
public struct StreamChoices: Sendable {
  public var deduplicates = true
  public var sendsDifferences = true
  public var compresses = true
  /// Parts that the node keeps from run to run go as their digests.
  public var knowsContent = true
  /// The node keeps a window of 8 MiB for each channel, and not of 1 MiB.
  public var hasLargeWindow = true
  /// Records of OpenGL that were sent before travel as their places.
  public var repeats = true

  public init() {}

  /// Whether there is anything to do.
  public var isEmpty: Bool {
    !deduplicates && !sendsDifferences && !compresses && !knowsContent
  }
}

/// What coding a stream has come to.
public struct StreamTotals: Sendable {
  /// Bytes of the records as they were given.
  public var plain: UInt64 = 0
  /// Bytes after command buffers became blobs, before compression.
  public var coded: UInt64 = 0
  /// Of these, bytes of records that carry mapped memory.
  public var uploads: UInt64 = 0
  /// Bytes of the messages, without their headers.
  public var sent: UInt64 = 0
  /// Command buffers that were sent, that were known already, and those of the first that were sent
  /// as a difference.
  public var blobsSent: UInt64 = 0
  public var blobsKnown: UInt64 = 0
  public var blobsAsDifference: UInt64 = 0
  /// Parts of records that the node had from before.
  public var contentHeld: UInt64 = 0

  public init() {}

  /// What has come since `earlier`.
  public func since(_ earlier: StreamTotals) -> StreamTotals {
    var difference = StreamTotals()
    difference.plain = plain &- earlier.plain
    difference.coded = coded &- earlier.coded
    difference.uploads = uploads &- earlier.uploads
    difference.sent = sent &- earlier.sent
    difference.blobsSent = blobsSent &- earlier.blobsSent
    difference.blobsKnown = blobsKnown &- earlier.blobsKnown
    difference.blobsAsDifference = blobsAsDifference &- earlier.blobsAsDifference
    difference.contentHeld = contentHeld &- earlier.contentHeld
    return difference
  }

  public static func += (a: inout StreamTotals, b: StreamTotals) {
    a.plain &+= b.plain
    a.coded &+= b.coded
    a.uploads &+= b.uploads
    a.sent &+= b.sent
    a.blobsSent &+= b.blobsSent
    a.blobsKnown &+= b.blobsKnown
    a.blobsAsDifference &+= b.blobsAsDifference
    a.contentHeld &+= b.contentHeld
  }
}

/// Codes the records of one channel for a node on another host: the last step before the link.
/// `StreamDecoder` is the first behind it. Whole records go in, in inline form; out come the payloads
/// of `codedRecords` messages.
///
/// One thread at a time.
public final class StreamEncoder {
  /// Most bytes of a message's payload. More than fits is sent in parts.
  static let largestPart = 16 << 20
  /// `codedRecords`: u32 channel, u32 form, u32 byteCount (as coded, before compression), u32
  /// reserved, bytes.
  public static let headerSize = 16

  private let channel: UInt32
  private var blobs: BlobEncoder
  private var content: ContentEncoder?
  private var repeats: RepeatEncoder?
  private var compressor: Compressor?
  private var coded = Bytes()
  private var sum = StreamTotals()
  /// What of `coded` has gone into messages.
  private var position = 0

  /// `known` is what the node holds; nil when it keeps nothing.
  public convenience init(channel: UInt32, choices: StreamChoices, known: KnownContent?) {
    self.init(channel: channel, choices: choices, known: known, limit: BlobStore.limit)
  }

  init(
    channel: UInt32, choices: StreamChoices, known: KnownContent?, limit: Int,
    ring: Int = RepeatStore.limit
  ) {
    self.channel = channel
    blobs = BlobEncoder(
      BlobEncoder.Choices(
        deduplicates: choices.deduplicates, sendsDifferences: choices.sendsDifferences),
      limit: limit)
    content = choices.knowsContent ? known.map { ContentEncoder($0) } : nil
    repeats = choices.deduplicates && choices.repeats ? RepeatEncoder(size: ring) : nil
    compressor = choices.compresses ? Compressor(hasLargeWindow: choices.hasLargeWindow) : nil
  }

  deinit { coded.free() }

  public var totals: StreamTotals {
    var sum = sum
    sum.blobsSent = blobs.totals.sent
    sum.blobsKnown = blobs.totals.deduplicated
    sum.blobsAsDifference = blobs.totals.differences
    sum.contentHeld = content?.held ?? 0
    return sum
  }

  var heldNumbers: [UInt32] { blobs.heldNumbers }

  /// Takes whole records. `nextMessage` then gives what to send. False without memory: the encoder
  /// is of no more use.
  public func encode(_ records: UnsafeRawBufferPointer) -> Bool {
    coded.reset(keeping: Bytes.kept)
    position = 0
    guard let start = records.baseAddress else { return true }
    var at = 0
    var kept = 0
    while records.count - at >= 8 {
      let size = Int(start.get32(at + 4))
      guard size >= 8, size <= records.count - at else { break }
      let opcode = start.get32(at)
      let record = UnsafeRawBufferPointer(rebasing: records[at..<at + size])
      var codedSize = size
      if repeats != nil {
        if RepeatStore.keeps(opcode) {
          if repeats?.extends(record) == true {
            at += size
            continue
          }
          endRun(records, &kept, at)
          let hash = RepeatEncoder.hash(record)
          if repeats?.begins(record, hash) == true {
            coded.append(UnsafeRawBufferPointer(rebasing: records[kept..<at]))
            kept = at
            at += size
            continue
          }
          if !(mayCode(opcode, record) && codeApart(opcode, records, &kept, at, size, &codedSize)) {
            repeats?.keep(record, hash)
          }
          guard !coded.hasFailed else { return false }
          at += size
          continue
        }
        endRun(records, &kept, at)
      }
      if mayCode(opcode, record) {
        _ = codeApart(opcode, records, &kept, at, size, &codedSize)
        guard !coded.hasFailed else { return false }
      }
      if opcode == ControlOpcode.memoryDiff || opcode == ControlOpcode.memoryRuns {
        sum.uploads &+= UInt64(codedSize)
      }
      at += size
    }
    endRun(records, &kept, at)
    coded.append(UnsafeRawBufferPointer(rebasing: records[kept...]))
    sum.plain &+= UInt64(records.count)
    sum.coded &+= UInt64(coded.count)
    return !coded.hasFailed
  }

  /// Writes the run of repeated records that ends at `at`, all of which begin at `kept`.
  private func endRun(_ records: UnsafeRawBufferPointer, _ kept: inout Int, _ at: Int) {
    guard repeats?.pending ?? 0 > 0 else { return }
    repeats?.end(UnsafeRawBufferPointer(rebasing: records[kept..<at]), &coded)
    kept = at
  }

  /// Writes everything before a record, in one piece; then the record in another form, or it is the
  /// first of the next piece, and false.
  private func codeApart(
    _ opcode: UInt32, _ records: UnsafeRawBufferPointer, _ kept: inout Int, _ at: Int, _ size: Int,
    _ codedSize: inout Int
  ) -> Bool {
    coded.append(UnsafeRawBufferPointer(rebasing: records[kept..<at]))
    kept = at
    let before = coded.count
    guard code(opcode, UnsafeRawBufferPointer(rebasing: records[at..<at + size])) else {
      return false
    }
    kept = at + size
    codedSize = coded.count - before
    return true
  }

  /// Whether there is something to try with a record.
  private func mayCode(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    opcode == ControlOpcode.commandBufferInline
      || (content != nil && record.count >= ContentRecord.smallest)
  }

  /// Appends a record in another form; false when it has none.
  private func code(_ opcode: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    guard opcode == ControlOpcode.commandBufferInline else {
      return content?.encode(opcode, record, &coded) ?? false
    }
    guard record.count >= 24, let p = record.baseAddress,
      p.get64(16) <= UInt64(record.count - 24)
    else { return false }
    return blobs.encode(
      p.get64(8), UnsafeRawBufferPointer(start: p + 24, count: Int(p.get64(16))), &coded)
  }

  /// The header and the bytes of the next `codedRecords` message; nil when all has been given.
  /// Valid until the next call.
  public func nextMessage(
    _ send: (_ header: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer) -> Bool
  ) -> Bool? {
    guard position < coded.count else { return nil }
    let count = min(coded.count - position, StreamEncoder.largestPart)
    let part = UnsafeRawBufferPointer(rebasing: coded.contents[position..<position + count])
    position += count
    var form = position < coded.count ? StreamForm.more : 0
    var bytes = part
    if let compressed = compressor?.compress(part) {
      form |= StreamForm.compressed
      bytes = compressed
    }
    sum.sent &+= UInt64(bytes.count)
    var header = (channel, form, UInt32(count), UInt32(0))
    let began = platform_now()
    let isSent = withUnsafeBytes(of: &header) { send($0, bytes) }
    compressor?.noteSent(bytes.count, nanoseconds: platform_now() &- began)
    return isSent
  }
}

/// Bits of a `codedRecords` message's form.
enum StreamForm {
  static let compressed: UInt32 = 1
  /// The message that follows on this channel goes on where this one ends, perhaps inside a record.
  static let more: UInt32 = 2
}
