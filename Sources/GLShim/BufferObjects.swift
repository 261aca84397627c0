import CPlatform
import Client
import GLWire
import PageTracker
import Ring
import Wire

/// Who has the contents of a buffer.
enum BufferContents: UInt8 {
  /// Nobody has written any: what the client has is as good as anything.
  case undefined
  /// The node alone.
  case onNode
  /// The client's copy is the same.
  case copied
}

/// A mapped range of a buffer.
struct BufferMap {
  /// What the application got; nil while the buffer is not mapped.
  var pointer: UnsafeMutableRawPointer?
  var offset = 0
  var length = 0
  /// GL_MAP_*_BIT.
  var access: UInt32 = 0

  func has(_ bits: UInt32) -> Bool { access & bits != 0 }
}

/// What the client knows of a buffer object, so that maps need not wait for the node. An object that
/// was mapped has a copy here, of the same size; what the application writes there goes to the node
/// when the map ends.
///
/// Plain memory that lives as long as the share group, also when the buffer is deleted: a thread
/// that is late finds an empty object. The application keeps its threads apart, as OpenGL asks.
struct BufferObject {
  let name: UInt32
  /// Bytes; -1 while nobody has said.
  var size = -1
  /// What it may be mapped for (OpenGL 4.6, table 6.3).
  var allowed = GL.MAP_READ_BIT | GL.MAP_WRITE_BIT
  var isImmutable = false
  var contents = BufferContents.undefined
  /// Bound at some time to where the GPU may write: the copy is never trusted again.
  var isWrittenByGPU = false
  /// A copy or a clear has written it since what it has was fetched.
  var isTransferred = false
  /// The store of a texture, which shaders may write when images are bound.
  var isTexture = false
  var copy: UnsafeMutableRawPointer?
  /// Bytes of the copy.
  var copySize = 0
  /// What the node has of a buffer that is mapped persistently, as far as it is known here; nil for
  /// others. With it, the copy is a mapping whose written pages are tracked.
  var twin: UnsafeMutableRawPointer?
  var map = BufferMap()
  /// Memory of a map that the node has allowed although nothing was known of the buffer.
  var loose: UnsafeMutableRawPointer?
  /// The next that is mapped persistently.
  fileprivate(set) var nextPersistent: Buffer?

  /// Whether there is a range to be written while the buffer is used, without a word of the
  /// application.
  var isWrittenSilently: Bool {
    map.pointer != nil && map.has(GL.MAP_PERSISTENT_BIT) && map.has(GL.MAP_WRITE_BIT)
      && (!map.has(GL.MAP_FLUSH_EXPLICIT_BIT) || map.has(GL.MAP_COHERENT_BIT))
  }
}

typealias Buffer = UnsafeMutablePointer<BufferObject>

/// The buffer objects of a share group by name. Guarded by the group's lock, the objects themselves
/// are not.
struct BufferTable {
  private var slots: UnsafeMutablePointer<Buffer?>?
  /// A power of 2, or 0.
  private var capacity = 0
  private var count = 0
  /// Those that are mapped persistently.
  private(set) var persistent: Buffer?
  /// Whether shaders may write textures.
  var bindsImages = false
  /// Records with what was written to persistent maps.
  private var scratch: UnsafeMutableRawPointer?

  private static var scratchSize: Int { 256 << 10 }

  func find(_ name: UInt32) -> Buffer? {
    guard let slots else { return nil }
    var i = BufferTable.place(name) & (capacity &- 1)
    while let known = slots[i] {
      if known.pointee.name == name { return known }
      i = (i &+ 1) & (capacity &- 1)
    }
    return nil
  }

  /// The object of a name, new when it is not known; nil without memory.
  mutating func reach(_ name: UInt32) -> Buffer? {
    if let known = find(name) { return known }
    if (count &+ 1) &* 2 > capacity {
      guard grow() else { return nil }
    }
    guard let raw = platform_malloc(MemoryLayout<BufferObject>.stride) else { return nil }
    let object = raw.bindMemory(to: BufferObject.self, capacity: 1)
    object.initialize(to: BufferObject(name: name))
    insert(object)
    return object
  }

  private static func place(_ name: UInt32) -> Int { Int(name &* 0x9E37_79B1) }

