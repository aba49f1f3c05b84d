// Placeholder of the module LumosPipeline.
