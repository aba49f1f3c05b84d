// Kernels that put elements in another order: result i is x[source(i)].
//
// The including shader declares push constants `p` with `x`, `result` and `count`, and defines source(i) and
//   bool keeps_vectors(): whether of four results from a multiple of four on the sources are neighbours, likewise.
#include "Common/vectors.glsl"

bool reads_vectors() { return is_aligned(uvec2(p.x)) && keeps_vectors(); }

vec4 elements(uint i, bool whole) {
  if (whole) return load_vector(p.x, true, source(i), 0);
  vec4 values;
  [[unroll]] for (uint k = 0; k < 4; k++) values[k] = p.x.at[source(min(i + k, p.count - 1))];
  return values;
}

#include "Common/elements.glsl"
