import Foundation
import FrameSamples
import Testing

@testable import FrameLink

/// Both ends with relays between them, in virtual time, and an encoder that makes units of the size that
/// it is allowed.
@Suite("Link")
struct LinkTests {
  private final class Run {
    let link: SimulatedLink
    var events: [Kept] = []
    /// Units that a decoder can use: those behind a gap only when they repair it.
    var usable = 0
    var sentUnits = 0
    var skipped = 0
    private var repairing: Set<Int> = []
    private let settings: LinkSettings

    init(_ settings: LinkSettings = LinkSettings(), forward: Relay, backward: Relay) {
      self.settings = settings
      link = SimulatedLink(settings, forward: forward, backward: backward)
    }

    /// Sends frames of `bands` units at 60 a second. A band that is repaired has a unit twice as large.
    func frames(_ range: ClosedRange<Int>, bands: Int = 2) {
      for frame in range {
        let now = link.now
        let media = link.sender.mediaBitsPerSecond(now: now)
        if link.sender.delay(now: now) < 16_666_667 {
          link.sender.takeLosses { band, _ in repairing.insert(band) }
          for band in 0..<bands {
            let count = media / 60 / 8 / bands
            link.sender.enqueueSample(
              band: band, frame: UInt32(frame), count: repairing.contains(band) ? 2 * count : count,
              now: now)
            sentUnits += 1
          }
          repairing = []
        } else {
          skipped += 1
        }
        link.run(until: now + 16_666_667) { self.events.append(Kept($0)) }
      }
    }

    func rest(_ time: UInt64) {
      link.run(until: link.now + time) { self.events.append(Kept($0)) }
    }

    var wrongUnits: Int { events.reduce(0) { $0 + ($1.isWrong ? 1 : 0) } }
    var units: [Kept] { events.filter { $0.frame != nil } }

    /// Bits a second that have arrived between two times.
    func received(_ from: UInt64, _ to: UInt64) -> Double {
      let bytes = link.arrivedBytes.lazy.filter { $0.at >= from && $0.at < to }
        .reduce(0) { $0 + $1.count }
      return Double(bytes) * 8e9 / Double(to - from)
    }
  }

  private func settings(_ most: Int, first: Int? = nil) -> LinkSettings {
    var settings = LinkSettings()
    settings.mostBitsPerSecond = most
    settings.firstBitsPerSecond = first ?? most
    return settings
  }

