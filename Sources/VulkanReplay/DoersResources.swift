import CVulkan
import Ring
import VulkanWire
import Wire

// Doers of chapters "Memory Allocation" and "Resource Creation": what the GPU may write where is
// remembered, so that it finds its way back to mapped memory.

func doer_vkAllocateMemory(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkAllocateMemory
) {
  let opcode = Opcode.vkAllocateMemory
  guard let device = device(c, opcode), let info = a.pAllocateInfo, let id = a.ids?[0] else {
    return
  }
  let size = info.pointee.allocationSize
  let type = Int(info.pointee.memoryTypeIndex)
  guard type < device.memoryTypes.count else {
    return c.pointee.malformed(opcode, "memoryTypeIndex", "names no such memory type")
  }
  let heap = device.memoryHeaps[type]
  guard size <= UInt64(Int.max / 2), c.pointee.session.bookMemory(size, heap: heap) else {
    return c.pointee.failed(opcode, VK_ERROR_OUT_OF_DEVICE_MEMORY)
  }
  var memory: VkDeviceMemory?
  let result = device.functions.allocateMemory(device.handle, info, nil, &memory)
  guard result == VK_SUCCESS, let memory else {
    c.pointee.session.releaseMemory(size, heap: heap)
    return c.pointee.failed(opcode, result)
  }
  device.insertMemory(
    MemoryState(
      handle: memory, size: Int(size), type: type, heap: heap,
      properties: device.memoryTypes[type]))
  c.pointee.insert(id, memory)
}

func doer_vkFreeMemory(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkFreeMemory
) {
  guard let device = device(c, Opcode.vkFreeMemory), a.memory != nil else { return }
  if device.scene?.reads(a.memory) == true {
    for swapchain in device.swapchains.values { swapchain.settle(device) }
  }
  if let state = device.removeMemory(a.memory) {
    c.pointee.session.releaseMemory(UInt64(state.size), heap: state.heap)
  }
  device.functions.freeMemory(device.handle, a.memory, nil)
  c.pointee.forget(recordOffset: 16)
}

// MARK: Buffers

func doer_vkCreateBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateBuffer
) {
  guard let device = device(c, Opcode.vkCreateBuffer), let info = a.pCreateInfo,
    let id = a.ids?[0]
  else { return }
  var buffer: VkBuffer?
  let result = device.functions.createBuffer(device.handle, info, nil, &buffer)
  guard result == VK_SUCCESS, let buffer else {
    return c.pointee.failed(Opcode.vkCreateBuffer, result)
  }
  let key = UInt64(UInt(bitPattern: buffer))
  let resource = ResourceState(
    isWritable: ResourceState.canWrite(buffer: info.pointee.usage),
    size: Int(truncatingIfNeeded: min(info.pointee.size, UInt64(Int.max / 2))))
  device.resources[key] = resource
  if info.pointee.usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.rawValue != 0 {
    device.addressable[key] = resource
  }
  c.pointee.insert(id, buffer)
}

func doer_vkDestroyBuffer(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyBuffer
) {
  guard let device = device(c, Opcode.vkDestroyBuffer), a.buffer != nil else { return }
  device.forgetResource(a.buffer)
  device.scene?.remove(buffer: a.buffer)
  device.functions.destroyBuffer(device.handle, a.buffer, nil)
  c.pointee.forget(recordOffset: 16)
}

func doer_vkBindBufferMemory(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkBindBufferMemory
) {
  let opcode = Opcode.vkBindBufferMemory
  guard let device = device(c, opcode) else { return }
  let result = device.functions.bindBufferMemory(device.handle, a.buffer, a.memory, a.memoryOffset)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  device.noteBinding(buffer: a.buffer, a.memory, a.memoryOffset)
}

func doer_vkBindBufferMemory2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkBindBufferMemory2
) {
  let opcode = Opcode.vkBindBufferMemory2
  guard let device = device(c, opcode) else { return }
  guard let bind = device.dispatch.pointee.vkBindBufferMemory2 else {
    return c.pointee.missing(opcode)
  }
  let result = bind(device.handle, a.bindInfoCount, a.pBindInfos)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  for i in 0..<Int(a.bindInfoCount) {
    guard let info = a.pBindInfos?[i] else { continue }
    device.noteBinding(buffer: info.buffer, info.memory, info.memoryOffset)
  }
}

// MARK: Images

func doer_vkCreateImage(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkCreateImage
) {
  guard let device = device(c, Opcode.vkCreateImage), let info = a.pCreateInfo,
    let id = a.ids?[0]
  else { return }
  var image: VkImage?
  let result = device.functions.createImage(device.handle, info, nil, &image)
  guard result == VK_SUCCESS, var image else {
    return c.pointee.failed(Opcode.vkCreateImage, result)
  }
  if let scene = device.scene, SceneObserver.isDepth(info.pointee) {
    image = device.readable(image, info.pointee)
    scene.add(image, info.pointee)
  }
  device.resources[UInt64(UInt(bitPattern: image))] = ResourceState(
    isWritable: ResourceState.canWrite(image: info.pointee.usage), size: 0,
    isDisjoint: info.pointee.flags & VK_IMAGE_CREATE_DISJOINT_BIT.rawValue != 0)
  c.pointee.insert(id, image)
}

