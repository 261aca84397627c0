// The loops over every pixel, written so that the compiler makes vectors of them for the baseline
// instruction set: factors are of 16 bits, and so are the values they meet, which lets one instruction
// multiply and add eight of them; pointers are raw, and sums wrap. What every frame of video goes through
// is done by `Vectors.h` where the processor has larger vectors (three to four times as fast), and here for
// what they leave.
//
// Nothing here allocates, and ranges are the caller's affair.

internal import CPlatform

/// One row of a colour matrix in fixed point: three factors, and the constant with its rounding.
struct ColorFactors: Sendable {
  var first: Int16
  var second: Int16
  var third: Int16
  var constant: Int32

  /// Bits behind the point of the way to Y'CbCr: factors are at most 0.72.
  static let videoShift: Int32 = 15
  /// Of the way back: factors reach 2.12.
  static let pictureShift: Int32 = 13

  /// `value` with `shift` bits behind the point.
  static func fixed(_ value: Double, _ shift: Int32) -> Int32 {
    Int32((value * Double(1 << shift)).rounded())
  }
}

extension platform_color_factors {
  fileprivate init(_ factors: ColorFactors) {
    self.init(
      first: factors.first, second: factors.second, third: factors.third,
      constant: factors.constant)
  }

  /// Of a pixel's bytes in memory, from factors of red, green and blue.
  fileprivate init(_ factors: ColorFactors, _ order: PixelOrder) {
    self.init(factors)
    if order == .bgra { swap(&first, &third) }
  }
}

enum PixelLoops {
  // MARK: To Y'CbCr

  /// Two rows of luma and one of pairs of chroma, of as many columns as go into the processor's larger
  /// vectors: how many those are, a multiple of 2.
  static func video(
    _ luma: UnsafeMutablePointer<UInt8>, _ lumaBelow: UnsafeMutablePointer<UInt8>,
    _ pairs: UnsafeMutablePointer<UInt8>, _ above: UnsafePointer<UInt32>,
    _ below: UnsafePointer<UInt32>, _ count: Int,
    _ factors: (luma: ColorFactors, cb: ColorFactors, cr: ColorFactors), _ order: PixelOrder
  ) -> Int {
    platform_video_of_rows(
      luma, lumaBelow, pairs, above, below, count, .init(factors.luma, order),
      .init(factors.cb, order), .init(factors.cr, order), ColorFactors.videoShift)
  }

  /// One row of luma.
  static func luma(
    _ out: UnsafeMutablePointer<UInt8>, _ pixels: UnsafePointer<UInt32>, _ count: Int,
    _ factors: ColorFactors, _ order: PixelOrder
  ) {
    switch order {
    case .bgra: component(out, pixels, count, factors, 16, 0)
    case .rgba: component(out, pixels, count, factors, 0, 16)
    }
  }

  /// One row of chroma, a sample a pixel.
  static func chroma(
    _ cb: UnsafeMutablePointer<UInt8>, _ cr: UnsafeMutablePointer<UInt8>,
    _ pixels: UnsafePointer<UInt32>, _ count: Int, _ cbFactors: ColorFactors,
    _ crFactors: ColorFactors, _ order: PixelOrder
  ) {
    switch order {
    case .bgra:
      component(cb, pixels, count, cbFactors, 16, 0)
      component(cr, pixels, count, crFactors, 16, 0)
    case .rgba:
      component(cb, pixels, count, cbFactors, 0, 16)
      component(cr, pixels, count, crFactors, 0, 16)
    }
  }

  @inline(__always)
  private static func component(
    _ out: UnsafeMutablePointer<UInt8>, _ pixels: UnsafePointer<UInt32>, _ count: Int,
    _ factors: ColorFactors, _ red: UInt32, _ blue: UInt32
  ) {
    let (r, g, b) = (Int32(factors.first), Int32(factors.second), Int32(factors.third))
    let constant = factors.constant
    for i in 0..<count {
      let p = pixels[i]
      let sum =
        r &* Int32(truncatingIfNeeded: p &>> red & 255)
        &+ g &* Int32(truncatingIfNeeded: p &>> 8 & 255)
        &+ b &* Int32(truncatingIfNeeded: p &>> blue & 255) &+ constant
      // Chroma of full range rounds to 256 at its very end.
      out[i] = UInt8(truncatingIfNeeded: min(sum &>> ColorFactors.videoShift, 255))
    }
  }

  /// Chroma of 2 x 2 pixels each: `count` samples of two rows of twice as many pixels.
  static func chromaOfQuads(
    _ cb: UnsafeMutablePointer<UInt8>, _ cr: UnsafeMutablePointer<UInt8>,
    _ above: UnsafePointer<UInt32>, _ below: UnsafePointer<UInt32>, _ count: Int,
    _ cbFactors: ColorFactors, _ crFactors: ColorFactors, _ order: PixelOrder
  ) {
    switch order {
    case .bgra: quads(cb, cr, above, below, count, cbFactors, crFactors, 16, 0)
    case .rgba: quads(cb, cr, above, below, count, cbFactors, crFactors, 0, 16)
    }
  }

