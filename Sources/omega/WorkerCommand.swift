import Agent
import CPlatform
import Glibc
import Node
import Transport

/// `omega node-worker`: one client's process. Started by `omega node`, `omega run` and
/// `omega agent` with the connection as descriptor 3; of no use by hand.
enum WorkerCommand {
  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(
      words, command: "node-worker",
      known: [
        .init("--sealed", value: false), .init("--peer"), .init("--driver"), .init("--name"),
        .init("--token-file"), .init("--validate", value: false), .init("--cache"),
        .init("--cache-size"), .init(DatagramPorts.flag), .init("--viewer-socket"),
      ] + ClientLimits.flags)
    try Settings.setLogLevel(arguments, standard: .warning)
    signal(SIGPIPE, SIG_IGN)
    // A terminal's ^C is for the application: this process ends when its link does.
    signal(SIGINT, SIG_IGN)
    signal(SIGQUIT, SIG_IGN)
    let descriptor = EmbeddedNodes.descriptor
    guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
      throw Failure("omega node-worker is started by omega itself; use omega node")
    }
    var configuration = NodeConfiguration()
    configuration.name = arguments["--name"] ?? "node"
    configuration.driverManifest = arguments["--driver"]
    configuration.validate = arguments.has("--validate")
    configuration.limits = try ClientLimits.read(arguments)
    configuration.datagramPorts = try DatagramPorts.read(arguments)
    configuration.viewerSocket = arguments["--viewer-socket"]
    let peer = arguments["--peer"] ?? "the agent"
    guard arguments.has("--sealed") else {
      preloadDriver(configuration)
      return runNodeSession(
        link: Link(descriptor: descriptor, peer: peer), configuration: configuration)
    }
    let token: Token?
    do throws(LinkError) { token = try Token.load(file: arguments["--token-file"]) } catch {
      throw Failure(error.message)
    }
    configuration.cache = try CacheSettings(arguments, token: token).configuration
    do throws(LinkError) {
      // Nobody's driver is loaded before the peer has shown that it holds the token.
      let link = try Link.accept(
        tcp: descriptor, peer: peer, token: token)
      return runNodeSession(link: link, configuration: configuration)
    } catch {
      Log.error(error.message)
      return 1
    }
  }
}
