// Placeholder of LumosTensorTests.
