import Node
import Transport

/// `--cache DIR|off` and `--cache-size MIB` of a node.
struct CacheSettings {
  /// Nil for no cache.
  let configuration: CacheConfiguration?

  init(_ arguments: Arguments, token: Token?) throws(Failure) {
    let size = try arguments.number("--cache-size", in: 1...(1 << 20), standard: 1024)
    guard let folder = CacheSettings.folder(arguments["--cache"]) else {
      configuration = nil
      return
    }
    configuration = CacheConfiguration(
      folder: folder, space: token?.name ?? "open", limit: UInt64(size) << 20)
  }

  private static func folder(_ named: String?) -> String? {
    if named == "off" { return nil }
    if let named { return named }
    // A service without a home keeps nothing.
    if let cache = Settings.environment("XDG_CACHE_HOME"), cache.hasPrefix("/") {
      return "\(cache)/omega"
    }
    return Settings.environment("HOME").flatMap {
      $0.hasPrefix("/") ? "\($0)/.cache/omega" : nil
    }
  }
}
