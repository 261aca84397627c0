internal import CPlatform
internal import CommandStream

/// What `OMEGA_PERF` turns off of a stream to another host. The library lists and checks the names
/// (`Client/Switches.swift`), since it is what every program has; these are read by the agent alone.
struct StreamSwitches {
  var choices = StreamChoices()

  /// As this process was started.
  static var fromEnvironment: StreamSwitches {
    StreamSwitches(platform_getenv("OMEGA_PERF").map { String(cString: $0) } ?? "")
  }

  init(_ text: String) {
    for word in text.split(separator: ",") {
      switch word {
      case "no_blob_dedup": choices.deduplicates = false
      case "no_blob_delta": choices.sendsDifferences = false
      case "no_compression": choices.compresses = false
      case "no_content_cache": choices.knowsContent = false
      default: break
      }
    }
  }
}
