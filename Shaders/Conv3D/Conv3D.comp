// 3D convolution, channels last, as a matrix product whose left operand is gathered while it is loaded.
//
//   rows     output positions (frame, y, x), flattened
//   columns  output channels
//   inner    kernel offsets (dt, dy, dx), and for each of them the input channels
//
// Frames before x come from `history`; positions outside a frame are zeros. With ZOOM every pixel stands for a 2 x 2
// square: the kernel moves over the doubled frame and reads at half its coordinates. Indices are below 2^31 and
// coordinates below 2^16 (the lowering sees to it).
//
// Two kernels: `matrix` on matrix units, for frames in half types, and `tiles` without them.
#version 460
#if defined(MATRIX)
#include "Conv3D/matrix.glsl"
#else
#include "Conv3D/tiles.glsl"
#endif
