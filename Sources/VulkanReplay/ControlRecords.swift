import CPlatform
import CVulkan
import Ring
import VulkanWire
import Wire

/// Replays a record of our own (`docs/architecture.md` §6). The record is a private copy.
func replayControlRecord(
  _ c: UnsafeMutablePointer<ReplayContext>, _ opcode: UInt32, _ record: UnsafeRawBufferPointer,
  isNested: Bool
) {
  var fields = RecordFields(record, opcode: opcode)
  switch opcode {
  case ControlOpcode.pad: return
  case ControlOpcode.indirect where !isNested: replayIndirect(c, &fields)
  case ControlOpcode.commandBuffer: replayCommandBuffer(c, &fields)
  case ControlOpcode.commandBufferInline: replayInlineCommandBuffer(c, &fields)
  case ControlOpcode.memoryAttach: attachMemory(c, &fields)
  case ControlOpcode.queryAttach: attachQueryPool(c, &fields)
  case ControlOpcode.queryDetach: detachQueryPool(c, &fields)
  case ControlOpcode.memoryPages: applyPages(c, &fields)
  case ControlOpcode.memoryDiff: applyDifferences(c, &fields)
  case ControlOpcode.memoryRuns: applyRuns(c, &fields)
  case ControlOpcode.memoryDetach: detachMemory(c, &fields)
  case ControlOpcode.announce: announce(c, &fields)
  case ControlOpcode.createSwapchain: createSwapchain(c, &fields)
  case ControlOpcode.present: present(c, &fields)
  case ControlOpcode.destroySwapchain: destroySwapchain(c, &fields)
  case ControlOpcode.openChannel: openChannel(c, &fields)
  case ControlOpcode.openContext: openContext(c, &fields)
  case ControlOpcode.closeChannel: c.pointee.isClosed = true
  case ControlOpcode.signalSemaphores: signalSemaphores(c, &fields)
  case ControlOpcode.bindSwapchainImage: bindSwapchainImage(c, &fields)
  case ControlOpcode.forgetSwapchainImage: forgetSwapchainImage(c, &fields)
  case ControlOpcode.takeSnapshot: takeSnapshot(c, &fields)
  case ControlOpcode.restoreMemory: restoreMemory(c, &fields)
  default: fields.wrong = "opcode"
  }
  if let wrong = fields.wrong {
    c.pointee.malformed(opcode, wrong, "is wrong")
  }
}

/// Checked access to the fields of a control record at fixed offsets.
struct RecordFields {
  let record: UnsafeRawBufferPointer
  let opcode: UInt32
  /// The first field that was found wrong.
  var wrong: StaticString?

  init(_ record: UnsafeRawBufferPointer, opcode: UInt32) {
    self.record = record
    self.opcode = opcode
  }

  mutating func u32(_ offset: Int, _ field: StaticString) -> UInt32 {
    guard let p = record.baseAddress, offset &+ 4 <= record.count else {
      wrong = wrong ?? field
      return 0
    }
    return p.get32(offset)
  }

  mutating func u64(_ offset: Int, _ field: StaticString) -> UInt64 {
    guard let p = record.baseAddress, offset &+ 8 <= record.count else {
      wrong = wrong ?? field
      return 0
    }
    return p.get64(offset)
  }

  /// A count whose elements of `stride` bytes begin at `start`.
  mutating func count(
    _ offset: Int, _ field: StaticString, stride: Int, start: Int
  ) -> Int {
    let n = Int(u32(offset, field))
    guard start <= record.count, n <= (record.count &- start) / stride else {
      wrong = wrong ?? field
      return 0
    }
    return n
  }

  /// The driver handle of the id at `offset`, which must name an object of `kind`.
  mutating func handle(
    _ offset: Int, _ kind: HandleKind, _ handles: UnsafeMutablePointer<HandleTable>,
    _ field: StaticString
  ) -> OpaquePointer? {
    guard let found = handles.pointee.lookup(u64(offset, field), kind) else {
      wrong = wrong ?? field
      return nil
    }
    return handlePointer(found)
  }

  /// The channel's device; records of a device on a channel without one are wrong.
  mutating func device(_ c: UnsafeMutablePointer<ReplayContext>) -> DeviceState? {
    guard let device = c.pointee.device else {
      wrong = wrong ?? "device"
      return nil
    }
    return device
  }
}

