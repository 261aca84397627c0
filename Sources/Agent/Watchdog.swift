internal import CPlatform
internal import Ring
internal import Threads
internal import VulkanWire

/// Notices a node that hangs. A node says once a second what it is in, from a thread that does
/// nothing else: while it does, whatever takes long is work, and no more than a line in the log. One
/// that says nothing at all is stopped or cut off, and an application that waits for it waits for
/// nothing.
///
/// Threads: any.
final class Watchdog: @unchecked Sendable {
  /// Seconds of silence; 0: any number.
  private let patience: Int
  private let lock = Lock()
  private let bell = Word()
  private var messages: UInt64 = 0
  private var latest: Heartbeat?

  /// A command that takes longer is worth a line, and another one each time that has doubled.
  private static let slow: UInt64 = 10_000_000_000
  private static let tick: UInt64 = 1_000_000_000

  init(patience: Int) { self.patience = patience }

  /// Any message has come.
  func heard() { lock.withLock { messages &+= 1 } }

  func heard(_ heartbeat: Heartbeat) { lock.withLock { latest = heartbeat } }

  /// Ends `run` at once, when `isOver`.
  func wake() {
    bell.bump()
  }

  /// Watches until `isOver`. Silence is counted in ticks of this thread's own, not by the clock: an
  /// agent that was itself stopped for a while has missed nothing.
  func run(
    node: String, isWaiting: () -> Bool, isOver: () -> Bool, lose: (String) -> Void
  ) {
    var known: UInt64 = 0
    var silent = 0
    var reported: UInt64 = 0
    while true {
      let seen = bell.load()
      if isOver() { return }
      bell.wait(while: seen, nanoseconds: Watchdog.tick)
      if isOver() { return }
      let (count, heartbeat) = lock.withLock { (messages, latest) }
      silent = count == known ? silent + 1 : 0
      known = count
      if silent == 0, let heartbeat { report(heartbeat, node, &reported) }
      guard patience > 0, silent >= patience, isWaiting() else { continue }
      return lose(
        "node \(node) has not answered for \(silent) seconds\(Watchdog.sentence(heartbeat)); see "
          + "whether its process is stopped and its network is up")
    }
  }

  private func report(_ heartbeat: Heartbeat, _ node: String, _ reported: inout UInt64) {
    let longest = (heartbeat.commands + heartbeat.operations).max {
      $0.nanoseconds < $1.nanoseconds
    }
    guard let longest, longest.nanoseconds >= Watchdog.slow else {
      reported = 0
      return
    }
    guard longest.nanoseconds >= reported &* 2 else { return }
    reported = longest.nanoseconds
    let isCommand = heartbeat.commands.contains { $0.opcode == longest.opcode }
    Log.warning(
      "node \(node) has been in \(Watchdog.name(longest.opcode)) for "
        + "\(longest.nanoseconds / 1_000_000_000) seconds\(isCommand ? "" : " on the GPU")")
  }

  /// ", and was in vkCmdDraw then", or nothing.
  private static func sentence(_ heartbeat: Heartbeat?) -> String {
    guard let heartbeat else { return "" }
    var parts: [String] = []
    if !heartbeat.commands.isEmpty {
      parts.append("in " + heartbeat.commands.map { name($0.opcode) }.joined(separator: ", "))
    }
    if !heartbeat.operations.isEmpty {
      parts.append(
        "waiting for the GPU in "
          + heartbeat.operations.map { name($0.opcode) }.joined(separator: ", "))
    }
    return parts.isEmpty
      ? " (it was idle before)" : " (it was \(parts.joined(separator: ", and ")) before)"
  }

  static func name(_ opcode: UInt32) -> String {
    (commandName(opcode) ?? ControlOpcode.name(opcode))?.description ?? "command \(opcode)"
  }
}
