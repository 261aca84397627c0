/// A square picture with its smaller versions, sampled between texels and between levels.
final class Texture: @unchecked Sendable {
  private var levels: [UnsafeMutablePointer<SIMD4<Float>>] = []
  let size: Int

  /// - Parameters:
  ///   - size: texels along an edge, a power of two.
  ///   - texel: red, green, blue from 0 to 255 and coverage from 0 to 1, at a texel.
  init(size: Int, texel: (Int, Int) -> SIMD4<Float>) {
    self.size = size
    let base = UnsafeMutablePointer<SIMD4<Float>>.allocate(capacity: size * size)
    for y in 0..<size { for x in 0..<size { base[y * size + x] = texel(x, y) } }
    levels.append(base)
    var edge = size / 2
    while edge >= 1 {
      let above = levels.last!
      let level = UnsafeMutablePointer<SIMD4<Float>>.allocate(capacity: edge * edge)
      for y in 0..<edge {
        for x in 0..<edge {
          let p = above + (2 * y * 2 * edge + 2 * x)
          level[y * edge + x] = (p[0] + p[1] + p[2 * edge] + p[2 * edge + 1]) * 0.25
        }
      }
      levels.append(level)
      edge /= 2
    }
  }

  deinit { for level in levels { level.deallocate() } }

  private func bilinear(_ level: Int, _ u: Float, _ v: Float) -> SIMD4<Float> {
    let edge = size >> level
    let x = u * Float(edge) - 0.5
    let y = v * Float(edge) - 0.5
    let fx = x.rounded(.down)
    let fy = y.rounded(.down)
    let mask = edge - 1
    let x0 = Int(fx) & mask
    let y0 = Int(fy) & mask
    let x1 = (x0 + 1) & mask
    let y1 = (y0 + 1) & mask
    let p = levels[level]
    let wx = x - fx
    let wy = y - fy
    let top = p[y0 * edge + x0] * (1 - wx) + p[y0 * edge + x1] * wx
    let bottom = p[y1 * edge + x0] * (1 - wx) + p[y1 * edge + x1] * wx
    return top * (1 - wy) + bottom * wy
  }

  /// - Parameter footprint: how many times the picture's width a pixel covers.
  func sample(_ u: Float, _ v: Float, footprint: Float) -> SIMD4<Float> {
    let texels = max(1, footprint * Float(size))
    // log2 from the bits of the number: exact at powers of two, linear between them.
    let bits = texels.bitPattern
    let lod = Float(Int(bits >> 23) - 127) + (Float(bits & 0x7F_FFFF) / 8_388_608)
    let level = min(levels.count - 1, Int(lod))
    let fraction = lod - Float(level)
    let fine = bilinear(level, u, v)
    guard fraction > 0, level + 1 < levels.count else { return fine }
    return fine * (1 - fraction) + bilinear(level + 1, u, v) * fraction
  }
}

extension Texture {
  /// As a GPU filters anisotropically: several samples along the longer of two steps of a pixel, each as
  /// wide as the shorter one, down to an eighth of the longer.
  func sample(_ uv: SIMD2<Float>, across: SIMD2<Float>, down: SIMD2<Float>) -> SIMD4<Float> {
    let a: Float = (across * across).sum().squareRoot()
    let b: Float = (down * down).sum().squareRoot()
    let (long, longer) = a > b ? (across, a) : (down, b)
    let footprint = max(min(a, b), longer / 8)
    // Steps of less than a texel need no second sample.
    let width = max(footprint, 1 / Float(size))
    let count = max(1, min(8, Int((longer / width).rounded(.up))))
    guard count > 1 else { return sample(uv.x, uv.y, footprint: footprint) }
    var sum = SIMD4<Float>.zero
    for k in 0..<count {
      let place = uv + long * ((Float(k) + 0.5) / Float(count) - 0.5)
      sum += sample(place.x, place.y, footprint: footprint)
    }
    return sum / Float(count)
  }
}

/// Noise between 0 and 1 that repeats after `period` cells, smooth between them.
struct Noise {
  private let values: [Float]
  private let period: Int

  init(period: Int, _ random: inout Random) {
    self.period = period
    values = (0..<period * period).map { _ in random.unit() }
  }

  func callAsFunction(_ x: Float, _ y: Float) -> Float {
    let fx = x.rounded(.down)
    let fy = y.rounded(.down)
    let x0 = ((Int(fx) % period) + period) % period
    let y0 = ((Int(fy) % period) + period) % period
    let x1 = (x0 + 1) % period
    let y1 = (y0 + 1) % period
    var wx = x - fx
    var wy = y - fy
    wx = wx * wx * (3 - 2 * wx)
    wy = wy * wy * (3 - 2 * wy)
    let top = values[y0 * period + x0] * (1 - wx) + values[y0 * period + x1] * wx
    let bottom = values[y1 * period + x0] * (1 - wx) + values[y1 * period + x1] * wx
    return top * (1 - wy) + bottom * wy
  }
}

