internal import CPlatform
internal import Ring
internal import Wire

/// The node's end of `BlobEncoder`: makes command buffers of blob records again.
///
/// The records are hostile: counts are checked before memory is taken, a body is believed when its
/// digest is right, and a number that is not held is an error that ends the session, since the ends
/// then disagree about what they hold.
struct BlobDecoder: ~Copyable {
  private var store: BlobStore
  private var contents = Bytes()
  private var ids = Bytes()

  init(limit: Int = BlobStore.limit) { store = BlobStore(limit: limit) }

  deinit {
    contents.free()
    ids.free()
  }

  var heldNumbers: [UInt32] { store.order }

  /// Appends the `commandBufferInline` record that `record` means. A sentence says what is wrong;
  /// nil when nothing is.
  mutating func decode(
    _ opcode: UInt32, _ record: UnsafeRawBufferPointer, _ out: inout Bytes
  ) -> StaticString? {
    opcode == BlobRecord.define ? define(record, &out) : use(record, &out)
  }

  private mutating func define(
    _ record: UnsafeRawBufferPointer, _ out: inout Bytes
  ) -> StaticString? {
    guard record.count >= BlobRecord.defineSize, let p = record.baseAddress else {
      return "blob: the record is too short"
    }
    let number = p.get32(BlobRecord.number)
    let bodyCount = Int(p.get32(BlobRecord.bodyCount))
    let idCount = Int(p.get32(BlobRecord.idCount))
    let codedContents = Int(p.get32(BlobRecord.codedContents))
    let codedIDs = Int(p.get32(BlobRecord.codedIDs))
    let idsAt = BlobRecord.defineSize + (codedContents + 3) & ~3
    guard bodyCount > 0, bodyCount & 7 == 0,
      bodyCount <= SegmentLayout.largestRecord - 64, idCount <= bodyCount / 8
    else { return "blob: its counts make no sense" }
    guard idsAt <= record.count, codedIDs <= record.count - idsAt else {
      return "blob: it is truncated"
    }
    let size = bodyCount + idCount * 4
    guard number == 0 || number == store.next else { return "blob: its number is not the next" }
    guard number == 0 || store.mayKeep(contents: size, idCount: idCount) else {
      return "blob: it is too large to be kept"
    }
    var base: BlobStore.Blob?
    if p.get32(BlobRecord.base) != 0 {
      base = store[p.get32(BlobRecord.base)]
      guard base != nil else { return "blob: its base is not held" }
    }
    contents.reset(keeping: Bytes.kept)
    guard let target = contents.add(size) else { return "blob: no memory" }
    let coded = UnsafeRawBufferPointer(start: p + BlobRecord.defineSize, count: codedContents)
    if coded.count == size, let from = coded.baseAddress {
      platform_copy(target, from, size)
    } else if !WordDecoder.decode(
      coded, base: base.map { Words($0.contents) } ?? .none,
      into: target.assumingMemoryBound(to: UInt32.self), size / 4)
    {
      return "blob: its difference makes no sense"
    }
    guard
      BlobRecord.digest(bodyCount: bodyCount, idCount: idCount, contents.contents)
        == Digest(at: p + BlobRecord.digest)
    else { return "blob: its digest is another" }
    if let wrong = decodeIDs(
      UnsafeRawBufferPointer(start: p + idsAt, count: codedIDs), idCount,
      base: base?.idBytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
    {
      return wrong
    }
    if let base { store.moveToFront(base.number) }
    if number != 0,
      store.add(
        contents: contents.contents, bodyCount: bodyCount, ids: ids.contents, forgotten: { _ in })
        == nil
    {
      return "blob: no memory"
    }
    return write(
      p.get64(BlobRecord.commandBuffer), contents.contents, bodyCount, idCount, &out)
  }

  private mutating func use(
    _ record: UnsafeRawBufferPointer, _ out: inout Bytes
  ) -> StaticString? {
    guard record.count >= BlobRecord.useSize, let p = record.baseAddress else {
      return "blob: the record is too short"
    }
    guard let blob = store[p.get32(BlobRecord.number)] else { return "blob: it is not held" }
    let coded = Int(p.get32(BlobRecord.useIDs))
    guard coded <= record.count - BlobRecord.useSize else { return "blob: it is truncated" }
    if coded == 0 {
      ids.reset(keeping: Bytes.kept)
      ids.append(blob.idBytes)
      if ids.hasFailed { return "blob: no memory" }
    } else if let wrong = decodeIDs(
      UnsafeRawBufferPointer(start: p + BlobRecord.useSize, count: coded), blob.idCount,
      base: blob.idBytes)
    {
      return wrong
    }
    store.use(blob.number, ids: ids.contents)
    return write(
      p.get64(BlobRecord.commandBuffer), blob.contents, blob.bodyCount, blob.idCount, &out)
  }

  private mutating func decodeIDs(
    _ coded: UnsafeRawBufferPointer, _ count: Int, base: UnsafeRawBufferPointer
  ) -> StaticString? {
    ids.reset(keeping: Bytes.kept)
    guard let target = ids.add(count * 8) ?? contents.start else { return "blob: no memory" }
    if coded.count == count * 8 {
      if let from = coded.baseAddress, count > 0 { platform_copy(target, from, count * 8) }
    } else if !WordDecoder.decode(
      coded, base: Words(base), into: target.assumingMemoryBound(to: UInt32.self), count * 2)
    {
      return "blob: its ids make no sense"
    }
    return nil
  }

  /// The command buffer with its ids back in their places.
  private func write(
    _ owner: UInt64, _ contents: UnsafeRawBufferPointer, _ bodyCount: Int, _ idCount: Int,
    _ out: inout Bytes
  ) -> StaticString? {
    guard let from = contents.baseAddress, let p = out.add(24 + bodyCount) else {
      return "blob: no memory"
    }
    p.put32(ControlOpcode.commandBufferInline, 0)
    p.put32(UInt32(24 + bodyCount), 4)
    p.put64(owner, 8)
    p.put64(UInt64(bodyCount), 16)
    let body = p + 24
    platform_copy(body, from, bodyCount)
    var at = 0
    for i in 0..<idCount {
      at += Int(from.get32(bodyCount + i * 4)) * 4
      guard at <= bodyCount - 8, let table = ids.start else { return "blob: an id lies outside" }
      body.put64(UnsafeRawPointer(table).get64(i * 8), at)
      at += 8
    }
    return nil
  }
}
