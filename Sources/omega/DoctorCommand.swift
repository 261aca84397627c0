import Agent
import CPlatform
import Glibc
import PageTracker
import Transport

/// `omega doctor`: what works here, and the remedy for what does not.
enum DoctorCommand {
  /// One thing that was looked at.
  private struct Finding {
    let name: String
    let isWell: Bool
    /// Whether `omega run --local 1` fails without it.
    let isNeeded: Bool
    let detail: String
    let remedy: String
  }

  static func run(_ words: [String]) throws(Failure) -> Int32 {
    let arguments = try Arguments(
      words, command: "doctor",
      known: [.init("--json", value: false), .init("--driver"), .init("-v", value: false)])
    if arguments.has("--help") { return CommandLineTool.help(["doctor"]) }
    try Settings.setLogLevel(arguments, standard: .error)
    let installation = try Installation()
    var findings =
      [library(installation), manifests(installation), memory(), socketDirectory(), loader()]
      + [driver(arguments, installation), pages(), display(), wayland(), openGL(installation)]
    if let program = arguments.rest.first {
      findings += try ProgramInspection(program).remarks.map {
        Finding(
          name: $0.name, isWell: $0.isWell, isNeeded: false, detail: $0.detail, remedy: $0.remedy)
      }
    }
    let works = findings.allSatisfy { $0.isWell || !$0.isNeeded }
    print(arguments.has("--json") ? json(findings, works) : text(findings, works), terminator: "")
    return works ? 0 : 1
  }

  // MARK: Findings

  private static func library(_ installation: Installation) -> Finding {
    Finding(
      name: "library", isWell: Installation.isReadable(installation.library), isNeeded: true,
      detail: installation.library, remedy: "build with `make build`, or install again")
  }

  private static func manifests(_ installation: Installation) -> Finding {
    let all = [installation.driverManifest] + installation.layerManifests
    let missing = all.filter { !Installation.isReadable($0) }
    return Finding(
      name: "manifests", isWell: missing.isEmpty,
      isNeeded: missing.contains(installation.driverManifest),
      detail: missing.isEmpty
        ? installation.driverManifest : "missing: \(missing.joined(separator: ", "))",
      remedy: "build with `make build`, or install again")
  }

  private static func openGL(_ installation: Installation) -> Finding {
    Finding(
      name: "OpenGL", isWell: installation.hasGL, isNeeded: false,
      detail: installation.hasGL
        ? installation.glFolder : "libraries are missing in \(installation.glFolder)",
      remedy: "build with `make build`, or install again")
  }

  private static func memory() -> Finding {
    let descriptor = platform_memfd("omega-doctor")
    defer { if descriptor >= 0 { _ = platform_close(descriptor) } }
    var code = min(descriptor, 0)
    if descriptor >= 0 {
      // As large as the segment that a program shares with its agent; nothing is written.
      code = platform_resize(descriptor, 1 << 40)
      if code == 0 { code = platform_seal_size(descriptor) }
    }
    return Finding(
      name: "shared memory", isWell: code == 0, isNeeded: true,
      detail: code == 0
        ? "sealed memory files of 1 TiB can be made"
        : "a memory file cannot be made: \(String(cString: strerror(-code)))",
      remedy: "raise the file size limit (ulimit -f unlimited), or leave the sandbox")
  }

  private static func socketDirectory() -> Finding {
    do throws(LinkError) {
      return Finding(
        name: "socket directory", isWell: true, isNeeded: true, detail: try AgentDirectory.open(),
        remedy: "")
    } catch {
      return Finding(
        name: "socket directory", isWell: false, isNeeded: true, detail: error.message,
        remedy: "set XDG_RUNTIME_DIR to a directory of yours alone")
    }
  }

  private static func loader() -> Finding {
    let isThere = platform_open_library("libvulkan.so.1") != nil
    return Finding(
      name: "Vulkan loader", isWell: isThere, isNeeded: true,
      detail: isThere ? "libvulkan.so.1" : "libvulkan.so.1 is missing",
      remedy: "install it: apt install libvulkan1")
  }

