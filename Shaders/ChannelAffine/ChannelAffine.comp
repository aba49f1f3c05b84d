// x * scale[c] + shift[c], c the channel (innermost axis).
#version 460
#include "Common/types.glsl"
#include "Common/columns.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS scale;
  WEIGHTS shift;
  FloatsOut result;
  uint count;
  Divisor channels;
} p;

bool reads_vectors() {
  return p.channels.value % 4 == 0 && is_aligned(uvec2(p.x) | uvec2(p.scale) | uvec2(p.shift));
}

vec4 elements(uint i, bool whole) {
  const vec4 scale = load_columns(FloatsIn(p.scale), WEIGHT_TYPE, p.channels, whole, i, p.count);
  const vec4 shift = load_columns(FloatsIn(p.shift), WEIGHT_TYPE, p.channels, whole, i, p.count);
  return load_vector(p.x, whole, i, p.count - 1) * scale + shift;
}

#include "Common/elements.glsl"
