// VkLayer
