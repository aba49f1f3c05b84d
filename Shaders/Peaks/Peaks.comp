// What a device reaches at best: the loops behind `lumosx-bench peaks`. They compute nothing of use; the roofs of the
// benchmarks are their speeds.
//
//   copy     every invocation moves four words of 16 bytes, a workgroup's width apart, all loads before the stores
//   f32 f16  multiply-adds in registers: 16 chains, so that one's result is there before its turn comes again
//   matrix   products of fragments in registers: 4 x 4 sums from 4 + 4 factors, which come from memory once
#version 460
#extension GL_EXT_control_flow_attributes : require
#if defined(COPY)
#include "Peaks/copy.glsl"
#elif defined(MATRIX)
#include "Peaks/matrix.glsl"
#else
#include "Peaks/multiply_add.glsl"
#endif
