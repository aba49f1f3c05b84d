// The elements of a, then those of b, all of type TYPE: rounding gives back what was widened.
#version 460
#include "Common/types.glsl"
#include "Common/vectors.glsl"

layout(constant_id = 0) const uint TYPE = TYPE_F32;

layout(push_constant, scalar) uniform Push {
  FloatsIn a;
  FloatsIn b;
  FloatsOut result;
  uint count;
  uint count_a;
} p;

bool reads_vectors() { return p.count_a % 4 == 0 && is_aligned(uvec2(p.a) | uvec2(p.b)); }

vec4 elements(uint i, bool whole) {
  if (i + 3 < p.count_a) return load_vector(p.a, TYPE, whole, i, p.count_a - 1);
  if (i >= p.count_a) return load_vector(p.b, TYPE, whole, i - p.count_a, p.count - p.count_a - 1);
  // The seam.
  vec4 values;
  [[unroll]] for (uint k = 0; k < 4; k++) {
    const uint at = min(i + k, p.count - 1);
    values[k] = at < p.count_a ? load_element(p.a, TYPE, at) : load_element(p.b, TYPE, at - p.count_a);
  }
  return values;
}

#define RESULT_TYPE TYPE
#include "Common/elements.glsl"
