// Tokens [F*H*W, P*P*C] to frames [F, h, w, C], cropped; a token's numbers are ordered (patch row, patch column,
// channel).
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(constant_id = 0) const uint P = 2;  // Side of a patch.

layout(push_constant, scalar) uniform Push {
  FloatsIn x;  // tokens
  FloatsOut result;
  uint count;
  Divisor channels;
  Divisor width;
  Divisor height;
} p;

uint source(uint i) {
  const uint pixel = divide(i, p.channels);
  const uint channel = i - pixel * p.channels.value;
  const uint row = divide(pixel, p.width);  // Counted over all frames.
  const uint frame = divide(row, p.height);
  const uint y = row - frame * p.height.value;
  const uint column = pixel - row * p.width.value;
  const uint token_rows = (p.height.value + P - 1) / P;
  const uint token_columns = (p.width.value + P - 1) / P;
  const uint token = (frame * token_rows + y / P) * token_columns + column / P;
  return ((token * P + y % P) * P + column % P) * p.channels.value + channel;
}

bool keeps_vectors() { return p.channels.value % 4 == 0; }

#include "Common/copies.glsl"
