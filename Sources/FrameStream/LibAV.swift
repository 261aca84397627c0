public import CLibAV
internal import CPlatform

/// The functions of libavcodec and libavutil that coding a band needs, opened when the first one is.
/// Kept for the life of the process. Any thread.
public struct LibAV: Sendable {
  public typealias Context = UnsafeMutablePointer<AVCodecContext>
  public typealias Frame = UnsafeMutablePointer<AVFrame>
  public typealias Packet = UnsafeMutablePointer<AVPacket>
  public typealias Codec = UnsafePointer<AVCodec>
  public typealias Buffer = UnsafeMutablePointer<AVBufferRef>

  public let findEncoder: @convention(c) (UnsafePointer<CChar>) -> Codec?
  public let findDecoder: @convention(c) (AVCodecID) -> Codec?
  public let allocateContext: @convention(c) (Codec?) -> Context?
  public let freeContext: @convention(c) (UnsafeMutablePointer<Context?>) -> Void
  public let open: @convention(c) (Context, Codec, UnsafeMutablePointer<OpaquePointer?>?) -> Int32
  public let sendFrame: @convention(c) (Context, Frame?) -> Int32
  public let receivePacket: @convention(c) (Context, Packet) -> Int32
  public let sendPacket: @convention(c) (Context, Packet?) -> Int32
  public let receiveFrame: @convention(c) (Context, Frame) -> Int32
  public let flushBuffers: @convention(c) (Context) -> Void
  public let allocatePacket: @convention(c) () -> Packet?
  public let freePacket: @convention(c) (UnsafeMutablePointer<Packet?>) -> Void
  public let unreferencePacket: @convention(c) (Packet) -> Void
  public let newPacket: @convention(c) (Packet, Int32) -> Int32
  public let packetSideData:
    @convention(c) (Packet, AVPacketSideDataType, UnsafeMutablePointer<Int>?) ->
      UnsafeMutablePointer<UInt8>?
  public let allocateFrame: @convention(c) () -> Frame?
  public let freeFrame: @convention(c) (UnsafeMutablePointer<Frame?>) -> Void
  public let unreferenceFrame: @convention(c) (Frame) -> Void
  public let frameBuffer: @convention(c) (Frame, Int32) -> Int32
  public let makeFrameWritable: @convention(c) (Frame) -> Int32
  public let setOption:
    @convention(c) (UnsafeMutableRawPointer, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32) ->
      Int32
  public let setDoubleOption:
    @convention(c) (UnsafeMutableRawPointer, UnsafePointer<CChar>, Double, Int32) -> Int32
  public let describeError: @convention(c) (Int32, UnsafeMutablePointer<CChar>, Int) -> Int32
  public let unreferenceBuffer: @convention(c) (UnsafeMutablePointer<Buffer?>) -> Void
  public let referenceBuffer: @convention(c) (Buffer) -> Buffer?
  public let createDevice:
    @convention(c) (
      UnsafeMutablePointer<Buffer?>, AVHWDeviceType, UnsafePointer<CChar>?, OpaquePointer?, Int32
    ) -> Int32
  public let allocateDeviceFrames: @convention(c) (Buffer) -> Buffer?
  public let initializeDeviceFrames: @convention(c) (Buffer) -> Int32
  public let deviceFrameBuffer: @convention(c) (Buffer, Frame, Int32) -> Int32
  public let transferFrame: @convention(c) (Frame, Frame, Int32) -> Int32

  /// The libraries; nil where they are not, or are of another version than the headers that this was
  /// built with. `missing` says what to do then.
  public static let shared: LibAV? = LibAV()

  public static var missing: String {
    let name = String(cString: libav_codec_library())
    return "\(name) cannot be opened; install libavcodec\(name.split(separator: ".").last ?? "")"
  }

  private init?() {
    guard let codec = platform_open_library(libav_codec_library()),
      let utility = platform_open_library(libav_utility_library())
    else { return nil }
    var isWhole = true
    func symbol<Function>(_ library: UnsafeMutableRawPointer, _ name: String) -> Function {
      let found = platform_symbol(library, name)
      if found == nil { isWhole = false }
      // Never called without `isWhole`.
      return unsafeBitCast(found ?? codec, to: Function.self)
    }
    findEncoder = symbol(codec, "avcodec_find_encoder_by_name")
    findDecoder = symbol(codec, "avcodec_find_decoder")
    allocateContext = symbol(codec, "avcodec_alloc_context3")
    freeContext = symbol(codec, "avcodec_free_context")
    open = symbol(codec, "avcodec_open2")
    sendFrame = symbol(codec, "avcodec_send_frame")
    receivePacket = symbol(codec, "avcodec_receive_packet")
    sendPacket = symbol(codec, "avcodec_send_packet")
    receiveFrame = symbol(codec, "avcodec_receive_frame")
    flushBuffers = symbol(codec, "avcodec_flush_buffers")
    allocatePacket = symbol(codec, "av_packet_alloc")
    freePacket = symbol(codec, "av_packet_free")
    unreferencePacket = symbol(codec, "av_packet_unref")
    newPacket = symbol(codec, "av_new_packet")
    packetSideData = symbol(codec, "av_packet_get_side_data")
    allocateFrame = symbol(utility, "av_frame_alloc")
    freeFrame = symbol(utility, "av_frame_free")
    unreferenceFrame = symbol(utility, "av_frame_unref")
    frameBuffer = symbol(utility, "av_frame_get_buffer")
    makeFrameWritable = symbol(utility, "av_frame_make_writable")
    setOption = symbol(utility, "av_opt_set")
    setDoubleOption = symbol(utility, "av_opt_set_double")
    describeError = symbol(utility, "av_strerror")
    unreferenceBuffer = symbol(utility, "av_buffer_unref")
    referenceBuffer = symbol(utility, "av_buffer_ref")
    createDevice = symbol(utility, "av_hwdevice_ctx_create")
    allocateDeviceFrames = symbol(utility, "av_hwframe_ctx_alloc")
    initializeDeviceFrames = symbol(utility, "av_hwframe_ctx_init")
    deviceFrameBuffer = symbol(utility, "av_hwframe_get_buffer")
    transferFrame = symbol(utility, "av_hwframe_transfer_data")
    guard isWhole, let logLevel = platform_symbol(utility, "av_log_set_level") else { return nil }
    // The libraries write to standard error, which is the application's beside ours; what they return
    // is what we say.
    let setLogLevel = unsafeBitCast(logLevel, to: (@convention(c) (Int32) -> Void).self)
    setLogLevel(AV_LOG_QUIET)
  }

  /// What an error code of the libraries means.
  public func text(_ error: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { room in
      guard let p = room.baseAddress else { return "error \(error)" }
      p[0] = 0
      _ = describeError(error, p, room.count)
      return String(cString: p)
    }
  }
}
