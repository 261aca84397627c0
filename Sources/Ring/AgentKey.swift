public import CPlatform

/// Which agent serves a program that was not started by `omega run`. Programs that name the same
/// nodes, token and statistics share one; others get one of their own, since an agent takes all
/// three from the environment it was started in.
public enum AgentKey {
  /// 0 when the environment names none of them, else a number that differs with any of them
  /// (64-bit FNV-1a over the names and values; an accident of equal numbers shares an agent).
  public static func fromEnvironment() -> UInt64 {
    var key: UInt64 = 0xCBF2_9CE4_8422_2325
    var isNamed = add(&key, "OMEGA_NODES")
    isNamed = add(&key, "OMEGA_TOKEN_FILE") || isNamed
    isNamed = add(&key, "OMEGA_STATS") || isNamed
    return isNamed ? max(key, 1) : 0
  }

  private static func add(_ key: inout UInt64, _ name: StaticString) -> Bool {
    let text = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    guard let value = platform_secure_getenv(text), value[0] != 0 else {
      mix(&key, 0)
      return false
    }
    var i = 0
    while value[i] != 0 {
      mix(&key, UInt8(bitPattern: value[i]))
      i &+= 1
    }
    mix(&key, 0)
    return true
  }

  private static func mix(_ key: inout UInt64, _ byte: UInt8) {
    key = (key ^ UInt64(byte)) &* 0x100_0000_01B3
  }
}
