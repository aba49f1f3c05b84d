// Placeholder of the module LumosKernels.
