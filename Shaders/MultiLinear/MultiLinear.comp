// y[l] [rows, width] = x [rows, depth] * transpose(weight[l] [width, depth]) + bias[l] [width], for up to LAYERS linear
// layers l of one input at once.
//
// Three kernels, as in Linear: `matrix`, `tiles` and `vector`. In the first two the layer changes fastest
// from workgroup to workgroup, then the columns, so that a piece of x serves all layers while the caches hold it.
#version 460
#include "Common/types.glsl"
#if defined(MATRIX)
#include "Common/matrix_product.glsl"
#elif !defined(VECTOR)
#include "Common/product.glsl"
#endif

// As many as the push constants have room for; MultiLinear.layersPerDispatch in the lowering.
const uint LAYERS = 3;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS weight[LAYERS];
  FloatsIn bias[LAYERS];
  FloatsOut y[LAYERS];
  uint rows;
  uint width;
  uint depth;
  uint groups;  // of `vector`, per layer
} p;

// There is no epilogue: what stands for its operands is not read. RESULT holds one type per layer, in four bits each.
#if defined(VECTOR)
#include "Common/linear_vector.glsl"

void main() {
  const uint layer = gl_WorkGroupID.z;
  const uint type = RESULT >> (4 * layer) & 15;
  linear_group(p.weight[layer], p.bias[layer], p.y[layer], type, p.x, p.x, workgroup_index());
}
#else
#if defined(MATRIX)
#include "Common/linear_matrix.glsl"
#else
#include "Common/linear_tiles.glsl"
#endif

void main() {
  const uint layer = gl_WorkGroupID.x;
  const uint type = RESULT >> (4 * layer) & 15;
  linear_tile(
      p.weight[layer], p.bias[layer], p.y[layer], type, p.x, p.x, gl_WorkGroupID.z * TILE_ROWS,
      gl_WorkGroupID.y * TILE_COLUMNS, 0, p.depth, 0);
}
#endif
