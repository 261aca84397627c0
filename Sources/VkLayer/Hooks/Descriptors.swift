import CPlatform
import CVulkan
import Client
import Ring
import VulkanWire
import Wire

// Vulkan, "Resource Descriptors". Sets belong to their pool, which ends their ids with its own;
// update templates exist here alone and travel as the writes that they mean.

private func poolState(_ pool: VkDescriptorPool?) -> UnsafeMutablePointer<DescriptorPoolState>? {
  ObjectTable.state(of: handleID(pool), .descriptorPool)?
    .assumingMemoryBound(to: DescriptorPoolState.self)
}

private func setState(_ id: UInt64) -> UnsafeMutablePointer<DescriptorSetState>? {
  ObjectTable.state(of: id, .descriptorSet)?.assumingMemoryBound(to: DescriptorSetState.self)
}

/// The state of the set with this index, which is known to live.
private func setState(at index: UInt32) -> UnsafeMutablePointer<DescriptorSetState>? {
  setState(ObjectTable.id(at: index))
}

// MARK: Layouts

private func layoutState(_ layout: VkDescriptorSetLayout?)
  -> UnsafeMutablePointer<DescriptorSetLayoutState>?
{
  ObjectTable.state(of: handleID(layout), .descriptorSetLayout)?
    .assumingMemoryBound(to: DescriptorSetLayoutState.self)
}

