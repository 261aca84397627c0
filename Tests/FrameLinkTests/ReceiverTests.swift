import FrameSamples
import Testing

@testable import FrameLink

/// Packets of chosen units, given to a receiver as the test likes.
@Suite("Receiver")
struct ReceiverTests {
  private let sender = FrameSender(now: second)
  private let receiver = FrameReceiver()

  /// The packets of frames 1..., each with a unit of `count` bytes in each of `bands`.
  private func packets(
    frames: Int, bands: [Int] = [0], count: Int = 5000
  ) -> [[(number: UInt64, bytes: [UInt8])]] {
    var now = second
    return (1...frames).map { frame in
      for band in bands {
        sender.enqueueSample(band: band, frame: UInt32(frame), count: count, now: now)
      }
      return sender.drain(&now)
    }
  }

  private func unit(_ band: Int, _ frame: UInt32, _ count: Int = 5000) -> Kept {
    .unit(band: band, frame: frame, count: count, isRight: true)
  }

  private func header(_ packet: (number: UInt64, bytes: [UInt8])) -> ShardHeader? {
    packet.bytes.withUnsafeBytes { ShardHeader($0) }
  }

  private func notices(_ now: UInt64) -> [LossNotice]? {
    receiver.feedback(now: now).flatMap { $0.withUnsafeBytes { Feedback($0) }?.notices }
  }

  @Test(
    "a unit comes as it was sent, as soon as its data are there",
    arguments: [1, 16, 1184, 1185, 5000, 400_000])
  func whole(count: Int) {
    let packets = packets(frames: 1, count: count)[0]
    var events: [Kept] = []
    for packet in packets { events += receiver.take(packet, now: second) }
    #expect(events == [unit(0, 1, count)])
    #expect(receiver.statistics.repairedUnits == 0)
    #expect(receiver.statistics.lateShards > 0, "parity that was not needed")
  }

  @Test("what is under way is neither there, nor declared lost, nor behind what has come")
  func underWay() {
    let frames = packets(frames: 3, bands: [0, 1])
    func isUnderWay(_ band: Int, _ frame: UInt32, _ now: UInt64 = second) -> Bool {
      receiver.isUnderWay(band: band, frame: frame, since: second, now: now)
    }
    #expect(isUnderWay(0, 1), "nothing has come")
    #expect(!isUnderWay(0, 1, 2 * second), "nor will it, after so long")
    #expect(!isUnderWay(32, 1) && !isUnderWay(-1, 1))
    let firstBand = frames[0].filter { header($0)?.band == 0 }
    _ = receiver.take(firstBand[0], now: second)
    #expect(isUnderWay(0, 1))
    for packet in firstBand.dropFirst() { _ = receiver.take(packet, now: second) }
    #expect(!isUnderWay(0, 1) && isUnderWay(1, 1))
    // Of frame 2 nothing comes, and what comes of frame 3 was sent behind it.
    _ = receiver.take(frames[2][0], now: second)
    #expect(!isUnderWay(0, 2) && !isUnderWay(1, 1) && !isUnderWay(1, 2))
    #expect(isUnderWay(0, 3) && isUnderWay(1, 3))
  }

  @Test("any data shard may be missing when there is parity, in any order", arguments: 0..<5)
  func repaired(lost: Int) throws {
    var packets = packets(frames: 1)[0]
    let parity = try #require(header(packets[0])?.parityCount)
    #expect(parity >= 1 && packets.count == 5 + parity)
    packets.remove(at: lost)
    var numbers = Numbers(UInt64(lost))
    packets.shuffle(using: &numbers)
    var events: [Kept] = []
    for packet in packets { events += receiver.take(packet, now: second) }
    #expect(events == [unit(0, 1)])
  }

  @Test("units of a band come in its order, each once, whatever the order and number of packets")
  func order() {
    let all = packets(frames: 8, bands: [0, 1])
    var numbers = Numbers(4)
    // Within two frames anything may overtake anything.
    var mixed: [(number: UInt64, bytes: [UInt8])] = []
    for pair in stride(from: 0, to: 8, by: 2) {
      mixed += (all[pair] + all[pair + 1] + all[pair]).shuffled(using: &numbers)
    }
    var events: [Kept] = []
    for packet in mixed { events += receiver.take(packet, now: second) }
    for band in 0...1 {
      let frames = events.compactMap { event -> UInt32? in
        guard case .unit(band, let frame, _, true) = event else { return nil }
        return frame
      }
      #expect(frames == frames.sorted() && Set(frames).count == frames.count)
    }
    #expect(receiver.statistics.duplicatePackets > 0)
    // The first overtaking may be taken for a loss; from then on it is known that there are such.
    #expect(receiver.statistics.units >= 14)
    #expect(receiver.statistics.reordering > 0)
  }

