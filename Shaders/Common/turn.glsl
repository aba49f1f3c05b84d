// Rotary turns of pairs of channels: (a, b) -> (a cos - b sin, a sin + b cos).
#include "Common/vectors.glsl"

// Two angles of a table, with one access of 8 bytes if `whole`: then they are neighbours, the first an even one.
vec2 load_angles(FloatsIn table, bool whole, uint first, uint second) {
  if (whole) return uintBitsToFloat(PairsIn(whole_address(uvec2(table), 8)).at[first / 2]);
  return vec2(table.at[first], table.at[second]);
}

// Two pairs, each turned by its angle.
vec4 turned(vec4 pairs, vec2 cosines, vec2 sines) {
  const vec2 a = pairs.xz * cosines - pairs.yw * sines;
  const vec2 b = pairs.xz * sines + pairs.yw * cosines;
  return vec4(a.x, b.x, a.y, b.y);
}
