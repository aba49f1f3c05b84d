// Elements in another type, f16 or bf16: rounded to the nearest, ties to even, and kept finite (Common/typed.glsl).
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(constant_id = 0) const uint RESULT = TYPE_F16;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;  // of type RESULT
  uint count;
} p;

float element(uint i) { return p.x.at[i]; }

#define STORE(i, value) store_element(p.result, RESULT, i, value)
#include "Common/elements.glsl"