  @Test("a unit that can no longer complete is told at once, before its frame has ended")
  func speculation() throws {
    let packets = packets(frames: 1, bands: [0])[0]
    let parity = try #require(header(packets[0])?.parityCount)
    // So many of the first are lost that the rest is too little.
    let lost = parity + 1
    var now = second
    for packet in packets[lost...].prefix(1) {
      #expect(receiver.take(packet, now: now).isEmpty)
      now += 100_000
    }
    #expect(receiver.statistics.declaredLosses == 1)
    #expect(receiver.deadline == 0, "urgent")
    #expect(notices(now) == [LossNotice(band: 0, number: 1, since: 1)])
  }

  @Test("one lost more than there is parity is told with the next frame's first packet")
  func lostTail() {
    let all = packets(frames: 3)
    var now = second
    for packet in all[0] { _ = receiver.take(packet, now: now) }
    // Of frame 2 only the first packets come.
    for packet in all[1].prefix(2) { _ = receiver.take(packet, now: now) }
    #expect(receiver.statistics.declaredLosses == 0)
    now += 16 * millisecond
    #expect(receiver.take(all[2][0], now: now).isEmpty)
    #expect(receiver.statistics.declaredLosses == 1)
    #expect(notices(now) == [LossNotice(band: 0, number: 1, since: 2)])
    // The unit is given up when the next one is there.
    var events: [Kept] = []
    for packet in all[2].dropFirst() { events += receiver.take(packet, now: now) }
    #expect(events == [.gap(band: 0), unit(0, 3)])
    #expect(receiver.statistics.gaps == 1)
  }

  @Test("a unit of which nothing came is told by what the next frame says of the one before")
  func unseen() {
    let all = packets(frames: 3, bands: [0, 5])
    var events: [Kept] = []
    for packet in all[0] { events += receiver.take(packet, now: second) }
    for packet in all[1] where header(packet)?.band == 0 {
      events += receiver.take(packet, now: second)
    }
    #expect(receiver.statistics.declaredLosses == 0)
    // Band 5 has nothing in frame 3, as far as has come.
    for packet in all[2] where header(packet)?.band == 0 {
      events += receiver.take(packet, now: second)
    }
    #expect(events == [unit(0, 1), unit(5, 1), unit(0, 2), unit(0, 3)])
    #expect(notices(second) == [LossNotice(band: 5, number: 1, since: 2)])
  }

  @Test("the last unit of all is told by a silence when some of it came")
  func silence() throws {
    let packets = packets(frames: 1)[0]
    var now = second
    for packet in packets.prefix(3) {
      _ = receiver.take(packet, now: now)
      now += 200_000
    }
    receiver.tick(now: now) { _ in }
    #expect(receiver.statistics.declaredLosses == 0, "that soon there may be more")
    _ = receiver.feedback(now: now)
    now = try #require(receiver.deadline)
    #expect(now < second + 30 * millisecond)
    receiver.tick(now: now + 1) { _ in }
    #expect(receiver.statistics.declaredLosses == 1)
    #expect(notices(now + 1)?.count == 1)
    // What comes after all is not refused.
    var events: [Kept] = []
    for packet in packets.dropFirst(3) { events += receiver.take(packet, now: now) }
    #expect(events == [unit(0, 1)])
    #expect(receiver.statistics.mistakenLosses == 1)
  }

  @Test("the last unit of all is told by a summary when nothing of it came")
  func summary() throws {
    let all = packets(frames: 2)
    for packet in all[0] { _ = receiver.take(packet, now: second) }
    var now = second + 100 * millisecond
    let summary = sender.drain(&now)
    #expect(summary.count == 1 && summary[0].bytes[0] == PacketKind.summary.rawValue)
    _ = receiver.take(summary[0], now: now)
    #expect(receiver.statistics.declaredLosses == 1)
    #expect(notices(now) == [LossNotice(band: 0, number: 1, since: 2)])
  }

