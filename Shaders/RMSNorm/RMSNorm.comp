// x * rsqrt(mean(x^2) + epsilon) * weight over each row. Where ROTARY, channels (2i, 2i + 1) of every head of the
// result then turn by the row's angle i: (a, b) -> (a cos - b sin, a sin + b cos). Rounded to the type RESULT.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/divide.glsl"
#include "Common/turn.glsl"

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

layout(constant_id = 1) const bool ROTARY = false;
layout(constant_id = 2) const uint RESULT = TYPE_F32;
#include "Common/rows.glsl"

// Vector k of this lane, which is two pairs, normed and turned.
vec4 finished(Row row, uint k, float inverse) {
  const vec4 normed = row_vector(p.x, row, k) * inverse * load_row_weights(p.weight, row, k);
  if (!ROTARY) return normed;
  const uint pair = row_column(k) / 2;
  const uint angle = row.index * p.pairs.value;
  const uint first = angle + modulo(pair, p.pairs);
  const uint second = angle + modulo(pair + 1, p.pairs);
  const bool whole = p.pairs.value % 2 == 0 && is_aligned(uvec2(p.cosines) | uvec2(p.sines));
  return turned(normed, load_angles(p.cosines, whole, first, second), load_angles(p.sines, whole, first, second));
}

void main() {
  const Row row = open_row(p.x, p.rows, p.width);
  const float mean_square = row_sums(p.x, row, 0.0).y / float(p.width);
  if (row.width == 0) return;
  const float inverse = inversesqrt(mean_square + p.epsilon);
  const uint per_word = vectors_in_word(RESULT);
  [[unroll]] for (uint k = 0; k < VECTORS; k += per_word) {
    store_row(p.result, row, k, finished(row, k, inverse), finished(row, k + per_word - 1, inverse));
  }
}
