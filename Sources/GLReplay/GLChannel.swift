import CPlatform
import GLWire
import Ring
import Wire

/// The records of one context, replayed by one thread on which the driver's context is current.
public final class GLChannel: @unchecked Sendable {
  /// Number of the channel in the segment.
  public let number: UInt32
  private let session: GLSession
  private let context: UnsafeMutablePointer<GLReplayContext>
  private let largestRecord: Int

  public init(number: UInt32, session: GLSession) {
    self.number = number
    self.session = session
    largestRecord = session.host.limits.record
    context = .allocate(capacity: 1)
    context.initialize(to: GLReplayContext(session: session, channel: number))
  }

  deinit {
    context.pointee.freeMemory()
    context.deinitialize(count: 1)
    context.deallocate()
  }

  /// For tests.
  var replayContext: UnsafeMutablePointer<GLReplayContext> { context }

  /// True after the channel's last record.
  public var isClosed: Bool { context.pointee.isClosed }

  /// Replays the whole records at the start of `bytes`, which must be the caller's own and lie at a
  /// multiple of 8. Returns how many bytes those were; what is left is the beginning of a record
  /// that is not whole yet. Stops early when the session is over. Always on the same thread.
  /// `arrived`: when they came over a link, `platform_now`'s; 0 when they are read from a ring.
  public func replay(_ bytes: UnsafeRawBufferPointer, arrived: UInt64 = 0) -> Int {
    guard let start = bytes.baseAddress else { return 0 }
    let c = context
    c.pointee.arrived = arrived
    var position = 0
    var count: UInt64 = 0
    guard !session.isOver else { return 0 }
    c.pointee.isGPUIdle = false
    while bytes.count &- position >= 8, !session.isLost, !c.pointee.isClosed {
      let record = start + position
      let opcode = record.get32(0)
      let size = Int(record.get32(4))
      guard checkSize(opcode, size) else { break }
      guard size <= bytes.count &- position else { break }
      replayGLRecord(c, UnsafeRawBufferPointer(start: record, count: size), isNested: false)
      position &+= size
      count &+= 1
    }
    if !c.pointee.signals.isEmpty { c.pointee.sendSignals(patience: 0) }
    c.pointee.isIdle()
    session.host.countCommands(count)
    return position
  }

  /// Whether the client waits to hear when the GPU is so far: then the thread calls `attend` again and
  /// again instead of sleeping until records come.
  public var isAttending: Bool { !context.pointee.signals.isEmpty }

  /// Tells the client what the GPU has done meanwhile; may wait for it, less than a millisecond. On
  /// the thread that replays. True when it has waited, and there is more to wait for.
  public func attend() -> Bool {
    context.pointee.sendSignals(patience: 100_000)
  }

  /// Whether the GPU has nothing to do, as the client has just been told.
  public var isGPUIdle: Bool {
    // Whoever looks once has looked.
    defer { context.pointee.isGPUIdle = false }
    return context.pointee.isGPUIdle
  }

  private func checkSize(_ opcode: UInt32, _ size: Int) -> Bool {
    guard size >= 8, size & 7 == 0 else {
      session.lose(
        LostReason.protocolError, "\(commandDescription(opcode)): record of \(size) bytes")
      return false
    }
    guard size <= largestRecord else {
      session.lose(
        LostReason.protocolError,
        "\(commandDescription(opcode)): a record of \(size) bytes, and this node takes "
          + "\(largestRecord) "
          + "(--max-record)")
      return false
    }
    return true
  }

  /// Ends the context. On the thread that has replayed.
  public func finish() {
    context.pointee.destroyContext()
    session.close(channel: number)
  }
}

/// One whole record. `isNested`: it came out of another one.
func replayGLRecord(
  _ c: UnsafeMutablePointer<GLReplayContext>, _ record: UnsafeRawBufferPointer, isNested: Bool
) {
  guard let start = record.baseAddress, record.count >= 8 else { return }
  let opcode = start.get32(0)
  c.pointee.record = record
  c.pointee.isIn(opcode)
  guard opcode >= GLReplayContext.firstCommand else {
    return replayGLControl(c, opcode, record, isNested: isNested)
  }
  guard c.pointee.driver != nil else {
    // Where the driver has refused the context, the client knows and sends nothing that waits.
    if c.pointee.wasRefused { return }
    return c.pointee.malformed(opcode, "opcode")
  }
  var reader = GLRecord(start: start + 8, count: record.count &- 8)
  if !replayGL(opcode, c, &reader) {
    c.pointee.malformed(opcode, "opcode")
  } else if let failure = reader.failure {
    c.pointee.malformed(opcode, failure)
  }
  if c.pointee.memory.isUsed {
    c.pointee.memory.reset()
    c.pointee.vertexArrays.forgetVertices()
  }
}

extension GLReplayContext {
  /// The lowest opcode of OpenGL's commands.
  static var firstCommand: UInt32 { 0x1_0000 }
}
