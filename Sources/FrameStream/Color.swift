internal import CPlatform

/// Order of the bytes of a pixel of 32 bits in memory. The fourth is alpha, or nothing.
public enum PixelOrder: UInt8, Sendable {
  case bgra = 0
  case rgba = 1
}

/// Which values of 8 bits a component of video has.
public enum ColorRange: Sendable {
  /// Luma 16…235, chroma 16…240 ("tv", "video"): what every decoder expects unless it is told.
  case limited
  /// 0…255 ("pc", "full"): 1.4 bits of red, green and blue more survive.
  case full
}

/// How many chroma samples a picture has.
public enum ChromaSampling: Sendable {
  /// One for 2 x 2 pixels, in their middle.
  case quarter420
  /// One for each pixel: text and thin lines keep their colours.
  case full444
}

/// A picture of Y'CbCr samples of 8 bits in three planes, or in two when Cb and Cr lie in pairs (NV12).
/// The memory belongs to whoever made it.
public struct PlanePicture {
  public var y: UnsafeMutablePointer<UInt8>
  public var yStride: Int
  public var cb: UnsafeMutablePointer<UInt8>
  /// Nil when `cb` has pairs.
  public var cr: UnsafeMutablePointer<UInt8>?
  public var chromaStride: Int
  public var sampling: ChromaSampling

  public init(
    y: UnsafeMutablePointer<UInt8>, yStride: Int, cb: UnsafeMutablePointer<UInt8>,
    cr: UnsafeMutablePointer<UInt8>?, chromaStride: Int, sampling: ChromaSampling
  ) {
    self.y = y
    self.yStride = yStride
    self.cb = cb
    self.cr = cr
    self.chromaStride = chromaStride
    self.sampling = sampling
  }
}

/// Rows of pixels of 32 bits. The memory belongs to whoever made it.
public struct PixelRows {
  public var start: UnsafeMutableRawPointer
  /// Bytes from one row to the next.
  public var stride: Int
  public var order: PixelOrder

  public init(start: UnsafeMutableRawPointer, stride: Int, order: PixelOrder) {
    self.start = start
    self.stride = stride
    self.order = order
  }

  /// The rows from row `y` on.
  public func from(row y: Int) -> PixelRows {
    PixelRows(start: start + y * stride, stride: stride, order: order)
  }

  @inlinable func row(_ y: Int) -> UnsafeMutablePointer<UInt32> {
    (start + y &* stride).assumingMemoryBound(to: UInt32.self)
  }
}

/// Between R'G'B' and Y'CbCr of Rec. ITU-R BT.709, each result the nearest integer to the exact one, to
/// within a twentieth of a step at a tie.
public struct ColorConversion: Sendable {
  public let range: ColorRange
  private let toLuma: ColorFactors
  private let toCb: ColorFactors
  private let toCr: ColorFactors
  private let toPicture: (red: ColorFactors, green: ColorFactors, blue: ColorFactors)

  /// Shares of red, green and blue in luma: BT.709, item 3.2.
  private static let share = (red: 0.2126, green: 0.7152, blue: 0.0722)

