import CPlatform
import Ring

/// A slot and the value it must reach.
public struct WaitTarget: Sendable {
  public var slot: UInt32
  public var value: UInt64

  public init(slot: UInt32, value: UInt64) {
    self.slot = slot
    self.value = value
  }
}

/// How a wait ended.
public enum WaitResult: UInt8, Sendable { case done, timeout, lost }

extension Connection {
  /// Whether `slot` has reached `value`: one load.
  public func isReached(_ target: WaitTarget) -> Bool {
    target.slot < SegmentLayout.slotCount
      && platform_load64(segment.slot(target.slot)) >= target.value
  }

  /// Waits until all (or any) of the slots have reached their values, at most `nanoseconds`
  /// (UInt64.max: no limit; 0: one look). No lock is held, nothing is sent.
  public func wait(
    _ targets: UnsafeBufferPointer<WaitTarget>, all: Bool, nanoseconds: UInt64
  ) -> WaitResult {
    let now = platform_now()
    let deadline = nanoseconds > UInt64.max &- now ? UInt64.max : now &+ nanoseconds
    while true {
      if areReached(targets, all: all) { return .done }
      guard segment.lost == 0 else { return .lost }
      let time = platform_now()
      guard time < deadline else { return .timeout }
      let step = min(Connection.heartbeat, deadline &- time)
      if segment.waitStep(nanoseconds: step, { areReached(targets, all: all) }) { return .done }
      guard step < Connection.heartbeat || isAlive() else {
        return areReached(targets, all: all) ? .done : .lost
      }
    }
  }

  /// Waits for one slot.
  public func wait(slot: UInt32, value: UInt64, nanoseconds: UInt64) -> WaitResult {
    withUnsafePointer(to: WaitTarget(slot: slot, value: value)) { target in
      wait(UnsafeBufferPointer(start: target, count: 1), all: true, nanoseconds: nanoseconds)
    }
  }

  private func areReached(_ targets: UnsafeBufferPointer<WaitTarget>, all: Bool) -> Bool {
    for target in targets where isReached(target) != all { return !all }
    return all
  }
}

/// The completion slots of a connection that are free, in a queue: the slot that was given back
/// first is used again first, long after a late completion of its last owner can arrive.
///
/// The value of a slot only grows while it has an owner. A new owner begins at the value it finds,
/// or sets the slot to a value of its own.
struct SlotAllocator {
  private struct State {
    var head: UInt32
    var count: UInt32
    var next: UInt32
  }

  private let lock: Lock
  private let state: UnsafeMutablePointer<State>
  private let queue: UnsafeMutablePointer<UInt32>

  init?() {
    guard let lock = Lock(), let raw = platform_calloc(1, MemoryLayout<State>.stride),
      let list = platform_malloc(Int(SegmentLayout.slotCount) &* 4)
    else { return nil }
    self.lock = lock
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State(head: 0, count: 0, next: 0))
    queue = list.bindMemory(to: UInt32.self, capacity: Int(SegmentLayout.slotCount))
  }

  /// A free slot, or `ControlField.noSlot`.
  func allocate() -> UInt32 {
    lock.lock()
    defer { lock.unlock() }
    if state.pointee.next < SegmentLayout.slotCount {
      state.pointee.next &+= 1
      return state.pointee.next &- 1
    }
    guard state.pointee.count > 0 else { return ControlField.noSlot }
    let slot = queue[Int(state.pointee.head)]
    state.pointee.head = (state.pointee.head &+ 1) & (SegmentLayout.slotCount &- 1)
    state.pointee.count &-= 1
    return slot
  }

  func release(_ slot: UInt32) {
    guard slot < SegmentLayout.slotCount else { return }
    lock.lock()
    defer { lock.unlock() }
    guard state.pointee.count < SegmentLayout.slotCount else { return }
    let tail = (state.pointee.head &+ state.pointee.count) & (SegmentLayout.slotCount &- 1)
    queue[Int(tail)] = slot
    state.pointee.count &+= 1
  }
}
