internal import CPlatform
internal import FrameStream
internal import Glibc
internal import Threads
public import Transport
internal import ViewStream

/// What the page server is told when it is started.
public struct PageServerConfiguration: Sendable {
  /// Tokens of those who may look, and of those who may operate what they see too. With neither, everybody who
  /// reaches the server may.
  public var viewToken: Token?
  public var controlToken: Token?
  /// The name that it was told to listen on.
  public var host: String
  public var mostViewers: Int

  public init(viewToken: Token?, controlToken: Token?, host: String, mostViewers: Int) {
    self.viewToken = viewToken
    self.controlToken = controlToken
    self.host = host
    self.mostViewers = mostViewers
  }
}

/// Shows the windows of a node's applications to those who look on: serves the page, and hands what the processes
/// that serve the applications code on to browsers and native viewers, to each as much as it takes.
///
/// Two threads for each application, which never wait for a viewer, and one for all viewers. One lock for
/// everything but the links.
public final class PageServer: @unchecked Sendable {
  private let listener: Listener
  private let feeds: Int32
  private let configuration: PageServerConfiguration
  private let log: @Sendable (Level, String) -> Void
  private let lock = Guarded<Void>(())
  private let event: Int32
  private var connections: [Connection] = []
  private var viewers: [Viewer] = []
  private var applications: [UInt32: Feed] = [:]
  private var applicationCount: UInt32 = 0
  private var viewerCount: UInt32 = 0
  private var windowCount: UInt64 = 0
  private var latestTick: UInt64 = 0
  private var mayAccept = true

  public enum Level: Sendable { case warning, info, debug }

  /// Nanoseconds until a connection must have shown what it may.
  private static let greetingTime: UInt64 = 10_000_000_000
  /// Nanoseconds without a sign of life until a viewer counts as gone.
  private static let patience: UInt64 = 30_000_000_000
  private static let pingInterval: UInt64 = 5_000_000_000
  private static let tickInterval: UInt64 = 50_000_000

  /// `listener`: of TCP; `feeds`: a listening unix socket that the processes of applications come
  /// to. Nil without descriptors.
  public init?(
    listener: Listener, feeds: Int32, configuration: PageServerConfiguration,
    log: @escaping @Sendable (Level, String) -> Void
  ) {
    event = platform_event()
    guard event >= 0 else { return nil }
    self.listener = listener
    self.feeds = feeds
    self.configuration = configuration
    self.log = log
    for descriptor in [listener.descriptor, feeds] {
      _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }
  }

  /// Serves until `isOver` says so, which is asked a few times a second.
  public func run(isOver: () -> Bool) {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { room.deallocate() }
    var wanted: [pollfd] = []
    while !isOver() {
      let open = lock.withLock { _ in
        wanted = [
          pollfd(fd: event, events: Int16(POLLIN), revents: 0),
          pollfd(fd: feeds, events: Int16(POLLIN), revents: 0),
          pollfd(fd: mayAccept ? listener.descriptor : -1, events: Int16(POLLIN), revents: 0),
        ]
        for one in connections {
          let output = one.hasOutput ? Int16(POLLOUT) : 0
          wanted.append(
            pollfd(fd: one.descriptor, events: Int16(POLLIN) | output, revents: 0))
        }
        return connections
      }
      let count = poll(&wanted, nfds_t(wanted.count), 50)
      platform_event_clear(event)
      let now = platform_now()
      if count > 0, wanted[1].revents != 0 { acceptFeed() }
      lock.withLock { _ in
        mayAccept = true
        if count > 0, wanted[2].revents != 0 { acceptConnections(now) }
        for (one, answer) in zip(open, wanted.dropFirst(3))
        where answer.revents & ~Int16(POLLOUT) != 0 {
          one.fill(room, now: now)
        }
        for one in open { take(one, now) }
        if now &- latestTick >= PageServer.tickInterval { tick(now) }
        for one in connections where one.hasOutput { one.flush() }
        sweep(now)
      }
    }
    lock.withLock { _ in
      for viewer in viewers { viewer.connection.send(WebSocket.close(.goingAway, "the node ends")) }
      for one in connections { one.flush() }
    }
  }

