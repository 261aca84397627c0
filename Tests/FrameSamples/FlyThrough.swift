internal import Glibc
internal import Threads

/// A drive over textured ground under a sky, past boxes, with a head-up display: every pixel moves but
/// those of the display.
public final class FlyThrough {
  public let width: Int
  public let height: Int
  private let ground: [Texture]
  private let sky: [Texture]
  private let boxes: [(x: Double, z: Double, size: Double, color: UInt32)]
  private let speed: Double

  /// `speed`: 1 is that of a game at 60 frames a second.
  public init(width: Int, height: Int, seed: UInt64 = 1, speed: Double = 1) {
    self.width = width
    self.height = height
    self.speed = speed
    ground = Texture.pyramid(seed: seed, tint: (96, 120, 64), contrast: 1)
    sky = Texture.pyramid(seed: ~seed, tint: (216, 170, 120), contrast: 0.35)
    var numbers = Numbers(seed + 2)
    boxes = (0..<40).map { _ in
      (
        Double(numbers.below(4000)) / 100 - 20, Double(numbers.below(8000)) / 100,
        0.5 + Double(numbers.below(100)) / 60,
        UInt32(truncatingIfNeeded: numbers.next()) & 0x7F_7F7F + 0x30_3030
      )
    }
  }

  /// Draws frame `number` into a picture of this size.
  public func draw(_ number: Int, into picture: Picture) {
    let time = Double(number) / 60 * speed
    let heading = 0.35 * sin(time * 0.9)
    let (side, forward) = (2 * sin(time * 0.7), 6 * time)
    let (c, s) = (cos(heading), sin(heading))
    let focal = Double(width) * 0.7
    let horizon = Double(height) * (0.45 + 0.02 * sin(time * 2.1))
    for y in 0..<height {
      let down = Double(y) + 0.5 - horizon
      let row = picture.pixels + y * width
      // Ground lies 1.5 below the eye; the sky is a plane far above.
      let distance = down > 0 ? 1.5 * focal / max(down, 0.5) : 40 * focal / max(-down, 8)
      let textures = down > 0 ? ground : sky
      let scale = down > 0 ? 128.0 : 2.0
      let step = distance / focal * scale
      let texture = textures[min(max(Int(log2(max(step, 1)).rounded()), 0), textures.count - 1)]
      let across = distance / focal
      let left = -Double(width) / 2 * across
      let u0 = (side + left * c + distance * s) * scale
      let v0 = (forward - left * s + distance * c) * scale
      // Distance takes contrast away.
      let haze = down > 0 ? min(distance / 60, 1) * 200 : 60
      texture.line(
        row, width, u: u0, v: v0, du: across * c * scale, dv: -across * s * scale,
        haze: Int(haze))
    }
    for box in boxes.sorted(by: { depth($0.z, forward) > depth($1.z, forward) }) {
      let z = depth(box.z, forward)
      guard z > 1 else { continue }
      let x = (box.x - side) * c - z * s
      let size = Int(box.size * focal / z)
      let centre = Int(Double(width) / 2 + x * focal / z)
      let foot = Int(horizon + 1.5 * focal / z)
      // A face with courses of brick.
      let course = max(size / 6, 1)
      for line in 0..<size {
        let dark: UInt32 = line % course == 0 ? 0x20_2020 : 0
        picture.fill(
          x: centre - size / 2, y: foot - line, width: size, height: 1,
          0xFF00_0000 | (box.color &- dark))
      }
    }
    drawDisplay(number, picture)
  }

  private func depth(_ z: Double, _ forward: Double) -> Double {
    let rest = (z - forward).truncatingRemainder(dividingBy: 80)
    return rest < 0 ? rest + 80 : rest
  }

  private func drawDisplay(_ number: Int, _ picture: Picture) {
    var numbers = Numbers(UInt64(number / 15))
    picture.write(
      x: 24, y: 24, letters: 20, ink: 0xFFFF_FFFF, paper: 0xFF20_2020, &numbers)
    picture.fill(x: 24, y: height - 48, width: 200, height: 16, 0xFF30_3030)
    picture.fill(x: 24, y: height - 48, width: 200 - number % 120, height: 16, 0xFF20_C040)
  }
}

/// A square of smooth noise that repeats, at one size of many.
private struct Texture {
  static let side = 512
  let side: Int
  let shift: Int
  let texels: [UInt32]

