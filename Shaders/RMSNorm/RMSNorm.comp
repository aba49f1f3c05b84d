// x * rsqrt(mean(x^2) + epsilon) * weight over each row. Where ROTARY, channels (2i, 2i + 1) of every head of the
// result then turn by the row's angle i: (a, b) -> (a cos - b sin, a sin + b cos). Rounded to the type RESULT.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsIn cosines;  // [rows, pairs]
  FloatsIn sines;
  FloatsOut result;
  uint rows;
  uint width;
  float epsilon;
  Divisor pairs;  // of a head
} p;

#include "Common/rows.glsl"
layout(constant_id = 1) const bool ROTARY = false;
layout(constant_id = 2) const uint RESULT = TYPE_F32;

// Element c of the row at `first`, normed.
float normed(uint first, uint c, float inverse) { return p.x.at[first + c] * inverse * load_weight(p.weight, c); }

void main() {
  const uint row = row_index();
  const uint width = row < p.rows ? p.width : 0;
  const uint first = row * p.width;
  const float mean_square = row_sums(p.x, first, width, 0.0).y / float(p.width);
  const float inverse = inversesqrt(mean_square + p.epsilon);
  if (!ROTARY) {
    for (uint c = row_lane(); c < width; c += LANES) {
      store_element(p.result, RESULT, first + c, normed(first, c, inverse));
    }
    return;
  }
  for (uint i = row_lane(); 2 * i < width; i += LANES) {
    const uint angle = row * p.pairs.value + modulo(i, p.pairs);
    const float cosine = p.cosines.at[angle];
    const float sine = p.sines.at[angle];
    const float a = normed(first, 2 * i, inverse);
    const float b = normed(first, 2 * i + 1, inverse);
    store_element(p.result, RESULT, first + 2 * i, a * cosine - b * sine);
    store_element(p.result, RESULT, first + 2 * i + 1, a * sine + b * cosine);
  }
}
