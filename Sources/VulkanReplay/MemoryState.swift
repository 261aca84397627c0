import CPlatform
import CVulkan
import MemoryFabric
import Ring
internal import Threads

/// A range of bytes of an allocation.
struct ByteRange: Equatable {
  var start: Int
  var end: Int
}

/// One VkDeviceMemory of the client. While it is *attached*, the application has it mapped: its
/// bytes lie in the client's segment, in the driver's mapping, and in the *twin*, which holds what
/// both sides last agreed on.
///
/// ```
///  client's segment  --pages-->  twin  --runs that differ-->  driver's mapping
///  client's segment  <--runs that differ--  twin  <--ranges the GPU may write--  driver's mapping
/// ```
final class MemoryState: @unchecked Sendable {
  let handle: VkDeviceMemory
  let size: Int
  /// Index of its memory type, and of the heap that it lies in.
  let type: Int
  let heap: Int
  let properties: VkMemoryPropertyFlags

  private let lock = Lock()
  /// Ranges that the GPU may write, by the resource bound there, and the same merged and in order.
  private var bindings: [UInt64: [ByteRange]] = [:]
  private var writable: [ByteRange] = []
  private var isMerged = true

  // While attached.
  private var mapping: UnsafeMutableRawPointer?
  private var twin: UnsafeMutableRawPointer?
  /// The client's own bytes, when its segment is on this host.
  private var client: UnsafeMutableRawPointer?
  private var segmentOffset: UInt64 = 0
  private let scratch: UnsafeMutableRawPointer
  private var deliveredPages = 0

  private static var page: Int { ByteDifference.pageSize }

  init(
    handle: VkDeviceMemory, size: Int, type: Int, heap: Int, properties: VkMemoryPropertyFlags
  ) {
    self.handle = handle
    self.size = size
    self.type = type
    self.heap = heap
    self.properties = properties
    scratch = .allocate(byteCount: MemoryState.page, alignment: 64)
  }

  deinit {
    detach()
    scratch.deallocate()
  }

  private var roundedSize: Int { (size &+ MemoryState.page &- 1) & ~(MemoryState.page &- 1) }
  private func has(_ bit: VkMemoryPropertyFlagBits) -> Bool { properties & bit.rawValue != 0 }
  private var isCoherent: Bool { has(VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) }
  var isHostVisible: Bool { has(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) }

  /// Whether the application has it mapped.
  var isAttached: Bool { lock.withLock { mapping != nil } }

  // MARK: Bindings

  /// Notes that a resource which the GPU may write lies at `range`; what of it is within the
  /// allocation is returned.
  func bind(_ resource: UInt64, _ range: ByteRange) -> ByteRange {
    let clipped = ByteRange(
      start: max(0, min(range.start, size)), end: max(0, min(range.end, size)))
    lock.withLock {
      bindings[resource, default: []].append(clipped)
      isMerged = false
    }
    return clipped
  }

  /// Notes that the GPU may write anywhere: sparse resources may come to lie here.
  func bindWhole() {
    lock.withLock {
      guard bindings[0] == nil else { return }
      bindings[0] = [ByteRange(start: 0, end: size)]
      isMerged = false
    }
  }

  /// Forgets a resource that is destroyed.
  func unbind(_ resource: UInt64) {
    lock.withLock {
      if bindings.removeValue(forKey: resource) != nil { isMerged = false }
    }
  }

  /// Everything that the GPU may write. With the lock held. Merged when it is asked for: an
  /// allocation may be bound to thousands of resources one after the other.
  private func allWritable() -> [ByteRange] {
    if !isMerged {
      writable = ByteRange.merged(bindings.values.joined())
      isMerged = true
    }
    return writable
  }

  // MARK: Mapping