// MARK: Channels and blobs

private func openChannel(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let channel = f.u32(8, "channel")
  let device = f.u64(16, "device")
  guard f.wrong == nil else { return }
  guard c.pointee.session.device(device) != nil else {
    f.wrong = "device"
    return
  }
  if !c.pointee.session.openChannel(channel, device) { f.wrong = "channel" }
}

private func openContext(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let channel = f.u32(8, "channel")
  guard f.wrong == nil else { return }
  guard c.pointee.device == nil else {
    f.wrong = "opcode"
    return
  }
  if !c.pointee.session.openContext(channel) { f.wrong = "channel" }
}

/// Copies `byteCount` bytes at `offset` of the segment's arena, which the client may change just
/// now, into the channel's own memory.
private func copyFromSegment(
  _ c: UnsafeMutablePointer<ReplayContext>, _ offset: UInt64, _ byteCount: UInt64,
  _ f: inout RecordFields, _ field: StaticString
) -> UnsafeRawBufferPointer? {
  guard let segment = c.pointee.session.segment,
    byteCount <= UInt64(c.pointee.session.limits.record), offset & 7 == 0, byteCount & 7 == 0,
    let source = segment.controlRange(
      offset: offset, size: byteCount, lowest: SegmentLayout.arenaOffset),
    let room = c.pointee.blobRoom(Int(byteCount))
  else {
    f.wrong = f.wrong ?? field
    return nil
  }
  if let from = source.baseAddress { room.copyMemory(from: from, byteCount: source.count) }
  return UnsafeRawBufferPointer(start: room, count: Int(byteCount))
}

private func replayIndirect(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let offset = f.u64(8, "offset")
  let byteCount = f.u64(16, "byteCount")
  guard f.wrong == nil, let copy = copyFromSegment(c, offset, byteCount, &f, "offset"),
    copy.count >= 8, let start = copy.baseAddress
  else {
    f.wrong = f.wrong ?? "byteCount"
    return
  }
  let size = Int(start.get32(4))
  guard size >= 8, size & 7 == 0, size <= copy.count else {
    f.wrong = "byteCount"
    return
  }
  // The blob's memory is used again by what the record refers to; the record keeps its own.
  let blob = c.pointee.takeBlob()
  replayRecord(c, UnsafeRawBufferPointer(start: start, count: size), isNested: true)
  c.pointee.giveBlob(blob)
}

private func replayCommandBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) {
  let commandBuffer = f.handle(8, .commandBuffer, c.pointee.handles, "id")
  let chunks = f.count(16, "chunkCount", stride: 16, start: 24)
  guard f.wrong == nil else { return }
  for i in 0..<chunks {
    let offset = f.u64(24 + i * 16, "offset")
    let byteCount = f.u64(32 + i * 16, "byteCount")
    guard let copy = copyFromSegment(c, offset, byteCount, &f, "offset") else { return }
    replayCommands(c, into: commandBuffer, copy)
    if c.pointee.session.isOver { return }
  }
}

private func replayInlineCommandBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) {
  let commandBuffer = f.handle(8, .commandBuffer, c.pointee.handles, "id")
  let byteCount = f.u64(16, "byteCount")
  guard f.wrong == nil, byteCount <= UInt64(f.record.count &- 24) else {
    f.wrong = f.wrong ?? "byteCount"
    return
  }
  replayCommands(
    c, into: commandBuffer, UnsafeRawBufferPointer(rebasing: f.record[24..<24 + Int(byteCount)]))
}

// MARK: Memory

private func memory(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) -> (DeviceState, MemoryState)? {
  guard let device = f.device(c),
    let handle = f.handle(8, .deviceMemory, c.pointee.handles, "memory"),
    let memory = device.memory(handle)
  else {
    f.wrong = f.wrong ?? "memory"
    return nil
  }
  return (device, memory)
}

