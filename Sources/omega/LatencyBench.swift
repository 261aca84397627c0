import Agent
import CPlatform
import Glibc
import XDisplay

/// Presses a button of the pointer and looks how long it takes until a window that answers it has changed its color, as
/// the X server shows it: natively, and through Omega.
struct LatencyBench {
  let program: String
  let omega: String
  /// Flags of `omega run`.
  let runFlags: [String]
  let mode: String
  let size: Int
  let flashes: Int
  private let display: XDisplay

  /// A part of a frame's way, milliseconds.
  struct Part {
    let name: String
    let time: Double
  }

  /// Milliseconds.
  struct Flash {
    var whole: Double
    /// By name, in the order of a frame's way; empty natively.
    var parts: [Part] = []
    /// A frame says that it answers input of that time.
    var isNoted = false
  }

  struct Result {
    let api: String
    let isOmega: Bool
    let mode: String
    var flashes: [Flash] = []
    /// Flashes that were never seen.
    var lost = 0
    /// Why there are none.
    var failure: String?
  }

  /// What a flash is looked for: it is seen so much later at most.
  private static let step: UInt64 = 200_000
  private static let patience: UInt64 = 5_000_000_000
  /// Until a program shows its first picture.
  private static let startTime: UInt64 = 60_000_000_000

  init(
    program: String, omega: String, runFlags: [String], mode: String, size: Int, flashes: Int
  ) throws(Failure) {
    guard let display = XDisplay() else {
      throw Failure(
        "there is no X display: DISPLAY is '\(Settings.environment("DISPLAY") ?? "")'; use "
          + "xvfb-run -a omega bench latency")
    }
    guard display.canPress else {
      throw Failure("the X server has no XTEST, by which buttons are pressed; start one that has")
    }
    self.display = display
    self.program = program
    self.omega = omega
    self.runFlags = runFlags
    self.mode = mode
    self.size = size
    self.flashes = flashes
  }

  func run(_ apis: [String]) -> [Result] {
    apis.flatMap { api in [measure(api, isOmega: false), measure(api, isOmega: true)] }
  }

  // MARK: One program

  private func measure(_ api: String, isOmega: Bool) -> Result {
    var result = Result(api: api, isOmega: isOmega, mode: mode)
    let times = "/tmp/omega-bench-\(platform_pid()).times"
    defer { unlink(times) }
    var words = [program, api, mode, "\(size)"]
    if isOmega { words = [omega, "run", "--frame-times", times] + runFlags + ["--"] + words }
    let known = Set(windows())
    let process = Subprocess.start(words, environment: Subprocess.environment())
    guard process > 0 else {
      result.failure = "cannot start \(words[0]): \(String(cString: strerror(-process)))"
      return result
    }
    var seen: [Sighting] = []
    if let window = waitForWindow(besides: known, process), waitForPicture(window, process) {
      (seen, result.lost) = flash(window)
    } else {
      result.failure = "\(api) shows no window" + (isOmega ? "" : " without Omega: no driver?")
    }
    kill(process, SIGTERM)
    _ = Subprocess.finish(process, nanoseconds: 10_000_000_000)
    guard isOmega else {
      result.flashes = seen.map { Flash(whole: Double($0.seen - $0.pressed) / 1e6) }
      return result
    }
    let frames = FrameTimes.read(times)
    result.flashes = seen.map { Flash($0, frames) }
    return result
  }

  /// All windows, down to those that window managers put frames around.
  private func windows() -> [UInt32] {
    var all: [UInt32] = []
    var level = [display.root]
    for _ in 0..<3 {
      level = level.flatMap { display.children(of: $0) }
      all += level
    }
    return all
  }

