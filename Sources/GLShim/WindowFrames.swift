import CPlatform
import Client
import GLWire
import Ring
import Wire

/// The frame buffers of a window at one size, and who shows them.
struct WindowFrames {
  /// As many as it takes to draw one, send one and show one.
  static var imageCount: Int { 3 }

  let id: UInt64
  let connection: Connection
  let presenter: Presenter
  let width: UInt32
  let height: UInt32
  /// The context whose channel knows how the frames lie.
  var announcedOn: UInt64 = 0
  /// For each image, what the node completes when a frame has arrived in it, and the value of the
  /// last one.
  let images: UnsafeMutablePointer<WaitTarget>
  /// The last two frames, oldest first: no more are under way.
  var pending: (WaitTarget, WaitTarget) = (
    WaitTarget(slot: ControlField.noSlot, value: 0), WaitTarget(slot: ControlField.noSlot, value: 0)
  )
  /// Number of the last present, for those who wait until it was shown.
  var presented: UInt64 = 0
  /// Threads other than the drawable's that wait for its presenter. Guarded by `WindowLock`.
  var settlers = 0
}

nonisolated(unsafe) private var framesCount: UInt32 = 0

extension UnsafeMutablePointer<WindowFrames> {
  /// Waits until at most one frame is under way to us.
  fileprivate func waitForRoom() {
    let oldest = pointee.pending.0
    guard oldest.slot != ControlField.noSlot else { return }
    _ = pointee.connection.wait(
      slot: oldest.slot, value: oldest.value, nanoseconds: UInt64.max)
  }

  fileprivate func note(_ target: WaitTarget) {
    pointee.pending.0 = pointee.pending.1
    pointee.pending.1 = target
  }
}

extension UnsafeMutablePointer<DrawableState> {
  /// Frame buffers of the size that the drawable has; nil when the window is gone or there is no
  /// memory.
  private func makeFrames(_ connection: Connection, _ mode: PresentMode)
    -> UnsafeMutablePointer<WindowFrames>?
  {
    if let frames = pointee.frames, frames.pointee.width == pointee.request.width,
      frames.pointee.height == pointee.request.height,
      frames.pointee.connection.segment.base == connection.segment.base
    {
      return frames
    }
    dropFrames()
    guard
      let buffers = FrameBuffers.make(
        imageCount: WindowFrames.imageCount, width: Int(pointee.request.width),
        height: Int(pointee.request.height), layout: pointee.layout,
        interim: connection.wantsInterim),
      let raw = platform_malloc(MemoryLayout<WindowFrames>.stride),
      let list = platform_malloc(WindowFrames.imageCount &* MemoryLayout<WaitTarget>.stride)
    else { return nil }
    guard
      let presenter = Presenter.start(
        connection: connection, window: pointee.target, frames: buffers, mode: mode,
        isOpaque: pointee.isOpaque, isWindow: pointee.kind == .window)
    else {
      platform_free(raw)
      platform_free(list)
      pointee.isGone = true
      return nil
    }
    let number = WindowLock.locked { () -> UInt32 in
      framesCount &+= 1
      return framesCount
    }
    let frames = raw.bindMemory(to: WindowFrames.self, capacity: 1)
    frames.initialize(
      to: WindowFrames(
        id: GLID.make(GLID.frames, number), connection: connection, presenter: presenter,
        width: pointee.request.width, height: pointee.request.height,
        images: list.bindMemory(to: WaitTarget.self, capacity: WindowFrames.imageCount)))
    WindowLock.locked { pointee.frames = frames }
    var complete = true
    var image = 0
    while image < WindowFrames.imageCount {
      let slot = connection.allocateSlot()
      let isThere = slot != ControlField.noSlot
      complete = complete && isThere
      let value = isThere ? platform_load64(connection.segment.slot(slot)) : 0
      (frames.pointee.images + image).initialize(to: WaitTarget(slot: slot, value: value))
      image &+= 1
    }
    guard complete, presenter.announce(id: frames.pointee.id) else {
      dropFrames()
      return nil
    }
    return frames
  }

