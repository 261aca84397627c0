internal import CPlatform
internal import Threads
internal import Wire

/// A few threads that decode units of bands while others are still on their way. Units of one band of one
/// owner are decoded one after the other, in their order.
///
/// Threads: any; what an owner adds and waits for belongs to one at a time.
public final class DecodingCrew: Sendable {
  private struct Key: Hashable {
    let owner: ObjectIdentifier
    let band: Int
  }

  private struct Job {
    let key: Key
    var bytes: ByteBuffer
    let work: @Sendable (UnsafeRawBufferPointer) -> Void
  }

  private struct State: @unchecked Sendable {
    var waiting: [Job] = []
    var busy: Set<Key> = []
    /// Memory of units that have been decoded.
    var spare: [ByteBuffer] = []
    var threadCount = 0
    var isOver = false
  }

  /// What the threads know; they do not keep the crew.
  private final class Shared: Sendable {
    let state = Guarded(State())
    /// Grows with everything that somebody may wait for.
    nonisolated(unsafe) let changes = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

    init() { changes.initialize(to: 0) }

    deinit {
      state.withLock { for var buffer in $0.spare + $0.waiting.map(\.bytes) { buffer.free() } }
      changes.deallocate()
    }

    func note() {
      _ = platform_add32(changes, 1)
      _ = platform_futex_wake(changes, .max)
    }

    /// Takes the first unit whose band nobody is at, of one owner or of any.
    func take(_ owner: ObjectIdentifier?) -> Job? {
      state.withLock { state in
        let index = state.waiting.firstIndex {
          !state.busy.contains($0.key) && (owner == nil || $0.key.owner == owner)
        }
        guard let index else { return nil }
        let job = state.waiting.remove(at: index)
        state.busy.insert(job.key)
        return job
      }
    }

    func decode(_ job: Job) {
      job.work(job.bytes.contents)
      var bytes = job.bytes
      bytes.reset(keeping: 1 << 20)
      state.withLock { state in
        state.busy.remove(job.key)
        state.spare.append(bytes)
      }
      note()
    }

    /// Whether anything of an owner is still to be done.
    func has(_ owner: ObjectIdentifier) -> Bool {
      state.withLock { state in
        state.waiting.contains { $0.key.owner == owner }
          || state.busy.contains { $0.owner == owner }
      }
    }

    func serve() {
      while true {
        let seen = platform_load32_seq(changes)
        if let job = take(nil) {
          decode(job)
        } else if state.withLock({ $0.isOver }) {
          return
        } else {
          _ = platform_futex_wait(changes, seen, .max)
        }
      }
    }
  }

  private let shared = Shared()
  private let mostThreads: Int

  /// `threads`: beside those that wait for what they have added; by default one less than there are
  /// processors, and never more than 3, since a client has other things to do. They begin with the first unit.
  public init(threads: Int? = nil) {
    mostThreads = threads ?? min(WorkerPool.threadCount(nil) - 1, 3)
  }

  deinit {
    shared.state.withLock { $0.isOver = true }
    shared.note()
  }

  /// Decodes a unit of `owner`'s band: `work` is called with a copy of the bytes, by another thread or
  /// in `finish`. False without memory.
  public func add(
    _ owner: AnyObject, band: Int, _ bytes: UnsafeRawBufferPointer,
    work: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    var copy = shared.state.withLock { $0.spare.popLast() } ?? ByteBuffer()
    copy.append(bytes)
    guard !copy.hasFailed else {
      copy.free()
      return false
    }
    let job = Job(key: Key(owner: ObjectIdentifier(owner), band: band), bytes: copy, work: work)
    let starts = shared.state.withLock { state in
      state.waiting.append(job)
      guard state.threadCount < mostThreads,
        state.waiting.count > state.threadCount - state.busy.count
      else { return false }
      state.threadCount += 1
      return true
    }
    if starts { startOne() }
    shared.note()
    return true
  }

  /// Returns when everything that `owner` has added is done; does of it what nobody else does.
  public func finish(_ owner: AnyObject) {
    let owner = ObjectIdentifier(owner)
    while true {
      let seen = platform_load32_seq(shared.changes)
      if let job = shared.take(owner) {
        shared.decode(job)
      } else if !shared.has(owner) {
        return
      } else {
        _ = platform_futex_wait(shared.changes, seen, .max)
      }
    }
  }

  /// Without a thread `finish` does everything.
  private func startOne() {
    _ = startThread("omega-decode") { [shared] in shared.serve() }
  }
}
