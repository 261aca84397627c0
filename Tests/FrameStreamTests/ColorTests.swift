import FrameSamples
import Testing

@testable import FrameStream

/// BT.709 in floating point, and values between two integers by more than this from a tie.
private enum Exact {
  static func video(_ pixel: UInt32, _ range: ColorRange) -> [Double] {
    let r = Double(pixel >> 16 & 255) / 255
    let g = Double(pixel >> 8 & 255) / 255
    let b = Double(pixel & 255) / 255
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    let (cb, cr) = ((b - y) / 1.8556, (r - y) / 1.5748)
    return range == .limited
      ? [16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr] : [255 * y, 128 + 255 * cb, 128 + 255 * cr]
  }

  static func pixel(_ y: Int, _ cb: Int, _ cr: Int, _ range: ColorRange) -> [Double] {
    let luma = range == .limited ? (Double(y) - 16) / 219 : Double(y) / 255
    let scale = range == .limited ? 224.0 : 255.0
    let (u, v) = ((Double(cb) - 128) / scale, (Double(cr) - 128) / scale)
    let red = luma + 1.5748 * v
    let blue = luma + 1.8556 * u
    return [red, (luma - 0.2126 * red - 0.0722 * blue) / 0.7152, blue].map { 255 * $0 }
  }

  static func isNear(_ value: UInt8, _ exact: Double, by tolerance: Double) -> Bool {
    abs(Double(value) - min(max(exact, 0), 255)) <= 0.5 + tolerance
  }
}

/// Planes of a picture, in memory of their own.
private final class Planes {
  let width: Int
  let height: Int
  var picture: PlanePicture

  init(width: Int, height: Int, _ sampling: ChromaSampling, isPaired: Bool) {
    self.width = width
    self.height = height
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 3 * width * height)
    memory.initialize(repeating: 77, count: 3 * width * height)
    let samples = sampling == .full444 ? width : width / 2
    picture = PlanePicture(
      y: memory, yStride: width, cb: memory + width * height,
      cr: isPaired ? nil : memory + 2 * width * height,
      chromaStride: isPaired ? 2 * samples : samples, sampling: sampling)
  }

  deinit { picture.y.deallocate() }

  func luma(_ x: Int, _ y: Int) -> UInt8 { picture.y[y * picture.yStride + x] }

  func chroma(_ x: Int, _ y: Int) -> (UInt8, UInt8) {
    let row = y * picture.chromaStride
    guard let cr = picture.cr else {
      return (picture.cb[row + 2 * x], picture.cb[row + 2 * x + 1])
    }
    return (picture.cb[row + x], cr[row + x])
  }
}

@Suite("ColorConversion")
struct ColorTests {
  private func noise(_ width: Int, _ height: Int, _ order: PixelOrder) -> Picture {
    let picture = Picture(width: width, height: height, order: order)
    var numbers = Numbers(3)
    for i in 0..<width * height {
      // Corners of the cube among them.
      let corner = numbers.below(4) == 0
      let value = UInt32(truncatingIfNeeded: numbers.next())
      picture.pixels[i] =
        corner ? (value & 0x0101_0101) &* 255 : value
    }
    return picture
  }

  /// A pixel as 0x..RRGGBB.
  private func ordered(_ pixel: UInt32, _ order: PixelOrder) -> UInt32 {
    order == .bgra ? pixel : pixel & 0xFF00 | pixel >> 16 & 255 | (pixel & 255) << 16
  }

