import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Queue Submission". One critical section of the device's channel: the pages that were
// written, what is to be completed, the submit. Nothing is waited for.

/// Waits of a submit that no acquire has answered already. Semaphores that an acquire signalled on
/// the client never reach the node: their images are free there.
private func hasAcquired(_ semaphores: UnsafePointer<VkSemaphore?>?, _ count: UInt32) -> Bool {
  var i = 0
  while i < Int(count), let semaphores {
    if let state = semaphoreState(semaphores[i]), state.pointee.acquired != 0 { return true }
    i &+= 1
  }
  return false
}

/// Signals the acquired ones among `semaphores` on the node, where a wait for them must stay.
private func signalAcquired(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: UnsafeMutablePointer<QueueObject>,
  _ semaphores: UnsafePointer<VkSemaphore?>?, _ count: UInt32
) {
  guard hasAcquired(semaphores, count) else { return }
  writer.pointee.begin(ControlOpcode.signalSemaphores)
  writer.pointee.u64(queue.pointee.id)
  writer.pointee.u32(0)
  writer.pointee.u32(0)
  var signalled: UInt32 = 0
  var i = 0
  while i < Int(count), let semaphores {
    if takeAcquired(semaphores[i]) {
      writer.pointee.u64(handleID(semaphores[i]))
      signalled &+= 1
    }
    i &+= 1
  }
  writer.pointee.patch(16, signalled)
  writer.pointee.end()
}

/// Values that a chained VkTimelineSemaphoreSubmitInfo gives to signals.
private func timeline(_ chain: UnsafeRawPointer?)
  -> UnsafePointer<VkTimelineSemaphoreSubmitInfo>?
{
  chained(VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, in: chain)?
    .assumingMemoryBound(to: VkTimelineSemaphoreSubmitInfo.self)
}

private func announceSignals(
  _ announcement: inout Announcement, _ semaphores: UnsafePointer<VkSemaphore?>?,
  _ count: UInt32, _ values: UnsafePointer<VkTimelineSemaphoreSubmitInfo>?
) {
  var i = 0
  while i < Int(count), let semaphores {
    if let values, i < Int(values.pointee.signalSemaphoreValueCount),
      let value = values.pointee.pSignalSemaphoreValues?[i]
    {
      announcement.complete(semaphores[i], value: value)
    }
    i &+= 1
  }
}

// MARK: vkQueueSubmit

func hook_vkQueueSubmit(
  _ queue: VkQueue?, _ submitCount: UInt32, _ pSubmits: UnsafePointer<VkSubmitInfo>?,
  _ fence: VkFence?
) -> VkResult {
  guard let state = queueState(of: queue), let writer = beginAsync(queue: queue) else {
    return VK_ERROR_DEVICE_LOST
  }
  let device = state.pointee.device
  collectWrittenPages(device, into: writer)
  let count = Int(submitCount)
  forEachOperation(count) { i in
    signalsTimeline(pSubmits?[i].pSignalSemaphores, pSubmits?[i].signalSemaphoreCount)
  } _: { first, count, isLast in
    encodeOperation(
      writer, queue, state, count, pSubmits.map { $0 + first }, isLast ? fence : nil)
  }
  device.pointee.connection.segment.count(Counter.submits, 1)
  return endAsync(writer)
}

/// The node tells of an operation's completions when all of it has finished. But the host may wait
/// for a timeline value that one batch signals before it signals what the next batch waits for: an
/// operation ends with each batch that signals a timeline.
private func forEachOperation(
  _ batchCount: Int, _ endsOperation: (Int) -> Bool,
  _ body: (_ first: Int, _ count: Int, _ isLast: Bool) -> Void
) {
  var first = 0
  var end = 0
  while end < batchCount {
    end &+= 1
    if end < batchCount, endsOperation(end &- 1) {
      body(first, end &- first, false)
      first = end
    }
  }
  body(first, batchCount &- first, true)
}

private func signalsTimeline(
  _ semaphores: UnsafePointer<VkSemaphore?>?, _ count: UInt32?
) -> Bool {
  var i = 0
  while i < Int(count ?? 0) {
    if isTimeline(semaphores?[i]) { return true }
    i &+= 1
  }
  return false
}

private func isTimeline(_ semaphore: VkSemaphore?) -> Bool {
  guard let state = semaphoreState(semaphore) else { return false }
  return state.pointee.slot != ControlField.noSlot
}

