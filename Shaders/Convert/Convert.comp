// Elements in another type, f16 or bf16: rounded to the nearest, ties to even, and kept finite (Common/typed.glsl).
#version 460
#include "Common/types.glsl"
#include "Common/vectors.glsl"

layout(constant_id = 0) const uint RESULT = TYPE_F16;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;  // of type RESULT
  uint count;
} p;

bool reads_vectors() { return is_aligned(uvec2(p.x)); }

vec4 elements(uint i, bool whole) { return load_vector(p.x, whole, i, p.count - 1); }

#define RESULT_TYPE RESULT
#include "Common/elements.glsl"
