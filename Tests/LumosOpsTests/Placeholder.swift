// Placeholder of LumosOpsTests.
