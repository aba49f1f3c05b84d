// The elements of a, then those of b, all of type TYPE: rounding gives back what was widened.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(constant_id = 0) const uint TYPE = TYPE_F32;

layout(push_constant, scalar) uniform Push {
  FloatsIn a;
  FloatsIn b;
  FloatsOut result;
  uint count;
  uint count_a;
} p;

float element(uint i) {
  if (i < p.count_a) return load_element(p.a, TYPE, i);
  return load_element(p.b, TYPE, i - p.count_a);
}

#define STORE(i, value) store_element(p.result, TYPE, i, value)

#include "Common/elements.glsl"