  private mutating func insert(_ object: Buffer) {
    guard let slots else { return }
    var i = BufferTable.place(object.pointee.name) & (capacity &- 1)
    while slots[i] != nil { i = (i &+ 1) & (capacity &- 1) }
    slots[i] = object
    count &+= 1
  }

  private mutating func grow() -> Bool {
    let wanted = max(capacity &* 2, 64)
    guard let raw = platform_calloc(wanted, MemoryLayout<Buffer?>.stride) else { return false }
    let old = slots
    let oldCapacity = capacity
    slots = raw.bindMemory(to: Buffer?.self, capacity: wanted)
    capacity = wanted
    count = 0
    var i = 0
    while i < oldCapacity {
      if let known = old?[i] { insert(known) }
      i &+= 1
    }
    platform_free(old)
    return true
  }

  func free(_ tracker: PageTracker) {
    var i = 0
    while i < capacity {
      if let known = slots?[i] {
        known.dropCopy(tracker)
        platform_free(known.pointee.loose)
        platform_free(known)
      }
      i &+= 1
    }
    platform_free(slots)
    platform_free(scratch)
  }

  // MARK: Persistent maps

  mutating func addPersistent(_ object: Buffer) {
    object.pointee.nextPersistent = persistent
    persistent = object
  }

  mutating func removePersistent(_ object: Buffer) {
    if persistent == object {
      persistent = object.pointee.nextPersistent
    } else {
      var known = persistent
      while let other = known, other.pointee.nextPersistent != object {
        known = other.pointee.nextPersistent
      }
      known?.pointee.nextPersistent = object.pointee.nextPersistent
    }
    object.pointee.nextPersistent = nil
  }

  /// Publishes what the application has written to persistent maps since the last time. False when
  /// the connection is lost.
  mutating func publishWrites(_ channel: Channel, _ tracker: PageTracker) -> Bool {
    if scratch == nil { scratch = platform_aligned_alloc(64, BufferTable.scratchSize) }
    guard let scratch else { return false }
    var writes = MapWrites(channel: channel, start: scratch, size: BufferTable.scratchSize)
    var known = persistent
    while let object = known {
      known = object.pointee.nextPersistent
      guard object.pointee.isWrittenSilently else { continue }
      object.forEachWrite(tracker) { writes.add(object, $0, $1) }
    }
    return writes.end()
  }
}

/// Writes `glUnmap` records that end nothing, for what was written while a buffer is mapped.
private struct MapWrites {
  let channel: Channel
  let start: UnsafeMutableRawPointer
  let size: Int
  private var used = 0
  private var runs: UInt32 = 0
  private var open: Buffer?
  private var isPublished = true

  init(channel: Channel, start: UnsafeMutableRawPointer, size: Int) {
    self.channel = channel
    self.start = start
    self.size = size
  }

  /// Bytes of the buffer's copy, which its twin gets too.
  mutating func add(_ object: Buffer, _ offset: Int, _ count: Int) {
    guard let copy = object.pointee.copy, let twin = object.pointee.twin else { return }
    var offset = offset
    let last = offset &+ count
    while offset < last {
      if open != object || runs >= 1024 || size &- used < 4096 { begin(object) }
      let part = min(last &- offset, size &- used &- 16)
      let part8 = (part &+ 7) & ~7
      guard part > 0, used &+ 16 &+ part8 <= size else {
        begin(object)
        continue
      }
      (start + used).put64(UInt64(offset &- object.pointee.map.offset), 0)
      (start + used).put64(UInt64(part), 8)
      let place = start + used + 16
      if part8 != part { (place + part8).put64(0, -8) }
      platform_copy(place, copy + offset, part)
      platform_copy(twin + offset, place, part)
      used &+= 16 &+ part8
      runs &+= 1
      offset &+= part
    }
  }

  private mutating func begin(_ object: Buffer) {
    _ = end()
    open = object
    start.put32(ControlOpcode.glUnmap, 0)
    start.put32(0, 8)
    start.put32(object.pointee.name, 12)
    start.put32(UnmapMode.write, 20)
    used = 24
  }

  /// Publishes the record that is open. False once one could not be.
  mutating func end() -> Bool {
    if open != nil, runs > 0 {
      start.put32(UInt32(used), 4)
      start.put32(runs, 16)
      if !channel.publish(UnsafeRawBufferPointer(start: start, count: used)) { isPublished = false }
    }
    open = nil
    runs = 0
    used = 0
    return isPublished
  }
}

