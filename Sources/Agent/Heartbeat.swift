internal import CPlatform
internal import Ring
internal import VulkanWire

/// What a node's `heartbeat` says: which commands it is in, and since when.
struct Heartbeat: Sendable {
  /// Something that has not ended.
  struct Activity: Sendable {
    let opcode: UInt32
    let nanoseconds: UInt64
  }

  /// Commands that threads are in.
  private(set) var commands: [Activity] = []
  /// The oldest operation of each queue.
  private(set) var operations: [Activity] = []

  private static let headerSize = 8
  private static let activitySize = 16
  private static let most = 256

  /// Nil when the payload is none.
  init?(_ fields: Fields) {
    let commandCount = Int(fields.u32(0))
    let operationCount = Int(fields.u32(4))
    guard commandCount <= Heartbeat.most, operationCount <= Heartbeat.most,
      fields.bytes.count >= Heartbeat.headerSize
        + (commandCount + operationCount) * Heartbeat.activitySize
    else { return nil }
    let activity = { (index: Int) -> Activity in
      let at = Heartbeat.headerSize + index * Heartbeat.activitySize
      return Activity(opcode: fields.u32(at), nanoseconds: fields.u64(at + 8))
    }
    commands = (0..<commandCount).map(activity)
    operations = (commandCount..<(commandCount + operationCount)).map(activity)
  }

  static func isIdle(_ fields: Fields) -> Bool { fields.u32(0) == 0 && fields.u32(4) == 0 }
}
