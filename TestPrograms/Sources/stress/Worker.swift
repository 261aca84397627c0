import CVulkan
import Glibc
import Workbench

/// All that the threads share.
final class Run: @unchecked Sendable {
  let extent: Extent
  let plan: Plan
  let sites: [Site]
  let lanes: [Lane]
  let progress: Progress
  /// The binary semaphores on their way from one task to another.
  let edges: UnsafeMutablePointer<VkSemaphore?>
  /// A hash for each task.
  let results: UnsafeMutablePointer<UInt64>

  init(_ extent: Extent, seed: UInt64) {
    self.extent = extent
    plan = Plan(extent, seed: seed)
    var sites: [Site] = []
    for _ in 0..<extent.devices { sites.append(Site(extent, beside: sites.first)) }
    self.sites = sites
    lanes = (0..<extent.lanes).map { index in
      let site = sites[extent.device(ofLane: index)]
      let queue = site.queues[extent.queue(ofLane: index) % extent.queuesPerDevice]
      return Lane(site, queue, index: index)
    }
    progress = Progress(lanes: extent.lanes)
    edges = .allocate(capacity: max(plan.edges, 1))
    edges.initialize(repeating: nil, count: max(plan.edges, 1))
    results = .allocate(capacity: plan.tasks.count)
    results.initialize(repeating: 0, count: plan.tasks.count)
  }

  func cell(_ index: Int32) -> Buffer {
    sites[Int(index) / extent.cellsPerDevice].cells[Int(index) % extent.cellsPerDevice]
  }
}

/// One thread: its tasks, one after the other, as many on their way as its lanes have slots for.
final class Worker {
  private let run: Run
  private let tasks: [Int]
  private let lanes: [Lane]
  /// By lane: how many of its tasks went to the queue.
  private var sent: [Int]
  // What a submit points to.
  private let waits = List<VkSemaphore?>()
  private let waitValues = List<UInt64>()
  private let waitStages = List<UInt32>()
  private let signals = List<VkSemaphore?>()
  private let signalValues = List<UInt64>()
  private let waitInfos = List<VkSemaphoreSubmitInfo>()
  private let signalInfos = List<VkSemaphoreSubmitInfo>()
  private let fences = List<VkFence?>()

  init(_ run: Run, thread: Int) {
    self.run = run
    tasks = run.plan.work[thread]
    lanes = run.lanes
    sent = Array(repeating: 0, count: run.lanes.count)
  }

  func cell(_ index: Int32) -> Buffer { run.cell(index) }

  func work() {
    for index in tasks {
      let task = run.plan.tasks[index]
      let lane = lanes[Int(task.lane)]
      if task.work == .visit {
        visit(index, task, lane)
      } else {
        send(index, task, lane)
      }
    }
    for lane in Set(tasks.map { run.plan.tasks[$0].lane }).sorted() { drain(Int(lane)) }
  }

  // MARK: A submit

  private func send(_ index: Int, _ task: Task, _ lane: Lane) {
    let slot = lane.slots[sent[Int(task.lane)] % Lane.depth]
    sent[Int(task.lane)] += 1
    retire(slot, lane)
    waitOnHost(task)
    let device = lane.site.device
    var random = Random(task.seed)
    if task.work == .feed {
      // What must not be seen, when the right words come later.
      let early = task.feeding == .beforeSubmit
      write(slot.input, words: Slot.words, seed: early ? task.seed : ~task.seed)
    }
    record(task, lane, slot, &random)
    slot.task = index
    slot.hasFence = random.below(4) != 0
    gatherSemaphores(task, lane, slot)
    let feeding = task.work == .feed ? task.feeding : .beforeSubmit
    let promise = feeding == .beforeSubmit ? nil : lane.site.promises.make()
    lane.queue.mutex.locked {
      submit(lane, slot, variant: random.below(3))
      run.progress.handOver(Int(task.lane), task.sequence)
    }
    switch feeding {
    case .beforeSubmit: break
    case .beforeSignal:
      write(slot.input, words: Slot.words, seed: task.seed)
      device.signal(lane.fed, lane.feeds)
    case .beforeEvent:
      write(slot.input, words: Slot.words, seed: task.seed)
      check(vkSetEvent(device.handle, slot.hostEvent), "vkSetEvent")
    }
    if let promise { lane.site.promises.keep(promise) }
  }

  /// Waits until everything is handed over that the task is kept behind, and until that is done which
  /// the host itself has to wait for.
  private func waitOnHost(_ task: Task) {
    for awaited in run.plan.awaited[task.awaited] {
      run.progress.wait(for: Int(awaited.lane), awaited.sequence)
    }
    waits.removeAll()
    waitValues.removeAll()
    for site in run.sites {
      for awaited in run.plan.awaited[task.awaited] where awaited.ordering == .host {
        let other = lanes[Int(awaited.lane)]
        guard other.site === site else { continue }
        waits.append(other.timeline)
        waitValues.append(UInt64(awaited.sequence))
      }
      if waits.count > 0 { site.device.wait(waits, waitValues, Patience(task.seed >> 8)) }
    }
    let awaitsBinary = run.plan.awaited[task.awaited].contains { $0.ordering == .binary }
    if awaitsBinary { lanes[Int(task.lane)].site.promises.waitForAll() }
  }

