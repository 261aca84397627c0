import CPlatform
import CVulkan
import MemoryFabric
import Ring
import Wire

// A recording that begins in the middle of a program begins with the contents of its memory:
// `takeSnapshot` says them, byte by byte as they lie in the driver's memory, and `restoreMemory` puts
// them back. What lies in the memory of an image is the image, in whatever layout and compression:
// the same driver finds it there again.

/// u64 number (8): waits until the device has nothing to do, and sends the contents of all memory that
/// is not mapped, of swapchains too, as `snapshotBytes` messages, then `snapshotDone`.
func takeSnapshot(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let number = f.u64(8, "number")
  guard let device = f.device(c), f.wrong == nil else { return }
  let session = c.pointee.session
  var failure = ""
  do throws(ReplayError) {
    try device.waitUntilIdle(nanoseconds: 5_000_000_000)
    for (id, handle) in session.objects(.deviceMemory) {
      guard let memory = device.memory(handlePointer(handle)), !memory.isAttached else { continue }
      try RawMemory(device, handlePointer(handle), memory.size, memory.type).read { offset, bytes in
        session.sink.snapshot(object: id, image: 0, offset: offset, bytes)
      }
    }
    for swapchain in device.swapchains.values {
      for index in swapchain.images.indices {
        try swapchain.rawMemory(index, device).read { offset, bytes in
          session.sink.snapshot(
            object: swapchain.request.id, image: UInt32(index), offset: offset, bytes)
        }
      }
    }
  } catch {
    failure = error.message
  }
  session.sink.snapshotDone(number, failure)
}

/// u64 object (8): a memory or a swapchain, u32 image (16), u32 reserved, u64 offset (24),
/// u64 byteCount (32), bytes (40).
func restoreMemory(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let object = f.u64(8, "object")
  let image = Int(f.u32(16, "image"))
  let offset = f.u64(24, "offset")
  let count = f.u64(32, "byteCount")
  guard let device = f.device(c), f.wrong == nil else { return }
  guard count <= UInt64(f.record.count &- 40) else {
    f.wrong = "byteCount"
    return
  }
  let bytes = UnsafeRawBufferPointer(rebasing: f.record[40..<(40 + Int(count))])
  let raw: RawMemory
  if let swapchain = device.swapchains[object] {
    guard image < swapchain.images.count else {
      f.wrong = "image"
      return
    }
    raw = swapchain.rawMemory(image, device)
  } else if let handle = c.pointee.handles.pointee.lookup(object, .deviceMemory),
    let memory = device.memory(handlePointer(handle)), !memory.isAttached
  {
    raw = RawMemory(device, handlePointer(handle), memory.size, memory.type)
  } else {
    f.wrong = "object"
    return
  }
  guard offset <= UInt64(raw.size), count <= UInt64(raw.size) &- offset else {
    f.wrong = "offset"
    return
  }
  do throws(ReplayError) {
    try raw.write(Int(offset), bytes)
  } catch {
    c.pointee.session.lose(error.reason, error.message)
  }
}

extension DeviceState {
  /// Waits for everything that was submitted. Fails when it takes longer: something may wait for
  /// what comes later on this channel.
  fileprivate func waitUntilIdle(nanoseconds: UInt64) throws(ReplayError) {
    let deadline = platform_now() &+ nanoseconds
    for queue in queues.values {
      while !queue.isDrained {
        guard platform_now() < deadline else {
          throw ReplayError(
            reason: LostReason.noMemory, message: "the GPU is not done after five seconds")
        }
        platform_sleep(200_000)
      }
    }
  }
}

/// The bytes of an allocation of the driver's, mapped while they are read or written; memory that
/// cannot be mapped goes through a buffer that lies over all of it.
struct RawMemory {
  private let device: DeviceState
  private let memory: VkDeviceMemory?
  let size: Int
  private let type: Int

  /// Bytes of one message, and of the staging buffer.
  private static var step: Int { 1 << 20 }

  init(_ device: DeviceState, _ memory: VkDeviceMemory?, _ size: Int, _ type: Int) {
    self.device = device
    self.memory = memory
    self.size = size
    self.type = type
  }

  private var flags: VkMemoryPropertyFlags {
    type < device.memoryTypes.count ? device.memoryTypes[type] : 0
  }
  private var isVisible: Bool {
    flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue != 0
  }
  private var isCoherent: Bool {
    flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue != 0
  }

