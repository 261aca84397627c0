internal import CPlatform
public import FrameStream

/// Which tiles of a band differ from what they were.
///
/// Keeps a copy of the frame, since the application draws into the same memory again. Different bands
/// may be looked at by different threads at once.
public final class DamageMap {
  public let layout: BandLayout
  private let memory: UnsafeMutableRawPointer
  private let stride: Int
  private let byteCount: Int

  /// Nil without memory, or for a frame without pixels. Until a band is taken, its pixels are zeros.
  public init?(_ layout: BandLayout) {
    stride = layout.width * 4
    byteCount = stride * layout.height
    guard byteCount > 0, let memory = platform_map_private(byteCount) else { return nil }
    self.layout = layout
    self.memory = memory
  }

  deinit { _ = platform_unmap(memory, byteCount) }

  /// The band as it was last taken. Its pixel order is that of the frames that were given.
  public func known(_ band: Int, order: PixelOrder) -> PixelRows {
    PixelRows(start: memory + layout.edges[band] * stride, stride: stride, order: order)
  }

  /// Whether any pixel of a band differs: at the first one that does, the answer is there. `pixels` is
  /// the whole frame.
  public func differs(_ band: Int, _ pixels: PixelRows) -> Bool {
    for y in layout.rows(band) {
      if platform_compare(memory + y * stride, pixels.start + y * pixels.stride, stride) != 0 {
        return true
      }
    }
    return false
  }

  /// The tiles of a band that differ.
  public func changes(_ band: Int, _ pixels: PixelRows) -> TileMask {
    let grid = layout.tiles(band)
    let columns = grid.columns
    var mask = TileMask(tileCount: grid.count)
    withUnsafeTemporaryAllocation(of: Bool.self, capacity: columns) { dirty in
      for row in 0..<grid.rows {
        dirty.update(repeating: false)
        var left = columns
        for y in lines(band, row) where left > 0 {
          left -= DamageMap.compare(
            memory + y * stride, pixels.start + y * pixels.stride, stride, dirty)
        }
        for column in 0..<columns where dirty[column] { mask[row * columns + column] = true }
      }
    }
    return mask
  }

  /// Takes the tiles of `mask` as known from now on.
  public func take(_ band: Int, _ pixels: PixelRows, _ mask: TileMask) {
    let grid = layout.tiles(band)
    for run in TileRuns(grid, mask) {
      let offset = run.x * 4
      for y in layout.edges[band] + run.y..<layout.edges[band] + run.y + run.height {
        platform_copy(
          memory + y * stride + offset, pixels.start + y * pixels.stride + offset, run.width * 4)
      }
    }
  }

  /// Lines of the frame that a row of a band's tiles has.
  private func lines(_ band: Int, _ row: Int) -> Range<Int> {
    let first = layout.edges[band] + row * TileGrid.side
    return first..<min(first + TileGrid.side, layout.edges[band + 1])
  }

  /// Marks the tiles that one line of pixels differs in; how many are new.
  private static func compare(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int,
    _ dirty: UnsafeMutableBufferPointer<Bool>
  ) -> Int {
    // Most lines do not differ at all.
    guard platform_compare(a, b, count) != 0 else { return 0 }
    let tileBytes = TileGrid.side * 4
    var found = 0
    for column in 0..<dirty.count where !dirty[column] {
      let offset = column * tileBytes
      if platform_compare(a + offset, b + offset, min(tileBytes, count - offset)) != 0 {
        dirty[column] = true
        found += 1
      }
    }
    return found
  }
}
