import CPlatform
import CVulkan
import Ring
import Testing
import VulkanReplay
import VulkanWire
import Wire

@Suite("What a client may make a node hold", .serialized)
struct LimitTests {
  private func semaphore(_ t: TestDevice, _ w: inout Writer) -> UInt64 {
    let id = t.client.makeID(.semaphore)
    var info = VkSemaphoreCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    encode_vkCreateSemaphore(&w, t.device, &info, id)
    return id
  }

  @Test("objects")
  func objects() throws {
    var limits = ReplayLimits()
    limits.objects = 300
    let t = try TestDevice(.messages, limits: limits)
    // As many as one likes, if they go again.
    for _ in 0..<400 {
      try t.client.send(TestDevice.channel) { w in
        let id = semaphore(t, &w)
        encode_vkDestroySemaphore(&w, t.device, t.client.handle(id))
      }
    }
    try t.client.send(TestDevice.channel) { w in
      for _ in 0..<400 { _ = semaphore(t, &w) }
    }
    let message = try t.client.awaitLoss()
    #expect(message.contains("vkCreateSemaphore"), "\(message)")
    #expect(message.contains("300 objects") && message.contains("--max-objects"), "\(message)")
  }

  @Test("driver memory: no heap is shown larger, and no more is given")
  func memory() throws {
    var limits = ReplayLimits()
    limits.driverMemory = 1 << 20
    let t = try TestDevice(.messages, limits: limits)
    let ticket = t.client.ticket()
    var properties = VkPhysicalDeviceMemoryProperties()
    try t.client.send(0) {
      encode_vkGetPhysicalDeviceMemoryProperties(&$0, ticket, t.physicalDevice, &properties)
    }
    let reply = try t.client.reply(ticket)
    reply.withUnsafeBytes { bytes in
      var r = Reader(bytes, arena: t.client.arena, handles: nil)
      decodeReply_vkGetPhysicalDeviceMemoryProperties(&r, &properties)
      #expect(r.failure == nil)
    }
    #expect(properties.memoryHeapCount > 0)
    #expect(properties.memoryHeaps.0.size == 1 << 20)
    // Freed memory counts no more.
    for _ in 0..<4 {
      let (buffer, memory) = try t.makeBuffer(
        size: 768 << 10, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
      try t.client.send(TestDevice.channel) { w in
        encode_vkDestroyBuffer(&w, t.device, t.client.handle(buffer))
        encode_vkFreeMemory(&w, t.device, t.client.handle(memory))
      }
    }
    _ = try t.makeBuffer(size: 2 << 20, usage: VK_BUFFER_USAGE_TRANSFER_DST_BIT)
    let message = try t.client.awaitLoss()
    #expect(message == "vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY")
  }

  @Test("the size of a record", arguments: Joining.allCases)
  func record(joining: Joining) throws {
    var limits = ReplayLimits()
    limits.record = 1 << 16
    let client = try TestClient(joining, limits: limits)
    var words = [UInt64](repeating: 0, count: 9 << 10)
    words[0] = UInt64(Opcode.vkCreateBuffer) | UInt64(words.count * 8) << 32
    try words.withUnsafeBytes { try client.send(0, bytes: $0) }
    let message = try client.awaitLoss()
    #expect(message.contains("vkCreateBuffer") && message.contains("--max-record"), "\(message)")
  }

  /// Submits nothing, after a semaphore of its own, which nobody signals, or before.
  private func submit(_ t: TestDevice, sequence: UInt64, after semaphore: UInt64?) throws {
    try t.client.send(TestDevice.channel) { w in
      t.announce(&w, sequence: sequence, slot: 11, value: sequence)
      var wait = semaphore.flatMap { t.client.handle($0) }
      var stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
      withUnsafePointer(to: &wait) { wait in
        withUnsafePointer(to: &stage) { stage in
          var info = VkSubmitInfo()
          info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
          info.waitSemaphoreCount = semaphore == nil ? 0 : 1
          info.pWaitSemaphores = wait
          info.pWaitDstStageMask = stage
          encode_vkQueueSubmit(&w, t.queue, 1, &info, nil)
        }
      }
    }
  }

  @Test("operations under way: who gives more waits")
  func pending() throws {
    var limits = ReplayLimits()
    limits.pendingOperations = 16
    let t = try TestDevice(.messages, limits: limits)
    for sequence in 1...200 { try submit(t, sequence: UInt64(sequence), after: nil) }
    try t.client.awaitSlot(11, 200)
  }

  @Test("operations under way that wait for one another end the session")
  func stuck() throws {
    var limits = ReplayLimits()
    limits.pendingOperations = 16
    limits.patience = 500_000_000
    let t = try TestDevice(.messages, limits: limits)
    var id: UInt64 = 0
    try t.client.send(TestDevice.channel) { w in
      id = t.client.makeID(.semaphore)
      var type = VkSemaphoreTypeCreateInfo()
      type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
      type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
      withUnsafePointer(to: &type) { type in
        var info = VkSemaphoreCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
        info.pNext = UnsafeRawPointer(type)
        encode_vkCreateSemaphore(&w, t.device, &info, id)
      }
    }
    try waitForTimeline(t, id, sequence: 1)
    for sequence in 2...20 { try submit(t, sequence: UInt64(sequence), after: nil) }
    let message = try t.client.awaitLoss()
    #expect(message.contains("vkQueueSubmit") && message.contains("--max-pending"), "\(message)")
    // The driver's queue is not left with a wait that never ends.
  }

  private func waitForTimeline(_ t: TestDevice, _ id: UInt64, sequence: UInt64) throws {
    try t.client.send(TestDevice.channel) { w in
      t.announce(&w, sequence: sequence, slot: 11, value: sequence)
      var value: UInt64 = 1
      var wait = t.client.handle(id)
      var stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
      withUnsafePointer(to: &value) { value in
        var timeline = VkTimelineSemaphoreSubmitInfo()
        timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
        timeline.waitSemaphoreValueCount = 1
        timeline.pWaitSemaphoreValues = value
        withUnsafePointer(to: &timeline) { timeline in
          withUnsafePointer(to: &wait) { wait in
            withUnsafePointer(to: &stage) { stage in
              var info = VkSubmitInfo()
              info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
              info.pNext = UnsafeRawPointer(timeline)
              info.waitSemaphoreCount = 1
              info.pWaitSemaphores = wait
              info.pWaitDstStageMask = stage
              encode_vkQueueSubmit(&w, t.queue, 1, &info, nil)
            }
          }
        }
      }
    }
  }
}

@Suite("Heartbeats", .serialized)
struct HeartbeatTests {
  @Test("an idle node says so, and lives")
  func idle() throws {
    let t = try TestDevice(.messages)
    try t.client.awaitHeartbeat { $0 == [UInt8](repeating: 0, count: 8) }
  }
}

@Suite("SPIR-V", .serialized)
struct ShaderTests {
  /// A compute shader that does nothing, as spirv-as writes it.
  static let valid: [UInt32] = [
    0x0723_0203, 0x0001_0000, 0, 5, 0,
    0x0002_0011, 1,  // OpCapability Shader
    0x0003_000E, 0, 1,  // OpMemoryModel Logical GLSL450
    0x0005_000F, 5, 1, 0x6E69_616D, 0,  // OpEntryPoint GLCompute %1 "main"
    0x0006_0010, 1, 17, 1, 1, 1,  // OpExecutionMode %1 LocalSize 1 1 1
    0x0002_0013, 2,  // %2 = OpTypeVoid
    0x0003_0021, 3, 2,  // %3 = OpTypeFunction %2
    0x0005_0036, 2, 1, 0, 3,  // %1 = OpFunction %2 None %3
    0x0002_00F8, 4,  // %4 = OpLabel
    0x0001_00FD,  // OpReturn
    0x0001_0038,  // OpFunctionEnd
  ]

