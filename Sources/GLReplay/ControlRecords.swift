import CPlatform
import GLWire
import Ring
import Wire

/// Replays a record of our own on a context's channel (`docs/opengl.md` §3). The record is a private
/// copy.
func replayGLControl(
  _ c: UnsafeMutablePointer<GLReplayContext>, _ opcode: UInt32, _ record: UnsafeRawBufferPointer,
  isNested: Bool
) {
  var fields = ControlFields(record)
  switch opcode {
  case ControlOpcode.pad: return
  case ControlOpcode.indirect where !isNested: replayIndirect(c, &fields)
  case ControlOpcode.closeChannel: c.pointee.isClosed = true
  case ControlOpcode.glCreateContext: c.pointee.createContext(&fields)
  case ControlOpcode.glFrames: c.pointee.frames(&fields)
  case ControlOpcode.glForgetFrames: c.pointee.session.removeFrames(fields.u64(8, "frames"))
  case ControlOpcode.glDestroyDrawable: destroyDrawable(c, &fields)
  case ControlOpcode.glAfter:
    let channel = fields.u32(8, "channel")
    let mark = fields.u64(16, "mark")
    if fields.wrong == nil { c.pointee.session.wait(for: mark, of: channel, in: c.pointee.channel) }
  case ControlOpcode.glMark:
    let mark = fields.u64(8, "mark")
    guard fields.wrong == nil else { break }
    // What another context is to see must be on its way to the GPU.
    c.pointee.functions?.flush()
    c.pointee.session.pass(mark, channel: c.pointee.channel)
  case ControlOpcode.glMakeCurrent: c.pointee.makeCurrent(&fields)
  case ControlOpcode.glSwap: c.pointee.swap(&fields)
  case ControlOpcode.glResizeDrawable: c.pointee.resize(&fields)
  case ControlOpcode.glReport: c.pointee.report(&fields)
  case ControlOpcode.glReadDrawable: c.pointee.readDrawable(&fields)
  case ControlOpcode.glMemory: c.pointee.takeMemory(&fields)
  case ControlOpcode.glVertexData: c.pointee.takeVertices(&fields)
  case ControlOpcode.glMap: c.pointee.map(&fields)
  case ControlOpcode.glUnmap: c.pointee.unmap(&fields)
  case ControlOpcode.glReadBuffer: c.pointee.readBuffer(&fields)
  case ControlOpcode.glReflect: c.pointee.reflect(&fields)
  case ControlOpcode.glReadHeld: c.pointee.readHeld(&fields)
  case ControlOpcode.glSignal: c.pointee.signal(&fields)
  case ControlOpcode.glPushQuery: c.pointee.pushQuery(&fields)
  case ControlOpcode.glCreateImage: c.pointee.createImage(&fields)
  case ControlOpcode.glDestroyImage: c.pointee.destroyImage(&fields)
  case ControlOpcode.glBindDrawable: c.pointee.bindDrawable(&fields)
  case ControlOpcode.glWatchMessages: c.pointee.watchMessages(&fields)
  case ControlOpcode.glTakeMessages: c.pointee.takeMessages(&fields)
  case ControlOpcode.glRaise: c.pointee.raise(&fields)
  default: fields.wrong = "opcode"
  }
  if let wrong = fields.wrong { c.pointee.malformed(opcode, wrong) }
}

/// Checked access to the fields of a control record at fixed offsets.
struct ControlFields {
  let record: UnsafeRawBufferPointer
  /// The first field that was found wrong.
  var wrong: StaticString?

  init(_ record: UnsafeRawBufferPointer) { self.record = record }

  mutating func u32(_ offset: Int, _ field: StaticString) -> UInt32 {
    guard let p = record.baseAddress, offset &+ 4 <= record.count else {
      fail(field)
      return 0
    }
    return p.get32(offset)
  }

  mutating func u64(_ offset: Int, _ field: StaticString) -> UInt64 {
    guard let p = record.baseAddress, offset &+ 8 <= record.count else {
      fail(field)
      return 0
    }
    return p.get64(offset)
  }

