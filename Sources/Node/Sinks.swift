import CPlatform
import FrameStream
import MemoryFabric
import Ring
internal import Threads
import Transport
import VulkanReplay
import Wire

/// Results of a client on this host: straight into its segment.
final class SharedSink: CompletionSink, @unchecked Sendable {
  private let segment: Segment
  private let link: Link
  private let viewers: ViewerFeed?

  /// `viewers`: who is shown the frames too.
  init(segment: Segment, link: Link, viewers: ViewerFeed?) {
    self.segment = segment
    self.link = link
    self.viewers = viewers
  }

  func complete(_ completions: UnsafeBufferPointer<Completion>) {
    for completion in completions {
      segment.complete(slot: completion.slot, value: completion.value)
    }
  }

  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    segment.deliverReply(ticket: ticket, record)
  }

  // Memory and frames of a session that shares the segment are written in place.
  func readback(segmentOffset: UInt64, _ bytes: UnsafeRawBufferPointer) {}
  func flushReadback() {}
  func frame(
    _ pixels: FramePixels?, _ times: NodeFrameTimes, _ delivery: FrameDelivery,
    done: @escaping @Sendable () -> Void
  ) -> Bool {
    segment.noteArrival(times)
    done()
    return false
  }
  func show(_ frame: FramePixels, isKept: Bool) { viewers?.show(frame, isKept: isKept) }
  func forget(swapchain: UInt64) { viewers?.forget(swapchain) }
  // Nobody who shares the segment records.
  func snapshot(
    object: UInt64, image: UInt32, offset: UInt64, _ bytes: UnsafeRawBufferPointer
  ) {}
  func snapshotDone(_ number: UInt64, _ failure: String) {}

  func lost(_ reason: UInt32, _ message: String) {
    var text = message
    text.withUTF8 { segment.markLost(reason, UnsafeRawBufferPointer($0)) }
    sendLost(link, reason, message)
  }

  func log(_ level: UInt32, _ message: String) { sendLog(link, level, message) }
}

/// Results of a client elsewhere: messages on its link. A link that has ended takes nothing more;
/// the thread that receives from it ends the session.
final class LinkSink: CompletionSink, @unchecked Sendable {
  private let link: Link
  private let lock = Lock()
  /// Bytes gathered for the next `readback` message.
  private var gathered = HeapWriter(capacity: 64 << 10)
  /// The same in blocks, for an agent that takes them.
  private let sendsBlocks: Bool
  private var runs = RunEncoder()
  /// Codes frames, for a client that has said how.
  private let sender = Guarded<FrameSender?>(nil)
  /// A gigabit until it was measured.
  private var chooser = CodecChooser(bytesPerSecond: 125e6)

  private static var enough: Int { 1 << 20 }
  /// Bytes of a frame in one message: enough to be cheap, little enough to be on its way early.
  private static var frameSlice: Int { 1 << 20 }

  private let datagramPorts: ClosedRange<UInt16>
  private let viewers: ViewerFeed?
  private let sendsFrameTimes: Bool
  /// Who sends frames that nobody waits for, by swapchain.
  private let couriers = Guarded<[UInt64: FrameCourier]>([:])

  /// `datagramPorts`: those that frames may leave from as datagrams; 0: any. `viewers`: who is shown the frames too.
  /// `sendsFrameTimes`: to a client that takes them.
  init(
    link: Link, sendsBlocks: Bool, datagramPorts: ClosedRange<UInt16>, viewers: ViewerFeed?,
    sendsFrameTimes: Bool = false
  ) {
    self.link = link
    self.viewers = viewers
    self.datagramPorts = datagramPorts
    self.sendsFrameTimes = sendsFrameTimes
    self.sendsBlocks = sendsBlocks
  }

  deinit {
    gathered.free()
    runs.free()
  }

