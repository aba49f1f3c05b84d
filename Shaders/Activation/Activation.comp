// y[i] = silu(x[i]) or the tanh form of gelu(x[i]). One invocation per element.
#version 460
#include "Common/types.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut y;
  uint count;
} p;

// 1 / (1 + e^-v). The exponential is only taken of numbers up to 0, so that nothing overflows.
float sigmoid(float v) {
  const float e = exp(-min(abs(v), 110.0));
  return (v >= 0 ? 1.0 : e) / (1.0 + e);
}

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const float x = p.x.at[i];
#if defined(GELU_TANH)
  // (1 + tanh u) / 2 = sigmoid(2 u); tanh itself overflows or cancels on some drivers. Beyond |x| = 30 sigmoid is 0 or
  // 1, and the clamp keeps the cube finite.
  const float c = clamp(x, -30.0, 30.0);
  const float u = 0.7978845608028654 * (c + 0.044715 * c * c * c);
  p.y.at[i] = x * sigmoid(2.0 * u);
#else
  p.y.at[i] = x * sigmoid(x);
#endif
}