  /// Calls `body` with every part that is not all zeros.
  func read(
    _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) throws(ReplayError) {
    if isVisible {
      let bytes = try map()
      defer { device.functions.unmapMemory(device.handle, memory) }
      if !isCoherent { sync(device.functions.invalidateMappedMemoryRanges) }
      var offset = 0
      while offset < size {
        let count = min(RawMemory.step, size - offset)
        tell(bytes + offset, offset, count, body)
        offset += count
      }
      return
    }
    let staging = try Staging(device, memory, size)
    defer { staging.destroy() }
    var offset = 0
    while offset < size {
      let count = min(RawMemory.step, size - offset)
      try staging.copy(offset, count, isReading: true)
      tell(staging.bytes, offset, count, body)
      offset += count
    }
  }

  private func tell(
    _ bytes: UnsafeRawPointer, _ offset: Int, _ count: Int,
    _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Void
  ) {
    guard !ByteDifference.isZero(bytes, count) else { return }
    body(UInt64(offset), UnsafeRawBufferPointer(start: bytes, count: count))
  }

  /// `bytes` must lie within.
  func write(_ offset: Int, _ bytes: UnsafeRawBufferPointer) throws(ReplayError) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    if isVisible {
      let target = try map()
      defer { device.functions.unmapMemory(device.handle, memory) }
      (target + offset).copyMemory(from: source, byteCount: bytes.count)
      if !isCoherent { sync(device.functions.flushMappedMemoryRanges) }
      return
    }
    let staging = try Staging(device, memory, size)
    defer { staging.destroy() }
    var done = 0
    while done < bytes.count {
      let count = min(RawMemory.step, bytes.count - done)
      staging.bytes.copyMemory(from: source + done, byteCount: count)
      try staging.copy(offset + done, count, isReading: false)
      done += count
    }
  }

  private func map() throws(ReplayError) -> UnsafeMutableRawPointer {
    var pointer: UnsafeMutableRawPointer?
    let result = device.functions.mapMemory(
      device.handle, memory, 0, VkDeviceSize.max, 0, &pointer)
    guard result == VK_SUCCESS, let pointer else {
      throw ReplayError(
        reason: LostReason.noMemory,
        message: "a snapshot: vkMapMemory failed with \(resultName(result))")
    }
    return pointer
  }

  private func sync(_ function: PFN_vkFlushMappedMemoryRanges) {
    var range = VkMappedMemoryRange()
    range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
    range.memory = memory
    range.size = VkDeviceSize.max
    _ = function(device.handle, 1, &range)
  }
}

/// A buffer over the whole of an allocation, and one that the host sees, to copy between them.
private final class Staging {
  let bytes: UnsafeMutableRawPointer
  private let device: DeviceState
  private let queue: VkQueue
  private let overlay: VkBuffer
  private let buffer: VkBuffer
  private let memory: VkDeviceMemory
  private let pool: VkCommandPool
  private let commands: VkCommandBuffer

  private static var size: Int { 1 << 20 }

