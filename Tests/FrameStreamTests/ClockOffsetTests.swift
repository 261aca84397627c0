import Testing

@testable import FrameStream

@Suite("Offset of another clock")
struct ClockOffsetTests {
  /// Nanoseconds that the other clock is ahead.
  private let truth: Int64 = -7_654_321_987_654

  private func there(_ time: UInt64) -> UInt64 { time &+ UInt64(bitPattern: truth) }

  /// Frames for some seconds, each with a message there and one back that take what `delays` says; the last estimate.
  private func run(
    seconds: Int, drift: Double = 0,
    _ delays: (inout SystemRandomNumberGenerator) -> (UInt64, UInt64)
  ) throws -> (offset: Int64, uncertainty: UInt64) {
    var chance = SystemRandomNumberGenerator()
    var clock = ClockOffset()
    var last: (offset: Int64, uncertainty: UInt64)?
    let start: UInt64 = 5_000_000_000_000
    for frame in 0..<seconds * 60 {
      let now = start + UInt64(frame) * 16_666_667
      func far(_ time: UInt64) -> UInt64 {
        there(time) &+ UInt64(Double(time - start) * drift)
      }
      let (up, down) = delays(&chance)
      clock.note(sent: now, arrivedThere: far(now + up))
      clock.note(sentThere: far(now + up + 1_000_000), arrived: now + up + 1_000_000 + down)
      let end = now + up + 1_000_000 + down
      let found = try #require(clock.estimate(now: end))
      let actual = truth + Int64(Double(end - start) * drift)
      #expect((found.offset - actual).magnitude <= found.uncertainty)
      last = found
    }
    return try #require(last)
  }

  @Test("is within what is said of it, whatever the ways take")
  func bounds() throws {
    let found = try run(seconds: 4) { chance in
      (
        .random(in: 1_000_000...9_000_000, using: &chance),
        .random(in: 2_000_000...30_000_000, using: &chance)
      )
    }
    // Half the shortest way there and back, and what chance leaves of the shortest.
    #expect(found.uncertainty < 4_000_000)
    let symmetric = try run(seconds: 1) { _ in (20_000_000, 20_000_000) }
    #expect(symmetric.offset == truth)
    #expect(symmetric.uncertainty == 20_000_000)
  }

  @Test("follows a clock that drifts")
  func drift() throws {
    let found = try run(seconds: 60, drift: 50e-6) { _ in (300_000, 300_000) }
    #expect(found.uncertainty < 400_000)
  }

  @Test("is forgotten when a clock is set")
  func set() throws {
    var clock = ClockOffset()
    clock.note(sent: 1_000, arrivedThere: 2_000)
    clock.note(sentThere: 2_000, arrived: 1_200)
    #expect(try #require(clock.estimate(now: 1_200)).offset == 900)
    clock.note(sentThere: 5_000_000, arrived: 2_000)
    #expect(clock.estimate(now: 2_000) == nil)
    clock.note(sent: 2_000, arrivedThere: 5_000_200)
    clock.note(sentThere: 5_000_200, arrived: 2_400)
    #expect(try #require(clock.estimate(now: 2_400)).offset == 4_998_100)
  }

  @Test("is not known from one direction, nor from what makes no sense")
  func unknown() {
    var clock = ClockOffset()
    #expect(clock.estimate(now: 0) == nil)
    clock.note(sent: 5, arrivedThere: 10)
    #expect(clock.estimate(now: 10) == nil)
    for time in [0, 1, UInt64.max, 1 << 63, (1 << 63) - 1] as [UInt64] {
      clock.note(sentThere: time, arrived: 20)
      clock.note(sent: 20, arrivedThere: time)
      clock.note(sentThere: 20, arrived: time)
      clock.note(sent: time, arrivedThere: 20)
      _ = clock.estimate(now: time)
      _ = clock.estimate(now: 20)
    }
  }
}
