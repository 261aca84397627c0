import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Resource Creation" and "Resource Memory Association": buffers and images, whose memory
// requirements are asked once per shape.

/// Usages through which the GPU may write a buffer.
private let writableBufferUsage: UInt32 =
  VK_BUFFER_USAGE_TRANSFER_DST_BIT.rawValue
  | VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT.rawValue
  | VK_BUFFER_USAGE_STORAGE_BUFFER_BIT.rawValue
  | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.rawValue
  | VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_BUFFER_BIT_EXT.rawValue
  | VK_BUFFER_USAGE_TRANSFORM_FEEDBACK_COUNTER_BUFFER_BIT_EXT.rawValue
  | VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_STORAGE_BIT_KHR.rawValue
  | VK_BUFFER_USAGE_MICROMAP_STORAGE_BIT_EXT.rawValue

/// Usages through which the GPU may write an image.
private let writableImageUsage: UInt32 =
  VK_IMAGE_USAGE_TRANSFER_DST_BIT.rawValue
  | VK_IMAGE_USAGE_STORAGE_BIT.rawValue
  | VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT.rawValue
  | VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT.rawValue
  | VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT.rawValue
  | VK_IMAGE_USAGE_INPUT_ATTACHMENT_BIT.rawValue

/// The shape of a creation record that was just encoded: everything behind header and id.
private func shape(
  _ state: UnsafeMutablePointer<DeviceObject>, _ writer: UnsafeMutablePointer<Writer>
) -> UnsafeMutablePointer<Shape>? {
  let count = writer.pointee.cursor - writer.pointee.record
  guard !writer.pointee.failed, count > 16 else { return nil }
  // The opcode belongs to the key: buffer and image records could look alike.
  let key = writer.pointee.record
  let opcode = key.load(as: UInt32.self)
  key.storeBytes(of: opcode, toByteOffset: 8, as: UInt32.self)
  key.storeBytes(of: 0, toByteOffset: 12, as: UInt32.self)
  return state.pointee.shapes.shape(UnsafeRawBufferPointer(start: key + 8, count: count &- 8))
}

// MARK: Buffers

func hook_vkCreateBuffer(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkBufferCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, _ pBuffer: UnsafeMutablePointer<VkBuffer?>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pCreateInfo?.pointee, let pBuffer else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  let id = makeID(.buffer, device: device)
  guard id != 0, let buffer = bufferState(handlePointer(id)) else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateBuffer(&writer.pointee, device, pCreateInfo, id)
  buffer.pointee.shape = shape(state, writer)
  patchID(writer, id)
  buffer.pointee.usage = info.usage
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pBuffer.pointee = handlePointer(id)
  return VK_SUCCESS
}

/// Puts the id back that `shape` has overwritten.
private func patchID(_ writer: UnsafeMutablePointer<Writer>, _ id: UInt64) {
  writer.pointee.patch(8, UInt32(truncatingIfNeeded: id))
  writer.pointee.patch(12, UInt32(truncatingIfNeeded: id &>> 32))
}

func hook_vkDestroyBuffer(
  _ device: VkDevice?, _ buffer: VkBuffer?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let buffer else { return }
  if let writer = beginAsync(device: device) {
    encode_vkDestroyBuffer(&writer.pointee, device, buffer)
    endAsync(writer)
  }
  didDestroy(.buffer, handleID(buffer))
}

func hook_vkGetBufferMemoryRequirements(
  _ device: VkDevice?, _ buffer: VkBuffer?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements>?
) {
  var info = VkBufferMemoryRequirementsInfo2()
  info.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2
  info.buffer = buffer
  var requirements = VkMemoryRequirements2()
  requirements.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2
  hook_vkGetBufferMemoryRequirements2(device, &info, &requirements)
  pMemoryRequirements?.pointee = requirements.memoryRequirements
}