  public init(range: ColorRange) {
    self.range = range
    let (luma, chroma, black) =
      range == .limited ? (219.0 / 255, 224.0 / 255, Int32(16)) : (1.0, 1.0, 0)
    let share = ColorConversion.share
    let blueRange = 2 * (1 - share.blue)
    let redRange = 2 * (1 - share.red)

    func video(_ red: Double, _ blue: Double, sum: Double, origin: Int32) -> ColorFactors {
      let shift = ColorFactors.videoShift
      let (r, b) = (ColorFactors.fixed(red, shift), ColorFactors.fixed(blue, shift))
      // Green makes their sum what it must be: greys have no colour.
      return ColorFactors(
        first: Int16(r), second: Int16(ColorFactors.fixed(sum, shift) - r - b), third: Int16(b),
        constant: origin << shift + 1 << (shift - 1))
    }
    toLuma = video(share.red * luma, share.blue * luma, sum: luma, origin: black)
    toCb = video(-share.red / blueRange * chroma, 0.5 * chroma, sum: 0, origin: 128)
    toCr = video(0.5 * chroma, -share.blue / redRange * chroma, sum: 0, origin: 128)

    func picture(cb: Double, cr: Double) -> ColorFactors {
      let shift = ColorFactors.pictureShift
      let y = ColorFactors.fixed(1 / luma, shift)
      let u = ColorFactors.fixed(cb / chroma, shift)
      let v = ColorFactors.fixed(cr / chroma, shift)
      return ColorFactors(
        first: Int16(y), second: Int16(u), third: Int16(v),
        constant: 1 << (shift - 1) - y * black - (u + v) * 128)
    }
    toPicture = (
      picture(cb: 0, cr: redRange),
      picture(
        cb: -blueRange * share.blue / share.green, cr: -redRange * share.red / share.green),
      picture(cb: blueRange, cr: 0)
    )
  }

  /// Converts `width` x `height` pixels; a picture of samples that is larger, `codedWidth` x
  /// `codedHeight`, gets the last column and row again and again, which costs a video encoder nothing.
  /// With 4:2:0 the coded sides are even.
  public func toVideo(
    _ pixels: PixelRows, width: Int, height: Int, into picture: PlanePicture, codedWidth: Int,
    codedHeight: Int
  ) {
    guard width > 0, height > 0 else { return }
    let isQuarter = picture.sampling == .quarter420 || picture.cr == nil
    // Two rows at a time, whose pixels are then still in the processor's own memory.
    for line in 0..<(height + 1) / 2 {
      let done = picture.cr == nil ? pairedRows(pixels, line, width, height, picture) : 0
      for y in 2 * line..<min(2 * line + 2, height) {
        let luma = picture.y + y * picture.yStride
        PixelLoops.luma(luma + done, pixels.row(y) + done, width - done, toLuma, pixels.order)
        ColorConversion.extend(luma, width, codedWidth, by: 1)
        if !isQuarter { fullChroma(pixels, y, width, picture, codedWidth) }
      }
      if isQuarter {
        quarterChroma(pixels, line, from: done, width, height, picture, codedWidth / 2)
      }
    }
    ColorConversion.repeatRow(
      picture.y, picture.yStride, from: height - 1, to: codedHeight, count: codedWidth)
    let rows = isQuarter ? (height + 1) / 2 : height
    let codedRows = isQuarter ? codedHeight / 2 : codedHeight
    let samples = isQuarter && picture.cr != nil ? codedWidth / 2 : codedWidth
    for plane in [picture.cb, picture.cr] {
      guard let plane else { continue }
      ColorConversion.repeatRow(
        plane, picture.chromaStride, from: rows - 1, to: codedRows, count: samples)
    }
  }

  /// Luma and pairs of chroma of two rows of pixels, in one go through them: how many columns that were.
  private func pairedRows(
    _ pixels: PixelRows, _ line: Int, _ width: Int, _ height: Int, _ picture: PlanePicture
  ) -> Int {
    let (first, second) = (2 * line, min(2 * line + 1, height - 1))
    return PixelLoops.video(
      picture.y + first * picture.yStride, picture.y + second * picture.yStride,
      picture.cb + line * picture.chromaStride, pixels.row(first), pixels.row(second), width,
      (toLuma, toCb, toCr), pixels.order)
  }

  private func fullChroma(
    _ pixels: PixelRows, _ y: Int, _ width: Int, _ picture: PlanePicture, _ codedWidth: Int
  ) {
    guard let crPlane = picture.cr else { return }
    let cb = picture.cb + y * picture.chromaStride
    let cr = crPlane + y * picture.chromaStride
    PixelLoops.chroma(cb, cr, pixels.row(y), width, toCb, toCr, pixels.order)
    ColorConversion.extend(cb, width, codedWidth, by: 1)
    ColorConversion.extend(cr, width, codedWidth, by: 1)
  }

