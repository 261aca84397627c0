import Node
import VulkanReplay

/// What one client may make a node hold: flags of `omega node`, which it hands to its workers.
enum ClientLimits {
  static let flags: [Arguments.Flag] = [
    .init("--max-memory"), .init("--max-objects"), .init("--max-record"), .init("--max-pending"),
  ]

  static func read(_ arguments: Arguments) throws(Failure) -> ReplayLimits {
    var limits = ReplayLimits()
    limits.driverMemory =
      try UInt64(
        arguments.number(
          "--max-memory", in: 1...(1 << 24), standard: Int(limits.driverMemory >> 20))
      ) << 20
    limits.objects = try arguments.number(
      "--max-objects", in: 256...(16 << 20), standard: limits.objects)
    limits.record =
      try arguments.number("--max-record", in: 1...256, standard: limits.record >> 20) << 20
    limits.pendingOperations = try arguments.number(
      "--max-pending", in: 16...(1 << 20), standard: limits.pendingOperations)
    return limits
  }
}