private func encodeOperation(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: VkQueue?,
  _ state: UnsafeMutablePointer<QueueObject>, _ count: Int,
  _ pSubmits: UnsafePointer<VkSubmitInfo>?, _ fence: VkFence?
) {
  let submitCount = UInt32(truncatingIfNeeded: count)
  var waits = 0
  var i = 0
  while i < count, let pSubmits {
    let submit = pSubmits[i]
    if hasAcquired(submit.pWaitSemaphores, submit.waitSemaphoreCount) {
      // A chain has arrays beside the waits; rather than thin them all out, signal on the node.
      if submit.pNext != nil {
        signalAcquired(writer, state, submit.pWaitSemaphores, submit.waitSemaphoreCount)
      } else {
        waits &+= Int(submit.waitSemaphoreCount)
      }
    }
    i &+= 1
  }
  var announcement = Announcement(writer, state)
  announcement.complete(fence)
  i = 0
  while i < count, let pSubmits {
    announceSignals(
      &announcement, pSubmits[i].pSignalSemaphores, pSubmits[i].signalSemaphoreCount,
      timeline(pSubmits[i].pNext))
    i &+= 1
  }
  announcement.end()
  if waits == 0 {
    encode_vkQueueSubmit(&writer.pointee, queue, submitCount, pSubmits, nil)
  } else {
    encodeThinned(writer, queue, submitCount, pSubmits, waits)
  }
}

/// Encodes the submits without the waits that are over, of which there are at most `waits`.
private func encodeThinned(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: VkQueue?, _ submitCount: UInt32,
  _ pSubmits: UnsafePointer<VkSubmitInfo>?, _ waits: Int
) {
  let count = Int(submitCount)
  withUnsafeTemporaryAllocation(of: VkSubmitInfo.self, capacity: count) { submits in
    withUnsafeTemporaryAllocation(of: VkSemaphore?.self, capacity: waits) { semaphores in
      withUnsafeTemporaryAllocation(of: VkPipelineStageFlags.self, capacity: waits) { stages in
        var used = 0
        var i = 0
        while i < count, let pSubmits {
          var submit = pSubmits[i]
          if hasAcquired(submit.pWaitSemaphores, submit.waitSemaphoreCount) {
            let first = used
            var j = 0
            while j < Int(submit.waitSemaphoreCount), used < waits {
              let semaphore = submit.pWaitSemaphores?[j]
              if !takeAcquired(semaphore) {
                semaphores[used] = semaphore
                stages[used] = submit.pWaitDstStageMask?[j] ?? 0
                used &+= 1
              }
              j &+= 1
            }
            submit.waitSemaphoreCount = UInt32(truncatingIfNeeded: used &- first)
            submit.pWaitSemaphores = semaphores.baseAddress.map { UnsafePointer($0 + first) }
            submit.pWaitDstStageMask = stages.baseAddress.map { UnsafePointer($0 + first) }
          }
          submits[i] = submit
          i &+= 1
        }
        encode_vkQueueSubmit(
          &writer.pointee, queue, submitCount, UnsafePointer(submits.baseAddress), nil)
      }
    }
  }
}

// MARK: vkQueueSubmit2

func hook_vkQueueSubmit2(
  _ queue: VkQueue?, _ submitCount: UInt32, _ pSubmits: UnsafePointer<VkSubmitInfo2>?,
  _ fence: VkFence?
) -> VkResult {
  guard let state = queueState(of: queue), let writer = beginAsync(queue: queue) else {
    return VK_ERROR_DEVICE_LOST
  }
  let device = state.pointee.device
  collectWrittenPages(device, into: writer)
  forEachOperation(Int(submitCount)) { i in
    var j = 0
    while j < Int(pSubmits?[i].signalSemaphoreInfoCount ?? 0) {
      if isTimeline(pSubmits?[i].pSignalSemaphoreInfos?[j].semaphore) { return true }
      j &+= 1
    }
    return false
  } _: { first, count, isLast in
    encodeOperation(
      writer, queue, state, UInt32(truncatingIfNeeded: count), pSubmits.map { $0 + first },
      isLast ? fence : nil)
  }
  device.pointee.connection.segment.count(Counter.submits, 1)
  return endAsync(writer)
}