extension UnsafeMutablePointer<BufferObject> {
  /// Memory for the buffer's bytes, tracked when it is to be mapped persistently. What was there
  /// before stays. False without memory.
  func makeCopy(isTracked: Bool, _ tracker: PageTracker) -> Bool {
    let size = pointee.size
    guard size >= 0 else { return false }
    if pointee.copy != nil, pointee.copySize >= size, !isTracked || pointee.twin != nil {
      return true
    }
    let page = PageTracker.pageSize
    let whole = (max(size, 1) &+ page &- 1) & ~(page &- 1)
    let new: UnsafeMutableRawPointer
    var twin: UnsafeMutableRawPointer?
    if isTracked {
      let memory = platform_memfd("omega-buffer")
      guard memory >= 0 else { return false }
      defer { _ = platform_close(memory) }
      guard platform_resize(memory, UInt64(whole)) == 0,
        let mapped = platform_map_shared(memory, 0, whole),
        let same = platform_map_private(whole)
      else { return false }
      new = mapped
      twin = same
    } else {
      guard let memory = platform_aligned_alloc(64, whole) else { return false }
      platform_zero(memory, whole)
      new = memory
    }
    if let copy = pointee.copy { platform_copy(new, copy, min(pointee.copySize, size)) }
    if let twin { platform_copy(twin, new, size) }
    dropCopy(tracker)
    pointee.copy = new
    pointee.copySize = whole
    pointee.twin = twin
    if twin != nil { _ = tracker.track(new, whole) }
    return true
  }

  func dropCopy(_ tracker: PageTracker) {
    guard let copy = pointee.copy else { return }
    if let twin = pointee.twin {
      tracker.untrack(copy, pointee.copySize)
      _ = platform_unmap(copy, pointee.copySize)
      _ = platform_unmap(twin, pointee.copySize)
    } else {
      platform_free(copy)
    }
    pointee.copy = nil
    pointee.copySize = 0
    pointee.twin = nil
  }

  /// Where in [offset, offset + count) the copy was written, also when it is not known to be tracked.
  fileprivate func forEachWrite(_ tracker: PageTracker, _ body: (Int, Int) -> Void) {
    guard let copy = pointee.copy, let twin = pointee.twin else { return }
    let first = pointee.map.offset
    let last = first &+ pointee.map.length
    tracker.forEachWrittenRun(copy, pointee.copySize) { offset, count in
      let from = max(offset, first)
      let to = min(offset &+ count, last)
      guard from < to else { return }
      // What the GPU has written between two runs is not to be written over. Elsewhere equal bytes
      // cost less than a run's head.
      let gap = pointee.isWrittenByGPU ? 0 : 24
      forEachDifference(copy + from, twin + from, to &- from, gap: gap) { body(from &+ $0, $1) }
    }
  }

  /// Takes what the GPU has written, of which `bytes` are the newest from `offset` on: what the
  /// application has written meanwhile stays.
  func takeWrites(_ offset: Int, _ bytes: UnsafeRawBufferPointer) {
    guard let copy = pointee.copy, let twin = pointee.twin, let new = bytes.baseAddress,
      offset >= 0, bytes.count <= pointee.copySize &- offset
    else { return }
    forEachDifference(new, twin + offset, bytes.count, gap: 0) {
      platform_copy(copy + offset + $0, new + $0, $1)
      platform_copy(twin + offset + $0, new + $0, $1)
    }
  }
}

/// Calls `body` with every run of bytes that differ, in rising order. With a `gap`, up to so many equal
/// bytes between two runs are taken along.
func forEachDifference(
  _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int, gap: Int,
  _ body: (Int, Int) -> Void
) {
  var start = -1
  var end = 0
  var i = 0
  while i < count {
    if i &+ 8 <= count,
      a.loadUnaligned(fromByteOffset: i, as: UInt64.self)
        == b.loadUnaligned(fromByteOffset: i, as: UInt64.self)
    {
      i &+= 8
      continue
    }
    let last = min(i &+ 8, count)
    while i < last {
      if a.load(fromByteOffset: i, as: UInt8.self) != b.load(fromByteOffset: i, as: UInt8.self) {
        if start < 0 {
          start = i
        } else if i &- end > gap {
          body(start, end &- start)
          start = i
        }
        end = i &+ 1
      }
      i &+= 1
    }
  }
  if start >= 0 { body(start, end &- start) }
}
