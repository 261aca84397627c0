import CPlatform
import Testing

@testable import Interim

@Suite("Image-only motion compensation")
struct MotionTests {
  private static let (width, height) = (320, 200)

  @Test(
    "a shift is found to a fraction of a sample, and carried out", arguments: Effort.allCases,
    [(0.0, 0.0), (6, 0), (-13, 8), (25, -17), (4.5, 2.25), (-3.75, 7.5)])
  func shift(effort: Effort, motion: (Double, Double)) {
    let (width, height) = (Self.width, Self.height)
    func at(_ t: Double) -> Picture {
      picture(width, height) { texture($0 - motion.0 * t, $1 - motion.1 * t) }
    }
    let interpolator = MotionInterpolator(width: width, height: height)
    let result = Picture(width: width, height: height)
    interpolator.interpolate(from: at(0), to: at(1), phase: .half, effort: effort, into: result)
    let field = interpolator.field
    var found = 0
    for k in 0..<field.columns * field.rows {
      let error =
        abs(Double(field.dx[k]) / 8 - motion.0) + abs(Double(field.dy[k]) / 8 - motion.1)
      if error < 0.5 { found += 1 }
    }
    #expect(found > field.columns * field.rows * 6 / 10)
    let truth = at(0.5)
    for k in 0..<3 {
      #expect(decibels(result.planes[k], truth.planes[k], margin: k == 0 ? 40 : 20) > 38)
    }
  }

  @Test("a picture between two equal ones is that one", arguments: Effort.allCases)
  func still(effort: Effort) {
    let source = picture(Self.width, Self.height, texture)
    let result = Picture(width: Self.width, height: Self.height)
    MotionInterpolator(width: Self.width, height: Self.height).interpolate(
      from: source, to: source, phase: .half, effort: effort, into: result)
    #expect(isSame(result, source))
  }

  @Test("every phase lies where it should", arguments: [16, 64, 128, 200, 240])
  func phases(fraction: Int) {
    let (width, height) = (Self.width, Self.height)
    func at(_ t: Double) -> Picture {
      picture(width, height) { texture($0 - 17 * t, $1 + 9 * t) }
    }
    let result = Picture(width: width, height: height)
    MotionInterpolator(width: width, height: height).interpolate(
      from: at(0), to: at(1), phase: Phase(fraction: fraction), effort: .full, into: result)
    let truth = at(Double(fraction) / 256)
    #expect(decibels(result.luma, truth.luma, margin: 40) > 38)
  }

  @Test("a body that moves over a still ground is carried without its surroundings")
  func body() {
    let (width, height) = (Self.width, Self.height)
    func at(_ t: Double) -> Picture {
      picture(width, height) { x, y in
        let (u, v) = (x - 100 - 24 * t, y - 70)
        return (0..<80).contains(u) && (0..<60).contains(v)
          ? texture(u + 500, v + 500) : texture(x, y)
      }
    }
    let result = Picture(width: width, height: height)
    let interpolator = MotionInterpolator(width: width, height: height)
    let (first, second) = (at(0), at(1))
    interpolator.interpolate(from: first, to: second, phase: .half, effort: .full, into: result)
    let blend = Picture(width: width, height: height)
    Baseline.blend(first, second, phase: .half, into: blend)
    let truth = at(0.5)
    #expect(decibels(result.luma, truth.luma) > decibels(blend.luma, truth.luma) + 6)
  }

  @Test(
    "the outcome does not depend on the lanes", arguments: Effort.allCases, [1, 2, 3, 5])
  func lanes(effort: Effort, count: Int) {
    let (width, height) = (Self.width, Self.height)
    let first = picture(width, height, texture)
    let second = picture(width, height) { texture($0 * 1.04 - 5, $1 * 1.04 + 3) }
    let interpolator = MotionInterpolator(width: width, height: height)
    let (alone, together) = (
      Picture(width: width, height: height), Picture(width: width, height: height)
    )
    interpolator.interpolate(from: first, to: second, phase: .half, effort: effort, into: alone)
    interpolator.interpolate(
      from: first, to: second, phase: .half, effort: effort, into: together,
      lanes: threads(count))
    #expect(isSame(alone, together))
  }

