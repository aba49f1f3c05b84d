// Frames [F, h, w, C] to tokens [F*H*W, C*P*P]; a token's numbers are ordered (channel, patch row, patch column), and
// what lies beyond the right and lower border is zero. One output element at a time.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(constant_id = 0) const uint P = 2;  // Side of a patch.

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
  uint height;
  uint width;
  uint channels;
  Divisor token_width;    // C*P*P
  Divisor token_columns;  // W
  Divisor token_rows;     // H
} p;

float element(uint i) {
  const uint token = divide(i, p.token_width);
  const uint within = i - token * p.token_width.value;
  const uint token_row = divide(token, p.token_columns);  // Counted over all frames.
  const uint frame = divide(token_row, p.token_rows);
  const uint y = (token_row - frame * p.token_rows.value) * P + within / P % P;
  const uint x = (token - token_row * p.token_columns.value) * P + within % P;
  if (y >= p.height || x >= p.width) return 0.0;
  return p.x.at[((frame * p.height + y) * p.width + x) * p.channels + within / (P * P)];
}

#include "Common/elements.glsl"
