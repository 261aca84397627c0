import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// What generated hooks stand on: `docs/architecture.md` §4. A hook of a command without a reply
// encodes between `beginAsync` and `endAsync`, under the channel's lock; one with a reply between
// `beginCall` and `endCall`, in memory of its own.

// MARK: Channels

/// Locks the device's channel and gives its writer; nil, unlocked, once the connection is lost.
@inline(__always)
func beginAsync(device: VkDevice?) -> UnsafeMutablePointer<Writer>? {
  begin(deviceState(of: device)?.pointee.channel)
}

@inline(__always)
func beginAsync(queue: VkQueue?) -> UnsafeMutablePointer<Writer>? {
  begin(queueState(of: queue)?.pointee.device.pointee.channel)
}

@inline(__always)
func beginAsync(commandBuffer: VkCommandBuffer?) -> UnsafeMutablePointer<Writer>? {
  begin(commandBufferState(of: commandBuffer)?.pointee.device.pointee.channel)
}

@inline(__always)
func beginAsync(physicalDevice: VkPhysicalDevice?) -> UnsafeMutablePointer<Writer>? {
  begin(physicalDeviceState(of: physicalDevice)?.pointee.connection.instanceChannel)
}

@inline(__always)
func beginAsync(instance: VkInstance?) -> UnsafeMutablePointer<Writer>? {
  begin(instanceState(of: instance)?.pointee.connection?.instanceChannel)
}

@inline(__always)
private func begin(_ channel: Channel?) -> UnsafeMutablePointer<Writer>? {
  guard let channel, let writer = channel.begin() else { return nil }
  return writer
}

/// Publishes and unlocks; VK_ERROR_DEVICE_LOST when the connection is lost.
@discardableResult
func endAsync(_ writer: UnsafeMutablePointer<Writer>) -> VkResult {
  Channel(writer: writer).end() ? VK_SUCCESS : VK_ERROR_DEVICE_LOST
}

// MARK: Calls

/// Begins a command with a reply; nil once the connection is lost.
func beginCall(device: VkDevice?, opcode: UInt32) -> Call? {
  guard let state = deviceState(of: device) else { return nil }
  return state.pointee.connection.beginCall(state.pointee.channel, opcode: opcode)
}

func beginCall(queue: VkQueue?, opcode: UInt32) -> Call? {
  guard let device = queueState(of: queue)?.pointee.device else { return nil }
  return device.pointee.connection.beginCall(device.pointee.channel, opcode: opcode)
}

func beginCall(commandBuffer: VkCommandBuffer?, opcode: UInt32) -> Call? {
  guard let device = commandBufferState(of: commandBuffer)?.pointee.device else { return nil }
  return device.pointee.connection.beginCall(device.pointee.channel, opcode: opcode)
}

func beginCall(physicalDevice: VkPhysicalDevice?, opcode: UInt32) -> Call? {
  guard let connection = physicalDeviceState(of: physicalDevice)?.pointee.connection else {
    return nil
  }
  return connection.beginCall(connection.instanceChannel, opcode: opcode)
}

func beginCall(instance: VkInstance?, opcode: UInt32) -> Call? {
  guard let connection = instanceState(of: instance)?.pointee.connection else { return nil }
  return connection.beginCall(connection.instanceChannel, opcode: opcode)
}

/// Publishes the request and waits; nil when the connection is lost.
func endCall(_ call: inout Call) -> Reader? { call.connection.endCall(call) }

/// Gives the ticket back, after the reply was decoded.
func finishCall(_ call: inout Call) { call.connection.finishCall(call) }

func beginCached(device: VkDevice?, opcode: UInt32) -> Call? {
  beginCall(device: device, opcode: opcode)
}

func beginCached(physicalDevice: VkPhysicalDevice?, opcode: UInt32) -> Call? {
  beginCall(physicalDevice: physicalDevice, opcode: opcode)
}

func beginCached(instance: VkInstance?, opcode: UInt32) -> Call? {
  beginCall(instance: instance, opcode: opcode)
}

func beginCached(queue: VkQueue?, opcode: UInt32) -> Call? {
  beginCall(queue: queue, opcode: opcode)
}

/// Like `endCall`, from the cache when the same request has been answered before.
func endCached(_ call: inout Call) -> Reader? { call.connection.endCached(call) }

// MARK: Recording

/// The command buffer's own writer: no lock, no look-up.
@inline(__always)
func recorder(_ commandBuffer: VkCommandBuffer?) -> UnsafeMutablePointer<Writer> {
  // A null handle has no meaning in any vkCmd*.
  UnsafeMutableRawPointer(commandBuffer.unsafelyUnwrapped).advanced(by: 16)
    .assumingMemoryBound(to: Writer.self)
}

// MARK: Ids

/// A new id for an object of the device; 0 when there are none left.
func makeID(_ kind: HandleKind, device: VkDevice?) -> UInt64 {
  guard let channel = deviceState(of: device)?.pointee.channel else { return 0 }
  return ObjectTable.makeID(kind, channel: channel.index)
}

/// A new id for an object of the instance level.
func makeID(_ kind: HandleKind, instance: VkInstance?) -> UInt64 {
  ObjectTable.makeID(kind, channel: 0)
}

/// Called after the creation was published.
@inline(__always)
func didCreate(_ kind: HandleKind, _ id: UInt64) {}

/// Called after the destruction was published: the index may be used again.
func didDestroy(_ kind: HandleKind, _ id: UInt64) { ObjectTable.release(id) }

/// Gives ids back that no object was made for.
func forgetIDs(_ kind: HandleKind, _ ids: UnsafeMutablePointer<UInt64>, _ count: Int) {
  var i = 0
  while i < count {
    ObjectTable.release(ids[i])
    i &+= 1
  }
}
