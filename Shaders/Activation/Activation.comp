// y[i] = silu(x[i]) or the tanh form of gelu(x[i]). One invocation per element.
#version 460
#include "Common/types.glsl"
#include "Common/activation.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut y;
  uint count;
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
#if defined(GELU_TANH)
  p.y.at[i] = gelu_tanh(p.x.at[i]);
#else
  p.y.at[i] = silu(p.x.at[i]);
#endif
}