func hook_vkGetBufferMemoryRequirements2(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkBufferMemoryRequirementsInfo2>?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements2>?
) {
  guard let pInfo, let out = pMemoryRequirements else { return }
  let shape = bufferState(pInfo.pointee.buffer)?.pointee.shape
  requirements(device, shape, out) { all in
    let opcode = Opcode.vkGetBufferMemoryRequirements2
    guard var call = beginCall(device: device, opcode: opcode) else { return false }
    encode_vkGetBufferMemoryRequirements2(&call.writer.pointee, call.ticket, device, pInfo, all)
    guard var reply = endCall(&call) else { return false }
    decodeReply_vkGetBufferMemoryRequirements2(&reply, all)
    finishCall(&call)
    return reply.failure == nil
  }
}

/// Answers from the shape, or asks the node and remembers.
private func requirements(
  _ device: VkDevice?, _ shape: UnsafeMutablePointer<Shape>?,
  _ out: UnsafeMutablePointer<VkMemoryRequirements2>,
  _ ask: (UnsafeMutablePointer<VkMemoryRequirements2>) -> Bool
) {
  guard let state = deviceState(of: device) else { return }
  var found = VkMemoryRequirements()
  var prefers: VkBool32 = 0
  var requires: VkBool32 = 0
  if !state.pointee.shapes.requirements(shape, &found, &prefers, &requires) {
    var dedicated = VkMemoryDedicatedRequirements()
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS
    withUnsafeMutablePointer(to: &dedicated) { chained in
      var all = VkMemoryRequirements2()
      all.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2
      all.pNext = UnsafeMutableRawPointer(chained)
      guard ask(&all) else { return }
      found = all.memoryRequirements
      prefers = chained.pointee.prefersDedicatedAllocation
      requires = chained.pointee.requiresDedicatedAllocation
      state.pointee.shapes.setRequirements(shape, found, prefers, requires)
    }
  }
  out.pointee.memoryRequirements = found
  var next = out.pointee.pNext
  while let entry = next?.assumingMemoryBound(to: VkBaseOutStructure.self) {
    if entry.pointee.sType == VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS {
      let dedicated = UnsafeMutableRawPointer(entry)
        .assumingMemoryBound(to: VkMemoryDedicatedRequirements.self)
      dedicated.pointee.prefersDedicatedAllocation = prefers
      dedicated.pointee.requiresDedicatedAllocation = requires
    }
    next = entry.pointee.pNext.map { UnsafeMutableRawPointer($0) }
  }
}

func hook_vkBindBufferMemory(
  _ device: VkDevice?, _ buffer: VkBuffer?, _ memory: VkDeviceMemory?,
  _ memoryOffset: VkDeviceSize
) -> VkResult {
  noteBinding(bufferState(buffer), writableBufferUsage, memory)
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkBindBufferMemory(&writer.pointee, device, buffer, memory, memoryOffset)
  return endAsync(writer)
}

