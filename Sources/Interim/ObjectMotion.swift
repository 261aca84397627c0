/// How every object of one picture moves into another, in samples: what takes a sample's place and depth in
/// the one to its place and depth in the other.
final class ObjectMotion: @unchecked Sendable {
  /// A row for each of x, y, depth and the divisor, times (x, y, depth, 1); and a fifth, which gives the
  /// reciprocal of the distance to the eye at a place of the picture that motion leads to.
  struct Entry {
    var x: SIMD4<Float>
    var y: SIMD4<Float>
    var z: SIMD4<Float>
    var w: SIMD4<Float>
    var nearness: SIMD4<Float>
    /// What a step in depth counts as a share of distance, at a nearness of one.
    var depthScale: Float
    /// The object's index in the picture that motion leads to; `anyObject` when it is not there.
    var object: UInt16
    /// Nobody knows how it moves.
    var isUnknown: Bool

    static let unknown = Entry(
      x: .zero, y: .zero, z: .zero, w: .zero, nearness: .zero, depthScale: 0, object: anyObject,
      isUnknown: true)
  }

  static let anyObject = UInt16.max

  /// Where a sample of an object goes to; nil when nobody knows, or behind the eye.
  ///
  /// - Parameter place: x, y, depth and 1.
  func place(of object: Int, _ place: SIMD4<Float>) -> SIMD2<Float>? {
    guard object < count, !entries[object].isUnknown else { return nil }
    let entry = entries[object]
    let w = (entry.w * place).sum()
    guard w > 0 else { return nil }
    return SIMD2((entry.x * place).sum() / w, (entry.y * place).sum() / w)
  }

  let entries: UnsafeMutablePointer<Entry>
  let count: Int

  deinit { entries.deallocate() }

  /// - Parameters:
  ///   - objects: those of the picture that motion starts from.
  ///   - others: those of the one that it leads to.
  ///   - width, height: of both, in samples.
  init(from objects: [SceneObject], to others: [SceneObject], width: Int, height: Int) {
    count = objects.count
    entries = .allocate(capacity: count)
    let index = Dictionary(
      others.enumerated().map { ($1.identity, $0) }, uniquingKeysWith: min)
    let (w, h) = (Double(width), Double(height))
    // From clip space to samples, whose middles are at whole numbers, and back.
    let toSamples = Matrix4(
      rows: [w / 2, 0, 0, (w - 1) / 2], [0, h / 2, 0, (h - 1) / 2], [0, 0, 1, 0], [0, 0, 0, 1])
    let fromSamples = Matrix4(
      rows: [2 / w, 0, 0, (1 - w) / w], [0, 2 / h, 0, (1 - h) / h], [0, 0, 1, 0], [0, 0, 0, 1])
    // What is only in one of them is taken to stand still in the world.
    let still: Matrix4? =
      if let here = objects[0].transform?.inverse, let there = others[0].transform {
        there * here
      } else {
        nil
      }
    for (k, object) in objects.enumerated() {
      let match = k == 0 ? 0 : index[object.identity]
      entries[k] = .unknown
      guard let transform = object.transform, let back = transform.inverse else { continue }
      let target: Matrix4
      if let match {
        guard let other = others[match].transform else { continue }
        target = other
      } else {
        guard let still else { continue }
        target = still * transform
      }
      guard let targetBack = target.inverse else { continue }
      let rows = (toSamples * target * back * fromSamples).rows
      let nearness = (targetBack * fromSamples).rows.3
      guard (toSamples * target * back).isFinite, abs(nearness.z) < 1e30 else { continue }
      entries[k] = Entry(
        x: SIMD4<Float>(rows.0), y: SIMD4<Float>(rows.1), z: SIMD4<Float>(rows.2),
        w: SIMD4<Float>(rows.3), nearness: SIMD4<Float>(nearness),
        depthScale: Float(1 / max(1e-30, abs(nearness.z))),
        object: match.map { UInt16($0) } ?? Self.anyObject, isUnknown: false)
    }
  }
}

/// Where the objects of two pictures are at another instant, if each keeps the motion that it has between
/// them: what turns goes on turning.
public enum ObjectPath {
  /// What a node replays draws with, to have their depth at an instant that the application has not drawn.
  ///
  /// - Parameters:
  ///   - objects: those whose places are wanted, as they are at position 0.
  ///   - others: of another picture, which lies at position 1, whether before or after.
  ///   - position: of the instant that is wanted; below 0 it lies on the other picture's far side.
  public static func objects(
    _ objects: [SceneObject], others: [SceneObject], at position: Double
  ) -> [SceneObject] {
    let index = Dictionary(
      others.enumerated().map { ($1.identity, $0) }, uniquingKeysWith: min)
    var result = objects
    // Most objects stand still, and have the camera's motion in common.
    var common: (step: Matrix4, partial: Matrix4)?
    for (k, object) in objects.enumerated() {
      guard let transform = object.transform else { continue }
      guard let match = k == 0 ? 0 : index[object.identity],
        let other = others[match].transform, let back = transform.inverse
      else {
        result[k].transform = common.map { $0.partial * transform }
        continue
      }
      let step = other * back
      if let common, (common.step - step).norm <= 1e-7 * max(1, step.norm) {
        result[k].transform = common.partial * transform
        continue
      }
      let partial = power(of: step, position)
      if k == 0 { common = (step, partial) }
      let moved = partial * transform
      result[k].transform = moved.isFinite ? moved : nil
    }
    return result
  }

  /// The step to that power; when it has no logarithm, that share of it.
  static func power(of step: Matrix4, _ position: Double) -> Matrix4 {
    if let logarithm = step.logarithm { return (logarithm * position).exponential }
    return .identity + (step - .identity) * position
  }
}