  @Test(
    "any size will do, and nothing outside the picture is written",
    arguments: [(1, 1), (2, 3), (7, 5), (17, 9), (64, 1), (1, 64), (129, 131)],
    [ChromaSampling.half, .full])
  func sizes(size: (Int, Int), sampling: ChromaSampling) {
    let (width, height) = size
    let first = picture(width, height, sampling: sampling, texture)
    let second = picture(width, height, sampling: sampling) { texture($0 - 300, $1 + 200) }
    for effort in Effort.allCases {
      let result = Picture(width: width, height: height, sampling: sampling)
      let interpolator = MotionInterpolator(width: width, height: height)
      interpolator.interpolate(from: first, to: second, phase: .half, effort: effort, into: result)
      for plane in result.planes {
        for y in -1...plane.height {
          #expect(plane.row(y)[-1] == 0 && plane.row(y)[plane.width] == 0)
        }
        for x in 0..<plane.width {
          #expect(plane.row(-1)[x] == 0 && plane.row(plane.height)[x] == 0)
        }
      }
      interpolator.interpolate(from: first, to: first, phase: .half, effort: effort, into: result)
      #expect(isSame(result, first))
    }
  }

  @Test("hold repeats, and blend is a mean by phase")
  func baselines() {
    let first = picture(33, 17, texture)
    let second = picture(33, 17) { 255 - texture($0, $1) }
    let result = Picture(width: 33, height: 17)
    Baseline.hold(first, into: result)
    #expect(isSame(result, first))
    Baseline.blend(first, second, phase: Phase(fraction: 0), into: result)
    #expect(isSame(result, first))
    Baseline.blend(first, second, phase: Phase(fraction: 256), into: result)
    #expect(isSame(result, second))
    Baseline.blend(first, second, phase: Phase(fraction: 64), into: result, lanes: threads(2))
    for y in 0..<17 {
      for x in 0..<33 {
        let mean = (3 * Int(first.luma.row(y)[x]) + Int(second.luma.row(y)[x]) + 2) / 4
        #expect(Int(result.luma.row(y)[x]) == mean)
      }
    }
  }

  @Test("windows are the same by larger vectors and by loops")
  func vectors() {
    let first = picture(80, 60, texture)
    let second = picture(80, 60) { texture($0 * 1.1 - 7, $1 * 0.9 + 3) }
    defer { withExtendedLifetime((first, second)) {} }
    let (plane, other) = (first.luma, second.luma)
    var state: UInt64 = 9
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<200 {
      let (x, y, u, v) = (random(600) - 40, random(480) - 40, random(600), random(480))
      for block in [8, 4] {
        let window = 2 * block
        let share = random(257)
        let p = Tap(plane, x, y, 3, window, total: share)
        let q = Tap(other, u, v, 3, window, total: 256 - share)
        var weights = [UInt16](repeating: 0, count: window * window)
        Overlap.fillWeights(&weights, block: block)
        var loops = (0..<window * (window + 3)).map { _ in UInt16(random(40_000)) }
        var vectors = loops
        let isDone =
          block == 8
          ? platform_add_window(&vectors, window + 3, weights, p.tap, q.tap)
          : platform_add_small_window(&vectors, window + 3, weights, p.tap, q.tap)
        Overlap.add(p, q, window, weights, &loops, window + 3)
        #expect(!isDone || vectors == loops)
        guard block == 8 else { continue }
        let (a, b) = (CubicTap(plane, x, y), CubicTap(other, u, v))
        let sixteenths = Int16(random(17))
        let isCubicDone = platform_add_cubic_window(
          &vectors, window + 3, weights, a.tap, b.tap, sixteenths)
        withUnsafeTemporaryAllocation(byteCount: 4 * CubicTap.scratch, alignment: 16) {
          Overlap.addCubic(
            a, b, sixteenths, weights, &loops, window + 3, $0.baseAddress!)
        }
        #expect(!isCubicDone || vectors == loops)
      }
      let fit = SubsampleFit(plane, other, .half)
      let p = Tap(plane, x, y, 3, 8, total: 128)
      let q = Tap(other, u, v, 3, 8, total: 128)
      let (a, b) = (plane.row(random(40)) + random(60), other.row(random(40)) + random(60))
      var found = platform_fit()
      let isDone = platform_fit_window_between(
        &found, a, plane.stride, b, other.stride, p.tap, q.tap)
      #expect(!isDone || isEqual(found, fit.add(a, plane.stride, b, other.stride, (p, q))))
      let isWholeDone = platform_fit_window(&found, a, plane.stride, b, other.stride)
      #expect(!isWholeDone || isEqual(found, fit.add(a, plane.stride, b, other.stride, nil)))
    }
  }

  private func isEqual(_ a: platform_fit, _ b: platform_fit) -> Bool {
    (a.xx, a.xy, a.yy, a.xr, a.yr) == (b.xx, b.xy, b.yy, b.xr, b.yr)
      && a.difference == b.difference
  }
}
