// The frame link over a relay in virtual time, with the real encoder and decoder at its ends: what of the
// picture is shown when packets are lost, beside the same link that codes the whole frame anew for each loss
// and has no parity; how the rate follows a bandwidth that changes; and what the erasure code costs.
//
//   LinkBench loss | steps | code

import CPlatform
import FrameLink
import FrameSamples
import FrameServer
import FrameStream
import Glibc
import Synchronization

@main
enum LinkBench {
  static func main() {
    switch CommandLine.arguments.dropFirst().first {
    case "loss": lossRuns()
    case "steps": bandwidthSteps()
    case "code": erasureCode()
    default:
      print("LinkBench loss | steps | code")
      exit(2)
    }
  }
}

func report(_ name: String, _ value: Double) { print("\(name) \(value)") }

let millisecond: UInt64 = 1_000_000
let frameTime: UInt64 = 16_666_667

// MARK: A stream

/// What a run has shown.
struct Outcome {
  var frames = 0
  /// Frames that were not on the screen, whole and in time.
  var frozen = 0
  /// For each time that the picture was not whole: how long, in nanoseconds.
  var repairs: [UInt64] = []
  var skipped = 0
  var sender = FrameSender.Statistics()
  var receiver = FrameReceiver.Statistics()
}

/// A game that is coded, sent, received and decoded; and beside it a client that nothing is lost to, with
/// whose picture the receiver's is compared, band by band.
final class Stream {
  let link: SimulatedLink
  private let encoder: FrameEncoder
  private let scene: FlyThrough
  private let picture: Picture
  private let whole = FrameDecoder()
  private let shown = FrameDecoder()
  private let codesWholeFrames: Bool
  private let height: Int
  private var rate = 0
  /// The checksum of each band after each frame, of the client without losses.
  private var expected: [[UInt64]] = []
  private var current: [UInt64] = []
  private var seen: [UInt64] = []
  private(set) var outcome = Outcome()
  private var brokenSince: UInt64?
  /// What the encoder may make and the path takes, with the time of each frame.
  private(set) var rates: [(at: UInt64, wire: Int)] = []

  private(set) var made: [(at: UInt64, media: Int, bytes: Int)] = []

  /// How late a frame may be beyond the path's delay: a frame's time, in which its packets leave, and half
  /// of one.
  static let patience = frameTime * 3 / 2

  init(
    width: Int, height: Int, settings: LinkSettings, forward: Relay, backward: Relay,
    codesWholeFrames: Bool
  ) {
    link = SimulatedLink(settings, forward: forward, backward: backward)
    var choice = EncoderSettings()
    choice.usesHardware = false
    choice.bands = 4
    choice.mixesExact = false
    choice.refinesAfter = 0
    // So fine that the rate is the limit.
    choice.quality = 8
    choice.bitsPerSecond = settings.firstBitsPerSecond
    encoder = FrameEncoder(choice)
    scene = FlyThrough(width: width, height: height)
    picture = Picture(width: width, height: height)
    self.height = height
    self.codesWholeFrames = codesWholeFrames
  }

  func run(frames: Int) {
    let start = link.now
    for number in 0..<frames {
      link.run(until: start + UInt64(number) * frameTime) { self.take($0) }
      present(number)
      judge(start, number)
    }
    outcome.frames = expected.count
    outcome.sender = link.sender.statistics
    outcome.receiver = link.receiver.statistics
  }

