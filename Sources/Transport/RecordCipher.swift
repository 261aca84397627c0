internal import Crypto

/// One direction of a sealed link: ChaCha20-Poly1305 with a counter as nonce.
///
/// ```
/// | u32 length | ciphertext, `length` bytes | tag, 16 bytes |       length is authenticated
/// ```
///
/// The counter is not sent: a record that is lost, repeated or moved does not open. After
/// `recordLimit` records or `byteLimit` bytes both sides replace the key by a one-way function of
/// it and begin the counter anew, so that a key that leaks does not open what came before.
struct RecordCipher: ~Copyable {
  static let tagSize = 16
  static let nonceSize = 12
  /// Most plaintext bytes in a record: large enough that the fixed costs vanish, small enough for
  /// a level 2 cache.
  static let largestRecord = 128 << 10

  var recordLimit: UInt64 = 1 << 20
  var byteLimit: UInt64 = 1 << 30
  private(set) var generation: UInt64 = 0
  private var key: SymmetricKey
  private var counter: UInt64 = 0
  private var byteCount: UInt64 = 0

  init(key: SymmetricKey) { self.key = key }

  /// Seals one record; `send` gets its pieces: nonce (not for sending), ciphertext and tag, in one
  /// buffer whose first `nonceSize` bytes are to be left out.
  mutating func seal(
    _ plaintext: UnsafeRawBufferPointer,
    _ send: (UnsafeRawBufferPointer) throws(LinkError) -> Void
  ) throws(LinkError) {
    let length = RecordCipher.lengthField(plaintext.count)
    guard
      let box = try? ChaChaPoly.seal(
        plaintext, using: key, nonce: nonce(), authenticating: length)
    else { throw LinkError(.tampered, "the cipher refused to seal a record") }
    advance(plaintext.count)
    var failure: LinkError?
    box.combined.withUnsafeBytes { bytes in
      do throws(LinkError) { try send(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Opens one record into `plaintext`. `sealed` is room for a nonce, then ciphertext and tag.
  /// Fails when anything about it is not as it was sent.
  mutating func open(
    _ sealed: UnsafeMutableRawBufferPointer, into plaintext: UnsafeMutableRawPointer
  ) throws(LinkError) {
    let count = sealed.count - RecordCipher.nonceSize - RecordCipher.tagSize
    guard count >= 0 else { throw LinkError(.tampered, "a record is shorter than its tag") }
    for index in 0..<4 { sealed[index] = 0 }
    sealed.storeBytes(of: counter.littleEndian, toByteOffset: 4, as: UInt64.self)
    guard let box = try? ChaChaPoly.SealedBox(combined: UnsafeRawBufferPointer(sealed)),
      let opened = try? ChaChaPoly.open(
        box, using: key, authenticating: RecordCipher.lengthField(count)),
      opened.count == count
    else {
      throw LinkError(.tampered, "a record was changed on its way; the connection is dropped")
    }
    advance(count)
    opened.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress, bytes.count > 0 else { return }
      plaintext.copyMemory(from: start, byteCount: bytes.count)
    }
  }

  private func nonce() throws -> ChaChaPoly.Nonce {
    var bytes = [UInt8](repeating: 0, count: RecordCipher.nonceSize)
    bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: counter.littleEndian, toByteOffset: 4, as: UInt64.self)
    }
    return try ChaChaPoly.Nonce(data: bytes)
  }

  private mutating func advance(_ bytes: Int) {
    counter &+= 1
    byteCount &+= UInt64(bytes)
    guard counter >= recordLimit || byteCount >= byteLimit else { return }
    let next = HMAC<SHA256>.authenticationCode(for: Array("omega link rekey".utf8), using: key)
    key = SymmetricKey(data: next)
    counter = 0
    byteCount = 0
    generation &+= 1
  }

  private static func lengthField(_ count: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: count).littleEndian) { Array($0) }
  }
}
