import CPlatform
import FrameServer
import FrameStream
import Ring
import Synchronization
internal import Threads
import Transport
import VulkanReplay

/// Sends the frames of a client elsewhere in bands, coded as it has asked (`FrameSettings`).
///
/// Threads: any; frames of one swapchain one after the other.
final class FrameSender: @unchecked Sendable {
  private let link: Link
  private let settings: FrameSettings
  private let lock = Lock()
  private var streams: [UInt64: FrameSource] = [:]
  private let meter: SharedMeter
  private let datagrams: DatagramPlace
  private let refiner = FrameRefiner()
  /// Nil when the client does not want to know of geometry.
  private let geometry: GeometrySender?
  private let isGeometryOfUse = Atomic<Bool>(false)

  /// `datagramPorts`: those that units may leave from, for a client that takes datagrams; 0: any.
  init(link: Link, settings: FrameSettings, datagramPorts: ClosedRange<UInt16>) {
    self.link = link
    self.settings = settings
    let meter = SharedMeter(link: link)
    self.meter = meter
    geometry =
      settings.wantsGeometry
      ? GeometrySender(link: link) { meter.bytesPerSecond } : nil
    datagrams = DatagramPlace(link, settings.takesDatagrams ? datagramPorts : nil)
    meter.probe()
  }

  /// The client is gone.
  func stop() {
    refiner.stop()
    datagrams.stop()
    geometry?.stop()
  }

  var mayWantGeometry: Bool { geometry != nil }

  /// Whether geometry is of use, as the client has said last.
  var wantsGeometry: Bool { isGeometryOfUse.load(ordering: .relaxed) }

  /// Sends a frame; nil when its pixels are of a kind, or it is of a size, that travels as it is. When its first and its
  /// last unit were coded: 0 when it had none. What it lacks follows while there is no newer one; `times` names it.
  func send(_ frame: FramePixels, _ times: NodeFrameTimes) -> (first: UInt64, last: UInt64)? {
    let source = lock.withLock { () -> FrameSource in
      if let known = streams[frame.swapchain] { return known }
      let made = FrameSource(frame.swapchain, settings, link, meter, datagrams)
      streams[frame.swapchain] = made
      return made
    }
    guard let sent = source.send(frame, times) else { return nil }
    if let known = frame.geometry {
      geometry?.send(known, swapchain: frame.swapchain, image: frame.imageIndex)
    }
    if settings.takesRefinements, let due = source.firstRefinement {
      refiner.watch(frame.swapchain, due: due) { [weak source] now in source?.refine(now: now) }
    }
    return sent
  }

  /// Whether the client lets frames be left out.
  var mayLeaveOut: Bool { settings.mayLeaveOut }

  /// Says that a frame is left out, whose place the one before keeps; false when it must be sent, since there is none
  /// before it.
  func leaveOut(_ frame: FramePixels) -> Bool {
    lock.withLock { streams[frame.swapchain] }?.leaveOut(frame) ?? false
  }

  /// Whether as many frames are under way as keep the link busy, so that another would only be older when it comes.
  func isBehind(_ swapchain: UInt64) -> Bool {
    lock.withLock { streams[swapchain] }?.isBehind ?? false
  }

  /// What the client says of frames that it has got, or not.
  func take(_ feedback: FrameFeedback) {
    let now = platform_now()
    guard feedback.swapchain != SharedMeter.probeID else {
      return meter.arrived(feedback, number: 0, now: now)
    }
    isGeometryOfUse.store(
      geometry != nil && feedback.wantsGeometry, ordering: .relaxed)
    lock.withLock { streams[feedback.swapchain] }?.take(feedback, now: now)
  }

  /// The client has no such swapchain any more.
  func forget(_ swapchain: UInt64) {
    lock.withLock { _ = streams.removeValue(forKey: swapchain) }
    refiner.forget(swapchain)
    datagrams.close(swapchain)
  }
}

/// What is known of the link by all streams together.
private final class SharedMeter: @unchecked Sendable {
  /// A swapchain that there is not: the client answers its end of a frame at once.
  static let probeID: UInt64 = 0

  private let link: Link
  private let lock = Lock()
  private var meter = LinkMeter()
  private var sentCount: UInt32 = 0

  init(link: Link) { self.link = link }

  var bytesPerSecond: Double { lock.withLock { meter.bytesPerSecond } }
  /// Nanoseconds; nil before any is known.
  var roundTrip: UInt64? { lock.withLock { meter.roundTrip } }

