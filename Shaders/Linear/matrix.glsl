// Linear on matrix units.
#include "Common/matrix_product.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;       // of the type of the factors
  FloatsIn weight;  // of type WEIGHT
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

#include "Common/linear_matrix.glsl"

// Tiles across a strip. Workgroups start in the order of their index: through the rows of a strip of y, then through
// the next strip. Those that run at one time thus share some rows of x and the weights of one strip, 6 MB at a depth of
// 1536, where whole rows of tiles would read all weights again and again: 27 MB for the feed-forward layer, more than
// the caches of most cards hold.
const uint STRIP = 16;

void main() {
  const uvec2 tiles = gl_NumWorkGroups.xy;
  const uint index = gl_WorkGroupID.y * tiles.x + gl_WorkGroupID.x;
  const uint first = index / (STRIP * tiles.y) * STRIP;
  const uint across = min(STRIP, tiles.x - first);
  const uint inside = index - first * tiles.y;
  const uint begin = gl_WorkGroupID.z * p.part_depth;
  linear_tile(
      p.weight, p.bias, p.y, RESULT, p.residual, p.gate, inside / across * TILE_ROWS,
      (first + inside % across) * TILE_COLUMNS, begin, min(begin + p.part_depth, p.depth), gl_WorkGroupID.z * p.part_rows);
}
