import CPlatform
import Client
import GLWire
import Ring
import Wire

// What the node says by itself when the GPU is so far: fences, and results of queries. They come in
// completion slots; whoever asks looks there, or sleeps until they come.

/// The slot of a context's fences, which are signalled in their order.
struct FenceSlot {
  private var slot = ControlField.noSlot
  /// What the slot reaches with the fence that was asked for last.
  private var value: UInt64 = 0

  /// The next fence's target; nil when no slot is free.
  mutating func next(_ connection: Connection) -> WaitTarget? {
    if slot == ControlField.noSlot {
      slot = connection.allocateSlot()
      guard slot != ControlField.noSlot else { return nil }
      value = platform_load64(connection.segment.slot(slot))
    }
    value &+= 1
    return WaitTarget(slot: slot, value: value)
  }

  /// Gives the slot back, unless something may still complete it.
  func release(_ connection: Connection) {
    guard slot != ControlField.noSlot,
      connection.isReached(WaitTarget(slot: slot, value: value))
    else { return }
    connection.releaseSlot(slot)
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// Has the node say when the GPU has done everything that was recorded so far; nil when no slot is
  /// free.
  func signal() -> WaitTarget? {
    guard let target = pointee.shadow.pointee.fences.next(pointee.connection) else { return nil }
    writer.pointee.begin(ControlOpcode.glSignal)
    writer.pointee.u32(target.slot)
    writer.pointee.u32(0)
    writer.pointee.u64(target.value)
    writer.pointee.end()
    return target
  }
}

/// The sync objects of a share group, by their ids: open addressing with linear probing. Guarded by
/// the share group's lock.
struct SyncTable {
  struct Sync {
    /// 0: a place that is free.
    var id: UInt64 = 0
    /// `noSlot`: the node is to be asked.
    var target = WaitTarget(slot: ControlField.noSlot, value: 0)
  }

  private var places: UnsafeMutablePointer<Sync>?
  /// A power of two.
  private var capacity = 0
  private var count = 0

  private func place(_ id: UInt64) -> Int {
    var i = Int((id &* 0x9E37_79B9_7F4A_7C15) >> 40) & (capacity &- 1)
    while let places, places[i].id != 0, places[i].id != id { i = (i &+ 1) & (capacity &- 1) }
    return i
  }

  func find(_ id: UInt64) -> Sync? {
    guard id != 0, let places else { return nil }
    let found = places[place(id)]
    return found.id == id ? found : nil
  }

  /// False without memory.
  mutating func insert(_ id: UInt64, _ target: WaitTarget) -> Bool {
    if (count &+ 1) &* 2 > capacity {
      let old = places
      let oldCapacity = capacity
      let wanted = max(capacity &* 2, 64)
      guard let raw = platform_calloc(wanted, MemoryLayout<Sync>.stride) else { return false }
      let grown = raw.bindMemory(to: Sync.self, capacity: wanted)
      places = grown
      capacity = wanted
      var i = 0
      while i < oldCapacity, let old {
        if old[i].id != 0 { grown[place(old[i].id)] = old[i] }
        i &+= 1
      }
      platform_free(old)
    }
    places?[place(id)] = Sync(id: id, target: target)
    count &+= 1
    return true
  }

  mutating func remove(_ id: UInt64) {
    guard let places, find(id) != nil else { return }
    var hole = place(id)
    places[hole].id = 0
    count &-= 1
    // What follows may have been put there because of the one that is gone.
    var i = (hole &+ 1) & (capacity &- 1)
    while places[i].id != 0 {
      let moved = places[i]
      places[i].id = 0
      hole = place(moved.id)
      places[hole] = moved
      i = (i &+ 1) & (capacity &- 1)
    }
  }

  func free() { platform_free(places) }
}

/// Two slots for results of one query at a time: each has the number of the result in its upper half,
/// so that it only grows, and a half of the result in the lower one.
struct ResultSlots {
  var low = ControlField.noSlot
  var high = ControlField.noSlot
  /// Of the latest result that was asked for; 0 before the first.
  var number: UInt32 = 0

