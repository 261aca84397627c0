import CPlatform
import Glibc
import Ring
import Testing

@testable import Agent

/// Random numbers that are the same each time.
private struct Numbers {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state &<< 13
    state ^= state &>> 7
    state ^= state &<< 17
    return state
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// Now small, now at an edge, now anything.
  mutating func edgy() -> UInt64 {
    switch below(6) {
    case 0: UInt64(below(16))
    case 1: UInt64(1) << UInt64(below(64))
    case 2: UInt64.max - UInt64(below(16))
    case 3: UInt64(4096 * below(64))
    case 4: UInt64(below(1 << 20))
    default: next()
    }
  }
}

/// When a sample of fuzzing ends: after half a second, or OMEGA_FUZZ_SECONDS.
private func fuzzingEnd() -> UInt64 {
  let seconds = getenv("OMEGA_FUZZ_SECONDS").flatMap { UInt64(String(cString: $0)) }
  return platform_now() &+ (seconds.map { $0 &* 1_000_000_000 } ?? 500_000_000)
}

/// Sealed memory of frames.
private func frameMemory(_ bytes: UInt64) -> Int32 {
  let descriptor = platform_memfd("frames")
  #expect(platform_resize(descriptor, bytes) == 0 && platform_seal_size(descriptor) == 0)
  return descriptor
}

/// The payload of `appFrameBuffers` for swapchain 1.
private func frameBuffersMessage(
  byteCount: UInt64, imageCount: UInt32, extraCount: UInt32 = 0, _ rest: [UInt32] = []
) -> [UInt32] {
  [
    1, 0, UInt32(truncatingIfNeeded: byteCount), UInt32(byteCount >> 32), imageCount, 0, extraCount,
  ] + rest
}

@Suite("Fuzzing the agent")
struct FuzzTests {
  @Test("what an application says of its frame memory")
  func frameMemories() {
    let end = fuzzingEnd()
    var numbers = Numbers(5)
    let size: UInt64 = 8 * 4096 + UInt64(InterimBoard.byteCount)
    let event = platform_event()
    defer { _ = platform_close(event) }
    var count = 0
    repeat {
      let frames = FrameTable()
      let descriptor = frameMemory(size)
      defer { _ = platform_close(descriptor) }
      // Now right, now wrong in one place, now cut off.
      var words = frameBuffersMessage(
        byteCount: 8 * 4096, imageCount: 3, extraCount: UInt32(InterimBoard.bufferCount),
        [32, 16, 128, 0, 0, 16_666_667, 0])
      if numbers.below(3) > 0 {
        words[numbers.below(words.count)] = UInt32(truncatingIfNeeded: numbers.edgy())
      }
      let isAttached = words.withUnsafeBytes { bytes in
        let cut = numbers.below(4) == 0 ? numbers.below(bytes.count + 1) : bytes.count
        return frames.attach(
          UnsafeRawBufferPointer(rebasing: bytes[..<cut]),
          numbers.below(5) == 0 ? [descriptor] : [descriptor, event], ring: {})
      }
      if isAttached { count += 1 }
      frames.detachAll()
    } while platform_now() < end
    #expect(count > 0)
  }

  /// Control records whose fields are small, at edges, or anything.
  private func records(_ numbers: inout Numbers) -> [UInt64] {
    var words: [UInt64] = []
    for _ in 0...numbers.below(6) {
      let opcodes: [UInt32] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0x103, 0x105, 0x1000]
      var body = (0..<numbers.below(24)).map { _ in numbers.edgy() }
      let opcode = opcodes[numbers.below(opcodes.count)]
      // Ids and slots that come back, so that records refer to one another.
      if !body.isEmpty { body[0] = UInt64(numbers.below(3)) }
      if body.count > 2, opcode == 4 { body[2] = 4096 }
      if body.count > 7, opcode == 8 {
        body[1] = 37 << 32
        body[2] = 16 | 16 << 32
        body[4] = 2 << 32
        body[6] = 64
        body[7] = 1024
      }
      if body.count > 1, opcode == 9 || opcode == 0x105 { body[1] = UInt64(numbers.below(4)) << 32 }
      let wrong = numbers.below(40) == 0
      words.append(
        UInt64(opcode) | (wrong ? numbers.edgy() : UInt64(8 + body.count * 8)) << 32)
      words += body
    }
    return words
  }

  @Test("streams that are recorded or replayed")
  func streams() {
    let end = fuzzingEnd()
    var seed: UInt64 = 1
    repeat {
      var numbers = Numbers(seed)
      var state = StreamState()
      for _ in 0..<50 {
        let words = records(&numbers)
        _ = words.withUnsafeBytes { state.observe($0) }
        _ = state.complete(slot: UInt32(numbers.below(4)), value: numbers.edgy())
        let bytes = [UInt8](repeating: 7, count: numbers.below(64))
        bytes.withUnsafeBytes { state.readback(segmentOffset: numbers.edgy(), $0) }
        for memory in state.takeReadBack() where state.isQuiet { _ = state.contents(of: memory) }
      }
      seed += 1
    } while platform_now() < end
  }

  @Test("what a node says")
  func messages() throws {
    let end = fuzzingEnd()
    let frames = FrameTable()
    let descriptor = frameMemory(8192)
    #expect(
      frameBuffersMessage(byteCount: 8192, imageCount: 2).withUnsafeBytes {
        frames.attach($0, [descriptor], ring: {})
      })
    _ = platform_close(descriptor)
    var error: Int32 = 0
    let segment = try #require(Segment.make(error: &error))
    defer { segment.unmap() }
    let memory = MemoryTable(segment: segment)
    #expect(memory.attach(id: 1, segmentOffset: SegmentLayout.memoryOffset, size: 4096))
    let clock = try #require(FrameClock(segment: segment))
    var numbers = Numbers(99)
    repeat {
      var words = (0..<numbers.below(40)).map { _ in numbers.edgy() }
      if !words.isEmpty { words[0] = UInt64(numbers.below(3)) }
      words.withUnsafeBytes { bytes in
        let cut = UnsafeRawBufferPointer(
          rebasing: bytes[..<(bytes.isEmpty ? 0 : numbers.below(bytes.count + 1))])
        _ = frames.write(cut)
        _ = Heartbeat(Fields(bytes: cut))
        _ = Heartbeat.isIdle(Fields(bytes: cut))
        _ = NodeMessage.text(cut, at: 8)
        clock.willSend(PresentedFrame.all(in: cut))
        clock.noteFrame(numbers.edgy(), received: numbers.edgy())
        _ = clock.take(cut)
        var stamps = segment.arrival(slot: UInt32(numbers.below(3)), value: numbers.edgy())
        stamps?.order()
        for moment in 0..<FrameMoment.count { _ = stamps?.part(endingAt: moment) }
        _ = memory.readback(segmentOffset: SegmentLayout.memoryOffset &+ numbers.edgy(), cut)
        _ = memory.readback(segmentOffset: numbers.edgy(), cut)
        _ = segment.deliverReply(ticket: UInt32(truncatingIfNeeded: numbers.edgy()), cut)
        segment.complete(slot: UInt32(truncatingIfNeeded: numbers.edgy()), value: numbers.edgy())
      }
    } while platform_now() < end
    frames.detachAll()
  }
}