  @Test("summaries are sent less and less often until something has arrived, and then no more")
  func summaries() throws {
    let all = packets(frames: 1)
    var now = second
    var times: [UInt64] = []
    for _ in 0..<4 {
      now = try #require(sender.deadline(now: now))
      times.append(now)
      #expect(sender.drain(&now).count == 1)
    }
    let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
    #expect(gaps == gaps.sorted() && gaps[0] < gaps[2])
    for packet in all[0] { _ = receiver.take(packet, now: now) }
    let last = try #require(sender.deadline(now: now))
    now = last
    for packet in sender.drain(&now) { _ = receiver.take(packet, now: now) }
    let feedback = try #require(receiver.feedback(now: now))
    #expect(feedback.withUnsafeBytes { sender.receive($0, now: now) })
    #expect(sender.deadline(now: now) == nil)
  }

  @Test(
    "news of a loss is repeated until a unit that repairs it has come, and a loss on the way is none of its own"
  )
  func repair() throws {
    var now = second
    func send(_ frame: UInt32) -> [(number: UInt64, bytes: [UInt8])] {
      sender.enqueueSample(band: 0, frame: frame, count: 5000, now: now)
      return sender.drain(&now)
    }
    func tell() throws {
      now += 50 * millisecond
      let feedback = try #require(receiver.feedback(now: now))
      #expect(feedback.withUnsafeBytes { sender.receive($0, now: now) })
    }
    for packet in send(1) { _ = receiver.take(packet, now: now) }
    _ = send(2)
    // Frame 3 reveals that 2 is lost; it was made before the sender could know.
    for packet in send(3) { _ = receiver.take(packet, now: now) }
    let onTheWay = send(4)
    try tell()
    try tell()
    var found: [UInt32] = []
    sender.takeLosses { band, since in
      #expect(band == 0)
      found.append(since)
    }
    #expect(found == [2])
    #expect(!sender.hasLosses, "each loss is handed over once")
    try tell()
    #expect(!sender.hasLosses)
    // 4 is lost too: what repairs 2 repairs it.
    _ = onTheWay
    let repairing = send(5)
    #expect(header(repairing[0])?.repair == 1)
    for packet in repairing { _ = receiver.take(packet, now: now) }
    now += 50 * millisecond
    #expect(notices(now) == [])
    // Had the repair itself been lost, that would be another loss.
    _ = send(6)
    for packet in send(7) { _ = receiver.take(packet, now: now) }
    #expect(notices(now) == [LossNotice(band: 0, number: 2, since: 6)])
  }

  @Test("a repair that is lost is asked for again, from where the band stood")
  func lostRepair() throws {
    var now = second
    func send(_ frame: UInt32) -> [(number: UInt64, bytes: [UInt8])] {
      sender.enqueueSample(band: 0, frame: frame, count: 5000, now: now)
      return sender.drain(&now)
    }
    for packet in send(1) { _ = receiver.take(packet, now: now) }
    _ = send(2)
    _ = receiver.take(send(3)[0], now: now)
    let feedback = try #require(receiver.feedback(now: now))
    #expect(feedback.withUnsafeBytes { sender.receive($0, now: now) })
    sender.takeLosses { _, _ in }
    // 4 repairs; only its first packet comes.
    _ = receiver.take(send(4)[0], now: now)
    _ = receiver.take(send(5)[0], now: now)
    #expect(notices(now) == [LossNotice(band: 0, number: 2, since: 2)])
  }

  @Test("numbers of units and of losses begin anew when they are used up")
  func wraps() throws {
    var now = second
    var frame: UInt32 = .max - 40_000
    var repairs = 0
    var taken = 0
    for round in 0..<70_000 {
      sender.enqueueSample(band: 3, frame: frame, count: 16, now: now)
      frame &+= 1
      let packets = sender.drain(&now)
      // Every 200th unit is lost, 350 in all.
      if round % 200 == 199 { continue }
      for packet in packets {
        for event in receiver.take(packet, now: now) {
          if case .unit(_, _, _, true) = event { taken += 1 }
        }
      }
      now += 10 * millisecond
      if let feedback = receiver.feedback(now: now) {
        feedback.withUnsafeBytes { _ = sender.receive($0, now: now) }
      }
      sender.takeLosses { _, since in
        repairs += 1
        if since != frame &- 2 { Issue.record("frame \(frame): lost since \(since)") }
      }
    }
    #expect(repairs == 349, "that of the last round is not yet known")
    #expect(taken == 70_000 - 350)
    #expect(receiver.statistics.gaps == 349)
  }

