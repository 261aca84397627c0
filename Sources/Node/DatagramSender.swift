import CPlatform
import FrameLink
import FrameStream
internal import Threads
import Transport
import VulkanReplay

/// The datagrams of a client's frames (`docs/frame-link.md`): units leave at the pace that the path takes, and what the
/// client says of them comes in. Each stream of frames has a path with a session of its own.
///
/// Threads: any; one of its own sends and receives.
final class DatagramSender: @unchecked Sendable {
  private let secret: DatagramSecret
  private let socket: DatagramSocket
  /// Set when something is to be sent.
  private let event: Int32
  private let lock = Lock()
  private var paths: [DatagramPath] = []
  private var lastSession: UInt16 = 0
  private var isOver = false

  static let largest = LinkSettings().packetBytes + DatagramCipher.overhead

  /// On the address that the client has reached, and the first of `ports` that is free. Nil when there is no such
  /// address, port or thread: frames stay on the link.
  init?(link: Link, ports: ClosedRange<UInt16>) {
    guard let secret = link.datagramSecret, case .tcp(let host, _)? = link.localAddress else {
      return nil
    }
    var bound: DatagramSocket?
    for port in ports where bound == nil {
      bound = try? DatagramSocket(
        bound: .tcp(host: host, port: port), largest: DatagramSender.largest)
    }
    let event = platform_event()
    guard let bound, event >= 0 else {
      if event >= 0 { _ = platform_close(event) }
      return nil
    }
    self.secret = secret
    self.event = event
    socket = bound
    guard startThread("omega-datagrams", { [self] in run() }) else { return nil }
  }

  deinit { _ = platform_close(event) }

  var port: UInt16 { socket.port }

  /// A path for another stream of frames; nil when there have been as many as there are numbers.
  /// `capacity`: bits a second that are known to arrive.
  func open(_ swapchain: UInt64, mostBits: Int, capacity: Double?) -> DatagramPath? {
    lock.withLock {
      guard lastSession < .max, !isOver else { return nil }
      lastSession += 1
      let path = DatagramPath(
        secret, swapchain: swapchain, session: lastSession, mostBits: mostBits,
        capacity: capacity, event: event)
      paths.append(path)
      return path
    }
  }

  /// Nothing leaves any more of a swapchain's frames.
  func close(_ swapchain: UInt64) {
    lock.withLock {
      for path in paths where path.swapchain == swapchain { path.fail() }
      paths.removeAll { $0.swapchain == swapchain }
    }
  }

  /// The client is gone.
  func stop() {
    lock.withLock {
      isOver = true
      for path in paths { path.fail() }
    }
    platform_event_set(event)
  }

  // MARK: The thread

  private func run() {
    var batch = DatagramBatch(largest: DatagramSender.largest)
    while true {
      let (paths, isOver) = lock.withLock { (self.paths, self.isOver) }
      if isOver { return }
      platform_event_clear(event)
      var isBlocked = !socket.send(&batch)
      for path in paths where !isBlocked {
        while !isBlocked, path.fill(&batch, now: platform_now()) {
          isBlocked = !socket.send(&batch)
        }
      }
      let now = platform_now()
      // A kernel whose buffer is full has room again after a moment.
      var deadline: UInt64 = isBlocked ? now &+ 1_000_000 : .max
      for path in paths { deadline = min(deadline, path.deadline(now: now) ?? .max) }
      if deadline > now {
        _ = platform_poll_either(
          socket.descriptor, event, deadline == .max ? .max : deadline &- now)
      }
      // More than a batch comes with the next turn.
      _ = socket.receive { datagram in
        guard let session = DatagramCipher.session(of: datagram) else { return false }
        return paths.first { $0.session == session }?.take(datagram) ?? false
      }
    }
  }
}

/// A stream of frames on its way to the client as datagrams.
///
/// Threads: any; `fill`, `take` and `deadline` belong to that of its `DatagramSender`.
final class DatagramPath: @unchecked Sendable {
  let swapchain: UInt64
  let session: UInt16
  private let event: Int32
  private let lock = Lock()
  private let sender: FrameLink.FrameSender
  /// A datagram of the client has come: it knows the way, and so does whatever lies between.
  private var isProven = false
  private var hasFailed = false
  /// When the first packet left that nothing has been heard since; nil: nothing has left.
  private var unheardSince: UInt64?

