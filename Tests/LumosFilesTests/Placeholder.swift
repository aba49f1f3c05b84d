// Placeholder of LumosFilesTests.
