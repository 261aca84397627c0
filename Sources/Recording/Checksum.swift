/// XXH64: what recordings are checked with, and what they remember frames by. Not for bytes that
/// somebody makes collide on purpose. The algorithm is fixed by the file format.
public struct Checksum {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  private var lanes: (UInt64, UInt64, UInt64, UInt64)
  private let seed: UInt64
  private var total: UInt64 = 0
  /// Bytes that do not fill a stripe of 32 yet, and how many.
  private var rest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private var restCount = 0

  public init(seed: UInt64 = 0) {
    self.seed = seed
    lanes = (
      seed &+ Checksum.prime1 &+ Checksum.prime2, seed &+ Checksum.prime2, seed,
      seed &- Checksum.prime1
    )
  }

  /// The checksum of one run of bytes.
  public static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var sum = Checksum()
    sum.add(bytes)
    return sum.value
  }

  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard var next = bytes.baseAddress, bytes.count > 0 else { return }
    total &+= UInt64(bytes.count)
    let end = next + bytes.count
    if restCount > 0 {
      let room = 32 - restCount
      let taken = min(room, bytes.count)
      withUnsafeMutableBytes(of: &rest) {
        ($0.baseAddress! + restCount).copyMemory(from: next, byteCount: taken)
      }
      restCount += taken
      next += taken
      guard restCount == 32 else { return }
      add(stripe: rest.0, rest.1, rest.2, rest.3)
      restCount = 0
    }
    // A local copy of the lanes stays in registers.
    var (a, b, c, d) = lanes
    while end - next >= 32 {
      a = Checksum.round(a, next.loadUnaligned(as: UInt64.self))
      b = Checksum.round(b, next.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      c = Checksum.round(c, next.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
      d = Checksum.round(d, next.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
      next += 32
    }
    lanes = (a, b, c, d)
    restCount = end - next
    guard restCount > 0 else { return }
    withUnsafeMutableBytes(of: &rest) {
      $0.baseAddress!.copyMemory(from: next, byteCount: restCount)
    }
  }

  /// The checksum of everything added so far.
  public var value: UInt64 {
    var hash: UInt64
    if total >= 32 {
      hash =
        Checksum.rotate(lanes.0, 1) &+ Checksum.rotate(lanes.1, 7)
        &+ Checksum.rotate(lanes.2, 12) &+ Checksum.rotate(lanes.3, 18)
      for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
        hash = (hash ^ Checksum.round(0, lane)) &* Checksum.prime1 &+ Checksum.prime4
      }
    } else {
      hash = seed &+ Checksum.prime5
    }
    hash &+= total
    hash = withUnsafeBytes(of: rest) { Checksum.finish(hash, $0.prefix(restCount)) }
    hash = (hash ^ (hash &>> 33)) &* Checksum.prime2
    hash = (hash ^ (hash &>> 29)) &* Checksum.prime3
    return hash ^ (hash &>> 32)
  }

  private static func finish(_ start: UInt64, _ rest: Slice<UnsafeRawBufferPointer>) -> UInt64 {
    var hash = start
    let bytes = UnsafeRawBufferPointer(rebasing: rest)
    var at = 0
    while bytes.count - at >= 8 {
      let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      hash = rotate(hash ^ round(0, word), 27) &* prime1 &+ prime4
      at += 8
    }
    if bytes.count - at >= 4 {
      let word = UInt64(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      hash = rotate(hash ^ (word &* prime1), 23) &* prime2 &+ prime3
      at += 4
    }
    while at < bytes.count {
      hash = rotate(hash ^ (UInt64(bytes[at]) &* prime5), 11) &* prime1
      at += 1
    }
    return hash
  }

  private mutating func add(stripe a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
    lanes.0 = Checksum.round(lanes.0, a)
    lanes.1 = Checksum.round(lanes.1, b)
    lanes.2 = Checksum.round(lanes.2, c)
    lanes.3 = Checksum.round(lanes.3, d)
  }

  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* prime2, 31) &* prime1
  }

  private static func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x &<< n | x &>> (64 &- n) }
}
