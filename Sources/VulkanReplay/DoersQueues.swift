import CVulkan
import VulkanWire
import Wire

// Doers of queue operations: the driver's call with a fence of the node's own, and the announced
// completions when it has finished.

func doer_vkQueueSubmit(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkQueueSubmit
) {
  let opcode = Opcode.vkQueueSubmit
  guard let device = device(c, opcode), let queue = queue(c, device, a.queue, opcode) else {
    return
  }
  var commandBuffers: [VkCommandBuffer?] = []
  var queries: [QueryUse] = []
  for i in 0..<Int(a.submitCount) {
    guard let submit = a.pSubmits?[i] else { continue }
    for j in 0..<Int(submit.commandBufferCount) {
      commandBuffers.append(submit.pCommandBuffers?[j] ?? nil)
      device.beginQueries(submit.pCommandBuffers?[j], &queries)
    }
  }
  let (count, submits) = (a.submitCount, a.pSubmits)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device, frames: [], completions: [],
    writes: device.writes(c.pointee.session, of: commandBuffers), queries: queries
  ) { fence in
    device.functions.queueSubmit(queue.handle, count, submits, fence)
  }
}

func doer_vkQueueSubmit2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkQueueSubmit2
) {
  let opcode = Opcode.vkQueueSubmit2
  guard let device = device(c, opcode), let queue = queue(c, device, a.queue, opcode) else {
    return
  }
  guard let submit = device.functions.queueSubmit2 else { return c.pointee.missing(opcode) }
  var commandBuffers: [VkCommandBuffer?] = []
  var queries: [QueryUse] = []
  for i in 0..<Int(a.submitCount) {
    guard let submit = a.pSubmits?[i] else { continue }
    for j in 0..<Int(submit.commandBufferInfoCount) {
      commandBuffers.append(submit.pCommandBufferInfos?[j].commandBuffer)
      device.beginQueries(submit.pCommandBufferInfos?[j].commandBuffer, &queries)
    }
  }
  let (count, submits) = (a.submitCount, a.pSubmits)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device, frames: [], completions: [],
    writes: device.writes(c.pointee.session, of: commandBuffers), queries: queries
  ) { fence in
    submit(queue.handle, count, submits, fence)
  }
}

func doer_vkQueueBindSparse(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkQueueBindSparse
) {
  let opcode = Opcode.vkQueueBindSparse
  guard let device = device(c, opcode), let queue = queue(c, device, a.queue, opcode) else {
    return
  }
  for i in 0..<Int(a.bindInfoCount) {
    if let info = a.pBindInfo?[i] { noteSparseMemory(device, info) }
  }
  let (count, infos) = (a.bindInfoCount, a.pBindInfo)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device, frames: [], completions: [], writes: .nothing
  ) { fence in
    device.functions.queueBindSparse(queue.handle, count, infos, fence)
  }
}

/// Memory that sparse resources may lie in counts as written anywhere.
private func noteSparseMemory(_ device: DeviceState, _ info: VkBindSparseInfo) {
  func note(_ memory: VkDeviceMemory?) {
    guard let state = device.memory(memory), state.isHostVisible else { return }
    state.bindWhole()
    device.hasSparseBindings = true
  }
  for i in 0..<Int(info.bufferBindCount) {
    guard let bind = info.pBufferBinds?[i] else { continue }
    for j in 0..<Int(bind.bindCount) { note(bind.pBinds?[j].memory) }
  }
  for i in 0..<Int(info.imageOpaqueBindCount) {
    guard let bind = info.pImageOpaqueBinds?[i] else { continue }
    for j in 0..<Int(bind.bindCount) { note(bind.pBinds?[j].memory) }
  }
  for i in 0..<Int(info.imageBindCount) {
    guard let bind = info.pImageBinds?[i] else { continue }
    for j in 0..<Int(bind.bindCount) { note(bind.pBinds?[j].memory) }
  }
}

private func queue(
  _ c: UnsafeMutablePointer<ReplayContext>, _ device: DeviceState, _ handle: VkQueue?,
  _ opcode: UInt32
) -> QueueState? {
  guard let queue = device.queues[UInt64(UInt(bitPattern: handle))] else {
    c.pointee.malformed(opcode, "queue", "is not of this channel's device")
    return nil
  }
  return queue
}
