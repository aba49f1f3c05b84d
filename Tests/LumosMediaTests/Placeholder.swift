// Placeholder of LumosMediaTests.
