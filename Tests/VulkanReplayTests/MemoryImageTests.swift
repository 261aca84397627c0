import Testing

@testable import VulkanReplay

@Suite("Memory images")
struct MemoryImageTests {
  /// The runs that `forEachDifference` finds.
  func runs(_ new: [UInt8], _ old: [UInt8]) -> [[Int]] {
    var found: [[Int]] = []
    new.withUnsafeBytes { new in
      old.withUnsafeBytes { old in
        guard let a = new.baseAddress, let b = old.baseAddress else { return }
        MemoryImage.forEachDifference(a, b, new.count) { found.append([$0, $1]) }
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
      #expect(!MemoryImage.isZero(start, buffer.count))
      MemoryImage.clear(start, buffer.count)
      #expect(MemoryImage.isZero(start, buffer.count))
    }
  }
}
