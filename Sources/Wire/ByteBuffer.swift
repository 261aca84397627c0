import CPlatform

/// Memory that grows at its end and is kept when emptied. Its owner calls `free`.
///
/// Running out of memory is sticky: nothing is added from then on, and `hasFailed` says so, so that
/// a coder asks once, at its end.
public struct ByteBuffer {
  @usableFromInline var memory: UnsafeMutableRawPointer?
  @usableFromInline var length = 0
  @usableFromInline var capacity = 0
  @usableFromInline var isOver = false

  /// Bytes that one buffer never exceeds: no record, message or picture is larger.
  @inlinable static var limit: Int { 1 << 30 }

  @inlinable
  public init() {}

  @inlinable public var start: UnsafeMutableRawPointer? { memory }
  @inlinable public var count: Int { length }
  @inlinable public var hasFailed: Bool { isOver }
  @inlinable public var contents: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory, count: length)
  }

  /// Empties it. Memory beyond `kept` bytes is given back.
  @inlinable
  public mutating func reset(keeping kept: Int = Int.max) {
    if capacity > kept {
      platform_free(memory)
      memory = nil
      capacity = 0
    }
    length = 0
    isOver = false
  }

  /// Makes the failure known of whoever adds to the buffer and cannot.
  @inlinable
  public mutating func fail() { isOver = true }

  /// Cuts what was added behind the first `length` bytes.
  @inlinable
  public mutating func truncate(_ length: Int) { self.length = min(count, max(length, 0)) }

  /// Room for `more` bytes at the end, which are part of the contents from now on; nil without
  /// memory. Valid until the next addition.
  @inlinable
  public mutating func add(_ more: Int) -> UnsafeMutableRawPointer? {
    guard !isOver, more >= 0, more <= ByteBuffer.limit - length else {
      isOver = true
      return nil
    }
    if length + more > capacity {
      let wanted = max(capacity * 2, length + more, 4096)
      guard let larger = platform_realloc(memory, wanted) else {
        isOver = true
        return nil
      }
      memory = larger
      capacity = wanted
    }
    defer { length += more }
    return memory.map { $0 + length }
  }

  @inlinable
  public mutating func append(_ source: UnsafeRawBufferPointer) {
    guard source.count > 0, let from = source.baseAddress, let to = add(source.count) else {
      return
    }
    platform_copy(to, from, source.count)
  }

  /// Gives the memory back. The buffer must not be used again.
  @inlinable
  public func free() { platform_free(memory) }
}
