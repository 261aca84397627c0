import CPlatform
import Ring

/// Interim pictures between real frames: the agent makes them and says when each is to be shown
/// (`InterimBoard`); the presenter's thread shows them while it waits for something else.
extension Presenter {
  /// No real frame waits longer for its time than this, whatever the agent has written, in nanoseconds.
  private static var mostDelay: UInt64 { 250_000_000 }
  /// A real frame that waits longer than this lets go of its image, in nanoseconds.
  private static var copyWorthwhile: UInt64 { 2_000_000 }

  /// Shows the interim picture whose time has come. Nanoseconds until the next; UInt64.max when there is none.
  func showInterim() -> UInt64 {
    guard let board = state.pointee.board else { return UInt64.max }
    while let next = board.first() {
      let now = platform_now()
      guard next.time <= now else { return next.time &- now }
      guard board.take(next.picture) else { continue }
      var isNewest = next.time > state.pointee.latestTime
      if let other = board.first(), other.time <= now { isNewest = false }
      guard isNewest, put(interim: next.picture) else {
        state.pointee.connection.segment.count(Counter.interimDropped, 1)
        board.release(next.picture)
        continue
      }
      state.pointee.latestTime = next.time
      state.pointee.connection.segment.count(Counter.interimShown, 1)
      if state.pointee.backend.releasesAtOnce { board.release(next.picture) }
    }
    return UInt64.max
  }

  /// False when it is not shown: the window has no use for it now.
  private func put(interim picture: Int) -> Bool {
    guard !isUnpaced, status.rawValue < PresentStatus.outOfDate.rawValue else { return false }
    if case .headless = state.pointee.backend { return true }
    // Whether a compositor wants it is seldom known in time, since we do not read what it says; it takes what is
    // newest, and gives back what it has not used.
    return show(buffer: frames.imageCount &+ picture, isInterim: true) != .surfaceLost
  }

  /// When the frame in an image is to be shown, if the agent says so.
  private func scheduledTime(_ present: Present) -> UInt64? {
    guard let time = state.pointee.board?.time(ofImage: Int(present.image)), time > 0 else {
      return nil
    }
    return min(time, platform_now() &+ Presenter.mostDelay)
  }

  /// Waits until the time of a frame that has one, and shows what is to be shown before it. False when it has
  /// none. An image that would be missed for long is free again at once: `kept` is where its frame is then.
  func waitForTime(_ present: Present, kept: inout Int?) -> Bool {
    guard let time = scheduledTime(present) else { return false }
    let now = platform_now()
    if time > now &+ Presenter.copyWorthwhile, state.pointee.backend.releasesAtOnce {
      let buffer = frames.imageCount &+ InterimBoard.pictureCount
      if state.pointee.backend.readsFrames {
        platform_copy(
          frames.frame(buffer), frames.frame(Int(present.image)), frames.stride &* frames.height)
      }
      kept = buffer
      release(present.image)
    }
    while case let now = platform_now(), now < time, !isUnpaced {
      // A replaced swapchain is looked for often enough not to be noticed.
      let step = min(showInterim(), min(time &- now, 20_000_000))
      _ = platform_poll_either(state.pointee.wake, -1, step)
      platform_event_clear(state.pointee.wake)
    }
    state.pointee.latestTime = time
    return true
  }

  /// The compositor has let go of a frame buffer.
  func noteReleased(buffer: Int) {
    guard buffer >= frames.imageCount else {
      return release(UInt32(truncatingIfNeeded: buffer))
    }
    let picture = buffer &- frames.imageCount
    if picture < InterimBoard.pictureCount { state.pointee.board?.release(picture) }
  }

  /// Hands the agent the memory of the frame buffers, and says how interim pictures are to lie in it. `id` is the
  /// swapchain's. False when the agent is gone.
  public func announce(id: UInt64) -> Bool {
    let frames = frames
    let extraCount = showsAlpha ? 0 : frames.extraCount
    var message = (
      MessageType.appFrameBuffers, UInt32(extraCount > 0 ? 56 : 24), id,
      UInt64(frames.frameBytes &* (frames.imageCount &+ extraCount)),
      UInt32(truncatingIfNeeded: frames.imageCount), x11Window,
      UInt32(truncatingIfNeeded: extraCount), UInt32(truncatingIfNeeded: frames.width),
      UInt32(truncatingIfNeeded: frames.height), UInt32(truncatingIfNeeded: frames.stride),
      UInt32(frames.layout.rawValue), UInt32(0), state.pointee.pacing.period
    )
    // The second wakes our thread.
    var descriptors = (frames.descriptor, state.pointee.wake)
    return withUnsafeBytes(of: &message) { bytes in
      withUnsafeBytes(of: &descriptors) { descriptors in
        let used = extraCount > 0 ? 2 : 1
        return state.pointee.connection.send(
          UnsafeRawBufferPointer(start: bytes.baseAddress, count: extraCount > 0 ? 64 : 32),
          UnsafeBufferPointer(
            start: descriptors.baseAddress?.assumingMemoryBound(to: Int32.self), count: used))
      }
    }
  }
}

extension Presenter.Backend {
  /// Whether a frame buffer can be written again as soon as its frame was shown.
  var releasesAtOnce: Bool {
    if case .wayland = self { return false }
    return true
  }

  /// Whether anybody looks at what is in a frame buffer.
  var readsFrames: Bool {
    if case .headless = self { return false }
    return true
  }
}