  /// Asks for an answer to nothing, to know the round trip.
  func probe() {
    let place = FramePlace(swapchain: SharedMeter.probeID, image: 0, stride: 0, order: .bgra)
    let end = FrameEnd(
      place: place, frame: 0, width: 0, height: 0, bands: 0, coding: .raw, isLeftOut: false,
      encodeTime: 0, firstUnitTime: 0)
    lock.withLock { meter.sent(0, bytes: FrameEnd.byteCount, began: platform_now()) }
    try? link.send(MessageType.frameEnd, bytes: end.bytes)
  }

  /// Counts frames of all streams: each has numbers of its own.
  func sent(bytes: Int, began: UInt64) -> UInt32 {
    lock.withLock {
      sentCount &+= 1
      meter.sent(sentCount, bytes: bytes, began: began)
      return sentCount
    }
  }

  func arrived(_ feedback: FrameFeedback, number: UInt32, now: UInt64) {
    _ = arrived(number, now: now, decodeTime: feedback.decodeTime)
  }

  func arrived(_ number: UInt32, now: UInt64, decodeTime: UInt64) -> UInt64? {
    lock.withLock { meter.arrived(number, now: now, decodeTime: decodeTime) }
  }
}

/// Makes the datagrams' socket when the first stream asks for a path.
private final class DatagramPlace: @unchecked Sendable {
  private let link: Link
  private let lock = Lock()
  /// Nil: there are to be none, or there cannot be any.
  private var ports: ClosedRange<UInt16>?
  private var sender: DatagramSender?

  init(_ link: Link, _ ports: ClosedRange<UInt16>?) {
    self.link = link
    self.ports = ports
  }

  /// Makes a path and offers it to the client; nil: frames stay on the link.
  func open(_ swapchain: UInt64, mostBits: Int, capacity: Double?) -> DatagramPath? {
    lock.withLock {
      if sender == nil, let ports {
        sender = DatagramSender(link: link, ports: ports)
        self.ports = nil
        if sender == nil {
          sendLog(link, 3, "there is no port for datagrams; frames come over the link")
        }
      }
      guard let sender, let path = sender.open(swapchain, mostBits: mostBits, capacity: capacity)
      else {
        return nil
      }
      let offer = DatagramOffer(swapchain: swapchain, port: sender.port, session: path.session)
      try? link.send(MessageType.frameDatagrams, bytes: offer.bytes)
      return path
    }
  }

  func close(_ swapchain: UInt64) { lock.withLock { sender }?.close(swapchain) }

  func stop() {
    lock.withLock {
      ports = nil
      sender?.stop()
    }
  }
}

/// The frames of one swapchain.
private final class FrameSource: @unchecked Sendable {
  private let swapchain: UInt64
  private let settings: FrameSettings
  private let link: Link
  private let meter: SharedMeter
  private let datagrams: DatagramPlace
  /// Where video of this encoder leaves as datagrams; nil before there is any.
  private var path: DatagramPath?
  /// Whether there may be another path for this encoder.
  private var mayOpen = true
  /// Whether the frame that is being coded leaves as datagrams.
  private var usesDatagrams = false
  /// Held while a frame is coded and sent.
  private let coding = Lock()
  private var encoder: FrameEncoder?
  /// How the frames lay that the encoder was made for.
  private var shape: FrameShape?
  private var chooser: CodingChooser?
  private var rateGiven = 0
  /// Bits a second that an earlier path has taken.
  private var knownCapacity: Double?
  private var latestFrame: UInt64 = 0
  /// The encoder's number of the frame that was sent last; 0 before there is one.
  private var latestNumber: UInt32 = 0
  /// What the client shows: where it is, pixels of 32 bits, and how it is announced.
  private var latestShown: (place: FramePlace, width: Int, height: Int, times: NodeFrameTimes)?
  /// Nanoseconds from frame to frame.
  private var interval = 16.67e6
  /// Nanoseconds that threads have waited for the link with this frame.
  private let sendTime = Atomic<UInt64>(0)
  private var failureCount = 0
  private var hasComplained = false

  /// What feedback changes.
  private let lock = Lock()
  private var rate: VideoRate
  private var underWay: [(frame: UInt32, number: UInt32)] = []
  private var decodeTime: UInt64 = 0
  /// The encoder, to be told what was lost.
  private var lossTarget: FrameEncoder?

  private static let framesPerSecond = 60
  /// Nanoseconds of one of them.
  private static let frameTime: UInt64 = 1_000_000_000 / UInt64(framesPerSecond)

  init(
    _ swapchain: UInt64, _ settings: FrameSettings, _ link: Link, _ meter: SharedMeter,
    _ datagrams: DatagramPlace
  ) {
    self.swapchain = swapchain
    self.settings = settings
    self.link = link
    self.meter = meter
    self.datagrams = datagrams
    rate = VideoRate(most: settings.mostBits)
  }

