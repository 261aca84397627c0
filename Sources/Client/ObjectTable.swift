import CPlatform
import Ring
public import Wire

/// What the client remembers of one object: its id, and 48 bytes that belong to whoever made it.
@frozen
public struct ObjectCell {
  /// 0 while the cell is free.
  public var id: UInt64
  /// Generation of the id that was last made here.
  public var generation: UInt32
  /// While free: the next free cell of the same channel. While in use: the channel.
  @usableFromInline var link: UInt32

  /// Bytes of state behind the header.
  @inlinable public static var stateSize: Int { 48 }
  @inlinable public static var stride: Int { 64 }
}

/// All objects of this process by the index of their ids: makes ids, and gives each 48 zeroed bytes
/// of client-side state.
///
/// Cells lie in chunks that never move, so that a lookup takes no lock. An index is given out again
/// on the channel where its object was destroyed, and only there: the records of one channel are
/// replayed in order, so that the new object cannot overtake the end of the old one.
public enum ObjectTable {
  private static var chunkShift: Int { 12 }
  private static var chunkCells: Int { 1 << chunkShift }
  private static var chunkCount: Int { 4096 }
  private static var channelCount: Int { Int(SegmentLayout.channelCount) }

  fileprivate struct State {
    var lock: Lock
    /// Addresses of the chunks, 0 where there is none.
    var chunks: UnsafeMutablePointer<UInt64>
    /// First free index per channel.
    var free: UnsafeMutablePointer<UInt32>
    var next: UInt32
    var reuse: Bool
  }

  /// Makes the table, at the first use; false without memory.
  static func prepareOnce() -> Bool {
    ProcessLock.lock(platform_pid())
    defer { ProcessLock.unlock() }
    return table != nil || prepare(reuse: Switches.fromEnvironment().idReuse)
  }

  private static func prepare(reuse: Bool) -> Bool {
    guard let lock = Lock(), let chunks = platform_calloc(chunkCount, 8),
      let free = platform_calloc(channelCount, 4),
      let raw = platform_calloc(1, MemoryLayout<State>.stride)
    else { return false }
    let state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(
      to: State(
        lock: lock, chunks: chunks.bindMemory(to: UInt64.self, capacity: chunkCount),
        free: free.bindMemory(to: UInt32.self, capacity: channelCount), next: 1, reuse: reuse))
    table = state
    return true
  }

  private static func cell(_ table: UnsafeMutablePointer<State>, _ index: UInt32)
    -> UnsafeMutablePointer<ObjectCell>?
  {
    let chunk = Int(index) >> chunkShift
    guard chunk < chunkCount else { return nil }
    let address = platform_load64(table.pointee.chunks + chunk)
    guard let base = UnsafeMutableRawPointer(bitPattern: UInt(address)) else { return nil }
    return (base + (Int(index) & (chunkCells - 1)) * ObjectCell.stride)
      .assumingMemoryBound(to: ObjectCell.self)
  }

  /// A new id, with zeroed state; 0 when there are no ids or no memory left. Any thread.
  public static func makeID(_ kind: HandleKind, channel: UInt32) -> UInt64 {
    guard let table, channel < UInt32(channelCount) else { return 0 }
    table.pointee.lock.lock()
    defer { table.pointee.lock.unlock() }
    var index = table.pointee.free[Int(channel)]
    if index != 0, let cell = cell(table, index) {
      table.pointee.free[Int(channel)] = cell.pointee.link
    } else {
      index = table.pointee.next
      let chunk = Int(index) >> chunkShift
      guard chunk < chunkCount else { return 0 }
      if table.pointee.chunks[chunk] == 0 {
        guard let raw = platform_calloc(chunkCells, ObjectCell.stride) else { return 0 }
        platform_store64(table.pointee.chunks + chunk, UInt64(UInt(bitPattern: raw)))
      }
      table.pointee.next = index &+ 1
    }
    guard let cell = cell(table, index) else { return 0 }
    cell.pointee.generation = (cell.pointee.generation &+ 1) & 0xFF_FFFF
    let id = HandleID.make(generation: cell.pointee.generation, kind: kind, index: index)
    cell.pointee.link = channel
    platform_zero(UnsafeMutableRawPointer(cell) + 16, ObjectCell.stateSize)
    // A lookup that sees the id sees its zeroed state.
    platform_store64(idField(cell), id)
    return id
  }

  private static func idField(_ cell: UnsafeMutablePointer<ObjectCell>)
    -> UnsafeMutablePointer<UInt64>
  {
    UnsafeMutableRawPointer(cell).assumingMemoryBound(to: UInt64.self)
  }

  /// Ends an id whose destruction has been published on its channel. An unknown id is ignored.
  public static func release(_ id: UInt64) {
    guard let table, id != 0 else { return }
    table.pointee.lock.lock()
    defer { table.pointee.lock.unlock() }
    let index = HandleID.index(of: id)
    guard let cell = cell(table, index), cell.pointee.id == id else { return }
    platform_store64(idField(cell), 0)
    guard table.pointee.reuse else { return }
    let channel = Int(cell.pointee.link)
    cell.pointee.link = table.pointee.free[channel]
    table.pointee.free[channel] = index
  }

  /// The state of a living object of this kind, `ObjectCell.stateSize` bytes; nil for any other id.
  /// It stays where it is until the object ends. No lock.
  public static func state(of id: UInt64, _ kind: HandleKind) -> UnsafeMutableRawPointer? {
    guard let table, id != 0, HandleID.kind(of: id) == kind,
      let cell = cell(table, HandleID.index(of: id)), platform_load64(idField(cell)) == id
    else { return nil }
    return UnsafeMutableRawPointer(cell) + 16
  }

  /// The id that lives at an index, or 0: for lists of objects that are linked by index.
  public static func id(at index: UInt32) -> UInt64 {
    guard let table, let cell = cell(table, index) else { return 0 }
    return platform_load64(idField(cell))
  }
}

nonisolated(unsafe) private var table: UnsafeMutablePointer<ObjectTable.State>? = nil
