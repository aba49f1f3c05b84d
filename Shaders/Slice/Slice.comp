// A copy of `count` elements; the host's address of x already points at the first one kept.
#version 460
#include "Common/types.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
} p;

float element(uint i) { return p.x.at[i]; }

#include "Common/elements.glsl"
