import CPlatform
import CVulkan
import Client
import VulkanWire
import Wire

// Vulkan, "Private Data": it is the application's own, and never leaves it.

func hook_vkCreatePrivateDataSlot(
  _ device: VkDevice?, _ pCreateInfo: UnsafePointer<VkPrivateDataSlotCreateInfo>?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pPrivateDataSlot: UnsafeMutablePointer<VkPrivateDataSlot?>?
) -> VkResult {
  let id = makeID(.privateDataSlot, device: device)
  guard id != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  pPrivateDataSlot?.pointee = handlePointer(id)
  return VK_SUCCESS
}

/// A later slot has another id, so that its values begin as 0.
func hook_vkDestroyPrivateDataSlot(
  _ device: VkDevice?, _ privateDataSlot: VkPrivateDataSlot?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  didDestroy(.privateDataSlot, handleID(privateDataSlot))
}

func hook_vkSetPrivateData(
  _ device: VkDevice?, _ objectType: VkObjectType, _ objectHandle: UInt64,
  _ privateDataSlot: VkPrivateDataSlot?, _ data: UInt64
) -> VkResult {
  guard let state = deviceState(of: device),
    state.pointee.privateData.set(handleID(privateDataSlot), objectHandle, data)
  else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  return VK_SUCCESS
}

func hook_vkGetPrivateData(
  _ device: VkDevice?, _ objectType: VkObjectType, _ objectHandle: UInt64,
  _ privateDataSlot: VkPrivateDataSlot?, _ pData: UnsafeMutablePointer<UInt64>?
) {
  pData?.pointee =
    deviceState(of: device)?.pointee.privateData.get(handleID(privateDataSlot), objectHandle) ?? 0
}
