// softmax(scale · q kᵀ + bias) v for one head and a tile of queries that see one range of keys.
//
// Two kernels: `matrix` on matrix units, for q, k and v in half types, and `tiles` without them.
#version 460
#if defined(MATRIX)
#include "Attention/matrix.glsl"
#else
#include "Attention/tiles.glsl"
#endif