  private func present(_ number: Int) {
    let now = link.now
    rates.append((now, link.sender.wireBitsPerSecond(now: now)))
    if link.sender.delay(now: now) > frameTime {
      // There is no room for it on the path.
      outcome.skipped += 1
      expected.append(expected.last ?? [])
      return
    }
    link.sender.takeLosses { band, since in
      if codesWholeFrames {
        encoder.noteLossOfAll()
      } else {
        encoder.noteLoss(band: band, since: since, knowsRepairs: true)
      }
    }
    let media = link.sender.mediaBitsPerSecond(now: now)
    if abs(media - rate) * 50 > rate {
      rate = media
      encoder.setRate(bitsPerSecond: media)
    }
    scene.draw(number, into: picture)
    let units = Mutex<[(band: Int, frame: UInt32, bytes: [UInt8])]>([])
    _ = encoder.encode(picture.rows, width: picture.width, height: picture.height) { unit in
      let bytes = [UInt8](unsafeUninitializedCapacity: unit.byteCount) { room, count in
        if let start = room.baseAddress { unit.write(to: start) }
        count = unit.byteCount
      }
      units.withLock { $0.append((unit.header.band, unit.header.frame, bytes)) }
    }
    // The order in which threads finish is no part of a run that is the same each time.
    for unit in units.withLock({ $0 }).sorted(by: { $0.band < $1.band }) {
      unit.bytes.withUnsafeBytes { bytes in
        link.sender.enqueue(
          band: unit.band, frame: unit.frame, byteCount: bytes.count, now: now
        ) { $0.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
        _ = Stream.decode(bytes, into: whole)
      }
    }
    made.append((now, media, units.withLock { $0 }.reduce(0) { $0 + $1.bytes.count }))
    current = checksums(whole)
    expected.append(current)
  }

  private func take(_ event: ReceiverEvent) {
    switch event {
    case .gap(let band): shown.noteLoss(band: band)
    case .unit(let unit):
      if !Stream.decode(unit.bytes, into: shown) {
        link.receiver.refuse(band: unit.band, repair: unit.repair)
      }
      seen = checksums(shown)
    }
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, into decoder: FrameDecoder) -> Bool {
    do throws(BandError) {
      let unit = try BandUnit(bytes)
      _ = try decoder.prepare(for: unit.header)
      try decoder.decode(unit)
      return true
    } catch { return false }
  }

  private func checksums(_ decoder: FrameDecoder) -> [UInt64] {
    guard let picture = decoder.picture,
      let layout = BandLayout(width: self.picture.width, height: height, bands: 4)
    else { return [] }
    return (0..<layout.count).map { band in
      var sum: UInt64 = 0
      for y in layout.rows(band) {
        let row = UnsafeRawPointer(picture.start + y * picture.stride)
        for x in stride(from: 0, to: self.picture.width * 4, by: 8) {
          sum = sum &* 31 &+ row.loadUnaligned(fromByteOffset: x, as: UInt64.self)
        }
      }
      return sum
    }
  }

  /// Whether the frame that is due by now is on the screen, or a later one.
  private func judge(_ start: UInt64, _ number: Int) {
    let late = link.forward.delay + Stream.patience
    let due = Int(Int64(link.now - start) - Int64(late)) / Int(frameTime)
    guard due >= 0, due < expected.count else { return }
    let isWhole =
      !seen.isEmpty
      && seen.indices.allSatisfy { band in
        (due..<expected.count).contains {
          expected[$0].indices.contains(band) && expected[$0][band] == seen[band]
        }
      }
    if isWhole {
      // From when the frame would have been there.
      if let since = brokenSince {
        outcome.repairs.append(link.now - since + Stream.patience - frameTime)
      }
      brokenSince = nil
    } else {
      outcome.frozen += 1
      brokenSince = brokenSince ?? link.now
    }
  }
}

func percentile(_ values: [UInt64], _ share: Double) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  return Double(sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)])
}

// MARK: Loss

