internal import CPlatform
internal import FrameStream

/// The frame buffers of an application's swapchains, for frames that come over a link.
///
/// Threads: any.
final class FrameTable: @unchecked Sendable {
  private final class Buffers {
    let bytes: UnsafeMutableRawPointer
    let byteCount: Int
    let imageCount: Int
    /// What has been made of coded frames; nil while frames come as they are.
    var picture: BandedPicture?

    init(bytes: UnsafeMutableRawPointer, byteCount: Int, imageCount: Int) {
      self.bytes = bytes
      self.byteCount = byteCount
      self.imageCount = imageCount
    }

    var frameBytes: Int { byteCount / imageCount }

    func frame(_ image: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(start: bytes + image * frameBytes, count: frameBytes)
    }
  }

  private let lock = Lock()
  private var bySwapchain: [UInt64: Buffers] = [:]
  private var counted = FrameTotals()
  private let crew = DecodingCrew()
  /// What brings units as datagrams, for its figures. Set before there are any.
  weak var datagrams: DatagramReceiver?
  private static let largest: UInt64 = 16 << 30

  /// Maps a swapchain's frame memory. The descriptor stays the caller's.
  func attach(
    swapchain: UInt64, descriptor: Int32, byteCount: UInt64, imageCount: UInt32
  ) -> Bool {
    guard byteCount > 0, byteCount <= FrameTable.largest, imageCount > 0, imageCount <= 64,
      platform_size_is_sealed(descriptor), platform_file_size(descriptor) >= Int64(byteCount),
      let bytes = platform_map_shared(descriptor, 0, Int(byteCount))
    else { return false }
    detach(swapchain)
    lock.withLock {
      bySwapchain[swapchain] = Buffers(
        bytes: bytes, byteCount: Int(byteCount), imageCount: Int(imageCount))
    }
    return true
  }

  func detach(_ swapchain: UInt64) {
    lock.withLock {
      guard let old = bySwapchain.removeValue(forKey: swapchain) else { return }
      old.picture?.settle()
      _ = platform_unmap(old.bytes, old.byteCount)
    }
  }

  func detachAll() {
    for swapchain in lock.withLock({ Array(bySwapchain.keys) }) { detach(swapchain) }
  }

  /// Calls `body` with a frame's bytes; nil when there is no such frame.
  func withFrame<Value>(
    _ swapchain: UInt64, _ image: Int, _ body: (UnsafeRawBufferPointer) -> Value
  ) -> Value? {
    lock.withLock {
      guard let buffers = bySwapchain[swapchain], image >= 0, image < buffers.imageCount else {
        return nil
      }
      return body(UnsafeRawBufferPointer(buffers.frame(image)))
    }
  }

  /// Writes a `frame` message's bytes to their place; what is wrong with it, or nil. A frame for a
  /// swapchain that is gone is nothing wrong.
  func write(_ payload: UnsafeRawBufferPointer) -> String? {
    guard payload.count >= 24 else { return "a frame that is too short" }
    let swapchain = payload.loadUnaligned(as: UInt64.self)
    let image = Int(payload.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    let offset = payload.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    let source = UnsafeRawBufferPointer(rebasing: payload[24...])
    return lock.withLock {
      guard let buffers = bySwapchain[swapchain] else { return nil }
      let frameBytes = buffers.frameBytes
      guard image < buffers.imageCount, offset <= UInt64(frameBytes),
        source.count <= frameBytes - Int(offset)
      else { return "a frame that does not fit its buffer" }
      buffers.picture?.settle()
      buffers.picture = nil
      if let start = source.baseAddress {
        (buffers.bytes + image * frameBytes + Int(offset)).copyMemory(
          from: start, byteCount: source.count)
      }
      return nil
    }
  }

  /// What has come so far.
  var totals: FrameTotals {
    var sum = lock.withLock { counted }
    if let datagrams { sum.datagrams = datagrams.totals }
    return sum
  }

  // MARK: Coded frames

  /// Decodes one band of a frame into its buffer; what is wrong with it, or nil. A frame for a swapchain
  /// that is gone is nothing wrong, and neither is one that cannot be decoded: the node hears of it.
  func decode(_ payload: UnsafeRawBufferPointer) -> String? {
    guard let place = FramePlace(payload), payload.count > FramePlace.byteCount else {
      return "a band that is too short"
    }
    let bytes = UnsafeRawBufferPointer(rebasing: payload[FramePlace.byteCount...])
    return withPicture(place) { picture, buffers throws(BandError) in
      try picture.take(bytes, place) { buffers.frame($0) }
    }
  }

  /// Calls `body` with what a band belongs to; what is wrong with the band, or nil.
  private func withPicture(
    _ place: FramePlace, _ body: (BandedPicture, Buffers) throws(BandError) -> Void
  ) -> String? {
    lock.withLock {
      guard let buffers = bySwapchain[place.swapchain] else { return nil }
      guard Int(place.image) < buffers.imageCount else { return "a band of no image" }
      let picture = buffers.picture ?? BandedPicture(imageCount: buffers.imageCount, crew: crew)
      buffers.picture = picture
      do throws(BandError) {
        try body(picture, buffers)
      } catch {
        return error.description
      }
      return nil
    }
  }

  /// Units that come as datagrams from now on are of another session.
  func beginDatagrams(_ swapchain: UInt64) {
    lock.withLock { bySwapchain[swapchain]?.picture?.beginDatagrams() }
  }

  /// The same for a unit that a datagram brought, early or late.
  func decode(_ payload: [UInt8], _ arrival: DatagramArrival) -> String? {
    payload.withUnsafeBytes { bytes -> String? in
      guard let place = FramePlace(bytes), bytes.count > FramePlace.byteCount else {
        return "a band that is too short"
      }
      guard place.swapchain == arrival.swapchain else { return "a band of another swapchain" }
      return withPicture(place) { picture, buffers throws(BandError) in
        try picture.take(payload, from: FramePlace.byteCount, place, arrival) { buffers.frame($0) }
      }
    }
  }

  /// A frame is whole; what the node is to hear of it, or what is wrong with it.
  func finish(_ end: FrameEnd) -> Result<FrameFeedback, FrameProblem> {
    lock.withLock {
      counted.note(end)
      guard let buffers = bySwapchain[end.place.swapchain] else {
        return .success(FrameFeedback(swapchain: end.place.swapchain, frame: end.frame))
      }
      guard Int(end.place.image) < buffers.imageCount else {
        return .failure(FrameProblem(text: "the end of a frame of no image"))
      }
      guard let picture = buffers.picture else {
        // Nothing was ever sent of it.
        return .success(FrameFeedback(swapchain: end.place.swapchain, frame: end.frame))
      }
      do throws(BandError) {
        return .success(try picture.finish(end) { buffers.frame($0) })
      } catch {
        return .failure(FrameProblem(text: error.description))
      }
    }
  }
}

/// What is wrong with a frame, so that its node is not believed any more.
struct FrameProblem: Error {
  let text: String
}
