// Linear on matrix units. Workgroup (i, j) makes columns i * TILE_COLUMNS ... of rows j * TILE_ROWS ....
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
} p;

#include "Common/linear_matrix.glsl"

void main() {
  linear_tile(
      p.weight, p.bias, p.y, p.residual, p.gate, gl_WorkGroupID.y * TILE_ROWS, gl_WorkGroupID.x * TILE_COLUMNS);
}
