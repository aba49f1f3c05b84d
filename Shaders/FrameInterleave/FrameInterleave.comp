// [T, H, W, 2C] to [2T, H, W, C]: output frame 2t + j holds channels jC ..< (j+1)C of input frame t.
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  FloatsOut result;
  uint count;
  Divisor channels;  // C
  Divisor area;      // H*W
} p;

uint source(uint i) {
  const uint pixel = divide(i, p.channels);  // Counted over all frames.
  const uint channel = i - pixel * p.channels.value;
  const uint frame = divide(pixel, p.area);
  const uint position = pixel - frame * p.area.value;
  return (((frame / 2) * p.area.value + position) * 2 + frame % 2) * p.channels.value + channel;
}

bool keeps_vectors() { return p.channels.value % 4 == 0; }

#include "Common/copies.glsl"
