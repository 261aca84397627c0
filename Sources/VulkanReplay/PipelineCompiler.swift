import CPlatform
import CVulkan
import Ring
internal import Threads
import VulkanWire
import Wire

// Pipelines take the driver milliseconds, and an application makes thousands of them while it draws.
// They are made beside the channel's thread, on as many threads as there are processors; a record
// that names a pipeline which is not made yet waits for that one alone.

/// The pipelines of a session that are being made.
final class PipelineCompiler: @unchecked Sendable {
  /// One vkCreate*Pipelines record.
  private final class Job {
    let ids: [UInt64]
    let run: () -> Void

    init(ids: [UInt64], run: @escaping () -> Void) {
      self.ids = ids
      self.run = run
    }
  }

  private let lock = Lock()
  private var queue: [Job] = []
  private var pendingIDs: Set<UInt64> = []
  private var jobs = 0
  private var threads = 0
  private let mostThreads: Int
  /// What waits for all jobs to end: the ends of shader modules that they may still read.
  private var afterwards: [() -> Void] = []
  /// Grows with every job that has ended.
  private let ended = Word()

  /// Jobs that may wait at once; a client that makes more waits itself.
  private static var mostJobs: Int { 4096 }

  init(threads: Int) { mostThreads = max(1, threads) }

  /// Makes pipelines named `ids` by calling `run` on a thread of its own, or at once when the system
  /// gives no thread.
  func start(_ ids: [UInt64], _ run: @escaping () -> Void) {
    while lock.withLock({ jobs >= PipelineCompiler.mostJobs }) { waitForAnEnd() }
    let needsThread = lock.withLock {
      queue.append(Job(ids: ids, run: run))
      pendingIDs.formUnion(ids)
      jobs += 1
      guard threads < mostThreads else { return false }
      threads += 1
      return true
    }
    guard needsThread else { return }
    if !startThread("omega-pipeline", { [self] in work() }) { work() }
  }

  private func work() {
    while true {
      let next: Job? = lock.withLock {
        if queue.isEmpty {
          threads -= 1
          return nil
        }
        return queue.removeFirst()
      }
      guard let next else { return }
      next.run()
      lock.withLock { pendingIDs.subtract(next.ids) }
      ended.bump()
      end()
    }
  }

  /// A job has ended. The last one also does what waits for all, before it counts as ended: who drains
  /// may go on to end the device.
  private func end() {
    while true {
      let rest: [() -> Void] = lock.withLock {
        if jobs > 1 || afterwards.isEmpty {
          jobs -= 1
          return []
        }
        defer { afterwards = [] }
        return afterwards
      }
      if rest.isEmpty { break }
      for action in rest { action() }
    }
    ended.bump()
  }

  private func waitForAnEnd() {
    let seen = ended.load()
    guard lock.withLock({ jobs > 0 }) else { return }
    ended.wait(while: seen, nanoseconds: 100_000_000)
  }

  /// Waits while `id` is being made.
  func wait(for id: UInt64) {
    while true {
      let seen = ended.load()
      guard lock.withLock({ pendingIDs.contains(id) }) else { return }
      ended.wait(while: seen, nanoseconds: 100_000_000)
    }
  }

  /// Waits until nothing is being made.
  func drain() {
    while lock.withLock({ jobs > 0 }) { waitForAnEnd() }
  }

  /// Calls `action` once everything that is being made now is made: at once when that is nothing.
  func afterAll(_ action: @escaping () -> Void) {
    let mustWait = lock.withLock {
      guard jobs > 0 else { return false }
      afterwards.append(action)
      return true
    }
    if !mustWait { action() }
  }
}

/// Commands that end or change what a pipeline in the making may look at: they wait for all.
let pipelineBarriers = OpcodeSet([
  Opcode.vkDestroyPipelineLayout, Opcode.vkDestroyRenderPass, Opcode.vkDestroyPipelineCache,
  Opcode.vkDestroyDescriptorSetLayout, Opcode.vkDestroyPipeline, Opcode.vkMergePipelineCaches,
  Opcode.vkGetPipelineCacheData, Opcode.vkDestroyDevice,
])

/// What the driver says of a pipeline's creation.
private struct Feedback {
  var whole: UnsafeMutablePointer<VkPipelineCreationFeedback>
  var stages: UnsafeMutablePointer<VkPipelineCreationFeedback>
  var stageCount: Int

