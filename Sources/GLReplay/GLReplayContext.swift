import CPlatform
import GLWire
import Ring
import Wire

/// What replaying one context needs: one per channel, at a fixed address, used by that channel's
/// thread alone, on which the driver's context is current for good. Generated handlers get a pointer
/// to it and touch nothing else.
///
/// A handler decodes, looks for `failure`, calls the driver, and answers with `reply` and
/// `sendReply`. After `missing` and `malformed` the session is over: the record loop stops, so a
/// handler need not look.
///
/// Every method is `mutating`, whether it changes anything or not: called through the pointer, any
/// other would work on a copy of it all.
struct GLReplayContext {
  /// What all channels of this client share.
  let session: GLSession
  /// Number of the channel.
  let channel: UInt32
  /// The driver's functions for this context.
  var gl: GLDispatch {
    @inline(__always) unsafeAddress { UnsafePointer(dispatch) }
    @inline(__always) nonmutating unsafeMutableAddress { dispatch }
  }
  /// Where replies are written; empty when a handler starts.
  var reply = HeapWriter(capacity: 4096)
  /// The record being replayed, header included: a private copy, which lives as long as the call.
  var record = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What is added to a client's display list for the driver's: lists keep their distances.
  var listBase: UInt32 = 0
  /// What the driver's context is.
  var properties = ContextProperties()
  /// The draw framebuffer is the drawable's.
  var drawsDefault = true
  /// The read framebuffer is the drawable's.
  var readsDefault = true

  /// The driver's pixel store for unpacking, as it was set last.
  var unpackStore = PixelStore()
  /// Memory for the parts of a reply.
  var results = ResultRoom()
  /// Client memory that came in front of the command that reads it.
  var memory = ClientMemory()
  /// What is known of arrays of vertices.
  var vertexArrays = VertexArrays()
  /// What the driver fills in feedback and selection mode.
  var modes = ModeBuffers()
  /// What `probe` has found.
  var probed: UnsafeMutableRawPointer?
  /// Bytes that the coefficients of an evaluator, or a pixel map, take at most.
  var tableRoom = GLReplayContext.probeRoom

  /// An image that the client fetches.
  var heldImage: Blob?
  /// What the client is told when the GPU is so far.
  var signals: [Signal] = []
  /// A fence was signalled behind which nothing has come.
  var isGPUIdle = false
  /// The driver's debug output; nil where it has none.
  var messages: DebugMessages?
  /// Not 0 while messages are of this room's own calls.
  let quiet: UnsafeMutablePointer<UInt32>

  // Of this room's hand-written parts.
  var surface = SurfaceState()
  var driver: DriverContext?
  var group: ShareGroup?
  /// The driver's functions that hand-written code calls.
  var functions: GLFunctions?
  /// Tables by `NameKind`: the group's, and the context's own.
  var tables: [NameTable] = []
  /// The same for look-ups, which are to cost nothing.
  private let readers: UnsafeMutablePointer<NameReader>
  private let dispatch: UnsafeMutablePointer<GLDispatch>
  private let emptyTable = NameTable()
  /// True after the channel's last record.
  var isClosed = false
  /// When the records that are being replayed came over a link; 0 when they are read from a ring.
  var arrived: UInt64 = 0
  /// The driver has made no context.
  var wasRefused = false
  /// Memory for bytes copied out of the segment; grows, and is kept.
  private var blob: Blob?
  private let activity: UnsafeMutablePointer<UInt64>
  private var recordCount: UInt64 = 0

  init(session: GLSession, channel: UInt32) {
    self.session = session
    self.channel = channel
    activity = session.host.activityWord(channel: channel)
    quiet = .allocate(capacity: 1)
    quiet.initialize(to: 0)
    dispatch = .allocate(capacity: 1)
    dispatch.initialize(to: GLDispatch())
    readers = .allocate(capacity: NameKind.count)
    readers.initialize(repeating: emptyTable.reader, count: NameKind.count)
  }

  mutating func freeMemory() {
    giveBlob(nil)
    platform_free(heldImage?.start)
    reply.free()
    results.free()
    memory.free()
    vertexArrays.free()
    modes.free()
    readers.deallocate()
    quiet.deallocate()
    dispatch.deallocate()
  }

  // MARK: Names

  /// Takes the tables of a share group, and new ones for what is the context's own.
  mutating func useTables(of group: ShareGroup) {
    self.group = group
    listBase = group.listBase
    tables = NameKind.allCases.map { $0.isShared ? group.tables[Int($0.rawValue)] : NameTable() }
    for (index, table) in tables.enumerated() { readers[index] = table.reader }
  }

  /// The driver's name for a client's. Where the context's profile allows names that nobody
  /// generated, an unknown one is made; elsewhere it becomes a name that the driver does not know
  /// either, so that the driver raises what the specification says.
  @inline(__always)
  mutating func name(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    guard client != 0 else { return kind == .framebuffer ? surface.drawObject : 0 }
    let found = readers[Int(kind.rawValue)].lookup(client)
    return found != 0 ? found : unusualName(kind, client)
  }

  /// The driver's name for a client's; 0 for one that is unknown.
  mutating func knownName(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    guard client != 0, Int(kind.rawValue) < tables.count else { return 0 }
    return tables[Int(kind.rawValue)].lookup(client)
  }

  /// The client's name of a driver's; 0 for one that is unknown. For the few answers that hold names.
  mutating func clientName(_ kind: NameKind, _ driver: UInt32) -> UInt32 {
    guard Int(kind.rawValue) < tables.count else { return 0 }
    return tables[Int(kind.rawValue)].client(of: driver)
  }

  /// A name that this room never enters, and that no driver has given: for commands on names that
  /// are unknown.
  static var neverGenerated: UInt32 { 0xFFFF_FFF1 }

