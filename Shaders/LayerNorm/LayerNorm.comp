// (x - mean) / sqrt(variance + epsilon) over each row, then * weight + bias in the affine variants, then, where
// MODULATED, * (1 + scale) + shift; scale and shift are rows of the modulation table, addressed by the host. Rounded to
// the type RESULT.
//
// Corrected two-pass variance (Chan, Golub and LeVeque 1983): the first pass gives a rounded mean, the second the
// deviations from it. Their own mean is what the rounding left; taking it out of the variance and of the output makes
// the result as exact for rows that lie far from zero as for centred ones.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  WEIGHTS bias;
  FloatsIn scale;
  FloatsIn shift;
  FloatsOut result;
  uint rows;
  uint width;
  float epsilon;
} p;

#include "Common/rows.glsl"
layout(constant_id = 1) const bool MODULATED = false;
layout(constant_id = 2) const uint RESULT = TYPE_F32;

void main() {
  const uint row = row_index();
  const uint width = row < p.rows ? p.width : 0;
  const uint first = row * p.width;
  const float mean = row_sums(p.x, first, width, 0.0).x / float(p.width);
  const vec2 moments = row_sums(p.x, first, width, mean) / float(p.width);
  const float left = moments.x;
  const float inverse = inversesqrt(max(moments.y - left * left, 0.0) + p.epsilon);
  for (uint c = row_lane(); c < width; c += LANES) {
    // `precise` keeps the two subtractions apart: folded into one, the correction would be rounded away.
    precise const float deviation = p.x.at[first + c] - mean;
    precise const float centred = deviation - left;
    float y = centred * inverse;
#if defined(AFFINE)
    y = y * load_weight(p.weight, c) + load_weight(p.bias, c);
#endif
    if (MODULATED) y = y * (1.0 + p.scale.at[c]) + p.shift.at[c];
    store_element(p.result, RESULT, first + c, y);
  }
}
