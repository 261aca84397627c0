/// Makes a plane of an interim picture from two planes and the motion between them: every sample is a
/// mean of what the four nearest blocks fetch for it, the nearer the more, and the more the better what
/// they fetch from the one side is like what they fetch from the other.
struct Compensation {
  let first: Plane
  let second: Plane
  let field: MotionField
  let phase: Phase
  let effort: Effort
  /// Binary digits by which the planes are smaller than the field's samples.
  let shift: Int

  private var block: Int { MotionField.block >> shift }

  /// Rows of blocks in a part of the work.
  private static let partRows = 6
  private static let fetchWidth = 16

  func run(into target: Plane, lanes: Lanes) {
    let rows = (target.height + block - 1) / block
    let parts = (rows + Self.partRows - 1) / Self.partRows
    lanes.forRanges(of: rows, parts: parts) { rows in
      if self.shift == 0 {
        self.runPart(rows, into: target, block: 8)
      } else {
        self.runPart(rows, into: target, block: 4)
      }
    }
  }

  /// The weight of a sample of a window twice as large as the block, by distance to its middle; those
  /// of the four windows over a sample add up to 64.
  private static func fillWeights(_ weights: UnsafeMutablePointer<Int16>, block: Int) {
    let width = 2 * block
    for y in 0..<width {
      for x in 0..<width {
        func ramp(_ k: Int) -> Int { k < block ? 2 * k + 1 : 2 * (width - k) - 1 }
        // Sums of ramp over the two windows that cover a place: 2·block.
        let w = ramp(x) * ramp(y) * 64
        weights[y * width + x] = Int16((w + 2 * block * block) / (4 * block * block))
      }
    }
  }

  @inline(__always)
  private func runPart(_ rows: Range<Int>, into target: Plane, block: Int) {
    let window = 2 * block
    let half = block / 2
    let width = target.width
    let columns = (width + block - 1) / block
    // A strip of sums, as high as a window and wider than the picture by half a block on each side.
    let strip = columns * block + window
    let count = strip * window
    withUnsafeTemporaryAllocation(byteCount: count * 6 + 6 * 512 * 2, alignment: 64) { memory in
      let sums = memory.baseAddress!.bindMemory(to: Int32.self, capacity: count)
      let weights = (memory.baseAddress! + 4 * count).bindMemory(to: Int16.self, capacity: count)
      let scratch = (memory.baseAddress! + 6 * count).bindMemory(to: Int16.self, capacity: 6 * 512)
      let (p, q, middle, tent) = (scratch, scratch + 512, scratch + 1024, scratch + 2048)
      Self.fillWeights(tent, block: block)
      sums.initialize(repeating: 0, count: count)
      weights.initialize(repeating: 0, count: count)
      for row in max(0, rows.lowerBound - 1)...min(field.rows - 1, rows.upperBound) {
        // The window of this row of blocks begins half a block above it.
        for column in 0..<min(columns, field.columns) {
          let at = row &* field.columns &+ column
          fetch(column, row, at, block, p, q, middle)
          let out = column &* block
          for y in 0..<window {
            let (a, b, t) = (p + y &* 16, q + y &* 16, tent + y &* window)
            let (s, w) = (sums + (y &* strip &+ out), weights + (y &* strip &+ out))
            for x in 0..<window {
              let d = a[x] &- b[x]
              let distance = d < 0 ? 0 &- d : d
              let kept = Self.likeness &- distance
              let weight = t[x] &* ((kept > 0 ? kept &>> 4 : 0) &+ 1)
              s[x] &+= Int32(a[x] &+ b[x]) &* Int32(weight)
              w[x] &+= weight
            }
          }
        }
        // Half a window is done: that half of this block and of the one above.
        let top = row &* block &- half
        for y in 0..<block {
          let line = top &+ y
          if line >= rows.lowerBound &* block && line < rows.upperBound &* block
            && line < target.height
          {
            divide(
              sums + (y &* strip &+ half), weights + (y &* strip &+ half), target.row(line), width)
          }
        }
        sums.update(from: sums + block * strip, count: block * strip)
        weights.update(from: weights + block * strip, count: block * strip)
        (sums + block * strip).update(repeating: 0, count: block * strip)
        (weights + block * strip).update(repeating: 0, count: block * strip)
      }
      // The lower half of the last row of blocks, where there is none below.
      let top = min(field.rows, rows.upperBound + 1) &* block &- half
      for y in 0..<half {
        let line = top &+ y
        if line < rows.upperBound &* block && line < target.height {
          divide(
            sums + (y &* strip &+ half), weights + (y &* strip &+ half), target.row(line), width)
        }
      }
    }
  }

  /// Difference, in 16ths of a level, up to which a place counts as seen from both sides.
  private static var likeness: Int16 { 16 * 31 }

  @inline(__always)
  private func divide(
    _ sums: UnsafePointer<Int32>, _ weights: UnsafePointer<Int16>,
    _ out: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    for x in 0..<count {
      // Two samples in 16ths of a level.
      let mean = Float(sums[x]) / (Float(weights[x]) * 32) + 0.5
      let value = Int32(mean)
      out[x] = UInt8(truncatingIfNeeded: value < 0 ? 0 : value > 255 ? 255 : value)
    }
  }

