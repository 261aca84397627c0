import FrameSamples
import Testing

@testable import FrameServer
@testable import FrameStream

@Suite("FrameEncoder")
struct FrameEncoderTests {
  private func scene(_ count: Int, width: Int = 640, height: Int = 360) -> [Picture] {
    let scene = FlyThrough(width: width, height: height)
    return (0..<count).map { number in
      let picture = Picture(width: width, height: height)
      scene.draw(number, into: picture)
      return picture
    }
  }

  @Test("shows every pixel as it was", arguments: [BandCoding.raw, .lossless])
  func exact(coding: BandCoding) throws {
    let stream = Stream(softwareSettings(coding))
    for picture in scene(4) {
      try stream.send(picture)
      #expect(stream.shown.differences(from: picture) == 0)
    }
    let desktop = Desktop(width: 639, height: 361, share: 0.05)
    for _ in 0..<10 {
      desktop.advance()
      try stream.send(desktop.picture)
      #expect(stream.shown.differences(from: desktop.picture) == 0)
    }
    #expect(stream.refused.isEmpty)
  }

  @Test("shows video that is near", arguments: [BandCoding.h264, .hevc])
  func video(coding: BandCoding) throws {
    let stream = Stream(softwareSettings(coding))
    for picture in scene(8) {
      try stream.send(picture)
      #expect(stream.shown.psnr(against: picture) > 30)
    }
    #expect(stream.refused.isEmpty)
  }

  @Test("sends nothing of what has not changed", arguments: BandCoding.allCases)
  func still(coding: BandCoding) throws {
    var settings = softwareSettings(coding)
    settings.bands = 4
    settings.refinesAfter = 0
    let stream = Stream(settings)
    let picture = scene(1)[0]
    #expect(try stream.send(picture).bands == 0b1111)
    #expect(try stream.send(picture).bands == 0)
    #expect(stream.units.isEmpty)
    picture[5, 200] ^= 0xFF
    #expect(try stream.send(picture).bands == 0b0100)
    #expect(stream.units[0].header.mask.count == (coding.isExact ? 1 : 20))
  }

