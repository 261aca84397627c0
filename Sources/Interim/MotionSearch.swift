internal import CPlatform

/// Finds motion between two pictures, symmetrically around the interim picture: each block of that
/// takes the vector along which the two match best, from small versions of them to large ones.
final class MotionSearch: @unchecked Sendable {
  /// Samples along a block's edge in every reduced level, and along the window that is compared.
  private static let step = 4
  private static let window = 8
  /// Parts that a level is cut into. Fixed, so that the outcome does not depend on the lanes.
  private static let parts = 8

  /// Whole-sample vectors of a level.
  private final class Level: @unchecked Sendable {
    typealias Vectors = (dx: UnsafeMutablePointer<Int16>, dy: UnsafeMutablePointer<Int16>)

    let columns: Int
    let rows: Int
    private(set) var vectors: Vectors
    /// Where the next ones are written.
    private(set) var others: Vectors

    init(width: Int, height: Int) {
      columns = (width + step - 1) / step
      rows = (height + step - 1) / step
      let count = columns * rows
      func zeros() -> UnsafeMutablePointer<Int16> {
        let memory = UnsafeMutablePointer<Int16>.allocate(capacity: count)
        memory.initialize(repeating: 0, count: count)
        return memory
      }
      vectors = (zeros(), zeros())
      others = (zeros(), zeros())
    }

    deinit {
      for memory in [vectors.dx, vectors.dy, others.dx, others.dy] { memory.deallocate() }
    }

    func exchange() { swap(&vectors, &others) }
  }

  let field: MotionField
  private let before: Pyramid
  private let after: Pyramid
  private let levels: [Level]
  /// Of the smallest level.
  private let match: SemiGlobalMatch

  init(width: Int, height: Int) {
    before = Pyramid(width: width, height: height)
    after = Pyramid(width: width, height: height)
    // Level 0 here is the half size: the full size has the same grid.
    levels = before.planes.dropFirst().map { Level(width: $0.width, height: $0.height) }
    field = MotionField(columns: levels[0].columns, rows: levels[0].rows)
    let smallest = levels[levels.count - 1]
    match = SemiGlobalMatch(columns: smallest.columns, rows: smallest.rows)
  }

  /// Fills the field with motion from one picture to the other.
  func run(from first: Plane, to second: Plane, phase: Phase, lanes: Lanes) {
    before.build(from: first, lanes: lanes)
    after.build(from: second, lanes: lanes)
    for index in (0..<levels.count).reversed() {
      if index == levels.count - 1 {
        begin(phase, lanes)
      } else {
        search(index, phase, lanes)
      }
      for _ in 0..<(index == 0 ? 1 : Self.coarseRounds) { smooth(index, phase, lanes) }
    }
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
      return Int(
        platform_differences(
          at(first, x &- bx, y &- by), first.stride,
          at(second, x &+ dx &- bx, y &+ dy &- by), second.stride))
    }

