// Placeholder of CommandTests.
