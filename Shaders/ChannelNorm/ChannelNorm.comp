// x / max(|x|, 1e-12) * sqrt(C) * gamma over each position's channels, then a nonlinearity if ACTIVATION is one, rounded
// to the type RESULT.
#version 460
#include "Common/types.glsl"
#include "Common/activation.glsl"
#include "Common/typed.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS gamma;
  FloatsOut result;
  uint rows;
  uint width;
} p;

layout(constant_id = 1) const uint ACTIVATION = ACTIVATION_NONE;
layout(constant_id = 2) const uint RESULT = TYPE_F32;
#include "Common/rows.glsl"

vec4 normed(Row row, uint k, float factor) {
  vec4 values = row_vector(p.x, row, k) * factor * load_row_weights(p.gamma, row, k);
  [[unroll]] for (uint i = 0; i < 4; i++) values[i] = activate(ACTIVATION, values[i]);
  return values;
}

void main() {
  const Row row = open_row(p.x, p.rows, p.width);
  const float norm = sqrt(row_sums(p.x, row, 0.0).y);
  if (row.width == 0) return;
  const float factor = sqrt(float(p.width)) / max(norm, 1e-12);
  const uint per_word = vectors_in_word(RESULT);
  [[unroll]] for (uint k = 0; k < VECTORS; k += per_word) {
    store_row(p.result, row, k, normed(row, k, factor), normed(row, k + per_word - 1, factor));
  }
}
