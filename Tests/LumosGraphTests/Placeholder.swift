// Placeholder of LumosGraphTests.
