import CPlatform
public import CVulkan
import MemoryFabric
import Ring
import VulkanWire
public import Wire

/// What replaying one channel needs: one per channel, at a fixed address, used by that channel's
/// thread alone. Generated handlers get a pointer to it and touch nothing else.
///
/// A handler decodes, calls the driver, and then says what came of it by `insert`, `forget`,
/// `failed`, `missing` and `sendReply`. After a failure the session is over: the record loop stops,
/// so a handler need not look.
public struct ReplayContext {
  /// What all channels of this client share.
  public let session: ReplaySession
  /// Maps ids to driver handles; shared by the session's channels.
  public let handles: UnsafeMutablePointer<HandleTable>
  /// Memory of the structures decoded from the current record.
  public let arena: UnsafeMutablePointer<Arena>
  /// The driver's functions: of the channel's device, else the instance's alone.
  public var dispatch: UnsafeMutablePointer<DriverDispatch>
  /// The driver's command buffer that recorded commands go into; nil outside of one.
  public var commandBuffer: VkCommandBuffer?
  /// The record being replayed, header included: a private copy, which lives as long as the call.
  public internal(set) var record: UnsafeRawBufferPointer
  /// Where `encodeReply_…` writes; empty when a handler starts.
  public var reply: HeapWriter
  /// The device whose channel this is; nil on channel 0.
  var device: DeviceState?
  /// Where the command buffer that is being recorded has its writes noted.
  var writes: CommandWrites?
  /// The same for what it draws, when somebody wants to know.
  var scene: CommandScene?
  var decoder = RunDecoder()
  /// What the next queue operation completes.
  var announcement: Announcement?
  /// When the records that are being replayed came over a link; 0 when they are read from a ring.
  var arrived: UInt64 = 0
  /// True after the channel's last record.
  var isClosed = false
  /// Memory for bytes copied out of the segment; grows, and is kept.
  private var blob: Blob?
  /// The channel's word in `SessionActivity`.
  private let activity: UnsafeMutablePointer<UInt64>
  private var recordCount: UInt64 = 0

  init(session: ReplaySession, channel: UInt32, arena: UnsafeMutablePointer<Arena>) {
    activity = session.activity.word(ofChannel: channel)
    self.session = session
    self.handles = session.handles
    self.arena = arena
    self.dispatch = session.dispatch
    self.commandBuffer = nil
    self.record = UnsafeRawBufferPointer(start: nil, count: 0)
    self.reply = HeapWriter(capacity: 4096)
    self.device = nil
    self.announcement = nil
  }

  /// Says which record is being replayed, for whoever asks what the channel is in.
  mutating func isIn(_ opcode: UInt32) {
    recordCount &+= 1
    platform_store64(activity, recordCount &<< 32 | UInt64(opcode))
  }

  /// When the record that is being replayed was there.
  var arrivalTime: UInt64 { arrived == 0 ? platform_now() : arrived }

  /// Says that no record is.
  func isIdle() { platform_store64(activity, 0) }

  /// Memory for `count` bytes, 16-byte aligned, until the next call; nil when there is none.
  mutating func blobRoom(_ count: Int) -> UnsafeMutableRawPointer? {
    if let blob, blob.count >= count { return blob.start }
    giveBlob(nil)
    guard let start = platform_aligned_alloc(16, max(count, 64 << 10)) else { return nil }
    blob = Blob(start: start, count: max(count, 64 << 10))
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

  mutating func freeMemory() {
    giveBlob(nil)
    decoder.free()
    reply.free()
  }

  /// Opcode of the record being replayed.
  private var opcode: UInt32 { record.count >= 4 ? record.baseAddress?.get32(0) ?? 0 : 0 }

  /// Remembers the driver's handle of a new object.
  public func insert(_ id: UInt64, _ handle: OpaquePointer?) {
    _ = session.insert(id, UInt64(UInt(bitPattern: handle)), opcode)
  }

  /// Forgets a destroyed object, whose id lies at `recordOffset` of the record; id 0 is
  /// VK_NULL_HANDLE and nothing.
  public func forget(recordOffset: Int) {
    session.remove(id(recordOffset: recordOffset))
  }

  /// The 8 bytes at an offset of the record being replayed; 0 behind its end.
  func id(recordOffset: Int) -> UInt64 {
    guard let p = record.baseAddress, recordOffset >= 0, recordOffset <= record.count &- 8 else {
      return 0
    }
    return p.get64(recordOffset)
  }

  /// Ends the session because the driver refused what the client was told had succeeded.
  public func failed(_ opcode: UInt32, _ result: VkResult) { session.failed(opcode, result) }

  /// Ends the session because a record could not be decoded.
  public func malformed(_ opcode: UInt32, _ reader: borrowing Reader) {
    malformed(opcode, reader.failure ?? "record", reader.failureReason.sentence)
  }

  /// The same, for checks that a reader does not make: "command: field X is wrong".
  public func malformed(_ opcode: UInt32, _ field: StaticString, _ sentence: StaticString) {
    session.lose(
      LostReason.protocolError, "\(commandDescription(opcode)): field \(field) \(sentence)")
  }

  /// Ends the session because the driver does not have the command at all.
  public func missing(_ opcode: UInt32) {
    session.lose(
      LostReason.protocolError, "\(commandDescription(opcode)): the node's driver lacks it")
  }

  /// Delivers what `reply` holds, and empties it.
  public mutating func sendReply(_ ticket: UInt32) {
    session.deliver(reply, opcode, ticket)
    reply.reset()
  }
}

extension ReplaySession {
  /// Sends the reply that `encode` writes, from a thread beside a channel's.
  func reply(_ opcode: UInt32, ticket: UInt32, _ encode: (inout Writer) -> Void) {
    var reply = HeapWriter(capacity: 4096)
    defer { reply.free() }
    encode(&reply.writer)
    deliver(reply, opcode, ticket)
  }

