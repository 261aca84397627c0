import CPlatform
import FrameServer
import FrameStream
internal import Threads
import Transport
import ViewStream
import VulkanReplay

/// Shows the windows of this process's client to the node's page server, and takes what viewers do with them.
///
/// Nothing is coded, and no frame copied, while nobody looks on. The threads that present never wait: they copy the
/// frame, and a thread of this feed codes the newest there is, whenever the viewers have room for one.
final class ViewerFeed: @unchecked Sendable {
  private let path: String
  private let application: FeedApplication
  /// Takes what viewers have done.
  private let operate: @Sendable (ViewInput) -> Void
  private let lock = Lock()
  private let word = Word()
  private var link: Link?
  private var isEnding = false
  private var windows: [UInt64: ViewedWindow] = [:]
  /// Windows of which the page server does not know what is the case now; nil: that it has gone.
  private var news: [UInt64: FeedWindow] = [:]
  private var pictures: [FeedPlace: ViewedPicture] = [:]
  /// What the page server is still to be told.
  private var answers: [ViewAnswer] = []
  private var isRunning = 0
  private var hasRefused = false

  /// Nanoseconds from frame to frame at least.
  private static let interval: UInt64 = 16_600_000
  private static let mostAnswers = 64
  /// Nanoseconds between two attempts to reach the page server.
  private static let retryTime: UInt64 = 1_000_000_000

  /// `path`: the page server's socket.
  init(
    path: String, application: FeedApplication, operate: @escaping @Sendable (ViewInput) -> Void
  ) {
    self.path = path
    self.application = application
    self.operate = operate
  }

  /// False when the system has no threads left.
  func start() -> Bool {
    lock.withLock { isRunning = 2 }
    return startThread("omega-viewers") { [self] in
      receive()
      finish()
    }
      && startThread("omega-view-code") { [self] in
        work()
        finish()
      }
  }

  private func finish() {
    lock.withLock { isRunning -= 1 }
    wake()
  }

  /// The client has gone. Returns when nothing is coded any more, or after a second.
  func stop() {
    let link = lock.withLock { () -> Link? in
      isEnding = true
      return self.link
    }
    link?.close()
    wake()
    let deadline = platform_now() &+ 1_000_000_000
    while platform_now() < deadline {
      let seen = word.load()
      if lock.withLock({ isRunning == 0 }) { return }
      word.wait(while: seen, nanoseconds: 50_000_000)
    }
  }

  private func wake() {
    word.bump()
  }

  // MARK: From those who present

  func show(_ frame: FramePixels, isKept: Bool) {
    guard ViewedFramePool.takes(frame.shape) else { return refuse(frame.shape) }
    let (window, isWatched) = lock.withLock { () -> (ViewedWindow, Bool) in
      let window: ViewedWindow
      if let known = windows[frame.swapchain] {
        window = known
      } else {
        window = ViewedWindow()
        windows[frame.swapchain] = window
      }
      if window.shape != frame.shape {
        window.shape = frame.shape
        news[frame.swapchain] = FeedWindow(
          swapchain: frame.swapchain, width: frame.shape.width, height: frame.shape.height)
        wake()
      }
      window.presentCount &+= 1
      window.presentedAt = platform_now()
      window.kept = isKept ? frame.bytes : nil
      return (window, window.watcherCount > 0)
    }
    // What is not kept would be lost for a viewer that comes before the next frame.
    guard isWatched || !isKept else { return }
    let copy = window.pool.take(frame.shape)
    copy?.fill(frame.bytes)
    lock.withLock {
      guard let copy else { return }
      window.newest = copy
      window.newestNumber = window.presentCount
    }
    if isWatched { wake() }
  }

  /// Says once that a window is not shown to viewers.
  private func refuse(_ shape: FrameShape) {
    let isFirst = lock.withLock {
      defer { hasRefused = true }
      return !hasRefused
    }
    guard isFirst else { return }
    complain(
      "a window of \(shape.width) x \(shape.height) pixels of \(shape.bytesPerPixel) bytes is not shown to viewers, "
        + "who see 8 bits of red, green and blue")
  }

