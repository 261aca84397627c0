import FrameSamples
import Testing

@testable import FrameServer
@testable import FrameStream

@Suite("The choice of a coding")
struct CodingChooserTests {
  /// What frames of 1080p that change everywhere come to in `coding`.
  private func cost(_ coding: BandCoding) -> (bytes: Int, time: UInt64) {
    switch coding {
    case .raw: (8_300_000, 3_000_000)
    case .lossless: (1_500_000, 20_000_000)
    case .h264, .hevc: (40_000, 10_000_000)
    }
  }

  private func run(
    _ chooser: inout CodingChooser, frames: Int, tiles: Int = 510, bytesPerSecond: Double
  ) -> [BandCoding] {
    (0..<frames).map { _ in
      let coding = chooser.next(bytesPerSecond: bytesPerSecond)
      let (bytes, time) = cost(coding)
      chooser.note(
        coding, tiles: tiles, bytes: bytes * tiles / 510, time: time * UInt64(tiles) / 510)
      return coding
    }
  }

  @Test("is exact over a fast link, and as it is over a very fast one")
  func fast() {
    var chooser = CodingChooser(video: .h264)
    let codings = run(&chooser, frames: 100, bytesPerSecond: 2e9)
    #expect(codings.last == .raw)
    #expect(codings.allSatisfy { $0.isExact })
  }

  @Test("is video where exact frames are late, and stays so")
  func slow() {
    var chooser = CodingChooser(video: .h264)
    let codings = run(&chooser, frames: 600, bytesPerSecond: 12e6)
    #expect(codings.first?.isExact == true)
    #expect(codings.dropFirst(10).allSatisfy { $0 == .h264 })
  }

  @Test("is exact of what hardly moves, over any link")
  func still() {
    var chooser = CodingChooser(video: .h264)
    #expect(
      run(&chooser, frames: 300, tiles: 20, bytesPerSecond: 12e6).allSatisfy { $0 == .lossless })
  }

  @Test("is exact again when the movement ends, and video when it begins")
  func moves() {
    var chooser = CodingChooser(video: .h264)
    #expect(run(&chooser, frames: 60, bytesPerSecond: 12e6).last == .h264)
    #expect(run(&chooser, frames: 200, tiles: 10, bytesPerSecond: 12e6).last == .lossless)
    #expect(run(&chooser, frames: 60, bytesPerSecond: 12e6).last == .h264)
  }

  @Test("is never video for a client that decodes none")
  func withoutVideo() {
    var chooser = CodingChooser(video: nil)
    #expect(run(&chooser, frames: 100, bytesPerSecond: 1e5).allSatisfy { $0.isExact })
  }
}

@Suite("What is known of the link")
struct LinkMeterTests {
  /// Sends frames over a link of so many bytes a second and a round trip, each when the one before the last
  /// has arrived.
  private func run(
    _ meter: inout LinkMeter, bytes: [Int], bytesPerSecond: Double, trip: UInt64,
    interval: UInt64 = 16_666_667
  ) -> [UInt64] {
    var free: UInt64 = 0
    var delays: [UInt64] = []
    var waiting: [(frame: UInt32, now: UInt64)] = []
    for (number, count) in bytes.enumerated() {
      let began = 1_000_000_000 + UInt64(number) * interval
      while let first = waiting.first, first.now <= began {
        delays.append(meter.arrived(first.frame, now: first.now, decodeTime: 0) ?? .max)
        waiting.removeFirst()
      }
      meter.sent(UInt32(number), bytes: count, began: began)
      free = max(began, free) + UInt64(Double(count) / bytesPerSecond * 1e9)
      waiting.append((UInt32(number), free + trip))
    }
    for (frame, now) in waiting {
      delays.append(meter.arrived(frame, now: now, decodeTime: 0) ?? .max)
    }
    return delays
  }

  @Test("is its speed, whether its frames wait or not", arguments: [50_000, 200_000, 400_000])
  func speed(bytes: Int) {
    var meter = LinkMeter()
    let trip: UInt64 = 40_000_000
    _ = run(
      &meter, bytes: [100] + Array(repeating: bytes, count: 60), bytesPerSecond: 12e6, trip: trip)
    #expect(abs(Double(meter.roundTrip ?? 0) - Double(trip)) < 1e6)
    #expect(abs(meter.bytesPerSecond - 12e6) < 1.5e6, "\(meter.bytesPerSecond)")
  }

