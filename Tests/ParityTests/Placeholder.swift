// Placeholder of ParityTests.
