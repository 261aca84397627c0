import Testing

@testable import Interim

@Suite("MatrixRecovery")
struct MatrixRecoveryTests {
  private let world = World(width: 192, height: 128)
  private let step = 1.0 / 15

  private func bytes(_ matrices: [Matrix4], isRowMajor: Bool = false) -> [UInt8] {
    var result: [UInt8] = []
    for m in matrices {
      let columns = isRowMajor ? m.transposed.columns : m.columns
      for c in [columns.0, columns.1, columns.2, columns.3] {
        for k in 0..<4 { withUnsafeBytes(of: Float(c[k])) { result += Array($0) } }
      }
    }
    return result
  }

  private var decoys: [Matrix4] {
    [
      .identity, world.projection, World.moved(3, -4),
      Matrix4(rows: [0.2, 0.4, 0.1, 0.9], [1, 2, 3, 4], [0.3, 0.1, 5, 2], [9, 8, 7, 1]),
    ]
  }

  /// How the constants of a draw may lie.
  enum Layout: CaseIterable { case product, factors, threeFactors, rows }

  private func draws(_ t: Double, _ layout: Layout) -> [DrawConstants] {
    let view = world.view(t)
    let camera = world.projection * view
    func blocks(_ model: Matrix4) -> [[UInt8]] {
      switch layout {
      case .product: [bytes(decoys + [camera * model]), []]
      case .factors: [bytes([decoys[3], camera]), [1, 2, 3] + bytes([]), bytes([model])]
      case .threeFactors: [bytes([world.projection, view]), bytes([model])]
      case .rows: [bytes([camera * model], isRowMajor: true)]
      }
    }
    return [
      DrawConstants(identity: 77, group: 1, blocks: blocks(.identity)),
      DrawConstants(identity: 99, group: 2, blocks: blocks(world.model(t))),
    ]
  }

  @Test(
    "matrices are found among others, and the frames move as they do", arguments: Layout.allCases)
  func found(layout: Layout) throws {
    let (before, now) = (world.frame(0), world.frame(step))
    let found = MatrixRecovery.recover(
      now: now, before: before, draws: draws(step, layout), drawsBefore: draws(0, layout))
    #expect(found.count == 2)
    for finding in found.values { #expect(finding.trust > 0.5) }
    let (mine, other) = (
      ObjectMotion(
        from: now.side!.objects, to: before.side!.objects, width: world.width,
        height: world.height),
      ObjectMotion(
        from: world.objects(step), to: world.objects(0), width: world.width, height: world.height)
    )
    for object in 0..<3 {
      let at = SIMD4<Float>(90, 60, now.side!.depth[(object == 2 ? 64 : 5) * world.width + 70], 1)
      let (a, b) = (
        try #require(mine.place(of: object, at)), try #require(other.place(of: object, at))
      )
      #expect(abs(a.x - b.x) < 0.02 && abs(a.y - b.y) < 0.02)
    }
    // What was found is believed the next time.
    let again = MatrixRecovery.recover(
      now: world.frame(2 * step), before: now, draws: draws(2 * step, layout),
      drawsBefore: draws(step, layout), known: found)
    #expect(again.mapValues(\.recipe) == found.mapValues(\.recipe))
  }

  @Test("where nothing fits, objects have no matrix, and the tier falls")
  func uncertain() {
    let frames = (0..<3).map { world.frame(Double($0) * step) }
    func constants(_ k: Int) -> [DrawConstants] {
      draws(0, .product).map {
        DrawConstants(identity: $0.identity, group: $0.group, blocks: [bytes(decoys)])
      }
    }
    for k in 1..<3 {
      let found = MatrixRecovery.recover(
        now: frames[k], before: frames[k - 1], draws: constants(k), drawsBefore: constants(k - 1))
      #expect(found.isEmpty)
    }
    for frame in frames[1...] {
      #expect(frame.side!.objects.allSatisfy { $0.transform == nil })
    }
    let target = Picture(width: world.width, height: world.height)
    let report = InterimSynthesizer(width: world.width, height: world.height).make(
      history: Array(frames[0..<2]), next: frames[2], instant: InterimInstant(time: 1.5 * step),
      into: target)
    #expect(report.tier == .compensated)
  }

  @Test("a projection is told from what is none")
  func structure() {
    let camera = world.projection * world.view(0.4)
    let turned = Matrix4(
      rows: [0.8, 0, -0.6, 5], [0, 2, 0, -2], [0.6, 0, 0.8, 9], [0, 0, 0, 1])
    #expect(MatrixRecovery.isPerspective(world.projection))
    #expect(MatrixRecovery.isPerspective(camera))
    #expect(MatrixRecovery.isPerspective(camera * turned))
    // Reversed and infinite depth.
    #expect(
      MatrixRecovery.isPerspective(
        Matrix4(rows: [1, 0, 0, 0], [0, 1.7, 0, 0], [0, 0, 0, 0.1], [0, 0, -1, 0])))
    for m in [Matrix4.identity, turned, decoys[3], Matrix4.identity * 0, camera * Matrix4.scale(0)]
    {
      #expect(!MatrixRecovery.isPerspective(m))
    }
    #expect(MatrixRecovery.isAffine(turned) && !MatrixRecovery.isAffine(camera))
  }

  @Test("constants of any length and content are survived")
  func nonsense() {
    let (before, now) = (world.frame(0), world.frame(step))
    var random: UInt64 = 7
    for length in [0, 1, 63, 64, 65, 200, 5000] {
      let block = (0..<length).map { _ -> UInt8 in
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: random >> 33)
      }
      let constants = [77, 99, 5].map {
        DrawConstants(identity: $0, group: $0, blocks: [block, [], block])
      }
      #expect(MatrixRecovery.candidates(in: [block]).count <= MatrixRecovery.mostCandidates)
      _ = MatrixRecovery.recover(
        now: now, before: before, draws: constants, drawsBefore: constants)
    }
    let recipe = MatrixRecipe(factors: [.init(block: 3, offset: -16)], isRowMajor: false)
    #expect(recipe.transform([[1]]) == nil)
  }
}
