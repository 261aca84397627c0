import CPlatform
import GLWire
import Ring
import Threads
import Wire

@testable import GLReplay

/// A client in this process: it keeps what the node says.
final class TestHost: GLSessionHost, @unchecked Sendable {
  struct Frame {
    let id: UInt64
    let imageIndex: UInt32
    let bytes: [UInt8]
  }

  let segment: Segment?
  private let lock = Lock()
  private var lossMessage: String?
  private var completed: [UInt32: UInt64] = [:]
  private var answers: [UInt32: [UInt8]] = [:]
  private var delivered: [Frame] = []
  private var lines: [String] = []
  private let words: UnsafeMutablePointer<UInt64>
  let memory: TestFrames?

  /// With `memory` the client is on this host.
  init(memory: TestFrames? = nil, segment: Segment? = nil) {
    self.memory = memory
    self.segment = segment
    words = .allocate(capacity: Int(SegmentLayout.channelCount))
    words.initialize(repeating: 0, count: Int(SegmentLayout.channelCount))
  }

  deinit { words.deallocate() }

  var loss: String? { lock.withLock { lossMessage } }
  var frames: [Frame] { lock.withLock { delivered } }
  var log: [String] { lock.withLock { lines } }
  func slot(_ slot: UInt32) -> UInt64 { lock.withLock { completed[slot] ?? 0 } }
  func answer(_ ticket: UInt32) -> [UInt8]? { lock.withLock { answers[ticket] } }

  /// Goes on as if nothing had been lost or answered.
  func forget() {
    lock.withLock {
      lossMessage = nil
      answers = [:]
    }
  }

  var isOver: Bool { loss != nil }
  var limits: GLLimits { GLLimits(objects: 100_000, record: 1 << 20) }
  func complete(slot: UInt32, value: UInt64) { lock.withLock { completed[slot] = value } }
  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    guard ticket < SegmentLayout.replyCount else { return false }
    lock.withLock { answers[ticket] = Array(record) }
    return true
  }
  func lose(_ reason: UInt32, _ message: String) {
    lock.withLock { if lossMessage == nil { lossMessage = message } }
  }
  func log(_ level: UInt32, _ message: String) { lock.withLock { lines.append(message) } }
  func awaitFrames(_ id: UInt64) -> (any GLFrameMemory)? { memory }
  func noteFrame(_ times: NodeFrameTimes) {}
  func deliverFrame(
    _ given: GLFrame, _ times: NodeFrameTimes, mayBeLeftOut: Bool,
    done: @escaping @Sendable () -> Void
  ) {
    defer {
      done()
      complete(slot: times.slot, value: times.value)
    }
    let frame = Frame(id: given.id, imageIndex: given.imageIndex, bytes: Array(given.bytes))
    lock.withLock { delivered.append(frame) }
  }
  func countContext() {}
  func countFrame() {}
  func countCommands(_ n: UInt64) {}
  func activityWord(channel: UInt32) -> UnsafeMutablePointer<UInt64> {
    words + Int(min(channel, SegmentLayout.channelCount - 1))
  }
}

final class TestFrames: GLFrameMemory, @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
    base = .allocate(byteCount: byteCount, alignment: 4096)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  deinit { base.deallocate() }
}

/// One channel and the records that a client would send on it.
final class TestChannel {
  let host: TestHost
  let channel: GLChannel
  let id: UInt64
  private var values = HeapWriter(capacity: 4096)

  init(_ session: GLSession, _ host: TestHost, number: UInt32 = 1) {
    self.host = host
    channel = GLChannel(number: number, session: session)
    id = GLID.make(GLID.context, number)
  }

  deinit { values.free() }

  /// Replays one record.
  func send(_ opcode: UInt32, _ body: (inout Writer) -> Void) {
    values.reset()
    values.writer.begin(opcode)
    body(&values.writer)
    values.writer.end()
    _ = channel.replay(values.bytes)
  }

