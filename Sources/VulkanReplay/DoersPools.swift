import CVulkan
import VulkanWire
import Wire

// Doers of pools: what a pool has given out is forgotten when it is reset or destroyed.

/// Offset of the ids in vkFreeCommandBuffers and vkFreeDescriptorSets: header, device, pool, count,
/// and the array's own count.
private let freedIDs: Int = 32

// MARK: Command buffers

func doer_vkAllocateCommandBuffers(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkAllocateCommandBuffers
) {
  let opcode = Opcode.vkAllocateCommandBuffers
  guard let device = device(c, opcode), let info = a.pAllocateInfo else { return }
  guard Int(info.pointee.commandBufferCount) == a.idCount else {
    return c.pointee.malformed(opcode, "commandBufferCount", "has a wrong element count")
  }
  let result = device.functions.allocateCommandBuffers(device.handle, info, a.pCommandBuffers)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  device.adopt(c, pool: info.pointee.commandPool, a.ids, a.pCommandBuffers, a.idCount)
}

func doer_vkFreeCommandBuffers(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkFreeCommandBuffers
) {
  let opcode = Opcode.vkFreeCommandBuffers
  guard let device = device(c, opcode) else { return }
  guard let free = device.dispatch.pointee.vkFreeCommandBuffers else {
    return c.pointee.missing(opcode)
  }
  free(device.handle, a.commandPool, a.commandBufferCount, a.pCommandBuffers)
  device.release(c, pool: a.commandPool, count: Int(a.commandBufferCount))
}

func doer_vkDestroyCommandPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyCommandPool
) {
  guard let device = device(c, Opcode.vkDestroyCommandPool), a.commandPool != nil else { return }
  device.removePool(c, a.commandPool)
  device.functions.destroyCommandPool(device.handle, a.commandPool, nil)
  c.pointee.forget(recordOffset: 16)
}

// MARK: Descriptor sets

func doer_vkAllocateDescriptorSets(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkAllocateDescriptorSets
) {
  let opcode = Opcode.vkAllocateDescriptorSets
  guard let device = device(c, opcode), let info = a.pAllocateInfo else { return }
  guard Int(info.pointee.descriptorSetCount) == a.idCount else {
    return c.pointee.malformed(opcode, "descriptorSetCount", "has a wrong element count")
  }
  guard let allocate = device.dispatch.pointee.vkAllocateDescriptorSets else {
    return c.pointee.missing(opcode)
  }
  let result = allocate(device.handle, info, a.pDescriptorSets)
  if result == VK_SUCCESS {
    device.adopt(c, pool: info.pointee.descriptorPool, a.ids, a.pDescriptorSets, a.idCount)
    for i in 0..<a.idCount {
      device.noteDescriptorSet(
        a.pDescriptorSets?[i] ?? nil, layout: info.pointee.pSetLayouts?[i] ?? nil)
    }
  } else {
    c.pointee.failed(opcode, result)
  }
}

func doer_vkFreeDescriptorSets(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkFreeDescriptorSets
) {
  let opcode = Opcode.vkFreeDescriptorSets
  guard let device = device(c, opcode) else { return }
  guard let free = device.dispatch.pointee.vkFreeDescriptorSets else {
    return c.pointee.missing(opcode)
  }
  let result = free(device.handle, a.descriptorPool, a.descriptorSetCount, a.pDescriptorSets)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  device.release(c, pool: a.descriptorPool, count: Int(a.descriptorSetCount))
}

func doer_vkResetDescriptorPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkResetDescriptorPool
) {
  let opcode = Opcode.vkResetDescriptorPool
  guard let device = device(c, opcode) else { return }
  guard let reset = device.dispatch.pointee.vkResetDescriptorPool else {
    return c.pointee.missing(opcode)
  }
  let result = reset(device.handle, a.descriptorPool, a.flags)
  guard result == VK_SUCCESS else { return c.pointee.failed(opcode, result) }
  device.pools[UInt64(UInt(bitPattern: a.descriptorPool))]?.removeAll(c.pointee.session, device)
}

func doer_vkDestroyDescriptorPool(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkDestroyDescriptorPool
) {
  let opcode = Opcode.vkDestroyDescriptorPool
  guard let device = device(c, opcode), a.descriptorPool != nil else { return }
  guard let destroy = device.dispatch.pointee.vkDestroyDescriptorPool else {
    return c.pointee.missing(opcode)
  }
  device.removePool(c, a.descriptorPool)
  destroy(device.handle, a.descriptorPool, nil)
  c.pointee.forget(recordOffset: 16)
}

// MARK: Children

extension DeviceState {
  /// Gives new children of a pool their ids.
  fileprivate func adopt(
    _ c: UnsafeMutablePointer<ReplayContext>, pool: OpaquePointer?,
    _ ids: UnsafePointer<UInt64>?, _ handles: UnsafePointer<OpaquePointer?>?, _ count: Int
  ) {
    guard let ids, let handles else { return }
    let key = UInt64(UInt(bitPattern: pool))
    let state = pools[key] ?? PoolState()
    pools[key] = state
    for i in 0..<count {
      c.pointee.insert(ids[i], handles[i])
      state.add(ids[i])
    }
  }

  /// Forgets the children that the record names.
  fileprivate func release(
    _ c: UnsafeMutablePointer<ReplayContext>, pool: OpaquePointer?, count: Int
  ) {
    let state = pools[UInt64(UInt(bitPattern: pool))]
    for i in 0..<count {
      let id = c.pointee.id(recordOffset: freedIDs + i * 8)
      guard id != 0 else { continue }
      forgetChild(c.pointee.session, id)
      c.pointee.session.remove(id)
      state?.freed(c.pointee.session)
    }
  }

  fileprivate func removePool(_ c: UnsafeMutablePointer<ReplayContext>, _ pool: OpaquePointer?) {
    pools.removeValue(forKey: UInt64(UInt(bitPattern: pool)))?.removeAll(c.pointee.session, self)
  }
}
