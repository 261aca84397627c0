internal import CPlatform
internal import FrameStream
internal import Glibc
internal import Ring
internal import Threads
internal import Transport

/// Tells a node what became of its frames, from a thread of its own: the one that receives from the node
/// must not wait until the node takes something, or both might.
///
/// Threads: any.
final class FrameReplies: @unchecked Sendable {
  private let link: Link
  private let lock = Lock()
  private let changed = Word()
  private var waiting: [FrameFeedback] = []
  private var isOver = false

  init(link: Link) { self.link = link }

  /// False when the system has no thread. `running` counts it.
  func start(_ running: RunningCount) -> Bool {
    running.enter()
    let started = startThread("omega-replies") { [self] in
      send()
      running.leave()
    }
    if !started { running.leave() }
    return started
  }

  /// Says it as soon as the link takes it; what is still to be said of the same swapchain is said at once.
  func add(_ feedback: FrameFeedback) {
    lock.withLock {
      if let index = waiting.firstIndex(where: { $0.swapchain == feedback.swapchain }) {
        waiting[index].merge(feedback)
      } else {
        waiting.append(feedback)
      }
    }
    changed.bump()
  }

  func stop() {
    lock.withLock { isOver = true }
    changed.bump()
  }

  private func send() {
    while true {
      let seen = changed.load()
      let (next, isLast) = lock.withLock { () -> ([FrameFeedback], Bool) in
        defer { waiting = [] }
        return (waiting, isOver)
      }
      if isLast { return }
      for feedback in next {
        do throws(LinkError) {
          try link.send(MessageType.frameFeedback, bytes: feedback.bytes)
        } catch {
          // Whoever receives says why the link is gone.
          return
        }
      }
      if next.isEmpty { changed.wait(while: seen, nanoseconds: 1_000_000_000) }
    }
  }
}

/// Figures of the frames that have come from another host.
struct FrameTotals {
  /// Frames in each coding, by `BandCoding`.
  private(set) var frames = [UInt64](repeating: 0, count: 4)
  private(set) var leftOut: UInt64 = 0
  var datagrams = DatagramTotals()
  var interim = InterimTotals()
  private var encodeTimes = [UInt64](repeating: 0, count: Histogram.buckets)
  private var firstUnitTimes = [UInt64](repeating: 0, count: Histogram.buckets)

  mutating func note(_ end: FrameEnd) {
    guard !end.isRefinement else { return }
    frames[Int(end.coding.rawValue)] += 1
    if end.isLeftOut { leftOut += 1 }
    // Frames in which nothing has changed are coded in no time.
    guard end.bands != 0 else { return }
    encodeTimes[Histogram.bucket(end.encodeTime)] += 1
    firstUnitTimes[Histogram.bucket(end.firstUnitTime)] += 1
  }

  mutating func add(_ other: FrameTotals) {
    for index in frames.indices { frames[index] &+= other.frames[index] }
    leftOut &+= other.leftOut
    datagrams.add(other.datagrams)
    interim.add(other.interim)
    for index in encodeTimes.indices {
      encodeTimes[index] &+= other.encodeTimes[index]
      firstUnitTimes[index] &+= other.firstUnitTimes[index]
    }
  }

  /// The coding of most frames; nil without any.
  var coding: BandCoding? {
    guard let most = frames.max(), most > 0 else { return nil }
    return BandCoding.allCases.first { frames[Int($0.rawValue)] == most }
  }

  /// Milliseconds; nil without any frame.
  var encodeMedian: Double? { milliseconds(encodeTimes, below: 0.5) }
  var firstUnitMedian: Double? { milliseconds(firstUnitTimes, below: 0.5) }
}

/// Milliseconds below which `part` of a histogram's measurements lie; nil without any.
func milliseconds(_ buckets: [UInt64], below part: Double) -> Double? {
  let total = buckets.reduce(0, &+)
  guard total > 0 else { return nil }
  let wanted = max(1, UInt64((Double(total) * part).rounded(.up)))
  var seen: UInt64 = 0
  for (bucket, count) in buckets.enumerated() {
    seen &+= count
    if seen >= wanted { return Double(Histogram.lowerBound(bucket)) / 1e6 }
  }
  return nil
}
