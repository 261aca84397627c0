// Structures that name any object by its type and 64 bits. On the wire the object is its id: word 1
// of a dispatchable object of ours, the handle itself of any other. Objects that live on the client
// alone have ids that no node knows: there they are read as null, and what is said of them is left
// out.

import CVulkan
import Wire

/// The kind behind a VkObjectType; nil for objects that live on the client alone.
private func kind(_ type: VkObjectType) -> HandleKind? {
  switch type {
  case VK_OBJECT_TYPE_INSTANCE: .instance
  case VK_OBJECT_TYPE_PHYSICAL_DEVICE: .physicalDevice
  case VK_OBJECT_TYPE_DEVICE: .device
  case VK_OBJECT_TYPE_QUEUE: .queue
  case VK_OBJECT_TYPE_SEMAPHORE: .semaphore
  case VK_OBJECT_TYPE_COMMAND_BUFFER: .commandBuffer
  case VK_OBJECT_TYPE_DEVICE_MEMORY: .deviceMemory
  case VK_OBJECT_TYPE_BUFFER: .buffer
  case VK_OBJECT_TYPE_IMAGE: .image
  case VK_OBJECT_TYPE_EVENT: .event
  case VK_OBJECT_TYPE_QUERY_POOL: .queryPool
  case VK_OBJECT_TYPE_BUFFER_VIEW: .bufferView
  case VK_OBJECT_TYPE_IMAGE_VIEW: .imageView
  case VK_OBJECT_TYPE_SHADER_MODULE: .shaderModule
  case VK_OBJECT_TYPE_PIPELINE_CACHE: .pipelineCache
  case VK_OBJECT_TYPE_PIPELINE_LAYOUT: .pipelineLayout
  case VK_OBJECT_TYPE_RENDER_PASS: .renderPass
  case VK_OBJECT_TYPE_PIPELINE: .pipeline
  case VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT: .descriptorSetLayout
  case VK_OBJECT_TYPE_SAMPLER: .sampler
  case VK_OBJECT_TYPE_DESCRIPTOR_POOL: .descriptorPool
  case VK_OBJECT_TYPE_DESCRIPTOR_SET: .descriptorSet
  case VK_OBJECT_TYPE_FRAMEBUFFER: .framebuffer
  case VK_OBJECT_TYPE_COMMAND_POOL: .commandPool
  case VK_OBJECT_TYPE_SAMPLER_YCBCR_CONVERSION: .samplerYcbcrConversion
  case VK_OBJECT_TYPE_ACCELERATION_STRUCTURE_KHR: .accelerationStructure
  case VK_OBJECT_TYPE_VALIDATION_CACHE_EXT: .validationCache
  case VK_OBJECT_TYPE_MICROMAP_EXT: .micromap
  default: nil
  }
}

/// VkDebugReportObjectTypeEXT has the numbers of VkObjectType for everything of Vulkan 1.0, but not
/// for what lies between surface and the rest.
private func kind(_ type: VkDebugReportObjectTypeEXT) -> HandleKind? {
  if type.rawValue <= VK_DEBUG_REPORT_OBJECT_TYPE_COMMAND_POOL_EXT.rawValue {
    return kind(VkObjectType(rawValue: type.rawValue))
  }
  switch type {
  case VK_DEBUG_REPORT_OBJECT_TYPE_SAMPLER_YCBCR_CONVERSION_EXT: return .samplerYcbcrConversion
  case VK_DEBUG_REPORT_OBJECT_TYPE_ACCELERATION_STRUCTURE_KHR_EXT: return .accelerationStructure
  case VK_DEBUG_REPORT_OBJECT_TYPE_VALIDATION_CACHE_EXT_EXT: return .validationCache
  default: return nil
  }
}

private func encode(_ w: inout Writer, _ type: UInt32, _ kind: HandleKind?, _ object: UInt64) {
  guard let p = w.reserve(12) else { return }
  p.put32(type, 0)
  guard let kind else { return p.put64(0, 4) }
  // Dispatchable objects have the first kinds of the registry.
  p.put64(
    kind.rawValue <= HandleKind.commandBuffer.rawValue && isDispatchable(kind)
      ? wireID(of: handlePointer(object)) : object, 4)
}

private func isDispatchable(_ kind: HandleKind) -> Bool {
  kind == .instance || kind == .physicalDevice || kind == .device || kind == .queue
    || kind == .commandBuffer
}

private func decode(
  _ r: inout Reader, _ p: UnsafeRawPointer, _ kind: HandleKind?, _ field: StaticString
) -> UInt64 {
  guard let kind else { return 0 }
  return r.resolve(p + 4, kind, optional: true, field)
}

