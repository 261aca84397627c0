/// Gives each block of a grid one of the displacements up to seven samples each way, so that costs are small
/// and neighbours differ little: semi-global matching (Hirschmüller, 2008). Paths cross the grid from four
/// sides; along each it is known what the cheapest way to every displacement of a block costs, and the sum of
/// the four decides. A block that would match as well elsewhere, as a bar of a fence does at the next bar,
/// so has its say less than the ground on which it stands.
final class SemiGlobalMatch: @unchecked Sendable {
  /// Displacements reach so far, in samples.
  static let reach = 7
  /// Places of a block's displacements: 16 for each across, of which 15 are those down.
  private static let side = 16
  private static let volume = side * (2 * reach + 1)
  /// What a sample of difference between neighbours costs, and the difference from which on more costs
  /// nothing, since that is where another body begins.
  private static let stiffness: UInt16 = 30
  private static let jump = 4
  /// The largest cost, so that four sums of ways fit into 16 bits.
  private static let dearest: UInt16 = 12_000

  private let columns: Int
  private let rows: Int
  private let costs: UnsafeMutablePointer<UInt16>
  private let sums: UnsafeMutablePointer<UInt16>

  init(columns: Int, rows: Int) {
    self.columns = columns
    self.rows = rows
    let count = columns * rows * Self.volume
    costs = .allocate(capacity: count)
    sums = .allocate(capacity: count)
    costs.initialize(repeating: Self.dearest, count: count)
    sums.initialize(repeating: 0, count: count)
  }

  deinit {
    costs.deallocate()
    sums.deallocate()
  }

  /// Fills all blocks' vectors.
  ///
  /// - Parameters:
  ///   - lanes: run parts of the work, of which there are `parts` at most.
  ///   - fill: is handed a column, a row, and what sets the cost of a displacement there.
  func run(
    dx: UnsafeMutablePointer<Int16>, dy: UnsafeMutablePointer<Int16>, parts: Int, lanes: Lanes,
    fill: (Int, Int, (Int, Int, Int) -> Void) -> Void
  ) {
    let volume = Self.volume
    sums.update(repeating: 0, count: columns * rows * volume)
    lanes.forRanges(of: rows, parts: parts) { range in
      for row in range {
        for column in 0..<columns {
          let block = costs + (row &* columns &+ column) &* volume
          fill(column, row) { dx, dy, cost in
            block[(dx &+ Self.reach) &* Self.side &+ dy &+ Self.reach] = UInt16(
              truncatingIfNeeded: min(cost, Int(Self.dearest)))
          }
        }
        addPath(from: row &* columns, columns, by: 1)
        addPath(from: row &* columns &+ columns &- 1, columns, by: -1)
      }
    }
    lanes.forRanges(of: columns, parts: parts) { range in
      for column in range {
        addPath(from: column, rows, by: columns)
        addPath(from: (rows &- 1) &* columns &+ column, rows, by: 0 &- columns)
        for row in 0..<rows {
          let at = row &* columns &+ column
          let sums = sums + at &* volume
          var best = 0
          for k in 1..<volume where sums[k] < sums[best] { best = k }
          dx[at] = Int16(truncatingIfNeeded: best / Self.side &- Self.reach)
          dy[at] = Int16(truncatingIfNeeded: best % Self.side &- Self.reach)
        }
      }
    }
  }

  /// Adds what the ways along a path of blocks cost.
  private func addPath(from first: Int, _ count: Int, by step: Int) {
    let (volume, side) = (Self.volume, Self.side)
    let stiffness = Self.stiffness
    let most = stiffness &* UInt16(Self.jump)
    // Beside the places of both lie others that nothing is nearer to.
    let room = volume + 2 * side
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 2 * room) { memory in
      memory.initialize(repeating: 2 * Self.dearest)
      let ways = memory.baseAddress! + side
      let others = ways + room
      for k in 0..<volume { ways[k] = 0 }
      var at = first
      for _ in 0..<count {
        let (costs, sums) = (costs + at &* volume, sums + at &* volume)
        var least = UInt16.max
        for k in 0..<volume {
          let way = ways[k] &+ costs[k]
          ways[k] = way
          sums[k] &+= way
          least = min(least, way)
        }
        // What it costs to come from there to each displacement of the next block.
        for k in 0..<volume { ways[k] = min(ways[k] &- least, most) }
        for _ in 0..<Self.jump {
          for k in 0..<volume {
            others[k] = min(ways[k], min(ways[k &- 1], ways[k &+ 1]) &+ stiffness)
          }
          for k in 0..<volume {
            ways[k] = min(others[k], min(others[k &- side], others[k &+ side]) &+ stiffness)
          }
        }
        at &+= step
      }
    }
  }
}
