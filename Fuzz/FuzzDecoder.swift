// libFuzzer's entry point for the decoder of Vulkan records. An input is one or more records, as a
// node finds them in its ring: none may trap, read outside, or be accepted with bytes left over.
//
// Build and run with `Fuzz/run`.

import CVulkan
import VulkanWire
import Wire

/// What the decoder stands on, made once.
private struct Bench {
  let arena: UnsafeMutablePointer<Arena>
  /// Knows an object of each kind: index and kind are the same number.
  let handles: UnsafeMutablePointer<HandleTable>

  init() {
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limit: 4 << 20))
    handles = .allocate(capacity: 1)
    handles.initialize(to: HandleTable(indexLimit: 4096))
    for kind: UInt8 in 1..<64 {
      let id = HandleID.make(
        generation: 0, kind: HandleKind(rawValue: kind), index: UInt32(kind))
      _ = handles.pointee.insert(id, 0x1000 + UInt64(kind))
    }
  }
}

nonisolated(unsafe) private let bench = Bench()

/// Decodes one body from memory of exactly its size, so that AddressSanitizer sees every step
/// beyond it.
private func decode(
  _ opcode: UInt32, _ body: UnsafeRawBufferPointer, _ handles: UnsafePointer<HandleTable>?
) {
  let copy = UnsafeMutableRawPointer.allocate(byteCount: max(body.count, 1), alignment: 8)
  defer { copy.deallocate() }
  if let source = body.baseAddress { copy.copyMemory(from: source, byteCount: body.count) }
  bench.arena.pointee.reset()
  var reader = Reader(
    UnsafeRawBufferPointer(start: copy, count: body.count), arena: bench.arena, handles: handles)
  let known = decodeCommand(opcode, &reader)
  if known != (commandName(opcode) != nil) { fatalError("a command without decoder or name") }
  if (reader.failure == nil) != (reader.failureReason == .none) {
    fatalError("a failure without reason")
  }
}

@c(LLVMFuzzerTestOneInput)
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard let data, size >= 8 else { return 0 }
  var rest = UnsafeRawBufferPointer(start: data, count: size)
  while rest.count >= 8 {
    let opcode = rest.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
    let length = Int(rest.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    let end = length >= 8 && length <= rest.count ? length : rest.count
    // Most random numbers are no opcode: fold them onto those that are.
    let count: UInt32 = Opcode.last - Opcode.first + 1
    let folded: UInt32 =
      commandName(opcode) != nil ? opcode : Opcode.first + opcode % count
    let body = UnsafeRawBufferPointer(rebasing: rest[8..<end])
    decode(folded, body, nil)
    decode(folded, body, UnsafePointer(bench.handles))
    rest = UnsafeRawBufferPointer(rebasing: rest[end...])
  }
  return 0
}
