import CPlatform

/// Guards what the window system side has of the process: lists of contexts, drawables, displays.
/// Everything done under it is a few loads and stores, so a word is the lock.
enum WindowLock {
  static func locked<Result>(_ body: () -> Result) -> Result {
    while !platform_compare_exchange32(&word, 0, 1) { platform_yield() }
    defer { platform_store32_seq(&word, 0) }
    return body()
  }

  /// In a child of fork, which has one thread and no use for what its parent's threads held.
  static func reset() { platform_store32_seq(&word, 0) }
}

nonisolated(unsafe) private var word: UInt32 = 0
