public import Ring

/// One value for one of the client's completion slots.
public struct Completion: Sendable {
  /// Index of the slot; `ControlField.noSlot` asks for nothing.
  public var slot: UInt32
  /// The value the slot is raised to.
  public var value: UInt64

  public init(slot: UInt32, value: UInt64) {
    self.slot = slot
    self.value = value
  }
}

/// A frame that has arrived in the node's own memory.
public struct FramePixels {
  /// Id of the swapchain.
  public var swapchain: UInt64
  public var imageIndex: UInt32
  public var shape: FrameShape
  /// Rows of pixels in the swapchain's format, padded as the client asked.
  public var bytes: UnsafeRawBufferPointer
  /// What its draws say of it; nil when nobody wants to know, or nobody knows.
  public var geometry: SceneGeometry?

  public init(
    swapchain: UInt64, imageIndex: UInt32, shape: FrameShape, bytes: UnsafeRawBufferPointer,
    geometry: SceneGeometry? = nil
  ) {
    self.swapchain = swapchain
    self.imageIndex = imageIndex
    self.shape = shape
    self.bytes = bytes
    self.geometry = geometry
  }
}

/// How a frame may be delivered.
public struct FrameDelivery: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// It need not be sent when a newer one is there before.
  public static let mayBeLeftOut = FrameDelivery(rawValue: 1)
  /// The caller does not wait until it is sent.
  public static let returnsAtOnce = FrameDelivery(rawValue: 2)
}

/// How the pixels of a frame lie.
public struct FrameShape: Equatable, Sendable {
  /// What a pixel is, as far as coding it as video depends on it.
  public enum Pixel: Equatable, Sendable {
    /// 8 bits each of blue, green, red and alpha, in this order in memory.
    case bgra8
    case rgba8
    case other
  }

  /// Pixels.
  public var width: Int
  public var height: Int
  /// Bytes from row to row.
  public var stride: Int
  public var bytesPerPixel: Int
  public var pixel: Pixel
  /// What lies behind the window shows through where pixels have little alpha.
  public var showsAlpha: Bool

  public init(
    width: Int, height: Int, stride: Int, bytesPerPixel: Int, pixel: Pixel, showsAlpha: Bool
  ) {
    self.width = width
    self.height = height
    self.stride = stride
    self.bytesPerPixel = bytesPerPixel
    self.pixel = pixel
    self.showsAlpha = showsAlpha
  }
}

/// Where a session's results go: the shared segment of a client on the same host, or a link.
///
/// Called from the channels' threads and the queues' completion threads at once; what one thread
/// hands over arrives in its order.
public protocol CompletionSink: AnyObject, Sendable {
  /// Raises slots, and wakes who waits for them.
  func complete(_ completions: UnsafeBufferPointer<Completion>)
  /// Delivers the reply record of `ticket`; false when there is no such ticket or it is too large.
  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool
  /// Delivers bytes of a mapped allocation for the client's segment, before the completions that
  /// announce them. Never called for a session that shares the segment.
  func readback(segmentOffset: UInt64, _ bytes: UnsafeRawBufferPointer)
  /// Delivers what `readback` has gathered.
  func flushReadback()
  /// Delivers bytes of memory for a snapshot: of an allocation, or of a swapchain's image.
  func snapshot(object: UInt64, image: UInt32, offset: UInt64, _ bytes: UnsafeRawBufferPointer)
  /// Says that a snapshot is complete, or why there is none.
  func snapshotDone(_ number: UInt64, _ failure: String)
  /// Whether frames may be asked to say of their geometry what is known. Looked at when a device is made.
  var mayWantGeometry: Bool { get }
  /// Whether they are at this moment.
  var wantsGeometry: Bool { get }
  /// A frame is there, wherever it goes: for those who look on. When it `isKept`, its bytes stay where they are until
  /// `forget`, and are this frame's until its image's next one; otherwise they are the caller's again at the return.
  /// Before `frame`, which may give the bytes and the image back.
  func show(_ frame: FramePixels, isKept: Bool)
  /// What was kept of a swapchain's frames is about to go.
  func forget(swapchain: UInt64)
  /// Delivers a frame. `pixels`: nil when they lie in a shared frame buffer. What `times` leaves open is noted on the
  /// way. `done`: nobody looks at the pixels any more; from any thread, before the frame's slot is raised. The caller
  /// raises the slot; when this is true, which needs a `delivery` that returns at once, the sink does.
  func frame(
    _ pixels: FramePixels?, _ times: NodeFrameTimes, _ delivery: FrameDelivery,
    done: @escaping @Sendable () -> Void
  ) -> Bool
  /// Says that the session is over and why; `reason` is a `LostReason`. Once per session.
  func lost(_ reason: UInt32, _ message: String)
  /// A line for the log. Levels: 0 error, 1 warning, 2 information, 3 debugging.
  func log(_ level: UInt32, _ message: String)
}

extension CompletionSink {
  // Most have nobody who looks on.
  public func show(_ frame: FramePixels, isKept: Bool) {}
  public func forget(swapchain: UInt64) {}
  public var mayWantGeometry: Bool { false }
  public var wantsGeometry: Bool { false }
}