private func encodeOperation(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: VkQueue?,
  _ state: UnsafeMutablePointer<QueueObject>, _ submitCount: UInt32,
  _ pSubmits: UnsafePointer<VkSubmitInfo2>?, _ fence: VkFence?
) {
  var announcement = Announcement(writer, state)
  announcement.complete(fence)
  var waits = 0
  var i = 0
  while i < Int(submitCount), let pSubmits {
    let submit = pSubmits[i]
    var j = 0
    while j < Int(submit.signalSemaphoreInfoCount), let info = submit.pSignalSemaphoreInfos?[j] {
      announcement.complete(info.semaphore, value: info.value)
      j &+= 1
    }
    if hasAcquired(submit) { waits &+= Int(submit.waitSemaphoreInfoCount) }
    i &+= 1
  }
  announcement.end()
  if waits == 0 {
    encode_vkQueueSubmit2(&writer.pointee, queue, submitCount, pSubmits, nil)
  } else {
    encodeThinned(writer, queue, submitCount, pSubmits, waits)
  }
}

private func hasAcquired(_ submit: VkSubmitInfo2) -> Bool {
  var i = 0
  while i < Int(submit.waitSemaphoreInfoCount), let info = submit.pWaitSemaphoreInfos?[i] {
    if let state = semaphoreState(info.semaphore), state.pointee.acquired != 0 { return true }
    i &+= 1
  }
  return false
}

private func encodeThinned(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: VkQueue?, _ submitCount: UInt32,
  _ pSubmits: UnsafePointer<VkSubmitInfo2>?, _ waits: Int
) {
  let count = Int(submitCount)
  withUnsafeTemporaryAllocation(of: VkSubmitInfo2.self, capacity: count) { submits in
    withUnsafeTemporaryAllocation(of: VkSemaphoreSubmitInfo.self, capacity: waits) { infos in
      var used = 0
      var i = 0
      while i < count, let pSubmits {
        var submit = pSubmits[i]
        if hasAcquired(submit) {
          let first = used
          var j = 0
          while j < Int(submit.waitSemaphoreInfoCount), used < waits,
            let info = submit.pWaitSemaphoreInfos?[j]
          {
            if !takeAcquired(info.semaphore) {
              infos[used] = info
              used &+= 1
            }
            j &+= 1
          }
          submit.waitSemaphoreInfoCount = UInt32(truncatingIfNeeded: used &- first)
          submit.pWaitSemaphoreInfos = infos.baseAddress.map { UnsafePointer($0 + first) }
        }
        submits[i] = submit
        i &+= 1
      }
      encode_vkQueueSubmit2(
        &writer.pointee, queue, submitCount, UnsafePointer(submits.baseAddress), nil)
    }
  }
}

// MARK: vkQueueBindSparse

func hook_vkQueueBindSparse(
  _ queue: VkQueue?, _ bindInfoCount: UInt32, _ pBindInfo: UnsafePointer<VkBindSparseInfo>?,
  _ fence: VkFence?
) -> VkResult {
  guard let state = queueState(of: queue), let writer = beginAsync(queue: queue) else {
    return VK_ERROR_DEVICE_LOST
  }
  forEachOperation(Int(bindInfoCount)) { i in
    signalsTimeline(pBindInfo?[i].pSignalSemaphores, pBindInfo?[i].signalSemaphoreCount)
  } _: { first, count, isLast in
    encodeOperation(
      writer, queue, state, UInt32(truncatingIfNeeded: count), pBindInfo.map { $0 + first },
      isLast ? fence : nil)
  }
  return endAsync(writer)
}

private func encodeOperation(
  _ writer: UnsafeMutablePointer<Writer>, _ queue: VkQueue?,
  _ state: UnsafeMutablePointer<QueueObject>, _ bindInfoCount: UInt32,
  _ pBindInfo: UnsafePointer<VkBindSparseInfo>?, _ fence: VkFence?
) {
  var i = 0
  while i < Int(bindInfoCount), let info = pBindInfo?[i] {
    signalAcquired(writer, state, info.pWaitSemaphores, info.waitSemaphoreCount)
    i &+= 1
  }
  var announcement = Announcement(writer, state)
  announcement.complete(fence)
  i = 0
  while i < Int(bindInfoCount), let info = pBindInfo?[i] {
    announceSignals(
      &announcement, info.pSignalSemaphores, info.signalSemaphoreCount, timeline(info.pNext))
    i &+= 1
  }
  announcement.end()
  encode_vkQueueBindSparse(&writer.pointee, queue, bindInfoCount, pBindInfo, nil)
}
