// The fuzz target of the decoders of frames: the input is a few units of bands, each behind its u32 length,
// as a node sends them. None may trap, make the decoder read outside of them, or write outside the picture.
// Each is taken for the geometry of a frame as well.
//
// Build and run with `Fuzz/run SECONDS frames`.

import FrameStream

@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let input = UnsafeRawBufferPointer(start: data, count: count)
  let decoder = FrameDecoder(mostPixels: 1 << 18)
  var at = 0
  while input.count - at >= 4 {
    let length = Int(input.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    at += 4
    let bytes = UnsafeRawBufferPointer(rebasing: input[at..<at + min(length, input.count - at)])
    at += bytes.count
    _ = FrameGeometry(bytes)
    // A unit that is refused is no reason to refuse the next.
    do {
      let unit = try BandUnit(bytes)
      _ = try decoder.prepare(for: unit.header)
      try decoder.decode(unit)
    } catch { continue }
  }
  return 0
}
