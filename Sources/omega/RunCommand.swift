import Agent
import CPlatform
import FrameStream
import Glibc
import Recording
import Transport

/// `omega run`: an agent of its own, the nodes, and the application.
enum RunCommand {
  static let flags: [Arguments.Flag] = [
    .init("--nodes"), .init("--local"), .init("--token-file"), .init("--with-local", value: false),
    .init("--driver"), .init("--validate", value: false), .init("--stats"), .init("--dump-frames"),
    .init("--frame-times"),
    .init("--dump-at"), .init("--codec"), .init("--shard"), .init("--interim"),
    .init("-v", value: false), .init("-q", value: false),
    .init("--gl"), .init("--bitrate"), .init("--record"), .init("--record-from"),
    .init("--node-timeout"), .init("--viewer-input"),
    .init("--hud", value: false),
  ]

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(words, command: "run", known: flags)
    if arguments.has("--help") { return CommandLineTool.help(["run"]) }
    try Settings.setLogLevel(arguments, standard: .warning)
    try refuseWhatIsNotThere(arguments)
    guard let application = arguments.rest.first else {
      throw Failure("omega run: no program is named; use: omega run [FLAGS] -- APP [ARG…]")
    }
    let name = application.split(separator: "/").last.map { String($0) } ?? application
    let installation = try Installation()
    try installation.check()
    if arguments["--gl"] == "native" && !installation.hasGL {
      throw Failure(
        "OpenGL's libraries are missing in \(installation.glFolder); build with `make build`, "
          + "or install again")
    }
    let places = try Settings.nodes(arguments, installation)
    let frames = try frameDirectory(arguments["--dump-frames"])
    let recordings = try recordings(arguments)
    let patience = try nodePatience(arguments)
    let wishes = try frameWishes(arguments)
    let takesInput = try Settings.takesViewerInput(arguments)

    let agent: Agent
    do throws(LinkError) {
      let directory = try AgentDirectory.open()
      agent = try Agent(
        socketPath: "\(directory)/run-\(platform_pid()).sock", nodes: places,
        recordings: recordings, frames: wishes, takesInput: takesInput)
      agent.nodePatience = patience
      // A node elsewhere must be known to work before the program starts; one of our own gets
      // ready beside it, unless there is reason to doubt that it will.
      var mustWait =
        arguments.has("--driver") || Installation.namesDriver || !Installation.hasDriver
      if case .addresses = places { mustWait = true }
      try agent.prepareNodes(application: name, wait: mustWait)
      try agent.writeStatistics(
        to: arguments["--stats"] ?? Settings.environment("OMEGA_STATS"),
        frameTimes: arguments["--frame-times"], application: name)
    } catch {
      throw Failure(error.message)
    }
    if arguments.has("--stats") || arguments.has("--frame-times")
      || Settings.environment("OMEGA_STATS") != nil || arguments.has("--hud")
      || Settings.environment("OMEGA_HUD") != nil
    {
      agent.watchInput()
    }
    guard agent.start() else { throw Failure("the system has no thread left for the agent") }

