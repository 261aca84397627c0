/// What may be done for an interim picture.
public struct InterimOptions: Sendable {
  /// How much work image-only compensation is.
  public var effort: Effort
  /// The tiers that may be used; hold always may.
  public var tiers: Set<InterimTier>
  /// Whether what is likely to be worse than the picture before gives way to that. Off only to measure.
  public var isGated: Bool

  public init(
    effort: Effort = .fast, tiers: Set<InterimTier> = Set(InterimTier.allCases),
    isGated: Bool = true
  ) {
    self.effort = effort
    self.tiers = tiers
    self.isGated = isGated
  }
}

/// Makes the picture of an instant that nobody rendered, by the best tier that what is known allows and that
/// its own checks do not speak against.
///
/// One synthesizer serves one size; its memory is made as it is needed and used again. It must not be used
/// by two threads at a time, while the lanes that it is given may have as many as they like.
public final class InterimSynthesizer: @unchecked Sendable {
  public let width: Int
  public let height: Int
  public let sampling: ChromaSampling

  private lazy var interpolator = MotionInterpolator(width: width, height: height)
  private lazy var splat = GeometrySplat(width: width, height: height)
  private lazy var moved = InterimSideData(
    width: width, height: height, objects: [SceneObject(identity: 0, transform: nil)])
  private lazy var lower = Picture(width: width, height: height, sampling: sampling)
  private let regions: RegionMap
  private let mix: RegionMix
  private let reprojection: Reprojection
  private let estimates: Estimates
  /// How well the last real pictures were foretold, and how well they lay between their neighbours.
  private var foretold = Looks()
  private var between = Looks()
  /// What geometry says of the steadiness of the pictures that are looked at now.
  private var steady: Double = 1
  private lazy var steadiness = Steadiness(
    blocks: interpolator.field.columns * interpolator.field.rows)
  private lazy var lowerEstimates = Estimates(width: width, height: height)

  /// - Parameters: width and height of luma in samples, from 1 to 16384.
  public init(width: Int, height: Int, sampling: ChromaSampling = .half) {
    precondition((1...16384).contains(width) && (1...16384).contains(height))
    self.width = width
    self.height = height
    self.sampling = sampling
    regions = RegionMap(width: width, height: height)
    mix = RegionMix(width: width, height: height, edge: GeometryWarp.region)
    reprojection = Reprojection(width: width, height: height)
    estimates = Estimates(width: width, height: height)
  }

  /// Writes the picture of an instant.
  ///
  /// - Parameters:
  ///   - history: real frames before the instant, the latest last: at least one; what lies beyond the last
  ///     three is not looked at.
  ///   - next: the real frame after it, when it is there already.
  ///   - target: of the synthesizer's size and sampling. Its borders are left as they are.
  /// - Returns: how it was made. Frames of another size than the synthesizer's are not used; without one
  ///   that fits, nothing is written and the tier is hold with no confidence.
  public func make(
    history: [InterimFrame], next: InterimFrame?, instant: InterimInstant,
    options: InterimOptions = InterimOptions(), into target: Picture, lanes: Lanes = .serial
  ) -> InterimReport {
    precondition(fits(target))
    let past = history.suffix(3).filter { fits($0.picture) }
    guard let last = past.last else { return InterimReport(tier: .hold, confidence: 0, share: 1) }
    let following = next.flatMap { fits($0.picture) && $0.time > last.time ? $0 : nil }
    var report: InterimReport?
    steady = 1
    for tier in InterimTier.allCases.reversed() where options.tiers.contains(tier) {
      report =
        switch tier {
        case .interpolatedToGeometry, .interpolated:
          following.flatMap { interpolate(last, $0, past, instant, tier, options, target, lanes) }
        case .extrapolatedToGeometry, .extrapolated:
          following == nil
            ? extrapolate(past, instant, tier, options, target, lanes) : nil
        case .compensated:
          following.flatMap { compensate(last, $0, instant, options, target, lanes) }
        case .hold: nil
        }
      if report != nil { break }
    }
    if report == nil { Baseline.hold(last.picture, into: target, lanes: lanes) }
    if let overlay = instant.overlay ?? last.overlay, overlay.width == width,
      overlay.height == height, overlay.sampling == sampling
    {
      overlay.composite(onto: target, lanes: lanes)
    }
    return report ?? InterimReport(tier: .hold, confidence: 0, share: 1)
  }

  private func fits(_ picture: Picture) -> Bool {
    picture.width == width && picture.height == height && picture.sampling == sampling
  }

  private func fits(_ side: InterimSideData?) -> InterimSideData? {
    // A filter's four samples around a place need two by two at least.
    guard let side, side.width == width, side.height == height, width > 1, height > 1 else {
      return nil
    }
    return side
  }

  private func phase(_ time: Double, from: Double, to: Double) -> Phase {
    let share = (time - from) / (to - from)
    return Phase(fraction: share.isFinite ? Int(max(0, min(1, share)) * 256 + 0.5) : 128)
  }

  // MARK: - Two pictures

