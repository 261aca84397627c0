import CPlatform
import FrameSamples
import Glibc
import Testing

@testable import FrameServer
@testable import FrameStream

@Suite("Hostile units")
struct HostileUnitTests {
  /// Units of a few frames.
  private func units(
    _ coding: BandCoding, width: Int = 200, height: Int = 100
  ) throws -> [[UInt8]] {
    var settings = softwareSettings(coding)
    settings.bands = 2
    let stream = Stream(settings)
    let scene = FlyThrough(width: width, height: height)
    let picture = Picture(width: width, height: height)
    return try (0..<4).flatMap { number in
      scene.draw(number, into: picture)
      try stream.send(picture)
      return stream.units.map(\.bytes)
    }
  }

  private func decode(_ bytes: [UInt8], _ decoder: FrameDecoder) throws {
    try bytes.withUnsafeBytes {
      let unit = try BandUnit($0)
      _ = try decoder.prepare(for: unit.header)
      try decoder.decode(unit)
    }
  }

  @Test("are refused or shown, and good ones after them are shown", arguments: BandCoding.allCases)
  func changed(coding: BandCoding) throws {
    let good = try units(coding)
    var numbers = Numbers(31)
    let decoder = FrameDecoder(mostPixels: 1 << 18)
    var refused = 0
    for _ in 0..<400 {
      var bad = good[numbers.below(good.count)]
      switch numbers.below(3) {
      case 0: bad.removeLast(1 + numbers.below(bad.count - 1))
      case 1:
        for _ in 0...numbers.below(8) {
          bad[numbers.below(bad.count)] = UInt8(truncatingIfNeeded: numbers.next())
        }
      default:
        // A good header before other bytes.
        for index in 28..<bad.count { bad[index] = UInt8(truncatingIfNeeded: numbers.next()) }
      }
      do { try decode(bad, decoder) } catch { refused += 1 }
    }
    // Other pixels of a raw unit are pixels too.
    #expect(refused > (coding == .raw ? 100 : 200))
    for unit in good { try decode(unit, decoder) }
  }

  @Test("of video that says it is larger than its band are refused", arguments: [true, false])
  func large(isHigh: Bool) throws {
    let size = isHigh ? (64, 4096) : (4096, 64)
    var settings = softwareSettings(.h264)
    settings.bands = 1
    let stream = Stream(settings)
    try stream.send(Picture(width: size.0, height: size.1))
    let unit = stream.units[0]
    let grid = TileGrid(width: 64, height: 64)
    let header = BandHeader(
      frame: 1, band: 0, coding: .h264, flags: .intra, frameWidth: 64, frameHeight: 64, top: 0,
      rows: 64, mask: TileMask(tileCount: grid.count, full: true))
    let picture = Array(unit.bytes[unit.header.byteCount...])
    var bytes = [UInt8](repeating: 0, count: header.byteCount)
    bytes.withUnsafeMutableBytes {
      header.write(to: $0.baseAddress!, pictureBytes: picture.count)
    }
    #expect(throws: BandError.self) { try decode(bytes + picture, FrameDecoder()) }
    #expect(throws: BandError.self) { try decode(unit.bytes, FrameDecoder(mostPixels: 64 * 64)) }
  }

  @Test("of another coding or size than the band's are begun anew or refused")
  func mixed() throws {
    let decoder = FrameDecoder()
    for coding in BandCoding.allCases + BandCoding.allCases.reversed() {
      for unit in try units(coding) { try decode(unit, decoder) }
    }
    // A picture that follows one of another coding.
    let follower = try units(.h264)[2]
    for unit in try units(.hevc) { try decode(unit, decoder) }
    #expect(throws: BandError.self) { try decode(follower, decoder) }
  }

  @Test(
    "writes seeds for the fuzzer",
    .enabled(if: platform_getenv("OMEGA_FUZZ_SEEDS") != nil))
  func writesSeeds() throws {
    let folder = String(cString: try #require(platform_getenv("OMEGA_FUZZ_SEEDS")))
    for coding in BandCoding.allCases {
      var seed: [UInt8] = []
      // So small that the fuzzer reads them whole.
      for unit in try units(coding, width: 20, height: 24) {
        withUnsafeBytes(of: UInt32(unit.count).littleEndian) { seed += Array($0) }
        seed += unit
      }
      let file = platform_open("\(folder)/\(coding)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
      try #require(file >= 0)
      #expect(
        seed.withUnsafeBytes { platform_write(file, $0.baseAddress!, $0.count) } == seed.count)
      _ = platform_close(file)
    }
  }
}
