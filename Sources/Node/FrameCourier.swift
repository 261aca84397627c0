import CPlatform
import Ring
import VulkanReplay

/// Brings the frames of one swapchain to a client elsewhere, from a thread of its own: whoever has made a frame does not wait
/// for the link.
///
/// Threads: any.
final class FrameCourier: @unchecked Sendable {
  /// A frame on its way. Its pixels stay where they are until `done` is called.
  struct Job {
    let pixels: FramePixels
    let times: NodeFrameTimes
    /// When a newer one is behind it, this one need not be sent.
    let mayBeLeftOut: Bool
    let done: @Sendable () -> Void
  }

  private let deliver: @Sendable (Job, _ isLeftOut: Bool) -> Void
  private let lock = Lock()
  private let changed = Word()
  private var waiting: [Job] = []
  private var isRunning = false
  private var isOver = false

  /// `deliver` sends a frame or, when it is left out, says so; one call at a time.
  init(_ deliver: @escaping @Sendable (Job, _ isLeftOut: Bool) -> Void) { self.deliver = deliver }

  /// Takes a frame; the thread is started with the first. Where there is none, delivers it at once.
  func add(_ job: Job) {
    let mustStart = lock.withLock { () -> Bool in
      waiting.append(job)
      defer { isRunning = true }
      return !isRunning
    }
    guard mustStart else {
      changed.add(1)
      changed.wakeAll()
      return
    }
    if !startThread("omega-courier", { [self] in run() }) { run(isOnce: true) }
  }

  /// Ends the thread, after what is waiting.
  func stop() {
    lock.withLock { isOver = true }
    changed.add(1)
    changed.wakeAll()
  }

  private func run(isOnce: Bool = false) {
    while true {
      let seen = changed.load()
      let next = lock.withLock { () -> (job: Job, isLeftOut: Bool)? in
        guard !waiting.isEmpty else {
          if isOver || isOnce { isRunning = false }
          return nil
        }
        let first = waiting.removeFirst()
        return (first, first.mayBeLeftOut && !waiting.isEmpty)
      }
      if let next {
        deliver(next.job, next.isLeftOut)
        continue
      }
      if lock.withLock({ !isRunning }) { return }
      changed.wait(while: seen, nanoseconds: 1_000_000_000)
    }
  }
}
