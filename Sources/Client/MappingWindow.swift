import CPlatform
import Ring

/// Address space for the mapped memory of one device: its allocations lie in it with nothing of
/// anybody else between them, so that one question to the kernel finds the written pages of all of
/// them, however many there are.
///
/// ```
/// base ─► | allocation | reserved | allocation | allocation | reserved …          64 GiB
/// ```
///
/// Outside such a window the pages of others (Wine tracks its own in the same way) would be asked
/// for as well, and their answers taken from them. A plain value; copies refer to the same window.
/// Thread-safety: any thread.
public struct MappingWindow: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  private let ranges: RangeAllocator

  /// What all mapped allocations of a device together may need; addresses cost nothing.
  private static var size: UInt64 { 64 << 30 }

  /// Nil where the process may not have so much address space (`ulimit -v`).
  public static func reserve() -> MappingWindow? {
    guard let base = platform_reserve(Int(size)) else { return nil }
    guard let ranges = RangeAllocator(start: 0, end: size, unitShift: 12) else {
      _ = platform_unmap(base, Int(size))
      return nil
    }
    return MappingWindow(base: base, ranges: ranges)
  }

  /// Maps a page-aligned range of the segment's memory part; nil when the window is full, or the
  /// range makes no sense.
  public func map(_ segment: Segment, offset: UInt64, size: UInt64) -> UnsafeMutableRawPointer? {
    guard let place = ranges.allocate(size) else { return nil }
    let pointer = base + Int(place)
    guard segment.mapMemory(offset: offset, size: size, at: pointer) else {
      ranges.free(offset: place, size: size)
      return nil
    }
    return pointer
  }

  /// Takes away what `map` gave.
  public func unmap(_ pointer: UnsafeMutableRawPointer, size: UInt64) {
    // A process with too many mappings cannot have this place back; it stays as it is.
    guard platform_unmap_to_reserved(pointer, Int(size)) == 0 else { return }
    ranges.free(offset: UInt64(pointer - base), size: size)
  }

  /// Whether `map` gave this.
  public func contains(_ pointer: UnsafeMutableRawPointer) -> Bool {
    pointer >= base && pointer < base + Int(MappingWindow.size)
  }

  /// Gives the window back, with everything that is still mapped in it.
  public func release() {
    _ = platform_unmap(base, Int(MappingWindow.size))
    ranges.free()
  }
}