  private static func driver(_ arguments: Arguments, _ installation: Installation) -> Finding {
    do throws(LinkError) {
      let node = try Agent.probe(Settings.embedded(arguments, installation))
      return Finding(
        name: "driver", isWell: true, isNeeded: true, detail: node.driver, remedy: "")
    } catch {
      return Finding(
        name: "driver", isWell: false, isNeeded: true, detail: error.message,
        remedy: "install one: apt install mesa-vulkan-drivers; or name nodes with --nodes")
    }
  }

  private static func pages() -> Finding {
    let tracker = PageTracker.open(best: .writeProtect)
    defer { tracker.close() }
    return Finding(
      name: "page tracking", isWell: tracker.tier == .writeProtect, isNeeded: false,
      detail: "tier \(tracker.tier)",
      remedy: tracker.tier == .faultThread
        ? "Linux 6.7 finds written pages without stopping who writes them"
        : "Linux 6.7 finds written pages without comparing them; so does Linux 5.19 with"
          + " vm.unprivileged_userfaultfd=1")
  }

  private static func display() -> Finding {
    guard let name = Settings.environment("DISPLAY") else {
      return Finding(
        name: "X11", isWell: false, isNeeded: false, detail: "DISPLAY is not set",
        remedy: "for windows start an X server, such as xvfb-run; offscreen programs need none")
    }
    // The socket of a local display; one on another host is the library's to find.
    let local = name.split(separator: ":", omittingEmptySubsequences: false)
    guard local.count == 2, local[0].isEmpty || local[0] == "unix",
      let number = local[1].split(separator: ".").first
    else {
      return Finding(
        name: "X11", isWell: true, isNeeded: false, detail: "display \(name)", remedy: "")
    }
    let path = "/tmp/.X11-unix/X\(number)"
    var descriptor = platform_unix_connect(path)
    if descriptor < 0 { descriptor = platform_unix_connect("@" + path) }
    if descriptor >= 0 { _ = platform_close(descriptor) }
    return Finding(
      name: "X11", isWell: descriptor >= 0, isNeeded: false,
      detail: descriptor >= 0 ? "display \(name)" : "display \(name) does not answer",
      remedy: "start the X server, or set DISPLAY to one that runs")
  }

  private static func wayland() -> Finding {
    guard let name = Settings.environment("WAYLAND_DISPLAY") else {
      return Finding(
        name: "Wayland", isWell: false, isNeeded: false, detail: "WAYLAND_DISPLAY is not set",
        remedy: "nothing to do unless programs shall draw on Wayland")
    }
    let directory = Settings.environment("XDG_RUNTIME_DIR") ?? "/run/user/\(platform_uid())"
    let path = name.hasPrefix("/") ? name : "\(directory)/\(name)"
    let descriptor = platform_unix_connect(path)
    if descriptor >= 0 { _ = platform_close(descriptor) }
    return Finding(
      name: "Wayland", isWell: descriptor >= 0, isNeeded: false, detail: path,
      remedy: "start the compositor, or set WAYLAND_DISPLAY to one that runs")
  }

  // MARK: Reports

  private static func text(_ findings: [Finding], _ works: Bool) -> String {
    var text = ""
    for finding in findings {
      let mark = finding.isWell ? "ok  " : finding.isNeeded ? "FAIL" : "-   "
      let padding = String(repeating: " ", count: max(18 - finding.name.count, 1))
      text += "\(mark)  \(finding.name)\(padding)\(finding.detail)\n"
      if !finding.isWell && !finding.remedy.isEmpty { text += "        -> \(finding.remedy)\n" }
    }
    text += works ? "omega run --local 1 works here\n" : "omega run --local 1 does not work here\n"
    return text
  }

  private static func json(_ findings: [Finding], _ works: Bool) -> String {
    var json = JSONText()
    json.begin("{")
    json.field("version", 1)
    json.field("works", works)
    json.begin("[", "checks")
    for finding in findings {
      json.begin("{")
      json.field("name", finding.name)
      json.field("ok", finding.isWell)
      json.field("needed", finding.isNeeded)
      json.field("detail", finding.detail)
      if !finding.isWell { json.field("remedy", finding.remedy) }
      json.end("}")
    }
    json.end("]")
    json.end("}")
    return json.text + "\n"
  }
}
