import Agent
import CPlatform
import Glibc
import Transport

/// `omega node`: accepts connections and gives each a process of its own, so that whatever a client
/// does to a driver it does to itself.
enum NodeCommand {
  private static let endTime: UInt64 = 2_000_000_000

  private struct Client {
    let number: Int
    let process: Int32
    let peer: String
  }

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(
      words, command: "node",
      known: [
        .init("--listen"), .init("--driver"), .init("--token-file"), .init("--max-clients"),
        .init("--name"), .init("--validate", value: false), .init("-v", value: false),
        .init("-q", value: false), .init("--cache"), .init("--cache-size"),
        .init(DatagramPorts.flag),
      ] + ClientLimits.flags + ViewerSettings.flags)
    if arguments.has("--help") { return CommandLineTool.help(["node"]) }
    try Settings.setLogLevel(arguments, standard: .info)
    guard arguments.rest.isEmpty else {
      throw Failure("omega node: what is '\(arguments.rest[0])'? see: omega help node")
    }
    _ = try ClientLimits.read(arguments)
    _ = try DatagramPorts.read(arguments)
    let most = try arguments.number("--max-clients", in: 1...4096, standard: 64)
    if let driver = arguments["--driver"], !Installation.isReadable(driver) {
      throw Failure("--driver '\(driver)' cannot be read; name a driver's manifest (*.json)")
    }
    _ = try CacheSettings(arguments, token: nil)
    let installation = try Installation()
    let viewers = try ViewerSettings(arguments)
    let listener: Listener
    do throws(LinkError) {
      let address = try Address(arguments["--listen"] ?? "127.0.0.1:4700")
      let token = try Token.load(file: arguments["--token-file"])
      try Token.require(token, for: address)
      listener = try Listener(address)
    } catch {
      throw Failure(error.message)
    }

    let pages = try viewers.map { settings throws(Failure) in
      try PageServerProcess(settings, installation)
    }
    NodeSignals.watch()
    Log.info("listening on \(listener.address)")
    serve(
      listener, most,
      Worker(
        arguments: arguments, installation: installation, address: listener.address,
        viewerSocket: pages?.socketPath), pages)
    listener.close()
    pages?.end()
    return 0
  }

  private static func serve(
    _ listener: Listener, _ most: Int, _ worker: Worker, _ pages: PageServerProcess?
  ) {
    var clients: [Client] = []
    var count = 0
    while true {
      // A page server that could not be started again at once is tried again.
      let isReady = NodeSignals.waitForReading(
        listener.descriptor, seconds: pages?.isAway == true ? 1 : nil)
      if NodeSignals.endRequested != 0 { return end(clients) }
      reap(&clients)
      pages?.watch()
      guard isReady, let (descriptor, peer) = listener.acceptPeer() else { continue }
      count += 1
      guard clients.count < most else {
        Log.warning("client \(count) from \(peer) is turned away: \(most) are served already")
        if case .tcp = listener.address {
          Link.refuseFull(tcp: descriptor, peer: peer)
        } else {
          _ = platform_close(descriptor)
        }
        continue
      }
      let process = worker.start(descriptor, peer)
      _ = platform_close(descriptor)
      guard process > 0 else {
        let why = String(cString: strerror(-process))
        Log.error("cannot start a process for client \(count): \(why)")
        continue
      }
      Log.info("client \(count) from \(peer): process \(process)")
      clients.append(Client(number: count, process: process, peer: peer))
    }
  }

  private static func reap(_ clients: inout [Client]) {
    clients.removeAll { client in
      var status: Int32 = 0
      guard waitpid(client.process, &status, WNOHANG) == client.process else { return false }
      if status == 0 {
        Log.info("client \(client.number) from \(client.peer) has gone")
      } else {
        Log.warning(
          "client \(client.number) from \(client.peer): its process "
            + Subprocess.text(waitStatus: status))
      }
      return true
    }
  }

  private static func end(_ clients: [Client]) {
    var rest = clients
    for client in rest { kill(client.process, SIGTERM) }
    let deadline = platform_now() &+ endTime
    while !rest.isEmpty && platform_now() < deadline {
      reap(&rest)
      platform_sleep(5_000_000)
    }
    for client in rest { kill(client.process, SIGKILL) }
    reap(&rest)
  }
}

/// The daemon's signals. They are blocked but while it waits, so that none is missed.
enum NodeSignals {
  nonisolated(unsafe) fileprivate static var endRequested: sig_atomic_t = 0

  fileprivate static func watch() {
    var all = sigset_t()
    sigemptyset(&all)
    for signal in [SIGCHLD, SIGTERM, SIGINT, SIGHUP] { sigaddset(&all, signal) }
    pthread_sigmask(SIG_BLOCK, &all, nil)
    // Without a handler SIGCHLD would not interrupt the wait.
    signal(SIGCHLD) { _ in }
    for number in [SIGTERM, SIGINT, SIGHUP] {
      signal(number) { _ in NodeSignals.endRequested = 1 }
    }
  }

  /// Waits for a connection or a signal, at most so many seconds (nil: any); true for a connection.
  fileprivate static func waitForReading(_ descriptor: Int32, seconds: Int?) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    var none = sigset_t()
    sigemptyset(&none)
    guard let seconds else { return ppoll(&wanted, 1, nil, &none) > 0 }
    var limit = timespec(tv_sec: seconds, tv_nsec: 0)
    return ppoll(&wanted, 1, &limit, &none) > 0
  }
}

/// How a client's process is started.
struct Worker {
  let words: [String]
  let environment: [String]

  init(
    arguments: Arguments, installation: Installation, address: Address, viewerSocket: String?
  ) {
    var words = [installation.program, "node-worker"]
    if case .tcp = address { words.append("--sealed") }
    let handed =
      ["--driver", "--token-file", "--cache", "--cache-size", DatagramPorts.flag]
      + ClientLimits.flags.map { $0.name }
    for flag in handed {
      if let value = arguments[flag] { words += [flag, value] }
    }
    words += ["--name", arguments["--name"] ?? Worker.hostName()]
    if arguments.has("--validate") { words.append("--validate") }
    if let viewerSocket { words += ["--viewer-socket", viewerSocket] }
    self.words = words
    environment = Subprocess.setting(Subprocess.environment(), "OMEGA_LOG", Settings.logWord)
  }

  func start(_ descriptor: Int32, _ peer: String) -> Int32 {
    Subprocess.start(
      words + ["--peer", peer], environment: environment,
      descriptors: [(descriptor, EmbeddedNodes.descriptor)])
  }

  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "node" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
