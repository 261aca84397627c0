import CPlatform
import CVulkan
import Ring
internal import Threads
import VulkanWire
import Wire

/// A buffer or an image: what has to be known of it to find what the GPU writes.
final class ResourceState {
  /// True when its usage lets the GPU write it.
  let isWritable: Bool
  /// Size of a buffer in bytes; 0 for an image.
  let size: Int
  /// An image whose planes are bound one by one.
  let isDisjoint: Bool
  /// Where it lies, when the GPU may write it there and the application may come to read it.
  var bindings: [(memory: MemoryState, range: ByteRange)] = []

  init(isWritable: Bool, size: Int, isDisjoint: Bool = false) {
    self.isWritable = isWritable
    self.size = size
    self.isDisjoint = isDisjoint
  }

  static func canWrite(buffer usage: VkBufferUsageFlags) -> Bool {
    let reading: [VkBufferUsageFlagBits] = [
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT,
      VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
      VK_BUFFER_USAGE_VERTEX_BUFFER_BIT, VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
      VK_BUFFER_USAGE_CONDITIONAL_RENDERING_BIT_EXT,
      VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_BUILD_INPUT_READ_ONLY_BIT_KHR,
      VK_BUFFER_USAGE_SHADER_BINDING_TABLE_BIT_KHR,
      VK_BUFFER_USAGE_MICROMAP_BUILD_INPUT_READ_ONLY_BIT_EXT,
    ]
    return usage & ~reading.reduce(0) { $0 | $1.rawValue } != 0
  }

  static func canWrite(image usage: VkImageUsageFlags) -> Bool {
    let reading: [VkImageUsageFlagBits] = [
      VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_IMAGE_USAGE_SAMPLED_BIT,
      VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT, VK_IMAGE_USAGE_FRAGMENT_DENSITY_MAP_BIT_EXT,
      VK_IMAGE_USAGE_FRAGMENT_SHADING_RATE_ATTACHMENT_BIT_KHR,
    ]
    return usage & ~reading.reduce(0) { $0 | $1.rawValue } != 0
  }
}

/// The objects that a pool gives out and takes with it when it goes.
final class PoolState {
  private var children: [UInt64] = []
  private var alive = 0

  /// Notes a new child.
  func add(_ id: UInt64) {
    children.append(id)
    alive &+= 1
  }

  /// Notes that a child was freed by itself. Its id stays in the list until enough have gone: an id
  /// is never given out twice, so forgetting a dead one again does nothing.
  func freed(_ session: ReplaySession) {
    alive &-= 1
    guard children.count > 64, alive < children.count / 2 else { return }
    children.removeAll { !session.isAlive($0) }
    alive = children.count
  }

  /// Forgets all children: the pool was reset or destroyed.
  func removeAll(_ session: ReplaySession, _ device: DeviceState) {
    for id in children {
      device.forgetChild(session, id)
      session.remove(id)
    }
    children.removeAll(keepingCapacity: true)
    alive = 0
  }
}

/// A VkDevice of the client, with what its channel's thread and its queues' completion threads
/// need to know of the objects made from it. Objects are found by their driver handle.
final class DeviceState: @unchecked Sendable {
  let handle: VkDevice
  let physicalDevice: VkPhysicalDevice
  let functions: DeviceFunctions
  let dispatch: UnsafeMutablePointer<DriverDispatch>
  let memoryTypes: [VkMemoryPropertyFlags]
  /// The heap of each memory type, by its number among those of all physical devices.
  let memoryHeaps: [Int]
  /// VkPhysicalDeviceProperties.apiVersion.
  let apiVersion: UInt32
  /// Alignment that imported host memory needs; 0 when the driver cannot import any.
  let hostImportAlignment: Int
  /// Whether VK_KHR_swapchain is enabled, which names the layout that presented images are in.
  let hasPresentLayout: Bool
  /// How many queries a command may use where it names one: with multiview, one for each view.
  let queriesAtOnce: Int
  let queryGate: QueryGate
  /// Where VK_KHR_ray_tracing_pipeline is enabled.
  let shaderGroups: ShaderGroups?
  /// How many queues of each family were asked for.
  private let queueCounts: [UInt32: UInt32]

