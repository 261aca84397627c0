import CPlatform
import Ring

/// Figures in a corner of the window (`OMEGA_HUD=1`): frames a second, and the parts of a frame's way
/// (`docs/frame-clock.md`). They are drawn into copies of the frames, so that nobody else ever sees them: dumped
/// frames have none, and neither has the buffer that the next frame is made from.
///
/// A plain value around memory that `free` gives back. The presenter's thread alone.
struct PresenterHUD {
  private struct State {
    /// What is shown in place of the frames.
    let copies: FrameBuffers
    /// What was noted since the lines were last written: frames, and of each part a sum of nanoseconds.
    var frames: UInt64 = 0
    var sums = InlineArray<10, UInt64>(repeating: 0)
    var inputs: UInt64 = 0
    var inputSum: UInt64 = 0
    var uncertainty: UInt64 = 0
    var since: UInt64 = 0
    /// The lines that are drawn, `columns` characters each.
    var text = InlineArray<288, UInt8>(repeating: 0x20)
  }

  private static var rows: Int { 12 }
  private static var columns: Int { 24 }
  /// Nanoseconds that a figure stays.
  private static var interval: UInt64 { 250_000_000 }

  private let state: UnsafeMutablePointer<State>

  /// Whether the environment asks for it.
  static var isWanted: Bool {
    guard let word = platform_getenv("OMEGA_HUD") else { return false }
    return word[0] != 0 && !(word[0] == 0x30 && word[1] == 0)
  }

