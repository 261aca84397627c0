// VulkanWire
