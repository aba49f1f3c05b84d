// Guidance and one step of DPM-Solver++ (2M): v = u + g (c - u), x0 = x - s v, D = x0 + k (x0 - previous),
// next = a x + b D. One invocation per four elements. The scalars come from a buffer, so that a recorded command buffer
// serves every step.
#version 460
#include "Common/types.glsl"
#include "Common/vectors.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn latent;
  FloatsIn conditional;
  FloatsIn unconditional;
  FloatsIn previous;
  FloatsIn coefficients;  // g, s, a, b, k
  FloatsOut next;
  FloatsOut prediction;
  uint count;
} p;

void main() {
  const uint i = 4 * (workgroup_index() * 128 + gl_LocalInvocationID.x);
  if (i >= p.count) return;
  const float guidance = p.coefficients.at[0];
  const float sigma = p.coefficients.at[1];
  const float latent_factor = p.coefficients.at[2];
  const float prediction_factor = p.coefficients.at[3];
  const float correction = p.coefficients.at[4];
  const uvec2 velocities = uvec2(p.conditional) | uvec2(p.unconditional);
  const bool whole = p.count - i >= 4 && is_aligned(uvec2(p.latent) | velocities | uvec2(p.previous));
  const uint last = p.count - 1;

  const vec4 x = load_vector(p.latent, whole, i, last);
  const vec4 u = load_vector(p.unconditional, whole, i, last);
  const vec4 velocity = u + guidance * (load_vector(p.conditional, whole, i, last) - u);
  const vec4 x0 = x - sigma * velocity;
  // A first-order step must not read the previous prediction: before the first step nothing has written it.
  vec4 data = x0;
  if (correction != 0.0) data += correction * (x0 - load_vector(p.previous, whole, i, last));
  const vec4 next = latent_factor * x + prediction_factor * data;
  store_word(p.next, TYPE_F32, is_aligned(uvec2(p.next)), i, p.count, next, next);
  store_word(p.prediction, TYPE_F32, is_aligned(uvec2(p.prediction)), i, p.count, x0, x0);
}
