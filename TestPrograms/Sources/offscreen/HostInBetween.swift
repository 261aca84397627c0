import CVulkan
import Workbench

/// Submits that wait for the host in the middle: batches of one vkQueueSubmit between which the host
/// writes, and a query whose results are there although a later submit still waits for the host.
func useHostInBetween(_ device: Device) -> [UInt8] {
  guard device.features12.timelineSemaphore != 0 else { return [] }
  let semaphore = makeTimeline(device)
  let input = Buffer(device, size: 4096)
  let first = Buffer(device, size: 4096)
  let second = Buffer(device, size: 4096)
  input.write(pseudorandomWords(1024, seed: 71))

  let copies = [first, second].map { target in
    let commands = Commands(device)
    commands.begin()
    commands.copy(input, target, count: 4096)
    commands.end()
    return commands
  }
  // The first batch says 1, the second waits for 2, which the host says when it has seen 1.
  let batches = [
    batch(semaphore, copies[0], waitFor: nil, signal: 1),
    batch(semaphore, copies[1], waitFor: 2, signal: 3),
  ]
  check(vkQueueSubmit(device.queue, 2, batches, nil), "vkQueueSubmit")
  wait(device, semaphore, 1)
  var result = first.read()
  input.write(pseudorandomWords(1024, seed: 72))
  signal(device, semaphore, 2)
  wait(device, semaphore, 3)
  result += second.read()

  var info = VkQueryPoolCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
  info.queryType = VK_QUERY_TYPE_TIMESTAMP
  info.queryCount = 2
  var pool: VkQueryPool?
  check(vkCreateQueryPool(device.handle, &info, nil, &pool), "vkCreateQueryPool")
  _ = device.own(pool, vkDestroyQueryPool)
  for value in stride(from: UInt64(4), to: 10, by: 2) {
    let stamped = Commands(device)
    stamped.begin()
    vkCmdResetQueryPool(stamped.handle, pool, 0, 2)
    vkCmdWriteTimestamp(stamped.handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, 0)
    stamped.end()
    let waiting = Commands(device)
    waiting.begin()
    waiting.copy(input, first, count: 4096)
    waiting.end()
    var fence: VkFence? = device.makeFence()
    device.submit(stamped, fence: fence)
    let later = [batch(semaphore, waiting, waitFor: value, signal: value + 1)]
    check(vkQueueSubmit(device.queue, 1, later, nil), "vkQueueSubmit")
    check(vkWaitForFences(device.handle, 1, &fence, 1, forever), "vkWaitForFences")
    signal(device, semaphore, value)
    wait(device, semaphore, value + 1)
    // What is not available is left as it was.
    var words: [UInt64] = [7, 7, 7, 7]
    let flags = bits(VK_QUERY_RESULT_64_BIT) | bits(VK_QUERY_RESULT_WITH_AVAILABILITY_BIT)
    let outcome = words.withUnsafeMutableBytes { bytes in
      vkGetQueryPoolResults(
        device.handle, pool, 0, 2, bytes.count, bytes.baseAddress, 16, flags)
    }
    result += bytes(of: [
      Int64(outcome.rawValue), Int64(words[1]), Int64(words[2]), Int64(words[3]),
    ])
    result += bytes(of: [words[0] == 7 ? Int64(0) : 1])
  }
  return result
}

private func makeTimeline(_ device: Device) -> VkSemaphore? {
  var type = VkSemaphoreTypeCreateInfo()
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
  var info = VkSemaphoreCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
  info.pNext = UnsafeRawPointer(keep(type))
  var semaphore: VkSemaphore?
  check(vkCreateSemaphore(device.handle, &info, nil, &semaphore), "vkCreateSemaphore")
  return device.own(semaphore, vkDestroySemaphore)
}

private func batch(
  _ semaphore: VkSemaphore?, _ commands: Commands, waitFor: UInt64?, signal: UInt64
) -> VkSubmitInfo {
  var timeline = VkTimelineSemaphoreSubmitInfo()
  timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
  timeline.waitSemaphoreValueCount = waitFor == nil ? 0 : 1
  timeline.pWaitSemaphoreValues = keep(waitFor ?? 0)
  timeline.signalSemaphoreValueCount = 1
  timeline.pSignalSemaphoreValues = keep(signal)
  var info = VkSubmitInfo()
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
  info.pNext = UnsafeRawPointer(keep(timeline))
  info.waitSemaphoreCount = timeline.waitSemaphoreValueCount
  info.pWaitSemaphores = keep(semaphore)
  info.pWaitDstStageMask = keep(bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT))
  info.commandBufferCount = 1
  info.pCommandBuffers = keep(Optional(commands.handle))
  info.signalSemaphoreCount = 1
  info.pSignalSemaphores = keep(semaphore)
  return info
}

private func wait(_ device: Device, _ semaphore: VkSemaphore?, _ value: UInt64) {
  var info = VkSemaphoreWaitInfo()
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
  info.semaphoreCount = 1
  info.pSemaphores = keep(semaphore)
  info.pValues = keep(value)
  check(vkWaitSemaphores(device.handle, &info, forever), "vkWaitSemaphores")
}

private func signal(_ device: Device, _ semaphore: VkSemaphore?, _ value: UInt64) {
  var info = VkSemaphoreSignalInfo()
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO
  info.semaphore = semaphore
  info.value = value
  check(vkSignalSemaphore(device.handle, &info), "vkSignalSemaphore")
}
