import Agent
import CPlatform
import Glibc
import Recording
import Transport

/// `omega replay`: plays a recording on a node.
enum ReplayCommand {
  static func run(_ words: [String]) throws(Failure) -> Int32 {
    // The file is the first word that is no flag; flags may stand on both sides of it.
    let flags: [Arguments.Flag] = [
      .init("--nodes"), .init("--local"), .init("--token-file"), .init("--driver"),
      .init("--validate", value: false), .init("--verify", value: false), .init("--dump-frames"),
      .init("--info", value: false), .init("-v", value: false), .init("-q", value: false),
    ]
    var arguments = try Arguments(words, command: "replay", known: flags)
    let file = arguments.rest.first
    try arguments.addFlags(
      Array(arguments.rest.dropFirst()), command: "replay", known: flags)
    if arguments.has("--help") { return CommandLineTool.help(["replay"]) }
    try Settings.setLogLevel(arguments, standard: .warning)
    guard let file else {
      throw Failure("omega replay: no recording is named; use: omega replay [FLAGS] FILE")
    }
    guard arguments.rest.isEmpty else {
      throw Failure("omega replay: what is '\(arguments.rest[0])'? see: omega help replay")
    }
    if arguments.has("--info") { return try describe(file) }
    signal(SIGPIPE, SIG_IGN)
    let places = try Settings.nodes(arguments, try Installation())
    var options = Player.Options()
    options.verify = arguments.has("--verify")
    options.dumpFrames = try RunCommand.frameDirectory(arguments["--dump-frames"])
    let outcome: PlayOutcome
    do throws(LinkError) {
      outcome = try Player.play(file, on: places, options)
    } catch {
      throw Failure(error.message, status: 1)
    }
    return report(outcome, file, options.verify)
  }

  private static func report(_ outcome: PlayOutcome, _ file: String, _ verify: Bool) -> Int32 {
    var line = "\(outcome.application) on \(outcome.driver): \(outcome.frames) frames"
    if outcome.seconds > 0 {
      line += " in \(decimal(outcome.seconds, 2)) s, "
      line += "\(decimal(Double(outcome.frames - 1) / outcome.seconds, 1)) fps"
    }
    if verify {
      line += "; compared: \(outcome.comparedFrames) frames, "
      line += "\(outcome.comparedMemories) contents of memory"
      line += outcome.differences.isEmpty ? ", all as recorded" : ""
    }
    print(line)
    if outcome.isCutOff {
      Log.warning(
        "'\(file)' was cut off while it was recorded; it was played up to there")
    }
    if !outcome.differences.isEmpty {
      Log.error("\(outcome.differences.count) differences from the recording")
      return 1
    }
    if verify && outcome.comparedFrames + outcome.comparedMemories == 0 {
      Log.error("'\(file)' holds nothing that --verify could compare")
      return 1
    }
    return 0
  }

  /// What a file is, without a node.
  private static func describe(_ file: String) throws(Failure) -> Int32 {
    do throws(RecordingError) {
      let reader = try RecordingReader(path: file)
      let header = reader.header
      print("application   \(header.application)")
      print("driver        \(header.driver)")
      let identity = header.driverUUID.map { byte in
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
      print("driver UUID   \(header.hasDriverUUID ? identity.joined() : "not known")")
      print("wire version  \(header.wireVersion), \(header.opcodeCount) opcodes")
      if let index = RecordingIndex(path: file) {
        print("frames        \(index.frames.count)")
      }
      if header.firstFrame > 1 { print("begins with    frame \(header.firstFrame)") }
      var bytes: [UInt32: Int] = [:]
      while let entry = try reader.next() { bytes[entry.kind, default: 0] += entry.body.count + 8 }
      let total = bytes.values.reduce(0, +)
      print("size          \(reader.byteCount) bytes, \(total) unpacked")
      if reader.isCutOff { print("the recording was cut off") }
      return 0
    } catch {
      throw Failure(error.message, status: 1)
    }
  }

  private static func decimal(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((value * scale).rounded())
    let fraction = String(scaled % Int(scale))
    return "\(scaled / Int(scale))."
      + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}
