import CVulkan
import Foundation
import Testing
import Wire

@testable import VulkanWire

/// One command with random parameters, which lie in slots of 8 bytes.
final class Exercise {
  let description: StructureDescription
  let filler: Filler
  let box: ArenaBox
  var heap = HeapWriter(capacity: 256)
  var reply = HeapWriter(capacity: 256)
  private let given: UnsafeMutableRawPointer
  private let decoded: UnsafeMutableRawPointer

  init(_ description: StructureDescription, seed: UInt64, arrayCount: Int?, box: ArenaBox) {
    self.description = description
    self.box = box
    filler = Filler(seed: seed)
    filler.arrayCount = arrayCount
    given = filler.room(description.size)
    decoded = filler.room(description.size)
    filler.fill(structure: description, given)
  }

  deinit {
    heap.free()
    reply.free()
  }

  func load<T>(_ offset: Int) -> T { given.load(fromByteOffset: offset, as: T.self) }

  func store<T>(_ value: T, _ offset: Int) {
    (decoded + offset).initializeMemory(as: T.self, to: value)
  }

  private func body(_ heap: HeapWriter) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: heap.bytes[8...])
  }

  func decode(_ decode: (inout Reader) -> Void) {
    let name = description.name
    guard !heap.writer.failed, heap.bytes.count >= 8 else {
      Issue.record("\(name) cannot be encoded")
      return
    }
    let header = heap.bytes.baseAddress!
    #expect(commandName(header.get32(0)).map { "\($0)" } == name)
    #expect(Int(header.get32(4)) == heap.bytes.count && heap.bytes.count % 8 == 0, "\(name)")
    box.arena.pointee.reset()
    var reader = Reader(body(heap), arena: box.arena, handles: UnsafePointer(filler.handles))
    decode(&reader)
    #expect(reader.failure == nil, "\(name): \(reader.failure.map { "\($0)" } ?? "")")
    #expect(reader.remaining == 0 || reader.remaining == 4, "\(name)")
    guard reader.failure == nil, reply.bytes.isEmpty else { return }
    var comparison = Comparison(filler)
    comparison.compare(members: description, given, decoded, name)
    #expect(comparison.difference == nil, "\(name)")
  }

  /// What a driver does: fills the outputs in the decoded parameters.
  func fillOutputs() {
    var comparison = Comparison(filler)
    comparison.compare(members: description, given, decoded, description.name)
    #expect(comparison.difference == nil, "\(description.name)")
    for member in description.members {
      guard case .output(let element, let spec) = member.kind,
        let p = decoded.load(
          fromByteOffset: member.offset, as: UnsafeMutableRawPointer?.self)
      else { continue }
      let stride = filler.size(element)
      for i in 0..<outputCount(spec) { filler.fillOutput(element, p + i * stride) }
    }
  }

  private func outputCount(_ spec: Count) -> Int {
    switch spec {
    case .sibling(let name):
      let m = description.members.first { $0.name == name }!
      guard case .value(let element, _) = m.kind else { return 0 }
      let p = UnsafeRawPointer(given) + m.offset
      return filler.size(element) == 8 ? Int(p.get64(0)) : Int(p.get32(0))
    case .behind(let name):
      return filler.countBehind(description.members.first { $0.name == name }!, given)
    default: return 1
    }
  }

  func decodeReply(_ decode: (inout Reader) -> Void) {
    let name = description.name
    guard !reply.writer.failed, reply.bytes.count >= 8 else {
      Issue.record("the reply to \(name) cannot be encoded")
      return
    }
    var reader = Reader(body(reply), arena: box.arena, handles: UnsafePointer(filler.handles))
    decode(&reader)
    #expect(reader.failure == nil, "\(name): \(reader.failure.map { "\($0)" } ?? "")")
    var comparison = Comparison(filler)
    comparison.compare(members: results, decoded, given, name)
    #expect(comparison.difference == nil, "reply to \(name)")
    // Cut off, it must fail without a trap.
    for end in stride(from: 0, to: reply.bytes.count - 8, by: 8) {
      var cut = Reader(
        UnsafeRawBufferPointer(rebasing: reply.bytes[8..<8 + end]), arena: box.arena,
        handles: UnsafePointer(filler.handles))
      quiet = true
      decode(&cut)
      quiet = false
      #expect(cut.failure != nil, "reply to \(name) at \(end)")
    }
    damageReply(decode)
  }

  /// With flipped bits it may say anything, and must not trap: a client does not trust its node.
  private func damageReply(_ decode: (inout Reader) -> Void) {
    guard replyDamages > 0, reply.bytes.count > 8 else { return }
    let damaged = UnsafeMutableRawBufferPointer.allocate(
      byteCount: reply.bytes.count - 8, alignment: 8)
    defer { damaged.deallocate() }
    quiet = true
    for _ in 0..<replyDamages {
      damaged.copyMemory(from: UnsafeRawBufferPointer(rebasing: reply.bytes[8...]))
      for _ in 0...filler.numbers.below(3) {
        damaged[filler.numbers.below(damaged.count)] ^= UInt8(1 << filler.numbers.below(8))
      }
      var reader = Reader(
        UnsafeRawBufferPointer(damaged), arena: box.arena,
        handles: UnsafePointer(filler.handles))
      decode(&reader)
    }
    quiet = false
  }

  /// How many damaged forms of each reply are decoded.
  var replyDamages = 0

  private var quiet = false

  /// What a reply brings; lengths by value are the same on both sides.
  private var results: StructureDescription {
    var results = description
    results.members = description.members.filter {
      switch $0.kind {
      case .count, .output, .value(.scalar, _): true
      default: false
      }
    }
    return results
  }

  func expectResult(_ result: Int64) {
    if !quiet { #expect(result == 5, "\(description.name)") }
  }
}

