/// How a relay loses packets.
public enum PacketLoss: Sendable {
  /// Each for itself.
  case independent(share: Double)
  /// In bursts of `burst` packets in the mean (Gilbert's chain of two states).
  case bursts(share: Double, burst: Double)

  public static let none = PacketLoss.independent(share: 0)
}

/// One direction of a path, in virtual time: a queue in front of a link of some bandwidth, a delay, and
/// losses behind the queue. The same seed gives the same losses.
public struct Relay {
  /// Bits a second at a time in nanoseconds.
  public var bandwidth: @Sendable (UInt64) -> Double
  /// Nanoseconds.
  public var delay: UInt64
  /// Nanoseconds up to which a packet may be later than that, so that it may be overtaken.
  public var jitter: UInt64 = 0
  /// Packets that would wait longer than this many nanoseconds are dropped.
  public var mostWaiting: UInt64 = 1_000_000_000
  public var loss: PacketLoss

  /// How long each packet that was let in has waited, in nanoseconds.
  public private(set) var waits: [UInt64] = []
  public private(set) var drops = 0
  public private(set) var losses = 0
  private var numbers: Numbers
  private var busyUntil: UInt64 = 0
  private var isBad = false

  public init(
    delay: UInt64, loss: PacketLoss = .none, seed: UInt64 = 1,
    bandwidth: @escaping @Sendable (UInt64) -> Double = { _ in 1e9 }
  ) {
    self.delay = delay
    self.loss = loss
    self.bandwidth = bandwidth
    numbers = Numbers(seed)
  }

  private mutating func chance(_ share: Double) -> Bool {
    Double(numbers.next() >> 11) / Double(1 << 53) < share
  }

  private mutating func isLost() -> Bool {
    switch loss {
    case .independent(let share): return chance(share)
    case .bursts(let share, let burst):
      let leave = 1 / burst
      isBad = isBad ? !chance(leave) : chance(share * leave / (1 - share))
      return isBad
    }
  }

  /// Takes a packet of `byteCount` bytes on the wire at `now`: when it arrives, or nil.
  public mutating func pass(byteCount: Int, now: UInt64) -> UInt64? {
    let begin = max(busyUntil, now)
    guard begin - now <= mostWaiting else {
      drops += 1
      return nil
    }
    waits.append(begin - now)
    busyUntil = begin + UInt64(Double(byteCount) * 8e9 / bandwidth(begin))
    guard !isLost() else {
      losses += 1
      return nil
    }
    let late = jitter > 0 ? UInt64(numbers.below(Int(jitter))) : 0
    return busyUntil + delay + late
  }
}
