internal import CPlatform
internal import Recording
internal import Ring
internal import Wire

/// What the records of a stream and the node's answers say of frames and of mapped memory. Kept
/// alike when a stream is recorded and when it is replayed, so that both sides find the same
/// checksums at the same places.
///
/// Threads: the owner's lock.
struct StreamState {
  /// How a swapchain's frames lie in their buffers.
  struct Swapchain {
    let format: UInt32
    let width: Int
    let height: Int
    let stride: Int
    let frameBytes: Int
    let imageCount: Int
    /// Bytes of a pixel.
    let pixel: Int

    /// Calls `body` with the pixels of each row of a frame.
    func forEachRow(_ frame: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
      let count = width * pixel
      for row in 0..<height where row * stride + count <= frame.count {
        body(UnsafeRawBufferPointer(rebasing: frame[(row * stride)..<(row * stride + count)]))
      }
    }

    /// Of the pixels alone: what lies between rows is nobody's.
    func checksum(_ frame: UnsafeRawBufferPointer) -> UInt64 {
      var sum = Checksum()
      forEachRow(frame) { sum.add($0) }
      return sum.value
    }
  }

  /// A frame that was presented and has not yet come.
  struct PendingFrame {
    /// From 1, in the order of presents.
    let number: UInt64
    let swapchain: UInt64
    let image: Int
    let slot: UInt32
    let value: UInt64
  }

  private final class Mapping {
    let segmentOffset: UInt64
    let bytes: UnsafeMutableRawBufferPointer

    init?(segmentOffset: UInt64, size: Int) {
      guard let start = platform_map_private(size) else { return nil }
      self.segmentOffset = segmentOffset
      bytes = UnsafeMutableRawBufferPointer(start: start, count: size)
    }

    deinit {
      if let start = bytes.baseAddress { _ = platform_unmap(start, bytes.count) }
    }
  }

  /// Presents seen so far.
  private(set) var frameCount: UInt64
  private(set) var swapchains: [UInt64: Swapchain] = [:]
  private var pending: [PendingFrame] = []
  /// Queues by their slots: the last operation that was announced, and the last that has finished.
  private var queues: [UInt32: (announced: UInt64, finished: UInt64)] = [:]
  private var mappings: [UInt64: Mapping] = [:]
  private var readBack: Set<UInt64> = []

  private static let mostMappings = 65_536
  private static let mostPending = 65_536

  /// `frameCount`: frames before the first one of the stream.
  init(frameCount: UInt64 = 0) { self.frameCount = frameCount }

  /// Goes on with another number of frames.
  mutating func begin(frameCount: UInt64) {
    self.frameCount = frameCount
    readBack = []
  }

  // MARK: What the application does

