import CVulkan
import Glibc
import Workbench

/// Events set by the device and by the host, with memory that the host writes before it sets one.
func useEvents(_ device: Device) -> [UInt8] {
  var info = VkEventCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO
  var event: VkEvent?
  check(vkCreateEvent(device.handle, &info, nil, &event), "vkCreateEvent")
  _ = device.own(event, vkDestroyEvent)
  var result: [Int32] = [vkGetEventStatus(device.handle, event).rawValue]
  let stage = bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)
  device.run { vkCmdSetEvent($0.handle, event, stage) }
  result.append(vkGetEventStatus(device.handle, event).rawValue)
  device.run { vkCmdResetEvent($0.handle, event, stage) }
  result.append(vkGetEventStatus(device.handle, event).rawValue)
  check(vkSetEvent(device.handle, event), "vkSetEvent")
  result.append(vkGetEventStatus(device.handle, event).rawValue)
  check(vkResetEvent(device.handle, event), "vkResetEvent")
  result.append(vkGetEventStatus(device.handle, event).rawValue)

  // The submit waits for the host, which writes its source only after the submit.
  let source = Buffer(device, size: 4096)
  let target = Buffer(device, size: 4096)
  source.write([UInt32](repeating: 1, count: 1024))
  let commands = Commands(device)
  commands.begin()
  var barrier = VkMemoryBarrier()
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
  barrier.srcAccessMask = bits(VK_ACCESS_HOST_WRITE_BIT)
  barrier.dstAccessMask = bits(VK_ACCESS_TRANSFER_READ_BIT)
  vkCmdWaitEvents(
    commands.handle, 1, &event, bits(VK_PIPELINE_STAGE_HOST_BIT),
    bits(VK_PIPELINE_STAGE_TRANSFER_BIT), 1, &barrier, 0, nil, 0, nil)
  commands.copy(source, target, count: 4096)
  commands.end()
  var fence: VkFence? = device.makeFence()
  device.submit(commands, fence: fence)
  result.append(vkWaitForFences(device.handle, 1, &fence, 1, 20_000_000).rawValue)
  source.write(pseudorandomWords(1024, seed: 41))
  check(vkSetEvent(device.handle, event), "vkSetEvent")
  check(vkWaitForFences(device.handle, 1, &fence, 1, forever), "vkWaitForFences")
  device.discard(event!)
  return bytes(of: result) + target.read()
}

