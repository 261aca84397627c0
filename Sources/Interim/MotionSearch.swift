/// Finds motion between two pictures, symmetrically around the interim picture: each block of that
/// takes the vector along which the two match best, from small versions of them to large ones.
final class MotionSearch: @unchecked Sendable {
  /// Samples along a block's edge in every reduced level, and along the window that is compared.
  private static let step = 4
  private static let window = 8
  /// Reach of the exhaustive search in the smallest level, in its samples.
  private static let reach = 7
  /// Parts that a level is cut into. Fixed, so that the outcome does not depend on the lanes.
  private static let parts = 8

  /// Whole-sample vectors of a level.
  private final class Level: @unchecked Sendable {
    let columns: Int
    let rows: Int
    let dx: UnsafeMutablePointer<Int16>
    let dy: UnsafeMutablePointer<Int16>

    init(width: Int, height: Int) {
      columns = (width + step - 1) / step
      rows = (height + step - 1) / step
      dx = .allocate(capacity: columns * rows)
      dy = .allocate(capacity: columns * rows)
      dx.initialize(repeating: 0, count: columns * rows)
      dy.initialize(repeating: 0, count: columns * rows)
    }

    deinit {
      dx.deallocate()
      dy.deallocate()
    }
  }

  let field: MotionField
  private let before: Pyramid
  private let after: Pyramid
  private let levels: [Level]
  private let scratch: Level

  init(width: Int, height: Int) {
    before = Pyramid(width: width, height: height)
    after = Pyramid(width: width, height: height)
    // Level 0 here is the half size: the full size has the same grid.
    levels = before.planes.dropFirst().map { Level(width: $0.width, height: $0.height) }
    scratch = Level(width: before.planes[1].width, height: before.planes[1].height)
    field = MotionField(columns: levels[0].columns, rows: levels[0].rows)
  }

  /// Fills the field with motion from one picture to the other.
  func run(from first: Plane, to second: Plane, phase: Phase, lanes: Lanes) {
    before.build(from: first, lanes: lanes)
    after.build(from: second, lanes: lanes)
    for index in (0..<levels.count).reversed() {
      search(index, phase, lanes)
    }
    smooth(phase, lanes)
    refine(phase, lanes)
  }

  // MARK: - Whole samples

  /// Fetches windows of two pictures at a displacement, kept within the pictures' borders.
  private struct Matcher {
    let first: Plane
    let second: Plane
    let phase: Phase
    private let lastX: Int
    private let lastY: Int
    private static let overhang = 20

    init(_ first: Plane, _ second: Plane, _ phase: Phase) {
      self.first = first
      self.second = second
      self.phase = phase
      lastX = first.width + Self.overhang - MotionSearch.window
      lastY = first.height + Self.overhang - MotionSearch.window
    }

    @inline(__always)
    private func at(_ plane: Plane, _ x: Int, _ y: Int) -> UnsafePointer<UInt8> {
      let cx = min(max(x, 0 &- Self.overhang), lastX)
      let cy = min(max(y, 0 &- Self.overhang), lastY)
      return UnsafePointer(plane.base + (cy &* plane.stride &+ cx))
    }

    /// The sum of differences over the window whose corner is given.
    @inline(__always)
    func difference(_ x: Int, _ y: Int, _ dx: Int, _ dy: Int) -> Int {
      let (bx, by) = (phase.before(dx), phase.before(dy))
      return sumOfDifferences8x8(
        at(first, x &- bx, y &- by), first.stride,
        at(second, x &+ dx &- bx, y &+ dy &- by), second.stride)
    }
  }

  private func search(_ index: Int, _ phase: Phase, _ lanes: Lanes) {
    let level = levels[index]
    let parent = index + 1 < levels.count ? levels[index + 1] : nil
    let matcher = Matcher(before.planes[index + 1], after.planes[index + 1], phase)
    lanes.forRanges(of: level.rows, parts: Self.parts) { rows in
      for row in rows {
        if let parent {
          self.searchRow(row, isFirst: row == rows.lowerBound, level, parent, matcher)
        } else {
          self.searchAll(row, level, matcher)
        }
      }
    }
  }

