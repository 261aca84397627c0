internal import CPlatform
internal import FrameStream
internal import Glibc
public import Transport
internal import ViewStream

/// A viewer of a node's windows in a window of this machine's X server: the same conversation that the page has.
public final class NativeViewer {
  /// What is to be shown.
  public struct Choice: Sendable {
    /// Name or process of the application; nil: the newest there is.
    public var application: String?

    public init(application: String?) { self.application = application }
  }

  private let address: Address
  private let token: Token?
  private let choice: Choice
  private let log: (Level, String) -> Void
  private var window: ViewerWindow?
  private var decoder = FrameDecoder(mostPixels: NativeViewer.mostPixels)
  private var lostBands: UInt32 = 0
  private var decodeTime: UInt64 = 0
  private var isChosen = false
  private var batch: [ViewEvent] = []

  public enum Level: Sendable { case warning, info }

  /// No display shows more; a node that names a larger frame does not get the memory for it.
  private static let mostPixels = 64 << 20
  /// Nanoseconds between two attempts at most.
  private static let longestPause: UInt64 = 5_000_000_000

  public init(
    _ address: Address, token: Token?, choice: Choice, log: @escaping (Level, String) -> Void
  ) {
    self.address = address
    self.token = token
    self.choice = choice
    self.log = log
  }

  /// Shows until the user closes the window; why it cannot, or nil.
  public func run() -> String? {
    switch ViewerWindow.open() {
    case .success(let opened): window = opened
    case .failure(let why): return why.description
    }
    var pause: UInt64 = 250_000_000
    var hasComplained = false
    while true {
      do throws(ViewerLink.Failure) {
        let link = try ViewerLink(address)
        try converse(link) {
          pause = 250_000_000
          hasComplained = false
        }
        return nil
      } catch {
        switch error {
        case .refused(let why): return why
        case .away(let why):
          if !hasComplained { log(.warning, "\(why); trying again") }
          hasComplained = true
        }
      }
      let until = platform_now() &+ pause
      pause = min(pause * 2, NativeViewer.longestPause)
      while platform_now() < until {
        while let event = window?.next() {
          if case .closed = event { return nil }
          if case .exposed = event { window?.paint() }
        }
        guard let window, !window.isGone else { return "the X server is gone" }
        _ = platform_poll(window.descriptor, Int32(POLLIN), 50)
      }
    }
  }

  /// Until the user closes the window. `welcomed` is called when the node has let the viewer in.
  private func converse(
    _ link: ViewerLink, _ welcomed: () -> Void
  ) throws(ViewerLink.Failure) {
    isChosen = false
    guard let window else { return }
    while true {
      var wanted = [
        pollfd(
          fd: link.descriptor, events: Int16(POLLIN) | (link.hasOutput ? Int16(POLLOUT) : 0),
          revents: 0),
        pollfd(fd: window.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      _ = poll(&wanted, 2, 1000)
      if wanted[0].revents & Int16(POLLOUT) != 0 { link.flush() }
      if wanted[0].revents & ~Int16(POLLOUT) != 0 {
        try link.receive { reply, bytes throws(ViewerLink.Failure) in
          try take(reply, bytes, link, welcomed)
        }
      }
      while let event = window.next() {
        switch event {
        case .input(let one): add(one, link)
        case .exposed: window.paint()
        case .closed:
          send(link)
          return
        }
      }
      send(link)
      guard !window.isGone else { throw .refused("the X server is gone") }
    }
  }

  // MARK: Input

  private func add(_ event: ViewEvent, _ link: ViewerLink) {
    // Of movements in a row the last is enough.
    if case .motion = event, case .motion? = batch.last { batch.removeLast() }
    batch.append(event)
    if batch.count == ViewInput.mostEvents { send(link) }
  }

  private func send(_ link: ViewerLink) {
    guard !batch.isEmpty else { return }
    link.send(.input(batch))
    batch = []
  }

  // MARK: From the node

  private func take(
    _ reply: ViewReply, _ bytes: UnsafeRawBufferPointer, _ link: ViewerLink, _ welcomed: () -> Void
  ) throws(ViewerLink.Failure) {
    switch reply {
    case .challenge(let version, let needsToken, let nonce):
      guard version == ViewProtocol.version else {
        throw .refused(
          "\(address) speaks version \(version) to viewers, this omega \(ViewProtocol.version); install the "
            + "same release on both machines")
      }
      guard !needsToken || token != nil else {
        throw .refused(
          "\(address) shows itself to holders of a token; set --token-file FILE (or OMEGA_TOKEN_FILE)"
        )
      }
      let proof =
        needsToken
        ? token?.proof(nonce: nonce) : [UInt8](repeating: 0, count: ViewProtocol.proofBytes)
      let setting: ViewSetting = CodingSet.decodable.has(.h264) ? .video : .exact
      link.send(.hello(version: ViewProtocol.version, setting: setting, proof: proof ?? []))
    case .welcome(let rights, _):
      welcomed()
      log(.info, "\(address) is shown" + (rights == .control ? ", and may be operated" : ""))
    case .notice(let level, let text):
      if level == 0 { throw .refused(text) }
      log(.warning, text)
    case .windows(let all): choose(all, link)
    case .begin(_, _, let id):
      decoder = FrameDecoder(mostPixels: NativeViewer.mostPixels)
      lostBands = 0
      if id == 0 { log(.info, "\(address) shows nothing yet") }
    case .unit(let offset): decode(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    case .end(let end): show(end, link)
    case .pong: break
    }
  }

  private func choose(_ all: [ViewWindow], _ link: ViewerLink) {
    guard let wanted = choice.application, !isChosen,
      let found = all.last(where: { $0.name == wanted || String($0.process) == wanted })
    else {
      if let wanted = choice.application, !isChosen {
        log(.info, "\(address) has no window of '\(wanted)' yet")
      }
      return
    }
    isChosen = true
    link.send(.watch(application: found.application, window: found.window))
  }

  private func decode(_ bytes: UnsafeRawBufferPointer) {
    let began = platform_now()
    var band: Int?
    do throws(BandError) {
      let unit = try BandUnit(bytes)
      band = unit.header.band
      _ = try decoder.prepare(for: unit.header)
      try decoder.decode(unit)
    } catch {
      if let band {
        decoder.noteLoss(band: band)
        lostBands |= 1 << UInt32(band)
      } else {
        lostBands = .max
      }
    }
    decodeTime &+= platform_now() &- began
  }

  private func show(_ end: ViewFrameEnd, _ link: ViewerLink) {
    let began = platform_now()
    if let picture = decoder.picture {
      _ = window?.show(picture, width: decoder.width, height: decoder.height)
    }
    let took = decodeTime &+ (platform_now() &- began)
    link.send(
      .shown(frame: end.frame, lostBands: lostBands, decodeTime: UInt32(clamping: took / 1000)))
    lostBands = 0
    decodeTime = 0
  }
}
