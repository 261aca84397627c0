/// Makes an interim picture from its geometry: each sample fetches its colour where its object was, in one
/// picture or in two, if it was to be seen there.
///
/// Of the samples around the place that it was at, those that show another object, or the same at another
/// depth, do not count. What was hidden everywhere takes the colour of its own object beside it.
struct GeometryWarp {
  /// A picture that colour comes from.
  struct Source {
    var picture: Picture
    var side: InterimSideData
    /// From the interim picture to this one.
    var motion: ObjectMotion
  }

  /// Which sources make a sample that they all show. Those that are left over are looked at only for
  /// what is hidden in these, one after the other.
  enum Mix {
    case first
    /// The second of two counts so many 256ths.
    case both(second: Int)
  }

  /// Edge of a region, in samples of luma.
  static let region = 16

  let sources: [Source]
  let mix: Mix
  /// Of the interim picture.
  let geometry: InterimSideData

  private var primaries: Int {
    if case .both = mix { return 2 }
    return 1
  }

  /// Writes the interim picture, and what is known of each region.
  func run(into target: Picture, regions: RegionMap, lanes: Lanes) {
    let rows = (target.height + Self.region - 1) / Self.region
    lanes.forRanges(of: rows, parts: rows) { range in
      for row in range { stripe(row, target, regions) }
    }
  }

  /// Memory for a row of samples.
  private struct Scratch {
    /// For each source: places, depth there and how far off it may be, and what was fetched.
    let x: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>
    let z: UnsafeMutablePointer<Float>
    let limit: UnsafeMutablePointer<Float>
    let value: UnsafeMutablePointer<Float>
    /// Which of the four samples around count: none when it was hidden.
    let mask: UnsafeMutablePointer<UInt8>

    static let floats = 5

    init(_ floats: UnsafeMutablePointer<Float>, _ bytes: UnsafeMutablePointer<UInt8>, _ width: Int)
    {
      x = floats
      y = floats + width
      z = floats + 2 * width
      limit = floats + 3 * width
      value = floats + 4 * width
      mask = bytes
    }
  }

