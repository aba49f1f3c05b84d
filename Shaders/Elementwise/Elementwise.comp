// out[i] = a[i] (+ or *) b[i mod period]: residual additions and products, b repeating along leading axes.
// One invocation per element; the grid is folded, so indices past the end return.
#version 460
#include "Common/types.glsl"

layout(local_size_x = 128) in;
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
  p.result.at[i] = a * b;
#else
  p.result.at[i] = a + b;
#endif
}
