// y[i] = silu(x[i]) or the tanh form of gelu(x[i]).
#version 460
#include "Common/types.glsl"
#include "Common/activation.glsl"
#include "Common/vectors.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
} p;

bool reads_vectors() { return is_aligned(uvec2(p.x)); }

vec4 elements(uint i, bool whole) {
  vec4 values = load_vector(p.x, whole, i, p.count - 1);
  [[unroll]] for (uint k = 0; k < 4; k++) {
#if defined(GELU_TANH)
    values[k] = gelu_tanh(values[k]);
#else
    values[k] = silu(values[k]);
#endif
  }
  return values;
}

#include "Common/elements.glsl"