@Suite("Commands")
struct CommandTests {
  @Test("come back with every parameter, and so do their replies")
  func roundTrip() {
    let box = ArenaBox()
    for (n, command) in Descriptions.shared.commands.enumerated() {
      for round in 0..<12 {
        let t = Exercise(
          command, seed: UInt64(n * 1000 + round), arrayCount: round < 4 ? round : nil, box: box)
        exercise(command.name, t)
      }
    }
  }

  @Test("that are cut off fail with a field, and flipped bits never trap")
  func damage() {
    let box = ArenaBox()
    for (n, command) in Descriptions.shared.commands.enumerated() {
      let t = Exercise(command, seed: UInt64(n), arrayCount: 2, box: box)
      exercise(command.name, t)
      let record = t.heap.bytes
      guard record.count > 8 else { continue }
      let opcode = record.baseAddress!.get32(0)
      func decode(_ bytes: UnsafeRawBufferPointer) -> StaticString? {
        box.arena.pointee.reset()
        var reader = Reader(bytes, arena: box.arena, handles: UnsafePointer(t.filler.handles))
        #expect(decodeCommand(opcode, &reader))
        return reader.failure
      }
      for end in stride(from: 8, to: record.count, by: 8) {
        let cut = UnsafeRawBufferPointer(rebasing: record[8..<end])
        #expect(decode(cut) != nil, "\(command.name) at \(end)")
      }
      let damaged = UnsafeMutableRawBufferPointer.allocate(
        byteCount: record.count - 8, alignment: 8)
      defer { damaged.deallocate() }
      for _ in 0..<100 {
        damaged.copyMemory(from: UnsafeRawBufferPointer(rebasing: record[8...]))
        for _ in 0...t.filler.numbers.below(3) {
          damaged[t.filler.numbers.below(damaged.count)] ^= UInt8(1 << t.filler.numbers.below(8))
        }
        _ = decode(UnsafeRawBufferPointer(damaged))
      }
    }
  }

  @Test("have replies that may be damaged: flipped bits never trap the client")
  func damagedReplies() {
    let box = ArenaBox()
    let end = fuzzingEnd()
    var round: UInt64 = 0
    repeat {
      for (n, command) in Descriptions.shared.commands.enumerated() {
        let t = Exercise(
          command, seed: round &* 7919 &+ UInt64(n), arrayCount: Int(round % 4), box: box)
        t.replyDamages = 20
        exercise(command.name, t)
      }
      round += 1
    } while Date() < end
  }

