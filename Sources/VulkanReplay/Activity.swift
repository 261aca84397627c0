import CPlatform
import Ring
internal import Threads

/// Something that a client's session is in and has not come out of.
public struct Activity: Sendable {
  /// The record's opcode.
  public var opcode: UInt32
  /// For how long, as far as it is known.
  public var nanoseconds: UInt64
}

/// What the threads of a session are doing just now, for whoever asks whether they hang.
///
/// A channel's thread stores one word for each record, so it must cost nothing: there is no clock
/// in it. Who looks once in a while sees by a word that stays the same that the record does.
final class SessionActivity: @unchecked Sendable {
  /// One word for each channel: count of records << 32 | opcode; 0 between records. 64 bytes apart.
  private let words: UnsafeMutablePointer<UInt64>
  private let lock = Lock()
  private var queues: [QueueState] = []
  /// What the last look saw, and when that was seen first.
  private var seen: [(word: UInt64, since: UInt64)]

  private static var stride: Int { 8 }
  private static var count: Int { Int(SegmentLayout.channelCount) }

  init() {
    words = .allocate(capacity: SessionActivity.count * SessionActivity.stride)
    words.initialize(repeating: 0, count: SessionActivity.count * SessionActivity.stride)
    seen = [(UInt64, UInt64)](repeating: (0, 0), count: SessionActivity.count)
  }

  deinit { words.deallocate() }

  /// The word of a channel, which lives as long as the session.
  func word(ofChannel channel: UInt32) -> UnsafeMutablePointer<UInt64> {
    words + Int(min(channel, SegmentLayout.channelCount &- 1)) * SessionActivity.stride
  }

  func add(_ queue: QueueState) { lock.withLock { queues.append(queue) } }

  func remove(_ queue: QueueState) { lock.withLock { queues.removeAll { $0 === queue } } }

  /// What is under way: records, and the oldest operation of each queue. One thread.
  func look() -> (commands: [Activity], operations: [Activity]) {
    let now = platform_now()
    var commands: [Activity] = []
    for channel in 0..<SessionActivity.count {
      let word = platform_load64_relaxed(words + channel * SessionActivity.stride)
      if word != seen[channel].word { seen[channel] = (word, now) }
      guard word != 0 else { continue }
      commands.append(
        Activity(
          opcode: UInt32(truncatingIfNeeded: word), nanoseconds: now &- seen[channel].since))
    }
    let all = lock.withLock { queues }
    return (commands, all.compactMap { $0.activity(now: now) })
  }
}

extension ReplaySession {
  /// What the session is in at this moment. For one thread, which looks now and again: how long a
  /// command takes is known from the look that saw it first.
  public func activities() -> (commands: [Activity], operations: [Activity]) { activity.look() }
}
