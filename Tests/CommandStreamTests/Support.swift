import CPlatform
import Ring
import VulkanWire
import Wire

@testable import CommandStream

/// SplitMix64: the same numbers every time.
struct Numbers {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z: UInt64 = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
}

/// An id that looks as the client makes them.
func id(_ kind: HandleKind, _ index: Int, generation: Int = 0) -> UInt64 {
  HandleID.make(generation: UInt32(generation), kind: kind, index: UInt32(index))
}

/// Records commands of a command buffer as the library does.
final class Recording {
  private var heap = HeapWriter(capacity: 4096)
  deinit { heap.free() }

  var bytes: [UInt8] { Array(heap.bytes) }

  func bindPipeline(_ pipeline: UInt64) {
    heap.writer.begin(Opcode.vkCmdBindPipeline)
    heap.writer.u32(0)
    heap.writer.u64(pipeline)
    heap.writer.end()
  }

  func bindSet(_ layout: UInt64, _ sets: [UInt64]) {
    heap.writer.begin(Opcode.vkCmdBindDescriptorSets)
    heap.writer.u32(0)
    heap.writer.u64(layout)
    heap.writer.u32(0)
    heap.writer.u32(UInt32(sets.count))
    heap.writer.u32(UInt32(sets.count))
    for set in sets { heap.writer.u64(set) }
    heap.writer.u32(0)
    heap.writer.u32(0)
    heap.writer.end()
  }

  func push(_ layout: UInt64, _ values: [UInt32]) {
    heap.writer.begin(Opcode.vkCmdPushConstants)
    heap.writer.u64(layout)
    heap.writer.u32(0x7FFF_FFFF)
    heap.writer.u32(0)
    heap.writer.u32(UInt32(values.count * 4))
    heap.writer.u32(UInt32(values.count * 4))
    for value in values { heap.writer.u32(value) }
    heap.writer.end()
  }

  func draw(_ vertices: Int, first: Int = 0) {
    encode_vkCmdDraw(&heap.writer, UInt32(vertices), 1, UInt32(first), 0)
  }

  /// Any record: whole, and of no command when the opcode is none.
  func raw(_ opcode: UInt32, _ words: [UInt32]) {
    heap.writer.begin(opcode)
    for word in words { heap.writer.u32(word) }
    heap.writer.end()
  }

  /// A `commandBufferInline` record of `commands`.
  func commandBuffer(_ owner: UInt64, _ commands: [UInt8]) {
    heap.writer.begin(ControlOpcode.commandBufferInline)
    heap.writer.u64(owner)
    heap.writer.u64(UInt64(commands.count))
    commands.withUnsafeBytes { heap.writer.bytes($0.baseAddress, $0.count) }
    heap.writer.end()
  }
}

/// A stream from one end to the other, without a link.
final class Stream {
  let encoder: StreamEncoder
  let decoder: StreamDecoder
  /// Payloads of the messages so far, behind the channel.
  private(set) var messages: [[UInt8]] = []

  init(
    _ choices: StreamChoices = StreamChoices(), limit: Int = BlobStore.limit,
    known: KnownContent? = nil, keeper: (any ContentKeeper)? = nil,
    ring: Int = RepeatStore.limit
  ) {
    encoder = StreamEncoder(
      channel: 3, choices: choices, known: known, limit: limit, ring: ring)
    decoder = StreamDecoder(keeper: keeper, limit: limit, ring: ring)
  }

  /// What comes out for what went in; nil with a reason when something is wrong.
  func send(_ records: [UInt8]) -> ([UInt8]?, StaticString?) {
    var got: [UInt8] = []
    for message in encode(records) {
      let wrong = message.withUnsafeBytes { bytes in
        decoder.decode(bytes) { records in
          got += Array(records)
          return true
        }
      }
      if let wrong { return (nil, wrong) }
    }
    return (got, nil)
  }

  func encode(_ records: [UInt8]) -> [[UInt8]] {
    var payloads: [[UInt8]] = []
    guard records.withUnsafeBytes({ encoder.encode($0) }) else { return [] }
    while encoder.nextMessage({ header, bytes in
      payloads.append(Array(header[4...]) + Array(bytes))
      return true
    }) != nil {}
    messages += payloads
    return payloads
  }
}

/// Memory of 4-byte words at an aligned place.
func withWords<R>(_ words: [UInt32], _ body: (Words) -> R) -> R {
  words.withUnsafeBufferPointer { body(Words($0.baseAddress, $0.count)) }
}
