import CPlatform
import Foundation
import GLWire
import Ring
import Testing
import Wire

@testable import GLReplay

/// A context on the recording driver, in which the client's names 1 to 3 of every kind are known.
private final class Stage {
  let host = TestHost()
  let session: GLSession
  let channel: TestChannel
  var context: UnsafeMutablePointer<GLReplayContext> { channel.context }

  init(seed: UInt64 = 1, isES: Bool = false, version: (UInt32, UInt32) = (0, 0)) {
    recorder.reset(dice: seed)
    recorder.onFault = { _ in }
    recorder.isRecording = true
    session = GLSession(host: host, driver: { Recorder.driver })
    channel = TestChannel(session, host)
    channel.create(isES: isES, version: version)
    channel.makeCurrent(1, windowRequest(8, 4))
    RandomRecord.defaultFramebuffer = channel.context.pointee.surface.drawObject
    nameObjects()
    let c = channel.context
    recorder.results = { c.pointee.results.extent }
    c.pointee.insertSync(
      RandomRecord.knownSync, UnsafeMutableRawPointer(bitPattern: RandomRecord.driverSync))
  }

  deinit {
    channel.channel.finish()
    recorder.results = { nil }
    recorder.isRecording = false
  }

  func nameObjects() {
    for kind in NameKind.allCases {
      for client: UInt32 in 1...3 {
        _ = context.pointee.tables[Int(kind.rawValue)].insert(
          client, recorder.driverName(kind, client))
      }
    }
  }

  /// Replays a record of exactly these bytes behind its header; why it failed, if it did.
  func replay(_ opcode: UInt32, _ body: some Collection<UInt8>) -> String? {
    let record = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 + body.count, alignment: 8)
    defer { record.deallocate() }
    record.storeBytes(of: opcode, as: UInt32.self)
    record.storeBytes(of: UInt32(record.count), toByteOffset: 4, as: UInt32.self)
    UnsafeMutableRawBufferPointer(rebasing: record[8...]).copyBytes(from: body)
    host.forget()
    recorder.forgetCalls()
    recorder.record = UnsafeRawBufferPointer(record)
    replayGLRecord(context, UnsafeRawBufferPointer(record), isNested: false)
    recorder.record = UnsafeRawBufferPointer(start: nil, count: 0)
    return host.loss
  }

  func replay(_ record: RandomRecord) -> String? {
    recorder.state.inBegin = false
    recorder.state.bound = [GL.DRAW_INDIRECT_BUFFER: 1]
    if record.needsBuffer { recorder.state.bound[GL.PIXEL_UNPACK_BUFFER] = 1 }
    return replay(record.description.opcode, record.body)
  }
}

// One driver, which knows one thread.
@Suite("Records of OpenGL", .serialized)
struct GLRecordTests {
  @Test("reach the driver with every argument, and replies have what it has written")
  func arguments() throws {
    let stage = Stage()
    #expect(RecordDescription.all.count > 1200)
    for (n, command) in RecordDescription.all.enumerated() {
      for round in 0..<12 {
        let record = RandomRecord(
          command, seed: UInt64(n * 100 + round), count: round < 4 ? round : nil)
        var loss = stage.replay(record)
        // Images of any size, which may be more than a reply can hold.
        if loss == "\(command.name): field pixels is wrong" { loss = nil }
        #expect(loss == nil, "\(command.name)")
        #expect(recorder.fault == nil)
        check(record, stage)
        if command.isGen || command.isDelete { stage.nameObjects() }
        guard loss == nil, recorder.fault == nil else { return }
      }
    }
  }

