internal import CPlatform
internal import FrameLink
internal import FrameStream
internal import Threads
internal import Transport

/// Units of frames that come as datagrams (`docs/frame-link.md`): one session for each stream of frames, of one node.
///
/// Threads: any; one of its own receives and answers. What has come whole is handed to the `FrameTable` in the
/// order of each band.
final class DatagramReceiver: @unchecked Sendable {
  private let host: String
  private let secret: DatagramSecret
  private let frames: FrameTable
  private let running: RunningCount
  private let fail: @Sendable (String) -> Void
  /// Set when there is something to be done though nothing has come.
  private let event: Int32
  /// Grows with every turn of the thread.
  private let turns = Word()
  /// Held from when units come out of a receiver until they are in the table: who knows that nothing more is to come
  /// finds it there. Taken before every other lock.
  private let handing = Lock()
  private let lock = Lock()
  private var sessions: [DatagramSession] = []
  private var port: UInt16?
  private var latestSession: UInt16 = 0
  private var isOver = false
  /// Of sessions that are gone.
  private var ended = DatagramTotals()

  private static let largest = LinkSettings().packetBytes + DatagramCipher.overhead
  /// A frame waits no longer for its units, whatever comes, in nanoseconds.
  private static let mostPatience: UInt64 = 250_000_000

  /// For a link by which another host is reached; nil for others: what is on this host, or behind a tunnel, is
  /// reached by the link better. `fail` is told when the node sends what makes no sense.
  init?(
    link: Link, frames: FrameTable, running: RunningCount,
    fail: @escaping @Sendable (String) -> Void
  ) {
    guard !platform_is_switched_off("no_datagrams"), let secret = link.datagramSecret,
      let address = link.peerAddress, case .tcp(let host, _) = address, !address.isLocal
    else { return nil }
    let event = platform_event()
    guard event >= 0 else { return nil }
    self.host = host
    self.secret = secret
    self.frames = frames
    self.running = running
    self.fail = fail
    self.event = event
  }

  deinit { _ = platform_close(event) }

  /// Begins a session that the node offers, by saying where this end is. Without a socket or a thread frames stay
  /// on the link.
  func open(_ offer: DatagramOffer) {
    let isFirst = lock.withLock { () -> Bool? in
      // Numbers grow: the keys of one that was there must not be used again.
      guard !isOver, port == nil || port == offer.port, offer.session > latestSession else {
        return nil
      }
      latestSession = offer.session
      retire { $0.swapchain == offer.swapchain }
      sessions.append(DatagramSession(offer, secret, now: platform_now()))
      defer { port = offer.port }
      return port == nil
    }
    guard let isFirst else { return }
    frames.beginDatagrams(offer.swapchain)
    if isFirst { start(offer.port) }
    platform_event_set(event)
  }

  private func start(_ port: UInt16) {
    do throws(LinkError) {
      nonisolated(unsafe) let socket = try DatagramSocket(
        to: .tcp(host: host, port: port), largest: DatagramReceiver.largest)
      running.enter()
      let started = startThread("omega-datagrams") { [self] in
        run(socket)
        running.leave()
      }
      if !started {
        running.leave()
        Log.debug("no thread for datagrams; frames come over the link")
      }
    } catch {
      Log.debug("\(error.message); frames come over the link")
    }
  }

  /// The swapchain is gone.
  func forget(_ swapchain: UInt64) {
    lock.withLock { retire { $0.swapchain == swapchain } }
  }

  /// With the lock held.
  private func retire(_ isGone: (DatagramSession) -> Bool) {
    for session in sessions where isGone(session) { ended.add(session.totals) }
    sessions.removeAll(where: isGone)
  }

  func stop() {
    lock.withLock { isOver = true }
    platform_event_set(event)
    turns.bump()
  }

  /// Figures so far.
  var totals: DatagramTotals {
    lock.withLock {
      var sum = ended
      for session in sessions { sum.add(session.totals) }
      return sum
    }
  }

