// Types, buffer references and loads that every kernel shares.
//
// Tensors reach kernels as 64-bit device addresses in push constants. Weights are read through the macros
// WEIGHTS (the reference type) and load_weight(reference, index), which widen to float32 exactly; the variant defines
// one of WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16. With WEIGHT_BLOCKS, which linear layers have besides, weights are in blocks
// and read through blocks.glsl.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_16bit_storage : require

layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer FloatsIn { float at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer FloatsOut { float at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer UintsIn { uint at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer IntsIn { int at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) readonly buffer HalvesIn { uint16_t at[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer HalvesOut { uint16_t at[]; };

// f16 and bf16 weights are read as 16-bit patterns and widened by integer work and unpackHalf2x16, so that no
// optional arithmetic feature is needed.
#if defined(WEIGHT_F16)
#define WEIGHTS HalvesIn
float load_weight(HalvesIn w, uint i) { return unpackHalf2x16(uint(w.at[i])).x; }
#elif defined(WEIGHT_BF16)
#define WEIGHTS HalvesIn
float load_weight(HalvesIn w, uint i) { return uintBitsToFloat(uint(w.at[i]) << 16); }
#elif defined(WEIGHT_BLOCKS)
#define WEIGHTS HalvesIn
#else
#define WEIGHTS FloatsIn
float load_weight(FloatsIn w, uint i) { return w.at[i]; }
#endif

// Index of this workgroup in a grid folded into x and y (Grid.folded).
uint workgroup_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
