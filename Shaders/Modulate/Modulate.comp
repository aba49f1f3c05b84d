// x * (1 + scale[c]) + shift[c]; scale and shift are rows of the modulation table, addressed by the host.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn scale;
  FloatsIn shift;
  FloatsOut result;
  uint count;
  Divisor width;
} p;

float element(uint i) {
  const uint c = modulo(i, p.width);
  return p.x.at[i] * (1.0 + p.scale.at[c]) + p.shift.at[c];
}

#include "Common/elements.glsl"
