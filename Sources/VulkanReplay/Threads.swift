import CPlatform

/// A mutual exclusion lock of one process.
public final class Lock: @unchecked Sendable {
  private let raw: UnsafeMutableRawPointer

  public init() {
    raw = .allocate(byteCount: platform_lock_size, alignment: 16)
    platform_lock_init(raw)
  }

  deinit { raw.deallocate() }

  public func withLock<R>(_ body: () -> R) -> R {
    platform_lock(raw)
    defer { platform_unlock(raw) }
    return body()
  }
}

/// A 32-bit word that threads change and sleep on.
public final class Word: @unchecked Sendable {
  private let raw: UnsafeMutablePointer<UInt32>

  public init(_ value: UInt32 = 0) {
    raw = .allocate(capacity: 1)
    raw.initialize(to: value)
  }

  deinit { raw.deallocate() }

  public func load() -> UInt32 { platform_load32_seq(raw) }
  public func store(_ value: UInt32) { platform_store32_seq(raw, value) }
  public func exchange(_ value: UInt32) -> UInt32 { platform_exchange32(raw, value) }
  public func add(_ value: UInt32) { _ = platform_add32(raw, value) }
  public func subtract(_ value: UInt32) { _ = platform_add32(raw, 0 &- value) }

  /// Sleeps while the word is `value`, at most `nanoseconds`; may return early.
  public func wait(while value: UInt32, nanoseconds: UInt64 = UInt64.max) {
    _ = platform_futex_wait(raw, value, nanoseconds)
  }
  public func wakeAll() { _ = platform_futex_wake(raw, Int32.max) }
}

/// Starts a thread that runs `body`; false when the system refuses. `name` is at most 15 bytes.
/// Its stack has room for drivers and for encoders of video; what is not used is never there.
public func startThread(_ name: StaticString, _ body: @escaping @Sendable () -> Void) -> Bool {
  let box = Unmanaged.passRetained(ThreadBody(body))
  let started = platform_thread_start(
    { argument in
      guard let argument else { return nil }
      Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, box.toOpaque(), 8 << 20,
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
  if started != 0 { box.release() }
  return started == 0
}

private final class ThreadBody: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
