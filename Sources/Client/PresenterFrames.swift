import CPlatform
import Ring

/// When a presented image is shown; the numbers are VkPresentModeKHR's.
public enum PresentMode: UInt32, Sendable {
  /// At once.
  case immediate = 0
  /// At the next refresh; a newer one takes the place of one that still waits.
  case mailbox = 1
  /// One after the other, one at each refresh.
  case fifo = 2
  /// As `fifo`, but one that comes too late is shown at once.
  case fifoRelaxed = 3
}

/// Where frames lie in a window of another size: pixel for pixel, and cut at its edges.
public struct FramePlacement: Sendable {
  /// What a frame and its window have in common along one axis.
  public enum Anchor: Sendable { case start, end, center }

  public var x: Anchor
  public var y: Anchor

  public init(x: Anchor, y: Anchor) {
    self.x = x
    self.y = y
  }

  /// Where a frame begins in a window, along one axis; negative when it begins before it.
  public static func offset(_ anchor: Anchor, frame: Int, window: Int) -> Int {
    switch anchor {
    case .start: 0
    case .end: window &- frame
    case .center: (window &- frame) / 2
    }
  }
}

/// How the pixels of a frame buffer lie in memory, first byte or least significant bit first.
public enum PixelLayout: UInt8, Sendable {
  /// Bytes blue, green, red, alpha.
  case bgra8
  /// Bytes red, green, blue, alpha.
  case rgba8
  /// 10 bits each of blue, green, red, then 2 of alpha.
  case bgra10
  /// 10 bits each of red, green, blue, then 2 of alpha.
  case rgba10
  /// 5 bits of blue, 6 of green, 5 of red.
  case bgr565

  public var bytesPerPixel: Int { self == .bgr565 ? 2 : 4 }

  /// The red, green and blue of `count` pixels as 8 bits each. More bits are cut off, fewer are
  /// repeated, so that black and white stay what they are.
  public func convert(
    _ pixels: UnsafeRawPointer, _ count: Int, into rgb: UnsafeMutablePointer<UInt8>
  ) {
    var from = pixels
    var to = rgb
    var left = count
    while left > 0 {
      switch self {
      case .bgra8:
        store(
          to, from.load(fromByteOffset: 2, as: UInt8.self),
          from.load(fromByteOffset: 1, as: UInt8.self), from.load(as: UInt8.self))
      case .rgba8:
        store(
          to, from.load(as: UInt8.self),
          from.load(fromByteOffset: 1, as: UInt8.self),
          from.load(fromByteOffset: 2, as: UInt8.self))
      case .bgra10:
        let word = from.loadUnaligned(as: UInt32.self)
        store(to, high8(word, 20), high8(word, 10), high8(word, 0))
      case .rgba10:
        let word = from.loadUnaligned(as: UInt32.self)
        store(to, high8(word, 0), high8(word, 10), high8(word, 20))
      case .bgr565:
        let word = UInt32(from.loadUnaligned(as: UInt16.self))
        let (red, green, blue) = (word &>> 11, (word &>> 5) & 63, word & 31)
        store(
          to, UInt8(truncatingIfNeeded: red &<< 3 | red &>> 2),
          UInt8(truncatingIfNeeded: green &<< 2 | green &>> 4),
          UInt8(truncatingIfNeeded: blue &<< 3 | blue &>> 2))
      }
      from += bytesPerPixel
      to += 3
      left &-= 1
    }
  }

  @inline(__always)
  private func store(
    _ to: UnsafeMutablePointer<UInt8>, _ red: UInt8, _ green: UInt8, _ blue: UInt8
  ) {
    to[0] = red
    to[1] = green
    to[2] = blue
  }

  /// The upper 8 of the 10 bits from `shift` on.
  @inline(__always)
  private func high8(_ word: UInt32, _ shift: UInt32) -> UInt8 {
    UInt8(truncatingIfNeeded: word &>> (shift &+ 2))
  }
}

/// The frame buffers of a swapchain: one sealed memfd that the node writes finished frames into
/// and the window system reads them from. A plain value; `free` ends it.
public struct FrameBuffers: @unchecked Sendable {
  public let descriptor: Int32
  public let base: UnsafeMutableRawPointer
  public let imageCount: Int
  /// Frame buffers behind those of the images, for interim pictures; 0 or `InterimBoard.bufferCount`. Then comes
  /// the board.
  public let extraCount: Int
  public let width: Int
  public let height: Int
  public let layout: PixelLayout
  /// Bytes from row to row: the pixels alone, rounded up to 4, as X11 has them.
  public let stride: Int
  /// Bytes from frame to frame, whole pages.
  public let frameBytes: Int

  /// Frame buffers of both kinds.
  public var bufferCount: Int { imageCount &+ extraCount }

  public var byteCount: Int {
    frameBytes &* bufferCount &+ (extraCount > 0 ? InterimBoard.byteCount : 0)
  }

  /// Nil when there are no extra frame buffers.
  var board: InterimBoard? {
    extraCount > 0 ? InterimBoard(base: base + (frameBytes &* bufferCount)) : nil
  }

  /// Nil when there is no memory, or no sense in the numbers. With `interim` there is room for interim
  /// pictures, if they can be made of such pixels; what is not written takes no memory.
  public static func make(
    imageCount: Int, width: Int, height: Int, layout: PixelLayout, interim: Bool = false
  ) -> FrameBuffers? {
    guard imageCount > 0, imageCount <= 64, width > 0, height > 0, width <= 32768, height <= 32768
    else { return nil }
    let stride = (width &* layout.bytesPerPixel &+ 3) & ~3
    let frameBytes = (stride &* height &+ 4095) & ~4095
    let isWithInterim =
      interim && (layout == .bgra8 || layout == .rgba8)
      && imageCount &+ InterimBoard.bufferCount <= InterimBoard.mostImages
    let extraCount = isWithInterim ? InterimBoard.bufferCount : 0
    let byteCount =
      frameBytes &* (imageCount &+ extraCount) &+ (isWithInterim ? InterimBoard.byteCount : 0)
    let descriptor = platform_memfd("omega-frames")
    guard descriptor >= 0 else { return nil }
    guard platform_resize(descriptor, UInt64(byteCount)) == 0,
      platform_seal_size(descriptor) == 0,
      let base = platform_map_shared(descriptor, 0, byteCount)
    else {
      _ = platform_close(descriptor)
      return nil
    }
    return FrameBuffers(
      descriptor: descriptor, base: base, imageCount: imageCount, extraCount: extraCount,
      width: width, height: height, layout: layout, stride: stride, frameBytes: frameBytes)
  }

  /// First byte of a frame. `image` must be below `bufferCount`.
  public func frame(_ image: Int) -> UnsafeMutableRawPointer { base + image &* frameBytes }

  public func free() {
    _ = platform_unmap(base, byteCount)
    _ = platform_close(descriptor)
  }
}
