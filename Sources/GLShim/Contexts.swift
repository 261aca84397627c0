import CPlatform
import Client
import GLWire
import PageTracker
import Ring
import Wire

// Contexts as GLX and EGL have them: creation, what is current on a thread, and the end.

nonisolated(unsafe) private var contexts: Context? = nil
nonisolated(unsafe) private var contextCount: UInt32 = 0

/// Why a context could not be made; the numbers are EGL's.
enum ContextError {
  static var success: UInt32 { 0x3000 }
  static var badAlloc: UInt32 { 0x3003 }
  static var badContext: UInt32 { 0x3006 }
  static var badMatch: UInt32 { 0x3009 }
}

// MARK: Creation

extension UnsafeMutablePointer<ContextState> {
  /// Makes a context on the node, and waits for what it says. `request` need not name the context
  /// nor the one that it shares with. Nil and an EGL error when there is none.
  static func make(_ request: ContextRequest, sharing: Context?, error: inout UInt32) -> Context? {
    error = ContextError.badAlloc
    guard prepareThreads(), let connection = Connection.open() else { return nil }
    if let sharing, sharing.pointee.connection.segment.base != connection.segment.base {
      error = ContextError.badContext
      return nil
    }
    guard let channel = connection.openChannel() else { return nil }
    guard let context = allocate(request, sharing: sharing, connection, channel) else {
      channel.release()
      return nil
    }
    guard announce(context) else {
      context.discard(isOpen: false)
      return nil
    }
    error = context.introduce()
    guard error == ContextError.success else {
      context.discard(isOpen: true)
      return nil
    }
    WindowLock.locked {
      context.pointee.binding.next = contexts
      contexts = context
    }
    connection.segment.count(Counter.devicesCreated, 1)
    return context
  }

  /// The key of current contexts, and what happens to them in a child of fork; once.
  private static func prepareThreads() -> Bool {
    guard contextKey == UInt32.max else { return true }
    let key = platform_thread_key { value in
      guard let value else { return }
      Context(OpaquePointer(value)).leaveThread()
    }
    guard key != UInt32.max else { return false }
    let isFirst = WindowLock.locked { () -> Bool in
      guard contextKey == UInt32.max else { return false }
      contextKey = key
      return true
    }
    if isFirst { platform_at_fork_child { forgetParent() } }
    return true
  }

  private static func allocate(
    _ request: ContextRequest, sharing: Context?, _ connection: Connection, _ channel: Channel
  ) -> Context? {
    guard let share = sharing?.pointee.share ?? makeGroup(connection.tracker) else { return nil }
    let size = Context.batchCapacity
    guard let raw = platform_aligned_alloc(64, MemoryLayout<ContextState>.stride),
      let batch = platform_aligned_alloc(64, size),
      let answers = platform_aligned_alloc(64, MemoryLayout<Shadow>.stride),
      let known = Shadow()
    else { return nil }
    let shadow = answers.bindMemory(to: Shadow.self, capacity: 1)
    shadow.initialize(to: known)
    let number = WindowLock.locked { () -> UInt32 in
      contextCount &+= 1
      return contextCount
    }
    var request = request
    request.context = GLID.make(GLID.context, number)
    request.shareContext = sharing?.pointee.id ?? 0
    let context = raw.bindMemory(to: ContextState.self, capacity: 1)
    context.initialize(
      to: ContextState(
        writer: makeContextWriter(batch, size), batch: batch, batchSize: size,
        connection: connection, channel: channel, id: request.context, share: share,
        request: request, shadow: shadow))
    share.pointee.join(sharing?.pointee.channel)
    return context
  }

  private static func makeGroup(_ tracker: PageTracker) -> UnsafeMutablePointer<ShareGroup>? {
    guard let group = ShareGroup(tracker),
      let raw = platform_malloc(MemoryLayout<ShareGroup>.stride)
    else { return nil }
    let place = raw.bindMemory(to: ShareGroup.self, capacity: 1)
    place.initialize(to: group)
    return place
  }

  /// Opens the context's channel.
  private static func announce(_ context: Context) -> Bool {
    let instance = context.pointee.connection.instanceChannel
    guard let writer = instance.begin() else { return false }
    writer.pointee.begin(ControlOpcode.openContext)
    writer.pointee.u32(context.pointee.channel.index)
    writer.pointee.u32(0)
    writer.pointee.end()
    return instance.end()
  }