  /// What `pyramid` has made, which takes a while.
  private static let made = Guarded([UInt64: [Texture]]())

  /// The noise at 512, 256, … 16 texels a side.
  static func pyramid(
    seed: UInt64, tint: (Int, Int, Int), contrast: Double
  ) -> [Texture] {
    made.withLock { made in
      if let known = made[seed] { return known }
      let new = make(seed: seed, tint: tint, contrast: contrast)
      made[seed] = new
      return new
    }
  }

  private static func make(
    seed: UInt64, tint: (Int, Int, Int), contrast: Double
  ) -> [Texture] {
    var numbers = Numbers(seed)
    var values = [Double](repeating: 0, count: side * side)
    // Octaves of random lattices, bilinear between their points.
    for octave in 2...8 {
      let cells = 1 << octave
      let lattice = (0..<cells * cells).map { _ in Double(numbers.below(2000)) / 1000 - 1 }
      let gain = contrast * 70 / pow(1.55, Double(octave - 2))
      let cell = side / cells
      for y in 0..<side {
        let (j, fy) = (y / cell, Double(y % cell) / Double(cell))
        for x in 0..<side {
          let (i, fx) = (x / cell, Double(x % cell) / Double(cell))
          func at(_ i: Int, _ j: Int) -> Double {
            lattice[(j & (cells - 1)) * cells + (i & (cells - 1))]
          }
          let top = at(i, j) * (1 - fx) + at(i + 1, j) * fx
          let bottom = at(i, j + 1) * (1 - fx) + at(i + 1, j + 1) * fx
          values[y * side + x] += gain * (top * (1 - fy) + bottom * fy)
        }
      }
    }
    var level = values.map { value -> UInt32 in
      func component(_ base: Int, _ share: Double) -> UInt32 {
        UInt32(min(max(Double(base) + value * share, 0), 255))
      }
      return 0xFF00_0000 | component(tint.0, 1) << 16 | component(tint.1, 0.9) << 8
        | component(tint.2, 0.7)
    }
    var size = side
    var found: [Texture] = []
    while size >= 16 {
      found.append(Texture(side: size, shift: found.count, texels: level))
      let half = size / 2
      level = (0..<half * half).map { i in
        let (x, y) = (i % half * 2, i / half * 2)
        var out: UInt32 = 0xFF00_0000
        for bits: UInt32 in [0, 8, 16] {
          var sum: UInt32 = 2
          for place in [y * size + x, y * size + x + 1, (y + 1) * size + x, (y + 1) * size + x + 1]
          {
            sum += level[place] >> bits & 255
          }
          out |= sum / 4 << bits
        }
        return out
      }
      size = half
    }
    return found
  }

  /// A row of pixels along a straight line over the texture, in texels of the largest level; `haze` of
  /// 256 is the share of a pale grey.
  func line(
    _ out: UnsafeMutablePointer<UInt32>, _ count: Int, u: Double, v: Double, du: Double,
    dv: Double, haze: Int
  ) {
    let scale = Double(1 << 16) / Double(1 << shift)
    var (x, y) = (Int(u * scale), Int(v * scale))
    let (dx, dy) = (Int(du * scale), Int(dv * scale))
    let mask = side - 1
    texels.withUnsafeBufferPointer { texels in
      for i in 0..<count {
        let (i0, j0) = (x >> 16 & mask, y >> 16 & mask)
        let (i1, j1) = ((i0 + 1) & mask, (j0 + 1) & mask)
        let (fx, fy) = (UInt32(x & 0xFFFF) >> 8, UInt32(y & 0xFFFF) >> 8)
        let (a, b) = (texels[j0 * side + i0], texels[j0 * side + i1])
        let (c, d) = (texels[j1 * side + i0], texels[j1 * side + i1])
        var pixel: UInt32 = 0xFF00_0000
        for bits: UInt32 in [0, 8, 16] {
          let top = (a >> bits & 255) * (256 - fx) + (b >> bits & 255) * fx
          let bottom = (c >> bits & 255) * (256 - fx) + (d >> bits & 255) * fx
          let value = (top * (256 - fy) + bottom * fy) >> 16
          pixel |= ((value * UInt32(256 - haze) + 200 * UInt32(haze)) >> 8) << bits
        }
        out[i] = pixel
        x += dx
        y += dy
      }
    }
  }
}
