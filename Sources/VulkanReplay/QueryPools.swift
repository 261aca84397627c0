import CPlatform
import CVulkan
import MemoryFabric
import Ring
internal import Threads
import VulkanWire
import Wire

/// Queries of one pool that a command buffer begins, ends, writes or resets.
struct QueryUse {
  let pool: QueryPoolState
  let first: Int
  let count: Int
}

/// A VkQueryPool of the client, and its *mirror*: the results, as far as they are known, in the
/// client's segment. The first vkGetQueryPoolResults asks for the mirror; from then on the results
/// of each queue operation are pushed before its completions, and looking at them is local.
///
/// ```
///  values         queryCount × valueCount × u64
///  availability   queryCount × u64:  resets by the host << 1 | available
/// ```
///
/// A query is read only when no unfinished operation uses it: what the driver has for it then is
/// what the last one has left. Values are written before the word that makes them valid.
final class QueryPoolState: @unchecked Sendable {
  let handle: VkQueryPool
  let type: VkQueryType
  let queryCount: Int
  /// Values of one query; 0 for types whose results only the driver can lay out.
  let valueCount: Int

  private let lock = Lock()
  /// Unfinished operations that use a query.
  private var pending: [UInt32]
  /// How often the host has reset a query; as the client counts it too.
  private var resets: [UInt32]
  /// Whether an operation or a reset has ever touched a query: any other has no state to read.
  private var isTouched: [Bool]

  // While there is a mirror.
  private var isMirrored = false
  private var segmentOffset: UInt64 = 0
  /// The client's bytes, when its segment is on this host.
  private var mirror: UnsafeMutableRawPointer?
  private var mirrorSize = 0
  /// What the client was told last.
  private var known: [UInt64] = []
  private var scratch: [UInt64] = []

  init(handle: VkQueryPool, info: VkQueryPoolCreateInfo) {
    self.handle = handle
    type = info.queryType
    queryCount = Int(info.queryCount)
    valueCount = queryValueCount(info)
    pending = [UInt32](repeating: 0, count: queryCount)
    resets = pending
    isTouched = [Bool](repeating: false, count: queryCount)
  }

  deinit { detach() }

  /// Bytes of the mirror, whole pages.
  private var sizeOfMirror: Int {
    (queryCount &* (valueCount &+ 1) &* 8 &+ ByteDifference.pageSize &- 1)
      & ~(ByteDifference.pageSize &- 1)
  }

  func contains(first: UInt32, count: UInt32) -> Bool {
    Int(first) <= queryCount && Int(count) <= queryCount &- Int(first)
  }

  // MARK: Use

  /// Notes that an operation which uses the queries was given to a queue.
  func begin(_ use: QueryUse) {
    lock.withLock {
      for i in use.first..<use.first &+ use.count {
        pending[i] &+= 1
        isTouched[i] = true
      }
    }
  }

  /// Notes that the operation has finished, and tells the client what it has left: with `reads` the
  /// results, else that they are to be asked for.
  func finish(
    _ use: QueryUse, _ device: DeviceState, _ sink: any CompletionSink, reads: Bool
  ) {
    lock.withLock {
      for i in use.first..<use.first &+ use.count { pending[i] &-= 1 }
      if reads { return push(use.first, use.count, device, sink) }
      // What the mirror has is from before: the client is to ask.
      guard isMirrored else { return }
      for query in use.first..<use.first &+ use.count {
        tell(queryCount &* valueCount &+ query, UInt64(resets[query]) << 1, sink)
      }
    }
  }

  /// The host has reset the queries.
  func reset(first: Int, count: Int) {
    lock.withLock {
      for i in first..<first &+ count {
        resets[i] &+= 1
        isTouched[i] = true
        if isMirrored { known[queryCount &* valueCount &+ i] = UInt64(resets[i]) << 1 }
      }
    }
  }

  // MARK: Mirror

