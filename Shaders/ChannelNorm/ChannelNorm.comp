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

#include "Common/rows.glsl"
layout(constant_id = 1) const uint ACTIVATION = ACTIVATION_NONE;
layout(constant_id = 2) const uint RESULT = TYPE_F32;

void main() {
  const uint row = row_index();
  const uint width = row < p.rows ? p.width : 0;
  const uint first = row * p.width;
  const float norm = sqrt(row_sums(p.x, first, width, 0.0).y);
  const float factor = sqrt(float(p.width)) / max(norm, 1e-12);
  for (uint c = row_lane(); c < width; c += LANES) {
    const float value = activate(ACTIVATION, p.x.at[first + c] * factor * load_weight(p.gamma, c));
    store_element(p.result, RESULT, first + c, value);
  }
}
