// The elements of a, then those of b.
#version 460
#include "Common/types.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn a;
  FloatsIn b;
  FloatsOut result;
  uint count;
  uint count_a;
} p;

float element(uint i) { return i < p.count_a ? p.a.at[i] : p.b.at[i - p.count_a]; }

#include "Common/elements.glsl"
