import Testing

@testable import Interim

@Suite("Tiers of interim pictures")
struct TierTests {
  private static let world = World()
  private static let step = 1.0 / 15

  /// What a synthesizer makes half a step after the third of four frames.
  private func make(
    _ tiers: Set<InterimTier>, isGated: Bool = true, isAhead: Bool = false, world: World = world,
    lanes: Lanes = .serial,
    change: (inout [InterimFrame], inout InterimInstant) -> Void = { _, _ in }
  ) -> (picture: Picture, report: InterimReport, truth: Picture, hold: Picture) {
    let step = Self.step
    var frames = (0..<6).map { world.frame(Double($0) * step) }
    let truth = world.frame(4.5 * step)
    var instant = InterimInstant(time: 4.5 * step, side: truth.side)
    change(&frames, &instant)
    let synthesizer = InterimSynthesizer(width: world.width, height: world.height)
    let picture = Picture(width: world.width, height: world.height)
    var report: InterimReport?
    for k in 0..<5 {
      var now = instant
      if k < 4 { now = InterimInstant(time: (Double(k) + 0.5) * step) }
      report = synthesizer.make(
        history: Array(frames[max(0, k - 2)...k]), next: isAhead ? nil : frames[k + 1],
        instant: now, options: InterimOptions(effort: .full, tiers: tiers, isGated: isGated),
        into: picture, lanes: lanes)
    }
    return (picture, report!, truth.picture, frames[4].picture)
  }

