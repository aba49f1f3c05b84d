// Mean query of every cell: result[cell, channel] = sum over the cell's tokens inside the image / pool².
// One invocation per cell and channel; neighbours read neighbouring channels of the same tokens.
#version 460
#include "Common/types.glsl"
#include "Common/typed.glsl"

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint QUERIES = TYPE_F32;  // their type
layout(push_constant, scalar) uniform Push {
  FloatsIn q;
  FloatsOut result;
  uint count;  // cells of all images · width
  uint width;  // channels
  uint first_token;
  uint image_height;
  uint image_width;
  uint pool;
  uint rows;
  uint columns;
} p;

void main() {
  const uint i = workgroup_index() * 128 + gl_LocalInvocationID.x;
  if (i >= p.count) return;
  const uint cell = i / p.width;
  const uint channel = i % p.width;
  const uint image = cell / (p.rows * p.columns);
  const uint top = cell / p.columns % p.rows * p.pool;
  const uint left = cell % p.columns * p.pool;
  const uint bottom = min(top + p.pool, p.image_height);
  const uint right = min(left + p.pool, p.image_width);
  const uint origin = p.first_token + image * p.image_height * p.image_width;

  float sum = 0.0;
  for (uint row = top; row < bottom; row++) {
    float line = 0.0;
    for (uint column = left; column < right; column++) {
      line += load_element(p.q, QUERIES, (origin + row * p.image_width + column) * p.width + channel);
    }
    sum += line;
  }
  p.result.at[i] = sum / float(p.pool * p.pool);
}
