public import CLibAV
internal import CPlatform
internal import Wire

/// Decodes one band's video, a picture a unit, with no frame of delay.
///
/// A unit may be handed over in pieces as it arrives (`AV_CODEC_FLAG2_CHUNKS`): each slice is decoded
/// when the first byte of the next is there, so that after the last piece only the last slice is left
/// to do. Nothing is concealed: a damaged picture is an error (concealment costs a third of a second a
/// frame in libavcodec 5.1).
///
/// One thread at a time.
public final class VideoDecoder {
  private let av: LibAV
  private var context: LibAV.Context?
  private var packet: LibAV.Packet?
  private var frame: LibAV.Frame?
  private var gathered = ByteBuffer()
  /// Bytes of `gathered` in which no start code begins.
  private var searched = 0
  private var hasFrame = false

  /// A decoder of pictures of `width` x `rows` pixels: a stream that says it has larger ones than a few
  /// macroblocks more is refused before memory is taken for them. `threads`: slices that are decoded at a
  /// time; 1 for bands of one slice.
  public init(
    _ coding: BandCoding, width: Int, rows: Int, threads: Int = 1
  ) throws(BandError) {
    guard let av = LibAV.shared else { throw BandError(LibAV.missing) }
    self.av = av
    guard let codec = av.findDecoder(coding.codec),
      let context = av.allocateContext(codec)
    else { throw BandError("libavcodec has no decoder of \(coding.name)") }
    self.context = context
    context.pointee.flags |= AV_CODEC_FLAG_LOW_DELAY
    // HEVC's decoder takes whole pictures alone.
    context.pointee.flags2 |=
      coding == .hevc ? AV_CODEC_FLAG2_FAST : AV_CODEC_FLAG2_FAST | AV_CODEC_FLAG2_CHUNKS
    context.pointee.thread_type = FF_THREAD_SLICE
    context.pointee.thread_count = Int32(max(1, threads))
    context.pointee.error_concealment = 0
    context.pointee.err_recognition = AV_EF_EXPLODE
    // Encoders in hardware have a least size, and code whole macroblocks.
    context.pointee.max_pixels =
      Int64(max(width + 64, VideoDecoder.leastSide)) * Int64(max(rows + 64, VideoDecoder.leastSide))
    isChunked = coding != .hevc
    packet = av.allocatePacket()
    frame = av.allocateFrame()
    let result = av.open(context, codec, nil)
    guard result >= 0, packet != nil, frame != nil else {
      throw BandError("the decoder of \(coding.name) does not open: \(av.text(result))")
    }
  }

  private let isChunked: Bool
  /// What a picture's side may always be, however small the band is.
  private static let leastSide = 256

  deinit {
    av.freePacket(&packet)
    av.freeFrame(&frame)
    av.freeContext(&context)
    gathered.free()
  }

  /// Takes the next bytes of a unit and decodes what is whole.
  public func feed(_ bytes: UnsafeRawBufferPointer) throws(BandError) {
    gathered.append(bytes)
    guard isChunked, let start = gathered.start else { return }
    // Everything before the last start code that is not the first byte is whole.
    let p = start.assumingMemoryBound(to: UInt8.self)
    var cut = 0
    var i = max(searched, 1)
    while i + 3 <= gathered.count {
      if p[i + 2] > 1 {
        i += 3
      } else if p[i] == 0, p[i + 1] == 0, p[i + 2] == 1 {
        cut = p[i - 1] == 0 ? i - 1 : i
        i += 3
      } else {
        i += 1
      }
    }
    searched = max(1, gathered.count - 2)
    guard cut > 0 else { return }
    try send(UnsafeRawBufferPointer(start: start, count: cut))
    let rest = gathered.count - cut
    platform_move(start, start + cut, rest)
    gathered.truncate(rest)
    searched = max(1, rest - 2)
  }

  /// The unit has ended: its picture, valid until the next `feed`. The samples are 8 bits of 4:2:0 or
  /// 4:4:4, in three planes.
  public func finish() throws(BandError) -> AVFrame {
    let end = UnsafeRawBufferPointer(start: gathered.start, count: gathered.count)
    defer {
      gathered.reset()
      searched = 0
      hasFrame = false
    }
    if end.count > 0 { try send(end) }
    guard hasFrame, let frame else { throw BandError("video band: it has no picture") }
    return frame.pointee
  }

  /// Forgets a unit that did not arrive whole, and what it would have been the reference of.
  public func abandon() {
    gathered.reset()
    searched = 0
    hasFrame = false
    if let context { av.flushBuffers(context) }
  }

  private func send(_ bytes: UnsafeRawBufferPointer) throws(BandError) {
    guard let context, let packet, let frame, let from = bytes.baseAddress,
      let size = Int32(exactly: bytes.count), size <= 1 << 28,
      av.newPacket(packet, size) >= 0
    else { throw BandError("video band: there is no memory for it") }
    platform_copy(packet.pointee.data, from, bytes.count)
    defer { av.unreferencePacket(packet) }
    var result = av.sendPacket(context, packet)
    guard result >= 0 else {
      throw BandError("video band: it is damaged: \(av.text(result))")
    }
    while true {
      result = av.receiveFrame(context, frame)
      if result == libav_again { return }
      guard result >= 0 else {
        throw BandError("video band: it is damaged: \(av.text(result))")
      }
      guard !hasFrame else { throw BandError("video band: it has more than one picture") }
      hasFrame = true
      // The frame must outlive another attempt to receive one, which clears it first.
      return
    }
  }
}

extension BandCoding {
  /// The library's number of a video coding.
  var codec: AVCodecID { self == .hevc ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264 }
}
