import CVulkan
import Client
import Ring
import VulkanWire
import Wire

/// The heaps of a device's memory types and their sizes, which are no larger than what the node gives.
struct MemoryHeaps {
  /// The physical device's place in the node's list.
  private let device: Int
  /// 16 heaps at most (VK_MAX_MEMORY_HEAPS), 32 types.
  var sizes = InlineArray<16, UInt64>(repeating: 0)
  var heapOfType = InlineArray<32, UInt32>(repeating: 0)
  var typeCount: UInt32 = 0

  init(device: Int) { self.device = device }

  /// The account of a memory type's heap, and the heap's size; nil for a type that there is not.
  func account(_ type: UInt32) -> (account: Int, limit: UInt64)? {
    guard type < typeCount, type < 32, heapOfType[Int(type)] < 16 else { return nil }
    let heap = Int(heapOfType[Int(type)])
    return MemoryAccounts.account(device: device, heap: heap).map { ($0, sizes[heap]) }
  }
}

/// Takes room for an allocation, which is recorded next; false when the heap has none. Without any lock: what
/// other devices have freed is waited for where it matters.
func takeMemory(
  _ device: UnsafeMutablePointer<DeviceObject>, _ size: UInt64, type: UInt32
) -> Bool {
  guard let (account, limit) = device.pointee.heaps.account(type) else { return true }
  let accounts = device.pointee.connection.accounts
  let channel = device.pointee.channel.index
  if accounts.take(size, account: account, limit: limit, channel: channel) { return true }
  guard size <= limit else { return false }
  accounts.settleOthers(than: channel) {
    waitUntilRead($0.assumingMemoryBound(to: DeviceObject.self))
  }
  return accounts.take(size, account: account, limit: limit, channel: channel)
}

/// Gives the room of an allocation back whose end was published on the device's channel.
func giveMemoryBack(
  _ device: UnsafeMutablePointer<DeviceObject>, _ size: UInt64, type: UInt32
) {
  guard let (account, _) = device.pointee.heaps.account(type) else { return }
  device.pointee.connection.accounts.giveBack(
    size, account: account, channel: device.pointee.channel.index)
}

/// Waits until the node has replayed what the device's channel has so far; false when the connection is lost.
/// The records of a channel are replayed in order, so the reply to any command will do: the status of an event
/// takes the least.
func waitUntilRead(_ state: UnsafeMutablePointer<DeviceObject>) -> Bool {
  let device = OpaquePointer(state)
  let id = makeID(.event, device: device)
  defer { didDestroy(.event, id) }
  var info = VkEventCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO
  guard id != 0, var call = beginCall(device: device, opcode: Opcode.vkGetEventStatus) else {
    return false
  }
  encode_vkCreateEvent(&call.writer.pointee, device, &info, id)
  encode_vkGetEventStatus(&call.writer.pointee, call.ticket, device, handlePointer(id))
  encode_vkDestroyEvent(&call.writer.pointee, device, handlePointer(id))
  guard var reply = endCall(&call) else { return false }
  let result = decodeReply_vkGetEventStatus(&reply)
  finishCall(&call)
  return result.rawValue >= 0
}
