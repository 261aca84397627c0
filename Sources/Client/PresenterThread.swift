import CPlatform
import Ring

/// The presenter's own thread.
extension Presenter {
  func run() {
    while let present = next() {
      defer { noteShown() }
      guard arrived(present) else {
        // The connection is lost, or the node never finishes: nothing can be shown any more.
        release(present.image)
        continue
      }
      // Before the image, and with it the slot, may be used for another frame.
      let arrival = arrivalStamps(present)
      FrameDump.write(frames, image: Int(present.image), number: present.number)
      state.pointee.pacing.mode = present.mode
      let isThere = arrival?.isLeftOut != true
      var kept: Int? = nil
      if isThere && (isUnpaced || waitForTurn(present, kept: &kept)) && !isOutgrown(present) {
        show(present, arrival, kept: kept)
      } else {
        state.pointee.connection.segment.count(Counter.framesDropped, 1)
        announceShown(present)
        if kept == nil { release(present.image) }
      }
    }
    // `stop` frees everything as soon as it sees this.
    withUnsafeMutablePointer(to: &state.pointee.stop) { stop in
      _ = platform_exchange32(stop, Presenter.stopped)
      _ = platform_futex_wake(stop, 1)
    }
  }

  /// Frames are shown without waiting for refreshes: the swapchain was replaced, or somebody waits
  /// for all of them.
  var isUnpaced: Bool { isRetired || platform_load32_seq(&state.pointee.settling) != 0 }

  /// A frame of another size than the window has by now.
  private func isOutgrown(_ present: Present) -> Bool {
    platform_load64(&state.pointee.outgrown) >= present.number
  }

  /// The swapchain was replaced.
  var isRetired: Bool { platform_load32(&state.pointee.isRetired) != 0 }

  /// One present less to be shown.
  private func noteShown() {
    if platform_add32(&state.pointee.unshown, UInt32.max) == 1 { wakeWaiters() }
  }

  /// The oldest queued present, taken out; waits for one. Nil when the thread shall end and the
  /// queue is empty.
  private func next() -> Present? {
    while true {
      if let present = takeQueued() { return present }
      guard platform_load32_seq(&state.pointee.stop) == 0 else { return nil }
      let patience = min(showInterim(), showRefinement())
      platform_store32_seq(&state.pointee.sleeps, 1)
      platform_fence()
      if state.pointee.queueCount == 0 && platform_load32_seq(&state.pointee.stop) == 0 {
        _ = platform_poll_either(state.pointee.wake, -1, patience)
      }
      platform_store32_seq(&state.pointee.sleeps, 0)
      platform_event_clear(state.pointee.wake)
    }
  }

  private func takeQueued() -> Present? {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    guard state.pointee.queueCount > 0 else { return nil }
    let present = state.pointee.queue[state.pointee.queueHead]
    state.pointee.queueHead = (state.pointee.queueHead &+ 1) % frames.imageCount
    state.pointee.queueCount &-= 1
    return present
  }

  /// Waits until the frame lies in its buffer; false when it never will.
  private func arrived(_ present: Present) -> Bool {
    let target = WaitTarget(slot: present.slot, value: present.value)
    let connection = state.pointee.connection
    while true {
      if connection.isReached(target) { return true }
      guard connection.segment.lost == 0 else { return false }
      let step = min(showInterim(), Connection.heartbeat)
      if connection.segment.waitStep(nanoseconds: step, { connection.isReached(target) }) {
        return true
      }
      guard step < Connection.heartbeat || connection.isAlive() else {
        return connection.isReached(target)
      }
    }
  }