/// Timeline semaphores: waits for any and all, signals by the host, values read back, submits that wait
/// for a value that the host signals after writing memory.
func useTimelines(_ device: Device) -> [UInt8] {
  guard device.features12.timelineSemaphore != 0 else { return [] }
  let semaphores: [VkSemaphore?] = [UInt64(0), 5].map { initial in
    var type = VkSemaphoreTypeCreateInfo()
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
    type.initialValue = initial
    var info = VkSemaphoreCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    info.pNext = UnsafeRawPointer(keep(type))
    var semaphore: VkSemaphore?
    check(vkCreateSemaphore(device.handle, &info, nil, &semaphore), "vkCreateSemaphore")
    return device.own(semaphore, vkDestroySemaphore)
  }
  func wait(_ values: [UInt64], any: Bool = false, _ timeout: UInt64 = forever) -> Int32 {
    var info = VkSemaphoreWaitInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
    info.flags = any ? bits(VK_SEMAPHORE_WAIT_ANY_BIT) : 0
    info.semaphoreCount = UInt32(values.count)
    info.pSemaphores = keep(semaphores)
    info.pValues = keep(values)
    return vkWaitSemaphores(device.handle, &info, timeout).rawValue
  }
  func value(_ index: Int) -> UInt64 {
    var value: UInt64 = 0
    check(
      vkGetSemaphoreCounterValue(device.handle, semaphores[index], &value),
      "vkGetSemaphoreCounterValue")
    return value
  }
  func signal(_ index: Int, _ value: UInt64) {
    var info = VkSemaphoreSignalInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO
    info.semaphore = semaphores[index]
    info.value = value
    check(vkSignalSemaphore(device.handle, &info), "vkSignalSemaphore")
  }
  /// Submits, waiting for semaphore 0 and signalling semaphore 1.
  func submit(_ commands: Commands, waitFor: UInt64, signal: UInt64) {
    var timeline = VkTimelineSemaphoreSubmitInfo()
    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
    timeline.waitSemaphoreValueCount = 1
    timeline.pWaitSemaphoreValues = keep(waitFor)
    timeline.signalSemaphoreValueCount = 1
    timeline.pSignalSemaphoreValues = keep(signal)
    var info = VkSubmitInfo()
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
    info.pNext = UnsafeRawPointer(keep(timeline))
    info.waitSemaphoreCount = 1
    info.pWaitSemaphores = keep(semaphores[0])
    info.pWaitDstStageMask = keep(bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT))
    info.commandBufferCount = 1
    info.pCommandBuffers = keep(Optional(commands.handle))
    info.signalSemaphoreCount = 1
    info.pSignalSemaphores = keep(semaphores[1])
    check(vkQueueSubmit(device.queue, 1, &info, nil), "vkQueueSubmit")
  }

  var results: [Int64] = [
    Int64(value(0)), Int64(value(1)), Int64(wait([0, 5])), Int64(wait([1, 5], 1_000_000)),
    Int64(wait([1, 5], any: true)), Int64(wait([1, 6], any: true, 0)),
  ]
  signal(0, 3)
  results += [Int64(value(0)), Int64(wait([3, 5])), Int64(wait([4, 6], 0))]

  let source = Buffer(device, size: 4096)
  let target = Buffer(device, size: 16384)
  var contents: [UInt8] = []
  for step in 0..<4 {
    let commands = Commands(device)
    commands.begin()
    commands.copy(source, target, count: 4096, to: step * 4096)
    commands.end()
    submit(commands, waitFor: UInt64(10 + step), signal: UInt64(10 + step))
    source.write(pseudorandomWords(1024, seed: UInt32(50 + step)))
    signal(0, UInt64(10 + step))
    results += [Int64(wait([0, UInt64(10 + step)])), Int64(value(1))]
    contents += target.read(at: step * 4096, count: 4096)
  }
  check(vkQueueWaitIdle(device.queue), "vkQueueWaitIdle")
  return bytes(of: results) + contents
}

/// Several submits in flight, chained by binary semaphores, with fences waited for in another order.
func keepSubmitsInFlight(_ device: Device) -> [UInt8] {
  let count = 4096
  let buffers = (0..<9).map { _ in Buffer(device, size: count * 4) }
  buffers[0].write(pseudorandomWords(count, seed: 61))
  let fences = (0..<8).map { _ in device.makeFence() }
  var results = fences.map { vkGetFenceStatus(device.handle, $0).rawValue }
  var unsignaled: VkFence? = device.makeFence()
  results.append(vkWaitForFences(device.handle, 1, &unsignaled, 1, 0).rawValue)
  results.append(vkWaitForFences(device.handle, 1, &unsignaled, 1, 2_000_000).rawValue)
  var previous: VkSemaphore?
  for index in 0..<8 {
    let mixer = Mixer(device, buffers[index], buffers[index + 1], rounds: 3)
    let commands = Commands(device)
    commands.begin()
    mixer.dispatch(commands, Mixer.Push(count: UInt32(count), seed: UInt32(index)))
    commands.end()
    var semaphoreInfo = VkSemaphoreCreateInfo()
    semaphoreInfo.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    var semaphore: VkSemaphore?
    check(vkCreateSemaphore(device.handle, &semaphoreInfo, nil, &semaphore), "vkCreateSemaphore")
    var info = VkSubmitInfo()
    info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
    info.waitSemaphoreCount = previous == nil ? 0 : 1
    info.pWaitSemaphores = keep(previous)
    info.pWaitDstStageMask = keep(bits(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT))
    info.commandBufferCount = 1
    info.pCommandBuffers = keep(Optional(commands.handle))
    info.signalSemaphoreCount = index == 7 ? 0 : 1
    info.pSignalSemaphores = keep(semaphore)
    check(vkQueueSubmit(device.queue, 1, &info, fences[index]), "vkQueueSubmit")
    previous = device.own(semaphore, vkDestroySemaphore)
  }
  var some: [VkFence?] = [unsignaled, fences[5]]
  results.append(vkWaitForFences(device.handle, 2, &some, 0, forever).rawValue)
  for index in [7, 0, 3] { device.wait(fences[index]) }
  var all = fences.map(Optional.init)
  results.append(vkWaitForFences(device.handle, 8, &all, 1, forever).rawValue)
  results += fences.map { vkGetFenceStatus(device.handle, $0).rawValue }
  check(vkResetFences(device.handle, 8, &all), "vkResetFences")
  results += fences.map { vkGetFenceStatus(device.handle, $0).rawValue }
  // A submit of nothing signals its fence.
  check(vkQueueSubmit(device.queue, 0, nil, fences[0]), "vkQueueSubmit")
  device.wait(fences[0])
  check(vkDeviceWaitIdle(device.handle), "vkDeviceWaitIdle")
  return bytes(of: results) + buffers.flatMap { $0.read() }
}