private func attachMemory(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let offset = f.u64(16, "segmentOffset")
  let ticket = f.u32(32, "ticket")
  guard let (device, memory) = memory(c, &f), f.wrong == nil else { return }
  do throws(ReplayError) {
    device.attach(memory)
    try memory.attach(
      device: device, session: c.pointee.session, offset: offset,
      deliver: ticket != ControlField.noTicket)
  } catch {
    c.pointee.session.lose(error.reason, error.message)
    return
  }
  guard ticket != ControlField.noTicket else { return }
  c.pointee.reply.writer.begin(ControlOpcode.memoryAttach)
  c.pointee.reply.writer.i32(VK_SUCCESS.rawValue)
  c.pointee.reply.writer.end()
  c.pointee.sendReply(ticket)
}

private func applyPages(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let runs = f.count(16, "runCount", stride: 16, start: 24)
  guard let (device, memory) = memory(c, &f), f.wrong == nil else { return }
  for i in 0..<runs {
    let offset = f.u64(24 + i * 16, "offset")
    let count = f.u64(32 + i * 16, "byteCount")
    if !memory.applyPages(device: device, offset: offset, count: count) {
      f.wrong = "offset"
      return
    }
  }
}

private func applyDifferences(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let runs = f.count(16, "runCount", stride: 16, start: 24)
  guard let (device, memory) = memory(c, &f), f.wrong == nil else { return }
  var position = 24
  for _ in 0..<runs {
    let offset = f.u64(position, "offset")
    let count = f.u64(position &+ 8, "byteCount")
    guard f.wrong == nil, count <= UInt64(f.record.count &- position &- 16) else {
      f.wrong = f.wrong ?? "byteCount"
      return
    }
    let bytes = UnsafeRawBufferPointer(
      rebasing: f.record[(position &+ 16)..<(position &+ 16 &+ Int(count))])
    if !memory.applyRun(device: device, offset: offset, bytes) {
      f.wrong = "offset"
      return
    }
    position = min(position &+ 16 &+ ((Int(count) &+ 7) & ~7), f.record.count)
  }
}

private func applyRuns(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  guard let (device, memory) = memory(c, &f), f.wrong == nil else { return }
  var position = 16
  while position < f.record.count {
    let block = UnsafeRawBufferPointer(rebasing: f.record[position...])
    guard let size = memory.applyBlock(device: device, block, &c.pointee.decoder) else {
      f.wrong = "runs"
      return
    }
    position &+= size
  }
}

private func detachMemory(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  guard let (device, memory) = memory(c, &f), f.wrong == nil else { return }
  device.detach(memory)
}

// MARK: Query pools

private func queryPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) -> (DeviceState, QueryPoolState)? {
  guard let device = f.device(c),
    let handle = f.handle(8, .queryPool, c.pointee.handles, "queryPool"),
    let pool = device.queryPool(handle)
  else {
    f.wrong = f.wrong ?? "queryPool"
    return nil
  }
  return (device, pool)
}

private func attachQueryPool(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let offset = f.u64(16, "segmentOffset")
  let size = f.u64(24, "size")
  let ticket = f.u32(32, "ticket")
  guard let (device, pool) = queryPool(c, &f), f.wrong == nil else { return }
  guard pool.attach(device: device, session: c.pointee.session, offset: offset, size: size) else {
    f.wrong = "size"
    return
  }
  guard ticket != ControlField.noTicket else { return }
  c.pointee.reply.writer.begin(ControlOpcode.queryAttach)
  c.pointee.reply.writer.i32(VK_SUCCESS.rawValue)
  c.pointee.reply.writer.u32(
    device.queryGate.isCautious ? ControlField.mirrorMayBeBehind : 0)
  c.pointee.reply.writer.end()
  c.pointee.sendReply(ticket)
}

private func detachQueryPool(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  guard let (_, pool) = queryPool(c, &f), f.wrong == nil else { return }
  pool.detach()
}

// MARK: Queues

private func announce(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let queue = f.handle(8, .queue, c.pointee.handles, "queue")
  let sequence = f.u64(16, "sequence")
  let slot = f.u32(24, "queueSlot")
  let signals = f.count(28, "signalCount", stride: 16, start: 32)
  guard f.wrong == nil else { return }
  var completions = [Completion(slot: slot, value: sequence)]
  completions.reserveCapacity(signals + 3)
  // What waits for a fence may look at the queue next: the queue's own slot comes first.
  for i in 0..<signals {
    completions.append(
      Completion(
        slot: f.u32(32 + i * 16, "slot"), value: f.u64(40 + i * 16, "value")))
  }
  c.pointee.announcement = Announcement(
    queue: UInt64(UInt(bitPattern: queue)), completions: completions)
}