  // Of the channel's thread alone.
  var resources: [UInt64: ResourceState] = [:]
  var pools: [UInt64: PoolState] = [:]
  var queues: [UInt64: QueueState] = [:]
  /// Ids of its queues, which end with the device.
  var queueIDs: [UInt64] = []
  var swapchains: [UInt64: SwapchainState] = [:]
  var queryPools: [UInt64: QueryPoolState] = [:]
  /// Semaphores that have a value, by driver handle.
  var timelines: [UInt64: TimelineState] = [:]
  /// What recorded command buffers do to queries.
  var queryUses: [UInt64: [QueryUse]] = [:]
  // What the resources are called where the GPU writes them (`WriteNotes`); only those that lie in
  // host-visible memory.
  var imageViews: [UInt64: ResourceState] = [:]
  var bufferViews: [UInt64: (ResourceState, ByteRange)] = [:]
  var framebuffers: [UInt64: [ResourceState]] = [:]
  /// Sets with something that shaders may write.
  var descriptorSets: [UInt64: DescriptorWrites] = [:]
  /// Layouts of sets that may be updated after they were bound.
  var updatableLayouts: Set<UInt64> = []
  var commandWrites: [UInt64: CommandWrites] = [:]
  /// Finds what frames say of their geometry; nil when nobody wants to know.
  var scene: SceneObserver?
  /// Buffers that shaders may find by their address, and whether there is a shader that does.
  var addressable: [UInt64: ResourceState] = [:]
  var usesAddresses = false
  /// Sparse resources may lie anywhere in what was ever bound to one.
  var hasSparseBindings = false
  /// Allocations, by driver handle.
  private var memories: [UInt64: MemoryState] = [:]

  /// Guards what follows, which completion threads use as well.
  private let lock = Lock()
  private var attached: [MemoryState] = []
  private var completing: [QueueState] = []
  private var fences: [VkFence] = []

  init(
    handle: VkDevice, physicalDevice: VkPhysicalDevice, functions: DeviceFunctions,
    dispatch: UnsafeMutablePointer<DriverDispatch>,
    memoryTypes: [(flags: VkMemoryPropertyFlags, heap: Int)], apiVersion: UInt32,
    hostImportAlignment: Int, hasPresentLayout: Bool, queriesAtOnce: Int,
    readsQueriesAlone: Bool, shaderGroups: ShaderGroups?, queueCounts: [UInt32: UInt32]
  ) {
    self.handle = handle
    self.physicalDevice = physicalDevice
    self.functions = functions
    self.dispatch = dispatch
    self.memoryTypes = memoryTypes.map { $0.flags }
    memoryHeaps = memoryTypes.map { $0.heap }
    self.apiVersion = apiVersion
    self.hostImportAlignment = hostImportAlignment
    self.hasPresentLayout = hasPresentLayout
    self.queriesAtOnce = queriesAtOnce
    queryGate = QueryGate(isCautious: readsQueriesAlone)
    self.shaderGroups = shaderGroups
    self.queueCounts = queueCounts
  }

  func hasQueue(family: UInt32, index: UInt32) -> Bool { index < queueCounts[family] ?? 0 }

  // MARK: Memory

  func memory(_ handle: VkDeviceMemory?) -> MemoryState? {
    memories[UInt64(UInt(bitPattern: handle))]
  }

  func insertMemory(_ memory: MemoryState) {
    memories[UInt64(UInt(bitPattern: memory.handle))] = memory
  }

  func removeMemory(_ handle: VkDeviceMemory?) -> MemoryState? {
    guard let memory = memories.removeValue(forKey: UInt64(UInt(bitPattern: handle))) else {
      return nil
    }
    detach(memory)
    return memory
  }

