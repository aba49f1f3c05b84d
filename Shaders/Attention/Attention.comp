// softmax(scale · q kᵀ + bias) v for one head and a tile of queries that see one range of keys.
//
// Three kernels: `matrix` on matrix units, for q, k and v in half types; `subgroups` without them, where invocations of a
// subgroup can exchange numbers; and `tiles` for every device.
#version 460
#if defined(MATRIX)
#include "Attention/matrix.glsl"
#elif defined(SUBGROUPS)
#include "Attention/subgroups.glsl"
#else
#include "Attention/tiles.glsl"
#endif