  func forget(_ swapchain: UInt64) {
    lock.withLock {
      guard windows.removeValue(forKey: swapchain) != nil else { return }
      news[swapchain] = FeedWindow(swapchain: swapchain, width: 0, height: 0)
      for setting in ViewSetting.allCases {
        pictures[FeedPlace(swapchain: swapchain, setting: setting)] = nil
      }
    }
    wake()
  }

  /// The client's machine says why a viewer's input has no effect. Does not wait for the page server.
  func answer(_ answer: ViewAnswer) {
    lock.withLock { if answers.count < ViewerFeed.mostAnswers { answers.append(answer) } }
    wake()
  }

  // MARK: From the page server

  private func receive() {
    while !lock.withLock({ isEnding }) {
      guard let address = try? Address("unix:\(path)"),
        let link = try? Link.connect(address, token: nil)
      else {
        let seen = word.load()
        word.wait(while: seen, nanoseconds: ViewerFeed.retryTime)
        continue
      }
      begin(link)
      while let message = try? link.receive() {
        for descriptor in message.descriptors { _ = platform_close(descriptor) }
        guard take(message) else { break }
      }
      link.close()
      lock.withLock {
        self.link = nil
        pictures = [:]
        for window in windows.values { window.watcherCount = 0 }
      }
    }
  }

  private func begin(_ link: Link) {
    link.messageLimit = 4096
    try? link.send(FeedType.application, bytes: application.bytes)
    lock.withLock {
      self.link = link
      news = [:]
      for (swapchain, window) in windows {
        guard let shape = window.shape else { continue }
        news[swapchain] = FeedWindow(
          swapchain: swapchain, width: shape.width, height: shape.height)
      }
    }
    wake()
  }

  /// False when the message is none.
  private func take(_ message: Message) -> Bool {
    if message.type == FeedType.input {
      guard let input = try? ViewInput(message.payload) else { return false }
      operate(input)
      return true
    }
    guard let request = FeedRequest(type: message.type, message.payload) else { return false }
    lock.withLock {
      switch request {
      case .watch(let place, let isWatched): watch(place, isWatched)
      case .next(let place, let delay): pictures[place]?.next(delay: delay)
      case .loss(let place, let band, let since):
        guard let picture = pictures[place] else { return }
        picture.hasLosses = true
        if band == .max {
          picture.encoder.noteLossOfAll()
        } else {
          picture.encoder.noteLoss(band: Int(band), since: since, knowsRepairs: true)
        }
      }
    }
    wake()
    return true
  }

  /// With the lock held.
  private func watch(_ place: FeedPlace, _ isWatched: Bool) {
    guard let window = windows[place.swapchain] else { return }
    guard isWatched else {
      guard pictures.removeValue(forKey: place) != nil else { return }
      window.watcherCount -= 1
      if window.watcherCount == 0, window.kept != nil {
        window.newest = nil
        window.pool.empty()
      }
      return
    }
    guard pictures[place] == nil else { return }
    pictures[place] = ViewedPicture(place, window)
    window.watcherCount += 1
    // What is shown now may be all there is for a long time.
    if let kept = window.kept, let shape = window.shape, window.newest == nil,
      let copy = window.pool.take(shape)
    {
      copy.fill(kept)
      window.newest = copy
      window.newestNumber = window.presentCount
    }
  }

  // MARK: Coding

