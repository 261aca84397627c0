import FrameSamples
import Testing

@testable import FrameServer
@testable import FrameStream

/// The engines that this machine has for a coding.
private func engines(_ coding: BandCoding) -> [VideoEngine] {
  var settings = EncoderSettings()
  settings.coding = coding
  return VideoEngine.allCases.filter { engine in
    engine == .software || (try? VideoEncoder(engine, settings, width: 640, rows: 256)) != nil
  }
}

@Suite("VideoEncoder")
struct VideoEncoderTests {
  private let scene = FlyThrough(width: 320, height: 128)

  private func frames(_ range: Range<Int>) -> [Picture] {
    range.map { number in
      let picture = Picture(width: scene.width, height: scene.height)
      scene.draw(number, into: picture)
      return picture
    }
  }

  private func encode(
    _ encoder: VideoEncoder, _ picture: Picture, asIntra: Bool = false
  ) throws -> (bytes: [UInt8], isIntra: Bool) {
    let tiles = TileGrid(width: picture.width, height: picture.height)
    let coded = try encoder.encode(
      picture.rows, tiles: tiles, mask: TileMask(tileCount: tiles.count, full: true),
      asIntra: asIntra)
    return (Array(coded.bytes), coded.isIntra)
  }

  private func make(
    _ coding: BandCoding, _ engine: VideoEngine = .software, width: Int = 320, rows: Int = 128,
    _ change: (inout EncoderSettings) -> Void = { _ in }
  ) throws -> VideoEncoder {
    var settings = softwareSettings(coding)
    change(&settings)
    return try VideoEncoder(engine, settings, width: width, rows: rows)
  }

