internal import CPlatform

/// A 32-bit word that threads change and sleep on. Every access is sequentially consistent.
public final class Word: @unchecked Sendable {
  private let raw = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)

  public init(_ value: UInt32 = 0) { raw.initialize(to: value) }
  deinit { raw.deallocate() }

  public func load() -> UInt32 { platform_load32_seq(raw) }
  public func store(_ value: UInt32) { platform_store32_seq(raw, value) }
  /// What the word was before.
  public func exchange(_ value: UInt32) -> UInt32 { platform_exchange32(raw, value) }
  public func add(_ value: UInt32) { _ = platform_add32(raw, value) }
  public func subtract(_ value: UInt32) { _ = platform_add32(raw, 0 &- value) }

  /// Wakes whoever sleeps and finds the word changed.
  public func wakeAll() { _ = platform_futex_wake(raw, .max) }

  /// Changes the word, and wakes everybody who sleeps on it.
  public func bump() {
    add(1)
    wakeAll()
  }

  /// Sleeps while the word is `value`; false when it still is after `nanoseconds`.
  @discardableResult
  public func wait(while value: UInt32, nanoseconds: UInt64 = .max) -> Bool {
    let (end, isForever) = platform_now().addingReportingOverflow(nanoseconds)
    while load() == value {
      let now = platform_now()
      guard isForever || now < end else { return false }
      _ = platform_futex_wait(raw, value, isForever ? .max : end &- now)
    }
    return true
  }
}

/// Counts what runs; somebody waits until nothing does.
public final class RunningCount: Sendable {
  private let word = Word()

  public init() {}

  public func enter() { word.add(1) }

  public func leave() {
    word.subtract(1)
    word.wakeAll()
  }

  public var isZero: Bool { word.load() == 0 }

  /// False when something still runs after `nanoseconds`.
  public func waitForZero(nanoseconds: UInt64) -> Bool {
    let end = platform_now() &+ nanoseconds
    while case let count = word.load(), count > 0 {
      let now = platform_now()
      guard now < end else { return false }
      word.wait(while: count, nanoseconds: end &- now)
    }
    return true
  }
}
