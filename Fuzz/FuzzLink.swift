// The fuzz target of the frame link: the input is packets, each behind a byte that says to which end it goes
// and how the time and the packet's number move, and its u16 length. Both ends have something under way.
// None may trap, read outside of a packet, or hold more memory than allowed.
//
// Build and run with `Fuzz/run SECONDS link`.

import FrameLink

@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  let input = UnsafeRawBufferPointer(start: data, count: count)
  var settings = LinkSettings()
  settings.largestUnit = 1 << 20
  settings.receiverMemory = 4 << 20
  let receiver = FrameReceiver(settings)
  var now: UInt64 = 1_000_000_000
  let sender = FrameSender(settings, now: now)
  let room = UnsafeMutableRawBufferPointer.allocate(
    byteCount: settings.packetBytes, alignment: 16)
  defer { room.deallocate() }
  for frame: UInt32 in 1...3 {
    sender.enqueue(band: Int(frame), frame: frame, byteCount: 3000, now: now) {
      $0.initializeMemory(as: UInt8.self, repeating: 1, count: 3000)
    }
  }
  while sender.isQueueing {
    _ = sender.nextPacket(now: now, into: room)
    now = max(now, sender.deadline(now: now) ?? now)
  }
  var number: UInt64 = 0
  var at = 0
  while input.count - at >= 3 {
    let kind = input[at]
    let length = Int(input[at + 1]) | Int(input[at + 2]) << 8
    at += 3
    let packet = UnsafeRawBufferPointer(rebasing: input[at..<at + min(length, input.count - at)])
    at += packet.count
    now &+= UInt64(kind >> 4) * 3_000_000
    if kind & 1 == 0 {
      number = kind & 2 == 0 ? number &+ 1 : number &+ UInt64(kind >> 2) * 977
      receiver.receive(packet, number: number, now: now) { event in
        if case .unit(let unit) = event, unit.bytes.last == 0xFF {
          receiver.refuse(band: unit.band, repair: unit.repair)
        }
      }
      receiver.tick(now: now) { _ in }
      _ = receiver.feedback(now: now, into: room)
      _ = receiver.deadline
    } else {
      sender.receive(packet, now: now)
      sender.takeLosses { band, _ in
        sender.enqueue(band: band, frame: 4, byteCount: 100, now: now) {
          $0.initializeMemory(as: UInt8.self, repeating: 2, count: 100)
        }
      }
      _ = sender.mediaBitsPerSecond(now: now)
      _ = sender.delay(now: now)
      _ = sender.nextPacket(now: now, into: room)
    }
  }
  return 0
}
