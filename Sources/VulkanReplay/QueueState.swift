import CPlatform
import CVulkan
import Ring
internal import Threads

/// What the client wants to be told when the queue operation that follows has finished.
struct Announcement {
  /// The driver's queue it is meant for.
  var queue: UInt64
  var completions: [Completion]
}

/// A timeline semaphore of the client. It ends with the last operation that signals it: the client may
/// know from another queue that such an operation is finished, and destroy the semaphore, before this
/// queue's thread has looked at it.
final class TimelineState: @unchecked Sendable {
  let handle: VkSemaphore
  private let destroy: () -> Void

  init(handle: VkSemaphore, destroy: @escaping () -> Void) {
    self.handle = handle
    self.destroy = destroy
  }

  deinit { destroy() }
}

/// A value that a queue operation signals a timeline semaphore with.
struct TimelineSignal {
  let timeline: TimelineState
  let value: UInt64
}

/// An operation that a queue was given and whose end its completion thread waits for.
struct QueueOperation {
  var opcode: UInt32
  /// When the driver was given it.
  var since: UInt64
  var fence: VkFence
  var completions: [Completion]
  /// Frames to bring out of their staging memory.
  var frames: [PendingFrame]
  /// What it may have written in mapped memory.
  var writes: WriteSet
  /// Queries that it uses.
  var queries: [QueryUse]
  /// Timeline values that it signals.
  var signals: [TimelineSignal]
}

/// A VkQueue, with the thread that waits for its operations in their order and tells the client:
/// first what the GPU has written, then the frames, then the completions.
final class QueueState: @unchecked Sendable {
  let handle: VkQueue
  let family: UInt32
  private unowned let device: DeviceState
  private let session: ReplaySession
  private let lock = Lock()
  private var waiting: [QueueOperation] = []
  /// The operation whose end is waited for.
  private var current: (opcode: UInt32, since: UInt64)?
  /// What each operation may write that is given, or about to be, and not delivered yet; in order.
  private var undelivered: [WriteSet] = []
  /// Operations given so far, and finished so far.
  private let given = Word()
  private let finished = Word()
  private let stopping = Word()
  private let stopped = Word(1)

  init(handle: VkQueue, family: UInt32, device: DeviceState, session: ReplaySession) {
    self.handle = handle
    self.family = family
    self.device = device
    self.session = session
  }

  /// Starts the completion thread; false when the system refuses.
  func start() -> Bool {
    stopped.store(0)
    let started = startThread("omega-queue") { [self] in
      run()
      stopped.store(1)
      stopped.wakeAll()
    }
    if started { session.activity.add(self) } else { stopped.store(1) }
    return started
  }

  /// The oldest operation that has not ended.
  func activity(now: UInt64) -> Activity? {
    lock.withLock {
      guard let oldest = current ?? waiting.first.map({ ($0.opcode, $0.since) }) else { return nil }
      return Activity(opcode: oldest.0, nanoseconds: now &- min(now, oldest.1))
    }
  }

  /// Says what the next operation may write, before the driver has it. The queue's channel alone.
  func expect(_ writes: WriteSet) {
    lock.withLock { undelivered.append(writes) }
  }

  /// What operations may have written that are not delivered yet.
  fileprivate var undeliveredWrites: [WriteSet] {
    lock.withLock { undelivered.filter { !$0.isEmpty } }
  }

  /// Hands over an operation that the driver has accepted, after `expect`. The queue's channel alone.
  func enqueue(_ operation: QueueOperation) {
    session.counters.addQueueOperation()
    lock.withLock { waiting.append(operation) }
    given.bump()
  }

  /// Waits until there is room for one more operation. False when none of those under way finishes,
  /// or the session is over. The queue's channel alone.
  func waitForRoom(_ limits: ReplayLimits) -> Bool {
    var deadline = platform_now() &+ limits.patience
    var before = finished.load()
    while true {
      let now = finished.load()
      if Int(given.load() &- now) < limits.pendingOperations { return true }
      if now != before {
        before = now
        deadline = platform_now() &+ limits.patience
      }
      guard !session.isOver, stopped.load() == 0, platform_now() < deadline else { return false }
      finished.wait(while: now, nanoseconds: 100_000_000)
    }
  }

