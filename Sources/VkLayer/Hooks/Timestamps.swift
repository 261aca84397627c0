import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// VK_EXT_calibrated_timestamps. The node's host clocks mean nothing here, so the device's clock is
// related to this host's: the node reads it while a request is on its way, and the answer is as good as
// the round trip was short, which the maximum deviation says.

/// The n-th time domain that is offered; nil behind the last.
private func timeDomain(_ index: Int) -> VkTimeDomainEXT? {
  switch index {
  case 0: VK_TIME_DOMAIN_DEVICE_EXT
  case 1: VK_TIME_DOMAIN_CLOCK_MONOTONIC_EXT
  default: nil
  }
}

func hook_vkGetPhysicalDeviceCalibrateableTimeDomainsEXT(
  _ physicalDevice: VkPhysicalDevice?, _ pTimeDomainCount: UnsafeMutablePointer<UInt32>?,
  _ pTimeDomains: UnsafeMutablePointer<VkTimeDomainEXT>?
) -> VkResult {
  enumerate(pTimeDomainCount, pTimeDomains) { index, place in
    guard let domain = timeDomain(index) else { return false }
    place?.pointee = domain
    return true
  }
}

func hook_vkGetCalibratedTimestampsEXT(
  _ device: VkDevice?, _ timestampCount: UInt32,
  _ pTimestampInfos: UnsafePointer<VkCalibratedTimestampInfoEXT>?,
  _ pTimestamps: UnsafeMutablePointer<UInt64>?, _ pMaxDeviation: UnsafeMutablePointer<UInt64>?
) -> VkResult {
  var asksDevice = false
  var i = 0
  while i < Int(timestampCount), let info = pTimestampInfos?[i] {
    if info.timeDomain == VK_TIME_DOMAIN_DEVICE_EXT { asksDevice = true }
    i &+= 1
  }
  let before = platform_now()
  var deviceTime: UInt64 = 0
  var deviation: UInt64 = 1
  if asksDevice {
    let result = deviceTimestamp(device, &deviceTime, &deviation)
    guard result == VK_SUCCESS else { return result }
  }
  let elapsed = platform_now() &- before
  i = 0
  while i < Int(timestampCount), let info = pTimestampInfos?[i] {
    // The node's reading lies somewhere between both of ours: the middle errs least.
    pTimestamps?[i] =
      info.timeDomain == VK_TIME_DOMAIN_DEVICE_EXT ? deviceTime : before &+ elapsed / 2
    i &+= 1
  }
  pMaxDeviation?.pointee = deviation &+ elapsed / 2 &+ 1
  return VK_SUCCESS
}

/// The device's clock, read by the node.
private func deviceTimestamp(
  _ device: VkDevice?, _ time: inout UInt64, _ deviation: inout UInt64
) -> VkResult {
  guard var call = beginCall(device: device, opcode: Opcode.vkGetCalibratedTimestampsEXT) else {
    return VK_ERROR_DEVICE_LOST
  }
  var info = VkCalibratedTimestampInfoEXT()
  info.sType = VK_STRUCTURE_TYPE_CALIBRATED_TIMESTAMP_INFO_EXT
  info.timeDomain = VK_TIME_DOMAIN_DEVICE_EXT
  encode_vkGetCalibratedTimestampsEXT(
    &call.writer.pointee, call.ticket, device, 1, &info, &time, &deviation)
  guard var reply = endCall(&call) else { return VK_ERROR_DEVICE_LOST }
  let result = decodeReply_vkGetCalibratedTimestampsEXT(&reply, 1, &time, &deviation)
  finishCall(&call)
  return result
}
