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
  var signals: [TimelineSignal] = []
  for i in 0..<Int(a.submitCount) {
    guard let submit = a.pSubmits?[i] else { continue }
    noteSignals(
      device, submit.pNext, submit.pSignalSemaphores, submit.signalSemaphoreCount, &signals)
    for j in 0..<Int(submit.commandBufferCount) {
      commandBuffers.append(submit.pCommandBuffers?[j] ?? nil)
      device.beginQueries(submit.pCommandBuffers?[j], &queries)
    }
  }
  device.scene?.submit(commandBuffers)
  let (count, submits) = (a.submitCount, a.pSubmits)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device,
    writes: device.writes(c.pointee.session, of: commandBuffers), queries: queries, signals: signals
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
  var signals: [TimelineSignal] = []
  for i in 0..<Int(a.submitCount) {
    guard let submit = a.pSubmits?[i] else { continue }
    for j in 0..<Int(submit.signalSemaphoreInfoCount) {
      guard let info = submit.pSignalSemaphoreInfos?[j] else { continue }
      device.noteSignal(info.semaphore, info.value, &signals)
    }
    for j in 0..<Int(submit.commandBufferInfoCount) {
      commandBuffers.append(submit.pCommandBufferInfos?[j].commandBuffer)
      device.beginQueries(submit.pCommandBufferInfos?[j].commandBuffer, &queries)
    }
  }
  device.scene?.submit(commandBuffers)
  let (count, submits) = (a.submitCount, a.pSubmits)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device,
    writes: device.writes(c.pointee.session, of: commandBuffers), queries: queries, signals: signals
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
  var signals: [TimelineSignal] = []
  for i in 0..<Int(a.bindInfoCount) {
    guard let info = a.pBindInfo?[i] else { continue }
    noteSparseMemory(device, info)
    noteSignals(device, info.pNext, info.pSignalSemaphores, info.signalSemaphoreCount, &signals)
  }
  let (count, infos) = (a.bindInfoCount, a.pBindInfo)
  runOnQueue(
    c, opcode: opcode, queue: queue, device: device, writes: .nothing,
    signals: signals
  ) { fence in
    device.functions.queueBindSparse(queue.handle, count, infos, fence)
  }
}

/// Collects the values that a batch signals, from the chain of its VkSubmitInfo or VkBindSparseInfo.
private func noteSignals(
  _ device: DeviceState, _ chain: UnsafeRawPointer?, _ semaphores: UnsafePointer<VkSemaphore?>?,
  _ count: UInt32, _ signals: inout [TimelineSignal]
) {
  guard
    let info = chained(
      VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, in: chain,
      as: VkTimelineSemaphoreSubmitInfo.self
    )?.pointee
  else { return }
  for i in 0..<Int(min(count, info.signalSemaphoreValueCount)) {
    guard let value = info.pSignalSemaphoreValues?[i] else { break }
    device.noteSignal(semaphores?[i], value, &signals)
  }
}

extension DeviceState {
  /// Collects a value unless the semaphore is a binary one, which has none.
  fileprivate func noteSignal(
    _ semaphore: VkSemaphore?, _ value: UInt64, _ signals: inout [TimelineSignal]
  ) {
    guard let timeline = timelines[UInt64(UInt(bitPattern: semaphore))] else { return }
    signals.append(TimelineSignal(timeline: timeline, value: value))
  }
}

func doer_vkCreateSemaphore(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateSemaphore
) {
  let opcode = Opcode.vkCreateSemaphore
  guard let device = device(c, opcode), let id = a.ids?[0] else { return }
  guard let create = device.dispatch.pointee.vkCreateSemaphore else {
    return c.pointee.missing(opcode)
  }
  let result = create(device.handle, a.pCreateInfo, nil, a.pSemaphore)
  guard result == VK_SUCCESS, let semaphore = a.pSemaphore?.pointee else {
    return c.pointee.failed(opcode, result)
  }
  let type = chained(
    VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, in: a.pCreateInfo?.pointee.pNext,
    as: VkSemaphoreTypeCreateInfo.self)
  if type?.pointee.semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE {
    guard let destroy = device.dispatch.pointee.vkDestroySemaphore else {
      return c.pointee.missing(Opcode.vkDestroySemaphore)
    }
    let owner = device.handle
    device.timelines[UInt64(UInt(bitPattern: semaphore))] = TimelineState(handle: semaphore) {
      destroy(owner, semaphore, nil)
    }
  }
  c.pointee.insert(id, semaphore)
}

func doer_vkDestroySemaphore(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroySemaphore
) {
  let opcode = Opcode.vkDestroySemaphore
  guard let device = device(c, opcode), a.semaphore != nil else { return }
  guard let destroy = device.dispatch.pointee.vkDestroySemaphore else {
    return c.pointee.missing(opcode)
  }
  if device.timelines.removeValue(forKey: UInt64(UInt(bitPattern: a.semaphore))) == nil {
    destroy(device.handle, a.semaphore, nil)
  }
  c.pointee.forget(recordOffset: 16)
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