  // MARK: Frames

  func send(_ frame: FramePixels, _ times: NodeFrameTimes) -> (first: UInt64, last: UInt64)? {
    coding.withLock {
      guard let words = frame.words else { return nil }
      prepare(frame.shape)
      guard let encoder else { return nil }
      let began = platform_now()
      if latestFrame != 0 {
        // A pause is no rate of frames.
        interval += 0.1 * (Double(min(began &- latestFrame, 100_000_000)) - interval)
      }
      latestFrame = began
      let next = chooser?.next(bytesPerSecond: meter.bytesPerSecond)
      if let next { encoder.setCoding(next) }
      chooseWay(encoder, next ?? encoder.coding)
      adjustRate(encoder)
      let place = FramePlace(
        swapchain: swapchain, image: frame.imageIndex, stride: frame.shape.stride,
        order: words.pixels.order)
      sendTime.store(0, ordering: .relaxed)
      let coded = encoder.encode(words.pixels, width: words.width, height: words.height) {
        send($0, place, encoder)
      }
      latestShown = (place, words.width, words.height, times)
      finish(coded, place, words, encoder)
      return (coded.firstUnit, coded.lastUnit)
    }
  }

  /// Whether all are under way that keep the link busy: one, and those that leave before it can have been heard of, at the
  /// most that a display shows. More would leave an application of three images none that a newer frame could be in.
  var isBehind: Bool {
    let trip = meter.roundTrip ?? 0
    let most = 1 + trip / FrameSource.frameTime
    return lock.withLock { UInt64(underWay.count) >= most }
  }

  // MARK: While nothing is presented

  /// Nanoseconds without a frame after which the application is taken to present nothing.
  private static let pause: UInt64 = 150_000_000
  /// Steps that may be on their way to the client.
  private static let mostSteps = 2

  /// When the frame that was just sent may be refined; nil when its picture lacks nothing.
  var firstRefinement: UInt64? {
    coding.withLock {
      guard let encoder, encoder.needsRefinement else { return nil }
      return latestFrame &+ FrameSource.pause
    }
  }

  /// Sends some of what the last picture lacks; when to go on, or nil when it lacks nothing.
  func refine(now: UInt64) -> UInt64? {
    coding.withLock {
      guard let encoder, encoder.needsRefinement, let (place, width, height, times) = latestShown
      else { return nil }
      // The link may still be busy with frames, and a frame may have come meanwhile.
      let due = latestFrame &+ FrameSource.pause
      guard now >= due else { return due }
      guard lock.withLock({ underWay.count < FrameSource.mostSteps }) else {
        return now &+ FrameSource.frameTime
      }
      usesDatagrams = false
      let coded = encoder.refine { send($0, place, encoder) }
      guard coded.bands != 0 else { return now &+ FrameSource.frameTime }
      _ = end(coded, place, width, height, encoder, isRefinement: true)
      var message = [UInt8](repeating: 0, count: NodeFrameTimes.byteCount)
      var refined = times
      refined.isRefined = true
      refined.sent = platform_now()
      message.withUnsafeMutableBytes { if let start = $0.baseAddress { refined.write(to: start) } }
      try? link.send(MessageType.frameTimes, bytes: message)
      return platform_now() &+ FrameSource.frameTime
    }
  }

  func leaveOut(_ frame: FramePixels) -> Bool {
    coding.withLock {
      // The one before has its size, and was coded.
      guard let words = frame.words, let encoder, shape == frame.shape, latestNumber != 0 else {
        return false
      }
      let place = FramePlace(
        swapchain: swapchain, image: frame.imageIndex, stride: frame.shape.stride,
        order: words.pixels.order)
      let end = FrameEnd(
        place: place, frame: latestNumber, width: words.width, height: words.height, bands: 0,
        coding: encoder.coding, isLeftOut: true, encodeTime: 0, firstUnitTime: 0)
      try? link.send(MessageType.frameEnd, bytes: end.bytes)
      return true
    }
  }