  func complete(_ completions: UnsafeBufferPointer<Completion>) {
    withUnsafeTemporaryAllocation(byteCount: completions.count * 16 + 16, alignment: 8) { room in
      guard let p = room.baseAddress else { return }
      var count = 0
      for completion in completions where completion.slot != ControlField.noSlot {
        p.put32(completion.slot, count * 16)
        p.put32(0, count * 16 + 4)
        p.put64(completion.value, count * 16 + 8)
        count += 1
      }
      guard count > 0 else { return }
      try? link.send(
        MessageType.completions, UnsafeRawBufferPointer(start: p, count: count * 16))
    }
  }

  func reply(ticket: UInt32, _ record: UnsafeRawBufferPointer) -> Bool {
    guard ticket < SegmentLayout.replyCount,
      record.count <= SegmentLayout.replyAreaSize - Segment.replyHeaderSize
    else { return false }
    var header = (ticket, UInt32(0))
    withUnsafeBytes(of: &header) { header in
      try? link.send(MessageType.reply, [header, record])
    }
    return true
  }

  func readback(segmentOffset: UInt64, _ bytes: UnsafeRawBufferPointer) {
    lock.withLock {
      guard !sendsBlocks else {
        // Without memory for them the link is of no use any more.
        if !runs.append(segmentOffset, bytes) { link.close() }
        if runs.isFull { sendGathered() }
        return
      }
      gathered.writer.u64(segmentOffset)
      gathered.writer.u32(UInt32(truncatingIfNeeded: bytes.count))
      gathered.writer.u32(0)
      gathered.writer.bytes(bytes.baseAddress, bytes.count)
      if (bytes.count + 3) & 4 != 0 { gathered.writer.u32(0) }
      if gathered.bytes.count >= LinkSink.enough { sendGathered() }
    }
  }

  func flushReadback() {
    lock.withLock { sendGathered() }
  }

  /// With the lock held.
  private func sendGathered() {
    if runs.runCount > 0, !runs.finish(chooser, { appendPiece($0, to: &gathered.writer) }) {
      link.close()
    }
    guard gathered.bytes.count > 0 else { return }
    let start = platform_now()
    try? link.send(sendsBlocks ? MessageType.readbackRuns : MessageType.readback, gathered.bytes)
    chooser.sent(gathered.bytes.count, nanoseconds: platform_now() &- start)
    gathered.reset()
  }

  /// Frames are coded from now on. Once, before the first one.
  func code(_ settings: FrameSettings) {
    sender.withLock {
      guard $0 == nil else { return }
      $0 = FrameSender(link: link, settings: settings, datagramPorts: datagramPorts)
    }
  }

  /// The coder of frames; nil when they travel as they are.
  var frames: FrameSender? { sender.withLock { $0 } }

  var mayWantGeometry: Bool { frames?.mayWantGeometry ?? false }
  var wantsGeometry: Bool { frames?.wantsGeometry ?? false }

  func frame(
    _ pixels: FramePixels?, _ times: NodeFrameTimes, _ delivery: FrameDelivery,
    done: @escaping @Sendable () -> Void
  ) -> Bool {
    let mayLeaveOut = delivery.contains(.mayBeLeftOut) && frames?.mayLeaveOut == true
    // Who records has completions in the order that waiting gives them.
    guard let pixels, delivery.contains(.returnsAtOnce),
      mayLeaveOut || !delivery.contains(.mayBeLeftOut)
    else {
      if let pixels { send(pixels, times, isLeftOut: false) }
      done()
      return false
    }
    courier(of: times.swapchain).add(
      FrameCourier.Job(
        pixels: pixels, times: times, mayBeLeftOut: mayLeaveOut, done: done))
    return true
  }

  private func courier(of swapchain: UInt64) -> FrameCourier {
    couriers.withLock { couriers in
      if let known = couriers[swapchain] { return known }
      let made = FrameCourier(
        isBehind: { [unowned self] in frames?.isBehind(swapchain) ?? false }
      ) { [unowned self] job, isLeftOut in
        send(job.pixels, job.times, isLeftOut: isLeftOut)
        job.done()
        var completion = Completion(slot: job.times.slot, value: job.times.value)
        withUnsafePointer(to: &completion) {
          complete(UnsafeBufferPointer(start: $0, count: 1))
        }
      }
      couriers[swapchain] = made
      return made
    }
  }

