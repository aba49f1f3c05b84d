// x * rsqrt(mean(x^2) + epsilon) * weight over each row.
#version 460
#include "Common/types.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsOut result;
  uint rows;
  uint width;
  float epsilon;
} p;

#include "Common/rows.glsl"

void main() {
  const uint row = row_index();
  const uint width = row < p.rows ? p.width : 0;
  const uint first = row * p.width;
  const float mean_square = row_sums(p.x, first, width, 0.0).y / float(p.width);
  const float inverse = inversesqrt(mean_square + p.epsilon);
  for (uint c = row_lane(); c < width; c += LANES) {
    p.result.at[first + c] = p.x.at[first + c] * inverse * load_weight(p.weight, c);
  }
}
