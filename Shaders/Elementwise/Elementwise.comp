// out[i] = a[i] (+ or *) b[i mod period]: residual additions and products, b repeating along leading axes.
// One invocation per element; the grid is folded, so indices past the end return.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint RESULT = TYPE_F32;
layout(push_constant, scalar) uniform Push {
  FloatsIn a;
  WEIGHTS b;
  FloatsOut result;
  uint count;
  uint period;
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const float a = p.a.at[i];
  const float b = load_weight(p.b, i % p.period);
#if defined(MULTIPLY)
  store_element(p.result, RESULT, i, a * b);
#else
  store_element(p.result, RESULT, i, a + b);
#endif
}
