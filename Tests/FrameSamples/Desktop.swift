/// A desktop with windows of text, of which some squares of 64 pixels change with each frame.
public final class Desktop {
  public let picture: Picture
  /// The tiles that each frame changes.
  public let changesPerFrame: Int
  private var numbers: Numbers

  /// `share`: of the tiles that change with each frame.
  public init(width: Int, height: Int, share: Double, seed: UInt64 = 1) {
    picture = Picture(width: width, height: height)
    numbers = Numbers(seed)
    let tiles = ((width + 63) / 64) * ((height + 63) / 64)
    changesPerFrame = Int((Double(tiles) * share).rounded())
    for y in 0..<height {
      picture.fill(
        x: 0, y: y, width: width, height: 1,
        0xFF20_3040 + UInt32(y * 64 / max(height, 1)) * 0x01_0101)
    }
    for (x, y, w, h) in [(0.05, 0.06, 0.5, 0.6), (0.45, 0.3, 0.5, 0.62)] {
      let (left, top) = (Int(x * Double(width)), Int(y * Double(height)))
      let (wide, high) = (Int(w * Double(width)), Int(h * Double(height)))
      picture.fill(x: left, y: top, width: wide, height: 24, 0xFF4A_6FA5)
      picture.fill(x: left, y: top + 24, width: wide, height: high - 24, 0xFFF4_F4F0)
      for line in stride(from: top + 32, to: top + high - 20, by: 20) {
        picture.write(
          x: left + 12, y: line, letters: (wide - 24) / 8, ink: 0xFF20_2020, paper: 0xFFF4_F4F0,
          &numbers)
      }
    }
  }

  /// Draws the next frame over the last: new words in some tiles, next to each other as lines of text are.
  public func advance() {
    let columns = (picture.width + 63) / 64
    let rows = (picture.height + 63) / 64
    var left = changesPerFrame
    while left > 0 {
      let run = min(left, 5, columns)
      let column = numbers.below(columns - run + 1)
      let row = numbers.below(rows)
      let dark = numbers.below(2) == 0
      for line in 0..<3 {
        picture.write(
          x: column * 64, y: row * 64 + 2 + line * 20, letters: run * 8,
          ink: dark ? 0xFFE0_E0E0 : 0xFF20_2020, paper: dark ? 0xFF18_1C20 : 0xFFF4_F4F0, &numbers)
      }
      left -= run
    }
  }
}
