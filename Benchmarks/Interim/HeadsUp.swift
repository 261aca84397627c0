import Interim

/// Luma and chroma of red, green and blue from 0 to 255: BT.709, full range.
func lumaAndChroma(_ c: SIMD4<Float>) -> SIMD3<Float> {
  let y = 0.2126 * c.x + 0.7152 * c.y + 0.0722 * c.z
  return SIMD3(y, 128 + (c.z - y) / 1.8556, 128 + (c.x - y) / 1.5748)
}

private func byte(_ x: Float) -> UInt8 { UInt8(min(255, max(0, x + 0.5))) }

extension Canvas {
  /// The canvas as 4:2:0.
  func picture() -> Picture {
    let result = Picture(width: width, height: height)
    func clamped(_ x: Int, _ y: Int) -> SIMD3<Float> {
      let c = colour[min(height - 1, y) * width + min(width - 1, x)]
      return lumaAndChroma(c.clamped(lowerBound: .zero, upperBound: SIMD4(repeating: 255)))
    }
    for y in stride(from: 0, to: height, by: 2) {
      for x in stride(from: 0, to: width, by: 2) {
        let p = [clamped(x, y), clamped(x + 1, y), clamped(x, y + 1), clamped(x + 1, y + 1)]
        result.luma.row(y)[x] = byte(p[0].x)
        if x + 1 < width { result.luma.row(y)[x + 1] = byte(p[1].x) }
        if y + 1 < height {
          result.luma.row(y + 1)[x] = byte(p[2].x)
          if x + 1 < width { result.luma.row(y + 1)[x + 1] = byte(p[3].x) }
        }
        let mean = (p[0] + p[1] + p[2] + p[3]) * 0.25
        result.blue.row(y / 2)[x / 2] = byte(mean.y)
        result.red.row(y / 2)[x / 2] = byte(mean.z)
      }
    }
    result.extendBorders()
    return result
  }
}

/// What is drawn over the world: in pixels, without the world's matrices.
final class HeadsUp {
  private let width: Int
  private let height: Int
  private var pixels: [SIMD4<Float>]

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    pixels = .init(repeating: .zero, count: width * height)
  }

  private func fill(_ x: Range<Int>, _ y: Range<Int>, _ colour: SIMD4<Float>) {
    for j in y.clamped(to: 0..<height) {
      for i in x.clamped(to: 0..<width) { pixels[j * width + i] = colour }
    }
  }

  private func place(_ x: Float, _ y: Float) -> (Int, Int) {
    (Int(x * Float(width)), Int(y * Float(height)))
  }

  func crossHair() {
    let (x, y) = place(0.5, 0.5)
    let (size, thin) = (height / 45, max(1, height / 540))
    fill(x - size..<x + size, y - thin..<y + thin, [90, 255, 120, 230])
    fill(x - thin..<x + thin, y - size..<y + size, [90, 255, 120, 230])
  }

  func bar(_ share: Float, x: Float, y: Float) {
    let (left, top) = place(x, y)
    let (length, high) = (width / 5, height / 36)
    fill(left - 3..<left + length + 3, top - 3..<top + high + 3, [20, 20, 20, 160])
    fill(left..<left + Int(Float(length) * share), top..<top + high, [220, 50, 40, 255])
  }

  func map(dots: [SIMD2<Float>]) {
    let radius = height / 8
    let (cx, cy) = (width - radius - 20, radius + 20)
    for y in -radius..<radius {
      for x in -radius..<radius where x * x + y * y < radius * radius {
        let line = x % (radius / 3) == 0 || y % (radius / 3) == 0
        pixels[(cy + y) * width + cx + x] = line ? [140, 190, 150, 150] : [20, 40, 30, 130]
      }
    }
    for dot in dots {
      let (x, y) = (cx + Int(dot.x * Float(radius)), cy + Int(dot.y * Float(radius)))
      fill(x - 3..<x + 4, y - 3..<y + 4, [255, 220, 60, 255])
    }
  }

  func text(_ text: String, x: Float, y: Float) {
    let dot = max(2, height / 270)
    var (left, top) = place(x, y)
    top += dot
    for character in text {
      if let glyph = Self.glyphs[character] {
        for row in 0..<5 {
          for column in 0..<3 where glyph >> UInt16(14 - row * 3 - column) & 1 == 1 {
            let (px, py) = (left + column * dot, top + row * dot)
            fill(px..<px + dot, py..<py + dot, [245, 245, 235, 255])
          }
        }
      }
      left += 4 * dot
    }
  }

  func overlay() -> Overlay {
    let result = Overlay(width: width, height: height)
    result.set { x, y in
      let p = pixels[y * width + x]
      let c = lumaAndChroma(p)
      return (c.x, c.y, c.z, p.w)
    }
    return result
  }

  /// Letters of three by five dots, a row after the other from the top.
  private static let glyphs: [Character: UInt16] = [
    "0": 0b111_101_101_101_111, "1": 0b010_110_010_010_111, "2": 0b111_001_111_100_111,
    "3": 0b111_001_111_001_111, "4": 0b101_101_111_001_001, "5": 0b111_100_111_001_111,
    "6": 0b111_100_111_101_111, "7": 0b111_001_010_010_010, "8": 0b111_101_111_101_111,
    "9": 0b111_101_111_001_111, "/": 0b001_001_010_100_100, "A": 0b010_101_111_101_101,
    "B": 0b110_101_110_101_110, "C": 0b011_100_100_100_011, "D": 0b110_101_101_101_110,
    "E": 0b111_100_110_100_111, "F": 0b111_100_110_100_100, "G": 0b011_100_101_101_011,
    "H": 0b101_101_111_101_101, "I": 0b111_010_010_010_111, "J": 0b001_001_001_101_010,
    "K": 0b101_101_110_101_101, "L": 0b100_100_100_100_111, "M": 0b101_111_111_101_101,
    "N": 0b110_101_101_101_101, "O": 0b010_101_101_101_010, "P": 0b110_101_110_100_100,
    "Q": 0b010_101_101_110_011, "R": 0b110_101_110_101_101, "S": 0b011_100_010_001_110,
    "T": 0b111_010_010_010_010, "U": 0b101_101_101_101_111, "V": 0b101_101_101_101_010,
    "W": 0b101_101_111_111_101, "X": 0b101_101_010_101_101, "Y": 0b101_101_010_010_010,
    "Z": 0b111_001_010_100_111,
  ]
}
