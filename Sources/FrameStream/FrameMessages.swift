/// How frames are to travel: what the user asks for (`--codec`).
public enum FrameChoice: UInt32, Sendable, CaseIterable {
  /// What suits the link, the picture and the processors.
  case auto = 0
  case raw = 1
  case lossless = 2
  case h264 = 3
  case hevc = 4

  /// The word of `--codec`.
  public init?(name: String) {
    guard let found = FrameChoice.allCases.first(where: { "\($0)" == name }) else { return nil }
    self = found
  }

  /// Nil for `auto`.
  public var coding: BandCoding? {
    switch self {
    case .auto: nil
    case .raw: .raw
    case .lossless: .lossless
    case .h264: .h264
    case .hevc: .hevc
    }
  }
}

/// A set of codings, a bit each by `BandCoding`'s number.
public struct CodingSet: OptionSet, Equatable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let exact = CodingSet(.raw, .lossless)
  public static let all = CodingSet(.raw, .lossless, .h264, .hevc)

  public init(_ codings: BandCoding...) {
    rawValue = codings.reduce(0) { $0 | 1 << UInt32($1.rawValue) }
  }

  public func has(_ coding: BandCoding) -> Bool { contains(CodingSet(coding)) }

  /// What this process can decode.
  public static var decodable: CodingSet {
    guard let av = LibAV.shared else { return .exact }
    var found = CodingSet.exact
    for coding in [BandCoding.h264, .hevc] where av.findDecoder(coding.codec) != nil {
      found.formUnion(CodingSet(coding))
    }
    return found
  }
}

/// What a client asks of a node's frames, once, before everything else (`frameSettings`).
///
/// ```
///  0   u32 choice      4   u32 codings: those that the client decodes, bits
///  8   u32 kilobits a second at most; 0: no limit of the client's
/// 12   u32 flags           bit 0: the client takes units as datagrams
///                          bit 1: it wants `frameGeometry`
///                          bit 2: frames may be left out where their windows allow it
///                          bit 3: a picture that becomes better while nothing is presented is shown
/// ```
public struct FrameSettings: Equatable, Sendable {
  public static let byteCount = 16

  public var choice: FrameChoice
  public var codings: CodingSet
  /// Bits a second of video at most; 0: what the link takes.
  public var mostBits: Int
  public var takesDatagrams: Bool
  /// `FrameGeometry` is wanted behind frames, where it is known.
  public var wantsGeometry: Bool
  /// A frame of a window that wants the newest alone need not be sent when there is a newer one.
  public var mayLeaveOut: Bool
  /// What a frame's picture lacks may follow it, while there is no newer one.
  public var takesRefinements: Bool

  public init(
    choice: FrameChoice = .auto, codings: CodingSet = .exact, mostBits: Int = 0,
    takesDatagrams: Bool = false, wantsGeometry: Bool = false, mayLeaveOut: Bool = false,
    takesRefinements: Bool = false
  ) {
    self.choice = choice
    self.codings = codings
    self.mostBits = mostBits
    self.takesDatagrams = takesDatagrams
    self.wantsGeometry = wantsGeometry
    self.mayLeaveOut = mayLeaveOut
    self.takesRefinements = takesRefinements
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= FrameSettings.byteCount,
      let choice = FrameChoice(rawValue: bytes.word(0))
    else { return nil }
    self.choice = choice
    // Exact ones need nothing; what is not known here is nobody's wish.
    codings = CodingSet(rawValue: bytes.word(4)).intersection(.all).union(.exact)
    mostBits = Int(bytes.word(8)) * 1000
    takesDatagrams = bytes.word(12) & 1 != 0
    wantsGeometry = bytes.word(12) & 2 != 0
    mayLeaveOut = bytes.word(12) & 4 != 0
    takesRefinements = bytes.word(12) & 8 != 0
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(
      choice.rawValue, codings.rawValue, UInt32(clamping: (mostBits + 999) / 1000),
      (takesDatagrams ? 1 : 0) | (wantsGeometry ? 2 : 0) | (mayLeaveOut ? 4 : 0)
        | (takesRefinements ? 8 : 0))
    return out
  }
}

