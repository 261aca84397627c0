/// Luma at its size, at a half of it, a quarter, and so on.
final class Pyramid: @unchecked Sendable {
  /// The smallest edge of a level that is worth searching, in samples.
  private static let smallestEdge = 40
  private static let mostLevels = 6

  /// Views of the levels, the full size first.
  private(set) var planes: [Plane]
  /// The levels below the full size.
  private let reduced: [BorderedPlane]

  init(width: Int, height: Int) {
    var reduced: [BorderedPlane] = []
    var (w, h) = ((width + 1) / 2, (height + 1) / 2)
    repeat {
      reduced.append(BorderedPlane(width: w, height: h))
      (w, h) = ((w + 1) / 2, (h + 1) / 2)
    } while reduced.count < Self.mostLevels && min(w, h) >= Self.smallestEdge
    self.reduced = reduced
    planes = [reduced[0].plane] + reduced.map(\.plane)
  }

  /// Takes luma with its border as the full size, without a copy, and makes the others.
  func build(from luma: Plane, lanes: Lanes) {
    planes[0] = luma
    for level in 1..<planes.count {
      let (source, target) = (planes[level - 1], reduced[level - 1])
      lanes.forRanges(of: target.plane.height, parts: 8) { rows in
        Self.halve(source, target.plane, rows: rows)
        target.extendBorder(rows: rows)
      }
    }
  }

  /// Means of two by two samples. The source's border serves where its size is odd.
  private static func halve(_ source: Plane, _ target: Plane, rows: Range<Int>) {
    let width = target.width
    for y in rows {
      let a = UnsafePointer(source.row(2 &* y))
      let b = UnsafePointer(source.row(2 &* y &+ 1))
      let out = target.row(y)
      for x in 0..<width {
        let sum =
          UInt16(a[2 &* x]) &+ UInt16(a[2 &* x &+ 1]) &+ UInt16(b[2 &* x])
          &+ UInt16(b[2 &* x &+ 1])
        out[x] = UInt8(truncatingIfNeeded: (sum &+ 2) &>> 2)
      }
    }
  }
}