  /// When a sample of fuzzing ends: at once, or after OMEGA_FUZZ_SECONDS.
  private func fuzzingEnd() -> Date {
    Date(
      timeIntervalSinceNow: ProcessInfo.processInfo.environment["OMEGA_FUZZ_SECONDS"]
        .flatMap { Double($0) } ?? 0)
  }

  @Test("keep their facts in one order: ids where commandInfo says")
  func facts() {
    let box = ArenaBox()
    for (n, command) in Descriptions.shared.commands.enumerated() {
      let t = Exercise(command, seed: UInt64(n), arrayCount: 1, box: box)
      exercise(command.name, t)
      guard let start = t.heap.bytes.baseAddress, let info = commandInfo(start.get32(0)) else {
        Issue.record("\(command.name) has no facts")
        continue
      }
      guard info.idOffset != 0 else { continue }
      let at = info.idOffset + (info.isArray ? 4 : 0)
      if info.isArray { #expect(start.get32(info.idOffset) <= 1, "\(command.name)") }
      guard at + 8 <= t.heap.bytes.count, !info.isArray || start.get32(info.idOffset) == 1 else {
        continue
      }
      let kind = info.created ?? info.destroyed
      let id = start.get64(at)
      #expect(id == 0 || HandleID.kind(of: id) == kind, "\(command.name)")
    }
  }

  @Test("tell where their ids lie, and the table of forms says the same")
  func places() {
    let box = ArenaBox()
    var places = IDPlaces()
    defer { places.free() }
    for (n, command) in Descriptions.shared.commands.enumerated() {
      for round in 0..<12 {
        let t = Exercise(
          command, seed: UInt64(n * 1000 + round), arrayCount: round < 4 ? round : nil, box: box)
        exercise(command.name, t)
        let record = t.heap.bytes
        guard let start = record.baseAddress, record.count > 8 else { continue }
        let opcode = start.get32(0)
        guard commandInfo(opcode)?.travel == .recorded else { continue }
        // Every id of an exercise is in its table, and nothing else looks like one.
        let there = stride(from: 8, through: record.count - 8, by: 4).filter {
          let id = start.get64($0)
          return t.filler.handles.pointee.lookup(id, HandleID.kind(of: id)) != nil
        }
        box.arena.pointee.reset()
        places.reset(start)
        var reader = Reader(
          UnsafeRawBufferPointer(rebasing: record[8...]), arena: box.arena, places: &places)
        if let form = idForm(opcode) {
          #expect(decodeCommand(opcode, &reader), "\(command.name)")
          #expect(offsets(form, start) == (0..<places.count).map { places[$0] }, "\(command.name)")
        } else {
          #expect(readIDs(opcode, &reader), "\(command.name)")
        }
        #expect(reader.failure == nil && places.isComplete, "\(command.name)")
        let noted = (0..<places.count).map { places[$0] }
        #expect(noted.filter { start.get64($0) != 0 } == there, "\(command.name)")
        #expect(noted == noted.sorted(), "\(command.name)")
      }
    }
  }

  private func offsets(_ form: IDForm, _ record: UnsafeRawPointer) -> [Int] {
    var offsets = [form.fixed.0, form.fixed.1, form.fixed.2].prefix(form.fixedCount).map { Int($0) }
    guard form.array != 0 else { return offsets }
    let array = Int(form.array)
    for i in 0..<Int(record.get32(array)) { offsets.append(array + 4 + i * 8) }
    return offsets
  }

  @Test(
    "are written as seeds for the fuzzer",
    .enabled(if: ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"] != nil))
  func writesSeeds() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"])
    let box = ArenaBox()
    for (n, command) in Descriptions.shared.commands.enumerated() {
      for count in 0..<4 {
        let t = Exercise(command, seed: UInt64(n * 4 + count), arrayCount: count, box: box)
        exercise(command.name, t)
        try Data(t.heap.bytes).write(
          to: URL(fileURLWithPath: "\(folder)/\(command.name)-\(count)"))
      }
    }
  }
}
