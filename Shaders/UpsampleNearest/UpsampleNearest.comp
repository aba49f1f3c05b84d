// [T, H, W, C] to [T, 2H, 2W, C]: output pixel (Y, X) is input pixel (Y / 2, X / 2). Frames need no separate index,
// because their heights are even in the output: rows are counted over all frames.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
  Divisor channels;
  Divisor width;  // Of the output.
} p;

uint source(uint i) {
  const uint pixel = divide(i, p.channels);
  const uint channel = i - pixel * p.channels.value;
  const uint row = divide(pixel, p.width);
  const uint column = pixel - row * p.width.value;
  return ((row / 2) * (p.width.value / 2) + column / 2) * p.channels.value + channel;
}

bool keeps_vectors() { return p.channels.value % 4 == 0; }

#include "Common/copies.glsl"