  /// Makes the encoder for frames that lie so.
  private func prepare(_ new: FrameShape) {
    guard encoder == nil || new != shape else { return }
    shape = new
    // Alpha that is seen, and more than 8 bits, are only in exact codings.
    let isVideo = new.pixel != .other && !new.showsAlpha
    let codings = isVideo ? settings.codings : .exact
    var wanted = EncoderSettings()
    wanted.framesPerSecond = FrameSource.framesPerSecond
    wanted.bitsPerSecond = lock.withLock { rate.bitsPerSecond }
    rateGiven = wanted.bitsPerSecond
    chooser = nil
    if let coding = settings.choice.coding {
      wanted.coding = codings.has(coding) ? coding : .lossless
    } else {
      let video: BandCoding? = codings.has(.h264) ? .h264 : codings.has(.hevc) ? .hevc : nil
      let chooser = CodingChooser(video: video)
      wanted.coding = chooser.coding
      wanted.mixesExact = true
      self.chooser = chooser
    }
    // Its frames count from 1 again, as those of a session do.
    let capacity = path?.capacity
    closePath()
    knownCapacity = capacity ?? knownCapacity
    mayOpen = true
    let made = FrameEncoder(wanted)
    encoder = made
    latestNumber = 0
    latestShown = nil
    lock.withLock { lossTarget = made }
    failureCount = 0
    hasComplained = false
  }

  private func closePath() {
    if path != nil { datagrams.close(swapchain) }
    path = nil
    usesDatagrams = false
  }

  /// Decides how the next frame travels: video as datagrams as soon as they are known to arrive, what is exact on the
  /// link, which loses nothing.
  private func chooseWay(_ encoder: FrameEncoder, _ coding: BandCoding) {
    let isVideo = !coding.isExact && !encoder.hasFallen
    if isVideo, path == nil, mayOpen {
      mayOpen = false
      path = datagrams.open(swapchain, mostBits: settings.mostBits, capacity: knownCapacity)
    }
    guard let path else { return }
    if path.isGone {
      // What was on its way may never have come.
      encoder.noteLossOfAll()
      closePath()
      return sendLog(link, 3, "datagrams do not arrive; frames come over the link")
    }
    usesDatagrams = isVideo && path.isUsable
    if usesDatagrams { path.waitForRoom(UInt64(min(max(interval, 4e6), 33e6))) }
    path.takeLosses { encoder.noteLoss(band: $0, since: $1, knowsRepairs: true) }
  }

  /// Hands the link's rate on, for as many frames a second as there are: encoders keep to a size of
  /// pictures.
  private func adjustRate(_ encoder: FrameEncoder) {
    let pictures = 1e9 / max(interval, 1e6)
    let most = settings.mostBits > 0 ? settings.mostBits : VideoRate.standardMost
    let bits =
      if usesDatagrams, let path { Double(min(path.mediaBitsPerSecond(), most)) } else {
        lock.withLock { Double(rate.bitsPerSecond) }
      }
    let wanted = Int(bits * Double(FrameSource.framesPerSecond) / max(pictures, 15))
    guard abs(wanted - rateGiven) > rateGiven / 10 else { return }
    rateGiven = wanted
    encoder.setRate(bitsPerSecond: wanted)
  }

  /// From the threads that code.
  private func send(_ unit: CodedUnit, _ place: FramePlace, _ encoder: FrameEncoder) {
    if usesDatagrams, let path {
      let bytes = CodedUnitBytes(
        band: unit.header.band, byteCount: FramePlace.byteCount + unit.byteCount
      ) {
        place.write(to: $0)
        unit.write(to: $0 + FramePlace.byteCount)
      }
      if !path.send(bytes, frame: unit.header.frame) {
        encoder.noteLoss(
          band: unit.header.band, since: unit.header.frame, knowsRepairs: true)
      }
      return
    }
    let head = FramePlace.byteCount + unit.header.byteCount
    withUnsafeTemporaryAllocation(byteCount: head, alignment: 8) { room in
      guard let p = room.baseAddress else { return }
      place.write(to: p)
      unit.header.write(to: p + FramePlace.byteCount, pictureBytes: unit.picture.count)
      let start = platform_now()
      try? link.send(MessageType.frameUnit, [UnsafeRawBufferPointer(room), unit.picture])
      sendTime.wrappingAdd(platform_now() &- start, ordering: .relaxed)
    }
  }

  private func finish(
    _ coded: CodedFrame, _ place: FramePlace, _ words: FramePixels.Words, _ encoder: FrameEncoder
  ) {
    if coded.failedBands != 0 { complain("a frame cannot be coded: there is no memory") }
    let decode = end(coded, place, words.width, words.height, encoder, isRefinement: false)
    chooser?.note(
      encoder.coding, tiles: coded.tileCount, bytes: coded.byteCount,
      time: codingTime(coded) &+ decode)
    report(encoder)
  }

