/// What needs no motion: the floor that every tier is measured against.
public enum Baseline {
  /// The picture before, again.
  public static func hold(_ first: Picture, into target: Picture, lanes: Lanes = .serial) {
    precondition(first.matches(target))
    for (source, out) in zip(first.planes, target.planes) {
      lanes.forRanges(of: out.height, parts: 8) { rows in
        for y in rows { out.row(y).update(from: source.row(y), count: out.width) }
      }
    }
  }

  /// A mean of both pictures, the nearer in time the more.
  public static func blend(
    _ first: Picture, _ second: Picture, phase: Phase, into target: Picture,
    lanes: Lanes = .serial
  ) {
    precondition(first.matches(target) && second.matches(target))
    let after = UInt32(min(256, phase.fraction))
    for k in 0..<3 {
      let (a, b, out) = (first.planes[k], second.planes[k], target.planes[k])
      lanes.forRanges(of: out.height, parts: 8) { rows in
        for y in rows { mix(a.row(y), b.row(y), after, out.row(y), out.width) }
      }
    }
  }

  private static func mix(
    _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ after: UInt32,
    _ out: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    for x in 0..<count {
      let sum = UInt32(a[x]) &* (256 &- after) &+ UInt32(b[x]) &* after
      out[x] = UInt8(truncatingIfNeeded: (sum &+ 128) &>> 8)
    }
  }
}
