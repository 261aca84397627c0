import CPlatform
import Testing

@testable import Ring

@Suite("Stamps of frames")
struct FrameStampsTests {
  private func stamps(_ moments: [UInt64]) -> FrameStamps {
    var stamps = FrameStamps()
    for (moment, time) in moments.enumerated() { stamps[moment] = time }
    return stamps
  }

  @Test("have parts whose sum is the whole, whatever is known")
  func parts() {
    for _ in 0..<500 {
      var some = stamps(
        (0..<FrameMoment.count).map { _ in .random(in: 0...3) == 0 ? 0 : .random(in: 1...999) })
      some[FrameMoment.presented] = 10
      some[FrameMoment.shown] = 500
      if some[FrameMoment.input] != 0 { some[FrameMoment.input] = 3 }
      some.order()
      var sum: UInt64 = 0
      for moment in 0..<FrameMoment.count { sum += some.part(endingAt: moment) ?? 0 }
      #expect(some[FrameMoment.shown] == 500)
      #expect(sum == 500 - some.beginning)
      let known = (0..<FrameMoment.count).map { some[$0] }.filter { $0 != 0 }
      #expect(known == known.sorted())
    }
  }

  @Test("of a node are read as they were written")
  func message() throws {
    var times = NodeFrameTimes(swapchain: 1 << 60, slot: 77, value: 1 << 40, started: 1 << 50)
    times.drawn = times.started + 5
    times.firstBand = times.drawn + 6
    times.lastBand = times.firstBand + 7_000_000
    times.sent = times.started + 20_000_000_000
    func through(_ times: NodeFrameTimes) -> NodeFrameTimes? {
      withUnsafeTemporaryAllocation(byteCount: NodeFrameTimes.byteCount, alignment: 8) { room in
        times.write(to: room.baseAddress!)
        return NodeFrameTimes(UnsafeRawBufferPointer(room))
      }
    }
    let read = try #require(through(times))
    // What is too far away is as far as can be said.
    times.sent = times.started + UInt64(UInt32.max - 1)
    #expect(read == times)
    // What lies before the beginning is put there, and nothing coded stays nothing.
    times.drawn = times.started - 1
    times.firstBand = 0
    times.lastBand = 0
    let other = try #require(through(times))
    #expect(other.drawn == times.started)
    #expect(other.firstBand == 0 && other.lastBand == 0)
    let short = [UInt8](repeating: 0xFF, count: NodeFrameTimes.byteCount - 1)
    #expect(short.withUnsafeBytes { NodeFrameTimes($0) } == nil)
    let odd = [UInt8](repeating: 0xFF, count: NodeFrameTimes.byteCount + 3)
    #expect(odd.withUnsafeBytes { NodeFrameTimes($0) } != nil)
  }

  @Test("are found by the value that announces the frame, and by no other")
  func arrivals() throws {
    let own = try TestSegment()
    let segment = own.segment
    #expect(segment.arrival(slot: 9, value: 1) == nil)
    segment.noteArrival(slot: 9, value: 1, stamps([0, 0, 5]))
    #expect(try #require(segment.arrival(slot: 9, value: 1))[FrameMoment.submitted] == 5)
    #expect(segment.arrival(slot: 9, value: 2) == nil)
    #expect(segment.arrival(slot: 10, value: 1) == nil)
    segment.noteArrival(slot: .max, value: 1, stamps([]))
    #expect(segment.arrival(slot: .max, value: 1) == nil)
    segment.noteArrival(slot: SegmentLayout.slotCount - 1, value: 3, stamps([1, 2, 3]))
    #expect(segment.arrival(slot: SegmentLayout.slotCount - 1, value: 3) != nil)
  }

  @Test("of the last frames are kept")
  func shown() throws {
    let own = try TestSegment()
    let segment = own.segment
    let count = FrameStampLayout.shownCount
    for number in 0..<count + 5 {
      var some = FrameStamps()
      some.number = number
      segment.noteShown(some)
    }
    #expect(segment.shownCount == count + 5)
    #expect(segment.shown(4) == nil)
    #expect(segment.shown(5)?.number == 5)
    #expect(segment.shown(count + 4)?.number == count + 4)
    #expect(segment.shown(count + 5) == nil)
  }

  @Test("begin with the first input that no frame has answered")
  func input() throws {
    let own = try TestSegment()
    let segment = own.segment
    #expect(segment.takeInput(before: 100) == 0)
    segment.noteInput(50)
    segment.noteInput(60)
    // It came after the present.
    #expect(segment.takeInput(before: 49) == 0)
    #expect(segment.takeInput(before: 50) == 50)
    #expect(segment.takeInput(before: 100) == 0)
    segment.noteInput(70)
    #expect(segment.takeInput(before: 100) == 70)
  }

  @Test("lie between the slots and the replies")
  func layout() {
    typealias L = SegmentLayout
    typealias S = FrameStampLayout
    #expect(L.slotsOffset + Int(L.slotCount) * 8 <= S.arrivalsOffset)
    #expect(S.arrivalsOffset + Int(L.slotCount) * S.rowSize <= S.shownOffset)
    #expect(S.shownOffset + 4096 + Int(S.shownCount) * S.rowSize <= L.repliesOffset)
    #expect((4 + FrameMoment.count) * 8 <= S.rowSize)
    #expect(HeaderField.input + 8 <= HeaderField.lostMessage)
  }
}
