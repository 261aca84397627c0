import CPlatform
import Client
import GLWire
import Ring
import Wire

/// What the client keeps of a context. Plain memory that lives until the context is destroyed and no
/// longer current anywhere. One thread at a time, as OpenGL says.
struct ContextState {
  /// What entry points encode with. First, so that the state's address is its writer's.
  var writer: Writer
  /// Start of the batch that is being written, and its size.
  var batch: UnsafeMutableRawPointer
  var batchSize: Int

  /// The program has a callback for debug output, which commands end with (`DebugMessages.swift`).
  var isWatched = false
  /// How often records were published.
  var published: UInt64 = 0
  /// What it was when the node answered last.
  var answered: UInt64 = 0
  /// `StateGroup`s that commands may have changed since `settle`.
  var touched: UInt32 = 0

  let connection: Connection
  let channel: Channel
  let id: UInt64
  let share: UnsafeMutablePointer<ShareGroup>
  /// What was asked for.
  let request: ContextRequest

  var errors = PendingError()
  /// State that is answered here.
  let shadow: UnsafeMutablePointer<Shadow>
  /// What the window system side keeps of the context: `GLX/`, `EGL/`.
  var binding = WindowBinding()
}

typealias Context = UnsafeMutablePointer<ContextState>

/// The key of the calling thread's context. PTHREAD_KEYS_MAX is far below its first value, for which
/// pthread_getspecific gives NULL.
nonisolated(unsafe) var contextKey: UInt32 = UInt32.max

/// The calling thread's context; nil without one.
@inline(__always)
func currentContext() -> Context? {
  platform_thread_value(contextKey)?.assumingMemoryBound(to: ContextState.self)
}

/// The writer of the calling thread's context; nil without one. Records that are begun on it are
/// published in their order sooner or later; `flush` says now.
@inline(__always)
func contextWriter() -> UnsafeMutablePointer<Writer>? {
  platform_thread_value(contextKey)?.assumingMemoryBound(to: Writer.self)
}

extension UnsafeMutablePointer<ContextState> {
  /// Size of a batch: what is published at once when nothing asks for it earlier.
  static var batchCapacity: Int { 32 << 10 }

  /// Publishes every finished record. False once the connection is lost.
  @discardableResult
  func flush() -> Bool {
    let start = pointee.batch
    let end = pointee.writer.cursor
    guard !pointee.writer.failed else {
      pointee.connection.lose(
        LostReason.noMemory, "the application has no memory left for a command")
      return false
    }
    let count = end - start
    pointee.writer.cursor = start
    pointee.writer.record = start
    guard count > 0 || pointee.share.pointee.buffers.persistent != nil else {
      return pointee.connection.segment.lost == 0
    }
    return publish(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// Publishes finished records after what other contexts of the share group have published.
  private func publish(_ records: UnsafeRawBufferPointer) -> Bool {
    pointee.published &+= 1
    settleStorage()
    return pointee.share.pointee.publish(self, records)
  }

  /// What the writer calls when a record does not fit: publishes the finished ones, and moves the
  /// unfinished one to the start of a batch that is large enough.
  fileprivate func makeRoom(_ count: Int) -> Bool {
    let start = pointee.batch
    let record = pointee.writer.record
    let unfinished = pointee.writer.cursor - record
    let finished = record - start
    if finished > 0 { _ = publish(UnsafeRawBufferPointer(start: start, count: finished)) }
    let wanted = unfinished &+ count
    guard wanted <= SegmentLayout.largestRecord else { return false }
    if wanted > pointee.batchSize {
      let size = (wanted &+ (wanted >> 1) &+ 4095) & ~4095
      guard let larger = platform_aligned_alloc(64, size) else { return false }
      platform_copy(larger, record, unfinished)
      platform_free(start)
      pointee.batch = larger
      pointee.batchSize = size
    } else {
      platform_move(start, record, unfinished)
    }
    pointee.writer.record = pointee.batch
    pointee.writer.cursor = pointee.batch + unfinished
    pointee.writer.limit = pointee.batch + pointee.batchSize
    return true
  }

  /// Whether there are records behind those of the last swap.
  var hasRecordsSinceSwap: Bool {
    pointee.writer.cursor != pointee.batch
      || pointee.published != pointee.shadow.pointee.swapPublished
  }

}

/// The first writer of a new context.
func makeContextWriter(_ batch: UnsafeMutableRawPointer, _ size: Int) -> Writer {
  Writer(start: batch, capacity: size, owner: nil) { writer, count in
    Context(OpaquePointer(writer)).makeRoom(count)
  }
}

// MARK: Commands that wait

extension UnsafeMutablePointer<ContextState> {
  /// Begins a command with a reply; everything before it is published first. Ends with `endCall` of the
  /// connection and `finishCall`. Nil when the connection is lost.
  func beginCall(_ opcode: UInt32) -> Call? {
    guard flush() else { return nil }
    return pointee.connection.beginCall(pointee.channel, opcode: opcode)
  }
}