  /// Tries every displacement.
  private func searchAll(_ row: Int, _ level: Level, _ matcher: Matcher) {
    let y = row &* Self.step &- (Self.window - Self.step) / 2
    for column in 0..<level.columns {
      let x = column &* Self.step &- (Self.window - Self.step) / 2
      var (bestX, bestY, best) = (0, 0, matcher.difference(x, y, 0, 0))
      for dy in -Self.reach...Self.reach {
        for dx in -Self.reach...Self.reach {
          let cost =
            matcher.difference(x, y, dx, dy) &+ (dx.magnitude2 &+ dy.magnitude2) &* 6
          if cost < best { (bestX, bestY, best) = (dx, dy, cost) }
        }
      }
      level.dx[row &* level.columns &+ column] = Int16(truncatingIfNeeded: bestX)
      level.dy[row &* level.columns &+ column] = Int16(truncatingIfNeeded: bestY)
    }
  }

  /// Tries what the level above found hereabouts, what the neighbours have, and steps from the best.
  private func searchRow(
    _ row: Int, isFirst: Bool, _ level: Level, _ parent: Level, _ matcher: Matcher
  ) {
    let y = row &* Self.step &- (Self.window - Self.step) / 2
    let (columns, parentColumns) = (level.columns, parent.columns)
    let (dx, dy) = (level.dx + row &* columns, level.dy + row &* columns)
    let near = min(parent.rows &- 1, row &>> 1)
    let far = min(parent.rows &- 1, max(0, near &+ (row & 1 == 0 ? -1 : 1)))
    for column in 0..<columns {
      let x = column &* Self.step &- (Self.window - Self.step) / 2
      let nearColumn = min(parentColumns &- 1, column &>> 1)
      let farColumn = min(
        parentColumns &- 1, max(0, nearColumn &+ (column & 1 == 0 ? -1 : 1)))
      let p = near &* parentColumns &+ nearColumn
      let (px, py) = (Int(parent.dx[p]) &* 2, Int(parent.dy[p]) &* 2)
      var (bestX, bestY) = (px, py)
      var best = matcher.difference(x, y, px, py)

      @inline(__always)
      func consider(_ cx: Int, _ cy: Int) {
        if cx == bestX && cy == bestY { return }
        let cost =
          matcher.difference(x, y, cx, cy)
          &+ ((cx &- px).magnitude2 &+ (cy &- py).magnitude2) &* Self.stiffness
        if cost < best { (bestX, bestY, best) = (cx, cy, cost) }
      }
      @inline(__always)
      func consider(parent at: Int) {
        consider(Int(parent.dx[at]) &* 2, Int(parent.dy[at]) &* 2)
      }
      if best > Self.goodEnough {
        consider(parent: near &* parentColumns &+ farColumn)
        consider(parent: far &* parentColumns &+ nearColumn)
        consider(parent: far &* parentColumns &+ farColumn)
        if column > 0 { consider(Int(dx[column &- 1]), Int(dy[column &- 1])) }
        if !isFirst {
          consider(Int(dx[column &- columns]), Int(dy[column &- columns]))
          if column &+ 1 < columns {
            consider(Int(dx[column &+ 1 &- columns]), Int(dy[column &+ 1 &- columns]))
          }
        }
        consider(0, 0)
      }
      let diamond = level === levels[0] ? 1 : 3
      for _ in 0..<diamond {
        let (cx, cy) = (bestX, bestY)
        consider(cx &- 1, cy)
        consider(cx &+ 1, cy)
        consider(cx, cy &- 1)
        consider(cx, cy &+ 1)
        if bestX == cx && bestY == cy { break }
      }
      dx[column] = Int16(truncatingIfNeeded: bestX)
      dy[column] = Int16(truncatingIfNeeded: bestY)
    }
  }

  /// What a sample away from the prediction costs, in levels summed over the window.
  private static let stiffness = 6

  /// A difference of a window that is not worth a search for a smaller one: less than a level a sample.
  private static let goodEnough = 60

