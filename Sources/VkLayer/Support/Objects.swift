import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Dispatchable objects: C-layout structures in malloc'ed memory whose word 0 belongs to the loader
// and whose word 1 is the id (`wireID(of:)` in Wire reads it there). They are never Swift classes:
// the loader overwrites what would be the class pointer.

/// What the loader expects in word 0 of an object that an ICD has made.
var loaderMagic: UInt { 0x01CD_C0DE }

/// A VkInstance.
struct InstanceObject {
  var loaderWord: UInt
  var id: UInt64
  /// Nil when there is no agent or no node: an instance without physical devices.
  var connection: Connection?
  var lock: Lock
  var enabled: EnabledFeatures
  /// Enumerated once, at the first question.
  var enumerated: Bool
  var physicalDeviceCount: Int
  var physicalDevices: UnsafeMutablePointer<UnsafeMutablePointer<PhysicalDeviceObject>>?
}

/// A VkPhysicalDevice of a node.
struct PhysicalDeviceObject {
  var loaderWord: UInt
  var id: UInt64
  /// Its place in the node's list.
  var index: Int
  var instance: UnsafeMutablePointer<InstanceObject>
  var connection: Connection
  /// The node's extensions that travel, and ours; nil until the first question.
  var extensions: UnsafeMutablePointer<VkExtensionProperties>?
  var extensionCount: Int
  /// Whether the node's device has VK_KHR_swapchain, which PRESENT_SRC layouts need there.
  var nodeHasSwapchain: Bool
}

/// A VkDevice.
struct DeviceObject {
  var loaderWord: UInt
  var id: UInt64
  var channel: Channel
  var connection: Connection
  var physicalDevice: UnsafeMutablePointer<PhysicalDeviceObject>
  /// What `vkGetDeviceProcAddr` answers for.
  var enabled: EnabledFeatures
  /// All queues that were asked for, newest first. Grows under the channel's lock.
  var queues: UnsafeMutablePointer<QueueObject>?
  /// Command buffers that are being recorded, and pipeline layouts that were destroyed meanwhile.
  var recording: UInt32 = 0
  var retiredLayouts = RetiredLayouts()
  /// Allocations that are mapped into this process. Under the channel's lock.
  var attached: AttachedMemories
  /// Where they are mapped; nil where address space is scarce.
  var window: MappingWindow?
  /// Queue operations so far. Under the channel's lock.
  var operations: UInt64
  var heaps: MemoryHeaps
  var shapes: ShapeCache
  var privateData: PrivateData
  /// In layer mode the device of a local driver that the loader wants to see; else nil.
  var shadow: VkDevice?
  var shadowDestroy: PFN_vkDestroyDevice?
}

/// A VkQueue.
struct QueueObject {
  var loaderWord: UInt
  var id: UInt64
  var device: UnsafeMutablePointer<DeviceObject>
  var next: UnsafeMutablePointer<QueueObject>?
  var family: UInt32
  var index: UInt32
  var flags: UInt32
  /// Holds the sequence number of the last finished queue operation.
  var slot: UInt32
  /// Sequence number of the last queue operation. Changes under the channel's lock.
  var sequence: UInt64
}

/// A VkCommandBuffer. Its recording is externally synchronised, like everything else in it.
struct CommandBufferObject {
  var loaderWord: UInt
  var id: UInt64
  /// Writes into the newest chunk; at offset 16, which `recorder` knows.
  var writer: Writer
  var device: UnsafeMutablePointer<DeviceObject>
  /// Neighbours in the list of the pool.
  var previous: UnsafeMutablePointer<CommandBufferObject>?
  var next: UnsafeMutablePointer<CommandBufferObject>?
  var chunks: ChunkList
  var isSecondary: Bool
  var isRecording: Bool
}

// MARK: From handles

/// The state behind a VkInstance of ours.
@inline(__always)
func instanceState(of instance: VkInstance?) -> UnsafeMutablePointer<InstanceObject>? {
  instance.map { UnsafeMutablePointer<InstanceObject>($0) }
}

/// The state behind a VkPhysicalDevice of ours.
@inline(__always)
func physicalDeviceState(of physicalDevice: VkPhysicalDevice?)
  -> UnsafeMutablePointer<PhysicalDeviceObject>?
{
  physicalDevice.map { UnsafeMutablePointer<PhysicalDeviceObject>($0) }
}

/// The state behind a VkDevice of ours.
@inline(__always)
func deviceState(of device: VkDevice?) -> UnsafeMutablePointer<DeviceObject>? {
  device.map { UnsafeMutablePointer<DeviceObject>($0) }
}

/// The state behind a VkQueue of ours.
@inline(__always)
func queueState(of queue: VkQueue?) -> UnsafeMutablePointer<QueueObject>? {
  queue.map { UnsafeMutablePointer<QueueObject>($0) }
}