  /// Waits for the refresh that the frame belongs to. False when, in mailbox mode, a newer frame
  /// has arrived before it. `kept`: as `waitForTime` says.
  private func waitForTurn(_ present: Present, kept: inout Int?) -> Bool {
    if waitForTime(present, kept: &kept) {
      if case .wayland(let wayland) = state.pointee.backend { return waitForCompositor(wayland) }
      return true
    }
    state.pointee.latestTime = platform_now()
    guard state.pointee.pacing.mode != .immediate else { return true }
    if case .wayland(let wayland) = state.pointee.backend {
      return waitForCompositor(wayland)
    }
    let time = state.pointee.pacing.timeToShow(now: platform_now())
    let isMailbox = state.pointee.pacing.mode == .mailbox
    while true {
      if isMailbox && newerHasArrived {
        state.pointee.pacing.giveBack(time)
        return false
      }
      let now = platform_now()
      guard now < time, !isUnpaced else { return true }
      // A replaced swapchain is looked for often enough not to be noticed.
      let step = min(time &- now, 20_000_000)
      guard isMailbox else {
        platform_sleep(step)
        continue
      }
      _ = state.pointee.connection.segment.waitStep(nanoseconds: step) {
        newerHasArrived || isUnpaced
      }
    }
  }

  /// Whether the present behind this one is complete as well, and does not wait for its turn either.
  private var newerHasArrived: Bool {
    state.pointee.lock.lock()
    defer { state.pointee.lock.unlock() }
    guard state.pointee.queueCount > 0 else { return false }
    let next = state.pointee.queue[state.pointee.queueHead]
    guard next.mode == .mailbox || next.mode == .immediate else { return false }
    return state.pointee.connection.isReached(WaitTarget(slot: next.slot, value: next.value))
  }

  /// Frames go out when the compositor asks for them. One that is hidden never asks, and a program
  /// may never read what it says; then one frame a tenth of a second keeps the application alive.
  ///
  /// Mostly the application's thread has heard it by the time that a frame has arrived. Where the
  /// program reads by itself nobody tells us, and so we look now and then.
  private func waitForCompositor(_ wayland: WaylandPresenter) -> Bool {
    let deadline = state.pointee.lastShown &+ Connection.heartbeat
    while wayland.frameIsPending && !isUnpaced && status != .surfaceLost {
      takeEvents()
      guard wayland.frameIsPending else { break }
      if state.pointee.pacing.mode == .mailbox && newerHasArrived { return false }
      platform_store32_seq(&state.pointee.sleeps, 1)
      platform_fence()
      let now = platform_now()
      if now < deadline && wayland.frameIsPending && !isUnpaced {
        _ = platform_poll_either(state.pointee.wake, -1, min(deadline &- now, 2_000_000))
      }
      platform_store32_seq(&state.pointee.sleeps, 0)
      platform_event_clear(state.pointee.wake)
      guard now < deadline else { break }
    }
    return true
  }

  /// Shows a frame, from its image or from where it is kept.
  private func show(_ present: Present, _ arrival: FrameStamps?, kept: Int?) {
    let segment = state.pointee.connection.segment
    let result = show(buffer: kept ?? Int(present.image))
    if result == .surfaceLost {
      segment.count(Counter.framesDropped, 1)
    } else {
      let now = platform_now()
      segment.count(Counter.framesShown, 1)
      segment.record(
        Histogram.presentToShown, nanoseconds: now &- min(present.times.presented, now))
      if var stamps = arrival {
        stamps[FrameMoment.shown] = now
        noteShown(stamps)
        expectRefinement(present, stamps, isKept: kept != nil)
      }
      announceShown(present)
    }
    if kept == nil, result == .surfaceLost || state.pointee.backend.releasesAtOnce {
      release(present.image)
    }
  }

  /// Puts what a buffer has into the window. An interim picture does not wait for the compositor to ask for it.
  func show(buffer: Int, isInterim: Bool = false) -> PresentStatus {
    state.pointee.hud?.draw(frames, buffer)
    var result: PresentStatus = .optimal
    switch state.pointee.backend {
    case .headless: break
    case _ where status == .surfaceLost: result = .surfaceLost
    case .x11(let x11): result = x11.show(buffer)
    case .wayland(let wayland):
      result = wayland.show(
        buffer, paced: !isInterim && state.pointee.pacing.mode != .immediate)
      if !isInterim { state.pointee.lastShown = platform_now() }
    }
    worsen(result)
    return result
  }

  /// Tells who waits for a present that it was shown, or that a newer one took its turn.
  private func announceShown(_ present: Present) {
    guard present.id != 0 else { return }
    _ = platform_max64(&state.pointee.shownID, present.id)
    wakeWaiters()
  }
}
