/// Where everything lies in the shared segment: one sparse memfd per connection, made by the
/// client, sealed against changes of size, mapped by the agent and by nodes on the same host.
///
/// ```
/// 0            header        one page: magic, version, lost flag, doorbell
/// 8 KiB        counters      what `--stats` prints; written by the client
/// 1 MiB        slots         65,536 x u64: fences, timelines, queues, frames
/// 2 MiB        stamps        when frames were where (`FrameStamps`)
/// 1 GiB        replies       64 areas of 16 MiB
/// 2 GiB        channels      128 rings, 16 MiB apart: header page, then 8 MiB of records
/// 4 GiB        arena         chunks of command buffers, and records too large for a ring
/// 16 GiB       memory        mapped VkDeviceMemory, page aligned, up to 1 TiB
/// ```
///
/// Only touched pages exist. The whole control part, `[0, controlSize)`, is mapped once; each
/// mapped allocation is mapped by itself.
public enum SegmentLayout {
  /// "OMEGASEG", little-endian.
  @inlinable public static var magic: UInt64 { 0x4745_5341_4745_4D4F }
  /// Changes whenever a reader of the old layout would misread the new one.
  @inlinable public static var version: UInt32 { 1 }
  @inlinable public static var totalSize: UInt64 { 1 << 40 }
  @inlinable public static var controlSize: Int { 16 << 30 }
  @inlinable public static var pageSize: Int { 4096 }

  @inlinable public static var countersOffset: Int { 8 << 10 }
  @inlinable public static var slotsOffset: Int { 1 << 20 }
  @inlinable public static var slotCount: UInt32 { 65536 }
  @inlinable public static var repliesOffset: Int { 1 << 30 }
  @inlinable public static var replyAreaSize: Int { 16 << 20 }
  @inlinable public static var replyCount: UInt32 { 64 }
  @inlinable public static var channelsOffset: Int { 2 << 30 }
  @inlinable public static var channelStride: Int { 16 << 20 }
  @inlinable public static var channelCount: UInt32 { 128 }
  @inlinable public static var channelCapacity: Int { 8 << 20 }
  @inlinable public static var arenaOffset: Int { 4 << 30 }
  @inlinable public static var arenaSize: Int { 12 << 30 }
  @inlinable public static var memoryOffset: UInt64 { 16 << 30 }

  /// Whether a range begins at a page of the memory part and lies in it as a whole.
  public static func isMemory(offset: UInt64, size: UInt64) -> Bool {
    offset >= memoryOffset && offset & 4095 == 0 && size > 0 && size <= totalSize
      && offset <= totalSize &- size
  }

  /// A record larger than this goes through the arena (`ControlOpcode.indirect`).
  @inlinable public static var largestInlineRecord: Int { 1 << 20 }
  /// No record of any kind is larger than this.
  @inlinable public static var largestRecord: Int { 256 << 20 }
}

/// Fields of the header page, as byte offsets.
public enum HeaderField {
  @inlinable public static var magic: Int { 0 }  // u64
  @inlinable public static var version: Int { 8 }  // u32
  @inlinable public static var clientProcess: Int { 12 }  // u32 pid
  /// u32: 0 while the connection lives; a `LostReason` once it does not. Never goes back.
  @inlinable public static var lost: Int { 64 }
  /// u32: bumped after a completion was stored while somebody waits; the futex of every wait.
  @inlinable public static var doorbell: Int { 128 }
  /// u32: how many threads of the client wait.
  @inlinable public static var waiters: Int { 192 }
  /// u64: when there was input that no frame has answered yet, CLOCK_MONOTONIC; 0 without any.
  @inlinable public static var input: Int { 256 }
  /// Message of the loss, NUL-terminated UTF-8, at most 1 KiB.
  @inlinable public static var lostMessage: Int { 1024 }
}

/// Why a connection ended; the value of `HeaderField.lost`.
public enum LostReason {
  @inlinable public static var none: UInt32 { 0 }
  @inlinable public static var nodeGone: UInt32 { 1 }
  @inlinable public static var agentGone: UInt32 { 2 }
  @inlinable public static var deviceLost: UInt32 { 3 }
  @inlinable public static var protocolError: UInt32 { 4 }
  @inlinable public static var noMemory: UInt32 { 5 }
}