  // Of the thread.
  private var sealer: DatagramSealer
  private var opener: DatagramOpener
  private var packet = [UInt8](repeating: 0, count: LinkSettings().packetBytes)

  /// A path on which nothing is heard for so long, while packets leave, is none.
  private static let patience: UInt64 = 1_000_000_000

  fileprivate init(
    _ secret: DatagramSecret, swapchain: UInt64, session: UInt16, mostBits: Int,
    capacity: Double?, event: Int32
  ) {
    var settings = LinkSettings()
    if mostBits > 0 {
      settings.mostBitsPerSecond = max(mostBits, settings.leastBitsPerSecond)
    }
    settings.firstBitsPerSecond = min(
      Int(capacity ?? Double(settings.firstBitsPerSecond)), settings.mostBitsPerSecond)
    sender = FrameLink.FrameSender(settings, now: platform_now())
    sealer = DatagramSealer(secret, sender: .node, session: session)
    opener = DatagramOpener(secret, sender: .client, session: session)
    self.swapchain = swapchain
    self.session = session
    self.event = event
  }

  /// Whether units that are enqueued arrive, as far as is known.
  var isUsable: Bool { lock.withLock { isProven && !hasFailed } }
  var isGone: Bool { lock.withLock { hasFailed } }

  func fail() { lock.withLock { hasFailed = true } }

  /// Bits a second that the path takes; nil before any has been measured.
  var capacity: Double? { lock.withLock { sender.roundTrip == nil ? nil : sender.capacity } }

  /// Hands over what the client lacks, before a frame is coded.
  func takeLosses(_ body: (_ band: Int, _ since: UInt32) -> Void) {
    lock.withLock { sender.takeLosses(body) }
  }

  /// Bits a second that encoders are to be set to.
  func mediaBitsPerSecond() -> Int {
    lock.withLock { sender.mediaBitsPerSecond(now: platform_now()) }
  }

  /// Waits until a unit would wait no longer than `time`, nanoseconds, or the path fails.
  func waitForRoom(_ time: UInt64) {
    while true {
      let (delay, isOver) = lock.withLock { (sender.delay(now: platform_now()), hasFailed) }
      guard !isOver, delay > time else { return }
      platform_sleep(min(delay &- time, 5_000_000))
    }
  }

  /// Takes a unit, with its place in front of it; false when there is no room for it.
  func send(_ unit: CodedUnitBytes, frame: UInt32) -> Bool {
    let isTaken = lock.withLock {
      sender.enqueue(
        band: unit.band, frame: frame, byteCount: unit.byteCount, now: platform_now(), unit.write)
    }
    platform_event_set(event)
    return isTaken
  }

  // MARK: The thread

  /// Adds packets whose time has come; whether the batch is to be sent.
  fileprivate func fill(_ batch: inout DatagramBatch, now: UInt64) -> Bool {
    lock.withLock {
      guard isProven, !hasFailed else { return false }
      while !batch.isFull {
        let next = packet.withUnsafeMutableBytes { sender.nextPacket(now: now, into: $0) }
        guard let (number, byteCount) = next else { break }
        batch.add { room in
          packet.withUnsafeBytes {
            sealer.seal(
              UnsafeRawBufferPointer(rebasing: $0[..<byteCount]), number: number, into: room)
          }
        }
        unheardSince = unheardSince ?? now
      }
      return !batch.isEmpty
    }
  }

  fileprivate func deadline(now: UInt64) -> UInt64? {
    lock.withLock {
      guard isProven, !hasFailed else { return nil }
      guard let unheardSince else { return sender.deadline(now: now) }
      let end = unheardSince &+ DatagramPath.patience
      if now >= end {
        hasFailed = true
        return nil
      }
      return min(sender.deadline(now: now) ?? end, end)
    }
  }

  /// Takes a datagram; whether it is the client's.
  fileprivate func take(_ datagram: UnsafeRawBufferPointer) -> Bool {
    opener.open(datagram) { _, packet in
      lock.withLock {
        isProven = true
        unheardSince = nil
        // One without a packet says where the client is, and no more.
        if !packet.isEmpty { sender.receive(packet, now: platform_now()) }
      }
      return true
    } ?? false
  }
}

/// A unit and what stands before it.
struct CodedUnitBytes {
  let band: Int
  let byteCount: Int
  let write: (UnsafeMutableRawPointer) -> Void
}