func encodeBody_VkDebugUtilsObjectNameInfoEXT(
  _ w: inout Writer, _ s: UnsafePointer<VkDebugUtilsObjectNameInfoEXT>
) {
  let type: VkObjectType = s.pointee.objectType
  encode(&w, type.rawValue, kind(type), s.pointee.objectHandle)
  w.string(s.pointee.pObjectName)
}

func decodeBody_VkDebugUtilsObjectNameInfoEXT(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkDebugUtilsObjectNameInfoEXT>
) {
  let field: StaticString = "VkDebugUtilsObjectNameInfoEXT.objectHandle"
  guard let p = r.take(12, field) else { return }
  s.pointee.objectType = VkObjectType(rawValue: p.get32(0))
  s.pointee.objectHandle = decode(&r, p, kind(s.pointee.objectType), field)
  s.pointee.pObjectName = typed(
    r.string(optional: true, "VkDebugUtilsObjectNameInfoEXT.pObjectName"))
}

func encodeBody_VkDebugUtilsObjectTagInfoEXT(
  _ w: inout Writer, _ s: UnsafePointer<VkDebugUtilsObjectTagInfoEXT>
) {
  let type: VkObjectType = s.pointee.objectType
  encode(&w, type.rawValue, kind(type), s.pointee.objectHandle)
  w.u64(s.pointee.tagName)
  w.array(s.pointee.pTag, s.pointee.tagSize, stride: 1)
}

func decodeBody_VkDebugUtilsObjectTagInfoEXT(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkDebugUtilsObjectTagInfoEXT>
) {
  let field: StaticString = "VkDebugUtilsObjectTagInfoEXT.objectHandle"
  guard let p = r.take(12, field) else { return }
  s.pointee.objectType = VkObjectType(rawValue: p.get32(0))
  s.pointee.objectHandle = decode(&r, p, kind(s.pointee.objectType), field)
  s.pointee.tagName = r.u64("VkDebugUtilsObjectTagInfoEXT.tagName")
  var found: Int = 0
  s.pointee.pTag = UnsafeRawPointer(r.array(1, "VkDebugUtilsObjectTagInfoEXT.pTag", &found))
  s.pointee.tagSize = found
}

func encodeBody_VkDebugMarkerObjectNameInfoEXT(
  _ w: inout Writer, _ s: UnsafePointer<VkDebugMarkerObjectNameInfoEXT>
) {
  let type: VkDebugReportObjectTypeEXT = s.pointee.objectType
  encode(&w, type.rawValue, kind(type), s.pointee.object)
  w.string(s.pointee.pObjectName)
}

func decodeBody_VkDebugMarkerObjectNameInfoEXT(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkDebugMarkerObjectNameInfoEXT>
) {
  let field: StaticString = "VkDebugMarkerObjectNameInfoEXT.object"
  guard let p = r.take(12, field) else { return }
  s.pointee.objectType = VkDebugReportObjectTypeEXT(rawValue: p.get32(0))
  s.pointee.object = decode(&r, p, kind(s.pointee.objectType), field)
  s.pointee.pObjectName = typed(
    r.string(optional: false, "VkDebugMarkerObjectNameInfoEXT.pObjectName"))
}

func encodeBody_VkDebugMarkerObjectTagInfoEXT(
  _ w: inout Writer, _ s: UnsafePointer<VkDebugMarkerObjectTagInfoEXT>
) {
  let type: VkDebugReportObjectTypeEXT = s.pointee.objectType
  encode(&w, type.rawValue, kind(type), s.pointee.object)
  w.u64(s.pointee.tagName)
  w.array(s.pointee.pTag, s.pointee.tagSize, stride: 1)
}

func decodeBody_VkDebugMarkerObjectTagInfoEXT(
  _ r: inout Reader, _ s: UnsafeMutablePointer<VkDebugMarkerObjectTagInfoEXT>
) {
  let field: StaticString = "VkDebugMarkerObjectTagInfoEXT.object"
  guard let p = r.take(12, field) else { return }
  s.pointee.objectType = VkDebugReportObjectTypeEXT(rawValue: p.get32(0))
  s.pointee.object = decode(&r, p, kind(s.pointee.objectType), field)
  s.pointee.tagName = r.u64("VkDebugMarkerObjectTagInfoEXT.tagName")
  var found: Int = 0
  s.pointee.pTag = UnsafeRawPointer(r.array(1, "VkDebugMarkerObjectTagInfoEXT.pTag", &found))
  s.pointee.tagSize = found
}