  /// For frames like these; nil when there is no memory.
  static func make(_ frames: FrameBuffers) -> PresenterHUD? {
    guard let raw = platform_malloc(MemoryLayout<State>.stride) else { return nil }
    guard
      let copies = FrameBuffers.make(
        imageCount: frames.bufferCount, width: frames.width, height: frames.height,
        layout: frames.layout)
    else {
      platform_free(raw)
      return nil
    }
    let state = raw.bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State(copies: copies))
    let hud = PresenterHUD(state: state)
    hud.write(seconds: 0)
    return hud
  }

  func free() {
    state.pointee.copies.free()
    platform_free(state)
  }

  /// The buffers that a backend shows.
  var copies: FrameBuffers { state.pointee.copies }

  // MARK: Figures

  /// A frame was shown.
  func note(_ stamps: FrameStamps) {
    state.pointee.frames &+= 1
    state.pointee.uncertainty = stamps.uncertainty
    var moment = FrameMoment.presented &+ 1
    while moment < FrameMoment.count {
      state.pointee.sums[moment] &+= stamps.part(endingAt: moment) ?? 0
      moment &+= 1
    }
    if stamps[FrameMoment.input] != 0 {
      state.pointee.inputs &+= 1
      state.pointee.inputSum &+= stamps[FrameMoment.shown] &- stamps[FrameMoment.input]
    }
    let now = stamps[FrameMoment.shown]
    if state.pointee.since == 0 { state.pointee.since = now }
    let time = now &- state.pointee.since
    guard time >= PresenterHUD.interval else { return }
    write(seconds: Double(time) / 1e9)
    state.pointee.frames = 0
    state.pointee.sums = InlineArray(repeating: 0)
    state.pointee.inputs = 0
    state.pointee.inputSum = 0
    state.pointee.since = now
  }

  /// Writes the lines anew.
  private func write(seconds: Double) {
    let frames = Double(state.pointee.frames)
    line(0, "OMEGA FRAMES A SECOND", seconds > 0 ? frames / seconds : 0)
    var whole: UInt64 = 0
    var moment = FrameMoment.presented &+ 1
    while moment < FrameMoment.count {
      let sum = state.pointee.sums[moment]
      whole &+= sum
      line(moment &+ 1, PresenterHUD.name(moment), frames > 0 ? Double(sum) / frames / 1e6 : 0)
      moment &+= 1
    }
    line(1, "PRESENT TO SHOWN MS", frames > 0 ? Double(whole) / frames / 1e6 : 0)
    line(2, "INPUT TO SHOWN", inputMean)
    line(11, "CLOCK +-", Double(state.pointee.uncertainty) / 1e6)
  }

  private var inputMean: Double {
    guard state.pointee.inputs > 0 else { return 0 }
    return Double(state.pointee.inputSum) / Double(state.pointee.inputs) / 1e6
  }

  /// The part that ends at a moment.
  private static func name(_ moment: Int) -> StaticString {
    switch moment {
    case FrameMoment.submitted: " SUBMIT"
    case FrameMoment.started: " UPLINK"
    case FrameMoment.drawn: " RENDER"
    case FrameMoment.firstBand: " ENCODE FIRST"
    case FrameMoment.lastBand: " ENCODE REST"
    case FrameMoment.received: " DOWNLINK"
    case FrameMoment.decoded: " DECODE"
    default: " SHOW"
    }
  }

  /// A name at the left of a row, and at its right a number with one decimal.
  private func line(_ row: Int, _ name: StaticString, _ value: Double) {
    let start = row &* PresenterHUD.columns
    var column = 0
    while column < PresenterHUD.columns {
      state.pointee.text[start &+ column] =
        column < name.utf8CodeUnitCount ? name.utf8Start[column] : 0x20
      column &+= 1
    }
    // No figure is longer than "9999.9".
    var tenths = UInt64(min(max(value, 0) * 10 + 0.5, 99999))
    column = PresenterHUD.columns &- 1
    var digits = 0
    while digits < 2 || tenths > 0 {
      if digits == 1 {
        state.pointee.text[start &+ column] = 0x2E
        column &-= 1
      }
      state.pointee.text[start &+ column] = UInt8(truncatingIfNeeded: 0x30 &+ tenths % 10)
      tenths /= 10
      column &-= 1
      digits &+= 1
    }
  }

  // MARK: Pixels

  /// Makes the copy of a frame, with the figures.
  func draw(_ frames: FrameBuffers, _ image: Int) {
    let to = copies.frame(image)
    platform_copy(to, frames.frame(image), frames.stride &* frames.height)
    let scale = frames.height >= 900 ? 2 : 1
    let margin = 4 &* scale
    let width = (PresenterHUD.columns &* 6 &- 1) &* scale &+ 2 &* margin
    let height = (PresenterHUD.rows &* 9 &- 2) &* scale &+ 2 &* margin
    var y = 0
    while y < min(height, frames.height) {
      var x = 0
      let row = to + y &* frames.stride
      while x < min(width, frames.width) {
        frames.layout.store(isSet(x &- margin, y &- margin, scale), at: row, x)
        x &+= 1
      }
      y &+= 1
    }
  }

  /// Whether a character has a dot there, from the first one's upper left corner.
  private func isSet(_ x: Int, _ y: Int, _ scale: Int) -> Bool {
    guard x >= 0, y >= 0 else { return false }
    let (column, row) = (x / (6 &* scale), y / (9 &* scale))
    let (dotX, dotY) = (x / scale % 6, y / scale % 9)
    guard column < PresenterHUD.columns, row < PresenterHUD.rows, dotX < 5, dotY < 7 else {
      return false
    }
    let glyph = PresenterHUD.glyph(state.pointee.text[row &* PresenterHUD.columns &+ column])
    return glyph &>> UInt64(34 &- dotY &* 5 &- dotX) & 1 != 0
  }

  /// The dots of a character: seven rows of five, the first one highest.
  private static func glyph(_ character: UInt8) -> UInt64 {
    switch character {
    case 0x30: 0b01110_10001_10011_10101_11001_10001_01110  // 0
    case 0x31: 0b00100_01100_00100_00100_00100_00100_01110  // 1
    case 0x32: 0b01110_10001_00001_00110_01000_10000_11111  // 2
    case 0x33: 0b11110_00001_00001_01110_00001_00001_11110  // 3
    case 0x34: 0b00010_00110_01010_10010_11111_00010_00010  // 4
    case 0x35: 0b11111_10000_11110_00001_00001_10001_01110  // 5
    case 0x36: 0b00110_01000_10000_11110_10001_10001_01110  // 6
    case 0x37: 0b11111_00001_00010_00100_00100_01000_01000  // 7
    case 0x38: 0b01110_10001_10001_01110_10001_10001_01110  // 8
    case 0x39: 0b01110_10001_10001_01111_00001_00010_01100  // 9
    case 0x41: 0b01110_10001_10001_11111_10001_10001_10001  // A
    case 0x42: 0b11110_10001_10001_11110_10001_10001_11110  // B
    case 0x43: 0b01110_10001_10000_10000_10000_10001_01110  // C
    case 0x44: 0b11110_10001_10001_10001_10001_10001_11110  // D
    case 0x45: 0b11111_10000_10000_11110_10000_10000_11111  // E
    case 0x46: 0b11111_10000_10000_11110_10000_10000_10000  // F
    case 0x47: 0b01110_10001_10000_10111_10001_10001_01111  // G
    case 0x48: 0b10001_10001_10001_11111_10001_10001_10001  // H
    case 0x49: 0b01110_00100_00100_00100_00100_00100_01110  // I
    case 0x4A: 0b00111_00010_00010_00010_00010_10010_01100  // J
    case 0x4B: 0b10001_10010_10100_11000_10100_10010_10001  // K
    case 0x4C: 0b10000_10000_10000_10000_10000_10000_11111  // L
    case 0x4D: 0b10001_11011_10101_10101_10001_10001_10001  // M
    case 0x4E: 0b10001_11001_10101_10011_10001_10001_10001  // N
    case 0x4F: 0b01110_10001_10001_10001_10001_10001_01110  // O
    case 0x50: 0b11110_10001_10001_11110_10000_10000_10000  // P
    case 0x51: 0b01110_10001_10001_10001_10101_10010_01101  // Q
    case 0x52: 0b11110_10001_10001_11110_10100_10010_10001  // R
    case 0x53: 0b01111_10000_10000_01110_00001_00001_11110  // S
    case 0x54: 0b11111_00100_00100_00100_00100_00100_00100  // T
    case 0x55: 0b10001_10001_10001_10001_10001_10001_01110  // U
    case 0x56: 0b10001_10001_10001_10001_10001_01010_00100  // V
    case 0x57: 0b10001_10001_10001_10101_10101_11011_10001  // W
    case 0x58: 0b10001_10001_01010_00100_01010_10001_10001  // X
    case 0x59: 0b10001_10001_01010_00100_00100_00100_00100  // Y
    case 0x5A: 0b11111_00001_00010_00100_01000_10000_11111  // Z
    case 0x2E: 0b00000_00000_00000_00000_00000_01100_01100  // .
    case 0x2B: 0b00000_00100_00100_11111_00100_00100_00000  // +
    case 0x2D: 0b00000_00000_00000_11111_00000_00000_00000  // -
    default: 0
    }
  }
}

extension PixelLayout {
  /// Makes a pixel of a row white or black, and what is behind the window invisible there.
  fileprivate func store(_ isWhite: Bool, at row: UnsafeMutableRawPointer, _ x: Int) {
    if self == .bgr565 {
      row.storeBytes(of: isWhite ? UInt16.max : 0, toByteOffset: x &* 2, as: UInt16.self)
    } else {
      let alpha: UInt32 = self == .bgra8 || self == .rgba8 ? 0xFF00_0000 : 0xC000_0000
      row.storeBytes(of: isWhite ? UInt32.max : alpha, toByteOffset: x &* 4, as: UInt32.self)
    }
  }
}
