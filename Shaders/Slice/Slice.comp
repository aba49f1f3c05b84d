// A copy of `count` elements; the host's address of x already points at the first one kept.
#version 460
#include "Common/types.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
} p;

uint source(uint i) { return i; }
bool keeps_vectors() { return true; }

#include "Common/copies.glsl"
