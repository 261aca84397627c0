import CPlatform
import CVulkan
import MemoryFabric
import Ring
import Testing
import VulkanReplay
import VulkanWire
import Wire

/// A client with an instance, a device on channel 1, and a queue of family 0.
struct TestDevice {
  let client: TestClient
  let device: OpaquePointer
  let deviceID: UInt64
  let queue: OpaquePointer
  let queueID: UInt64
  let pool: UInt64
  let commandBuffer: OpaquePointer
  let commandBufferID: UInt64
  static let channel: UInt32 = 1
  static let queueSlot: UInt32 = 10

  let physicalDevice: OpaquePointer

  init(_ joining: Joining, limits: ReplayLimits = ReplayLimits()) throws {
    client = try TestClient(joining, limits: limits)
    let c = client
    let instanceID = c.makeID(.instance)
    var info = VkInstanceCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
    var ticket = c.ticket()
    try c.send(0) { encode_vkCreateInstance(&$0, ticket, &info, instanceID) }
    #expect(try c.reply(ticket)[0..<4] == [0, 0, 0, 0])
    let instance = c.dispatchable(instanceID)

    var count: UInt32 = 8
    let ids = (0..<8).map { _ in c.makeID(.physicalDevice) }
    ticket = c.ticket()
    try c.send(0) { encode_vkEnumeratePhysicalDevices(&$0, ticket, instance, &count, ids) }
    let enumerated = try c.reply(ticket)
    #expect(enumerated[4] >= 1)
    physicalDevice = c.dispatchable(ids[0])
    let physicalDevice = physicalDevice

    deviceID = c.makeID(.device)
    ticket = c.ticket()
    var priority: Float = 1
    let id = deviceID
    try withUnsafePointer(to: &priority) { priority in
      var queueInfo = VkDeviceQueueCreateInfo()
      queueInfo.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
      queueInfo.queueCount = 1
      queueInfo.pQueuePriorities = priority
      try withUnsafePointer(to: &queueInfo) { queueInfo in
        var deviceInfo = VkDeviceCreateInfo()
        deviceInfo.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
        deviceInfo.queueCreateInfoCount = 1
        deviceInfo.pQueueCreateInfos = queueInfo
        try c.send(0) { encode_vkCreateDevice(&$0, ticket, physicalDevice, &deviceInfo, id) }
      }
    }
    #expect(try c.reply(ticket)[0..<4] == [0, 0, 0, 0])
    device = c.dispatchable(deviceID)
    try c.openChannel(TestDevice.channel, device: deviceID)

    queueID = c.makeID(.queue)
    queue = c.dispatchable(queueID)
    pool = c.makeID(.commandPool)
    commandBufferID = c.makeID(.commandBuffer)
    commandBuffer = c.dispatchable(commandBufferID)
    let (d, q, p, b) = (device, queueID, pool, commandBufferID)
    try c.send(TestDevice.channel) { w in
      encode_vkGetDeviceQueue(&w, d, 0, 0, q)
      var poolInfo = VkCommandPoolCreateInfo()
      poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
      poolInfo.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.rawValue
      encode_vkCreateCommandPool(&w, d, &poolInfo, p)
      var allocate = VkCommandBufferAllocateInfo()
      allocate.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
      allocate.commandPool = c.handle(p)
      allocate.commandBufferCount = 1
      encode_vkAllocateCommandBuffers(&w, d, &allocate, [b])
    }
  }

  /// A buffer with memory of its own; returns the ids of both.
  func makeBuffer(size: UInt64, usage: VkBufferUsageFlagBits...) throws -> (UInt64, UInt64) {
    let buffer = client.makeID(.buffer)
    let memory = client.makeID(.deviceMemory)
    let flags = usage.reduce(0) { $0 | $1.rawValue }
    try client.send(TestDevice.channel) { w in
      var info = VkBufferCreateInfo()
      info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
      info.size = size
      info.usage = flags
      encode_vkCreateBuffer(&w, device, &info, buffer)
      var allocate = VkMemoryAllocateInfo()
      allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
      allocate.allocationSize = size
      encode_vkAllocateMemory(&w, device, &allocate, memory)
      encode_vkBindBufferMemory(&w, device, client.handle(buffer), client.handle(memory), 0)
    }
    return (buffer, memory)
  }

