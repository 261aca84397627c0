internal import CPlatform
internal import FrameStream
internal import Ring
internal import Threads

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
    /// Makes interim pictures of coded frames; nil when there shall be none.
    let interim: InterimStream?
    let frameBytes: Int

    init(
      bytes: UnsafeMutableRawPointer, byteCount: Int, frameBytes: Int, imageCount: Int,
      interim: InterimStream?
    ) {
      self.bytes = bytes
      self.byteCount = byteCount
      self.frameBytes = frameBytes
      self.imageCount = imageCount
      self.interim = interim
    }

    func frame(_ image: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(start: bytes + image * frameBytes, count: frameBytes)
    }

    /// The same, to be written.
    func writableFrame(_ image: Int) -> UnsafeMutableRawBufferPointer {
      interim?.letGo(of: image)
      return frame(image)
    }
  }

  private let lock = Lock()
  private var bySwapchain: [UInt64: Buffers] = [:]
  private var counted = FrameTotals()
  /// Of swapchains that are gone.
  private var countedInterim = InterimTotals()
  private let crew = DecodingCrew()
  /// What brings units as datagrams, for its figures. Set before there are any.
  weak var datagrams: DatagramReceiver?
  private static let largest: UInt64 = 16 << 30

  /// Maps a swapchain's frame memory, as `appFrameBuffers` says. The descriptors stay the caller's: the memory,
  /// and what wakes its presenter where there is room for interim pictures.
  func attach(
    _ message: UnsafeRawBufferPointer, _ descriptors: [Int32], ring: @escaping @Sendable () -> Void
  ) -> Bool {
    guard message.count >= 24, let descriptor = descriptors.first else { return false }
    let swapchain = message.loadUnaligned(as: UInt64.self)
    let byteCount = message.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let imageCount = message.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
    let extraCount =
      message.count >= 28 ? message.loadUnaligned(fromByteOffset: 24, as: UInt32.self) : 0
    let boardBytes = extraCount > 0 ? UInt64(InterimBoard.byteCount) : 0
    guard byteCount > 0, byteCount <= FrameTable.largest, imageCount > 0, imageCount <= 64,
      extraCount == 0 || extraCount == UInt32(InterimBoard.bufferCount),
      platform_size_is_sealed(descriptor),
      platform_file_size(descriptor) >= Int64(byteCount + boardBytes),
      let bytes = platform_map_shared(descriptor, 0, Int(byteCount))
    else { return false }
    detach(swapchain)
    let frameBytes = Int(byteCount) / Int(imageCount + extraCount)
    let interim =
      extraCount > 0
      ? stream(message, descriptors, bytes, frameBytes, Int(imageCount), ring: ring) : nil
    lock.withLock {
      bySwapchain[swapchain] = Buffers(
        bytes: bytes, byteCount: Int(byteCount), frameBytes: frameBytes,
        imageCount: Int(imageCount), interim: interim)
    }
    return true
  }

  /// What makes interim pictures in that memory; nil when nothing can, which harms nobody.
  private func stream(
    _ message: UnsafeRawBufferPointer, _ descriptors: [Int32], _ frames: UnsafeMutableRawPointer,
    _ frameBytes: Int, _ imageCount: Int, ring: @escaping @Sendable () -> Void
  ) -> InterimStream? {
    guard frameBytes > 0, frameBytes % InterimBoard.byteCount == 0, descriptors.count > 1,
      let place = InterimPlace(message, frameBytes: frameBytes),
      case let event = platform_duplicate(descriptors[1]), event >= 0
    else { return nil }
    let stream = InterimStream(
      place, descriptor: descriptors[0], frames: frames, frameBytes: frameBytes,
      imageCount: imageCount, event: event, ring: ring)
    if stream == nil { _ = platform_close(event) }
    return stream
  }

  func detach(_ swapchain: UInt64) {
    lock.withLock {
      guard let old = bySwapchain.removeValue(forKey: swapchain) else { return }
      old.picture?.settle()
      if let interim = old.interim {
        interim.stop()
        countedInterim.add(interim.totals)
      }
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
    var sum = lock.withLock { () -> FrameTotals in
      var sum = counted
      sum.interim = countedInterim
      for case let interim? in bySwapchain.values.map(\.interim) { sum.interim.add(interim.totals) }
      return sum
    }
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
      try picture.take(bytes, place) { buffers.writableFrame($0) }
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
        try picture.take(payload, from: FramePlace.byteCount, place, arrival) {
          buffers.writableFrame($0)
        }
      }
    }
  }

  /// What the draws of a frame say of its geometry, behind its end; what is wrong with it, or nil.
  func take(geometry bytes: UnsafeRawBufferPointer) -> String? {
    guard let geometry = FrameGeometry(bytes) else { return "a geometry that makes no sense" }
    lock.withLock { bySwapchain[geometry.swapchain]?.interim?.take(geometry) }
    return nil
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
        var feedback = try picture.finish(end) { buffers.writableFrame($0) }
        if let interim = buffers.interim {
          // What is left out is not shown, and a better picture is no new frame.
          if !end.isLeftOut, !end.isRefinement { interim.take(frameIn: Int(end.place.image)) }
          feedback.wantsGeometry = interim.wantsGeometry
        }
        return .success(feedback)
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