  /// Hangs a creation feedback into a decoded chain.
  init?(
    _ record: DetachedRecord, stageCount: UInt32, chain: UnsafeMutablePointer<UnsafeRawPointer?>
  ) {
    let count = Int(min(stageCount, 64))
    guard
      let raw = record.room(
        (count &+ 1) &* MemoryLayout<VkPipelineCreationFeedback>.stride),
      let entry = record.room(MemoryLayout<VkPipelineCreationFeedbackCreateInfo>.stride)
    else { return nil }
    whole = raw.bindMemory(to: VkPipelineCreationFeedback.self, capacity: count &+ 1)
    stages = whole + 1
    self.stageCount = count
    let info = entry.bindMemory(to: VkPipelineCreationFeedbackCreateInfo.self, capacity: 1)
    info.initialize(to: VkPipelineCreationFeedbackCreateInfo())
    info.pointee.sType = VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO
    info.pointee.pNext = chain.pointee
    info.pointee.pPipelineCreationFeedback = whole
    info.pointee.pipelineStageCreationFeedbackCount = UInt32(count)
    info.pointee.pPipelineStageCreationFeedbacks = stages
    chain.pointee = UnsafeRawPointer(info)
  }
}

/// What a reply says: the result, then for each pipeline whether it exists and how it was made.
private func encodeReply(
  _ writer: inout Writer, _ opcode: UInt32, _ result: VkResult,
  _ pipelines: UnsafePointer<VkPipeline?>?, _ count: Int, _ feedback: [Feedback?]
) {
  func put(_ one: VkPipelineCreationFeedback) {
    writer.u32(one.flags)
    writer.u64(one.duration)
  }
  writer.begin(opcode)
  writer.i32(result.rawValue)
  writer.u32(UInt32(truncatingIfNeeded: count))
  for i in 0..<count {
    writer.u32(pipelines?[i] == nil ? 0 : 1)
    guard i < feedback.count, let one = feedback[i] else {
      put(VkPipelineCreationFeedback())
      writer.u32(0)
      continue
    }
    put(one.whole.pointee)
    writer.u32(UInt32(one.stageCount))
    for stage in 0..<one.stageCount { put(one.stages[stage]) }
  }
  writer.end()
}

/// Makes the pipelines of a record, on whatever thread: calls the driver, gives them their ids, and
/// replies or reports the failure.
private func finish(
  _ session: ReplaySession, _ opcode: UInt32, ticket: UInt32, ids: [UInt64],
  _ pipelines: UnsafeMutablePointer<VkPipeline?>?, _ feedback: [Feedback?], _ result: VkResult
) {
  for (i, id) in ids.enumerated() {
    guard let pipeline = pipelines?[i] else { continue }
    guard session.insert(id, UInt64(UInt(bitPattern: pipeline)), opcode) else { return }
  }
  guard ticket != noTicket else {
    if result.rawValue < 0 { session.failed(opcode, result) }
    return
  }
  session.reply(opcode, ticket: ticket) {
    encodeReply(&$0, opcode, result, pipelines, ids.count, feedback)
  }
}

// MARK: What the three commands have in common

/// How one pipeline is to be made.
protocol PipelineCreateInfo {
  var pNext: UnsafeRawPointer! { get set }
  var stageCount: UInt32 { get }
  func withStages<R>(_ body: (UnsafePointer<VkPipelineShaderStageCreateInfo>?) -> R) -> R
}

extension VkGraphicsPipelineCreateInfo: PipelineCreateInfo {
  func withStages<R>(_ body: (UnsafePointer<VkPipelineShaderStageCreateInfo>?) -> R) -> R {
    body(pStages)
  }
}

extension VkRayTracingPipelineCreateInfoKHR: PipelineCreateInfo {
  func withStages<R>(_ body: (UnsafePointer<VkPipelineShaderStageCreateInfo>?) -> R) -> R {
    body(pStages)
  }
}

extension VkComputePipelineCreateInfo: PipelineCreateInfo {
  var stageCount: UInt32 { 1 }

  func withStages<R>(_ body: (UnsafePointer<VkPipelineShaderStageCreateInfo>?) -> R) -> R {
    withUnsafePointer(to: stage) { body($0) }
  }
}

/// What a vkCreate*Pipelines record says.
protocol PipelineArguments {
  associatedtype Info: PipelineCreateInfo
  var ticket: UInt32 { get }
  var ids: UnsafePointer<UInt64>? { get }
  var idCount: Int { get }
  var device: VkDevice? { get }
  var pipelineCache: VkPipelineCache? { get }
  var createInfoCount: UInt32 { get }
  var pCreateInfos: UnsafePointer<Info>? { get }
  var pPipelines: UnsafeMutablePointer<VkPipeline?>? { get }
}

extension Args_vkCreateGraphicsPipelines: PipelineArguments {}
extension Args_vkCreateComputePipelines: PipelineArguments {}
extension Args_vkCreateRayTracingPipelinesKHR: PipelineArguments {}

