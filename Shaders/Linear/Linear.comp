// y [rows, width] = x [rows, depth] * transpose(weight [width, depth]) + bias [width], then an epilogue: a
// nonlinearity, residual [rows, width] + y, or residual + y * gate [width].
//
// Four kernels: `matrix` and `workgroup` on matrix units, `tiles` without them, `vector` for very few rows; and `sum`, which
// adds up what the others but `vector` made of parts of the inner axis. Indices are below 2^31
// (the lowering slices rows), so no product of them overflows.
#version 460
#if defined(SUM)
#include "Linear/sum.glsl"
#elif defined(VECTOR)
#include "Linear/vector.glsl"
#elif defined(WORKGROUP)
#include "Linear/workgroup.glsl"
#elif defined(MATRIX)
#include "Linear/matrix.glsl"
#else
#include "Linear/tiles.glsl"
#endif