  var isThere: Bool { low != ControlField.noSlot }
  /// Reached when the latest result is there.
  var target: WaitTarget { WaitTarget(slot: low, value: UInt64(number) << 32) }

  static func allocate(_ connection: Connection) -> ResultSlots? {
    let (low, high) = (connection.allocateSlot(), connection.allocateSlot())
    guard low != ControlField.noSlot, high != ControlField.noSlot else {
      connection.releaseSlot(low)
      connection.releaseSlot(high)
      return nil
    }
    let last = max(
      platform_load64(connection.segment.slot(low)), platform_load64(connection.segment.slot(high)))
    // The values that their last owner left: results are counted from there.
    guard last < UInt64(UInt32.max) << 31 else { return nil }
    return ResultSlots(low: low, high: high, number: UInt32(last >> 32))
  }

  func release(_ connection: Connection) {
    connection.releaseSlot(low)
    connection.releaseSlot(high)
  }

  /// The result, when `target` is reached.
  func value(_ connection: Connection) -> UInt64 {
    let low = platform_load64(connection.segment.slot(low))
    let high = platform_load64(connection.segment.slot(high))
    return high << 32 | low & 0xFFFF_FFFF
  }
}

/// A query object.
struct Query {
  enum State: UInt32 {
    /// It has no result, or nobody knows.
    case unknown
    case active
    /// It has ended, and nobody has asked for its result.
    case ended
    /// The node is going to say, or has said, its result in the slots.
    case pushed
  }
  var state = State.unknown
  /// What it was first used with, and stays with; 0 before.
  var target: UInt32 = 0
  /// How many times the context had been finished when it ended.
  var finishes: UInt32 = 0
  var slots = ResultSlots()
}

/// The queries of a context by name, and those that are active. A query belongs to one context.
struct Queries {
  private struct Active {
    var target: UInt32 = 0
    var index: UInt32 = 0
    var name: UInt32 = 0
  }

  private var queries: UnsafeMutablePointer<Query>?
  private var capacity = 0
  private var active: UnsafeMutablePointer<Active>
  /// Slots of queries that were deleted, a stack.
  private var spare: UnsafeMutablePointer<ResultSlots>?
  private var spareCount = 0
  private var spareCapacity = 0
  /// The program asks for results: they are sent without being asked for.
  var areAsked = false
  /// How many times the context has been finished.
  var finishes: UInt32 = 0

  /// More cannot be active: targets by vertex streams.
  private static var mostActive: Int { 32 }
  private static var mostNames: Int { 1 << 20 }

  init?() {
    guard let raw = platform_calloc(Queries.mostActive, MemoryLayout<Active>.stride) else {
      return nil
    }
    active = raw.bindMemory(to: Active.self, capacity: Queries.mostActive)
  }

  func free(_ connection: Connection) {
    var i = 0
    while i < capacity, let queries {
      let slots = queries[i].slots
      if slots.isThere, connection.isReached(slots.target) { slots.release(connection) }
      i &+= 1
    }
    i = 0
    while i < spareCount, let spare {
      if connection.isReached(spare[i].target) { spare[i].release(connection) }
      i &+= 1
    }
    platform_free(queries)
    platform_free(spare)
    platform_free(active)
  }

  func query(_ name: UInt32) -> UnsafeMutablePointer<Query>? {
    guard name != 0, Int(name) < capacity, let queries else { return nil }
    return queries + Int(name)
  }

  private mutating func place(_ name: UInt32) -> UnsafeMutablePointer<Query>? {
    guard name != 0, Int(name) < Queries.mostNames else { return nil }
    if Int(name) >= capacity {
      var wanted = max(capacity &* 2, 64)
      while wanted <= Int(name) { wanted &*= 2 }
      guard let raw = platform_malloc(wanted &* MemoryLayout<Query>.stride) else { return nil }
      let grown = raw.bindMemory(to: Query.self, capacity: wanted)
      if let queries { platform_copy(grown, queries, capacity &* MemoryLayout<Query>.stride) }
      (grown + capacity).initialize(repeating: Query(), count: wanted &- capacity)
      platform_free(queries)
      queries = grown
      capacity = wanted
    }
    return queries.map { $0 + Int(name) }
  }

