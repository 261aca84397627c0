public import FrameLink

/// A sender and a receiver of frames with relays between them, in virtual time: nothing waits, and the same
/// seeds give the same run.
public final class SimulatedLink {
  public let sender: FrameSender
  public let receiver: FrameReceiver
  public var forward: Relay
  public var backward: Relay
  /// Nanoseconds.
  public private(set) var now: UInt64
  /// Bytes on the wire that have arrived, with their times.
  public private(set) var arrivedBytes: [(at: UInt64, count: Int)] = []

  private let settings: LinkSettings
  private var toReceiver = Flight()
  private var toSender = Flight()
  private var nextFeedback: UInt64 = 0
  private let room: UnsafeMutableRawBufferPointer

  public init(
    _ settings: LinkSettings, forward: Relay, backward: Relay, start: UInt64 = 1_000_000_000
  ) {
    self.settings = settings
    self.forward = forward
    self.backward = backward
    now = start
    sender = FrameSender(settings, now: start)
    receiver = FrameReceiver(settings)
    room = .allocate(byteCount: settings.packetBytes, alignment: 16)
  }

  deinit { room.deallocate() }

  /// Lets time pass until `end`; `handle` gets what the receiver hands over.
  public func run(until end: UInt64, _ handle: (ReceiverEvent) -> Void) {
    while true {
      sendAll()
      var next = end
      for time in [
        toReceiver.first, toSender.first, sender.deadline(now: now), receiver.deadline,
      ] {
        if let time { next = min(next, max(time, now)) }
      }
      if next == now, !isWorkLeft { next = min(now + 100_000, end) }
      now = next
      while let packet = toReceiver.take(before: now) {
        arrivedBytes.append((now, packet.bytes.count + settings.overheadBytes))
        packet.bytes.withUnsafeBytes {
          receiver.receive($0, number: packet.number, now: now, handle)
        }
      }
      receiver.tick(now: now, handle)
      while let packet = toSender.take(before: now) {
        packet.bytes.withUnsafeBytes { _ = sender.receive($0, now: now) }
      }
      if now >= end {
        sendAll()
        return
      }
    }
  }

  private var isWorkLeft: Bool {
    [toReceiver.first, toSender.first].contains { $0.map { $0 <= now } ?? false }
  }

  private func sendAll() {
    while let packet = sender.nextPacket(now: now, into: room) {
      let bytes = packet.byteCount + settings.overheadBytes
      guard let at = forward.pass(byteCount: bytes, now: now) else { continue }
      toReceiver.add(at, packet.number, Array(room[..<packet.byteCount]))
    }
    while true {
      let count = receiver.feedback(now: now, into: room)
      guard count > 0 else { break }
      defer { nextFeedback += 1 }
      guard let at = backward.pass(byteCount: count + settings.overheadBytes, now: now) else {
        continue
      }
      toSender.add(at, nextFeedback, Array(room[..<count]))
    }
  }
}

/// Packets under way, the next to arrive last.
private struct Flight {
  private var packets: [(at: UInt64, number: UInt64, bytes: [UInt8])] = []

  var first: UInt64? { packets.last?.at }

  mutating func add(_ at: UInt64, _ number: UInt64, _ bytes: [UInt8]) {
    var place = packets.count
    while place > 0, packets[place - 1].at <= at { place -= 1 }
    packets.insert((at, number, bytes), at: place)
  }

  mutating func take(before now: UInt64) -> (number: UInt64, bytes: [UInt8])? {
    guard let last = packets.last, last.at <= now else { return nil }
    packets.removeLast()
    return (last.number, last.bytes)
  }
}
