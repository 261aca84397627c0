// What it costs to record a command: nanoseconds per call through a C function pointer, as an
// application calls a hook, into a writer that lies behind the command buffer's handle.
//
// Build and run with `Benchmarks/encode`.

import CPlatform
import CVulkan
import VulkanWire
import Wire

private let roomBytes: Int = 8 << 20

@inline(__always)
private func recorder(_ commandBuffer: VkCommandBuffer?) -> UnsafeMutablePointer<Writer> {
  UnsafeMutableRawPointer(commandBuffer.unsafelyUnwrapped).advanced(by: 16)
    .assumingMemoryBound(to: Writer.self)
}

@c(bench_empty)
func empty(
  _ commandBuffer: VkCommandBuffer?, _ vertexCount: UInt32, _ instanceCount: UInt32,
  _ firstVertex: UInt32, _ firstInstance: UInt32
) {}

@c(bench_vkCmdDraw)
func draw(
  _ commandBuffer: VkCommandBuffer?, _ vertexCount: UInt32, _ instanceCount: UInt32,
  _ firstVertex: UInt32, _ firstInstance: UInt32
) {
  encode_vkCmdDraw(
    &recorder(commandBuffer).pointee, vertexCount, instanceCount, firstVertex, firstInstance)
}

@c(bench_vkCmdPushConstants)
func pushConstants(
  _ commandBuffer: VkCommandBuffer?, _ layout: VkPipelineLayout?, _ stageFlags: VkShaderStageFlags,
  _ offset: UInt32, _ size: UInt32, _ pValues: UnsafeRawPointer?
) {
  encode_vkCmdPushConstants(
    &recorder(commandBuffer).pointee, layout, stageFlags, offset, size, pValues)
}

@c(bench_vkCmdBindDescriptorSets)
func bindDescriptorSets(
  _ commandBuffer: VkCommandBuffer?, _ point: VkPipelineBindPoint, _ layout: VkPipelineLayout?,
  _ firstSet: UInt32, _ setCount: UInt32, _ pSets: UnsafePointer<VkDescriptorSet?>?,
  _ offsetCount: UInt32, _ pOffsets: UnsafePointer<UInt32>?
) {
  encode_vkCmdBindDescriptorSets(
    &recorder(commandBuffer).pointee, point, layout, firstSet, setCount, pSets, offsetCount,
    pOffsets)
}

@c(bench_vkCmdPipelineBarrier)
func pipelineBarrier(
  _ commandBuffer: VkCommandBuffer?, _ count: UInt32,
  _ pBarriers: UnsafePointer<VkImageMemoryBarrier>?
) {
  encode_vkCmdPipelineBarrier(
    &recorder(commandBuffer).pointee, 1, 2, 0, 0, nil, 0, nil, count, pBarriers)
}

/// The function that it is given, in a way that the optimiser cannot see through.
private func opaque<F>(_ function: F) -> F {
  let bits: UInt = unsafeBitCast(function, to: UInt.self)
  return unsafeBitCast(bits &+ UInt(CommandLine.argc &- 1), to: F.self)
}

@main
struct EncodeBench {
  static func main() {
    let room = UnsafeMutableRawPointer.allocate(byteCount: roomBytes, alignment: 64)
    let object = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 64)
    let writer = recorder(OpaquePointer(object))
    // A command buffer that is full starts again at its beginning.
    writer.initialize(
      to: Writer(start: room, capacity: roomBytes, owner: room) { raw, _ in
        let w = raw.assumingMemoryBound(to: Writer.self)
        guard let start = w.pointee.owner else { return false }
        let used: Int = w.pointee.cursor - w.pointee.record
        start.copyMemory(from: w.pointee.record, byteCount: used)
        w.pointee.record = start
        w.pointee.cursor = start + used
        return true
      })
    let commandBuffer = OpaquePointer(object)
    let handle = OpaquePointer(bitPattern: 0x1000)

    typealias Draw = @convention(c) (VkCommandBuffer?, UInt32, UInt32, UInt32, UInt32) -> Void
    let emptyHook: Draw = opaque(empty)
    let drawHook: Draw = opaque(draw)
    measure("an empty call") { emptyHook(commandBuffer, $0, 1, 0, 0) }
    measure("vkCmdDraw") { drawHook(commandBuffer, $0, 1, 0, 0) }

    let values = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    let push:
      @convention(c) (VkCommandBuffer?, OpaquePointer?, UInt32, UInt32, UInt32, UnsafeRawPointer?)
        -> Void =
        opaque(pushConstants)
    measure("vkCmdPushConstants, 64 bytes") { push(commandBuffer, handle, 1, $0 & 0, 64, values) }

    let sets = UnsafeMutablePointer<VkDescriptorSet?>.allocate(capacity: 4)
    sets.initialize(repeating: handle, count: 4)
    let bind:
      @convention(c) (
        VkCommandBuffer?, VkPipelineBindPoint, OpaquePointer?, UInt32, UInt32,
        UnsafePointer<VkDescriptorSet?>?, UInt32, UnsafePointer<UInt32>?
      ) -> Void = opaque(bindDescriptorSets)
    measure("vkCmdBindDescriptorSets, 4 sets") {
      bind(commandBuffer, VK_PIPELINE_BIND_POINT_GRAPHICS, handle, $0 & 0, 4, sets, 0, nil)
    }

    let barriers = UnsafeMutablePointer<VkImageMemoryBarrier>.allocate(capacity: 2)
    barriers.initialize(repeating: VkImageMemoryBarrier(), count: 2)
    let barrier:
      @convention(c) (VkCommandBuffer?, UInt32, UnsafePointer<VkImageMemoryBarrier>?) -> Void =
        opaque(pipelineBarrier)
    measure("vkCmdPipelineBarrier, 2 images") { barrier(commandBuffer, ($0 & 0) | 2, barriers) }
  }

  /// The least of 9 rounds: what else the machine does only adds.
  private static func measure(_ name: StaticString, _ body: (UInt32) -> Void) {
    let calls: UInt32 = 2_000_000
    var least = UInt64.max
    for _ in 0..<9 {
      let start: UInt64 = platform_now()
      for i: UInt32 in 0..<calls { body(i) }
      least = min(least, platform_now() - start)
    }
    let tenths: UInt64 = least * 10 / UInt64(calls)
    print("\(name): \(tenths / 10).\(tenths % 10) ns")
  }
}
