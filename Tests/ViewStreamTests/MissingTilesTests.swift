import FrameStream
import Testing

@testable import ViewStream

@Suite("What a viewer lacks")
struct MissingTilesTests {
  /// A unit of a band of four tiles.
  private func unit(
    _ frame: UInt32, band: Int = 0, _ coding: BandCoding, tiles: [Int] = [0, 1, 2, 3],
    isIntra: Bool? = nil
  ) -> BandHeader {
    var mask = TileMask(tileCount: 4)
    for tile in tiles { mask[tile] = true }
    return BandHeader(
      frame: frame, band: band, coding: coding,
      flags: isIntra ?? coding.isExact ? .intra : [], frameWidth: 256, frameHeight: 128,
      top: band * 64, rows: 64, mask: mask)
  }

  /// What a viewer lacks, for expectations that change it.
  private final class Shared {
    private var tiles = MissingTiles()

    var isNew: Bool { tiles.isNew }
    var gaps: [(band: Int, since: UInt32?)] { tiles.gaps }

    func takes(_ unit: BandHeader, isWanted: Bool) -> Bool { tiles.takes(unit, isWanted: isWanted) }
    func lose(bands: UInt32) { tiles.lose(bands: bands) }
  }

  @Test("a viewer that has just come waits for a picture that needs none before it")
  func begins() {
    let missing = Shared()
    #expect(missing.isNew)
    #expect(!missing.takes(unit(5, .h264), isWanted: true))
    #expect(missing.gaps.map(\.band) == [0])
    #expect(missing.gaps.allSatisfy { $0.since == nil })
    #expect(missing.takes(unit(6, .h264, isIntra: true), isWanted: true))
    #expect(missing.takes(unit(7, .h264), isWanted: true))
    #expect(missing.gaps.isEmpty)
  }

  @Test("what was left out is asked for since then, and no more when it has come")
  func skipped() {
    let missing = Shared()
    #expect(missing.takes(unit(1, .lossless), isWanted: true))
    #expect(!missing.takes(unit(2, .lossless, tiles: [1]), isWanted: false))
    #expect(!missing.takes(unit(3, .lossless, tiles: [2]), isWanted: false))
    #expect(missing.gaps.map(\.since) == [2])
    // Others' units are of use meanwhile.
    #expect(missing.takes(unit(4, .lossless, tiles: [1, 3]), isWanted: true))
    #expect(missing.gaps.map(\.since) == [2])
    #expect(missing.takes(unit(5, .lossless, tiles: [2]), isWanted: true))
    #expect(missing.gaps.isEmpty)
  }

  @Test("video that refers to what was left out is of no use")
  func videoAfterGap() {
    let missing = Shared()
    #expect(missing.takes(unit(1, .h264, isIntra: true), isWanted: true))
    #expect(!missing.takes(unit(2, .h264), isWanted: false))
    #expect(!missing.takes(unit(3, .h264), isWanted: true))
    // Exact tiles do not make the decoder whole.
    #expect(missing.takes(unit(4, .lossless), isWanted: true))
    #expect(missing.gaps.isEmpty)
    #expect(!missing.takes(unit(5, .h264, tiles: [0]), isWanted: true))
    #expect(missing.gaps.map(\.since) == [5])
    #expect(missing.takes(unit(6, .h264, isIntra: true), isWanted: true))
    #expect(missing.takes(unit(7, .h264), isWanted: true))
  }

  @Test("a band that did not decode begins anew, alone")
  func lost() {
    let missing = Shared()
    for band in 0..<2 {
      #expect(missing.takes(unit(1, band: band, .h264, isIntra: true), isWanted: true))
    }
    missing.lose(bands: 1 << 1)
    #expect(missing.gaps.map(\.band) == [1])
    #expect(missing.takes(unit(2, band: 0, .h264), isWanted: true))
    #expect(!missing.takes(unit(2, band: 1, .h264), isWanted: true))
  }

  @Test("a frame of another size is another picture")
  func resized() {
    let missing = Shared()
    #expect(missing.takes(unit(1, .h264, isIntra: true), isWanted: true))
    var other = unit(2, .h264)
    other.frameWidth = 250
    #expect(!missing.takes(other, isWanted: true))
  }
}
