// Placeholder of LumosPipelineTests.
