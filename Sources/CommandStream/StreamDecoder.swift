internal import CPlatform
internal import Ring
internal import Wire

/// Makes records in inline form of the `codedRecords` messages of one channel. Nothing that it is
/// given makes it trap, keep more than its bounds, or write a record that was not asked for.
///
/// One thread at a time.
public final class StreamDecoder {
  private var blobs: BlobDecoder
  private var repeats: RepeatDecoder
  private var decompressor = Decompressor()
  /// Parts that have come, decompressed.
  private var gathered = Bytes()
  private var out = Bytes()

  /// Bytes that are gathered before they are handed on.
  private static let enough = 1 << 20
  /// The parts of one message: a record of the largest size and what is sent along with it.
  private static let most = SegmentLayout.largestRecord + (64 << 20)

  private let keeper: (any ContentKeeper)?

  /// `keeper` has what the node has announced; nil when it keeps nothing.
  public convenience init(keeper: (any ContentKeeper)?) {
    self.init(keeper: keeper, limit: BlobStore.limit)
  }

  init(keeper: (any ContentKeeper)? = nil, limit: Int, ring: Int = RepeatStore.limit) {
    repeats = RepeatDecoder(size: ring)
    self.keeper = keeper
    blobs = BlobDecoder(limit: limit)
  }

  deinit {
    gathered.free()
    out.free()
  }

  var heldNumbers: [UInt32] { blobs.heldNumbers }

  /// Takes a message's payload behind its channel: u32 form, u32 byteCount, u32 reserved, bytes.
  /// Hands whole records to `replay`, which returns false to stop. What is wrong, or nil.
  public func decode(
    _ payload: UnsafeRawBufferPointer, _ replay: (UnsafeRawBufferPointer) -> Bool
  ) -> StaticString? {
    guard payload.count >= 12, let p = payload.baseAddress else {
      return "codedRecords: the message is too short"
    }
    let form = p.get32(0)
    let count = Int(p.get32(4))
    let bytes = UnsafeRawBufferPointer(rebasing: payload[12...])
    guard form & ~(StreamForm.compressed | StreamForm.more) == 0,
      count <= StreamEncoder.largestPart, count <= StreamDecoder.most - gathered.count
    else { return "codedRecords: the form or the size makes no sense" }
    if form & StreamForm.compressed != 0 {
      guard decompressor.decompress(bytes, count, &gathered) else {
        gathered.reset(keeping: Bytes.kept)
        return "codedRecords: it cannot be decompressed"
      }
    } else {
      guard bytes.count == count else { return "codedRecords: the size makes no sense" }
      gathered.append(bytes)
    }
    guard !gathered.hasFailed else { return "codedRecords: no memory" }
    guard form & StreamForm.more == 0 else { return nil }
    defer { gathered.reset(keeping: Bytes.kept) }
    return records(gathered.contents, replay)
  }

  private func records(
    _ records: UnsafeRawBufferPointer, _ replay: (UnsafeRawBufferPointer) -> Bool
  ) -> StaticString? {
    guard let start = records.baseAddress else { return nil }
    out.reset(keeping: Bytes.kept)
    var at = 0
    var kept = 0
    while at < records.count {
      guard records.count - at >= 8 else { return "codedRecords: a record is not whole" }
      let opcode = start.get32(at)
      let size = Int(start.get32(at + 4))
      guard size >= 8, size & 7 == 0, size <= records.count - at else {
        return "codedRecords: a record is not whole"
      }
      if opcode == BlobRecord.define || opcode == BlobRecord.use
        || opcode == ContentRecord.opcode || opcode == RepeatRecord.opcode
      {
        // What came before it is replayed first, from where it lies.
        if kept < at {
          guard flush(replay), replay(UnsafeRawBufferPointer(rebasing: records[kept..<at])) else {
            return nil
          }
        }
        let record = UnsafeRawBufferPointer(rebasing: records[at..<at + size])
        let wrong: StaticString? =
          switch opcode {
          case ContentRecord.opcode: ContentDecoder.decode(record, keeper, &out)
          case RepeatRecord.opcode: repeats.decode(record, &out)
          default: blobs.decode(opcode, record, &out)
          }
        if let wrong { return wrong }
        kept = at + size
        if out.count >= StreamDecoder.enough, !flush(replay) { return nil }
      } else if RepeatStore.keeps(opcode) {
        repeats.keep(UnsafeRawBufferPointer(rebasing: records[at..<at + size]))
      }
      at += size
    }
    guard flush(replay), kept < records.count else { return nil }
    _ = replay(UnsafeRawBufferPointer(rebasing: records[kept...]))
    return nil
  }

  private func flush(_ replay: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    guard out.count > 0 else { return true }
    defer { out.reset(keeping: Bytes.kept) }
    return replay(out.contents)
  }
}
