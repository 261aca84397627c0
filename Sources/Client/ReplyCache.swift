import CPlatform

/// Replies by the bytes of their requests, the ticket left out. An entry stays for as long as the
/// connection does; a full cache takes nothing more. Thread-safety: a lock of its own; what `find`
/// gives may be read without it.
struct ReplyCache: @unchecked Sendable {
  /// An entry: this header, the request, the reply.
  private struct Entry {
    var hash: UInt64
    var requestSize: Int
    var replySize: Int
  }

  private struct State {
    var count: Int
    var bytes: Int
  }

  /// A power of two; at most half of it is used.
  private static var slotCount: Int { 16384 }
  private static var largestTotal: Int { 64 << 20 }

  private let lock: Lock
  private let state: UnsafeMutablePointer<State>
  private let slots: UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>

  init?() {
    guard let lock = Lock(), let raw = platform_calloc(1, MemoryLayout<State>.stride),
      let list = platform_calloc(ReplyCache.slotCount, 8)
    else { return nil }
    self.lock = lock
    state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State(count: 0, bytes: 0))
    slots = list.bindMemory(to: UnsafeMutablePointer<Entry>?.self, capacity: ReplyCache.slotCount)
  }

  /// Bytes 8 to 16 of a request are its ticket and a reserved word.
  private static let ticketOffset = 8
  private static let keyOffset = 16

  /// FNV-1a over 32-bit words: requests are short, and a full comparison follows.
  private func hash(_ request: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    hash = (hash ^ UInt64(request.load(as: UInt32.self))) &* 0x100_0000_01B3
    var i = ReplyCache.keyOffset
    while i &+ 4 <= request.count {
      hash = (hash ^ UInt64(request.load(fromByteOffset: i, as: UInt32.self))) &* 0x100_0000_01B3
      i &+= 4
    }
    return hash ^ (hash &>> 29)
  }

  private func isSame(
    _ entry: UnsafeMutablePointer<Entry>, _ hash: UInt64, _ request: UnsafeRawBufferPointer
  ) -> Bool {
    guard entry.pointee.hash == hash, entry.pointee.requestSize == request.count,
      let start = request.baseAddress
    else { return false }
    let stored = UnsafeRawPointer(entry + 1)
    return platform_compare(stored, start, ReplyCache.ticketOffset) == 0
      && platform_compare(
        stored + ReplyCache.keyOffset, start + ReplyCache.keyOffset,
        request.count &- ReplyCache.keyOffset) == 0
  }

  /// The place of a request: of its entry, or the empty one where it would go.
  private func slot(_ hash: UInt64, _ request: UnsafeRawBufferPointer) -> Int {
    var index = Int(truncatingIfNeeded: hash) & (ReplyCache.slotCount &- 1)
    while let entry = slots[index], !isSame(entry, hash, request) {
      index = (index &+ 1) & (ReplyCache.slotCount &- 1)
    }
    return index
  }

  /// The reply to this request, if it has been answered before. `request` has 16 bytes or more.
  func find(_ request: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let hash = hash(request)
    lock.lock()
    let entry = slots[slot(hash, request)]
    lock.unlock()
    guard let entry else { return nil }
    return UnsafeRawBufferPointer(
      start: UnsafeRawPointer(entry + 1) + entry.pointee.requestSize,
      count: entry.pointee.replySize)
  }

  func insert(_ request: UnsafeRawBufferPointer, _ reply: UnsafeRawBufferPointer) {
    guard let requestStart = request.baseAddress, let replyStart = reply.baseAddress else { return }
    let hash = hash(request)
    let size = MemoryLayout<Entry>.stride &+ request.count &+ reply.count
    lock.lock()
    defer { lock.unlock() }
    let index = slot(hash, request)
    guard slots[index] == nil, state.pointee.count < ReplyCache.slotCount / 2,
      state.pointee.bytes &+ size <= ReplyCache.largestTotal, let raw = platform_malloc(size)
    else { return }
    let entry = raw.bindMemory(to: Entry.self, capacity: 1)
    entry.initialize(
      to: Entry(hash: hash, requestSize: request.count, replySize: reply.count))
    let bytes = UnsafeMutableRawPointer(entry + 1)
    platform_copy(bytes, requestStart, request.count)
    platform_copy(bytes + request.count, replyStart, reply.count)
    slots[index] = entry
    state.pointee.count &+= 1
    state.pointee.bytes &+= size
  }
}
