import Agent

/// How a program comes to its OpenGL: environments.
enum LibrariesOfGL {
  /// Omega's own libraries in the place of the machine's. They are named in LD_PRELOAD, so that
  /// whatever asks for those names later is given them, and their folder comes first in
  /// LD_LIBRARY_PATH, where programs look that load one by another name.
  static func ofOmega(_ environment: [String], _ installation: Installation) -> [String] {
    let folder = installation.glFolder
    // A list in LD_PRELOAD has no way to write a blank or a colon; names alone are then looked up in
    // LD_LIBRARY_PATH, which has none for a colon.
    let isPlain = !folder.contains { $0 == " " || $0 == ":" || $0 == ";" || $0 == "\n" }
    var preloads = Installation.glNames.map { isPlain ? "\(folder)/\($0)" : $0 }
    if let others = Settings.environment("LD_PRELOAD") { preloads.insert(others, at: 0) }
    var path = folder
    if let others = Settings.environment("LD_LIBRARY_PATH") { path += ":" + others }
    var all = Subprocess.setting(environment, "LD_PRELOAD", preloads.joined(separator: ":"))
    all = Subprocess.setting(all, "LD_LIBRARY_PATH", path)
    return all
  }

  /// The machine's own Mesa, drawing through Omega's Vulkan devices with its driver Zink.
  static func throughVulkan(_ environment: [String]) -> [String] {
    var all = Subprocess.setting(environment, "GALLIUM_DRIVER", "zink")
    all = Subprocess.setting(all, "LIBGL_ALWAYS_SOFTWARE", "1")
    all = Subprocess.setting(all, "MESA_LOADER_DRIVER_OVERRIDE", nil)
    return all
  }
}
