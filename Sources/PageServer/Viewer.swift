internal import FrameStream
internal import ViewStream

/// One viewer: what it may, what it looks at, and what of that it has got. Belongs to the server's lock.
final class Viewer {
  let number: UInt32
  let connection: Connection
  let nonce: [UInt8]
  /// Nil until it has shown what it may.
  var rights: ViewRights?
  var setting = ViewSetting.video
  /// What it has asked for; 0: the newest.
  var wanted: (application: UInt32, window: UInt64) = (0, 0)
  var picture: Picture?
  var missing = MissingTiles()
  /// Whether the frame that comes is one for it.
  var takesFrame = false
  /// Whether its user has operated the window that it looks at.
  var hasOperated = false
  private var wasRefused = false
  private var underWay: [(frame: UInt32, sentAt: UInt64)] = []
  /// Nanoseconds from the sending of a frame until the viewer says that it is shown, without its decoding: the
  /// shortest of late.
  private var trip: Double = 0
  private var events = EventBudget()
  var pingedAt: UInt64

  /// Bytes that may wait for a viewer when another frame begins.
  private static let mostQueued = 2 << 20
  private static let frameTime: Double = 16_700_000

  init(number: UInt32, connection: Connection, nonce: [UInt8], now: UInt64) {
    self.number = number
    self.connection = connection
    self.nonce = nonce
    pingedAt = now
  }

  func send(_ reply: ViewReply) { connection.send(WebSocket.frame(.binary, reply.bytes)) }

  /// Says once why what the user does has no effect.
  func refuseInput(_ why: String) {
    guard !wasRefused else { return }
    wasRefused = true
    send(.notice(level: 1, why))
  }

  /// Whether another frame may be sent: a few are under way, and the connection takes them.
  var isReady: Bool {
    let window = 2 + min(Int(trip / Viewer.frameTime), 6)
    return underWay.count < window && connection.queuedBytes < Viewer.mostQueued
  }

  /// Begins to look at a picture, which is empty for it.
  func begin(_ picture: Picture?, application: UInt32) {
    self.picture = picture
    missing = MissingTiles()
    takesFrame = false
    underWay = []
    wasRefused = false
    send(
      .begin(
        picture?.place.setting ?? setting, application: application,
        window: picture?.place.swapchain ?? 0))
  }

  func noteSent(_ frame: UInt32, now: UInt64) {
    if underWay.count == 64 { underWay.removeFirst() }
    underWay.append((frame, now))
  }

  /// The viewer shows a frame; microseconds that it came later than it might have, or nil for one that is not known.
  func noteShown(_ frame: UInt32, decodeTime: UInt32, now: UInt64) -> UInt32? {
    guard let index = underWay.firstIndex(where: { $0.frame == frame }) else { return nil }
    let sentAt = underWay[index].sentAt
    underWay.removeSubrange(...index)
    let took = max(0, Double(now &- sentAt) - Double(decodeTime) * 1000)
    // Follows a way that has become longer slowly.
    trip = trip == 0 || took < trip ? took : trip + (took - trip) / 256
    return UInt32(clamping: Int((took - trip) / 1000))
  }

  /// Whether so many events may come now.
  func mayOperate(_ count: Int, now: UInt64) -> Bool { events.take(count, now: now) }
}

/// How many events a viewer may send: more than any keyboard and mouse do.
struct EventBudget {
  private static let perSecond = 4000.0
  private var left = EventBudget.perSecond
  private var latest: UInt64 = 0

  mutating func take(_ count: Int, now: UInt64) -> Bool {
    left = min(
      EventBudget.perSecond, left + Double(now &- min(latest, now)) / 1e9 * EventBudget.perSecond)
    latest = now
    left -= Double(count)
    return left >= 0
  }
}
