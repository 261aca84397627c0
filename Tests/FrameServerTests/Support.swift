import FrameSamples
import Threads

@testable import FrameServer
@testable import FrameStream

/// A frame encoder and a decoder that gets its units, but for those that a test keeps back.
final class Stream {
  let encoder: FrameEncoder
  let decoder: FrameDecoder
  /// Whether a unit reaches the decoder.
  var passes: (BandHeader) -> Bool = { _ in true }
  private(set) var units: [(header: BandHeader, bytes: [UInt8])] = []
  /// What the decoder has refused.
  private(set) var refused: [String] = []

  init(
    _ settings: EncoderSettings, rungs: [EncoderLadder.Rung]? = nil,
    order: PixelOrder = .bgra
  ) {
    encoder = FrameEncoder(settings, rungs: rungs)
    decoder = FrameDecoder(order: order)
  }

  @discardableResult
  func send(_ picture: Picture) throws -> CodedFrame {
    try pass { deliver in
      encoder.encode(
        picture.rows, width: picture.width, height: picture.height, deliver: deliver)
    }
  }

  @discardableResult
  func refine() throws -> CodedFrame { try pass { encoder.refine(deliver: $0) } }

  private func pass(_ code: ((CodedUnit) -> Void) -> CodedFrame) throws -> CodedFrame {
    let coded = Guarded([(BandHeader, [UInt8])]())
    let frame = code { unit in
      var bytes = [UInt8](repeating: 0, count: unit.byteCount)
      bytes.withUnsafeMutableBytes { buffer in
        if let start = buffer.baseAddress { unit.write(to: start) }
      }
      coded.withLock { $0.append((unit.header, bytes)) }
    }
    units = coded.withLock { $0 }.sorted { $0.0.band < $1.0.band }.map { ($0, $1) }
    for (header, bytes) in units where passes(header) {
      try bytes.withUnsafeBytes { buffer in
        let unit = try BandUnit(buffer)
        _ = try decoder.prepare(for: unit.header)
        do { try decoder.decode(unit) } catch { refused.append("\(error)") }
      }
    }
    return frame
  }

  /// What the client shows.
  var shown: Picture {
    let picture = Picture(
      width: decoder.width, height: decoder.height, order: decoder.order)
    if let rows = decoder.picture {
      for y in 0..<picture.height {
        picture.pixels.advanced(by: y * picture.width).update(
          from: (rows.start + y * rows.stride).assumingMemoryBound(to: UInt32.self),
          count: picture.width)
      }
    }
    return picture
  }
}

/// Settings of software, which every machine has.
func softwareSettings(_ coding: BandCoding) -> EncoderSettings {
  var settings = EncoderSettings()
  settings.coding = coding
  settings.usesHardware = false
  return settings
}
