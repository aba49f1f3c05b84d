// Placeholder of the module LumosModels.
