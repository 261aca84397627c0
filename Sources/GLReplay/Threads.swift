import CPlatform

/// A mutual exclusion lock of one process.
final class Lock: @unchecked Sendable {
  private let raw: UnsafeMutableRawPointer

  init() {
    raw = .allocate(byteCount: platform_lock_size, alignment: 16)
    platform_lock_init(raw)
  }

  deinit { raw.deallocate() }

  func withLock<R>(_ body: () -> R) -> R {
    platform_lock(raw)
    defer { platform_unlock(raw) }
    return body()
  }
}

/// A 32-bit word that threads change and sleep on.
final class Word: @unchecked Sendable {
  private let raw: UnsafeMutablePointer<UInt32>

  init(_ value: UInt32 = 0) {
    raw = .allocate(capacity: 1)
    raw.initialize(to: value)
  }

  deinit { raw.deallocate() }

  func load() -> UInt32 { platform_load32_seq(raw) }
  func exchange(_ value: UInt32) -> UInt32 { platform_exchange32(raw, value) }

  /// Changes the word and wakes everybody who sleeps on it.
  func bump() {
    _ = platform_add32(raw, 1)
    _ = platform_futex_wake(raw, Int32.max)
  }

  /// Sleeps while the word is `value`, at most `nanoseconds`; may return early.
  func wait(while value: UInt32, nanoseconds: UInt64) {
    _ = platform_futex_wait(raw, value, nanoseconds)
  }
}
