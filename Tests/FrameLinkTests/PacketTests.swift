import FrameSamples
import Testing

@testable import FrameLink

@Suite("Packets of the frame link")
struct PacketTests {
  @Test(
    "a unit's shards are all of it, once, and each is of one group",
    arguments: [1, 15, 1183, 1184, 1185, 4000, 151_000, 1_000_000])
  func splits(byteCount: Int) throws {
    let split = try #require(UnitSplit.even(byteCount: byteCount, largest: 1184))
    #expect(split == UnitSplit(byteCount: byteCount, shardBytes: split.shardBytes))
    #expect(split.shardBytes <= 1184)
    var seen = [Bool](repeating: false, count: split.shards)
    for group in 0..<split.groups {
      #expect((1...UnitSplit.mostData).contains(split.dataCount(group)))
      for index in 0..<split.dataCount(group) {
        let shard = split.shard(group: group, index: index)
        #expect(!seen[shard])
        seen[shard] = true
        #expect(split.count(shard) > 0)
      }
    }
    #expect(seen.allSatisfy { $0 })
    #expect(split.offset(split.shards - 1) + split.count(split.shards - 1) == byteCount)
  }

  @Test("nothing, and what groups cannot hold, is not split")
  func refusedSplits() {
    #expect(UnitSplit.even(byteCount: 0, largest: 1184) == nil)
    #expect(UnitSplit(byteCount: 10, shardBytes: 0) == nil)
    let most = UnitSplit.mostData * UnitSplit.mostGroups
    #expect(UnitSplit(byteCount: most, shardBytes: 1)?.groups == UnitSplit.mostGroups)
    #expect(UnitSplit(byteCount: most + 1, shardBytes: 1) == nil)
  }

  @Test("a shard's header is read as it was written")
  func shardHeader() {
    let header = ShardHeader(
      band: 31, group: 200, index: 254, parityCount: 128, repair: 250, unit: 65_535,
      frame: 0xFEDC_BA98, unitBytes: 1 << 24, shardBytes: 65_520, isRepair: true,
      previousBands: 0x8000_0001)
    var bytes = [UInt8](repeating: 0xFF, count: ShardHeader.byteCount + 1)
    bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
    #expect(bytes.withUnsafeBytes { ShardHeader($0) } == header)
    #expect(bytes.dropLast().withUnsafeBytes { ShardHeader($0) } == nil, "no byte of a shard")
    bytes[18] = 2
    #expect(bytes.withUnsafeBytes { ShardHeader($0) } == nil, "reserved bytes")
  }

  @Test("a feedback is read as it was written")
  func feedback() throws {
    var feedback = Feedback()
    feedback.highest = 0xFFFF_FFFE
    feedback.receivedAt = 123_456_789
    feedback.age = 250
    feedback.receivedCount = 1000
    feedback.lostCount = 40
    feedback.lossRuns = 11
    feedback.notices = [
      LossNotice(band: 3, number: 255, since: 77), LossNotice(band: 0, number: 1, since: 0),
    ]
    feedback.arrived = (0..<700).map { $0 % 3 != 1 }
    feedback.earlier = feedback.arrived.enumerated().filter(\.element)
      .map { i, _ in i == 0 ? 0 : Int32(i) * 400 - (i == 9 ? 20_000 : 0) }
    var room = [UInt8](repeating: 0, count: 2000)
    let count = room.withUnsafeMutableBytes { feedback.write(to: $0) }
    let read = try #require(room[..<count].withUnsafeBytes { Feedback($0) })
    #expect(read == feedback)

    // In less room only times are left out, the oldest.
    let less = room.withUnsafeMutableBytes {
      feedback.write(to: UnsafeMutableRawBufferPointer(rebasing: $0[..<400]))
    }
    let short = try #require(room[..<less].withUnsafeBytes { Feedback($0) })
    #expect(short.arrived == feedback.arrived && short.notices == feedback.notices)
    #expect(short.earlier.count > 100 && short.earlier.count < feedback.earlier.count)
    #expect(Array(feedback.earlier.prefix(short.earlier.count)) == short.earlier)
  }

  @Test("a feedback that is cut off, or changed, is refused or is another one")
  func damagedFeedback() {
    var feedback = Feedback()
    feedback.arrived = [true, false, true]
    feedback.earlier = [0, 300]
    feedback.notices = [LossNotice(band: 1, number: 1, since: 1)]
    var room = [UInt8](repeating: 0, count: 200)
    let count = room.withUnsafeMutableBytes { feedback.write(to: $0) }
    for cut in 0..<Feedback.fixedBytes + 1 + LossNotice.byteCount {
      #expect(room[..<cut].withUnsafeBytes { Feedback($0) } == nil, "\(cut) bytes")
    }
    // More times than packets.
    room[count] = 1
    #expect(room[...count].withUnsafeBytes { Feedback($0) } == nil)
    // The highest must have arrived.
    room[Feedback.fixedBytes] = 0b100
    #expect(room[..<count].withUnsafeBytes { Feedback($0) } == nil)
  }