  /// What the client says of a frame.
  func take(_ feedback: FrameFeedback) {
    frames?.take(feedback)
    couriers.withLock { $0[feedback.swapchain] }?.wake()
  }

  /// The client has no such swapchain any more.
  func end(swapchain: UInt64) {
    couriers.withLock { $0.removeValue(forKey: swapchain) }?.stop()
    frames?.forget(swapchain)
  }

  /// The client is gone.
  func stop() {
    let all = couriers.withLock { couriers in
      defer { couriers = [:] }
      return couriers.values.map { $0 }
    }
    for courier in all { courier.stop() }
    frames?.stop()
  }

  private func send(_ pixels: FramePixels, _ noted: NodeFrameTimes, isLeftOut: Bool) {
    var times = noted
    if isLeftOut, frames?.leaveOut(pixels) == true {
      times.isLeftOut = true
    } else if let units = frames?.send(pixels, times) {
      times.firstBand = units.first
      times.lastBand = units.last
    } else {
      sendWhole(pixels)
    }
    guard sendsFrameTimes else { return }
    withUnsafeTemporaryAllocation(byteCount: NodeFrameTimes.byteCount, alignment: 8) { room in
      guard let start = room.baseAddress else { return }
      times.sent = platform_now()
      times.write(to: start)
      try? link.send(MessageType.frameTimes, UnsafeRawBufferPointer(room))
    }
  }

  private func sendWhole(_ frame: FramePixels) {
    var offset = 0
    while offset < frame.bytes.count {
      let count = min(LinkSink.frameSlice, frame.bytes.count - offset)
      withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { header in
        guard let p = header.baseAddress else { return }
        p.put64(frame.swapchain, 0)
        p.put32(frame.imageIndex, 8)
        p.put32(0, 12)
        p.put64(UInt64(offset), 16)
        try? link.send(
          MessageType.frame,
          [
            UnsafeRawBufferPointer(header),
            UnsafeRawBufferPointer(rebasing: frame.bytes[offset..<offset + count]),
          ])
      }
      offset += count
    }
  }

  func show(_ frame: FramePixels, isKept: Bool) { viewers?.show(frame, isKept: isKept) }
  func forget(swapchain: UInt64) { viewers?.forget(swapchain) }

  func snapshot(
    object: UInt64, image: UInt32, offset: UInt64, _ bytes: UnsafeRawBufferPointer
  ) {
    withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { header in
      guard let p = header.baseAddress else { return }
      p.put64(object, 0)
      p.put32(image, 8)
      p.put32(0, 12)
      p.put64(offset, 16)
      try? link.send(MessageType.snapshotBytes, [UnsafeRawBufferPointer(header), bytes])
    }
  }

  func snapshotDone(_ number: UInt64, _ failure: String) {
    var w = HeapWriter(capacity: 256)
    defer { w.free() }
    w.writer.u64(number)
    failure.withCString { w.writer.string($0) }
    try? link.send(MessageType.snapshotDone, w.bytes)
  }

  func lost(_ reason: UInt32, _ message: String) { sendLost(link, reason, message) }
  func log(_ level: UInt32, _ message: String) { sendLog(link, level, message) }
}

private func sendLost(_ link: Link, _ reason: UInt32, _ message: String) {
  sendText(link, MessageType.lost, reason, message)
}

func sendLog(_ link: Link, _ level: UInt32, _ message: String) {
  sendText(link, MessageType.log, level, message)
}

private func sendText(_ link: Link, _ type: UInt32, _ number: UInt32, _ text: String) {
  var w = HeapWriter(capacity: 256)
  defer { w.free() }
  w.writer.u32(number)
  w.writer.u32(0)
  text.withCString { w.writer.string($0) }
  try? link.send(type, w.bytes)
}

/// Appends a piece of a block as it is.
private func appendPiece(_ piece: UnsafeRawBufferPointer, to writer: inout Writer) {
  guard piece.count > 0, let start = piece.baseAddress, let place = writer.reserve(piece.count)
  else { return }
  platform_copy(place, start, piece.count)
}