func hook_vkCreateDescriptorSetLayout(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkDescriptorSetLayoutCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pSetLayout: UnsafeMutablePointer<VkDescriptorSetLayout?>?
) -> VkResult {
  let id = makeID(.descriptorSetLayout, device: device)
  guard let info = pCreateInfo?.pointee, let layout = layoutState(handlePointer(id)),
    let needs = LayoutNeeds.of(info)
  else {
    didDestroy(.descriptorSetLayout, id)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  layout.pointee.needs = needs
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateDescriptorSetLayout(&writer.pointee, device, pCreateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pSetLayout?.pointee = handlePointer(id)
  return VK_SUCCESS
}

// MARK: Pools

func hook_vkCreateDescriptorPool(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkDescriptorPoolCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pDescriptorPool: UnsafeMutablePointer<VkDescriptorPool?>?
) -> VkResult {
  let id = makeID(.descriptorPool, device: device)
  guard let info = pCreateInfo?.pointee, let pool = poolState(handlePointer(id)),
    let raw = platform_malloc(2 &* MemoryLayout<DescriptorCounts>.stride)
  else {
    didDestroy(.descriptorPool, id)
    return VK_ERROR_OUT_OF_HOST_MEMORY
  }
  var capacity = DescriptorCounts()
  var i = 0
  while i < Int(info.poolSizeCount), let size = info.pPoolSizes?[i] {
    capacity.add(size.type, size.descriptorCount)
    i &+= 1
  }
  let left = raw.bindMemory(to: DescriptorCounts.self, capacity: 2)
  left.initialize(repeating: capacity, count: 2)
  pool.pointee.maxSets = info.maxSets
  pool.pointee.left = left
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkCreateDescriptorPool(&writer.pointee, device, pCreateInfo, id)
  let result = endAsync(writer)
  guard result == VK_SUCCESS else { return result }
  pDescriptorPool?.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyDescriptorPool(
  _ device: VkDevice?, _ descriptorPool: VkDescriptorPool?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let descriptorPool else { return }
  if let writer = beginAsync(device: device) {
    encode_vkDestroyDescriptorPool(&writer.pointee, device, descriptorPool)
    endAsync(writer)
  }
  let pool = poolState(descriptorPool)
  forgetSets(pool)
  platform_free(pool?.pointee.left)
  didDestroy(.descriptorPool, handleID(descriptorPool))
}

func hook_vkResetDescriptorPool(
  _ device: VkDevice?, _ descriptorPool: VkDescriptorPool?, _ flags: VkDescriptorPoolResetFlags
) -> VkResult {
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkResetDescriptorPool(&writer.pointee, device, descriptorPool, flags)
  let result = endAsync(writer)
  forgetSets(poolState(descriptorPool))
  return result
}

/// Ends the ids of all sets of a pool.
private func forgetSets(_ pool: UnsafeMutablePointer<DescriptorPoolState>?) {
  guard let pool else { return }
  var index = pool.pointee.firstSet
  while index != 0 {
    let id = ObjectTable.id(at: index)
    guard let set = setState(id) else { break }
    index = set.pointee.next
    didDestroy(.descriptorSet, id)
  }
  pool.pointee.firstSet = 0
  pool.pointee.setCount = 0
  if let left = pool.pointee.left { left[0] = left[1] }
}

// MARK: Sets

func hook_vkAllocateDescriptorSets(
  _ device: VkDevice?, _ pAllocateInfo: UnsafePointer<VkDescriptorSetAllocateInfo>?,
  _ pDescriptorSets: UnsafeMutablePointer<VkDescriptorSet?>?
) -> VkResult {
  guard let info = pAllocateInfo?.pointee, let pDescriptorSets,
    let pool = poolState(info.descriptorPool)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let count = Int(info.descriptorSetCount)
  guard info.descriptorSetCount <= pool.pointee.maxSets &- pool.pointee.setCount else {
    return refuse(pDescriptorSets, count, VK_ERROR_OUT_OF_POOL_MEMORY)
  }
  let variable = variableCounts(info)
  guard take(pool, info, variable) else {
    return refuse(pDescriptorSets, count, VK_ERROR_OUT_OF_POOL_MEMORY)
  }
  return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(count, 1)) { room in
    guard let ids = room.baseAddress else { return VK_ERROR_OUT_OF_HOST_MEMORY }
    var made = 0
    while made < count {
      ids[made] = makeID(.descriptorSet, device: device)
      guard ids[made] != 0 else { break }
      made &+= 1
    }
    guard made == count, let writer = beginAsync(device: device) else {
      forgetIDs(.descriptorSet, ids, made)
      giveBack(pool, info, variable, count)
      let lost = deviceState(of: device)?.pointee.connection.segment.lost != 0
      return refuse(
        pDescriptorSets, count, lost ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_HOST_MEMORY)
    }
    encode_vkAllocateDescriptorSets(&writer.pointee, device, pAllocateInfo, ids)
    var i = 0
    while i < count {
      link(
        ids[i], into: pool, handleID(info.descriptorPool),
        layoutState(info.pSetLayouts?[i])?.pointee.needs, variableCount(variable, i))
      pDescriptorSets[i] = handlePointer(ids[i])
      i &+= 1
    }
    return endAsync(writer)
  }
}

private func variableCounts(_ info: VkDescriptorSetAllocateInfo)
  -> VkDescriptorSetVariableDescriptorCountAllocateInfo?
{
  chained(
    VK_STRUCTURE_TYPE_DESCRIPTOR_SET_VARIABLE_DESCRIPTOR_COUNT_ALLOCATE_INFO, in: info.pNext)?
    .assumingMemoryBound(to: VkDescriptorSetVariableDescriptorCountAllocateInfo.self).pointee
}

/// Descriptors in the variable binding of the n-th set: 0 when the chain says nothing.
private func variableCount(
  _ counts: VkDescriptorSetVariableDescriptorCountAllocateInfo?, _ i: Int
) -> UInt32 {
  guard let counts, i < Int(counts.descriptorSetCount) else { return 0 }
  return counts.pDescriptorCounts?[i] ?? 0
}

/// Takes what all sets need out of the pool, or nothing and is false.
private func take(
  _ pool: UnsafeMutablePointer<DescriptorPoolState>, _ info: VkDescriptorSetAllocateInfo,
  _ variable: VkDescriptorSetVariableDescriptorCountAllocateInfo?
) -> Bool {
  guard let left = pool.pointee.left else { return true }
  var i = 0
  while i < Int(info.descriptorSetCount) {
    if let needs = layoutState(info.pSetLayouts?[i])?.pointee.needs,
      !left[0].take(needs.pointee.counts(variable: variableCount(variable, i)))
    {
      giveBack(pool, info, variable, i)
      return false
    }
    i &+= 1
  }
  return true
}

/// Gives back what the first `count` sets have taken.
private func giveBack(
  _ pool: UnsafeMutablePointer<DescriptorPoolState>, _ info: VkDescriptorSetAllocateInfo,
  _ variable: VkDescriptorSetVariableDescriptorCountAllocateInfo?, _ count: Int
) {
  var i = 0
  while i < count {
    if let needs = layoutState(info.pSetLayouts?[i])?.pointee.needs {
      pool.pointee.left?[0].give(needs.pointee.counts(variable: variableCount(variable, i)))
    }
    i &+= 1
  }
}

/// All or nothing, and NULL for all when nothing.
private func refuse(
  _ sets: UnsafeMutablePointer<VkDescriptorSet?>, _ count: Int, _ result: VkResult
) -> VkResult {
  var i = 0
  while i < count {
    sets[i] = nil
    i &+= 1
  }
  return result
}

private func link(
  _ id: UInt64, into pool: UnsafeMutablePointer<DescriptorPoolState>, _ poolID: UInt64,
  _ needs: UnsafeMutablePointer<LayoutNeeds>?, _ variableCount: UInt32
) {
  guard let set = setState(id) else { return }
  let index = HandleID.index(of: id)
  set.initialize(
    to: DescriptorSetState(
      pool: poolID, previous: 0, next: pool.pointee.firstSet, needs: needs,
      variableCount: variableCount))
  if pool.pointee.firstSet != 0 {
    setState(at: pool.pointee.firstSet)?.pointee.previous = index
  }
  pool.pointee.firstSet = index
  pool.pointee.setCount &+= 1
}

private func unlink(_ id: UInt64, from pool: UnsafeMutablePointer<DescriptorPoolState>) {
  guard let set = setState(id)?.pointee else { return }
  if set.previous != 0 {
    setState(at: set.previous)?.pointee.next = set.next
  } else {
    pool.pointee.firstSet = set.next
  }
  if set.next != 0 { setState(at: set.next)?.pointee.previous = set.previous }
  pool.pointee.setCount &-= 1
  if let needs = set.needs {
    pool.pointee.left?[0].give(needs.pointee.counts(variable: set.variableCount))
  }
}

func hook_vkFreeDescriptorSets(
  _ device: VkDevice?, _ descriptorPool: VkDescriptorPool?, _ descriptorSetCount: UInt32,
  _ pDescriptorSets: UnsafePointer<VkDescriptorSet?>?
) -> VkResult {
  guard let writer = beginAsync(device: device) else { return VK_ERROR_DEVICE_LOST }
  encode_vkFreeDescriptorSets(
    &writer.pointee, device, descriptorPool, descriptorSetCount, pDescriptorSets)
  let result = endAsync(writer)
  guard let pool = poolState(descriptorPool), let pDescriptorSets else { return result }
  var i = 0
  while i < Int(descriptorSetCount) {
    let id = handleID(pDescriptorSets[i])
    unlink(id, from: pool)
    didDestroy(.descriptorSet, id)
    i &+= 1
  }
  return result
}

// MARK: Update templates

/// A template, followed by its entries.
struct UpdateTemplate {
  var entryCount: UInt32
  var pipelineBindPoint: VkPipelineBindPoint

  static func entries(_ template: UnsafeMutablePointer<UpdateTemplate>)
    -> UnsafeMutablePointer<VkDescriptorUpdateTemplateEntry>
  {
    (UnsafeMutableRawPointer(template) + 16)
      .assumingMemoryBound(to: VkDescriptorUpdateTemplateEntry.self)
  }
}

private func template(_ handle: VkDescriptorUpdateTemplate?)
  -> UnsafeMutablePointer<UpdateTemplate>?
{
  ObjectTable.state(of: handleID(handle), .descriptorUpdateTemplate)?
    .assumingMemoryBound(to: TemplateState.self).pointee.template
}

func hook_vkCreateDescriptorUpdateTemplate(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkDescriptorUpdateTemplateCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pDescriptorUpdateTemplate: UnsafeMutablePointer<VkDescriptorUpdateTemplate?>?
) -> VkResult {
  guard let info = pCreateInfo?.pointee else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let count = Int(info.descriptorUpdateEntryCount)
  let size = 16 &+ count &* MemoryLayout<VkDescriptorUpdateTemplateEntry>.stride
  let id = makeID(.descriptorUpdateTemplate, device: device)
  guard let raw = platform_malloc(size),
    let state = ObjectTable.state(of: id, .descriptorUpdateTemplate)?
      .assumingMemoryBound(to: TemplateState.self)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  let made = raw.bindMemory(to: UpdateTemplate.self, capacity: 1)
  made.initialize(
    to: UpdateTemplate(
      entryCount: info.descriptorUpdateEntryCount, pipelineBindPoint: info.pipelineBindPoint))
  if count > 0, let entries = info.pDescriptorUpdateEntries {
    UpdateTemplate.entries(made).initialize(from: entries, count: count)
  }
  state.pointee.template = made
  pDescriptorUpdateTemplate?.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyDescriptorUpdateTemplate(
  _ device: VkDevice?, _ descriptorUpdateTemplate: VkDescriptorUpdateTemplate?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  guard let descriptorUpdateTemplate else { return }
  platform_free(template(descriptorUpdateTemplate))
  didDestroy(.descriptorUpdateTemplate, handleID(descriptorUpdateTemplate))
}

func hook_vkUpdateDescriptorSetWithTemplate(
  _ device: VkDevice?, _ descriptorSet: VkDescriptorSet?,
  _ descriptorUpdateTemplate: VkDescriptorUpdateTemplate?, _ pData: UnsafeRawPointer?
) {
  guard let known = template(descriptorUpdateTemplate), let pData,
    let writer = beginAsync(device: device)
  else { return }
  encodeTemplateUpdate(
    &writer.pointee, device, descriptorSet, UpdateTemplate.entries(known),
    known.pointee.entryCount, pData)
  endAsync(writer)
}

func hook_vkCmdPushDescriptorSetWithTemplateKHR(
  _ commandBuffer: VkCommandBuffer?, _ descriptorUpdateTemplate: VkDescriptorUpdateTemplate?,
  _ layout: VkPipelineLayout?, _ set: UInt32, _ pData: UnsafeRawPointer?
) {
  guard let known = template(descriptorUpdateTemplate), let pData else { return }
  encodeTemplatePush(
    &recorder(commandBuffer).pointee, known.pointee.pipelineBindPoint, layout, set,
    UpdateTemplate.entries(known), known.pointee.entryCount, pData)
}