  /// Begins to keep the client's bytes and the driver's alike. `offset` is where the allocation
  /// lies in the client's segment. With `deliver`, what is in the driver's memory goes to the
  /// client; without, all sides begin with zeros.
  func attach(
    device: DeviceState, session: ReplaySession, offset: UInt64, deliver: Bool
  ) throws(ReplayError) {
    guard isHostVisible else {
      throw ReplayError(
        reason: LostReason.protocolError, message: "memoryAttach: the memory is not host-visible")
    }
    guard mapping == nil else {
      throw ReplayError(
        reason: LostReason.protocolError, message: "memoryAttach: the memory is attached already")
    }
    // A client elsewhere has its segment for itself; what comes back must still be within it.
    guard SegmentLayout.isMemory(offset: offset, size: UInt64(roundedSize)) else {
      throw ReplayError(
        reason: LostReason.protocolError,
        message: "memoryAttach: \(size) bytes at \(offset) lie outside the segment")
    }
    var pointer: UnsafeMutableRawPointer?
    let result = device.functions.mapMemory(
      device.handle, handle, 0, VkDeviceSize.max, 0, &pointer)
    guard result == VK_SUCCESS, let pointer else {
      throw ReplayError(
        reason: LostReason.noMemory,
        message: "memoryAttach: vkMapMemory failed with \(resultName(result))")
    }
    guard let twin = platform_map_private(roundedSize) else {
      throw ReplayError(
        reason: LostReason.noMemory, message: "memoryAttach: no memory for \(size) bytes")
    }
    var client: UnsafeMutableRawPointer?
    if let segment = session.segment {
      client = segment.mapMemory(offset: offset, size: UInt64(roundedSize))
      guard client != nil else {
        _ = platform_unmap(twin, roundedSize)
        throw ReplayError(
          reason: LostReason.protocolError,
          message: "memoryAttach: \(size) bytes at \(offset) of the segment cannot be mapped")
      }
    }
    lock.withLock {
      self.mapping = pointer
      self.twin = twin
      self.client = client
      segmentOffset = offset
      if deliver {
        if !isCoherent { invalidate(device, [ByteRange(start: 0, end: size)]) }
        deliverRange(ByteRange(start: 0, end: size), session.sink)
      } else {
        // Reading what the CPU does not cache costs more than writing it.
        if has(VK_MEMORY_PROPERTY_HOST_CACHED_BIT) {
          ByteDifference.clear(pointer, size)
        } else {
          platform_zero(pointer, size)
        }
        if !isCoherent { flush(device, 0, size) }
      }
    }
    session.sink.flushReadback()
  }

  /// Ends what `attach` began; the driver's mapping stays until the memory is freed.
  func detach() {
    lock.withLock {
      if let twin { _ = platform_unmap(twin, roundedSize) }
      if let client { _ = platform_unmap(client, roundedSize) }
      twin = nil
      client = nil
      mapping = nil
    }
  }

  /// What the application has written there, as far as it has come; at most 4 KiB, and nothing of memory that is
  /// not attached.
  func bytes(in range: ByteRange) -> [UInt8] {
    lock.withLock {
      let end = min(range.end, size, range.start &+ MemoryState.page)
      guard let twin, range.start >= 0, range.start < end else { return [] }
      return [UInt8](
        UnsafeRawBufferPointer(start: twin + range.start, count: end &- range.start))
    }
  }

  // MARK: Up

  /// Brings pages that the application has written from the segment to the driver. `offset` and
  /// `count` are whole pages; false when they are not within the allocation, or it is not attached.
  func applyPages(device: DeviceState, offset: UInt64, count: UInt64) -> Bool {
    lock.withLock {
      let total = UInt64(roundedSize)
      let mask = UInt64(MemoryState.page &- 1)
      guard let mapping, let twin, let client, offset <= total, count <= total &- offset,
        offset & mask == 0, count & mask == 0
      else { return false }
      let end = min(Int(offset &+ count), size)
      // The application may write the pages just now.
      ByteDifference.update(twin, from: client, Int(offset), end, scratch: scratch) { at, run in
        guard let start = run.baseAddress else { return }
        (mapping + at).copyMemory(from: start, byteCount: run.count)
      }
      if !isCoherent && end > Int(offset) { flush(device, Int(offset), end) }
      return true
    }
  }