  private func stripe(_ row: Int, _ target: Picture, _ regions: RegionMap) {
    let width = target.width
    let count = sources.count
    let (top, bottom) = (
      row * Self.region, min(target.height, (row + 1) * Self.region)
    )
    regions.clear(row: row)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width * (Scratch.floats * count + 1)) {
      floats in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: width * (count + 1)) { bytes in
        let scratch = (0..<count).map {
          Scratch(
            floats.baseAddress! + $0 * Scratch.floats * width, bytes.baseAddress! + $0 * width,
            width)
        }
        let mixed = floats.baseAddress! + Scratch.floats * count * width
        let resolved = bytes.baseAddress! + count * width
        for y in top..<bottom {
          for k in 0..<primaries {
            locate(y, 0..<width, sources[k].motion, scratch[k])
            fetch(y, 0..<width, sources[k], scratch[k])
          }
          combine(scratch, mixed, resolved, width)
          for k in primaries..<count {
            fallBack(y, sources[k], scratch[k], mixed, resolved)
          }
          let isWhole = fill(y, mixed, resolved, fallback: sources[0].picture.luma.row(y))
          let out = target.luma.row(y)
          for x in 0..<width {
            out[x] = UInt8(truncatingIfNeeded: Int32(max(0, min(255, mixed[x])) + 0.5))
          }
          measure(y, scratch, mixed, resolved, regions.row(row))
          let shift = target.sampling.shift
          if y & ((1 << shift) - 1) == 0 {
            chroma(y >> shift, scratch, target, shift, isWhole: isWhole)
          }
        }
      }
    }
  }

  // MARK: - Places

  /// A share of the distance that a surface may be off, and what counts more for it: its slope.
  private static let tolerance: Float = 0.015

  /// Where the samples of a row are in a source.
  private func locate(_ y: Int, _ range: Range<Int>, _ motion: ObjectMotion, _ out: Scratch) {
    let width = geometry.width
    let objects = UnsafePointer(geometry.object + y &* width)
    let depth = UnsafePointer(geometry.depth + y &* width)
    let above = y > 0 ? depth - width : depth
    let below = y &+ 1 < geometry.height ? depth + width : depth
    var start = range.lowerBound
    while start < range.upperBound {
      let object = objects[start]
      var end = start &+ 1
      while end < range.upperBound, objects[end] == object { end &+= 1 }
      let entry = Int(object) < motion.count ? motion.entries[Int(object)] : .unknown
      if entry.isUnknown {
        (out.x + start).update(repeating: -.infinity, count: end &- start)
      } else {
        Self.locate(
          entry, Float(y), start, end, depth, above, below, width, out.x, out.y, out.z, out.limit)
      }
      start = end
    }
  }

  @inline(never)
  private static func locate(
    _ entry: ObjectMotion.Entry, _ y: Float, _ start: Int, _ end: Int,
    _ depth: UnsafePointer<Float>, _ above: UnsafePointer<Float>, _ below: UnsafePointer<Float>,
    _ width: Int, _ outX: UnsafeMutablePointer<Float>, _ outY: UnsafeMutablePointer<Float>,
    _ outZ: UnsafeMutablePointer<Float>, _ limit: UnsafeMutablePointer<Float>
  ) {
    let ix = entry.x.y * y + entry.x.w
    let iy = entry.y.y * y + entry.y.w
    let iz = entry.z.y * y + entry.z.w
    let iw = entry.w.y * y + entry.w.w
    let (xx, xz) = (entry.x.x, entry.x.z)
    let (yx, yz) = (entry.y.x, entry.y.z)
    let (zx, zz) = (entry.z.x, entry.z.z)
    let (wx, wz) = (entry.w.x, entry.w.z)
    let n = entry.nearness
    let share = Self.tolerance * entry.depthScale
    for k in start..<end {
      let x = Float(Int32(truncatingIfNeeded: k))
      let z = depth[k]
      let w = 1 / (wx * x + wz * z + iw)
      let px = (xx * x + xz * z + ix) * w
      let py = (yx * x + yz * z + iy) * w
      let pz = (zx * x + zz * z + iz) * w
      // What is behind the eye is nowhere.
      outX[k] = w > 0 ? px : -.infinity
      outY[k] = py
      outZ[k] = pz
      let down = min(abs(below[k] - z), abs(z - above[k]))
      let nearness = abs(n.x * px + n.y * py + n.z * pz + n.w)
      limit[k] = share * nearness + 2 * down
    }
    // Slopes across, apart from the ends, of which the neighbour is another object's.
    guard end &- start > 2 else { return }
    for k in start &+ 1..<end &- 1 {
      limit[k] += 2 * min(abs(depth[k &+ 1] - depth[k]), abs(depth[k] - depth[k &- 1]))
    }
  }

  // MARK: - Colours

  private func fetch(_ y: Int, _ range: Range<Int>, _ source: Source, _ scratch: Scratch) {
    let (width, height) = (geometry.width, geometry.height)
    let objects = UnsafePointer(geometry.object + y &* width)
    let luma = source.picture.luma
    let depth = UnsafePointer(source.side.depth)
    let ids = UnsafePointer(source.side.object)
    let entries = source.motion.entries
    let objectCount = source.motion.count
    let (right, bottom) = (Float(width) - 0.5, Float(height) - 0.5)
    CubicWeights.table.withUnsafeBufferPointer { table in
      let weights = table.baseAddress!
      for x in range {
        let (px, py) = (scratch.x[x], scratch.y[x])
        guard px >= -0.5, px < right, py >= -0.5, py < bottom else {
          scratch.mask[x] = 0
          continue
        }
        let (ix, iy) = (Int(px + 1) &- 1, Int(py + 1) &- 1)
        let (u, v) = (px - Float(ix), py - Float(iy))
        let (x0, y0) = (max(0, ix), max(0, iy))
        let (x1, y1) = (min(width &- 1, ix &+ 1), min(height &- 1, iy &+ 1))
        let (top, low) = (y0 &* width, y1 &* width)
        let object = Int(objects[x])
        let wanted = object < objectCount ? entries[object].object : ObjectMotion.anyObject
        let (z, limit) = (scratch.z[x], scratch.limit[x])
        @inline(__always)
        func matches(_ at: Int) -> Bool {
          (ids[at] == wanted || wanted == ObjectMotion.anyObject) && abs(depth[at] - z) <= limit
        }
        var mask: UInt8 = matches(top &+ x0) ? 1 : 0
        mask |= matches(top &+ x1) ? 2 : 0
        mask |= matches(low &+ x0) ? 4 : 0
        mask |= matches(low &+ x1) ? 8 : 0
        scratch.mask[x] = mask
        if mask == 15 {
          let corner = luma.base + ((iy &- 1) &* luma.stride &+ ix &- 1)
          scratch.value[x] = cubic(corner, luma.stride, weights, u, v)
        } else if mask != 0 {
          let p = luma.base + (iy &* luma.stride &+ ix)
          scratch.value[x] = masked(p, luma.stride, mask, u, v)
        }
      }
    }
  }

  @inline(__always)
  private func cubic(
    _ corner: UnsafePointer<UInt8>, _ stride: Int, _ weights: UnsafePointer<SIMD4<Float>>,
    _ u: Float, _ v: Float
  ) -> Float {
    @inline(__always)
    func load(_ p: UnsafePointer<UInt8>) -> SIMD4<Float> {
      SIMD4<Float>(
        SIMD4<Int32>(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD4<UInt8>.self)))
    }
    let across = weights[Int(u * Float(CubicWeights.steps) + 0.5)]
    let down = weights[Int(v * Float(CubicWeights.steps) + 0.5)]
    let sum =
      load(corner) * down.x + load(corner + stride) * down.y + load(corner + 2 &* stride) * down.z
      + load(corner + 3 &* stride) * down.w
    return (sum * across).sum()
  }

  /// A linear mean of those of four samples that count.
  @inline(__always)
  private func masked(
    _ p: UnsafePointer<UInt8>, _ stride: Int, _ mask: UInt8, _ u: Float, _ v: Float
  ) -> Float {
    // None counts nothing, so that one that lies at the far end still gives its colour.
    let floor: Float = 1e-4
    let a = mask & 1 != 0 ? (1 - u) * (1 - v) + floor : 0
    let b = mask & 2 != 0 ? u * (1 - v) + floor : 0
    let c = mask & 4 != 0 ? (1 - u) * v + floor : 0
    let d = mask & 8 != 0 ? u * v + floor : 0
    let sum =
      a * Float(p[0]) + b * Float(p[1]) + c * Float(p[stride]) + d * Float(p[stride &+ 1])
    return sum / (a + b + c + d)
  }

  /// What all sources together give for a row, and where they give something.
  private func combine(
    _ scratch: [Scratch], _ mixed: UnsafeMutablePointer<Float>,
    _ resolved: UnsafeMutablePointer<UInt8>, _ width: Int
  ) {
    let first = scratch[0]
    switch mix {
    case .first:
      for x in 0..<width {
        mixed[x] = first.value[x]
        resolved[x] = first.mask[x] == 0 ? 0 : 1
      }
    case .both(let share):
      let second = scratch[1]
      let b = Float(share) / 256
      for x in 0..<width {
        let (inFirst, inSecond) = (first.mask[x] != 0, second.mask[x] != 0)
        resolved[x] = inFirst || inSecond ? 1 : 0
        let (p, q) = (first.value[x], second.value[x])
        mixed[x] = inFirst ? (inSecond ? p + (q - p) * b : p) : q
      }
    }
  }

  /// Looks in one more source for what the others hide.
  private func fallBack(
    _ y: Int, _ source: Source, _ scratch: Scratch, _ mixed: UnsafeMutablePointer<Float>,
    _ resolved: UnsafeMutablePointer<UInt8>
  ) {
    let width = geometry.width
    scratch.mask.update(repeating: 0, count: width)
    var start = 0
    while start < width {
      guard resolved[start] == 0 else {
        start &+= 1
        continue
      }
      var end = start &+ 1
      while end < width, resolved[end] == 0 { end &+= 1 }
      locate(y, start..<end, source.motion, scratch)
      fetch(y, start..<end, source, scratch)
      for x in start..<end where scratch.mask[x] != 0 {
        mixed[x] = scratch.value[x]
        resolved[x] = 1
      }
      start = end
    }
  }

  // MARK: - What was hidden everywhere

  /// Gives samples without a colour that of their own object beside them, or of what is farther away.
  ///
  /// - Returns: whether there were none.
  private func fill(
    _ y: Int, _ mixed: UnsafeMutablePointer<Float>, _ resolved: UnsafePointer<UInt8>,
    fallback: UnsafePointer<UInt8>
  ) -> Bool {
    let width = geometry.width
    let objects = geometry.object + y &* width
    var start = 0
    var isWhole = true
    while start < width {
      if resolved[start] != 0 {
        start &+= 1
        continue
      }
      isWhole = false
      var end = start &+ 1
      while end < width, resolved[end] == 0 { end &+= 1 }
      for x in start..<end {
        let (left, right) = (start &- 1, end)
        let isLeft = left >= 0 && objects[left] == objects[x]
        let isRight = right < width && objects[right] == objects[x]
        if left < 0 && right >= width {
          mixed[x] = Float(fallback[x])
        } else if left < 0 || (isRight && !isLeft) {
          mixed[x] = mixed[right]
        } else if right >= width || (isLeft && !isRight) {
          mixed[x] = mixed[left]
        } else {
          let t = Float(x &- left) / Float(right &- left)
          mixed[x] = mixed[left] * (1 - t) + mixed[right] * t
        }
      }
      start = end
    }
    return isWhole
  }

  /// A row of both planes of chroma.
  private func chroma(
    _ row: Int, _ scratch: [Scratch], _ target: Picture, _ shift: Int, isWhole: Bool
  ) {
    let out = (target.blue.row(row), target.red.row(row))
    let width = target.blue.width
    let (secondShare, isBoth): (Float, Bool) =
      if case .both(let share) = mix { (Float(share) / 256, true) } else { (0, false) }
    let scale: Float = shift == 1 ? 0.5 : 1
    var last = -1
    for k in 0..<width {
      let x = k &<< shift
      var sum = SIMD2<Float>.zero
      var weight: Float = 0
      for (index, one) in scratch.enumerated() where one.mask[x] != 0 {
        if weight > 0 && !(isBoth && index == 1) { continue }
        let part: Float = isBoth && index < 2 ? (index == 0 ? 1 - secondShare : secondShare) : 1
        let share = max(part, 1e-3)
        sum += fetchChroma(sources[index].picture, one, x, scale) * share
        weight += share
      }
      guard weight > 0 else { continue }
      sum = sum / weight + 0.5
      out.0[k] = UInt8(truncatingIfNeeded: Int32(sum.x))
      out.1[k] = UInt8(truncatingIfNeeded: Int32(sum.y))
      // A gap takes the nearest of both sides.
      if last < k &- 1 { bridge(out.0, out.1, last, k) }
      last = k
    }
    guard last < width &- 1 else { return }
    if last < 0 {
      out.0.update(from: sources[0].picture.blue.row(row), count: width)
      out.1.update(from: sources[0].picture.red.row(row), count: width)
    } else {
      bridge(out.0, out.1, last, width)
    }
  }

  private func bridge(
    _ blue: UnsafeMutablePointer<UInt8>, _ red: UnsafeMutablePointer<UInt8>, _ left: Int,
    _ right: Int
  ) {
    let width = geometry.width
    for k in left &+ 1..<right {
      let isLeft = left >= 0 && (right >= width || k &- left <= right &- k)
      let from = isLeft ? left : right
      (blue[k], red[k]) = (blue[from], red[from])
    }
  }

  @inline(__always)
  private func fetchChroma(
    _ picture: Picture, _ scratch: Scratch, _ x: Int, _ scale: Float
  ) -> SIMD2<Float> {
    let (px, py) = (scratch.x[x] * scale + 1, scratch.y[x] * scale + 1)
    let (ix, iy) = (Int(px), Int(py))
    let (u, v) = (px - Float(ix), py - Float(iy))
    let (p, q) = (picture.blue, picture.red)
    let at = (iy &- 1) &* p.stride &+ ix &- 1
    @inline(__always)
    func linear(_ base: UnsafePointer<UInt8>, _ stride: Int) -> Float {
      let top = Float(base[0]) + (Float(base[1]) - Float(base[0])) * u
      let low = Float(base[stride]) + (Float(base[stride &+ 1]) - Float(base[stride])) * u
      return top + (low - top) * v
    }
    return SIMD2(linear(p.base + at, p.stride), linear(q.base + at, q.stride))
  }

  // MARK: - What is known of a region

  private func measure(
    _ y: Int, _ scratch: [Scratch], _ mixed: UnsafePointer<Float>,
    _ resolved: UnsafePointer<UInt8>, _ regions: UnsafeMutablePointer<RegionMap.Region>
  ) {
    let width = geometry.width
    let held = sources[0].picture.luma.row(y)
    let first = scratch[0]
    var isBoth = false
    if case .both = mix { isBoth = true }
    let second = scratch[isBoth ? 1 : 0]
    for left in stride(from: 0, to: width, by: Self.region) {
      var (disagreement, change): (Float, Float) = (0, 0)
      var (hidden, single): (Int32, Int32) = (0, 0)
      for x in left..<min(width, left &+ Self.region) {
        let moved = mixed[x] - Float(held[x])
        change += moved * moved
        hidden &+= resolved[x] == 0 ? 1 : 0
        let (a, b) = (first.mask[x] != 0, second.mask[x] != 0)
        if a && b {
          let d = first.value[x] - second.value[x]
          disagreement += d * d
        } else {
          single &+= 1
        }
      }
      let at = left / Self.region
      regions[at].disagreement += disagreement
      regions[at].change += change
      regions[at].hidden &+= hidden
      regions[at].single &+= single &- hidden
    }
  }
}