  @inline(__always)
  private static func quads(
    _ cb: UnsafeMutablePointer<UInt8>, _ cr: UnsafeMutablePointer<UInt8>,
    _ above: UnsafePointer<UInt32>, _ below: UnsafePointer<UInt32>, _ count: Int,
    _ cbFactors: ColorFactors, _ crFactors: ColorFactors, _ red: UInt32, _ blue: UInt32
  ) {
    let u = (Int32(cbFactors.first), Int32(cbFactors.second), Int32(cbFactors.third))
    let v = (Int32(crFactors.first), Int32(crFactors.second), Int32(crFactors.third))
    let (uConstant, vConstant) = (4 &* cbFactors.constant, 4 &* crFactors.constant)
    let shift = ColorFactors.videoShift + 2
    for i in 0..<count {
      let a = above[2 &* i]
      let b = above[2 &* i &+ 1]
      let c = below[2 &* i]
      let d = below[2 &* i &+ 1]
      // Red and blue of four pixels are added at once, in 16 bits each.
      let outer =
        (a & 0xFF_00FF) &+ (b & 0xFF_00FF) &+ (c & 0xFF_00FF) &+ (d & 0xFF_00FF)
      let green = Int32(
        truncatingIfNeeded: (a &>> 8 & 255) &+ (b &>> 8 & 255) &+ (c &>> 8 & 255)
          &+ (d &>> 8 & 255))
      let redSum = Int32(truncatingIfNeeded: outer &>> red & 1023)
      let blueSum = Int32(truncatingIfNeeded: outer &>> blue & 1023)
      let cbSum = u.0 &* redSum &+ u.1 &* green &+ u.2 &* blueSum &+ uConstant
      let crSum = v.0 &* redSum &+ v.1 &* green &+ v.2 &* blueSum &+ vConstant
      cb[i] = UInt8(truncatingIfNeeded: min(cbSum &>> shift, 255))
      cr[i] = UInt8(truncatingIfNeeded: min(crSum &>> shift, 255))
    }
  }

  /// Two rows of samples as one of pairs, as NV12 has chroma.
  static func interleave(
    _ pairs: UnsafeMutablePointer<UInt8>, _ first: UnsafePointer<UInt8>,
    _ second: UnsafePointer<UInt8>, _ count: Int
  ) {
    for i in 0..<count {
      pairs[2 &* i] = first[i]
      pairs[2 &* i &+ 1] = second[i]
    }
  }

  // MARK: To pixels

  /// One row of pixels, alpha 255. `matrix` has red, green and blue by Y', Cb and Cr. When `isHalved`, a
  /// chroma sample is for two pixels.
  static func pixels(
    _ out: UnsafeMutablePointer<UInt32>, _ y: UnsafePointer<UInt8>, _ cb: UnsafePointer<UInt8>,
    _ cr: UnsafePointer<UInt8>, _ count: Int, isHalved: Bool,
    _ matrix: (red: ColorFactors, green: ColorFactors, blue: ColorFactors), _ order: PixelOrder
  ) {
    let done = isHalved ? vectorsOfHalved(out, y, cb, cr, count, matrix, order) : 0
    let (rest, left) = (out + done, count - done)
    switch (isHalved, order) {
    case (true, .bgra): halved(rest, y + done, cb + done / 2, cr + done / 2, left, matrix, 16, 0)
    case (true, .rgba): halved(rest, y + done, cb + done / 2, cr + done / 2, left, matrix, 0, 16)
    case (false, .bgra): whole(out, y, cb, cr, count, matrix, 16, 0)
    case (false, .rgba): whole(out, y, cb, cr, count, matrix, 0, 16)
    }
  }

  /// As many pixels as go into the processor's larger vectors: how many those are, a multiple of 2.
  private static func vectorsOfHalved(
    _ out: UnsafeMutablePointer<UInt32>, _ y: UnsafePointer<UInt8>, _ cb: UnsafePointer<UInt8>,
    _ cr: UnsafePointer<UInt8>, _ count: Int,
    _ matrix: (red: ColorFactors, green: ColorFactors, blue: ColorFactors), _ order: PixelOrder
  ) -> Int {
    let (first, third) = order == .bgra ? (matrix.blue, matrix.red) : (matrix.red, matrix.blue)
    let components = (
      platform_color_factors(first), platform_color_factors(matrix.green),
      platform_color_factors(third)
    )
    return withUnsafePointer(to: components) { components in
      components.withMemoryRebound(to: platform_color_factors.self, capacity: 3) {
        platform_pixels_of_halved(out, y, cb, cr, count, $0, ColorFactors.pictureShift)
      }
    }
  }

