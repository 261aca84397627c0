import CPlatform
import GLWire
import Ring
import Wire

/// Client memory that has come in front of a command, and that the command reads: a copy that lives
/// until the command has been replayed.
struct ClientMemory {
  private var start: UnsafeMutableRawPointer?
  private var capacity = 0
  private var used = 0
  /// Blocks that did not fit, and are given back with the rest.
  private var extra: [UnsafeMutableRawPointer] = []
  /// What the last `glMemory` has brought; nil when there was none.
  private(set) var block: UnsafeRawBufferPointer?
  /// Whether anything is held.
  private(set) var isUsed = false

  /// A copy of `bytes`; nil without memory.
  mutating func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
    isUsed = true
    let size = (bytes.count &+ 79) & ~15
    var place: UnsafeMutableRawPointer?
    if size <= capacity &- used, let start {
      place = start + used
      used &+= size
    } else if !isHolding {
      platform_free(start)
      capacity = max(size &* 2, 256 << 10)
      start = platform_aligned_alloc(64, capacity)
      if start == nil { capacity = 0 }
      place = start
      used = size
    } else if let block = platform_aligned_alloc(64, size) {
      extra.append(block)
      place = block
    }
    guard let place else { return nil }
    if let from = bytes.baseAddress { place.copyMemory(from: from, byteCount: bytes.count) }
    return place
  }

  private var isHolding: Bool { used > 0 }

  mutating func setBlock(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let place = keep(bytes) else { return false }
    block = UnsafeRawBufferPointer(start: place, count: bytes.count)
    return true
  }

  mutating func reset() {
    used = 0
    block = nil
    isUsed = false
    for block in extra { platform_free(block) }
    extra.removeAll(keepingCapacity: true)
  }

  mutating func free() {
    reset()
    platform_free(start)
    start = nil
    capacity = 0
  }
}

extension GLReplayContext {
  /// `glMemory`.
  mutating func takeMemory(_ f: inout ControlFields) {
    let count = f.u32(8, "byteCount")
    guard f.wrong == nil, Int(count) <= f.record.count &- 16 else { return f.fail("byteCount") }
    if !memory.setBlock(UnsafeRawBufferPointer(rebasing: f.record[16..<(16 &+ Int(count))])) {
      f.fail("byteCount")
    }
  }
}
