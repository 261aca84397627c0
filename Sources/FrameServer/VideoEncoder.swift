internal import CLibAV
internal import CPlatform
public import FrameStream
internal import Glibc

/// The encoders of libavcodec that a band's video is made with, the best first.
public enum VideoEngine: CaseIterable, Equatable, Sendable {
  /// NVIDIA's encoder.
  case nvenc
  /// A GPU's encoder through VA-API, in its low-power mode, which has the shorter way.
  case vaapiLowPower
  case vaapi
  /// libx264 or libx265.
  case software

  /// Whether this machine has a device that encodes: asked once.
  static let hasHardware: Bool =
    access("/dev/nvidia0", R_OK) == 0 || access("/dev/dri/renderD128", R_OK) == 0

  func encoderName(_ coding: BandCoding) -> String {
    switch (self, coding) {
    case (.nvenc, .hevc): "hevc_nvenc"
    case (.nvenc, _): "h264_nvenc"
    case (.vaapi, .hevc), (.vaapiLowPower, .hevc): "hevc_vaapi"
    case (.vaapi, _), (.vaapiLowPower, _): "h264_vaapi"
    case (.software, .hevc): "libx265"
    case (.software, _): "libx264"
    }
  }
}

/// One band's video through libavcodec.
///
/// Settings are those that give a picture out for each picture in, which is asserted each time.
///
/// One thread at a time.
public final class VideoEncoder: BandEncoder {
  private let av: LibAV
  private let engine: VideoEngine
  private var settings: EncoderSettings
  private let size: (width: Int, rows: Int)
  private let codedSize: (width: Int, rows: Int)
  private let conversion: ColorConversion
  private var context: LibAV.Context?
  private var packet: LibAV.Packet?
  /// What the pixels are converted into.
  private var frame: LibAV.Frame?
  /// The same in the encoder's own memory, where it has one.
  private var deviceFrame: LibAV.Frame?
  private var device: LibAV.Buffer?
  private var deviceFrames: LibAV.Buffer?
  private var pictureCount: Int64 = 0

  public let name: String
  public var coding: BandCoding { settings.coding }

  /// Opens an encoder of a band's size; `settings.bitsPerSecond` are the band's own.
  public init(
    _ engine: VideoEngine, _ settings: EncoderSettings, width: Int, rows: Int
  ) throws(EncoderFailure) {
    guard let av = LibAV.shared else { throw EncoderFailure(LibAV.missing) }
    self.av = av
    self.engine = engine
    self.settings = settings
    size = (width, rows)
    // Even sides; and no encoder takes less than a macroblock, those in hardware less than a few.
    let least = engine == .software ? 16 : 160
    codedSize = (max((width + 1) & ~1, least), max((rows + 1) & ~1, engine == .software ? 16 : 64))
    conversion = ColorConversion(range: settings.range)
    name = engine.encoderName(settings.coding)
    packet = av.allocatePacket()
    frame = av.allocateFrame()
    guard packet != nil, frame != nil else { throw EncoderFailure("\(name): no memory") }
    try open()
    try prepareFrames()
  }

  deinit { close() }

  private func close() {
    av.freePacket(&packet)
    av.freeFrame(&frame)
    av.freeFrame(&deviceFrame)
    av.freeContext(&context)
    av.unreferenceBuffer(&deviceFrames)
    av.unreferenceBuffer(&device)
  }

  // MARK: Opening

  private var sampleFormat: AVPixelFormat {
    switch (engine, settings.sampling) {
    case (_, .full444): AV_PIX_FMT_YUV444P
    // libx264 keeps its pictures as NV12, and so do GPUs.
    case (.software, _) where settings.coding == .hevc: AV_PIX_FMT_YUV420P
    default: AV_PIX_FMT_NV12
    }
  }

