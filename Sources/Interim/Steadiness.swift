/// Whether motion goes on from one pair of pictures to the next. Where all of the view jolts, the middle of a
/// motion is not where things are half-way; if the motion is small besides, the picture before may be nearer.
///
/// Medians over the picture, since a few wrong vectors say nothing about the view.
final class Steadiness: @unchecked Sendable {
  /// Blocks from one that is looked at to the next.
  private static let stride = 3
  private let blocks: Int
  private let dx: UnsafeMutablePointer<Int16>
  private let dy: UnsafeMutablePointer<Int16>
  /// The pair whose motion was seen last.
  private var last: (from: Double, to: Double)?
  /// What confidence in the last pair's middle is at most.
  private(set) var trust: Double = 1

  init(blocks: Int) {
    self.blocks = blocks
    dx = .allocate(capacity: blocks)
    dy = .allocate(capacity: blocks)
    dx.initialize(repeating: 0, count: blocks)
    dy.initialize(repeating: 0, count: blocks)
  }

  deinit {
    dx.deallocate()
    dy.deallocate()
  }

  /// Takes note of the motion between two pictures, once.
  func add(_ field: MotionField, from start: Double, to end: Double) {
    if let last, last.from == start, last.to == end { return }
    if let last, last.to == start {
      var (changes, size) = (Changes(), Float(0))
      size = 1 / Float(MotionField.unit)
      for k in Swift.stride(from: 0, to: blocks, by: Self.stride) {
        let motion = SIMD2(Float(field.dx[k]), Float(field.dy[k])) * size
        changes.add(motion, before: SIMD2(Float(dx[k]), Float(dy[k])) * size)
      }
      trust = changes.trust
    } else {
      trust = 1
    }
    dx.update(from: field.dx, count: blocks)
    dy.update(from: field.dy, count: blocks)
    last = (start, end)
  }

  /// The same from geometry: how a picture moves into the next, and where it came from.
  static func trust(
    _ side: InterimSideData, to next: ObjectMotion, from before: ObjectMotion
  ) -> Double {
    var changes = Changes()
    for y in Swift.stride(from: 8, to: side.height, by: 16) {
      for x in Swift.stride(from: 8, to: side.width, by: 16) {
        let at = y &* side.width &+ x
        let object = Int(side.object[at])
        let place = SIMD4<Float>(Float(x), Float(y), side.depth[at], 1)
        guard let there = next.place(of: object, place), let was = before.place(of: object, place)
        else { continue }
        let here = SIMD2(place.x, place.y)
        changes.add(there - here, before: here - was)
      }
    }
    return changes.trust
  }
}

/// Motion in many places, and what it changed by.
private struct Changes {
  private var across: [Float] = []
  private var down: [Float] = []
  private var squares: [Float] = []

  mutating func add(_ motion: SIMD2<Float>, before: SIMD2<Float>) {
    let change = motion - before
    across.append(change.x)
    down.append(change.y)
    squares.append((motion * motion).sum())
  }

  /// 1 where motion is constant; below 0.3, where the gate is, when it changes by more than itself.
  var trust: Double {
    guard !squares.isEmpty else { return 1 }
    func median(_ values: [Float]) -> Float { values.sorted()[values.count / 2] }
    let (x, y) = (median(across), median(down))
    let change = (x * x + y * y).squareRoot()
    let motion = median(squares).squareRoot()
    // A quarter of a sample is what a search may be off, and harms nothing.
    return change < 0.25 ? 1 : Double(max(0, 1 - 0.65 * change / max(motion, 1e-3)))
  }
}