  /// Shows what is queued, and gives the frame buffers back.
  func dropFrames() {
    let last = WindowLock.locked { () -> UnsafeMutablePointer<WindowFrames>? in
      let frames = pointee.frames
      pointee.frames = nil
      return frames
    }
    guard let frames = last else { return }
    // They wait for no more than what `stop` shows first.
    frames.pointee.presenter.retire()
    while WindowLock.locked({ frames.pointee.settlers > 0 }) { platform_sleep(200_000) }
    frames.pointee.presenter.stop()
    if let context = currentContext() {
      context.pointee.writer.begin(ControlOpcode.glForgetFrames)
      context.pointee.writer.u64(frames.pointee.id)
      context.pointee.writer.end()
    }
    var message = (MessageType.appSwapchainGone, UInt32(8), frames.pointee.id)
    withUnsafeBytes(of: &message) { bytes in
      _ = frames.pointee.connection.send(bytes, UnsafeBufferPointer(start: nil, count: 0))
    }
    var image = 0
    while image < WindowFrames.imageCount {
      frames.pointee.connection.releaseSlot(frames.pointee.images[image].slot)
      image &+= 1
    }
    platform_free(frames.pointee.images)
    platform_free(frames)
  }

  /// Says on the context's channel how the frames lie, unless it is known there.
  private func announce(_ frames: UnsafeMutablePointer<WindowFrames>, _ context: Context) {
    guard frames.pointee.announcedOn != context.pointee.id else { return }
    frames.pointee.announcedOn = context.pointee.id
    let buffers = frames.pointee.presenter.frames
    let writer = UnsafeMutableRawPointer(context).assumingMemoryBound(to: Writer.self)
    writer.pointee.begin(ControlOpcode.glFrames)
    writer.pointee.u64(frames.pointee.id)
    writer.pointee.u32(UInt32(truncatingIfNeeded: buffers.width))
    writer.pointee.u32(UInt32(truncatingIfNeeded: buffers.height))
    writer.pointee.u32(UInt32(truncatingIfNeeded: buffers.imageCount))
    writer.pointee.u32(UInt32(truncatingIfNeeded: buffers.stride))
    writer.pointee.u64(UInt64(buffers.frameBytes))
    writer.pointee.u32(UInt32(buffers.layout.rawValue))
    writer.pointee.u32(frames.pointee.presenter.showsAlpha ? 1 : 0)
    writer.pointee.end()
  }

  /// Shows the drawable's pixels in its window: the back buffer's as a swap, or the front buffer's.
  /// What the context has recorded goes out first, so that the node draws while we wait for room.
  fileprivate func present(
    _ context: Context, front: Bool, _ mode: PresentMode, of source: UInt64? = nil
  ) {
    var times = PresentTimes.now
    context.flush()
    guard !pointee.isGone else { return }
    guard let frames = makeFrames(context.pointee.connection, mode) else { return }
    frames.waitForRoom()
    guard case .image(let image) = frames.pointee.presenter.acquire(nanoseconds: UInt64.max) else {
      noteStatus(frames.pointee.presenter.status, context)
      return
    }
    announce(frames, context)
    let place = frames.pointee.images + Int(image)
    place.pointee.value &+= 1
    let arrival = place.pointee
    let writer = UnsafeMutableRawPointer(context).assumingMemoryBound(to: Writer.self)
    writer.pointee.begin(ControlOpcode.glSwap)
    writer.pointee.u64(source ?? pointee.id)
    writer.pointee.u64(frames.pointee.id)
    writer.pointee.u32(image)
    writer.pointee.u32(arrival.slot)
    writer.pointee.u64(arrival.value)
    writer.pointee.u32(
      (front ? SwapFlag.front : 0)
        | (mode == .immediate && !FrameDump.isOn ? SwapFlag.mayLeaveOut : 0))
    writer.pointee.u32(frames.pointee.width)
    writer.pointee.u32(frames.pointee.height)
    writer.pointee.u32(0)
    writer.pointee.end()
    times.submitted = platform_now()
    context.flush()
    context.pointee.shadow.pointee.freeFinishes = 3
    context.pointee.shadow.pointee.swapPublished = context.pointee.published
    frames.note(arrival)
    frames.pointee.presented &+= 1
    let status = frames.pointee.presenter.present(
      image: image, slot: arrival.slot, value: arrival.value, mode: mode,
      id: frames.pointee.presented, times: times)
    noteStatus(status, context)
  }

