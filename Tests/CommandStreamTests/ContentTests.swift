import Ring
import Testing
import VulkanWire
import Wire

@testable import CommandStream

/// A node's cache without a disk.
private final class Shelf: ContentKeeper {
  private var held: [Digest: UnsafeRawBufferPointer] = [:]
  private(set) var fresh: [KnownContent.Entry] = []

  deinit { for bytes in held.values { bytes.deallocate() } }

  func bytes(_ digest: Digest) -> UnsafeRawBufferPointer? { held[digest] }

  func keep(_ bytes: UnsafeRawBufferPointer) {
    let entry = KnownContent.entry(bytes)
    guard held[entry.digest] == nil else { return }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyMemory(from: bytes)
    held[entry.digest] = UnsafeRawBufferPointer(copy)
    fresh.append(entry)
  }

  /// What a node would say to the agent of a new session.
  func known() -> KnownContent {
    let known = KnownContent()
    let said = KnownContent.announcement(fresh)
    #expect(said.withUnsafeBytes { known.add(announcement: $0) })
    return known
  }
}

@Suite("Contents that a node keeps")
struct ContentTests {
  private func shader(_ object: Int, _ seed: UInt64, words: Int = 3000) -> [UInt32] {
    var numbers = Numbers(seed)
    // Two ids, no chain, flags, size, count.
    return [UInt32(object), 5, 1, 4, 0, 0, UInt32(words * 4), 0, UInt32(words)]
      + (0..<words).map { _ in UInt32(truncatingIfNeeded: numbers.next()) }
  }

  private func upload(
    _ recording: Recording, memory: UInt32, _ runs: [(offset: UInt64, bytes: [UInt8])]
  ) {
    var words: [UInt32] = [memory, 3, UInt32(runs.count), 0]
    for run in runs {
      words += [UInt32(truncatingIfNeeded: run.offset), UInt32(run.offset >> 32)]
      words += [UInt32(run.bytes.count), 0]
      let padded = run.bytes + [UInt8](repeating: 0, count: -run.bytes.count & 7)
      words += stride(from: 0, to: padded.count, by: 4).map { i in
        (0..<4).reduce(0) { $0 | UInt32(padded[i + $1]) << UInt32(8 * $1) }
      }
    }
    recording.raw(ControlOpcode.memoryDiff, words)
  }

  private func plain() -> StreamChoices {
    var choices = StreamChoices()
    choices.compresses = false
    return choices
  }