func lossRuns() {
  let count = Int(CommandLine.arguments.dropFirst(2).first ?? "") ?? 1200
  let kinds: [(String, PacketLoss)] =
    [0, 1, 3, 5].map { ("independent-\($0)", .independent(share: Double($0) / 100)) }
    + [1, 3, 5].map { ("bursts-\($0)", .bursts(share: Double($0) / 100, burst: 4)) }
  for (name, loss) in kinds {
    for codesWholeFrames in [false, true] {
      var settings = LinkSettings()
      settings.firstBitsPerSecond = 10_000_000
      settings.mostBitsPerSecond = 10_000_000
      if codesWholeFrames { settings.mostParity = 0 }
      let stream = Stream(
        width: 640, height: 360, settings: settings,
        forward: Relay(delay: 20 * millisecond, loss: loss, seed: 11) { _ in 20e6 },
        backward: Relay(delay: 20 * millisecond, loss: loss, seed: 12),
        codesWholeFrames: codesWholeFrames)
      stream.run(frames: count)
      let outcome = stream.outcome
      let who = codesWholeFrames ? "idr" : "omega"
      report("\(name)-\(who)-frozen", Double(outcome.frozen))
      report("\(name)-\(who)-repair-ms", percentile(outcome.repairs, 0.95) / 1e6)
      report("\(name)-\(who)-repairs", Double(outcome.repairs.count))
      report("\(name)-\(who)-skipped", Double(outcome.skipped))
      report("\(name)-\(who)-unit-kB", Double(outcome.sender.unitBytes) / 1000)
      report("\(name)-\(who)-wire-kB", Double(outcome.sender.wireBytes) / 1000)
      report("\(name)-\(who)-parity-kB", Double(outcome.sender.parityBytes) / 1000)
      report("\(name)-\(who)-lost-units", Double(outcome.receiver.declaredLosses))
      report("\(name)-\(who)-burst", stream.link.sender.lossBurst)
    }
  }
}

// MARK: Bandwidth

func bandwidthSteps() {
  var settings = LinkSettings()
  settings.firstBitsPerSecond = 10_000_000
  settings.mostBitsPerSecond = 200_000_000
  let start: UInt64 = 1_000_000_000
  let (down, up, end) = (start + 10_000 * millisecond, start + 20_000 * millisecond, 30)
  let stream = Stream(
    width: 1280, height: 720, settings: settings,
    forward: Relay(delay: 20 * millisecond) { $0 >= down && $0 < up ? 5e6 : 20e6 },
    backward: Relay(delay: 20 * millisecond), codesWholeFrames: false)
  stream.run(frames: end * 60)
  // Waits of packets in the relay's queue, over all of the run.
  report("queue-p95-ms", percentile(stream.link.forward.waits, 0.95) / 1e6)
  report("queue-p50-ms", percentile(stream.link.forward.waits, 0.5) / 1e6)
  report("queue-max-ms", percentile(stream.link.forward.waits, 1) / 1e6)
  report("frozen", Double(stream.outcome.frozen))
  report("skipped", Double(stream.outcome.skipped))
  // Bits that arrive in each tenth of a second.
  func received(_ from: UInt64, _ to: UInt64) -> Double {
    let bytes = stream.link.arrivedBytes.lazy.filter { $0.at >= from && $0.at < to }
      .reduce(0) { $0 + $1.count }
    return Double(bytes) * 8e9 / Double(to - from)
  }
  func reached(_ share: Double, after begin: UInt64, of bandwidth: Double) -> Double {
    var at = begin
    while at < begin + 10_000 * millisecond {
      // A fifth of a second of which the last frame has arrived.
      if received(at, at + 200 * millisecond) >= share * bandwidth {
        return Double(at + 200 * millisecond - begin) / 1e9
      }
      at += 20 * millisecond
    }
    return 99
  }
  report("back-s", reached(0.9, after: up, of: 20e6))
  report("use-before", received(start + 5000 * millisecond, down) / 20e6)
  report("use-low", received(down + 2000 * millisecond, up) / 5e6)
  report("use-after", received(up + 2000 * millisecond, start + 30_000 * millisecond) / 20e6)
  if CommandLine.arguments.contains("trace") {
    for at in stride(from: start, to: start + 30_000 * millisecond, by: 200 * 1_000_000) {
      let wire = stream.rates.last { $0.at <= at }?.wire ?? 0
      print(
        Double(at - start) / 1e9, "rate", Double(wire) / 1e6, "received",
        received(at, at + 200 * millisecond) / 1e6, "media",
        Double(stream.made.last { $0.at <= at }?.media ?? 0) / 1e6, "made",
        Double(
          stream.made.lazy.filter { $0.at >= at && $0.at < at + 200 * millisecond }
            .reduce(0) { $0 + $1.bytes }) * 40 / 1e6)
    }
  }
}

