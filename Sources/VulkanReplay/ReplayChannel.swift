import CPlatform
import CVulkan
import Ring
import VulkanWire
import Wire

/// One ordered stream of records, replayed by one thread: its context, its memory, its place.
public final class ReplayChannel: @unchecked Sendable {
  /// Number of the channel in the segment; 0 is the instance's.
  public let number: UInt32
  public let session: ReplaySession
  let context: UnsafeMutablePointer<ReplayContext>
  private let arena: UnsafeMutablePointer<Arena>

  public init(number: UInt32, session: ReplaySession, device: UInt64) {
    self.number = number
    self.session = session
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limit: session.limits.decodedRecord))
    context = .allocate(capacity: 1)
    context.initialize(to: ReplayContext(session: session, channel: number, arena: arena))
    if let state = session.device(device) {
      context.pointee.device = state
      context.pointee.dispatch = state.dispatch
    }
  }

  deinit {
    context.pointee.freeMemory()
    context.deinitialize(count: 1)
    context.deallocate()
    arena.pointee.free()
    arena.deallocate()
  }

  /// True after the channel's last record.
  public var isClosed: Bool { context.pointee.isClosed }

  /// Replays the whole records at the start of `bytes`, which must be the caller's own and lie at a
  /// multiple of 8. Returns how many bytes those were; what is left is the beginning of a record
  /// that is not whole yet. Stops early when the session is over.
  /// `arrived`: when they came over a link, `platform_now`'s; 0 when they are read from a ring.
  public func replay(_ bytes: UnsafeRawBufferPointer, arrived: UInt64 = 0) -> Int {
    context.pointee.arrived = arrived
    return replayRecords(context, bytes)
  }
}

/// The whole records at the start of `bytes`. Returns the bytes consumed.
private func replayRecords(
  _ c: UnsafeMutablePointer<ReplayContext>, _ bytes: UnsafeRawBufferPointer
) -> Int {
  guard let start = bytes.baseAddress else { return 0 }
  let session = c.pointee.session
  var position = 0
  var count: UInt64 = 0
  while bytes.count &- position >= 8, !session.isOver, !c.pointee.isClosed {
    let record = start + position
    let size = Int(record.get32(4))
    guard checkSize(c, record.get32(0), size) else { break }
    guard size <= bytes.count &- position else { break }
    replayRecord(c, UnsafeRawBufferPointer(start: record, count: size), isNested: false)
    position &+= size
    count &+= 1
  }
  c.pointee.isIdle()
  session.counters.addCommands(count)
  return position
}

private func checkSize(
  _ c: UnsafeMutablePointer<ReplayContext>, _ opcode: UInt32, _ size: Int
) -> Bool {
  let limit = c.pointee.session.limits.record
  guard size <= limit else {
    c.pointee.session.lose(
      LostReason.protocolError,
      "\(commandDescription(opcode)): a record of \(size) bytes, and this node takes \(limit) "
        + "(--max-record)")
    return false
  }
  guard size >= 8, size & 7 == 0 else {
    c.pointee.session.lose(
      LostReason.protocolError, "\(commandDescription(opcode)): record of \(size) bytes")
    return false
  }
  return true
}

/// The lowest opcode of OpenGL's commands.
private let firstOpenGLOpcode: UInt32 = 0x1_0000

/// One whole record. `isNested`: it came out of another one.
func replayRecord(
  _ c: UnsafeMutablePointer<ReplayContext>, _ record: UnsafeRawBufferPointer, isNested: Bool
) {
  guard let start = record.baseAddress, record.count >= 8 else { return }
  let opcode = start.get32(0)
  c.pointee.record = record
  c.pointee.isIn(opcode)
  if opcode >= firstOpenGLOpcode {
    c.pointee.malformed(opcode, "opcode", "belongs on the channel of an OpenGL context")
  } else if opcode < Opcode.first {
    replayControlRecord(c, opcode, record, isNested: isNested)
  } else if c.pointee.session.recorded.contains(opcode) {
    c.pointee.malformed(opcode, "opcode", "belongs into a command buffer")
  } else {
    if pipelineBarriers.contains(opcode) { c.pointee.session.compiler.drain() }
    var reader = Reader(
      UnsafeRawBufferPointer(rebasing: record[8...]), arena: c.pointee.arena,
      handles: c.pointee.handles)
    if !replay(opcode, c, &reader) {
      c.pointee.malformed(opcode, "opcode", "is unknown")
    } else if reader.failure != nil {
      c.pointee.malformed(opcode, reader)
    }
  }
  c.pointee.arena.pointee.reset()
}

