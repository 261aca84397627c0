/// Between the process that serves an application and the page server of its node, over a `Link` on a unix socket:
/// message types of their own. Times are `platform_now`'s, which is the same for both.
public enum FeedType {
  // From the process that serves the application.
  public static var application: UInt32 { 1 }
  public static var window: UInt32 { 2 }
  public static var unit: UInt32 { 3 }
  public static var end: UInt32 { 4 }
  public static var answer: UInt32 { 5 }
  // From the page server.
  public static var watch: UInt32 { 16 }
  public static var next: UInt32 { 17 }
  public static var loss: UInt32 { 18 }
  /// A `ViewInput`.
  public static var input: UInt32 { 19 }
}

/// Which application this is; the first message: `u32 process, u32 takesInput, name`.
public struct FeedApplication: Equatable, Sendable {
  public var process: UInt32
  public var takesInput: Bool
  public var name: String

  public init(process: UInt32, takesInput: Bool, name: String) {
    self.process = process
    self.takesInput = takesInput
    self.name = name
  }

  public init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    process = reader.integer()
    takesInput = reader.integer(UInt32.self) != 0
    name = String(decoding: reader.rest(), as: UTF8.self)
    guard reader.isSound else { return nil }
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(process, UInt32(takesInput ? 1 : 0))
    return out + Array(name.utf8)
  }
}

/// A window is there, or has another size; 0 x 0: it has gone. `u64 swapchain, u32 width, u32 height, u32 isShown`.
public struct FeedWindow: Equatable, Sendable {
  public var swapchain: UInt64
  public var width: Int
  public var height: Int

  public init(swapchain: UInt64, width: Int, height: Int) {
    self.swapchain = swapchain
    self.width = width
    self.height = height
  }

  public init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    swapchain = reader.integer()
    width = Int(reader.integer(UInt32.self))
    height = Int(reader.integer(UInt32.self))
    guard reader.isSound else { return nil }
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(swapchain, UInt32(truncatingIfNeeded: width), UInt32(truncatingIfNeeded: height))
    return out
  }
}

/// One picture that is coded for viewers, in front of each message about it: `u64 swapchain, u32 setting`.
public struct FeedPlace: Hashable, Sendable {
  public static let byteCount = 12

  public var swapchain: UInt64
  public var setting: ViewSetting

  public init(swapchain: UInt64, setting: ViewSetting) {
    self.swapchain = swapchain
    self.setting = setting
  }

  public init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    self.init(&reader)
  }

  init?(_ reader: inout FieldReader) {
    swapchain = reader.integer()
    let number = reader.integer(UInt32.self)
    guard reader.isSound, let setting = ViewSetting(rawValue: UInt8(truncatingIfNeeded: number))
    else { return nil }
    self.setting = setting
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(swapchain, UInt32(setting.rawValue))
    return out
  }
}

/// A frame has been sent whole: `place, u32 frame, u32 bands, u32 presented, u64 × 3` times.
public struct FeedEnd: Equatable, Sendable {
  public var place: FeedPlace
  public var frame: UInt32
  public var bands: UInt32
  /// Frames that the application has presented so far.
  public var presented: UInt32
  public var presentedAt: UInt64
  public var began: UInt64
  public var coded: UInt64

  public init(
    place: FeedPlace, frame: UInt32, bands: UInt32, presented: UInt32, presentedAt: UInt64,
    began: UInt64, coded: UInt64
  ) {
    self.place = place
    self.frame = frame
    self.bands = bands
    self.presented = presented
    self.presentedAt = presentedAt
    self.began = began
    self.coded = coded
  }

  public init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    guard let place = FeedPlace(&reader) else { return nil }
    self.place = place
    frame = reader.integer()
    bands = reader.integer()
    presented = reader.integer()
    presentedAt = reader.integer()
    began = reader.integer()
    coded = reader.integer()
    guard reader.isSound else { return nil }
  }

  public var bytes: [UInt8] {
    var out = place.bytes
    out.add(frame, bands, presented, presentedAt, began, coded)
    return out
  }
}

/// What the page server wants of a picture.
public enum FeedRequest: Equatable, Sendable {
  /// `place, u32 isWatched`: somebody looks now, or nobody any more.
  case watch(FeedPlace, Bool)
  /// `place, u32 microseconds`: the next frame may come; how late the last one came to the fastest viewer.
  case next(FeedPlace, delay: UInt32)
  /// `place, u32 band, u32 hasSince, u32 since`: what a band had from a frame on is missing somewhere (nil: all).
  case loss(FeedPlace, band: UInt32, since: UInt32?)

  public init?(type: UInt32, _ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    guard let place = FeedPlace(&reader) else { return nil }
    let first = reader.integer(UInt32.self)
    switch type {
    case FeedType.watch: self = .watch(place, first != 0)
    case FeedType.next: self = .next(place, delay: first)
    case FeedType.loss:
      let hasSince = reader.integer(UInt32.self) != 0
      let since = reader.integer(UInt32.self)
      self = .loss(place, band: first, since: hasSince ? since : nil)
    default: return nil
    }
    guard reader.isSound else { return nil }
  }

  public var message: (type: UInt32, bytes: [UInt8]) {
    switch self {
    case .watch(let place, let isWatched):
      var out = place.bytes
      out.add(UInt32(isWatched ? 1 : 0))
      return (FeedType.watch, out)
    case .next(let place, let delay):
      var out = place.bytes
      out.add(delay)
      return (FeedType.next, out)
    case .loss(let place, let band, let since):
      var out = place.bytes
      out.add(band, UInt32(since == nil ? 0 : 1), since ?? 0)
      return (FeedType.loss, out)
    }
  }
}

/// What the application's machine says of a viewer's input: `u32 viewer, text`. Viewer 0: to all.
public struct ViewAnswer: Equatable, Sendable {
  public var viewer: UInt32
  public var text: String

  public init(viewer: UInt32, text: String) {
    self.viewer = viewer
    self.text = text
  }

  public init?(_ bytes: UnsafeRawBufferPointer) {
    var reader = FieldReader(bytes)
    viewer = reader.integer()
    guard reader.isSound, reader.remaining <= 1024 else { return nil }
    text = String(decoding: reader.rest(), as: UTF8.self)
  }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    out.add(viewer)
    return out + Array(text.utf8)
  }
}
