import Agent
import Glibc

/// The command. Each subcommand is a caseless type with `run`; this file only chooses.
enum CommandLineTool {
  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let command = words.first ?? "help"
    let rest = Array(words.dropFirst())
    switch command {
    case "run": return try RunCommand.run(rest)
    case "record": return try RecordCommand.run(rest)
    case "replay": return try ReplayCommand.run(rest)
    case "node": return try NodeCommand.run(rest)
    case "agent": return try AgentCommand.run(rest)
    case "node-pages": return try PagesCommand.run(rest)
    case "node-worker": return try WorkerCommand.run(rest)
    case "doctor": return try DoctorCommand.run(rest)
    case "--version", "version":
      print("omega \(Help.version)")
      return 0
    case "help", "--help", "-h": return help(rest)
    case "view": return try ViewCommand.run(rest)
    case "bench": return try BenchCommand.run(rest)
    default:
      throw Failure("there is no command '\(command)'; see: omega help")
    }
  }

  static func help(_ words: [String]) -> Int32 {
    guard let command = words.first else {
      print(Help.overview, terminator: "")
      return 0
    }
    guard let text = Help.text(of: command) else {
      Log.error("there is no command '\(command)'; see: omega help")
      return 125
    }
    print(text, terminator: "")
    return 0
  }
}

do throws(Failure) {
  let status = try CommandLineTool.run(Array(CommandLine.arguments.dropFirst()))
  // Threads may still be at work: nothing of theirs is needed any more.
  fflush(nil)
  _exit(status)
} catch {
  Log.error(error.message)
  fflush(nil)
  _exit(error.status)
}
