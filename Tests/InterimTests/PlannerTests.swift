import Testing

@testable import Interim

@Suite("InterimPlanner")
struct PlannerTests {
  /// Pictures a second, real and interim, that a planner comes to in ten seconds.
  private func shown(_ rate: Double, target: Double, most: Int = 3, cost: Double = 0) -> Double {
    var planner = InterimPlanner(targetRate: target, most: most)
    planner.add(cost: cost)
    var count = 0
    var last = 0.0
    let frames = Int(rate * 10)
    for k in 0..<frames {
      let time = Double(k) / rate
      planner.add(frameAt: time)
      let instants = k > 0 ? planner.instants(from: last, to: time) : []
      for (before, after) in zip([last] + instants, instants + [time]) where k > 0 {
        #expect(before < after)
      }
      count += 1 + instants.count
      last = time
    }
    return Double(count) / 10
  }

  @Test(
    "the target rate is held, also where it is no multiple of the real one",
    arguments: [(30.0, 60.0), (20, 60), (24, 60), (25, 60), (45, 60), (40, 144), (29.97, 59.94)])
  func rates(real: Double, target: Double) {
    #expect(abs(shown(real, target: target) - target) < 0.02 * target)
  }

  @Test("what is fast enough is left alone")
  func fast() {
    #expect(abs(shown(60, target: 60) - 60) < 0.01)
    #expect(abs(shown(144, target: 60) - 144) < 0.01)
  }

  @Test("no more is made than may be, or than there is time for")
  func limits() {
    #expect(shown(10, target: 60, most: 2) <= 30)
    #expect(shown(10, target: 60, most: 0) == 10)
    // 60 % of 100 ms is enough for one picture of 50 ms.
    #expect(shown(10, target: 60, cost: 0.05) <= 20)
    #expect(shown(10, target: 60, cost: 1) == 10)
  }

  @Test("a pause is not filled, and does not change the rate")
  func pauses() throws {
    var planner = InterimPlanner(targetRate: 60)
    for k in 0..<10 { planner.add(frameAt: Double(k) / 30) }
    planner.add(frameAt: 5)
    #expect(planner.instants(from: 0.3, to: 5).isEmpty)
    #expect(abs(try #require(planner.interval) - 1.0 / 30) < 1e-9)
    #expect(planner.instantsAhead().count == 1)
    #expect(abs(planner.instantsAhead()[0] - 5 - 1.0 / 60) < 1e-9)
  }

  @Test("after a burst of frames the rate is what comes behind it")
  func burst() throws {
    var planner = InterimPlanner(targetRate: 60)
    for k in 0..<6 { planner.add(frameAt: Double(k) / 1000) }
    #expect(!planner.isActive)
    for k in 1...10 { planner.add(frameAt: Double(k) / 20) }
    #expect(abs(try #require(planner.interval) - 0.05) < 1e-6)
    #expect(planner.isActive && planner.picturesAGap == 2)
  }

  @Test("times that run backwards or are no numbers change nothing")
  func nonsense() {
    var planner = InterimPlanner(targetRate: .nan, most: -4, workShare: 9)
    #expect(planner.instantsAhead().isEmpty)
    for time in [1, .nan, 0.5, .infinity, 1, -.infinity] { planner.add(frameAt: time) }
    planner.add(cost: .nan)
    planner.add(cost: -1)
    #expect(planner.interval == nil)
    #expect(planner.instants(from: 2, to: 1).isEmpty)
    #expect(planner.instants(from: .nan, to: 1).isEmpty)
  }
}
