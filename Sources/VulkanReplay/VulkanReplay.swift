// VulkanReplay
