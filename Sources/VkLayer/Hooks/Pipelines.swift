import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Pipelines". Creation is asynchronous, unless the application asks how it went: then the
// node's answer is waited for.

/// Flags that make VK_PIPELINE_COMPILE_REQUIRED a possible result.
private let answerFlags: UInt32 =
  VK_PIPELINE_CREATE_FAIL_ON_PIPELINE_COMPILE_REQUIRED_BIT.rawValue
  | VK_PIPELINE_CREATE_EARLY_RETURN_ON_FAILURE_BIT.rawValue

/// Whether a pipeline's chain or flags ask for the outcome of its creation.
private func asksForAnswer(_ flags: VkPipelineCreateFlags, _ chain: UnsafeRawPointer?) -> Bool {
  flags & answerFlags != 0
    || chained(VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO, in: chain) != nil
}

private func creationFeedback(_ chain: UnsafeRawPointer?)
  -> VkPipelineCreationFeedbackCreateInfo?
{
  chained(VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO, in: chain)?
    .assumingMemoryBound(to: VkPipelineCreationFeedbackCreateInfo.self).pointee
}

/// Says of a chained creation feedback that it is not valid, until the node says otherwise.
private func clearFeedback(_ chain: UnsafeRawPointer?) {
  guard let feedback = creationFeedback(chain) else { return }
  feedback.pPipelineCreationFeedback?.pointee = VkPipelineCreationFeedback()
  var i = 0
  while i < Int(feedback.pipelineStageCreationFeedbackCount) {
    feedback.pPipelineStageCreationFeedbacks?[i] = VkPipelineCreationFeedback()
    i &+= 1
  }
}

/// Reads what a reply says of one pipeline behind its result: whether it exists, and how it was made.
private func readOutcome(_ reply: inout Reader, _ chain: UnsafeRawPointer?) -> Bool {
  func one() -> VkPipelineCreationFeedback {
    let flags = reply.u32("feedback.flags")
    return VkPipelineCreationFeedback(flags: flags, duration: reply.u64("feedback.duration"))
  }
  let exists = reply.u32("reply.exists") != 0
  let feedback = creationFeedback(chain)
  let whole = one()
  feedback?.pPipelineCreationFeedback?.pointee = whole
  let stages = reply.u32("reply.stageCount")
  var i: UInt32 = 0
  while i < stages, reply.failure == nil {
    let stage = one()
    if let feedback, i < feedback.pipelineStageCreationFeedbackCount {
      feedback.pPipelineStageCreationFeedbacks?[Int(i)] = stage
    }
    i &+= 1
  }
  return exists && reply.failure == nil
}

/// Makes pipelines: ids, then one record, with or without an answer.
private func create(
  _ device: VkDevice?, _ count: Int, _ pipelines: UnsafeMutablePointer<VkPipeline?>?,
  opcode: UInt32, answer: Bool,
  chain: (Int) -> UnsafeRawPointer?,
  _ encode: (inout Writer, UInt32, UnsafePointer<UInt64>) -> Void,
  _ decode: (inout Reader) -> VkResult
) -> VkResult {
  guard let pipelines else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(count, 1)) { room in
    guard let ids = room.baseAddress else { return VK_ERROR_OUT_OF_HOST_MEMORY }
    var i = 0
    while i < count {
      ids[i] = makeID(.pipeline, device: device)
      pipelines[i] = nil
      i &+= 1
    }
    var result = VK_ERROR_DEVICE_LOST
    if answer {
      if var call = beginCall(device: device, opcode: opcode) {
        encode(&call.writer.pointee, call.ticket, ids)
        if var reply = endCall(&call) {
          result = decode(&reply)
          // With some results a part of the pipelines exists, and the application is to have it.
          let answered = Int(reply.u32("reply.count"))
          i = 0
          while i < count {
            if i < answered, readOutcome(&reply, chain(i)) {
              pipelines[i] = handlePointer(ids[i])
            } else {
              didDestroy(.pipeline, ids[i])
            }
            i &+= 1
          }
          finishCall(&call)
          return result
        }
      }
    } else if let writer = beginAsync(device: device) {
      encode(&writer.pointee, ControlField.noTicket, ids)
      result = endAsync(writer)
    }
    guard result == VK_SUCCESS else { return result }
    i = 0
    while i < count {
      pipelines[i] = handlePointer(ids[i])
      i &+= 1
    }
    return result
  }
}

