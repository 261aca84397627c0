import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Queries".

/// Results come from the node without waiting there: its thread has other commands to replay, and
/// perhaps the very submit that the application waits for. VK_QUERY_RESULT_WAIT_BIT is kept here.
func hook_vkGetQueryPoolResults(
  _ device: VkDevice?, _ queryPool: VkQueryPool?, _ firstQuery: UInt32, _ queryCount: UInt32,
  _ dataSize: Int, _ pData: UnsafeMutableRawPointer?, _ stride: VkDeviceSize,
  _ flags: VkQueryResultFlags
) -> VkResult {
  let waits = flags & VK_QUERY_RESULT_WAIT_BIT.rawValue != 0
  let sent = flags & ~VK_QUERY_RESULT_WAIT_BIT.rawValue
  // What was submitted before may be all there is to wait for.
  if waits {
    let result = hook_vkDeviceWaitIdle(device)
    guard result == VK_SUCCESS else { return result }
  }
  var pause: UInt64 = 50_000
  while true {
    let opcode = Opcode.vkGetQueryPoolResults
    guard var call = beginCall(device: device, opcode: opcode) else {
      return VK_ERROR_DEVICE_LOST
    }
    encode_vkGetQueryPoolResults(
      &call.writer.pointee, call.ticket, device, queryPool, firstQuery, queryCount, dataSize,
      pData, stride, sent)
    guard var reply = endCall(&call) else { return VK_ERROR_DEVICE_LOST }
    let result = decodeReply_vkGetQueryPoolResults(&reply, dataSize, pData)
    finishCall(&call)
    guard waits, result == VK_NOT_READY else { return result }
    // Another thread has yet to submit: look again, less and less often.
    platform_sleep(pause)
    pause = min(pause &* 2, 4_000_000)
  }
}