private func signalSemaphores(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let queue = f.handle(8, .queue, c.pointee.handles, "queue")
  let count = f.count(16, "semaphoreCount", stride: 8, start: 24)
  guard let device = f.device(c), f.wrong == nil else { return }
  var semaphores: [VkSemaphore?] = []
  for i in 0..<count {
    semaphores.append(f.handle(24 + i * 8, .semaphore, c.pointee.handles, "semaphore"))
  }
  guard f.wrong == nil else { return }
  semaphores.withUnsafeBufferPointer { semaphores in
    var info = VkSubmitInfo()
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
    info.signalSemaphoreCount = UInt32(semaphores.count)
    info.pSignalSemaphores = semaphores.baseAddress
    let result = device.functions.queueSubmit(queue, 1, &info, nil)
    if result != VK_SUCCESS { c.pointee.failed(ControlOpcode.signalSemaphores, result) }
  }
}

// MARK: Swapchains

private func createSwapchain(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  guard let device = f.device(c) else { return }
  var wrong: StaticString = "record"
  guard let request = SwapchainRequest(f.record, wrong: &wrong) else {
    f.wrong = wrong
    return
  }
  guard device.swapchains[request.id] == nil else {
    f.wrong = "swapchain"
    return
  }
  do throws(ReplayError) {
    let swapchain = try SwapchainState.make(device, request, c.pointee.session)
    device.swapchains[request.id] = swapchain
    for (id, image) in zip(request.imageIDs, swapchain.images) {
      c.pointee.insert(id, image)
    }
  } catch {
    c.pointee.session.lose(error.reason, error.message)
  }
}

private func destroySwapchain(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let id = f.u64(8, "swapchain")
  guard let device = f.device(c), f.wrong == nil else { return }
  guard let swapchain = device.swapchains.removeValue(forKey: id) else {
    f.wrong = "swapchain"
    return
  }
  swapchain.destroy(device, destroyImages: true)
  for image in swapchain.request.imageIDs { c.pointee.session.remove(image) }
  for image in swapchain.names { c.pointee.session.remove(image) }
  c.pointee.session.detachFrameBuffers(swapchain: id)
}

private func bindSwapchainImage(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) {
  let id = f.u64(8, "image")
  let swapchainID = f.u64(16, "swapchain")
  let index = Int(f.u32(24, "imageIndex"))
  guard let device = f.device(c), f.wrong == nil else { return }
  guard let swapchain = device.swapchains[swapchainID] else {
    f.wrong = "swapchain"
    return
  }
  guard index < swapchain.images.count else {
    f.wrong = "imageIndex"
    return
  }
  let image = swapchain.images[index]
  guard let known = c.pointee.handles.pointee.lookup(id, .image) else {
    guard HandleID.kind(of: id) == .image else {
      f.wrong = "image"
      return
    }
    swapchain.names.insert(id)
    c.pointee.insert(id, image)
    return
  }
  guard !swapchain.names.contains(id) else {
    c.pointee.session.replace(id, UInt64(UInt(bitPattern: image)))
    return
  }
  guard !device.isPresentable(handlePointer(known)) else {
    f.wrong = "image"
    return
  }
  do throws(ReplayError) {
    try swapchain.bind(handlePointer(known), toMemoryOf: index, device)
  } catch {
    c.pointee.session.lose(error.reason, error.message)
  }
}

/// The name may have ended with its swapchain already.
private func forgetSwapchainImage(
  _ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields
) {
  let id = f.u64(8, "image")
  guard let device = f.device(c), f.wrong == nil else { return }
  for swapchain in device.swapchains.values where swapchain.names.remove(id) != nil {
    c.pointee.session.remove(id)
  }
}