  private func wake() { platform_event_set(event) }

  // MARK: Connections

  private var mostConnections: Int { configuration.mostViewers * 2 + 16 }

  private func acceptConnections(_ now: UInt64) {
    for _ in 0..<16 {
      guard connections.count < mostConnections else {
        mayAccept = false
        return
      }
      guard let (descriptor, peer) = listener.acceptPeer() else { return }
      // What the kernel holds for a viewer that is slow is late by so much when it is shown.
      var most: Int32 = 1 << 18
      _ = setsockopt(
        descriptor, SOL_SOCKET, SO_SNDBUF, &most, socklen_t(MemoryLayout<Int32>.size))
      connections.append(Connection(descriptor: descriptor, peer: peer, now: now))
    }
  }

  /// Takes what a peer has said.
  private func take(_ connection: Connection, _ now: UInt64) {
    while let event = connection.next() {
      switch event {
      case .request(let request): answer(connection, request, now)
      case .pong: break
      case .ended(let why):
        if let why { log(.info, "\(connection.peer) is turned away: \(why)") }
        connection.finish()
      case .message(let opcode, let bytes):
        guard let viewer = viewers.first(where: { $0.connection === connection }) else { break }
        guard opcode == .binary else {
          end(viewer, .unsupported, "messages are binary")
          break
        }
        take(viewer, bytes, now)
      }
    }
  }

  private func answer(_ connection: Connection, _ request: HTTPRequest, _ now: UInt64) {
    func refuse(_ status: Int, _ text: String) {
      connection.send(HTTPResponse.error(status, text).bytes)
      connection.finish()
    }
    guard request.method == "GET" else { return refuse(405, "only GET is known here") }
    guard isAddressed(request) else {
      return refuse(
        421, "this node shows itself without a token under its own address alone; ask for localhost"
      )
    }
    guard request.path == ViewProtocol.path else {
      connection.send(
        (HTTPResponse.file(request.path) ?? .error(404, "there is no such file")).bytes)
      return connection.finish()
    }
    guard request.has("websocket", in: "upgrade"), request.has("upgrade", in: "connection"),
      request.fields["sec-websocket-version"] == "13", let upgrade = HTTPResponse.upgrade(request)
    else { return refuse(426, "this is for WebSockets; open / in a browser") }
    guard !request.isFromElsewhere else {
      log(.warning, "a page of \(request.fields["origin"] ?? "") asked for frames, and was refused")
      return refuse(403, "pages from elsewhere may not look")
    }
    guard viewers.count < configuration.mostViewers else {
      return refuse(503, "\(viewers.count) viewers look on already")
    }
    var source = SystemRandomNumberGenerator()
    let nonce = (0..<ViewProtocol.nonceBytes).map { _ in UInt8.random(in: 0...255, using: &source) }
    connection.send(upgrade)
    connection.upgrade(limit: ViewProtocol.largestFromViewer)
    viewerCount += 1
    let viewer = Viewer(number: viewerCount, connection: connection, nonce: nonce, now: now)
    viewers.append(viewer)
    viewer.send(.challenge(version: ViewProtocol.version, needsToken: needsToken, nonce: nonce))
  }

  private var needsToken: Bool {
    configuration.viewToken != nil || configuration.controlToken != nil
  }

  /// Whether a request names this server. Without a token this is what keeps out a page whose own name was made to
  /// lead here.
  private func isAddressed(_ request: HTTPRequest) -> Bool {
    if needsToken { return true }
    guard let host = request.host else { return false }
    return host == "localhost" || host == configuration.host.lowercased() || host.hasPrefix("[")
      || host.allSatisfy { $0.isNumber || $0 == "." }
  }

  // MARK: Viewers

