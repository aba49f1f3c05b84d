// `steps` times 16 multiply-adds of vectors per invocation, each on the result of 16 before.
#include "Common/types.glsl"
#if defined(HALF)
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define SCALAR float16_t
// Two halves share a register, and an instruction does both.
#define VECTOR f16vec2
#else
#define SCALAR float
#define VECTOR vec2
#endif

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn source;
  FloatsOut result;
  uint steps;
} p;

const uint CHAINS = 16;

void main() {
  const uint index = workgroup_index() * 128 + gl_LocalInvocationID.x;
  // Numbers that the compiler does not know; x -> x * factor + term stays near one.
  const VECTOR factor = VECTOR(SCALAR(0.5 + 0.001 * fract(p.source.at[0])));
  const VECTOR term = VECTOR(SCALAR(0.5 + 0.001 * fract(p.source.at[1])));
  VECTOR sums[CHAINS];
  [[unroll]] for (uint i = 0; i < CHAINS; i++) sums[i] = VECTOR(SCALAR(fract(0.01 * float(index + i))));
  for (uint step = 0; step < p.steps; step++) {
    [[unroll]] for (uint i = 0; i < CHAINS; i++) sums[i] = fma(sums[i], factor, term);
  }
  VECTOR all = sums[0];
  [[unroll]] for (uint i = 1; i < CHAINS; i++) all += sums[i];
  p.result.at[index] = float(all.x) + float(all.y);
}