private func present(_ c: UnsafeMutablePointer<ReplayContext>, _ f: inout RecordFields) {
  let queue = f.handle(8, .queue, c.pointee.handles, "queue")
  let waits = f.count(16, "waitCount", stride: 8, start: 24)
  let presents = f.count(20, "presentCount", stride: 24, start: 24 + waits * 8)
  guard let device = f.device(c), f.wrong == nil else { return }
  guard let queue, let state = device.queues[UInt64(UInt(bitPattern: queue))] else {
    f.wrong = "queue"
    return
  }
  var semaphores: [VkSemaphore?] = []
  for i in 0..<waits {
    semaphores.append(f.handle(24 + i * 8, .semaphore, c.pointee.handles, "semaphore"))
  }
  var copies: [VkCommandBuffer?] = []
  var frames: [PendingFrame] = []
  for i in 0..<presents {
    let at = 24 + waits * 8 + i * 24
    let index = Int(f.u32(at + 8, "imageIndex"))
    guard let swapchain = device.swapchains[f.u64(at, "swapchain")],
      index < swapchain.images.count
    else {
      f.wrong = f.wrong ?? "imageIndex"
      return
    }
    do throws(ReplayError) {
      copies.append(
        try swapchain.copy(
          index, family: state.family, device: device, session: c.pointee.session))
    } catch {
      c.pointee.session.lose(error.reason, error.message)
      return
    }
    var scene: (SubmittedScene, FrameTarget)?
    let extent = swapchain.request.extent
    if let latest = device.scene?.take(width: Int(extent.width), height: Int(extent.height)),
      c.pointee.session.sink.wantsGeometry,
      let copy = swapchain.copy(latest, index, family: state.family, device: device)
    {
      copies.append(copy.commands)
      scene = (latest, copy.target)
    }
    let completion = Completion(slot: f.u32(at + 12, "slot"), value: f.u64(at + 16, "value"))
    frames.append(
      swapchain.pendingFrame(
        index, device: device, completion: completion, started: c.pointee.arrivalTime,
        scene: scene))
  }
  guard f.wrong == nil else { return }
  let stages = [VkPipelineStageFlags](
    repeating: VK_PIPELINE_STAGE_ALL_COMMANDS_BIT.rawValue, count: waits)
  runOnQueue(
    c, opcode: ControlOpcode.present, queue: state, device: device, frames: frames, writes: .nothing
  ) { fence in
    semaphores.withUnsafeBufferPointer { semaphores in
      stages.withUnsafeBufferPointer { stages in
        copies.withUnsafeBufferPointer { copies in
          var info = VkSubmitInfo()
          info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
          info.waitSemaphoreCount = UInt32(semaphores.count)
          info.pWaitSemaphores = semaphores.baseAddress
          info.pWaitDstStageMask = stages.baseAddress
          info.commandBufferCount = UInt32(copies.count)
          info.pCommandBuffers = copies.baseAddress
          return device.functions.queueSubmit(queue, 1, &info, fence)
        }
      }
    }
  }
}

/// Gives the driver a queue operation with a fence of the node's own, and the queue's completion
/// thread what is to be told when it is done: the announced completions, then those of `frames`.
func runOnQueue(
  _ c: UnsafeMutablePointer<ReplayContext>, opcode: UInt32, queue: QueueState,
  device: DeviceState, frames: [PendingFrame] = [], writes: WriteSet,
  queries: [QueryUse] = [], signals: [TimelineSignal] = [],
  _ submit: (_ fence: VkFence) -> VkResult
) {
  var completions: [Completion] = []
  if let announcement = c.pointee.announcement {
    guard announcement.queue == UInt64(UInt(bitPattern: queue.handle)) else {
      return c.pointee.malformed(opcode, "queue", "is not the one announced")
    }
    completions = announcement.completions
  }
  c.pointee.announcement = nil
  guard queue.waitForRoom(c.pointee.session.limits) else {
    if c.pointee.session.isOver { return }
    return c.pointee.session.lose(
      LostReason.noMemory,
      "\(commandDescription(opcode)): \(c.pointee.session.limits.pendingOperations) operations of "
        + "the queue wait for one another, and this node takes no more (--max-pending)")
  }
  do throws(ReplayError) {
    let fence = try device.takeFence()
    queue.expect(writes)
    device.queryGate.begin()
    let result = submit(fence)
    guard result == VK_SUCCESS else {
      device.functions.destroyFence(device.handle, fence, nil)
      return c.pointee.failed(opcode, result)
    }
    queue.enqueue(
      QueueOperation(
        opcode: opcode, since: platform_now(), fence: fence, completions: completions,
        frames: frames,
        writes: writes, queries: queries, signals: signals))
  } catch {
    c.pointee.session.lose(error.reason, error.message)
  }
}