  /// Begins the mirror at `offset` of the client's segment, with what is known now.
  func attach(
    device: DeviceState, session: ReplaySession, offset: UInt64, size: UInt64
  ) -> Bool {
    guard valueCount > 0, size == UInt64(sizeOfMirror),
      SegmentLayout.isMemory(offset: offset, size: size)
    else { return false }
    var mapped: UnsafeMutableRawPointer?
    if let segment = session.segment {
      mapped = segment.mapMemory(offset: offset, size: size)
      guard mapped != nil else { return false }
    }
    let isNew = lock.withLock {
      guard !isMirrored else { return false }
      isMirrored = true
      mirror = mapped
      mirrorSize = Int(size)
      segmentOffset = offset
      known = [UInt64](repeating: 0, count: queryCount &* (valueCount &+ 1))
      scratch = known
      device.queryGate.withReading(besides: 0) { mayRead in
        if mayRead { push(0, queryCount, device, session.sink) }
      }
      return true
    }
    if !isNew, let mapped { _ = platform_unmap(mapped, Int(size)) }
    session.sink.flushReadback()
    return isNew
  }

  func detach() {
    lock.withLock {
      if let mirror { _ = platform_unmap(mirror, mirrorSize) }
      mirror = nil
      isMirrored = false
    }
  }

  /// Reads the queries that nothing uses any more, and tells the client what has changed. With the
  /// lock held.
  private func push(
    _ first: Int, _ count: Int, _ device: DeviceState, _ sink: any CompletionSink
  ) {
    guard isMirrored else { return }
    var i = first
    while i < first &+ count {
      guard pending[i] == 0, isTouched[i] else {
        i &+= 1
        continue
      }
      var end = i &+ 1
      while end < first &+ count, pending[end] == 0, isTouched[end] { end &+= 1 }
      read(i, end &- i, device)
      for query in i..<end { tellValues(query, sink) }
      for query in i..<end { tellAvailability(query, sink) }
      i = end
    }
  }

  /// Fills `scratch`, in which each query has its values and then its availability.
  private func read(_ first: Int, _ count: Int, _ device: DeviceState) {
    let stride = (valueCount &+ 1) &* 8
    scratch.withUnsafeMutableBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      let place = start + first &* stride
      platform_zero(place, count &* stride)
      _ = device.dispatch.pointee.vkGetQueryPoolResults?(
        device.handle, handle, UInt32(first), UInt32(count), count &* stride, place,
        VkDeviceSize(stride),
        VK_QUERY_RESULT_64_BIT.rawValue | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT.rawValue)
    }
  }

  private func isAvailable(_ query: Int) -> Bool {
    scratch[query &* (valueCount &+ 1) &+ valueCount] != 0
  }

  private func tellValues(_ query: Int, _ sink: any CompletionSink) {
    guard isAvailable(query) else { return }
    for value in 0..<valueCount {
      tell(query &* valueCount &+ value, scratch[query &* (valueCount &+ 1) &+ value], sink)
    }
  }

  private func tellAvailability(_ query: Int, _ sink: any CompletionSink) {
    tell(
      queryCount &* valueCount &+ query,
      UInt64(resets[query]) << 1 | (isAvailable(query) ? 1 : 0), sink)
  }

  private func tell(_ word: Int, _ value: UInt64, _ sink: any CompletionSink) {
    guard known[word] != value else { return }
    known[word] = value
    if let mirror {
      platform_store64_seq(
        (mirror + word &* 8).assumingMemoryBound(to: UInt64.self), value)
    } else {
      withUnsafeBytes(of: value) {
        sink.readback(segmentOffset: segmentOffset &+ UInt64(word &* 8), $0)
      }
    }
  }
}

/// When the results of queries may be read.
///
/// vkGetQueryPoolResults without VK_QUERY_RESULT_WAIT_BIT does not wait. But llvmpipe's driver lets the
/// whole device become idle in it: read while another operation waits for the host, which waits for the
/// completion that is about to be told, it would never return. There, results are read only when nothing
/// else is under way, and the client asks for the rest, as it would have to wait for natively.
final class QueryGate: @unchecked Sendable {
  let isCautious: Bool
  private let lock = Lock()
  private var unfinished = 0
  /// Calls of the driver that are under way on threads of their own.
  private let readers = Word()

  init(isCautious: Bool) { self.isCautious = isCautious }

  /// An operation is about to be given to a queue.
  func begin() {
    if isCautious { lock.withLock { unfinished += 1 } }
  }

  /// Its end has been seen.
  func end() {
    if isCautious { lock.withLock { unfinished -= 1 } }
  }