  private func compensate(
    _ last: InterimFrame, _ next: InterimFrame, _ instant: InterimInstant,
    _ options: InterimOptions, _ target: Picture, _ lanes: Lanes
  ) -> InterimReport? {
    let phase = phase(instant.time, from: last.time, to: next.time)
    interpolator.interpolate(
      from: last.picture, to: next.picture, phase: phase, effort: options.effort, into: target,
      lanes: lanes)
    estimates.compensation(interpolator.field, target.luma, last.picture.luma, lanes: lanes)
    steadiness.add(interpolator.field, from: last.time, to: next.time)
    estimates.limit = min(steadiness.trust, steady)
    return gate(.compensated, estimates, last.picture, options, target, lanes)
  }

  private func interpolate(
    _ last: InterimFrame, _ next: InterimFrame, _ past: [InterimFrame],
    _ instant: InterimInstant, _ tier: InterimTier, _ options: InterimOptions, _ target: Picture,
    _ lanes: Lanes
  ) -> InterimReport? {
    guard let a = fits(last.side), let b = fits(next.side) else { return nil }
    let phase = phase(instant.time, from: last.time, to: next.time)
    let geometry: InterimSideData
    if tier == .interpolatedToGeometry {
      guard let known = fits(instant.side) else { return nil }
      geometry = known
    } else {
      moved.objects = Self.between(a.objects, b.objects, phase.value)
      splat.run([part(of: a), part(of: b)], into: moved, lanes: lanes)
      geometry = moved
    }
    var sources = [source(last, a, geometry), source(next, b, geometry)]
    if past.count > 1, let older = fits(past[past.count - 2].side) {
      sources.append(source(past[past.count - 2], older, geometry))
    }
    GeometryWarp(sources: sources, mix: .both(second: phase.fraction), geometry: geometry)
      .run(into: target, regions: regions, lanes: lanes)
    estimates.interpolation(regions, width: width, height: height)
    if tier == .interpolated || !instant.isExact, past.count > 1 {
      if let found = look(between: past, and: next) { between.add(found.total, at: last.time) }
      estimates.limit = between.trust
      if let older = fits(past[past.count - 2].side) {
        steady = Steadiness.trust(
          a, to: motion(a.objects, b.objects), from: motion(a.objects, older.objects))
        estimates.limit = min(estimates.limit, steady)
      }
    }
    let lowered =
      options.isGated && options.tiers.contains(.compensated)
      ? lower(last, next, phase, options, target, lanes) : 0
    guard var report = gate(tier, estimates, last.picture, options, target, lanes) else {
      return nil
    }
    report.share = max(0, report.share - lowered)
    return report
  }

  /// Lets image-only compensation have the regions in which the two pictures do not agree along the motion
  /// that geometry says, and do along one that they show: what is drawn without depth moves by itself.
  ///
  /// - Returns: the share of the picture that it has.
  private func lower(
    _ last: InterimFrame, _ next: InterimFrame, _ phase: Phase, _ options: InterimOptions,
    _ target: Picture, _ lanes: Lanes
  ) -> Double {
    guard estimates.doubtfulShare > Estimates.worthwhile else { return 0 }
    interpolator.interpolate(
      from: last.picture, to: next.picture, phase: phase, effort: options.effort, into: lower,
      lanes: lanes)
    lowerEstimates.compensation(interpolator.field, lower.luma, last.picture.luma, lanes: lanes)
    estimates.takeBetter(from: lowerEstimates, weights: mix.weights)
    mix.run(lower, into: target, lanes: lanes)
    return mix.share
  }

  /// The objects of two pictures, each at an instant between them.
  private static func between(
    _ a: [SceneObject], _ b: [SceneObject], _ position: Double
  ) -> [SceneObject] {
    var result = ObjectPath.objects(a, others: b, at: position)
    let known = Set(a.map(\.identity))
    let back = ObjectPath.objects(b, others: a, at: 1 - position)
    for (k, object) in b.enumerated() where k > 0 && !known.contains(object.identity) {
      if result.count < Int(ObjectMotion.anyObject) { result.append(back[k]) }
    }
    return result
  }

  // MARK: - The past alone