  /// One occlusion query is active at a time, whatever its target is.
  private static func binding(_ target: UInt32) -> UInt32 {
    switch target {
    case GL.ANY_SAMPLES_PASSED, GL.ANY_SAMPLES_PASSED_CONSERVATIVE: GL.SAMPLES_PASSED
    default: target
    }
  }

  /// The query begins, so that what was known of it is over; what it was before. Nil where that is an
  /// error, and all stays as it is.
  mutating func begin(_ target: UInt32, _ index: UInt32, _ name: UInt32) -> Query? {
    let binding = Queries.binding(target)
    var i = 0
    while i < Queries.mostActive {
      if active[i].name == 0 {
        guard let query = place(name),
          query.pointee.target == 0 || query.pointee.target == target
        else { return nil }
        active[i] = Active(target: target, index: index, name: name)
        let before = query.pointee
        query.pointee.target = target
        query.pointee.state = .active
        return before
      }
      if Queries.binding(active[i].target) == binding && active[i].index == index
        || active[i].name == name
      {
        return nil
      }
      i &+= 1
    }
    return nil
  }

  /// The same for a query whose counter is going to be taken.
  mutating func count(_ name: UInt32) -> Query? {
    guard let query = place(name), query.pointee.state != .active,
      query.pointee.target == 0 || query.pointee.target == GL.TIMESTAMP
    else { return nil }
    let before = query.pointee
    query.pointee.target = GL.TIMESTAMP
    query.pointee.state = .ended
    query.pointee.finishes = finishes
    return before
  }

  /// The name of the query that ends; 0 when none is known to be active.
  mutating func end(_ target: UInt32, _ index: UInt32) -> UInt32 {
    var found = 0
    while found < Queries.mostActive, active[found].name != 0 {
      if active[found].target == target, active[found].index == index { break }
      found &+= 1
    }
    guard found < Queries.mostActive, active[found].name != 0 else { return 0 }
    let name = active[found].name
    var i = found
    while i &+ 1 < Queries.mostActive {
      active[i] = active[i &+ 1]
      i &+= 1
    }
    active[Queries.mostActive &- 1] = Active()
    if let query = query(name) {
      query.pointee.state = .ended
      query.pointee.finishes = finishes
    }
    return name
  }

  /// Calls `body` with the names of queries that have ended and whose results nobody has asked for.
  func forEachEnded(_ body: (UInt32) -> Void) {
    var i = 0
    while i < capacity {
      if queries?[i].state == .ended { body(UInt32(i)) }
      i &+= 1
    }
  }

  /// Sees to slots for a result of the query's; false when none are free.
  mutating func slots(_ query: UnsafeMutablePointer<Query>, _ connection: Connection) -> Bool {
    if query.pointee.slots.isThere { return true }
    if spareCount > 0, let spare, connection.isReached(spare[spareCount &- 1].target) {
      spareCount &-= 1
      query.pointee.slots = spare[spareCount]
      return true
    }
    guard let new = ResultSlots.allocate(connection) else { return false }
    query.pointee.slots = new
    return true
  }

  mutating func remove(_ name: UInt32) {
    guard let query = query(name) else { return }
    var i = 0
    while i < Queries.mostActive, active[i].name != 0 {
      if active[i].name == name {
        _ = end(active[i].target, active[i].index)
        break
      }
      i &+= 1
    }
    let slots = query.pointee.slots
    query.pointee = Query()
    guard slots.isThere else { return }
    if spareCount == spareCapacity {
      let wanted = max(spareCapacity &* 2, 32)
      guard let raw = platform_malloc(wanted &* MemoryLayout<ResultSlots>.stride) else { return }
      let grown = raw.bindMemory(to: ResultSlots.self, capacity: wanted)
      if let spare {
        platform_copy(grown, spare, spareCount &* MemoryLayout<ResultSlots>.stride)
        platform_free(spare)
      }
      spare = grown
      spareCapacity = wanted
    }
    spare?[spareCount] = slots
    spareCount &+= 1
  }
}
