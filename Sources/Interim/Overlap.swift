internal import CPlatform

/// Makes a plane of an interim picture from two planes and the motion between them: each sample is a
/// mean of what the four nearest blocks fetch for it, the nearer the more. What is fetched lies between
/// samples and is interpolated, linearly or with a cubic filter; both sides count by their nearness in
/// time.
///
/// All of it is 16-bit arithmetic without a division, several samples at a time.
struct Overlap {
  let field: MotionField
  let phase: Phase

  /// Rows of blocks in a part of the work.
  static let partRows = 6

  /// Luma, or chroma of full size.
  func run(_ first: Plane, _ second: Plane, isCubic: Bool, into target: Plane, lanes: Lanes) {
    let rows = (target.height + 7) / 8
    lanes.forRanges(of: rows, parts: (rows + Self.partRows - 1) / Self.partRows) { rows in
      if isCubic {
        part(rows, first, second, target, block: 8, isCubic: true)
      } else {
        part(rows, first, second, target, block: 8, isCubic: false)
      }
    }
  }

  /// A plane of chroma of half the size.
  func runHalf(_ first: Plane, _ second: Plane, into target: Plane, lanes: Lanes) {
    let rows = (target.height + 3) / 4
    lanes.forRanges(of: rows, parts: (rows + Self.partRows - 1) / Self.partRows) { rows in
      part(rows, first, second, target, block: 4, isCubic: false)
    }
  }

  /// Weights of a window of twice the block's edge. Those of the four windows over a sample add up to 64.
  static func fillWeights(_ weights: UnsafeMutablePointer<UInt16>, block: Int) {
    func ramp(_ k: Int) -> Int {
      // What two windows that overlap have at a place adds up to 8.
      let rising = k < block ? k : 2 * block - 1 - k
      if block == 4 { return 2 * rising + 1 }
      return rising < 4 ? rising : rising + 1
    }
    for y in 0..<2 * block {
      for x in 0..<2 * block { weights[y * 2 * block + x] = UInt16(ramp(x) * ramp(y)) }
    }
  }

