// `steps` times 16 products of fragments per subgroup, each added to the result of 16 before.
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require
#include "Common/types.glsl"
#if defined(BFLOAT)
#extension GL_EXT_bfloat16 : require
#define FACTOR bfloat16_t
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define FACTOR float16_t
#endif

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
layout(constant_id = 1) const uint ROWS = 16;
layout(constant_id = 2) const uint COLUMNS = 16;
layout(constant_id = 3) const uint DEPTH = 16;
layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer Factors { FACTOR at[]; };
layout(push_constant, scalar) uniform Push {
  Factors source;
  FloatsOut result;
  uint steps;
} p;

const uint SIDE = 4;

void main() {
  const uint subgroup = workgroup_index() * gl_NumSubgroups + gl_SubgroupID;
  coopmat<FACTOR, gl_ScopeSubgroup, ROWS, DEPTH, gl_MatrixUseA> left[SIDE];
  coopmat<FACTOR, gl_ScopeSubgroup, DEPTH, COLUMNS, gl_MatrixUseB> right[SIDE];
  coopmat<float, gl_ScopeSubgroup, ROWS, COLUMNS, gl_MatrixUseAccumulator> sums[SIDE * SIDE];
  [[unroll]] for (uint i = 0; i < SIDE; i++) {
    coopMatLoad(left[i], p.source.at, i * ROWS * DEPTH, DEPTH, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(right[i], p.source.at, (SIDE * ROWS + i * COLUMNS) * DEPTH, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
  }
  [[unroll]] for (uint i = 0; i < SIDE * SIDE; i++) {
    sums[i] = coopmat<float, gl_ScopeSubgroup, ROWS, COLUMNS, gl_MatrixUseAccumulator>(0.0);
  }
  for (uint step = 0; step < p.steps; step++) {
    [[unroll]] for (uint i = 0; i < SIDE; i++) {
      [[unroll]] for (uint j = 0; j < SIDE; j++) sums[i * SIDE + j] = coopMatMulAdd(left[i], right[j], sums[i * SIDE + j]);
    }
  }
  [[unroll]] for (uint i = 1; i < SIDE * SIDE; i++) sums[0] += sums[i];
  coopMatStore(sums[0], p.result.at, subgroup * ROWS * COLUMNS, COLUMNS, gl_CooperativeMatrixLayoutRowMajor);
}