/// While something is being recorded, which may name the layout, it is kept.
func hook_vkDestroyPipelineLayout(
  _ device: VkDevice?, _ pipelineLayout: VkPipelineLayout?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let pipelineLayout, let state = deviceState(of: device) else { return }
  let id = handleID(pipelineLayout)
  guard let writer = beginAsync(device: device) else { return didDestroy(.pipelineLayout, id) }
  if platform_load32_seq(&state.pointee.recording) == 0 || !state.pointee.retiredLayouts.add(id) {
    state.pointee.retiredLayouts.flush(device, into: writer)
    encode_vkDestroyPipelineLayout(&writer.pointee, device, pipelineLayout)
    didDestroy(.pipelineLayout, id)
  }
  endAsync(writer)
}

func hook_vkCreateGraphicsPipelines(
  _ device: VkDevice?, _ pipelineCache: VkPipelineCache?, _ createInfoCount: UInt32,
  _ pCreateInfos: UnsafePointer<VkGraphicsPipelineCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pPipelines: UnsafeMutablePointer<VkPipeline?>?
) -> VkResult {
  var answer = false
  var i = 0
  while i < Int(createInfoCount), let pCreateInfos {
    let chain = UnsafeRawPointer(pCreateInfos[i].pNext)
    if asksForAnswer(pCreateInfos[i].flags, chain) { answer = true }
    clearFeedback(chain)
    i &+= 1
  }
  return create(
    device, Int(createInfoCount), pPipelines, opcode: Opcode.vkCreateGraphicsPipelines,
    answer: answer, chain: { UnsafeRawPointer(pCreateInfos?[$0].pNext) },
    { writer, ticket, ids in
      encode_vkCreateGraphicsPipelines(
        &writer, ticket, device, pipelineCache, createInfoCount, pCreateInfos, ids)
    },
    { reply in decodeReply_vkCreateGraphicsPipelines(&reply) })
}

func hook_vkCreateComputePipelines(
  _ device: VkDevice?, _ pipelineCache: VkPipelineCache?, _ createInfoCount: UInt32,
  _ pCreateInfos: UnsafePointer<VkComputePipelineCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pPipelines: UnsafeMutablePointer<VkPipeline?>?
) -> VkResult {
  var answer = false
  var i = 0
  while i < Int(createInfoCount), let pCreateInfos {
    let chain = UnsafeRawPointer(pCreateInfos[i].pNext)
    if asksForAnswer(pCreateInfos[i].flags, chain) { answer = true }
    clearFeedback(chain)
    i &+= 1
  }
  return create(
    device, Int(createInfoCount), pPipelines, opcode: Opcode.vkCreateComputePipelines,
    answer: answer, chain: { UnsafeRawPointer(pCreateInfos?[$0].pNext) },
    { writer, ticket, ids in
      encode_vkCreateComputePipelines(
        &writer, ticket, device, pipelineCache, createInfoCount, pCreateInfos, ids)
    },
    { reply in decodeReply_vkCreateComputePipelines(&reply) })
}

func hook_vkCreateRayTracingPipelinesKHR(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pipelineCache: VkPipelineCache?, _ createInfoCount: UInt32,
  _ pCreateInfos: UnsafePointer<VkRayTracingPipelineCreateInfoKHR>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pPipelines: UnsafeMutablePointer<VkPipeline?>?
) -> VkResult {
  var answer = false
  var i = 0
  while i < Int(createInfoCount), let pCreateInfos {
    let chain = UnsafeRawPointer(pCreateInfos[i].pNext)
    if asksForAnswer(pCreateInfos[i].flags, chain) { answer = true }
    clearFeedback(chain)
    i &+= 1
  }
  let result = create(
    device, Int(createInfoCount), pPipelines, opcode: Opcode.vkCreateRayTracingPipelinesKHR,
    answer: answer, chain: { UnsafeRawPointer(pCreateInfos?[$0].pNext) },
    { writer, ticket, ids in
      encode_vkCreateRayTracingPipelinesKHR(
        &writer, ticket, device, nil, pipelineCache, createInfoCount, pCreateInfos, ids)
    },
    { reply in decodeReply_vkCreateRayTracingPipelinesKHR(&reply) })
  return deferredOperation != nil && result == VK_SUCCESS ? VK_OPERATION_NOT_DEFERRED_KHR : result
}