  private func open() throws(EncoderFailure) {
    guard let codec = av.findEncoder(name) else {
      throw EncoderFailure("libavcodec has no encoder called \(name)")
    }
    av.freeContext(&context)
    guard let context = av.allocateContext(codec) else {
      throw EncoderFailure("\(name): no memory")
    }
    self.context = context
    let rate = Int32(clamping: max(settings.framesPerSecond, 1))
    context.pointee.width = Int32(codedSize.width)
    context.pointee.height = Int32(codedSize.rows)
    context.pointee.time_base = AVRational(num: 1, den: rate)
    context.pointee.framerate = AVRational(num: rate, den: 1)
    context.pointee.pix_fmt = sampleFormat
    context.pointee.max_b_frames = 0
    context.pointee.refs = 1
    context.pointee.gop_size =
      settings.refreshPeriod > 0 ? Int32(clamping: settings.refreshPeriod) : Int32.max / 2
    context.pointee.flags |= AV_CODEC_FLAG_LOW_DELAY | libav_closed_gop
    context.pointee.flags2 |= AV_CODEC_FLAG2_FAST
    context.pointee.thread_type = FF_THREAD_SLICE
    // A band has a thread, not a thread a band's parts; and libx265 delays by threads - 1 pictures.
    context.pointee.thread_count = 1
    context.pointee.slices = Int32(clamping: max(1, settings.slices))
    context.pointee.color_range = settings.range == .full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
    context.pointee.colorspace = AVCOL_SPC_BT709
    context.pointee.color_primaries = AVCOL_PRI_BT709
    // The curve of a display's own values: what was presented is shown as it is.
    context.pointee.color_trc = AVCOL_TRC_IEC61966_2_1
    context.pointee.chroma_sample_location = AVCHROMA_LOC_CENTER
    setRateFields(context)
    switch engine {
    case .software: try setSoftwareOptions(context)
    case .nvenc: try setNvencOptions(context)
    case .vaapi, .vaapiLowPower: try setVaapiOptions(context)
    }
    let result = av.open(context, codec, nil)
    guard result >= 0 else { throw EncoderFailure("\(name) does not open: \(av.text(result))") }
  }

  /// A buffer of one picture: none may be larger than what the link takes until the next.
  private func setRateFields(_ context: LibAV.Context) {
    let bits = Int64(max(settings.bitsPerSecond, 64_000))
    let perPicture = Double(bits) / Double(max(settings.framesPerSecond, 1))
    // Of x264 with a quality the rate is a limit alone; the others aim at it.
    context.pointee.bit_rate = engine == .software ? 0 : bits
    context.pointee.rc_max_rate = bits
    context.pointee.rc_buffer_size = Int32(
      clamping: Int((perPicture * (settings.coding == .hevc ? 1.5 : 1)).rounded()))
  }

  private func set(
    _ context: LibAV.Context, _ option: String, _ value: String
  ) throws(EncoderFailure) {
    let result = av.setOption(context.pointee.priv_data, option, value, 0)
    guard result >= 0 else {
      throw EncoderFailure("\(name): \(option) cannot be \(value): \(av.text(result))")
    }
  }

  private func setSoftwareOptions(_ context: LibAV.Context) throws(EncoderFailure) {
    try set(context, "preset", settings.effort == .fastest ? "ultrafast" : "superfast")
    try set(context, "tune", "zerolatency")
    try set(context, "forced-idr", "1")
    try set(context, "crf", String(settings.quality))
    if settings.coding == .hevc {
      try set(
        context, "x265-params",
        "log-level=none:info=0:keyint=-1:scenecut=0:frame-threads=1:pools=none:wpp=0:"
          + "repeat-headers=1:slices=\(max(1, settings.slices))")
    } else {
      try set(context, "x264-params", "scenecut=0")
      if settings.refreshPeriod > 0 { try set(context, "intra-refresh", "1") }
    }
  }

  private func setNvencOptions(_ context: LibAV.Context) throws(EncoderFailure) {
    try set(context, "preset", settings.effort == .fastest ? "p1" : "p4")
    for (option, value) in [
      ("tune", "ull"), ("rc", "cbr"), ("zerolatency", "1"), ("delay", "0"), ("surfaces", "2"),
      ("forced-idr", "1"), ("b_ref_mode", "0"), ("strict_gop", "1"),
    ] { try set(context, option, value) }
    if settings.refreshPeriod > 0 { try set(context, "intra-refresh", "1") }
  }

  private func setVaapiOptions(_ context: LibAV.Context) throws(EncoderFailure) {
    guard settings.sampling == .quarter420 else { throw EncoderFailure("\(name) has no 4:4:4") }
    try set(context, "async_depth", "1")
    try set(context, "rc_mode", "CBR")
    try set(context, "low_power", engine == .vaapiLowPower ? "1" : "0")
    // No IDR but those that are asked for.
    try set(context, "idr_interval", String(Int32.max))
    if settings.coding == .h264 { try set(context, "sei", "0") }
    if device == nil {
      let result = av.createDevice(&device, AV_HWDEVICE_TYPE_VAAPI, nil, nil, 0)
      guard result >= 0 else { throw EncoderFailure("\(name): no device: \(av.text(result))") }
    }
    if deviceFrames == nil {
      guard let device, let frames = av.allocateDeviceFrames(device) else {
        throw EncoderFailure("\(name): no memory")
      }
      deviceFrames = frames
      let facts = UnsafeMutableRawPointer(frames.pointee.data)
        .assumingMemoryBound(to: AVHWFramesContext.self)
      facts.pointee.format = AV_PIX_FMT_VAAPI
      facts.pointee.sw_format = AV_PIX_FMT_NV12
      facts.pointee.width = Int32(codedSize.width)
      facts.pointee.height = Int32(codedSize.rows)
      facts.pointee.initial_pool_size = 4
      let result = av.initializeDeviceFrames(frames)
      guard result >= 0 else { throw EncoderFailure("\(name): no frames: \(av.text(result))") }
    }
    context.pointee.pix_fmt = AV_PIX_FMT_VAAPI
    context.pointee.hw_frames_ctx = deviceFrames.flatMap { av.referenceBuffer($0) }
  }

