internal import CPlatform
internal import FrameStream
internal import Synchronization
internal import Threads
internal import Transport
internal import ViewStream

/// One application: the link to the process that serves it, and its windows. Belongs to the server's lock but for
/// the link.
final class Feed {
  let number: UInt32
  let link: Link
  let outbox: Outbox
  var application = FeedApplication(process: 0, takesInput: false, name: "")
  var windows: [UInt64: Window] = [:]
  private var pictures: [FeedPlace: Picture] = [:]

  init(number: UInt32, link: Link) {
    self.number = number
    self.link = link
    outbox = Outbox(link)
  }

  struct Window {
    var width: Int
    var height: Int
    /// Grows from window to window, of all applications together.
    var order: UInt64
  }

  /// The window that came last.
  var newest: (swapchain: UInt64, order: UInt64)? {
    windows.max { $0.value.order < $1.value.order }.map { ($0.key, $0.value.order) }
  }

  func picture(_ place: FeedPlace) -> Picture? { pictures[place] }

  /// The picture at a place, which is made for its first viewer.
  func watchedPicture(_ place: FeedPlace) -> Picture {
    if let known = pictures[place] { return known }
    let made = Picture(place: place, feed: self)
    pictures[place] = made
    return made
  }

  func ask(_ request: FeedRequest) {
    let (type, bytes) = request.message
    outbox.add(type, bytes)
  }

  /// A window is gone: nobody looks at it any more.
  func remove(_ swapchain: UInt64) -> [Viewer] {
    windows[swapchain] = nil
    var left: [Viewer] = []
    for setting in ViewSetting.allCases {
      guard
        let picture = pictures.removeValue(
          forKey: FeedPlace(swapchain: swapchain, setting: setting))
      else { continue }
      left += picture.viewers
      picture.viewers = []
    }
    return left
  }

  func removeAll() -> [Viewer] { windows.keys.sorted().flatMap { remove($0) } }
}

/// One picture of a window, as all its viewers get it.
final class Picture {
  let place: FeedPlace
  unowned let feed: Feed
  var viewers: [Viewer] = []
  /// The frame whose units come.
  var frame: UInt32 = 0
  /// The next frame was asked for and has not come.
  private var isAwaited = false
  /// How late the newest frame came to the viewer that had it first, microseconds.
  private var delay: UInt32 = 0
  private var wantsAll = false
  private var allAskedAt: UInt64 = 0
  private var repairAskedAt: [Int: UInt64] = [:]

  /// Nanoseconds between two requests for what others have already: a viewer that is slow costs the others no more
  /// than that.
  private static let repairInterval: UInt64 = 200_000_000
  private static let joinInterval: UInt64 = 100_000_000

  init(place: FeedPlace, feed: Feed) {
    self.place = place
    self.feed = feed
  }

  func add(_ viewer: Viewer, now: UInt64) {
    viewers.append(viewer)
    if viewers.count == 1 {
      // The encoder is a new one, and so are its frames' numbers.
      isAwaited = false
      frame = 0
      feed.ask(.watch(place, true))
    } else {
      wantsAll = true
    }
    work(now)
  }

  func remove(_ viewer: Viewer) {
    viewers.removeAll { $0 === viewer }
    if viewers.isEmpty { feed.ask(.watch(place, false)) }
  }

  /// A frame has come whole.
  func finishFrame(_ now: UInt64) {
    isAwaited = false
    work(now)
  }

  /// The newest frame has reached a viewer, `late` microseconds later than it might have.
  func note(late: UInt32) { delay = min(delay, late) }

  /// Asks for what is due: the next frame, as soon as one viewer has room for it, and what some lack.
  func work(_ now: UInt64) {
    let ready = viewers.filter { $0.isReady }
    guard !ready.isEmpty else { return }
    if wantsAll, now &- allAskedAt >= Picture.joinInterval {
      wantsAll = false
      allAskedAt = now
      feed.ask(.loss(place, band: .max, since: nil))
    }
    var gaps: [Int: UInt32?] = [:]
    for viewer in ready {
      for (band, since) in viewer.missing.gaps {
        if let known = gaps[band] {
          if let first = since, let known, Int32(bitPattern: first &- known) >= 0 { continue }
          if known == nil { continue }
        }
        gaps[band] = .some(since)
      }
    }
    for (band, since) in gaps.sorted(by: { $0.key < $1.key })
    where now &- (repairAskedAt[band] ?? 0) >= Picture.repairInterval {
      repairAskedAt[band] = now
      feed.ask(.loss(place, band: UInt32(band), since: since))
    }
    guard !isAwaited else { return }
    isAwaited = true
    feed.ask(.next(place, delay: delay))
    delay = .max
  }
}

/// What is still to be sent to the process of an application, by a thread of its own: one that hangs holds up
/// nobody else.
final class Outbox: @unchecked Sendable {
  private let link: Link
  private let queue = Guarded<[(type: UInt32, bytes: [UInt8])]>([])
  private let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  private let isEnded = Atomic<Bool>(false)

  /// A process that takes no more than so many messages has stopped.
  private static let most = 4096

  init(_ link: Link) {
    self.link = link
    word.initialize(to: 0)
  }

  deinit { word.deallocate() }

  func add(_ type: UInt32, _ bytes: [UInt8]) {
    let isFull = queue.withLock { queue in
      if queue.count < Outbox.most { queue.append((type, bytes)) }
      return queue.count >= Outbox.most
    }
    if isFull { link.close() }
    wake()
  }

  /// Sends until `end`, or until the link ends.
  func run() {
    while !isEnded.load(ordering: .acquiring) {
      let seen = platform_load32_seq(word)
      let due = queue.withLock { queue in
        defer { queue = [] }
        return queue
      }
      for (type, bytes) in due {
        do throws(LinkError) { try link.send(type, bytes: bytes) } catch { return }
      }
      if due.isEmpty { _ = platform_futex_wait(word, seen, .max) }
    }
  }

  func end() {
    isEnded.store(true, ordering: .releasing)
    link.close()
    wake()
  }

  private func wake() {
    _ = platform_add32(word, 1)
    _ = platform_futex_wake(word, 1)
  }
}
