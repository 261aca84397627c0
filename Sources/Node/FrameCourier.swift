import CPlatform
import Ring
internal import Threads
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
  private let isBehind: @Sendable () -> Bool
  private let lock = Lock()
  private let changed = Word()
  private var waiting: [Job] = []
  private var isRunning = false
  private var isOver = false

  /// How long a frame waits for a newer one, or for the client to have those before it, nanoseconds.
  private static let patience: UInt64 = 250_000_000

  /// `isBehind`: frames are under way that the client has not got, so that the next would wait behind them.
  /// `deliver` sends a frame or, when it is left out, says so; one call at a time.
  init(
    isBehind: @escaping @Sendable () -> Bool,
    _ deliver: @escaping @Sendable (Job, _ isLeftOut: Bool) -> Void
  ) {
    self.isBehind = isBehind
    self.deliver = deliver
  }

  /// There is something to do, or the client has got a frame.
  func wake() {
    changed.bump()
  }

  /// Takes a frame; the thread is started with the first. Where there is none, delivers it at once.
  func add(_ job: Job) {
    let mustStart = lock.withLock { () -> Bool in
      waiting.append(job)
      defer { isRunning = true }
      return !isRunning
    }
    guard mustStart else { return wake() }
    if !startThread("omega-courier", { [self] in run() }) { run(isOnce: true) }
  }

  /// Ends the thread, after what is waiting.
  func stop() {
    lock.withLock { isOver = true }
    wake()
  }

  private func run(isOnce: Bool = false) {
    var heldSince: UInt64?
    while true {
      let seen = changed.load()
      // What lies in the buffers of sockets cannot be left out any more.
      if !isOnce, lock.withLock({ waiting.count == 1 && waiting[0].mayBeLeftOut && !isOver }),
        isBehind()
      {
        let now = platform_now()
        let end = (heldSince ?? now) &+ FrameCourier.patience
        heldSince = heldSince ?? now
        if now < end {
          changed.wait(while: seen, nanoseconds: end &- now)
          continue
        }
      }
      heldSince = nil
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