  /// An id of a kind, which may be 0.
  mutating func id(_ offset: Int, _ kind: UInt64, _ field: StaticString) -> UInt64 {
    let id = u64(offset, field)
    if id != 0, !GLID.isOf(kind, id) { fail(field) }
    return id
  }

  mutating func drawable(_ offset: Int, _ field: StaticString) -> DrawableRequest {
    guard let p = record.baseAddress, offset &+ DrawableRequest.byteCount <= record.count else {
      fail(field)
      return DrawableRequest()
    }
    return DrawableRequest(p + offset)
  }

  mutating func fail(_ field: StaticString) { wrong = wrong ?? field }
}

private func replayIndirect(
  _ c: UnsafeMutablePointer<GLReplayContext>, _ f: inout ControlFields
) {
  let offset = f.u64(8, "offset")
  let byteCount = f.u64(16, "byteCount")
  let host = c.pointee.session.host
  guard f.wrong == nil, let segment = host.segment, byteCount >= 8,
    byteCount <= UInt64(host.limits.record), offset & 7 == 0, byteCount & 7 == 0,
    let source = segment.controlRange(
      offset: offset, size: byteCount, lowest: SegmentLayout.arenaOffset),
    let from = source.baseAddress, let room = c.pointee.blobRoom(source.count)
  else { return f.fail("offset") }
  room.copyMemory(from: from, byteCount: source.count)
  let size = Int(UnsafeRawPointer(room).get32(4))
  guard size >= 8, size & 7 == 0, size <= source.count else { return f.fail("byteCount") }
  let blob = c.pointee.takeBlob()
  replayGLRecord(c, UnsafeRawBufferPointer(start: room, count: size), isNested: true)
  c.pointee.giveBlob(blob)
}

private func destroyDrawable(
  _ c: UnsafeMutablePointer<GLReplayContext>, _ f: inout ControlFields
) {
  let id = f.id(8, GLID.drawable, "drawable")
  guard f.wrong == nil else { return }
  c.pointee.session.removeDrawable(id)
  c.pointee.forgetObjects(but: [c.pointee.surface.draw, c.pointee.surface.read])
}

// MARK: Drawables

extension GLReplayContext {
  fileprivate mutating func makeCurrent(_ f: inout ControlFields) {
    let draw = f.id(8, GLID.drawable, "draw")
    let read = f.id(16, GLID.drawable, "read")
    let drawRequest = f.drawable(24, "drawRequest")
    let readRequest = f.drawable(64, "readRequest")
    guard f.wrong == nil, driver != nil else { return }
    guard draw == 0 || drawRequest.isPossible else { return f.fail("drawRequest") }
    guard read == 0 || readRequest.isPossible else { return f.fail("readRequest") }
    guard let drawTo = drawable(draw, drawRequest), let readFrom = drawable(read, readRequest)
    else { return }
    _ = makeCurrent(draw: drawTo.drawable, read: readFrom.drawable)
  }

  private struct Found {
    var drawable: Drawable?
  }

  /// A drawable by its id, which is made when it is new; nil when the driver has no memory for it,
  /// and the session is over.
  private mutating func drawable(_ id: UInt64, _ request: DrawableRequest) -> Found? {
    guard id != 0, let driver else { return Found(drawable: nil) }
    if let known = session.drawable(id, driver.workbench) { return Found(drawable: known) }
    guard
      let new = Drawable(
        id: id, request: request, workbench: driver.workbench, isTopFirst: surface.flip != .none,
        from: driver.handle)
    else {
      noMemory(request.width, request.height)
      return nil
    }
    session.insertDrawable(new)
    return Found(drawable: new)
  }

  private mutating func noMemory(_ width: UInt32, _ height: UInt32) {
    session.lose(
      LostReason.noMemory, "the driver has no memory for a drawable of \(width) x \(height) pixels")
  }