  @inline(__always)
  private func part(
    _ rows: Range<Int>, _ first: Plane, _ second: Plane, _ target: Plane, block: Int,
    isCubic: Bool
  ) {
    let window = 2 * block
    let width = target.width
    let columns = min(field.columns, (width + block - 1) / block)
    // Sums of a row of windows, of which the outermost reach a block and a half beyond the picture.
    let strip = (columns + 3) * block
    let margin = block + block / 2
    let count = strip * window
    let capacity = count + window * window + (isCubic ? 2 * CubicTap.scratch : 0)
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: capacity) { memory in
      let sums = memory.baseAddress!
      let weights = sums + count
      let scratch = UnsafeMutableRawPointer(weights + window * window)
      sums.initialize(repeating: 0, count: count)
      Self.fillWeights(weights, block: block)
      let (top, bottom) = (rows.lowerBound * block, min(rows.upperBound * block, target.height))
      // Blocks outside the picture, whose windows reach into it, move as the outermost do.
      for row in rows.lowerBound - 1...rows.upperBound {
        let fieldRow = min(max(row, 0), field.rows - 1)
        for column in -1...columns {
          let at = fieldRow &* field.columns &+ min(max(column, 0), columns - 1)
          let (x, y) = (column &* block &- block / 2, row &* block &- block / 2)
          let out = sums + (column &+ 1) &* block
          if isCubic {
            addCubic(first, second, at, x, y, weights, out, strip, scratch)
          } else {
            add(first, second, at, x, y, block, weights, out, strip)
          }
        }
        // The upper half of these windows has all that it gets.
        let line = row &* block &- block / 2
        for y in max(line, top)..<max(max(line, top), min(line &+ block, bottom)) {
          let source = sums + ((y &- line) &* strip &+ margin)
          let out = target.row(y)
          for x in 0..<width {
            out[x] = UInt8(truncatingIfNeeded: (source[x] &+ 128) &>> 8)
          }
        }
        sums.update(from: sums + block * strip, count: block * strip)
        (sums + block * strip).update(repeating: 0, count: block * strip)
      }
    }
  }

  /// Adds a block's window to the sums.
  ///
  /// - Parameters:
  ///   - x, y: the window's corner in the picture.
  ///   - strip: values from a row of sums to the next.
  @inline(__always)
  private func add(
    _ first: Plane, _ second: Plane, _ at: Int, _ x: Int, _ y: Int, _ block: Int,
    _ weights: UnsafePointer<UInt16>, _ sums: UnsafeMutablePointer<UInt16>, _ strip: Int
  ) {
    let digits = block == 8 ? 3 : 4
    let window = 2 &* block
    let (dx, dy) = (Int(field.dx[at]), Int(field.dy[at]))
    let (bx, by) = (phase.before(dx), phase.before(dy))
    let share = 256 &- min(256, phase.fraction)
    let a = Tap(
      first, (x &<< digits) &- bx, (y &<< digits) &- by, digits, window, total: share)
    let b = Tap(
      second, (x &<< digits) &+ dx &- bx, (y &<< digits) &+ dy &- by, digits, window,
      total: 256 &- share)
    let isDone =
      block == 8
      ? platform_add_window(sums, strip, weights, a.tap, b.tap)
      : platform_add_small_window(sums, strip, weights, a.tap, b.tap)
    if !isDone { Self.add(a, b, window, weights, sums, strip) }
  }

  /// The same for processors without larger vectors.
  static func add(
    _ a: Tap, _ b: Tap, _ window: Int, _ weights: UnsafePointer<UInt16>,
    _ sums: UnsafeMutablePointer<UInt16>, _ strip: Int
  ) {
    var (p, q) = (a.base, b.base)
    var sum = sums
    var weight = weights
    for _ in 0..<window {
      for k in stride(from: 0, to: window, by: 8) {
        // In quarters of a level: at most 1020, which with weights of 64 in all still fits.
        let fetched = a.fetch(p + k) &+ b.fetch(q + k) &+ 32
        let raw = UnsafeMutableRawPointer(sum + k)
        let w = UnsafeRawPointer(weight + k).loadUnaligned(as: SIMD8<UInt16>.self)
        let old = raw.loadUnaligned(as: SIMD8<UInt16>.self)
        raw.storeBytes(of: old &+ (fetched &>> 6) &* w, as: SIMD8<UInt16>.self)
      }
      p += a.stride
      q += b.stride
      sum += strip
      weight += window
    }
  }

  /// The same with a cubic filter, for blocks of 8×8.
  @inline(__always)
  private func addCubic(
    _ first: Plane, _ second: Plane, _ at: Int, _ x: Int, _ y: Int,
    _ weights: UnsafePointer<UInt16>, _ sums: UnsafeMutablePointer<UInt16>, _ strip: Int,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let (dx, dy) = (Int(field.dx[at]), Int(field.dy[at]))
    let (bx, by) = (phase.before(dx), phase.before(dy))
    let share = Int16(truncatingIfNeeded: (264 &- min(256, phase.fraction)) &>> 4)
    let a = CubicTap(first, (x &<< 3) &- bx, (y &<< 3) &- by)
    let b = CubicTap(second, (x &<< 3) &+ dx &- bx, (y &<< 3) &+ dy &- by)
    if !platform_add_cubic_window(sums, strip, weights, a.tap, b.tap, share) {
      Self.addCubic(a, b, share, weights, sums, strip, scratch)
    }
  }

  /// The same for processors without larger vectors.
  static func addCubic(
    _ a: CubicTap, _ b: CubicTap, _ share: Int16, _ weights: UnsafePointer<UInt16>,
    _ sums: UnsafeMutablePointer<UInt16>, _ strip: Int, _ scratch: UnsafeMutableRawPointer
  ) {
    let (p, q) = (scratch, scratch + 2 &* CubicTap.scratch)
    a.filterRows(into: p)
    b.filterRows(into: q)
    let brightest = SIMD8<Int16>(repeating: 1020)
    for row in 0..<16 {
      for k in stride(from: 0, to: 16, by: 8) {
        let from = 2 &* (row &* 16 &+ k)
        let u = a.column(p + from)
        let v = b.column(q + from)
        let mean = (u &* share &+ v &* (16 &- share) &+ 8) &>> 4
        let kept = SIMD8<UInt16>(
          truncatingIfNeeded: pointwiseMin(pointwiseMax(mean, .zero), brightest))
        let sum = UnsafeMutableRawPointer(sums + row &* strip + k)
        let w = UnsafeRawPointer(weights + row &* 16 + k).loadUnaligned(as: SIMD8<UInt16>.self)
        let old = sum.loadUnaligned(as: SIMD8<UInt16>.self)
        sum.storeBytes(of: old &+ kept &* w, as: SIMD8<UInt16>.self)
      }
    }
  }
}

/// A place between samples, and the filter of Catmull and Rom for it.
struct CubicTap {
  /// Values of 16 bits that a window's rows take between the two directions of the filter.
  static let scratch = 16 * 19

  private let base: UnsafePointer<UInt8>
  private let stride: Int
  /// In 64ths across, and in 32nds down, where less room is left in 16 bits.
  private let across: SIMD4<Int16>
  private let down: SIMD4<Int16>

  /// - Parameters: x and y in eighths of a sample.
  @inline(__always)
  init(_ plane: Plane, _ x: Int, _ y: Int) {
    let px = min(max(x &>> 3, -28), plane.width &+ 28 &- 18)
    let py = min(max(y &>> 3, -28), plane.height &+ 28 &- 18)
    stride = plane.stride
    base = UnsafePointer(plane.base + (py &* plane.stride &+ px))
    across = Self.weights(x & 7, total: 64)
    down = Self.weights(y & 7, total: 32)
  }