  /// Fetches a block's window from both planes, in 16ths of a level.
  @inline(__always)
  private func fetch(
    _ column: Int, _ row: Int, _ at: Int, _ block: Int, _ p: UnsafeMutablePointer<Int16>,
    _ q: UnsafeMutablePointer<Int16>, _ middle: UnsafeMutablePointer<Int16>
  ) {
    let digits = 3 &+ shift
    let (dx, dy) = (Int(field.dx[at]), Int(field.dy[at]))
    let (bx, by) = (phase.before(dx), phase.before(dy))
    let x = (column &* block &- block / 2) &<< digits
    let y = (row &* block &- block / 2) &<< digits
    sample(first, x &- bx, y &- by, digits, 2 &* block, p, middle)
    sample(second, x &+ dx &- bx, y &+ dy &- by, digits, 2 &* block, q, middle)
  }

  @inline(__always)
  private func sample(
    _ plane: Plane, _ x: Int, _ y: Int, _ digits: Int, _ window: Int,
    _ out: UnsafeMutablePointer<Int16>, _ middle: UnsafeMutablePointer<Int16>
  ) {
    let px = min(max(x &>> digits, -28), plane.width &+ 28 &- window)
    let py = min(max(y &>> digits, -28), plane.height &+ 28 &- window)
    let mask = (1 &<< digits) &- 1
    // In 16ths.
    let fx = (x & mask) &<< (4 &- digits)
    let fy = (y & mask) &<< (4 &- digits)
    let stride = plane.stride
    let source = UnsafePointer(plane.base + (py &* stride &+ px))
    if effort == .fast || shift > 0 {
      linear(source, stride, fx, fy, window, out)
    } else {
      cubic(source, stride, fx, fy, window, out, middle)
    }
  }

  @inline(__always)
  private func linear(
    _ source: UnsafePointer<UInt8>, _ stride: Int, _ fx: Int, _ fy: Int, _ window: Int,
    _ out: UnsafeMutablePointer<Int16>
  ) {
    let w3 = UInt16(truncatingIfNeeded: fx &* fy)
    let w2 = UInt16(truncatingIfNeeded: fy &* 16) &- w3
    let w1 = UInt16(truncatingIfNeeded: fx &* 16) &- w3
    let w0 = 256 &- w1 &- w2 &- w3
    var row = source
    var target = out
    for _ in 0..<window {
      let below = row + stride
      for k in 0..<window {
        let top = UInt16(row[k]) &* w0 &+ UInt16(row[k &+ 1]) &* w1
        let bottom = UInt16(below[k]) &* w2 &+ UInt16(below[k &+ 1]) &* w3
        target[k] = Int16(truncatingIfNeeded: (top &+ bottom) &>> 4)
      }
      row = below
      target += 16
    }
  }

  /// Weights of Catmull and Rom for 16ths of a sample, which add up to 64.
  @inline(__always)
  private static func cubicWeights(_ f: Int) -> (Int16, Int16, Int16, Int16) {
    // t = f/16: (−t³+2t²−t)/2, (3t³−5t²+2)/2, (−3t³+4t²+t)/2, (t³−t²)/2, times 64.
    let t = Float(f) * (1 / 16)
    let a = (((2 - t) * t - 1) * t * 32).rounded()
    let d = ((t - 1) * t * t * 32).rounded()
    let c = (((4 - 3 * t) * t + 1) * t * 32).rounded()
    return (Int16(a), Int16(64 - a - c - d), Int16(c), Int16(d))
  }

  @inline(__always)
  private func cubic(
    _ source: UnsafePointer<UInt8>, _ stride: Int, _ fx: Int, _ fy: Int, _ window: Int,
    _ out: UnsafeMutablePointer<Int16>, _ middle: UnsafeMutablePointer<Int16>
  ) {
    if fx == 0 && fy == 0 {
      var row = source
      var target = out
      for _ in 0..<window {
        for k in 0..<window { target[k] = Int16(row[k]) &<< 4 }
        row += stride
        target += 16
      }
      return
    }
    let (a, b, c, d) = Self.cubicWeights(fx)
    var row = source - stride
    var target = middle
    for _ in 0..<window &+ 3 {
      for k in 0..<window {
        let sum =
          Int16(row[k &- 1]) &* a &+ Int16(row[k]) &* b &+ Int16(row[k &+ 1]) &* c
          &+ Int16(row[k &+ 2]) &* d
        target[k] = sum
      }
      row += stride
      target += 16
    }
    let (e, f, g, h) = Self.cubicWeights(fy)
    // Middle values are 64 times a level; a product with 64 times a weight, over 65536, is a 16th of it,
    // so the weights grow by 256.
    let (we, wf, wg, wh) = (
      Int32(e) &* 256, Int32(f) &* 256, Int32(g) &* 256, Int32(h) &* 256
    )
    var from = UnsafePointer(middle)
    target = out
    for _ in 0..<window {
      for k in 0..<window {
        let sum =
          (Int32(from[k]) &* we) &>> 16 &+ (Int32(from[k &+ 16]) &* wf) &>> 16
          &+ (Int32(from[k &+ 32]) &* wg) &>> 16 &+ (Int32(from[k &+ 48]) &* wh) &>> 16
        target[k] = Int16(truncatingIfNeeded: sum)
      }
      from += 16
      target += 16
    }
  }
}
