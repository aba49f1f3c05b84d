// Placeholder of the module LumosFiles.