    /// How much neighbouring samples of the first window differ, summed both ways: what a whole sample too far
    /// would cost.
    @inline(__always)
    func detail(_ x: Int, _ y: Int, _ dx: Int, _ dy: Int) -> Int {
      let p = at(first, x &- phase.before(dx), y &- phase.before(dy))
      let stride = first.stride
      return Int(platform_differences(p, stride, p + 1, stride))
        &+ Int(platform_differences(p, stride, p + stride, stride))
    }
  }

  /// Weighs every displacement of the smallest level.
  private func begin(_ phase: Phase, _ lanes: Lanes) {
    let level = levels[levels.count - 1]
    let matcher = Matcher(before.planes[levels.count], after.planes[levels.count], phase)
    let reach = SemiGlobalMatch.reach
    match.run(
      dx: level.vectors.dx, dy: level.vectors.dy, parts: Self.parts, lanes: lanes
    ) { column, row, set in
      let x = column &* Self.step &- (Self.window - Self.step) / 2
      let y = row &* Self.step &- (Self.window - Self.step) / 2
      let least = (matcher.detail(x, y, 0, 0) &* Self.blurFirst) &>> 6
      for dx in -reach...reach {
        for dy in -reach...reach {
          let away = dx.magnitude2 &+ dy.magnitude2
          set(dx, dy, max(least, matcher.difference(x, y, dx, dy)) &>> 1 &+ away)
        }
      }
    }
  }

  private func search(_ index: Int, _ phase: Phase, _ lanes: Lanes) {
    let (level, parent) = (levels[index], levels[index + 1])
    let matcher = Matcher(before.planes[index + 1], after.planes[index + 1], phase)
    lanes.forRanges(of: level.rows, parts: Self.parts) { rows in
      for row in rows {
        self.searchRow(row, isFirst: row == rows.lowerBound, level, parent, matcher)
      }
    }
  }

  /// Tries what the level above found hereabouts, what the neighbours have, and steps from the best.
  private func searchRow(
    _ row: Int, isFirst: Bool, _ level: Level, _ parent: Level, _ matcher: Matcher
  ) {
    let y = row &* Self.step &- (Self.window - Self.step) / 2
    let (columns, parentColumns) = (level.columns, parent.columns)
    let (vectors, coarse) = (level.vectors, parent.vectors)
    let near = min(parent.rows &- 1, row &>> 1)
    let far = min(parent.rows &- 1, max(0, near &+ (row & 1 == 0 ? -1 : 1)))
    let (steps, blur) = level === levels[0] ? (1, 0) : (3, Self.blur)
    for column in 0..<columns {
      let x = column &* Self.step &- (Self.window - Self.step) / 2
      let nearColumn = min(parentColumns &- 1, column &>> 1)
      let farColumn = min(
        parentColumns &- 1, max(0, nearColumn &+ (column & 1 == 0 ? -1 : 1)))
      let p = near &* parentColumns &+ nearColumn
      let (px, py) = (Int(coarse.dx[p]) &* 2, Int(coarse.dy[p]) &* 2)
      var best = Candidate(
        matcher, x, y, px, py, drawnTo: (px &* 4, py &* 4), stiffness: Self.stiffness,
        blur: blur)
      if best.cost > Self.goodEnough {
        best.consider(coarse, near &* parentColumns &+ farColumn, scale: 2)
        best.consider(coarse, far &* parentColumns &+ nearColumn, scale: 2)
        best.consider(coarse, far &* parentColumns &+ farColumn, scale: 2)
        if column > 0 { best.consider(vectors, row &* columns &+ column &- 1) }
        if !isFirst {
          best.consider(vectors, (row &- 1) &* columns &+ column)
          if column &+ 1 < columns {
            best.consider(vectors, (row &- 1) &* columns &+ column &+ 1)
          }
        }
        best.consider(0, 0)
      }
      for _ in 0..<steps {
        let (cx, cy) = (best.dx, best.dy)
        best.consider(cx &- 1, cy)
        best.consider(cx &+ 1, cy)
        best.consider(cx, cy &- 1)
        best.consider(cx, cy &+ 1)
        if best.dx == cx && best.dy == cy { break }
      }
      let at = row &* columns &+ column
      vectors.dx[at] = Int16(truncatingIfNeeded: best.dx)
      vectors.dy[at] = Int16(truncatingIfNeeded: best.dy)
    }
  }

  /// A window's vector, and what others are weighed against.
  private struct Candidate {
    private let matcher: Matcher
    private let x: Int
    private let y: Int
    /// What vectors are drawn to, in quarters of a sample, and what a sample away from it costs, in levels
    /// summed over the window.
    private let aim: (x: Int, y: Int)
    private let stiffness: Int
    /// Smaller differences say nothing.
    private let least: Int
    private(set) var dx: Int
    private(set) var dy: Int
    private(set) var cost: Int

    @inline(__always)
    init(
      _ matcher: Matcher, _ x: Int, _ y: Int, _ dx: Int, _ dy: Int, drawnTo aim: (Int, Int),
      stiffness: Int, blur: Int
    ) {
      (self.matcher, self.x, self.y, self.dx, self.dy) = (matcher, x, y, dx, dy)
      (self.aim, self.stiffness) = (aim, stiffness)
      least = blur == 0 ? 0 : (matcher.detail(x, y, dx, dy) &* blur) &>> 6
      cost = 0
      cost = cost(dx, dy)
    }

    @inline(__always)
    private func cost(_ dx: Int, _ dy: Int) -> Int {
      let away = (dx &* 4 &- aim.x).magnitude2 &+ (dy &* 4 &- aim.y).magnitude2
      return max(least, matcher.difference(x, y, dx, dy)) &+ (away &* stiffness) &>> 2
    }

    @inline(__always)
    mutating func consider(_ cx: Int, _ cy: Int) {
      if cx == dx && cy == dy { return }
      let new = cost(cx, cy)
      if new < cost { (dx, dy, cost) = (cx, cy, new) }
    }

    @inline(__always)
    mutating func consider(_ vectors: Level.Vectors, _ at: Int, scale: Int = 1) {
      consider(Int(vectors.dx[at]) &* scale, Int(vectors.dy[at]) &* scale)
    }
  }

  /// What a sample away from the prediction costs, in levels summed over the window.
  private static let stiffness = 6

  /// How far off whole samples may be, in 64ths of one, in the smallest level and in the others below the
  /// half size. What that makes differ does not count: where all that speaks for a vector is that it
  /// happens to be a whole one, its neighbours decide.
  private static let blurFirst = 36
  private static let blur = 24

  /// How often what is right spreads in levels below the half size.
  private static let coarseRounds = 3

  /// A difference of a window that is not worth a search for a smaller one: less than a level a sample.
  private static let goodEnough = 60

  /// Once more over a level, with what the neighbours on all sides have: what is right spreads
  /// against the order of the search too.
  private func smooth(_ index: Int, _ phase: Phase, _ lanes: Lanes) {
    let level = levels[index]
    let (vectors, result) = (level.vectors, level.others)
    let matcher = Matcher(before.planes[index + 1], after.planes[index + 1], phase)
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
            Int(vectors.dx[around.0]) &+ Int(vectors.dx[around.1]) &+ Int(vectors.dx[around.2])
            &+ Int(vectors.dx[around.3])
          let sy =
            Int(vectors.dy[around.0]) &+ Int(vectors.dy[around.1]) &+ Int(vectors.dy[around.2])
            &+ Int(vectors.dy[around.3])
          let at = here &+ column
          var best = Candidate(
            matcher, x, y, Int(vectors.dx[at]), Int(vectors.dy[at]), drawnTo: (sx, sy),
            stiffness: 4, blur: index == 0 ? 0 : Self.blur)
          best.consider(vectors, around.0)
          best.consider(vectors, around.1)
          best.consider(vectors, around.2)
          best.consider(vectors, around.3)
          best.consider(vectors, up &+ left)
          best.consider(vectors, up &+ right)
          best.consider(vectors, down &+ left)
          best.consider(vectors, down &+ right)
          result.dx[at] = Int16(truncatingIfNeeded: best.dx)
          result.dy[at] = Int16(truncatingIfNeeded: best.dy)
        }
      }
    }
    level.exchange()
  }

  // MARK: - Fractions of a sample

  private func refine(_ phase: Phase, _ lanes: Lanes) {
    let field = field
    let columns = field.columns
    lanes.forRanges(of: field.rows, parts: Self.parts) { rows in
      let vectors = self.levels[0].vectors
      let fit = SubsampleFit(self.before.planes[1], self.after.planes[1], phase)
      for row in rows {
        for column in 0..<columns {
          let at = row &* columns &+ column
          // From samples of the half size to eighths of one of the full size.
          var vector = (Int(vectors.dx[at]) &* 16, Int(vectors.dy[at]) &* 16)
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

  /// Steps once, by a sample at most.
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
    var sums = platform_fit()
    if isWhole {
      if !platform_fit_window(&sums, a0, s, b0, t) { sums = add(a0, s, b0, t, nil) }
    } else {
      // Where the vector leads with its fractions.
      let (cx, cy) = (phase.before(vector.0), phase.before(vector.1))
      let p = Tap(
        first, (x &<< 4) &- cx, (y &<< 4) &- cy, 4, 8, total: 128)
      let q = Tap(
        second, (x &<< 4) &+ vector.0 &- cx, (y &<< 4) &+ vector.1 &- cy, 4, 8, total: 128)
      if !platform_fit_window_between(&sums, a0, s, b0, t, p.tap, q.tap) {
        sums = add(a0, s, b0, t, (p, q))
      }
    }
    let damping: Float = 250
    let (a, b, c) = (Float(sums.xx) + damping, Float(sums.xy), Float(sums.yy) + damping)
    let (u, v) = (Float(sums.xr), Float(sums.yr))
    // Gradients are of four times a level, differences of eight.
    let scale = 4 * 16 / 8 / (a * c - b * b)
    let sx = (c * u - b * v) * scale
    let sy = (a * v - b * u) * scale
    let limit: Float = 16
    vector.0 &+= Int(max(-limit, min(limit, sx)) + 1024.5) &- 1024
    vector.1 &+= Int(max(-limit, min(limit, sy)) + 1024.5) &- 1024
    return Int(sums.difference) &>> 6
  }

  /// The sums of a step over a window whose corners are given, for processors without larger vectors.
  ///
  /// - Parameter taps: where differences lie; nil for the corners themselves.
  func add(
    _ a0: UnsafePointer<UInt8>, _ s: Int, _ b0: UnsafePointer<UInt8>, _ t: Int, _ taps: (Tap, Tap)?
  ) -> platform_fit {
    var sums = platform_fit()
    for row in 0..<8 {
      let (a, b) = (a0 + row &* s, b0 + row &* t)
      let gx = load(a + 1) &- load(a - 1) &+ load(b + 1) &- load(b - 1)
      let gy = load(a + s) &- load(a - s) &+ load(b + t) &- load(b - t)
      // In eighths of a level.
      let r: SIMD8<Int16>
      if let (p, q) = taps {
        let (here, there) = (p.fetch(p.base + row &* s), q.fetch(q.base + row &* t))
        r = SIMD8<Int16>(truncatingIfNeeded: here &- there) &>> 4
      } else {
        r = (load(a) &- load(b)) &<< 3
      }
      let (x, y, z) = (
        SIMD8<Int32>(truncatingIfNeeded: gx), SIMD8<Int32>(truncatingIfNeeded: gy),
        SIMD8<Int32>(truncatingIfNeeded: r)
      )
      sums.xx &+= (x &* x).wrappedSum()
      sums.xy &+= (x &* y).wrappedSum()
      sums.yy &+= (y &* y).wrappedSum()
      sums.xr &+= (x &* z).wrappedSum()
      sums.yr &+= (y &* z).wrappedSum()
      let sign = r &>> 15
      sums.difference &+= UInt32(
        SIMD8<UInt16>(truncatingIfNeeded: (r ^ sign) &- sign).wrappedSum())
    }
    return sums
  }

  @inline(__always)
  private func load(_ p: UnsafePointer<UInt8>) -> SIMD8<Int16> {
    SIMD8<Int16>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD8<UInt8>.self))
  }

  @inline(__always)
  private func at(_ plane: Plane, _ x: Int, _ y: Int) -> UnsafePointer<UInt8> {
    let px = min(max(x, -20), plane.width &+ 10)
    let py = min(max(y, -20), plane.height &+ 10)
    return UnsafePointer(plane.base + (py &* plane.stride &+ px))
  }
}
