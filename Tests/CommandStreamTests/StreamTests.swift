import CPlatform
import Ring
import Testing
import VulkanWire
import Wire

@testable import CommandStream

/// Every combination of what can be turned off.
let everyChoice: [StreamChoices] = (0..<8).map { bits in
  var choices = StreamChoices()
  choices.deduplicates = bits & 1 == 0
  choices.sendsDifferences = bits & 2 == 0
  choices.compresses = bits & 4 == 0
  return choices
}

@Suite("A coded stream")
struct StreamTests {
  /// A command buffer of random commands, much like the others with the same seed.
  private func commands(_ seed: Int, _ variation: Int) -> [UInt8] {
    var numbers = Numbers(UInt64(seed))
    var changes = Numbers(UInt64(seed * 1000 + variation))
    let recording = Recording()
    let layout = id(.pipelineLayout, 7)
    for i in 0..<numbers.below(120) {
      if changes.below(60) == 0 { continue }
      switch numbers.below(6) {
      case 0: recording.bindPipeline(id(.pipeline, numbers.below(9) + 1))
      case 1:
        recording.bindSet(
          layout,
          (0...numbers.below(3)).map {
            id(.descriptorSet, $0 + i + 100, generation: changes.below(2))
          })
      case 2, 3:
        let fixed = (0..<4).map { _ in UInt32(numbers.below(1 << 30)) }
        recording.push(layout, [UInt32(changes.below(1 << 30))] + fixed)
      // Not what its opcode says, and of no opcode.
      case 4: recording.raw(Opcode.vkCmdPipelineBarrier, [1, 2, 3, 0xFFFF_FFFF, 9])
      default: recording.draw(3 * (1 + numbers.below(4)), first: changes.below(3))
      }
      if changes.below(40) == 0 { recording.raw(0xFFF0, [UInt32(changes.below(99))]) }
    }
    return recording.bytes
  }

