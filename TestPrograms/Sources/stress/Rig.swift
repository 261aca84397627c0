import CVulkan
import Glibc
import Shaders
import Workbench

/// A lock that threads take in turns.
final class Mutex: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Inside `locked`: sleeps until another thread announces a change.
  func sleep() { pthread_cond_wait(condition, mutex) }

  func announce() { pthread_cond_broadcast(condition) }
}

/// How many tasks of each lane were handed over: to their queue, or, for a visit of the host, begun. A
/// task is handed over only when all those are that it is kept behind, so that no queue ever stands
/// before a wait for something that comes later in the same queue.
final class Progress: @unchecked Sendable {
  private let mutex = Mutex()
  private var handedOver: [UInt32]

  init(lanes: Int) { handedOver = Array(repeating: 0, count: lanes) }

  func handOver(_ lane: Int, _ sequence: UInt32) {
    mutex.locked {
      handedOver[lane] = sequence
      mutex.announce()
    }
  }

  func wait(for lane: Int, _ sequence: UInt32) {
    mutex.locked {
      while handedOver[lane] < sequence { mutex.sleep() }
    }
  }
}

/// What the host still owes to submits that wait for it: signals of timelines, events to set.
///
/// A binary semaphore may be waited for only when everything has been submitted that its signal depends
/// on, and that includes what the host signals: natively such a submit stands still in vkQueueSubmit, and
/// so it would in front of the host's own signal, if one thread gave both.
final class Promises: @unchecked Sendable {
  private let mutex = Mutex()
  private var open: [UInt64] = []
  private var made: UInt64 = 0

  /// Made before the queue can see the wait.
  func make() -> UInt64 {
    mutex.locked {
      made += 1
      open.append(made)
      return made
    }
  }

  func keep(_ promise: UInt64) {
    mutex.locked {
      open.removeAll { $0 == promise }
      mutex.announce()
    }
  }

  /// Waits until all are kept that were made before the call.
  func waitForAll() {
    mutex.locked {
      let last = made
      while open.contains(where: { $0 <= last }) { mutex.sleep() }
    }
  }
}

/// A queue and the lock that its users need.
final class Queue: @unchecked Sendable {
  let handle: VkQueue
  let mutex = Mutex()

  init(_ handle: VkQueue) { self.handle = handle }
}

/// A device with what its lanes share.
final class Site: @unchecked Sendable {
  /// A page each, so that several lanes and the host write to one page only in `exchange`.
  static let cellWords = 1024

  let device: Device
  let queues: [Queue]
  let promises = Promises()
  let cells: [Buffer]
  /// Mapped: a place of input and one of output for each slot of each lane, close together.
  let exchange: Buffer
  let mixLayout: PipelineLayout
  let mix: VkPipeline
  let drawLayout: PipelineLayout

  init(_ extent: Extent, beside sibling: Site?) {
    device = Device(queueCount: extent.queuesPerDevice, beside: sibling?.device)
    guard device.features12.timelineSemaphore != 0 else { fail("no timeline semaphores") }
    queues = device.queues.map(Queue.init)
    let device = device
    cells = (0..<extent.cellsPerDevice).map { index in
      let isMapped = index < extent.mappedCells
      let cell = Buffer(device, size: Self.cellWords * 4, path: isMapped ? .coherent : .staged)
      cell.write(pseudorandomWords(Self.cellWords, seed: UInt32(index + 1)))
      return cell
    }
    exchange = Buffer(device, size: extent.lanes * Lane.depth * Slot.exchangeBytes)
    let storage = Binding(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
    mixLayout = device.makeLayout([[storage, storage]], pushBytes: 16)
    mix = device.makeComputePipeline(Shader.mixCompute, mixLayout, constant: 2)
    drawLayout = device.makeLayout([], pushBytes: 16)
  }
}

/// One thread's use of one queue. Its tasks end in order.
final class Lane: @unchecked Sendable {
  /// Tasks of a lane that may be on their way at once.
  static let depth = 3

  let site: Site
  let queue: Queue
  /// Counts the tasks that are done.
  let timeline: VkSemaphore
  /// What the host signals when it has written what submits wait for.
  let fed: VkSemaphore
  let slots: [Slot]
  let pass: ColorPass
  let draw: VkPipeline
  var feeds: UInt64 = 0
  /// Of all results so far, in their order.
  var digest: UInt64 = 0xcbf2_9ce4_8422_2325