    var signals = AppSignals()
    signals.block()
    let process = Subprocess.start(
      arguments.rest,
      environment: environment(arguments, installation, agent.socketPath, frames), search: true)
    guard process > 0 else {
      agent.finish()
      throw startFailure(application, -process)
    }
    let status = signals.wait(for: process)
    // Processes that the application leaves behind keep their connection.
    while !agent.waitUntilIdle(nanoseconds: 1_000_000_000) {
      if signals.isEnding { break }
    }
    warnWhenUnused(name, agent, installation)
    agent.finish()
    return status
  }

  // MARK: Before

  private static func refuseWhatIsNotThere(_ arguments: Arguments) throws(Failure) {
    func refuse(_ flag: String, allowed: [String]) throws(Failure) {
      guard let value = arguments[flag], !allowed.contains(value) else { return }
      throw Failure(
        "\(flag) \(value) is not in this version; "
          + (allowed.isEmpty ? "leave it out" : "use \(allowed.joined(separator: " or "))"))
    }
    try refuse("--shard", allowed: ["auto", "off"])
    try refuse("--interim", allowed: ["auto", "off"])
    try refuse("--gl", allowed: ["native", "zink"])
    if arguments.has("--dump-at") && !arguments.has("--dump-frames") {
      throw Failure("--dump-at chooses among dumped frames; give --dump-frames DIR too")
    }
  }

  /// `--codec` and `--bitrate`.
  private static func frameWishes(_ arguments: Arguments) throws(Failure) -> FrameWishes {
    let word = arguments["--codec"] ?? "auto"
    guard let choice = FrameChoice(name: word) else {
      let known = FrameChoice.allCases.map { "\($0)" }.joined(separator: ", ")
      throw Failure("--codec is '\(word)', and one of \(known) is expected")
    }
    if let coding = choice.coding, !coding.isExact {
      guard !arguments.has("--record") else {
        throw Failure(
          "--record keeps what frames are, and --codec \(choice) changes them; use lossless or raw")
      }
      guard CodingSet.decodable.has(coding) else {
        throw Failure(
          "frames cannot be shown that come as \(choice): \(LibAV.missing), or use --codec lossless"
        )
      }
    }
    var mostBits = 0
    if arguments.has("--bitrate") {
      let megabits = arguments["--bitrate"].flatMap { Double($0) } ?? 0
      guard (0.5...10_000).contains(megabits) else {
        throw Failure(
          "--bitrate is '\(arguments["--bitrate"] ?? "")', and megabits a second from 0.5 to 10000 "
            + "are expected")
      }
      guard choice.coding?.isExact != true else {
        throw Failure(
          "--bitrate is of video, and --codec \(choice) is none; leave one of them out")
      }
      mostBits = Int(megabits * 1e6)
    }
    return FrameWishes(
      choice: choice, mostBits: mostBits, makesInterim: arguments["--interim"] != "off")
  }

  /// The file of `--record`, made.
  private static func recordings(_ arguments: Arguments) throws(Failure) -> RecordingPlace? {
    guard let path = arguments["--record"] else {
      if arguments.has("--record-from") {
        throw Failure("--record-from says where a recording begins; give --record FILE too")
      }
      return nil
    }
    let first = try arguments.number("--record-from", in: 1...1_000_000_000, standard: 1)
    do throws(RecordingError) {
      return try RecordingPlace(path: path, firstFrame: UInt64(first))
    } catch {
      throw Failure(error.message)
    }
  }

  /// Seconds of `--node-timeout` or `OMEGA_NODE_TIMEOUT`.
  private static func nodePatience(_ arguments: Arguments) throws(Failure) -> Int {
    if arguments.has("--node-timeout") {
      return try arguments.number("--node-timeout", in: 0...86_400, standard: 0)
    }
    return try Settings.nodePatience()
  }

  /// The directory of `--dump-frames`, made when it is not there, as an absolute path.
  static func frameDirectory(_ path: String?) throws(Failure) -> String? {
    guard let path else { return nil }
    if mkdir(path, 0o755) != 0 && errno != EEXIST {
      throw Failure("cannot make '\(path)': \(String(cString: strerror(errno)))")
    }
    guard let absolute = realpath(path, nil) else {
      throw Failure("cannot use '\(path)': \(String(cString: strerror(errno)))")
    }
    defer { free(absolute) }
    guard access(absolute, W_OK) == 0 else {
      throw Failure("cannot write into '\(path)': \(String(cString: strerror(errno)))")
    }
    return String(cString: absolute)
  }

  private static func environment(
    _ arguments: Arguments, _ installation: Installation, _ socket: String, _ frames: String?
  ) -> [String] {
    var all = Subprocess.environment()
    func set(_ name: String, _ value: String?) { all = Subprocess.setting(all, name, value) }
    set("OMEGA_AGENT", socket)
    set("OMEGA_LOG", Settings.logWord)
    set("OMEGA_DISABLE", nil)
    set("OMEGA_NODE_PROCESS", nil)
    // The secret's place is the agent's business.
    set("OMEGA_TOKEN_FILE", nil)
    if arguments.has("--with-local") {
      let more = Settings.environment("VK_ADD_DRIVER_FILES").map { ":" + $0 } ?? ""
      set("VK_ADD_DRIVER_FILES", installation.driverManifest + more)
    } else {
      // VK_ICD_FILENAMES is the old name, which older loaders prefer.
      set("VK_DRIVER_FILES", installation.driverManifest)
      set("VK_ICD_FILENAMES", nil)
      set("VK_ADD_DRIVER_FILES", nil)
    }
    if arguments.has("--hud") { set("OMEGA_HUD", "1") }
    if let frames {
      set("OMEGA_DUMP_FRAMES", frames)
      set("OMEGA_DUMP_AT", arguments["--dump-at"])
    }
    if arguments["--gl"] == "zink" {
      return LibrariesOfGL.throughVulkan(all)
    }
    return installation.hasGL ? LibrariesOfGL.ofOmega(all, installation) : all
  }

  private static func startFailure(_ application: String, _ code: Int32) -> Failure {
    let why = String(cString: strerror(code))
    if code == ENOENT || code == ENOTDIR {
      return Failure("cannot start '\(application)': \(why); check the path", status: 127)
    }
    return Failure("cannot start '\(application)': \(why)", status: 126)
  }

  // MARK: After

  private static func warnWhenUnused(
    _ name: String, _ agent: Agent, _ installation: Installation
  ) {
    let usage = agent.usage
    if usage.connections == 0 {
      Log.warning(
        "\(name) did not look for a Vulkan device nor make an OpenGL context, so nothing was drawn "
          + "by Omega; see `omega doctor \(name)`")
    } else if usage.devices == 0 {
      Log.warning(
        "\(name) looked at Omega's devices and made none of its own on them, nor an OpenGL context; "
          + "see with -v what it asked for")
    }
  }
}

/// Signals while the application runs. What a terminal sends reaches the application too, being in
/// the same group; what somebody sends to omega alone is passed on.
struct AppSignals {
  private var set = sigset_t()
  /// Somebody wants omega itself to end.
  private(set) var isEnding = false

  private static let forwarded = [SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT]

  init() {
    sigemptyset(&set)
    sigaddset(&set, SIGCHLD)
    for signal in AppSignals.forwarded { sigaddset(&set, signal) }
  }

  mutating func block() { pthread_sigmask(SIG_BLOCK, &set, nil) }

  /// Waits for the application; its exit status as a shell counts it.
  mutating func wait(for process: Int32) -> Int32 {
    while true {
      var status: Int32 = 0
      let result = waitpid(process, &status, WNOHANG)
      if result == process {
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
      }
      if result < 0 && errno != EINTR { return 125 }
      var information = siginfo_t()
      // The limit covers a child that ends between waitpid and here on a kernel that merges signals.
      var limit = timespec(tv_sec: 1, tv_nsec: 0)
      let signal = sigtimedwait(&set, &information, &limit)
      guard signal > 0, signal != SIGCHLD else { continue }
      // si_code above 0: from the kernel, on behalf of the terminal.
      if information.si_code <= 0 { kill(process, signal) }
      if signal == SIGTERM || signal == SIGINT || signal == SIGHUP { isEnding = true }
    }
  }
}