  @Test("is what it was before, whatever is turned off", arguments: 0..<8)
  func roundTrip(choice: Int) {
    let stream = Stream(everyChoice[choice])
    for frame in 0..<40 {
      let records = Recording()
      for part in 0..<5 {
        records.raw(Opcode.vkQueueSubmit, [UInt32(frame), UInt32(part)])
        records.commandBuffer(
          id(.commandBuffer, frame % 3 * 5 + part + 1), commands(part, frame / 2))
      }
      let bytes = records.bytes
      let (got, wrong) = stream.send(bytes)
      #expect(wrong == nil)
      #expect(got == bytes)
      #expect(stream.encoder.heldNumbers == stream.decoder.heldNumbers)
    }
    let totals = stream.encoder.totals
    #expect((totals.blobsKnown > 0) == everyChoice[choice].deduplicates)
    #expect((totals.blobsAsDifference > 0) == everyChoice[choice].sendsDifferences)
    if everyChoice[choice].compresses { #expect(totals.sent < totals.coded) }
  }

  @Test("forgets at both ends the same")
  func eviction() {
    let stream = Stream(limit: 40_000)
    for frame in 0..<300 {
      let records = Recording()
      for part in 0..<3 {
        records.commandBuffer(
          id(.commandBuffer, part + 1), commands((frame * 7 + part) % 23, frame))
      }
      let (got, wrong) = stream.send(records.bytes)
      #expect(wrong == nil && got == records.bytes)
      #expect(stream.encoder.heldNumbers == stream.decoder.heldNumbers)
    }
    #expect(stream.encoder.heldNumbers.count < 60)
  }

  @Test("sends what is too large to be kept, and what is larger than a message")
  func large() {
    var choices = StreamChoices()
    choices.compresses = false
    let stream = Stream(choices)
    let recording = Recording()
    for i in 0..<700_000 { recording.draw(i, first: i &* 77) }
    let records = Recording()
    records.raw(Opcode.vkCreateBuffer, [1, 2])
    records.commandBuffer(id(.commandBuffer, 1), recording.bytes)
    records.raw(
      Opcode.vkCreateShaderModule, (0..<5_000_000).map { UInt32(truncatingIfNeeded: $0 &* $0) })
    let bytes = records.bytes
    let (got, wrong) = stream.send(bytes)
    #expect(wrong == nil)
    #expect(got == bytes)
    #expect(stream.messages.count > 1)
    #expect(stream.decoder.heldNumbers == [])
    let (again, _) = stream.send(bytes)
    #expect(again == bytes)
  }

  @Test("is wrong when the ends do not hold the same")
  func disagreement() {
    var choices = StreamChoices()
    choices.compresses = false
    let records = Recording()
    records.commandBuffer(id(.commandBuffer, 1), commands(1, 1))
    let sender = Stream(choices)
    _ = sender.encode(records.bytes)
    let second = sender.encode(records.bytes)
    // The receiver has not had the first.
    let receiver = StreamDecoder(keeper: nil)
    let wrong = second[0].withUnsafeBytes { receiver.decode($0) { _ in true } }
    #expect(wrong.map { "\($0)" } == "blob: it is not held")
  }

  /// A message with one blob, and where its record begins.
  private func blobMessage() -> ([UInt8], Int) {
    var choices = StreamChoices()
    choices.compresses = false
    let records = Recording()
    records.commandBuffer(id(.commandBuffer, 1), commands(1, 1))
    return (Stream(choices).encode(records.bytes)[0], 12)
  }

  private func verdict(_ message: [UInt8]) -> String? {
    message.withUnsafeBytes { StreamDecoder(keeper: nil).decode($0) { _ in true } }.map { "\($0)" }
  }

  @Test("believes no digest, number, count or base")
  func lies() {
    let (message, record) = blobMessage()
    #expect(verdict(message) == nil)
    func changed(_ offset: Int, _ value: UInt8) -> String? {
      var other = message
      other[record + offset] ^= value
      return verdict(other)
    }
    #expect(changed(BlobRecord.digest + 5, 1) == "blob: its digest is another")
    #expect(changed(BlobRecord.number, 2) == "blob: its number is not the next")
    #expect(changed(BlobRecord.base, 9) == "blob: its base is not held")
    #expect(changed(BlobRecord.bodyCount + 3, 0xFF) == "blob: its counts make no sense")
    #expect(changed(BlobRecord.idCount + 2, 0xFF) == "blob: its counts make no sense")
    #expect(changed(BlobRecord.codedContents + 3, 0x7F) == "blob: it is truncated")
    #expect(changed(BlobRecord.codedIDs + 3, 0x7F) == "blob: it is truncated")
  }

  @Test("takes no place of an id outside the body")
  func outsidePlace() {
    // One command without ids, and a gap that leads behind it.
    let body = Recording()
    for _ in 0..<10 { body.draw(3) }
    let commands = body.bytes
    var contents = commands
    withUnsafeBytes(of: UInt32(commands.count / 4).littleEndian) { contents += Array($0) }
    let digest = contents.withUnsafeBytes {
      BlobRecord.digest(bodyCount: commands.count, idCount: 1, $0)
    }
    var record = [UInt8](repeating: 0, count: BlobRecord.defineSize) + contents
    record += [UInt8](repeating: 7, count: 8)
    record += [UInt8](repeating: 0, count: -record.count & 7)
    record.withUnsafeMutableBytes { p in
      let p = p.baseAddress!
      p.put32(BlobRecord.define, 0)
      p.put64(1, BlobRecord.commandBuffer)
      p.put32(UInt32(commands.count), BlobRecord.bodyCount)
      p.put32(1, BlobRecord.idCount)
      digest.store(at: p + BlobRecord.digest)
      p.put32(UInt32(contents.count), BlobRecord.codedContents)
      p.put32(8, BlobRecord.codedIDs)
    }
    let size = UInt32(record.count)
    record.withUnsafeMutableBytes { $0.baseAddress!.put32(size, 4) }
    var message: [UInt8] = []
    for word in [0, size, 0] { withUnsafeBytes(of: word.littleEndian) { message += Array($0) } }
    #expect(verdict(message + record) == "blob: an id lies outside")
  }

  @Test("is an error when it is no stream, and never a trap")
  func garbage() {
    var numbers = Numbers(9)
    for choice in [everyChoice[0], everyChoice[4]] {
      let records = Recording()
      for part in 0..<3 {
        records.commandBuffer(id(.commandBuffer, part + 1), commands(part, 1))
        records.raw(Opcode.vkQueueSubmit, [1, 2, 3])
      }
      let sender = Stream(choice)
      let first = sender.encode(records.bytes)[0]
      let second = sender.encode(records.bytes)[0]
      for _ in 0..<3000 {
        let decoder = StreamDecoder(limit: 100_000)
        var handed = 0
        for message in [first, second] {
          var damaged = message
          for _ in 0...numbers.below(3) {
            switch numbers.below(4) {
            case 0: damaged = Array(damaged.prefix(numbers.below(damaged.count + 1)))
            case 1: damaged.append(UInt8(numbers.below(256)))
            default:
              if !damaged.isEmpty {
                damaged[numbers.below(damaged.count)] = UInt8(numbers.below(256))
              }
            }
          }
          _ = damaged.withUnsafeBytes { bytes in
            decoder.decode(bytes) { records in
              handed += records.count
              return true
            }
          }
        }
        #expect(handed < 64 << 20)
      }
    }
  }

  @Test(
    "is written as seeds for the fuzzer",
    .enabled(if: platform_getenv("OMEGA_FUZZ_SEEDS") != nil))
  func writesSeeds() throws {
    let folder = String(cString: try #require(platform_getenv("OMEGA_FUZZ_SEEDS")))
    for (n, choices) in everyChoice.enumerated() {
      let stream = Stream(choices, known: KnownContent())
      for frame in 0..<3 {
        let records = Recording()
        records.commandBuffer(id(.commandBuffer, 1), commands(n, frame / 2))
        records.raw(Opcode.vkCreateShaderModule, [UInt32](repeating: 7, count: 1100))
        _ = stream.encode(records.bytes)
      }
      var seed: [UInt8] = []
      for message in stream.messages {
        withUnsafeBytes(of: UInt32(message.count).littleEndian) { seed += Array($0) }
        seed += message
      }
      let file = platform_open("\(folder)/stream-\(n)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
      try #require(file >= 0)
      #expect(
        seed.withUnsafeBytes { platform_write(file, $0.baseAddress!, $0.count) } == seed.count)
      _ = platform_close(file)
    }
  }

  @Test("compresses large messages when the link is slower than that, and small ones always")
  func pays() {
    var compressor = Compressor(hasLargeWindow: true)
    var numbers = Numbers(6)
    let large = [UInt8](repeating: 7, count: 1 << 20)
    func isCompressed(_ bytes: [UInt8]) -> Bool {
      bytes.withUnsafeBytes { compressor.compress($0) != nil }
    }
    func count(_ bytes: [UInt8]) -> Int { (0..<20).filter { _ in isCompressed(bytes) }.count }
    #expect(count(large) == 20)
    // A link that takes no time, and bytes of which a twentieth can be saved.
    for _ in 0..<30 { compressor.noteSent(1 << 20, nanoseconds: 1) }
    func mixed() -> [UInt8] {
      (0..<20_000).map { $0 < 1000 ? 0 : numbers.next() }.withUnsafeBytes { Array($0) }
    }
    for _ in 0..<40 { _ = isCompressed(mixed()) }
    // It asks again, ever more seldom, whether that is still so.
    #expect((0..<20).filter { _ in isCompressed(mixed()) }.count <= 5)
    #expect(count([UInt8](repeating: 7, count: 1000)) == 20)
    // One that takes a second for a megabyte.
    for _ in 0..<30 { compressor.noteSent(1 << 20, nanoseconds: 1_000_000_000) }
    #expect(count(large) == 20)
    // Other noise every time, or the stream would find that of the time before.
    func noise() -> [UInt8] { (0..<9000).map { _ in numbers.next() }.withUnsafeBytes { Array($0) } }
    for _ in 0..<40 { _ = isCompressed(noise()) }
    for _ in 0..<30 { compressor.noteSent(1 << 20, nanoseconds: 1 << 20) }
    #expect((0..<20).filter { _ in isCompressed(noise()) }.count <= 5)
  }

  @Test("does not grow without bound when it is compressed")
  func bomb() {
    // Says 16 bytes, and is a megabyte.
    let records = Recording()
    records.raw(Opcode.vkCreateShaderModule, [UInt32](repeating: 0, count: 1 << 18))
    var message = Stream().encode(records.bytes)[0]
    message.withUnsafeMutableBytes { $0.baseAddress!.put32(16, 4) }
    #expect(verdict(message) == "codedRecords: it cannot be decompressed")
    message.withUnsafeMutableBytes { $0.baseAddress!.put32(0x7FFF_FFF8, 4) }
    #expect(verdict(message) == "codedRecords: the form or the size makes no sense")
  }

  @Test("of 20,000 pairs costs little: recorded, changed, repeated")
  func bounds() {
    let pairs = 20_000
    var choices = StreamChoices()
    func frame(_ n: Int) -> [UInt8] {
      let recording = Recording()
      recording.bindPipeline(id(.pipeline, 3))
      for i in 0..<pairs {
        // One float of four changes from frame to frame, to a value that is nowhere else.
        let place = (Float(n) * 20_011 + Float(i)) / 1_000_000
        recording.push(
          id(.pipelineLayout, 1),
          [place.bitPattern, Float(i).bitPattern, UInt32(0x3C23_D70A), UInt32(i / 64)])
        recording.draw(3)
      }
      let records = Recording()
      records.commandBuffer(id(.commandBuffer, n % 2 + 1), recording.bytes)
      return records.bytes
    }
    for compresses in [false, true] {
      choices.compresses = compresses
      let stream = Stream(choices)
      func perPair(_ n: Int) -> (coded: Double, sent: Double) {
        let before = stream.encoder.totals
        let (_, wrong) = stream.send(frame(n))
        #expect(wrong == nil)
        let totals = stream.encoder.totals.since(before)
        return (Double(totals.coded) / Double(pairs), Double(totals.sent) / Double(pairs))
      }
      let first = perPair(0)
      #expect(first.coded <= 64)
      var changed = (coded: 0.0, sent: 0.0)
      for n in 1..<4 {
        changed = perPair(n)
        #expect(changed.coded <= 12 && changed.sent <= 12)
      }
      let repeated = perPair(3)
      #expect(repeated.coded <= 0.1 && repeated.sent <= 0.1)
      print("bytes a pair: first \(first), changed \(changed), repeated \(repeated)")
    }
  }
}
