/// What both ends of a frame link agree on, and what its user allows.
public struct LinkSettings: Sendable {
  /// Bytes of a packet at most, seal and UDP's own header not among them. With those of
  /// `DatagramCipher` this fills 1232 bytes of UDP, which no path of IPv6 may refuse.
  public var packetBytes = 1208
  /// Bytes that each packet has around it on the wire: the seal (24), UDP (8) and IPv4 (20).
  public var overheadBytes = 52
  /// Bytes of a unit at most.
  public var largestUnit = 16 << 20
  /// Bytes of units that are not complete yet, at most; what would exceed them is lost.
  public var receiverMemory = 64 << 20
  /// Bytes of packets that wait to be sent, at most; units that would exceed them are refused.
  public var senderMemory = 64 << 20

  /// The user's cap, the rate that is never gone below, and the one to begin with: bits a second on the
  /// wire.
  public var mostBitsPerSecond = 1_000_000_000
  public var leastBitsPerSecond = 500_000
  public var firstBitsPerSecond = 10_000_000

  /// Parity shards of a group at least, and as a share of its data at most. No parity at all when
  /// `mostParity` is 0.
  public var leastParity = 1
  public var mostParity = 1.5
  /// How often a group may fail in spite of its parity, at the loss that has been measured.
  public var residualLoss = 0.002

  public init() {}

  /// Bytes of a shard at most.
  var shardBytes: Int {
    max(packetBytes - ShardHeader.byteCount, UnitSplit.alignment) / UnitSplit.alignment
      * UnitSplit.alignment
  }
  /// Bands of a frame: `previousBands` is a mask of 32 bits.
  static let bands = 32
}