/// What a warp found out about each region of the picture that it made.
final class RegionMap: @unchecked Sendable {
  struct Region {
    /// Squared differences of what two sources give for the same samples, summed.
    var disagreement: Float = 0
    /// Squared differences to the picture before, summed.
    var change: Float = 0
    /// Samples that no source shows.
    var hidden: Int32 = 0
    /// Samples that only one source shows.
    var single: Int32 = 0
  }

  let columns: Int
  let rows: Int
  let regions: UnsafeMutablePointer<Region>

  init(width: Int, height: Int) {
    columns = (width + GeometryWarp.region - 1) / GeometryWarp.region
    rows = (height + GeometryWarp.region - 1) / GeometryWarp.region
    regions = .allocate(capacity: columns * rows)
    regions.initialize(repeating: Region(), count: columns * rows)
  }

  deinit { regions.deallocate() }

  func row(_ y: Int) -> UnsafeMutablePointer<Region> { regions + y &* columns }

  func clear(row y: Int) { row(y).update(repeating: Region(), count: columns) }
}

/// The filter of Catmull and Rom at places between two samples.
enum CubicWeights {
  static let steps = 64
  static let table: [SIMD4<Float>] = (0...steps).map { k in
    let t = Float(k) / Float(steps)
    return SIMD4(
      ((2 - t) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2, ((4 - 3 * t) * t + 1) * t / 2,
      (t - 1) * t * t / 2)
  }
}
