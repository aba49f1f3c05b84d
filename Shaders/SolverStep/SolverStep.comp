// Guidance and one step of DPM-Solver++ (2M): v = u + g (c - u), x0 = x - s v, D = x0 + k (x0 - previous),
// next = a x + b D. One invocation per element. The scalars come from a buffer, so that a recorded command buffer
// serves every step.
#version 460
#include "Common/types.glsl"

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
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const float guidance = p.coefficients.at[0];
  const float sigma = p.coefficients.at[1];
  const float latent_factor = p.coefficients.at[2];
  const float prediction_factor = p.coefficients.at[3];
  const float correction = p.coefficients.at[4];

  const float x = p.latent.at[i];
  const float u = p.unconditional.at[i];
  const float velocity = u + guidance * (p.conditional.at[i] - u);
  const float x0 = x - sigma * velocity;
  // A first-order step must not read the previous prediction: before the first step nothing has written it.
  float data = x0;
  if (correction != 0.0) data += correction * (x0 - p.previous.at[i]);
  p.next.at[i] = latent_factor * x + prediction_factor * data;
  p.prediction.at[i] = x0;
}
