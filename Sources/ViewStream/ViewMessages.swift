/// The conversation of a viewer with a node's page server: one WebSocket, whose messages are binary and begin with
/// their kind. Numbers are little-endian. `docs/viewers.md` has the order in which they come.
public enum ViewProtocol {
  public static let version: UInt8 = 1
  /// Bytes of a message from a viewer at most.
  public static let largestFromViewer = 2048
  public static let nonceBytes = 32
  public static let proofBytes = 32
  /// Path of the WebSocket.
  public static let path = "/view"
}

/// How a picture is coded for viewers: one encoder each, whoever looks.
public enum ViewSetting: UInt8, Sendable, CaseIterable {
  /// H.264, and exactly what stands still.
  case video = 0
  /// Exactly, always: for viewers that decode no video.
  case exact = 1
}

/// What a viewer may do.
public enum ViewRights: UInt8, Comparable, Sendable {
  case view = 0
  case control = 1

  public static func < (a: ViewRights, b: ViewRights) -> Bool { a.rawValue < b.rawValue }
}

/// What viewers say.
public enum ViewRequest: Equatable, Sendable {
  /// `u8 0x81, u8 version, u8 setting, u8 reserved, 32 bytes proof`: the answer to the challenge. Zeros without a
  /// token.
  case hello(version: UInt8, setting: ViewSetting, proof: [UInt8])
  /// `u8 0x82, u8 × 3 reserved, u32 application, u64 window`: what to show. 0: the newest.
  case watch(application: UInt32, window: UInt64)
  /// `u8 0x83, u8 × 3 reserved, u32 frame, u32 lostBands, u32 microseconds`: a frame was shown, after so long a time
  /// of decoding; bands of which something did not decode begin anew.
  case shown(frame: UInt32, lostBands: UInt32, decodeTime: UInt32)
  /// `u8 0x84, u8 count, u16 reserved, count events`.
  case input([ViewEvent])
  /// `u8 0x85, u8 × 3 reserved, u32 number`: to be sent back.
  case ping(UInt32)

  public init(_ bytes: UnsafeRawBufferPointer) throws(ViewError) {
    var reader = FieldReader(bytes)
    let kind = reader.integer(UInt8.self)
    let first = reader.integer(UInt8.self)
    let second = reader.integer(UInt8.self)
    _ = reader.integer(UInt8.self)
    switch kind {
    case 0x81:
      guard let setting = ViewSetting(rawValue: second) else {
        throw ViewError("hello: the setting (\(second)) is none")
      }
      let proof = [UInt8](reader.take(ViewProtocol.proofBytes))
      self = .hello(version: first, setting: setting, proof: proof)
    case 0x82:
      self = .watch(application: reader.integer(), window: reader.integer())
    case 0x83:
      self = .shown(
        frame: reader.integer(), lostBands: reader.integer(), decodeTime: reader.integer())
    case 0x84:
      self = .input(try ViewInput.events(&reader, Int(first)))
    case 0x85: self = .ping(reader.integer())
    default: throw ViewError("a message is of no known kind (\(kind))")
    }
    guard reader.isSound, reader.remaining == 0 else {
      throw ViewError("a message of kind \(kind) has \(bytes.count) bytes, which is not its size")
    }
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    switch self {
    case .hello(let version, let setting, let proof):
      out.add(UInt8(0x81), version, setting.rawValue, UInt8(0))
      out += proof
    case .watch(let application, let window):
      out.add(UInt8(0x82), UInt8(0), UInt16(0), application, window)
    case .shown(let frame, let lostBands, let decodeTime):
      out.add(UInt8(0x83), UInt8(0), UInt16(0), frame, lostBands, decodeTime)
    case .input(let events):
      out.add(UInt8(0x84), UInt8(events.count), UInt16(0))
      for event in events { event.write(to: &out) }
    case .ping(let number): out.add(UInt8(0x85), UInt8(0), UInt16(0), number)
    }
    return out
  }
}

