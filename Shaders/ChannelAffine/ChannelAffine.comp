// x * scale[c] + shift[c], c the channel (innermost axis).
#version 460
#include "Common/types.glsl"
#include "Common/divide.glsl"

layout(push_constant, scalar) uniform Push {
  FloatsIn x;
  WEIGHTS scale;
  WEIGHTS shift;
  FloatsOut result;
  uint count;
  Divisor channels;
} p;

float element(uint i) {
  const uint c = modulo(i, p.channels);
  return p.x.at[i] * load_weight(p.scale, c) + load_weight(p.shift, c);
}

#include "Common/elements.glsl"