  @Test("travel once, and by their digests in the next session")
  func sessions() {
    let shelf = Shelf()
    var numbers = Numbers(4)
    let texture = (0..<300_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
    var sizes: [Int] = []
    for session in 0..<2 {
      let stream = Stream(plain(), known: shelf.known(), keeper: shelf)
      let records = Recording()
      records.raw(Opcode.vkCreateBuffer, [1, 2, 3])
      // Objects have other ids the next time.
      records.raw(Opcode.vkCreateShaderModule, shader(7 + session, 1))
      records.raw(Opcode.vkCreateShaderModule, shader(9, 2, words: 10))
      upload(
        records, memory: 8,
        [(100, [1, 2, 3]), (70_000, texture), (1 << 33, [UInt8](repeating: 9, count: 5000))])
      let bytes = records.bytes
      let (got, wrong) = stream.send(bytes)
      #expect(wrong == nil)
      #expect(got == bytes)
      sizes.append(stream.messages.reduce(0) { $0 + $1.count })
      #expect((stream.encoder.totals.contentHeld > 0) == (session == 1))
    }
    #expect(sizes[0] > 300_000 && sizes[1] < 2_000)
  }

  @Test("that change all the time are not kept for ever")
  func changing() {
    let shelf = Shelf()
    let stream = Stream(plain(), known: KnownContent(), keeper: shelf)
    for frame in 0..<100 {
      let records = Recording()
      upload(records, memory: 1, [(0, [UInt8](repeating: UInt8(frame), count: 8192))])
      #expect(stream.send(records.bytes).0 == records.bytes)
    }
    #expect(shelf.fresh.count == 16)
  }

  @Test("go as they are when the record is none")
  func malformed() {
    let stream = Stream(plain(), known: KnownContent(), keeper: Shelf())
    let records = Recording()
    records.raw(ControlOpcode.memoryDiff, [1, 2, 9, 0] + [UInt32](repeating: 0x7000, count: 4000))
    records.raw(
      ControlOpcode.memoryDiff,
      [1, 2, 1, 0, 0xFFFF_FFFF, 0xFFFF_FFFF, 4096, 0] + [UInt32](repeating: 0, count: 1024))
    #expect(stream.send(records.bytes).0 == records.bytes)
  }

  /// A message that makes the node keep a shader, and where its record begins.
  private func message() -> [UInt8] {
    let records = Recording()
    records.raw(Opcode.vkCreateShaderModule, shader(7, 1))
    return Stream(plain(), known: KnownContent()).encode(records.bytes)[0]
  }

  private func verdict(_ message: [UInt8], _ keeper: (any ContentKeeper)?) -> String? {
    message.withUnsafeBytes { StreamDecoder(keeper: keeper).decode($0) { _ in true } }
      .map { "\($0)" }
  }

  @Test("are asked for by nobody but whom they were announced to")
  func unknown() {
    let shelf = Shelf()
    let records = Recording()
    records.raw(Opcode.vkCreateShaderModule, shader(7, 1))
    _ = Stream(plain(), known: shelf.known(), keeper: shelf).send(records.bytes)
    let reference = Stream(plain(), known: shelf.known()).encode(records.bytes)[0]
    #expect(verdict(reference, shelf) == nil)
    #expect(verdict(reference, Shelf()) == "content: it is not held")
    #expect(verdict(reference, nil) == "content: it is not held")
    // A node whose disk fails takes what it was to keep all the same.
    #expect(verdict(message(), nil) == nil)
  }

  @Test("come in records that are checked")
  func hostile() {
    let message = message()
    #expect(verdict(message, Shelf()) == nil)
    func changed(_ offset: Int, _ value: UInt32) -> String? {
      var other = message
      other.withUnsafeMutableBytes { $0.baseAddress!.put32(value, 12 + offset) }
      return verdict(other, Shelf())
    }
    #expect(changed(8, 12) == "content: the size of its record makes no sense")
    #expect(changed(8, 0xFFFF_FFF8) == "content: the size of its record makes no sense")
    #expect(changed(8, 4096) == "content: its parts are too large")
    #expect(changed(12, 1) == "content: its parts are no record")
    #expect(changed(12, 9) == "content: it is truncated")
    #expect(changed(16, 7) == "content: it is truncated")
    #expect(changed(20, 0xFFFF_FFFF) == "content: its parts are too large")
    // The record inside is one of parts itself.
    #expect(changed(24, ContentRecord.opcode) == "content: its parts are no record")
    var numbers = Numbers(5)
    for _ in 0..<2000 {
      var damaged = message
      for _ in 0..<4 { damaged[numbers.below(200)] = UInt8(numbers.below(256)) }
      _ = verdict(damaged, Shelf())
    }
  }

  @Test("are announced in whole entries, and not without end")
  func announcements() {
    let known = KnownContent()
    #expect(![UInt8](repeating: 0, count: 47).withUnsafeBytes { known.add(announcement: $0) })
    let many = (0...KnownContent.mostEntries).map {
      KnownContent.Entry(
        quick: UInt64($0), byteCount: 1,
        digest: Digest(of: UnsafeRawBufferPointer(start: nil, count: 0)))
    }
    let said = KnownContent.announcement(many)
    #expect(!said.withUnsafeBytes { known.add(announcement: $0) })
  }
}
