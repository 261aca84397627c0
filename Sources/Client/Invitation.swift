import CPlatform

/// What the environment says about whether Omega is wanted in this process. Where its libraries are
/// merely installed, a program that did not ask must see what it always saw.
public enum Invitation {
  /// Whether this process is a node, whose own driver Omega must not be.
  public static var isNodeProcess: Bool {
    guard let value = variable("OMEGA_NODE_PROCESS") else { return false }
    return value[0] != 0 && !equal(value, "0")
  }

  /// Whether the launcher has started it, the user names nodes, or says so.
  public static var isThere: Bool {
    if let value = variable("OMEGA_AGENT"), value[0] != 0 { return true }
    if let value = variable("OMEGA_NODES"), value[0] != 0 { return true }
    guard let value = variable("OMEGA_ENABLE"), equal(value, "1") else { return false }
    return !isRefused
  }

  /// Whether the user says that it is not wanted.
  public static var isRefused: Bool {
    guard let disabled = variable("OMEGA_DISABLE") else { return false }
    return disabled[0] != 0
  }

  /// Whether a list of drivers' manifests in the environment names Omega.
  public static func isIn(_ list: StaticString) -> Bool {
    guard let value = variable(list) else { return false }
    return platform_contains(value, "omega")
  }

  private static func variable(_ name: StaticString) -> UnsafePointer<CChar>? {
    platform_getenv(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self))
  }
}
