internal import CPlatform

/// Messages to standard error, one line each: `omega: error: what failed; what to do`.
public enum Log {
  public enum Level: Int, Comparable, Sendable {
    case error, warning, info, debug

    public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

    var word: String {
      switch self {
      case .error: "error"
      case .warning: "warning"
      case .info: "info"
      case .debug: "debug"
      }
    }

    /// The value of `OMEGA_LOG`; nil when it is none of error, warn, info and debug.
    public init?(environment text: String) {
      switch text {
      case "error": self = .error
      case "warn", "warning": self = .warning
      case "info": self = .info
      case "debug": self = .debug
      default: return nil
      }
    }
  }

  /// What is written: this level and those before it. Set once, before there are threads.
  public nonisolated(unsafe) static var level = Level.warning

  public static func error(_ message: @autoclosure () -> String) { write(.error, message) }
  public static func warning(_ message: @autoclosure () -> String) { write(.warning, message) }
  public static func info(_ message: @autoclosure () -> String) { write(.info, message) }
  public static func debug(_ message: @autoclosure () -> String) { write(.debug, message) }

  public static func write(_ level: Level, _ message: () -> String) {
    guard level <= self.level else { return }
    // One write a line, so that lines of several processes do not mix; what a peer sent cannot
    // forge a line of its own.
    var line = "omega: \(level.word): "
    for scalar in message().unicodeScalars.prefix(2000) {
      line.unicodeScalars.append(scalar.value < 0x20 || scalar.value == 0x7F ? " " : scalar)
    }
    line += "\n"
    line.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { platform_stderr($0.baseAddress!, $0.count) }
    }
  }
}