/// Four threads with pools of their own record and submit parts of one result; a lock guards the queue.
func recordInThreads(_ device: Device) -> [UInt8] {
  let perThread = 512
  let source = Buffer(device, size: 4 * perThread * 4)
  let target = Buffer(device, size: 4 * perThread * 4)
  source.write(pseudorandomWords(4 * perThread, seed: 71))
  target.write([UInt32](repeating: 0, count: 4 * perThread))
  let mixer = Mixer(device, source, target)
  let work = ThreadWork(device: device, mixer: mixer, count: UInt32(perThread))
  var threads: [pthread_t] = []
  for index in 0..<4 {
    let argument = Unmanaged.passRetained(ThreadPart(work: work, index: UInt32(index)))
    var thread = pthread_t()
    let failed = pthread_create(
      &thread, nil,
      { argument in
        let part = Unmanaged<ThreadPart>.fromOpaque(argument!).takeRetainedValue()
        part.run()
        return nil
      }, argument.toOpaque())
    if failed != 0 { fail("pthread_create") }
    threads.append(thread)
  }
  for thread in threads { pthread_join(thread, nil) }
  check(vkQueueWaitIdle(device.queue), "vkQueueWaitIdle")
  return target.read()
}

private final class ThreadWork: @unchecked Sendable {
  let device: Device
  let mixer: Mixer
  let count: UInt32
  private var lock = pthread_mutex_t()

  init(device: Device, mixer: Mixer, count: UInt32) {
    self.device = device
    self.mixer = mixer
    self.count = count
    pthread_mutex_init(&lock, nil)
  }

  func submit(_ commands: Commands, fence: VkFence) {
    pthread_mutex_lock(&lock)
    device.submit(commands, fence: fence)
    pthread_mutex_unlock(&lock)
  }
}

/// One thread's share: its quarter of the target, mixed twenty times over.
private final class ThreadPart {
  let work: ThreadWork
  let index: UInt32
  let pool: VkCommandPool
  let commands: Commands
  let fence: VkFence

  /// Makes on the caller's thread what the new one will use alone.
  init(work: ThreadWork, index: UInt32) {
    self.work = work
    self.index = index
    pool = work.device.makePool()
    commands = Commands(work.device, pool: pool)
    fence = work.device.makeFence()
  }

  func run() {
    let device = work.device
    for round in 0..<20 {
      commands.begin()
      work.mixer.dispatch(
        commands,
        Mixer.Push(
          count: work.count, seed: index * 100 + UInt32(round), first: index * work.count))
      commands.end()
      work.submit(commands, fence: fence)
      device.wait(fence)
      var handle: VkFence? = fence
      check(vkResetFences(device.handle, 1, &handle), "vkResetFences")
      check(vkResetCommandPool(device.handle, pool, 0), "vkResetCommandPool")
    }
  }
}
