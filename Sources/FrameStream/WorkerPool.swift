internal import CPlatform
internal import Synchronization
internal import Threads

/// A few threads that do the parts of one thing at a time, the caller among them.
///
/// The parts are begun in order, so that with fewer threads than parts the first are done first. Not for
/// two callers at once.
public final class WorkerPool: Sendable {
  private let shared = Shared()
  /// Threads that work, the caller counted.
  public let threadCount: Int

  /// `threads`: the caller's among them; by default one for each processor. 16 at most.
  public init(threads: Int? = nil) {
    let wanted = WorkerPool.threadCount(threads)
    var started = 1
    while started < wanted, Shared.start(shared) { started += 1 }
    threadCount = started
  }

  deinit { shared.post(nil, isStopped: true) }

  /// How many threads a pool has that `threads` were asked of; nil: one for each processor.
  public static func threadCount(_ threads: Int?) -> Int {
    min(max(threads ?? Int(platform_processor_count()), 1), 16)
  }

  /// Calls `body` with each of 0..<count, and returns when all have.
  public func run(_ count: Int, _ body: (Int) -> Void) {
    guard count > 1, threadCount > 1 else {
      for index in 0..<count { body(index) }
      return
    }
    withoutActuallyEscaping(body) { body in
      let job = Job(count: count, body: body)
      shared.post(job, isStopped: false)
      job.work()
      job.wait()
      shared.post(nil, isStopped: false)
      // A thread that found the job late found nothing to do, and looks at `body` no more.
      job.drop()
    }
  }

  /// What is to be done.
  private final class Job: @unchecked Sendable {
    private let count: Int
    private var body: ((Int) -> Void)?
    private let next = Atomic<Int>(0)
    private let words: UnsafeMutablePointer<UInt32>

    init(count: Int, body: @escaping (Int) -> Void) {
      self.count = count
      self.body = body
      words = .allocate(capacity: 1)
      words.initialize(to: UInt32(count))
    }

    deinit { words.deallocate() }

    /// Does parts until all are begun.
    func work() {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        body?(index)
        if platform_add32(words, .max) == 1 { _ = platform_futex_wake(words, 1) }
      }
    }

    func wait() {
      while true {
        let left = platform_load32_seq(words)
        if left == 0 { return }
        _ = platform_futex_wait(words, left, .max)
      }
    }

    func drop() { body = nil }
  }

  /// What the threads know; they do not keep the pool.
  private final class Shared: Sendable {
    private struct State {
      var job: Job?
      var isStopped = false
    }

    private let state = Guarded(State())
    /// Grows with each job.
    private nonisolated(unsafe) let generation: UnsafeMutablePointer<UInt32>

    init() {
      generation = .allocate(capacity: 1)
      generation.initialize(to: 0)
    }

    deinit { generation.deallocate() }

    func post(_ job: Job?, isStopped: Bool) {
      state.withLock {
        $0.job = job
        $0.isStopped = isStopped
      }
      guard job != nil || isStopped else { return }
      _ = platform_add32(generation, 1)
      _ = platform_futex_wake(generation, .max)
    }

    /// False when the system has no thread.
    static func start(_ shared: Shared) -> Bool {
      startThread("omega-bands") { shared.serve() }
    }

    private func serve() {
      var seen: UInt32 = 0
      while true {
        let now = platform_load32_seq(generation)
        if now == seen {
          _ = platform_futex_wait(generation, seen, .max)
          continue
        }
        seen = now
        let (job, isStopped) = state.withLock { ($0.job, $0.isStopped) }
        if isStopped { return }
        job?.work()
      }
    }
  }
}