/// Units of a swapchain's frames may come as datagrams (`frameDatagrams`): they do from when a datagram of the client
/// has arrived, each `FramePlace` and unit, in the frame link's session.
///
/// ```
///  0   u64 swapchain
///  8   u16 port            of the node, at the address that the link leads to
/// 10   u16 session         of `DatagramCipher`; each is offered once
/// 12   u32 reserved
/// ```
public struct DatagramOffer: Equatable, Sendable {
  public static let byteCount = 16

  public var swapchain: UInt64
  public var port: UInt16
  public var session: UInt16

  public init(swapchain: UInt64, port: UInt16, session: UInt16) {
    self.swapchain = swapchain
    self.port = port
    self.session = session
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= DatagramOffer.byteCount else { return nil }
    let word = bytes.word(8)
    self.init(
      swapchain: bytes.long(0), port: UInt16(truncatingIfNeeded: word),
      session: UInt16(truncatingIfNeeded: word >> 16))
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(swapchain)
    out.add(UInt32(port) | UInt32(session) << 16, 0)
    return out
  }
}

/// Where a frame belongs: in front of each unit, and of the end.
///
/// ```
///  0   u64 swapchain       8   u32 imageIndex
/// 12   u32 stride          bytes from row to row in the frame buffer
/// 16   u32 order           `PixelOrder` of the frame buffer's pixels
/// 20   u32 reserved
/// ```
public struct FramePlace: Equatable, Sendable {
  public static let byteCount = 24

  public var swapchain: UInt64
  public var image: UInt32
  public var stride: Int
  public var order: PixelOrder

  public init(swapchain: UInt64, image: UInt32, stride: Int, order: PixelOrder) {
    self.swapchain = swapchain
    self.image = image
    self.stride = stride
    self.order = order
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= FramePlace.byteCount,
      let order = PixelOrder(rawValue: UInt8(truncatingIfNeeded: bytes.word(16)))
    else { return nil }
    swapchain = bytes.long(0)
    image = bytes.word(8)
    stride = Int(bytes.word(12))
    self.order = order
  }

  /// Writes `byteCount` bytes.
  public func write(to p: UnsafeMutableRawPointer) {
    p.storeBytes(of: swapchain.littleEndian, as: UInt64.self)
    p.storeBytes(of: image.littleEndian, toByteOffset: 8, as: UInt32.self)
    p.storeBytes(
      of: UInt32(truncatingIfNeeded: stride).littleEndian, toByteOffset: 12, as: UInt32.self)
    p.storeBytes(of: UInt32(order.rawValue).littleEndian, toByteOffset: 16, as: UInt32.self)
    p.storeBytes(of: 0, toByteOffset: 20, as: UInt32.self)
  }
}

/// A frame has been sent whole (`frameEnd`): bands that sent nothing have what they had.
///
/// ```
///  0   place
/// 24   u32 frame           of its units, or of the last one before when it had none
/// 28   u32 width           u32 height      of the picture in pixels of 32 bits
/// 36   u32 bands           that had a unit, bits
/// 40   u32 coding          `BandCoding` that the frame was coded with
/// 44   u32 flags           bit 0: left out, the picture of the frame before is shown again
///                          bit 1: its units have left as datagrams, and may be lost
///                          bit 2: more of a frame that was announced before: no completion follows
/// 48   u64 nanoseconds from when the frame was there until its last unit was coded
/// 56   u64 the same until its first unit was; 0 without any
/// ```
public struct FrameEnd: Equatable, Sendable {
  public static let byteCount = 64

  public var place: FramePlace
  public var frame: UInt32
  public var width: Int
  public var height: Int
  public var bands: UInt32
  public var coding: BandCoding
  public var isLeftOut: Bool
  public var usesDatagrams: Bool
  public var isRefinement: Bool
  public var encodeTime: UInt64
  public var firstUnitTime: UInt64

