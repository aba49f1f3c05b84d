// Placeholder of LumosVulkanTests.
