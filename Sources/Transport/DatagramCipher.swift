internal import Crypto

/// What the datagrams of a connection are sealed with: made by its handshake, the same at both ends.
public struct DatagramSecret: Sendable {
  let key: SymmetricKey

  /// A secret of 32 random bytes that no handshake has made.
  static func random() -> DatagramSecret {
    DatagramSecret(key: SymmetricKey(size: .bits256))
  }

  /// The first key of one direction of one session.
  fileprivate func key(_ sender: DatagramCipher.Sender, _ session: UInt16) -> SymmetricKey {
    var label = Array("omega datagrams of the \(sender.rawValue), session ".utf8)
    label += [UInt8(session & 255), UInt8(session >> 8)]
    return SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: label, using: key))
  }
}

/// Datagrams that arrive in any order, or not at all: ChaCha20-Poly1305 with the packet's number as nonce.
///
/// ```
/// 0  u8 version (1)   u8 reserved (0)   u16 session
/// 4  u32 low 32 bits of the packet's number
/// 8  ciphertext, tag of 16 bytes                       the first 8 bytes are authenticated
/// ```
///
/// A sender numbers its packets from 0 and never uses a number twice. The receiver takes the number with
/// these low bits that is nearest to the highest one it has seen. Each direction of each session has keys
/// of its own; after 2^20 packets the key is replaced by a one-way function of it, as those of records
/// are, so that a key that leaks does not open what came before. Which key a packet has follows from its
/// number.
public enum DatagramCipher {
  /// Bytes that sealing adds.
  public static let overhead = headerSize + RecordCipher.tagSize
  static let headerSize = 8

  /// The session that a datagram names, which says nothing before it is opened; nil when it is too short.
  public static func session(of datagram: UnsafeRawBufferPointer) -> UInt16? {
    guard datagram.count >= overhead else { return nil }
    return UInt16(littleEndian: datagram.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
  }

  static let version: UInt8 = 1
  /// Packets under one key, as a power of two.
  static let epochBits: UInt64 = 20

  /// Who has sealed a datagram.
  public enum Sender: String, Sendable {
    case client
    case node
  }

  fileprivate static func next(_ key: SymmetricKey) -> SymmetricKey {
    SymmetricKey(
      data: HMAC<SHA256>.authenticationCode(for: Array("omega datagram rekey".utf8), using: key))
  }

  fileprivate static func writeNonce(_ number: UInt64, _ p: UnsafeMutableRawPointer) {
    p.storeBytes(of: 0, as: UInt32.self)
    p.storeBytes(of: number.littleEndian, toByteOffset: 4, as: UInt64.self)
  }
}

/// Seals the datagrams of one direction. There is one for each session of a connection, ever: two would use
/// the same numbers under the same key. One thread at a time.
public struct DatagramSealer {
  private let session: UInt16
  private var key: SymmetricKey
  private var epoch: UInt64 = 0
  private var nonce = [UInt8](repeating: 0, count: RecordCipher.nonceSize)
  /// Numbers below this have been used, or passed over.
  private var next: UInt64 = 0

  public init(_ secret: DatagramSecret, sender: DatagramCipher.Sender, session: UInt16) {
    self.session = session
    key = secret.key(sender, session)
  }

  /// Seals a packet into `room`, which has `DatagramCipher.overhead` bytes more: the bytes, or 0 when there is
  /// not enough room, or the number is not above those before.
  public mutating func seal(
    _ packet: UnsafeRawBufferPointer, number: UInt64, into room: UnsafeMutableRawBufferPointer
  ) -> Int {
    let size = packet.count + DatagramCipher.overhead
    guard number >= next, number < .max, room.count >= size, let start = room.baseAddress else {
      return 0
    }
    next = number + 1
    while epoch < number >> DatagramCipher.epochBits {
      key = DatagramCipher.next(key)
      epoch += 1
    }
    start.storeBytes(of: DatagramCipher.version, as: UInt8.self)
    start.storeBytes(of: 0, toByteOffset: 1, as: UInt8.self)
    start.storeBytes(of: session.littleEndian, toByteOffset: 2, as: UInt16.self)
    start.storeBytes(
      of: UInt32(truncatingIfNeeded: number).littleEndian, toByteOffset: 4, as: UInt32.self)
    nonce.withUnsafeMutableBytes { bytes in
      if let p = bytes.baseAddress { DatagramCipher.writeNonce(number, p) }
    }
    let header = UnsafeRawBufferPointer(start: start, count: DatagramCipher.headerSize)
    guard let nonce = try? ChaChaPoly.Nonce(data: nonce),
      let box = try? ChaChaPoly.seal(packet, using: key, nonce: nonce, authenticating: header)
    else { return 0 }
    box.combined.withUnsafeBytes { bytes in
      guard let from = bytes.baseAddress else { return }
      (start + DatagramCipher.headerSize).copyMemory(
        from: from + RecordCipher.nonceSize, byteCount: bytes.count - RecordCipher.nonceSize)
    }
    return size
  }
}

/// Opens the datagrams of one direction: each once, whoever sends it how often. One thread at a time.
public struct DatagramOpener {
  public struct Statistics: Equatable, Sendable {
    public var opened = 0
    /// Of no version or session that is known here, or too short.
    public var foreign = 0
    /// Seen before, or too old to tell.
    public var replayed = 0
    /// Changed on the way, or sealed by somebody else.
    public var forged = 0

