/// What a draw was given besides its vertices: the bytes of its push constants and uniform blocks.
public struct DrawConstants: Sendable {
  /// As in `SceneObject`.
  public var identity: UInt64
  /// Draws that read their constants in the same way: those of one pipeline and one layout.
  public var group: UInt64
  /// The blocks' bytes, in an order that all draws of a group share.
  public var blocks: [[UInt8]]

  public init(identity: UInt64, group: UInt64, blocks: [[UInt8]]) {
    self.identity = identity
    self.group = group
    self.blocks = blocks
  }
}

/// Where the matrices lie in a draw's constants whose product takes the draw to clip space.
public struct MatrixRecipe: Sendable, Hashable {
  /// A matrix of 64 bytes.
  public struct Location: Sendable, Hashable {
    public var block: Int
    /// In bytes, a multiple of 16.
    public var offset: Int
  }

  /// From left to right.
  public var factors: [Location]
  /// Whether the matrices lie row after row, as shaders of row vectors have them.
  public var isRowMajor: Bool

  /// The product; nil where the constants do not reach, or are not numbers.
  public func transform(_ blocks: [[UInt8]]) -> Matrix4? {
    var product = Matrix4.identity
    for factor in factors {
      guard factor.block < blocks.count,
        let m = MatrixRecovery.matrix(blocks[factor.block], at: factor.offset)
      else { return nil }
      product = product * (isRowMajor ? m.transposed : m)
    }
    return product.isFinite ? product : nil
  }
}

/// Finds out how an unmodified application projects its draws: looks for matrices that have a
/// projection's structure among the bytes that it hands to its shaders, and believes those that put
/// the depth and the colours of one frame where the next one has them.
public enum MatrixRecovery {
  /// How sure a recipe is.
  public struct Finding: Sendable {
    public var recipe: MatrixRecipe
    /// From 0 to 1. Where nothing moved, no recipe can be told from another, and it is a half.
    public var trust: Double
  }

  /// Recipes of a group that are tried, at most.
  static let mostCandidates = 48
  /// Bytes of a block that are looked at.
  private static let mostBytes = 4096
  /// The share of places that must be found again at the depth that they should have.
  private static let leastVisible = 0.75
  /// Of the squared difference to the same place, what may be left along the motion.
  private static let mostLeft = 0.5
  /// Places that must be found again for a finding to count at all.
  private static let leastPlaces: Int32 = 12

  // MARK: - Structure

  /// The matrix of column after column at a place; nil when it does not fit or has what is no number.
  static func matrix(_ bytes: [UInt8], at offset: Int) -> Matrix4? {
    guard offset >= 0, offset <= bytes.count - 64 else { return nil }
    return bytes.withUnsafeBytes { raw in
      func column(_ k: Int) -> SIMD4<Double> {
        SIMD4<Double>(raw.loadUnaligned(fromByteOffset: offset + 16 * k, as: SIMD4<Float>.self))
      }
      let m = Matrix4(columns: column(0), column(1), column(2), column(3))
      return m.isFinite && m.norm < 1e9 ? m : nil
    }
  }

  /// Whether it projects in perspective: depth and divisor are the same distance, each with a scale of its
  /// own, and the divisor does depend on where something is.
  static func isPerspective(_ m: Matrix4) -> Bool {
    let (x, y, z, w) = m.rows
    let (zd, wd) = (direction(z), direction(w))
    let length = (wd * wd).sum().squareRoot()
    guard length > 1e-4 else { return false }
    let cross = SIMD3(
      zd.y * wd.z - zd.z * wd.y, zd.z * wd.x - zd.x * wd.z, zd.x * wd.y - zd.y * wd.x)
    let size = max((zd * zd).sum().squareRoot(), 1e-9 * length)
    guard (cross * cross).sum().squareRoot() < 1e-3 * length * max(size, 1e-3 * length) else {
      return false
    }
    // Depth must say something: a multiple of the divisor alone is the same everywhere.
    let factor = (zd * wd).sum() / (length * length)
    guard abs(z.w - factor * w.w) > 1e-6 * max(1, abs(z.w)) else { return false }
    return (direction(x) * direction(x)).sum() > 1e-8
      && (direction(y) * direction(y)).sum() > 1e-8 && m.inverse != nil
  }

