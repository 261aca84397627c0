internal import CPlatform
internal import Wire

/// What a packet of the frame link is: its first byte.
enum PacketKind: UInt8 {
  /// A piece of a unit, or of the parity of one.
  case shard = 1
  /// What has arrived, when, and what has not: from the receiver to the sender.
  case feedback = 2
  /// The last unit of each band, when nothing else says that it was sent.
  case summary = 3
}

/// What stands in front of each shard. `docs/frame-link.md` draws it.
struct ShardHeader: Equatable {
  static let byteCount = 24

  var band: Int
  var group: Int
  /// Place in the group: data from 0 on, then parity.
  var index: Int
  /// Parity shards of each group of the unit.
  var parityCount: Int
  /// The last loss of this band that the sender knew of when it made the unit.
  var repair: UInt8
  /// Counts the units of the band.
  var unit: UInt16
  var frame: UInt32
  var unitBytes: Int
  var shardBytes: Int
  /// The unit is the first of its band that `repair` is true of.
  var isRepair: Bool
  /// The bands that the frame before had units of.
  var previousBands: UInt32

  func write(to p: UnsafeMutableRawPointer) {
    p.put32(
      UInt32(PacketKind.shard.rawValue) | UInt32(band & 255) << 8 | UInt32(group & 255) << 16
        | UInt32(index & 255) << 24, 0)
    p.put32(UInt32(parityCount & 255) | UInt32(repair) << 8 | UInt32(unit) << 16, 4)
    p.put32(frame, 8)
    p.put32(UInt32(truncatingIfNeeded: unitBytes), 12)
    p.put32(UInt32(shardBytes & 0xFFFF) | (isRepair ? 1 << 16 : 0), 16)
    p.put32(previousBands, 20)
  }

  /// Nil when the bytes are too few, or the reserved ones are not zero.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > ShardHeader.byteCount, let p = bytes.baseAddress else { return nil }
    let (place, kind, size) = (p.get32(0), p.get32(4), p.get32(16))
    guard size >> 17 == 0 else { return nil }
    band = Int(place >> 8 & 255)
    group = Int(place >> 16 & 255)
    index = Int(place >> 24)
    parityCount = Int(kind & 255)
    repair = UInt8(kind >> 8 & 255)
    unit = UInt16(kind >> 16)
    frame = p.get32(8)
    unitBytes = Int(p.get32(12))
    shardBytes = Int(size & 0xFFFF)
    isRepair = size >> 16 != 0
    previousBands = p.get32(20)
  }

  init(
    band: Int, group: Int, index: Int, parityCount: Int, repair: UInt8, unit: UInt16,
    frame: UInt32, unitBytes: Int, shardBytes: Int, isRepair: Bool, previousBands: UInt32
  ) {
    self.band = band
    self.group = group
    self.index = index
    self.parityCount = parityCount
    self.repair = repair
    self.unit = unit
    self.frame = frame
    self.unitBytes = unitBytes
    self.shardBytes = shardBytes
    self.isRepair = isRepair
    self.previousBands = previousBands
  }
}

/// The last unit that was sent of a band.
struct SummaryEntry: Equatable {
  static let byteCount = 8
  static let headerBytes = 4

  var band: Int
  var repair: UInt8
  var unit: UInt16
  var frame: UInt32

  /// Writes a summary; its bytes.
  static func write(_ entries: [SummaryEntry], to p: UnsafeMutableRawPointer) -> Int {
    p.put32(UInt32(PacketKind.summary.rawValue) | UInt32(entries.count & 255) << 8, 0)
    for (i, entry) in entries.enumerated() {
      let at = headerBytes + i * byteCount
      p.put32(UInt32(entry.band & 255) | UInt32(entry.repair) << 8 | UInt32(entry.unit) << 16, at)
      p.put32(entry.frame, at + 4)
    }
    return headerBytes + entries.count * byteCount
  }

  /// Reads a summary; nil when its length is not what it says.
  static func read(_ bytes: UnsafeRawBufferPointer) -> [SummaryEntry]? {
    guard bytes.count >= headerBytes, let p = bytes.baseAddress else { return nil }
    let count = Int(p.get32(0) >> 8 & 255)
    guard p.get32(0) >> 16 == 0, bytes.count == headerBytes + count * byteCount else { return nil }
    return (0..<count).map { i in
      let word = p.get32(headerBytes + i * byteCount)
      return SummaryEntry(
        band: Int(word & 255), repair: UInt8(word >> 8 & 255), unit: UInt16(word >> 16),
        frame: p.get32(headerBytes + i * byteCount + 4))
    }
  }
}

/// A band whose picture the receiver does not have.
struct LossNotice: Equatable {
  static let byteCount = 8

  var band: Int
  /// Counts the losses of the band.
  var number: UInt8
  /// The first frame that may be missing.
  var since: UInt32
}

