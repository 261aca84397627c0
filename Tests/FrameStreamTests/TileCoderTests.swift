import FrameSamples
import Testing
import Wire

@testable import FrameStream

@Suite("TileCoder")
struct TileCoderTests {
  private enum Content: CaseIterable { case solid, two, few, text, noise, gradient, alpha, photo }

  private func picture(_ content: Content, _ width: Int, _ height: Int) -> Picture {
    let picture = Picture(width: width, height: height)
    var numbers = Numbers(11)
    switch content {
    case .solid: picture.fill(x: 0, y: 0, width: width, height: height, 0x8012_3456)
    case .two, .few:
      let colors = (0..<(content == .two ? 2 : 16)).map { _ in
        UInt32(truncatingIfNeeded: numbers.next())
      }
      for i in 0..<width * height { picture.pixels[i] = colors[numbers.below(colors.count)] }
    case .text:
      for y in stride(from: 0, to: height, by: 20) {
        picture.write(
          x: 0, y: y, letters: width / 8, ink: 0xFFFF_FFFF, paper: 0xFF10_2030, &numbers)
      }
    case .noise:
      for i in 0..<width * height {
        picture.pixels[i] = UInt32(truncatingIfNeeded: numbers.next())
      }
    case .gradient, .alpha:
      for y in 0..<height {
        for x in 0..<width {
          let alpha = content == .alpha ? UInt32(x ^ y) << 24 : 0xFF00_0000
          picture[x, y] =
            alpha & 0xFF00_0000 | UInt32(x & 255) << 16 | UInt32(y & 255) << 8
            | UInt32((x + y) & 255)
        }
      }
    case .photo: FlyThrough(width: width, height: height).draw(0, into: picture)
    }
    return picture
  }

  private func encode(_ picture: Picture, _ mask: TileMask) throws -> [UInt8] {
    var out = ByteBuffer()
    defer { out.free() }
    let grid = TileGrid(width: picture.width, height: picture.height)
    #expect(TileCoder().encode(picture.rows, tiles: grid, mask: mask, into: &out))
    return Array(out.contents)
  }

  private func decode(_ bytes: [UInt8], _ mask: TileMask, into picture: Picture) throws {
    let grid = TileGrid(width: picture.width, height: picture.height)
    try bytes.withUnsafeBytes {
      try TileDecoder().decode($0, tiles: grid, mask: mask, into: picture.rows)
    }
  }

  @Test(
    "gives every pixel back", arguments: Content.allCases,
    [(1, 1), (63, 65), (64, 64), (200, 130), (3, 70)])
  private func exact(content: Content, size: (Int, Int)) throws {
    let picture = picture(content, size.0, size.1)
    let count = TileGrid(width: size.0, height: size.1).count
    let mask = TileMask(tileCount: count, full: true)
    let shown = Picture(width: size.0, height: size.1)
    try decode(try encode(picture, mask), mask, into: shown)
    #expect(shown.differences(from: picture) == 0)
  }

  @Test("touches the mask's tiles alone")
  func masked() throws {
    let picture = picture(.noise, 200, 130)
    var mask = TileMask(tileCount: 12)
    mask[1] = true
    mask[11] = true
    let shown = Picture(width: 200, height: 130)
    let before = Picture(copyOf: shown)
    try decode(try encode(picture, mask), mask, into: shown)
    for index in 0..<12 {
      let tile = TileGrid(width: 200, height: 130).tile(index)
      let wanted = mask[index] ? picture : before
      let isRight = (tile.y..<tile.y + tile.height).allSatisfy { y in
        (tile.x..<tile.x + tile.width).allSatisfy { shown[$0, y] == wanted[$0, y] }
      }
      #expect(isRight, "tile \(index)")
    }
  }

  @Test("makes text a fortieth, and nothing much larger than it is")
  func size() throws {
    let mask = TileMask(tileCount: 16, full: true)
    #expect(try encode(picture(.text, 256, 256), mask).count < 256 * 256 * 4 / 40)
    #expect(try encode(picture(.noise, 256, 256), mask).count < 256 * 256 * 4 + 600)
    #expect(try encode(picture(.photo, 256, 256), mask).count < 256 * 256 * 4 / 2)
  }

  @Test("refuses what is cut off or changed, or decodes something of the same size")
  func hostile() throws {
    var numbers = Numbers(17)
    for content in Content.allCases {
      let picture = picture(content, 100, 70)
      let mask = TileMask(tileCount: 4, full: true)
      let good = try encode(picture, mask)
      let shown = Picture(width: 100, height: 70)
      for length in stride(from: 0, to: good.count, by: max(1, good.count / 97)) {
        #expect(throws: BandError.self) {
          try decode(Array(good.prefix(length)), mask, into: shown)
        }
      }
      #expect(throws: BandError.self) { try decode(good + [0], mask, into: shown) }
      var refused = 0
      for _ in 0..<300 {
        var bad = good
        for _ in 0...numbers.below(4) {
          bad[numbers.below(bad.count)] = UInt8(truncatingIfNeeded: numbers.next())
        }
        do { try decode(bad, mask, into: shown) } catch { refused += 1 }
      }
      #expect(refused > 0)
      var three = mask
      three[2] = false
      #expect(throws: BandError.self) { try decode(good, three, into: shown) }
    }
  }
}