  @inline(never)
  private mutating func unusualName(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    guard Int(kind.rawValue) < tables.count, let functions else { return 0 }
    let table = tables[Int(kind.rawValue)]
    guard let generate = functions.generator(kind, properties) else {
      let known = table.lookup(client)
      return known != 0 ? known : GLReplayContext.neverGenerated
    }
    let (name, isNew) = table.lookupOrInsert(client) {
      var made: UInt32 = 0
      generate(1, &made)
      return made
    }
    if isNew { session.countObject() }
    return name != 0 ? name : GLReplayContext.neverGenerated
  }

  /// Enters the driver's name of a new object.
  mutating func insertName(_ kind: NameKind, _ client: UInt32, _ driver: UInt32) {
    guard client != 0, driver != 0, Int(kind.rawValue) < tables.count else { return }
    _ = tables[Int(kind.rawValue)].insert(client, driver)
    session.countObject()
  }

  /// Takes a name out; the driver's, or 0 for one that is unknown, which deletes ignore.
  mutating func removeName(_ kind: NameKind, _ client: UInt32) -> UInt32 {
    guard client != 0, Int(kind.rawValue) < tables.count else { return 0 }
    let driver = tables[Int(kind.rawValue)].remove(client)
    if driver != 0 { session.uncountObject() }
    return driver
  }

  // MARK: Sync objects

  /// The driver's sync object behind a client's; nil for one that is unknown.
  mutating func sync(_ id: UInt64) -> UnsafeMutableRawPointer? { group?.sync(id) }

  mutating func insertSync(_ id: UInt64, _ sync: UnsafeMutableRawPointer?) {
    guard let sync else { return }
    group?.insertSync(id, sync)
    session.countObject()
  }

  mutating func removeSync(_ id: UInt64) -> UnsafeMutableRawPointer? {
    guard let sync = group?.removeSync(id) else { return nil }
    session.uncountObject()
    return sync
  }

  // MARK: What came of a record

  /// Ends the session because the driver does not have the command at all.
  mutating func missing(_ opcode: UInt32) {
    session.lose(
      LostReason.protocolError, "\(commandDescription(opcode)): the node's driver lacks it")
  }

  /// Ends the session because a record could not be decoded.
  mutating func malformed(_ opcode: UInt32, _ field: StaticString) {
    session.lose(
      LostReason.protocolError, "\(commandDescription(opcode)): field \(field) is wrong")
  }

  /// Delivers what `reply` holds, and empties it.
  mutating func sendReply(_ ticket: UInt32) {
    if reply.writer.failed {
      session.lose(LostReason.noMemory, "no memory for a reply")
    } else if !session.host.reply(ticket: ticket, reply.bytes) {
      session.lose(
        LostReason.protocolError,
        "\(commandDescription(opcode)): a reply of \(reply.bytes.count) bytes to ticket \(ticket)"
          + " cannot be delivered")
    }
    reply.reset()
  }

  /// Opcode of the record being replayed.
  private var opcode: UInt32 {
    mutating get { record.count >= 4 ? record.baseAddress?.get32(0) ?? 0 : 0 }
  }

  /// Says which record is being replayed, for whoever asks what the channel is in.
  @inline(__always)
  mutating func isIn(_ opcode: UInt32) {
    recordCount &+= 1
    platform_store64(activity, recordCount &<< 32 | UInt64(opcode))
  }

  /// Says that no record is.
  mutating func isIdle() { platform_store64(activity, 0) }

  // MARK: Memory

  /// Memory for `count` bytes, 16-byte aligned, until the next call; nil when there is none.
  mutating func blobRoom(_ count: Int) -> UnsafeMutableRawPointer? {
    if let blob, blob.count >= count { return blob.start }
    giveBlob(nil)
    let size = max(count, 64 << 10)
    guard let start = platform_aligned_alloc(16, size) else { return nil }
    blob = Blob(start: start, count: size)
    return start
  }

  /// Keeps what `blobRoom` gave from being used again, until `giveBlob`.
  mutating func takeBlob() -> Blob? {
    let taken = blob
    blob = nil
    return taken
  }

  mutating func giveBlob(_ replacement: Blob?) {
    platform_free(blob?.start)
    blob = replacement
  }
}

/// Memory of a context's own.
struct Blob {
  var start: UnsafeMutableRawPointer
  var count: Int
}

/// What the driver's context is, as far as replay asks.
struct ContextProperties {
  var isES = false
  var major: UInt32 = 0
  var minor: UInt32 = 0
  /// Desktop OpenGL with the core profile, which knows generated names alone.
  var isCore = false
  /// One binding point for framebuffers, not two.
  var hasOneFramebufferTarget = false
  /// GL_ARB_robustness: reads that are told how much room there is. Under their names without a suffix Mesa has
  /// functions that do nothing.
  var hasRobustness = false

  /// Values of the pixel store beside the alignment are there.
  var hasWholePixelStore: Bool { !isES || isAtLeast(3, 0) }

  /// Results of queries have 64 bits.
  var hasWideQueries = false
  /// Results of queries go to buffers when one is bound.
  var hasQueryBuffers = false
  /// There are sync objects.
  var hasSync = false

  /// glGetInteger64v is there.
  var has64BitGets: Bool { isES ? isAtLeast(3, 0) : isAtLeast(3, 2) }

  func isAtLeast(_ major: UInt32, _ minor: UInt32) -> Bool {
    (self.major, self.minor) >= (major, minor)
  }
}

/// "glSwap", "glClear", or the number of an opcode without a name.
func commandDescription(_ opcode: UInt32) -> String {
  if let name = ControlOpcode.name(opcode) ?? glCommandName(opcode) { return name.description }
  return "command 0x" + String(opcode, radix: 16)
}
