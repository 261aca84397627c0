/// How far off an interim picture is likely to be, region by region, and how far off the picture before
/// would be: what the confidence gate goes by. Nobody has the real picture to compare with; what there is
/// are two sources that agree or do not, and what was foretold before.
///
/// All errors are mean squares of luma.
final class Estimates: @unchecked Sendable {
  /// Below it, the picture before is shown. What goes on into the future on the past's word alone must be
  /// the surer.
  static func leastConfidence(of tier: InterimTier) -> Double { tier == .extrapolated ? 0.6 : 0.3 }
  /// The share of doubtful regions for which a second way is worth its time.
  static let worthwhile = 0.004
  /// What a sample costs that one source alone shows, on top of what filters cost; and one that none does.
  private static let single: Float = 8
  private static let hidden: Float = 500
  /// What filters, rounding and shading cost everywhere.
  private static let floor: Float = 1
  /// An error that can be seen.
  private static let doubtful: Float = 36

  struct Region {
    /// Of the interim picture.
    var error: Float = 0
    /// From the picture before to the interim picture.
    var change: Float = 0
  }

  let columns: Int
  let rows: Int
  private let width: Int
  private let height: Int
  let regions: UnsafeMutablePointer<Region>
  /// What confidence is at most, for reasons that lie outside this picture.
  var limit: Double = 1

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    columns = (width + GeometryWarp.region - 1) / GeometryWarp.region
    rows = (height + GeometryWarp.region - 1) / GeometryWarp.region
    regions = .allocate(capacity: columns * rows)
    regions.initialize(repeating: Region(), count: columns * rows)
  }

  deinit { regions.deallocate() }

  /// Samples of a region; the last ones may be smaller.
  private func size(_ row: Int, _ column: Int) -> Int {
    let edge = GeometryWarp.region
    return min(edge, width - column * edge) * min(edge, height - row * edge)
  }

  // MARK: - Filling in

  /// After image-only compensation.
  func compensation(_ field: MotionField, _ made: Plane, _ held: Plane, lanes: Lanes) {
    limit = 1
    let edge = GeometryWarp.region
    lanes.forRanges(of: rows, parts: 8) { range in
      for row in range {
        for column in 0..<columns {
          // Every fourth row will do for a mean.
          var (sum, count): (UInt32, Int) = (0, 0)
          let left = column &* edge
          let right = min(width, left &+ edge)
          for y in stride(from: row &* edge, to: min(height, row &* edge &+ edge), by: 4) {
            sum &+= Self.squares(made.row(y) + left, held.row(y) + left, right &- left)
            count &+= right &- left
          }
          var residual: Float = 0
          var blocks: Float = 0
          for j in row &* 2..<min(field.rows, row &* 2 &+ 2) {
            for i in column &* 2..<min(field.columns, column &* 2 &+ 2) {
              let r = Float(field.residual[j &* field.columns &+ i]) / 8
              residual += r * r
              blocks += 1
            }
          }
          // What stands still in both is right as it is.
          let isStill = sum == 0 && residual == 0
          regions[row &* columns &+ column] = Region(
            error: isStill ? 0 : Self.floor + 2 * residual / max(1, blocks),
            change: Float(sum) / Float(max(1, count)))
        }
      }
    }
  }

  @inline(__always)
  private static func squares(
    _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int
  ) -> UInt32 {
    var sum: UInt32 = 0
    for x in 0..<count {
      let d = Int32(a[x]) &- Int32(b[x])
      sum &+= UInt32(bitPattern: d &* d)
    }
    return sum
  }

  /// After a warp from both sides.
  func interpolation(_ map: RegionMap, width: Int, height: Int) {
    limit = 1
    for row in 0..<rows {
      for column in 0..<columns {
        let at = row * columns + column
        let (found, samples) = (map.regions[at], Float(size(row, column)))
        let both = samples - Float(found.single + found.hidden)
        // A mean of two is off by half of what they differ.
        let agreed = found.disagreement / 4
        let each = both > 0 ? min(400, found.disagreement / both) : 0
        let alone = Float(found.single) * (Self.single + each / 2)
        let error = (agreed + alone + Float(found.hidden) * Self.hidden) / samples
        regions[at] = Region(error: Self.floor + error, change: found.change / samples)
      }
    }
  }

  /// After a warp from the past.
  ///
  /// - Parameters:
  ///   - found: what looking back found; nil when there was nothing to look at.
  ///   - position: how far the instant is from the last picture, in distances between the last two.
  func extrapolation(
    _ map: RegionMap, _ found: Reprojection?, position: Double, width: Int, height: Int
  ) {
    let edge = Reprojection.step * Reprojection.placesPerRegion / GeometryWarp.region
    let all = found?.total
    // What nothing was found of is as the whole.
    let usual = all.map { $0.visible > 0 ? $0.moved / Float($0.visible) : 200 } ?? 50
    let distance = Float(min(2, max(0, position)))
    for row in 0..<rows {
      for column in 0..<columns {
        let at = row * columns + column
        let (here, samples) = (map.regions[at], Float(size(row, column)))
        var moved = usual
        if let found {
          let region = found.regions[row / edge * found.columns + column / edge]
          if region.visible > 3 { moved = region.moved / Float(region.visible) }
        }
        // Half of what two pictures differ along motion is what a linear filter costs a single sample.
        let error = moved * min(1, distance) / 2 + Float(here.hidden) * Self.hidden / samples
        regions[at] = Region(error: Self.floor + error, change: here.change / samples)
      }
    }
  }

  // MARK: - Deciding

  /// How much better than the picture before the interim picture is likely to be, from 0 to 1.
  ///
  /// The change to the interim picture is what the picture before is off and what the interim picture is
  /// off together.
  var confidence: Double {
    var (error, change): (Double, Double) = (0, 0)
    for k in 0..<columns * rows {
      error += Double(regions[k].error)
      change += Double(regions[k].change)
    }
    guard change > error else { return 0 }
    return max(0, min(limit, 1 - error / (change - error)))
  }

  /// The share of regions that are likely to be off so far that it shows.
  var doubtfulShare: Double {
    var count = 0
    for k in 0..<columns * rows where regions[k].error > Self.doubtful { count += 1 }
    return Double(count) / Double(columns * rows)
  }

  /// Marks doubtful regions in which others are clearly better, and takes their estimates there.
  func takeBetter(from others: Estimates, weights: UnsafeMutablePointer<UInt8>) {
    for k in 0..<columns * rows {
      let isBetter =
        regions[k].error > Self.doubtful && others.regions[k].error < 0.5 * regions[k].error
      weights[k] = isBetter ? 255 : 0
      if isBetter { regions[k] = others.regions[k] }
    }
  }

  /// Marks regions in which the picture before is likely to be better.
  func markHeld(weights: UnsafeMutablePointer<UInt8>) {
    for k in 0..<columns * rows {
      weights[k] = regions[k].error > max(2 * Self.floor, regions[k].change) ? 255 : 0
    }
  }
}