/// Indices of the u64 counters at `SegmentLayout.countersOffset`. Only ever added to.
public enum Counter {
  /// Records put on rings (not the commands inside command buffers).
  @inlinable public static var records: Int { 0 }
  @inlinable public static var recordBytes: Int { 1 }
  /// Bytes of recorded command buffers.
  @inlinable public static var commandBufferBytes: Int { 2 }
  @inlinable public static var roundTrips: Int { 3 }
  /// Round trips from the 60th presented frame on.
  @inlinable public static var steadyRoundTrips: Int { 4 }
  @inlinable public static var cacheHits: Int { 5 }
  @inlinable public static var framesPresented: Int { 6 }
  @inlinable public static var framesShown: Int { 7 }
  @inlinable public static var framesDropped: Int { 8 }
  @inlinable public static var trackedBytes: Int { 9 }
  @inlinable public static var dirtyPages: Int { 10 }
  @inlinable public static var pageScans: Int { 11 }
  @inlinable public static var pageScanNanoseconds: Int { 12 }
  @inlinable public static var submits: Int { 13 }
  @inlinable public static var devicesCreated: Int { 14 }
  /// CLOCK_MONOTONIC of the first present, nanoseconds.
  @inlinable public static var firstPresentTime: Int { 15 }
  /// CLOCK_MONOTONIC of the latest present, nanoseconds.
  @inlinable public static var latestPresentTime: Int { 16 }
  @inlinable public static var droppedChainEntries: Int { 17 }
  @inlinable public static var readbackPages: Int { 18 }
  @inlinable public static var commandsReplayed: Int { 19 }
  /// Contexts of OpenGL that were made.
  @inlinable public static var contextsCreated: Int { 20 }
  /// Interim pictures that were shown, and those whose turn had passed.
  @inlinable public static var interimShown: Int { 21 }
  @inlinable public static var interimDropped: Int { 22 }
  @inlinable public static var count: Int { 256 }
  /// u32 per command, after the u64 counters: its round trips. Vulkan's opcodes count from 0x1000,
  /// OpenGL's from 0x10000 in the second half, control records in what is left of it.
  @inlinable public static var roundTripsByCommandOffset: Int { 4096 }
  @inlinable public static var commandCount: Int { 4096 }
  @inlinable public static var firstOpenGLCommand: Int { 2048 }
  @inlinable public static var firstControlRecord: Int { 3584 }
  /// The place of a command's count; nil when it has none.
  @inlinable public static func index(ofCommand opcode: UInt32) -> Int? {
    if opcode >= 0x1_0000 {
      let index = Int(opcode) - 0x1_0000 + firstOpenGLCommand
      return index < firstControlRecord ? index : nil
    }
    if opcode < UInt32(commandCount - firstControlRecord) {
      return firstControlRecord + Int(opcode)
    }
    let index = Int(opcode) - 0x1000
    return index >= 0 && index < firstOpenGLCommand ? index : nil
  }
  /// The command whose count lies at a place.
  @inlinable public static func command(at index: Int) -> UInt32 {
    if index >= firstControlRecord { return UInt32(truncatingIfNeeded: index - firstControlRecord) }
    return UInt32(
      truncatingIfNeeded: index < firstOpenGLCommand
        ? 0x1000 + index : 0x1_0000 + index - firstOpenGLCommand)
  }
  /// `Histogram.count` histograms of `Histogram.buckets` u32, after those.
  @inlinable public static var histogramsOffset: Int { 4096 + 16384 }
}

/// Histograms of nanoseconds with four buckets an octave: bucket `4 * log2(ns) + next two bits`.
public enum Histogram {
  @inlinable public static var presentToShown: Int { 0 }
  @inlinable public static var submitToFence: Int { 1 }
  @inlinable public static var pageScan: Int { 2 }
  @inlinable public static var roundTrip: Int { 3 }
  @inlinable public static var count: Int { 8 }
  @inlinable public static var buckets: Int { 256 }

  @inlinable public static func bucket(_ nanoseconds: UInt64) -> Int {
    guard nanoseconds >= 4 else { return Int(nanoseconds) }
    let octave = 63 - nanoseconds.leadingZeroBitCount
    let quarter = Int(truncatingIfNeeded: (nanoseconds >> UInt64(octave - 2)) & 3)
    return octave * 4 + quarter
  }
  /// Lower bound of a bucket in nanoseconds.
  @inlinable public static func lowerBound(_ bucket: Int) -> UInt64 {
    guard bucket >= 8 else { return UInt64(bucket) }
    let octave = bucket / 4
    return (4 + UInt64(bucket % 4)) << UInt64(octave - 2)
  }
}