  private func take(_ viewer: Viewer, _ bytes: [UInt8], _ now: UInt64) {
    var request: ViewRequest?
    var failure: ViewError?
    bytes.withUnsafeBytes {
      do throws(ViewError) { request = try ViewRequest($0) } catch { failure = error }
    }
    guard let request else {
      return end(viewer, .protocolError, failure?.description ?? "a message makes no sense")
    }
    guard let rights = viewer.rights else {
      guard case .hello(let version, let setting, let proof) = request else {
        return end(viewer, .protocolError, "the first message is a hello")
      }
      return greet(viewer, version, setting, proof, now)
    }
    switch request {
    case .hello: end(viewer, .protocolError, "a second hello")
    case .watch(let application, let window):
      viewer.wanted = (application, window)
      choose(viewer, now)
    case .shown(let frame, let lostBands, let decodeTime):
      guard let picture = viewer.picture else { break }
      if lostBands != 0 { viewer.missing.lose(bands: lostBands) }
      if let late = viewer.noteShown(frame, decodeTime: decodeTime, now: now) {
        picture.note(late: late)
      }
      picture.work(now)
    case .input(let events):
      guard viewer.mayOperate(events.count, now: now) else {
        return end(viewer, .policy, "more events than anybody's hands make")
      }
      operate(viewer, rights, events)
    case .ping(let number): viewer.send(.pong(number))
    }
  }

  private func greet(
    _ viewer: Viewer, _ version: UInt8, _ setting: ViewSetting, _ proof: [UInt8], _ now: UInt64
  ) {
    guard version == ViewProtocol.version else {
      return end(
        viewer, .policy,
        "the viewer speaks version \(version), this node \(ViewProtocol.version); load the page again"
      )
    }
    let rights: ViewRights
    if !needsToken || configuration.controlToken?.proves(proof, nonce: viewer.nonce) == true {
      rights = .control
    } else if configuration.viewToken?.proves(proof, nonce: viewer.nonce) == true {
      rights = .view
    } else {
      log(.warning, "a viewer from \(viewer.connection.peer) has a wrong token, and was refused")
      return end(
        viewer, .policy, "the token is wrong; ask for that of the node's --view-token-file")
    }
    viewer.rights = rights
    viewer.setting = setting
    viewer.send(.welcome(rights, viewer: viewer.number))
    viewer.send(.windows(windows))
    log(
      .info,
      "viewer \(viewer.number) from \(viewer.connection.peer) looks on"
        + (rights == .control ? ", and may operate" : ""))
    choose(viewer, now)
  }

  /// Says why, and ends a viewer.
  private func end(_ viewer: Viewer, _ reason: WebSocket.Close, _ text: String) {
    viewer.send(.notice(level: 0, text))
    viewer.connection.send(WebSocket.close(reason, text))
    viewer.connection.finish()
  }

  private func operate(_ viewer: Viewer, _ rights: ViewRights, _ events: [ViewEvent]) {
    guard let picture = viewer.picture else { return }
    guard rights == .control else {
      return viewer.refuseInput("this token is for looking; to operate the window takes another")
    }
    guard picture.feed.application.takesInput else {
      return viewer.refuseInput("\(picture.feed.application.name) takes no input from viewers")
    }
    viewer.hasOperated = true
    picture.feed.outbox.add(
      FeedType.input,
      ViewInput(swapchain: picture.place.swapchain, viewer: viewer.number, events: events).bytes)
  }

  /// A viewer looks elsewhere: what it holds is let go.
  private func leave(_ viewer: Viewer) {
    guard let picture = viewer.picture else { return }
    viewer.picture = nil
    picture.remove(viewer)
    letGo(viewer, of: picture.place.swapchain, picture.feed)
  }

  private func letGo(_ viewer: Viewer, of swapchain: UInt64, _ feed: Feed) {
    guard viewer.hasOperated else { return }
    viewer.hasOperated = false
    feed.outbox.add(
      FeedType.input,
      ViewInput(swapchain: swapchain, viewer: viewer.number, events: []).bytes)
  }

  /// Brings a viewer to what it wants to look at, where that is not what it looks at.
  private func choose(_ viewer: Viewer, _ now: UInt64) {
    let found = chosen(viewer)
    if let found {
      let place = FeedPlace(swapchain: found.window, setting: viewer.setting)
      let picture = found.feed.watchedPicture(place)
      guard viewer.picture !== picture else { return }
      leave(viewer)
      viewer.begin(picture, application: found.feed.number)
      picture.add(viewer, now: now)
    } else {
      leave(viewer)
      viewer.begin(nil, application: 0)
    }
  }

