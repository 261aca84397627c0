import CVulkan
import Workbench

/// Host and device write different bytes of the same pages while submits are in flight.
func shareAPage(_ device: Device) -> [UInt8] {
  let count = 2048
  let source = Buffer(device, size: count * 4)
  let shared = Buffer(device, size: count * 8)
  let words = shared.mapped!.assumingMemoryBound(to: UInt32.self)
  source.write(pseudorandomWords(count, seed: 31))
  let mixer = Mixer(device, source, shared)
  let fence = device.makeFence()
  var result: [UInt8] = []
  for round in 0..<20 {
    let commands = Commands(device)
    commands.begin()
    mixer.dispatch(
      commands, Mixer.Push(count: UInt32(count), seed: UInt32(round), first: 0, stride: 2))
    commands.end()
    device.submit(commands, fence: fence)
    // The odd words are the host's; no pending command touches them.
    for index in 0..<count / 2 { words[index * 4 + 1] = UInt32(round * 1000 + index) }
    device.wait(fence)
    for index in 0..<count / 2 { words[index * 4 + 3] = words[index * 4 + 2] &+ 1 }
    var handle: VkFence? = fence
    check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
    result += bytes(of: [hash(shared.read())])
    // What the host wrote must be there for the device too.
    let copy = Buffer(device, size: count * 8)
    device.run { $0.copy(shared, copy, count: count * 8) }
    result += bytes(of: [hash(copy.read())])
    copy.destroy()
  }
  return result + shared.read()
}

/// Maps, unmaps and maps again, at other offsets, around writes of the device.
func remap(_ device: Device) -> [UInt8] {
  let size = 40000
  let buffer = Buffer(device, size: size, path: .flushed)
  var result: [UInt8] = []
  func withMap(_ offset: Int, _ count: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    var mapped: UnsafeMutableRawPointer?
    check(
      vkMapMemory(device.handle, buffer.memory, UInt64(offset), UInt64(count), 0, &mapped),
      "vkMapMemory")
    var range = VkMappedMemoryRange()
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
    range.memory = buffer.memory
    range.offset = UInt64(offset)
    range.size = wholeSize
    check(
      vkInvalidateMappedMemoryRanges(device.handle, 1, &range), "vkInvalidateMappedMemoryRanges")
    body(mapped!)
    check(vkFlushMappedMemoryRanges(device.handle, 1, &range), "vkFlushMappedMemoryRanges")
    vkUnmapMemory(device.handle, buffer.memory)
  }
  device.run { commands in
    vkCmdFillBuffer(commands.handle, buffer.handle, 0, wholeSize, 0x1111_1111)
    commands.barrier()
  }
  for round in 0..<8 {
    let offset = round * 4096
    withMap(offset, size - offset) { map in
      result += Array(UnsafeRawBufferPointer(start: map, count: 64))
      for index in 0..<50 {
        map.storeBytes(
          of: UInt8(truncatingIfNeeded: round + index), toByteOffset: index * 7, as: UInt8.self)
      }
    }
    device.run { commands in
      vkCmdFillBuffer(commands.handle, buffer.handle, UInt64(offset + 100), 96, UInt32(round))
      commands.barrier()
    }
    withMap(0, size) { map in
      result += bytes(of: [hash(Array(UnsafeRawBufferPointer(start: map, count: size)))])
    }
  }
  buffer.destroy()
  return result
}

/// Hundreds of small mapped buffers, each touched in part before one submit copies them all.
func mapMany(_ device: Device) -> [UInt8] {
  let count = 300
  let buffers = (0..<count).map { _ in Buffer(device, size: 5000) }
  let target = Buffer(device, size: count * 16)
  var result: [UInt8] = []
  for round in 0..<3 {
    for (index, buffer) in buffers.enumerated() where (index + round) % 3 != 0 {
      buffer.write(pseudorandomWords(4, seed: UInt32(index + round * 1000 + 1)), at: 4096)
    }
    device.run { commands in
      for (index, buffer) in buffers.enumerated() {
        var region = VkBufferCopy(srcOffset: 4096, dstOffset: UInt64(index * 16), size: 16)
        vkCmdCopyBuffer(commands.handle, buffer.handle, target.handle, 1, &region)
      }
      commands.barrier()
    }
    // A buffer that was never written in a round keeps what it had; one never written at all is
    // undefined and left out.
    result += round == 0 ? [] : target.read()
  }
  for buffer in buffers { buffer.destroy() }
  target.destroy()
  return result
}

/// Creates and destroys objects while their kinds' identities are used again.
func churn(_ device: Device) -> [UInt8] {
  var result: [UInt8] = []
  let target = Buffer(device, size: 4096)
  var alive: [Buffer] = []
  for round in 0..<120 {
    let buffer = Buffer(device, size: 4096, path: round % 2 == 0 ? .coherent : .flushed)
    buffer.write(pseudorandomWords(1024, seed: UInt32(round + 1)))
    alive.append(buffer)
    if alive.count > 5 { alive.remove(at: (round * 7) % 5).destroy() }
    let picked = alive[(round * 3) % alive.count]
    let mixer = Mixer(device, picked, target, rounds: UInt32(round % 3 + 1))
    device.run { mixer.dispatch($0, Mixer.Push(count: 1024)) }
    result += bytes(of: [hash(target.read())])
    device.discard(mixer.pipeline)
    device.discard(mixer.layout.handle)
    let image = Image(
      device, width: 16, height: 16,
      usage: bits(VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_TRANSFER_DST_BIT))
    image.write(pseudorandomWords(256, seed: UInt32(round + 9)))
    result += bytes(of: [hash(image.read())])
    image.destroy()
  }
  for buffer in alive { buffer.destroy() }
  return result
}