  /// Once more over the last level, with what the neighbours on all sides have: what is right spreads
  /// against the order of the search too.
  private func smooth(_ phase: Phase, _ lanes: Lanes) {
    let (level, result) = (levels[0], scratch)
    let matcher = Matcher(before.planes[1], after.planes[1], phase)
    let columns = level.columns
    lanes.forRanges(of: level.rows, parts: Self.parts) { rows in
      for row in rows {
        let y = row &* Self.step &- (Self.window - Self.step) / 2
        let (up, down) = (max(0, row &- 1) &* columns, min(level.rows &- 1, row &+ 1) &* columns)
        let here = row &* columns
        for column in 0..<columns {
          let x = column &* Self.step &- (Self.window - Self.step) / 2
          let (left, right) = (max(0, column &- 1), min(columns &- 1, column &+ 1))
          let around = (
            here &+ left, here &+ right, up &+ column, down &+ column
          )
          // The mean of the neighbours is what the block is drawn to.
          let sx =
            Int(level.dx[around.0]) &+ Int(level.dx[around.1]) &+ Int(level.dx[around.2])
            &+ Int(level.dx[around.3])
          let sy =
            Int(level.dy[around.0]) &+ Int(level.dy[around.1]) &+ Int(level.dy[around.2])
            &+ Int(level.dy[around.3])
          let own = (Int(level.dx[here &+ column]), Int(level.dy[here &+ column]))
          var (bestX, bestY) = own
          var best =
            matcher.difference(x, y, bestX, bestY) &+ (bestX &* 4 &- sx).magnitude2
            &+ (bestY &* 4 &- sy).magnitude2
          @inline(__always)
          func consider(_ at: Int) {
            let (cx, cy) = (Int(level.dx[at]), Int(level.dy[at]))
            if cx == own.0 && cy == own.1 || cx == bestX && cy == bestY { return }
            let cost =
              matcher.difference(x, y, cx, cy) &+ (cx &* 4 &- sx).magnitude2
              &+ (cy &* 4 &- sy).magnitude2
            if cost < best { (bestX, bestY, best) = (cx, cy, cost) }
          }
          consider(around.0)
          consider(around.1)
          consider(around.2)
          consider(around.3)
          consider(up &+ left)
          consider(up &+ right)
          consider(down &+ left)
          consider(down &+ right)
          result.dx[here &+ column] = Int16(truncatingIfNeeded: bestX)
          result.dy[here &+ column] = Int16(truncatingIfNeeded: bestY)
        }
      }
    }
  }

  // MARK: - Fractions of a sample

  private func refine(_ phase: Phase, _ lanes: Lanes) {
    let field = field
    let columns = field.columns
    lanes.forRanges(of: field.rows, parts: Self.parts) { rows in
      let fit = SubsampleFit(self.before.planes[1], self.after.planes[1], phase)
      for row in rows {
        for column in 0..<columns {
          let at = row &* columns &+ column
          // From samples of the half size to eighths of one of the full size.
          var vector = (Int(self.scratch.dx[at]) &* 16, Int(self.scratch.dy[at]) &* 16)
          let (x, y) = (column &* Self.step &- 2, row &* Self.step &- 2)
          _ = fit.step(x, y, &vector, isWhole: true)
          let residual = fit.step(x, y, &vector, isWhole: false)
          field.dx[at] = Int16(truncatingIfNeeded: vector.0)
          field.dy[at] = Int16(truncatingIfNeeded: vector.1)
          field.residual[at] = UInt16(truncatingIfNeeded: residual)
        }
      }
    }
  }
}

extension Int {
  /// The magnitude, as a signed number.
  @inline(__always)
  var magnitude2: Int { self < 0 ? 0 &- self : self }
}

/// The sum of differences of two windows of 8×8 samples.
@inline(__always)
func sumOfDifferences8x8(
  _ a: UnsafePointer<UInt8>, _ aStride: Int, _ b: UnsafePointer<UInt8>, _ bStride: Int
) -> Int {
  var sum: UInt32 = 0
  var p = a
  var q = b
  for _ in 0..<8 {
    for x in 0..<8 {
      let d = Int32(p[x]) &- Int32(q[x])
      sum &+= UInt32(bitPattern: d < 0 ? 0 &- d : d)
    }
    p += aStride
    q += bStride
  }
  return Int(sum)
}

/// Moves a vector by fractions of a sample to where two windows match best: steps of Gauss and Newton.
struct SubsampleFit {
  private let first: Plane
  private let second: Plane
  private let phase: Phase

  init(_ first: Plane, _ second: Plane, _ phase: Phase) {
    self.first = first
    self.second = second
    self.phase = phase
  }