  @Test("of 4:4:4 is BT.709", arguments: [ColorRange.limited, .full], [PixelOrder.bgra, .rgba])
  func full(range: ColorRange, order: PixelOrder) {
    let picture = noise(93, 31, order)
    let planes = Planes(width: 96, height: 32, .full444, isPaired: false)
    ColorConversion(range: range).toVideo(
      picture.rows, width: 93, height: 31, into: planes.picture, codedWidth: 96, codedHeight: 32)
    var wrong = 0
    for y in 0..<31 {
      for x in 0..<93 {
        let exact = Exact.video(ordered(picture[x, y], order), range)
        let (cb, cr) = planes.chroma(x, y)
        for (value, wanted) in zip([planes.luma(x, y), cb, cr], exact) {
          wrong += Exact.isNear(value, wanted, by: 0.02) ? 0 : 1
        }
      }
    }
    #expect(wrong == 0)
    // Beyond the picture its edge goes on.
    #expect(planes.luma(95, 3) == planes.luma(92, 3))
    #expect(planes.luma(40, 31) == planes.luma(40, 30))
    #expect(planes.chroma(95, 31) == planes.chroma(92, 30))
  }

  @Test("of 4:2:0 is the mean of four pixels", arguments: [true, false], [32, 31, 1])
  func quarter(isPaired: Bool, side: Int) {
    for order in [PixelOrder.bgra, .rgba] {
      let picture = noise(side, side, order)
      let planes = Planes(width: 32, height: 32, .quarter420, isPaired: isPaired)
      ColorConversion(range: .limited).toVideo(
        picture.rows, width: side, height: side, into: planes.picture, codedWidth: 32,
        codedHeight: 32)
      var wrong = 0
      for y in 0..<16 {
        for x in 0..<16 {
          var sum = [0.0, 0.0, 0.0]
          for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let pixel = picture[min(2 * x + dx, side - 1), min(2 * y + dy, side - 1)]
            let exact = Exact.video(ordered(pixel, order), .limited)
            for i in 0..<3 { sum[i] += exact[i] / 4 }
          }
          // Beyond the picture samples are repeated, not pixels.
          guard 2 * x < side, 2 * y < side else { continue }
          let (cb, cr) = planes.chroma(x, y)
          wrong += Exact.isNear(cb, sum[1], by: 0.02) ? 0 : 1
          wrong += Exact.isNear(cr, sum[2], by: 0.02) ? 0 : 1
        }
      }
      #expect(wrong == 0)
      let last = (side - 1) / 2
      #expect(planes.chroma(15, 15) == planes.chroma(last, last))
    }
  }

  @Test(
    "back to pixels is BT.709", arguments: [ColorRange.limited, .full],
    [ChromaSampling.full444, .quarter420])
  func back(range: ColorRange, sampling: ChromaSampling) throws {
    let planes = Planes(width: 64, height: 64, sampling, isPaired: false)
    var numbers = Numbers(5)
    for i in 0..<3 * 64 * 64 { planes.picture.y[i] = UInt8(truncatingIfNeeded: numbers.next()) }
    let cr = try #require(planes.picture.cr)
    for order in [PixelOrder.bgra, .rgba] {
      let picture = Picture(width: 64, height: 64, order: order)
      let rectangle = Tile(x: 2, y: 4, width: 61, height: 57)
      ColorConversion(range: range).toPixels(
        y: planes.picture.y, yStride: 64, cb: planes.picture.cb, cr: cr,
        chromaStride: planes.picture.chromaStride, sampling: sampling, rectangle: rectangle,
        into: picture.rows)
      var wrong = 0
      for y in 0..<64 {
        for x in 0..<64 {
          guard (2..<63).contains(x), (4..<61).contains(y) else {
            wrong += picture[x, y] == 0xFF00_0000 ? 0 : 1
            continue
          }
          let half = sampling == .quarter420
          let (u, v) = planes.chroma(half ? x / 2 : x, half ? y / 2 : y)
          let exact = Exact.pixel(Int(planes.luma(x, y)), Int(u), Int(v), range)
          let pixel = ordered(picture[x, y], order)
          for (shift, wanted) in zip([16, 8, 0] as [UInt32], exact) {
            let value = UInt8(truncatingIfNeeded: pixel >> shift)
            wrong += Exact.isNear(value, wanted, by: 0.06) ? 0 : 1
          }
          wrong += picture[x, y] >> 24 == 255 ? 0 : 1
        }
      }
      #expect(wrong == 0)
    }
  }

  @Test(
    "is the same by larger vectors and by loops", arguments: [ColorRange.limited, .full],
    [PixelOrder.bgra, .rgba])
  func vectors(range: ColorRange, order: PixelOrder) throws {
    let conversion = ColorConversion(range: range)
    // Whole vectors and a rest, an odd side, and rows of which only vectors are left.
    for (width, height) in [(160, 8), (191, 7), (45, 3)] {
      let (codedWidth, codedHeight) = ((width + 1) & ~1, (height + 1) & ~1)
      let picture = noise(width, height, order)
      // Planes of their own are made by loops alone.
      let (paired, apart) = (
        Planes(width: codedWidth, height: codedHeight, .quarter420, isPaired: true),
        Planes(width: codedWidth, height: codedHeight, .quarter420, isPaired: false)
      )
      for planes in [paired, apart] {
        conversion.toVideo(
          picture.rows, width: width, height: height, into: planes.picture, codedWidth: codedWidth,
          codedHeight: codedHeight)
      }
      var wrong = 0
      for y in 0..<codedHeight {
        for x in 0..<codedWidth { wrong += paired.luma(x, y) == apart.luma(x, y) ? 0 : 1 }
      }
      for y in 0..<codedHeight / 2 {
        for x in 0..<codedWidth / 2 { wrong += paired.chroma(x, y) == apart.chroma(x, y) ? 0 : 1 }
      }
      #expect(wrong == 0)

      let cr = try #require(apart.picture.cr)
      func back(_ rectangle: Tile, into rows: PixelRows) {
        conversion.toPixels(
          y: apart.picture.y, yStride: apart.picture.yStride, cb: apart.picture.cb, cr: cr,
          chromaStride: apart.picture.chromaStride, sampling: .quarter420, rectangle: rectangle,
          into: rows)
      }
      let (whole, pieces) = (
        Picture(width: width, height: height, order: order),
        Picture(width: width, height: height, order: order)
      )
      back(Tile(x: 0, y: 0, width: width, height: height), into: whole.rows)
      for x in stride(from: 0, to: width, by: 14) {
        back(Tile(x: x, y: 0, width: min(14, width - x), height: height), into: pieces.rows)
      }
      wrong = 0
      for y in 0..<height {
        for x in 0..<width { wrong += whole[x, y] == pieces[x, y] ? 0 : 1 }
      }
      #expect(wrong == 0)
    }
  }

  @Test("keeps greys grey, and their values in full range")
  func greys() throws {
    let picture = Picture(width: 256, height: 1)
    for x in 0..<256 { picture[x, 0] = 0xFF00_0000 | UInt32(x) * 0x01_0101 }
    for range in [ColorRange.limited, .full] {
      let planes = Planes(width: 256, height: 2, .full444, isPaired: false)
      let conversion = ColorConversion(range: range)
      conversion.toVideo(
        picture.rows, width: 256, height: 1, into: planes.picture, codedWidth: 256,
        codedHeight: 2)
      let back = Picture(width: 256, height: 1)
      conversion.toPixels(
        y: planes.picture.y, yStride: 256, cb: planes.picture.cb,
        cr: try #require(planes.picture.cr), chromaStride: 256, sampling: .full444,
        rectangle: Tile(x: 0, y: 0, width: 256, height: 1), into: back.rows)
      for x in 0..<256 {
        #expect(planes.chroma(x, 0) == (128, 128))
        let (r, g, b) = (back[x, 0] >> 16 & 255, back[x, 0] >> 8 & 255, back[x, 0] & 255)
        #expect(r == g && g == b)
        #expect(abs(Int(g) - x) <= (range == .full ? 0 : 1))
      }
    }
  }
}
