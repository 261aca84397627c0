import CPlatform

/// A lock of this process, on memory of its own. A plain value; copies are the same lock.
public struct Lock: @unchecked Sendable {
  private let memory: UnsafeMutableRawPointer

  /// Nil when there is no memory.
  public init?() {
    guard let memory = platform_aligned_alloc(platform_lock_size, platform_lock_size) else {
      return nil
    }
    platform_lock_init(memory)
    self.memory = memory
  }

  public func lock() { platform_lock(memory) }
  public func unlock() { platform_unlock(memory) }

  /// Gives the memory back; nobody may hold or take the lock any more.
  public func free() { platform_free(memory) }
}
