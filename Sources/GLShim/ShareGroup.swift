import CPlatform
import Client
import GLWire
import PageTracker
import Ring
import Wire

/// What contexts share: names, and the order of what they publish. Counted by its contexts.
struct ShareGroup {
  let lock: Lock
  /// Contexts of the group.
  var contextCount = 0
  /// The channel that published last, and the mark behind it.
  private var lastChannel = UInt32.max
  private var mark: UInt64 = 0
  /// Names that are in use. Guarded by `lock`.
  var names: NameTables
  /// Guarded by `lock`.
  var buffers = BufferTable()
  let tracker: PageTracker
  /// Guarded by `lock`.
  var reflections = Reflections()
  /// Guarded by `lock`.
  var lists = ListEffects()
  /// Guarded by `lock`.
  var syncs = SyncTable()
  /// What textures were first bound to (`TexturePlace`, counted from 1), and renderbuffers: 1.
  let textures: BoundNames
  let renderbuffers: BoundNames
  /// 1 when a shader may ask which of several draws it is in.
  private var drawNumber: UInt32 = 0
  /// How often images of textures and renderbuffers were made anew, at the least.
  private var storageAge: UInt64 = 0

  init?(_ tracker: PageTracker) {
    guard let lock = Lock(), let names = NameTables(), let textures = BoundNames(),
      let renderbuffers = BoundNames()
    else { return nil }
    self.textures = textures
    self.renderbuffers = renderbuffers
    self.lock = lock
    self.names = names
    self.tracker = tracker
  }

  /// Publishes records of `context` behind everything that the group's contexts have published so
  /// far, and behind what was written to buffers that are mapped persistently.
  mutating func publish(_ context: Context, _ records: UnsafeRawBufferPointer) -> Bool {
    let channel = context.pointee.channel
    // Between Begin and End drivers refuse what goes before and behind: there it waits until it may.
    let shadow = context.pointee.shadow
    let beginsInside = shadow.pointee.wasInBegin
    let endsInside = shadow.pointee.isInBegin
    shadow.pointee.wasInBegin = endsInside
    guard contextCount > 1 || buffers.persistent != nil else { return channel.publish(records) }
    lock.lock()
    defer { lock.unlock() }
    if buffers.persistent != nil, !beginsInside, !buffers.publishWrites(channel, tracker) {
      return false
    }
    guard contextCount > 1 else { return records.isEmpty || channel.publish(records) }
    if mark > 0, lastChannel != channel.index, lastChannel != UInt32.max {
      var after = (ControlOpcode.glAfter, UInt32(24), lastChannel, UInt32(0), mark)
      guard withUnsafeBytes(of: &after, { channel.publish($0) }) else { return false }
    }
    return channel.publish(records) && (endsInside || publishMark(channel))
  }

  /// Whether a shader may ask which of several draws it is in (gl_DrawID): one of them has the name in its source, or
  /// has come as a binary. On any thread.
  var readsDrawNumber: Bool { mutating get { platform_load32_relaxed(&drawNumber) != 0 } }

  mutating func noteDrawNumber() { platform_store32(&drawNumber, 1) }

  /// Images of textures or renderbuffers may have changed. On any thread.
  mutating func noteStorage() { _ = platform_add64(&storageAge, 1) }

  /// A number that grows when images change. On any thread.
  mutating func imageAge() -> UInt64 { platform_load64(&storageAge) }

  /// Publishes a mark behind everything that a context has published, for contexts of other groups that
  /// are to come after it; 0 when the connection is lost.
  mutating func publishMarkForOthers(_ channel: Channel) -> UInt64 {
    lock.lock()
    defer { lock.unlock() }
    return publishMark(channel) ? mark : 0
  }

  /// Under `lock`.
  private mutating func publishMark(_ channel: Channel) -> Bool {
    // A channel that is used again has marks behind it already: they grow in the whole process.
    mark = platform_add64(&lastMark, 1) &+ 1
    lastChannel = channel.index
    var record = (ControlOpcode.glMark, UInt32(16), mark)
    return withUnsafeBytes(of: &record) { channel.publish($0) }
  }

  /// Takes a new context in, whose channel is `channel`; `first` is that of a context that may have
  /// published before there was an order to keep.
  mutating func join(_ first: Channel?) {
    lock.lock()
    contextCount &+= 1
    if contextCount == 2, let first { _ = publishMark(first) }
    lock.unlock()
  }

  /// Counts a context out, whose records have all been replayed: nothing waits for its channel any
  /// more. The last one takes the group along, which lies at `place`.
  mutating func leave(_ channel: Channel, _ place: UnsafeMutablePointer<ShareGroup>) {
    lock.lock()
    contextCount &-= 1
    if lastChannel == channel.index { lastChannel = UInt32.max }
    let isOver = contextCount <= 0
    lock.unlock()
    guard isOver else { return }
    names.free()
    buffers.free(tracker)
    reflections.free()
    lists.free()
    syncs.free()
    textures.free()
    renderbuffers.free()
    lock.free()
    platform_free(place)
  }
}

nonisolated(unsafe) private var lastMark: UInt64 = 0