  /// One row of chroma, of two rows of pixels from an even column on.
  private func quarterChroma(
    _ pixels: PixelRows, _ line: Int, from start: Int, _ width: Int, _ height: Int,
    _ picture: PlanePicture, _ codedWidth: Int
  ) {
    let above = pixels.row(2 * line) + start
    let below = pixels.row(min(2 * line + 1, height - 1)) + start
    let cb = picture.cb + line * picture.chromaStride
    if let crPlane = picture.cr {
      let cr = crPlane + line * picture.chromaStride
      quads(cb + start / 2, cr + start / 2, above, below, width - start, pixels.order)
      ColorConversion.extend(cb, (width + 1) / 2, codedWidth, by: 1)
      ColorConversion.extend(cr, (width + 1) / 2, codedWidth, by: 1)
      return
    }
    let count = (width - start + 1) / 2
    if count > 0 {
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * count) { samples in
        guard let first = samples.baseAddress else { return }
        quads(first, first + count, above, below, width - start, pixels.order)
        PixelLoops.interleave(cb + start, first, first + count, count)
      }
    }
    ColorConversion.extend(cb, (width + 1) / 2, codedWidth, by: 2)
  }

  private func quads(
    _ cb: UnsafeMutablePointer<UInt8>, _ cr: UnsafeMutablePointer<UInt8>,
    _ above: UnsafePointer<UInt32>, _ below: UnsafePointer<UInt32>, _ width: Int,
    _ order: PixelOrder
  ) {
    let whole = width / 2
    PixelLoops.chromaOfQuads(cb, cr, above, below, whole, toCb, toCr, order)
    guard width & 1 == 1 else { return }
    // The last column twice.
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4) { last in
      guard let p = last.baseAddress else { return }
      (p[0], p[1], p[2], p[3]) = (
        above[width - 1], above[width - 1], below[width - 1], below[width - 1]
      )
      PixelLoops.chromaOfQuads(cb + whole, cr + whole, p, p + 2, 1, toCb, toCr, order)
    }
  }

  /// Repeats the last of `used` samples of `size` bytes until there are `coded`.
  private static func extend(
    _ row: UnsafeMutablePointer<UInt8>, _ used: Int, _ coded: Int, by size: Int
  ) {
    guard used > 0, coded > used else { return }
    for i in (used * size)..<(coded * size) { row[i] = row[i - size] }
  }

  private static func repeatRow(
    _ plane: UnsafeMutablePointer<UInt8>, _ stride: Int, from row: Int, to rows: Int, count: Int
  ) {
    guard row >= 0, rows > row + 1 else { return }
    for y in (row + 1)..<rows { platform_copy(plane + y * stride, plane + row * stride, count) }
  }

  /// Converts a rectangle of a picture back to pixels, alpha 255. With 4:2:0 its left and upper edges
  /// are even, and a chroma sample is that of its 2 x 2 pixels.
  public func toPixels(
    y: UnsafePointer<UInt8>, yStride: Int, cb: UnsafePointer<UInt8>, cr: UnsafePointer<UInt8>,
    chromaStride: Int, sampling: ChromaSampling, rectangle: Tile, into pixels: PixelRows
  ) {
    let isHalved = sampling == .quarter420
    for line in rectangle.y..<(rectangle.y + rectangle.height) {
      let chroma =
        (isHalved ? line / 2 : line) * chromaStride + (isHalved ? rectangle.x / 2 : rectangle.x)
      PixelLoops.pixels(
        pixels.row(line) + rectangle.x, y + line * yStride + rectangle.x, cb + chroma,
        cr + chroma, rectangle.width, isHalved: isHalved, toPicture, pixels.order)
    }
  }
}