  /// What the presenter has found out about the window.
  private func noteStatus(_ status: PresentStatus, _ context: Context) {
    switch status {
    case .optimal:
      if pointee.target.system == .wayland { tellSize(context) }
    case .suboptimal: tellSize(context)
    case .outOfDate, .surfaceLost: pointee.isGone = true
    }
  }

  /// Asks for the size, and tells the node when it is another one.
  func tellSize(_ context: Context) {
    refreshSize()
    guard pointee.hasNewSize else { return }
    pointee.hasNewSize = false
    let writer = UnsafeMutableRawPointer(context).assumingMemoryBound(to: Writer.self)
    writer.pointee.begin(ControlOpcode.glResizeDrawable)
    writer.pointee.u64(pointee.id)
    writer.pointee.u32(pointee.request.width)
    writer.pointee.u32(pointee.request.height)
    writer.pointee.end()
  }

  private var swapMode: PresentMode {
    switch pointee.interval {
    case 0: .immediate
    case ..<0: .fifoRelaxed
    default: .fifo
    }
  }

  /// Swaps the buffers of a drawable that is current for drawing in `context`, which is the calling
  /// thread's.
  func swap(_ context: Context) {
    defer { finishCommand(context) }
    guard pointee.request.flags & DrawableFlag.doubleBuffered != 0, pointee.kind == .window else {
      context.flush()
      return
    }
    waitForInterval()
    present(context, front: false, swapMode)
    pointee.swapCount &+= 1
  }

  /// An interval above 1 has swaps that many refreshes apart; the presenter keeps them one apart.
  private func waitForInterval() {
    let count = UInt64(pointee.interval.magnitude)
    guard count > 1 else { return }
    let due = pointee.lastSwap &+ min(count, 600) &* 16_666_667
    let now = platform_now()
    if pointee.lastSwap != 0, due > now { platform_sleep(due &- now) }
    pointee.lastSwap = max(now, due)
  }

  /// Has another drawable's back buffer, or the only one that it has, in this pixmap.
  func show(_ other: Drawable, _ context: Context) {
    let isDouble = other.pointee.request.flags & DrawableFlag.doubleBuffered != 0
    present(context, front: !isDouble, .immediate, of: other.pointee.id)
    waitUntilShown()
  }

  /// Waits until the window system has everything that was swapped, as it would be with a driver
  /// that draws here. Any thread, also one that another thread draws beside.
  func settle() {
    let current = WindowLock.locked { () -> UnsafeMutablePointer<WindowFrames>? in
      guard let frames = pointee.frames else { return nil }
      frames.pointee.settlers &+= 1
      return frames
    }
    guard let frames = current else { return }
    frames.pointee.presenter.settle(nanoseconds: 5_000_000_000)
    WindowLock.locked { frames.pointee.settlers &-= 1 }
  }

  /// Waits until what was presented last is on the screen, or never will be.
  func waitUntilShown() {
    guard let frames = pointee.frames, frames.pointee.presented > 0 else { return }
    _ = frames.pointee.presenter.waitForPresent(
      id: frames.pointee.presented, nanoseconds: 5_000_000_000)
  }
}

// MARK: What OpenGL's own commands call

/// After glFlush or glFinish has written its record: shows what was drawn into a front buffer, and
/// publishes. Also pixmaps have their pixels in the X server then.
func frontBufferFlush(_ context: Context, wait: Bool = false) {
  guard let drawable = context.pointee.binding.draw, drawable.pointee.kind != .pbuffer,
    drawable.pointee.request.flags & DrawableFlag.doubleBuffered == 0
      || context.pointee.binding.drawsToFront
  else {
    context.flush()
    return
  }
  drawable.present(context, front: true, .immediate)
  if wait { drawable.waitUntilShown() }
}

/// When glViewport is called for the default framebuffer with a size that is not the drawable's: the
/// application may know of a new size of its window before we do.
func viewportDiffers(_ context: Context) {
  guard let drawable = context.pointee.binding.draw, drawable.pointee.kind == .window,
    !drawable.pointee.isGone
  else { return }
  drawable.tellSize(context)
}

/// The size of the default framebuffer: what glViewport and glScissor begin with.
func defaultFramebufferSize(_ context: Context) -> (width: UInt32, height: UInt32) {
  guard let drawable = context.pointee.binding.draw else { return (0, 0) }
  return (drawable.pointee.request.width, drawable.pointee.request.height)
}
