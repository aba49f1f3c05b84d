// (a, b) -> (a cos - b sin, a sin + b cos) for channels (2i, 2i + 1) of every head.
// One invocation per token and pair: it loads the angle's cosine and sine once and turns that pair in all heads.
#version 460
#include "Common/types.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn cosines;
  FloatsIn sines;
  FloatsOut result;
  uint count;  // tokens · pairs
  uint pairs;  // of a head
  uint heads;
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const float cosine = p.cosines.at[i];
  const float sine = p.sines.at[i];
  const uint token = i / p.pairs;
  const uint pair = i % p.pairs;
  uint at = 2 * (token * p.heads * p.pairs + pair);
  for (uint head = 0; head < p.heads; head++) {
    const float a = p.x.at[at];
    const float b = p.x.at[at + 1];
    p.result.at[at] = a * cosine - b * sine;
    p.result.at[at + 1] = a * sine + b * cosine;
    at += 2 * p.pairs;
  }
}
