import Agent
import CPlatform
import Glibc

/// `omega bench`: the benchmarks of the project itself, as far as they need no peer that is not here.
enum BenchCommand {
  /// Flags of `omega run` that say where and how frames are made.
  private static let passed: [Arguments.Flag] = [
    .init("--nodes"), .init("--local"), .init("--token-file"), .init("--driver"), .init("--codec"),
    .init("--bitrate"), .init("--interim"),
  ]

  static let flags: [Arguments.Flag] =
    passed + [
      .init("--api"), .init("--mode"), .init("--flashes"), .init("--size"), .init("--program"),
      .init("--json", value: false), .init("-v", value: false), .init("-q", value: false),
    ]

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    var arguments = try Arguments(words, command: "bench", known: flags)
    var names: [String] = []
    while let name = arguments.rest.first {
      names.append(name)
      try arguments.addFlags(Array(arguments.rest.dropFirst()), command: "bench", known: flags)
    }
    if arguments.has("--help") { return CommandLineTool.help(["bench"]) }
    try Settings.setLogLevel(arguments, standard: .warning)
    for name in names where name != "latency" {
      throw Failure("omega bench: there is no benchmark '\(name)'; there is: latency")
    }
    return try latency(arguments)
  }

  private static func latency(_ arguments: Arguments) throws(Failure) -> Int32 {
    let apis = try choice(arguments, "--api", ["vulkan", "gl", "both"], standard: "both")
    let mode = try choice(
      arguments, "--mode", ["fifo", "mailbox", "immediate"], standard: "fifo")
    let installation = try Installation()
    let program = arguments["--program"] ?? installation.flashProgram
    guard access(program, X_OK) == 0 else {
      throw Failure(
        "the flashing program '\(program)' is not there; build with `make build`, or name it with "
          + "--program")
    }
    let bench = try LatencyBench(
      program: program, omega: installation.program,
      runFlags: arguments.flags(
        without: flags.map(\.name).filter { name in
          !passed.contains { $0.name == name }
        }),
      mode: mode, size: try arguments.number("--size", in: 16...8192, standard: 256),
      flashes: try arguments.number("--flashes", in: 1...100_000, standard: 100))
    let results = bench.run(apis == "both" ? ["vulkan", "gl"] : [apis])
    let report = LatencyReport(results)
    if !arguments.has("--json") { print(report.table, terminator: "") }
    print(report.json, terminator: "")
    guard results.allSatisfy({ $0.failure == nil || !$0.isOmega }) else { return 1 }
    return 0
  }

  private static func choice(
    _ arguments: Arguments, _ flag: String, _ allowed: [String], standard: String
  ) throws(Failure) -> String {
    let word = arguments[flag] ?? standard
    guard allowed.contains(word) else {
      throw Failure(
        "\(flag) is '\(word)', and one of \(allowed.joined(separator: ", ")) is expected")
    }
    return word
  }
}
