internal import CPlatform

/// A mutual exclusion lock of one process. Not recursive.
///
/// A `pthread_mutex_t`, which ThreadSanitizer knows: what the standard library's own `Mutex` does when two threads meet
/// is out of the sanitizer's sight, and looks to it like a race.
public final class Lock: @unchecked Sendable {
  private let raw: UnsafeMutableRawPointer

  public init() {
    raw = .allocate(byteCount: platform_lock_size, alignment: 16)
    platform_lock_init(raw)
  }

  deinit { raw.deallocate() }

  /// Runs `body` while nobody else runs one of theirs.
  public func withLock<Value: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    platform_lock(raw)
    defer { platform_unlock(raw) }
    return try body()
  }
}

/// A value with the lock that it belongs to.
public final class Guarded<Content>: @unchecked Sendable {
  private let lock = Lock()
  private var content: Content

  public init(_ content: sending Content) { self.content = content }

  /// Runs `body` on the value while nobody else does.
  public func withLock<Value: ~Copyable, Failure: Error>(
    _ body: (inout Content) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try lock.withLock { () throws(Failure) in try body(&content) }
  }
}
