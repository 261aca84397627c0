// libFuzzer's entry point for the replay of OpenGL's records. An input is 8 bytes that say what context there
// is, and records as a node finds them in its ring: control records and commands, on a driver that reads every
// byte it may read and keeps to what OpenGL says of state. None may trap, or make it read outside.
//
// Build and run with `Fuzz/run SECONDS gl`.

import CPlatform
import GLWire
import Ring
import Wire

@testable import GLReplay

private let controls: ClosedRange<UInt32> = ControlOpcode.openContext...ControlOpcode.glReflect

/// Most random numbers are no opcode: fold them onto those that are.
private func folded(_ opcode: UInt32) -> UInt32 {
  switch opcode {
  case ControlOpcode.pad, ControlOpcode.indirect, ControlOpcode.closeChannel, controls:
    return opcode
  default: break
  }
  if glCommandName(opcode) != nil { return opcode }
  if opcode & 3 == 0 { return controls.lowerBound + (opcode >> 2) % UInt32(controls.count) }
  return GLOpcode.first + opcode % (GLOpcode.last - GLOpcode.first + 1)
}

/// A channel with the context that the first byte names; 7: none, the records make their own.
private func prepare(_ kind: UInt8, _ c: TestChannel) {
  switch kind & 7 {
  case 0, 1: c.create()
  case 2: c.create(version: (4, 6), profile: 1)
  case 3: c.create(isES: true, version: (3, 2))
  case 4: c.create(isES: true, version: (1, 1))
  case 5: c.create(version: (2, 1))
  case 6: c.create(version: (3, 3), profile: 2)
  default: return
  }
  guard kind & 8 == 0 else { return }
  c.makeCurrent(1, windowRequest(8, 4))
  c.frames(1, width: 8, height: 4, stride: 40)
}

@c(LLVMFuzzerTestOneInput)
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let data, size >= 16 else { return 0 }
  let input = UnsafeRawBufferPointer(start: data, count: size)
  recorder.reset(dice: UInt64(data[1]) &* 0x9E37_79B9_7F4A_7C15)
  recorder.onFault = { fatalError($0) }
  let host = TestHost()
  let session = GLSession(host: host, driver: { Recorder.driver })
  let c = TestChannel(session, host)
  prepare(data[0], c)
  recorder.results = { c.context.pointee.results.extent }
  var rest = UnsafeRawBufferPointer(rebasing: input[8...])
  while rest.count >= 8, host.loss == nil, !c.channel.isClosed {
    let opcode = folded(rest.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    let length = Int(rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    let end = length >= 8 && length <= rest.count ? length : rest.count
    // Memory of exactly its size, so that AddressSanitizer sees every step beyond it.
    let record = UnsafeMutableRawBufferPointer.allocate(byteCount: end, alignment: 8)
    record.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[0..<end]))
    record.storeBytes(of: opcode, as: UInt32.self)
    record.storeBytes(of: UInt32(end), toByteOffset: 4, as: UInt32.self)
    if opcode == ControlOpcode.glAfter, end >= 24 {
      // One that nobody passes would rightly be waited for.
      record.storeBytes(of: 0, toByteOffset: 16, as: UInt64.self)
    }
    recorder.record = UnsafeRawBufferPointer(record)
    replayGLRecord(c.context, UnsafeRawBufferPointer(record), isNested: false)
    recorder.record = UnsafeRawBufferPointer(start: nil, count: 0)
    record.deallocate()
    rest = UnsafeRawBufferPointer(rebasing: rest[end...])
  }
  c.channel.finish()
  recorder.results = { nil }
  return 0
}
