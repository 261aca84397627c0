import GLReplay
import Ring
import VulkanReplay

/// What OpenGL needs of the client's session: the one that Vulkan's channels share too.
final class GLHost: GLSessionHost, @unchecked Sendable {
  // The session has closures that keep the channels, which keep this.
  private let session: ReplaySession

  init(_ session: ReplaySession) { self.session = session }

  var isOver: Bool { session.isOver }
  var limits: GLLimits {
    GLLimits(objects: session.limits.objects, record: session.limits.record)
  }
  var segment: Segment? { session.segment }

  func complete(slot: UInt32, value: UInt64) {
    guard slot != ControlField.noSlot else { return }
    var completion = Completion(slot: slot, value: value)
    withUnsafePointer(to: &completion) {
      session.sink.complete(UnsafeBufferPointer(start: $0, count: 1))
    }
  }

  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    session.sink.reply(ticket: ticket, record)
  }

  func lose(_ reason: UInt32, _ message: String) { session.lose(reason, message) }
  func log(_ level: UInt32, _ message: String) { session.sink.log(level, message) }

  func awaitFrames(_ id: UInt64) -> (any GLFrameMemory)? {
    session.awaitFrameBuffers(swapchain: id).map { MappedFrames($0) }
  }

  func noteFrame(_ times: NodeFrameTimes) { _ = session.sink.frame(nil, times, []) {} }

  func deliverFrame(
    _ frame: GLFrame, _ times: NodeFrameTimes, mayBeLeftOut: Bool,
    done: @escaping @Sendable () -> Void
  ) {
    let isCompleted = session.sink.frame(
      GLHost.pixels(frame), times,
      mayBeLeftOut ? [.mayBeLeftOut, .returnsAtOnce] : .returnsAtOnce, done: done)
    if !isCompleted { complete(slot: times.slot, value: times.value) }
  }

  func showFrame(_ frame: GLFrame, isKept: Bool) {
    session.sink.show(GLHost.pixels(frame), isKept: isKept)
  }

  func forgetFrames(_ id: UInt64) { session.sink.forget(swapchain: id) }

  private static func pixels(_ frame: GLFrame) -> FramePixels {
    let pixel: FrameShape.Pixel =
      switch frame.layout {
      case 0: .bgra8
      case 1: .rgba8
      default: .other
      }
    return FramePixels(
      swapchain: frame.id, imageIndex: frame.imageIndex,
      shape: FrameShape(
        width: frame.width, height: frame.height, stride: frame.stride,
        bytesPerPixel: frame.bytesPerPixel, pixel: pixel, showsAlpha: frame.showsAlpha),
      bytes: frame.bytes)
  }

  func countContext() { session.countContext() }
  func countFrame() { session.count(commands: 0, frames: 1) }
  func countCommands(_ n: UInt64) { session.count(commands: n, frames: 0) }

  func activityWord(channel: UInt32) -> UnsafeMutablePointer<UInt64> {
    session.activityWord(ofChannel: channel)
  }
}

private final class MappedFrames: GLFrameMemory {
  private let buffers: FrameBuffers

  init(_ buffers: FrameBuffers) { self.buffers = buffers }

  var base: UnsafeMutableRawPointer { buffers.base }
  var byteCount: Int { buffers.byteCount }
}