/// A window of an application that viewers can look at.
public struct ViewWindow: Equatable, Sendable {
  /// The node's number of the application.
  public var application: UInt32
  public var process: UInt32
  public var window: UInt64
  public var width: UInt16
  public var height: UInt16
  /// Whether viewers may operate it.
  public var takesInput: Bool
  public var name: String

  public init(
    application: UInt32, process: UInt32, window: UInt64, width: UInt16, height: UInt16,
    takesInput: Bool, name: String
  ) {
    self.application = application
    self.process = process
    self.window = window
    self.width = width
    self.height = height
    self.takesInput = takesInput
    self.name = name
  }
}

/// What is known of a frame that has been sent whole. Times are microseconds.
public struct ViewFrameEnd: Equatable, Sendable {
  public var frame: UInt32
  /// Bands that it had units of, bits.
  public var bands: UInt32
  /// Frames that the application has presented so far.
  public var presented: UInt32
  /// From the present until the encoder took the frame.
  public var waitTime: UInt32
  /// From then until its last unit was coded.
  public var encodeTime: UInt32
  /// From then until the server hands it to the viewer's connection.
  public var relayTime: UInt32

  public init(
    frame: UInt32, bands: UInt32, presented: UInt32, waitTime: UInt32, encodeTime: UInt32,
    relayTime: UInt32
  ) {
    self.frame = frame
    self.bands = bands
    self.presented = presented
    self.waitTime = waitTime
    self.encodeTime = encodeTime
    self.relayTime = relayTime
  }
}

/// What the page server says.
public enum ViewReply: Equatable, Sendable {
  /// `u8 1, u8 version, u8 needsToken, u8 reserved, 32 bytes`: the first message.
  case challenge(version: UInt8, needsToken: Bool, nonce: [UInt8])
  /// `u8 2, u8 rights, u16 reserved, u32 viewer`.
  case welcome(ViewRights, viewer: UInt32)
  /// `u8 3, u8 level, u16 reserved, text in UTF-8`: 0 ends the conversation, 1 is a warning, 2 information.
  case notice(level: UInt8, String)
  /// `u8 4, u8 × 3 reserved, u32 count`, then for each: `u32 application, u32 process, u64 window, u16 width,
  /// u16 height, u8 takesInput, u8 nameBytes, u16 reserved, name in UTF-8, to a multiple of 4`.
  case windows([ViewWindow])
  /// `u8 5, u8 setting, u16 reserved, u32 application, u64 window`: what follows is of this window, from an empty
  /// picture on. Window 0: there is none to look at.
  case begin(ViewSetting, application: UInt32, window: UInt64)
  /// `u8 7, u8 × 3 reserved`, the fields of `ViewFrameEnd` in order.
  case end(ViewFrameEnd)
  /// `u8 8, u8 × 3 reserved, u32 number`.
  case pong(UInt32)
  /// `u8 6, u8 × 7 reserved, unit` (`FrameStream/BandUnit.swift`); the unit's bytes are those from here on.
  case unit(offset: Int)

  /// Bytes in front of a unit.
  public static let unitOffset = 8

