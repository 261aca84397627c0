internal import CPlatform
internal import Crypto
internal import Ring

/// The first bytes on a TCP connection: versions in the clear, then a key agreement.
///
/// ```
/// client                                          node
///   "OMEGALNK" u16 lowest u16 highest u32 0   ->
///                                             <-  "OMEGALNK" u16 chosen u16 highest u32 verdict
///   e, tag                                    ->
///                                             <-  u32 verdict, e, tag
///   record 0 (empty)                          ->
/// ```
///
/// The agreement is Noise_NNpsk0_25519_ChaChaPoly_SHA256 with the token's key as psk (zeros without
/// a token) and both opening lines as prologue, so that a changed version line is found out. Each
/// tag proves the token; `record 0` proves to the node that the client is live and not a recording.
/// Versions and the verdict on the token are in the clear so that a person gets to read which of
/// the two is wrong; an attacker gains nothing by changing them that closing the connection would
/// not give.
enum Handshake {
  static let magic: [UInt8] = Array("OMEGALNK".utf8)
  static let openingSize = 16
  static let flightSize = 48
  static let protocolName: [UInt8] = Array("Noise_NNpsk0_25519_ChaChaPoly_SHA256".utf8)

  enum Verdict {
    static let ok: UInt32 = 0
    static let version: UInt32 = 1
    static let full: UInt32 = 2
    static let token: UInt32 = 3
  }

  /// The versions this build speaks.
  struct Versions: Equatable {
    var lowest: UInt16 = UInt16(WireVersion.current)
    var highest: UInt16 = UInt16(WireVersion.current)
  }

  struct Keys: ~Copyable {
    var send: RecordCipher
    var receive: RecordCipher
    /// What datagrams beside the connection are sealed with.
    let datagrams: DatagramSecret
  }

  // MARK: Client

  static func asClient(
    _ stream: ByteStream, token: Token?, versions: Versions = Versions(), deadline: UInt64
  ) throws(LinkError) -> Keys {
    let opening = self.opening(versions.lowest, versions.highest, 0)
    try stream.write(opening)
    let answer = try stream.read(openingSize, deadline: deadline)
    guard answer.starts(with: magic) else { throw notOmega(stream.peer) }
    let chosen = u16(answer, 8)
    switch u32(answer, 12) {
    case Verdict.ok where chosen >= versions.lowest && chosen <= versions.highest: break
    case Verdict.full:
      throw LinkError(
        .full,
        "\(stream.peer) has as many clients as it may; "
          + "try later, or start the node with a larger --max-clients")
    default:
      throw LinkError(
        .version,
        "\(stream.peer) speaks protocol version \(u16(answer, 10)), this omega "
          + "\(versions.highest); install the same release on both machines")
    }

    var state = SymmetricState(prologue: opening + answer, token: token)
    let ephemeral = Curve25519.KeyAgreement.PrivateKey()
    let own = Array(ephemeral.publicKey.rawRepresentation)
    state.mix(ephemeral: own)
    try stream.write(own + state.seal())

    let verdict = u32(try stream.read(4, deadline: deadline), 0)
    guard verdict == Verdict.ok else { throw wrongToken(stream.peer, have: token != nil) }
    let flight = try stream.read(flightSize, deadline: deadline)
    let theirs = Array(flight[..<32])
    state.mix(ephemeral: theirs)
    try state.mix(agreement: ephemeral, with: theirs, peer: stream.peer)
    guard state.open(Array(flight[32...])) else {
      throw wrongToken(stream.peer, have: token != nil)
    }

    let (forward, backward, datagrams) = state.split()
    var keys = Keys(
      send: RecordCipher(key: forward), receive: RecordCipher(key: backward),
      datagrams: DatagramSecret(key: datagrams))
    var confirmation: [UInt8] = []
    try keys.send.seal(UnsafeRawBufferPointer(start: nil, count: 0)) { sealed in
      confirmation = Array(sealed.dropFirst(RecordCipher.nonceSize))
    }
    try stream.write(confirmation)
    return keys
  }

  // MARK: Node

  static func asNode(
    _ stream: ByteStream, token: Token?, versions: Versions = Versions(), deadline: UInt64
  ) throws(LinkError) -> Keys {
    let opening = try stream.read(openingSize, deadline: deadline)
    guard opening.starts(with: magic) else { throw notOmega(stream.peer) }
    let theirHighest = u16(opening, 10)
    let chosen = min(theirHighest, versions.highest)
    guard chosen >= versions.lowest, chosen >= u16(opening, 8) else {
      try stream.write(self.opening(0, versions.highest, Verdict.version))
      throw LinkError(
        .version,
        "\(stream.peer) speaks protocol version \(theirHighest), this node \(versions.highest); "
          + "install the same release on both machines")
    }
    let answer = self.opening(chosen, versions.highest, Verdict.ok)
    try stream.write(answer)

    var state = SymmetricState(prologue: opening + answer, token: token)
    let first = try stream.read(flightSize, deadline: deadline)
    let theirs = Array(first[..<32])
    state.mix(ephemeral: theirs)
    guard state.open(Array(first[32...])) else {
      try stream.write(u32(Verdict.token))
      throw wrongToken(stream.peer, have: token != nil)
    }

    let ephemeral = Curve25519.KeyAgreement.PrivateKey()
    let own = Array(ephemeral.publicKey.rawRepresentation)
    state.mix(ephemeral: own)
    try state.mix(agreement: ephemeral, with: theirs, peer: stream.peer)
    try stream.write(u32(Verdict.ok) + own + state.seal())

    let (forward, backward, datagrams) = state.split()
    var keys = Keys(
      send: RecordCipher(key: backward), receive: RecordCipher(key: forward),
      datagrams: DatagramSecret(key: datagrams))
    var confirmation = [UInt8](repeating: 0, count: RecordCipher.nonceSize)
    confirmation += try stream.read(RecordCipher.tagSize, deadline: deadline)
    var failure: LinkError?
    var nothing: UInt8 = 0
    confirmation.withUnsafeMutableBytes { sealed in
      do throws(LinkError) { try keys.receive.open(sealed, into: &nothing) } catch {
        failure = error
      }
    }
    guard failure == nil else {
      throw LinkError(
        .tampered, "\(stream.peer) could not confirm the key; it may replay an old connection")
    }
    return keys
  }