  /// Maps memory at an offset of the segment's memory part; with an answer, its contents come.
  func attach(_ memory: UInt64, at offset: UInt64, size: UInt64, answered: Bool) throws {
    let ticket = answered ? client.ticket() : ControlField.noTicket
    try client.send(TestDevice.channel) { w in
      w.begin(ControlOpcode.memoryAttach)
      w.u64(memory)
      w.u64(offset)
      w.u64(size)
      w.u32(ticket)
      w.u32(0)
      w.end()
    }
    if answered { _ = try client.reply(ticket) }
  }

  /// The client's view of mapped memory.
  func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
    let size = UInt64((count + 4095) & ~4095)
    let p = try #require(client.segment.mapMemory(offset: offset, size: size))
    defer { _ = platform_unmap(p, Int(size)) }
    return Array(UnsafeRawBufferPointer(start: p, count: count))
  }

  /// The application writes `count` bytes of mapped memory, within one page.
  func write(_ memory: UInt64, base: UInt64, at offset: UInt64, _ bytes: [UInt8]) throws {
    let page = offset & ~4095
    let p = try #require(client.segment.mapMemory(offset: base + page, size: 4096))
    defer { _ = platform_unmap(p, 4096) }
    (p + Int(offset - page)).copyMemory(from: bytes, byteCount: bytes.count)
    try client.send(TestDevice.channel) { w in
      if client.joining == .blocks {
        var runs = RunEncoder()
        defer { runs.free() }
        w.begin(ControlOpcode.memoryRuns)
        w.u64(memory)
        _ = bytes.withUnsafeBytes { runs.append(offset, $0) }
        _ = runs.finish(CodecChooser(bytesPerSecond: 1e6)) { piece in
          guard piece.count > 0, let place = w.reserve(piece.count) else { return }
          place.copyMemory(from: piece.baseAddress!, byteCount: piece.count)
        }
      } else if client.joining == .segment {
        w.begin(ControlOpcode.memoryPages)
        w.u64(memory)
        w.u32(1)
        w.u32(0)
        w.u64(page)
        w.u64(4096)
      } else {
        w.begin(ControlOpcode.memoryDiff)
        w.u64(memory)
        w.u32(1)
        w.u32(0)
        w.u64(offset)
        w.u64(UInt64(bytes.count))
        w.bytes(bytes, bytes.count)
      }
      w.end()
    }
  }

  /// Records a command buffer and sends it.
  func record(_ body: (inout Writer) -> Void) throws {
    var w = HeapWriter(capacity: 4096)
    defer { w.free() }
    var begin = VkCommandBufferBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
    encode_vkBeginCommandBuffer(&w.writer, &begin)
    body(&w.writer)
    encode_vkEndCommandBuffer(&w.writer)
    try #require(!w.writer.failed)
    let commands = w.bytes
    if client.joining == .segment {
      let room = client.segment.base + SegmentLayout.arenaOffset
      room.copyMemory(from: commands.baseAddress!, byteCount: commands.count)
    }
    try client.send(TestDevice.channel) { w in
      if client.joining == .segment {
        w.begin(ControlOpcode.commandBuffer)
        w.u64(commandBufferID)
        w.u32(1)
        w.u32(0)
        w.u64(UInt64(SegmentLayout.arenaOffset))
        w.u64(UInt64(commands.count))
      } else {
        w.begin(ControlOpcode.commandBufferInline)
        w.u64(commandBufferID)
        w.u64(UInt64(commands.count))
        w.bytes(commands.baseAddress, commands.count)
      }
      w.end()
    }
  }

  /// Announces a queue operation that raises `slot` to `value`.
  func announce(_ w: inout Writer, sequence: UInt64, slot: UInt32, value: UInt64) {
    w.begin(ControlOpcode.announce)
    w.u64(queueID)
    w.u64(sequence)
    w.u32(TestDevice.queueSlot)
    w.u32(1)
    w.u32(slot)
    w.u32(0)
    w.u64(value)
    w.end()
  }

  /// Submits the command buffer and waits until it has finished.
  func submit(sequence: UInt64) throws {
    try client.send(TestDevice.channel) { w in
      announce(&w, sequence: sequence, slot: 11, value: sequence)
      var buffer: OpaquePointer? = commandBuffer
      withUnsafePointer(to: &buffer) { buffer in
        var info = VkSubmitInfo()
        info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
        info.commandBufferCount = 1
        info.pCommandBuffers = buffer
        encode_vkQueueSubmit(&w, queue, 1, &info, nil)
      }
    }
    try client.awaitSlot(11, sequence)
    #expect(platform_load64_seq(client.segment.slot(TestDevice.queueSlot)) >= sequence)
  }
}
