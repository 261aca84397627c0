/// Puts parts of one picture into another: a weight per region, without an edge where they change.
final class RegionMix: @unchecked Sendable {
  let columns: Int
  let rows: Int
  /// Samples of luma along a region's edge, a power of two.
  let edge: Int
  /// For each region, what the other picture counts, from 0 to 255.
  let weights: UnsafeMutablePointer<UInt8>

  init(width: Int, height: Int, edge: Int) {
    precondition(edge >= 4 && edge.nonzeroBitCount == 1)
    self.edge = edge
    columns = (width + edge - 1) / edge
    rows = (height + edge - 1) / edge
    weights = .allocate(capacity: columns * rows)
    weights.initialize(repeating: 0, count: columns * rows)
  }

  deinit { weights.deallocate() }

  func clear() { weights.update(repeating: 0, count: columns * rows) }

  /// The mean of the weights, from 0 to 1.
  var share: Double {
    var sum = 0
    for k in 0..<columns * rows { sum += Int(weights[k]) }
    return Double(sum) / Double(columns * rows * 255)
  }

  /// Mixes the other picture into the target. A weight of 255 with the same around it replaces.
  func run(_ other: Picture, into target: Picture, lanes: Lanes) {
    for k in 0..<3 {
      let shift = k == 0 ? 0 : target.sampling.shift
      mix(other.planes[k], target.planes[k], edge >> shift, lanes)
    }
  }

  private func mix(_ other: Plane, _ target: Plane, _ edge: Int, _ lanes: Lanes) {
    let width = target.width
    lanes.forRanges(of: target.height, parts: 16) { range in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: width) { line in
        let line = line.baseAddress!
        for y in range where hasWeight(y, edge) {
          var run = 0..<0
          for column in 0...columns {
            let part = fill(line, y, column, width, edge)
            if part.lowerBound == run.upperBound {
              run = run.lowerBound..<part.upperBound
              continue
            }
            Self.mix(other.row(y), target.row(y), line, run)
            run = part
          }
          Self.mix(other.row(y), target.row(y), line, run)
        }
      }
    }
  }

  /// Whether any sample of row `y` has a weight above 0.
  private func hasWeight(_ y: Int, _ edge: Int) -> Bool {
    let below = (y + edge / 2) / edge
    let (p, q) = (
      weights + min(rows - 1, max(0, below - 1)) * columns, weights + min(rows - 1, below) * columns
    )
    var any: UInt8 = 0
    for column in 0..<columns { any |= p[column] | q[column] }
    return any != 0
  }

  private static func mix(
    _ other: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>,
    _ weights: UnsafePointer<UInt16>, _ samples: Range<Int>
  ) {
    for x in samples {
      let w = UInt32(weights[x])
      let sum = UInt32(target[x]) &* (256 &- w) &+ UInt32(other[x]) &* w
      target[x] = UInt8(truncatingIfNeeded: (sum &+ 128) &>> 8)
    }
  }

  /// The weights in row `y` of the samples between the middles of two regions, from 0 to 256: linear between
  /// what the four around have.
  ///
  /// - Returns: the samples; none where all of them would be 0.
  @inline(__always)
  private func fill(
    _ line: UnsafeMutablePointer<UInt16>, _ y: Int, _ column: Int, _ width: Int, _ edge: Int
  ) -> Range<Int> {
    let digits = edge.trailingZeroBitCount
    let half = edge &>> 1
    let below = (y &+ half) &>> digits
    let down = (y &+ half) & (edge &- 1)
    let p = weights + min(rows &- 1, max(0, below &- 1)) &* columns
    let q = weights + min(rows &- 1, below) &* columns
    let (left, right) = (max(0, column &- 1), min(columns &- 1, column))
    let a = Int(p[left]) &* (edge &- down) &+ Int(q[left]) &* down
    let b = Int(p[right]) &* (edge &- down) &+ Int(q[right]) &* down
    let start = column &* edge &- half
    let samples = min(width, max(0, start))..<min(width, max(0, start &+ edge))
    guard a | b != 0 else { return samples.upperBound..<samples.upperBound }
    for x in samples {
      let sum = (a &* (start &+ edge &- x) &+ b &* (x &- start)) &>> (2 &* digits)
      line[x] = UInt16(truncatingIfNeeded: sum &+ sum &>> 7)
    }
    return samples
  }
}