  /// Takes back what is booked for allocations that end with the device.
  func releaseMemory(_ session: ReplaySession) {
    for memory in memories.values { session.releaseMemory(UInt64(memory.size), heap: memory.heap) }
    memories.removeAll()
  }

  /// Lets completion threads find the memory.
  func attach(_ memory: MemoryState) {
    lock.withLock { attached.append(memory) }
  }

  func detach(_ memory: MemoryState) {
    lock.withLock { attached.removeAll { $0 === memory } }
    memory.detach()
  }

  /// Brings what a finished operation may have written to mapped memory to the client.
  func deliver(_ writes: WriteSet, _ session: ReplaySession) {
    let sink = session.sink
    var pages = 0
    if writes.isEverything {
      let all = lock.withLock { attached }
      for memory in all { pages &+= memory.deliverWrites(device: self, nil, sink) }
    } else {
      for entry in writes.entries {
        pages &+= entry.memory.deliverWrites(device: self, entry.ranges, sink)
      }
    }
    sink.flushReadback()
    session.segment?.count(Counter.readbackPages, UInt64(pages))
  }

  /// Lets completion threads find a queue.
  func addCompleting(_ queue: QueueState) {
    lock.withLock { completing.append(queue) }
  }

  /// The other queues of the device.
  func queuesBeside(_ queue: QueueState) -> [QueueState] {
    lock.withLock { completing.count > 1 ? completing.filter { $0 !== queue } : [] }
  }

  /// What the execution of command buffers may write.
  func writes(_ session: ReplaySession, of commandBuffers: [VkCommandBuffer?]) -> WriteSet {
    var writes = WriteSet()
    let addressable = usesAddresses ? Array(self.addressable.values) : []
    for commandBuffer in commandBuffers {
      let key = UInt64(UInt(bitPattern: commandBuffer))
      if session.usesWriteSets, !hasSparseBindings, let noted = commandWrites[key] {
        noted.resolve(into: &writes, addressable: addressable)
      } else {
        writes.addEverything()
      }
      if writes.isEverything { break }
    }
    writes.finish()
    return writes
  }

  /// Where what is recorded into a command buffer is noted.
  func writes(recording commandBuffer: VkCommandBuffer?) -> CommandWrites {
    let key = UInt64(UInt(bitPattern: commandBuffer))
    if let known = commandWrites[key] { return known }
    let new = CommandWrites()
    commandWrites[key] = new
    return new
  }

  /// Forgets what was noted of a command buffer or descriptor set that is freed.
  func forgetChild(_ session: ReplaySession, _ id: UInt64) {
    let kind = HandleID.kind(of: id)
    guard let handle = session.handles.pointee.lookup(id, kind) else { return }
    switch kind {
    case .commandBuffer:
      commandWrites.removeValue(forKey: handle)
      scene?.forget(commands: handle)
    case .descriptorSet:
      descriptorSets.removeValue(forKey: handle)
      scene?.forget(set: handle)
    default: break
    }
  }

  // MARK: Fences of the node's own

  /// An unsignalled fence.
  func takeFence() throws(ReplayError) -> VkFence {
    if let fence = lock.withLock({ fences.popLast() }) { return fence }
    var info = VkFenceCreateInfo()
    info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO
    var fence: VkFence?
    let result = functions.createFence(handle, &info, nil, &fence)
    guard result == VK_SUCCESS, let fence else {
      throw ReplayError(
        reason: LostReason.noMemory, message: "vkCreateFence failed with \(resultName(result))")
    }
    return fence
  }

  /// Takes a fence back which is signalled, or was never submitted.
  func giveBack(_ fence: VkFence) {
    var one: VkFence? = fence
    guard functions.resetFences(handle, 1, &one) == VK_SUCCESS else {
      functions.destroyFence(handle, fence, nil)
      return
    }
    lock.withLock { fences.append(fence) }
  }

  func destroyFences() {
    for fence in lock.withLock({ fences }) { functions.destroyFence(handle, fence, nil) }
    lock.withLock { fences.removeAll() }
  }
}
