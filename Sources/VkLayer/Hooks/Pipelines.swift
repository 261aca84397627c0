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

/// Says of every chained creation feedback that it is not valid, which an implementation may.
private func clearFeedback(_ chain: UnsafeRawPointer?) {
  guard
    let feedback = chained(
      VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO, in: chain)?
      .assumingMemoryBound(to: VkPipelineCreationFeedbackCreateInfo.self).pointee
  else { return }
  feedback.pPipelineCreationFeedback?.pointee = VkPipelineCreationFeedback()
  var i = 0
  while i < Int(feedback.pipelineStageCreationFeedbackCount) {
    feedback.pPipelineStageCreationFeedbacks?[i] = VkPipelineCreationFeedback()
    i &+= 1
  }
}

/// Makes pipelines: ids, then one record, with or without an answer.
private func create(
  _ device: VkDevice?, _ count: Int, _ pipelines: UnsafeMutablePointer<VkPipeline?>?,
  opcode: UInt32, answer: Bool,
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
          finishCall(&call)
        }
      }
    } else if let writer = beginAsync(device: device) {
      encode(&writer.pointee, ControlField.noTicket, ids)
      result = endAsync(writer)
    }
    guard result == VK_SUCCESS else {
      // Some may exist on the node; the application sees none, and the node keeps theirs.
      return result
    }
    i = 0
    while i < count {
      pipelines[i] = handlePointer(ids[i])
      i &+= 1
    }
    return result
  }
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
    answer: answer,
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
    answer: answer,
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
  // The creation is not deferred: it is complete, as VK_SUCCESS says.
  return create(
    device, Int(createInfoCount), pPipelines, opcode: Opcode.vkCreateRayTracingPipelinesKHR,
    answer: answer,
    { writer, ticket, ids in
      encode_vkCreateRayTracingPipelinesKHR(
        &writer, ticket, device, nil, pipelineCache, createInfoCount, pCreateInfos, ids)
    },
    { reply in decodeReply_vkCreateRayTracingPipelinesKHR(&reply) })
}
