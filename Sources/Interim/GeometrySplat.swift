/// Moves the geometry of pictures to another instant: each sample is put where its object will be, the
/// nearest wins, and what nothing covers is taken to be what lies behind.
///
/// One splat serves one size; its memory is made once and used again.
final class GeometrySplat: @unchecked Sendable {
  private let width: Int
  private let height: Int
  /// For each sample of a source: where it goes, or −1; its depth there, and its nearness to the eye.
  private let place: UnsafeMutablePointer<Int32>
  private let depth: UnsafeMutablePointer<Float>
  private let nearness: UnsafeMutablePointer<Float>
  /// Rows that a row of the source goes to.
  private let reach: UnsafeMutablePointer<(first: Int32, last: Int32)>
  /// The object that closes a crack of the target.
  private let closing: UnsafeMutablePointer<UInt16>
  /// For each sample of the target: its nearness; below 0 where nothing is.
  private let best: UnsafeMutablePointer<Float>

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    place = .allocate(capacity: width * height)
    depth = .allocate(capacity: width * height)
    nearness = .allocate(capacity: width * height)
    reach = .allocate(capacity: height)
    closing = .allocate(capacity: width * height)
    best = .allocate(capacity: width * height)
    place.initialize(repeating: 0, count: width * height)
    depth.initialize(repeating: 0, count: width * height)
    nearness.initialize(repeating: 0, count: width * height)
    reach.initialize(repeating: (0, -1), count: height)
    closing.initialize(repeating: 0, count: width * height)
    best.initialize(repeating: -1, count: width * height)
  }

  deinit {
    place.deallocate()
    depth.deallocate()
    nearness.deallocate()
    reach.deallocate()
    closing.deallocate()
    best.deallocate()
  }

  struct Source {
    var side: InterimSideData
    var motion: ObjectMotion
    var back: ObjectMotion
  }

  /// Fills the target's depth and objects.
  ///
  /// - Parameters:
  ///   - sources: geometries of the target's size, each with the motion from it to the target and back.
  ///   - target: its objects are given.
  func run(
    _ sources: [Source], into target: InterimSideData, lanes: Lanes
  ) {
    best.update(repeating: -1, count: width * height)
    for source in sources {
      lanes.forRanges(of: height, parts: 16) { rows in
        for y in rows { self.project(y, source.side, source.motion) }
      }
      lanes.forRanges(of: height, parts: 16) { rows in
        self.scatter(rows, source.side, source.motion, target)
      }
    }
    lanes.forRanges(of: height, parts: 16) { rows in
      for y in rows { self.close(y, target) }
    }
    lanes.forRanges(of: height, parts: 16) { rows in
      for y in rows { self.fillBehind(y, target) }
    }
    lanes.forRanges(of: height, parts: 16) { rows in
      for y in rows { self.trim(y, sources, target) }
    }
    lanes.forRanges(of: height, parts: 16) { rows in
      for at in rows.lowerBound * self.width..<rows.upperBound * self.width
      where self.place[at] >= 0 {
        target.depth[at] = self.depth[at]
        target.object[at] = self.closing[at]
      }
    }
  }

  private func project(_ y: Int, _ side: InterimSideData, _ motion: ObjectMotion) {
    let row = y &* width
    let objects = UnsafePointer(side.object + row)
    let depths = UnsafePointer(side.depth + row)
    var (first, last) = (Int32(height), Int32(-1))
    var start = 0
    let (right, bottom) = (Float(width) - 0.5, Float(height) - 0.5)
    while start < width {
      let object = objects[start]
      var end = start &+ 1
      while end < width, objects[end] == object { end &+= 1 }
      let entry = Int(object) < motion.count ? motion.entries[Int(object)] : .unknown
      if entry.isUnknown {
        (place + row + start).update(repeating: -1, count: end &- start)
        start = end
        continue
      }
      let fy = Float(y)
      let n = entry.nearness
      for k in start..<end {
        let x = Float(k)
        let z = depths[k]
        let w = 1 / (entry.w.x * x + entry.w.y * fy + entry.w.z * z + entry.w.w)
        let px = (entry.x.x * x + entry.x.y * fy + entry.x.z * z + entry.x.w) * w
        let py = (entry.y.x * x + entry.y.y * fy + entry.y.z * z + entry.y.w) * w
        guard w > 0, px >= -0.5, px < right, py >= -0.5, py < bottom else {
          place[row &+ k] = -1
          continue
        }
        let pz = (entry.z.x * x + entry.z.y * fy + entry.z.z * z + entry.z.w) * w
        let ty = Int32(py + 0.5)
        place[row &+ k] = ty &* Int32(truncatingIfNeeded: width) &+ Int32(px + 0.5)
        depth[row &+ k] = pz
        nearness[row &+ k] = abs(n.x * px + n.y * py + n.z * pz + n.w)
        first = min(first, ty)
        last = max(last, ty)
      }
      start = end
    }
    reach[y] = (first, last)
  }

  /// Puts what goes to these rows of the target there, in the source's order always.
  private func scatter(
    _ rows: Range<Int>, _ side: InterimSideData, _ motion: ObjectMotion, _ target: InterimSideData
  ) {
    let (low, high) = (Int32(rows.lowerBound * width), Int32(rows.upperBound * width))
    for y in 0..<height {
      guard reach[y].last >= rows.lowerBound, reach[y].first < rows.upperBound else { continue }
      let row = y &* width
      for k in row..<row &+ width {
        let to = place[k]
        guard to >= low, to < high else { continue }
        let at = Int(to)
        guard nearness[k] > best[at] else { continue }
        best[at] = nearness[k]
        target.depth[at] = depth[k]
        let entry = motion.entries[Int(side.object[k])]
        target.object[at] = entry.object == ObjectMotion.anyObject ? 0 : entry.object
      }
    }
  }

  /// Closes cracks, which surfaces that come nearer have: a gap between two samples of about the same
  /// nearness, or one through which something farther shows. Only notes what is to be there, since the
  /// rows beside it look at this one.
  private func close(_ y: Int, _ target: InterimSideData) {
    let row = y &* width
    for x in 0..<width {
      let at = row &+ x
      place[at] = -1
      guard best[at] < 0 || isSpeck(x, y, at) else { continue }
      var (chosen, near): (Int, Float) = (-1, 0)
      @inline(__always)
      func consider(_ a: Int, _ b: Int) {
        let (p, q) = (best[a], best[b])
        guard p > 0, q > 0, abs(p - q) <= 0.1 * max(p, q) else { return }
        let smaller = min(p, q)
        if smaller > near { (chosen, near) = (p < q ? a : b, smaller) }
      }
      if x > 0, x &+ 1 < width { consider(at &- 1, at &+ 1) }
      if y > 0, y &+ 1 < height { consider(at &- width, at &+ width) }
      guard chosen >= 0 else { continue }
      place[at] = Int32(truncatingIfNeeded: chosen)
      depth[at] = target.depth[chosen]
      nearness[at] = near
      closing[at] = target.object[chosen]
    }
  }

  /// Whether a sample shows through a crack of something nearer on both sides.
  @inline(__always)
  private func isSpeck(_ x: Int, _ y: Int, _ at: Int) -> Bool {
    let own = best[at] * 1.2
    if x > 0, x &+ 1 < width, best[at &- 1] > own, best[at &+ 1] > own { return true }
    return y > 0 && y &+ 1 < height && best[at &- width] > own && best[at &+ width] > own
  }

  /// Carries out what was noted for a row, and gives every gap that is left the farther of its ends.
  private func fillBehind(_ y: Int, _ target: InterimSideData) {
    let row = y &* width
    for at in row..<row &+ width where place[at] >= 0 {
      target.depth[at] = depth[at]
      target.object[at] = closing[at]
      best[at] = nearness[at]
    }
    var start = 0
    while start < width {
      if best[row &+ start] >= 0 {
        start &+= 1
        continue
      }
      var end = start &+ 1
      while end < width, best[row &+ end] < 0 { end &+= 1 }
      let (left, right) = (row &+ start &- 1, row &+ end)
      let from: Int? =
        if start == 0 {
          end < width ? right : nil
        } else if end == width {
          left
        } else {
          best[left] < best[right] ? left : right
        }
      (target.depth + row + start).update(
        repeating: from.map { target.depth[$0] } ?? 1, count: end &- start)
      (target.object + row + start).update(
        repeating: from.map { target.object[$0] } ?? 0, count: end &- start)
      start = end
    }
  }

  // MARK: - Edges

  /// Decides anew, along the edges of objects, which side a sample belongs to: putting samples on whole
  /// places makes what is near too wide by up to one on each side. The nearest of the surfaces around
  /// has it that covers at least half of the place where it would be in the sources. Only notes what is to
  /// be there.
  private func trim(_ y: Int, _ sources: [Source], _ target: InterimSideData) {
    let row = y &* width
    let objects = target.object
    for x in 0..<width {
      let at = row &+ x
      place[at] = -1
      let around = (
        x > 0 ? at &- 1 : at, x &+ 1 < width ? at &+ 1 : at, y > 0 ? at &- width : at,
        y &+ 1 < height ? at &+ width : at
      )
      let own = best[at]
      @inline(__always)
      func differs(_ k: Int) -> Bool {
        objects[k] != objects[at] && abs(best[k] - own) > 0.03 * max(best[k], own)
      }
      guard differs(around.0) || differs(around.1) || differs(around.2) || differs(around.3) else {
        continue
      }
      // From the nearest to the farthest.
      var candidates = (at, around.0, around.1, around.2, around.3)
      withUnsafeMutableBytes(of: &candidates) { bytes in
        let list = bytes.bindMemory(to: Int.self)
        for i in 1..<5 {
          var j = i
          while j > 0, best[list[j]] > best[list[j - 1]] {
            list.swapAt(j, j - 1)
            j -= 1
          }
        }
        var last = -1
        for k in list {
          if last >= 0, objects[k] == objects[last] { continue }
          last = k
          if coverage(x, y, k, sources, target) >= 0.5 { break }
        }
        guard last >= 0, last != at else { return }
        place[at] = Int32(truncatingIfNeeded: last)
        depth[at] = target.depth[last]
        closing[at] = objects[last]
      }
    }
  }

  /// How much of a place the surface at another covers in the sources where it is in the picture, from 0
  /// to 1.
  private func coverage(
    _ x: Int, _ y: Int, _ from: Int, _ sources: [Source], _ target: InterimSideData
  ) -> Float {
    let place = SIMD4<Float>(Float(x), Float(y), target.depth[from], 1)
    let object = Int(target.object[from])
    var (sum, count): (Float, Float) = (0, 0)
    for source in sources {
      guard object < source.back.count, !source.back.entries[object].isUnknown else { continue }
      let entry = source.back.entries[object]
      let w = (entry.w * place).sum()
      guard w > 0 else { continue }
      let (px, py) = ((entry.x * place).sum() / w, (entry.y * place).sum() / w)
      guard px >= 0, py >= 0, px < Float(width - 1), py < Float(height - 1) else { continue }
      let (ix, iy) = (Int(px), Int(py))
      let (u, v) = (px - Float(ix), py - Float(iy))
      let corner = source.side.object + (iy &* width &+ ix)
      count += 1
      if corner[0] == entry.object { sum += (1 - u) * (1 - v) }
      if corner[1] == entry.object { sum += u * (1 - v) }
      if corner[width] == entry.object { sum += (1 - u) * v }
      if corner[width &+ 1] == entry.object { sum += u * v }
    }
    return count > 0 ? sum / count : 1
  }
}
