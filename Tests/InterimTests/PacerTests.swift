import Testing

@testable import Interim

@Suite("InterimPacer")
struct PacerTests {
  @Test("without pictures nothing is late")
  func nothing() {
    var pacer = InterimPacer()
    for k in 0..<20 {
      let time = pacer.timeToShow(now: Double(k) / 60, interval: nil, pictures: 0, cost: 0.005)
      #expect(time == nil)
    }
    #expect(pacer.delay == 0)
  }

  @Test("all pictures of a gap can be made in time, and frames come evenly", arguments: [1, 2, 3])
  func late(pictures: Int) throws {
    var pacer = InterimPacer()
    let (gap, cost) = (0.05, 0.004)
    var last: Double?
    for k in 0..<60 {
      // Now a little sooner, now a little later.
      let now = Double(k) * gap + (k % 2 == 0 ? 0.002 : -0.002)
      let found = pacer.timeToShow(now: now, interval: gap, pictures: pictures, cost: cost)
      let time = try #require(found)
      #expect(time >= now && time <= now + InterimPacer.mostDelay + gap / 2)
      if let last, k > 10 {
        #expect(abs(time - last - gap) < 0.003)
        // The first picture is made when the frame is there.
        #expect(last + (time - last) / Double(pictures + 1) >= now + cost - 0.003)
      }
      last = time
    }
  }

  @Test("delay goes away by and by, and time never backwards")
  func end() throws {
    var pacer = InterimPacer()
    var now = 0.0
    var last = 0.0
    for k in 0..<80 {
      now += k < 20 ? 0.04 : 0.016
      let time =
        pacer.timeToShow(
          now: now, interval: k < 20 ? 0.04 : nil, pictures: k < 20 ? 2 : 0, cost: 0.005) ?? now
      #expect(time >= last && time >= now)
      last = time
    }
    #expect(pacer.delay == 0 && last == now)
  }

  @Test("a pause begins anew; times that are none are taken for none")
  func pause() throws {
    var pacer = InterimPacer()
    for k in 0..<10 {
      _ = pacer.timeToShow(now: Double(k) * 0.04, interval: 0.04, pictures: 1, cost: 0.005)
    }
    let found = pacer.timeToShow(now: 7, interval: 0.04, pictures: 1, cost: 0.005)
    let time = try #require(found)
    #expect(abs(time - 7 - pacer.delay) < 1e-9)
    let none = pacer.timeToShow(now: .nan, interval: 0.04, pictures: 1, cost: 0.005)
    #expect(none == nil)
  }
}