  private func chosen(_ viewer: Viewer) -> (feed: Feed, window: UInt64)? {
    let (application, window) = viewer.wanted
    let current = viewer.picture
    if let feed = applications[application] {
      if feed.windows[window] != nil { return (feed, window) }
      if let current, current.feed === feed, window == 0 { return (feed, current.place.swapchain) }
      return feed.newest.map { (feed, $0.swapchain) }
    }
    // What it was asked for has gone, or anything will do: stay, or take the newest.
    if let current { return (current.feed, current.place.swapchain) }
    return applications.values.compactMap { feed in feed.newest.map { (feed, $0) } }
      .max { $0.1.order < $1.1.order }.map { ($0.0, $0.1.swapchain) }
  }

  private var windows: [ViewWindow] {
    applications.values.sorted { $0.number < $1.number }.flatMap { feed in
      feed.windows.sorted { $0.value.order < $1.value.order }.map { swapchain, window in
        ViewWindow(
          application: feed.number, process: feed.application.process, window: swapchain,
          width: UInt16(clamping: window.width), height: UInt16(clamping: window.height),
          takesInput: feed.application.takesInput, name: feed.application.name)
      }
    }
  }

  /// Windows have come or gone.
  private func tellWindows(_ now: UInt64) {
    let all = ViewReply.windows(windows)
    for viewer in viewers where viewer.rights != nil {
      viewer.send(all)
      if viewer.picture == nil { choose(viewer, now) }
    }
  }

  private func tick(_ now: UInt64) {
    latestTick = now
    for viewer in viewers {
      viewer.picture?.work(now)
      if now &- viewer.pingedAt >= PageServer.pingInterval {
        viewer.pingedAt = now
        viewer.connection.send(WebSocket.frame(.ping, []))
      }
    }
  }

  /// Lets go of connections that are over, or from which nothing is heard.
  private func sweep(_ now: UInt64) {
    var gone: [Connection] = []
    for one in connections {
      let isGreeted = viewers.contains { $0.connection === one && $0.rights != nil }
      let isLate = !isGreeted && now &- one.openedAt > PageServer.greetingTime
      let isSilent = now &- one.heardAt > PageServer.patience
      if one.isBroken || isLate || isSilent || (one.isClosing && !one.hasOutput) {
        gone.append(one)
      }
    }
    guard !gone.isEmpty else { return }
    for one in gone {
      shutdown(one.descriptor, Int32(SHUT_RDWR))
      guard let viewer = viewers.first(where: { $0.connection === one }) else { continue }
      leave(viewer)
      viewers.removeAll { $0 === viewer }
      if viewer.rights != nil { log(.info, "viewer \(viewer.number) has gone") }
    }
    connections.removeAll { one in gone.contains { $0 === one } }
  }

  // MARK: Applications

  private func acceptFeed() {
    let descriptor = platform_accept(feeds)
    guard descriptor >= 0 else { return }
    let user = platform_peer_uid(descriptor)
    guard user == Int64(platform_uid()) || user == 0 else {
      log(.warning, "a process of another user (\(user)) wanted to show something")
      _ = platform_close(descriptor)
      return
    }
    let link = Link(descriptor: descriptor, peer: "process \(platform_peer_pid(descriptor))")
    let feed = lock.withLock { _ -> Feed in
      applicationCount += 1
      return Feed(number: applicationCount, link: link)
    }
    nonisolated(unsafe) let own = feed
    let isStarted =
      startThread("omega-feed-out") { own.outbox.run() }
      && startThread("omega-feed-in") { [self] in receive(own) }
    if !isStarted {
      log(.warning, "the system has no thread left to show an application")
      feed.outbox.end()
    }
  }

  private func receive(_ feed: Feed) {
    do throws(LinkError) {
      while let message = try feed.link.receive() {
        for descriptor in message.descriptors { _ = platform_close(descriptor) }
        let isSound = lock.withLock { _ in take(message, from: feed) }
        wake()
        guard isSound else {
          log(.warning, "\(feed.link.peer) says what makes no sense (\(message.type))")
          break
        }
      }
    } catch {
      log(.debug, "\(feed.link.peer): \(error.message)")
    }
    feed.outbox.end()
    lock.withLock { _ in
      applications[feed.number] = nil
      let left = feed.removeAll()
      let now = platform_now()
      for viewer in left {
        viewer.picture = nil
        choose(viewer, now)
      }
      tellWindows(now)
    }
    wake()
  }