  @Test("on a clean path every unit arrives as it was sent, in order, and nothing is repaired")
  func clean() {
    let run = Run(
      settings(8_000_000), forward: Relay(delay: 20 * millisecond) { _ in 50e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...120)
    run.rest(second)
    #expect(run.events.count == 240 && run.units.count == 240)
    #expect(run.wrongUnits == 0)
    let statistics = run.link.receiver.statistics
    #expect(statistics.declaredLosses == 0 && statistics.gaps == 0)
    #expect(run.link.sender.statistics.lossNotices == 0)
    // 40 ms, and what the packets and the feedback have waited.
    let roundTrip = run.link.sender.roundTrip ?? 0
    #expect((40 * millisecond...55 * millisecond).contains(roundTrip))
  }

  @Test(
    "what is lost is made good or told, and never handed over wrong",
    arguments: [
      PacketLoss.independent(share: 0.02), .independent(share: 0.1), .bursts(share: 0.03, burst: 4),
      .bursts(share: 0.1, burst: 12),
    ])
  func lossy(loss: PacketLoss) {
    let run = Run(
      settings(8_000_000),
      forward: Relay(delay: 20 * millisecond, loss: loss, seed: 3) { _ in 50e6 },
      backward: Relay(delay: 20 * millisecond, loss: loss, seed: 4))
    run.frames(1...600)
    run.rest(2 * second)
    #expect(run.wrongUnits == 0)
    let statistics = run.link.receiver.statistics
    #expect(statistics.repairedUnits > 0)
    // Nothing vanishes: a unit has come, or its band was told of a gap, or is about to be repaired.
    let missing = run.sentUnits - run.units.count
    #expect(missing == 0 || statistics.declaredLosses > 0)
    #expect(Double(run.units.count) > 0.95 * Double(run.sentUnits))
    #expect(run.link.sender.statistics.lossNotices <= statistics.declaredLosses)
    // What the sender thinks of the path is what the relay does.
    switch loss {
    case .independent(let share):
      #expect(abs(run.link.sender.lossShare - share) < 0.5 * share)
      #expect(run.link.sender.lossBurst < 1.3)
    case .bursts(let share, let burst):
      #expect(abs(run.link.sender.lossShare - share) < 0.5 * share)
      #expect(abs(run.link.sender.lossBurst - burst) < 0.5 * burst)
    }
  }

  @Test("a loss that parity does not make good is repaired within two frames and a round trip")
  func repairTime() {
    var settings = settings(8_000_000)
    settings.mostParity = 0
    let run = Run(
      settings,
      forward: Relay(delay: 20 * millisecond, loss: .independent(share: 0.005), seed: 8) { _ in 50e6
      },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...600, bands: 1)
    run.rest(second)
    var times: [Int] = []
    var known: UInt32 = 0
    var lostAfter: UInt32?
    for event in run.events {
      switch event {
      case .gap: lostAfter = lostAfter ?? known
      case .unit(_, let frame, let count, _):
        // A repair is recognised by its size.
        if let since = lostAfter, count > 8_000_000 / 60 / 8 {
          times.append(Int(frame - since - 1))
          lostAfter = nil
        }
        known = frame
      }
    }
    #expect(times.count > 20)
    // A round trip of 40 ms is 2.4 frames: the frame that is lost is followed by at most five.
    let sorted = times.sorted()
    #expect(sorted[sorted.count * 9 / 10] <= 5)
  }

  @Test("where packets overtake each other nothing is taken for lost for long")
  func overtaking() {
    var forward = Relay(delay: 20 * millisecond) { _ in 50e6 }
    forward.jitter = 3 * millisecond
    let run = Run(
      settings(8_000_000), forward: forward, backward: Relay(delay: 20 * millisecond))
    run.frames(1...300)
    run.rest(second)
    #expect(run.units.count == 600)
    let statistics = run.link.receiver.statistics
    #expect(statistics.reordering > 0)
    #expect(statistics.declaredLosses == statistics.mistakenLosses)
    #expect(statistics.declaredLosses < 30)
  }

  @Test("the rate follows the bandwidth from 20 to 5 Mb/s and back, with a short queue")
  func steps() {
    let start = second
    let (down, up) = (start + 5 * second, start + 10 * second)
    let run = Run(
      settings(100_000_000, first: 10_000_000),
      forward: Relay(delay: 20 * millisecond) { $0 >= down && $0 < up ? 5e6 : 20e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...900)
    #expect(run.received(start + 2 * second, down) > 0.9 * 20e6)
    #expect(run.received(down + second, up) > 0.9 * 5e6)
    #expect(run.received(up + 1_500 * millisecond, start + 15 * second) > 0.9 * 20e6)
    let waits = run.link.forward.waits.sorted()
    #expect(waits[waits.count * 95 / 100] < 16 * millisecond)
    #expect(run.link.forward.drops == 0)
  }

  @Test("the user's cap is kept, whatever the path would take")
  func cap() {
    let run = Run(
      settings(6_000_000), forward: Relay(delay: 5 * millisecond) { _ in 500e6 },
      backward: Relay(delay: 5 * millisecond))
    run.frames(1...300)
    #expect(run.received(2 * second, 5 * second) < 1.05 * 6e6)
    #expect(run.received(2 * second, 5 * second) > 0.85 * 6e6)
    #expect(run.link.sender.wireBitsPerSecond(now: run.link.now) <= 6_000_000)
  }

  @Test(
    "random loss without a queue does not take the rate away",
    arguments: [
      PacketLoss.independent(share: 0.05), .bursts(share: 0.05, burst: 4),
    ])
  func lossIsNoCongestion(loss: PacketLoss) {
    let run = Run(
      settings(100_000_000, first: 10_000_000),
      forward: Relay(delay: 20 * millisecond, loss: loss, seed: 21) { _ in 20e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...600)
    // What arrives is that much less than what is sent.
    #expect(run.received(3 * second, 10 * second) > 0.95 * 0.8 * 20e6)
  }

  @Test("a link that drops what it does not take is not overrun")
  func policer() {
    var forward = Relay(delay: 20 * millisecond) { _ in 10e6 }
    forward.mostWaiting = 4 * millisecond
    let run = Run(
      settings(100_000_000, first: 30_000_000), forward: forward,
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...600)
    let sent = Double(run.link.sender.statistics.packets)
    #expect(Double(run.link.forward.drops) < 0.1 * sent)
    #expect(run.received(3 * second, 10 * second) > 0.7 * 10e6)
  }

  @Test("while no feedback comes the rate falls, and it is back when it does")
  func silence() {
    let run = Run(
      settings(8_000_000), forward: Relay(delay: 20 * millisecond) { _ in 50e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...60)
    let before = run.link.sender.wireBitsPerSecond(now: run.link.now)
    run.link.backward.loss = .independent(share: 1)
    run.frames(61...240)
    #expect(run.link.sender.wireBitsPerSecond(now: run.link.now) < before / 4)
    run.link.backward.loss = .none
    run.frames(241...300)
    #expect(run.link.sender.wireBitsPerSecond(now: run.link.now) > before * 9 / 10)
  }

  @Test("a way that has become longer is not taken for a queue for ever")
  func longerWay() {
    let run = Run(
      settings(8_000_000), forward: Relay(delay: 20 * millisecond) { _ in 50e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...60)
    run.link.forward.delay = 60 * millisecond
    run.frames(61...360)
    #expect(run.link.sender.wireBitsPerSecond(now: run.link.now) > 7_000_000)
  }

  @Test("a still picture costs nothing, and its next change arrives")
  func idle() {
    let run = Run(
      forward: Relay(delay: 20 * millisecond), backward: Relay(delay: 20 * millisecond))
    run.frames(1...3)
    run.rest(second)
    let packets = run.link.sender.statistics.packets
    run.rest(10 * second)
    #expect(run.link.sender.statistics.packets == packets)
    #expect(run.link.sender.deadline(now: run.link.now) == nil && run.link.receiver.deadline == nil)
    run.frames(4...4)
    run.rest(second)
    #expect(run.units.count == 8)
  }

  @Test(
    "feedback that is malformed, or speaks of what was never sent, changes nothing",
    arguments: 1...4)
  func hostileFeedback(seed: UInt64) {
    let run = Run(
      settings(8_000_000), forward: Relay(delay: 20 * millisecond) { _ in 50e6 },
      backward: Relay(delay: 20 * millisecond))
    run.frames(1...30)
    var numbers = Numbers(seed)
    var feedback = Feedback()
    feedback.arrived = (0..<64).map { $0 % 2 == 0 }
    feedback.earlier = (0..<32).map { Int32($0) * 100 }
    feedback.notices = [LossNotice(band: 1, number: 3, since: 2)]
    var room = [UInt8](repeating: 0, count: 400)
    let count = room.withUnsafeMutableBytes { feedback.write(to: $0) }
    for _ in 0..<4000 {
      var bytes = Array(room[..<count])
      for _ in 0...numbers.below(4) { bytes[numbers.below(count)] = UInt8(numbers.below(256)) }
      if numbers.below(8) == 0 { bytes.removeLast(numbers.below(count + 1)) }
      bytes.withUnsafeBytes { _ = run.link.sender.receive($0, now: run.link.now) }
      _ = run.link.sender.mediaBitsPerSecond(now: run.link.now)
      _ = run.link.sender.delay(now: run.link.now)
    }
    #expect(run.link.sender.statistics.malformedFeedbacks > 0)
    // It goes on: what is sent still arrives.
    run.frames(31...90)
    run.rest(second)
    #expect(run.units.count > 100)
  }

  /// The packets of a lossy run in the form of the fuzz target: `Fuzz/run` starts from them.
  @Test("seeds of the fuzz target are packets that both ends take")
  func writesSeeds() throws {
    var now = second
    let sender = FrameSender(now: now)
    let receiver = FrameReceiver()
    var input: [UInt8] = []
    func add(_ kind: UInt8, _ packet: [UInt8]) {
      input += [kind, UInt8(packet.count & 255), UInt8(packet.count >> 8)] + packet
    }
    var feedbacks = 0
    for frame: UInt32 in 1...4 {
      for band in 0..<2 { sender.enqueueSample(band: band, frame: frame, count: 900, now: now) }
      for packet in sender.drain(&now) where packet.number % 7 != 3 {
        add(0, packet.bytes)
        _ = receiver.take(packet, now: now)
      }
      now += 16 * millisecond
      if let feedback = receiver.feedback(now: now) {
        add(0x51, feedback)
        #expect(feedback.withUnsafeBytes { sender.receive($0, now: now) })
        feedbacks += 1
      }
    }
    now += second
    for packet in sender.drain(&now) { add(0, packet.bytes) }
    #expect(feedbacks == 4 && receiver.statistics.malformedPackets == 0)
    if let folder = ProcessInfo.processInfo.environment["OMEGA_FUZZ_SEEDS"] {
      try Data(input).write(to: URL(fileURLWithPath: folder + "/link"))
    }
  }

  @Test("units that are too large, empty or of no band are refused")
  func refusedUnits() {
    let sender = FrameSender(now: 0)
    for (band, count) in [(0, 0), (32, 10), (-1, 10), (0, (16 << 20) + 1)] {
      #expect(!sender.enqueue(band: band, frame: 1, byteCount: count, now: 0) { _ in })
    }
    #expect(sender.statistics.refusedUnits == 4 && !sender.isQueueing)
    // Nor are more taken than may wait.
    var taken = 0
    while taken < 10,
      sender.enqueue(band: 0, frame: UInt32(taken), byteCount: 10 << 20, now: 0, { _ in })
    { taken += 1 }
    #expect((3...6).contains(taken) && sender.statistics.refusedUnits == 5)
  }
}
