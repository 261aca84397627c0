import MemoryFabric
import Testing

@Suite("Differences of memory")
struct ByteDifferenceTests {
  /// The runs that `forEachRun` finds.
  func runs(_ new: [UInt8], _ old: [UInt8]) -> [[Int]] {
    var found: [[Int]] = []
    new.withUnsafeBytes { new in
      old.withUnsafeBytes { old in
        guard let a = new.baseAddress, let b = old.baseAddress else { return }
        ByteDifference.forEachRun(a, b, new.count) { found.append([$0, $1]) }
      }
    }
    return found
  }

  /// What they should be, found one byte at a time.
  func expected(_ new: [UInt8], _ old: [UInt8]) -> [[Int]] {
    var found: [[Int]] = []
    for i in new.indices where new[i] != old[i] {
      if let last = found.last, last[0] + last[1] == i {
        found[found.count - 1][1] += 1
      } else {
        found.append([i, 1])
      }
    }
    return found
  }

  @Test("equal memory has no runs", arguments: [1, 7, 8, 9, 31, 32, 33, 4096])
  func equal(count: Int) {
    let bytes = [UInt8](repeating: 7, count: count)
    #expect(runs(bytes, bytes).isEmpty)
  }

  @Test("one byte is a run of one byte, wherever it lies")
  func singleBytes() {
    let old = [UInt8](repeating: 0, count: 80)
    for i in old.indices {
      var new = old
      new[i] = 0x80
      #expect(runs(new, old) == [[i, 1]])
    }
  }

  @Test("every run has exactly the bytes that differ", arguments: 0..<40)
  func random(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next() -> UInt64 {
      state ^= state &<< 13
      state ^= state &>> 7
      state ^= state &<< 17
      return state
    }
    let count = 1 + Int(next() % 700)
    let old = (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    var new = old
    for _ in 0..<Int(next() % 20) {
      let start = Int(next() % UInt64(count))
      for i in start..<min(count, start + Int(next() % 40)) {
        new[i] = UInt8(truncatingIfNeeded: next() % 3) &+ old[i]
      }
    }
    #expect(runs(new, old) == expected(new, old))
  }

  @Test("clearing clears")
  func clear() {
    var bytes = [UInt8](repeating: 0, count: 10_000)
    for i in stride(from: 0, to: bytes.count, by: 97) { bytes[i] = 1 }
    bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return }
      #expect(!ByteDifference.isZero(start, buffer.count))
      ByteDifference.clear(start, buffer.count)
      #expect(ByteDifference.isZero(start, buffer.count))
    }
  }

  @Test("an update is exact to the byte, and leaves the twin equal", arguments: 0..<20)
  func update(seed: UInt64) {
    let size = 3 * 4096
    let (source, twin) = (Memory(size), Memory(size))
    for i in 0..<size {
      source[i] = UInt8(truncatingIfNeeded: i &* 7)
      twin[i] = source[i]
    }
    var random = Random(seed)
    var changed: Set<Int> = []
    for _ in 0..<Int(seed * seed) {
      let i = random.below(size)
      source[i] = UInt8(truncatingIfNeeded: i &* 7) ^ 0x55
      changed.insert(i)
    }
    // Not the first 100 bytes, nor the last.
    let (start, end) = (100, size - 1)
    var found: Set<Int> = []
    let scratch = Memory(4096)
    ByteDifference.update(twin.start, from: source.start, start, end, scratch: scratch.start) {
      offset, run in
      for (i, byte) in run.enumerated() {
        #expect(byte == source[offset + i])
        found.insert(offset + i)
      }
    }
    #expect(found == changed.filter { $0 >= start && $0 < end })
    #expect(Array(twin.bytes[start..<end]) == Array(source.bytes[start..<end]))
  }
}
