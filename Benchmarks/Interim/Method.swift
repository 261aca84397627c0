import Interim

/// A way to make the withheld frames; a row of the table.
enum Method: CaseIterable {
  case hold, blend, peer, fast, full, heldLayer, layered, e1, e2, i1, i2, replayed

  var name: String {
    switch self {
    case .hold: "hold"
    case .blend: "blend"
    case .peer: "ffmpeg minterpolate mci"
    case .fast: "image only, fast"
    case .full: "image only, full"
    case .heldLayer: "image only, full, HUD apart"
    case .layered: "image only, full, HUD replayed"
    case .e1: "E1"
    case .e2: "E2"
    case .i1: "I1"
    case .i2: "I2"
    case .replayed: "I2, replayed between"
    }
  }

  /// What it is shown.
  var sees: String {
    switch self {
    case .hold: "past"
    case .blend, .peer, .fast, .full: "both pictures"
    case .heldLayer: "both pictures, HUD layer of the frame before"
    case .layered: "both pictures, HUD layer of the instant"
    case .e1: "past, depth, matrices"
    case .e2: "past, depth, matrices and depth of the instant"
    case .i1: "both, depth, matrices"
    case .i2: "both, depth, matrices and depth of the instant"
    case .replayed: "both, depth, matrices; depth replayed half-way"
    }
  }

  var options: InterimOptions? {
    switch self {
    case .hold, .blend, .peer: nil
    case .fast: InterimOptions(effort: .fast, tiers: [.compensated])
    case .full, .heldLayer, .layered: InterimOptions(effort: .full, tiers: [.compensated])
    case .e1: InterimOptions(effort: .full, tiers: [.extrapolated])
    case .e2: InterimOptions(effort: .full, tiers: [.extrapolatedToGeometry])
    case .i1: InterimOptions(effort: .full, tiers: [.interpolated, .compensated])
    case .i2, .replayed:
      InterimOptions(effort: .full, tiers: [.interpolatedToGeometry, .compensated])
    }
  }

  var isPeers: Bool { self == .hold || self == .blend || self == .peer }
}

/// A sequence at a speed, with what makes its withheld frames.
struct Trial {
  /// Given frames before the first whose successor is scored: what is foretold needs some to go by.
  static let first = 3
  static let given = 8

  let scene: Scene
  let frames: [Frame]
  let peer: [Picture]
  let width: Int
  let height: Int

  /// The withheld frames that are scored, by the given frame before each.
  static var scored: Range<Int> { first..<given - 1 }

  func truth(_ k: Int) -> Frame { frames[2 * k + 1] }

  /// Makes the picture after each given one, in order, as a stream would be shown.
  ///
  /// - Parameter body: is handed the number of the given frame before, the picture, and the tier's report.
  func run(
    _ method: Method, lanes: Lanes, _ body: (Int, Picture, InterimReport?) -> Void
  ) {
    guard var options = method.options else {
      for k in Self.scored {
        switch method {
        case .hold: body(k, frames[2 * k].shown, nil)
        case .blend:
          let picture = Picture(width: width, height: height)
          Baseline.blend(
            frames[2 * k].shown, frames[2 * k + 2].shown, phase: .half, into: picture)
          body(k, picture, nil)
        default: body(k, peer[k], nil)
        }
      }
      return
    }
    let synthesizer = InterimSynthesizer(width: width, height: height)
    let picture = Picture(width: width, height: height)
    let even = (0..<Self.given).map { k -> InterimFrame in
      let frame = frames[2 * k]
      var given = frame.given(at: Double(2 * k))
      if method == .fast || method == .full {
        (given.picture, given.overlay, given.side) = (frame.shown, nil, nil)
      }
      return given
    }
    options.isGated = true
    for k in 0..<Self.given - 1 {
      var instant = InterimInstant(time: Double(2 * k + 1))
      switch method {
      case .e2, .i2: (instant.side, instant.overlay) = (truth(k).side, truth(k).overlay)
      case .layered: instant.overlay = truth(k).overlay
      case .replayed:
        instant.isExact = false
        let objects = ObjectPath.objects(
          frames[2 * k].side.objects, others: frames[2 * k + 2].side.objects, at: 0.5)
        instant.side = scene.geometry(objects, width: width, height: height)
      default: break
      }
      let isAhead = method == .e1 || method == .e2
      let report = synthesizer.make(
        history: Array(even[max(0, k - 2)...k]), next: isAhead ? nil : even[k + 1],
        instant: instant, options: options, into: picture, lanes: lanes)
      if Self.scored.contains(k) { body(k, picture, report) }
    }
  }
}