  @Test("a summary is read as it was written, and only whole")
  func summary() {
    let entries = [
      SummaryEntry(band: 0, repair: 9, unit: 65_535, frame: 7),
      SummaryEntry(band: 31, repair: 0, unit: 1, frame: 0xFFFF_FFFF),
    ]
    var room = [UInt8](repeating: 0, count: 64)
    let count = room.withUnsafeMutableBytes { SummaryEntry.write(entries, to: $0.baseAddress!) }
    #expect(room[..<count].withUnsafeBytes { SummaryEntry.read($0) } == entries)
    #expect(room[..<(count - 1)].withUnsafeBytes { SummaryEntry.read($0) } == nil)
    #expect(room[...count].withUnsafeBytes { SummaryEntry.read($0) } == nil)
  }
}

@Suite("Arrivals")
struct ArrivalLogTests {
  @Test("duplicates and packets that are too old are told from new ones")
  func verdicts() {
    var log = ArrivalLog()
    #expect(log.note(5, 100) == .new(behind: 0))
    #expect(log.note(3, 200) == .new(behind: 2))
    #expect(log.note(3, 300) == .duplicate)
    #expect(log.note(5, 300) == .duplicate)
    #expect(log.time(3) == 200 && log.time(4) == nil)
    #expect(log.note(100_000, 400) == .new(behind: 0))
    #expect(log.note(4, 500) == .old)
    #expect(log.time(5) == nil)
  }

  @Test("losses are counted with their runs, once nothing is to be expected any more")
  func runs() {
    var log = ArrivalLog()
    let lost: Set<UInt64> = [0, 4, 10, 11, 12, 20]
    for number: UInt64 in 0..<30 where !lost.contains(number) { _ = log.note(number, 1) }
    #expect(log.lostCount == 0)
    // One of them was only late.
    _ = log.note(20, 1)
    for number: UInt64 in 30..<200 { _ = log.note(number, 1) }
    #expect(log.lostCount == 5 && log.lossRuns == 3)
    #expect(log.receivedCount == 195)
  }

  @Test(
    "a run is one run however far it reaches", arguments: [100, 2000, 5000, 1_000_000] as [UInt64])
  func longRun(length: UInt64) {
    var log = ArrivalLog()
    for number: UInt64 in 0..<100 { _ = log.note(number, 1) }
    for number in 100 + length..<400 + length { _ = log.note(number, 1) }
    #expect(log.lostCount == UInt32(length) && log.lossRuns == 1)
  }
}

@Suite("Loss model")
struct LossModelTests {
  @Test("the share and the length of bursts are those of the losses that are reported")
  func fit() {
    var model = LossModel()
    for _ in 0..<2000 { model.add(received: 97, lost: 3, runs: 1) }
    #expect(abs(model.share - 0.03) < 0.001)
    #expect(abs(model.burst - 3) < 0.1)
    for _ in 0..<2000 { model.add(received: 100, lost: 0, runs: 0) }
    #expect(model.share < 0.0001)
  }

  /// Groups that fail, of many that a chain of two states has taken packets of.
  private func failures(
    _ share: Double, _ burst: Double, _ dataCount: Int, _ parityCount: Int, _ spacing: Int
  ) -> Double {
    var relay = Relay(
      delay: 0,
      loss: burst > 1 ? .bursts(share: share, burst: burst) : .independent(share: share),
      seed: 77)
    relay.mostWaiting = .max
    let rounds = 100_000
    var failed = 0
    for _ in 0..<rounds {
      var lost = 0
      for _ in 0..<dataCount + parityCount {
        for place in 0..<spacing {
          let isLost = relay.pass(byteCount: 0, now: 0) == nil
          if place == 0, isLost { lost += 1 }
        }
      }
      if lost > parityCount { failed += 1 }
    }
    return Double(failed) / Double(rounds)
  }

  @Test(
    "the parity that is chosen is enough, and one less is not",
    arguments: [(0.01, 1.0, 9, 1), (0.05, 1.0, 30, 1), (0.02, 4.0, 9, 4), (0.02, 4.0, 9, 1)])
  func parity(share: Double, burst: Double, dataCount: Int, spacing: Int) {
    let residual = 0.005
    let chosen = LossModel.parity(
      share: share, burst: burst, dataCount: dataCount, spacing: spacing, residual: residual,
      most: 100)
    #expect(chosen > 0)
    #expect(failures(share, burst, dataCount, chosen, spacing) < residual * 1.3)
    #expect(failures(share, burst, dataCount, chosen - 1, spacing) > residual * 0.7)
  }

  @Test("without losses there is no need of parity, and bursts need more of it")
  func extremes() {
    func parity(_ share: Double, _ burst: Double) -> Int {
      LossModel.parity(
        share: share, burst: burst, dataCount: 20, spacing: 1, residual: 0.001, most: 50)
    }
    #expect(parity(0, 1) == 0)
    #expect(parity(0.02, 1) < parity(0.02, 4))
    #expect(parity(0.02, 4) < parity(0.06, 4))
    #expect(parity(0.5, 30) == 50)
  }
}
