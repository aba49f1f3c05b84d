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

layout(constant_id = 1) const bool MODULATED = false;
layout(constant_id = 2) const uint RESULT = TYPE_F32;
#include "Common/rows.glsl"

// Vector k of this lane, normed and modulated. `left` is the mean of the deviations from `mean`.
vec4 finished(Row row, uint k, float mean, float left, float inverse) {
  // `precise` keeps the two subtractions apart: folded into one, the correction would be rounded away.
  precise const vec4 deviation = row_vector(p.x, row, k) - mean;
  precise const vec4 centred = deviation - left;
  vec4 y = centred * inverse;
#if defined(AFFINE)
  y = y * load_row_weights(p.weight, row, k) + load_row_weights(p.bias, row, k);
#endif
  if (MODULATED) y = y * (1.0 + load_row_operand(p.scale, row, k)) + load_row_operand(p.shift, row, k);
  return y;
}

void main() {
  const Row row = open_row(p.x, p.rows, p.width);
  const float mean = row_sums(p.x, row, 0.0).x / float(p.width);
  const vec2 moments = row_sums(p.x, row, mean) / float(p.width);
  if (row.width == 0) return;
  const float left = moments.x;
  const float inverse = inversesqrt(max(moments.y - left * left, 0.0) + p.epsilon);
  const uint per_word = vectors_in_word(RESULT);
  [[unroll]] for (uint k = 0; k < VECTORS; k += per_word) {
    store_row(
        p.result, row, k, finished(row, k, mean, left, inverse), finished(row, k + per_word - 1, mean, left, inverse));
  }
}
