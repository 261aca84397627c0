import CPlatform
import GLWire
import Wire

// What generated handlers call: arguments in, results out.

/// Looks a function up under the first of its names that the driver knows.
func find<Function>(
  _ get: (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?, _ names: StaticString...
) -> Function? {
  for name in names {
    let found = name.withUTF8Buffer { bytes in
      bytes.baseAddress.flatMap { start in
        start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { get($0) }
      }
    }
    if let found { return unsafeBitCast(found, to: Function.self) }
  }
  return nil
}

extension GLReplayContext {
  var isOver: Bool { mutating get { session.isOver } }

  /// A command that replies and that the driver does not have: the session is over, but the client
  /// still gets an answer.
  mutating func missing(_ opcode: UInt32, _ ticket: UInt32) {
    missing(opcode)
  }

  // MARK: Arguments

  /// Turns an array of the client's names into the driver's, in its place in the record.
  mutating func names(_ kind: NameKind, _ bytes: UnsafeRawPointer?, _ count: Int)
    -> UnsafeRawPointer?
  {
    guard let bytes else { return nil }
    // The record is a private copy, and nobody reads it again.
    let words = UnsafeMutableRawPointer(mutating: bytes).assumingMemoryBound(to: UInt32.self)
    for i in 0..<max(count, 0) { words[i] = name(kind, words[i]) }
    return bytes
  }

  /// `count` strings one behind the other, each with its NUL, as an array of pointers that is valid
  /// until the next call.
  mutating func strings(_ r: inout GLRecord, _ count: Int, _ field: StaticString)
    -> UnsafePointer<UnsafePointer<CChar>?>?
  {
    let (pointer, byteCount) = r.array(minimumBytes: 0, field: field)
    guard count > 0 else { return nil }
    guard let pointer, count <= byteCount, let room = blobRoom(count &* 8) else {
      r.fail(field)
      return nil
    }
    let list = room.bindMemory(to: UnsafePointer<CChar>?.self, capacity: count)
    var position = 0
    for i in 0..<count {
      list[i] = (pointer + position).assumingMemoryBound(to: CChar.self)
      while position < byteCount, pointer.load(fromByteOffset: position, as: UInt8.self) != 0 {
        position &+= 1
      }
      guard position < byteCount else {
        r.fail(field)
        return nil
      }
      position &+= 1
    }
    return UnsafePointer(list)
  }

  /// Pixels: sets the driver's pixel store as they need it, and gives what the driver takes for a
  /// pointer.
  mutating func image(
    _ r: inout GLRecord, _ dimensions: Int, _ format: UInt32, _ type: UInt32, _ width: Int,
    _ height: Int, _ depth: Int, _ field: StaticString
  ) -> UnsafeRawPointer? {
    switch r.u32(field) {
    case ImageMode.none:
      return nil
    case ImageMode.packed:
      let size = glImageBytes(format, type, width, height, depth)
      let bytes = r.array(size, isOptional: false, field)
      // Of a format that this side does not know a driver that does would read anything.
      guard size > 0, unpack(.packed) else { return nil }
      return bytes
    case ImageMode.offset:
      let offset = r.u64(field)
      guard let store = pixelStore(&r, field), unpack(store) else { return nil }
      // Without a buffer the driver would take the offset for an address.
      guard driverValue(GL.PIXEL_UNPACK_BUFFER_BINDING) != 0 else { return nil }
      return UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: offset))
    case ImageMode.raw:
      guard let store = pixelStore(&r, field) else { return nil }
      let end = store.span(dimensions, format, type, width, height, depth).end
      let bytes = r.array(end, isOptional: false, field)
      guard glImageBytes(format, type, width, height, depth) > 0, unpack(store) else { return nil }
      return bytes
    default:
      r.fail(field)
      return nil
    }
  }

  /// A pixel store that the driver takes, as far as the context knows one: what it would refuse it would go on
  /// without, and read by the store that it had before.
  private mutating func pixelStore(_ r: inout GLRecord, _ field: StaticString) -> PixelStore? {
    guard let words = r.take(PixelStore.byteCount, field) else { return nil }
    var store = PixelStore(words)
    guard store.isPossible else {
      r.fail(field)
      return nil
    }
    if !properties.hasWholePixelStore {
      let alignment = store.alignment
      store = PixelStore()
      store.alignment = alignment
    }
    if properties.isES { (store.swapBytes, store.lsbFirst) = (0, 0) }
    return store
  }

  /// Makes the driver's pixel store for unpacking this one; false when it cannot be set now, between glBegin and
  /// glEnd, where images are errors. Images that travel as bytes must not be taken for offsets: the client
  /// binds no buffer then, by its own account.
  mutating func unpack(_ store: PixelStore) -> Bool {
    if store == unpackStore { return true }
    guard let set = functions?.pixelStorei else { return false }
    beginQuiet()
    defer { endQuiet() }
    set(GL.UNPACK_ALIGNMENT, store.alignment)
    guard driverValue(GL.UNPACK_ALIGNMENT) == UInt32(store.alignment) else { return false }
    unpackStore = store
    if properties.hasWholePixelStore {
      set(GL.UNPACK_ROW_LENGTH, store.rowLength)
      set(GL.UNPACK_SKIP_ROWS, store.skipRows)
      set(GL.UNPACK_SKIP_PIXELS, store.skipPixels)
      set(GL.UNPACK_IMAGE_HEIGHT, store.imageHeight)
      set(GL.UNPACK_SKIP_IMAGES, store.skipImages)
    }
    if !properties.isES {
      set(GL.UNPACK_SWAP_BYTES, Int32(bitPattern: store.swapBytes))
      set(GL.UNPACK_LSB_FIRST, Int32(bitPattern: store.lsbFirst))
    }
    return true
  }

  /// A value that the driver has one of: a binding, a mode; 0 where it has none.
  mutating func driverValue(_ pname: UInt32) -> UInt32 {
    UInt32(bitPattern: driverValue(pname, otherwise: 0))
  }

  /// The same, and `otherwise` where the driver does not answer.
  mutating func driverValue(_ pname: UInt32, otherwise: Int32) -> Int32 {
    var value = otherwise
    beginQuiet()
    functions?.getIntegerv(pname, &value)
    endQuiet()
    return value
  }

  // MARK: Results

  /// Characters of a string, or names, that are answered at most: more than there can be.
  static var mostRoom: Int32 { 2 << 20 }

  /// Zeroed memory for a result, until the reply is sent; nil, and the session is over, when the
  /// client asks for more than a reply can hold.
  mutating func room(_ count: Int, _ field: StaticString) -> UnsafeMutableRawPointer? {
    guard let start = results.take(count) else {
      malformed(recordWord(0), field)
      return nil
    }
    return start
  }

  mutating func beginReply(_ opcode: UInt32) {
    reply.writer.begin(opcode)
  }

  mutating func endReply(_ ticket: UInt32) {
    reply.writer.end()
    sendReply(ticket)
    results.reset()
  }

  mutating func put(_ bytes: UnsafeRawPointer?, _ count: Int) {
    reply.writer.u32(UInt32(clamping: count))
    reply.writer.bytes(bytes, count)
  }

  /// A string in `size` bytes, as far as its NUL.
  mutating func putString(_ bytes: UnsafeRawPointer?, _ size: Int) {
    var count = 0
    if let bytes {
      while count < size, bytes.load(fromByteOffset: count, as: UInt8.self) != 0 { count &+= 1 }
      if count < size { count &+= 1 }
    }
    put(bytes, count)
  }

  mutating func putNames(_ kind: NameKind, _ bytes: UnsafeMutableRawPointer?, _ count: Int) {
    if let words = bytes?.assumingMemoryBound(to: UInt32.self) {
      for i in 0..<max(count, 0) where words[i] != 0 { words[i] = clientName(kind, words[i]) }
    }
    put(bytes, glProduct(count, 4))
  }

  /// Calls a command that fills as much as it likes, and finds out how much that was: with two
  /// backgrounds, what is the same after both was written. Returns the bytes, whole elements.
  mutating func probe(
    _ element: Int, room: Int = GLReplayContext.probeRoom,
    _ call: (UnsafeMutableRawPointer?) -> Void
  ) -> Int {
    guard let first = results.take(room), let second = results.take(room) else { return 0 }
    platform_fill(first, 0x55, room)
    platform_fill(second, 0xAA, room)
    call(first)
    beginQuiet()
    call(second)
    endQuiet()
    var count = room
    while count > 0,
      first.load(fromByteOffset: count &- 1, as: UInt8.self)
        != second.load(fromByteOffset: count &- 1, as: UInt8.self)
    {
      count &-= 1
    }
    probed = first
    return (count &+ element &- 1) / element &* element
  }

  /// Bytes that a command which is probed may fill.
  static var probeRoom: Int { 32 << 10 }

  /// What was probed, with names that the client knows in the place of the driver's.
  mutating func putProbe<Number>(_ count: Int, as type: Number.Type, about pname: UInt32) {
    if count >= MemoryLayout<Number>.size, let probed { translate(probed, type, pname) }
    put(probed, count)
  }

  // MARK: Names

  /// The client's new names, and the driver's that `make` gives.
  mutating func makeNames(
    _ kind: NameKind, _ count: Int32, _ bytes: UnsafeRawPointer?,
    _ make: (Int32, UnsafeMutablePointer<UInt32>?) -> Void
  ) {
    // What is wrong with another argument is an error without names too.
    guard count > 0 else { return make(0, nil) }
    guard let bytes, let room = results.take(glProduct(Int(count), 4)) else { return }
    let made = room.bindMemory(to: UInt32.self, capacity: Int(count))
    make(count, made)
    for i in 0..<Int(count) {
      let client = bytes.get32(i &* 4)
      if made[i] != 0 { insertName(kind, client, made[i]) }
    }
    results.reset()
  }

  /// Takes the client's names out, and has the driver delete what was behind them.
  mutating func deleteNames(
    _ kind: NameKind, _ count: Int32, _ bytes: UnsafeRawPointer?,
    _ delete: (Int32, UnsafePointer<UInt32>?) -> Void
  ) {
    guard count > 0, let bytes, let room = results.take(glProduct(Int(count), 4)) else { return }
    let driver = room.bindMemory(to: UInt32.self, capacity: Int(count))
    var found = 0
    if kind == .buffer { willDeleteBuffers() }
    for i in 0..<Int(count) {
      let client = bytes.get32(i &* 4)
      if kind == .framebuffer { didDeleteFramebuffer(client) }
      let name = removeName(kind, client)
      guard name != 0 else { continue }
      if kind == .query { cancelPush(name) }
      driver[found] = name
      found += 1
    }
    if found > 0 { delete(Int32(found), driver) }
    if kind == .vertexArray {
      for i in 0..<Int(count) { didDeleteVertexArray(bytes.get32(i &* 4)) }
      if vertexArrays.hasObjects || found > 0 { findVertexArray() }
    }
    results.reset()
  }
}

/// Memory for one reply's parts: bump, bounded by what a reply can hold, kept.
struct ResultRoom {
  private var start: UnsafeMutableRawPointer?
  private var used = 0
  private static var capacity: Int { 17 << 20 }

  /// Zeroed bytes at a multiple of 16; nil when there is no more.
  mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
    if start == nil { start = platform_map_private(ResultRoom.capacity) }
    // Both are multiples of 16, so that what fits does so when it is rounded up.
    guard let start, count <= ResultRoom.capacity &- used else { return nil }
    let size = (max(count, 0) &+ 15) & ~15
    let place = start + used
    used &+= size
    platform_zero(place, size)
    return place
  }

  mutating func reset() { used = 0 }

  /// All of it, and how much of that is taken.
  var extent: (whole: UnsafeRawBufferPointer, taken: Int) {
    (UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : ResultRoom.capacity), used)
  }

  mutating func free() {
    if let start { _ = platform_unmap(start, ResultRoom.capacity) }
    start = nil
  }
}