  private func create(_ t: TestDevice, _ words: [UInt32]) throws {
    let id = t.client.makeID(.shaderModule)
    try t.client.send(TestDevice.channel) { w in
      words.withUnsafeBufferPointer { words in
        var info = VkShaderModuleCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
        info.codeSize = words.count * 4
        info.pCode = words.baseAddress
        encode_vkCreateShaderModule(&w, t.device, &info, id)
      }
    }
  }

  @Test("what is valid goes to the driver, twice as well")
  func accepts() throws {
    let t = try TestDevice(.messages)
    try create(t, Self.valid)
    try create(t, Self.valid)
    // A command that replies, behind them: the session lives.
    let ticket = t.client.ticket()
    try t.client.send(TestDevice.channel) { encode_vkDeviceWaitIdle(&$0, ticket, t.device) }
    _ = try t.client.reply(ticket)
  }

  @Test("what is none ends the session, with the validator's words")
  func refuses() throws {
    var noReturn = Self.valid
    // An instruction of a type that is none.
    noReturn[noReturn.count - 8] = 4
    for (words, what) in [
      (noReturn, "ID"), ([UInt32](repeating: 0xFFFF_FFFF, count: 64), "magic"),
      (Array(Self.valid.dropLast(3)), "End of input"),
    ] {
      let t = try TestDevice(.messages)
      try create(t, words)
      let message = try t.client.awaitLoss()
      #expect(
        message.contains("vkCreateShaderModule: the shader is no valid SPIR-V")
          && message.contains(what), "\(message)")
    }
  }
}
