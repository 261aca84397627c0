import CVulkan
import Workbench

/// Occlusion and timestamp queries, read by the host and by the device. What a timestamp says is not
/// compared, only that it is there and does not run backwards.
func runQueries(_ device: Device) -> [UInt8] {
  let scene = Scene(device)
  let occlusion = makePool(device, VK_QUERY_TYPE_OCCLUSION, count: 6)
  let times = makePool(device, VK_QUERY_TYPE_TIMESTAMP, count: 2)
  let copied = Buffer(device, size: 6 * 16)
  copied.write([UInt64](repeating: 0, count: 12))
  let precise =
    device.features.occlusionQueryPrecise != 0 ? bits(VK_QUERY_CONTROL_PRECISE_BIT) : 0
  device.run { commands in
    vkCmdResetQueryPool(commands.handle, occlusion, 0, 6)
    vkCmdResetQueryPool(commands.handle, times, 0, 2)
    vkCmdWriteTimestamp(commands.handle, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, times, 0)
    scene.beginPass(commands)
    for index in 0..<4 {
      vkCmdBeginQuery(commands.handle, occlusion, UInt32(index), precise)
      scene.draw(commands, quads: index..<index + 1)
      vkCmdEndQuery(commands.handle, occlusion, UInt32(index))
    }
    vkCmdBeginQuery(commands.handle, occlusion, 4, precise)
    vkCmdEndQuery(commands.handle, occlusion, 4)
    scene.endPass(commands)
    vkCmdWriteTimestamp(commands.handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, 1)
    vkCmdCopyQueryPoolResults(
      commands.handle, occlusion, 0, 5, copied.handle, 0, 16,
      bits(
        VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WAIT_BIT, VK_QUERY_RESULT_WITH_AVAILABILITY_BIT))
    commands.barrier()
  }
  var results = [UInt64](repeating: 0, count: 12)
  // Query 5 was never begun: its availability is 0, and its value is left as it was.
  let status = vkGetQueryPoolResults(
    device.handle, occlusion, 0, 6, 96, &results, 16,
    bits(VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WITH_AVAILABILITY_BIT))
  var stamps = [UInt64](repeating: 0, count: 2)
  let stampStatus = vkGetQueryPoolResults(
    device.handle, times, 0, 2, 16, &stamps, 8,
    bits(VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WAIT_BIT))
  var small = [UInt32](repeating: 0, count: 4)
  let smallStatus = vkGetQueryPoolResults(
    device.handle, occlusion, 0, 4, 16, &small, 4, bits(VK_QUERY_RESULT_WAIT_BIT))
  var summary = [
    UInt64(UInt32(bitPattern: status.rawValue)), UInt64(UInt32(bitPattern: stampStatus.rawValue)),
    UInt64(UInt32(bitPattern: smallStatus.rawValue)), stamps[0] <= stamps[1] ? 1 : 0,
  ]
  if device.features12.hostQueryReset != 0 {
    vkResetQueryPool(device.handle, occlusion, 0, 6)
    var again = [UInt64](repeating: 0, count: 2)
    let status = vkGetQueryPoolResults(
      device.handle, occlusion, 0, 1, 16, &again, 16,
      bits(VK_QUERY_RESULT_64_BIT, VK_QUERY_RESULT_WITH_AVAILABILITY_BIT))
    summary += [UInt64(UInt32(bitPattern: status.rawValue)), again[1]]
  }
  return bytes(of: summary) + bytes(of: results) + bytes(of: small) + copied.read()
    + scene.resultAfterPass()
}

private func makePool(_ device: Device, _ type: VkQueryType, count: UInt32) -> VkQueryPool {
  var info = VkQueryPoolCreateInfo()
  info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
  info.queryType = type
  info.queryCount = count
  var pool: VkQueryPool?
  check(vkCreateQueryPool(device.handle, &info, nil, &pool), "vkCreateQueryPool")
  return device.own(pool, vkDestroyQueryPool)
}
