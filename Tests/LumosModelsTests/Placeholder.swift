// Placeholder of LumosModelsTests.