  init(_ site: Site, _ queue: Queue, index: Int) {
    self.site = site
    self.queue = queue
    let device = site.device
    timeline = device.own(device.makeTimeline(), vkDestroySemaphore)
    fed = device.own(device.makeTimeline(), vkDestroySemaphore)
    pass = ColorPass(device, width: 32, height: 32)
    var state = GraphicsState()
    state.renderPass = pass.renderPass
    draw = device.makeGraphicsPipeline(
      vertex: Shader.flatVertex, fragment: Shader.flatFragment, site.drawLayout, state)
    slots = (0..<Self.depth).map { slot in
      Slot(site, exchangeOffset: (index * Self.depth + slot) * Slot.exchangeBytes)
    }
  }

  func fold(_ result: UInt64) {
    withUnsafeBytes(of: result.littleEndian) { bytes in
      for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
  }
}

/// What a task on its way needs for itself; used again when it is done.
final class Slot {
  static let words = 64
  /// Input, output and the results of queries.
  static let exchangeBytes = words * 4 * 2

  let pool: VkCommandPool
  let commands: Commands
  let fence: VkFence
  /// Set by the device, and by the host.
  let deviceEvent: VkEvent
  let hostEvent: VkEvent
  let set: VkDescriptorSet
  let occlusion: VkQueryPool
  let statistics: VkQueryPool?
  let times: VkQueryPool
  let inputOffset: Int
  let input: UnsafeMutablePointer<UInt32>
  let output: UnsafeMutablePointer<UInt32>
  var outputOffset: Int { inputOffset + Self.words * 4 }
  /// The task that is on its way, its fence, if it has one, and the binary semaphores that it waits for.
  var task: Int?
  var hasFence = false
  var spent: [VkSemaphore] = []

  init(_ site: Site, exchangeOffset: Int) {
    let device = site.device
    pool = device.makePool()
    commands = Commands(device, pool: pool)
    fence = device.makeFence()
    deviceEvent = device.makeEvent()
    hostEvent = device.makeEvent()
    set = device.makeSets(site.mixLayout)[0]
    occlusion = device.makeQueryPool(VK_QUERY_TYPE_OCCLUSION)
    times = device.makeQueryPool(VK_QUERY_TYPE_TIMESTAMP, count: 2)
    statistics =
      device.features.pipelineStatisticsQuery != 0
      ? device.makeQueryPool(VK_QUERY_TYPE_PIPELINE_STATISTICS) : nil
    inputOffset = exchangeOffset
    let start = site.exchange.mapped! + exchangeOffset
    input = start.assumingMemoryBound(to: UInt32.self)
    output = input + Self.words
  }
}

/// A list whose elements stay where they are, for structures that point to them.
final class List<Element: BitwiseCopyable> {
  private let capacity = 64
  let start: UnsafeMutablePointer<Element>
  private(set) var count = 0

  init() { start = .allocate(capacity: capacity) }

  func append(_ element: Element) {
    precondition(count < capacity)
    (start + count).initialize(to: element)
    count += 1
  }

  func remove(at index: Int) {
    count -= 1
    start[index] = start[count]
  }

  func removeAll() { count = 0 }
}

extension Device {
  func makeBinarySemaphore() -> VkSemaphore {
    var info = VkSemaphoreCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    var semaphore: VkSemaphore?
    check(vkCreateSemaphore(handle, &info, nil, &semaphore), "vkCreateSemaphore")
    return semaphore!
  }

  func makeTimeline() -> VkSemaphore {
    var type = VkSemaphoreTypeCreateInfo()
    type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
    type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
    var info = VkSemaphoreCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
    info.pNext = UnsafeRawPointer(keep(type))
    var semaphore: VkSemaphore?
    check(vkCreateSemaphore(handle, &info, nil, &semaphore), "vkCreateSemaphore")
    return semaphore!
  }

  func makeEvent() -> VkEvent {
    var info = VkEventCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO
    var event: VkEvent?
    check(vkCreateEvent(handle, &info, nil, &event), "vkCreateEvent")
    return own(event, vkDestroyEvent)
  }

  func makeQueryPool(_ type: VkQueryType, count: UInt32 = 1) -> VkQueryPool {
    var info = VkQueryPoolCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
    info.queryType = type
    info.queryCount = count
    if type == VK_QUERY_TYPE_PIPELINE_STATISTICS {
      info.pipelineStatistics = bits(
        VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_VERTICES_BIT,
        VK_QUERY_PIPELINE_STATISTIC_VERTEX_SHADER_INVOCATIONS_BIT,
        VK_QUERY_PIPELINE_STATISTIC_CLIPPING_INVOCATIONS_BIT)
    }
    var pool: VkQueryPool?
    check(vkCreateQueryPool(handle, &info, nil, &pool), "vkCreateQueryPool")
    return own(pool, vkDestroyQueryPool)
  }
}