/// The state behind a VkCommandBuffer of ours.
@inline(__always)
func commandBufferState(of commandBuffer: VkCommandBuffer?)
  -> UnsafeMutablePointer<CommandBufferObject>?
{
  commandBuffer.map { UnsafeMutablePointer<CommandBufferObject>($0) }
}

/// A dispatchable object of `type`, zeroed memory of C layout; nil when there is no memory.
func makeObject<Object>(_ object: Object) -> UnsafeMutablePointer<Object>? {
  guard let raw = platform_calloc(1, MemoryLayout<Object>.stride) else { return nil }
  let pointer = raw.bindMemory(to: Object.self, capacity: 1)
  pointer.initialize(to: object)
  return pointer
}

// MARK: Client-side state of non-dispatchable objects, in the 48 bytes of their cells

/// A VkFence. It lives on the client alone: the driver never sees one.
struct FenceState {
  /// Signalled when the slot's value is greater than `reset`.
  var slot: UInt32
  /// Value that the slot takes with the latest submit.
  var submitted: UInt64
  /// `submitted` at the latest reset.
  var reset: UInt64
  /// When the latest submit was made, `platform_now`; 0 before there is one.
  var submittedAt: UInt64 = 0
}

/// A VkSemaphore.
struct SemaphoreState {
  /// For a timeline its value's slot; `ControlField.noSlot` for a binary semaphore.
  var slot: UInt32
  /// 1 after an acquire signalled it on the client: the next wait for it is taken out.
  var acquired: UInt32
}

/// A VkDeviceMemory.
struct MemoryState {
  var size: UInt64
  /// Place in the segment, 0 while it was never mapped.
  var segmentOffset: UInt64
  /// Start of the mapping in this process.
  var base: UnsafeMutableRawPointer?
  /// `DeviceObject.operations` at the allocation.
  var operationsBefore: UInt64
  var typeIndex: UInt32
  /// 1 when a resource that the GPU may write has been bound.
  var gpuWritable: UInt32
}

/// A VkBuffer or VkImage.
struct ResourceState {
  /// Shape with its cached requirements; nil when the cache is full or off.
  var shape: UnsafeMutablePointer<Shape>?
  var usage: UInt32
  /// 1 for the images of a swapchain, which have no memory of their own.
  var isPresentable: UInt32
  /// 1 for an image that the application has made for a swapchain: another name of one of those.
  var isSwapchainName: UInt32
}

/// A VkCommandPool.
struct CommandPoolState {
  var first: UnsafeMutablePointer<CommandBufferObject>?
}

/// A VkDescriptorPool. Sets are linked by their indices.
struct DescriptorPoolState {
  var firstSet: UInt32
  var maxSets: UInt32
  var setCount: UInt32
  /// What is left of each type, and behind it what there was at the beginning.
  var left: UnsafeMutablePointer<DescriptorCounts>?
}

/// A VkDescriptorSetLayout.
struct DescriptorSetLayoutState {
  var needs: UnsafeMutablePointer<LayoutNeeds>?
}

/// A VkDescriptorSet.
struct DescriptorSetState {
  var pool: UInt64
  var previous: UInt32
  var next: UInt32
  /// What it has taken: that of its layout, with so many in the variable binding.
  var needs: UnsafeMutablePointer<LayoutNeeds>?
  var variableCount: UInt32
}

/// A VkDescriptorUpdateTemplate.
struct TemplateState {
  var template: UnsafeMutablePointer<UpdateTemplate>?
}

@inline(__always)
func fenceState(_ fence: VkFence?) -> UnsafeMutablePointer<FenceState>? {
  ObjectTable.state(of: handleID(fence), .fence)?.assumingMemoryBound(to: FenceState.self)
}

@inline(__always)
func semaphoreState(_ semaphore: VkSemaphore?) -> UnsafeMutablePointer<SemaphoreState>? {
  ObjectTable.state(of: handleID(semaphore), .semaphore)?
    .assumingMemoryBound(to: SemaphoreState.self)
}

@inline(__always)
func memoryState(_ memory: VkDeviceMemory?) -> UnsafeMutablePointer<MemoryState>? {
  ObjectTable.state(of: handleID(memory), .deviceMemory)?
    .assumingMemoryBound(to: MemoryState.self)
}

@inline(__always)
func bufferState(_ buffer: VkBuffer?) -> UnsafeMutablePointer<ResourceState>? {
  ObjectTable.state(of: handleID(buffer), .buffer)?.assumingMemoryBound(to: ResourceState.self)
}

@inline(__always)
func imageState(_ image: VkImage?) -> UnsafeMutablePointer<ResourceState>? {
  ObjectTable.state(of: handleID(image), .image)?.assumingMemoryBound(to: ResourceState.self)
}