// MARK: The code

/// Megabytes of data a second that parity is made for, and that data are rebuilt of: groups of 30 shards and
/// 6 of parity, all 6 of them needed.
func erasureCode() {
  let (dataCount, parityCount, shardBytes) = (30, 6, 1184)
  let memory = UnsafeMutableRawPointer.allocate(
    byteCount: (dataCount + 2 * parityCount) * shardBytes, alignment: 64)
  defer { memory.deallocate() }
  for i in 0..<dataCount * shardBytes {
    memory.storeBytes(
      of: UInt8(truncatingIfNeeded: i &* 2_654_435_761 >> 7), toByteOffset: i, as: UInt8.self)
  }
  func shard(_ i: Int) -> UnsafeMutableRawPointer { memory + i * shardBytes }
  func encode(usesShuffles: Bool) {
    for row in 0..<parityCount {
      platform_zero(shard(dataCount + row), shardBytes)
      for column in 0..<dataCount {
        ReedSolomon.add(
          shard(column), count: shardBytes, column: column, toParity: shard(dataCount + row),
          row: row, usesShuffles: usesShuffles)
      }
    }
  }
  func decode() {
    // Rebuilding overwrites the parity, so that it is done with a copy.
    platform_copy(
      shard(dataCount + parityCount), shard(dataCount), parityCount * shardBytes)
    let missing = (0..<parityCount).map { $0 * 5 }
    let isDone = ReedSolomon.recover(
      missing: missing, dataCount: dataCount, rows: Array(0..<parityCount), shardBytes: shardBytes,
      data: { shard($0) }, parity: { shard(dataCount + parityCount + $0) })
    precondition(isDone)
  }
  func rate(_ body: () -> Void) -> Double {
    var rates: [Double] = []
    for _ in 0..<7 {
      let begin = platform_now()
      var count = 0
      while platform_now() - begin < 60 * millisecond {
        body()
        count += 1
      }
      let seconds = Double(platform_now() - begin) / 1e9
      rates.append(Double(count * dataCount * shardBytes) / 1e6 / seconds)
    }
    return rates.sorted()[3]
  }
  // Both ends of the link, one after the other: units of 100 kB, two parity shards a group, all of it heard.
  var settings = LinkSettings()
  settings.firstBitsPerSecond = 100_000_000_000
  settings.mostBitsPerSecond = 100_000_000_000
  settings.leastParity = 2
  let sender = FrameSender(settings, now: 0)
  let receiver = FrameReceiver(settings)
  let room = UnsafeMutableRawBufferPointer.allocate(byteCount: settings.packetBytes, alignment: 64)
  defer { room.deallocate() }
  let begin = platform_now()
  var (now, frame, bytes) = (UInt64(0), UInt32(0), 0)
  while frame < 20_000 {
    frame += 1
    sender.enqueue(band: 0, frame: frame, byteCount: 100_000, now: now) {
      $0.initializeMemory(
        as: UInt8.self, repeating: UInt8(truncatingIfNeeded: frame), count: 100_000)
    }
    while let packet = sender.nextPacket(now: now, into: room) {
      receiver.receive(
        UnsafeRawBufferPointer(rebasing: room[..<packet.byteCount]), number: packet.number, now: now
      ) { if case .unit(let unit) = $0 { bytes += unit.bytes.count } }
    }
    now += 100_000
    let count = receiver.feedback(now: now, into: room)
    if count > 0 { sender.receive(UnsafeRawBufferPointer(rebasing: room[..<count]), now: now) }
  }
  precondition(bytes == 2_000_000_000)
  report("link-MB/s", Double(bytes) / 1e6 / (Double(platform_now() - begin) / 1e9))
  report("encode-MB/s", rate { encode(usesShuffles: true) })
  report("encode-tables-MB/s", rate { encode(usesShuffles: false) })
  report("decode-MB/s", rate(decode))
}
