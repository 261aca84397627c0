import CPlatform

/// How much a message matters; `OMEGA_LOG` names the least that is printed.
public enum LogLevel: UInt8, Sendable {
  case error = 0
  case warning = 1
  case info = 2
  case debug = 3

  fileprivate var prefix: StaticString {
    switch self {
    case .error: "omega: error: "
    case .warning: "omega: warning: "
    case .info: "omega: "
    case .debug: "omega: debug: "
    }
  }
}

/// The least important level that is printed; 0xFF until the environment was asked.
nonisolated(unsafe) private var threshold: UInt8 = 0xFF

private func currentThreshold() -> UInt8 {
  if threshold != 0xFF { return threshold }
  var level: LogLevel = .warning
  if let name = platform_getenv("OMEGA_LOG") {
    if equal(name, "error") { level = .error }
    if equal(name, "info") { level = .info }
    if equal(name, "debug") { level = .debug }
  }
  threshold = level.rawValue
  return level.rawValue
}

/// Whether a C string has exactly these characters.
public func equal(_ text: UnsafePointer<CChar>, _ expected: StaticString) -> Bool {
  let count = expected.utf8CodeUnitCount
  var i = 0
  while i < count {
    // A shorter text ends in NUL, which is no character of `expected`.
    if UInt8(bitPattern: text[i]) != expected.utf8Start[i] { return false }
    i &+= 1
  }
  return text[count] == 0
}

/// One line for standard error, `omega: warning: …; <what to do>`, written in one piece.
///
/// Built part by part, since this room has no strings. Below the threshold nothing is done.
/// What does not fit in a kilobyte is cut.
public struct LogLine {
  private var memory: UnsafeMutablePointer<UInt8>?
  private var count: Int = 0
  private static var capacity: Int { 1024 }

  public init(_ level: LogLevel) {
    memory = nil
    guard level.rawValue <= currentThreshold() else { return }
    memory = platform_malloc(LogLine.capacity)?
      .bindMemory(to: UInt8.self, capacity: LogLine.capacity)
    text(level.prefix)
  }

  private mutating func append(_ byte: UInt8) {
    guard let memory, count < LogLine.capacity - 1 else { return }
    // Control characters of a foreign text must not reach a terminal.
    memory[count] = byte < 0x20 || byte == 0x7F ? 0x3F : byte
    count &+= 1
  }

  public mutating func text(_ part: StaticString) {
    var i = 0
    while i < part.utf8CodeUnitCount {
      append(part.utf8Start[i])
      i &+= 1
    }
  }

  public mutating func text(_ part: UnsafePointer<CChar>) {
    var i = 0
    while part[i] != 0 && i < LogLine.capacity {
      append(UInt8(bitPattern: part[i]))
      i &+= 1
    }
  }

  public mutating func text(_ part: UnsafeRawBufferPointer) {
    for byte in part { append(byte) }
  }

  public mutating func number(_ value: UInt64) {
    if value >= 10 { number(value / 10) }
    append(UInt8(0x30 + value % 10))
  }

  /// "errno 2", without the C library's table of messages, which knows locales.
  public mutating func error(_ code: Int32) {
    text("errno ")
    number(UInt64(code.magnitude))
  }

  /// Prints the line and ends it.
  public mutating func send() {
    guard let memory else { return }
    memory[count] = 0x0A
    platform_stderr(UnsafeRawPointer(memory).assumingMemoryBound(to: CChar.self), count &+ 1)
    platform_free(memory)
    self.memory = nil
  }
}

/// Prints a fixed line.
public func log(_ level: LogLevel, _ message: StaticString) {
  var line = LogLine(level)
  line.text(message)
  line.send()
}