  @inline(__always)
  private static func whole(
    _ out: UnsafeMutablePointer<UInt32>, _ y: UnsafePointer<UInt8>, _ cb: UnsafePointer<UInt8>,
    _ cr: UnsafePointer<UInt8>, _ count: Int,
    _ matrix: (red: ColorFactors, green: ColorFactors, blue: ColorFactors), _ red: UInt32,
    _ blue: UInt32
  ) {
    let chroma = ChromaParts(matrix)
    let gain = Int32(matrix.red.first)
    for i in 0..<count {
      let (r, g, b) = chroma.parts(Int32(cb[i]), Int32(cr[i]))
      out[i] = pixel(gain &* Int32(y[i]), r, g, b, red, blue)
    }
  }

  @inline(__always)
  private static func halved(
    _ out: UnsafeMutablePointer<UInt32>, _ y: UnsafePointer<UInt8>, _ cb: UnsafePointer<UInt8>,
    _ cr: UnsafePointer<UInt8>, _ count: Int,
    _ matrix: (red: ColorFactors, green: ColorFactors, blue: ColorFactors), _ red: UInt32,
    _ blue: UInt32
  ) {
    let chroma = ChromaParts(matrix)
    let gain = Int32(matrix.red.first)
    for i in 0..<count / 2 {
      let (r, g, b) = chroma.parts(Int32(cb[i]), Int32(cr[i]))
      out[2 &* i] = pixel(gain &* Int32(y[2 &* i]), r, g, b, red, blue)
      out[2 &* i &+ 1] = pixel(gain &* Int32(y[2 &* i &+ 1]), r, g, b, red, blue)
    }
    guard count & 1 == 1 else { return }
    let (r, g, b) = chroma.parts(Int32(cb[count / 2]), Int32(cr[count / 2]))
    out[count - 1] = pixel(gain &* Int32(y[count - 1]), r, g, b, red, blue)
  }

  /// What chroma adds to red, green and blue: red has nothing of Cb, and blue nothing of Cr.
  private struct ChromaParts {
    let red: (cr: Int32, constant: Int32)
    let green: (cb: Int32, cr: Int32, constant: Int32)
    let blue: (cb: Int32, constant: Int32)

    @inline(__always)
    init(_ matrix: (red: ColorFactors, green: ColorFactors, blue: ColorFactors)) {
      red = (Int32(matrix.red.third), matrix.red.constant)
      green = (Int32(matrix.green.second), Int32(matrix.green.third), matrix.green.constant)
      blue = (Int32(matrix.blue.second), matrix.blue.constant)
    }

    @inline(__always)
    func parts(_ cb: Int32, _ cr: Int32) -> (Int32, Int32, Int32) {
      (
        red.cr &* cr &+ red.constant, green.cb &* cb &+ green.cr &* cr &+ green.constant,
        blue.cb &* cb &+ blue.constant
      )
    }
  }

  @inline(__always)
  private static func pixel(
    _ luma: Int32, _ r: Int32, _ g: Int32, _ b: Int32, _ red: UInt32, _ blue: UInt32
  ) -> UInt32 {
    @inline(__always)
    func bounded(_ sum: Int32) -> UInt32 {
      UInt32(bitPattern: max(0, min(255, (luma &+ sum) &>> ColorFactors.pictureShift)))
    }
    return bounded(r) &<< red | bounded(g) &<< 8 | bounded(b) &<< blue | 0xFF00_0000
  }

  // MARK: Prediction from the pixels beside and above

  /// What differs from the median of left, above, and left + above - above left, of one row of one
  /// component (`shift`: its bit position), less the same pixel's green when `isLessGreen`. `above` is
  /// nil in the first row; left of the row there are zeros. At most a tile's side of pixels.
  static func residual(
    _ out: UnsafeMutablePointer<UInt8>, _ row: UnsafePointer<UInt32>,
    _ above: UnsafePointer<UInt32>?, _ count: Int, _ shift: UInt32, isLessGreen: Bool
  ) {
    withUnsafeTemporaryAllocation(of: Int16.self, capacity: 2 * (TileGrid.side + 1)) { memory in
      guard let here = memory.baseAddress else { return }
      let there = here + TileGrid.side + 1
      here[0] = 0
      there[0] = 0
      component(here + 1, row, count, shift, isLessGreen)
      guard let above else {
        for i in 0..<count { out[i] = UInt8(truncatingIfNeeded: here[i &+ 1] &- here[i]) }
        return
      }
      component(there + 1, above, count, shift, isLessGreen)
      for i in 0..<count {
        let left = here[i]
        let top = there[i &+ 1]
        let low = min(left, top)
        let high = max(left, top)
        let predicted = max(low, min(high, left &+ top &- there[i]))
        out[i] = UInt8(truncatingIfNeeded: here[i &+ 1] &- predicted)
      }
    }
  }

  @inline(__always)
  private static func component(
    _ out: UnsafeMutablePointer<Int16>, _ row: UnsafePointer<UInt32>, _ count: Int,
    _ shift: UInt32, _ isLessGreen: Bool
  ) {
    if isLessGreen {
      for i in 0..<count {
        out[i] = Int16(truncatingIfNeeded: (row[i] &>> shift &- row[i] &>> 8) & 255)
      }
    } else {
      for i in 0..<count { out[i] = Int16(truncatingIfNeeded: row[i] &>> shift & 255) }
    }
  }
}
