// Factors of matrix units: f16, or bf16 with FACTOR_BF16. A fragment is what a subgroup holds of a matrix.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#include "Common/typed.glsl"

#if defined(FACTOR_BF16)
#extension GL_EXT_bfloat16 : require
#define FACTOR bfloat16_t
const uint FACTOR_TYPE = TYPE_BF16;
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define FACTOR float16_t
const uint FACTOR_TYPE = TYPE_F16;
#endif