  @Test("is how long frames wait for others")
  func delay() {
    var meter = LinkMeter()
    let few = run(
      &meter, bytes: [100] + Array(repeating: 20_000, count: 30), bytesPerSecond: 12e6,
      trip: 30_000_000)
    #expect(few.dropFirst().allSatisfy { $0 < 3_000_000 })
    var other = LinkMeter()
    let many = run(
      &other, bytes: [100] + Array(repeating: 400_000, count: 30), bytesPerSecond: 12e6,
      trip: 30_000_000)
    #expect(many[30] > many[10] && many[10] > many[2], "the queue grows")
  }

  @Test("is nothing of frames that were never sent")
  func unknown() {
    var meter = LinkMeter()
    #expect(meter.arrived(5, now: 1, decodeTime: 0) == nil)
    meter.sent(1, bytes: 1 << 20, began: 100)
    #expect(meter.arrived(1, now: 50, decodeTime: .max) == 0)
    #expect(meter.bytesPerSecond > 0)
  }

  @Test("sets a rate that falls when frames wait, rises when they do not, and stays within bounds")
  func rate() {
    var rate = VideoRate(most: 8_000_000)
    #expect(rate.bitsPerSecond == 8_000_000)
    for _ in 0..<200 { rate.note(delay: 50_000_000, interval: 16_000_000) }
    #expect(rate.bitsPerSecond == 500_000)
    for _ in 0..<2000 { rate.note(delay: 1_000_000, interval: 16_000_000) }
    #expect(rate.bitsPerSecond == 8_000_000)
    // Neither early nor late.
    rate.note(delay: 12_000_000, interval: 16_000_000)
    #expect(rate.bitsPerSecond == 8_000_000)
    #expect(VideoRate(most: 0).bitsPerSecond <= VideoRate.standardMost)
  }
}

@Suite("Another coding in mid-stream")
struct ChangeOfCodingTests {
  @Test("leaves no pixel wrong, and sends no more than it must")
  func changes() throws {
    var settings = softwareSettings(.lossless)
    settings.refinesAfter = 0
    let stream = Stream(settings)
    let scene = FlyThrough(width: 640, height: 360)
    let picture = Picture(width: 640, height: 360)
    func send(_ number: Int) throws -> CodedFrame {
      scene.draw(number, into: picture)
      return try stream.send(picture)
    }
    _ = try send(0)
    stream.encoder.setCoding(.h264)
    #expect(try stream.send(picture).bands == 0, "nothing has changed")
    #expect(try send(1).bands != 0)
    #expect(
      stream.units.allSatisfy { $0.header.coding == .h264 && $0.header.flags.contains(.intra) })
    #expect(stream.shown.psnr(against: picture) > 30)
    _ = try send(2)
    stream.encoder.setCoding(.raw)
    _ = try stream.send(picture)
    #expect(stream.units.allSatisfy { $0.header.coding == .raw })
    #expect(stream.shown.differences(from: picture) == 0, "what was video is exact now")
    _ = try send(3)
    #expect(stream.shown.differences(from: picture) == 0)
    stream.encoder.setCoding(.raw)
    #expect(try stream.send(picture).bands == 0, "it was raw before")
    #expect(stream.refused.isEmpty)
  }

  @Test("and losses that are told late are repaired once")
  func lateLosses() throws {
    var settings = softwareSettings(.h264)
    settings.bands = 1
    let stream = Stream(settings)
    let scene = FlyThrough(width: 320, height: 192)
    let picture = Picture(width: 320, height: 192)
    func send(_ number: Int) throws -> Bool {
      scene.draw(number, into: picture)
      try stream.send(picture)
      return stream.units.contains { $0.header.flags.contains(.intra) }
    }
    #expect(try send(0))
    for number in 1..<5 { #expect(try !send(number)) }
    // Frame 3 was lost, and frames 4 and 5 need it.
    stream.encoder.noteLoss(band: 0, since: 3)
    #expect(try send(5))
    stream.encoder.noteLoss(band: 0, since: 4)
    #expect(try !send(6))
    stream.encoder.noteLoss(band: 0, since: 5)
    #expect(try !send(7))
    // The repair itself, frame 6, is lost.
    stream.encoder.noteLoss(band: 0, since: 6)
    #expect(try send(8))
    // Who knows of repairs says since when it has nothing, and that of a repair that was lost too.
    stream.encoder.noteLoss(band: 0, since: 6, knowsRepairs: true)
    #expect(try send(9))
    #expect(try !send(10))
  }
}
