import Testing

@testable import MemoryFabric

@Suite("Blocks of runs")
struct RunBlockTests {
  typealias Run = (offset: UInt64, bytes: [UInt8])

  private func encode(_ runs: [Run], bytesPerSecond: Double) -> [UInt8] {
    var encoder = RunEncoder()
    defer { encoder.free() }
    for run in runs {
      #expect(run.bytes.withUnsafeBytes { encoder.append(run.offset, $0) })
    }
    var block: [UInt8] = []
    #expect(encoder.finish(CodecChooser(bytesPerSecond: bytesPerSecond)) { block += Array($0) })
    #expect(encoder.runCount == 0 && encoder.byteCount == 0)
    return block
  }

  private func decode(_ block: [UInt8]) -> (runs: [Run], size: Int)? {
    var decoder = RunDecoder()
    defer { decoder.free() }
    var runs: [Run] = []
    let size = block.withUnsafeBytes { bytes in
      decoder.forEachRun(bytes) { offset, run in
        runs.append((offset, Array(run)))
        return true
      }
    }
    return size.map { (runs, $0) }
  }

  private func codec(_ block: [UInt8]) -> BlockCodec? { BlockCodec(rawValue: UInt32(block[4])) }

  /// Runs of `kind`: 0 compressible, 1 noise.
  private func someRuns(_ count: Int, _ kind: Int, seed: UInt64) -> [Run] {
    var random = Random(seed)
    var offset: UInt64 = 0
    return (0..<count).map { i in
      offset &+= UInt64(random.below(9000))
      let length = random.below(600) + 1
      let bytes = (0..<length).map { j in
        kind == 1 ? UInt8(truncatingIfNeeded: random.next()) : UInt8((i &* j) % 7)
      }
      defer { offset &+= UInt64(length) }
      return (offset, bytes)
    }
  }

  @Test("come back as they were, with each codec", arguments: [0, 1], [1e6, 125e6, 1e12])
  func roundTrip(kind: Int, bytesPerSecond: Double) throws {
    for seed: UInt64 in 0..<4 {
      let runs = someRuns(300, kind, seed: seed)
      let block = encode(runs, bytesPerSecond: bytesPerSecond)
      let found = try #require(decode(block))
      #expect(found.size == block.count && block.count % 8 == 0)
      #expect(found.runs.map(\.offset) == runs.map(\.offset))
      #expect(found.runs.map(\.bytes) == runs.map(\.bytes))
      // Packed where that pays: not noise, and not where the link is faster than packing.
      if kind == 1 || bytesPerSecond > 1e9 {
        #expect(codec(block) == .raw)
      } else {
        #expect(codec(block) != .raw)
        #expect(block.count < runs.reduce(0) { $0 + $1.bytes.count } / 2)
      }
    }
    #expect(codec(encode(someRuns(300, 0, seed: 1), bytesPerSecond: 1e6)) == .zstd)
  }

  @Test("cost two or three bytes a run beside its own")
  func overhead() {
    let runs: [Run] = (0..<655).map { (UInt64($0) * 4096 * 3 + 17, [1, 2, 3, 4]) }
    let block = encode(runs, bytesPerSecond: 1e12)
    #expect(block.count <= 24 + 655 * (4 + 4))
    let near: [Run] = (0..<655).map { (UInt64($0) * 60, [1, 2, 3, 4]) }
    #expect(encode(near, bytesPerSecond: 1e12).count <= 24 + 655 * (4 + 2))
  }

  @Test("may have runs in any order, and at the end of everything")
  func extremes() throws {
    let runs: [Run] = [
      (.max - 4, [1, 2, 3]), (0, [7]), (1 << 62, [UInt8](repeating: 3, count: 5000)), (5, [9]),
    ]
    let found = try #require(decode(encode(runs, bytesPerSecond: 1e12)))
    #expect(found.runs.map(\.offset) == runs.map(\.offset))
    #expect(found.runs.map(\.bytes) == runs.map(\.bytes))
  }

  @Test("are refused whatever is wrong with them", arguments: 0..<20)
  func hostile(seed: UInt64) {
    var random = Random(seed &+ 77)
    let speed = [1e6, 100e6, 1e12][Int(seed % 3)]
    let good = encode(someRuns(40, 0, seed: seed), bytesPerSecond: speed)
    // Cut off anywhere: nil, or (only padding was lost) the same.
    for _ in 0..<40 {
      let cut = Array(good[..<random.below(good.count - 8)])
      #expect(decode(cut) == nil)
    }
    // Changed anywhere: nil, or something whose runs are within the block's own size.
    for _ in 0..<150 {
      var bad = good
      for _ in 0...random.below(4) {
        bad[random.below(bad.count)] = UInt8(truncatingIfNeeded: random.next())
      }
      if let found = decode(bad) {
        let total = found.runs.reduce(0) { $0 + $1.bytes.count }
        #expect(total <= RunDecoder.largestBlock && found.size <= bad.count)
      }
    }
    // Counts that promise more than there is.
    for field in [0, 8, 12] {
      var bad = good
      for i in 0..<4 { bad[field + i] = 0xFF }
      #expect(decode(bad) == nil)
    }
    var unknown = good
    unknown[4] = 3
    #expect(decode(unknown) == nil)
    #expect(decode([]) == nil)
  }

  @Test("stop where their reader wants")
  func refusal() {
    let block = encode(someRuns(20, 0, seed: 4), bytesPerSecond: 1e12)
    var decoder = RunDecoder()
    defer { decoder.free() }
    var seen = 0
    let size = block.withUnsafeBytes { bytes in
      decoder.forEachRun(bytes) { _, _ in
        seen += 1
        return seen < 5
      }
    }
    #expect(size == nil && seen == 5)
  }

  @Test("learn how fast the link is from what took time alone")
  func speed() {
    var chooser = CodecChooser(bytesPerSecond: 1e9)
    chooser.sent(1 << 20, nanoseconds: 1000)
    chooser.sent(100, nanoseconds: 1_000_000_000)
    #expect(chooser.bytesPerSecond == 1e9)
    for _ in 0..<40 { chooser.sent(1 << 20, nanoseconds: 100_000_000) }
    #expect(chooser.bytesPerSecond < 12e6)
  }
}