  /// Tells a client that there is no room for it, as the answer to its opening line. Waits for that
  /// line for at most 100 ms.
  static func refuseFull(_ stream: ByteStream) {
    do throws(LinkError) {
      _ = try stream.read(openingSize, deadline: platform_now() &+ 100_000_000)
      try stream.write(opening(0, Versions().highest, Verdict.full))
    } catch {
      // The client is gone or does not speak our protocol: there is nobody to tell.
    }
  }

  // MARK: Bytes

  private static func opening(_ a: UInt16, _ b: UInt16, _ verdict: UInt32) -> [UInt8] {
    magic + [
      UInt8(truncatingIfNeeded: a), UInt8(a >> 8), UInt8(truncatingIfNeeded: b), UInt8(b >> 8),
    ]
      + u32(verdict)
  }
  private static func u32(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
  private static func u16(_ bytes: [UInt8], _ at: Int) -> UInt16 {
    UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
  }
  private static func u32(_ bytes: [UInt8], _ at: Int) -> UInt32 {
    UInt32(u16(bytes, at)) | UInt32(u16(bytes, at + 2)) << 16
  }

  private static func notOmega(_ peer: String) -> LinkError {
    LinkError(
      .notOmega, "\(peer) does not speak Omega's protocol; check the address and the port")
  }
  private static func wrongToken(_ peer: String, have: Bool) -> LinkError {
    LinkError(
      .token,
      have
        ? "\(peer) does not hold the same token; use the same --token-file on both machines"
        : "\(peer) expects another token than none; set --token-file (or OMEGA_TOKEN_FILE)")
  }
}

/// Noise's symmetric state: a transcript hash, a chaining key, and the key for the next tag.
private struct SymmetricState {
  private var hash: [UInt8]
  private var chain: SymmetricKey
  private var key = SymmetricKey(data: [UInt8](repeating: 0, count: 32))

  init(prologue: [UInt8], token: Token?) {
    hash = Array(SHA256.hash(data: Handshake.protocolName))
    chain = SymmetricKey(data: hash)
    mix(prologue)
    // Token psk0: both the key and the transcript depend on it from the first byte.
    let psk = token?.key ?? SymmetricKey(data: [UInt8](repeating: 0, count: 32))
    let outputs = psk.withUnsafeBytes { expand(Array($0), count: 3) }
    chain = SymmetricKey(data: outputs[0])
    mix(outputs[1])
    key = SymmetricKey(data: outputs[2])
  }

  private mutating func mix(_ data: [UInt8]) {
    hash = Array(SHA256.hash(data: hash + data))
  }

  private mutating func mixKey(_ material: [UInt8]) {
    let outputs = expand(material, count: 2)
    chain = SymmetricKey(data: outputs[0])
    key = SymmetricKey(data: outputs[1])
  }

  mutating func mix(ephemeral: [UInt8]) {
    mix(ephemeral)
    mixKey(ephemeral)
  }

  mutating func mix(
    agreement own: Curve25519.KeyAgreement.PrivateKey, with theirs: [UInt8], peer: String
  ) throws(LinkError) {
    guard let key = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: theirs),
      let secret = try? own.sharedSecretFromKeyAgreement(with: key)
    else { throw LinkError(.tampered, "\(peer) sent a public key that is not one") }
    secret.withUnsafeBytes { mixKey(Array($0)) }
  }

  /// An empty payload's tag. Every key seals exactly once, so the nonce is zero.
  mutating func seal() -> [UInt8] {
    let nonce = try? ChaChaPoly.Nonce(data: [UInt8](repeating: 0, count: 12))
    guard
      let box = try? ChaChaPoly.seal([UInt8](), using: key, nonce: nonce, authenticating: hash)
    else { return [UInt8](repeating: 0, count: RecordCipher.tagSize) }
    let tag = Array(box.tag)
    mix(tag)
    return tag
  }

  /// Checks a tag that `seal` made on the other side.
  mutating func open(_ tag: [UInt8]) -> Bool {
    let combined = [UInt8](repeating: 0, count: 12) + tag
    guard let box = try? ChaChaPoly.SealedBox(combined: combined),
      (try? ChaChaPoly.open(box, using: key, authenticating: hash)) != nil
    else { return false }
    mix(tag)
    return true
  }

  /// Noise's two keys, and a third from the same expansion, which says nothing of the two.
  func split() -> (SymmetricKey, SymmetricKey, SymmetricKey) {
    let outputs = expand([], count: 3)
    return (
      SymmetricKey(data: outputs[0]), SymmetricKey(data: outputs[1]),
      SymmetricKey(data: outputs[2])
    )
  }

  /// Noise's HKDF over SHA-256.
  private func expand(_ material: [UInt8], count: Int) -> [[UInt8]] {
    let temporary = SymmetricKey(
      data: HMAC<SHA256>.authenticationCode(for: material, using: chain))
    var outputs: [[UInt8]] = []
    for index in 1...count {
      let input = (outputs.last ?? []) + [UInt8(index)]
      outputs.append(Array(HMAC<SHA256>.authenticationCode(for: input, using: temporary)))
    }
    return outputs
  }
}
