import CPlatform
import Client
import Ring
import Wire

/// The arena ranges that a command buffer is recorded into, in order. Plain old data that owns
/// private memory for the list itself.
///
/// ```
/// chunk 0: 64 KiB | chunk 1: 128 KiB | …          records never cross from one to the next
/// ```
struct ChunkList {
  struct Chunk {
    var offset: UInt64
    /// What was asked for: `RangeAllocator.free` wants it again.
    var size: UInt64
    var used: UInt64
  }

  private(set) var chunks: UnsafeMutablePointer<Chunk>?
  private(set) var count: Int
  private var capacity: Int

  static var smallest: UInt64 { 64 << 10 }
  /// Chunks stop doubling here; one record may need a larger one.
  static var largest: UInt64 { 4 << 20 }

  init() {
    chunks = nil
    count = 0
    capacity = 0
  }

  mutating func append(_ chunk: Chunk) -> Bool {
    if count == capacity {
      let wanted = max(8, capacity &* 2)
      guard let raw = platform_realloc(chunks, wanted &* MemoryLayout<Chunk>.stride) else {
        return false
      }
      chunks = raw.bindMemory(to: Chunk.self, capacity: wanted)
      capacity = wanted
    }
    guard let chunks else { return false }
    (chunks + count).initialize(to: chunk)
    count &+= 1
    return true
  }

  mutating func setUsed(_ used: UInt64) {
    if count > 0 { chunks?[count &- 1].used = used }
  }

  /// Size that the next chunk should have to hold a record of `needed` bytes.
  func nextSize(_ needed: Int) -> UInt64 {
    var size = ChunkList.smallest
    if count > 0, let chunks {
      size = min(chunks[count &- 1].size &* 2, ChunkList.largest)
    }
    return max(size, UInt64(needed))
  }

  /// Forgets the chunks, whose ranges somebody else owns now.
  mutating func removeAll() { count = 0 }

  /// Gives all ranges back that were never published.
  mutating func releaseUnpublished(_ arena: RangeAllocator) {
    var i = 0
    while i < count, let chunks {
      arena.free(offset: chunks[i].offset, size: chunks[i].size)
      i &+= 1
    }
    count = 0
  }

  mutating func free() {
    platform_free(chunks)
    chunks = nil
    count = 0
    capacity = 0
  }
}

/// `Writer.grow` of a command buffer: takes another chunk and moves the unfinished record there.
func growRecording(_ raw: UnsafeMutableRawPointer, _ count: Int) -> Bool {
  let writer = raw.assumingMemoryBound(to: Writer.self)
  guard let owner = writer.pointee.owner else { return false }
  let commandBuffer = owner.assumingMemoryBound(to: CommandBufferObject.self)
  guard commandBuffer.pointee.isRecording else { return false }
  let connection = commandBuffer.pointee.device.pointee.connection
  let unfinished = writer.pointee.cursor - writer.pointee.record
  let needed = unfinished &+ count
  guard needed <= SegmentLayout.largestRecord else { return false }
  let size = commandBuffer.pointee.chunks.nextSize(needed)
  guard let offset = connection.arena.allocate(size) else { return false }
  closeChunk(commandBuffer, writer.pointee.record)
  guard
    commandBuffer.pointee.chunks.append(ChunkList.Chunk(offset: offset, size: size, used: 0))
  else {
    connection.arena.free(offset: offset, size: size)
    return false
  }
  let start = connection.segment.base + Int(offset)
  if unfinished > 0 { platform_copy(start, writer.pointee.record, unfinished) }
  writer.pointee.record = start
  writer.pointee.cursor = start + unfinished
  writer.pointee.limit = start + Int(size)
  return true
}

/// Notes that finished records end at `end` in the newest chunk.
func closeChunk(
  _ commandBuffer: UnsafeMutablePointer<CommandBufferObject>, _ end: UnsafeMutableRawPointer
) {
  let chunks = commandBuffer.pointee.chunks
  guard chunks.count > 0, let last = chunks.chunks?[chunks.count &- 1] else { return }
  let start = commandBuffer.pointee.device.pointee.connection.segment.base + Int(last.offset)
  commandBuffer.pointee.chunks.setUsed(UInt64(end - start))
}
