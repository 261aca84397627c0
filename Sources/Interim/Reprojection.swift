/// How well geometry says where the samples of one real picture are in another: looked at on a grid, which
/// is a fraction of what making a picture costs.
///
/// Wrong matrices, draws that were taken for another's, and surfaces that change as they move show up here
/// before anything is shown.
final class Reprojection: @unchecked Sendable {
  /// Samples from a place of the grid to the next.
  static let step = 8
  /// Places along the edge of a region.
  static let placesPerRegion = 4

  struct Region {
    /// Squared differences of luma to where motion leads, and to the same place, summed over what is to be
    /// seen in both pictures.
    var moved: Float = 0
    var held: Float = 0
    var visible: Int32 = 0
    /// Places that the other picture should show, and does at another depth or with another object.
    var hidden: Int32 = 0

    static func + (a: Region, b: Region) -> Region {
      Region(
        moved: a.moved + b.moved, held: a.held + b.held, visible: a.visible &+ b.visible,
        hidden: a.hidden &+ b.hidden)
    }
  }

  let columns: Int
  let rows: Int
  private(set) var regions: [Region]

  init(width: Int, height: Int) {
    let edge = Self.step * Self.placesPerRegion
    columns = (width + edge - 1) / edge
    rows = (height + edge - 1) / edge
    regions = .init(repeating: Region(), count: columns * rows)
  }

  var total: Region { regions.reduce(Region(), +) }

  func clear() {
    for k in regions.indices { regions[k] = Region() }
  }

  /// Looks from one picture at another.
  ///
  /// - Parameter motion: from the first to the second.
  func run(
    from first: Plane, _ side: InterimSideData, to second: Plane, _ other: InterimSideData,
    motion: ObjectMotion
  ) {
    let (width, height) = (side.width, side.height)
    let edge = Self.step * Self.placesPerRegion
    for row in 0..<rows {
      for column in 0..<columns {
        var region = Region()
        for y in stride(
          from: row * edge + Self.step / 2, to: min(height, (row + 1) * edge), by: Self.step)
        {
          for x in stride(
            from: column * edge + Self.step / 2, to: min(width, (column + 1) * edge), by: Self.step)
          {
            Self.look(x, y, first, side, second, other, motion, &region)
          }
        }
        regions[row * columns + column] = region
      }
    }
  }

  @inline(__always)
  private static func look(
    _ x: Int, _ y: Int, _ first: Plane, _ side: InterimSideData, _ second: Plane,
    _ other: InterimSideData, _ motion: ObjectMotion, _ region: inout Region
  ) {
    let (width, height) = (side.width, side.height)
    let at = y &* width &+ x
    let object = Int(side.object[at])
    guard object < motion.count, !motion.entries[object].isUnknown else { return }
    let entry = motion.entries[object]
    let place = SIMD4<Float>(Float(x), Float(y), side.depth[at], 1)
    let w = (entry.w * place).sum()
    guard w > 0 else { return }
    let (px, py) = ((entry.x * place).sum() / w, (entry.y * place).sum() / w)
    guard px >= 0, py >= 0, px < Float(width - 1), py < Float(height - 1) else { return }
    let z = (entry.z * place).sum() / w
    let (ix, iy) = (Int(px), Int(py))
    let nearness = abs((entry.nearness * SIMD4(px, py, z, 1)).sum())
    let neighbour = side.depth[y &+ 1 < height ? at &+ width : at &- width]
    let limit = 0.02 * nearness * entry.depthScale + 3 * abs(neighbour - side.depth[at])
    let corner = iy &* width &+ ix
    let isVisible = [corner, corner &+ 1, corner &+ width, corner &+ width &+ 1].contains { at in
      (entry.object == ObjectMotion.anyObject || other.object[at] == entry.object)
        && abs(other.depth[at] - z) <= limit
    }
    guard isVisible else {
      region.hidden &+= 1
      return
    }
    let (u, v) = (px - Float(ix), py - Float(iy))
    let p = second.row(iy) + ix
    let top = Float(p[0]) * (1 - u) + Float(p[1]) * u
    let low = Float(p[second.stride]) * (1 - u) + Float(p[second.stride &+ 1]) * u
    let here = Float(first.row(y)[x])
    let moved = here - (top * (1 - v) + low * v)
    let held = here - Float(second.row(y)[x])
    region.moved += moved * moved
    region.held += held * held
    region.visible &+= 1
  }
}

/// What looking at the last few real pictures found: the worst of it is what may happen again.
struct Looks {
  private static let most = 6
  private var found: [(time: Double, ratio: Double)] = []

  var count: Int { found.count }

  /// From 0, no better than the picture before, to 1.
  var trust: Double { max(0, 1 - (found.map(\.ratio).max() ?? 0)) }

  /// What is left of the squared difference to a picture, of that which the picture before has.
  static func ratio(_ total: Reprojection.Region) -> Double {
    guard total.visible > 0 else { return 1 }
    // A level of noise counts for nothing.
    return Double(total.moved / (total.held + Float(total.visible)))
  }

  /// Takes note of what was found about the picture of a time, once.
  mutating func add(_ total: Reprojection.Region, at time: Double) {
    guard found.last?.time != time else { return }
    found.append((time, Self.ratio(total)))
    if found.count > Self.most { found.removeFirst() }
  }
}