  /// Brings bytes that differ, found by the agent, to the driver. False when they are not within
  /// the allocation, or it is not attached.
  func applyRun(device: DeviceState, offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool {
    lock.withLock {
      guard let mapping, let twin, offset <= UInt64(size),
        bytes.count <= size &- Int(offset)
      else { return false }
      guard let source = bytes.baseAddress, bytes.count > 0 else { return true }
      (twin + Int(offset)).copyMemory(from: source, byteCount: bytes.count)
      (mapping + Int(offset)).copyMemory(from: source, byteCount: bytes.count)
      if !isCoherent { flush(device, Int(offset), Int(offset) &+ bytes.count) }
      return true
    }
  }

  /// The same for a block of them, and the size of the block; nil when the block makes no sense, or
  /// one of its runs lies outside.
  func applyBlock(
    device: DeviceState, _ block: UnsafeRawBufferPointer, _ decoder: inout RunDecoder
  ) -> Int? {
    lock.withLock {
      guard let mapping, let twin else { return nil }
      var touched = ByteRange(start: Int.max, end: 0)
      let used = decoder.forEachRun(block) { offset, bytes in
        guard offset <= UInt64(size), bytes.count <= size &- Int(offset) else { return false }
        guard let source = bytes.baseAddress else { return true }
        let at = Int(offset)
        (twin + at).copyMemory(from: source, byteCount: bytes.count)
        (mapping + at).copyMemory(from: source, byteCount: bytes.count)
        touched.start = min(touched.start, at)
        touched.end = max(touched.end, at &+ bytes.count)
        return true
      }
      if !isCoherent && touched.end > touched.start {
        flush(device, touched.start, touched.end)
      }
      return used
    }
  }

  // MARK: Down

  /// Brings what the GPU has written to the client, where it differs from what both sides last
  /// agreed on: in `ranges`, or in all that it may write. Returns the number of pages with something
  /// new.
  func deliverWrites(
    device: DeviceState, _ ranges: [ByteRange]?, _ sink: any CompletionSink
  ) -> Int {
    lock.withLock {
      guard mapping != nil else { return 0 }
      let ranges = ranges ?? allWritable()
      guard !ranges.isEmpty else { return 0 }
      if !isCoherent { invalidate(device, ranges) }
      deliveredPages = 0
      for range in ranges { deliverRange(range, sink) }
      return deliveredPages
    }
  }

  /// With the lock held.
  private func deliverRange(_ range: ByteRange, _ sink: any CompletionSink) {
    guard let mapping, let twin else { return }
    var last = -1
    // The GPU may be writing for a later operation.
    ByteDifference.update(twin, from: mapping, range.start, range.end, scratch: scratch) {
      at, run in
      if let client, let start = run.baseAddress {
        (client + at).copyMemory(from: start, byteCount: run.count)
      } else {
        sink.readback(segmentOffset: segmentOffset &+ UInt64(at), run)
      }
      if at / MemoryState.page != last { deliveredPages &+= 1 }
      last = at / MemoryState.page
    }
  }

  // MARK: Memory that is not coherent

  private func mappedRange(_ start: Int, _ end: Int) -> VkMappedMemoryRange {
    var range = VkMappedMemoryRange()
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
    range.memory = handle
    // Pages are multiples of every nonCoherentAtomSize (at most 256).
    let first = start & ~(MemoryState.page &- 1)
    let last = (end &+ MemoryState.page &- 1) & ~(MemoryState.page &- 1)
    range.offset = VkDeviceSize(first)
    range.size = last >= size ? VkDeviceSize.max : VkDeviceSize(last &- first)
    return range
  }

  private func flush(_ device: DeviceState, _ start: Int, _ end: Int) {
    var range = mappedRange(start, end)
    _ = device.functions.flushMappedMemoryRanges(device.handle, 1, &range)
  }

  private func invalidate(_ device: DeviceState, _ ranges: [ByteRange]) {
    let mapped = ranges.map { mappedRange($0.start, $0.end) }
    _ = device.functions.invalidateMappedMemoryRanges(
      device.handle, UInt32(truncatingIfNeeded: mapped.count), mapped)
  }
}