  /// Takes note of whole records in inline form; what is wrong with them, or nil.
  mutating func observe(_ records: UnsafeRawBufferPointer) -> String? {
    var offset = 0
    while offset < records.count {
      guard records.count - offset >= 8 else { return "a record is cut off" }
      let opcode = records.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      let size = Int(records.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
      guard size >= 8, size & 7 == 0, size <= records.count - offset else {
        return "a record of \(size) bytes"
      }
      if opcode < 0x1000 {
        let record = UnsafeRawBufferPointer(rebasing: records[offset..<(offset + size)])
        if let wrong = observe(opcode, Fields(bytes: record)) { return wrong }
      }
      offset += size
    }
    return nil
  }

  private mutating func observe(_ opcode: UInt32, _ record: Fields) -> String? {
    switch opcode {
    case ControlOpcode.announce:
      let slot = record.u32(24)
      guard slot != ControlField.noSlot else { return nil }
      let known = queues[slot] ?? (0, 0)
      queues[slot] = (max(known.announced, record.u64(16)), known.finished)
    case ControlOpcode.createSwapchain:
      return addSwapchain(record)
    case ControlOpcode.destroySwapchain:
      swapchains[record.u64(8)] = nil
    case ControlOpcode.present:
      return present(record)
    case ControlOpcode.memoryAttach:
      let size = record.u64(24)
      guard size > 0, size <= SegmentLayout.totalSize, mappings.count < StreamState.mostMappings,
        let mapping = Mapping(segmentOffset: record.u64(16), size: Int(size))
      else { return "memoryAttach: \(size) bytes cannot be followed" }
      mappings[record.u64(8)] = mapping
    case ControlOpcode.memoryDetach:
      mappings[record.u64(8)] = nil
      readBack.remove(record.u64(8))
    case ControlOpcode.memoryDiff:
      return write(record)
    default: break
    }
    return nil
  }

  private mutating func addSwapchain(_ record: Fields) -> String? {
    let swapchain = Swapchain(
      format: record.u32(SwapchainField.format), width: Int(record.u32(SwapchainField.width)),
      height: Int(record.u32(SwapchainField.height)),
      stride: Int(record.u32(SwapchainField.stride)),
      frameBytes: Int(truncatingIfNeeded: record.u64(SwapchainField.frameBytes)),
      imageCount: Int(record.u32(SwapchainField.imageCount)),
      pixel: FrameFormat.bytesPerPixel(record.u32(SwapchainField.format)))
    guard swapchain.width > 0, swapchain.width <= 65_536, swapchain.height > 0,
      swapchain.height <= 65_536, swapchain.pixel > 0, swapchain.imageCount > 0,
      swapchain.imageCount <= 64, swapchain.stride >= swapchain.width * swapchain.pixel,
      swapchain.stride <= 1 << 22, swapchain.frameBytes >= swapchain.stride * swapchain.height,
      swapchain.frameBytes <= 4 << 30
    else { return "createSwapchain: its frames make no sense" }
    swapchains[record.u64(SwapchainField.swapchain)] = swapchain
    return nil
  }

  private mutating func present(_ record: Fields) -> String? {
    let waits = Int(record.u32(16))
    let presents = Int(record.u32(20))
    guard waits <= (record.bytes.count - 24) / 8,
      presents <= (record.bytes.count - 24 - waits * 8) / 24
    else { return "present is too short" }
    for index in 0..<presents {
      let at = 24 + waits * 8 + index * 24
      frameCount += 1
      guard pending.count < StreamState.mostPending else {
        return "too many frames are on their way"
      }
      pending.append(
        PendingFrame(
          number: frameCount, swapchain: record.u64(at), image: Int(record.u32(at + 8)),
          slot: record.u32(at + 12), value: record.u64(at + 16)))
    }
    return nil
  }

  private func write(_ record: Fields) -> String? {
    guard let mapping = mappings[record.u64(8)] else { return "memoryDiff: unknown memory" }
    var at = 24
    for _ in 0..<record.u32(16) {
      let offset = record.u64(at)
      let count = record.u64(at + 8)
      guard at + 16 <= record.bytes.count, count <= UInt64(record.bytes.count - at - 16),
        offset <= UInt64(mapping.bytes.count), count <= UInt64(mapping.bytes.count) - offset
      else { return "memoryDiff: a run lies outside" }
      if count > 0, let target = mapping.bytes.baseAddress, let source = record.bytes.baseAddress {
        platform_copy(target + Int(offset), source + at + 16, Int(count))
      }
      at += 16 + ((Int(count) + 7) & ~7)
    }
    return nil
  }

  // MARK: What the node answers

  /// Takes note of bytes that came back from the GPU.
  mutating func readback(segmentOffset: UInt64, _ source: UnsafeRawBufferPointer) {
    for (id, mapping) in mappings where segmentOffset >= mapping.segmentOffset {
      let offset = segmentOffset - mapping.segmentOffset
      guard offset <= UInt64(mapping.bytes.count),
        source.count <= mapping.bytes.count - Int(offset)
      else { continue }
      if let start = source.baseAddress, let target = mapping.bytes.baseAddress {
        platform_copy(target + Int(offset), start, source.count)
        readBack.insert(id)
      }
      return
    }
  }

  /// Takes note of one completion, and gives the frames that have come with it.
  mutating func complete(slot: UInt32, value: UInt64) -> [PendingFrame] {
    if let known = queues[slot] { queues[slot] = (known.announced, max(known.finished, value)) }
    guard pending.contains(where: { $0.slot == slot && $0.value <= value }) else { return [] }
    let come = pending.filter { $0.slot == slot && $0.value <= value }
    pending.removeAll { $0.slot == slot && $0.value <= value }
    return come
  }

  /// Whether every operation that was announced has finished.
  var isQuiet: Bool { queues.values.allSatisfy { $0.finished >= $0.announced } }

  /// The memory that was read back since the last call.
  mutating func takeReadBack() -> [UInt64] {
    defer { readBack = [] }
    return readBack.sorted()
  }

  /// Every memory that is mapped.
  var mapped: [UInt64] { mappings.keys.sorted() }

  /// Calls `body` with the parts of mapped memory that are not all zeros, without the zeros at their
  /// ends: a mapping is whole pages, and the allocation may end before.
  func forEachPart(
    of memory: UInt64, _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    guard let mapping = mappings[memory] else { return }
    let bytes = UnsafeRawBufferPointer(mapping.bytes)
    var offset = 0
    while offset < bytes.count {
      let part = UnsafeRawBufferPointer(
        rebasing: bytes[offset..<min(offset + 65_536, bytes.count)])
      if let last = part.lastIndex(where: { $0 != 0 }) {
        body(UInt64(offset), UnsafeRawBufferPointer(rebasing: part[...last]))
      }
      offset += part.count
    }
  }

  /// Size and checksum of mapped memory.
  func contents(of memory: UInt64) -> (count: Int, checksum: UInt64)? {
    guard let mapping = mappings[memory] else { return nil }
    return (mapping.bytes.count, Checksum.of(UnsafeRawBufferPointer(mapping.bytes)))
  }
}

/// A record, whose fields read as 0 behind its end.
struct Fields {
  let bytes: UnsafeRawBufferPointer

  func u32(_ offset: Int) -> UInt32 {
    guard offset <= bytes.count - 4 else { return 0 }
    return bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  func u64(_ offset: Int) -> UInt64 {
    guard offset <= bytes.count - 8 else { return 0 }
    return bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
}
