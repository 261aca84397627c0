/// `omega record`: `omega run --record`, with a name for the file when none is given.
enum RecordCommand {
  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(
      words, command: "record",
      known: RunCommand.flags.filter { $0.name != "--record" } + [
        .init("-o"), .init("--output"), .init("--from"),
      ])
    if arguments.has("--help") { return CommandLineTool.help(["record"]) }
    guard let application = arguments.rest.first else {
      throw Failure("omega record: no program is named; use: omega record [-o FILE] -- APP [ARG…]")
    }
    let name = application.split(separator: "/").last.map { String($0) } ?? application
    let file = arguments["-o"] ?? arguments["--output"] ?? "\(name).omegarec"
    let from = arguments["--from"].map { ["--record-from", $0] } ?? []
    return try RunCommand.run(
      ["--record", file] + from + arguments.flags(without: ["-o", "--output", "--from"]) + ["--"]
        + arguments.rest)
  }
}
