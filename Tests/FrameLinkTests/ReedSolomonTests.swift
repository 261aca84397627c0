import FrameSamples
import Testing

@testable import FrameLink

@Suite("Reed-Solomon")
struct ReedSolomonTests {
  /// Shift and add, as the field is defined.
  private func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
    var (a, b, sum) = (UInt16(a), b, UInt16(0))
    while b != 0 {
      if b & 1 != 0 { sum ^= a }
      a <<= 1
      if a & 0x100 != 0 { a ^= 0x11D }
      b >>= 1
    }
    return UInt8(sum)
  }

  @Test("every product and every quotient is the field's")
  func products() {
    for a in 0...UInt8.max {
      for b in 0...UInt8.max {
        let expected = product(a, b)
        if GaloisField.product(a, b) != expected { Issue.record("\(a) x \(b)") }
        if b != 0, GaloisField.quotient(expected, b) != a { Issue.record("\(expected) / \(b)") }
      }
    }
  }

  @Test("products are added alike by vectors and by tables, for every factor and length")
  func vectors() {
    var numbers = Numbers(3)
    let source = (0..<100).map { _ in UInt8(numbers.below(256)) }
    let before = (0..<100).map { _ in UInt8(numbers.below(256)) }
    for factor in 0...UInt8.max {
      for length in [0, 1, 15, 16, 17, 31, 32, 33, 64, 79, 100] {
        let expected = before.enumerated().map { i, byte in
          i < length ? byte ^ product(source[i], factor) : byte
        }
        var (byVectors, byTables) = (before, before)
        GaloisField.addProducts(&byVectors, source, factor, length)
        GaloisField.addProductsPortably(&byTables, source, factor, length)
        if byVectors != expected { Issue.record("vectors: \(factor), \(length) bytes") }
        if byTables != expected { Issue.record("tables: \(factor), \(length) bytes") }
      }
    }
  }

  /// A group of data shards, the last of them short, and its parity.
  private struct Group {
    static let shardBytes = 48
    var data: [[UInt8]]
    var parity: [[UInt8]]

    init(dataCount: Int, parityCount: Int, seed: UInt64) {
      var numbers = Numbers(seed)
      data = (0..<dataCount).map { j in
        let count = j == dataCount - 1 ? 17 : Group.shardBytes
        return (0..<Group.shardBytes).map { $0 < count ? UInt8(numbers.below(256)) : 0 }
      }
      let made = data
      parity = (0..<parityCount).map { row in
        var out = [UInt8](repeating: 0, count: Group.shardBytes)
        out.withUnsafeMutableBytes { out in
          for (column, shard) in made.enumerated() {
            let count = column == dataCount - 1 ? 17 : Group.shardBytes
            shard.withUnsafeBytes {
              ReedSolomon.add(
                $0.baseAddress!, count: count, column: column, toParity: out.baseAddress!, row: row)
            }
          }
        }
        return out
      }
    }

    /// What is rebuilt of the data when `missing` is lost and the parity of `rows` is there.
    func recovered(missing: [Int], rows: [Int]) -> [[UInt8]]? {
      let room = UnsafeMutableRawPointer.allocate(
        byteCount: (data.count + rows.count) * Group.shardBytes, alignment: 16)
      defer { room.deallocate() }
      for (j, shard) in data.enumerated() {
        let bytes = missing.contains(j) ? [UInt8](repeating: 0xAA, count: shard.count) : shard
        (room + j * Group.shardBytes).copyMemory(from: bytes, byteCount: Group.shardBytes)
      }
      for (i, row) in rows.enumerated() {
        (room + (data.count + i) * Group.shardBytes).copyMemory(
          from: parity[row], byteCount: Group.shardBytes)
      }
      let isDone = ReedSolomon.recover(
        missing: missing, dataCount: data.count, rows: rows, shardBytes: Group.shardBytes,
        data: { room + $0 * Group.shardBytes },
        parity: { room + (data.count + $0) * Group.shardBytes })
      guard isDone else { return nil }
      return data.indices.map {
        Array(UnsafeRawBufferPointer(start: room + $0 * Group.shardBytes, count: Group.shardBytes))
      }
    }
  }

  @Test("any k shards are enough: every way to lose up to m of k + m", arguments: 1...5, 1...4)
  func everyLoss(dataCount: Int, parityCount: Int) {
    let group = Group(dataCount: dataCount, parityCount: parityCount, seed: 9)
    for lost in 0..<1 << (dataCount + parityCount) where lost.nonzeroBitCount <= parityCount {
      let missing = (0..<dataCount).filter { lost >> $0 & 1 != 0 }
      let rows = (0..<parityCount).filter { lost >> (dataCount + $0) & 1 == 0 }
        .prefix(missing.count)
      if group.recovered(missing: missing, rows: Array(rows)) != group.data {
        Issue.record("lost \(missing), parity \(rows)")
      }
    }
  }

  @Test(
    "large groups, as many lost as there is parity", arguments: [(127, 128), (200, 55), (1, 254)])
  func largeGroups(dataCount: Int, parityCount: Int) {
    let group = Group(dataCount: dataCount, parityCount: parityCount, seed: 5)
    var numbers = Numbers(6)
    for count in Set([1, 2, 50, 254].map { min($0, dataCount, parityCount) }) {
      let missing = (0..<dataCount).shuffled(using: &numbers).prefix(count).sorted()
      let rows = (0..<parityCount).shuffled(using: &numbers).prefix(count)
      let isRight = group.recovered(missing: missing, rows: Array(rows)) == group.data
      #expect(isRight, "\(count) lost")
    }
  }

  @Test("the first parity shard is the exclusive or of the data")
  func firstRow() {
    for column in 0..<254 where ReedSolomon.coefficient(0, column) != 1 {
      Issue.record("column \(column)")
    }
  }

  @Test("numbers that do not fit each other are refused, and nothing is written")
  func refusals() {
    let group = Group(dataCount: 3, parityCount: 2, seed: 1)
    #expect(group.recovered(missing: [0, 1], rows: [0]) == nil)
    #expect(group.recovered(missing: [3], rows: [0]) == nil)
    #expect(group.recovered(missing: [], rows: []) == group.data)
  }
}
