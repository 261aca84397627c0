import CVulkan
import Testing
import Wire

@testable import VulkanWire

/// Encoder and decoder of a structure, without its type.
struct StructureCodec {
  let size: Int
  let encode: (inout Writer, UnsafeRawPointer) -> Void
  let decode: (inout Reader, UnsafeMutableRawPointer) -> Void

  init<T>(
    _ encode: @escaping (inout Writer, UnsafePointer<T>) -> Void,
    _ decode: @escaping (inout Reader, UnsafeMutablePointer<T>) -> Void
  ) {
    size = MemoryLayout<T>.stride
    self.encode = { encode(&$0, $1.assumingMemoryBound(to: T.self)) }
    self.decode = { decode(&$0, $1.assumingMemoryBound(to: T.self)) }
  }

  /// A structure that is met only in chains: its body.
  init(chained sType: UInt32, size: Int) {
    self.size = size
    encode = { encodeChained(&$0, sType, $1) }
    decode = {
      $1.put32(sType, 0)
      decodeChained(&$0, sType, $1)
    }
  }
}

/// An arena at a fixed address.
final class ArenaBox {
  let arena: UnsafeMutablePointer<Arena>

  init() {
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limit: 16 << 20))
  }

  deinit {
    arena.pointee.free()
    arena.deallocate()
  }
}

@Suite("Structures")
struct StructureTests {
  private func codec(_ name: String) -> StructureCodec {
    let s = Descriptions.shared.structures[name]!
    return structureCodec(name) ?? StructureCodec(chained: s.sType!, size: s.size)
  }

  @Test("have the size that the C compiler gives them")
  func sizes() {
    for name in Descriptions.shared.structureNames {
      guard let codec = structureCodec(name) else { continue }
      #expect(codec.size == Descriptions.shared.structures[name]!.size, "\(name)")
    }
  }

  @Test("come back field by field, and encode to the same bytes again")
  func roundTrip() {
    let box = ArenaBox()
    for (n, name) in Descriptions.shared.structureNames.enumerated() {
      for round in 0..<12 {
        let filler = Filler(seed: UInt64(n * 1000 + round))
        if round < 4 { filler.arrayCount = round }
        let s = Descriptions.shared.structures[name]!
        let codec = codec(name)
        let original = filler.room(s.size)
        filler.fill(structure: s, original)
        if structureCodec(name) == nil { original.putPointer(nil, 8) }
        var heap = HeapWriter(capacity: 256)
        var again = HeapWriter(capacity: 256)
        defer {
          heap.free()
          again.free()
        }
        codec.encode(&heap.writer, original)
        #expect(!heap.writer.failed, "\(name)")
        box.arena.pointee.reset()
        var reader = Reader(heap.bytes, arena: box.arena, handles: UnsafePointer(filler.handles))
        let copy = filler.room(s.size)
        codec.decode(&reader, copy)
        #expect(reader.failure == nil, "\(name): \(reader.failure.map { "\($0)" } ?? "")")
        #expect(reader.remaining == 0, "\(name)")
        guard reader.failure == nil else { break }
        var comparison = Comparison(filler)
        comparison.compare(structure: s, original, copy, name)
        #expect(comparison.difference == nil, "\(name), round \(round)")
        codec.encode(&again.writer, copy)
        #expect(heap.bytes.elementsEqual(again.bytes), "\(name), round \(round)")
      }
    }
  }

  @Test("that are cut off fail with a field, and flipped bits never trap")
  func damage() {
    let box = ArenaBox()
    for (n, name) in Descriptions.shared.structureNames.enumerated() {
      let filler = Filler(seed: UInt64(n))
      filler.arrayCount = 2
      let s = Descriptions.shared.structures[name]!
      let codec = codec(name)
      let original = filler.room(s.size)
      filler.fill(structure: s, original)
      var heap = HeapWriter(capacity: 256)
      defer { heap.free() }
      codec.encode(&heap.writer, original)
      let copy = filler.room(s.size)
      func decode(_ bytes: UnsafeRawBufferPointer) -> StaticString? {
        box.arena.pointee.reset()
        copy.initializeMemory(as: UInt8.self, repeating: 0, count: s.size)
        var reader = Reader(bytes, arena: box.arena, handles: UnsafePointer(filler.handles))
        codec.decode(&reader, copy)
        return reader.failure
      }
      for end in stride(from: 0, to: heap.bytes.count, by: 4) {
        #expect(
          decode(UnsafeRawBufferPointer(rebasing: heap.bytes[..<end])) != nil, "\(name) at \(end)")
      }
      let damaged = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(heap.bytes.count, 8), alignment: 8)
      defer { damaged.deallocate() }
      guard heap.bytes.count > 0 else { continue }
      for _ in 0..<40 {
        damaged.copyMemory(from: heap.bytes)
        for _ in 0...filler.numbers.below(3) {
          damaged[filler.numbers.below(heap.bytes.count)] ^= UInt8(1 << filler.numbers.below(8))
        }
        _ = decode(UnsafeRawBufferPointer(rebasing: damaged[..<heap.bytes.count]))
      }
    }
  }
}