  /// Waits for the units of a frame, until each has come or is lost.
  func wait(for end: FrameEnd) {
    guard end.usesDatagrams else { return }
    let began = platform_now()
    while true {
      let seen = turns.load()
      let now = platform_now()
      guard now &- began < DatagramReceiver.mostPatience else { return }
      let isUnderWay = handing.withLock {
        lock.withLock { () -> Bool in
          guard !isOver,
            let session = sessions.first(where: { $0.swapchain == end.place.swapchain })
          else { return false }
          return session.isUnderWay(end, since: began, now: now)
        }
      }
      guard isUnderWay else { return }
      turns.wait(while: seen, nanoseconds: 2_000_000)
    }
  }

  // MARK: The thread

  private func run(_ socket: DatagramSocket) {
    var batch = DatagramBatch(largest: DatagramReceiver.largest)
    while true {
      guard let deadline = answer(socket, &batch) else { return }
      let now = platform_now()
      if deadline > now {
        _ = platform_poll_either(socket.descriptor, event, deadline &- now)
      }
      platform_event_clear(event)
      handing.withLock { receive(socket) }
      turns.bump()
    }
  }

  /// Takes what has come, and hands on what is whole.
  private func receive(_ socket: DatagramSocket) {
    var arrived: [(unit: [UInt8], arrival: DatagramArrival)] = []
    lock.withLock {
      // More than a batch comes with the next turn.
      _ = socket.receive { datagram in
        guard let number = DatagramCipher.session(of: datagram),
          let session = sessions.first(where: { $0.number == number })
        else { return false }
        return session.take(datagram, now: platform_now()) { arrived.append(arrival($0, session)) }
      }
      for session in sessions {
        session.tick(now: platform_now()) { arrived.append(arrival($0, session)) }
      }
    }
    for (unit, arrival) in arrived {
      if let problem = frames.decode(unit, arrival) { fail(problem) }
    }
  }

  private func arrival(
    _ unit: DatagramSession.Unit, _ session: DatagramSession
  ) -> (unit: [UInt8], arrival: DatagramArrival) {
    let refuse: @Sendable (Int, UInt8) -> Void = { [weak self] band, repair in
      self?.refuse(session, band, repair)
    }
    return (
      unit.bytes,
      DatagramArrival(
        swapchain: session.swapchain, band: unit.band, frame: unit.frame, repair: unit.repair,
        isBehindGap: unit.isBehindGap, refuse: refuse)
    )
  }

  /// A unit could not be decoded.
  private func refuse(_ session: DatagramSession, _ band: Int, _ repair: UInt8) {
    lock.withLock { session.refuse(band: band, repair: repair) }
    platform_event_set(event)
  }

  /// Sends what is to be told; when to do so again, nil at the end.
  private func answer(_ socket: DatagramSocket, _ batch: inout DatagramBatch) -> UInt64? {
    let now = platform_now()
    let deadline = lock.withLock { () -> UInt64? in
      guard !isOver else { return nil }
      var first = now &+ 1_000_000_000
      for session in sessions { first = min(first, session.answer(&batch, now: now)) }
      return first
    }
    // Feedback that the kernel does not take is late with the next turn, and no worse.
    if !socket.send(&batch) { return deadline.map { min($0, now &+ 1_000_000) } }
    return deadline
  }
}

/// How a unit came that a datagram brought.
struct DatagramArrival: Sendable {
  let swapchain: UInt64
  let band: Int
  let frame: UInt32
  let repair: UInt8
  /// Others of its band are missing in front of it.
  let isBehindGap: Bool
  /// To be told of a unit's band and repair when it cannot be decoded. Any thread.
  let refuse: @Sendable (Int, UInt8) -> Void
}

/// Figures of datagrams.
struct DatagramTotals: Equatable, Sendable {
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  /// Packets that never came, and those that parity has made good.
  var lost: UInt64 = 0
  var repaired: UInt64 = 0

  mutating func add(_ other: DatagramTotals) {
    packets &+= other.packets
    bytes &+= other.bytes
    lost &+= other.lost
    repaired &+= other.repaired
  }
}