  /// True when everything that was given is finished.
  var isDrained: Bool { Int32(bitPattern: given.load() &- finished.load()) <= 0 }

  /// Waits until everything that was given is finished.
  func drain() {
    let end = given.load()
    while true {
      let now = finished.load()
      if Int32(bitPattern: end &- now) <= 0 || stopped.load() != 0 { return }
      finished.wait(while: now, nanoseconds: 1_000_000_000)
    }
  }

  /// Ends the completion thread, after everything that was given.
  func stop() {
    stopping.store(1)
    given.bump()
    while stopped.load() == 0 { stopped.wait(while: 0, nanoseconds: 1_000_000_000) }
    session.activity.remove(self)
  }

  private func run() {
    var batch: [QueueOperation] = []
    while true {
      let seen = given.load()
      lock.withLock { swap(&batch, &waiting) }
      if batch.isEmpty {
        if stopping.load() != 0 { return }
        given.wait(while: seen)
        continue
      }
      for operation in batch {
        lock.withLock { current = (operation.opcode, operation.since) }
        guard wait(for: operation) else { return }
        finish(operation)
        finished.add(1)
      }
      lock.withLock { current = nil }
      finished.wakeAll()
      batch.removeAll(keepingCapacity: true)
    }
  }

  /// False when the session is over.
  private func wait(for operation: QueueOperation) -> Bool {
    var fence: VkFence? = operation.fence
    while true {
      let result = device.functions.waitForFences(
        device.handle, 1, &fence, VkBool32(VK_TRUE), 1_000_000_000)
      switch result {
      case VK_SUCCESS: return wait(for: operation.signals)
      case VK_TIMEOUT: if session.isOver { return false }
      default:
        session.lose(
          result == VK_ERROR_DEVICE_LOST ? LostReason.deviceLost : LostReason.noMemory,
          "the GPU has stopped: vkWaitForFences failed with \(resultName(result))")
        return false
      }
    }
  }

  /// A driver may signal a submit's fence before its semaphores. The client that saw a timeline's value
  /// may at once signal the next, which must not come between. False when the session is over.
  private func wait(for signals: [TimelineSignal]) -> Bool {
    guard !signals.isEmpty, let wait = device.functions.waitSemaphores else { return true }
    for signal in signals {
      var semaphore: VkSemaphore? = signal.timeline.handle
      var value = signal.value
      while true {
        let result = withUnsafePointer(to: &semaphore) { semaphore in
          withUnsafePointer(to: &value) { value in
            var info = VkSemaphoreWaitInfo()
            info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
            info.semaphoreCount = 1
            info.pSemaphores = semaphore
            info.pValues = value
            return wait(device.handle, &info, 1_000_000_000)
          }
        }
        if result == VK_SUCCESS { break }
        guard result == VK_TIMEOUT else {
          session.lose(
            LostReason.deviceLost,
            "the GPU has stopped: vkWaitSemaphores failed with \(resultName(result))")
          return false
        }
        if session.isOver { return false }
      }
    }
    return true
  }

  private func finish(_ operation: QueueOperation) {
    let drawn = operation.frames.isEmpty ? 0 : platform_now()
    device.giveBack(operation.fence)
    if !operation.writes.isEmpty { device.deliver(operation.writes, session) }
    // Operations of other queues that this one waited for are finished too, which the client may
    // conclude from this one's completion.
    for queue in device.queuesBeside(self) {
      for writes in queue.undeliveredWrites { device.deliver(writes, session) }
    }
    if !operation.queries.isEmpty {
      device.queryGate.withReading(besides: 1) { mayRead in
        for use in operation.queries {
          use.pool.finish(use, device, session.sink, reads: mayRead)
        }
      }
      session.sink.flushReadback()
    }
    device.queryGate.end()
    var completions = operation.completions
    for frame in operation.frames {
      if let completion = frame.deliver(session, drawn: drawn) { completions.append(completion) }
    }
    lock.withLock { if !undelivered.isEmpty { undelivered.removeFirst() } }
    completions.withUnsafeBufferPointer { session.sink.complete($0) }
  }
}