extension Texture {
  /// Several octaves of noise between two colours, and specks.
  static func ground(
    _ a: SIMD4<Float>, _ b: SIMD4<Float>, specks: Float, _ random: inout Random
  ) -> Texture {
    let size = 512
    let octaves = [8, 16, 32, 64, 128].map { Noise(period: $0, &random) }
    var grain = random
    return Texture(size: size) { x, y in
      var value: Float = 0
      var weight: Float = 0.5
      for (octave, period) in zip(octaves, [8, 16, 32, 64, 128] as [Float]) {
        value += weight * octave(Float(x) * period / 512, Float(y) * period / 512)
        weight *= 0.7
      }
      value = min(1, max(0, (value / 1.4 - 0.5) * 1.8 + 0.5))
      let colour = a * (1 - value) + b * value
      return grain.unit() < specks ? colour * 0.55 : colour * (0.95 + 0.1 * grain.unit())
    }
  }

  /// Courses of bricks with joints.
  static func bricks(
    _ brick: SIMD4<Float>, _ joint: SIMD4<Float>, across: Int, _ random: inout Random
  ) -> Texture {
    let size = 256
    let noise = Noise(period: 64, &random)
    let tint = (0..<across * across * 2).map { _ in random.between(0.7, 1.15) }
    let course = size / (across * 2)
    let length = size / across
    return Texture(size: size) { x, y in
      let row = y / course
      let shifted = (x + (row % 2) * length / 2) % size
      let column = shifted / length
      let isJoint = y % course < 3 || shifted % length < 3
      let shade = 0.85 + 0.3 * noise(Float(x) / 4, Float(y) / 4)
      let colour = isJoint ? joint : brick * tint[row * across + column]
      var result = colour * shade
      result.w = 1
      return result
    }
  }

  /// Panels with lines, as machines and crates have.
  static func panels(_ base: SIMD4<Float>, _ random: inout Random) -> Texture {
    let size = 256
    let noise = Noise(period: 32, &random)
    let cells = (0..<64).map { _ in random.between(0.6, 1.2) }
    let marks = (0..<64).map { _ in random.below(4) }
    return Texture(size: size) { x, y in
      let cell = (y / 32) * 8 + x / 32
      let (cx, cy) = (x % 32, y % 32)
      var shade = cells[cell] * (0.9 + 0.2 * noise(Float(x) / 8, Float(y) / 8))
      if cx < 2 || cy < 2 { shade *= 0.4 }
      if marks[cell] == 0, (cx + cy) % 12 < 5 { shade *= 1.5 }
      if marks[cell] == 1, (cx - 16) * (cx - 16) + (cy - 16) * (cy - 16) < 60 { shade *= 0.5 }
      var result = base * shade
      result.w = 1
      return result
    }
  }

  /// Upright bars and two rails; nothing between them.
  static func fence(_ colour: SIMD4<Float>, bars: Int) -> Texture {
    let size = 256
    let pitch = size / bars
    return Texture(size: size) { x, y in
      let isBar = x % pitch < pitch * 2 / 5
      let isRail = (y > 40 && y < 60) || (y > 190 && y < 210)
      let shade: Float = isRail ? 0.8 : 0.7 + 0.5 * Float(x % pitch) / Float(pitch)
      var result = colour * shade
      result.w = isBar || isRail ? 1 : 0
      return result
    }
  }

  /// Leaves, with gaps.
  static func foliage(_ colour: SIMD4<Float>, _ random: inout Random) -> Texture {
    let size = 256
    var texels = [SIMD4<Float>](
      repeating: SIMD4(colour.x * 0.4, colour.y * 0.4, colour.z * 0.4, 0), count: size * size)
    for _ in 0..<420 {
      let angle = random.between(0, 6.2831)
      let reach = random.unit().squareRoot() * 105
      let cx = 128 + reach * cosine(angle)
      let cy = 128 + reach * sine(angle)
      let turn = random.between(0, 6.2831)
      let (c, s) = (cosine(turn), sine(turn))
      let length = random.between(8, 18)
      let shade = random.between(0.45, 1.3)
      for dy in -20...20 {
        for dx in -20...20 {
          let along = Float(dx) * c + Float(dy) * s
          let across = Float(dy) * c - Float(dx) * s
          guard along * along / (length * length) + across * across / 16 < 1 else { continue }
          let x = Int(cx) + dx
          let y = Int(cy) + dy
          guard x >= 0, y >= 0, x < size, y < size else { continue }
          var leaf = colour * (shade * (across < 0 ? 0.85 : 1.1))
          leaf.w = 1
          texels[y * size + x] = leaf
        }
      }
    }
    return Texture(size: size) { x, y in texels[y * size + x] }
  }

  /// A sky that repeats around the horizon, with clouds.
  static func sky(_ random: inout Random) -> Texture {
    let size = 512
    let octaves = [8, 16, 32, 64].map { Noise(period: $0, &random) }
    return Texture(size: size) { x, y in
      var value: Float = 0
      var weight: Float = 0.5
      for (octave, period) in zip(octaves, [8, 16, 32, 64] as [Float]) {
        value += weight * octave(Float(x) * period / 512, Float(y) * period / 512)
        weight *= 0.6
      }
      let cloud = min(1, max(0, (value - 0.5) * 3))
      let height = Float(y) / 512
      let blue = SIMD4<Float>(120 + 60 * height, 160 + 45 * height, 225, 1)
      var result = blue * (1 - cloud) + SIMD4<Float>(238, 238, 242, 1) * cloud
      result.w = 1
      return result
    }
  }
}