  fileprivate mutating func resize(_ f: inout ControlFields) {
    let id = f.id(8, GLID.drawable, "drawable")
    let width = f.u32(16, "width")
    let height = f.u32(20, "height")
    guard f.wrong == nil else { return }
    guard width > 0, width <= DrawableRequest.largest else { return f.fail("width") }
    guard height > 0, height <= DrawableRequest.largest else { return f.fail("height") }
    guard let driver, let functions, let drawable = session.drawable(id, driver.workbench) else {
      return
    }
    let now = drawable.current
    guard (now.width, now.height) != (width, height) else { return }
    guard
      drawable.remake(
        width: width, height: height, isTopFirst: now.isTopFirst, from: driver.handle,
        finishing: functions.finish)
    else { return noMemory(width, height) }
    if surface.draw === drawable || surface.read === drawable { _ = refreshDefault() }
  }

  fileprivate mutating func bindDrawable(_ f: inout ControlFields) {
    let id = f.id(8, GLID.drawable, "drawable")
    let target = f.u32(16, "target")
    let request = f.drawable(24, "request")
    guard f.wrong == nil else { return }
    guard id != 0, request.isPossible else { return f.fail("request") }
    guard let found = drawable(id, request)?.drawable else { return }
    bindDrawable(found, target)
  }

  fileprivate mutating func readDrawable(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    let id = f.id(16, GLID.drawable, "drawable")
    let buffer = f.u32(24, "buffer")
    guard f.wrong == nil else { return }
    let isFront = buffer == GL.FRONT || buffer == GL.FRONT_LEFT
    reply.writer.begin(ControlOpcode.glReadDrawable)
    if let driver, let functions, let drawable = session.drawable(id, driver.workbench) {
      let now = drawable.current
      let (width, height) = (Int(now.width), Int(now.height))
      reply.writer.u32(now.width)
      reply.writer.u32(now.height)
      reply.writer.u32(UInt32(truncatingIfNeeded: width * height * 4))
      guard width * height * 4 <= SegmentLayout.replyAreaSize - Segment.replyHeaderSize - 64 else {
        reply.reset()
        session.lose(
          LostReason.protocolError,
          "glReadDrawable: \(width) x \(height) pixels do not fit into a reply")
        return
      }
      if let place = reply.writer.reserve(width * height * 4) {
        platform_zero(place, width * height * 4)
        drawable.read(
          front: isFront, isSwap: false, layout: .rgba8, size: (width, height), stride: width * 4,
          into: place, from: driver.handle, finishing: functions.finish)
      }
    } else {
      for _ in 0..<3 { reply.writer.u32(0) }
    }
    reply.writer.end()
    sendReply(ticket)
  }

  fileprivate mutating func report(_ f: inout ControlFields) {
    let ticket = f.u32(8, "ticket")
    guard f.wrong == nil else { return }
    reply.writer.begin(ControlOpcode.glReport)
    reply.writer.u32(takeAllErrors())
    reply.writer.end()
    sendReply(ticket)
  }
}

// MARK: Frames

extension GLReplayContext {
  fileprivate mutating func frames(_ f: inout ControlFields) {
    let id = f.id(8, GLID.frames, "frames")
    let width = f.u32(16, "width")
    let height = f.u32(20, "height")
    let imageCount = f.u32(24, "imageCount")
    let stride = f.u32(28, "stride")
    let frameBytes = f.u64(32, "frameBytes")
    let layout = f.u32(40, "layout")
    let showing = f.u32(44, "showing")
    guard f.wrong == nil else { return }
    guard id != 0 else { return f.fail("frames") }
    guard width > 0, width <= DrawableRequest.largest else { return f.fail("width") }
    guard height > 0, height <= DrawableRequest.largest else { return f.fail("height") }
    guard imageCount > 0, imageCount <= 64 else { return f.fail("imageCount") }
    guard let format = PixelFormat(rawValue: layout) else { return f.fail("layout") }
    guard stride <= 1 << 20, UInt64(stride) >= UInt64(width) * UInt64(format.bytesPerPixel) else {
      return f.fail("stride")
    }
    // Without memory of the client's each frame is put together here.
    let most: UInt64 = session.host.segment == nil ? 1 << 30 : 16 << 30
    guard frameBytes <= most, frameBytes >= UInt64(stride) * UInt64(height) else {
      return f.fail("frameBytes")
    }
    session.setFrames(
      id,
      GLSession.Frames(
        width: Int(width), height: Int(height), imageCount: Int(imageCount), stride: Int(stride),
        frameBytes: Int(frameBytes), layout: format,
        showsAlpha: showing & 1 != 0, memory: nil))
  }

