import Glibc

/// What can be told of a program before it is started: whether Omega reaches it, and what to do when
/// it does not. For `omega doctor APP`.
struct ProgramInspection {
  struct Remark {
    let name: String
    let isWell: Bool
    let detail: String
    let remedy: String
  }

  private(set) var remarks: [Remark] = []

  /// Looks at a program by its path or its name in PATH.
  init(_ program: String) throws(Failure) {
    guard let path = ProgramInspection.find(program) else {
      throw Failure("there is no program '\(program)'; check the name or the path", status: 127)
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw Failure("cannot look at '\(path)': \(String(cString: strerror(errno)))")
    }
    if status.st_mode & (S_ISUID | S_ISGID) != 0 {
      add(
        "set-user-ID",
        "\(path) runs with another user's or group's rights, and the system then "
          + "takes no libraries from us", "run a copy without the bit: cp '\(path)' . && ./…")
    }
    inspect(path, depth: 0)
    if remarks.isEmpty {
      remarks.append(
        Remark(name: "program", isWell: true, detail: "\(path): nothing is in the way", remedy: ""))
    }
  }

  private mutating func add(_ name: String, _ detail: String, _ remedy: String) {
    guard !remarks.contains(where: { $0.name == name }) else { return }
    remarks.append(Remark(name: name, isWell: false, detail: detail, remedy: remedy))
  }

  private static func find(_ program: String) -> String? {
    if program.contains("/") { return realpathString(program) }
    let places = Settings.environment("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    for place in places.split(separator: ":") {
      let path = "\(place)/\(program)"
      if access(path, X_OK) == 0 { return realpathString(path) }
    }
    return nil
  }

  private static func realpathString(_ path: String) -> String? {
    guard let absolute = realpath(path, nil) else { return nil }
    defer { free(absolute) }
    return String(cString: absolute)
  }

  // MARK: Kinds of programs

  private mutating func inspect(_ path: String, depth: Int) {
    let name = path.split(separator: "/").last.map { String($0) } ?? path
    if name == "flatpak" || path.contains("/flatpak/exports/") {
      return add(
        "Flatpak", "\(path) runs in a sandbox with libraries of its own",
        "flatpak run --filesystem=host --env=… cannot bring ours in; take the program from the"
          + " distribution instead")
    }
    if path == "/usr/bin/snap" || path.hasPrefix("/snap/") {
      return add(
        "snap", "\(path) runs in a sandbox with libraries of its own",
        "take the program from the distribution instead")
    }
    guard let head = FileHead(path) else { return }
    if head.starts(with: [0x23, 0x21]) {
      return inspectScript(head.firstLine, path, depth)
    }
    guard let file = ELFHead(head) else { return }
    if head.isAppImage {
      add(
        "AppImage", "\(path) is an archive that starts what is in it, with libraries of its own",
        "unpack it, and start what it has: '\(path)' --appimage-extract &&"
          + " omega run squashfs-root/AppRun")
    }
    guard file.isNative else {
      return add(
        "architecture", file.is64Bit ? "\(path) is not for this processor" : "\(path) is 32-bit",
        file.is64Bit
          ? "take the program for this machine"
          : "Swift has no 32-bit Linux; take its 64-bit version")
    }
    if !file.isDynamic {
      add(
        "static", "\(path) is statically linked: there is nothing that could be put in its way",
        "a dynamically linked build of it; Go programs that draw are one with CGO_ENABLED=1")
    }
    if ProgramInspection.isChromium(path, name) {
      add(
        "Chromium", "\(path) brings ANGLE, its own OpenGL, which draws in a sandboxed process",
        "have ANGLE draw with Vulkan: omega run -- \(name) --use-angle=vulkan"
          + " --enable-features=Vulkan --disable-gpu-sandbox --ignore-gpu-blocklist")
    }
  }

  /// A script's interpreter, or the program that it plainly executes.
  private mutating func inspectScript(_ line: String, _ path: String, _ depth: Int) {
    guard depth < 4 else { return }
    let words = line.dropFirst(2).split(separator: " ").map { String($0) }
    guard let interpreter = words.first, let real = ProgramInspection.find(interpreter) else {
      return
    }
    if let text = FileHead(path, most: 1 << 16)?.text {
      for word in ["flatpak run", "snap run"] where text.contains(word) {
        return inspect(word.hasPrefix("snap") ? "/usr/bin/snap" : "/usr/bin/flatpak", depth: depth)
      }
      if text.contains("chromium") || text.contains("electron") {
        add(
          "Chromium", "\(path) starts what looks like Chromium or Electron, which brings ANGLE",
          "have ANGLE draw with Vulkan: add --use-angle=vulkan --enable-features=Vulkan"
            + " --disable-gpu-sandbox --ignore-gpu-blocklist")
      }
      if text.contains("unset LD_PRELOAD") || text.contains("LD_PRELOAD= ") {
        add(
          "LD_PRELOAD", "\(path) takes LD_PRELOAD out of the environment",
          "start the program that the script starts, with what it sets")
      }
    }
    inspect(real, depth: depth + 1)
  }

  /// Whether ANGLE's libraries lie beside it.
  private static func isChromium(_ path: String, _ name: String) -> Bool {
    let folder = path.split(separator: "/").dropLast().joined(separator: "/")
    let beside = ["chrome_100_percent.pak", "resources.pak", "libvk_swiftshader.so"]
    return ["chrome", "chromium", "electron"].contains(name)
      || beside.contains { access("/\(folder)/\($0)", F_OK) == 0 }
  }
}

/// The first bytes of a file.
private struct FileHead {
  let bytes: [UInt8]

  init?(_ path: String, most: Int = 8192) {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: most)
    let count = fread(&buffer, 1, most, file)
    bytes = Array(buffer.prefix(count))
  }

  func starts(with prefix: [UInt8]) -> Bool { bytes.starts(with: prefix) }

  var firstLine: String {
    String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The mark that AppImage has in the padding of an ELF header.
  var isAppImage: Bool { bytes.count > 10 && bytes[8] == 0x41 && bytes[9] == 0x49 }

  func number(_ offset: Int, _ size: Int) -> UInt64? {
    guard offset >= 0, offset + size <= bytes.count else { return nil }
    return (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }
}

/// What an ELF file's header says.
private struct ELFHead {
  let is64Bit: Bool
  let isNative: Bool
  let isDynamic: Bool

  init?(_ head: FileHead) {
    guard head.starts(with: [0x7F, 0x45, 0x4C, 0x46]), let kind = head.number(4, 1),
      let machine = head.number(18, 2)
    else { return nil }
    is64Bit = kind == 2
    isNative = is64Bit && machine == 62
    guard is64Bit, let table = head.number(32, 8), let size = head.number(54, 2),
      let count = head.number(56, 2), table < 1 << 20, size < 1024
    else {
      isDynamic = true
      return
    }
    // PT_INTERP names the dynamic linker.
    isDynamic = (0..<Int(min(count, 64))).contains {
      head.number(Int(table) + $0 * Int(size), 4) == 3
    }
  }
}