  private func gatherSemaphores(_ task: Task, _ lane: Lane, _ slot: Slot) {
    for list in [waits, signals] { list.removeAll() }
    for list in [waitValues, signalValues] { list.removeAll() }
    for awaited in run.plan.awaited[task.awaited] {
      switch awaited.ordering {
      case .host, .queue: break
      case .timeline:
        waits.append(lanes[Int(awaited.lane)].timeline)
        waitValues.append(UInt64(awaited.sequence))
      case .binary:
        let semaphore = run.edges[Int(awaited.edge)]!
        waits.append(semaphore)
        waitValues.append(0)
        slot.spent.append(semaphore)
      }
    }
    if task.work == .feed && task.feeding == .beforeSignal {
      lane.feeds += 1
      waits.append(lane.fed)
      waitValues.append(lane.feeds)
    }
    signals.append(lane.timeline)
    signalValues.append(UInt64(task.sequence))
    if task.edge >= 0 {
      let semaphore = lane.site.device.makeBinarySemaphore()
      run.edges[Int(task.edge)] = semaphore
      signals.append(semaphore)
      signalValues.append(0)
    }
  }

  /// Submits in one of three ways: a batch, a batch of waits and another of the rest, vkQueueSubmit2.
  private func submit(_ lane: Lane, _ slot: Slot, variant: Int) {
    let fence: VkFence? = slot.hasFence ? slot.fence : nil
    if variant == 2 && lane.site.device.features13.synchronization2 != 0 {
      return submit2(lane, slot, fence)
    }
    waitStages.removeAll()
    for _ in 0..<waits.count { waitStages.append(bits(VK_PIPELINE_STAGE_ALL_COMMANDS_BIT)) }
    var timeline = VkTimelineSemaphoreSubmitInfo()
    timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
    timeline.waitSemaphoreValueCount = UInt32(waits.count)
    timeline.pWaitSemaphoreValues = UnsafePointer(waitValues.start)
    timeline.signalSemaphoreValueCount = UInt32(signals.count)
    timeline.pSignalSemaphoreValues = UnsafePointer(signalValues.start)
    var commands: VkCommandBuffer? = slot.commands.handle
    withUnsafePointer(to: &timeline) { timeline in
      withUnsafePointer(to: &commands) { commands in
        var whole = VkSubmitInfo()
        whole.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
        whole.pNext = UnsafeRawPointer(timeline)
        whole.waitSemaphoreCount = UInt32(waits.count)
        whole.pWaitSemaphores = UnsafePointer(waits.start)
        whole.pWaitDstStageMask = UnsafePointer(waitStages.start)
        whole.commandBufferCount = 1
        whole.pCommandBuffers = commands
        whole.signalSemaphoreCount = UInt32(signals.count)
        whole.pSignalSemaphores = UnsafePointer(signals.start)
        if variant == 0 {
          check(vkQueueSubmit(lane.queue.handle, 1, &whole, fence), "vkQueueSubmit")
          return
        }
        var first = whole
        first.commandBufferCount = 0
        first.signalSemaphoreCount = 0
        var rest = whole
        rest.waitSemaphoreCount = 0
        let batches = (first, rest)
        withUnsafeBytes(of: batches) { batches in
          let batches = batches.bindMemory(to: VkSubmitInfo.self).baseAddress
          check(vkQueueSubmit(lane.queue.handle, 2, batches, fence), "vkQueueSubmit")
        }
      }
    }
  }

  private func submit2(_ lane: Lane, _ slot: Slot, _ fence: VkFence?) {
    func fill(
      _ infos: List<VkSemaphoreSubmitInfo>, _ semaphores: List<VkSemaphore?>, _ values: List<UInt64>
    ) {
      infos.removeAll()
      for index in 0..<semaphores.count {
        var info = VkSemaphoreSubmitInfo()
        info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO
        info.semaphore = semaphores.start[index]
        info.value = values.start[index]
        info.stageMask = 0x10000  // VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, which is not imported.
        infos.append(info)
      }
    }
    fill(waitInfos, waits, waitValues)
    fill(signalInfos, signals, signalValues)
    var commands = VkCommandBufferSubmitInfo()
    commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO
    commands.commandBuffer = slot.commands.handle
    withUnsafePointer(to: &commands) { commands in
      var info = VkSubmitInfo2()
      info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2
      info.waitSemaphoreInfoCount = UInt32(waitInfos.count)
      info.pWaitSemaphoreInfos = UnsafePointer(waitInfos.start)
      info.commandBufferInfoCount = 1
      info.pCommandBufferInfos = commands
      info.signalSemaphoreInfoCount = UInt32(signalInfos.count)
      info.pSignalSemaphoreInfos = UnsafePointer(signalInfos.start)
      check(vkQueueSubmit2(lane.queue.handle, 1, &info, fence), "vkQueueSubmit2")
    }
  }

