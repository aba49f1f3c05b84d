// x + y * gate[c]; gate is a row of the modulation table, addressed by the host.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn y;
  FloatsIn gate;
  FloatsOut result;
  uint count;
  Divisor width;
} p;

float element(uint i) { return p.x.at[i] + p.y.at[i] * p.gate.at[modulo(i, p.width)]; }

#include "Common/elements.glsl"
