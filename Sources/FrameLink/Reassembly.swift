internal import CPlatform

/// One unit on its way in: what has arrived of it, and what can still arrive.
///
/// Its memory is bounded by what `begin` was allowed to take. Everything in a header has been checked
/// against the unit's split before it is used.
struct Reassembly {
  enum Progress { case unseen, partial, complete }

  private(set) var progress = Progress.unseen
  /// Known to be lost: the notice has been given. It may complete all the same.
  var isLost = false
  /// The lowest packet number known to have been sent after the whole unit; nil while there is none.
  var passedBy: UInt64?
  /// The unit's own `repair`, or of a unit that is unseen the one of the packet that made it known.
  private(set) var repair: UInt8
  private(set) var frame: UInt32?

  private var split: UnitSplit?
  private(set) var parityCount = 0
  private var memory: UnsafeMutableRawPointer?
  private(set) var memoryBytes = 0
  /// For each group four words with a bit for each of its shards.
  private var have: [UInt64] = []
  private var counts: [Int] = []
  private var highestIndex: [Int] = []
  private var groupsLeft = 0
  /// Data shards that parity has made good.
  private(set) var repairedShards = 0

  /// A unit that is known to have been sent.
  init(repair: UInt8, frame: UInt32?, passedBy: UInt64?) {
    self.repair = repair
    self.frame = frame
    self.passedBy = passedBy
  }

  func release() { platform_free(memory) }

  /// The unit's bytes, when it is complete.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory, count: split?.byteCount ?? 0)
  }

  enum Refusal { case malformed, memory }

  /// Takes the geometry of the first shard that arrives. `room`: bytes that it may take.
  mutating func begin(_ header: ShardHeader, room: Int) -> Refusal? {
    guard let split = UnitSplit(byteCount: header.unitBytes, shardBytes: header.shardBytes),
      split.dataCount(0) + header.parityCount <= ReedSolomon.mostShards
    else { return .malformed }
    let dataBytes = split.shards * split.shardBytes
    let parityBytes = split.groups * header.parityCount * split.shardBytes
    guard dataBytes + parityBytes <= room, let memory = platform_malloc(dataBytes + parityBytes)
    else { return .memory }
    platform_zero(memory + split.byteCount, dataBytes - split.byteCount)
    self.memory = memory
    memoryBytes = dataBytes + parityBytes
    self.split = split
    parityCount = header.parityCount
    have = [UInt64](repeating: 0, count: split.groups * 4)
    counts = [Int](repeating: 0, count: split.groups)
    highestIndex = [Int](repeating: -1, count: split.groups)
    groupsLeft = split.groups
    repair = header.repair
    frame = header.frame
    progress = .partial
    return nil
  }

  enum Addition { case taken, duplicate, inconsistent }

  /// Takes a shard of a unit that has begun.
  mutating func add(_ header: ShardHeader, _ shard: UnsafeRawBufferPointer) -> Addition {
    guard let split, let memory, let from = shard.baseAddress, frame == header.frame,
      repair == header.repair, split.byteCount == header.unitBytes,
      split.shardBytes == header.shardBytes, parityCount == header.parityCount,
      header.group < split.groups
    else { return .inconsistent }
    let dataCount = split.dataCount(header.group)
    guard header.index < dataCount + parityCount else { return .inconsistent }
    let isData = header.index < dataCount
    let number = split.shard(group: header.group, index: header.index)
    guard shard.count == (isData ? split.count(number) : split.shardBytes) else {
      return .inconsistent
    }
    let word = header.group * 4 + header.index >> 6
    let bit: UInt64 = 1 << UInt64(header.index & 63)
    guard have[word] & bit == 0 else { return .duplicate }
    have[word] |= bit
    highestIndex[header.group] = max(highestIndex[header.group], header.index)
    guard counts[header.group] < dataCount else { return .taken }
    let to =
      isData
      ? memory + split.offset(number) : parity(header.group, header.index - dataCount, split)
    platform_copy(to, from, shard.count)
    counts[header.group] += 1
    if counts[header.group] == dataCount { finish(header.group, split, memory) }
    return .taken
  }

  private func parity(_ group: Int, _ row: Int, _ split: UnitSplit) -> UnsafeMutableRawPointer {
    // Never nil where it is used; nothing is done with an address that is not the unit's.
    let start = memory ?? UnsafeMutableRawPointer(bitPattern: 16)!
    return start + (split.shards + group * parityCount + row) * split.shardBytes
  }

  private func has(_ group: Int, _ index: Int) -> Bool {
    have[group * 4 + index >> 6] >> UInt64(index & 63) & 1 != 0
  }

  private mutating func finish(
    _ group: Int, _ split: UnitSplit, _ memory: UnsafeMutableRawPointer
  ) {
    let dataCount = split.dataCount(group)
    let missing = (0..<dataCount).filter { !has(group, $0) }
    if !missing.isEmpty {
      let rows = (0..<parityCount).filter { has(group, dataCount + $0) }.prefix(missing.count)
      let rowList = Array(rows)
      let isWhole = ReedSolomon.recover(
        missing: missing, dataCount: dataCount, rows: rowList, shardBytes: split.shardBytes,
        data: { memory + split.offset(split.shard(group: group, index: $0)) },
        parity: { parity(group, rowList[$0], split) })
      guard isWhole else { return }
      repairedShards += missing.count
    }
    groupsLeft -= 1
    if groupsLeft == 0 { progress = .complete }
  }

  /// Whether some group can no longer be completed by shards that come behind those that have come, if
  /// none is overtaken.
  var isBeyondRepair: Bool {
    guard progress == .partial, let split else { return false }
    for group in 0..<split.groups {
      let all = split.dataCount(group) + parityCount
      if counts[group] + all - 1 - highestIndex[group] < split.dataCount(group) { return true }
    }
    return false
  }
}