  @Test("makes what is still exact, whether frames come or not", arguments: [true, false])
  func refines(hasFrames: Bool) throws {
    var settings = softwareSettings(.h264)
    settings.refinesAfter = 5
    let stream = Stream(settings)
    let picture = scene(1)[0]
    try stream.send(picture)
    #expect(stream.shown.differences(from: picture) > 0)
    for number in 0..<200 where stream.encoder.needsRefinement {
      let coded = hasFrames ? try stream.send(picture) : try stream.refine()
      if number < 4 { #expect(coded.bands == 0, "frame \(number) is too soon") }
      #expect(coded.byteCount < 100_000)
      #expect(stream.units.allSatisfy { $0.header.flags.contains(.refinement) })
    }
    #expect(!stream.encoder.needsRefinement)
    #expect(stream.shown.differences(from: picture) == 0)
    // What moves again is video, and what does not stays exact.
    picture.fill(x: 0, y: 0, width: 640, height: 60, 0xFF12_3456)
    try stream.send(picture)
    #expect(stream.units.map(\.header.coding) == [.h264])
    #expect(stream.shown.psnr(against: picture, rows: 128..<360) == .infinity)
  }

  @Test("codes small changes exactly beside video, and large ones as video")
  func mixes() throws {
    var settings = softwareSettings(.h264)
    settings.mixesExact = true
    settings.refinesAfter = 0
    let stream = Stream(settings)
    let desktop = Desktop(width: 640, height: 360, share: 0.05)
    try stream.send(desktop.picture)
    #expect(stream.units.allSatisfy { $0.header.coding == .h264 })
    for _ in 0..<10 {
      desktop.advance()
      try stream.send(desktop.picture)
      #expect(stream.units.allSatisfy { $0.header.coding == .lossless })
    }
    for picture in scene(3) {
      try stream.send(picture)
      #expect(stream.units.allSatisfy { $0.header.coding == .h264 })
      #expect(stream.shown.psnr(against: picture) > 30)
    }
    #expect(stream.refused.isEmpty)
  }

  @Test("repairs a band that was lost, and it alone", arguments: BandCoding.allCases)
  func repairs(coding: BandCoding) throws {
    var settings = softwareSettings(coding)
    settings.bands = 3
    settings.refinesAfter = 0
    let stream = Stream(settings)
    let pictures = scene(8)
    for (number, picture) in pictures.enumerated() {
      stream.passes = { !((3...4).contains(number) && $0.band == 1) }
      if number == 5 {
        stream.decoder.noteLoss(band: 1)
        stream.encoder.noteLoss(band: 1, since: 4)
      }
      try stream.send(picture)
      let intra = stream.units.filter { $0.header.flags.contains(.intra) }.map(\.header.band)
      if !coding.isExact { #expect(intra == (number == 0 ? [0, 1, 2] : number == 5 ? [1] : [])) }
      guard number < 3 || number > 4 else { continue }
      #expect(stream.shown.psnr(against: picture) > 30)
    }
    #expect(stream.refused.isEmpty)
    // Of a still picture too.
    stream.encoder.noteLoss(band: 2, since: nil)
    try stream.refine()
    #expect(stream.units.map(\.header.band) == [2])
    #expect(stream.units[0].header.mask.isFull)
  }

  @Test("repairs the tiles that were lost, not more")
  func repairsTiles() throws {
    var settings = softwareSettings(.lossless)
    settings.bands = 1
    let stream = Stream(settings)
    let picture = Picture(width: 640, height: 128)
    try stream.send(picture)
    for (number, x) in [10, 100, 300].enumerated() {
      picture[x, 5] = 0xFFFF_FFFF
      stream.passes = { _ in number == 0 }
      try stream.send(picture)
    }
    stream.passes = { _ in true }
    stream.encoder.noteLoss(band: 0, since: 3)
    try stream.refine()
    var wanted: [Int] = []
    stream.units[0].header.mask.forEach { wanted.append($0) }
    #expect(wanted == [1, 4])
    #expect(stream.shown.differences(from: picture) == 0)
  }

  @Test("refuses video whose reference is missing, until it gets an intra picture")
  func refuses() throws {
    var settings = softwareSettings(.h264)
    settings.bands = 1
    let stream = Stream(settings)
    let pictures = scene(4)
    try stream.send(pictures[0])
    stream.decoder.noteLoss(band: 0)
    try stream.send(pictures[1])
    #expect(stream.refused.count == 1)
    stream.encoder.noteLossOfAll()
    try stream.send(pictures[2])
    try stream.send(pictures[3])
    #expect(stream.refused.count == 1)
    #expect(stream.shown.psnr(against: pictures[3]) > 30)
  }

  @Test("goes on through a new size each frame", arguments: BandCoding.allCases)
  func resizes(coding: BandCoding) throws {
    let stream = Stream(softwareSettings(coding))
    for (width, height) in [
      (1, 1), (64, 64), (0, 0), (65, 63), (0, 7), (3, 200), (401, 17), (16384, 16), (16384, 1),
      (20000, 10), (128, 90),
    ] {
      let picture = Picture(width: width, height: height)
      picture.fill(x: 0, y: 0, width: width, height: height, 0xFF20_8040)
      let coded = try stream.send(picture)
      guard width > 0, height > 0, width <= 16384 else {
        #expect(coded.bands == 0)
        continue
      }
      #expect(coded.failedBands == 0)
      #expect(stream.shown.psnr(against: picture) > 35)
    }
    #expect(stream.refused.isEmpty)
  }

  @Test("keeps the order of the bytes", arguments: [PixelOrder.bgra, .rgba], BandCoding.allCases)
  func orders(order: PixelOrder, coding: BandCoding) throws {
    let stream = Stream(softwareSettings(coding), order: .bgra)
    let picture = Picture(width: 100, height: 40, order: order)
    picture.fill(
      x: 0, y: 0, width: 100, height: 40, order == .bgra ? 0xFFC0_4020 : 0xFF20_40C0)
    try stream.send(picture)
    let seen = stream.shown[50, 20]
    for (shift, wanted) in [(16, 0xC0), (8, 0x40), (0, 0x20)] as [(UInt32, Int)] {
      #expect(abs(Int(seen >> shift & 255) - wanted) <= (coding.isExact ? 0 : 6))
    }
  }

  @Test("changes the rate of a stream in flight")
  func rate() throws {
    var settings = softwareSettings(.h264)
    settings.quality = 5
    settings.bitsPerSecond = 16_000_000
    let stream = Stream(settings)
    var bytes = [0, 0]
    for (number, picture) in scene(30).enumerated() {
      if number == 15 { stream.encoder.setRate(bitsPerSecond: 4_000_000) }
      let coded = try stream.send(picture)
      if number % 15 > 4 { bytes[number / 15] += coded.byteCount }
    }
    #expect(Double(bytes[1]) < 0.4 * Double(bytes[0]))
  }
}

@Suite("EncoderLadder")
struct EncoderLadderTests {
  /// Video that stops after some pictures.
  private final class Failing: BandEncoder {
    private let inner: VideoEncoder
    private var left: Int

    init(_ settings: EncoderSettings, _ width: Int, _ rows: Int, after count: Int) throws {
      inner = try VideoEncoder(.software, settings, width: width, rows: rows)
      left = count
    }

    var coding: BandCoding { inner.coding }
    var name: String { "failing" }

    func encode(
      _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
    ) throws(EncoderFailure) -> CodedPicture {
      left -= 1
      guard left >= 0 else { throw EncoderFailure("failing: it has failed") }
      return try inner.encode(rows, tiles: tiles, mask: mask, asIntra: asIntra)
    }

    func setRate(bitsPerSecond: Int) throws(EncoderFailure) {
      try inner.setRate(bitsPerSecond: bitsPerSecond)
    }
  }

  private static func failing(after count: Int) -> EncoderLadder.Rung {
    EncoderLadder.Rung { (settings, width, rows) throws(EncoderFailure) in
      do {
        return try Failing(settings, width, rows, after: count)
      } catch { throw EncoderFailure("failing: it does not open") }
    }
  }

  @Test("takes the next encoder at the picture that one fails at")
  func goesOn() throws {
    let rungs = [
      EncoderLadder.Rung { (_, _, _) throws(EncoderFailure) in
        throw EncoderFailure("none: it does not open")
      },
      EncoderLadderTests.failing(after: 4), EncoderLadderTests.failing(after: 0),
      .software, .lossless,
    ]
    var settings = softwareSettings(.h264)
    settings.bands = 2
    let stream = Stream(settings, rungs: rungs)
    let scene = FlyThrough(width: 320, height: 180)
    let picture = Picture(width: 320, height: 180)
    for number in 0..<10 {
      scene.draw(number, into: picture)
      let coded = try stream.send(picture)
      #expect(coded.bands == 0b11 && coded.failedBands == 0, "frame \(number)")
      #expect(stream.shown.psnr(against: picture) > 30, "frame \(number)")
      #expect(stream.units.allSatisfy { $0.header.coding == .h264 })
    }
    #expect(stream.refused.isEmpty)
    #expect(stream.encoder.failures.count == 2 * 3)
  }

  @Test("ends at exact coding when no video encoder is left")
  func endsExact() throws {
    let stream = Stream(
      softwareSettings(.h264), rungs: [EncoderLadderTests.failing(after: 2), .lossless])
    let scene = FlyThrough(width: 320, height: 180)
    let picture = Picture(width: 320, height: 180)
    for number in 0..<5 {
      scene.draw(number, into: picture)
      try stream.send(picture)
      if number >= 2 { #expect(stream.shown.differences(from: picture) == 0) }
    }
  }

  @Test("says which bands no encoder is left for")
  func ends() throws {
    var settings = softwareSettings(.h264)
    settings.bands = 2
    let stream = Stream(settings, rungs: [EncoderLadderTests.failing(after: 1)])
    let picture = Picture(width: 320, height: 180)
    #expect(try stream.send(picture).failedBands == 0)
    picture.fill(x: 0, y: 0, width: 320, height: 180, 0xFF80_8080)
    #expect(try stream.send(picture).failedBands == 0b11)
  }
}
