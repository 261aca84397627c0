import FrameStream
import Testing

@Suite("BandLayout")
struct BandLayoutTests {
  @Test(
    "has every row in one band, edges at macroblocks, bands as equal as that allows",
    arguments: [1, 15, 16, 17, 64, 240, 719, 720, 1080, 2160, 16384], [1, 2, 3, 4, 8, 32, 100])
  func covers(height: Int, bands: Int) throws {
    let layout = try #require(BandLayout(width: 640, height: height, bands: bands))
    #expect(layout.edges.first == 0)
    #expect(layout.edges.last == height)
    #expect(layout.count == min(bands, (height + 15) / 16, BandLayout.mostBands))
    let rows = (0..<layout.count).map { layout.rows($0).count }
    #expect(rows.reduce(0, +) == height)
    #expect(layout.edges.dropLast().allSatisfy { $0 % 16 == 0 })
    let macroblocks = rows.map { ($0 + 15) / 16 }
    #expect((macroblocks.max() ?? 0) - (macroblocks.min() ?? 0) <= 1)
  }

  @Test("of a frame without pixels has no band", arguments: [(0, 0), (0, 5), (5, 0)])
  func empty(width: Int, height: Int) throws {
    #expect(try #require(BandLayout(width: width, height: height, bands: 4)).count == 0)
  }

  @Test(
    "refuses sides out of range", arguments: [(-1, 1), (1, -1), (16385, 1), (1, 16385)])
  func refuses(width: Int, height: Int) {
    #expect(BandLayout(width: width, height: height, bands: 4) == nil)
  }

  @Test("gives about 256 rows a band, more of wide frames where processors are")
  func suitable() {
    func count(_ width: Int, _ height: Int, _ processors: Int, _ hardware: Bool = false) -> Int {
      BandLayout.suitableCount(
        width: width, height: height, processors: processors, inHardware: hardware)
    }
    #expect(count(1920, 1080, 2) == 4)
    #expect(count(1280, 720, 2) == 3)
    #expect(count(3840, 2160, 2) == 8)
    #expect(count(4096, 2160, 64) == 16)
    #expect(count(1920, 1080, 64, true) == 2)
    #expect(count(1, 1, 2) == 1)
  }
}

@Suite("TileMask")
struct TileMaskTests {
  @Test(
    "survives the wire, bits beyond its tiles cut off", arguments: [1, 31, 32, 33, 64, 65, 510])
  func roundTrip(count: Int) throws {
    var mask = TileMask(tileCount: count)
    for index in stride(from: 0, to: count, by: 3) { mask[index] = true }
    let bytes = [UInt8](unsafeUninitializedCapacity: TileMask.byteCount(count)) { buffer, size in
      mask.write(to: UnsafeMutableRawPointer(buffer.baseAddress!))
      size = TileMask.byteCount(count)
    }
    #expect(bytes.withUnsafeBytes { TileMask(tileCount: count, bytes: $0) } == mask)
    let full = [UInt8](repeating: 255, count: bytes.count)
    let read = try #require(full.withUnsafeBytes { TileMask(tileCount: count, bytes: $0) })
    #expect(read.count == count)
    #expect(read == TileMask(tileCount: count, full: true))
    let short = bytes.dropLast()
    #expect(Array(short).withUnsafeBytes { TileMask(tileCount: count, bytes: $0) } == nil)
  }

  @Test("adds and takes away, and goes through in order")
  func sets() {
    var odd = TileMask(tileCount: 130)
    for index in stride(from: 1, to: 130, by: 2) { odd[index] = true }
    var all = TileMask(tileCount: 130, full: true)
    all.subtract(odd)
    var seen: [Int] = []
    all.forEach { seen.append($0) }
    #expect(seen == Array(stride(from: 0, to: 130, by: 2)))
    all.formUnion(odd)
    #expect(all.isFull && !all.isEmpty && TileMask(tileCount: 130).isEmpty)
  }
}

@Suite("BandUnit")
struct BandUnitTests {
  private func header() -> BandHeader {
    var mask = TileMask(tileCount: TileGrid(width: 1920, height: 272).count)
    mask[3] = true
    return BandHeader(
      frame: 0xFFFF_FFFE, band: 2, coding: .lossless, flags: [.intra, .refinement],
      frameWidth: 1920,
      frameHeight: 1080, top: 544, rows: 272, mask: mask)
  }

  private func bytes(_ header: BandHeader, picture: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: header.byteCount)
    bytes.withUnsafeMutableBytes {
      header.write(to: $0.baseAddress!, pictureBytes: picture.count)
    }
    return bytes + picture
  }

  private func read(_ bytes: [UInt8]) throws -> (BandHeader, [UInt8]) {
    try bytes.withUnsafeBytes { buffer in
      let unit = try BandUnit(buffer)
      return (unit.header, Array(unit.picture))
    }
  }

  @Test("comes out as it went in")
  func roundTrip() throws {
    let (read, picture) = try read(bytes(header(), picture: [1, 2, 3]))
    #expect(read == header())
    #expect(picture == [1, 2, 3])
  }

  @Test("names the field that is wrong")
  func refuses() throws {
    func fault(_ change: (inout [UInt8]) -> Void) -> String? {
      var changed = bytes(header(), picture: [1, 2, 3])
      change(&changed)
      do {
        _ = try read(changed)
        return nil
      } catch { return String(describing: error) }
    }
    #expect(fault { $0.removeLast($0.count - 19) }?.contains("header") == true)
    #expect(fault { $0[5] = 9 }?.contains("coding") == true)
    #expect(
      fault {
        $0[8] = 0
        $0[9] = 0
      }?.contains("out of range") == true)
    #expect(
      fault {
        $0[8] = 1
        $0[9] = 0x40
      }?.contains("out of range") == true)
    #expect(
      fault {
        $0[12] = 0xFF
        $0[13] = 0xFF
      }?.contains("leave the frame") == true)
    #expect(
      fault {
        $0[14] = 0
        $0[15] = 0
      }?.contains("leave the frame") == true)
    #expect(fault { $0[4] = 32 }?.contains("not below 32") == true)
    #expect(fault { $0[16] = 4 }?.contains("byteCount") == true)
    #expect(fault { $0[19] = 0xFF }?.contains("byteCount") == true)
    #expect(fault { $0.append(0) }?.contains("byteCount") == true)
    #expect(fault { $0[20] = 0 }?.contains("no tile") == true)
    #expect(fault { _ in } == nil)
  }
}