  /// Says that all of a frame is sent; nanoseconds that the client takes to decode one.
  private func end(
    _ coded: CodedFrame, _ place: FramePlace, _ width: Int, _ height: Int, _ encoder: FrameEncoder,
    isRefinement: Bool
  ) -> UInt64 {
    latestNumber = coded.frame
    let number = meter.sent(
      bytes: coded.byteCount, began: coded.firstUnit == 0 ? platform_now() : coded.firstUnit)
    let decode = lock.withLock { () -> UInt64 in
      if underWay.count == 64 { underWay.removeFirst() }
      underWay.append((coded.frame, number))
      return decodeTime
    }
    let end = FrameEnd(
      place: place, frame: coded.frame, width: width, height: height, bands: coded.bands,
      coding: encoder.hasFallen ? .lossless : encoder.coding, isLeftOut: false,
      usesDatagrams: usesDatagrams, isRefinement: isRefinement, encodeTime: coded.encodeTime,
      firstUnitTime: coded.firstUnit == 0 ? 0 : coded.firstUnit &- coded.began)
    try? link.send(MessageType.frameEnd, bytes: end.bytes)
    return decode
  }

  /// Nanoseconds of coding, without waiting for the link.
  private func codingTime(_ coded: CodedFrame) -> UInt64 {
    let threads = UInt64(min(coded.bands.nonzeroBitCount, WorkerPool.threadCount(nil)))
    let waited = sendTime.load(ordering: .relaxed) / max(threads, 1)
    return coded.encodeTime &- min(waited, coded.encodeTime)
  }

  /// Says which encoders have failed: that there is none at all is the user's concern.
  private func report(_ encoder: FrameEncoder) {
    let failures = encoder.failures
    guard failures.count > failureCount || (encoder.hasFallen && !hasComplained) else { return }
    var new: [String] = []
    for failure in failures.dropFirst(failureCount) where !new.contains(failure) {
      new.append(failure)
    }
    failureCount = failures.count
    guard encoder.hasFallen, !hasComplained else {
      return sendLog(link, 3, "an encoder is left out: " + new.joined(separator: "; "))
    }
    hasComplained = true
    let size = encoder.layout.map { " of \($0.width) x \($0.height)" } ?? ""
    complain(
      "no encoder takes frames\(size) as \(encoder.coding.name): \(failures.last ?? "none is there"); "
        + "they travel lossless")
  }

  private func complain(_ text: String) { sendLog(link, 1, text) }

  // MARK: Feedback

  func take(_ feedback: FrameFeedback, now: UInt64) {
    let number = lock.withLock { () -> UInt32? in
      guard let index = underWay.firstIndex(where: { $0.frame == feedback.frame }) else {
        return nil
      }
      let number = underWay[index].number
      underWay.removeSubrange(...index)
      decodeTime = decodeTime &- decodeTime / 8 &+ min(feedback.decodeTime, 1_000_000_000) / 8
      return number
    }
    if let number,
      let delay = meter.arrived(number, now: now, decodeTime: feedback.decodeTime)
    {
      lock.withLock {
        rate.note(delay: delay, interval: FrameSource.frameTime)
      }
    }
    guard feedback.lostBands != 0 else { return }
    // The encoder takes what is lost in from any thread.
    let encoder = lock.withLock { lossTarget }
    for band in 0..<BandLayout.mostBands where feedback.lostBands >> UInt32(band) & 1 != 0 {
      encoder?.noteLoss(band: band, since: feedback.lostSince)
    }
  }
}

extension FramePixels {
  /// A frame as pixels of 32 bits.
  struct Words {
    let pixels: PixelRows
    let width: Int
    let height: Int
  }

  /// The frame as pixels of 32 bits, of which two narrow ones are one, and wide ones two each; nil when its rows
  /// do not begin at multiples of 4 bytes or it is larger than bands can be.
  var words: Words? {
    let width = (shape.width * shape.bytesPerPixel + 3) / 4
    let sides = 1...BandLayout.largestSide
    guard shape.stride % 4 == 0, shape.stride >= width * 4, sides.contains(width),
      sides.contains(shape.height),
      bytes.count >= shape.stride * (shape.height - 1) + width * 4, let start = bytes.baseAddress,
      Int(bitPattern: start) % 4 == 0
    else { return nil }
    // Coding reads alone.
    let pixels = PixelRows(
      start: UnsafeMutableRawPointer(mutating: start), stride: shape.stride,
      order: shape.pixel == .rgba8 ? .rgba : .bgra)
    return Words(pixels: pixels, width: width, height: shape.height)
  }
}

extension CodedFrame {
  /// Nanoseconds until the last unit was handed over.
  fileprivate var encodeTime: UInt64 { lastUnit == 0 ? 0 : lastUnit &- began }
}
