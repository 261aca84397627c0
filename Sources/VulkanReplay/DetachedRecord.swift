import CPlatform
import Wire

/// A private copy of a record and what was decoded from it, for a thread beside the channel's.
final class DetachedRecord: @unchecked Sendable {
  private let bytes: UnsafeMutableRawPointer
  private let count: Int
  private let arena: UnsafeMutablePointer<Arena>
  private let handles: UnsafeMutablePointer<HandleTable>

  init?(_ c: UnsafeMutablePointer<ReplayContext>) {
    let record = c.pointee.record
    guard let source = record.baseAddress, let copy = platform_aligned_alloc(16, record.count)
    else { return nil }
    copy.copyMemory(from: source, byteCount: record.count)
    bytes = copy
    count = record.count
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limit: c.pointee.session.limits.decodedRecord))
    handles = c.pointee.handles
  }

  deinit {
    arena.pointee.free()
    arena.deallocate()
    platform_free(bytes)
  }

  /// Decodes the copy; ids become driver handles now. Nil when the record is wrong, as it was not
  /// when it was decoded first.
  func decode<Arguments>(_ body: (inout Reader) -> Arguments) -> Arguments? {
    var reader = Reader(
      UnsafeRawBufferPointer(start: bytes + 8, count: count &- 8), arena: arena, handles: handles)
    let arguments = body(&reader)
    return reader.failure == nil ? arguments : nil
  }

  func room(_ count: Int) -> UnsafeMutableRawPointer? { arena.pointee.allocate(max(count, 1)) }
}
