import FrameSamples
import Testing

@testable import FrameServer
@testable import FrameStream

@Suite("DamageMap")
struct DamageMapTests {
  @Test("finds the tiles with a changed pixel, wherever it lies in them")
  func findsPixels() throws {
    let layout = try #require(BandLayout(width: 200, height: 150, bands: 2))
    let map = try #require(DamageMap(layout))
    let picture = Picture(width: 200, height: 150)
    for band in 0..<2 {
      #expect(map.changes(band, picture.rows).isFull, "an unknown band differs everywhere")
      map.take(band, picture.rows, map.changes(band, picture.rows))
      #expect(!map.differs(band, picture.rows))
      #expect(map.changes(band, picture.rows).isEmpty)
    }
    var numbers = Numbers(2)
    for _ in 0..<300 {
      let (x, y) = (numbers.below(200), numbers.below(150))
      picture[x, y] ^= 1 << UInt32(numbers.below(32))
      let band = layout.rows(0).contains(y) ? 0 : 1
      #expect(map.differs(band, picture.rows))
      #expect(!map.differs(1 - band, picture.rows))
      let mask = map.changes(band, picture.rows)
      let grid = layout.tiles(band)
      #expect(mask.count == 1)
      #expect(mask[(y - layout.edges[band]) / 64 * grid.columns + x / 64])
      map.take(band, picture.rows, mask)
      #expect(!map.differs(band, picture.rows))
    }
  }

  @Test("takes the tiles of its mask alone")
  func takesMask() throws {
    let layout = try #require(BandLayout(width: 130, height: 64, bands: 1))
    let map = try #require(DamageMap(layout))
    let picture = Picture(width: 130, height: 64)
    var mask = TileMask(tileCount: 3)
    mask[2] = true
    map.take(0, picture.rows, mask)
    var left = TileMask(tileCount: 3, full: true)
    left[2] = false
    #expect(map.changes(0, picture.rows) == left)
  }
}
