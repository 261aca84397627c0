import CPlatform
import Glibc

/// Where the parts of Omega lie, told from this program's own place:
/// `PREFIX/bin/omega`, `PREFIX/lib/omega`, `PREFIX/share/vulkan`.
struct Installation {
  /// This program, with links resolved.
  let program: String
  let prefix: String

  init() throws(Failure) {
    guard let path = realpath("/proc/self/exe", nil) else {
      throw Failure("cannot tell where omega lies: /proc is not there; mount it")
    }
    defer { free(path) }
    program = String(cString: path)
    let parts = program.split(separator: "/", omittingEmptySubsequences: false)
    prefix = parts.count > 3 ? parts.dropLast(2).joined(separator: "/") : ""
  }

  /// Changes its color when a button is pressed.
  var flashProgram: String { prefix + "/lib/omega/bench/flash" }
  var library: String { prefix + "/lib/omega/libVkLayer_omega.so" }
  /// Where OpenGL's libraries lie, under the names that programs know them by.
  var glFolder: String { prefix + "/lib/omega/gl" }
  static let glNames = [
    "libGL.so.1", "libGLX.so.0", "libOpenGL.so.0", "libEGL.so.1", "libGLESv1_CM.so.1",
    "libGLESv2.so.2",
  ]
  var hasGL: Bool {
    (Installation.glNames + ["libGLShim_omega.so"]).allSatisfy {
      Installation.isReadable("\(glFolder)/\($0)")
    }
  }
  var driverManifest: String { prefix + "/share/vulkan/icd.d/omega_icd.json" }
  var layerManifests: [String] {
    [
      prefix + "/share/vulkan/implicit_layer.d/VkLayer_omega_implicit.json",
      prefix + "/share/vulkan/explicit_layer.d/VkLayer_omega_explicit.json",
    ]
  }

  /// Whether the environment names drivers, which may be wrong. The loader takes an empty list at its word:
  /// there are none.
  static var namesDriver: Bool {
    platform_getenv("VK_DRIVER_FILES") != nil || platform_getenv("VK_ICD_FILENAMES") != nil
      || Settings.environment("VK_ADD_DRIVER_FILES") != nil
  }

  /// Whether the Vulkan loader is likely to find a driver. A look at directories, no more.
  static var hasDriver: Bool {
    if namesDriver { return true }
    return ["/usr/share", "/etc", "/usr/local/share", "/usr/local/etc"].contains { prefix in
      guard let directory = opendir(prefix + "/vulkan/icd.d") else { return false }
      defer { closedir(directory) }
      while let entry = readdir(directory) {
        let isManifest = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { name in
            let text = String(cString: name)
            return text.hasSuffix(".json") && !text.hasPrefix("omega_icd")
          }
        }
        if isManifest { return true }
      }
      return false
    }
  }

  static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// Fails when a program could not be started with Omega.
  func check() throws(Failure) {
    for path in [library, driverManifest] where !Installation.isReadable(path) {
      throw Failure("\(path) is missing; build with `make build`, or install again")
    }
  }
}