  /// False when the message is none.
  private func take(_ message: Message, from feed: Feed) -> Bool {
    let payload = message.payload
    let now = platform_now()
    switch message.type {
    case FeedType.application:
      guard let application = FeedApplication(payload) else { return false }
      feed.application = application
      applications[feed.number] = feed
    case FeedType.window:
      guard let window = FeedWindow(payload), applications[feed.number] != nil else { return false }
      take(window, from: feed, now)
    case FeedType.unit:
      guard let place = FeedPlace(payload) else { return false }
      return take(
        unit: UnsafeRawBufferPointer(rebasing: payload[FeedPlace.byteCount...]), place, from: feed)
    case FeedType.end:
      guard let end = FeedEnd(payload) else { return false }
      take(end, from: feed, now)
    case FeedType.answer:
      guard let answer = ViewAnswer(payload) else { return false }
      for viewer in viewers where viewer.number == answer.viewer && viewer.picture?.feed === feed {
        viewer.refuseInput(answer.text)
      }
    default: return false
    }
    return true
  }

  private func take(_ window: FeedWindow, from feed: Feed, _ now: UInt64) {
    if window.width == 0 || window.height == 0 {
      for viewer in feed.remove(window.swapchain) {
        // Whoever looked at it looks at what the application shows instead.
        viewer.picture = nil
        letGo(viewer, of: window.swapchain, feed)
        if viewer.wanted.application == 0, let next = feed.newest {
          let picture = feed.watchedPicture(
            FeedPlace(swapchain: next.swapchain, setting: viewer.setting))
          viewer.begin(picture, application: feed.number)
          picture.add(viewer, now: now)
        } else {
          choose(viewer, now)
        }
      }
    } else if let known = feed.windows[window.swapchain] {
      feed.windows[window.swapchain] = Feed.Window(
        width: window.width, height: window.height, order: known.order)
    } else {
      windowCount += 1
      feed.windows[window.swapchain] = Feed.Window(
        width: window.width, height: window.height, order: windowCount)
    }
    tellWindows(now)
  }

  private func take(unit: UnsafeRawBufferPointer, _ place: FeedPlace, from feed: Feed) -> Bool {
    var header: BandHeader?
    do throws(BandError) { header = try BandUnit(unit).header } catch {
      log(.debug, "\(feed.link.peer): \(error.description)")
    }
    guard let header else { return false }
    guard let picture = feed.picture(place), !picture.viewers.isEmpty else { return true }
    if header.frame != picture.frame {
      picture.frame = header.frame
      for viewer in picture.viewers { viewer.takesFrame = viewer.isReady }
    }
    // The same bytes for all.
    let head = ViewReply.unit(offset: ViewReply.unitOffset).bytes
    var message = WebSocket.header(.binary, count: head.count + unit.count)
    message.reserveCapacity(message.count + head.count + unit.count)
    message += head
    message += unit
    for viewer in picture.viewers
    where viewer.missing.takes(header, isWanted: viewer.takesFrame) {
      viewer.connection.send(message)
    }
    return true
  }

  private func take(_ end: FeedEnd, from feed: Feed, _ now: UInt64) {
    guard let picture = feed.picture(end.place) else { return }
    func microseconds(_ from: UInt64, _ to: UInt64) -> UInt32 {
      UInt32(clamping: (to &- min(from, to)) / 1000)
    }
    let whole = ViewFrameEnd(
      frame: end.frame, bands: end.bands, presented: end.presented,
      waitTime: microseconds(end.presentedAt, end.began),
      encodeTime: microseconds(end.began, end.coded), relayTime: microseconds(end.coded, now))
    for viewer in picture.viewers where viewer.takesFrame && end.frame == picture.frame {
      viewer.send(.end(whole))
      viewer.noteSent(end.frame, now: now)
      viewer.takesFrame = false
    }
    picture.finishFrame(now)
  }
}