  /// Steps once.
  ///
  /// - Parameters:
  ///   - x, y: the window's corner in the interim picture, in samples of the level.
  ///   - vector: in 16ths of such a sample.
  ///   - isWhole: whether to compare at whole samples, which needs no interpolation.
  /// - Returns: the mean difference at the vector that was given, in eighths of a level.
  @inline(__always)
  func step(_ x: Int, _ y: Int, _ vector: inout (Int, Int), isWhole: Bool) -> Int {
    let (dx, dy) = ((vector.0 &+ 8) &>> 4, (vector.1 &+ 8) &>> 4)
    let (bx, by) = (phase.before(dx), phase.before(dy))
    let (s, t) = (first.stride, second.stride)
    let a0 = at(first, x &- bx, y &- by)
    let b0 = at(second, x &+ dx &- bx, y &+ dy &- by)
    // Where the vector leads with its fractions.
    let (cx, cy) = (phase.before(vector.0), phase.before(vector.1))
    let p = Tap(first, (x &<< 4) &- cx, (y &<< 4) &- cy, 4, 8, total: 128)
    let q = Tap(
      second, (x &<< 4) &+ vector.0 &- cx, (y &<< 4) &+ vector.1 &- cy, 4, 8, total: 128)
    var difference = SIMD8<UInt16>.zero
    var (xx, xy, yy) = (SIMD8<Int32>.zero, SIMD8<Int32>.zero, SIMD8<Int32>.zero)
    var (xr, yr) = (SIMD8<Int32>.zero, SIMD8<Int32>.zero)
    var (above, here) = (load(a0 - s) &+ load(b0 - t), load(a0) &+ load(b0))
    for j in 0..<8 {
      let (a, b) = (a0 + j &* s, b0 + j &* t)
      let below = load(a + s) &+ load(b + t)
      let gx = load(a + 1) &- load(a - 1) &+ load(b + 1) &- load(b - 1)
      let gy = below &- above
      above = here
      here = below
      // In eighths of a level.
      let r =
        isWhole
        ? (load(a) &- load(b)) &<< 3
        : SIMD8<Int16>(
          truncatingIfNeeded: p.fetch(p.base + j &* s) &- q.fetch(q.base + j &* t)) &>> 4
      difference &+= magnitudes(r)
      let wide = (
        SIMD8<Int32>(truncatingIfNeeded: gx), SIMD8<Int32>(truncatingIfNeeded: gy),
        SIMD8<Int32>(truncatingIfNeeded: r)
      )
      xx &+= wide.0 &* wide.0
      xy &+= wide.0 &* wide.1
      yy &+= wide.1 &* wide.1
      xr &+= wide.0 &* wide.2
      yr &+= wide.1 &* wide.2
    }
    let damping: Float = 250
    let (a, b, c) = (
      Float(xx.wrappedSum()) + damping, Float(xy.wrappedSum()), Float(yy.wrappedSum()) + damping
    )
    let (u, v) = (Float(xr.wrappedSum()), Float(yr.wrappedSum()))
    // Gradients are of four times a level, differences of eight.
    let scale = 4 * 16 / 8 / (a * c - b * b)
    let sx = (c * u - b * v) * scale
    let sy = (a * v - b * u) * scale
    let limit: Float = 16
    vector.0 &+= Int(max(-limit, min(limit, sx)) + 1024.5) &- 1024
    vector.1 &+= Int(max(-limit, min(limit, sy)) + 1024.5) &- 1024
    return Int(SIMD8<UInt32>(truncatingIfNeeded: difference).wrappedSum()) &>> 6
  }

  @inline(__always)
  private func load(_ p: UnsafePointer<UInt8>) -> SIMD8<Int16> {
    SIMD8<Int16>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD8<UInt8>.self))
  }

  @inline(__always)
  private func magnitudes(_ v: SIMD8<Int16>) -> SIMD8<UInt16> {
    let sign = v &>> 15
    return SIMD8<UInt16>(truncatingIfNeeded: (v ^ sign) &- sign)
  }

  @inline(__always)
  private func at(_ plane: Plane, _ x: Int, _ y: Int) -> UnsafePointer<UInt8> {
    let px = min(max(x, -20), plane.width &+ 10)
    let py = min(max(y, -20), plane.height &+ 10)
    return UnsafePointer(plane.base + (py &* plane.stride &+ px))
  }
}