  private func work() {
    while true {
      let seen = word.load()
      let (link, news, due, all, isOver) = lock.withLock {
        () -> (Link?, [FeedWindow], [ViewAnswer], [ViewedPicture], Bool) in
        guard let link = self.link else { return (nil, [], [], [], isEnding) }
        defer {
          self.news = [:]
          answers = []
        }
        return (link, Array(self.news.values), answers, Array(pictures.values), isEnding)
      }
      if isOver { return }
      // What takes the place of a window that has gone comes before that goes.
      for one in news.sorted(by: {
        ($0.width == 0 ? 1 : 0, $0.swapchain) < ($1.width == 0 ? 1 : 0, $1.swapchain)
      }) {
        try? link?.send(FeedType.window, bytes: one.bytes)
      }
      for one in due { try? link?.send(FeedType.answer, bytes: one.bytes) }
      var sleep = UInt64.max
      if let link {
        for picture in all { sleep = min(sleep, code(picture, link)) }
      }
      if sleep > 0 { word.wait(while: seen, nanoseconds: sleep) }
    }
  }

  /// Codes a picture when it is due; nanoseconds until it is looked at again.
  private func code(_ picture: ViewedPicture, _ link: Link) -> UInt64 {
    let now = platform_now()
    let (frame, presented, presentedAt, mayCode, delay) = lock.withLock {
      () -> (ViewedFrame?, UInt32, UInt64, Bool, UInt32?) in
      let window = picture.window
      defer { picture.delay = nil }
      return (
        picture.codedNumber == window.newestNumber ? nil : window.newest, window.newestNumber,
        window.presentedAt, picture.mayCode, picture.delay
      )
    }
    guard mayCode else { return .max }
    let hasLosses = lock.withLock {
      defer { picture.hasLosses = false }
      return picture.hasLosses
    }
    guard frame != nil || hasLosses || picture.encoder.needsRefinement else { return .max }
    let due = picture.latest &+ ViewerFeed.interval
    guard now >= due || hasLosses && frame == nil else {
      if hasLosses { lock.withLock { picture.hasLosses = true } }
      return due &- now
    }
    if let delay { picture.adjustRate(delay: delay) }
    picture.latest = now
    let place = picture.place.bytes
    let send: (CodedUnit) -> Void = { unit in
      withUnsafeTemporaryAllocation(byteCount: unit.header.byteCount, alignment: 8) { room in
        guard let start = room.baseAddress else { return }
        unit.header.write(to: start, pictureBytes: unit.picture.count)
        place.withUnsafeBytes {
          try? link.send(FeedType.unit, [$0, UnsafeRawBufferPointer(room), unit.picture])
        }
      }
    }
    let coded: CodedFrame
    if let frame {
      coded = picture.encoder.encode(
        frame.pixels, width: frame.shape.width, height: frame.shape.height, deliver: send)
      lock.withLock { picture.codedNumber = presented }
    } else {
      coded = picture.encoder.refine(deliver: send)
    }
    guard coded.bands != 0 else { return ViewerFeed.interval }
    lock.withLock { picture.mayCode = false }
    let end = FeedEnd(
      place: picture.place, frame: coded.frame, bands: coded.bands, presented: presented,
      presentedAt: frame == nil ? now : presentedAt, began: coded.began, coded: coded.lastUnit)
    try? link.send(FeedType.end, bytes: end.bytes)
    return 0
  }
}

/// A window as those who look on know it. Belongs to the feed's lock.
private final class ViewedWindow {
  var shape: FrameShape?
  /// Where the frame that was presented last still lies.
  var kept: UnsafeRawBufferPointer?
  /// A copy of it, when somebody looks on.
  var newest: ViewedFrame?
  var newestNumber: UInt32 = 0
  var presentCount: UInt32 = 0
  var presentedAt: UInt64 = 0
  var watcherCount = 0
  let pool = ViewedFramePool()
}

/// A window's picture as it is coded for viewers of one setting. What the lock does not say belongs to the thread that
/// codes.
private final class ViewedPicture {
  let place: FeedPlace
  let window: ViewedWindow
  let encoder: FrameEncoder
  var latest: UInt64 = 0
  private var rate = VideoRate(most: 0)
  private var rateGiven: Int
  private static let framesPerSecond = 60

  // Of the feed's lock.
  var codedNumber: UInt32 = 0
  var mayCode = false
  var hasLosses = false
  /// How late the last frame came to the fastest viewer, nanoseconds; nil: nobody has said.
  var delay: UInt32?