  /// Calls `body` with whether it may read: always, or when at most `operations` are under way, and no
  /// more until it returns.
  func withReading(besides operations: Int, _ body: (_ mayRead: Bool) -> Void) {
    guard isCautious else { return body(true) }
    lock.withLock { body(unfinished <= operations) }
  }

  /// Calls `body` on a thread of its own; false when the system gives none.
  func startReading(_ body: @escaping () -> Void) -> Bool {
    readers.add(1)
    // Handed over whole: the caller keeps nothing of it.
    nonisolated(unsafe) let body = body
    let isStarted = startThread("omega-queries") { [readers] in
      body()
      readers.subtract(1)
      readers.wakeAll()
    }
    if !isStarted { readers.subtract(1) }
    return isStarted
  }

  /// Waits until nobody reads: before the end of what is read. A client that waits for its replies, as an
  /// application has to, has no readers then.
  func waitForReaders() {
    while true {
      let count = readers.load()
      if count == 0 { return }
      readers.wait(while: count, nanoseconds: 100_000_000)
    }
  }
}

// MARK: What command buffers use

extension DeviceState {
  func queryPool(_ handle: VkQueryPool?) -> QueryPoolState? {
    queryPools[UInt64(UInt(bitPattern: handle))]
  }

  /// Notes what a record of a command buffer, which has been decoded and found right, does to
  /// queries. The channel's thread alone.
  func noteQueries(
    _ opcode: UInt32, _ record: UnsafeRawPointer, _ commandBuffer: VkCommandBuffer?,
    _ handles: UnsafeMutablePointer<HandleTable>
  ) {
    let key = UInt64(UInt(bitPattern: commandBuffer))
    switch opcode {
    case Opcode.vkBeginCommandBuffer: queryUses.removeValue(forKey: key)
    case Opcode.vkCmdExecuteCommands:
      for i in 0..<Int(record.get32(12)) {
        guard let secondary = handles.pointee.lookup(record.get64(16 + i * 8), .commandBuffer),
          let uses = queryUses[secondary]
        else { continue }
        queryUses[key, default: []] += uses
      }
    case Opcode.vkCmdBeginQuery, Opcode.vkCmdEndQuery, Opcode.vkCmdBeginQueryIndexedEXT,
      Opcode.vkCmdEndQueryIndexedEXT:
      note(key, record.get64(8), record.get32(16), queriesAtOnce, handles)
    case Opcode.vkCmdResetQueryPool:
      note(key, record.get64(8), record.get32(16), Int(record.get32(20)), handles)
    case Opcode.vkCmdWriteTimestamp:
      note(key, record.get64(12), record.get32(20), queriesAtOnce, handles)
    case Opcode.vkCmdWriteTimestamp2:
      note(key, record.get64(16), record.get32(24), queriesAtOnce, handles)
    default: break
    }
  }

  private func note(
    _ commandBuffer: UInt64, _ id: UInt64, _ first: UInt32, _ count: Int,
    _ handles: UnsafeMutablePointer<HandleTable>
  ) {
    guard let handle = handles.pointee.lookup(id, .queryPool), let pool = queryPools[handle],
      Int(first) < pool.queryCount
    else { return }
    let clipped = min(count, pool.queryCount &- Int(first))
    queryUses[commandBuffer, default: []].append(
      QueryUse(pool: pool, first: Int(first), count: clipped))
  }

  /// What the command buffers of an operation use; each use counts as unfinished from now on.
  func beginQueries(_ commandBuffer: VkCommandBuffer?, _ uses: inout [QueryUse]) {
    guard let found = queryUses[UInt64(UInt(bitPattern: commandBuffer))] else { return }
    for use in found { use.pool.begin(use) }
    uses += found
  }
}

/// The commands that `noteQueries` wants to see.
let queryCommands = OpcodeSet([
  Opcode.vkBeginCommandBuffer, Opcode.vkCmdExecuteCommands, Opcode.vkCmdBeginQuery,
  Opcode.vkCmdEndQuery, Opcode.vkCmdBeginQueryIndexedEXT, Opcode.vkCmdEndQueryIndexedEXT,
  Opcode.vkCmdResetQueryPool, Opcode.vkCmdWriteTimestamp, Opcode.vkCmdWriteTimestamp2,
])

