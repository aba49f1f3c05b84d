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
  // Inner indices of a part: the depth, or fewer where workgroups with z > 0 make the sums over the others. Those of
  // part z go to row z * part_rows of y, which then is scratch memory; see sum.glsl.
  uint part_depth;
  uint part_rows;
} p;

#include "Common/linear_tiles.glsl"

void main() {
  const uint begin = gl_WorkGroupID.z * p.part_depth;
  linear_tile(
      p.weight, p.bias, p.y, RESULT, p.residual, p.gate, gl_WorkGroupID.y * TILE_ROWS,
      gl_WorkGroupID.x * TILE_COLUMNS, begin, min(begin + p.part_depth, p.depth), gl_WorkGroupID.z * p.part_rows);
}