  public init(_ bytes: UnsafeRawBufferPointer) throws(ViewError) {
    var reader = FieldReader(bytes)
    let kind = reader.integer(UInt8.self)
    let first = reader.integer(UInt8.self)
    let second = reader.integer(UInt8.self)
    _ = reader.integer(UInt8.self)
    guard reader.isSound else { throw ViewError("a message of \(bytes.count) bytes") }
    switch kind {
    case 1:
      self = .challenge(
        version: first, needsToken: second != 0,
        nonce: [UInt8](reader.take(ViewProtocol.nonceBytes)))
    case 2:
      guard let rights = ViewRights(rawValue: first) else {
        throw ViewError("welcome: the rights (\(first)) are none")
      }
      self = .welcome(rights, viewer: reader.integer())
    case 3: self = .notice(level: first, String(decoding: reader.rest(), as: UTF8.self))
    case 4: self = .windows(try ViewReply.windows(&reader))
    case 5:
      guard let setting = ViewSetting(rawValue: first) else {
        throw ViewError("begin: the setting (\(first)) is none")
      }
      self = .begin(setting, application: reader.integer(), window: reader.integer())
    case 6:
      _ = reader.integer(UInt32.self)
      _ = reader.rest()
      self = .unit(offset: ViewReply.unitOffset)
    case 7:
      self = .end(
        ViewFrameEnd(
          frame: reader.integer(), bands: reader.integer(), presented: reader.integer(),
          waitTime: reader.integer(), encodeTime: reader.integer(), relayTime: reader.integer()))
    case 8: self = .pong(reader.integer())
    default: throw ViewError("a message is of no known kind (\(kind))")
    }
    guard reader.isSound, reader.remaining == 0 else {
      throw ViewError("a message of kind \(kind) has \(bytes.count) bytes, which is not its size")
    }
  }

  private static func windows(_ reader: inout FieldReader) throws(ViewError) -> [ViewWindow] {
    let count = Int(reader.integer(UInt32.self))
    guard reader.isSound, count <= reader.remaining / 24 else {
      throw ViewError("windows: \(count) do not fit their message")
    }
    var found: [ViewWindow] = []
    for _ in 0..<count {
      let (application, process) = (reader.integer(UInt32.self), reader.integer(UInt32.self))
      let window = reader.integer(UInt64.self)
      let (width, height) = (reader.integer(UInt16.self), reader.integer(UInt16.self))
      let takesInput = reader.integer(UInt8.self) != 0
      let nameBytes = Int(reader.integer(UInt8.self))
      _ = reader.integer(UInt16.self)
      let name = String(decoding: reader.take(nameBytes), as: UTF8.self)
      _ = reader.take((4 - nameBytes & 3) & 3)
      found.append(
        ViewWindow(
          application: application, process: process, window: window, width: width, height: height,
          takesInput: takesInput, name: name))
    }
    return found
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    switch self {
    case .challenge(let version, let needsToken, let nonce):
      out.add(UInt8(1), version, UInt8(needsToken ? 1 : 0), UInt8(0))
      out += nonce
    case .welcome(let rights, let viewer):
      out.add(UInt8(2), rights.rawValue, UInt16(0), viewer)
    case .notice(let level, let text):
      out.add(UInt8(3), level, UInt16(0))
      out += Array(text.utf8)
    case .windows(let windows):
      out.add(UInt8(4), UInt8(0), UInt16(0), UInt32(windows.count))
      for one in windows {
        let name = ViewReply.cut(one.name)
        out.add(one.application, one.process, one.window, one.width, one.height)
        out.add(UInt8(one.takesInput ? 1 : 0), UInt8(name.count), UInt16(0))
        out += name
        while out.count & 3 != 0 { out.append(0) }
      }
    case .begin(let setting, let application, let window):
      out.add(UInt8(5), setting.rawValue, UInt16(0), application, window)
    case .unit:
      out.add(UInt8(6), UInt8(0), UInt16(0), UInt32(0))
    case .end(let end):
      out.add(UInt8(7), UInt8(0), UInt16(0))
      out.add(end.frame, end.bands, end.presented, end.waitTime, end.encodeTime, end.relayTime)
    case .pong(let number): out.add(UInt8(8), UInt8(0), UInt16(0), number)
    }
    return out
  }

  /// At most 255 bytes of a name, whole characters.
  private static func cut(_ name: String) -> [UInt8] {
    var kept: [UInt8] = []
    for character in name {
      let bytes = Array(character.utf8)
      guard kept.count + bytes.count <= 255 else { break }
      kept += bytes
    }
    return kept
  }
}
