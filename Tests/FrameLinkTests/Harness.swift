import FrameLink
import FrameSamples

/// What a receiver hands over, kept.
enum Kept: Equatable {
  /// `isRight`: the bytes are those of `unitBytes`.
  case unit(band: Int, frame: UInt32, count: Int, isRight: Bool)
  case gap(band: Int)

  init(_ event: ReceiverEvent) {
    switch event {
    case .gap(let band): self = .gap(band: band)
    case .unit(let unit):
      let count = unit.bytes.count
      self = .unit(
        band: unit.band, frame: unit.frame, count: count,
        isRight: unit.bytes.elementsEqual(
          unitBytes(band: unit.band, frame: unit.frame, count: count)))
    }
  }

  var isWrong: Bool {
    if case .unit(_, _, _, false) = self { true } else { false }
  }

  var frame: UInt32? {
    if case .unit(_, let frame, _, _) = self { frame } else { nil }
  }
}

/// A unit that can be told from all others: its bytes follow from band, frame and count.
func unitBytes(band: Int, frame: UInt32, count: Int) -> [UInt8] {
  var numbers = Numbers(UInt64(frame) << 8 | UInt64(band))
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    withUnsafeBytes(of: numbers.next()) { bytes += $0 }
  }
  return Array(bytes.prefix(count))
}

extension FrameSender {
  /// Takes the unit of `unitBytes`.
  func enqueueSample(band: Int, frame: UInt32, count: Int, now: UInt64) {
    let bytes = unitBytes(band: band, frame: frame, count: count)
    _ = bytes.withUnsafeBytes { bytes in
      enqueue(band: band, frame: frame, byteCount: count, now: now) {
        $0.copyMemory(from: bytes.baseAddress!, byteCount: count)
      }
    }
  }

  /// Everything that is queued, as it comes, however long that takes; the time afterwards.
  func drain(_ now: inout UInt64) -> [(number: UInt64, bytes: [UInt8])] {
    var found: [(UInt64, [UInt8])] = []
    var room = [UInt8](repeating: 0, count: LinkSettings().packetBytes)
    while true {
      let packet = room.withUnsafeMutableBytes { nextPacket(now: now, into: $0) }
      if let packet {
        found.append((packet.number, Array(room[..<packet.byteCount])))
      } else if isQueueing, let next = deadline(now: now) {
        now = next
      } else {
        return found
      }
    }
  }
}

extension FrameReceiver {
  func take(_ packet: (number: UInt64, bytes: [UInt8]), now: UInt64) -> [Kept] {
    var found: [Kept] = []
    packet.bytes.withUnsafeBytes {
      receive($0, number: packet.number, now: now) { found.append(Kept($0)) }
    }
    return found
  }

  /// The feedback that is due, if any.
  func feedback(now: UInt64) -> [UInt8]? {
    var room = [UInt8](repeating: 0, count: LinkSettings().packetBytes)
    let count = room.withUnsafeMutableBytes { feedback(now: now, into: $0) }
    return count > 0 ? Array(room[..<count]) : nil
  }
}

let millisecond: UInt64 = 1_000_000
let second: UInt64 = 1_000_000_000