  fileprivate mutating func swap(_ f: inout ControlFields) {
    let id = f.id(8, GLID.drawable, "drawable")
    let framesID = f.id(16, GLID.frames, "frames")
    let image = f.u32(24, "imageIndex")
    let slot = f.u32(28, "slot")
    let value = f.u64(32, "value")
    let flags = f.u32(40, "flags")
    let width = f.u32(44, "width")
    let height = f.u32(48, "height")
    guard f.wrong == nil else { return }
    guard let driver, let functions, let drawable = session.drawable(id, driver.workbench) else {
      // A drawable that is gone has no picture, but whoever waits for one goes on.
      return session.host.complete(slot: slot, value: value)
    }
    guard let frames = session.frames(framesID) else {
      if !session.isOver { f.fail("frames") }
      return
    }
    guard image < frames.imageCount else { return f.fail("imageIndex") }
    let times = NodeFrameTimes(
      swapchain: framesID, slot: slot, value: value,
      started: arrived == 0 ? platform_now() : arrived)
    deliver(
      drawable, frames, times, image: Int(image),
      size: (min(Int(width), frames.width), min(Int(height), frames.height)), flags: flags,
      driver, functions, &f)
  }

  private mutating func deliver(
    _ drawable: Drawable, _ frames: GLSession.Frames, _ noted: NodeFrameTimes, image: Int,
    size: (width: Int, height: Int), flags: UInt32, _ driver: DriverContext,
    _ functions: GLFunctions, _ f: inout ControlFields
  ) {
    var times = noted
    let isFront = flags & SwapFlag.front != 0
    func frame(_ bytes: UnsafeRawBufferPointer) -> GLFrame {
      GLFrame(
        id: times.swapchain, imageIndex: UInt32(truncatingIfNeeded: image), width: frames.width,
        height: frames.height, stride: frames.stride,
        bytesPerPixel: frames.layout.bytesPerPixel, layout: frames.layout.rawValue,
        showsAlpha: frames.showsAlpha, bytes: bytes)
    }
    func read(into memory: UnsafeMutableRawPointer) {
      drawable.read(
        front: isFront, isSwap: !isFront, layout: frames.layout, size: size,
        stride: frames.stride, into: memory, from: driver.handle, finishing: functions.finish)
      times.drawn = platform_now()
      session.host.countFrame()
    }
    let count = frames.stride * frames.height
    if session.host.segment != nil {
      guard let memory = frames.memory,
        frames.frameBytes <= memory.byteCount / frames.imageCount, count <= frames.frameBytes
      else { return f.fail("frames") }
      let start = memory.base + image * frames.frameBytes
      read(into: start)
      session.showFrame(frame(UnsafeRawBufferPointer(start: start, count: count)))
      session.host.noteFrame(times)
      session.host.complete(slot: times.slot, value: times.value)
      return
    }
    let rooms = session.frameRooms
    guard let room = rooms.take(count), let start = room.baseAddress else {
      session.lose(LostReason.noMemory, "glSwap: no memory for \(count) bytes")
      return
    }
    if frames.stride > frames.width * frames.layout.bytesPerPixel
      || size != (frames.width, frames.height)
    {
      platform_zero(start, count)
    }
    read(into: start)
    let delivered = frame(UnsafeRawBufferPointer(room))
    // Delivered, the room is another frame's.
    session.host.showFrame(delivered, isKept: false)
    nonisolated(unsafe) let used = room
    session.host.deliverFrame(
      delivered, times, mayBeLeftOut: flags & SwapFlag.mayLeaveOut != 0
    ) { rooms.giveBack(used) }
  }
}
