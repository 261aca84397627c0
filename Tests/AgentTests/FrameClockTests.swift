import CPlatform
import Ring
import Testing

@testable import Agent

@Suite("Frame clock")
struct FrameClockTests {
  private func withSegment(_ body: (Segment) throws -> Void) throws {
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    try body(segment)
  }

  private func message(_ times: NodeFrameTimes) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: NodeFrameTimes.byteCount)
    bytes.withUnsafeMutableBytes { times.write(to: $0.baseAddress!) }
    return bytes
  }

  @Test("puts a node's times into the client's clock, between what that one says itself")
  func times() throws {
    try withSegment { segment in
      let clock = try #require(FrameClock(segment: segment))
      let ahead: UInt64 = 3_000_000_000_000
      for frame in 1...20 as ClosedRange<UInt64> {
        let before = platform_now()
        clock.willSend([PresentedFrame(slot: 4, value: frame)])
        let start = platform_now() + ahead
        var times = NodeFrameTimes(swapchain: 8, slot: 4, value: frame, started: start)
        times.drawn = platform_now() + ahead
        times.firstBand = platform_now() + ahead
        times.lastBand = platform_now() + ahead
        clock.noteFrame(8, received: platform_now())
        times.sent = platform_now() + ahead
        let wrong = message(times).withUnsafeBytes { clock.take($0) }
        let after = platform_now()
        #expect(wrong == nil)
        let stamps = try #require(segment.arrival(slot: 4, value: frame))
        let moments = (FrameMoment.submitted...FrameMoment.decoded).map { stamps[$0] }
        #expect(moments == moments.sorted(), "\(moments)")
        #expect(moments[0] >= before && moments[moments.count - 1] <= after)
      }
      let known = try #require(clock.estimate)
      #expect((known.offset - Int64(ahead)).magnitude <= known.uncertainty)
    }
  }

  @Test("believes no node that says what cannot be")
  func nonsense() throws {
    try withSegment { segment in
      let clock = try #require(FrameClock(segment: segment))
      #expect([UInt8](repeating: 0, count: 47).withUnsafeBytes { clock.take($0) } != nil)
      for started in [0, 1, UInt64.max, 1 << 63] as [UInt64] {
        for slot in [0, 5, SegmentLayout.slotCount, .max] as [UInt32] {
          clock.willSend([PresentedFrame(slot: slot, value: 1)])
          let before = platform_now()
          var times = NodeFrameTimes(swapchain: .max, slot: slot, value: 1, started: started)
          times.firstBand = started &+ 5
          times.sent = started &+ 7
          #expect(message(times).withUnsafeBytes { clock.take($0) } == nil)
          guard let stamps = segment.arrival(slot: slot, value: 1) else { continue }
          for moment in 0..<FrameMoment.count where stamps[moment] != 0 {
            #expect(stamps[moment] <= platform_now())
          }
          #expect(stamps[FrameMoment.received] >= before)
        }
      }
    }
  }

  @Test("finds the presents of a record, and none that are not in it")
  func presents() {
    func presents(_ words: [UInt32]) -> [PresentedFrame] {
      words.withUnsafeBytes { PresentedFrame.all(in: $0) }
    }
    let record: [UInt32] = [
      ControlOpcode.present, 80, 1, 0, 1, 2, 7, 7, 5, 0, 1, 11, 12, 0, 6, 0, 2, 21, 22, 0,
    ]
    #expect(
      presents(record) == [
        PresentedFrame(slot: 11, value: 12), PresentedFrame(slot: 21, value: 22),
      ])
    #expect(presents(Array(record.dropLast())).isEmpty)
    var many = record
    many[4] = .max
    #expect(presents(many).isEmpty)
    many = record
    many[5] = .max
    #expect(presents(many).isEmpty)
    #expect(presents([ControlOpcode.present]).isEmpty)
    #expect(presents([]).isEmpty)
    let swap: [UInt32] = [ControlOpcode.glSwap, 56, 1, 0, 2, 0, 0, 9, 3, 1, 0, 0, 0, 0]
    #expect(presents(swap) == [PresentedFrame(slot: 9, value: 3 | 1 << 32)])
  }

  @Test("is read frame by frame, and says what was missed")
  func reader() throws {
    try withSegment { segment in
      var reader = FrameReader()
      var numbers: [UInt64] = []
      func show(_ count: UInt64) {
        for number in 0..<count {
          var stamps = FrameStamps()
          stamps.number = number
          segment.noteShown(stamps)
        }
      }
      #expect(reader.read(segment, isLast: false) { numbers.append($0.number) } == 0)
      show(3)
      #expect(reader.read(segment, isLast: false) { numbers.append($0.number) } == 0)
      #expect(numbers == [0, 1, 2])
      #expect(reader.read(segment, isLast: false) { numbers.append($0.number) } == 0)
      #expect(numbers.count == 3)
      show(FrameStampLayout.shownCount + 7)
      numbers = []
      #expect(reader.read(segment, isLast: true) { numbers.append($0.number) } == 7)
      #expect(numbers.count == Int(FrameStampLayout.shownCount))
    }
  }

  @Test("has figures whose parts have the mean of the whole as their sum")
  func figures() throws {
    var figures = FrameFigures()
    for frame in 1...200 as ClosedRange<UInt64> {
      var stamps = FrameStamps()
      stamps[FrameMoment.presented] = 1_000_000
      if frame % 2 == 0 { stamps[FrameMoment.input] = 900_000 }
      stamps[FrameMoment.drawn] = 1_000_000 + frame * 10_000
      if frame % 3 == 0 { stamps[FrameMoment.decoded] = 1_500_000 + frame * 10_000 }
      stamps[FrameMoment.shown] = 2_000_000 + frame * 10_000
      figures.add(stamps)
    }
    let sum = figures.parts.enumerated().filter { $0.offset != FrameMoment.presented }
      .reduce(0) { $0 + $1.element.sum }
    #expect(figures.frames == 200)
    #expect(sum == figures.whole.sum)
    #expect(figures.fromInput.count == 100)
    let median = try #require(figures.whole.percentile(0.5))
    #expect(abs(median - 2) < 0.06)
    #expect(FrameFigures.Length().percentile(0.5) == nil)
    var twice = figures
    twice.add(figures)
    #expect(twice.frames == 400 && twice.whole.sum == 2 * figures.whole.sum)
  }
}
