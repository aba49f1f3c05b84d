// Placeholder of the module LumosMedia.