/// One stream of frames. Under the lock of its `DatagramReceiver`.
private final class DatagramSession: @unchecked Sendable {
  struct Unit {
    let band: Int
    let frame: UInt32
    let repair: UInt8
    let isBehindGap: Bool
    let bytes: [UInt8]
  }

  let swapchain: UInt64
  let number: UInt16
  private let receiver = FrameReceiver()
  private var sealer: DatagramSealer
  private var opener: DatagramOpener
  private var nextNumber: UInt64 = 0
  private let began: UInt64
  private var latestSent: UInt64?
  private var hasHeard = false
  private var byteCount: UInt64 = 0
  /// Bands before whose next unit others are missing, bits.
  private var gaps: UInt32 = 0
  private var packet = [UInt8](repeating: 0, count: LinkSettings().packetBytes)

  /// The node is told where this end is so often, and for so long, until it has sent something; nanoseconds.
  private static let helloInterval: UInt64 = 50_000_000
  private static let helloTime: UInt64 = 1_000_000_000
  /// What translates addresses on the way forgets them otherwise.
  private static let keepaliveInterval: UInt64 = 10_000_000_000

  init(_ offer: DatagramOffer, _ secret: DatagramSecret, now: UInt64) {
    swapchain = offer.swapchain
    number = offer.session
    sealer = DatagramSealer(secret, sender: .client, session: offer.session)
    opener = DatagramOpener(secret, sender: .node, session: offer.session)
    began = now
  }

  var totals: DatagramTotals {
    DatagramTotals(
      packets: UInt64(receiver.statistics.packets), bytes: byteCount,
      lost: UInt64(receiver.lostPackets), repaired: UInt64(receiver.statistics.repairedShards))
  }

  func isUnderWay(_ end: FrameEnd, since: UInt64, now: UInt64) -> Bool {
    (0..<BandLayout.mostBands).contains { band in
      end.bands >> UInt32(band) & 1 != 0
        && receiver.isUnderWay(band: band, frame: end.frame, since: since, now: now)
    }
  }

  func refuse(band: Int, repair: UInt8) { receiver.refuse(band: band, repair: repair) }

  /// Whether the datagram is the node's.
  func take(_ datagram: UnsafeRawBufferPointer, now: UInt64, _ handle: (Unit) -> Void) -> Bool {
    opener.open(datagram) { number, packet in
      hasHeard = true
      byteCount &+= UInt64(datagram.count)
      receiver.receive(packet, number: number, now: now) { take($0, handle) }
      return true
    } ?? false
  }

  func tick(now: UInt64, _ handle: (Unit) -> Void) {
    receiver.tick(now: now) { take($0, handle) }
  }

  private func take(_ event: ReceiverEvent, _ handle: (Unit) -> Void) {
    switch event {
    case .gap(let band): gaps |= 1 << UInt32(band)
    case .unit(let unit):
      let bit: UInt32 = 1 << UInt32(unit.band)
      handle(
        Unit(
          band: unit.band, frame: unit.frame, repair: unit.repair, isBehindGap: gaps & bit != 0,
          bytes: [UInt8](unit.bytes)))
      gaps &= ~bit
    }
  }

  /// Adds what is to be told the node now; when there will be more.
  func answer(_ batch: inout DatagramBatch, now: UInt64) -> UInt64 {
    let count = packet.withUnsafeMutableBytes { receiver.feedback(now: now, into: $0) }
    if count > 0 {
      send(count, &batch, now)
    } else if now >= nextHello {
      send(0, &batch, now)
    }
    return min(receiver.deadline ?? .max, nextHello)
  }

  private var nextHello: UInt64 {
    guard let latestSent else { return 0 }
    let isNew = !hasHeard && latestSent &- began < DatagramSession.helloTime
    return latestSent
      &+ (isNew ? DatagramSession.helloInterval : DatagramSession.keepaliveInterval)
  }

  private func send(_ count: Int, _ batch: inout DatagramBatch, _ now: UInt64) {
    batch.add { room in
      packet.withUnsafeBytes {
        sealer.seal(UnsafeRawBufferPointer(rebasing: $0[..<count]), number: nextNumber, into: room)
      }
    }
    nextNumber += 1
    latestSent = now
  }
}
