// Frames [F, h, w, C] to tokens [F*H*W, C*P*P]; a token's numbers are ordered (channel, patch row, patch column), and
// what lies beyond the right and lower border is zero. An invocation takes four channels of a patch: it reads a vector from
// each pixel and writes as many, turned from pixel by pixel to channel by channel.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"
#include "Common/vectors.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint P = 2;  // Side of a patch.

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint tokens;
  uint height;
  uint width;
  uint channels;
  Divisor groups;         // of four channels
  Divisor token_columns;  // W
  Divisor token_rows;     // H
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.tokens * p.groups.value) return;
  const uint token = divide(i, p.groups);
  const uint channel = 4 * (i - token * p.groups.value);
  const uint token_row = divide(token, p.token_columns);  // Counted over all frames.
  const uint frame = divide(token_row, p.token_rows);
  const uint top = (token_row - frame * p.token_rows.value) * P;
  const uint left = (token - token_row * p.token_columns.value) * P;
  const bool reads = p.channels % 4 == 0 && is_aligned(uvec2(p.x));
  const bool writes = p.channels % 4 == 0 && is_aligned(uvec2(p.result));

  vec4 pixels[P * P];
  [[unroll]] for (uint q = 0; q < P * P; q++) {
    const uint y = top + q / P;
    const uint x = left + q % P;
    const uint pixel = ((frame * p.height + y) * p.width + x) * p.channels;
    pixels[q] = vec4(0.0);
    if (y < p.height && x < p.width) pixels[q] = load_vector(p.x, reads, pixel + channel, pixel + p.channels - 1);
  }
  const uint first = (token * p.channels + channel) * (P * P);
  const uint end = (token + 1) * p.channels * (P * P);
  [[unroll]] for (uint j = 0; j < P * P; j++) {
    vec4 values;
    [[unroll]] for (uint k = 0; k < 4; k++) values[k] = pixels[(4 * j + k) % (P * P)][(4 * j + k) / (P * P)];
    if (first + 4 * j < end) store_word(p.result, TYPE_F32, writes, first + 4 * j, end, values, values);
  }
}
