// Linear on matrix units whose matrices belong to a whole workgroup (VK_NV_cooperative_matrix2).
//
// A workgroup makes a tile of y, TILE_ROWS x TILE_COLUMNS. Per step of TILE_DEPTH along the inner axis it loads a matrix of x
// and one of the weights, straight from memory, and multiplies them. How their elements are spread over invocations,
// what passes through shared memory and what is fetched ahead is the driver's affair. What lies outside the operands
// reads as zero. At the end every invocation finishes and writes those elements of the tile that it holds.
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_NV_cooperative_matrix2 : require
#include "Common/types.glsl"
#include "Common/typed.glsl"
#include "Common/epilogue.glsl"
#include "Common/factors.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 256;
layout(constant_id = 1) const uint TILE_ROWS = 128;
layout(constant_id = 2) const uint TILE_COLUMNS = 128;
layout(constant_id = 3) const uint TILE_DEPTH = 64;
layout(constant_id = 4) const uint BIAS = TYPE_ABSENT;
layout(constant_id = 5) const uint EPILOGUE = EPILOGUE_NONE;
// Type of the result.
layout(constant_id = 6) const uint RESULT = TYPE_F32;

layout(push_constant, scalar) uniform Push {
  FloatsIn x;       // of the type of the factors
  FloatsIn weight;  // likewise
  FloatsIn bias;
  FloatsOut y;
  FloatsIn residual;
  FloatsIn gate;
  uint rows;
  uint width;
  uint depth;
  uint part_depth;  // as in tiles.glsl
  uint part_rows;
} p;

layout(buffer_reference, scalar, buffer_reference_align = 2) readonly buffer FactorsIn { FACTOR at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer AlignedFactorsIn { FACTOR at[]; };

// Finishes and writes the element of the tile at (row, column).
float finish_element(
    const in uint row, const in uint column, const in float sum, const in uint first_row, const in uint first_column) {
  const uint r = first_row + row;
  const uint c = first_column + column;
  if (r >= p.rows || c >= p.width) return sum;
  const uint at = (gl_WorkGroupID.z * p.part_rows + r) * p.width + c;
  const float gate = load_gate(p.gate, EPILOGUE, c);
  store_element(p.y, RESULT, at, finish(sum + load_element(p.bias, BIAS, c), p.residual, gate, EPILOGUE, at));
  return sum;
}

void main() {
  const uint first_row = gl_WorkGroupID.y * TILE_ROWS;
  const uint first_column = gl_WorkGroupID.x * TILE_COLUMNS;
  const uint begin = gl_WorkGroupID.z * p.part_depth;
  const uint end = min(begin + p.part_depth, p.depth);
  // Rows of 16 bytes at addresses of 16 bytes.
  const bool is_aligned = ((uvec2(p.x).x | uvec2(p.weight).x) & 15) == 0 && p.depth % 8 == 0;

  tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV> left =
      createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
  tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV> right =
      createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
  // Inner indices from `end` on are another part's.
  left = setTensorLayoutDimensionNV(left, p.rows, end);
  left = setTensorLayoutStrideNV(left, p.depth, 1);
  right = setTensorLayoutDimensionNV(right, p.width, end);
  right = setTensorLayoutStrideNV(right, p.depth, 1);
  // Rows of the weights are columns of the factor.
  tensorViewNV<2, false, 1, 0> transposed = createTensorViewNV(2, false, 1, 0);

  coopmat<float, gl_ScopeWorkgroup, TILE_ROWS, TILE_COLUMNS, gl_MatrixUseAccumulator> sums =
      coopmat<float, gl_ScopeWorkgroup, TILE_ROWS, TILE_COLUMNS, gl_MatrixUseAccumulator>(0.0);
  if (is_aligned) {
    [[dont_unroll]] for (uint first = begin; first < end; first += TILE_DEPTH) {
      coopmat<FACTOR, gl_ScopeWorkgroup, TILE_ROWS, TILE_DEPTH, gl_MatrixUseA> x;
      coopmat<FACTOR, gl_ScopeWorkgroup, TILE_DEPTH, TILE_COLUMNS, gl_MatrixUseB> weights;
      coopMatLoadTensorNV(
          x, AlignedFactorsIn(p.x).at, 0, sliceTensorLayoutNV(left, first_row, TILE_ROWS, first, TILE_DEPTH));
      coopMatLoadTensorNV(
          weights, AlignedFactorsIn(p.weight).at, 0,
          sliceTensorLayoutNV(right, first_column, TILE_COLUMNS, first, TILE_DEPTH), transposed);
      sums = coopMatMulAdd(x, weights, sums);
    }
  } else {
    [[dont_unroll]] for (uint first = begin; first < end; first += TILE_DEPTH) {
      coopmat<FACTOR, gl_ScopeWorkgroup, TILE_ROWS, TILE_DEPTH, gl_MatrixUseA> x;
      coopmat<FACTOR, gl_ScopeWorkgroup, TILE_DEPTH, TILE_COLUMNS, gl_MatrixUseB> weights;
      coopMatLoadTensorNV(
          x, FactorsIn(p.x).at, 0, sliceTensorLayoutNV(left, first_row, TILE_ROWS, first, TILE_DEPTH));
      coopMatLoadTensorNV(
          weights, FactorsIn(p.weight).at, 0,
          sliceTensorLayoutNV(right, first_column, TILE_COLUMNS, first, TILE_DEPTH), transposed);
      sums = coopMatMulAdd(x, weights, sums);
    }
  }
  coopMatPerElementNV(sums, sums, finish_element, first_row, first_column);
}
