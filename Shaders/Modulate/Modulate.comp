// x * (1 + scale[c]) + shift[c]; scale and shift are rows of the modulation table, addressed by the host.
#version 460
#include "Common/types.glsl"
#include "Common/columns.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn scale;
  FloatsIn shift;
  FloatsOut result;
  uint count;
  Divisor width;
} p;

bool reads_vectors() { return p.width.value % 4 == 0 && is_aligned(uvec2(p.x) | uvec2(p.scale) | uvec2(p.shift)); }

vec4 elements(uint i, bool whole) {
  const vec4 scale = load_columns(p.scale, TYPE_F32, p.width, whole, i, p.count);
  const vec4 shift = load_columns(p.shift, TYPE_F32, p.width, whole, i, p.count);
  return load_vector(p.x, whole, i, p.count - 1) * (1.0 + scale) + shift;
}

#include "Common/elements.glsl"