  /// Sends what was asked for, and reads what the node made of it. An EGL error.
  private func introduce() -> UInt32 {
    let connection = pointee.connection
    guard
      let call = connection.beginCall(pointee.channel, opcode: ControlOpcode.glCreateContext)
    else { return ContextError.badAlloc }
    let request = pointee.request
    call.writer.pointee.begin(ControlOpcode.glCreateContext)
    call.writer.pointee.u32(call.ticket)
    call.writer.pointee.u32(0)
    call.writer.pointee.u64(request.context)
    call.writer.pointee.u64(request.shareContext)
    call.writer.pointee.u32(request.api)
    call.writer.pointee.u32(request.major)
    call.writer.pointee.u32(request.minor)
    call.writer.pointee.u32(request.profileMask)
    call.writer.pointee.u32(request.flags)
    call.writer.pointee.u32(request.resetStrategy)
    call.writer.pointee.u32(request.releaseBehavior)
    call.writer.pointee.u32(request.noError)
    call.writer.pointee.end()
    guard var reply = connection.endCall(call) else { return ContextError.badAlloc }
    defer { connection.finishCall(call) }
    let status = reply.u32("glCreateContext.status")
    guard reply.failure == nil else { return ContextError.badAlloc }
    guard status == 0 || status == ContextError.success else { return status }
    pointee.binding.facts = ContextFacts.read(&reply)
    setMatrixLimits()
    // GL_CONTEXT_FLAG_DEBUG_BIT has the same number in every interface.
    pointee.shadow.pointee.debug.isOn = request.flags & 1 != 0
    // The node's own never is such a context.
    if request.noError != 0 { pointee.binding.facts?.pointee.addNoErrorFlag() }
    return pointee.binding.facts == nil ? ContextError.badAlloc : ContextError.success
  }
}

// MARK: Current

/// How making a context current ended.
enum BindResult { case done, busy }

/// Makes a context the calling thread's, or none; what was current before is flushed. `busy` when it
/// is another thread's, and then nothing has changed. The drawables' uses are counted here.
func makeCurrent(_ context: Context?, draw: Drawable?, read: Drawable?) -> BindResult {
  let old = currentContext()
  if let context, context == old {
    // Many programs do this for every frame: nothing has changed.
    guard context.pointee.binding.draw != draw || context.pointee.binding.read != read else {
      return .done
    }
    frontBufferFlush(context)
    context.letGoOfDrawables()
    context.take(draw, read)
    return .done
  }
  if let context {
    let isMine = WindowLock.locked { () -> Bool in
      guard !context.pointee.binding.isCurrent else { return false }
      context.pointee.binding.isCurrent = true
      return true
    }
    guard isMine else { return .busy }
  }
  // Before the old context goes, so that a drawable which both have stays.
  draw?.retain()
  read?.retain()
  if let old { old.leaveThread() }
  if let context {
    _ = platform_set_thread_value(contextKey, context)
    context.take(draw, read)
  }
  draw?.release()
  read?.release()
  return .done
}

extension UnsafeMutablePointer<ContextState> {
  /// Draws to and reads from these from now on.
  fileprivate func take(_ draw: Drawable?, _ read: Drawable?) {
    draw?.retain()
    read?.retain()
    pointee.binding.draw = draw
    pointee.binding.read = read
    forgetDelivery()
    draw?.refreshSize()
    if read != draw { read?.refreshSize() }
    draw?.pointee.hasNewSize = false
    read?.pointee.hasNewSize = false
    // The default framebuffer and the first viewport are the drawable's.
    pointee.touched |= StateGroup.framebuffer | StateGroup.viewport
    comeAfter(draw)
    if read != draw { comeAfter(read) }
    pointee.writer.begin(ControlOpcode.glMakeCurrent)
    pointee.writer.u64(draw?.pointee.id ?? 0)
    pointee.writer.u64(read?.pointee.id ?? 0)
    put(draw)
    put(read)
    pointee.writer.end()
    if draw != nil { pointee.binding.hadDrawable = true }
  }

  /// What is drawn from now on comes after what another context has drawn there.
  func comeAfter(_ drawable: Drawable?) {
    guard let drawable, drawable.pointee.lastMark > 0,
      drawable.pointee.lastChannel != pointee.channel.index
    else { return }
    pointee.writer.begin(ControlOpcode.glAfter)
    pointee.writer.u32(drawable.pointee.lastChannel)
    pointee.writer.u32(0)
    pointee.writer.u64(drawable.pointee.lastMark)
    pointee.writer.end()
  }

  /// Says to contexts that draw there later what they come after.
  private func leave(_ drawable: Drawable?) {
    guard let drawable else { return }
    drawable.pointee.lastMark = pointee.share.pointee.publishMarkForOthers(pointee.channel)
    drawable.pointee.lastChannel = pointee.channel.index
  }

  /// What a drawable is to have.
  func put(_ drawable: Drawable?) {
    guard let place = pointee.writer.reserve(DrawableRequest.byteCount) else { return }
    (drawable?.pointee.request ?? DrawableRequest()).store(place)
  }

  fileprivate func letGoOfDrawables() {
    let (draw, read) = (pointee.binding.draw, pointee.binding.read)
    pointee.binding.draw = nil
    pointee.binding.read = nil
    draw?.release()
    read?.release()
  }

  /// Ends being current on the calling thread, also when the thread ends.
  fileprivate func leaveThread() {
    frontBufferFlush(self)
    flush()
    leave(pointee.binding.draw)
    letGoOfDrawables()
    _ = platform_set_thread_value(contextKey, nil)
    let isOver = WindowLock.locked { () -> Bool in
      pointee.binding.isCurrent = false
      return pointee.binding.isDestroyed
    }
    if isOver { discard(isOpen: true) }
  }
}

