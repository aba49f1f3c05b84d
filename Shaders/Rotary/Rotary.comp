// (a, b) -> (a cos - b sin, a sin + b cos) for channels (2i, 2i + 1) of every head.
// One invocation per token and two pairs: it loads their cosines and sines once and turns these pairs in all heads.
#version 460
#include "Common/types.glsl"
#include "Common/turn.glsl"

layout(local_size_x = 128) in;
layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsIn cosines;
  FloatsIn sines;
  FloatsOut result;
  uint tokens;
  uint pairs;  // of a head
  uint heads;
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  const uint per_token = (p.pairs + 1) / 2;
  if (i >= p.tokens * per_token) return;
  const uint token = i / per_token;
  const uint pair = i % per_token * 2;
  const bool even = p.pairs % 2 == 0;
  const bool whole = even && is_aligned(uvec2(p.cosines) | uvec2(p.sines));
  const uint angle = token * p.pairs + pair;
  const uint next = angle + uint(pair + 1 < p.pairs);  // itself where there is no other
  const vec2 cosines = load_angles(p.cosines, whole, angle, next);
  const vec2 sines = load_angles(p.sines, whole, angle, next);
  const bool reads = even && is_aligned(uvec2(p.x));
  const bool writes = even && is_aligned(uvec2(p.result));
  uint first = 2 * token * p.heads * p.pairs;
  for (uint head = 0; head < p.heads; head++) {
    const uint end = first + 2 * p.pairs;
    const uint at = first + 2 * pair;
    const vec4 result = turned(load_vector(p.x, reads, at, end - 1), cosines, sines);
    store_word(p.result, TYPE_F32, writes, at, end, result, result);
    first = end;
  }
}