  /// The status of the reply to `glCreateContext`.
  @discardableResult
  func create(
    share: UInt64 = 0, isES: Bool = false, version: (UInt32, UInt32) = (0, 0), profile: UInt32 = 0,
    resetStrategy: UInt32 = 0
  ) -> UInt32 {
    let id = id
    send(ControlOpcode.glCreateContext) { w in
      w.u32(0)
      w.u32(0)
      w.u64(id)
      w.u64(share)
      for word in [isES ? 1 : 0, version.0, version.1, profile, 0, resetStrategy, 0, 0] {
        w.u32(word)
      }
    }
    guard let answer = host.answer(0), answer.count >= 12 else { return UInt32.max }
    return answer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self) }
  }

  func makeCurrent(_ drawable: UInt32, _ request: DrawableRequest, read: UInt32? = nil) {
    func put(_ request: DrawableRequest, _ w: inout Writer) {
      var room = [UInt32](repeating: 0, count: 10)
      room.withUnsafeMutableBytes { request.store($0.baseAddress!) }
      for word in room { w.u32(word) }
    }
    send(ControlOpcode.glMakeCurrent) { w in
      w.u64(drawable == 0 ? 0 : GLID.make(GLID.drawable, drawable))
      let readID = read ?? drawable
      w.u64(readID == 0 ? 0 : GLID.make(GLID.drawable, readID))
      put(request, &w)
      put(request, &w)
    }
  }

  func frames(_ number: UInt32, width: UInt32, height: UInt32, stride: UInt32, layout: UInt32 = 0) {
    send(ControlOpcode.glFrames) { w in
      w.u64(GLID.make(GLID.frames, number))
      for word in [width, height, 2, stride] { w.u32(word) }
      w.u64(UInt64(stride) * UInt64(height))
      w.u32(layout)
      w.u32(0)
    }
  }

  func swap(
    _ drawable: UInt32, frames: UInt32, width: UInt32, height: UInt32, value: UInt64,
    flags: UInt32 = 0, image: UInt32 = 0
  ) {
    send(ControlOpcode.glSwap) { w in
      w.u64(GLID.make(GLID.drawable, drawable))
      w.u64(GLID.make(GLID.frames, frames))
      w.u32(image)
      w.u32(7)
      w.u64(value)
      for word in [flags, width, height, 0] { w.u32(word) }
    }
  }

  /// What `glReport` answers.
  func report() -> UInt32 {
    send(ControlOpcode.glReport) { w in
      w.u32(1)
      w.u32(0)
    }
    guard let answer = host.answer(1), answer.count >= 12 else { return UInt32.max }
    return answer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self) }
  }

  func resize(_ drawable: UInt32, _ width: UInt32, _ height: UInt32) {
    send(ControlOpcode.glResizeDrawable) { w in
      w.u64(GLID.make(GLID.drawable, drawable))
      w.u32(width)
      w.u32(height)
    }
  }

  func after(_ channel: UInt32, _ mark: UInt64) {
    send(ControlOpcode.glAfter) { w in
      w.u32(channel)
      w.u32(0)
      w.u64(mark)
    }
  }

  func mark(_ mark: UInt64) { send(ControlOpcode.glMark) { $0.u64(mark) } }

  var context: UnsafeMutablePointer<GLReplayContext> { channel.replayContext }
  var gl: GLFunctions { context.pointee.functions! }

  func clear(_ red: Float, _ green: Float, _ blue: Float, _ alpha: Float = 1) {
    gl.clearColor(red, green, blue, alpha)
    gl.clear(GL.COLOR_BUFFER_BIT)
  }

  /// Clears a rectangle whose origin is the lower left corner, as OpenGL's is.
  func clear(_ rectangle: (Int32, Int32, Int32, Int32), _ red: Float, _ green: Float, _ blue: Float)
  {
    gl.enable(GL.SCISSOR_TEST)
    gl.scissor(rectangle.0, rectangle.1, rectangle.2, rectangle.3)
    clear(red, green, blue)
    gl.disable(GL.SCISSOR_TEST)
  }

  /// The pixel at (x, y) as the application reads it.
  func pixel(_ x: Int32, _ y: Int32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4)
    context.pointee.beginRead(depth: false)
    gl.readPixels(x, y, 1, 1, GL.RGBA, GL.UNSIGNED_BYTE, &bytes)
    context.pointee.endRead()
    return bytes
  }
}

func windowRequest(_ width: UInt32, _ height: UInt32) -> DrawableRequest {
  var request = DrawableRequest()
  request.width = width
  request.height = height
  request.alpha = 8
  request.depth = 24
  request.stencil = 8
  request.flags = DrawableFlag.doubleBuffered
  return request
}
