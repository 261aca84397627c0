import CPlatform
import CVulkan
import Client
import PageTracker
import Ring
import VulkanWire
import Wire

// Vulkan, "Queries". The first question about a pool asks the node to keep a mirror of its results in
// the segment; from then on the results of an operation arrive before its fence, and looking at them
// is local. `VulkanReplay/QueryPools.swift` is the other end.

/// A VkQueryPool.
struct QueryPoolState {
  var queryCount: UInt32
  /// Values of one query; 0 for types that have no mirror.
  var valueCount: UInt32
  /// 0: none yet; 1: a thread is asking for it; 2: it is there; 3: there can be none.
  var mirrorState: UInt32
  /// 1: what the mirror does not have is asked for.
  var mayBeBehind: UInt32
  var segmentOffset: UInt64
  var mirror: UnsafeMutableRawPointer?
  /// How often the host has reset each query; as the node counts it too. Nil without a mirror.
  var resets: UnsafeMutablePointer<UInt32>?

  /// Bytes of the mirror, whole pages.
  var mirrorSize: Int {
    let page = PageTracker.pageSize
    let size = Int(queryCount) &* (Int(valueCount) &+ 1) &* 8
    return (size &+ page &- 1) & ~(page &- 1)
  }

  /// Whether the mirror has the results of a query that were not reset since.
  @inline(__always)
  func isAvailable(_ query: Int) -> Bool {
    guard let mirror, let resets else { return false }
    let word = (mirror + (Int(queryCount) &* Int(valueCount) &+ query) &* 8)
      .assumingMemoryBound(to: UInt64.self)
    return platform_load64_seq(word) == UInt64(resets[query]) &<< 1 | 1
  }

  func value(_ query: Int, _ index: Int) -> UInt64 {
    mirror?.load(fromByteOffset: (query &* Int(valueCount) &+ index) &* 8, as: UInt64.self) ?? 0
  }
}

private func poolState(_ pool: VkQueryPool?) -> UnsafeMutablePointer<QueryPoolState>? {
  ObjectTable.state(of: handleID(pool), .queryPool)?.assumingMemoryBound(to: QueryPoolState.self)
}

// MARK: Pools

