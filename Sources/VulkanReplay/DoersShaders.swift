import CVulkan
import VulkanWire
import Wire

// Doers of what brings shaders: they are looked at before the driver sees them.

func doer_vkCreateShaderModule(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateShaderModule
) {
  let opcode = Opcode.vkCreateShaderModule
  guard c.pointee.accepts(opcode, a.pCreateInfo) else { return }
  guard let create = c.pointee.dispatch.pointee.vkCreateShaderModule else {
    return c.pointee.missing(opcode)
  }
  let result = create(a.device, a.pCreateInfo, nil, a.pShaderModule)
  guard result.rawValue >= 0 else { return c.pointee.failed(opcode, result) }
  if let id = a.ids?[0] { c.pointee.insert(id, a.pShaderModule?.pointee ?? nil) }
  note_vkCreateShaderModule(c, a)
}

func doer_vkCreateRayTracingPipelinesKHR(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateRayTracingPipelinesKHR
) {
  let opcode = Opcode.vkCreateRayTracingPipelinesKHR
  for i in 0..<Int(a.createInfoCount) {
    guard let info = a.pCreateInfos?[i] else { break }
    guard c.pointee.accepts(opcode, info.pStages, info.stageCount) else { return }
  }
  guard let create = c.pointee.dispatch.pointee.vkCreateRayTracingPipelinesKHR else {
    return c.pointee.missing(opcode)
  }
  let result = create(
    a.device, a.deferredOperation, a.pipelineCache, a.createInfoCount, a.pCreateInfos, nil,
    a.pPipelines)
  if result.rawValue >= 0 { note_vkCreateRayTracingPipelinesKHR(c, a) }
  guard c.pointee.adopt(opcode, a.ticket, result, a.ids, a.idCount, a.pPipelines) else { return }
  encodeReply_vkCreateRayTracingPipelinesKHR(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

extension ReplayContext {
  /// Gives new pipelines their ids. False when there is nobody to reply to; a failure that nobody
  /// expects has ended the session then.
  fileprivate func adopt(
    _ opcode: UInt32, _ ticket: UInt32, _ result: VkResult, _ ids: UnsafePointer<UInt64>?,
    _ count: Int, _ pipelines: UnsafePointer<VkPipeline?>?
  ) -> Bool {
    if result.rawValue >= 0, let ids {
      for i in 0..<count { insert(ids[i], pipelines?[i] ?? nil) }
    }
    guard ticket != noTicket else {
      if result.rawValue < 0 { failed(opcode, result) }
      return false
    }
    return true
  }
}