func hook_vkBindBufferMemory2(
  _ device: VkDevice?, _ bindInfoCount: UInt32,
  _ pBindInfos: UnsafePointer<VkBindBufferMemoryInfo>?
) -> VkResult {
  var i = 0
  while i < Int(bindInfoCount), let info = pBindInfos?[i] {
    noteBinding(bufferState(info.buffer), writableBufferUsage, info.memory)
    i &+= 1
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkBindBufferMemory2(&writer.pointee, device, bindInfoCount, pBindInfos)
  return endAsync(writer)
}

/// Remembers whether the GPU may write the memory through this resource.
private func noteBinding(
  _ resource: UnsafeMutablePointer<ResourceState>?, _ writableUsage: UInt32,
  _ memory: VkDeviceMemory?
) {
  guard let known = memoryState(memory) else { return }
  guard let resource, resource.pointee.usage & writableUsage == 0 else {
    known.pointee.gpuWritable = 1
    return
  }
}

// MARK: Images

func hook_vkCreateImage(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkImageCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?, _ pImage: UnsafeMutablePointer<VkImage?>?
) -> VkResult {
  guard let state = deviceState(of: device), let info = pCreateInfo?.pointee, let pImage else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  if let swapchain = swapchain(ofNewImage: info) {
    return makeImage(device, for: swapchain, usage: info.usage, pImage)
  }
  let id = makeID(.image, device: device)
  guard id != 0, let image = imageState(handlePointer(id)) else {
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateImage(&writer.pointee, device, pCreateInfo, id)
  image.pointee.shape = shape(state, writer)
  patchID(writer, id)
  image.pointee.usage = info.usage
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pImage.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyImage(
  _ device: VkDevice?, _ image: VkImage?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let image, !destroySwapchainName(device, image) else { return }
  if let writer = beginAsync(device: device) {
    encode_vkDestroyImage(&writer.pointee, device, image)
    endAsync(writer)
  }
  didDestroy(.image, handleID(image))
}

func hook_vkGetImageMemoryRequirements(
  _ device: VkDevice?, _ image: VkImage?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements>?
) {
  var info = VkImageMemoryRequirementsInfo2()
  info.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2
  info.image = image
  var requirements = VkMemoryRequirements2()
  requirements.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2
  hook_vkGetImageMemoryRequirements2(device, &info, &requirements)
  pMemoryRequirements?.pointee = requirements.memoryRequirements
}

func hook_vkGetImageMemoryRequirements2(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkImageMemoryRequirementsInfo2>?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements2>?
) {
  guard let pInfo, let out = pMemoryRequirements else { return }
  // A chain names a plane; the shape knows the image as a whole.
  let shape =
    pInfo.pointee.pNext == nil ? imageState(pInfo.pointee.image)?.pointee.shape : nil
  requirements(device, shape, out) { all in
    let opcode = Opcode.vkGetImageMemoryRequirements2
    guard var call = beginCall(device: device, opcode: opcode) else { return false }
    encode_vkGetImageMemoryRequirements2(&call.writer.pointee, call.ticket, device, pInfo, all)
    guard var reply = endCall(&call) else { return false }
    decodeReply_vkGetImageMemoryRequirements2(&reply, all)
    finishCall(&call)
    return reply.failure == nil
  }
}

func hook_vkGetImageSparseMemoryRequirements(
  _ device: VkDevice?, _ image: VkImage?,
  _ pSparseMemoryRequirementCount: UnsafeMutablePointer<UInt32>?,
  _ pSparseMemoryRequirements: UnsafeMutablePointer<VkSparseImageMemoryRequirements>?
) {
  let opcode = Opcode.vkGetImageSparseMemoryRequirements
  guard var call = beginCall(device: device, opcode: opcode) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  encode_vkGetImageSparseMemoryRequirements(
    &call.writer.pointee, call.ticket, device, image, pSparseMemoryRequirementCount,
    pSparseMemoryRequirements)
  guard var reply = endCall(&call) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  decodeReply_vkGetImageSparseMemoryRequirements(
    &reply, pSparseMemoryRequirementCount, pSparseMemoryRequirements)
  finishCall(&call)
}

func hook_vkGetImageSparseMemoryRequirements2(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkImageSparseMemoryRequirementsInfo2>?,
  _ pSparseMemoryRequirementCount: UnsafeMutablePointer<UInt32>?,
  _ pSparseMemoryRequirements: UnsafeMutablePointer<VkSparseImageMemoryRequirements2>?
) {
  let opcode = Opcode.vkGetImageSparseMemoryRequirements2
  guard var call = beginCall(device: device, opcode: opcode) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  encode_vkGetImageSparseMemoryRequirements2(
    &call.writer.pointee, call.ticket, device, pInfo, pSparseMemoryRequirementCount,
    pSparseMemoryRequirements)
  guard var reply = endCall(&call) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  decodeReply_vkGetImageSparseMemoryRequirements2(
    &reply, pSparseMemoryRequirementCount, pSparseMemoryRequirements)
  finishCall(&call)
}

func hook_vkGetImageSubresourceLayout(
  _ device: VkDevice?, _ image: VkImage?, _ pSubresource: UnsafePointer<VkImageSubresource>?,
  _ pLayout: UnsafeMutablePointer<VkSubresourceLayout>?
) {
  guard let state = deviceState(of: device), let pSubresource, let pLayout else { return }
  let shape = imageState(image)?.pointee.shape
  if let known = state.pointee.shapes.layout(shape, pSubresource.pointee) {
    pLayout.pointee = known
    return
  }
  let opcode = Opcode.vkGetImageSubresourceLayout
  guard var call = beginCall(device: device, opcode: opcode) else { return }
  encode_vkGetImageSubresourceLayout(
    &call.writer.pointee, call.ticket, device, image, pSubresource, pLayout)
  guard var reply = endCall(&call) else { return }
  decodeReply_vkGetImageSubresourceLayout(&reply, pLayout)
  finishCall(&call)
  guard reply.failure == nil else { return }
  state.pointee.shapes.setLayout(shape, pSubresource.pointee, pLayout.pointee)
}

func hook_vkBindImageMemory(
  _ device: VkDevice?, _ image: VkImage?, _ memory: VkDeviceMemory?, _ memoryOffset: VkDeviceSize
) -> VkResult {
  noteBinding(imageState(image), writableImageUsage, memory)
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkBindImageMemory(&writer.pointee, device, image, memory, memoryOffset)
  return endAsync(writer)
}

func hook_vkBindImageMemory2(
  _ device: VkDevice?, _ bindInfoCount: UInt32,
  _ pBindInfos: UnsafePointer<VkBindImageMemoryInfo>?
) -> VkResult {
  guard let pBindInfos else { return VK_SUCCESS }
  return bindImages(device, pBindInfos, Int(bindInfoCount)) { infos, count in
    var i = 0
    while i < count {
      noteBinding(imageState(infos[i].image), writableImageUsage, infos[i].memory)
      i &+= 1
    }
    guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
    encode_vkBindImageMemory2(
      &writer.pointee, device, UInt32(truncatingIfNeeded: count), infos)
    return endAsync(writer)
  }
}

// MARK: Requirements of what is not made yet

func hook_vkGetDeviceBufferMemoryRequirements(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkDeviceBufferMemoryRequirements>?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements2>?
) {
  let opcode = Opcode.vkGetDeviceBufferMemoryRequirements
  guard var call = beginCached(device: device, opcode: opcode) else { return }
  encode_vkGetDeviceBufferMemoryRequirements(
    &call.writer.pointee, call.ticket, device, pInfo, pMemoryRequirements)
  guard var reply = endCached(&call) else { return }
  decodeReply_vkGetDeviceBufferMemoryRequirements(&reply, pMemoryRequirements)
  finishCall(&call)
}

func hook_vkGetDeviceImageMemoryRequirements(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkDeviceImageMemoryRequirements>?,
  _ pMemoryRequirements: UnsafeMutablePointer<VkMemoryRequirements2>?
) {
  let opcode = Opcode.vkGetDeviceImageMemoryRequirements
  guard var call = beginCached(device: device, opcode: opcode) else { return }
  encode_vkGetDeviceImageMemoryRequirements(
    &call.writer.pointee, call.ticket, device, pInfo, pMemoryRequirements)
  guard var reply = endCached(&call) else { return }
  decodeReply_vkGetDeviceImageMemoryRequirements(&reply, pMemoryRequirements)
  finishCall(&call)
}

func hook_vkGetDeviceImageSparseMemoryRequirements(
  _ device: VkDevice?, _ pInfo: UnsafePointer<VkDeviceImageMemoryRequirements>?,
  _ pSparseMemoryRequirementCount: UnsafeMutablePointer<UInt32>?,
  _ pSparseMemoryRequirements: UnsafeMutablePointer<VkSparseImageMemoryRequirements2>?
) {
  let opcode = Opcode.vkGetDeviceImageSparseMemoryRequirements
  guard var call = beginCached(device: device, opcode: opcode) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  encode_vkGetDeviceImageSparseMemoryRequirements(
    &call.writer.pointee, call.ticket, device, pInfo, pSparseMemoryRequirementCount,
    pSparseMemoryRequirements)
  guard var reply = endCached(&call) else {
    pSparseMemoryRequirementCount?.pointee = 0
    return
  }
  decodeReply_vkGetDeviceImageSparseMemoryRequirements(
    &reply, pSparseMemoryRequirementCount, pSparseMemoryRequirements)
  finishCall(&call)
}
