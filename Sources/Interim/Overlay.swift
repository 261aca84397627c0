/// What an application draws over the world (text, bars, a cross-hair), apart from it: samples already
/// multiplied by their coverage, and the coverage.
public final class Overlay: @unchecked Sendable {
  public let width: Int
  public let height: Int
  public let sampling: ChromaSampling
  private let planes: (BorderedPlane, BorderedPlane, BorderedPlane, BorderedPlane, BorderedPlane)
  /// Rows that have coverage; the others are left alone.
  public var rows: Range<Int>

  /// - Parameters: width and height in samples, from 1 to 16384.
  public init(width: Int, height: Int, sampling: ChromaSampling = .half) {
    self.width = width
    self.height = height
    self.sampling = sampling
    rows = 0..<height
    let (w, h) = (sampling.extent(width), sampling.extent(height))
    planes = (
      BorderedPlane(width: width, height: height), BorderedPlane(width: w, height: h),
      BorderedPlane(width: w, height: h), BorderedPlane(width: width, height: height),
      BorderedPlane(width: w, height: h)
    )
  }

  /// Luma × coverage ÷ 255.
  public var luma: Plane { planes.0.plane }
  /// 128 + (chroma − 128) × coverage ÷ 255.
  public var blue: Plane { planes.1.plane }
  public var red: Plane { planes.2.plane }
  /// Coverage, 0 to 255, at luma's resolution and at chroma's.
  public var coverage: Plane { planes.3.plane }
  public var chromaCoverage: Plane { planes.4.plane }

  /// Fills the overlay, and finds the rows that have coverage.
  ///
  /// - Parameter pixel: luma, chroma and coverage of a place, each from 0 to 255, not multiplied. It is
  ///   asked more than once for a place.
  public func set(_ pixel: (Int, Int) -> (y: Float, cb: Float, cr: Float, alpha: Float)) {
    let step = 1 << sampling.shift
    var (first, last) = (height, 0)
    for y in 0..<height {
      for x in 0..<width {
        let p = pixel(x, y)
        luma.row(y)[x] = UInt8(p.y * p.alpha / 255 + 0.5)
        coverage.row(y)[x] = UInt8(p.alpha + 0.5)
        if p.alpha > 0 {
          first = min(first, y)
          last = max(last, y + 1)
        }
      }
    }
    for y in 0..<blue.height {
      for x in 0..<blue.width {
        var sum = SIMD3<Float>.zero
        for dy in 0..<step {
          for dx in 0..<step {
            let p = pixel(min(width - 1, x * step + dx), min(height - 1, y * step + dy))
            sum += SIMD3((p.cb - 128) * p.alpha / 255, (p.cr - 128) * p.alpha / 255, p.alpha)
          }
        }
        sum /= Float(step * step)
        blue.row(y)[x] = UInt8(sum.x + 128.5)
        red.row(y)[x] = UInt8(sum.y + 128.5)
        chromaCoverage.row(y)[x] = UInt8(sum.z + 0.5)
      }
    }
    rows = first < last ? first..<last : 0..<0
  }

  /// Puts the overlay on top of a picture.
  public func composite(onto picture: Picture, lanes: Lanes = .serial) {
    precondition(
      picture.width == width && picture.height == height && picture.sampling == sampling)
    guard !rows.isEmpty else { return }
    let unit = 1 << sampling.shift
    let start = rows.lowerBound / unit * unit
    lanes.forRanges(of: rows.upperBound - start, parts: 8, unit: unit) { part in
      for y in part.lowerBound + start..<part.upperBound + start {
        over(picture.luma.row(y), luma.row(y), coverage.row(y), width)
      }
      let shift = sampling.shift
      let (from, to) = (
        (part.lowerBound + start) >> shift, sampling.extent(part.upperBound + start)
      )
      for y in from..<to {
        overChroma(picture.blue.row(y), blue.row(y), chromaCoverage.row(y), blue.width)
        overChroma(picture.red.row(y), red.row(y), chromaCoverage.row(y), red.width)
      }
    }
  }

  private func over(
    _ target: UnsafeMutablePointer<UInt8>, _ source: UnsafePointer<UInt8>,
    _ coverage: UnsafePointer<UInt8>, _ count: Int
  ) {
    for x in 0..<count {
      let rest = UInt32(255 &- coverage[x])
      // Exact division by 255 of what is below 65536.
      let product = UInt32(target[x]) &* rest &+ 128
      let kept = (product &+ (product &>> 8)) &>> 8
      target[x] = UInt8(truncatingIfNeeded: min(255, kept &+ UInt32(source[x])))
    }
  }

  private func overChroma(
    _ target: UnsafeMutablePointer<UInt8>, _ source: UnsafePointer<UInt8>,
    _ coverage: UnsafePointer<UInt8>, _ count: Int
  ) {
    for x in 0..<count {
      let rest = Int32(255 &- coverage[x])
      let product = (Int32(target[x]) &- 128) &* rest
      let kept = (product &+ (product &>> 8) &+ 128) &>> 8
      let sum = kept &+ Int32(source[x])
      target[x] = UInt8(truncatingIfNeeded: max(0, min(255, sum)))
    }
  }
}