// MARK: Doers

func doer_vkCreateQueryPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateQueryPool
) {
  let opcode = Opcode.vkCreateQueryPool
  guard let device = device(c, opcode), let info = a.pCreateInfo, let id = a.ids?[0] else {
    return
  }
  guard let create = device.dispatch.pointee.vkCreateQueryPool else {
    return c.pointee.missing(opcode)
  }
  // What the node itself keeps for a query must not be what a client exhausts it with.
  guard info.pointee.queryCount <= 16 << 20 else {
    return c.pointee.failed(opcode, VK_ERROR_OUT_OF_DEVICE_MEMORY)
  }
  let result = create(device.handle, info, nil, a.pQueryPool)
  guard result == VK_SUCCESS, let pool = a.pQueryPool?.pointee else {
    return c.pointee.failed(opcode, result)
  }
  device.queryPools[UInt64(UInt(bitPattern: pool))] = QueryPoolState(
    handle: pool, info: info.pointee)
  c.pointee.insert(id, pool)
}

func doer_vkDestroyQueryPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyQueryPool
) {
  let opcode = Opcode.vkDestroyQueryPool
  guard let device = device(c, opcode), a.queryPool != nil else { return }
  guard let destroy = device.dispatch.pointee.vkDestroyQueryPool else {
    return c.pointee.missing(opcode)
  }
  device.queryPools.removeValue(forKey: UInt64(UInt(bitPattern: a.queryPool)))?.detach()
  device.queryGate.waitForReaders()
  destroy(device.handle, a.queryPool, nil)
  c.pointee.forget(recordOffset: 16)
}

func doer_vkResetQueryPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkResetQueryPool
) {
  let opcode = Opcode.vkResetQueryPool
  guard let device = device(c, opcode) else { return }
  guard let reset = device.dispatch.pointee.vkResetQueryPool else {
    return c.pointee.missing(opcode)
  }
  guard let pool = device.queryPool(a.queryPool),
    pool.contains(first: a.firstQuery, count: a.queryCount)
  else { return c.pointee.malformed(opcode, "queryCount", "is beyond the pool's") }
  pool.reset(first: Int(a.firstQuery), count: Int(a.queryCount))
  reset(device.handle, a.queryPool, a.firstQuery, a.queryCount)
}

/// For pools without a mirror, and before there is one. Never waits: the client does.
///
/// Where the driver waits in it, for what may be waiting for the host, it is done beside the channel's thread:
/// what the host does comes behind it on the same channel.
func doer_vkGetQueryPoolResults(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetQueryPoolResults
) {
  let opcode = Opcode.vkGetQueryPoolResults
  guard let device = device(c, opcode) else { return }
  guard let get = device.dispatch.pointee.vkGetQueryPoolResults else {
    return c.pointee.missing(opcode)
  }
  guard let pool = device.queryPool(a.queryPool),
    pool.contains(first: a.firstQuery, count: a.queryCount)
  else { return c.pointee.malformed(opcode, "queryCount", "is beyond the pool's") }
  func results(_ a: Args_vkGetQueryPoolResults) -> VkResult {
    get(
      device.handle, a.queryPool, a.firstQuery, a.queryCount, a.dataSize, a.pData, a.stride,
      a.flags & ~VK_QUERY_RESULT_WAIT_BIT.rawValue)
  }
  guard device.queryGate.isCautious else {
    encodeReply_vkGetQueryPoolResults(&c.pointee.reply.writer, results(a), a)
    return c.pointee.sendReply(a.ticket)
  }
  guard let record = DetachedRecord(c), let a = record.decode(decode_vkGetQueryPoolResults) else {
    return c.pointee.failed(opcode, VK_ERROR_OUT_OF_HOST_MEMORY)
  }
  let session = c.pointee.session
  let isStarted = device.queryGate.startReading {
    let result = results(a)
    // What was decoded lies in the record's arena.
    withExtendedLifetime(record) {
      session.reply(opcode, ticket: a.ticket) { encodeReply_vkGetQueryPoolResults(&$0, result, a) }
    }
  }
  if !isStarted { session.lose(LostReason.noMemory, "no thread for vkGetQueryPoolResults") }
}