  private func isRunning(_ process: Int32) -> Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) == 0
      && information.si_signo == 0
  }

  private func waitForWindow(besides known: Set<UInt32>, _ process: Int32) -> UInt32? {
    let deadline = platform_now() &+ LatencyBench.startTime
    while platform_now() < deadline, isRunning(process) {
      for window in windows() where !known.contains(window) {
        guard let place = display.geometry(of: window), place.isViewable, place.width == size,
          place.height == size
        else { continue }
        return window
      }
      platform_sleep(5_000_000)
    }
    return nil
  }

  /// Presses until the window answers: what it shows before its first frame is anything.
  private func waitForPicture(_ window: UInt32, _ process: Int32) -> Bool {
    display.warpPointer(to: window, x: size / 2, y: size / 2)
    let deadline = platform_now() &+ LatencyBench.startTime
    var changes = 0
    while platform_now() < deadline, isRunning(process) {
      let before = color(window)
      press()
      let end = platform_now() &+ 500_000_000
      while platform_now() < end {
        if let now = color(window), now != before, before != nil {
          changes += 1
          break
        }
        platform_sleep(1_000_000)
      }
      if changes > 3 { return true }
    }
    return false
  }

  private func press() {
    display.press(button: 1, isDown: true)
    display.press(button: 1, isDown: false)
  }

  private func color(_ window: UInt32) -> UInt32? {
    display.pixel(of: window, x: size / 2, y: size / 2).map { $0 & 0xFF_FFFF }
  }

  /// Presses so often, at times that have nothing to do with a screen's; what was seen, and how often nothing was.
  private func flash(_ window: UInt32) -> (seen: [Sighting], lost: Int) {
    var seen: [Sighting] = []
    var lost = 0
    for _ in 0..<flashes {
      platform_sleep(.random(in: 60_000_000...140_000_000))
      guard let before = color(window) else { break }
      let pressed = platform_now()
      display.press(button: 1, isDown: true)
      var lastOld = pressed
      var sighting: Sighting?
      while platform_now() &- pressed < LatencyBench.patience {
        let asked = platform_now()
        guard let now = color(window) else { break }
        if now != before {
          sighting = Sighting(pressed: pressed, lastOld: lastOld, seen: platform_now())
          break
        }
        lastOld = asked
        platform_sleep(LatencyBench.step)
      }
      display.press(button: 1, isDown: false)
      if let sighting { seen.append(sighting) } else { lost += 1 }
    }
    return (seen, lost)
  }

  /// One flash, nanoseconds of CLOCK_MONOTONIC.
  struct Sighting {
    let pressed: UInt64
    /// When it was asked for a picture that was still the old one.
    let lastOld: UInt64
    let seen: UInt64
  }
}

extension LatencyBench.Flash {
  /// Finds the frame that a flash was: the first that was shown since the old color was seen last.
  fileprivate init(_ sighting: LatencyBench.Sighting, _ frames: [FrameTimes]) {
    whole = Double(sighting.seen - sighting.pressed) / 1e6
    isNoted = frames.contains {
      guard let input = $0["input"] else { return false }
      return (sighting.pressed...sighting.seen).contains(input)
    }
    let found = frames.first {
      guard let shown = $0["shown"] else { return false }
      return shown >= sighting.lastOld
    }
    guard let found else { return }
    var last = sighting.pressed
    for (moment, name) in FrameTimes.parts {
      guard let time = found[moment] else { continue }
      // The server may show a frame a moment before whoever has sent it knows.
      let end = min(max(time, last), sighting.seen)
      parts.append(LatencyBench.Part(name: name, time: Double(end - last) / 1e6))
      last = end
    }
    parts.append(
      LatencyBench.Part(name: "look", time: Double(sighting.seen - last) / 1e6))
  }
}

/// A line of `--frame-times`.
private struct FrameTimes {
  /// The parts of a frame's way by the moment that each ends with.
  static let parts = [
    ("presented", "application"), ("submitted", "submit"), ("node_start", "uplink"),
    ("gpu_done", "render"), ("first_band", "encode_first"), ("last_band", "encode_rest"),
    ("received", "downlink"), ("decoded", "decode"), ("shown", "show"),
  ]

  private var moments: [String: UInt64] = [:]

  subscript(_ moment: String) -> UInt64? { moments[moment] }

  static func read(_ path: String) -> [FrameTimes] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var frames: [FrameTimes] = []
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, file) > 0, let line {
      frames.append(FrameTimes(String(cString: line)))
    }
    return frames
  }

  /// `{"frame": 1, "presented": 5, …}`: names and whole numbers.
  private init(_ line: String) {
    let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    for (name, value) in zip(words, words.dropFirst()) {
      if let value = UInt64(value) { moments[String(name)] = value }
    }
  }
}

/// What came of it, as text and as JSON.
struct LatencyReport {
  private let results: [LatencyBench.Result]

  init(_ results: [LatencyBench.Result]) { self.results = results }