  private static func direction(_ row: SIMD4<Double>) -> SIMD3<Double> {
    SIMD3(row.x, row.y, row.z)
  }

  /// Whether it moves, turns and scales, and no more.
  static func isAffine(_ m: Matrix4) -> Bool {
    let last = m.rows.3
    guard last == SIMD4(0, 0, 0, 1), m != .identity else { return false }
    return m.inverse != nil
  }

  /// The recipes that a group's constants allow, by their structure alone; the shortest first.
  public static func candidates(in blocks: [[UInt8]]) -> [MatrixRecipe] {
    var result: [MatrixRecipe] = []
    for isRowMajor in [false, true] {
      var perspective: [MatrixRecipe.Location] = []
      var affine: [MatrixRecipe.Location] = []
      for (block, bytes) in blocks.enumerated() {
        for offset in stride(from: 0, through: min(bytes.count, mostBytes) - 64, by: 16) {
          guard var m = matrix(bytes, at: offset) else { continue }
          if isRowMajor { m = m.transposed }
          let place = MatrixRecipe.Location(block: block, offset: offset)
          if isPerspective(m) {
            perspective.append(place)
          } else if isAffine(m) {
            affine.append(place)
          }
        }
      }
      for p in perspective {
        result.append(MatrixRecipe(factors: [p], isRowMajor: isRowMajor))
        for a in affine {
          result.append(MatrixRecipe(factors: [p, a], isRowMajor: isRowMajor))
          for b in affine where b != a {
            result.append(MatrixRecipe(factors: [p, a, b], isRowMajor: isRowMajor))
          }
        }
      }
    }
    return Array(result.sorted { $0.factors.count < $1.factors.count }.prefix(mostCandidates))
  }

  // MARK: - The check

