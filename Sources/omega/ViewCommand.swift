import Agent
import Glibc
import NativeViewer
import Transport

/// `omega view`: a window that shows what a node shows to its viewers.
enum ViewCommand {
  /// Where a node on this host shows itself, when nobody says otherwise.
  private static let standardAddress = "127.0.0.1:4780"

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let known: [Arguments.Flag] = [
      .init("--token-file"), .init("--window"), .init("-v", value: false),
      .init("-q", value: false),
    ]
    var arguments = try Arguments(words, command: "view", known: known)
    if arguments.has("--help") { return CommandLineTool.help(["view"]) }
    guard let place = arguments.rest.first else {
      throw Failure("omega view: no node is named; use: omega view HOST:PORT")
    }
    try arguments.addFlags(Array(arguments.rest.dropFirst()), command: "view", known: known)
    try Settings.setLogLevel(arguments, standard: .warning)
    guard arguments.rest.isEmpty else {
      throw Failure("omega view: what is '\(arguments.rest[0])'? see: omega help view")
    }
    signal(SIGPIPE, SIG_IGN)
    let viewer: NativeViewer
    do throws(LinkError) {
      // A word without a port is an application on this host's node.
      let isAddress = place.contains(":")
      let address = try Address(
        isAddress ? place : Settings.environment("OMEGA_VIEW") ?? standardAddress)
      guard case .tcp = address else {
        throw LinkError(.address, "'\(place)': viewers come by HOST:PORT")
      }
      viewer = NativeViewer(
        address, token: try Token.load(file: arguments["--token-file"]),
        choice: .init(application: isAddress ? arguments["--window"] : place)
      ) { level, text in
        switch level {
        case .warning: Log.warning(text)
        case .info: Log.info(text)
        }
      }
    } catch {
      throw Failure(error.message)
    }
    if let why = viewer.run() { throw Failure(why) }
    return 0
  }
}