  init(
    _ device: DeviceState, _ target: VkDeviceMemory?, _ targetSize: Int
  ) throws(ReplayError) {
    let f = device.functions
    let failed = ReplayError(
      reason: LostReason.noMemory, message: "a snapshot: no way to copy device memory")
    guard let queue = device.queues.values.first else { throw failed }
    func make(_ size: Int) -> VkBuffer? {
      var info = VkBufferCreateInfo()
      info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
      info.size = VkDeviceSize(size)
      info.usage =
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT.rawValue | VK_BUFFER_USAGE_TRANSFER_DST_BIT.rawValue
      var buffer: VkBuffer?
      return f.createBuffer(device.handle, &info, nil, &buffer) == VK_SUCCESS ? buffer : nil
    }
    guard let overlay = make(targetSize) else { throw failed }
    guard let buffer = make(Staging.size) else {
      f.destroyBuffer(device.handle, overlay, nil)
      throw failed
    }
    var memory: VkDeviceMemory?
    var pool: VkCommandPool?
    func giveUp() {
      f.destroyBuffer(device.handle, overlay, nil)
      f.destroyBuffer(device.handle, buffer, nil)
      if let memory { f.freeMemory(device.handle, memory, nil) }
      if let pool { f.destroyCommandPool(device.handle, pool, nil) }
    }
    var requirements = VkMemoryRequirements()
    f.getBufferMemoryRequirements(device.handle, buffer, &requirements)
    let visible =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue
    var allocate = VkMemoryAllocateInfo()
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
    allocate.allocationSize = requirements.size
    allocate.memoryTypeIndex = device.memoryType(requirements.memoryTypeBits, visible) ?? 0
    var poolInfo = VkCommandPoolCreateInfo()
    poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
    poolInfo.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.rawValue
    poolInfo.queueFamilyIndex = queue.family
    var commands: VkCommandBuffer?
    var pointer: UnsafeMutableRawPointer?
    guard f.bindBufferMemory(device.handle, overlay, target, 0) == VK_SUCCESS,
      f.allocateMemory(device.handle, &allocate, nil, &memory) == VK_SUCCESS,
      f.bindBufferMemory(device.handle, buffer, memory, 0) == VK_SUCCESS,
      f.mapMemory(device.handle, memory, 0, VkDeviceSize.max, 0, &pointer) == VK_SUCCESS,
      f.createCommandPool(device.handle, &poolInfo, nil, &pool) == VK_SUCCESS
    else {
      giveUp()
      throw failed
    }
    var commandInfo = VkCommandBufferAllocateInfo()
    commandInfo.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
    commandInfo.commandPool = pool
    commandInfo.commandBufferCount = 1
    guard f.allocateCommandBuffers(device.handle, &commandInfo, &commands) == VK_SUCCESS,
      let memory, let pool, let commands, let pointer
    else {
      giveUp()
      throw failed
    }
    self.device = device
    self.queue = queue.handle
    self.overlay = overlay
    self.buffer = buffer
    self.memory = memory
    self.pool = pool
    self.commands = commands
    bytes = pointer
  }

  func destroy() {
    let f = device.functions
    f.destroyCommandPool(device.handle, pool, nil)
    f.destroyBuffer(device.handle, overlay, nil)
    f.destroyBuffer(device.handle, buffer, nil)
    f.freeMemory(device.handle, memory, nil)
  }

  /// Copies at most a megabyte, and waits.
  func copy(_ offset: Int, _ count: Int, isReading: Bool) throws(ReplayError) {
    let f = device.functions
    var begin = VkCommandBufferBeginInfo()
    begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT.rawValue
    var result = f.beginCommandBuffer(commands, &begin)
    if result == VK_SUCCESS {
      var all = VkMemoryBarrier()
      all.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
      all.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT.rawValue
      all.dstAccessMask =
        VK_ACCESS_MEMORY_READ_BIT.rawValue | VK_ACCESS_MEMORY_WRITE_BIT.rawValue
      let stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue
      let host = VK_PIPELINE_STAGE_HOST_BIT.rawValue
      f.cmdPipelineBarrier(commands, stages | host, stages, 0, 1, &all, 0, nil, 0, nil)
      var region = VkBufferCopy(
        srcOffset: isReading ? VkDeviceSize(offset) : 0,
        dstOffset: isReading ? 0 : VkDeviceSize(offset), size: VkDeviceSize(count))
      f.cmdCopyBuffer(
        commands, isReading ? overlay : buffer, isReading ? buffer : overlay, 1, &region)
      f.cmdPipelineBarrier(commands, stages, stages | host, 0, 1, &all, 0, nil, 0, nil)
      result = f.endCommandBuffer(commands)
    }
    let fence = try device.takeFence()
    if result == VK_SUCCESS {
      var one: VkCommandBuffer? = commands
      result = withUnsafePointer(to: &one) { one in
        var submit = VkSubmitInfo()
        submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
        submit.commandBufferCount = 1
        submit.pCommandBuffers = one
        return f.queueSubmit(queue, 1, &submit, fence)
      }
    }
    if result == VK_SUCCESS {
      var one: VkFence? = fence
      result = f.waitForFences(device.handle, 1, &one, VkBool32(VK_TRUE), 10_000_000_000)
    }
    device.giveBack(fence)
    guard result == VK_SUCCESS else {
      throw ReplayError(
        reason: LostReason.deviceLost,
        message: "a snapshot: copying failed with \(resultName(result))")
    }
  }
}
