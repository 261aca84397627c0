internal import CPlatform

/// Where the agent and a presenter agree on interim pictures: one page of memory behind a swapchain's frame
/// buffers and the pictures themselves.
///
/// ```
///    0   u64 × 64     when the frame in image i is to be shown; 0: as its present mode says
/// 1024   64 bytes each: a picture
///        0   u32 state      `free`, `writing`, `ready` or `shown`
///        8   u64 time       when it is to be shown
/// ```
///
/// Times are nanoseconds of CLOCK_MONOTONIC. An image's time is written before the completion that announces
/// its frame, and read after it. A picture goes from `free` to `writing` and `ready` by the agent, to `shown` and
/// back to `free` by the presenter; the agent takes a `ready` one back that the presenter has not begun with.
/// Neither side trusts what the other has written further than that: a picture is shown out of turn at worst.
public struct InterimBoard: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  /// Pictures that the agent makes.
  @inlinable public static var pictureCount: Int { 4 }
  /// Frame buffers beside the images: those of the pictures, and one in which the presenter keeps a real frame
  /// until its time comes.
  @inlinable public static var bufferCount: Int { pictureCount &+ 1 }
  @inlinable public static var byteCount: Int { 4096 }
  @inlinable public static var mostImages: Int { 64 }

  private static var picturesOffset: Int { 1024 }
  private static var pictureBytes: Int { 64 }
  private static var free: UInt32 { 0 }
  private static var writing: UInt32 { 1 }
  private static var ready: UInt32 { 2 }
  private static var shown: UInt32 { 3 }

  /// `base`: `byteCount` bytes, at a multiple of 8, zeros at the beginning.
  public init(base: UnsafeMutableRawPointer) { self.base = base }

  private func state(_ picture: Int) -> UnsafeMutablePointer<UInt32> {
    (base + (InterimBoard.picturesOffset &+ picture &* InterimBoard.pictureBytes))
      .assumingMemoryBound(to: UInt32.self)
  }

  private func time(_ picture: Int) -> UnsafeMutablePointer<UInt64> {
    (base + (InterimBoard.picturesOffset &+ picture &* InterimBoard.pictureBytes &+ 8))
      .assumingMemoryBound(to: UInt64.self)
  }

  private func imageTime(_ image: Int) -> UnsafeMutablePointer<UInt64> {
    (base + (image & (InterimBoard.mostImages &- 1)) * 8).assumingMemoryBound(to: UInt64.self)
  }

  // MARK: Agent

  /// Says when the frame in an image is to be shown; 0: as its present mode says.
  public func set(timeOfImage image: Int, _ time: UInt64) {
    platform_store64(imageTime(image), time)
  }

  /// A picture to write; nil when all are under way.
  public func claim() -> Int? {
    for picture in 0..<InterimBoard.pictureCount
    where platform_compare_exchange32(state(picture), InterimBoard.free, InterimBoard.writing) {
      return picture
    }
    return nil
  }

  /// Hands over a picture that was claimed.
  public func publish(_ picture: Int, at time: UInt64) {
    platform_store64(self.time(picture), time)
    platform_store32_seq(state(picture), InterimBoard.ready)
  }

  /// Gives a picture back that was claimed.
  public func abandon(_ picture: Int) {
    platform_store32_seq(state(picture), InterimBoard.free)
  }

  /// Takes pictures back that were to be shown at `time` or later, and whose showing has not begun; how many.
  public func withdraw(from time: UInt64) -> Int {
    var count = 0
    for picture in 0..<InterimBoard.pictureCount
    where platform_load32_seq(state(picture)) == InterimBoard.ready
      && platform_load64(self.time(picture)) >= time
    {
      if platform_compare_exchange32(state(picture), InterimBoard.ready, InterimBoard.free) {
        count &+= 1
      }
    }
    return count
  }

  // MARK: Presenter

  /// When the frame in an image is to be shown; 0: as its present mode says.
  public func time(ofImage image: Int) -> UInt64 { platform_load64(imageTime(image)) }

  /// The picture that is to be shown first; nil when there is none.
  public func first() -> (picture: Int, time: UInt64)? {
    var found: (picture: Int, time: UInt64)? = nil
    var picture = 0
    while picture < InterimBoard.pictureCount {
      if platform_load32_seq(state(picture)) == InterimBoard.ready {
        let time = platform_load64(self.time(picture))
        if time < found?.time ?? UInt64.max { found = (picture, time) }
      }
      picture &+= 1
    }
    return found
  }

  /// Begins to show a picture; false when the agent has taken it back.
  public func take(_ picture: Int) -> Bool {
    platform_compare_exchange32(state(picture), InterimBoard.ready, InterimBoard.shown)
  }

  /// The picture's memory may be written again.
  public func release(_ picture: Int) {
    platform_store32_seq(state(picture), InterimBoard.free)
  }
}