  private func prepareFrames() throws(EncoderFailure) {
    guard let frame else { return }
    frame.pointee.format = sampleFormat.rawValue
    frame.pointee.width = Int32(codedSize.width)
    frame.pointee.height = Int32(codedSize.rows)
    frame.pointee.color_range = settings.range == .full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG
    guard av.frameBuffer(frame, 0) >= 0 else { throw EncoderFailure("\(name): no memory") }
    if deviceFrames != nil { deviceFrame = av.allocateFrame() }
  }

  // MARK: Coding

  public func encode(
    _ rows: PixelRows, tiles: TileGrid, mask: TileMask, asIntra: Bool
  ) throws(EncoderFailure) -> CodedPicture {
    guard let context, let packet, let frame, av.makeFrameWritable(frame) >= 0,
      let y = frame.pointee.data.0, let cb = frame.pointee.data.1
    else { throw EncoderFailure("\(name): no memory") }
    conversion.toVideo(
      rows, width: size.width, height: size.rows,
      into: PlanePicture(
        y: y, yStride: Int(frame.pointee.linesize.0), cb: cb, cr: frame.pointee.data.2,
        chromaStride: Int(frame.pointee.linesize.1), sampling: settings.sampling),
      codedWidth: codedSize.width, codedHeight: codedSize.rows)
    let given = try uploaded(frame)
    given.pointee.pts = pictureCount
    given.pointee.pict_type =
      asIntra || pictureCount == 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
    pictureCount += 1
    av.unreferencePacket(packet)
    // Not within a condition that a build might leave out.
    let sent = av.sendFrame(context, given)
    guard sent >= 0 else { throw EncoderFailure("\(name) takes no picture: \(av.text(sent))") }
    let received = av.receivePacket(context, packet)
    guard received >= 0, packet.pointee.size > 0 else {
      throw EncoderFailure("\(name) keeps a picture back: \(av.text(received))")
    }
    let (isIntra, quantizer) = facts(packet)
    return CodedPicture(
      bytes: UnsafeRawBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)),
      isIntra: isIntra, quantizer: quantizer)
  }

  private func uploaded(_ frame: LibAV.Frame) throws(EncoderFailure) -> LibAV.Frame {
    guard let deviceFrames, let deviceFrame else { return frame }
    av.unreferenceFrame(deviceFrame)
    guard av.deviceFrameBuffer(deviceFrames, deviceFrame, 0) >= 0 else {
      throw EncoderFailure("\(name): its device has no memory")
    }
    let result = av.transferFrame(deviceFrame, frame, 0)
    guard result >= 0 else { throw EncoderFailure("\(name): no upload: \(av.text(result))") }
    return deviceFrame
  }

  /// What the encoder says of its picture (AV_PKT_DATA_QUALITY_STATS: a quantiser in units of lambda, and
  /// the picture's type). A picture that begins an intra refresh counts as a key picture too, but is of
  /// another type.
  private func facts(_ packet: LibAV.Packet) -> (isIntra: Bool, quantizer: Double?) {
    let isKey = packet.pointee.flags & AV_PKT_FLAG_KEY != 0
    var count = 0
    guard let bytes = av.packetSideData(packet, AV_PKT_DATA_QUALITY_STATS, &count), count >= 8
    else { return (isKey, nil) }
    let lambda = UnsafeRawPointer(bytes).loadUnaligned(as: UInt32.self)
    let isIntra = UInt32(bytes[4]) == AV_PICTURE_TYPE_I.rawValue
    return (isKey && isIntra, Double(lambda) / Double(FF_QP2LAMBDA))
  }

  public func setRate(bitsPerSecond: Int) throws(EncoderFailure) {
    guard let context, bitsPerSecond != settings.bitsPerSecond else { return }
    let before = settings.bitsPerSecond
    switch engine {
    case .software where settings.coding == .h264, .nvenc:
      settings.bitsPerSecond = bitsPerSecond
      setRateFields(context)
    case .software, .vaapi, .vaapiLowPower:
      // Only a new encoder has another rate, and begins with an intra picture: not for little.
      guard abs(Double(bitsPerSecond) - Double(before)) > 0.25 * Double(before) else { return }
      settings.bitsPerSecond = bitsPerSecond
      try open()
      pictureCount = 0
    }
  }
}
