internal import CPlatform
internal import Crypto

/// The secret that agent and node share. It is never sent: it only goes into the key agreement.
///
/// Both sides derive a pre-shared key from it. A token must be hard to guess (somebody who records a
/// handshake can try guesses at leisure), so short ones are refused.
public struct Token: Sendable {
  static let shortest = 16
  static let longest = 4096

  let key: SymmetricKey

  /// A token from its bytes; white space around it does not count. 16 to 4,096 bytes.
  public init(_ bytes: [UInt8]) throws(LinkError) {
    let isSpace = { (byte: UInt8) -> Bool in byte == 0x20 || (0x09...0x0D).contains(byte) }
    let trimmed = bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    guard trimmed.count >= Token.shortest, trimmed.count <= Token.longest else {
      throw LinkError(
        .token,
        "the token has \(trimmed.count) bytes, and \(Token.shortest) to \(Token.longest) are "
          + "allowed; make one with: head -c 32 /dev/urandom | base64 > FILE")
    }
    var hash = SHA256()
    hash.update(data: Array("omega token 1".utf8))
    hash.update(data: Array(trimmed))
    key = SymmetricKey(data: hash.finalize())
  }

  /// Names what belongs to the holders of this token, and tells nothing about it.
  public var name: String {
    var hash = SHA256()
    hash.update(data: Array("omega token name 1".utf8))
    key.withUnsafeBytes { hash.update(bufferPointer: $0) }
    return hash.finalize().prefix(16).map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }

  /// Shows, to somebody who holds the token too, that this side holds it: HMAC-SHA256 of what they have made up. It
  /// is of no use for anything else, and tells nothing of the token.
  public func proof(nonce: [UInt8]) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: Token.proofLabel + nonce, using: key))
  }

  /// Whether `proof` is that of a holder of this token.
  public func proves(_ proof: [UInt8], nonce: [UInt8]) -> Bool {
    HMAC<SHA256>.isValidAuthenticationCode(
      proof, authenticating: Token.proofLabel + nonce, using: key)
  }

  private static let proofLabel = Array("omega viewer proof 1".utf8)

  /// Reads a token file, which must be closed to everybody but its owner.
  public init(file path: String) throws(LinkError) {
    let descriptor = platform_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else {
      throw LinkError(
        .token, "cannot read the token file '\(path)': \(LinkError.text(-descriptor))")
    }
    defer { _ = platform_close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & 0o077 == 0 else {
      throw LinkError(
        .token, "the token file '\(path)' is open to other users; run: chmod 600 '\(path)'")
    }
    var bytes = [UInt8](repeating: 0, count: Token.longest + 64)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        platform_read(descriptor, $0.baseAddress! + filled, $0.count - filled)
      }
      guard count > 0 else { break }
      filled += Int(count)
    }
    do {
      try self.init(Array(bytes[..<filled]))
    } catch {
      throw LinkError(.token, "token file '\(path)': \(error.message)")
    }
  }

  /// The token that `--token-file` or `OMEGA_TOKEN_FILE` names; nil when neither is given.
  public static func load(file: String?) throws(LinkError) -> Token? {
    if let file { return try Token(file: file) }
    guard let path = platform_secure_getenv("OMEGA_TOKEN_FILE"), path[0] != 0 else { return nil }
    return try Token(file: String(cString: path))
  }

  /// Refuses to speak beyond this host without a token.
  public static func require(_ token: Token?, for address: Address) throws(LinkError) {
    guard token == nil, !address.isLocal else { return }
    throw LinkError(
      .token,
      "\(address) is beyond this host and no token is given; "
        + "set --token-file FILE (or OMEGA_TOKEN_FILE) to the same file on both sides")
  }
}
