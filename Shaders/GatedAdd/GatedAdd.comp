// x + y * gate[c]; gate is a row of the modulation table, addressed by the host.
#version 460
#include "Common/types.glsl"
#include "Common/columns.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn y;
  FloatsIn gate;
  FloatsOut result;
  uint count;
  Divisor width;
} p;

bool reads_vectors() { return p.width.value % 4 == 0 && is_aligned(uvec2(p.x) | uvec2(p.y) | uvec2(p.gate)); }

vec4 elements(uint i, bool whole) {
  const vec4 gate = load_columns(p.gate, TYPE_F32, p.width, whole, i, p.count);
  return load_vector(p.x, whole, i, p.count - 1) + load_vector(p.y, whole, i, p.count - 1) * gate;
}

#include "Common/elements.glsl"
