public import FrameStream

/// One band's encoder, and what to take when it fails: the encoders are tried from the first on, and one
/// that fails, at the start or in mid-stream, is left for the next at the same picture, so that no
/// picture is lost. The last one is exact and needs
/// nothing but memory.
public final class EncoderLadder {
  /// One way to make an encoder of a band of `width` x `rows` pixels.
  public struct Rung: Sendable {
    public typealias Make =
      @Sendable (_ settings: EncoderSettings, _ width: Int, _ rows: Int) throws(EncoderFailure) ->
      any BandEncoder
    let make: Make

    public init(_ make: @escaping Make) { self.make = make }

    public static let nvenc = Rung { (settings, width, rows) throws(EncoderFailure) in
      try VideoEncoder(.nvenc, settings, width: width, rows: rows)
    }
    public static let vaapiLowPower = Rung { (settings, width, rows) throws(EncoderFailure) in
      try VideoEncoder(.vaapiLowPower, settings, width: width, rows: rows)
    }
    public static let vaapi = Rung { (settings, width, rows) throws(EncoderFailure) in
      try VideoEncoder(.vaapi, settings, width: width, rows: rows)
    }
    public static let software = Rung { (settings, width, rows) throws(EncoderFailure) in
      try VideoEncoder(.software, settings, width: width, rows: rows)
    }
    public static let lossless = Rung { _, _, _ in LosslessBandEncoder() }
    public static let raw = Rung { _, _, _ in RawBandEncoder() }

    /// What is tried for a coding, the best first.
    public static func ladder(_ settings: EncoderSettings) -> [Rung] {
      switch settings.coding {
      case .raw: [.raw, .lossless]
      case .lossless: [.lossless, .raw]
      case .h264, .hevc:
        settings.usesHardware
          ? [.nvenc, .vaapiLowPower, .vaapi, .software, .lossless] : [.software, .lossless]
      }
    }
  }

  private let settings: EncoderSettings
  private let size: (width: Int, rows: Int)
  private var rungs: ArraySlice<Rung>
  private var current: (any BandEncoder)?
  private var bitsPerSecond: Int?
  /// What has failed so far, for a log.
  public private(set) var failures: [String] = []

  /// `settings` are the band's own: its share of the rate.
  public init(_ rungs: [Rung], _ settings: EncoderSettings, width: Int, rows: Int) {
    self.rungs = rungs[...]
    self.settings = settings
    size = (width, rows)
  }

  /// What is used now; nil before the first picture.
  public var encoder: (any BandEncoder)? { current }

  /// Takes the rate over to the encoder, and to those after it.
  public func setRate(bitsPerSecond: Int) { self.bitsPerSecond = bitsPerSecond }

  /// Codes a picture with the first encoder that does. Throws when there is none left.
  public func encode(
    _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
  ) throws(EncoderFailure) -> (coding: BandCoding, picture: CodedPicture) {
    var asIntra = asIntra
    while true {
      let encoder = try self.next()
      do {
        if let bitsPerSecond { try encoder.setRate(bitsPerSecond: bitsPerSecond) }
        let picture = try encoder.encode(rows, tiles: tiles, mask: mask, asIntra: asIntra)
        return (encoder.coding, picture)
      } catch {
        failures.append(error.description)
        current = nil
        asIntra = true
      }
    }
  }

  private func next() throws(EncoderFailure) -> any BandEncoder {
    if let current { return current }
    while let rung = rungs.popFirst() {
      do {
        let encoder = try rung.make(settings, size.width, size.rows)
        current = encoder
        return encoder
      } catch {
        failures.append(error.description)
      }
    }
    throw EncoderFailure(failures.last ?? "there is no encoder")
  }
}
