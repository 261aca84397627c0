// What coding a stream costs, and what it saves: 20,000 pairs of vkCmdPushConstants and vkCmdDraw a
// frame, the same every time, with one float of each pair changed, and with a pair taken out or put in
// somewhere. The time is that of the processor, so that what else runs does not count. The peer is one
// Zstandard stream, at the level that the coder itself uses for what is left.

import CPlatform
import CZstd
import CommandStream
import Ring
import VulkanWire
import Wire

@main
enum StreamBench {
  private static let pairs = 20_000
  private static let frames = 30

  static func main() {
    for load in [Load.same, .changing, .shifting] {
      let frames = (0..<frames).map { frame(load, $0) }
      defer { for frame in frames { frame.deallocate() } }
      var choices = StreamChoices()
      choices.compresses = false
      coded("\(load), blobs", frames, choices)
      coded("\(load), blobs and compression", frames, StreamChoices())
      compressed("\(load), Zstandard alone", frames)
    }
  }

  private enum Load { case same, changing, shifting }

  /// A `commandBufferInline` record.
  private static func frame(_ load: Load, _ number: Int) -> UnsafeMutableRawBufferPointer {
    var heap = HeapWriter(capacity: pairs * 80)
    defer { heap.free() }
    heap.writer.begin(ControlOpcode.commandBufferInline)
    heap.writer.u64(HandleID.make(generation: 0, kind: .commandBuffer, index: 1))
    heap.writer.u64(0)
    let layout = HandleID.make(generation: 0, kind: .pipelineLayout, index: 2)
    for i in 0..<pairs {
      if load == .shifting, i == number * 613 % pairs { continue }
      let place = Float(i) / 1000 + (load == .changing ? Float(number) / 7 : 0)
      heap.writer.begin(Opcode.vkCmdPushConstants)
      heap.writer.u64(layout)
      for word in [0x1F, 0, 16, 16, place.bitPattern, 0xBF80_0000, 0x3C23_D70A, UInt32(i)] {
        heap.writer.u32(word)
      }
      heap.writer.end()
      encode_vkCmdDraw(&heap.writer, 3, 1, 0, 0)
    }
    let count = heap.bytes.count
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    copy.copyMemory(from: heap.bytes)
    let p = copy.baseAddress.unsafelyUnwrapped
    p.put32(UInt32(count), 4)
    p.put64(UInt64(count - 24), 16)
    return copy
  }

  private static func coded(
    _ name: String, _ frames: [UnsafeMutableRawBufferPointer], _ choices: StreamChoices
  ) {
    let encoder = StreamEncoder(channel: 0, choices: choices, known: nil)
    let decoder = StreamDecoder(keeper: nil)
    var encoding: UInt64 = 0
    var decoding: UInt64 = 0
    var sent = 0
    for (n, frame) in frames.enumerated() {
      var messages: [[UInt8]] = []
      let began = platform_cpu_time()
      guard encoder.encode(UnsafeRawBufferPointer(frame)) else { return print("no memory") }
      while encoder.nextMessage({ header, bytes in
        messages.append(Array(header[4...]) + Array(bytes))
        return true
      }) != nil {}
      let done = platform_cpu_time()
      for message in messages {
        let wrong = message.withUnsafeBytes { decoder.decode($0) { _ in true } }
        if let wrong { return print(wrong) }
      }
      // The first frame is new to both.
      guard n > 0 else { continue }
      encoding += done - began
      decoding += platform_cpu_time() - done
      sent += messages.reduce(0) { $0 + $1.count }
    }
    report(name, frames, encoding, decoding, sent)
  }

  private static func compressed(_ name: String, _ frames: [UnsafeMutableRawBufferPointer]) {
    let context = ZSTD_createCCtx()
    let other = ZSTD_createDCtx()
    defer {
      ZSTD_freeCCtx(context)
      ZSTD_freeDCtx(other)
    }
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
    // Without the last frame in its window it finds nothing of it.
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 22)
    let room = ZSTD_compressBound(frames[0].count) + 64
    let out = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 16)
    let back = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 16)
    defer {
      out.deallocate()
      back.deallocate()
    }
    var encoding: UInt64 = 0
    var decoding: UInt64 = 0
    var sent = 0
    for (n, frame) in frames.enumerated() {
      var input = ZSTD_inBuffer(src: frame.baseAddress, size: frame.count, pos: 0)
      var output = ZSTD_outBuffer(dst: out, size: room, pos: 0)
      let began = platform_cpu_time()
      _ = ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush)
      let done = platform_cpu_time()
      var coded = ZSTD_inBuffer(src: out, size: output.pos, pos: 0)
      var plain = ZSTD_outBuffer(dst: back, size: room, pos: 0)
      while coded.pos < coded.size { _ = ZSTD_decompressStream(other, &plain, &coded) }
      guard n > 0 else { continue }
      encoding += done - began
      decoding += platform_cpu_time() - done
      sent += output.pos
    }
    report(name, frames, encoding, decoding, sent)
  }

  private static func report(
    _ name: String, _ frames: [UnsafeMutableRawBufferPointer], _ encoding: UInt64,
    _ decoding: UInt64, _ sent: Int
  ) {
    let bytes = frames.dropFirst().reduce(0) { $0 + $1.count }
    let thousandths = sent * 1000 / (frames.count - 1) / pairs
    let fraction = String(1000 + thousandths % 1000).dropFirst()
    print(
      "\(name): \(UInt64(bytes) * 1000 / max(encoding, 1)) MB/s coded, "
        + "\(UInt64(bytes) * 1000 / max(decoding, 1)) MB/s decoded, "
        + "\(thousandths / 1000).\(fraction) bytes a pair")
  }
}