  // MARK: A visit of the host

  /// Reads one mapped cell and changes another, when all that touched them is done.
  private func visit(_ index: Int, _ task: Task, _ lane: Lane) {
    drain(Int(task.lane))
    // lavapipe 22.3 signals the fence of a submit a moment before its timeline has the new value, and
    // then takes back what the host signalled in between.
    waits.removeAll()
    waitValues.removeAll()
    waits.append(lane.timeline)
    waitValues.append(UInt64(task.sequence) - 1)
    lane.site.device.wait(waits, waitValues, Patience(task.seed >> 32))
    for awaited in run.plan.awaited[task.awaited] {
      run.progress.wait(for: Int(awaited.lane), awaited.sequence)
    }
    let promise = lane.site.promises.make()
    // From here on submits may wait for what the host signals below.
    run.progress.handOver(Int(task.lane), task.sequence)
    waitOnHost(task)
    var random = Random(task.seed)
    let words = Slot.words
    let from = contents(cell(task.source)) + random.below(Site.cellWords - words)
    let to = contents(cell(task.target)) + random.below(Site.cellWords - words)
    var digest = Digest()
    let read = (0..<words).map { from[$0] }
    for index in 0..<words {
      digest.add(read[index])
      digest.add(to[index])
      to[index] = to[index] &* 3 ^ read[index]
    }
    finish(index, lane, digest)
    lane.site.device.signal(lane.timeline, UInt64(task.sequence))
    lane.site.promises.keep(promise)
  }

  private func contents(_ cell: Buffer) -> UnsafeMutablePointer<UInt32> {
    cell.mapped!.assumingMemoryBound(to: UInt32.self)
  }

  private func write(_ place: UnsafeMutablePointer<UInt32>, words: Int, seed: UInt64) {
    var random = Random(seed)
    for index in 0..<words { place[index] = UInt32(truncatingIfNeeded: random.next()) }
  }

  // MARK: The end of a task

  private func drain(_ lane: Int) {
    for step in 0..<Lane.depth {
      retire(lanes[lane].slots[(sent[lane] + step) % Lane.depth], lanes[lane])
    }
  }

  /// Waits for the task that a slot was last used for, takes its results and makes the slot free.
  private func retire(_ slot: Slot, _ lane: Lane) {
    guard let index = slot.task else { return }
    let task = run.plan.tasks[index]
    let device = lane.site.device
    wait(task, lane, slot)
    var digest = Digest()
    for index in 0..<Slot.words { digest.add(slot.output[index]) }
    if task.work == .draw { readQueries(device, slot, &digest) }
    if let event = slot.event(of: task) {
      if vkGetEventStatus(device.handle, event) != VK_EVENT_SET { fail("an event is not set") }
      check(vkResetEvent(device.handle, event), "vkResetEvent")
    }
    if slot.hasFence { device.reset(slot.fence) }
    for semaphore in slot.spent { vkDestroySemaphore(device.handle, semaphore, nil) }
    slot.spent.removeAll(keepingCapacity: true)
    check(vkResetCommandPool(device.handle, slot.pool, 0), "vkResetCommandPool")
    slot.task = nil
    finish(index, lane, digest)
  }

  private func wait(_ task: Task, _ lane: Lane, _ slot: Slot) {
    let device = lane.site.device
    let patience = Patience(task.seed >> 16)
    if slot.hasFence {
      fences.removeAll()
      for other in lane.slots where other.task != nil && other.hasFence {
        fences.append(other.fence)
      }
      if (task.seed >> 24) % 64 == 0 {
        lane.queue.mutex.locked { check(vkQueueWaitIdle(lane.queue.handle), "vkQueueWaitIdle") }
      }
      device.wait(slot.fence, patience, pending: fences)
    } else {
      waits.removeAll()
      waitValues.removeAll()
      waits.append(lane.timeline)
      waitValues.append(UInt64(task.sequence))
      device.wait(waits, waitValues, patience)
    }
  }

  private func readQueries(_ device: Device, _ slot: Slot, _ digest: inout Digest) {
    var values: (UInt64, UInt64, UInt64) = (0, 0, 0)
    let flags = bits(VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WAIT_BIT)
    func read(_ pool: VkQueryPool, _ count: UInt32, _ size: Int, _ stride: UInt64) {
      check(
        vkGetQueryPoolResults(device.handle, pool, 0, count, size, &values, stride, flags),
        "vkGetQueryPoolResults")
    }
    read(slot.occlusion, 1, 8, 8)
    digest.add(values.0)
    if let statistics = slot.statistics {
      read(statistics, 1, 24, 24)
      for value in [values.0, values.1, values.2] { digest.add(value) }
    }
    read(slot.times, 2, 16, 8)
    if values.0 > values.1 { fail("a timestamp runs backwards") }
  }

  private func finish(_ index: Int, _ lane: Lane, _ digest: Digest) {
    run.results[index] = digest.value
    lane.fold(digest.value)
  }
}

/// FNV-1a over words.
struct Digest {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word) {
    value = (value ^ UInt64(word)) &* 0x100_0000_01b3
  }
}