  public init(
    place: FramePlace, frame: UInt32, width: Int, height: Int, bands: UInt32, coding: BandCoding,
    isLeftOut: Bool, usesDatagrams: Bool = false, isRefinement: Bool = false, encodeTime: UInt64,
    firstUnitTime: UInt64
  ) {
    self.place = place
    self.frame = frame
    self.width = width
    self.height = height
    self.bands = bands
    self.coding = coding
    self.isLeftOut = isLeftOut
    self.usesDatagrams = usesDatagrams
    self.isRefinement = isRefinement
    self.encodeTime = encodeTime
    self.firstUnitTime = firstUnitTime
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= FrameEnd.byteCount, let place = FramePlace(bytes),
      let coding = BandCoding(rawValue: UInt8(truncatingIfNeeded: bytes.word(40)))
    else { return nil }
    self.init(
      place: place, frame: bytes.word(24), width: Int(bytes.word(28)), height: Int(bytes.word(32)),
      bands: bytes.word(36), coding: coding, isLeftOut: bytes.word(44) & 1 != 0,
      usesDatagrams: bytes.word(44) & 2 != 0, isRefinement: bytes.word(44) & 4 != 0,
      encodeTime: bytes.long(48),
      firstUnitTime: bytes.long(56))
  }

  public var bytes: [UInt8] {
    var out = [UInt8](repeating: 0, count: FramePlace.byteCount)
    out.withUnsafeMutableBytes { if let start = $0.baseAddress { place.write(to: start) } }
    out.add(frame, UInt32(truncatingIfNeeded: width), UInt32(truncatingIfNeeded: height), bands)
    out.add(
      UInt32(coding.rawValue),
      (isLeftOut ? 1 : 0) | (usesDatagrams ? 2 : 0) | (isRefinement ? 4 : 0))
    out.add(encodeTime)
    out.add(firstUnitTime)
    return out
  }
}

/// What became of frames at the client (`frameFeedback`). One may stand for several frames.
///
/// ```
///  0   u64 swapchain       8   u32 frame: the newest that was taken
/// 12   u32 lostBands       bits; what these bands had since `lostSince` is to be sent again
/// 16   u32 lostSince      20   u32 flags: bit 0: geometry of the frames that follow is of use
/// 24   u64 nanoseconds that decoding the newest frame took
/// ```
public struct FrameFeedback: Equatable, Sendable {
  public static let byteCount = 32

  public var swapchain: UInt64
  public var frame: UInt32
  public var lostBands: UInt32
  public var lostSince: UInt32
  public var decodeTime: UInt64
  /// Geometry of the frames that follow is of use, where it was wanted at all.
  public var wantsGeometry: Bool

  public init(
    swapchain: UInt64, frame: UInt32, lostBands: UInt32 = 0, lostSince: UInt32 = 0,
    decodeTime: UInt64 = 0, wantsGeometry: Bool = false
  ) {
    self.swapchain = swapchain
    self.frame = frame
    self.lostBands = lostBands
    self.lostSince = lostSince
    self.decodeTime = decodeTime
    self.wantsGeometry = wantsGeometry
  }

  /// Nil when the bytes are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= FrameFeedback.byteCount else { return nil }
    self.init(
      swapchain: bytes.long(0), frame: bytes.word(8), lostBands: bytes.word(12),
      lostSince: bytes.word(16), decodeTime: bytes.long(24), wantsGeometry: bytes.word(20) & 1 != 0)
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(swapchain)
    out.add(frame, lostBands, lostSince, wantsGeometry ? 1 : 0)
    out.add(decodeTime)
    return out
  }

  /// Takes a later one of the same swapchain in.
  public mutating func merge(_ later: FrameFeedback) {
    if lostBands == 0 {
      lostSince = later.lostSince
    } else if later.lostBands != 0, Int32(bitPattern: later.lostSince &- lostSince) < 0 {
      lostSince = later.lostSince
    }
    lostBands |= later.lostBands
    frame = later.frame
    decodeTime = later.decodeTime
    wantsGeometry = later.wantsGeometry
  }
}

extension UnsafeRawBufferPointer {
  func word(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
  func long(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}

extension [UInt8] {
  mutating func add(_ words: UInt32...) {
    for word in words { Swift.withUnsafeBytes(of: word.littleEndian) { append(contentsOf: $0) } }
  }
  mutating func add(_ long: UInt64) {
    Swift.withUnsafeBytes(of: long.littleEndian) { append(contentsOf: $0) }
  }
}
