/// How a unit is cut into shards, and its shards are shared among groups: what both ends compute from the
/// unit's byte count and the bytes of a shard, and therefore need not tell each other.
///
/// Shard s of the unit is its bytes from `s * shardBytes` on. Group g has the shards g, g + groups,
/// g + 2 * groups …, so that neighbours on the link, which are lost together, are of different groups.
struct UnitSplit: Equatable {
  /// Most data shards of a group: parity may double them within the code's 255, and the work of
  /// coding, which grows with their number, stays small.
  static let mostData = 127
  static let mostGroups = 255
  /// Shards are cut at multiples of this many bytes, so that loops over them run in whole vectors.
  static let alignment = 16

  let byteCount: Int
  let shardBytes: Int
  let shards: Int
  let groups: Int

  /// Nil when there is nothing to cut, or more than groups can hold.
  init?(byteCount: Int, shardBytes: Int) {
    guard byteCount > 0, shardBytes > 0 else { return nil }
    shards = (byteCount - 1) / shardBytes + 1
    groups = (shards - 1) / UnitSplit.mostData + 1
    guard groups <= UnitSplit.mostGroups else { return nil }
    self.byteCount = byteCount
    self.shardBytes = shardBytes
  }

  /// Cuts into as few shards as `largest` bytes allow, as equal as they can be: parity shards are as
  /// long as the longest.
  static func even(byteCount: Int, largest: Int) -> UnitSplit? {
    guard byteCount > 0, largest > 0 else { return nil }
    let shards = (byteCount - 1) / largest + 1
    let each = (byteCount - 1) / shards + 1
    return UnitSplit(
      byteCount: byteCount,
      shardBytes: min((each + alignment - 1) / alignment * alignment, largest))
  }

  /// Data shards of a group.
  func dataCount(_ group: Int) -> Int { (shards - group + groups - 1) / groups }

  /// The unit's shard at a place of a group.
  func shard(group: Int, index: Int) -> Int { index * groups + group }

  /// Where a shard's bytes begin in the unit, and how many it has.
  func offset(_ shard: Int) -> Int { shard * shardBytes }
  func count(_ shard: Int) -> Int { min(shardBytes, byteCount - shard * shardBytes) }
}
