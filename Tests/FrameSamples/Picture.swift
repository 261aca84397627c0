public import FrameStream
internal import Glibc

/// The same numbers for the same seed, on every machine (SplitMix64).
public struct Numbers: RandomNumberGenerator {
  private var state: UInt64

  public init(_ seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// One of 0..<`bound`.
  public mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next() % UInt64(max(bound, 1)))
  }
}

/// A picture of 32-bit pixels with memory of its own.
public final class Picture: @unchecked Sendable {
  public let width: Int
  public let height: Int
  public let order: PixelOrder
  public let pixels: UnsafeMutablePointer<UInt32>

  /// Black, alpha 255.
  public init(width: Int, height: Int, order: PixelOrder = .bgra) {
    self.width = width
    self.height = height
    self.order = order
    pixels = .allocate(capacity: max(width * height, 1))
    pixels.initialize(repeating: 0xFF00_0000, count: max(width * height, 1))
  }

  public convenience init(copyOf other: Picture) {
    self.init(width: other.width, height: other.height, order: other.order)
    pixels.update(from: other.pixels, count: width * height)
  }

  deinit { pixels.deallocate() }

  public var rows: PixelRows { PixelRows(start: pixels, stride: width * 4, order: order) }

  public subscript(x: Int, y: Int) -> UInt32 {
    get { pixels[y * width + x] }
    set { pixels[y * width + x] = newValue }
  }

  /// Pixels that differ.
  public func differences(from other: Picture) -> Int {
    precondition(width == other.width && height == other.height)
    return (0..<width * height).reduce(0) { $0 + (pixels[$1] == other.pixels[$1] ? 0 : 1) }
  }

  /// Peak signal-to-noise ratio of red, green and blue together, in dB; infinite when they are equal.
  public func psnr(against other: Picture, rows: Range<Int>? = nil) -> Double {
    precondition(width == other.width && height == other.height)
    let rows = rows ?? 0..<height
    var sum = 0
    for i in rows.lowerBound * width..<rows.upperBound * width {
      for shift: UInt32 in [0, 8, 16] {
        let difference = Int(pixels[i] >> shift & 255) - Int(other.pixels[i] >> shift & 255)
        sum += difference * difference
      }
    }
    guard sum > 0 else { return .infinity }
    return 10 * log10(255 * 255 * Double(3 * rows.count * width) / Double(sum))
  }

  /// Fills a rectangle, as far as it lies in the picture.
  public func fill(x: Int, y: Int, width: Int, height: Int, _ pixel: UInt32) {
    for line in max(y, 0)..<max(max(y, 0), min(y + height, self.height)) {
      for column in max(x, 0)..<max(max(x, 0), min(x + width, self.width)) {
        self[column, line] = pixel
      }
    }
  }

  /// Writes letters of no alphabet, 8 x 16 pixels each with soft edges, chosen by `numbers`.
  public func write(
    x: Int, y: Int, letters: Int, ink: UInt32, paper: UInt32, _ numbers: inout Numbers
  ) {
    func mix(_ share: UInt32) -> UInt32 {
      var out: UInt32 = 0xFF00_0000
      for shift: UInt32 in [0, 8, 16] {
        let (a, b) = (ink >> shift & 255, paper >> shift & 255)
        out |= (a * share + b * (4 - share)) / 4 << shift
      }
      return out
    }
    let shades = (0..<5).map { mix(UInt32($0)) }
    for letter in 0..<letters {
      // A glyph is 5 x 7 dots, each 1 x 2 pixels, with a softer pixel beside it. Every sixth is a space.
      let glyph = letter % 6 == 5 ? 0 : Picture.glyphs[numbers.below(Picture.glyphs.count)]
      for row in 0..<16 {
        for column in 0..<8 {
          func dot(_ c: Int) -> UInt32 {
            guard (0..<5).contains(c), (0..<7).contains(row / 2) else { return 0 }
            return UInt32(glyph >> UInt64(row / 2 * 5 + c) & 1)
          }
          let share = min(4, 4 * dot(column) + dot(column - 1))
          let (px, py) = (x + letter * 8 + column, y + row)
          if px >= 0, px < width, py >= 0, py < height { self[px, py] = shades[Int(share)] }
        }
      }
    }
  }

  /// Shapes of 60 letters.
  private static let glyphs: [UInt64] = {
    var numbers = Numbers(7)
    return (0..<60).map { _ in numbers.next() & numbers.next() | 0x4210_8421 }
  }()
}