// MARK: The end

extension UnsafeMutablePointer<ContextState> {
  /// The living context at an address that the application gave. GLX lets one that is destroyed live
  /// on while it is current; EGL takes its name away at once.
  static func find(_ interface: WindowInterface, _ address: OpaquePointer?) -> Context? {
    WindowLock.locked {
      var known = contexts
      while let context = known {
        if OpaquePointer(context) == address {
          let binding = context.pointee.binding
          let isAlive = !binding.isDestroyed || interface == .glx && binding.isCurrent
          return binding.interface == interface && isAlive ? context : nil
        }
        known = context.pointee.binding.next
      }
      return nil
    }
  }

  /// Destroys the context; while it is current somewhere it stays until it is not.
  func destroy() {
    let isOver = WindowLock.locked { () -> Bool in
      let isFirst = !pointee.binding.isDestroyed
      pointee.binding.isDestroyed = true
      return isFirst && !pointee.binding.isCurrent
    }
    if isOver { discard(isOpen: true) }
  }

  /// Destroys every context of a display that is closed.
  static func destroyAll(_ interface: WindowInterface, _ display: OpaquePointer?) {
    while true {
      let found = WindowLock.locked { () -> Context? in
        var known = contexts
        while let context = known {
          if context.pointee.binding.interface == interface,
            context.pointee.binding.display == display, !context.pointee.binding.isDestroyed
          {
            return context
          }
          known = context.pointee.binding.next
        }
        return nil
      }
      guard let found else { return }
      found.destroy()
    }
  }

  /// Gives everything back. With `isOpen` the node knows the channel.
  private func discard(isOpen: Bool) {
    WindowLock.locked {
      if contexts == self {
        contexts = pointee.binding.next
      } else {
        var known = contexts
        while let context = known, context.pointee.binding.next != self {
          known = context.pointee.binding.next
        }
        known?.pointee.binding.next = pointee.binding.next
      }
    }
    let channel = pointee.channel
    if isOpen {
      flush()
      settleQuestion()
      endMessages()
      // Others of the group may build on what this one has done.
      if pointee.share.pointee.contextCount > 1 { waitUntilReplayed() }
      var close = (ControlOpcode.closeChannel, UInt32(8))
      _ = withUnsafeBytes(of: &close) { channel.publish($0) }
      // The next owner of the channel begins where this one has ended.
      if channel.drain() { channel.release() }
    } else {
      channel.release()
    }
    pointee.share.pointee.leave(channel, pointee.share)
    platform_free(pointee.binding.facts)
    pointee.shadow.pointee.free(pointee.connection)
    platform_free(pointee.shadow)
    platform_free(pointee.batch)
    platform_free(self)
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// Waits until everything that was recorded has been replayed; false when the connection is lost.
  @discardableResult
  func waitUntilReplayed() -> Bool {
    settleQuestion()
    guard let call = beginCall(ControlOpcode.glReport) else { return false }
    call.writeReport()
    guard var reply = pointee.connection.endCall(call) else { return false }
    // What glGetError would have said is still to be said.
    let error = reply.u32("glReport.error")
    pointee.connection.finishCall(call)
    pointee.answered = pointee.published
    keep(error)
    return true
  }
}

extension Call {
  /// Asks a context's first error, and so whether everything before has been replayed.
  func writeReport() {
    writer.pointee.begin(ControlOpcode.glReport)
    writer.pointee.u32(ticket)
    writer.pointee.u32(0)
    writer.pointee.end()
  }
}

extension UnsafeMutablePointer<ContextState> {
  /// The same for a context that may be another thread's, or gone: everything that it has published
  /// is replayed when this returns.
  static func waitUntilReplayed(id: UInt64) {
    let found = WindowLock.locked { () -> (Connection, Channel)? in
      var known = contexts
      while let context = known {
        if context.pointee.id == id { return (context.pointee.connection, context.pointee.channel) }
        known = context.pointee.binding.next
      }
      return nil
    }
    // A context that is gone was replayed to its end.
    guard let (connection, channel) = found,
      let call = connection.beginCall(channel, opcode: ControlOpcode.glReport)
    else { return }
    call.writeReport()
    guard var reply = connection.endCall(call) else { return }
    let error = reply.u32("glReport.error")
    connection.finishCall(call)
    guard error != 0 else { return }
    WindowLock.locked {
      var known = contexts
      while let context = known, context.pointee.id != id { known = context.pointee.binding.next }
      known?.keep(error)
    }
  }
}

/// In a child of fork: its parent's contexts, drawables and connections are not its own, and what is
/// current in it is nothing.
private func forgetParent() {
  WindowLock.reset()
  _ = platform_set_thread_value(contextKey, nil)
  contexts = nil
  Drawable.forgetAll()
  X11Server.forget()
}