/// What a receiver has got.
struct Feedback: Equatable {
  static let fixedBytes = 28
  /// Packet numbers that one feedback covers at most.
  static let mostSpan = 1024
  static let mostNotices = 32

  /// Low 32 bits of the highest packet number that has arrived.
  var highest: UInt32 = 0
  /// When it arrived, in microseconds of the receiver's clock.
  var receivedAt: UInt32 = 0
  /// Microseconds from then until this was written.
  var age: UInt32 = 0
  /// Packets that have arrived since the beginning, those that are missing for good, and in how many
  /// runs of neighbours they are.
  var receivedCount: UInt32 = 0
  var lostCount: UInt32 = 0
  var lossRuns: UInt32 = 0
  var notices: [LossNotice] = []
  /// Whether packet `highest - i` has arrived, for each i.
  var arrived: [Bool] = []
  /// For the first of those that have, from the highest on: microseconds of the receiver's clock
  /// before `receivedAt`; negative for one that was overtaken.
  var earlier: [Int32] = []

  /// Writes as many of the times as there is room for; the bytes, or 0 when not even the rest fits.
  func write(to room: UnsafeMutableRawBufferPointer) -> Int {
    let notices = notices.prefix(Feedback.mostNotices)
    let span = min(arrived.count, Feedback.mostSpan)
    let noticesAt = Feedback.fixedBytes + (span + 7) / 8
    var at = noticesAt + notices.count * LossNotice.byteCount
    guard room.count >= at, let p = room.baseAddress else { return 0 }
    p.put32(
      UInt32(PacketKind.feedback.rawValue) | UInt32(notices.count) << 8 | UInt32(span) << 16, 0)
    p.put32(highest, 4)
    p.put32(receivedAt, 8)
    p.put32(age, 12)
    p.put32(receivedCount, 16)
    p.put32(lostCount, 20)
    p.put32(lossRuns, 24)
    platform_zero(p + Feedback.fixedBytes, noticesAt - Feedback.fixedBytes)
    for i in 0..<span where arrived[i] {
      room[Feedback.fixedBytes + i / 8] |= 1 << UInt8(i % 8)
    }
    for (i, notice) in notices.enumerated() {
      let place = noticesAt + i * LossNotice.byteCount
      p.put32(UInt32(notice.band & 255) | UInt32(notice.number) << 8, place)
      p.put32(notice.since, place + 4)
    }
    var before: Int32 = 0
    for time in earlier.dropFirst() {
      let step = time &- before
      var rest = UInt32(bitPattern: step << 1 ^ step >> 31)
      guard room.count - at >= 5 else { break }
      while rest >= 0x80 {
        room[at] = UInt8(rest & 0x7F) | 0x80
        at += 1
        rest >>= 7
      }
      room[at] = UInt8(rest)
      at += 1
      before = time
    }
    return at
  }

  /// Nil when it is malformed.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Feedback.fixedBytes, let p = bytes.baseAddress else { return nil }
    let head = p.get32(0)
    let noticeCount = Int(head >> 8 & 255)
    let span = Int(head >> 16)
    let noticesAt = Feedback.fixedBytes + (span + 7) / 8
    let timesAt = noticesAt + noticeCount * LossNotice.byteCount
    guard noticeCount <= Feedback.mostNotices, (1...Feedback.mostSpan).contains(span),
      bytes.count >= timesAt, bytes[Feedback.fixedBytes] & 1 != 0
    else { return nil }
    highest = p.get32(4)
    receivedAt = p.get32(8)
    age = p.get32(12)
    receivedCount = p.get32(16)
    lostCount = p.get32(20)
    lossRuns = p.get32(24)
    arrived = (0..<span).map { bytes[Feedback.fixedBytes + $0 / 8] >> UInt8($0 % 8) & 1 != 0 }
    for i in 0..<noticeCount {
      let word = p.get32(noticesAt + i * LossNotice.byteCount)
      guard word >> 16 == 0 else { return nil }
      notices.append(
        LossNotice(
          band: Int(word & 255), number: UInt8(word >> 8 & 255),
          since: p.get32(noticesAt + i * LossNotice.byteCount + 4)))
    }
    let arrivals = arrived.reduce(0) { $0 + ($1 ? 1 : 0) }
    earlier = [0]
    var at = timesAt
    var time: Int32 = 0
    while at < bytes.count {
      guard earlier.count < arrivals else { return nil }
      var (value, shift): (UInt32, UInt32) = (0, 0)
      while true {
        guard at < bytes.count, shift <= 28 else { return nil }
        let byte = bytes[at]
        at += 1
        value |= UInt32(byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      time = time &+ (Int32(bitPattern: value >> 1) ^ -Int32(bitPattern: value & 1))
      earlier.append(time)
    }
  }

  init() {}
}