  private func luma(_ decoder: VideoDecoder, _ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try decoder.feed($0) }
    let frame = try decoder.finish()
    let y = try #require(frame.data.0)
    return (0..<128).flatMap { row in
      UnsafeBufferPointer(start: y + row * Int(frame.linesize.0), count: 320)
    }
  }

  @Test(
    "gives a picture for each picture, none of them intra but the first and those asked for",
    arguments: [BandCoding.h264, .hevc])
  func oneInOneOut(coding: BandCoding) throws {
    for engine in engines(coding) {
      let encoder = try make(coding, engine)
      let decoder = try VideoDecoder(coding, width: 320, rows: 128)
      for (number, picture) in frames(0..<24).enumerated() {
        let (bytes, isIntra) = try encode(encoder, picture, asIntra: number == 15)
        #expect(!bytes.isEmpty)
        #expect(isIntra == (number == 0 || number == 15), "\(engine) at \(number)")
        _ = try luma(decoder, bytes)
      }
    }
  }

  @Test("begins an intra picture with its parameter sets", arguments: [BandCoding.h264, .hevc])
  func joins(coding: BandCoding) throws {
    let encoder = try make(coding)
    for picture in frames(0..<5) { _ = try encode(encoder, picture) }
    // A decoder that has seen nothing before.
    let decoder = try VideoDecoder(coding, width: 320, rows: 128)
    for (number, picture) in frames(5..<9).enumerated() {
      _ = try luma(decoder, try encode(encoder, picture, asIntra: number == 0).bytes)
    }
  }

  @Test("heals by intra refresh, with no intra picture")
  func refresh() throws {
    let period = 20
    let encoder = try make(.h264) { $0.refreshPeriod = period }
    let whole = try VideoDecoder(.h264, width: 320, rows: 128)
    let damaged = try VideoDecoder(.h264, width: 320, rows: 128)
    for (number, picture) in frames(0..<60).enumerated() {
      let (bytes, isIntra) = try encode(encoder, picture)
      #expect(isIntra == (number == 0))
      let wanted = try luma(whole, bytes)
      guard number != 10 else { continue }
      let seen = try luma(damaged, bytes)
      if number < 10 || number > 11 + 2 * period { #expect(seen == wanted, "picture \(number)") }
      if number == 11 { #expect(seen != wanted) }
    }
  }

  @Test("changes its rate in flight, with no intra picture")
  func rate() throws {
    let encoder = try make(.h264) {
      $0.quality = 5
      $0.bitsPerSecond = 4_000_000
    }
    var bytes = [0, 0]
    for (number, picture) in frames(0..<60).enumerated() {
      if number == 30 { try encoder.setRate(bitsPerSecond: 1_000_000) }
      let coded = try encode(encoder, picture)
      #expect(!coded.isIntra || number == 0)
      if number % 30 >= 5 { bytes[number / 30] += coded.bytes.count }
    }
    #expect(Double(bytes[1]) < 0.35 * Double(bytes[0]))
    #expect(Double(bytes[1]) > 0.1 * Double(bytes[0]))
  }

  @Test("makes no picture much larger than what the rate has for one")
  func buffer() throws {
    let encoder = try make(.h264) {
      $0.quality = 1
      $0.bitsPerSecond = 3_000_000
    }
    let room = 3_000_000 / 60 / 8
    for (number, picture) in frames(0..<40).enumerated() {
      // The rate control knows nothing of the first one.
      let bytes = try encode(encoder, picture, asIntra: number % 13 == 12).bytes.count
      if number > 0 { #expect(bytes < room * 3 / 2, "picture \(number)") }
    }
  }

  @Test(
    "takes every size", arguments: [BandCoding.h264, .hevc],
    [(1, 1), (2, 1), (15, 17), (33, 16), (16384, 16), (100, 300)])
  func sizes(coding: BandCoding, size: (Int, Int)) throws {
    // libx265 has no level for these.
    if coding == .hevc, size.0 > 8192 {
      #expect(throws: EncoderFailure.self) { try make(coding, width: size.0, rows: size.1) }
      return
    }
    let encoder = try make(coding, width: size.0, rows: size.1)
    let decoder = BandDecoder()
    let tiles = TileGrid(width: size.0, height: size.1)
    let mask = TileMask(tileCount: tiles.count, full: true)
    let picture = Picture(width: size.0, height: size.1)
    let shown = Picture(width: size.0, height: size.1)
    for number in 0..<3 {
      picture.fill(
        x: 0, y: 0, width: size.0, height: size.1, 0xFF40_6080 + UInt32(number) * 0x10_1010)
      let (bytes, isIntra) = try encode(encoder, picture)
      let header = BandHeader(
        frame: 1, band: 0, coding: coding, flags: isIntra ? .intra : [], frameWidth: size.0,
        frameHeight: size.1, top: 0, rows: size.1, mask: mask)
      var unit = [UInt8](repeating: 0, count: header.byteCount)
      unit.withUnsafeMutableBytes {
        header.write(to: $0.baseAddress!, pictureBytes: bytes.count)
      }
      try (unit + bytes).withUnsafeBytes {
        try decoder.decode(try BandUnit($0), into: shown.rows)
      }
      #expect(shown.psnr(against: picture) > 38)
    }
  }

  @Test("keeps colour edges sharper in 4:4:4", arguments: [BandCoding.h264, .hevc])
  func samplings(coding: BandCoding) throws {
    let picture = Picture(width: 320, height: 128)
    var numbers = Numbers(9)
    picture.fill(x: 0, y: 0, width: 320, height: 128, 0xFF00_0060)
    for line in 0..<6 {
      picture.write(
        x: 4, y: line * 20, letters: 38, ink: 0xFFFF_2020, paper: 0xFF00_0060, &numbers)
    }
    func quality(_ sampling: ChromaSampling) throws -> Double {
      var settings = softwareSettings(coding)
      settings.sampling = sampling
      settings.quality = 12
      settings.bitsPerSecond = 200_000_000
      let stream = Stream(settings)
      try stream.send(picture)
      #expect(stream.units.allSatisfy { $0.header.coding == coding })
      return stream.shown.psnr(against: picture)
    }
    #expect(try quality(.full444) > quality(.quarter420) + 6)
  }
}
