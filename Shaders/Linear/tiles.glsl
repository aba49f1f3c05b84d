// Linear in tiles. Workgroup (i, j) makes columns i * TILE_COLUMNS ... of rows j * TILE_ROWS ....
#include "Common/product.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight;
  FloatsIn bias;
  FloatsOut y;
  FloatsIn residual;
  FloatsIn gate;
  uint rows;
  uint width;
  uint depth;
} p;

#include "Common/linear_tiles.glsl"

void main() {
  linear_tile(
      p.weight, p.bias, p.y, RESULT, p.residual, p.gate, gl_WorkGroupID.y * TILE_ROWS,
      gl_WorkGroupID.x * TILE_COLUMNS);
}
