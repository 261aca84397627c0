import CPlatform
import CVulkan
import Client
import Wire

/// VK_EXT_private_data on the client: 64 bits for a pair of slot and object. An open-addressed
/// table that grows; it belongs to the device and never travels.
struct PrivateData {
  private struct Entry {
    /// 0 where there is no entry.
    var slot: UInt64
    var object: UInt64
    var value: UInt64
  }

  private struct State {
    var entries: UnsafeMutablePointer<Entry>?
    var capacity: Int
    var count: Int
  }

  private let lock: Lock
  private let state: UnsafeMutablePointer<State>

  init?() {
    guard let lock = Lock(), let raw = platform_calloc(1, MemoryLayout<State>.stride) else {
      return nil
    }
    self.lock = lock
    state = raw.bindMemory(to: State.self, capacity: 1)
  }

  /// The entry of a pair, or the empty one where it would go; nil in an empty table.
  private func find(_ slot: UInt64, _ object: UInt64) -> UnsafeMutablePointer<Entry>? {
    guard let entries = state.pointee.entries else { return nil }
    let mask = state.pointee.capacity &- 1
    let mixed = (slot ^ (object &* 0x9E37_79B9_7F4A_7C15)) &* 0xD6E8_FEB8_6659_FD93
    var index = Int(truncatingIfNeeded: mixed &>> 20) & mask
    while entries[index].slot != 0
      && (entries[index].slot != slot || entries[index].object != object)
    {
      index = (index &+ 1) & mask
    }
    return entries + index
  }

  /// Remembers a value; false when there is no memory.
  func set(_ slot: UInt64, _ object: UInt64, _ value: UInt64) -> Bool {
    guard slot != 0 else { return true }
    lock.lock()
    defer { lock.unlock() }
    if (state.pointee.count &+ 1) &* 2 > state.pointee.capacity, !grow() { return false }
    guard let entry = find(slot, object) else { return false }
    if entry.pointee.slot == 0 { state.pointee.count &+= 1 }
    entry.pointee = Entry(slot: slot, object: object, value: value)
    return true
  }

  /// The value, 0 when none was set.
  func get(_ slot: UInt64, _ object: UInt64) -> UInt64 {
    guard slot != 0 else { return 0 }
    lock.lock()
    defer { lock.unlock() }
    return find(slot, object)?.pointee.value ?? 0
  }

  private func grow() -> Bool {
    let capacity = max(64, state.pointee.capacity &* 2)
    guard let raw = platform_calloc(capacity, MemoryLayout<Entry>.stride) else { return false }
    let old = state.pointee
    state.pointee.entries = raw.bindMemory(to: Entry.self, capacity: capacity)
    state.pointee.capacity = capacity
    var i = 0
    while i < old.capacity, let entries = old.entries {
      if entries[i].slot != 0 { find(entries[i].slot, entries[i].object)?.pointee = entries[i] }
      i &+= 1
    }
    platform_free(old.entries)
    return true
  }

  func free() {
    platform_free(state.pointee.entries)
    platform_free(state)
    lock.free()
  }
}
