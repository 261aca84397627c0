import Agent
import CPlatform
import Glibc
import PageServer
import Transport

/// `--view` and what belongs to it.
struct ViewerSettings {
  static let flags: [Arguments.Flag] = [
    .init("--view"), .init("--view-token-file"), .init("--control-token-file"),
    .init("--max-viewers"),
  ]

  let address: Address
  let viewFile: String?
  let controlFile: String?
  let most: Int
  let logsMore: Bool

  /// Nil without `--view`.
  init?(_ arguments: Arguments) throws(Failure) {
    guard let text = arguments["--view"] else {
      for flag in ViewerSettings.flags where arguments.has(flag.name) {
        throw Failure("\(flag.name) is about viewers; give --view HOST:PORT too")
      }
      return nil
    }
    do throws(LinkError) {
      address = try Address(text)
      viewFile = arguments["--view-token-file"]
      // Whoever may draw on the node may operate it, unless somebody else is named.
      controlFile =
        arguments["--control-token-file"]
        ?? (viewFile == nil ? arguments["--token-file"] ?? ViewerSettings.tokenVariable : nil)
      for file in [viewFile, controlFile] { if let file { _ = try Token(file: file) } }
    } catch {
      throw Failure(error.message)
    }
    guard case .tcp = address else {
      throw Failure("--view is '\(text)', and browsers need HOST:PORT")
    }
    guard address.isLocal || viewFile != nil || controlFile != nil else {
      throw Failure(
        "--view \(address) is beyond this host and no token is given; set --view-token-file FILE for "
          + "those who may look, --control-token-file FILE for those who may operate too")
    }
    most = try arguments.number("--max-viewers", in: 1...1024, standard: 64)
    logsMore = arguments.has("-v")
  }

  private static var tokenVariable: String? { Settings.environment("OMEGA_TOKEN_FILE") }
}

/// The page server's process, as the daemon sees it: what a viewer does to it, it does to no client.
final class PageServerProcess {
  /// Where the processes of clients bring what they show.
  let socketPath: String
  private let directory: String
  private let listener: Listener
  private let feeds: Listener
  private let words: [String]
  private let environment: [String]
  private var process: Int32 = 0
  private var startedAt: UInt64 = 0

  /// Nanoseconds between two starts at least.
  private static let pause: UInt64 = 1_000_000_000

  init(_ settings: ViewerSettings, _ installation: Installation) throws(Failure) {
    do throws(LinkError) {
      listener = try Listener(settings.address)
      directory = try PageServerProcess.makeDirectory()
      socketPath = "\(directory)/pages.sock"
      feeds = try Listener(Address("unix:\(socketPath)"))
    } catch {
      throw Failure(error.message)
    }
    var words = [
      installation.program, "node-pages", "--view", listener.address.description, "--max-viewers",
      String(settings.most),
    ]
    if let file = settings.viewFile { words += ["--view-token-file", file] }
    if let file = settings.controlFile { words += ["--control-token-file", file] }
    self.words = words
    environment = Subprocess.setting(Subprocess.environment(), "OMEGA_LOG", Settings.logWord)
    start()
    guard process > 0 else {
      throw Failure("cannot start the page server: \(String(cString: strerror(-process)))")
    }
    Log.info("viewers: http://\(listener.address)/")
    if !settings.address.isLocal {
      Log.warning(
        "what viewers see and type travels in the clear; put a proxy that speaks TLS in front, or look through "
          + "an SSH tunnel")
    }
  }

  private static func makeDirectory() throws(LinkError) -> String {
    let base = Settings.environment("XDG_RUNTIME_DIR") ?? Settings.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(base)/omega-pages-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      throw LinkError(
        .system, "cannot make a directory in \(base): \(String(cString: strerror(errno)))")
    }
    return String(cString: made)
  }

  private func start() {
    startedAt = platform_now()
    process = Subprocess.start(
      words, environment: environment,
      descriptors: [
        (listener.descriptor, PagesCommand.listener), (feeds.descriptor, PagesCommand.feeds),
      ])
  }

  /// Starts it again when it has ended, which is an error of ours. Called whenever a child may have ended, and now and
  /// then.
  func watch() {
    if process > 0 {
      var status: Int32 = 0
      guard waitpid(process, &status, WNOHANG) == process else { return }
      Log.error("the page server \(Subprocess.text(waitStatus: status)); it is started again")
      process = 0
    }
    guard platform_now() &- startedAt >= PageServerProcess.pause else { return }
    start()
  }

  /// Whether it waits to be started again.
  var isAway: Bool { process <= 0 }

  func end() {
    if process > 0 { kill(process, SIGTERM) }
    feeds.close()
    listener.close()
    _ = rmdir(directory)
    let deadline = platform_now() &+ 1_000_000_000
    var status: Int32 = 0
    while process > 0, waitpid(process, &status, WNOHANG) == 0 {
      if platform_now() > deadline { kill(process, SIGKILL) }
      platform_sleep(2_000_000)
    }
  }
}

/// `omega node-pages`: the page server. Started by `omega node` with its sockets; of no use by hand.
enum PagesCommand {
  static let listener: Int32 = 3
  static let feeds: Int32 = 4

  nonisolated(unsafe) private static var isEnding: sig_atomic_t = 0

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(words, command: "node-pages", known: ViewerSettings.flags)
    try Settings.setLogLevel(arguments, standard: .info)
    signal(SIGPIPE, SIG_IGN)
    signal(SIGINT, SIG_IGN)
    signal(SIGQUIT, SIG_IGN)
    signal(SIGTERM) { _ in PagesCommand.isEnding = 1 }
    for descriptor in [listener, feeds] where fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 {
      throw Failure("omega node-pages is started by omega itself; use omega node --view")
    }
    let most = try arguments.number("--max-viewers", in: 1...1024, standard: 64)
    let configuration: PageServerConfiguration
    let address: Address
    do throws(LinkError) {
      address = try Address(arguments["--view"] ?? "")
      var host = ""
      if case .tcp(let name, _) = address { host = name }
      configuration = PageServerConfiguration(
        viewToken: try arguments["--view-token-file"].map { file throws(LinkError) in
          try Token(file: file)
        },
        controlToken: try arguments["--control-token-file"].map { file throws(LinkError) in
          try Token(file: file)
        }, host: host,
        mostViewers: most)
    } catch {
      throw Failure(error.message)
    }
    guard
      let server = PageServer(
        listener: Listener(descriptor: listener, address: address), feeds: feeds,
        configuration: configuration,
        log: { level, text in
          switch level {
          case .warning: Log.warning(text)
          case .info: Log.info(text)
          case .debug: Log.debug(text)
          }
        })
    else { throw Failure("there is no descriptor left for the page server") }
    let parent = getppid()
    server.run { isEnding != 0 || getppid() != parent }
    return 0
  }
}
