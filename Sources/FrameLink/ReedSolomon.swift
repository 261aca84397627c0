internal import CPlatform

/// A systematic Reed–Solomon code for erasures: k data shards, and up to 255 - k parity shards of which
/// any e make good for any e missing data shards.
///
/// Parity shard i is the sum over the data shards j of `coefficient(i, j)` times the shard. The
/// coefficients are a Cauchy matrix 1 / (x_i + y_j) with x_i = 255 - i and y_j = j, each column scaled
/// so that row 0 is all ones: every square part of it can be inverted, which is what makes any e
/// suffice, and a single parity shard is the exclusive or of the data. A coefficient depends on neither
/// k nor m, so that parity can be made one shard at a time, as many as the link turns out to need.
///
/// Shards are of one length; one that is shorter counts as having zeros behind its end.
public enum ReedSolomon {
  /// Data and parity shards of one group together, at most: places y_j and x_i differ.
  public static let mostShards = 255

  static func coefficient(_ row: Int, _ column: Int) -> UInt8 {
    let (x, y) = (UInt8(truncatingIfNeeded: 255 - row), UInt8(truncatingIfNeeded: column))
    return GaloisField.quotient(255 ^ y, x ^ y)
  }

  /// Adds data shard `column` to parity shard `row`, which begins as zeros and has at least
  /// `count` bytes. `usesShuffles`: false for a comparison with what tables alone can do.
  public static func add(
    _ shard: UnsafeRawPointer, count: Int, column: Int, toParity parity: UnsafeMutableRawPointer,
    row: Int, usesShuffles: Bool = true
  ) {
    let to = parity.assumingMemoryBound(to: UInt8.self)
    let from = shard.assumingMemoryBound(to: UInt8.self)
    let factor = coefficient(row, column)
    if usesShuffles {
      GaloisField.addProducts(to, from, factor, count)
    } else {
      GaloisField.addProductsPortably(to, from, factor, count)
    }
  }

  /// Rebuilds the data shards `missing`, out of those that are there and as many parity shards.
  ///
  /// `data(j)` is room for data shard j, `parity(i)` is the parity shard of row `rows[i]`; each has
  /// `shardBytes` bytes, and a shard that was shorter has zeros at its end. The parity shards
  /// are overwritten. False when the numbers of shards do not fit each other; nothing is written then.
  public static func recover(
    missing: [Int], dataCount: Int, rows: [Int], shardBytes: Int,
    data: (Int) -> UnsafeMutableRawPointer, parity: (Int) -> UnsafeMutableRawPointer
  ) -> Bool {
    let count = missing.count
    guard count > 0, rows.count == count, shardBytes > 0, dataCount > 0,
      missing.allSatisfy({ (0..<dataCount).contains($0) }),
      rows.allSatisfy({ (0..<mostShards - dataCount).contains($0) })
    else { return count == 0 }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * count) { room in
      guard let matrix = room.baseAddress else { return false }
      for (i, row) in rows.enumerated() {
        for (j, column) in missing.enumerated() {
          matrix[i * count + j] = coefficient(row, column)
        }
      }
      guard GaloisField.invert(matrix, size: count) else { return false }
      // What is left of each parity shard when the data that are there are taken out of it.
      var next = 0
      for column in 0..<dataCount {
        if next < count, missing[next] == column {
          next += 1
          continue
        }
        let shard = UnsafeRawPointer(data(column))
        for (i, row) in rows.enumerated() {
          add(shard, count: shardBytes, column: column, toParity: parity(i), row: row)
        }
      }
      for (j, column) in missing.enumerated() {
        let out = data(column)
        platform_zero(out, shardBytes)
        for i in 0..<count {
          GaloisField.addProducts(
            out.assumingMemoryBound(to: UInt8.self),
            UnsafeRawPointer(parity(i)).assumingMemoryBound(to: UInt8.self),
            matrix[j * count + i], shardBytes)
        }
      }
      return true
    }
  }
}
