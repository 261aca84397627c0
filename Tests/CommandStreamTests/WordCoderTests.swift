import Testing
import Wire

@testable import CommandStream

@Suite("Differences of words")
struct WordCoderTests {
  /// The target again after coding and decoding; the coded bytes, nil when coding did not pay.
  private func roundTrip(
    _ target: [UInt32], _ base: [UInt32], _ units: WordUnits, _ baseUnits: WordUnits
  ) -> [UInt8]? {
    var encoder = WordEncoder()
    var out = Bytes()
    defer {
      encoder.free()
      out.free()
    }
    let isCoded = withWords(target) { target in
      withWords(base) { base in encoder.encode(target, units, base: base, baseUnits, &out) }
    }
    guard isCoded else {
      #expect(out.count == 0)
      return nil
    }
    let coded = Array(out.contents)
    #expect(decode(coded, base, target.count) == target)
    return coded
  }

  private func decode(_ coded: [UInt8], _ base: [UInt32], _ count: Int) -> [UInt32]? {
    var result = [UInt32](repeating: 0xEEEE_EEEE, count: count + 2)
    let isRight = coded.withUnsafeBytes { coded in
      withWords(base) { base in
        result.withUnsafeMutableBufferPointer {
          WordDecoder.decode(coded, base: base, into: $0.baseAddress! + 1, count)
        }
      }
    }
    // Nothing outside is touched, whatever came.
    #expect(result[0] == 0xEEEE_EEEE && result[count + 1] == 0xEEEE_EEEE)
    return isRight ? Array(result[1..<count + 1]) : nil
  }

  private let plain = WordUnits(recordWords: 0, restUnit: 4)

  @Test("come back for changes, insertions and removals of any kind")
  func random() {
    for seed in 0..<400 {
      var numbers = Numbers(UInt64(seed))
      let alphabet = 1 + numbers.below(seed % 2 == 0 ? 4 : 1 << 30)
      let base = (0..<numbers.below(400)).map { _ in UInt32(numbers.below(alphabet)) }
      var target = base
      for _ in 0..<numbers.below(12) {
        let at = numbers.below(target.count + 1)
        switch numbers.below(4) {
        case 0: target.insert(UInt32(numbers.below(alphabet)), at: at)
        case 1: if at < target.count { target.remove(at: at) }
        case 2: if at < target.count { target[at] = UInt32(numbers.below(alphabet)) }
        default:
          target.insert(contentsOf: target.prefix(numbers.below(target.count + 1)), at: at)
        }
        if target.count > 5000 { break }
      }
      let units = WordUnits(recordWords: numbers.below(target.count + 1), restUnit: 1 + seed % 16)
      _ = roundTrip(target, base, units, plain)
      _ = roundTrip(target, [], units, plain)
    }
  }

  @Test("of what has not changed take a few bytes, however long it is")
  func unchanged() throws {
    let words = (0..<100_000).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) }
    #expect(try #require(roundTrip(words, words, plain, plain)).count <= 5)
  }

  @Test("find a run that has moved")
  func moved() throws {
    var numbers = Numbers(1)
    let words = (0..<4000).map { _ in UInt32(truncatingIfNeeded: numbers.next()) }
    let longer = Array(words[..<400]) + [1, 2, 3, 4] + Array(words[400...])
    #expect(try #require(roundTrip(longer, words, plain, plain)).count <= 40)
    let shorter = Array(words[..<400]) + Array(words[800...])
    #expect(try #require(roundTrip(shorter, words, plain, plain)).count <= 40)
  }

  @Test("that would not pay are not made")
  func noise() {
    var numbers = Numbers(2)
    let words = (0..<1000).map { _ in UInt32(truncatingIfNeeded: numbers.next()) }
    #expect(roundTrip(words, [], plain, plain) == nil)
  }

  @Test("that are cut off, damaged or invented never write outside")
  func hostile() throws {
    var numbers = Numbers(3)
    let base = (0..<200).map { _ in UInt32(numbers.below(5)) }
    let target = base.map { numbers.below(9) == 0 ? $0 + 1 : $0 } + base
    let coded = try #require(roundTrip(target, base, plain, plain))
    for end in 0..<coded.count { #expect(decode(Array(coded[..<end]), base, target.count) == nil) }
    #expect(decode(coded + [0], base, target.count) == nil)
    for _ in 0..<20_000 {
      var damaged = coded
      for _ in 0...numbers.below(3) {
        damaged[numbers.below(damaged.count)] = UInt8(truncatingIfNeeded: numbers.next())
      }
      _ = decode(damaged, base, target.count)
      let invented = (0..<numbers.below(40)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
      _ = decode(invented, base, numbers.below(100))
    }
    // A copy from before everything, from nowhere, of nothing, of too much.
    for bad: [UInt8] in [
      [0, 0x03, 0xFF, 0x7F], [0, 0x03, 0], [0, 0x00], [0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
      [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    ] {
      #expect(decode(bad, base, 10) == nil)
    }
  }
}
