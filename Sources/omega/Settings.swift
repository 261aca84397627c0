import Agent
import CPlatform
import Node
import Transport

/// What several commands read from flags and environment.
enum Settings {
  static func environment(_ name: String) -> String? {
    guard let value = platform_getenv(name), value[0] != 0 else { return nil }
    return String(cString: value)
  }

  /// Sets the log's level from `OMEGA_LOG`, `-v` and `-q`.
  static func setLogLevel(_ arguments: Arguments, standard: Log.Level) throws(Failure) {
    Log.level = standard
    if let text = environment("OMEGA_LOG") {
      guard let level = Log.Level(environment: text) else {
        throw Failure("OMEGA_LOG is '\(text)', and error, warn, info or debug is expected")
      }
      Log.level = level
    }
    if arguments.has("-v") { Log.level = Log.level < .info ? .info : .debug }
    if arguments.has("-q") { Log.level = .error }
  }

  /// The word for `OMEGA_LOG` that a child gets, so that both say as much.
  static var logWord: String {
    switch Log.level {
    case .error: "error"
    case .warning: "warn"
    case .info: "info"
    case .debug: "debug"
    }
  }

  /// Seconds that a node may be silent while an application waits: `OMEGA_NODE_TIMEOUT`, or 20.
  static func nodePatience() throws(Failure) -> Int {
    guard let text = environment("OMEGA_NODE_TIMEOUT") else { return 20 }
    guard let seconds = Int(text), (0...86_400).contains(seconds) else {
      throw Failure(
        "OMEGA_NODE_TIMEOUT is '\(text)', and a number of seconds from 0 to 86400 is expected")
    }
    return seconds
  }

  /// Whether viewers of the nodes may operate the application: `--viewer-input` or `OMEGA_VIEWER_INPUT`; they may.
  static func takesViewerInput(_ arguments: Arguments) throws(Failure) -> Bool {
    for (name, text) in [
      ("--viewer-input", arguments["--viewer-input"]),
      ("OMEGA_VIEWER_INPUT", environment("OMEGA_VIEWER_INPUT")),
    ] {
      guard let text else { continue }
      guard text == "on" || text == "off" else {
        throw Failure("\(name) is '\(text)', and on or off is expected")
      }
      return text == "on"
    }
    return true
  }

  /// The nodes that `--nodes`, `--local` or `OMEGA_NODES` name.
  static func nodes(
    _ arguments: Arguments, _ installation: Installation
  ) throws(Failure) -> NodePlaces {
    if arguments.has("--nodes") && arguments.has("--local") {
      throw Failure("--nodes and --local exclude each other; give one of them")
    }
    let named =
      arguments["--nodes"] ?? (arguments.has("--local") ? nil : environment("OMEGA_NODES"))
    guard let named else {
      if let driver = arguments["--driver"], !Installation.isReadable(driver) {
        throw Failure("--driver '\(driver)' cannot be read; name a driver's manifest (*.json)")
      }
      let count = try arguments.number("--local", in: 1...32, standard: 1)
      return .embedded(count, embedded(arguments, installation))
    }
    do throws(LinkError) {
      var addresses: [Address] = []
      for text in named.split(separator: ",") { addresses.append(try Address(String(text))) }
      guard !addresses.isEmpty else { throw LinkError(.address, "no node is named; use HOST:PORT") }
      return .addresses(addresses, try Token.load(file: arguments["--token-file"]))
    } catch {
      throw Failure(error.message)
    }
  }

  /// `NAME=value` for a node, which needs the driver's own libraries of OpenGL: without those that
  /// `omega run` gives to applications.
  private static func withoutReplacements(_ variable: String) -> String {
    for (name, part) in [("LD_PRELOAD=", "libGLShim_omega"), ("LD_LIBRARY_PATH=", "/omega/gl")]
    where variable.hasPrefix(name) {
      let kept = variable.dropFirst(name.count).split { $0 == ":" || $0 == " " }
        .filter { !$0.contains(part) }
      return name + kept.joined(separator: ":")
    }
    return variable
  }

  static func embedded(_ arguments: Arguments, _ installation: Installation) -> EmbeddedNodes {
    var environment = Subprocess.setting(Subprocess.environment(), "OMEGA_LOG", logWord)
    environment = Subprocess.setting(environment, "OMEGA_NODE_PROCESS", "1")
    // An agent that a program of somebody's has started has that program's environment.
    environment = environment.map { withoutReplacements($0) }
    var words = ["--name", "local"]
    if let driver = arguments["--driver"] { words += ["--driver", driver] }
    if arguments.has("--validate") { words.append("--validate") }
    return EmbeddedNodes(
      program: installation.program, arguments: words, environment: environment)
  }
}
