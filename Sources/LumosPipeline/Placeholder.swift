// Placeholder of LumosPipeline.
