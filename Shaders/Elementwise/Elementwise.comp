// out[i] = a[i] (+ or *) b[i mod period]: residual additions and products, b repeating along leading axes.
#version 460
#include "Common/types.glsl"
#include "Common/columns.glsl"

layout(constant_id = 0) const uint RESULT = TYPE_F32;
layout(push_constant, scalar) uniform Push {
  FloatsIn a;
  WEIGHTS b;
  FloatsOut result;
  uint count;
  Divisor period;
} p;

bool reads_vectors() {
  // A period of all elements need not be a multiple: its tail is the tensor's.
  return (p.period.value % 4 == 0 || p.period.value == p.count) && is_aligned(uvec2(p.a) | uvec2(p.b));
}

vec4 elements(uint i, bool whole) {
  const vec4 a = load_vector(p.a, whole, i, p.count - 1);
  const vec4 b = load_columns(FloatsIn(p.b), WEIGHT_TYPE, p.period, whole, i, p.count);
#if defined(MULTIPLY)
  return a * b;
#else
  return a + b;
#endif
}

#define RESULT_TYPE RESULT
#include "Common/elements.glsl"
