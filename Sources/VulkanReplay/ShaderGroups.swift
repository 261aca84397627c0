import CVulkan
import Ring
internal import Threads
import VulkanWire
import Wire

// Shader groups of ray tracing pipelines: drivers look up what a client numbers without a look at how many
// there are, and write as many handles as they are asked for.

/// How many shader groups each ray tracing pipeline of a device has, those of its libraries included. Any
/// thread: pipelines are made beside the channel's.
final class ShaderGroups: @unchecked Sendable {
  private let lock = Lock()
  private var counts: [UInt64: UInt32] = [:]
  /// Bytes of one group's handle, and of one for capture and replay.
  let handleSize: Int
  let captureReplayHandleSize: Int

  init(handleSize: Int, captureReplayHandleSize: Int) {
    self.handleSize = handleSize
    self.captureReplayHandleSize = captureReplayHandleSize
  }

  func count(of pipeline: VkPipeline?) -> UInt32 {
    lock.withLock { counts[key(pipeline)] ?? 0 }
  }

  /// Notes pipelines that were just made. Before they have ids.
  func note(_ arguments: Args_vkCreateRayTracingPipelinesKHR) {
    for i in 0..<Int(arguments.createInfoCount) {
      guard let info = arguments.pCreateInfos?[i], let pipeline = arguments.pPipelines?[i] else {
        continue
      }
      var count = info.groupCount
      if let libraries = info.pLibraryInfo?.pointee {
        for j in 0..<Int(libraries.libraryCount) {
          count = clamped(count, self.count(of: libraries.pLibraries?[j] ?? nil))
        }
      }
      lock.withLock { counts[key(pipeline)] = count }
    }
  }

  private func clamped(_ a: UInt32, _ b: UInt32) -> UInt32 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
  }

  func forget(_ pipeline: VkPipeline?) {
    lock.withLock { _ = counts.removeValue(forKey: key(pipeline)) }
  }

  private func key(_ pipeline: VkPipeline?) -> UInt64 { UInt64(UInt(bitPattern: pipeline)) }
}

func note_vkDestroyPipeline(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: Args_vkDestroyPipeline
) {
  c.pointee.device?.shaderGroups?.forget(a.pipeline)
}

extension ReplayContext {
  /// False, with the session over, when a group of a ray tracing pipeline names a stage that it lacks.
  func acceptsGroups(_ opcode: UInt32, _ info: VkRayTracingPipelineCreateInfoKHR) -> Bool {
    for i in 0..<Int(info.groupCount) {
      guard let group = info.pGroups?[i] else { break }
      let stages = [
        group.generalShader, group.closestHitShader, group.anyHitShader, group.intersectionShader,
      ]
      // VK_SHADER_UNUSED_KHR
      guard stages.allSatisfy({ $0 < info.stageCount || $0 == .max }) else {
        malformed(opcode, "pGroups", "names a stage that the pipeline does not have")
        return false
      }
    }
    return true
  }

  /// The device's groups, when those that a command names exist; else nil, with the session over.
  fileprivate func groups(
    _ opcode: UInt32, _ pipeline: VkPipeline?, _ first: UInt32, _ count: UInt32
  ) -> ShaderGroups? {
    guard let groups = device?.shaderGroups else {
      malformed(opcode, "pipeline", "is of a device without ray tracing")
      return nil
    }
    let known = groups.count(of: pipeline)
    guard first <= known, count <= known &- first else {
      malformed(opcode, "firstGroup", "and what follows are beyond the pipeline's groups")
      return nil
    }
    return groups
  }
}

func doer_vkGetRayTracingShaderGroupHandlesKHR(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetRayTracingShaderGroupHandlesKHR
) {
  let opcode = Opcode.vkGetRayTracingShaderGroupHandlesKHR
  guard let get = c.pointee.dispatch.pointee.vkGetRayTracingShaderGroupHandlesKHR else {
    return c.pointee.missing(opcode)
  }
  guard let groups = c.pointee.groups(opcode, a.pipeline, a.firstGroup, a.groupCount) else {
    return
  }
  guard a.pData != nil, a.dataSize / max(groups.handleSize, 1) >= Int(a.groupCount) else {
    return c.pointee.malformed(opcode, "dataSize", "has no room for the handles")
  }
  let result = get(a.device, a.pipeline, a.firstGroup, a.groupCount, a.dataSize, a.pData)
  encodeReply_vkGetRayTracingShaderGroupHandlesKHR(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

func doer_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR(
  _ c: UnsafeMutablePointer<ReplayContext>,
  _ a: inout Args_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR
) {
  let opcode = Opcode.vkGetRayTracingCaptureReplayShaderGroupHandlesKHR
  guard let get = c.pointee.dispatch.pointee.vkGetRayTracingCaptureReplayShaderGroupHandlesKHR
  else { return c.pointee.missing(opcode) }
  guard let groups = c.pointee.groups(opcode, a.pipeline, a.firstGroup, a.groupCount) else {
    return
  }
  guard a.pData != nil, a.dataSize / max(groups.captureReplayHandleSize, 1) >= Int(a.groupCount)
  else { return c.pointee.malformed(opcode, "dataSize", "has no room for the handles") }
  let result = get(a.device, a.pipeline, a.firstGroup, a.groupCount, a.dataSize, a.pData)
  encodeReply_vkGetRayTracingCaptureReplayShaderGroupHandlesKHR(
    &c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}

func doer_vkGetRayTracingShaderGroupStackSizeKHR(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetRayTracingShaderGroupStackSizeKHR
) {
  let opcode = Opcode.vkGetRayTracingShaderGroupStackSizeKHR
  guard let get = c.pointee.dispatch.pointee.vkGetRayTracingShaderGroupStackSizeKHR else {
    return c.pointee.missing(opcode)
  }
  guard c.pointee.groups(opcode, a.pipeline, a.group, 1) != nil else { return }
  guard a.groupShader.rawValue <= VK_SHADER_GROUP_SHADER_INTERSECTION_KHR.rawValue else {
    return c.pointee.malformed(opcode, "groupShader", "is unknown")
  }
  let result = get(a.device, a.pipeline, a.group, a.groupShader)
  encodeReply_vkGetRayTracingShaderGroupStackSizeKHR(&c.pointee.reply.writer, result, a)
  c.pointee.sendReply(a.ticket)
}