  private func check(_ record: RandomRecord, _ stage: Stage) {
    let command = record.description
    if let kind = command.object {
      let names = (1...3).map { stage.context.pointee.knownName(kind, UInt32($0)) }
      // New ones are small.
      if command.isGen { #expect(names.filter { $0 < 100_000 }.count == record.count, "\(names)") }
      return
    }
    guard !command.hasDoer, !command.hasOwnStub else { return }
    guard let call = recorder.calls.last(where: { "\($0.name)" == command.name }) else {
      Issue.record("\(command.name) does not reach the driver")
      return
    }
    let given = call.arguments.filter { if case .written = $0 { false } else { true } }
    #expect(given == record.arguments, "\(command.name)")
    guard command.replies else { return }
    checkReply(command, call, stage)
  }

  private func checkReply(_ command: RecordDescription, _ call: DriverCall, _ stage: Stage) {
    guard let reply = stage.host.answer(RandomRecord.ticket) else {
      Issue.record("\(command.name) is not answered")
      return
    }
    var expected: [UInt8] = []
    let written = call.arguments.compactMap { argument -> [UInt8]? in
      if case .written(let bytes) = argument { return bytes ?? [] }
      return nil
    }
    let outputs = command.parameters.filter {
      ["output", "probe", "outstring", "outnames"].contains($0.role)
    }
    #expect(outputs.count == written.count, "\(command.name)")
    for (output, bytes) in zip(outputs, written) {
      var bytes = bytes
      if output.role == "outnames" {
        // The driver's names of 0, 1, 2, …, of which the client has three.
        bytes = (0..<UInt32(bytes.count / 4)).flatMap { client in
          withUnsafeBytes(of: client <= 3 ? client : 0) { Array($0) }
        }
      }
      withUnsafeBytes(of: UInt32(bytes.count)) { expected += Array($0) }
      expected += bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }
    let body = Array(reply.dropFirst(8 + command.resultWidth).prefix(expected.count))
    #expect(body == expected, "reply to \(command.name)")
    let size = (8 + command.resultWidth + expected.count + 7) & ~7
    #expect(reply.count == size, "reply to \(command.name)")
    let opcode = reply.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    #expect(opcode == command.opcode)
  }

  @Test("that are cut off anywhere are refused by name, and never reach the driver")
  func cuts() {
    let stage = Stage()
    for (n, command) in RecordDescription.all.enumerated() {
      let record = RandomRecord(command, seed: UInt64(n), count: 2)
      for end in stride(from: 0, to: record.body.count, by: 4) {
        recorder.state.bound = [:]
        let loss = stage.replay(command.opcode, record.body[0..<end])
        #expect(loss?.contains(command.name) == true, "\(command.name) at \(end): \(loss ?? "")")
        let reached = recorder.calls.contains { "\($0.name)" == command.name }
        #expect(!reached, "\(command.name) at \(end)")
      }
      #expect(recorder.fault == nil)
    }
  }

  @Test("with flipped bits never make the driver step outside", arguments: 0..<3)
  func damage(_ seed: Int) {
    var numbers = Numbers(seed: UInt64(seed))
    let stage = Stage(seed: UInt64(seed + 1))
    for (n, command) in RecordDescription.all.enumerated() {
      let record = RandomRecord(command, seed: UInt64(n + seed * 5000), count: nil)
      for _ in 0..<8 where !record.body.isEmpty {
        var body = record.body
        for _ in 0...numbers.below(3) {
          body[numbers.below(body.count)] ^= UInt8(1 << numbers.below(8))
        }
        _ = stage.replay(command.opcode, body)
        #expect(recorder.fault == nil, "\(command.name)")
        guard recorder.fault == nil else { return }
      }
    }
  }

  @Test(
    "are written as seeds for the fuzzer",
    .enabled(if: ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"] != nil))
  func writesSeeds() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"])
    func write(_ name: String, _ records: [(UInt32, [UInt8])]) throws {
      var bytes = [UInt8](repeating: 0, count: 8)
      for (opcode, body) in records {
        withUnsafeBytes(of: (opcode, UInt32(8 + body.count))) { bytes += Array($0) }
        bytes += body
      }
      try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    for (n, command) in RecordDescription.all.enumerated() {
      for count in 0..<4 {
        let record = RandomRecord(command, seed: UInt64(n * 4 + count), count: count)
        try write("\(command.name)-\(count)", [(command.opcode, record.body)])
      }
    }
    for (name, records) in ControlSeeds.all { try write(name, records) }
  }
}