  /// What the four samples around count at so many eighths from the second to the third.
  @inline(__always)
  private static func weights(_ eighths: Int, total: Int) -> SIMD4<Int16> {
    let t = Float(eighths) * 0.125
    let scale = Float(total) * 0.5
    // (−t³+2t²−t)/2 and so on, shifted so that they round as positive numbers do.
    @inline(__always)
    func rounded(_ x: Float) -> Int { Int(x * scale + 64.5) &- 64 }
    let a = rounded(((2 - t) * t - 1) * t)
    let c = rounded(((4 - 3 * t) * t + 1) * t)
    let d = rounded((t - 1) * t * t)
    return SIMD4(
      Int16(truncatingIfNeeded: a), Int16(truncatingIfNeeded: total &- a &- c &- d),
      Int16(truncatingIfNeeded: c), Int16(truncatingIfNeeded: d))
  }

  @inline(__always)
  var tap: platform_cubic_tap {
    platform_cubic_tap(
      base: base, stride: stride, across: (across.x, across.y, across.z, across.w),
      down: (down.x, down.y, down.z, down.w))
  }

  /// Filters 19 rows, from the one above the window on, into halves of a level.
  @inline(__always)
  func filterRows(into out: UnsafeMutableRawPointer) {
    @inline(__always)
    func load(_ p: UnsafePointer<UInt8>) -> SIMD8<Int16> {
      SIMD8<Int16>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD8<UInt8>.self))
    }
    var p = base - stride
    var target = out
    for _ in 0..<19 {
      for k in Swift.stride(from: 0, to: 16, by: 8) {
        let sum =
          load(p + k - 1) &* across.x &+ load(p + k) &* across.y &+ load(p + k + 1) &* across.z
          &+ load(p + k + 2) &* across.w
        target.storeBytes(of: (sum &+ 16) &>> 5, toByteOffset: 2 &* k, as: SIMD8<Int16>.self)
      }
      p += stride
      target += 32
    }
  }

  /// Eight places of a row of the window, in quarters of a level.
  ///
  /// - Parameter rows: where the filtered row above that one lies.
  @inline(__always)
  func column(_ rows: UnsafeMutableRawPointer) -> SIMD8<Int16> {
    @inline(__always)
    func load(_ row: Int) -> SIMD8<Int16> {
      rows.loadUnaligned(fromByteOffset: 32 &* row, as: SIMD8<Int16>.self)
    }
    let sum = load(0) &* down.x &+ load(1) &* down.y &+ load(2) &* down.z &+ load(3) &* down.w
    return (sum &+ 8) &>> 4
  }
}

/// A place between samples, and what the four around it count.
struct Tap {
  let base: UnsafePointer<UInt8>
  let stride: Int
  let w0: UInt16
  let w1: UInt16
  let w2: UInt16
  let w3: UInt16

  /// - Parameters:
  ///   - x, y: in units of which there are two to the power of `digits` in a sample, at most 16.
  ///   - total: what the four weights add up to, at most 256.
  @inline(__always)
  init(_ plane: Plane, _ x: Int, _ y: Int, _ digits: Int, _ window: Int, total: Int) {
    let px = min(max(x &>> digits, -28), plane.width &+ 28 &- window)
    let py = min(max(y &>> digits, -28), plane.height &+ 28 &- window)
    let mask = (1 &<< digits) &- 1
    let fx = (x & mask) &<< (4 &- digits)
    let fy = (y & mask) &<< (4 &- digits)
    stride = plane.stride
    base = UnsafePointer(plane.base + (py &* plane.stride &+ px))
    // Each rounded, the first so that the sum is right.
    let right = (fx &* total &+ 8) &>> 4
    let below = (fy &* total &+ 8) &>> 4
    let both = max((fx &* fy &* total &+ 128) &>> 8, right &+ below &- total)
    w3 = UInt16(truncatingIfNeeded: both)
    w1 = UInt16(truncatingIfNeeded: right &- both)
    w2 = UInt16(truncatingIfNeeded: below &- both)
    w0 = UInt16(truncatingIfNeeded: total &- right &- below &+ both)
  }

  @inline(__always)
  var tap: platform_tap {
    platform_tap(base: base, stride: stride, weights: (w0, w1, w2, w3))
  }

  /// Eight places from one on, times the weights' total. The compiler makes of this what it makes of a
  /// plain loop, without the tests whether source and target overlap, which take longer than eight
  /// samples do.
  @inline(__always)
  func fetch(_ p: UnsafePointer<UInt8>) -> SIMD8<UInt16> {
    @inline(__always)
    func load(_ p: UnsafePointer<UInt8>) -> SIMD8<UInt16> {
      SIMD8<UInt16>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD8<UInt8>.self))
    }
    let top = load(p) &* w0 &+ load(p + 1) &* w1
    return top &+ load(p + stride) &* w2 &+ load(p + stride + 1) &* w3
  }
}
