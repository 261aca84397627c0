internal import CPlatform

/// A lock for one process.
final class Lock: @unchecked Sendable {
  private let memory = UnsafeMutableRawPointer.allocate(
    byteCount: platform_lock_size, alignment: 16)

  init() { platform_lock_init(memory) }
  deinit { memory.deallocate() }

  func withLock<Value>(_ body: () -> Value) -> Value {
    platform_lock(memory)
    defer { platform_unlock(memory) }
    return body()
  }
}

/// Counts what runs; somebody waits until nothing does.
final class RunningCount: @unchecked Sendable {
  private let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  init() { word.initialize(to: 0) }
  deinit { word.deallocate() }

  func enter() { _ = platform_add32(word, 1) }
  func leave() {
    _ = platform_add32(word, UInt32.max)
    _ = platform_futex_wake(word, Int32.max)
  }
  var isZero: Bool { platform_load32_seq(word) == 0 }

  /// False when something still runs after `nanoseconds`.
  func waitForZero(nanoseconds: UInt64) -> Bool {
    let deadline = platform_now() &+ nanoseconds
    while true {
      let count = platform_load32_seq(word)
      if count == 0 { return true }
      let now = platform_now()
      guard now < deadline else { return false }
      _ = platform_futex_wait(word, count, deadline &- now)
    }
  }
}

/// A word that threads change and sleep on.
final class Word: @unchecked Sendable {
  private let raw = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  init() { raw.initialize(to: 0) }
  deinit { raw.deallocate() }

  func load() -> UInt32 { platform_load32_seq(raw) }
  func add(_ amount: UInt32) { _ = platform_add32(raw, amount) }
  func wakeAll() { _ = platform_futex_wake(raw, Int32.max) }

  /// Sleeps while the word is `value`; false when `nanoseconds` have passed.
  @discardableResult
  func wait(while value: UInt32, nanoseconds: UInt64) -> Bool {
    let deadline = platform_now() &+ nanoseconds
    while load() == value {
      let now = platform_now()
      guard now < deadline else { return false }
      _ = platform_futex_wait(raw, value, deadline &- now)
    }
    return true
  }
}

private final class ThreadBody {
  let run: () -> Void
  init(_ run: @escaping () -> Void) { self.run = run }
}

/// Starts a detached thread; false when the system has none. Its stack has room for decoders of video.
func startThread(_ name: StaticString, _ body: @escaping @Sendable () -> Void) -> Bool {
  let context = Unmanaged.passRetained(ThreadBody(body))
  let result = platform_thread_start(
    { context in
      if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
      return nil
    }, context.toOpaque(), 8 << 20,
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
  if result != 0 { context.release() }
  return result == 0
}