  init(_ place: FeedPlace, _ window: ViewedWindow) {
    self.place = place
    self.window = window
    var settings = EncoderSettings()
    settings.coding = place.setting == .video ? .h264 : .lossless
    settings.mixesExact = place.setting == .video
    settings.framesPerSecond = ViewedPicture.framesPerSecond
    settings.bitsPerSecond = rate.bitsPerSecond
    rateGiven = settings.bitsPerSecond
    encoder = FrameEncoder(settings)
  }

  /// With the feed's lock held.
  func next(delay: UInt32) {
    mayCode = true
    if delay != .max { self.delay = delay }
  }

  /// `delay`: microseconds that the last frame came late by.
  func adjustRate(delay: UInt32) {
    rate.note(
      delay: UInt64(delay) * 1000, interval: 1_000_000_000 / UInt64(ViewedPicture.framesPerSecond))
    guard abs(rate.bitsPerSecond - rateGiven) > rateGiven / 10 else { return }
    rateGiven = rate.bitsPerSecond
    encoder.setRate(bitsPerSecond: rateGiven)
  }
}

/// A copy of a frame: pixels of 32 bits. It goes back to its pool with the last reference.
final class ViewedFrame {
  let shape: FrameShape
  let pixels: PixelRows
  private let memory: ViewedFramePool.Memory
  private let pool: ViewedFramePool

  fileprivate init(_ shape: FrameShape, _ memory: ViewedFramePool.Memory, _ pool: ViewedFramePool) {
    self.shape = shape
    self.memory = memory
    self.pool = pool
    pixels = PixelRows(
      start: memory.start, stride: shape.width * 4, order: shape.pixel == .rgba8 ? .rgba : .bgra)
  }

  deinit { pool.give(memory) }

  /// Copies a frame's rows.
  func fill(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    let row = shape.width * 4
    if shape.stride == row {
      platform_copy(memory.start, start, min(row * shape.height, bytes.count))
      return
    }
    for y in 0..<shape.height where y * shape.stride + row <= bytes.count {
      platform_copy(memory.start + y * row, start + y * shape.stride, row)
    }
  }
}

/// Memory of frames that are used again. Any thread.
final class ViewedFramePool: @unchecked Sendable {
  fileprivate struct Memory {
    let start: UnsafeMutableRawPointer
    let byteCount: Int
  }

  private let lock = Lock()
  private var spare: [Memory] = []
  private static let most = 2

  deinit { empty() }

  /// Whether viewers can be shown such frames.
  static func takes(_ shape: FrameShape) -> Bool {
    let sides = 1...BandLayout.largestSide
    return shape.pixel != .other && sides.contains(shape.width) && sides.contains(shape.height)
  }

  /// A frame to be filled, of a shape that can be shown; nil without memory.
  fileprivate func take(_ shape: FrameShape) -> ViewedFrame? {
    let byteCount = shape.width * shape.height * 4
    let known = lock.withLock { () -> Memory? in
      guard let index = spare.firstIndex(where: { $0.byteCount == byteCount }) else { return nil }
      return spare.remove(at: index)
    }
    if let known { return ViewedFrame(shape, known, self) }
    empty()
    guard let start = platform_map_private(byteCount) else { return nil }
    return ViewedFrame(shape, Memory(start: start, byteCount: byteCount), self)
  }

  fileprivate func give(_ memory: Memory) {
    let isKept = lock.withLock { () -> Bool in
      guard spare.count < ViewedFramePool.most else { return false }
      spare.append(memory)
      return true
    }
    if !isKept { _ = platform_unmap(memory.start, memory.byteCount) }
  }

  /// Gives memory that is not used back to the system.
  func empty() {
    let all = lock.withLock { () -> [Memory] in
      defer { spare = [] }
      return spare
    }
    for one in all { _ = platform_unmap(one.start, one.byteCount) }
  }
}
