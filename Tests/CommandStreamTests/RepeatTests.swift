import Ring
import Testing
import VulkanWire
import Wire

@testable import CommandStream

@Suite("Records of OpenGL")
struct RepeatTests {
  /// One of many records, by its number; always the same.
  private func add(_ number: Int, to recording: Recording) {
    var numbers = Numbers(UInt64(number))
    let sizes = [2, 2, 4, 6, 30, 200, 2000]
    let opcode =
      numbers.below(3) == 0 ? ControlOpcode.glVertexData : 0x1_0000 + UInt32(number % 900)
    let count = sizes[numbers.below(sizes.count)]
    recording.raw(opcode, (0..<count).map { _ in UInt32(truncatingIfNeeded: numbers.next()) })
  }

  /// Frames much like the one before: runs of it, with other records in between.
  private func frames(_ seed: Int, _ count: Int) -> [[UInt8]] {
    var numbers = Numbers(UInt64(seed))
    var scene = (0..<300).map { $0 }
    var next = 1000
    return (0..<count).map { _ in
      for _ in 0..<numbers.below(12) {
        scene[numbers.below(scene.count)] = next
        next += 1
      }
      if numbers.below(4) == 0 { scene.remove(at: numbers.below(scene.count)) }
      let recording = Recording()
      for (i, number) in scene.enumerated() {
        add(number, to: recording)
        // Of another vocabulary: nothing is to be seen of it.
        if i % 97 == 0 { recording.raw(Opcode.vkQueueSubmit, [UInt32(i), 1]) }
      }
      return recording.bytes
    }
  }

  /// Rings in which nothing, little and everything lies.
  @Test("are what they were before, however much is kept", arguments: [1 << 10, 1 << 16, 1 << 24])
  func roundTrip(ring: Int) {
    var choices = StreamChoices()
    choices.compresses = false
    let stream = Stream(choices, ring: ring)
    for frame in frames(ring, 60) {
      let (got, wrong) = stream.send(frame)
      #expect(wrong == nil)
      let isSame = got == frame
      #expect(isSame)
      guard isSame else { return }
    }
    let totals = stream.encoder.totals
    if ring == 1 << 24 { #expect(totals.coded * 8 < totals.plain) }
  }

  @Test("that are sent again cost nothing")
  func repeated() {
    var choices = StreamChoices()
    choices.compresses = false
    let stream = Stream(choices)
    let frame = frames(1, 1)[0]
    let first = stream.send(frame).0 == frame
    let before = stream.encoder.totals.coded
    let second = stream.send(frame).0 == frame
    #expect(first && second)
    // The records of the other vocabulary stay, and part the runs.
    #expect(stream.encoder.totals.coded - before < 400)
  }

  @Test("that nobody has kept, or that are none, are an error")
  func hostile() {
    func verdict(_ place: UInt64, _ count: UInt32) -> String? {
      let recording = Recording()
      recording.raw(0x1_0001, [8, 0, 3, 4, 5, 6])
      recording.raw(0x1_0002, [1, 2])
      recording.raw(
        RepeatRecord.opcode,
        [UInt32(truncatingIfNeeded: place), UInt32(truncatingIfNeeded: place >> 32), count, 0])
      let message =
        [UInt8](repeating: 0, count: 4) + bytes(UInt32(recording.bytes.count))
        + [UInt8](repeating: 0, count: 4) + recording.bytes
      let decoder = StreamDecoder(keeper: nil)
      return message.withUnsafeBytes { decoder.decode($0) { _ in true } }.map { "\($0)" }
    }
    #expect(verdict(0, 32) == nil)
    #expect(verdict(0, 48) == nil)
    #expect(verdict(32, 16) == nil)
    for (place, count) in [(48, 8), (0, 56), (40, 16), (0, 0), (UInt64.max, 16), (1 << 40, 16)] {
      #expect(
        verdict(place, UInt32(count)) == "codedRecords: again: what is at the place is not held")
    }
    for (place, count) in [(0, 4), (0, 40), (8, 24), (16, 32), (3, 8)] {
      #expect(verdict(UInt64(place), UInt32(count)) == "codedRecords: again: a record is not whole")
    }
  }

  private func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> ($0 * 8) & 0xFF) } }
}
