// Linear in tiles. Workgroup (i, j) makes columns i * TILE_COLUMNS ... of rows j * TILE_ROWS ...; how, stands in
// Common/product.glsl.
#include "Common/product.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsIn bias;
  FloatsOut y;
  uint rows;
  uint width;
  uint depth;
} p;

void load_left(uint first_row, uint first) {
  [[unroll]] for (uint e = gl_LocalInvocationIndex; e < TILE_ROWS * TILE_DEPTH; e += INVOCATIONS) {
    const uint row = e / TILE_DEPTH;
    const uint inner = e % TILE_DEPTH;
    float value = 0;
    if (first_row + row < p.rows && first + inner < p.depth) {
      value = p.x.at[(first_row + row) * p.depth + first + inner];
    }
    left_tile[inner * LEFT_PITCH + row] = value;
  }
}

void main() {
  const uint first_column = gl_WorkGroupID.x * TILE_COLUMNS;
  const uint first_row = gl_WorkGroupID.y * TILE_ROWS;
  clear_sums();
  for (uint first = 0; first < p.depth; first += TILE_DEPTH) {
    load_left(first_row, first);
    load_right(p.weight, first_column, p.width, p.depth, first, p.depth);
    barrier();
    accumulate();
    barrier();
  }
  write_sums(p.y, p.bias, first_row, p.rows, first_column, p.width);
}
