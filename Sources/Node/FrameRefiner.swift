import CPlatform
internal import Threads
import VulkanReplay

/// Sends what pictures lack while their windows present nothing, from a thread of its own that is started with the first
/// picture that lacks something.
///
/// Threads: any.
final class FrameRefiner: @unchecked Sendable {
  /// Sends a little; when to go on, `platform_now`'s, or nil when nothing is left.
  typealias Step = @Sendable (_ now: UInt64) -> UInt64?

  private let lock = Lock()
  private let changed = Word()
  private var steps: [UInt64: (due: UInt64, step: Step)] = [:]
  private var isRunning = false
  private var isOver = false

  /// The picture of a swapchain lacks something; the first step at `due`.
  func watch(_ swapchain: UInt64, due: UInt64, _ step: @escaping Step) {
    let mustStart = lock.withLock { () -> Bool in
      guard !isOver else { return false }
      steps[swapchain] = (due, step)
      defer { isRunning = true }
      return !isRunning
    }
    // A thread that sleeps for another one wakes early enough: steps are never due sooner than it looks.
    guard mustStart else { return }
    if !startThread("omega-refine", { [self] in run() }) {
      lock.withLock { isOver = true }
    }
  }

  func forget(_ swapchain: UInt64) { lock.withLock { _ = steps.removeValue(forKey: swapchain) } }

  func stop() {
    lock.withLock {
      isOver = true
      steps = [:]
    }
    changed.bump()
  }

  /// How long the thread sleeps at most while there is something to do, and after that before it ends.
  private static let look: UInt64 = 50_000_000
  private static let rest: UInt64 = 2_000_000_000

  private func run() {
    var idleSince = platform_now()
    while true {
      let seen = changed.load()
      let now = platform_now()
      let due = lock.withLock { steps.filter { $0.value.due <= now } }
      for (swapchain, one) in due {
        let next = one.step(now)
        lock.withLock {
          // It may have been forgotten, or begun anew, meanwhile.
          guard steps[swapchain]?.due == one.due else { return }
          steps[swapchain] = next.map { (due: $0, step: one.step) }
        }
      }
      let wait = lock.withLock { () -> UInt64? in
        guard !isOver else { return nil }
        if !steps.isEmpty { idleSince = now }
        guard now &- idleSince < FrameRefiner.rest else {
          isRunning = false
          return nil
        }
        let first = steps.values.map { $0.due }.min() ?? .max
        return min(first > now ? first &- now : 0, FrameRefiner.look)
      }
      guard let wait else { return }
      changed.wait(while: seen, nanoseconds: max(wait, 1_000_000))
    }
  }
}
