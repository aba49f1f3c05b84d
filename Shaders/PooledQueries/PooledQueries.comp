// Mean query of every cell: result[cell, channel] = sum over the cell's tokens inside the image / pool².
// One invocation per cell and word of channels; neighbours read neighbouring words of the same tokens.
#version 460
#include "Common/types.glsl"
#include "Common/vectors.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint QUERIES = TYPE_F32;  // their type
layout(push_constant, scalar) uniform Push {
  FloatsIn q;
  FloatsOut result;
  uint cells;  // of all images
  uint width;  // channels
  uint first_token;
  uint image_height;
  uint image_width;
  uint pool;
  uint rows;
  uint columns;
} p;

void main() {
  const uint per_word = 4 * vectors_in_word(QUERIES);
  const uint words = (p.width + per_word - 1) / per_word;
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.cells * words) return;
  const uint cell = i / words;
  const uint channel = i % words * per_word;
  const uint image = cell / (p.rows * p.columns);
  const uint top = cell / p.columns % p.rows * p.pool;
  const uint left = cell % p.columns * p.pool;
  const uint bottom = min(top + p.pool, p.image_height);
  const uint right = min(left + p.pool, p.image_width);
  const uint origin = p.first_token + image * p.image_height * p.image_width;
  const bool whole = is_aligned(uvec2(p.q)) && p.width % per_word == 0;

  vec4 first = vec4(0.0);
  vec4 second = vec4(0.0);
  for (uint row = top; row < bottom; row++) {
    vec4 first_line = vec4(0.0);
    vec4 second_line = vec4(0.0);
    for (uint column = left; column < right; column++) {
      const uint token = (origin + row * p.image_width + column) * p.width;
      vec4 a, b;
      load_word(p.q, QUERIES, whole, token + channel, token + p.width - 1, a, b);
      first_line += a;
      second_line += b;
    }
    first += first_line;
    second += second_line;
  }
  const float area = float(p.pool * p.pool);
  const bool writes = is_aligned(uvec2(p.result)) && p.width % 4 == 0;
  const uint at = cell * p.width + channel;
  const uint end = (cell + 1) * p.width;
  store_word(p.result, TYPE_F32, writes, at, end, first / area, first);
  if (per_word == 8 && channel + 4 < p.width) {
    store_word(p.result, TYPE_F32, writes, at + 4, end, second / area, second);
  }
}
