import CPlatform
import CVulkan
import MemoryFabric
import Ring
import Testing
import VulkanWire
import Wire

@Suite("A node's session", .serialized)
struct NodeTests {
  @Test("brings what the GPU fills to mapped memory", arguments: Joining.allCases)
  func fill(joining: Joining) throws {
    let t = try TestDevice(joining)
    let base = SegmentLayout.memoryOffset
    let (buffer, memory) = try t.makeBuffer(size: 8192, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    try t.attach(memory, at: base, size: 8192, answered: false)
    try t.record { encode_vkCmdFillBuffer(&$0, t.client.handle(buffer), 4, 8000, 0xA1B2_C3D4) }
    try t.submit(sequence: 1)
    let bytes = try t.bytes(at: base, count: 8192)
    #expect(Array(bytes[0..<8]) == [0, 0, 0, 0, 0xD4, 0xC3, 0xB2, 0xA1])
    #expect(Array(bytes[8000..<8008]) == [0xD4, 0xC3, 0xB2, 0xA1, 0, 0, 0, 0])
  }

  @Test("delivers what the GPU wrote before memory was mapped", arguments: Joining.allCases)
  func lateMap(joining: Joining) throws {
    let t = try TestDevice(joining)
    let base = SegmentLayout.memoryOffset + (1 << 20)
    let (buffer, memory) = try t.makeBuffer(size: 4096, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    try t.record { encode_vkCmdFillBuffer(&$0, t.client.handle(buffer), 0, 4096, 0x0101_0101) }
    try t.submit(sequence: 1)
    try t.attach(memory, at: base, size: 4096, answered: true)
    #expect(try t.bytes(at: base, count: 4096) == [UInt8](repeating: 1, count: 4096))
  }

  @Test(
    "brings what the application writes to the GPU, and spares its neighbours' bytes",
    arguments: Joining.allCases)
  func copy(joining: Joining) throws {
    let t = try TestDevice(joining)
    let base = SegmentLayout.memoryOffset
    let (source, sourceMemory) = try t.makeBuffer(
      size: 4096, usage: VK_BUFFER_USAGE_TRANSFER_SRC_BIT)
    let (target, targetMemory) = try t.makeBuffer(
      size: 4096, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    try t.attach(sourceMemory, at: base, size: 4096, answered: false)
    try t.attach(targetMemory, at: base + 65536, size: 4096, answered: false)
    let written = (0..<100).map { UInt8($0 + 1) }
    try t.write(sourceMemory, base: base, at: 300, written)
    try t.record { w in
      var region = VkBufferCopy(srcOffset: 300, dstOffset: 1000, size: 100)
      encode_vkCmdCopyBuffer(
        &w, t.client.handle(source), t.client.handle(target), 1, &region)
    }
    // The application writes another part of the page that the GPU is about to write.
    try t.write(targetMemory, base: base + 65536, at: 0, [9, 9, 9])
    try t.submit(sequence: 1)
    let bytes = try t.bytes(at: base + 65536, count: 4096)
    #expect(Array(bytes[1000..<1100]) == written)
    #expect(Array(bytes[0..<4]) == [9, 9, 9, 0])
    #expect(bytes[999] == 0 && bytes[1100] == 0)
  }

  @Test("names the command and the field of a record that is wrong", arguments: Joining.allCases)
  func wrongHandle(joining: Joining) throws {
    let t = try TestDevice(joining)
    try t.client.send(TestDevice.channel) { w in
      encode_vkFreeMemory(&w, t.device, t.client.handle(t.client.makeID(.deviceMemory)))
    }
    let message = try t.client.awaitLoss()
    #expect(message == "vkFreeMemory: field vkFreeMemory.memory names no such object")
  }

  @Test("ends with a message when it is sent garbage", arguments: Joining.allCases)
  func garbage(joining: Joining) throws {
    var state: UInt64 = 88_172_645_463_325_252
    for round in 0..<20 {
      let client = try TestClient(joining)
      var words = (0..<64).map { _ -> UInt64 in
        state ^= state &<< 13
        state ^= state &>> 7
        state ^= state &<< 17
        return state
      }
      // Now and then something that begins like a record.
      if round % 2 == 0 { words[0] = UInt64(0x1000 + round * 7) | 64 << 32 }
      if round % 5 == 0 { words[0] = UInt64(1 + round % 13) | 64 << 32 }
      try words.withUnsafeBytes { try client.send(0, bytes: $0) }
      #expect(try !client.awaitLoss().isEmpty)
    }
  }

  /// A swapchain of two images, and another name of the second: the ids.
  private func makeSwapchain(_ t: TestDevice) throws -> (
    swapchain: UInt64, images: [UInt64], name: UInt64
  ) {
    let swapchain = t.client.makeID(.swapchain)
    let images = [t.client.makeID(.image), t.client.makeID(.image)]
    let name = t.client.makeID(.image)
    try t.client.send(TestDevice.channel) { w in
      w.begin(ControlOpcode.createSwapchain)
      w.u64(swapchain)
      for field in [0, VK_FORMAT_B8G8R8A8_UNORM.rawValue, 16, 8, 1] as [UInt32] { w.u32(field) }
      w.u32(VK_IMAGE_USAGE_TRANSFER_DST_BIT.rawValue)
      for field in [0, 2, 0, 0, 64, 0] as [UInt32] { w.u32(field) }
      w.u64(4096)
      for image in images { w.u64(image) }
      w.end()
    }
    for index in 0..<2 as Range<UInt32> { try bind(t, name, swapchain, index) }
    return (swapchain, images, name)
  }

  private func bind(_ t: TestDevice, _ image: UInt64, _ swapchain: UInt64, _ index: UInt32) throws {
    try t.client.send(TestDevice.channel) { w in
      w.begin(ControlOpcode.bindSwapchainImage)
      w.u64(image)
      w.u64(swapchain)
      w.u32(index)
      w.u32(0)
      w.end()
    }
  }

  private func end(_ t: TestDevice, _ opcode: UInt32, _ id: UInt64) throws {
    try t.client.send(TestDevice.channel) { w in
      w.begin(opcode)
      w.u64(id)
      w.end()
    }
  }

  /// Clears an image by one of its names, and waits.
  private func clear(_ t: TestDevice, _ image: UInt64, sequence: UInt64) throws {
    try t.record { w in
      var color = VkClearColorValue()
      var range = VkImageSubresourceRange(
        aspectMask: VK_IMAGE_ASPECT_COLOR_BIT.rawValue, baseMipLevel: 0, levelCount: 1,
        baseArrayLayer: 0, layerCount: 1)
      encode_vkCmdClearColorImage(
        &w, t.client.handle(image), VK_IMAGE_LAYOUT_GENERAL, &color, 1, &range)
    }
    try t.submit(sequence: sequence)
  }

  @Test(
    "knows an image of a swapchain by every name, until either ends", arguments: Joining.allCases)
  func swapchainNames(joining: Joining) throws {
    let t = try TestDevice(joining)
    let (swapchain, images, name) = try makeSwapchain(t)
    try clear(t, images[1], sequence: 1)
    try clear(t, name, sequence: 2)
    let second = t.client.makeID(.image)
    try bind(t, second, swapchain, 0)
    try end(t, ControlOpcode.forgetSwapchainImage, second)
    // The end of a name that the swapchain has ended is nothing wrong.
    try end(t, ControlOpcode.destroySwapchain, swapchain)
    try end(t, ControlOpcode.forgetSwapchainImage, name)
    let (_, others, _) = try makeSwapchain(t)
    try clear(t, others[0], sequence: 3)
    try t.client.send(TestDevice.channel) { w in
      encode_vkDestroyImage(&w, t.device, t.client.handle(name))
    }
    #expect(
      try t.client.awaitLoss() == "vkDestroyImage: field vkDestroyImage.image names no such object")
  }

  @Test("refuses what would take an image from its swapchain", arguments: 0..<5)
  func swapchainImages(attempt: Int) throws {
    let t = try TestDevice(.messages)
    let (swapchain, images, name) = try makeSwapchain(t)
    let stranger = t.client.makeID(.image)
    let wanted: String
    switch attempt {
    case 0, 1:
      try t.client.send(TestDevice.channel) { w in
        encode_vkDestroyImage(&w, t.device, t.client.handle(attempt == 0 ? images[0] : name))
      }
      wanted = "vkDestroyImage: field image belongs to a swapchain"
    case 2:
      try bind(t, stranger, swapchain, 2)
      wanted = "bindSwapchainImage: field imageIndex is wrong"
    case 3:
      try bind(t, stranger, t.client.makeID(.swapchain), 0)
      wanted = "bindSwapchainImage: field swapchain is wrong"
    default:
      try bind(t, images[1], swapchain, 0)
      wanted = "bindSwapchainImage: field image is wrong"
    }
    #expect(try t.client.awaitLoss() == wanted)
  }

  @Test("control records with fields of every kind end the session or do nothing")
  func controlRecords() throws {
    var state: UInt64 = 0x2545_F491_4F6C_DD1D
    func next() -> UInt64 {
      state ^= state &<< 13
      state ^= state &>> 7
      state ^= state &<< 17
      return state
    }
    func edgy() -> UInt64 {
      switch next() % 5 {
      case 0: next() % 16
      case 1: UInt64(1) << (next() % 64)
      case 2: UInt64.max - next() % 16
      case 3: 4096 * (next() % 64)
      default: next()
      }
    }
    let seconds = platform_getenv("OMEGA_FUZZ_SECONDS").flatMap { UInt64(String(cString: $0)) }
    let end = platform_now() &+ (seconds ?? 0) &* 1_000_000_000
    var round = 0
    repeat {
      let t = try TestDevice(.messages)
      let (buffer, memory) = try t.makeBuffer(size: 4096, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
      let ids = [buffer, memory, t.queueID, t.commandBufferID, t.deviceID, 0]
      try t.client.send(TestDevice.channel) { w in
        for _ in 0..<200 {
          let opcodes: [UInt32] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 0x103, 0x105, 0x130, 0x131]
          w.begin(opcodes[Int(next() % UInt64(opcodes.count))])
          w.u64(ids[Int(next() % UInt64(ids.count))])
          for _ in 0..<(next() % 16) { w.u64(edgy()) }
          w.end()
        }
      }
      #expect(try !t.client.awaitLoss().isEmpty)
      round += 1
      // Sessions live as long as their process, which can have so many mappings and no more.
    } while round < 8 || platform_now() < end && round < 2000
  }

  @Test(
    "refuses memory that lies outside of the segment",
    arguments: [0, 1 << 30, UInt64.max - 4095, 1])
  func attachmentOutside(offset: UInt64) throws {
    let t = try TestDevice(.messages)
    let (_, memory) = try t.makeBuffer(size: 4096, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    try t.attach(memory, at: offset, size: 4096, answered: false)
    #expect(try t.client.awaitLoss().contains("memoryAttach"))
  }

  @Test("refuses blocks of runs that make no sense, or lie outside of their allocation")
  func wrongBlocks() throws {
    for (offset, isCut) in [(UInt64(8190), false), (UInt64(1) << 63, false), (UInt64(0), true)] {
      let t = try TestDevice(.blocks)
      let (_, memory) = try t.makeBuffer(size: 8192, usage: VK_BUFFER_USAGE_TRANSFER_SRC_BIT)
      try t.attach(memory, at: SegmentLayout.memoryOffset, size: 8192, answered: false)
      try t.client.send(TestDevice.channel) { w in
        w.begin(ControlOpcode.memoryRuns)
        w.u64(memory)
        var runs = RunEncoder()
        defer { runs.free() }
        _ = [UInt8](repeating: 1, count: 3).withUnsafeBytes { runs.append(offset, $0) }
        _ = runs.finish(CodecChooser(bytesPerSecond: 1e12)) { piece in
          guard piece.count > 0, let place = w.reserve(piece.count) else { return }
          place.copyMemory(from: piece.baseAddress!, byteCount: piece.count)
        }
        if isCut { w.patch(24, 0x7FFF_FFFF) }
        w.end()
      }
      #expect(try t.client.awaitLoss() == "memoryRuns: field runs is wrong")
    }
  }

  @Test("recorded commands do not run outside of a command buffer")
  func strayCommand() throws {
    let t = try TestDevice(.messages)
    try t.client.send(TestDevice.channel) { encode_vkCmdFillBuffer(&$0, nil, 0, 4, 0) }
    #expect(
      try t.client.awaitLoss() == "vkCmdFillBuffer: field opcode belongs into a command buffer")
  }
}
