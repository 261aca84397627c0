import Agent
import Glibc
import Transport

/// `omega agent`: what the library starts when a program opts in without `omega run`.
enum AgentCommand {
  /// Ends when nobody has been connected for so long, in nanoseconds.
  private static let idleTime: UInt64 = 60_000_000_000

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(
      words, command: "agent",
      known: [
        .init("--nodes"), .init("--local"), .init("--token-file"), .init("--driver"),
        .init("--validate", value: false), .init("-v", value: false), .init("-q", value: false),
      ])
    if arguments.has("--help") { return CommandLineTool.help(["agent"]) }
    try Settings.setLogLevel(arguments, standard: .warning)
    signal(SIGPIPE, SIG_IGN)
    let installation = try Installation()
    let places = try Settings.nodes(arguments, installation)
    let patience = try Settings.nodePatience()
    let takesInput = try Settings.takesViewerInput(arguments)
    do throws(LinkError) {
      let agent = try Agent(
        socketPath: try AgentDirectory.socketPath(), nodes: places, takesInput: takesInput)
      agent.nodePatience = patience
      Log.info("listening on \(agent.socketPath)")
      try agent.writeStatistics(
        to: Settings.environment("OMEGA_STATS"), frameTimes: nil, application: "omega agent")
      agent.serve(idle: idleTime)
      agent.finish()
      return 0
    } catch {
      throw Failure(error.message)
    }
  }
}