  private static let quantiles = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]

  private static func quantile(_ values: [Double], _ part: Double) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let rank = Int((Double(sorted.count) * part).rounded(.up))
    return sorted[max(rank, 1) - 1]
  }

  private static func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// The parts of those flashes whose frame was found.
  private static func parts(_ result: LatencyBench.Result) -> [(name: String, times: [Double])] {
    let whole = result.flashes.filter { !$0.parts.isEmpty }
    // In the order of the way: not every frame has all of them.
    let known = Set(whole.flatMap { $0.parts.map(\.name) })
    let names = (FrameTimes.parts.map { $0.1 } + ["look"]).filter { known.contains($0) }
    return names.map { name in
      (name, whole.map { $0.parts.first { $0.name == name }?.time ?? 0 })
    }
  }

  var json: String {
    var json = JSONText()
    json.begin("{")
    json.field("benchmark", "latency")
    json.begin("[", "runs")
    for result in results {
      json.begin("{")
      json.field("api", result.api)
      json.field("how", result.isOmega ? "omega" : "native")
      json.field("mode", result.mode)
      json.field("flashes", UInt64(result.flashes.count))
      json.field("lost", UInt64(result.lost))
      if let failure = result.failure { json.field("failure", failure) }
      let whole = result.flashes.map(\.whole)
      if !whole.isEmpty { LatencyReport.write("input_to_pixel_ms", whole, to: &json) }
      let parts = LatencyReport.parts(result)
      if result.isOmega { json.field("input_noted", UInt64(result.flashes.count { $0.isNoted })) }
      if !parts.isEmpty {
        json.begin("{", "parts_ms")
        for (name, times) in parts { LatencyReport.write(name, times, to: &json) }
        json.end("}")
      }
      json.end("}")
    }
    json.end("]")
    json.begin("{", "ratio_p50")
    for (api, ratio) in ratios { json.field(api, ratio) }
    json.end("}")
    json.end("}")
    return json.text + "\n"
  }

  private static func write(_ name: String, _ values: [Double], to json: inout JSONText) {
    json.begin("{", name)
    json.field("mean", mean(values))
    for (name, part) in quantiles { json.field(name, quantile(values, part)) }
    json.end("}")
  }

  /// Omega's median by the native one.
  private var ratios: [(api: String, ratio: Double)] {
    results.filter(\.isOmega).compactMap { through in
      guard let native = results.first(where: { $0.api == through.api && !$0.isOmega }),
        let above = LatencyReport.quantile(through.flashes.map(\.whole), 0.5),
        let below = LatencyReport.quantile(native.flashes.map(\.whole), 0.5), below > 0
      else { return nil }
      return (through.api, above / below)
    }
  }

  var table: String {
    var text = LatencyReport.row(["input to pixel, ms", "mean", "p50", "p95", "p99"])
    for result in results {
      let name = "\(result.api), \(result.isOmega ? "omega" : "native"), \(result.mode)"
      if let failure = result.failure {
        text += "\(name): \(failure)\n"
        continue
      }
      text += LatencyReport.row([name] + LatencyReport.figures(result.flashes.map(\.whole)))
      for (part, times) in LatencyReport.parts(result) {
        text += LatencyReport.row(["  \(part)"] + LatencyReport.figures(times))
      }
      if result.lost > 0 { text += "  \(result.lost) flashes were never seen\n" }
    }
    for (api, ratio) in ratios {
      text += "\(api): \(LatencyReport.decimal(ratio)) times the native median\n"
    }
    return text
  }

  private static func figures(_ values: [Double]) -> [String] {
    [mean(values)].map { $0.map(decimal) ?? "" }
      + quantiles.map { quantile(values, $0.1).map(decimal) ?? "" }
  }

  private static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let fraction = String(hundredths % 100)
    return "\(hundredths / 100)." + String(repeating: "0", count: 2 - fraction.count) + fraction
  }

  private static func row(_ cells: [String]) -> String {
    let first = cells[0].padded(to: 28, atEnd: true)
    return first + cells.dropFirst().map { $0.padded(to: 9, atEnd: false) }.joined() + "\n"
  }
}

extension String {
  fileprivate func padded(to width: Int, atEnd: Bool) -> String {
    let spaces = String(repeating: " ", count: max(0, width - count))
    return atEnd ? self + spaces : spaces + self
  }
}