func doer_vkDestroyImage(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyImage
) {
  guard let device = device(c, Opcode.vkDestroyImage), a.image != nil else { return }
  guard !device.isPresentable(a.image) else {
    return c.pointee.malformed(Opcode.vkDestroyImage, "image", "belongs to a swapchain")
  }
  device.forgetResource(a.image)
  if device.scene?.remove(image: a.image) == true {
    for swapchain in device.swapchains.values { swapchain.forget(depth: a.image, device) }
  }
  device.functions.destroyImage(device.handle, a.image, nil)
  c.pointee.forget(recordOffset: 16)
}

func doer_vkBindImageMemory(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkBindImageMemory
) {
  let opcode = Opcode.vkBindImageMemory
  guard let device = device(c, opcode) else { return }
  let result = device.functions.bindImageMemory(device.handle, a.image, a.memory, a.memoryOffset)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  device.noteBinding(image: a.image, a.memory, a.memoryOffset)
}

func doer_vkBindImageMemory2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkBindImageMemory2
) {
  let opcode = Opcode.vkBindImageMemory2
  guard let device = device(c, opcode) else { return }
  guard let bind = device.dispatch.pointee.vkBindImageMemory2 else {
    return c.pointee.missing(opcode)
  }
  let result = bind(device.handle, a.bindInfoCount, a.pBindInfos)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  for i in 0..<Int(a.bindInfoCount) {
    guard let info = a.pBindInfos?[i] else { continue }
    device.noteBinding(image: info.image, info.memory, info.memoryOffset)
  }
}

// MARK: What the GPU may write

extension DeviceState {
  /// The image, or one in its place that can be copied from, when it is to lie in memory in the same way: the client
  /// may know already what the image needs.
  fileprivate func readable(_ image: VkImage, _ info: VkImageCreateInfo) -> VkImage {
    guard info.usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT.rawValue == 0 else { return image }
    var wanted = info
    wanted.usage |= VK_IMAGE_USAGE_TRANSFER_SRC_BIT.rawValue
    var other: VkImage?
    guard functions.createImage(handle, &wanted, nil, &other) == VK_SUCCESS, let other else {
      return image
    }
    var (plain, more) = (VkMemoryRequirements(), VkMemoryRequirements())
    functions.getImageMemoryRequirements(handle, image, &plain)
    functions.getImageMemoryRequirements(handle, other, &more)
    let isAlike =
      plain.size == more.size && plain.alignment == more.alignment
      && plain.memoryTypeBits == more.memoryTypeBits
    functions.destroyImage(handle, isAlike ? image : other, nil)
    return isAlike ? other : image
  }

  func noteBinding(buffer: VkBuffer?, _ memory: VkDeviceMemory?, _ offset: VkDeviceSize) {
    let key = UInt64(UInt(bitPattern: buffer))
    guard let resource = resources[key] else { return }
    if let scene, let state = self.memory(memory), state.isHostVisible {
      let start = Int(truncatingIfNeeded: min(offset, UInt64(Int.max / 2)))
      scene.add(buffer: buffer, state, ByteRange(start: start, end: start &+ resource.size))
    }
    note(key, resource, memory, offset, size: resource.size)
  }

  func noteBinding(image: VkImage?, _ memory: VkDeviceMemory?, _ offset: VkDeviceSize) {
    scene?.bind(image: image, to: memory)
    let key = UInt64(UInt(bitPattern: image))
    guard let resource = resources[key], resource.isWritable else { return }
    guard self.memory(memory)?.isHostVisible == true else { return }
    var size = Int.max / 2
    // A disjoint image has a size for each plane; one cannot ask for the whole.
    if !resource.isDisjoint {
      var requirements = VkMemoryRequirements()
      functions.getImageMemoryRequirements(handle, image, &requirements)
      size = Int(truncatingIfNeeded: min(requirements.size, UInt64(size)))
    }
    note(key, resource, memory, offset, size: size)
  }

  private func note(
    _ key: UInt64, _ resource: ResourceState, _ memory: VkDeviceMemory?, _ offset: VkDeviceSize,
    size: Int
  ) {
    guard resource.isWritable, let state = self.memory(memory), state.isHostVisible else { return }
    let start = Int(truncatingIfNeeded: min(offset, UInt64(Int.max / 2)))
    let range = state.bind(key, ByteRange(start: start, end: start &+ size))
    resource.bindings.append((state, range))
  }

  func forgetResource(_ handle: OpaquePointer?) {
    let key = UInt64(UInt(bitPattern: handle))
    guard let resource = resources.removeValue(forKey: key) else { return }
    addressable.removeValue(forKey: key)
    for binding in resource.bindings { binding.memory.unbind(key) }
    resource.bindings.removeAll()
  }
}