  fileprivate func deliver(_ reply: borrowing HeapWriter, _ opcode: UInt32, _ ticket: UInt32) {
    if reply.writer.failed {
      lose(LostReason.noMemory, "no memory for a reply")
    } else if !sink.reply(ticket: ticket, reply.bytes) {
      lose(
        LostReason.protocolError,
        "\(commandDescription(opcode)): a reply of \(reply.bytes.count) bytes to ticket \(ticket)"
          + " cannot be delivered")
    }
  }

  /// Ends the session because the driver refused what the client was told had succeeded.
  func failed(_ opcode: UInt32, _ result: VkResult) {
    let reason =
      switch result {
      case VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY: LostReason.noMemory
      default: LostReason.deviceLost
      }
    lose(reason, "\(commandDescription(opcode)) failed with \(resultName(result))")
  }
}

/// Memory of the context's own.
struct Blob {
  var start: UnsafeMutableRawPointer
  var count: Int
}

/// "vkCreateBuffer", or the number of an opcode without a name.
func commandDescription(_ opcode: UInt32) -> String {
  if let name = commandName(opcode) ?? ControlOpcode.name(opcode) { return name.description }
  return "command 0x" + String(opcode, radix: 16)
}

/// The registry's name of the results that drivers give.
func resultName(_ result: VkResult) -> String {
  switch result {
  case VK_SUCCESS: "VK_SUCCESS"
  case VK_NOT_READY: "VK_NOT_READY"
  case VK_TIMEOUT: "VK_TIMEOUT"
  case VK_INCOMPLETE: "VK_INCOMPLETE"
  case VK_ERROR_OUT_OF_HOST_MEMORY: "VK_ERROR_OUT_OF_HOST_MEMORY"
  case VK_ERROR_OUT_OF_DEVICE_MEMORY: "VK_ERROR_OUT_OF_DEVICE_MEMORY"
  case VK_ERROR_INITIALIZATION_FAILED: "VK_ERROR_INITIALIZATION_FAILED"
  case VK_ERROR_DEVICE_LOST: "VK_ERROR_DEVICE_LOST"
  case VK_ERROR_MEMORY_MAP_FAILED: "VK_ERROR_MEMORY_MAP_FAILED"
  case VK_ERROR_LAYER_NOT_PRESENT: "VK_ERROR_LAYER_NOT_PRESENT"
  case VK_ERROR_EXTENSION_NOT_PRESENT: "VK_ERROR_EXTENSION_NOT_PRESENT"
  case VK_ERROR_FEATURE_NOT_PRESENT: "VK_ERROR_FEATURE_NOT_PRESENT"
  case VK_ERROR_INCOMPATIBLE_DRIVER: "VK_ERROR_INCOMPATIBLE_DRIVER"
  case VK_ERROR_TOO_MANY_OBJECTS: "VK_ERROR_TOO_MANY_OBJECTS"
  case VK_ERROR_FORMAT_NOT_SUPPORTED: "VK_ERROR_FORMAT_NOT_SUPPORTED"
  case VK_ERROR_FRAGMENTED_POOL: "VK_ERROR_FRAGMENTED_POOL"
  case VK_ERROR_OUT_OF_POOL_MEMORY: "VK_ERROR_OUT_OF_POOL_MEMORY"
  case VK_ERROR_FRAGMENTATION: "VK_ERROR_FRAGMENTATION"
  case VK_ERROR_INVALID_SHADER_NV: "VK_ERROR_INVALID_SHADER_NV"
  case VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS: "VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS"
  default: "VkResult \(result.rawValue)"
  }
}
