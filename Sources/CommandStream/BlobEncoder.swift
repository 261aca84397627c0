internal import CPlatform
internal import Ring
internal import Wire

/// Turns the command buffers of one channel into blobs: the commands beside their ids.
///
/// A command buffer that the node holds travels as its number, one that differs little as its
/// difference, and the ids as their difference from those of the time before.
struct BlobEncoder: ~Copyable {
  /// What of it is done; each can be turned off by a user.
  struct Choices {
    var deduplicates = true
    var sendsDifferences = true
  }

  /// What has been done.
  struct Totals {
    var sent: UInt64 = 0
    var deduplicated: UInt64 = 0
    var differences: UInt64 = 0
  }

  let choices: Choices
  private(set) var totals = Totals()
  private var store: BlobStore
  private var scanner = IDScanner()
  private var words = WordEncoder()
  private var contents = Bytes()
  private var gaps = Bytes()
  private var ids = Bytes()
  /// Blobs by the hash of their contents, and the latest by shape.
  private var byContents: [UInt64: UInt32] = [:]
  private var byShape: [UInt64: UInt32] = [:]
  /// The latest blob of each command buffer.
  private var byOwner: [UInt64: UInt32] = [:]
  /// What came behind a blob the last time: the application's next frame is probably like it.
  private var followers: [UInt32: UInt32] = [:]
  private var previous: UInt32 = 0

  init(_ choices: Choices, limit: Int = BlobStore.limit) {
    self.choices = choices
    store = BlobStore(limit: limit)
  }

  deinit {
    words.free()
    contents.free()
    gaps.free()
    ids.free()
  }

  var heldNumbers: [UInt32] { store.order }

  /// Appends a record that means `commands` in the command buffer `owner`. False when they had
  /// better travel as they are; nothing is appended then. When `out` has failed the encoder is of
  /// no more use: the ends may disagree.
  mutating func encode(
    _ owner: UInt64, _ commands: UnsafeRawBufferPointer, _ out: inout Bytes
  ) -> Bool {
    guard commands.count >= BlobRecord.smallest,
      choices.deduplicates || choices.sendsDifferences, let found = split(commands)
    else { return false }
    let hash = quickHash(contents.contents)
    let began = out.count
    if choices.deduplicates, let number = byContents[hash], let blob = store[number],
      blob.bodyCount == commands.count, blob.contents.count == contents.count,
      isEqual(blob.contents, contents.contents)
    {
      use(owner, blob, &out)
    } else {
      define(owner, found, hash, bodyCount: commands.count, &out)
    }
    guard !out.hasFailed else {
      out.truncate(began)
      return false
    }
    return true
  }

  /// Puts the commands into `contents` and their ids into `ids`.
  private mutating func split(_ commands: UnsafeRawBufferPointer) -> IDScanner.Findings? {
    gaps.reset(keeping: Bytes.kept)
    contents.reset(keeping: Bytes.kept)
    ids.reset(keeping: Bytes.kept)
    guard let found = scanner.scan(commands, &gaps) else { return nil }
    contents.append(commands)
    guard let body = contents.start, let table = ids.add(found.idCount * 8),
      let distances = gaps.start ?? contents.start, !gaps.hasFailed
    else { return nil }
    var at = 0
    for i in 0..<found.idCount {
      at += Int(UnsafeRawPointer(distances).get32(i * 4)) * 4
      table.put64(UnsafeRawPointer(body).get64(at), i * 8)
      body.put64(0, at)
      at += 8
    }
    contents.append(gaps.contents)
    return contents.hasFailed ? nil : found
  }