func hook_vkCreateQueryPool(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkQueryPoolCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pQueryPool: UnsafeMutablePointer<VkQueryPool?>?
) -> VkResult {
  let id = makeID(.queryPool, device: device)
  guard let state = deviceState(of: device), let info = pCreateInfo?.pointee,
    let pool = poolState(handlePointer(id))
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  pool.pointee.queryCount = info.queryCount
  pool.pointee.valueCount = UInt32(truncatingIfNeeded: queryValueCount(info))
  pool.pointee.mirrorState = 3
  if state.pointee.connection.switches.queryPush, pool.pointee.valueCount > 0,
    let raw = platform_calloc(Int(info.queryCount), 4)
  {
    pool.pointee.resets = raw.bindMemory(to: UInt32.self, capacity: Int(info.queryCount))
    pool.pointee.mirrorState = 0
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateQueryPool(&writer.pointee, device, pCreateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pQueryPool?.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyQueryPool(
  _ device: VkDevice?, _ queryPool: VkQueryPool?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let queryPool, let state = deviceState(of: device) else { return }
  let id = handleID(queryPool)
  let known = poolState(queryPool)?.pointee
  let channel = state.pointee.channel
  if let writer = channel.begin() {
    if known?.mirror != nil {
      writer.pointee.begin(ControlOpcode.queryDetach)
      writer.pointee.u64(id)
      writer.pointee.end()
    }
    encode_vkDestroyQueryPool(&writer.pointee, device, queryPool)
    _ = channel.flush()
    if let known, known.mirror != nil {
      channel.retire(.memory, offset: known.segmentOffset, size: UInt64(known.mirrorSize))
    }
    _ = channel.end()
  }
  if let known {
    if let mirror = known.mirror { _ = platform_unmap(mirror, known.mirrorSize) }
    platform_free(known.resets)
  }
  didDestroy(.queryPool, id)
}

func hook_vkResetQueryPool(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ firstQuery: UInt32, _ queryCount: UInt32
) {
  guard let writer = beginAsync(device: device) else { return }
  encode_vkResetQueryPool(&writer.pointee, device, queryPool, firstQuery, queryCount)
  // What an operation of before still brings carries the old count, and is not taken for valid.
  if let pool = poolState(queryPool)?.pointee, let resets = pool.resets {
    var i = Int(firstQuery)
    while i < min(Int(firstQuery) &+ Int(queryCount), Int(pool.queryCount)) {
      resets[i] &+= 1
      i &+= 1
    }
  }
  endAsync(writer)
}

// MARK: Mirror

/// Whether the pool has a mirror, which the first question asks for. Any thread: a pool is not
/// externally synchronised here.
private func hasMirror(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ pool: UnsafeMutablePointer<QueryPoolState>
) -> Bool {
  while true {
    switch platform_load32_seq(&pool.pointee.mirrorState) {
    case 2: return true
    case 3: return false
    case 0:
      guard platform_compare_exchange32(&pool.pointee.mirrorState, 0, 1) else { continue }
      let made = makeMirror(device, queryPool, pool)
      platform_store32_seq(&pool.pointee.mirrorState, made ? 2 : 3)
      return made
    default: platform_sleep(20_000)
    }
  }
}

private func makeMirror(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ pool: UnsafeMutablePointer<QueryPoolState>
) -> Bool {
  guard let state = deviceState(of: device) else { return false }
  let connection = state.pointee.connection
  let size = pool.pointee.mirrorSize
  guard let offset = connection.allocateMemory(UInt64(size)) else { return false }
  guard let mirror = connection.segment.mapMemory(offset: offset, size: UInt64(size)) else {
    connection.freeMemory(offset: offset, size: UInt64(size))
    return false
  }
  guard var call = beginCall(device: device, opcode: ControlOpcode.queryAttach) else {
    _ = platform_unmap(mirror, size)
    return false
  }
  call.writer.pointee.begin(ControlOpcode.queryAttach)
  call.writer.pointee.u64(handleID(queryPool))
  call.writer.pointee.u64(offset)
  call.writer.pointee.u64(UInt64(size))
  call.writer.pointee.u32(call.ticket)
  call.writer.pointee.u32(0)
  call.writer.pointee.end()
  guard var reply = endCall(&call) else {
    _ = platform_unmap(mirror, size)
    return false
  }
  _ = reply.i32("queryAttach.result")
  pool.pointee.mayBeBehind = reply.u32("queryAttach.flags") & ControlField.mirrorMayBeBehind
  finishCall(&call)
  pool.pointee.segmentOffset = offset
  pool.pointee.mirror = mirror
  return true
}

// MARK: Results

func hook_vkGetQueryPoolResults(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ firstQuery: UInt32, _ queryCount: UInt32,
  _ dataSize: Int, _ pData: UnsafeMutableRawPointer?, _ stride: VkDeviceSize,
  _ flags: VkQueryResultFlags
) -> VkResult {
  guard let state = deviceState(of: device), let pool = poolState(queryPool), let pData else {
    return VK_ERROR_DEVICE_LOST
  }
  let waits = flags & VK_QUERY_RESULT_WAIT_BIT.rawValue != 0
  guard Int(firstQuery) &+ Int(queryCount) <= Int(pool.pointee.queryCount),
    hasMirror(device, queryPool, pool)
  else {
    return askNode(
      device, queryPool, firstQuery, queryCount, dataSize, pData, stride, flags, waits: waits)
  }
  let (first, count) = (Int(firstQuery), Int(queryCount))
  if waits, !waitForOperations(state, pool, first, count) { return VK_ERROR_DEVICE_LOST }
  if pool.pointee.mayBeBehind != 0, !areAvailable(pool, first, count) {
    return askNode(
      device, queryPool, firstQuery, queryCount, dataSize, pData, stride, flags, waits: waits)
  }
  if waits, !waitForResults(state, pool, first, count) { return VK_ERROR_DEVICE_LOST }
  guard state.pointee.connection.segment.lost == 0 else { return VK_ERROR_DEVICE_LOST }
  return write(
    count, values: Int(pool.pointee.valueCount),
    UnsafeMutableRawBufferPointer(start: pData, count: dataSize),
    Int(truncatingIfNeeded: stride), flags,
    isAvailable: { pool.pointee.isAvailable(first &+ $0) },
    // Anything between zero and the final result is a partial one.
    value: { pool.pointee.isAvailable(first &+ $0) ? pool.pointee.value(first &+ $0, $1) : 0 })
}

/// Writes the results as vkGetQueryPoolResults lays them out: of what is not available, the availability
/// alone, and with VK_QUERY_RESULT_PARTIAL_BIT what there is.
private func write(
  _ count: Int, values: Int, _ out: UnsafeMutableRawBufferPointer, _ stride: Int,
  _ flags: VkQueryResultFlags, isAvailable: (Int) -> Bool, value: (_ query: Int, Int) -> UInt64
) -> VkResult {
  let isWide = flags & VK_QUERY_RESULT_64_BIT.rawValue != 0
  let isPartial = flags & VK_QUERY_RESULT_PARTIAL_BIT.rawValue != 0
  let withAvailability = flags & VK_QUERY_RESULT_WITH_AVAILABILITY_BIT.rawValue != 0
  let size = isWide ? 8 : 4
  func store(_ value: UInt64, _ offset: Int) {
    guard offset >= 0, offset &+ size <= out.count, let start = out.baseAddress else { return }
    if isWide {
      start.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    } else {
      // More than fits is allowed to wrap or to saturate; drivers saturate.
      start.storeBytes(
        of: UInt32(truncatingIfNeeded: min(value, UInt64(UInt32.max))), toByteOffset: offset,
        as: UInt32.self)
    }
  }
  var result = VK_SUCCESS
  var i = 0
  while i < count {
    let available = isAvailable(i)
    let offset = i &* stride
    if available || isPartial {
      var index = 0
      while index < values {
        store(value(i, index), offset &+ index &* size)
        index &+= 1
      }
    }
    if withAvailability { store(available ? 1 : 0, offset &+ values &* size) }
    if !available { result = VK_NOT_READY }
    i &+= 1
  }
  return result
}

private func areAvailable(
  _ pool: UnsafeMutablePointer<QueryPoolState>, _ first: Int, _ count: Int
) -> Bool {
  var i = first
  while i < first &+ count {
    if !pool.pointee.isAvailable(i) { return false }
    i &+= 1
  }
  return true
}

/// Waits for what was submitted before, which may be about to reset a query whose old result is still
/// in the mirror. But not for ever: an operation may be waiting for a semaphore that the host signals
/// only when it has seen these results. False when the connection is lost.
private func waitForOperations(
  _ device: UnsafeMutablePointer<DeviceObject>, _ pool: UnsafeMutablePointer<QueryPoolState>,
  _ first: Int, _ count: Int
) -> Bool {
  let connection = device.pointee.connection
  var queue = device.pointee.queues
  while let known = queue {
    while true {
      let result = connection.wait(
        slot: known.pointee.slot, value: known.pointee.sequence, nanoseconds: 50_000_000)
      if result == .lost { return false }
      let mayAsk = pool.pointee.mayBeBehind != 0
      if result == .done || mayAsk || areAvailable(pool, first, count) { break }
    }
    queue = known.pointee.next
  }
  return true
}

/// Waits until the results are there; false when the connection is lost.
private func waitForResults(
  _ device: UnsafeMutablePointer<DeviceObject>, _ pool: UnsafeMutablePointer<QueryPoolState>,
  _ first: Int, _ count: Int
) -> Bool {
  let connection = device.pointee.connection
  while !connection.segment.waitStep(
    nanoseconds: Connection.heartbeat, { areAvailable(pool, first, count) })
  {
    guard connection.isAlive() else { return false }
  }
  return true
}

/// Asks the node, without waiting there: its thread has other commands to replay, and perhaps the
/// very submit that the application waits for.
private func askNode(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ firstQuery: UInt32, _ queryCount: UInt32,
  _ dataSize: Int, _ pData: UnsafeMutableRawPointer, _ stride: VkDeviceSize,
  _ flags: VkQueryResultFlags, waits: Bool
) -> VkResult {
  let count = Int(queryCount)
  let values = Int(poolState(queryPool)?.pointee.valueCount ?? 0)
  let sent = flags & ~VK_QUERY_RESULT_WAIT_BIT.rawValue
  guard values > 0 else {
    return askNode(
      device, queryPool, firstQuery, queryCount, dataSize, pData, stride, sent, untilReady: waits)
  }
  // All values and the availability, laid out here: of what is not available, nothing is written.
  let rawStride = (values &+ 1) &* 8
  guard let raw = platform_calloc(max(count, 1), rawStride) else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  defer { platform_free(raw) }
  let all =
    sent | VK_QUERY_RESULT_64_BIT.rawValue | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT.rawValue
  let result = askNode(
    device, queryPool, firstQuery, queryCount, count &* rawStride, raw, VkDeviceSize(rawStride),
    all, untilReady: waits)
  guard result == VK_SUCCESS || result == VK_NOT_READY else { return result }
  return write(
    count, values: values, UnsafeMutableRawBufferPointer(start: pData, count: dataSize),
    Int(truncatingIfNeeded: stride), flags,
    isAvailable: {
      raw.load(fromByteOffset: $0 &* rawStride &+ values &* 8, as: UInt64.self) != 0
    },
    value: { raw.load(fromByteOffset: $0 &* rawStride &+ $1 &* 8, as: UInt64.self) })
}

private func askNode(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ firstQuery: UInt32, _ queryCount: UInt32,
  _ dataSize: Int, _ pData: UnsafeMutableRawPointer, _ stride: VkDeviceSize,
  _ flags: VkQueryResultFlags, untilReady: Bool
) -> VkResult {
  var pause: UInt64 = 50_000
  while true {
    let opcode = Opcode.vkGetQueryPoolResults
    guard var call = beginCall(device: device, opcode: opcode) else {
      return VK_ERROR_DEVICE_LOST
    }
    encode_vkGetQueryPoolResults(
      &call.writer.pointee, call.ticket, device, queryPool, firstQuery, queryCount, dataSize,
      pData, stride, flags)
    guard var reply = endCall(&call) else { return VK_ERROR_DEVICE_LOST }
    let result = decodeReply_vkGetQueryPoolResults(&reply, dataSize, pData)
    finishCall(&call)
    guard untilReady, result == VK_NOT_READY else { return result }
    // The results may be those of an operation that is yet to come: look less and less often.
    platform_sleep(pause)
    pause = min(pause &* 2, 4_000_000)
  }
}
