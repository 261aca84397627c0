/// Puts parts of one picture into another: a weight per region, without an edge where they change.
final class RegionMix: @unchecked Sendable {
  let columns: Int
  let rows: Int
  /// Samples of luma along a region's edge.
  let edge: Int
  /// For each region, what the other picture counts, from 0 to 255.
  let weights: UnsafeMutablePointer<UInt8>

  init(width: Int, height: Int, edge: Int) {
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
        for y in range {
          guard fillLine(y, width, edge, line) else { continue }
          Self.mix(other.row(y), target.row(y), line, width)
        }
      }
    }
  }

  private static func mix(
    _ other: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>,
    _ weights: UnsafePointer<UInt16>, _ count: Int
  ) {
    for x in 0..<count {
      let w = UInt32(weights[x])
      let sum = UInt32(target[x]) &* (256 &- w) &+ UInt32(other[x]) &* w
      target[x] = UInt8(truncatingIfNeeded: (sum &+ 128) &>> 8)
    }
  }

  /// The weights of a row of samples, from 0 to 256: linear between the middles of regions.
  ///
  /// - Returns: whether any is above 0.
  private func fillLine(
    _ y: Int, _ width: Int, _ edge: Int, _ line: UnsafeMutablePointer<UInt16>
  ) -> Bool {
    let half = edge / 2
    let above = max(0, (y + half) / edge - 1)
    let (first, second) = (min(rows - 1, above), min(rows - 1, (y + half) / edge))
    let down = (y + half) % edge
    let (p, q) = (weights + first * columns, weights + second * columns)
    var isAny = false
    for column in 0..<columns where p[column] | q[column] != 0 { isAny = true }
    guard isAny else { return false }
    @inline(__always)
    func value(_ column: Int) -> Int {
      let k = min(columns - 1, max(0, column))
      return Int(p[k]) * (edge - down) + Int(q[k]) * down
    }
    for column in 0...columns {
      let (a, b) = (value(column - 1), value(column))
      let start = column * edge - half
      for x in max(0, start)..<max(max(0, start), min(width, start + edge)) {
        let across = x - start
        let sum = (a * (edge - across) + b * across) / (edge * edge)
        line[x] = UInt16(truncatingIfNeeded: sum + sum / 128)
      }
    }
    return true
  }
}
