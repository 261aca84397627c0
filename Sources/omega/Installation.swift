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

  var library: String { prefix + "/lib/omega/libVkLayer_omega.so" }
  var driverManifest: String { prefix + "/share/vulkan/icd.d/omega_icd.json" }
  var layerManifests: [String] {
    [
      prefix + "/share/vulkan/implicit_layer.d/VkLayer_omega_implicit.json",
      prefix + "/share/vulkan/explicit_layer.d/VkLayer_omega_explicit.json",
    ]
  }

  static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// Fails when a program could not be started with Omega.
  func check() throws(Failure) {
    for path in [library, driverManifest] where !Installation.isReadable(path) {
      throw Failure("\(path) is missing; build with `make build`, or install again")
    }
  }
}