  private func extrapolate(
    _ past: [InterimFrame], _ instant: InterimInstant, _ tier: InterimTier,
    _ options: InterimOptions, _ target: Picture, _ lanes: Lanes
  ) -> InterimReport? {
    guard past.count > 1 || tier == .extrapolatedToGeometry, let last = past.last,
      let side = fits(last.side)
    else { return nil }
    let before = past.count > 1 ? past[past.count - 2] : nil
    let geometry: InterimSideData
    if tier == .extrapolatedToGeometry {
      guard let known = fits(instant.side) else { return nil }
      geometry = known
    } else {
      guard let before, let older = fits(before.side), last.time > before.time else { return nil }
      let position = (last.time - instant.time) / (last.time - before.time)
      moved.objects = ObjectPath.objects(side.objects, others: older.objects, at: position)
      splat.run([part(of: side)], into: moved, lanes: lanes)
      geometry = moved
    }
    var sources = [source(last, side, geometry)]
    if let before, let older = fits(before.side) {
      sources.append(source(before, older, geometry))
    }
    GeometryWarp(sources: sources, mix: .first, geometry: geometry)
      .run(into: target, regions: regions, lanes: lanes)
    let position = before.map { (instant.time - last.time) / (last.time - $0.time) } ?? 1
    let found = look(back: past, isForetold: tier == .extrapolated)
    estimates.extrapolation(regions, found, position: position, width: width, height: height)
    if tier == .extrapolated {
      if let found { foretold.add(found.total, at: last.time) }
      // Motion that jolts may be foretold well once by chance.
      guard !options.isGated || foretold.count > 2 else { return nil }
      estimates.limit = foretold.trust
    } else {
      estimates.limit = found.map { 1 - Looks.ratio($0.total) } ?? 1
    }
    return gate(tier, estimates, last.picture, options, target, lanes)
  }

  /// What moving on would have been worth until now: how well the last picture is foretold from the one
  /// before.
  ///
  /// - Parameter isForetold: whether by motion that goes on as it was before that one; otherwise by the
  ///   motion that is known now.
  /// - Returns: nil when there are not pictures enough to tell.
  private func look(back past: [InterimFrame], isForetold: Bool) -> Reprojection? {
    guard past.count > 1, let last = past.last, let side = fits(last.side) else { return nil }
    let before = past[past.count - 2]
    guard let older = fits(before.side) else { return nil }
    guard isForetold else {
      return look(from: last, side, side.objects, to: before, older)
    }
    guard past.count > 2, let oldest = fits(past[past.count - 3].side) else { return nil }
    let span = before.time - past[past.count - 3].time
    guard span > 0 else { return nil }
    let path = ObjectPath.objects(
      older.objects, others: oldest.objects, at: (before.time - last.time) / span)
    return look(from: last, side, Self.replaced(side.objects, by: path), to: before, older)
  }

  /// What a motion half-way between two pictures would have been worth for the last one, had it not been
  /// there.
  private func look(between past: [InterimFrame], and next: InterimFrame) -> Reprojection? {
    guard past.count > 1, let last = past.last, let side = fits(last.side),
      let older = fits(past[past.count - 2].side), let newer = fits(next.side)
    else { return nil }
    let before = past[past.count - 2]
    guard before.time < last.time else { return nil }
    let path = ObjectPath.objects(
      older.objects, others: newer.objects,
      at: (last.time - before.time) / (next.time - before.time))
    return look(from: last, side, Self.replaced(side.objects, by: path), to: before, older)
  }

  private func look(
    from frame: InterimFrame, _ side: InterimSideData, _ objects: [SceneObject],
    to other: InterimFrame, _ otherSide: InterimSideData
  ) -> Reprojection {
    reprojection.run(
      from: frame.picture.luma, side, to: other.picture.luma, otherSide,
      motion: motion(objects, otherSide.objects))
    return reprojection
  }

  /// Objects with the places that a path gives those with the same identity.
  private static func replaced(_ objects: [SceneObject], by path: [SceneObject]) -> [SceneObject] {
    let index = Dictionary(
      path.enumerated().map { ($1.identity, $0) }, uniquingKeysWith: min)
    var result = objects
    for k in objects.indices {
      if let match = k == 0 ? 0 : index[objects[k].identity] {
        result[k].transform = path[match].transform
      }
    }
    return result
  }

  // MARK: - What is shown

  /// Gives way to the picture before where that is likely to be better, in regions or as a whole.
  ///
  /// - Returns: nil when it is as a whole.
  private func gate(
    _ tier: InterimTier, _ estimates: Estimates, _ last: Picture, _ options: InterimOptions,
    _ target: Picture, _ lanes: Lanes
  ) -> InterimReport? {
    let confidence = estimates.confidence
    guard options.isGated else {
      return InterimReport(tier: tier, confidence: confidence, share: 1)
    }
    guard confidence > Estimates.leastConfidence(of: tier) else { return nil }
    estimates.markHeld(weights: mix.weights)
    let held = mix.share
    if held > 0 { mix.run(last, into: target, lanes: lanes) }
    return InterimReport(tier: tier, confidence: confidence, share: 1 - held)
  }

  /// What is to be moved to the objects of `moved`.
  private func part(of side: InterimSideData) -> GeometrySplat.Source {
    GeometrySplat.Source(
      side: side, motion: motion(side.objects, moved.objects),
      back: motion(moved.objects, side.objects))
  }

  private func motion(_ from: [SceneObject], _ to: [SceneObject]) -> ObjectMotion {
    ObjectMotion(from: from, to: to, width: width, height: height)
  }

  private func source(
    _ frame: InterimFrame, _ side: InterimSideData, _ geometry: InterimSideData
  ) -> GeometryWarp.Source {
    GeometryWarp.Source(
      picture: frame.picture, side: side, motion: motion(geometry.objects, side.objects))
  }
}
