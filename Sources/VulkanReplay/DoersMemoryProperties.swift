import CVulkan
import VulkanWire
import Wire

// Doers of what says how much memory there is: no more than the client may have. It keeps accounts
// by these numbers, so what it cannot have is refused where the application asks for it.

func doer_vkGetPhysicalDeviceMemoryProperties(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetPhysicalDeviceMemoryProperties
) {
  let opcode = Opcode.vkGetPhysicalDeviceMemoryProperties
  guard let get = c.pointee.dispatch.pointee.vkGetPhysicalDeviceMemoryProperties else {
    return c.pointee.missing(opcode)
  }
  get(a.physicalDevice, a.pMemoryProperties)
  limit(a.pMemoryProperties, c.pointee.session.limits.driverMemory)
  encodeReply_vkGetPhysicalDeviceMemoryProperties(&c.pointee.reply.writer, a)
  c.pointee.sendReply(a.ticket)
}

func doer_vkGetPhysicalDeviceMemoryProperties2(
  _ c: UnsafeMutablePointer<ReplayContext>, _ a: inout Args_vkGetPhysicalDeviceMemoryProperties2
) {
  let opcode = Opcode.vkGetPhysicalDeviceMemoryProperties2
  guard let get = c.pointee.dispatch.pointee.vkGetPhysicalDeviceMemoryProperties2 else {
    return c.pointee.missing(opcode)
  }
  let most = c.pointee.session.limits.driverMemory
  get(a.physicalDevice, a.pMemoryProperties)
  if let properties = a.pMemoryProperties {
    withUnsafeMutablePointer(to: &properties.pointee.memoryProperties) { limit($0, most) }
    limitBudget(properties.pointee.pNext, most)
  }
  encodeReply_vkGetPhysicalDeviceMemoryProperties2(&c.pointee.reply.writer, a)
  c.pointee.sendReply(a.ticket)
}

private func limit(
  _ properties: UnsafeMutablePointer<VkPhysicalDeviceMemoryProperties>?, _ most: UInt64
) {
  guard let properties else { return }
  let count = Int(min(properties.pointee.memoryHeapCount, 16))
  withUnsafeMutableBytes(of: &properties.pointee.memoryHeaps) { bytes in
    let heaps = bytes.bindMemory(to: VkMemoryHeap.self)
    for i in 0..<min(count, heaps.count) { heaps[i].size = min(heaps[i].size, most) }
  }
}

/// VkPhysicalDeviceMemoryBudgetPropertiesEXT.
private func limitBudget(_ chain: UnsafeMutableRawPointer?, _ most: UInt64) {
  for entry in StructureChain(chain) {
    let budget = entry.structure(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
      as: VkPhysicalDeviceMemoryBudgetPropertiesEXT.self)
    guard let budget else { continue }
    withUnsafeMutableBytes(of: &budget.pointee.heapBudget) { bytes in
      let heaps = bytes.bindMemory(to: VkDeviceSize.self)
      for i in 0..<heaps.count { heaps[i] = min(heaps[i], most) }
    }
  }
}