  /// Finds the recipe of every group of draws that two successive frames have in common, and gives both
  /// frames' objects the transforms that follow. Objects whose recipe is not sure have none, and what is
  /// made of the frames falls to a lower tier there.
  ///
  /// - Parameters:
  ///   - now, before: real frames with depth and objects, of the same size, whose objects have the draws'
  ///     identities. Their transforms are overwritten.
  ///   - draws, drawsBefore: the constants of the frames' draws.
  ///   - known: what earlier calls found; believed without a search as long as the check does not
  ///     speak against it.
  /// - Returns: what was found for each group.
  public static func recover(
    now: InterimFrame, before: InterimFrame, draws: [DrawConstants], drawsBefore: [DrawConstants],
    known: [UInt64: Finding] = [:]
  ) -> [UInt64: Finding] {
    guard let side = now.side, let older = before.side, side.width == older.width,
      side.height == older.height, now.picture.width == side.width,
      before.picture.width == side.width, now.picture.height == side.height,
      before.picture.height == side.height, side.width > 1, side.height > 1
    else { return [:] }
    let (index, indexBefore) = (side.indexByIdentity(), older.indexByIdentity())
    for k in side.objects.indices { side.objects[k].transform = nil }
    for k in older.objects.indices { older.objects[k].transform = nil }
    let past = Dictionary(drawsBefore.map { ($0.identity, $0) }, uniquingKeysWith: { a, _ in a })
    let reprojection = Reprojection(width: side.width, height: side.height)
    var findings: [UInt64: Finding] = [:]
    var transforms: [(here: Int, there: Int, Matrix4, Matrix4)] = []
    let groups = Dictionary(grouping: draws, by: \.group)
    for (group, members) in groups.sorted(by: { $0.key < $1.key }) {
      let pairs = members.compactMap { draw -> Pair? in
        guard let here = index[draw.identity], here > 0, let there = indexBefore[draw.identity],
          there > 0, let old = past[draw.identity], old.group == group
        else { return nil }
        return Pair(here: here, there: there, now: draw.blocks, before: old.blocks)
      }
      guard let first = pairs.first else { continue }
      func check(_ recipe: MatrixRecipe) -> Reprojection.Region? {
        var (objects, others) = (side.objects, older.objects)
        var isAny = false
        for pair in pairs {
          objects[pair.here].transform = recipe.transform(pair.now)
          others[pair.there].transform = recipe.transform(pair.before)
          if objects[pair.here].transform != nil { isAny = true }
        }
        guard isAny else { return nil }
        let motion = ObjectMotion(
          from: objects, to: others, width: side.width, height: side.height)
        reprojection.run(
          from: now.picture.luma, side, to: before.picture.luma, older, motion: motion)
        return reprojection.total
      }
      var best: Finding?
      if let old = known[group], let found = check(old.recipe), let trust = trust(found) {
        best = Finding(recipe: old.recipe, trust: max(trust, trust < 0.5 ? 0 : old.trust))
      } else {
        var least = Float.infinity
        for recipe in candidates(in: first.now) {
          guard let found = check(recipe), let trust = trust(found) else { continue }
          let left = (found.moved + 400 * Float(found.hidden)) / Float(found.visible)
          if left < least - 0.01 { (least, best) = (left, Finding(recipe: recipe, trust: trust)) }
        }
      }
      guard let best else { continue }
      findings[group] = best
      for pair in pairs {
        if let a = best.recipe.transform(pair.now), let b = best.recipe.transform(pair.before) {
          transforms.append((pair.here, pair.there, a, b))
        }
      }
    }
    for (here, there, a, b) in transforms {
      side.objects[here].transform = a
      older.objects[there].transform = b
    }
    setCamera(side, older, transforms)
    return findings
  }

  private struct Pair {
    var here: Int
    var there: Int
    var now: [[UInt8]]
    var before: [[UInt8]]
  }

  /// What a check is worth; nil when it speaks against the recipe.
  private static func trust(_ found: Reprojection.Region) -> Double? {
    guard found.visible >= leastPlaces,
      Double(found.visible) >= leastVisible * Double(found.visible + found.hidden)
    else { return nil }
    let ratio = Looks.ratio(found)
    // Less than two levels of difference at the same place: nothing moved.
    if found.held < 4 * Float(found.visible) { return ratio <= 1 ? 0.5 : nil }
    return ratio <= mostLeft ? 1 - ratio : nil
  }

  /// Takes the step that most of the picture has in common for the camera's, and the largest object with it
  /// for the world.
  private static func setCamera(
    _ side: InterimSideData, _ older: InterimSideData,
    _ transforms: [(here: Int, there: Int, Matrix4, Matrix4)]
  ) {
    var area = [Int](repeating: 0, count: side.objects.count)
    for at in stride(from: 0, to: side.width * side.height, by: 61) {
      let object = Int(side.object[at])
      if object < area.count { area[object] += 1 }
    }
    var clusters: [(step: Matrix4, area: Int, member: Int)] = []
    for (k, entry) in transforms.enumerated() {
      guard let back = entry.2.inverse else { continue }
      let step = entry.3 * back
      let size = area[entry.here]
      if let at = clusters.firstIndex(where: {
        ($0.step - step).norm <= 1e-3 * max(1, step.norm)
      }) {
        clusters[at].area += size
        if size > area[transforms[clusters[at].member].here] { clusters[at].member = k }
      } else if clusters.count < 64 {
        clusters.append((step, size, k))
      }
    }
    guard let camera = clusters.max(by: { $0.area < $1.area }) else { return }
    side.objects[0].transform = transforms[camera.member].2
    older.objects[0].transform = transforms[camera.member].3
  }
}