  @Test("a unit that the decoder refuses is a loss, unless its band is being repaired")
  func refusals() {
    for packet in packets(frames: 1)[0] { _ = receiver.take(packet, now: second) }
    receiver.refuse(band: 0, repair: 0)
    #expect(notices(second) == [LossNotice(band: 0, number: 1, since: 2)])
    receiver.refuse(band: 0, repair: 0)
    #expect(notices(second + second) == [LossNotice(band: 0, number: 1, since: 2)])
    receiver.refuse(band: 99, repair: 0)
    receiver.refuse(band: -1, repair: 0)
  }

  @Test("a band that has missed more than is kept goes on behind it")
  func farBehind() {
    let all = packets(frames: 60)
    for packet in all[0] { _ = receiver.take(packet, now: second) }
    var events: [Kept] = []
    for packet in all[59] { events += receiver.take(packet, now: second) }
    #expect(events == [.gap(band: 0), unit(0, 60)])
    #expect(notices(second) == [LossNotice(band: 0, number: 1, since: 2)])
    // And not back again.
    for packet in all[30] { #expect(receiver.take(packet, now: second).isEmpty) }
  }

  @Test("units that are begun and never end hold no more memory than is allowed")
  func memory() {
    var settings = LinkSettings()
    settings.receiverMemory = 1 << 20
    let receiver = FrameReceiver(settings)
    var number: UInt64 = 0
    for band in 0..<32 {
      for unit in 0..<16 {
        var bytes = [UInt8](repeating: 7, count: ShardHeader.byteCount + 1184)
        let header = ShardHeader(
          band: band, group: 0, index: 0, parityCount: 1, repair: 0, unit: UInt16(unit),
          frame: UInt32(unit), unitBytes: 100_000, shardBytes: 1184, isRepair: false,
          previousBands: 0)
        bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
        _ = receiver.take((number, bytes), now: second)
        number += 1
      }
    }
    #expect(receiver.statistics.refusedShards == 512 - (1 << 20) / (86 * 1184))
  }

  @Test("shards that contradict their unit change nothing")
  func contradictions() throws {
    let packets = packets(frames: 1)[0]
    _ = receiver.take(packets[0], now: second)
    let true1 = try #require(header(packets[1]))
    var number: UInt64 = 20
    func refused(_ change: (inout ShardHeader) -> Void, cut: Int = 0) {
      var header = true1
      change(&header)
      var bytes = Array(packets[1].bytes.dropLast(cut))
      bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
      #expect(receiver.take((number, bytes), now: second).isEmpty)
      number += 1
    }
    let counted = { receiver.statistics.inconsistentShards + receiver.statistics.malformedPackets }
    let before = counted()
    refused { $0.unitBytes += 1 }
    refused { $0.shardBytes = 16 }
    refused { $0.parityCount += 1 }
    refused { $0.group = 1 }
    refused { $0.index = 250 }
    refused { $0.repair = 9 }
    refused({ _ in }, cut: 1)
    refused { $0.unitBytes = 1 << 30 }
    refused { $0.shardBytes = 0 }
    refused { $0.band = 32 }
    #expect(counted() == before + 10)
    var events: [Kept] = []
    for packet in packets.dropFirst() {
      number += 1
      events += receiver.take((number, packet.bytes), now: second)
    }
    #expect(events == [unit(0, 1)])
  }

  @Test("any bytes are counted, and never trap", arguments: 1...8)
  func anyBytes(seed: UInt64) {
    var numbers = Numbers(seed)
    let all = packets(frames: 20, bands: [0, 1, 2], count: 3000).flatMap { $0 }
    var now = second
    for round in 0..<4000 {
      var packet = all[numbers.below(all.count)]
      for _ in 0..<numbers.below(4) {
        packet.bytes[numbers.below(min(packet.bytes.count, 32))] = UInt8(numbers.below(256))
      }
      if numbers.below(8) == 0 { packet.bytes.removeLast(numbers.below(packet.bytes.count + 1)) }
      switch numbers.below(6) {
      case 0: packet.number = numbers.next() >> UInt64(numbers.below(64))
      case 1: packet.number = UInt64(round)
      default: break
      }
      now += UInt64(numbers.below(3_000_000))
      _ = receiver.take(packet, now: now)
      receiver.tick(now: now) { _ in }
      if let feedback = receiver.feedback(now: now) {
        let read = feedback.withUnsafeBytes { Feedback($0) }
        if read == nil { Issue.record("a feedback that cannot be read") }
      }
    }
    let statistics = receiver.statistics
    #expect(statistics.packets == 4000)
    #expect(statistics.malformedPackets > 0 && statistics.oldPackets > 0)
  }
}