  private func isEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard let x = a.baseAddress, let y = b.baseAddress else { return a.count == b.count }
    return platform_compare(x, y, a.count) == 0
  }

  private mutating func use(_ owner: UInt64, _ blob: BlobStore.Blob, _ out: inout Bytes) {
    let record = out.count
    guard out.add(BlobRecord.useSize) != nil else { return }
    // No coded ids: they are what they were.
    if !isEqual(blob.idBytes, ids.contents) { encodeIDs(base: blob.idBytes, &out) }
    let coded = out.count - record - BlobRecord.useSize
    finish(BlobRecord.use, record, &out)
    guard !out.hasFailed, let p = out.start else { return }
    p.put64(owner, record + BlobRecord.commandBuffer)
    p.put32(blob.number, record + BlobRecord.number)
    p.put32(UInt32(coded), record + BlobRecord.useIDs)
    store.use(blob.number, ids: ids.contents)
    totals.deduplicated += 1
    follow(owner, blob.number, shape: blob.shape)
  }

  private mutating func define(
    _ owner: UInt64, _ found: IDScanner.Findings, _ hash: UInt64, bodyCount: Int,
    _ out: inout Bytes
  ) {
    let base = choices.sendsDifferences ? likest(owner, found, bodyCount) : nil
    let record = out.count
    guard out.add(BlobRecord.defineSize) != nil else { return }
    let units = WordUnits(recordWords: bodyCount / 4, restUnit: 16)
    let isCoded =
      choices.sendsDifferences
      && words.encode(
        Words(contents.contents), units, base: base.map { Words($0.contents) } ?? .none,
        WordUnits(recordWords: (base?.bodyCount ?? 0) / 4, restUnit: 16), &out)
    if !isCoded { out.append(contents.contents) }
    let codedContents = out.count - record - BlobRecord.defineSize
    out.pad(4)
    let beforeIDs = out.count
    encodeIDs(base: base?.idBytes ?? UnsafeRawBufferPointer(start: nil, count: 0), &out)
    let codedIDs = out.count - beforeIDs
    finish(BlobRecord.define, record, &out)
    guard !out.hasFailed, let p = out.start else { return }

    // The base is used before the new blob comes, at both ends.
    if let base { store.moveToFront(base.number) }
    let isKept = store.mayKeep(contents: contents.count, idCount: found.idCount)
    var number: UInt32 = 0
    if isKept {
      var gone: [BlobStore.Blob] = []
      let added = store.add(
        contents: contents.contents, bodyCount: bodyCount, ids: ids.contents, hash: hash,
        shape: found.shape
      ) { gone.append($0) }
      guard let added else {
        // Without memory for the store the ends would disagree about it: the session cannot go on.
        return out.fail()
      }
      number = added
      byContents[hash] = number
      for blob in gone { forget(blob) }
    }
    p.put64(owner, record + BlobRecord.commandBuffer)
    p.put32(number, record + BlobRecord.number)
    p.put32(base?.number ?? 0, record + BlobRecord.base)
    p.put32(UInt32(bodyCount), record + BlobRecord.bodyCount)
    p.put32(UInt32(found.idCount), record + BlobRecord.idCount)
    BlobRecord.digest(bodyCount: bodyCount, idCount: found.idCount, contents.contents)
      .store(at: p + record + BlobRecord.digest)
    p.put32(UInt32(codedContents), record + BlobRecord.codedContents)
    p.put32(UInt32(codedIDs), record + BlobRecord.codedIDs)
    totals.sent += 1
    if isCoded && base != nil { totals.differences += 1 }
    follow(owner, number, shape: found.shape)
  }

  /// Appends the ids in terms of those of `base`.
  private mutating func encodeIDs(base: UnsafeRawBufferPointer, _ out: inout Bytes) {
    let units = WordUnits(recordWords: 0, restUnit: 2)
    let isCoded =
      choices.sendsDifferences
      && words.encode(Words(ids.contents), units, base: Words(base), units, &out)
    if !isCoded { out.append(ids.contents) }
  }

  /// Pads the record that began at `start` and writes its header.
  private func finish(_ opcode: UInt32, _ start: Int, _ out: inout Bytes) {
    out.pad(8)
    guard !out.hasFailed, let p = out.start else { return }
    p.put32(opcode, start)
    p.put32(UInt32(out.count - start), start + 4)
  }

  /// The blob that is probably most like the new one.
  private func likest(
    _ owner: UInt64, _ found: IDScanner.Findings, _ bodyCount: Int
  ) -> BlobStore.Blob? {
    // The same commands in the same order differ in their parameters alone.
    if let blob = byShape[found.shape].flatMap({ store[$0] }) { return blob }
    let others = [byOwner[owner], followers[previous]].compactMap { $0.flatMap { store[$0] } }
    return others.min { abs($0.bodyCount - bodyCount) < abs($1.bodyCount - bodyCount) }
  }

  private mutating func follow(_ owner: UInt64, _ number: UInt32, shape: UInt64) {
    guard number != 0 else { return }
    byShape[shape] = number
    // Owners and followers go with their blobs, but not all of them: from time to time the rest.
    if byOwner.count > 2 * store.count + 1024 {
      byOwner = byOwner.filter { store[$0.value] != nil }
    }
    byOwner[owner] = number
    if previous != 0 { followers[previous] = number }
    previous = number
  }

  private mutating func forget(_ blob: BlobStore.Blob) {
    if byContents[blob.hash] == blob.number { byContents[blob.hash] = nil }
    if byShape[blob.shape] == blob.number { byShape[blob.shape] = nil }
    followers[blob.number] = nil
  }
}