  @Test(
    "each tier is far nearer to the picture that nobody rendered than the one before is",
    arguments: InterimTier.allCases.dropFirst())
  func tiers(tier: InterimTier) {
    let isAhead = !tier.needsNext
    let made = make([tier], isAhead: isAhead)
    #expect(made.report.tier == tier)
    #expect(made.report.confidence > 0.5 && made.report.confidence <= 1)
    #expect(made.report.share > 0.8)
    let (hold, own) = (
      decibels(made.hold.luma, made.truth.luma), decibels(made.picture.luma, made.truth.luma)
    )
    let gain = tier == .compensated ? 4.0 : tier < .interpolatedToGeometry ? 6 : 10
    #expect(own > hold + gain, "\(own) dB against \(hold)")
    #expect(
      decibels(made.picture.blue, made.truth.blue) > decibels(made.hold.blue, made.truth.blue) + 3)
  }

  @Test("with all tiers allowed, the best that the data serve is taken")
  func best() {
    let all = Set(InterimTier.allCases)
    #expect(make(all).report.tier == .interpolatedToGeometry)
    #expect(make(all) { $1.side = nil }.report.tier == .interpolated)
    #expect(
      make(all) { frames, instant in
        for k in frames.indices { frames[k].side = nil }
      }.report.tier == .compensated)
    #expect(make(all, isAhead: true).report.tier == .extrapolatedToGeometry)
    #expect(make(all, isAhead: true) { $1.side = nil }.report.tier == .extrapolated)
    let blind = make(all, isAhead: true) { frames, _ in
      for k in frames.indices { frames[k].side = nil }
    }
    #expect(blind.report == InterimReport(tier: .hold, confidence: 0, share: 1))
    #expect(isSame(blind.picture, blind.hold))
  }

  @Test("after a cut the picture before stays", arguments: [true, false])
  func cut(knows: Bool) {
    let made = make(Set(InterimTier.allCases)) { frames, instant in
      let (width, height) = (Self.world.width, Self.world.height)
      frames[5].picture = picture(width, height) { 255 - texture($0 * 1.7 + 900, $1 * 2 + 700) }
      if !knows {
        frames[5].side = nil
        instant.side = nil
      }
    }
    #expect(made.report.tier == .hold)
    #expect(isSame(made.picture, made.hold))
  }

  @Test("matrices of somebody else's are not believed")
  func wrongMatrices() {
    let made = make(Set(InterimTier.allCases), isAhead: true) { frames, instant in
      var other = World()
      other.cameraSpeed = -40
      for k in frames.indices {
        frames[k].side!.objects = other.objects(Double(k) * Self.step)
      }
      instant.side!.objects = other.objects(4.5 * Self.step)
    }
    #expect(made.report.tier == .hold)
    #expect(isSame(made.picture, made.hold))
  }

  @Test("where nothing moves, the picture before comes out", arguments: InterimTier.allCases)
  func still(tier: InterimTier) {
    var world = World()
    (world.cameraSpeed, world.boardSpeed) = (0, 0)
    let made = make([tier], isAhead: !tier.needsNext, world: world)
    #expect(isSame(made.picture, made.hold))
  }

  @Test(
    "the outcome does not depend on the lanes", arguments: InterimTier.allCases.dropFirst(), [2, 3])
  func lanes(tier: InterimTier, count: Int) {
    let alone = make([tier], isAhead: !tier.needsNext)
    let together = make([tier], isAhead: !tier.needsNext, lanes: threads(count))
    #expect(alone.report == together.report)
    #expect(isSame(alone.picture, together.picture))
  }

  @Test("a view that jolts to and fro is not extrapolated")
  func jolts() {
    let world = Self.world
    let made = make([.extrapolated], isAhead: true) { frames, _ in
      for k in frames.indices {
        var frame = world.frame(Double(k % 2 == 0 ? k : k + 3) * Self.step)
        frame.time = Double(k) * Self.step
        frames[k] = frame
      }
    }
    #expect(made.report.tier == .hold)
  }

  @Test("what is drawn over the world is in its place", arguments: [true, false])
  func overlay(isReplayed: Bool) {
    let world = Self.world
    func bar(_ y: Float) -> Overlay {
      let overlay = Overlay(width: world.width, height: world.height)
      overlay.set { _, row in (y: y, cb: 100, cr: 150, alpha: row < 20 ? 255 : 0) }
      return overlay
    }
    let made = make(Set(InterimTier.allCases)) { frames, instant in
      for k in frames.indices { frames[k].overlay = bar(40) }
      if isReplayed { instant.overlay = bar(90) }
    }
    for y in 0..<20 {
      for x in 0..<world.width { #expect(made.picture.luma.row(y)[x] == (isReplayed ? 90 : 40)) }
    }
    #expect(made.picture.blue.row(3)[5] == 100 && made.picture.red.row(3)[5] == 150)
  }

  @Test(
    "depth, objects and matrices that are nonsense are survived",
    arguments: InterimTier.allCases.dropFirst())
  func nonsense(tier: InterimTier) {
    for kind in 0..<5 {
      let made = make([tier], isGated: kind % 2 == 0, isAhead: !tier.needsNext) { frames, instant in
        let sides = frames.map { $0.side! } + [instant.side!]
        for side in sides {
          for k in 0..<side.width * side.height {
            switch kind {
            case 0: side.depth[k] = .nan
            case 1: side.depth[k] = k % 3 == 0 ? .infinity : -1e30
            case 2: side.object[k] = UInt16(truncatingIfNeeded: k * 977)
            default: break
            }
          }
          for k in side.objects.indices {
            if kind == 3 { side.objects[k].transform = Matrix4.identity * .nan }
            if kind == 4 { side.objects[k].transform = Matrix4.identity * 1e-200 }
          }
        }
      }
      #expect((0...1).contains(made.report.confidence))
    }
  }

  @Test("frames of another size are not used, and any size will do")
  func sizes() {
    for (width, height) in [(1, 1), (1, 9), (2, 2), (3, 5), (33, 17)] {
      var world = World()
      (world.width, world.height) = (width, height)
      for tier in InterimTier.allCases {
        _ = make([tier], isGated: false, isAhead: !tier.needsNext, world: world)
      }
    }
    let synthesizer = InterimSynthesizer(width: 64, height: 64)
    let target = Picture(width: 64, height: 64)
    let other = InterimFrame(time: 0, picture: Picture(width: 32, height: 64))
    let report = synthesizer.make(
      history: [other], next: nil, instant: InterimInstant(time: 1), into: target)
    #expect(report == InterimReport(tier: .hold, confidence: 0, share: 1))
  }
}