    public init() {}
  }

  public private(set) var statistics = Statistics()
  private let session: UInt16
  private var window = ReplayWindow()
  /// Keys of the epoch before, of this one, and of the next, which only a packet that opens begins.
  private var previous: SymmetricKey?
  private var key: SymmetricKey
  private var following: SymmetricKey
  private var epoch: UInt64 = 0
  private var room: [UInt8] = []

  public init(_ secret: DatagramSecret, sender: DatagramCipher.Sender, session: UInt16) {
    self.session = session
    key = secret.key(sender, session)
    following = DatagramCipher.next(key)
  }

  /// Opens a datagram; the packet's number and its bytes, which `use` gets. Nil, and `use` is not called,
  /// when the datagram is refused; `statistics` says why.
  public mutating func open<Result>(
    _ datagram: UnsafeRawBufferPointer,
    _ use: (_ number: UInt64, _ packet: UnsafeRawBufferPointer) -> Result
  ) -> Result? {
    guard datagram.count >= DatagramCipher.overhead, datagram[0] == DatagramCipher.version,
      datagram[1] == 0,
      DatagramCipher.session(of: datagram) == session
    else {
      statistics.foreign += 1
      return nil
    }
    let low = UInt32(littleEndian: datagram.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    let number = DatagramOpener.number(low, near: window.highest)
    guard window.isNew(number) else {
      statistics.replayed += 1
      return nil
    }
    let wanted = number >> DatagramCipher.epochBits
    let used: SymmetricKey
    switch wanted {
    case epoch: used = key
    case epoch &+ 1: used = following
    case epoch &- 1:
      guard let previous else { fallthrough }
      used = previous
    default:
      statistics.forged += 1
      return nil
    }
    // Nonce, ciphertext and tag behind each other, as the box has them.
    let sealed = datagram.count - DatagramCipher.headerSize
    if room.count < RecordCipher.nonceSize + sealed {
      room = [UInt8](repeating: 0, count: RecordCipher.nonceSize + sealed)
    }
    let box: ChaChaPoly.SealedBox? = room.withUnsafeMutableBytes { room in
      guard let p = room.baseAddress, let from = datagram.baseAddress else { return nil }
      DatagramCipher.writeNonce(number, p)
      (p + RecordCipher.nonceSize).copyMemory(
        from: from + DatagramCipher.headerSize, byteCount: sealed)
      return try? ChaChaPoly.SealedBox(
        combined: UnsafeRawBufferPointer(rebasing: room[..<(RecordCipher.nonceSize + sealed)]))
    }
    let header = UnsafeRawBufferPointer(rebasing: datagram[..<DatagramCipher.headerSize])
    guard let box, let packet = try? ChaChaPoly.open(box, using: used, authenticating: header)
    else {
      statistics.forged += 1
      return nil
    }
    window.note(number)
    if wanted > epoch {
      previous = key
      key = following
      following = DatagramCipher.next(key)
      epoch = wanted
    }
    statistics.opened += 1
    return packet.withUnsafeBytes { use(number, $0) }
  }

  /// The number with these low 32 bits that is nearest to the one behind `highest`.
  static func number(_ low: UInt32, near highest: UInt64?) -> UInt64 {
    guard let highest else { return UInt64(low) }
    let expected = highest &+ 1
    let step = Int64(Int32(bitPattern: low &- UInt32(truncatingIfNeeded: expected)))
    // A step back beyond 0 is one forward.
    if step < 0, UInt64(-step) > expected { return expected &+ UInt64(step + 1 << 32) }
    return expected &+ UInt64(bitPattern: step)
  }
}