/// Commands of a command buffer, vkBeginCommandBuffer to vkEndCommandBuffer, into the driver's.
func replayCommands(
  _ c: UnsafeMutablePointer<ReplayContext>, into commandBuffer: VkCommandBuffer?,
  _ bytes: UnsafeRawBufferPointer
) {
  guard let start = bytes.baseAddress, bytes.count > 0 else { return }
  let session = c.pointee.session
  let recorded = session.recorded
  c.pointee.commandBuffer = commandBuffer
  c.pointee.writes = c.pointee.device?.writes(recording: commandBuffer)
  c.pointee.scene = c.pointee.device?.scene?.commands(recording: commandBuffer)
  var position = 0
  var count: UInt64 = 0
  var untilReset = arenaResetInterval
  while position < bytes.count, !session.isOver {
    guard bytes.count &- position >= 8 else {
      c.pointee.malformed(ControlOpcode.commandBuffer, "commands", "is truncated")
      break
    }
    let record = start + position
    let opcode = record.get32(0)
    let size = Int(record.get32(4))
    guard checkSize(c, opcode, size) else { break }
    guard size <= bytes.count &- position else {
      c.pointee.malformed(opcode, "commands", "is truncated")
      break
    }
    guard recorded.contains(opcode) else {
      c.pointee.malformed(opcode, "opcode", "is no command of a command buffer")
      break
    }
    c.pointee.isIn(opcode)
    var reader = Reader(
      UnsafeRawBufferPointer(start: record + 8, count: size &- 8), arena: c.pointee.arena,
      handles: c.pointee.handles)
    _ = replay(opcode, c, &reader)
    if reader.failure != nil {
      c.pointee.malformed(opcode, reader)
    } else if queryCommands.contains(opcode) {
      c.pointee.device?.noteQueries(opcode, record, commandBuffer, c.pointee.handles)
    }
    position &+= size
    count &+= 1
    untilReset &-= size
    if untilReset <= 0 {
      c.pointee.arena.pointee.reset()
      untilReset = arenaResetInterval
    }
  }
  c.pointee.commandBuffer = nil
  c.pointee.writes = nil
  c.pointee.scene = nil
  session.counters.addCommands(count)
}

/// Bytes of commands after which the arena is reset: often enough to stay small, seldom enough to
/// cost nothing.
private let arenaResetInterval: Int = 16 << 10

/// A set of commands: a bit for each opcode, since the question is asked for every command.
struct OpcodeSet: @unchecked Sendable {
  private let bits: UnsafeMutablePointer<UInt64>
  private static var count: UInt32 { 1 << 16 }

  init(_ opcodes: [UInt32]) {
    let words = Int(OpcodeSet.count) / 64
    bits = .allocate(capacity: words)
    bits.initialize(repeating: 0, count: words)
    for opcode in opcodes where opcode < OpcodeSet.count {
      bits[Int(opcode) / 64] |= 1 << UInt64(opcode % 64)
    }
  }

  /// The commands that belong into command buffers.
  static func recorded() -> OpcodeSet {
    OpcodeSet((Opcode.first...Opcode.last).filter { commandInfo($0)?.travel == .recorded })
  }

  func contains(_ opcode: UInt32) -> Bool {
    opcode < OpcodeSet.count && bits[Int(opcode) / 64] & (1 << UInt64(opcode % 64)) != 0
  }

  func free() { bits.deallocate() }
}