/// Looks at the stages of a record's pipelines, and hands a copy of it to the compiler, which decodes
/// nothing more: `create` is the driver's call.
private func compile<Arguments: PipelineArguments>(
  _ c: UnsafeMutablePointer<ReplayContext>, _ opcode: UInt32, _ a: Arguments,
  decode: (inout Reader) -> Arguments, _ create: @escaping (Arguments) -> VkResult
) {
  for i in 0..<Int(a.createInfoCount) {
    guard let info = a.pCreateInfos?[i] else { break }
    guard info.withStages({ c.pointee.accepts(opcode, $0, info.stageCount) }) else { return }
  }
  notePipelines(c, a)
  guard let record = DetachedRecord(c), let a = record.decode(decode) else {
    return c.pointee.failed(opcode, VK_ERROR_OUT_OF_HOST_MEMORY)
  }
  let ids = (0..<a.idCount).map { a.ids?[$0] ?? 0 }
  let session = c.pointee.session
  session.compiler.start(ids) {
    guard !session.isOver else { return }
    var feedback: [Feedback?] = []
    if a.ticket != noTicket, let infos = UnsafeMutablePointer(mutating: a.pCreateInfos) {
      for i in ids.indices {
        feedback.append(
          Feedback(record, stageCount: infos[i].stageCount, chain: &infos[i].pNext))
      }
    }
    finish(
      session, opcode, ticket: a.ticket, ids: ids, a.pPipelines, feedback, create(a))
  }
}

// MARK: Doers

func doer_vkCreateGraphicsPipelines(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateGraphicsPipelines
) {
  let opcode = Opcode.vkCreateGraphicsPipelines
  guard let create = c.pointee.dispatch.pointee.vkCreateGraphicsPipelines else {
    return c.pointee.missing(opcode)
  }
  compile(c, opcode, a, decode: decode_vkCreateGraphicsPipelines) { a in
    create(a.device, a.pipelineCache, a.createInfoCount, a.pCreateInfos, nil, a.pPipelines)
  }
}

func doer_vkCreateComputePipelines(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateComputePipelines
) {
  let opcode = Opcode.vkCreateComputePipelines
  guard let create = c.pointee.dispatch.pointee.vkCreateComputePipelines else {
    return c.pointee.missing(opcode)
  }
  compile(c, opcode, a, decode: decode_vkCreateComputePipelines) { a in
    create(a.device, a.pipelineCache, a.createInfoCount, a.pCreateInfos, nil, a.pPipelines)
  }
}

/// Never deferred to the client: the node has threads of its own for it.
func doer_vkCreateRayTracingPipelinesKHR(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateRayTracingPipelinesKHR
) {
  let opcode = Opcode.vkCreateRayTracingPipelinesKHR
  guard let create = c.pointee.dispatch.pointee.vkCreateRayTracingPipelinesKHR else {
    return c.pointee.missing(opcode)
  }
  for i in 0..<Int(a.createInfoCount) {
    guard let info = a.pCreateInfos?[i] else { break }
    guard c.pointee.acceptsGroups(opcode, info) else { return }
  }
  let groups = c.pointee.device?.shaderGroups
  compile(c, opcode, a, decode: decode_vkCreateRayTracingPipelinesKHR) { a in
    let result = create(
      a.device, nil, a.pipelineCache, a.createInfoCount, a.pCreateInfos, nil, a.pPipelines)
    groups?.note(a)
    return result
  }
}

/// The driver may still be reading the module for a pipeline: its end is put off until then.
func doer_vkDestroyShaderModule(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyShaderModule
) {
  let opcode = Opcode.vkDestroyShaderModule
  guard let destroy = c.pointee.dispatch.pointee.vkDestroyShaderModule else {
    return c.pointee.missing(opcode)
  }
  let (device, module) = (a.device, a.shaderModule)
  c.pointee.session.compiler.afterAll { destroy(device, module, nil) }
  c.pointee.forget(recordOffset: 16)
}

/// Several threads use a cache at once here, whatever the application has promised of its own.
func doer_vkCreatePipelineCache(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreatePipelineCache
) {
  let opcode = Opcode.vkCreatePipelineCache
  guard let create = c.pointee.dispatch.pointee.vkCreatePipelineCache else {
    return c.pointee.missing(opcode)
  }
  guard var info = a.pCreateInfo?.pointee, let id = a.ids?[0] else { return }
  info.flags &= ~VK_PIPELINE_CACHE_CREATE_EXTERNALLY_SYNCHRONIZED_BIT.rawValue
  let result = create(a.device, &info, nil, a.pPipelineCache)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  c.pointee.insert(id, a.pPipelineCache?.pointee ?? nil)
}
