import CPlatform
import Ring
internal import Threads
import Transport
import VulkanReplay
import Wire

/// Tells the agent once a second, and at the end, what the session has cost so far. Ends the link of
/// a session that was lost and whose agent does not hang up.
final class StatisticsThread: @unchecked Sendable {
  private let link: Link
  private let session: ReplaySession
  private let stopping = Word()

  init(link: Link, session: ReplaySession) {
    self.link = link
    self.session = session
  }

  func start() {
    _ = startThread("omega-stats") { [self] in
      var secondsOver = 0
      while stopping.load() == 0 {
        stopping.wait(while: 0, nanoseconds: 1_000_000_000)
        if stopping.load() != 0 { return }
        send()
        sendHeartbeat()
        guard session.isOver else { continue }
        secondsOver += 1
        if secondsOver == 2 { link.close() }
      }
    }
  }

  /// Sends the last numbers and ends.
  func stop() {
    stopping.store(1)
    stopping.wakeAll()
    send()
  }

  /// What the session's threads and queues are in: a node that says so lives, however long a
  /// command takes.
  private func sendHeartbeat() {
    let (commands, operations) = session.activities()
    // No queue more than a heartbeat may carry: there are few, and the rest is no news.
    let counts = (min(commands.count, 256), min(operations.count, 256))
    let all = commands.prefix(counts.0) + operations.prefix(counts.1)
    withUnsafeTemporaryAllocation(byteCount: 8 + all.count * 16, alignment: 8) { room in
      guard let p = room.baseAddress else { return }
      p.put32(UInt32(counts.0), 0)
      p.put32(UInt32(counts.1), 4)
      for (index, activity) in all.enumerated() {
        p.put32(activity.opcode, 8 + index * 16)
        p.put32(0, 12 + index * 16)
        p.put64(activity.nanoseconds, 16 + index * 16)
      }
      try? link.send(MessageType.heartbeat, UnsafeRawBufferPointer(room))
    }
  }

  private func send() {
    withUnsafeTemporaryAllocation(byteCount: 56, alignment: 8) { room in
      guard let p = room.baseAddress else { return }
      p.put64(platform_cpu_time(), 0)
      p.put64(0, 8)
      p.put64(session.commandsReplayed, 16)
      p.put64(session.queueOperations, 24)
      p.put64(session.framesDelivered, 32)
      p.put64(session.driverMemory, 40)
      p.put64(session.contextsMade, 48)
      try? link.send(MessageType.statistics, UnsafeRawBufferPointer(room))
    }
  }
}
