import CVulkan
import Client
import VulkanWire
import Wire

// Vulkan, "Deferred Host Operations". Making ray tracing pipelines is the only operation that could be
// deferred, and it is over when the command returns: the node has threads of its own for it. So none is
// ever deferred, and an operation has nothing to join.

func hook_vkCreateDeferredOperationKHR(
  _ device: VkDevice?, _ pAllocator: UnsafePointer<VkAllocationCallbacks>?,
  _ pDeferredOperation: UnsafeMutablePointer<VkDeferredOperationKHR?>?
) -> VkResult {
  let id = makeID(.deferredOperation, device: device)
  guard id != 0 else { return VK_ERROR_OUT_OF_HOST_MEMORY }
  pDeferredOperation?.pointee = handlePointer(id)
  return VK_SUCCESS
}

func hook_vkDestroyDeferredOperationKHR(
  _ device: VkDevice?, _ operation: VkDeferredOperationKHR?,
  _ pAllocator: UnsafePointer<VkAllocationCallbacks>?
) {
  didDestroy(.deferredOperation, handleID(operation))
}

/// What is complete has no use for a thread.
func hook_vkGetDeferredOperationMaxConcurrencyKHR(
  _ device: VkDevice?, _ operation: VkDeferredOperationKHR?
) -> UInt32 { 0 }

/// As for an operation on which no command has been deferred.
func hook_vkGetDeferredOperationResultKHR(
  _ device: VkDevice?, _ operation: VkDeferredOperationKHR?
) -> VkResult { VK_SUCCESS }

func hook_vkDeferredOperationJoinKHR(
  _ device: VkDevice?, _ operation: VkDeferredOperationKHR?
) -> VkResult { VK_SUCCESS }

// MARK: Host commands

// accelerationStructureHostCommands and micromapHostCommands are not offered: these work on memory of the
// application, and the driver is elsewhere. But whoever enables the extensions finds the commands.

func hook_vkBuildAccelerationStructuresKHR(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?, _ infoCount: UInt32,
  _ pInfos: UnsafePointer<VkAccelerationStructureBuildGeometryInfoKHR>?,
  _ ppBuildRangeInfos: UnsafePointer<UnsafePointer<VkAccelerationStructureBuildRangeInfoKHR>?>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyAccelerationStructureKHR(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyAccelerationStructureInfoKHR>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyAccelerationStructureToMemoryKHR(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyAccelerationStructureToMemoryInfoKHR>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyMemoryToAccelerationStructureKHR(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyMemoryToAccelerationStructureInfoKHR>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkWriteAccelerationStructuresPropertiesKHR(
  _ device: VkDevice?, _ accelerationStructureCount: UInt32,
  _ pAccelerationStructures: UnsafePointer<VkAccelerationStructureKHR?>?,
  _ queryType: VkQueryType, _ dataSize: Int, _ pData: UnsafeMutableRawPointer?, _ stride: Int
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkBuildMicromapsEXT(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?, _ infoCount: UInt32,
  _ pInfos: UnsafePointer<VkMicromapBuildInfoEXT>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyMicromapEXT(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyMicromapInfoEXT>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyMicromapToMemoryEXT(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyMicromapToMemoryInfoEXT>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkCopyMemoryToMicromapEXT(
  _ device: VkDevice?, _ deferredOperation: VkDeferredOperationKHR?,
  _ pInfo: UnsafePointer<VkCopyMemoryToMicromapInfoEXT>?
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }

func hook_vkWriteMicromapsPropertiesEXT(
  _ device: VkDevice?, _ micromapCount: UInt32, _ pMicromaps: UnsafePointer<VkMicromapEXT?>?,
  _ queryType: VkQueryType, _ dataSize: Int, _ pData: UnsafeMutableRawPointer?, _ stride: Int
) -> VkResult { VK_ERROR_FEATURE_NOT_PRESENT }
